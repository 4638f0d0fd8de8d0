/* weird: reads the configuration, opens sockets and shared memory, starts the children and keeps them, answers the
 * control socket. Start-up reads top to bottom in serve(). */
#include "config.h"
#include "supervisor/weird.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "lib/base/check.h"
#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/ctl/dispatch.h"
#include "lib/ctl/heritage.h"
#include "lib/json/jr.h"
#include "lib/shm/metrics.h"
#include "supervisor/logs.h"
#include "supervisor/notify.h"
#include "supervisor/spawn.h"

#define DEFAULT_CONF WEIR_SYSCONFDIR "/weir/weir.conf"
#define TICK_MS 250u
#define ROOM_FOR_ENDPOINTS 64u	/* that reloads may add */

static const char usage_text[] =
    "usage: weird [-c FILE]               run in the foreground\n"
    "       weird -t [--offline] [-c FILE]  test the configuration, every endpoint, every statement\n"
    "       weird -T [-c FILE]            print the effective configuration as JSON\n"
    "       weird -x conf|options|commands|directives|metrics   print an example or a manual's list\n"
    "       weird -V                      versions\n"
    "The configuration is -c, else " DEFAULT_CONF ".\n";

void weird_announce(struct weird *w)
{
	unsigned ready = children_count(w, STATE_ready);

	if (!ready || w->stopping)
		return;
	if (!w->is_announced)
		log_info("serving: generation %u, %u endpoints", w->gen->number, w->gen->s.endpoints.n);
	w->is_announced = 1;
	notify_send("READY=1\nSTATUS=Generation %u, %u workers", w->gen->number, ready);
}

static void sample_queue(struct weird *w)
{
	struct region_header *h = w->region.h;
	uint32_t depth = 0, limit = 0;

	for (unsigned i = 0; i < w->n_listeners; i++) {
		if (listen_queue(&w->listeners[i]))
			continue;
		depth += w->listeners[i].depth;
		limit += w->listeners[i].limit;
	}
	atomic_store(&h->queue_length, depth);
	atomic_store(&h->queue_limit, limit);
	if (depth > atomic_load(&h->queue_peak))
		atomic_store(&h->queue_peak, depth);
}

static void on_tick(uv_timer_t *t)
{
	struct weird *w = t->data;
	uint64_t now = clock_mono_ns();

	atomic_store(&w->region.h->weird_heartbeat_ns, now);
	/* who overslept may not judge: the children's heartbeats are as old as its own */
	if (w->last_tick_ns && now - w->last_tick_ns > CLOCK_S)
		w->no_judging_until_ns = now + CLOCK_S;
	w->last_tick_ns = now;
	children_judge(w, now);
	if (w->ticks++ % 4)
		return;
	express_tick(&w->region, now / CLOCK_MS);
	slots_sweep(&w->region, now);
	sample_queue(w);
	control_tick(w->control);
	children_balance(w);
	if (notify_watchdog_ms())
		notify_send("WATCHDOG=1");
}

static void reopen_logs(struct weird *w)
{
	struct err e;

	if (logs_reopen(w->logs, &e))
		log_error("%s", e.text);
	children_tell(w, HERITAGE_REOPEN, 0);
	log_info("logs opened again");
}

static void on_signal(uv_signal_t *h, int signum)
{
	struct weird *w = h->data;

	switch (signum) {
	case SIGCHLD:
		children_reap(w);
		break;
	case SIGTERM:
		weird_stop(w, STOP_GRACEFUL);
		break;
	case SIGINT:
		weird_stop(w, STOP_FAST);
		break;
	case SIGQUIT:
		weird_stop(w, STOP_PATIENT);
		break;
	case SIGHUP:
		reload_ask(w, NULL, NULL);
		break;
	case SIGUSR1:
		reopen_logs(w);
		break;
	default:
		break;
	}
}

static void watch_signals(struct weird *w)
{
	static const int all[] = {SIGCHLD, SIGTERM, SIGINT, SIGQUIT, SIGHUP, SIGUSR1};

	signal(SIGPIPE, SIG_IGN);
	for (size_t i = 0; i < ARRAY_LEN(all); i++) {
		w->signals[i].data = w;
		uv_signal_init(w->loop, &w->signals[i]);
		uv_signal_start(&w->signals[i], on_signal, all[i]);
	}
	w->n_signals = ARRAY_LEN(all);
}

/* Somebody else's weird, alive: its pid, 0 when it does not say, -1 when there is none. */
static int other_weird(const char *address)
{
	const char *path = strncmp(address, "unix:", 5) == 0 ? address + 5 : address;
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	struct ucred who = {0};
	socklen_t n = sizeof(who);
	int fd, pid = -1;

	if (strlen(path) >= sizeof(a.sun_path))
		return -1;
	memcpy(a.sun_path, path, strlen(path) + 1);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd >= 0 && connect(fd, (struct sockaddr *)&a, sizeof(a)) == 0)
		pid = getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &n) == 0 ? who.pid : 0;
	if (fd >= 0)
		close(fd);
	return pid;
}

