/* weird: the supervisor. main reads as the order of start-up: options, configuration, sockets, shared
 * memory, children, loop, end. */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "lib/base/check.h"
#include "lib/base/clock.h"
#include "lib/base/fdio.h"
#include "lib/base/log.h"
#include "lib/base/logfile.h"
#include "lib/base/num.h"
#include "lib/ctl/heritage.h"
#include "supervisor/limits.h"
#include "supervisor/logs.h"
#include "supervisor/notify.h"
#include "supervisor/reload.h"
#include "supervisor/settle.h"
#include "supervisor/spawn.h"
#include "supervisor/validate.h"
#include "supervisor/weird.h"

/* Lines before and behind w->logs. */
static struct logfile early_log = LOGFILE_NONE;

#define TICK_MS 250u
#define OVERSLEPT_NS CLOCK_S
#define ORPHANS_MS 7000u	/* a worker without a weird leaves within 5 s */

static void usage(FILE *to)
{
	fprintf(to,
		"usage: weird [-c FILE]              run in the foreground\n"
		"       weird -t [--offline]         test the configuration, every endpoint and, unless\n"
		"                                    --offline, every statement against its database\n"
		"       weird -T                     print the effective configuration as JSON\n"
		"       weird -x options|conf|commands|metrics|directives|errors|sqlstates\n"
		"                                    describe: mdoc fragments, an example configuration\n"
		"       weird -V | -h                versions | this text\n"
		"  -c FILE   configuration, default %s/weir/weir.conf\n",
		WEIR_SYSCONFDIR);
}

/* ---- ticks and signals ---- */

_Static_assert(OPTIONS_MAX_LISTEN + 1 <= REGION_MAX_QUEUES, "each listener has a row");

/* 0, or -1 when the kernel does not say. */
static int sample_listener(struct region_header *h, unsigned i, struct listener *l)
{
	struct region_queue *q = &h->queues[i];

	if (listen_queue(l))
		return -1;
	if (!q->address[0])
		snprintf(q->address, sizeof(q->address), "%s", l->address);
	atomic_store(&q->length, l->depth);
	atomic_store(&q->limit, l->limit);
	if (l->depth > atomic_load(&q->peak))
		atomic_store(&q->peak, l->depth);
	if (i >= atomic_load(&h->n_queues))
		atomic_store(&h->n_queues, i + 1);
	return 0;
}

static void sample_queue(struct weird *w)
{
	struct region_header *h = w->region.h;
	uint32_t depth = 0, limit = 0;

	for (unsigned i = 0; i < w->n_listeners; i++) {
		if (sample_listener(h, i, &w->listeners[i]))
			continue;
		depth += w->listeners[i].depth;
		limit += w->listeners[i].limit;
	}
	if (w->status.fd >= 0)
		(void)sample_listener(h, w->n_listeners, &w->status);
	atomic_store(&h->queue_length, depth);
	atomic_store(&h->queue_limit, limit);
	if (depth > atomic_load(&h->queue_peak))
		atomic_store(&h->queue_peak, depth);
}

static void say_status(const struct weird *w)
{
	static uint64_t last_ns;
	uint64_t now = clock_mono_ns();

	if (!notify_is_on() || now - last_ns < 10 * CLOCK_S)
		return;
	last_ns = now;
	if (w->stopping)
		notify_send("STATUS=stopping, %u processes left\nEXTEND_TIMEOUT_USEC=15000000",
			    children_alive(w));
	else
		notify_send("STATUS=%s, generation %u, %u of %u workers ready%s",
			    reload_is_active(w) ? "reloading" : "serving", w->gen->number,
			    children_count(w, STATE_ready), children_target(w),
			    w->pool.is_open ? ", workers crash" : "");
}

