/* Children: the processes on the board's numbers, moved by the table of reap.c. */
#include "config.h"
#include "supervisor/weird.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/base/check.h"
#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/ctl/heritage.h"
#include "supervisor/logs.h"
#include "supervisor/spawn.h"

#define CAPTURE_MAX 8192u
#define LIVED_NS (30 * CLOCK_S)
#define TRIAL_NS (10 * CLOCK_S)
#define RETRY_CONFIG_MS 5000u
#define TERM_MS 2000u
#define KILL_MS 5000u
#define DUMP_MS 1000u

static void on_channel(uv_poll_t *h, int status, int events);

static const char *child_name(const struct child *c, char out[32])
{
	if (child_is_monitor(c))
		snprintf(out, 32, "weir-monitor");
	else
		snprintf(out, 32, "worker %u", c->number);
	return out;
}

static void set_state(struct child *c, enum slot_state state)
{
	struct board_row *row = child_row(c);

	c->state = state;
	atomic_store(&row->state, (uint32_t)state);
	atomic_store(&row->state_since_ns, clock_mono_ns());
}

static void on_channel_closed(uv_handle_t *h)
{
	struct channel *ch = h->data;

	close(ch->fd);
	free(ch);
}

static void channel_close(struct child *c)
{
	struct channel *ch = c->channel;

	if (!ch)
		return;
	c->channel = NULL;
	ch->child = NULL;
	uv_poll_stop(&ch->poll);
	uv_close((uv_handle_t *)&ch->poll, on_channel_closed);
}

static void channel_open(struct child *c, int fd)
{
	struct channel *ch = calloc(1, sizeof(*ch));

	check(ch);
	ch->child = c;
	ch->fd = fd;
	ch->poll.data = ch;
	c->channel = ch;
	check(uv_poll_init(c->w->loop, &ch->poll, fd) == 0);
	uv_poll_start(&ch->poll, UV_READABLE, on_channel);
}

void child_send(struct child *c, unsigned type, uint32_t arg)
{
	if (c->channel && heritage_send(c->channel->fd, (enum heritage_type)type, arg, NULL, -1) < 0)
		log_warn("child %d does not take orders", (int)c->pid);
}

/* A line of the child's log; kept for the reply of reload until it is ready. */
static void on_line(void *arg, struct slice line)
{
	struct child *c = arg;

	if (c->state != STATE_starting || c->captured.n + line.n + 1 > CAPTURE_MAX)
		return;
	buf_add(&c->captured, line.p, line.n);
	buf_addc(&c->captured, '\n');
}

static unsigned state_ms(const struct child *c, enum slot_state state)
{
	const struct opts_workers *o = &c->w->gen->s.options.workers;

	switch (state) {
	case STATE_starting:
		return (unsigned)o->ready_timeout;
	case STATE_draining:
		return c->has_termed ? TERM_MS : (unsigned)o->drain_timeout;
	case STATE_dumping:
		return DUMP_MS;
	case STATE_killing:
		return KILL_MS;
	case STATE_empty:
	case STATE_ready:
	case STATE_backoff:
	case STATE_COUNT:
		break;
	}
	return 0;
}

static void apply(struct child *c, enum reap_event event);

static void on_timer(uv_timer_t *t)
{
	struct child *c = t->data;

	if (c->state == STATE_starting)
		c->is_unready_kill = 1;
	apply(c, c->state == STATE_draining && c->has_termed ? REAP_TIMER_AGAIN : REAP_TIMER);
}

static void arm(struct child *c)
{
	unsigned ms = state_ms(c, c->state);

	uv_timer_stop(&c->timer);
	if (ms)
		uv_timer_start(&c->timer, on_timer, ms, 0);
}