static int open_listeners(struct weird *w, struct listener *control, struct err *e)
{
	const struct options *o = &w->gen->s.options;
	struct listen_how how = {.owner = o->socket_owner, .group = o->socket_group, .mode = o->socket_mode,
				 .backlog = (int)o->backlog};
	struct listen_how ctl = how;

	listen_inherit();
	w->status.fd = -1;
	for (unsigned i = 0; i < o->listen.n; i++) {
		if (listen_open(&w->listeners[i], o->listen.v[i], &how, e))
			return -1;
		w->n_listeners++;
	}
	if (o->status && *o->status && listen_open(&w->status, o->status, &how, e))
		return -1;
	ctl.mode = o->control_mode;
	ctl.backlog = 64;
	if (listen_open(control, o->control, &ctl, e))
		return -1;
	return listen_unmatched(e) ? -1 : 0;
}

static int make_memory(struct weird *w, struct err *e)
{
	const struct options *o = &w->gen->s.options;
	struct region_plan plan = {.n_numbers = 2 * o->workers.max,
				   .n_endpoints = w->gen->s.endpoints.n * 2 + ROOM_FOR_ENDPOINTS,
				   .n_databases = o->n_databases};

	for (unsigned i = 0; i < o->n_databases; i++)
		plan.n_slots[i] = o->databases[i].pool_max;
	if (region_create(&w->region, &plan, e))
		return -1;
	for (unsigned i = 0; i < o->n_databases; i++) {
		struct db_state *s = region_db(&w->region, i);

		snprintf(s->name, sizeof(s->name), "%s", o->databases[i].name);
		s->n_warm = o->databases[i].pool_min;
	}
	w->n_numbers = plan.n_numbers;
	w->max_workers = o->workers.max;
	atomic_store(&w->region.h->weird_pid, (uint32_t)getpid());
	atomic_store(&w->region.h->weird_heartbeat_ns, clock_mono_ns());
	atomic_store(&w->region.h->log_level, (uint32_t)o->log.level);
	atomic_store(&w->region.h->last_reload_ok, 1);
	atomic_store(&w->region.h->reload_wall_us, clock_wall_us());
	w->events = calloc(w->n_numbers + 1, sizeof(*w->events));
	check(w->events);
	for (unsigned i = 0; i <= w->n_numbers; i++) {
		w->events[i] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		if (w->events[i] < 0)
			return err_set(e, E_io, "eventfd: %s", strerror(errno));
	}
	return generation_seal(w->gen, &w->region, 1, e) ? -1 : 0;
}

static int find_programs(struct weird *w, struct err *e)
{
	if (spawn_find("weir-worker", w->worker_path, sizeof(w->worker_path)))
		return err_set(e, E_config, "weir-worker was not found, last at %s", w->worker_path);
	if (spawn_find("weir-monitor", w->monitor_path, sizeof(w->monitor_path)))
		return err_set(e, E_config, "weir-monitor was not found, last at %s", w->monitor_path);
	return 0;
}

static int load(struct weird *w)
{
	struct errs errs;
	AUTO(buf) struct buf text;
	int rc = 0;

	buf_init(&text, 0);
	errs_init(&errs);
	w->gen = generation_new();
	if (snapshot_load(&w->gen->s, w->conf_path, &errs)) {
		errs_to_text(&errs, &text);
		fwrite(text.p, 1, text.n, stderr);
		rc = EXIT_CONFIG;
	}
	errs_done(&errs);
	return rc;
}

static void raise_limits(void)
{
	struct rlimit l;

	if (getrlimit(RLIMIT_NOFILE, &l) == 0 && l.rlim_cur < l.rlim_max) {
		l.rlim_cur = l.rlim_max;
		setrlimit(RLIMIT_NOFILE, &l);
	}
}

static void close_handle(uv_handle_t *h, void *arg)
{
	(void)arg;
	if (!uv_is_closing(h))
		uv_close(h, NULL);
}

static void finish(struct weird *w, struct listener *control)
{
	control_free(&w->control);
	children_done(w);
	for (unsigned i = 0; i < w->n_listeners; i++)
		listen_close(&w->listeners[i], 1);
	if (w->status.fd >= 0)
		listen_close(&w->status, 1);
	listen_close(control, 1);
	log_info("ended");
	logs_close(w->logs);
	uv_walk(w->loop, close_handle, NULL);
	uv_run(w->loop, UV_RUN_NOWAIT);
}