static void on_tick(uv_timer_t *t)
{
	static uint64_t last_ping_ns;
	struct weird *w = t->data;
	uint64_t now = clock_mono_ns();

	/* Who overslept may not judge: the others may have been stopped as well. */
	if (now - w->last_tick_ns > TICK_MS * CLOCK_MS + OVERSLEPT_NS) {
		log_warn("weird did not run for %llu ms; nobody is judged by that time",
			 (unsigned long long)((now - w->last_tick_ns) / CLOCK_MS));
		w->no_judging_until_ns = now + OVERSLEPT_NS;
	}
	w->last_tick_ns = now;
	atomic_store(&w->region.h->weird_heartbeat_ns, now);
	children_judge(w, now);
	handover_tick(w);
	keepers_tick(w, now);
	reload_changed(w);
	children_balance(w);
	if (w->ticks++ % (1000 / TICK_MS) == 0) {
		express_tick(&w->region, now / CLOCK_MS);
		slots_sweep(&w->region, now);
		sample_queue(w);
		process_stats_update(&w->region.h->weird);
		control_tick(w);
		say_status(w);
	}
	/* The loop turned and the board was swept: that is what the watchdog is told. */
	if (notify_watchdog_ms() && now - last_ping_ns >= notify_watchdog_ms() * CLOCK_MS) {
		last_ping_ns = now;
		notify_send("WATCHDOG=1");
	}
}

static void reopen_logs(struct weird *w)
{
	struct err e;

	if (logs_reopen(w->logs, &e))
		log_error("%s, going on with the old file", e.text);
	else
		log_info("log reopened");
	children_tell(w, HERITAGE_REOPEN, 0);
}

static void on_signal(uv_signal_t *h, int sig)
{
	struct weird *w = h->data;

	switch (sig) {
	case SIGCHLD:
		children_reap(w);
		break;
	case SIGTERM:
		weird_stop(w, w->stopping == STOP_GRACEFUL ? STOP_FAST : STOP_GRACEFUL);
		break;
	case SIGINT:
		weird_stop(w, STOP_FAST);
		break;
	case SIGQUIT:
		weird_stop(w, STOP_PATIENT);
		break;
	case SIGHUP:
		reload_request(w, NULL);
		break;
	case SIGUSR1:
		reopen_logs(w);
		break;
	default:
		break;
	}
}

static const int wanted[] = {SIGCHLD, SIGTERM, SIGINT, SIGQUIT, SIGHUP, SIGUSR1};

/* Until the loop can act on them: their default would end weird in the middle of its start. */
static void hold_signals(int how)
{
	sigset_t set;

	sigemptyset(&set);
	for (size_t i = 0; i < ARRAY_LEN(wanted); i++)
		sigaddset(&set, wanted[i]);
	pthread_sigmask(how, &set, NULL);
}

/* What has been asked of a weird that is still starting. */
static int is_stop_asked(void)
{
	sigset_t set;

	return sigpending(&set) == 0 &&
	       (sigismember(&set, SIGTERM) || sigismember(&set, SIGINT) || sigismember(&set, SIGQUIT));
}

static int take_signals(struct weird *w)
{
	int r = 0;

	for (size_t i = 0; i < ARRAY_LEN(wanted) && !r; i++) {
		uv_signal_t *s = &w->signals[w->n_signals++];

		r = uv_signal_init(w->loop, s);
		s->data = w;
		if (!r)
			r = uv_signal_start(s, on_signal, wanted[i]);
	}
	return r;
}

/* ---- start ---- */