/* Descriptors as lib/ctl/heritage.h lists them. */
static int fork_child(struct child *c)
{
	struct weird *w = c->w;
	struct spawn s = {.path = child_is_monitor(c) ? w->monitor_path : w->worker_path, .oom_score_adj = 100};
	char number[16], parent[16], listeners[16];
	char *argv[] = {child_is_monitor(c) ? (char[]){"weir-monitor"} : (char[]){"weir-worker"},
			(char[]){"--number"}, number, (char[]){"--parent"}, parent, (char[]){"--listeners"}, listeners, NULL};
	int pair[2], log_fd = -1;
	pid_t pid;

	snprintf(number, sizeof(number), "%u", c->number);
	snprintf(parent, sizeof(parent), "%d", (int)getpid());
	snprintf(listeners, sizeof(listeners), "%u", w->n_listeners);
	if (child_is_monitor(c))
		argv[5] = NULL;
	s.argv = argv;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) < 0)
		return -errno;
	c->log = logs_source_new(w->logs, on_line, c, &log_fd);
	if (!c->log) {
		int e = errno;

		close(pair[0]);
		close(pair[1]);
		return -e;
	}
	for (unsigned i = 0; i < SPAWN_FDS_MAX; i++)
		s.fds[i] = -1;
	s.fds[HERITAGE_LISTENER] = !child_is_monitor(c) ? w->listeners[0].fd
				   : w->status.fd >= 0	? w->status.fd
							: w->null_fd;
	s.fds[1] = s.fds[2] = log_fd;
	s.fds[HERITAGE_SHM] = w->region.fd;
	s.fds[HERITAGE_SNAPSHOT] = c->gen->memfd;
	s.fds[HERITAGE_CHANNEL] = pair[1];
	for (unsigned i = 0; i <= w->n_numbers; i++)
		s.fds[HERITAGE_EVENT_MONITOR + (int)i] = w->events[i];
	s.n_fds = (unsigned)HERITAGE_MORE_LISTENERS(w->n_numbers);
	for (unsigned i = 1; !child_is_monitor(c) && i < w->n_listeners; i++)
		s.fds[s.n_fds++] = w->listeners[i].fd;
	buf_clear(&c->captured);
	pid = spawn_child(&s);
	close(pair[1]);
	close(log_fd);
	if (pid < 0) {
		close(pair[0]);
		logs_source_end(&c->log);
		return (int)pid;
	}
	c->pid = pid;
	channel_open(c, pair[0]);
	return 0;
}

static void start(struct child *c, struct generation *g)
{
	struct board_row *row = child_row(c);
	char name[32];
	int rc;

	if (g != c->gen) {
		generation_unref(&c->gen);
		c->gen = generation_ref(g);
	}
	c->started_ns = clock_mono_ns();
	c->is_unready_kill = c->has_termed = c->is_degraded = 0;
	c->exit_code = 0;
	c->given = 0;
	atomic_fetch_add(&row->incarnation, 1);
	atomic_store(&row->generation, g->number);
	atomic_store(&row->heartbeat_ns, 0);
	rc = fork_child(c);
	if (rc < 0) {
		log_error("%s cannot be started: %s", child_name(c, name), strerror(-rc));
		set_state(c, STATE_backoff);
		uv_timer_start(&c->timer, on_timer, 1000, 0);
		return;
	}
	apply(c, REAP_SPAWNED);
}

static void free_slot(struct child *c)
{
	uv_timer_stop(&c->timer);
	generation_unref(&c->gen);
	c->deaths = 0;
	c->is_trial = 0;
}

static uint32_t random32(void)
{
	uint64_t x = clock_mono_ns();

	return (uint32_t)((x ^ x >> 29) * 0xbf58476d1ce4e5b9ull >> 16);
}