static int serve(struct weird *w)
{
	struct listener control = {.fd = -1};
	struct err e = {0};
	char text[1024];
	int rc = load(w), pid;

	if (rc)
		return rc;
	pid = other_weird(w->gen->s.options.control);
	if (pid >= 0) {
		fprintf(stderr, "weird: another weird (pid %d) answers at %s\n", pid, w->gen->s.options.control);
		return EXIT_FAIL;
	}
	raise_limits();
	notify_open();
	log_init("weird", 2, (enum log_level)w->gen->s.options.log.level);
	w->null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	w->loop = uv_default_loop();
	w->logs = logs_new(w->loop);
	if (find_programs(w, &e) || open_listeners(w, &control, &e) || make_memory(w, &e) ||
	    logs_open(w->logs, w->gen->s.options.log.file, &e)) {
		fprintf(stderr, "weird: %s\n", err_format(&e, text, sizeof(text)));
		return e.id == E_config ? EXIT_CONFIG : EXIT_FAIL;
	}
	if (logs_adopt_self(w->logs))
		return EXIT_FAIL;
	w->spawn_gen = w->gen;
	w->has_monitor = 1;
	w->started_ns = clock_mono_ns();
	generation_publish(w->gen, &w->region);
	uv_timer_init(w->loop, &w->tick);
	uv_timer_init(w->loop, &w->stop_timer);
	w->tick.data = w;
	watch_signals(w);
	children_init(w);
	w->control = control_new(w, &control);
	log_info("weird %s starts, configuration %s", PACKAGE_VERSION, w->conf_path);
	children_balance(w);
	uv_timer_start(&w->tick, on_tick, 0, TICK_MS);
	uv_run(w->loop, UV_RUN_DEFAULT);
	finish(w, &control);
	return w->exit_code;
}

static int print_config(const char *path)
{
	struct weird w = {.conf_path = strdup(path)};
	AUTO(buf) struct buf out;
	int rc = load(&w);

	buf_init(&out, 0);
	if (!rc) {
		options_to_json(&w.gen->s.options, &out);
		printf("%.*s\n", (int)out.n, out.p);
	}
	generation_unref(&w.gen);
	free(w.conf_path);
	return rc;
}

static int print_list(const char *what)
{
	static const struct {
		const char *word;
		void (*fn)(struct buf *);
	} lists[] = {{"conf", options_example}, {"options", options_mdoc}, {"commands", dispatch_mdoc},
		     {"directives", endpoints_mdoc}, {"metrics", metrics_mdoc}};
	AUTO(buf) struct buf out;

	buf_init(&out, 0);
	for (size_t i = 0; i < ARRAY_LEN(lists); i++)
		if (strcmp(what, lists[i].word) == 0) {
			lists[i].fn(&out);
			fwrite(out.p, 1, out.n, stdout);
			return EXIT_OK;
		}
	fprintf(stderr, "weird: -x takes conf, options, commands, directives or metrics\n%s", usage_text);
	return EXIT_USAGE;
}

static void print_versions(void)
{
	char path[PATH_MAX];
	char command[PATH_MAX + 8];

	printf("weird %s\nlibuv %s\nlibconfuse %s\njansson %s\n", PACKAGE_VERSION, uv_version_string(),
	       options_library_version(), jr_library_version());
	fflush(stdout);
	if (spawn_find("weir-worker", path, sizeof(path)) == 0) {
		char *argv[] = {command, strdup("-V"), NULL};

		snprintf(command, sizeof(command), "weir-worker");
		execv(path, argv);
	}
}

int main(int argc, char **argv)
{
	static const struct option longs[] = {{"offline", 0, NULL, 'o'}, {"help", 0, NULL, 'h'}, {"version", 0, NULL, 'V'},
					      {NULL, 0, NULL, 0}};
	static struct weird w;
	const char *conf = DEFAULT_CONF, *list = NULL;
	int ch, test = 0, dump = 0, offline = 0;

	while ((ch = getopt_long(argc, argv, "c:tTVx:h", longs, NULL)) != -1) {
		switch (ch) {
		case 'c':
			conf = optarg;
			break;
		case 't':
			test = 1;
			break;
		case 'T':
			dump = 1;
			break;
		case 'o':
			offline = 1;
			break;
		case 'x':
			list = optarg;
			break;
		case 'V':
			print_versions();
			return EXIT_OK;
		case 'h':
			fputs(usage_text, stdout);
			return EXIT_OK;
		default:
			fputs(usage_text, stderr);
			return EXIT_USAGE;
		}
	}
	if (optind < argc || (offline && !test)) {
		fputs(usage_text, stderr);
		return EXIT_USAGE;
	}
	if (list)
		return print_list(list);
	if (test)
		return check_run(conf, offline);
	if (dump)
		return print_config(conf);
	w.conf_path = realpath(conf, NULL);
	if (!w.conf_path)
		w.conf_path = strdup(conf);
	return serve(&w);
}