/* Why it does not start: on descriptor 2, in a line that the journal takes for an error. */
static void complain(const char *fmt, ...) PRINTF(1, 2);
static void complain(const char *fmt, ...)
{
	va_list ap;

	if (log_is_journal(2))
		fputs("<3>", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
}

static int load(struct weird *w)
{
	AUTO(buf) struct buf text;
	struct errs errs;
	size_t n;

	errs_init(&errs);
	buf_init(&text, 0);
	w->gen = w->spawn_gen = generation_new();
	validate_load(&w->gen->s, w->conf_path, &errs);
	n = errs.n_all;
	if (n) {
		errs_to_text(&errs, &text);
		fwrite(text.p, 1, text.n, stderr);
		complain("weird: %s is not valid, not starting (%zu error%s)\n", w->conf_path, n,
			n == 1 ? "" : "s");
	}
	for (size_t i = 0; !n && i < errs.warnings.n; i++) {
		char line[1024];

		log_warn("%s", err_format(&errs.warnings.v[i], line, sizeof(line)));
	}
	errs_done(&errs);
	return n ? EXIT_CONFIG : 0;
}

/* An instance that answers has the name; a socket without one behind it is taken over. */
static int refuse_second(struct weird *w)
{
	const char *address = w->gen->s.options.control;
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	struct ucred cred = {0};
	socklen_t len = sizeof(cred);
	int fd, r;

	if (strncmp(address, "unix:", 5) || strlen(address + 5) >= sizeof(sa.sun_path))
		return 0;	/* control_open says what is wrong with it */
	strcpy(sa.sun_path, address + 5);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return 0;
	r = connect(fd, (struct sockaddr *)&sa, sizeof(sa));
	w->was_killed = r && errno == ECONNREFUSED;
	if (r == 0 || errno == EAGAIN) {
		if (r == 0)
			getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len);
		complain("weird: another weird (pid %d) answers at %s, not starting\n",
			(int)cred.pid, sa.sun_path);
		close(fd);
		return EXIT_FAIL;
	}
	close(fd);
	return 0;
}

static void warn_limits(const struct weird *w)
{
	AUTO(buf) struct buf text;
	struct region_plan plan;
	struct slice rest;

	buf_init(&text, 0);
	generation_plan(&w->gen->s, &plan);
	limits_warn(&w->gen->s.options, region_size(&plan), &text);
	for (rest = buf_slice(&text); rest.n;) {
		struct slice line = slice_cut(&rest, '\n');

		log_warn("%.*s", SLICE_ARG(line));
	}
}

static void warn_backlog(unsigned backlog)
{
	AUTO(buf) struct buf text;
	uint64_t most;

	buf_init(&text, 0);
	if (fdio_read_file("/proc/sys/net/core/somaxconn", 64, &text))
		return;
	while (text.n && text.p[text.n - 1] == '\n')
		text.n--;
	if (num_u64(buf_slice(&text), &most) == 0 && most < backlog)
		log_warn("backlog = %u is cut to net.core.somaxconn = %llu", backlog,
			 (unsigned long long)most);
}

static int open_sockets(struct weird *w, struct err *e)
{
	const struct options *o = &w->gen->s.options;
	struct listen_how how = {.owner = o->socket_owner,
				 .group = o->socket_group,
				 .mode = o->socket_mode,
				 .backlog = (int)o->backlog,
				 .patience_ms = w->was_killed ? ORPHANS_MS : 0};

	for (unsigned i = 0; i < o->listen.n; i++) {
		if (listen_open(&w->listeners[i], o->listen.v[i], &how, e))
			return -E_config;
		w->n_listeners = i + 1;
	}
	if (o->status[0] && listen_open(&w->status, o->status, &how, e))
		return -E_config;
	warn_backlog(o->backlog);
	return 0;
}

static int make_region(struct weird *w, struct err *e)
{
	const struct options *o = &w->gen->s.options;
	uint64_t begun_ns = clock_mono_ns();
	struct region_plan plan;

	generation_plan(&w->gen->s, &plan);
	w->n_numbers = plan.n_numbers;
	w->max_workers = o->workers.max;
	if (region_create(&w->region, &plan, e))
		return -E_io;
	log_info("shared memory: %.1f MiB, taken in %llu ms; a process maps what it touches", (double)w->region.size / (1 << 20),
		 (unsigned long long)((clock_mono_ns() - begun_ns) / CLOCK_MS));
	for (unsigned i = 0; i < o->n_databases; i++) {
		struct db_state *d = region_db(&w->region, i);

		snprintf(d->name, sizeof(d->name), "%s", o->databases[i].name);
		d->n_warm = o->databases[i].pool_min;
	}
	settle_unknown(w);
	atomic_store(&w->region.h->weird_pid, (uint32_t)getpid());
	atomic_store(&w->region.h->weird_heartbeat_ns, clock_mono_ns());
	atomic_store(&w->region.h->log_level, (uint32_t)o->log.level);
	return generation_seal(w->gen, &w->region, 1, e);
}