static void back_off(struct child *c)
{
	struct weird *w = c->w;
	uint64_t ms, lived = clock_mono_ns() - c->started_ns;

	c->deaths = lived > LIVED_NS ? 1 : c->deaths + 1;
	c->is_trial = 0;
	atomic_fetch_add(&child_row(c)->crashes, 1);
	if (reap_pool_crash(&w->pool, clock_mono_ns()))
		log_error("more than %d children died within 30 s: from now on one is tried at a time",
			  REAP_POOL_CRASHES);
	ms = reap_backoff_ms(c->deaths, random32());
	if ((c->exit_code == EXIT_CONFIG || c->exit_code == EXIT_HERITAGE) && ms < RETRY_CONFIG_MS)
		ms = RETRY_CONFIG_MS;
	uv_timer_start(&c->timer, on_timer, ms ? ms : 1, 0);
}

static int other_trial(const struct weird *w)
{
	for (unsigned i = 0; i <= w->n_numbers; i++)
		if (w->children[i].is_trial)
			return 1;
	return 0;
}

/* The wait is over: start again, or give the number back when it is not needed any more. */
static void spawn_again(struct child *c)
{
	struct weird *w = c->w;

	if (w->stopping) {
		set_state(c, STATE_empty);
		free_slot(c);
		return;
	}
	if (w->pool.is_open && !c->is_trial) {
		if (other_trial(w)) {
			uv_timer_start(&c->timer, on_timer, 500, 0);
			return;
		}
		c->is_trial = 1;
	}
	atomic_fetch_add(&child_row(c)->restarts, 1);
	start(c, w->spawn_gen);
}

static void announce(struct child *c)
{
	struct weird *w = c->w;
	char name[32];

	uv_timer_stop(&c->timer);
	log_info("%s is ready after %llu ms%s", child_name(c, name),
		 (unsigned long long)((clock_mono_ns() - c->started_ns) / CLOCK_MS),
		 c->is_degraded ? ", degraded: a database is not reachable" : "");
	reload_child_ready(w, c);
	weird_announce(w);
}

static void apply(struct child *c, enum reap_event event)
{
	enum slot_state was = c->state;
	struct reap_cell cell = reap_step(was, event);
	char name[32];

	set_state(c, cell.next);
	switch (cell.action) {
	case REAP_IGNORE:
		return;
	case REAP_ARM:
		arm(c);
		return;
	case REAP_ANNOUNCE:
		announce(c);
		return;
	case REAP_DRAIN:
		child_send(c, HERITAGE_DRAIN, 0);
		arm(c);
		return;
	case REAP_TERM:
		log_warn("%s did not finish its requests in time, SIGTERM", child_name(c, name));
		c->has_termed = 1;
		kill(c->pid, SIGTERM);
		arm(c);
		return;
	case REAP_DUMP:
		log_error("%s hangs, SIGABRT", child_name(c, name));
		kill(c->pid, SIGABRT);
		arm(c);
		children_balance(c->w);
		return;
	case REAP_KILL:
		log_error("%s %s, SIGKILL", child_name(c, name),
			  was == STATE_starting ? "did not get ready in time" : "does not end");
		kill(c->pid, SIGKILL);
		arm(c);
		if (was == STATE_starting)
			reload_child_failed(c->w, c, "it did not get ready in time");
		return;
	case REAP_ALARM:
		log_error("%s survives SIGKILL; its number is lost until it ends", child_name(c, name));
		arm(c);
		return;
	case REAP_BACK_OFF:
		back_off(c);
		return;
	case REAP_SPAWN:
		spawn_again(c);
		return;
	case REAP_FREE_CRASHED:
		atomic_fetch_add(&child_row(c)->crashes, 1);
		free_slot(c);
		return;
	case REAP_FREE:
		free_slot(c);
		return;
	}
}

