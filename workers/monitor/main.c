/* weir-monitor: see monitor.h. Started by weird alone. */
#include "config.h"

#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/base/check.h"
#include "lib/base/clock.h"
#include "lib/base/fdio.h"
#include "lib/base/log.h"
#include "lib/base/num.h"
#include "lib/ctl/heritage.h"
#include "lib/shm/metrics.h"
#include "workers/monitor/monitor.h"
#include "workers/threads.h"

#define TICK_MS 50
#define MONITOR_JOBS 6u	/* of a database: a probe, a cancel, its readers of events */

void monitor_wants_reload(struct monitor *m)
{
	(void)m;
	if (heritage_send(HERITAGE_CHANNEL, HERITAGE_RELOAD, 0, NULL, -1) < 0)
		log_warn("NOTIFY weir_reload came, and weird could not be told");
}

static void on_timer(uv_timer_t *t)
{
	struct monitor *m = t->data;
	uint64_t now = front_now(&m->front);

	wheel_run(&m->wheel, now);
	atomic_store(&m->region.h->monitor_heartbeat_ns, now);
	atomic_store(&m->board->heartbeat_ns, now);
	if (now - m->weighed_ns >= CLOCK_S) {
		m->weighed_ns = now;
		process_stats_update(&m->board->process);
	}
	log_set_level((enum log_level)atomic_load(&m->region.h->log_level));
	configure_tick(m);
	orphans_tick(m, now);
	scarce_tick(m, now);
	watch_tick(m, now);
	connects_tick(m, now);
	events_tick(m, now);
	watch_cancels(m);
	front_accept(&m->front, 1);	/* after a pause for want of descriptors */
}

static void on_event(uv_poll_t *h, int status, int events)
{
	struct monitor *m = h->data;
	uint64_t n;

	(void)status;
	(void)events;
	front_now(&m->front);
	(void)!read(HERITAGE_EVENT_MONITOR, &n, sizeof(n));
	watch_cancels(m);
}

/* Who cannot is replaced by weird. */
static void configure(struct monitor *m, int fd)
{
	front_now(&m->front);
	if (configure_take(m, fd) || heritage_send(HERITAGE_CHANNEL, HERITAGE_READY, 0, NULL, -1) < 0)
		_exit(EXIT_HERITAGE);
}

static void on_channel(uv_poll_t *h, int status, int events)
{
	struct monitor *m = h->data;
	struct heritage_msg msg;
	int fd = -1, n;

	(void)events;
	n = status < 0 ? 0 : heritage_recv(HERITAGE_CHANNEL, &msg, &fd);
	if (n == -EAGAIN)
		return;
	if (n <= 0 || msg.type == HERITAGE_DRAIN || msg.type == HERITAGE_STOP)
		uv_stop(&m->loop);
	else if (msg.type == HERITAGE_LOGLEVEL)
		log_set_level((enum log_level)msg.arg);
	else if (msg.type == HERITAGE_CONFIGURE && fd >= 0)
		configure(m, fd);
	if (fd >= 0)
		close(fd);
}

static void on_signal(uv_signal_t *h, int signum)
{
	(void)signum;
	uv_stop(h->loop);
}

static void on_prepare(uv_prepare_t *h)
{
	((struct monitor *)h->data)->front.now_is_stale = 1;
}

