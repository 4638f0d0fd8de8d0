/* weir-worker: one event loop that serves FastCGI requests from PostgreSQL.
 *
 * Under weird it inherits its descriptors (lib/ctl/heritage.h): listener, shared memory, snapshot,
 * channel. Started by others (spawn-fcgi, lighttpd bin-path, mod_fcgid) with -c FILE it has the
 * listener on descriptor 0 and makes the rest itself. */
#include "config.h"

#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/base/check.h"
#include "lib/base/clock.h"
#include "lib/base/fdio.h"
#include "lib/base/log.h"
#include "lib/base/num.h"
#include "lib/crypto/digest.h"
#include "lib/ctl/heritage.h"
#include "lib/http/http_encode.h"
#include "lib/mc/mc.h"
#include "workers/threads.h"
#include "workers/worker.h"

struct args {
	const char *conf;
	unsigned number, listeners;
	pid_t parent;
	int is_check, is_strict;
};

static const char usage_text[] =
    "usage: weir-worker -c FILE          serve on the FastCGI listener that is descriptor 0\n"
    "       weir-worker -t [-c FILE]     prepare every statement, report, exit\n"
    "       weir-worker -V               versions\n"
    "Usually weird starts it. Alone, it is for spawn-fcgi, lighttpd's bin-path and mod_fcgid:\n"
    "  spawn-fcgi -s /run/weir.sock -n -- weir-worker -c /etc/weir/weir.conf\n";

static void on_crash(int signum)
{
	void *frames[64];
	int n = backtrace(frames, 64);

	backtrace_symbols_fd(frames, n, 2);
	signal(signum, SIG_DFL);
	raise(signum);
}

/* libfcgi's handlers are replaced: it installs its own for TERM, USR1 and PIPE. */
static void set_signals(int is_alone)
{
	static char stack[64 * 1024];
	stack_t alt = {.ss_sp = stack, .ss_size = sizeof(stack)};
	struct sigaction ign = {.sa_handler = SIG_IGN}, dfl = {.sa_handler = SIG_DFL};
	struct sigaction crash = {.sa_handler = on_crash, .sa_flags = (int)(SA_ONSTACK | SA_RESETHAND)};
	void *warm[1];

	(void)backtrace(warm, 1);	/* its first call loads a library */
	sigaltstack(&alt, NULL);
	sigaction(SIGPIPE, &ign, NULL);
	sigaction(SIGXFSZ, &ign, NULL);
	sigaction(SIGUSR1, &ign, NULL);
	sigaction(SIGTERM, &dfl, NULL);
	if (!is_alone) {
		sigaction(SIGINT, &ign, NULL);
		sigaction(SIGQUIT, &ign, NULL);
	}
#ifndef WEIR_SANITIZED
	sigaction(SIGABRT, &crash, NULL);
	sigaction(SIGSEGV, &crash, NULL);
	sigaction(SIGBUS, &crash, NULL);
#else
	(void)crash;
#endif
}

static int is_listening(int fd)
{
	int on = 0;
	socklen_t n = sizeof(on);

	return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &on, &n) == 0 && on;
}

static int print_errs(const struct errs *errs)
{
	AUTO(buf) struct buf text;

	buf_init(&text, 0);
	errs_to_text(errs, &text);
	fwrite(text.p, 1, text.n, stderr);
	return EXIT_CONFIG;
}

static int open_snapshot(struct worker *w, const struct args *a)
{
	struct errs errs;
	int rc;

	errs_init(&errs);
	rc = a->conf ? snapshot_load(&w->snapshot, a->conf, &errs)
		     : snapshot_open(&w->snapshot, HERITAGE_SNAPSHOT, &errs);
	if (rc)
		rc = print_errs(&errs);
	/* weird has said those of a snapshot */
	for (size_t i = 0; a->conf && !rc && i < errs.warnings.n; i++) {
		char line[1024];

		log_warn("%s", err_format(&errs.warnings.v[i], line, sizeof(line)));
	}
	errs_done(&errs);
	return rc;
}