static int find_programs(struct weird *w, struct err *e)
{
	if (spawn_find("weir-worker", w->worker_path, sizeof(w->worker_path)))
		return err_set(e, E_io, "cannot find the program weir-worker (looked at %s)",
			       w->worker_path);
	w->has_monitor = spawn_find("weir-monitor", w->monitor_path, sizeof(w->monitor_path)) == 0;
	if (!w->has_monitor)
		log_error("cannot find the program weir-monitor (looked at %s): no probes, no status "
			  "socket", w->monitor_path);
	return 0;
}

/* Children inherit this: a worker holds as many descriptors as it has connections. */
static void raise_nofile(void)
{
	struct rlimit rl;

	if (getrlimit(RLIMIT_NOFILE, &rl) == 0 && rl.rlim_cur < rl.rlim_max) {
		rl.rlim_cur = rl.rlim_max;
		setrlimit(RLIMIT_NOFILE, &rl);
	}
}

static void make_sure_of_012(void)
{
	int fd;

	do
		fd = open("/dev/null", O_RDWR);
	while (fd >= 0 && fd <= 2);
	if (fd > 2)
		close(fd);
}

static void on_warm(uv_work_t *work)
{
	(void)work;
}

static int start(struct weird *w, struct err *e)
{
	const struct options *o = &w->gen->s.options;

	w->null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (w->null_fd < 0)
		return err_set(e, E_io, "/dev/null: %s", strerror(errno));
	if (limits_check_files(o, e) || limits_check_threads(o, e))
		return -E_config;
	warn_limits(w);
	if (find_programs(w, e) || open_sockets(w, e) || make_region(w, e))
		return -E_io;
	if (control_open(w, e))
		return -E_io;
	if (listen_unmatched(e))
		return -E_config;
	w->logs = logs_new(w->loop);
	if (logs_open(w->logs, o->log.file, e))
		return -E_io;
	if (children_init(w) || take_signals(w))
		return err_set(e, E_io, "out of descriptors");
	reload_init(w);
	generation_publish(w->gen, &w->region);
	/* The pool's threads are made now, that they hold the signals back for good. */
	if (uv_queue_work(w->loop, &w->warm, on_warm, NULL))
		return err_set(e, E_io, "no threads");
	if (logs_adopt_self(w->logs))
		return err_set(e, E_io, "no pipe for the log");
	uv_timer_init(w->loop, &w->tick);
	w->tick.data = w;
	w->last_tick_ns = clock_mono_ns();
	uv_timer_start(&w->tick, on_tick, TICK_MS, TICK_MS);
	return 0;
}

/* ---- end ---- */

static void close_rest(uv_handle_t *h, void *arg)
{
	(void)arg;
	if (!uv_is_closing(h))
		uv_close(h, NULL);
}

/* -1 when a thread hangs in a write and would be waited for. */
static int end(struct weird *w)
{
	hold_signals(SIG_BLOCK);	/* with the loop goes what acts on them; none of them may change the status now */
	uv_timer_stop(&w->tick);
	log_info("weird ends");
	stop_answer(w);
	check_stop();
	control_close(w);
	handover_done(w);
	for (unsigned i = 0; i < w->n_listeners; i++)
		listen_close(&w->listeners[i], 1);
	if (w->status.fd >= 0)
		listen_close(&w->status, 1);
	children_done(w);
	if (logs_close(w->logs, early_log.fd))
		return -1;
	uv_walk(w->loop, close_rest, NULL);
	uv_run(w->loop, UV_RUN_DEFAULT);
	uv_loop_close(w->loop);
	region_close(&w->region);
	w->spawn_gen = NULL;
	generation_unref(&w->gen);
	return 0;
}