static int loop_init(struct monitor *m)
{
	static struct metric_row *none;	/* its traffic is not the service's */
	int on = 0;
	socklen_t n = sizeof(on);

	none = calloc(1, sizeof(*none));
	if (!none || uv_loop_init(&m->loop))
		return -1;
	m->front.now_ns = clock_mono_ns();
	wheel_init(&m->wheel, m->front.now_ns);
	m->front.ops = &status_ops;
	m->front.ctx = m;
	m->front.metrics = none;
	m->front.limits = (struct front_limits){.max_params = 65535, .max_conns = 1024, .header_ns = 10 * CLOCK_S,
						.body_ns = 10 * CLOCK_S, .write_ns = 30 * CLOCK_S,
						.idle_ns = 3600 * CLOCK_S};
	peers_init(&m->front.peers, &m->snapshot.options.listen_allow, &m->region.h->peers_refused);
	if (front_init(&m->front, &m->loop, &m->wheel))
		return -1;
	if (getsockopt(HERITAGE_LISTENER, SOL_SOCKET, SO_ACCEPTCONN, &on, &n) == 0 && on)
		check(front_listen(&m->front, HERITAGE_LISTENER) == 0);
	m->timer.data = m->channel.data = m->event.data = m->prepare.data = m;
	uv_timer_init(&m->loop, &m->timer);
	uv_timer_start(&m->timer, on_timer, 0, TICK_MS);
	uv_poll_init(&m->loop, &m->channel, HERITAGE_CHANNEL);
	uv_poll_start(&m->channel, UV_READABLE, on_channel);
	uv_poll_init(&m->loop, &m->event, HERITAGE_EVENT_MONITOR);
	uv_poll_start(&m->event, UV_READABLE, on_event);
	uv_prepare_init(&m->loop, &m->prepare);
	uv_prepare_start(&m->prepare, on_prepare);
	uv_signal_init(&m->loop, &m->sigterm);
	uv_signal_start(&m->sigterm, on_signal, SIGTERM);
	front_accept(&m->front, 1);
	return 0;
}

static int parse_args(int argc, char **argv, unsigned *number, pid_t *parent)
{
	static const struct option longs[] = {{"number", 1, NULL, 'n'}, {"parent", 1, NULL, 'p'}, {NULL, 0, NULL, 0}};
	uint64_t v;
	int ch;

	while ((ch = getopt_long(argc, argv, "V", longs, NULL)) != -1) {
		if (ch == 'V') {
			printf("weir-monitor %s\n", PACKAGE_VERSION);
			exit(EXIT_OK);
		}
		if (ch == '?' || num_u64(slice_str(optarg), &v) || v > INT32_MAX)
			return EXIT_USAGE;
		if (ch == 'n')
			*number = (unsigned)v;
		else
			*parent = (pid_t)v;
	}
	return *parent ? 0 : EXIT_USAGE;
}

static int take_heritage(struct monitor *m)
{
	struct err e = {0};
	char text[1024];

	if (configure_first(m, HERITAGE_SNAPSHOT))
		return EXIT_HERITAGE;
	m->fcgi = fcgi_req_new(&e);
	if (!m->fcgi || region_attach(&m->region, HERITAGE_SHM, &e)) {
		log_error("%s", err_format(&e, text, sizeof(text)));
		return EXIT_HERITAGE;
	}
	m->board = region_board(&m->region, m->region.h->plan.n_numbers);
	check_note_into(m->board->note, sizeof(m->board->note));
	atomic_store(&m->board->pid, (uint32_t)getpid());
	atomic_store(&m->board->started_ns, clock_mono_ns());
	return 0;
}

int main(int argc, char **argv)
{
	static struct monitor m;
	pid_t parent = 0;
	int rc = parse_args(argc, argv, &m.number, &parent);

	if (rc) {
		fputs("weir-monitor is started by weird.\n", stderr);
		return rc;
	}
	log_init("weir-monitor", 2, LOG_INFO);
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (getppid() != parent)
		return EXIT_HERITAGE;
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	for (int fd = 0; fd <= 2; fd++)
		fdio_nonblock(fd, 1);
	rc = take_heritage(&m);
	if (rc)
		return rc;
	signal(SIGPIPE, SIG_IGN);
	signal(SIGUSR1, SIG_IGN);
	signal(SIGINT, SIG_IGN);
	signal(SIGQUIT, SIG_IGN);
	signal(SIGTERM, SIG_DFL);
	arena_pool_init(&m.arenas, 16);
	tier_begin(&m);
	threads_plan(m.snapshot.options.n_databases, MONITOR_JOBS);
	if (loop_init(&m))
		return EXIT_HERITAGE;
	if (heritage_send(HERITAGE_CHANNEL, HERITAGE_READY, 0, NULL, -1) < 0)
		return EXIT_HERITAGE;
	uv_run(&m.loop, UV_RUN_DEFAULT);
	/* jobs in the thread pool may hang on a database for a while: the process ends without them */
	_exit(EXIT_OK);
}