/* Private shared memory, and a directory row for every endpoint. */
static int make_region(struct worker *w, struct err *e)
{
	const struct options *o = &w->snapshot.options;
	struct region_plan plan = {.n_numbers = 1, .n_endpoints = w->snapshot.endpoints.n + 1,
				   .n_databases = o->n_databases,
				   .n_stamps = o->cache.memory ? o->cache.stamps : 0,
				   .cache_bytes = o->cache.memory,
				   .n_flights = o->cache.memory ? FLIGHT_SLOTS : 0};
	unsigned *rows;
	int rc;

	for (unsigned i = 0; i < o->n_databases; i++)
		plan.n_slots[i] = o->databases[i].pool_max;
	rc = region_create(&w->region, &plan, e);
	if (rc)
		return rc;
	rows = calloc(w->snapshot.endpoints.n + 1, sizeof(*rows));
	if (!rows)
		abort();
	for (unsigned i = 0; i < w->snapshot.endpoints.n; i++) {
		const struct endpoint *ep = w->snapshot.endpoints.v[i];
		AUTO(buf) struct buf route;
		int row;

		buf_init(&route, 0);
		buf_addf(&route, "%s %s", http_method_name(ep->method), ep->path);
		row = region_endpoint_find_or_add(&w->region, buf_str(&route), ep->id, ep->database);
		check(row >= 0);
		rows[i] = (unsigned)row;
	}
	snapshot_assign(&w->snapshot, 1, rows);
	for (unsigned i = 0; i < o->n_databases; i++) {
		struct db_state *s = region_db(&w->region, i);

		snprintf(s->name, sizeof(s->name), "%s", o->databases[i].name);
		s->n_warm = 1;
	}
	free(rows);
	return 0;
}

static void raise_limits(void)
{
	struct rlimit l;

	if (getrlimit(RLIMIT_NOFILE, &l) == 0 && l.rlim_cur < l.rlim_max) {
		l.rlim_cur = l.rlim_max;
		setrlimit(RLIMIT_NOFILE, &l);
	}
}

static int become_child(const struct args *a)
{
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (getppid() != a->parent) {
		fprintf(stderr, "weir-worker: the supervisor %d is gone\n", (int)a->parent);
		return EXIT_HERITAGE;
	}
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	for (int fd = 0; fd <= 2; fd++)
		fdio_nonblock(fd, 1);
	return 0;
}

static void start_keeper(struct worker *w)
{
	const char *why;
	int rc = keeper_start(&w->keeper, w->channel_fd, &why);

	if (rc)
		log_warn("%s: %s; if this worker is killed, its connections are closed", why, strerror(-rc));
}

static void print_versions(void)
{
	AUTO(buf) struct buf b;

	buf_init(&b, 0);
	http_encode_versions(&b);
	printf("weir-worker %s\nlibpq %d\nlibmemcached %s\nlibuv %s\n%s%s\n", PACKAGE_VERSION, db_libpq_version(),
	       mc_library_version(), uv_version_string(), buf_str(&b), digest_library_version());
}

static int parse_args(int argc, char **argv, struct args *a)
{
	static const struct option longs[] = {{"number", 1, NULL, 'n'},	   {"parent", 1, NULL, 'p'},
					      {"listeners", 1, NULL, 'l'}, {"strict", 0, NULL, 's'}, {"help", 0, NULL, 'h'},
					      {"version", 0, NULL, 'V'},   {NULL, 0, NULL, 0}};
	uint64_t v;
	int ch;

	while ((ch = getopt_long(argc, argv, "c:tVh", longs, NULL)) != -1) {
		switch (ch) {
		case 'c':
			a->conf = optarg;
			break;
		case 't':
			a->is_check = 1;
			break;
		case 's':
			a->is_strict = 1;
			break;
		case 'n':
		case 'p':
		case 'l':
			if (num_u64(slice_str(optarg), &v) || v > INT32_MAX) {
				fprintf(stderr, "weir-worker: %s is not a number\n", optarg);
				return EXIT_USAGE;
			}
			if (ch == 'n')
				a->number = (unsigned)v;
			else if (ch == 'p')
				a->parent = (pid_t)v;
			else
				a->listeners = (unsigned)v;
			break;
		case 'V':
			print_versions();
			exit(0);
		case 'h':
			fputs(usage_text, stdout);
			exit(0);
		default:
			fputs(usage_text, stderr);
			return EXIT_USAGE;
		}
	}
	if (optind < argc || (!a->conf && !a->is_check && a->parent == 0)) {
		fputs(usage_text, stderr);
		return EXIT_USAGE;
	}
	return 0;
}