static int run(struct weird *w)
{
	const struct options *o;
	struct err e = {0};
	int code;

	make_sure_of_012();
	prctl(PR_SET_CHILD_SUBREAPER, 1);	/* a killed worker leaves its keeper, and not every process 1 reaps */
	/* Not descriptor 2 itself: who reads it may have stopped, and it may block. */
	log_init("weird", logfile_open(&early_log, "stderr") ? 2 : early_log.fd, LOG_INFO);
	notify_open();
	listen_inherit();
	raise_nofile();
	umask(0027);
	code = load(w);
	if (code)
		return code;
	o = &w->gen->s.options;
	log_set_level((enum log_level)o->log.level);
	code = refuse_second(w);
	if (code || is_stop_asked())
		return code;
	w->loop = uv_default_loop();
	w->started_ns = clock_mono_ns();
	w->log_level_override = -1;
	w->status.fd = -1;
	if (start(w, &e)) {
		log_set_fd(early_log.fd);
		complain("weird: %s\n", e.text);
		for (unsigned i = 0; i < w->n_listeners; i++)
			listen_close(&w->listeners[i], 1);
		if (w->status.fd >= 0)
			listen_close(&w->status, 1);
		control_close(w);
		return e.id == E_config ? EXIT_CONFIG : EXIT_FAIL;
	}
	log_info("weird %s starts: %s, %u endpoint%s, %u of at most %u workers, pid %d",
		 PACKAGE_VERSION, w->conf_path, w->gen->s.endpoints.n,
		 w->gen->s.endpoints.n == 1 ? "" : "s", children_target(w),
		 w->max_workers, (int)getpid());
	for (unsigned i = 0; i < w->n_listeners; i++)
		log_info("listening at %s%s", w->listeners[i].address,
			 w->listeners[i].was_inherited ? " (inherited)" : "");
	if (is_stop_asked()) {
		log_info("asked to stop before the first worker was started");
		w->stopping = STOP_FAST;
	} else {
		hold_signals(SIG_UNBLOCK);
		children_balance(w);
		uv_run(w->loop, UV_RUN_DEFAULT);
	}
	if (end(w))
		_exit(w->exit_code);
	return w->exit_code;
}

int main(int argc, char **argv)
{
	static struct weird w;
	static const struct option longs[] = {
		{"config", required_argument, NULL, 'c'}, {"test", no_argument, NULL, 't'},
		{"offline", no_argument, NULL, 'o'},	  {"print", no_argument, NULL, 'T'},
		{"version", no_argument, NULL, 'V'},	  {"help", no_argument, NULL, 'h'},
		{"describe", required_argument, NULL, 'x'}, {NULL, 0, NULL, 0}};
	const char *conf = WEIR_SYSCONFDIR "/weir/weir.conf", *what = NULL;
	int c, is_test = 0, is_offline = 0, is_print = 0;

	hold_signals(SIG_BLOCK);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN);	/* a log that may not grow is like one on a full disk */
	signal(SIGUSR2, SIG_IGN);	/* nothing yet, and no reason to die */
	while ((c = getopt_long(argc, argv, "c:tTVhx:", longs, NULL)) != -1) {
		switch (c) {
		case 'c':
			conf = optarg;
			break;
		case 't':
			is_test = 1;
			break;
		case 'o':
			is_offline = 1;
			break;
		case 'T':
			is_print = 1;
			break;
		case 'x':
			what = optarg;
			break;
		case 'V':
			return validate_version();
		case 'h':
			usage(stdout);
			return 0;
		default:
			usage(stderr);
			return EXIT_USAGE;
		}
	}
	if (optind < argc || (is_offline && !is_test)) {
		if (optind < argc)
			fprintf(stderr, "weird: what is '%s'? The configuration is named with -c\n", argv[optind]);
		usage(stderr);
		return EXIT_USAGE;
	}
	if (what || is_test || is_print)
		hold_signals(SIG_UNBLOCK);
	if (what)
		return validate_describe(what);
	if (is_test)
		return validate_test(conf, is_offline);
	if (is_print)
		return validate_print(conf);
	/* A reload reads the file again; the working directory stays what it is. */
	w.conf_path = strdup(conf);
	check(w.conf_path);
	return run(&w);
}