static void on_channel(uv_poll_t *h, int status, int events)
{
	struct channel *ch = h->data;
	struct child *c = ch->child;
	struct heritage_msg m;
	int fd = -1, n;

	(void)events;
	n = status < 0 ? 0 : heritage_recv(ch->fd, &m, &fd);
	if (n == -EAGAIN)
		return;
	if (n <= 0 || !c) {
		if (fd >= 0)
			close(fd);
		uv_poll_stop(&ch->poll);	/* waitpid says the rest */
		return;
	}
	switch (m.type) {
	case HERITAGE_READY:
		c->is_degraded = m.arg != 0;
		apply(c, REAP_SAID_READY);
		break;
	case HERITAGE_FAILED:
		c->exit_code = (int)m.arg;
		if (!c->captured.n)
			buf_addf(&c->captured, "%s\n", m.text);
		break;
	case HERITAGE_CONNECTION:
		if (fd >= 0)
			handover_take(c->w, c, fd);
		fd = -1;
		break;
	case HERITAGE_RELOAD:
		log_info("reload asked for by NOTIFY weir_reload");
		reload_ask(c->w, NULL, NULL);
		break;
	default:
		break;
	}
	if (fd >= 0)
		close(fd);
}

static void say_end(const struct child *c, int status)
{
	char name[32];
	const struct board_row *row = child_row(c);
	int level = c->state == STATE_draining || c->w->stopping ? LOG_INFO : LOG_ERROR;

	child_name(c, name);
	if (WIFSIGNALED(status))
		log_at((enum log_level)level, "%s [%d] ended by signal %d (%s)%s%s, while it ran step %s%s", name,
		       (int)c->pid, WTERMSIG(status), strsignal(WTERMSIG(status)), row->note[0] ? ": " : "",
		       row->note, board_step_name((int)atomic_load(&row->running_step)),
		       WCOREDUMP(status) ? ", core dumped" : "");
	else
		log_at(WEXITSTATUS(status) ? (enum log_level)level : LOG_INFO, "%s [%d] ended with status %d", name,
		       (int)c->pid, WEXITSTATUS(status));
}

static void gone(struct child *c, int status)
{
	struct weird *w = c->w;
	struct board_row *row = child_row(c);
	int unready = c->state == STATE_starting || c->is_unready_kill;
	enum reap_event event = WIFEXITED(status) && WEXITSTATUS(status) == 0 ? REAP_EXIT_OK : REAP_EXIT_BAD;
	int fd;
	struct heritage_msg m;

	/* what it said before it ended: descriptors it handed over above all */
	while (c->channel && heritage_recv(c->channel->fd, &m, &fd) > 0) {
		if (m.type == HERITAGE_CONNECTION && fd >= 0)
			handover_take(w, c, fd);
		else if (fd >= 0)
			close(fd);
		if (m.type == HERITAGE_FAILED)
			c->exit_code = (int)m.arg;
	}
	logs_source_end(&c->log);
	channel_close(c);
	if (WIFEXITED(status))
		c->exit_code = WEXITSTATUS(status);
	say_end(c, status);
	if (!child_is_monitor(c)) {
		unsigned n = slots_release_dead(&w->region, c->number, clock_mono_ns());

		if (n)
			log_debug("released %u database slots of worker %u", n, c->number);
	}
	board_clear(row);
	atomic_store(&row->last_status, (uint32_t)status);
	row->note[0] = 0;
	c->pid = 0;
	if (unready && !w->stopping)
		reload_child_failed(w, c, "it ended before it was ready");
	if (c->state == STATE_killing && c->is_unready_kill && !reload_owns(w, c))
		event = REAP_EXIT_BACK;
	if (w->stopping && (c->state == STATE_ready || c->state == STATE_starting))
		set_state(c, STATE_draining);
	apply(c, event);
	c->is_unready_kill = 0;
	children_balance(w);
	stop_check(w);
}

void children_reap(struct weird *w)
{
	for (unsigned i = 0; i <= w->n_numbers; i++) {
		struct child *c = &w->children[i];
		int status;

		if (c->pid > 0 && waitpid(c->pid, &status, WNOHANG) == c->pid)
			gone(c, status);
	}
	check_reap(w);
}