static uint32_t incarnation(void *arg, unsigned number)
{
	const struct worker *w = arg;

	if (w->is_alone)
		return 1;
	return number < w->region.plan.n_numbers ? atomic_load(&region_board(&w->region, number)->incarnation) : 0;
}

static int open_cache(struct worker *w, struct err *e)
{
	const char *secret = w->snapshot.options.cache.secret;
	struct slice seed = secret[0] ? slice_str(secret)
				      : slice_of((const char *)w->region.h->cache_secret, sizeof(w->region.h->cache_secret));
	size_t size;
	void *mem = region_cache(&w->region, &size);

	list_init(&w->followers);
	list_init(&w->refreshes);
	buf_init(&w->scratch, 0);
	w->rng = (uint32_t)clock_mono_ns() | 1;
	w->stamps = region_stamps(&w->region);
	if (!w->stamps.n)
		return 0;
	if (cache_attach(&w->cache, mem, size, seed))
		return err_set(e, E_internal, "the shared memory of the cache is damaged");
	w->flights = region_flights(&w->region);
	w->flights.incarnation = incarnation;
	w->flights.arg = w;
	stamps_writer_init(&w->writer, &w->stamps, w->number);
	return 0;
}

static int open_memory(struct worker *w, struct err *e)
{
	int rc = w->is_alone ? make_region(w, e) : region_attach(&w->region, HERITAGE_SHM, e);

	if (rc)
		return rc;
	if (w->number >= w->region.h->plan.n_numbers)
		return err_set(e, E_internal, "worker number %u is beyond the shared memory", w->number);
	w->board = region_board(&w->region, w->number);
	w->metrics = region_row(&w->region, w->number);
	check_note_into(w->board->note, sizeof(w->board->note));
	atomic_store(&w->board->pid, (uint32_t)getpid());
	atomic_store(&w->board->keeper, (uint32_t)w->keeper.pid);
	atomic_store(&w->board->started_ns, clock_mono_ns());
	atomic_store(&w->board->heartbeat_ns, clock_mono_ns());
	atomic_store(&w->board->running_endpoint, UINT32_MAX);
	atomic_store(&w->board->running_step, STEP_COUNT);
	if (w->is_alone)
		atomic_store(&w->board->state, STATE_ready);
	return open_cache(w, e);
}

static void listen_all(struct worker *w, const struct args *a)
{
	int first = HERITAGE_MORE_LISTENERS(w->region.h->plan.n_numbers);

	fdio_nonblock(0, 1);
	check(front_listen(&w->front, 0) == 0);
	for (unsigned i = 1; i < a->listeners; i++)
		check(front_listen(&w->front, first + (int)i - 1) == 0);
}

static int make_auth(struct worker *w)
{
	struct errs errs;
	int rc = 0;

	errs_init(&errs);
	w->auth = auth_new(&w->snapshot.options.auth, &w->snapshot.auth, &errs);
	if (!w->auth)
		rc = print_errs(&errs);
	errs_done(&errs);
	return rc;
}