int children_init(struct weird *w)
{
	w->children = calloc(w->n_numbers + 1, sizeof(*w->children));
	check(w->children);
	for (unsigned i = 0; i <= w->n_numbers; i++) {
		struct child *c = &w->children[i];

		c->w = w;
		c->number = i;
		c->timer.data = c;
		uv_timer_init(w->loop, &c->timer);
		buf_init(&c->captured, 0);
		set_state(c, STATE_empty);
	}
	return 0;
}

void children_done(struct weird *w)
{
	for (unsigned i = 0; i <= w->n_numbers; i++) {
		struct child *c = &w->children[i];

		logs_source_end(&c->log);
		channel_close(c);
		generation_unref(&c->gen);
		buf_done(&c->captured);
	}
}

struct child *children_start(struct weird *w, struct generation *g)
{
	for (unsigned i = 0; i < w->n_numbers; i++)
		if (w->children[i].state == STATE_empty) {
			start(&w->children[i], g);
			return &w->children[i];
		}
	return NULL;
}

void child_ask(struct child *c)
{
	apply(c, REAP_ASKED);
}

unsigned children_count(const struct weird *w, enum slot_state state)
{
	unsigned n = 0;

	for (unsigned i = 0; i < w->n_numbers; i++)
		n += w->children[i].state == state;
	return n;
}

unsigned children_alive(const struct weird *w)
{
	unsigned n = 0;

	for (unsigned i = 0; i <= w->n_numbers; i++)
		n += w->children[i].pid > 0;
	return n;
}

unsigned children_target(const struct weird *w)
{
	unsigned n = w->gen->s.options.workers.min;

	return n < w->max_workers ? n : w->max_workers;
}

void children_balance(struct weird *w)
{
	unsigned have, want = children_target(w);

	if (w->stopping)
		return;
	if (w->children[w->n_numbers].state == STATE_empty)
		start(&w->children[w->n_numbers], w->spawn_gen);
	if (w->reload)
		return;		/* the roll decides */
	have = children_count(w, STATE_starting) + children_count(w, STATE_ready) + children_count(w, STATE_backoff);
	for (; have < want; have++)
		if (!children_start(w, w->spawn_gen))
			break;
	for (unsigned i = w->n_numbers; i-- > 0 && have > want;) {
		struct child *c = &w->children[i];

		if (c->state == STATE_ready || c->state == STATE_starting || c->state == STATE_backoff) {
			child_ask(c);
			have--;
		}
	}
}

void children_stop_now(struct weird *w)
{
	for (unsigned i = 0; i <= w->n_numbers; i++)
		if (w->children[i].pid > 0)
			child_send(&w->children[i], HERITAGE_STOP, 0);
}

void children_signal(struct weird *w, int sig)
{
	for (unsigned i = 0; i <= w->n_numbers; i++)
		if (w->children[i].pid > 0)
			kill(w->children[i].pid, sig);
}

void children_tell(struct weird *w, unsigned type, uint32_t arg)
{
	for (unsigned i = 0; i <= w->n_numbers; i++)
		if (w->children[i].pid > 0)
			child_send(&w->children[i], type, arg);
}

/* Who does not turn its loop any more? */
void children_judge(struct weird *w, uint64_t now_ns)
{
	uint64_t limit = w->gen->s.options.workers.hang_timeout * CLOCK_MS;

	for (unsigned i = 0; i <= w->n_numbers; i++) {
		struct child *c = &w->children[i];
		uint64_t beat = atomic_load(&child_row(c)->heartbeat_ns);

		c->given = 0;
		if (c->is_trial && c->state == STATE_ready && now_ns - c->started_ns > TRIAL_NS) {
			c->is_trial = 0;
			reap_pool_close(&w->pool);
			log_info("a child has lived for 10 s: all are started again");
		}
		if (c->state == STATE_ready && beat && now_ns > beat + limit && now_ns > w->no_judging_until_ns)
			apply(c, REAP_LATE);
	}
}