static int serve(struct worker *w, const struct args *a)
{
	struct err e = {0};
	char text[1024];
	uint64_t start;
	int rc;

	w->fcgi = fcgi_req_new(&e);	/* before our signal handlers */
	if (!w->fcgi || open_memory(w, &e)) {
		log_error("%s", err_format(&e, text, sizeof(text)));
		return EXIT_HERITAGE;
	}
	set_signals(w->is_alone);
	raise_limits();
	arena_pool_init(&w->arenas, WORKER_MAX_FREE);
	list_init(&w->reqs);
	list_init(&w->free_reqs);
	list_init(&w->holders);
	list_init(&w->renders);
	buf_init(&w->access, 0);
	if (getrandom(&start, sizeof(start), 0) < 0)
		start = (uint64_t)clock_wall_us();
	snprintf(text, sizeof(text), "%016llx-", (unsigned long long)start);
	memcpy(w->id_prefix, text, sizeof(w->id_prefix));
	if (make_auth(w))
		return EXIT_CONFIG;
	if (worker_setup(w, &e)) {
		err_format(&e, text, sizeof(text));
		log_error("%s", text);
		if (w->channel_fd >= 0)
			(void)!heritage_send(w->channel_fd, HERITAGE_FAILED, EXIT_CONFIG, text, -1);
		return EXIT_CONFIG;
	}
	threads_plan(w->snapshot.options.n_databases, DB_MAX_JOBS);
	if (worker_loop_init(w))
		return EXIT_HERITAGE;
	if (tier_open(w, &e)) {
		log_error("%s", err_format(&e, text, sizeof(text)));
		return EXIT_CONFIG;
	}
	listen_all(w, a);
	if (front_is_forbidden(&w->front)) {
		log_error("the listener on descriptor 0 can be reached from other hosts, and who connects can say he is anybody; "
			  "expected listen_allow in weir.conf with the web servers' network");
		return EXIT_CONFIG;
	}
	access_open(w);
	for (unsigned i = 0; i < w->snapshot.options.n_databases; i++)
		if (w->pools[i])
			db_pool_start(w->pools[i]);
	rc = worker_run(w);
	log_info("worker %u ends", w->number);
	return rc;
}

static void worker_done(struct worker *w)
{
	LIST_FOR_SAFE(l, next, &w->free_reqs)
		free(LIST_ENTRY(l, struct req, node));
	while (w->n_free_bufs)
		buf_done(&w->free_bufs[--w->n_free_bufs]);
	buf_done(&w->access);
	worker_teardown(w);
	auth_free(&w->auth);
	arena_pool_done(&w->arenas);
	fcgi_req_free(&w->fcgi);
	region_close(&w->region);
	snapshot_done(&w->snapshot);
}

int main(int argc, char **argv)
{
	static struct worker w;
	struct args a = {.listeners = 1};
	int rc = parse_args(argc, argv, &a);

	if (rc)
		return rc;
	log_init("weir-worker", 2, LOG_INFO);
	w.is_alone = a.parent == 0;
	w.number = a.number;
	w.is_strict = a.is_strict;
	w.channel_fd = w.is_alone ? -1 : HERITAGE_CHANNEL;
	w.monitor_fd = w.is_alone ? -1 : HERITAGE_EVENT_MONITOR;
	w.access_file.fd = -1;
	if (!w.is_alone && (rc = become_child(&a)))
		return rc;
	if (!w.is_alone && !a.is_check)
		start_keeper(&w);
	if (w.is_alone && !a.is_check && !is_listening(0)) {
		fprintf(stderr, "weir-worker: descriptor 0 is not a listening socket; start it by weird, "
				"spawn-fcgi, lighttpd (bin-path) or mod_fcgid\n");
		return EXIT_USAGE;
	}
	rc = open_snapshot(&w, &a);
	if (rc) {
		keeper_stop(&w.keeper);
		return rc;
	}
	log_set_level((enum log_level)w.snapshot.options.log.level);
	if (a.is_check) {
		rc = worker_check(&w.snapshot);
		snapshot_done(&w.snapshot);
		return rc;
	}
	rc = serve(&w, &a);
	keeper_stop(&w.keeper);
	worker_done(&w);
	return rc;
}
