/* children: acting on the state table: processes, channels, log pipes, timers, board rows.
 * The tricky part is order: a child is out of its row (slots, gauges, channel) before its number changes
 * state, so that nobody is started into a row that still speaks of the dead. */
#include "config.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/base/check.h"
#include "lib/base/clock.h"
#include "lib/base/fdio.h"
#include "lib/base/log.h"
#include "lib/base/num.h"
#include "lib/ctl/heritage.h"
#include "supervisor/logs.h"
#include "supervisor/notify.h"
#include "supervisor/reload.h"
#include "supervisor/settle.h"
#include "supervisor/spawn.h"
#include "supervisor/weird.h"

#define TERM_MS 2000u
#define DUMP_MS 1000u
#define KILL_MS 5000u
#define MONITOR_DRAIN_MS 2000u
#define CONFIG_RETRY_MS 5000u	/* exit 78 or 81: not respawned hot */
#define CAPTURED_MAX (16u * 1024)

static void child_event(struct child *c, enum reap_event event);

/* What it was writing may or may not be committed: the tags stay unservable until weir-monitor has seen
 * that nothing of it runs any more. */
static void release_stamps(struct child *c)
{
	struct stamps s = region_stamps(&c->w->region);
	unsigned n;

	if (!s.n)
		return;
	atomic_fetch_add(&c->w->region.h->orphan_epoch, 1);
	n = stamps_orphan(&s, c->number);
	if (n)
		log_info("worker %u had writes open under %u tags", c->number, n);
}

/* Whoever waits for what it was asking the database looks again, and one of them asks. */
static void release_flights(struct child *c)
{
	struct weird *w = c->w;
	struct flights f = region_flights(&w->region);
	uint64_t mask[2], one = 1;

	flights_void(&f, c->number, mask);
	for (unsigned i = 0; i < w->n_numbers; i++)
		if (mask[i / 64] >> (i % 64) & 1)
			(void)!write(w->events[1 + i], &one, sizeof(one));
}

static void release_sick(struct child *c)
{
	const struct region *r = &c->w->region;

	for (unsigned i = 0, n = region_endpoints_used(r); i < n; i++)
		sick_release(&region_endpoint(r, i)->sick, c->number);
}

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
	atomic_store(&row->state_since_ns, clock_mono_ns());
	atomic_store(&row->generation, c->gen ? c->gen->number : 0);
	atomic_store(&row->state, (uint32_t)state);
}

static void on_timer(uv_timer_t *t)
{
	struct child *c = t->data;

	child_event(c, c->state == STATE_draining && c->has_termed ? REAP_TIMER_AGAIN : REAP_TIMER);
	children_balance(c->w);
}

static void arm(struct child *c, uint64_t ms)
{
	uv_timer_start(&c->timer, on_timer, ms, 0);
}

/* ---- channel ---- */

static void on_channel_closed(uv_handle_t *h)
{
	struct channel *ch = CONTAINER_OF((uv_poll_t *)(void *)h, struct channel, poll);

	close(ch->fd);
	free(ch);
}

static void on_channel(uv_poll_t *poll, int status, int events);

/* Each worker of a generation finds the same; one is listened to. */
static void warned(struct child *c, const struct heritage_msg *m)
{
	struct slice text = slice_str(m->text), file = slice_cut(&text, '\n');

	if (!c->gen->told_by)
		c->gen->told_by = c->pid;
	if (c->gen->told_by != c->pid || !text.p)
		return;
	if (!reload_child_warned(c->w, c, file, m->arg, text))
		log_warn("%.*s:%u: %.*s", SLICE_ARG(file), m->arg, SLICE_ARG(text));
}

static void faulty(struct child *c, const struct heritage_msg *m)
{
	struct slice text = slice_str(m->text), file = slice_cut(&text, '\n'), col = slice_cut(&text, '\n');
	uint64_t n;

	if (text.p && num_u64(col, &n) == 0)
		reload_child_fault(c->w, c, file, m->arg, (unsigned)n, text);
}

static void on_message(struct child *c, const struct heritage_msg *m, int fd)
{
	switch (m->type) {
	case HERITAGE_READY:
		if (c->state == STATE_ready) {	/* configured anew */
			reload_child_ready(c->w, c);
			break;
		}
		c->is_degraded = (int)m->arg;
		c->was_ready = 1;
		if (c->state == STATE_draining && !child_is_monitor(c)) {
			/* asked while it was starting: it may have work by now */
			c->has_termed = 0;
			arm(c, c->w->gen->s.options.workers.drain_timeout);
		}
		child_event(c, REAP_SAID_READY);
		children_balance(c->w);
		break;
	case HERITAGE_FAILED:
		c->exit_code = (int)m->arg;
		break;
	case HERITAGE_WARNED:
		warned(c, m);
		break;
	case HERITAGE_FAULT:
		faulty(c, m);
		break;
	case HERITAGE_RELOAD:
		if (child_is_monitor(c))
			reload_request(c->w, NULL);
		break;
	case HERITAGE_CONNECTION:
		if (fd < 0 || m->n)
			break;
		handover_take(c->w, c, fd, (struct slice){0});
		return;
	default:
		break;
	}
	if (fd >= 0)
		close(fd);
}

/* From one that is dead: by its keeper, or left in the channel as it drained. */
static void take_from_dead(struct channel *ch, const struct heritage_msg *m, int fd)
{
	if (fd < 0)
		return;
	if (m->type != HERITAGE_CONNECTION || (m->n && !ch->was_killed)) {
		close(fd);
		return;
	}
	if (m->n)
		ch->n_again++;
	else
		ch->n_kept++;
	keepers_gave(ch);
	handover_take(ch->w, NULL, fd, slice_of(m->text, m->n));
}

static void close_channel(struct channel *ch)
{
	if (ch->n_kept || ch->n_again)
		log_info("worker %u: %u of its connections live on, %u requests run again", ch->number,
			 ch->n_kept + ch->n_again, ch->n_again);
	list_del(&ch->node);
	uv_close((uv_handle_t *)&ch->poll, on_channel_closed);
}

static void on_channel(uv_poll_t *poll, int status, int events)
{
	struct channel *ch = CONTAINER_OF(poll, struct channel, poll);
	struct child *c = ch->child;
	struct heritage_msg m;
	int fd, r;

	(void)events;
	for (int i = 0; i < 64; i++) {
		r = status < 0 ? 0 : heritage_recv(ch->fd, &m, &fd);
		if (r == -EAGAIN || r == -EINTR)
			return;
		if (r <= 0) {
			ch->is_over = 1;
			uv_poll_stop(poll);	/* it is dying; waitpid tells the rest */
			if (!c)
				close_channel(ch);
			return;
		}
		/* A request comes from a keeper alone, whose worker is dead, whether that was heard or not. */
		if (c && m.type == HERITAGE_CONNECTION && m.n) {
			children_reap(ch->w);
			c = ch->child;
		}
		if (c)
			on_message(c, &m, fd);
		else
			take_from_dead(ch, &m, fd);
		if (ch->child != c || ch->is_paused)
			return;
	}
}

void child_send(struct child *c, unsigned type, uint32_t arg)
{
	char name[32];
	int r;

	if (!c->channel)
		return;
	r = heritage_send(c->channel->fd, (enum heritage_type)type, arg, NULL, -1);
	if (r && r != -EPIPE && r != -ECONNRESET)
		log_warn("%s does not take orders: %s", child_name(c, name), strerror(-r));
}

void children_pause_leaving(struct weird *w, int on)
{
	LIST_FOR(l, &w->channels)
	{
		struct channel *ch = LIST_ENTRY(l, struct channel, node);

		if (ch->is_paused == on || ch->is_over || (on && ch->child && ch->child->state != STATE_draining))
			continue;
		ch->is_paused = on;
		if (on)
			uv_poll_stop(&ch->poll);
		else
			uv_poll_start(&ch->poll, UV_READABLE, on_channel);
	}
}

/* ---- spawning ---- */

static void on_log_line(void *arg, struct slice line)
{
	struct child *c = arg;

	if (c->state != STATE_starting || c->captured.n + line.n + 1 > CAPTURED_MAX)
		return;
	buf_add(&c->captured, line.p, line.n);
	buf_addc(&c->captured, '\n');
}

static struct channel *channel_new(struct child *c, int *ret_child_end)
{
	struct channel *ch;
	int sv[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, sv))
		return NULL;
	ch = calloc(1, sizeof(*ch));
	check(ch);
	ch->fd = sv[0];
	ch->child = c;
	ch->number = c->number;
	ch->w = c->w;
	if (uv_poll_init(c->w->loop, &ch->poll, ch->fd)) {
		close(sv[0]);
		close(sv[1]);
		free(ch);
		return NULL;
	}
	list_add_tail(&c->w->channels, &ch->node);
	uv_poll_start(&ch->poll, UV_READABLE, on_channel);
	*ret_child_end = sv[1];
	return ch;
}

static void drop_channel(struct child *c)
{
	struct channel *ch = c->channel;

	if (!ch)
		return;
	c->channel = NULL;
	ch->child = NULL;
	close_channel(ch);
}

/* The child is dead; the connections that it handed over lie in the channel still, perhaps more than can be passed on
 * now. */
static void leave_channel(struct child *c, pid_t keeper)
{
	struct channel *ch = c->channel;

	if (!ch)
		return;
	if (ch->is_over) {
		drop_channel(c);
		return;
	}
	c->channel = NULL;
	ch->child = NULL;
	keepers_wake(ch, keeper);
}

static void fill_fds(const struct child *c, struct spawn *s, int log_end, int channel_end)
{
	const struct weird *w = c->w;
	unsigned n = HERITAGE_EVENT_WORKER;

	if (child_is_monitor(c))
		s->fds[0] = w->status.fd >= 0 ? w->status.fd : w->null_fd;
	else
		s->fds[0] = w->listeners[0].fd;
	s->fds[1] = s->fds[2] = log_end;
	s->fds[HERITAGE_SHM] = w->region.fd;
	s->fds[HERITAGE_SNAPSHOT] = c->gen->memfd;
	s->fds[HERITAGE_CHANNEL] = channel_end;
	s->fds[HERITAGE_EVENT_MONITOR] = w->events[0];
	for (unsigned i = 0; i < w->n_numbers; i++)
		s->fds[n++] = w->events[1 + i];
	if (!child_is_monitor(c))
		for (unsigned i = 1; i < w->n_listeners; i++)
			s->fds[n++] = w->listeners[i].fd;
	s->n_fds = n;
}

/* All 0 when there is none. */
static struct file_id file_id(const char *path)
{
	struct stat st;

	if (stat(path, &st))
		return (struct file_id){0};
	return (struct file_id){.dev = st.st_dev, .ino = st.st_ino,
				.changed_ns = (uint64_t)st.st_ctim.tv_sec * CLOCK_S + (uint64_t)st.st_ctim.tv_nsec};
}

int child_configure(struct child *c, struct generation *g)
{
	struct file_id now = file_id(c->w->monitor_path);

	check(child_is_monitor(c));
	if (c->state != STATE_ready || !c->channel || now.dev != c->program.dev || now.ino != c->program.ino ||
	    now.changed_ns != c->program.changed_ns)
		return -1;
	if (heritage_send(c->channel->fd, HERITAGE_CONFIGURE, 0, NULL, g->memfd) < 0)
		return -1;
	generation_unref(&c->gen);
	c->gen = generation_ref(g);
	atomic_store(&child_row(c)->generation, g->number);
	return 0;
}

/* Fork and exec on generation g. 0, or -errno with the state unchanged. */
static int child_spawn(struct child *c, struct generation *g)
{
	struct weird *w = c->w;
	struct board_row *row = child_row(c);
	char number[16], parent[16], listeners[16], name[32];
	char *worker_argv[] = {(char[]){"weir-worker"}, (char[]){"--number"}, number,
			       (char[]){"--parent"}, parent, (char[]){"--listeners"}, listeners,
			       reload_is_strict(w) ? (char[]){"--strict"} : NULL, NULL};
	char *monitor_argv[] = {(char[]){"weir-monitor"}, (char[]){"--number"}, number,
				(char[]){"--parent"}, parent, NULL};
	struct spawn s = {.oom_score_adj = HERITAGE_OOM_SCORE, .is_deaf = 1};
	struct file_id program;
	int log_end = -1, channel_end = -1;
	pid_t pid;

	if (w->stopping)
		return -ECANCELED;
	snprintf(number, sizeof(number), "%u", c->number);
	snprintf(parent, sizeof(parent), "%d", (int)getpid());
	snprintf(listeners, sizeof(listeners), "%u", w->n_listeners);
	s.path = child_is_monitor(c) ? w->monitor_path : w->worker_path;
	s.argv = child_is_monitor(c) ? monitor_argv : worker_argv;
	program = file_id(s.path);
	buf_clear(&c->captured);
	c->log = logs_source_new(w->logs, on_log_line, c, &log_end);
	c->channel = c->log ? channel_new(c, &channel_end) : NULL;
	pid = -errno;
	c->gen = generation_ref(g);
	if (c->channel) {
		fill_fds(c, &s, log_end, channel_end);
		pid = spawn_child(&s);
	}
	if (log_end >= 0)
		close(log_end);
	if (channel_end >= 0)
		close(channel_end);
	if (pid <= 0) {
		log_error("cannot start %s: %s", child_name(c, name), strerror((int)-pid));
		drop_channel(c);
		logs_source_end(&c->log);
		generation_unref(&c->gen);
		return (int)pid;
	}
	c->pid = pid;
	c->program = program;
	c->started_ns = clock_mono_ns();
	c->is_degraded = c->is_wanted = c->has_termed = c->exit_code = 0;
	c->was_ready = c->was_idle = c->is_counted = c->waits_for_trial = 0;
	c->is_trial = !child_is_monitor(c) && w->pool.is_open;
	atomic_fetch_add(&row->incarnation, 1);
	log_debug("%s started, pid %d, generation %u", child_name(c, name), (int)pid, g->number);
	child_event(c, REAP_SPAWNED);
	return 0;
}

/* ---- the table's answers ---- */

static void back_off(struct child *c)
{
	char name[32];

	c->wait_ms = respawn_wait_ms(c);
	if (c->wait_ms)
		log_info("%s starts again in %llu ms", child_name(c, name), (unsigned long long)c->wait_ms);
	arm(c, c->wait_ms);
}

/* A spare number takes its place at once; not so when too many have died, then it waits for its own. One that was
 * leaving has been replaced, and what it has under way is not to blame when none of it ran. */
static void dump(struct child *c, enum slot_state was)
{
	/* Somebody may have stopped it: it says where, and goes no further. To the loop's own thread: of a stopped process
	 * any other could take the signal first, and the loop would go on meanwhile. */
	(void)syscall(SYS_tgkill, c->pid, c->pid, SIGABRT);
	kill(c->pid, SIGCONT);
	if (was == STATE_draining) {
		c->was_idle = atomic_load(&child_row(c)->running_step) >= STEP_COUNT;
	} else {
		c->wait_ms = respawn_wait_ms(c);
		c->is_wanted = c->wait_ms != 0;
	}
	arm(c, DUMP_MS);
}

static void start_again(struct child *c)
{
	c->waits_for_trial = !child_is_monitor(c) && !respawn_may_start(c->w);
	if (c->waits_for_trial)
		return;
	if (child_spawn(c, c->w->spawn_gen))
		arm(c, CONFIG_RETRY_MS);
}

void child_wake(struct child *c)
{
	if (c->state == STATE_backoff)
		arm(c, 0);
}

static void announce(struct child *c)
{
	struct weird *w = c->w;
	char name[32];

	uv_timer_stop(&c->timer);
	handover_tick(w);
	log_info("%s is ready%s, pid %d, %llu ms after its start", child_name(c, name),
		 c->is_degraded ? " but degraded (a database is not reachable)" : "", (int)c->pid,
		 (unsigned long long)((clock_mono_ns() - c->started_ns) / CLOCK_MS));
	if (!w->is_announced && !child_is_monitor(c)) {
		w->is_announced = 1;
		notify_send("READY=1\nSTATUS=serving, generation %u", w->gen->number);
	}
	reload_child_ready(w, c);
}

static void release(struct child *c)
{
	uv_timer_stop(&c->timer);
	if (c->w->stopping)
		stop_check(c->w);
}

static void not_ready_in_time(struct child *c)
{
	char name[32], why[128];

	c->is_wanted = 1;
	snprintf(why, sizeof(why), "was not ready within ready_timeout");
	log_error("%s (pid %d) %s", child_name(c, name), (int)c->pid, why);
	reload_child_failed(c->w, c, why);
}

static void act(struct child *c, enum reap_action action, enum slot_state was)
{
	const struct opts_workers *o = &c->w->gen->s.options.workers;
	char name[32];

	switch (action) {
	case REAP_IGNORE:
		break;
	case REAP_ARM:
		arm(c, o->ready_timeout);
		break;
	case REAP_ANNOUNCE:
		announce(c);
		break;
	case REAP_DRAIN:
		child_send(c, HERITAGE_DRAIN, 0);
		/* A stop has a clock of its own; patient ones get drain_timeout as well. Who is only starting has
		 * nothing to finish, and may not listen. */
		arm(c, child_is_monitor(c) || was == STATE_starting ? MONITOR_DRAIN_MS : o->drain_timeout);
		break;
	case REAP_TERM:
		log_warn("%s (pid %d) is still draining: SIGTERM", child_name(c, name), (int)c->pid);
		kill(c->pid, SIGTERM);
		c->has_termed = 1;
		arm(c, TERM_MS);
		break;
	case REAP_DUMP:
		dump(c, was);
		break;
	case REAP_KILL:
		kill(c->pid, SIGKILL);
		arm(c, KILL_MS);
		if (was == STATE_starting)
			not_ready_in_time(c);
		break;
	case REAP_ALARM:
		log_error("%s (pid %d) does not end by SIGKILL; its number is lost until it does",
			  child_name(c, name), (int)c->pid);
		break;
	case REAP_BACK_OFF:
		back_off(c);
		break;
	case REAP_SPAWN:
		start_again(c);
		break;
	case REAP_FREE:
		release(c);
		break;
	}
}

static void child_event(struct child *c, enum reap_event event)
{
	struct reap_cell cell = reap_step(c->state, event);
	enum slot_state was = c->state;

	/* Nobody starts again while weird leaves, whoever was asked or not. */
	if (c->w->stopping && cell.next == STATE_backoff)
		cell = (struct reap_cell){STATE_empty, REAP_FREE};
	if (cell.next != was)
		set_state(c, cell.next);
	act(c, cell.action, was);
}

void child_ask(struct child *c)
{
	c->is_wanted = 0;
	child_event(c, REAP_ASKED);
}

/* ---- death ---- */

static void describe_death(const struct child *c, int status, char *out, size_t n)
{
	const struct board_row *row = child_row(c);
	uint32_t step = atomic_load(&row->running_step), ep = atomic_load(&row->running_endpoint);
	int len;

	if (WIFSIGNALED(status))
		len = snprintf(out, n, "died by signal %d (%s)", WTERMSIG(status),
			       strsignal(WTERMSIG(status)));
	else
		len = snprintf(out, n, "left with status %d", WEXITSTATUS(status));
	if (step < STEP_COUNT && len > 0 && (size_t)len < n) {
		size_t at = (size_t)len;

		at += (size_t)snprintf(out + at, n - at, ", in step %s", board_step_name((int)step));
		if (at < n && ep < c->w->region.h->plan.n_endpoints)
			snprintf(out + at, n - at, " of %s", region_endpoint(&c->w->region, ep)->id);
	}
}

static void child_died(struct child *c, int status)
{
	struct weird *w = c->w;
	struct board_row *row = child_row(c);
	enum slot_state was = c->state;
	int is_ok = WIFEXITED(status) && WEXITSTATUS(status) == 0;
	int was_unready = was == STATE_starting;
	char name[32], why[256], note[sizeof(row->note)];
	unsigned slots;
	pid_t pid = c->pid, keeper = (pid_t)atomic_load(&row->keeper);

	describe_death(c, status, why, sizeof(why));
	memcpy(note, row->note, sizeof(note));
	note[sizeof(note) - 1] = '\0';
	c->exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 0;
	atomic_store(&row->last_status, (uint32_t)status);
	if (!is_ok)
		atomic_fetch_add(&row->crashes, 1);
	slots = child_is_monitor(c) ? 0 : slots_release_dead(&w->region, c->number, clock_mono_ns());
	if (!child_is_monitor(c)) {
		release_stamps(c);	/* behind its slots: whoever settles them must not take its backends for live ones */
		release_flights(c);
		release_sick(c);
		(void)breaker_void_leases(region_tier(&w->region)->breakers, REGION_MAX_NODES, c->number);
	}
	if (child_is_monitor(c))
		for (unsigned i = 0; i < w->region.h->plan.n_databases; i++)
			db_state_mend(region_db(&w->region, i));
	board_clear(row);
	/* Not one that hung or had its time: what it ran may have been the reason. */
	if (c->channel)
		c->channel->was_killed = c->was_idle || (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL &&
							 (was == STATE_ready || was == STATE_draining));
	leave_channel(c, keeper);
	logs_source_end(&c->log);	/* its last words are in `captured` now, if it was starting */
	c->pid = 0;
	if (!is_ok)
		log_error("%s (pid %d) %s%s%s%s; %u database connections freed",
			  child_name(c, name), (int)pid, why, note[0] ? " (" : "", note,
			  note[0] ? ")" : "", slots);
	else if (was == STATE_draining)
		log_info("%s (pid %d) has drained and left", child_name(c, name), (int)pid);
	else
		log_warn("%s (pid %d) left unasked", child_name(c, name), (int)pid);
	if (was_unready)
		reload_child_failed(w, c, why);
	generation_unref(&c->gen);
	if (!child_is_monitor(c))
		settle_ended(w, is_ok || was_unready);
	child_event(c, is_ok && !c->is_wanted	      ? REAP_EXIT_OK
		       : c->is_wanted		      ? REAP_EXIT_BACK
						      : REAP_EXIT_BAD);
	reload_changed(w);
}

/* Process 1, and whoever is a subreaper, inherits what others leave behind. */
static void reap_adopted(const struct weird *w)
{
	for (;;) {
		siginfo_t si = {0};

		if (waitid(P_ALL, 0, &si, WEXITED | WNOHANG | WNOWAIT) || !si.si_pid)
			return;
		for (unsigned i = 0; i <= w->n_numbers; i++)
			if (w->children[i].pid == si.si_pid)
				return;		/* it has died this moment, its own SIGCHLD is under way */
		if (check_is_child(si.si_pid) || waitpid(si.si_pid, NULL, WNOHANG) != si.si_pid)
			return;
	}
}

void children_reap(struct weird *w)
{
	int status;

	for (unsigned i = 0; i <= w->n_numbers; i++) {
		struct child *c = &w->children[i];

		if (c->pid && waitpid(c->pid, &status, WNOHANG) == c->pid)
			child_died(c, status);
	}
	check_reap(w);
	reap_adopted(w);
	children_balance(w);
	if (w->stopping)
		stop_check(w);
}

/* ---- the whole ---- */

unsigned children_target(const struct weird *w)
{
	unsigned n = w->spawn_gen->s.options.workers.min;

	return n < w->max_workers ? n : w->max_workers;
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
		n += w->children[i].pid != 0;
	return n;
}

struct child *children_start(struct weird *w, struct generation *g)
{
	for (unsigned i = 0; i < w->n_numbers; i++) {
		struct child *c = &w->children[i];

		if (c->state == STATE_empty)
			return child_spawn(c, g) == 0 ? c : NULL;
	}
	log_error("no worker number is free");
	return NULL;
}

/* The one to end when there are too many: waiting ones first, then the oldest. */
static struct child *surplus(struct weird *w)
{
	struct child *found = NULL;

	for (unsigned i = 0; i < w->n_numbers; i++) {
		struct child *c = &w->children[i];

		if (c->state == STATE_backoff)
			return c;
		if ((c->state == STATE_starting || c->state == STATE_ready) &&
		    (!found || c->started_ns < found->started_ns))
			found = c;
	}
	return found;
}

void children_balance(struct weird *w)
{
	const struct child *candidate = reload_candidate(w);
	struct child *monitor = &w->children[w->n_numbers], *c;
	unsigned n = 0, target;

	if (w->stopping)
		return;
	target = children_target(w);
	if (w->has_monitor && monitor->state == STATE_empty)
		child_spawn(monitor, w->spawn_gen);
	for (unsigned i = 0; i < w->n_numbers; i++) {
		c = &w->children[i];
		n += c != candidate && (c->state == STATE_starting || c->state == STATE_ready ||
					c->state == STATE_backoff || c->is_wanted);
	}
	respawn_wake(w);
	for (; n < target; n++)
		if (!respawn_may_start(w) || !children_start(w, w->spawn_gen))
			break;
	for (; n > target && !reload_is_active(w); n--)
		if ((c = surplus(w)) != NULL)
			child_ask(c);
}

/* Until it ends: one that hangs as it leaves would hold up a reload or a stop, and its connections. */
static int is_judged(const struct child *c)
{
	return c->state == STATE_ready || (c->state == STATE_draining && c->was_ready);
}

void children_judge(struct weird *w, uint64_t now_ns)
{
	uint64_t limit = w->gen->s.options.workers.hang_timeout * CLOCK_MS;

	for (unsigned i = 0; i <= w->n_numbers; i++) {
		struct child *c = &w->children[i];
		uint64_t beat = c->pid ? atomic_load(&child_row(c)->heartbeat_ns) : 0;
		char name[32];

		c->given = 0;
		respawn_judge_trial(c, now_ns);
		if (!is_judged(c) || !beat || beat >= now_ns || now_ns - beat < limit ||
		    now_ns < w->no_judging_until_ns)
			continue;
		log_error("%s (pid %d) hangs%s: its loop has not turned for %llu ms", child_name(c, name), (int)c->pid,
			  c->state == STATE_draining ? " as it leaves" : "",
			  (unsigned long long)((now_ns - beat) / CLOCK_MS));
		child_event(c, REAP_LATE);
	}
}

void children_stop_now(struct weird *w)
{
	/* weir-monitor is asked when they are gone (stop_check) */
	for (unsigned i = 0; i < w->n_numbers; i++)
		if (w->children[i].pid)
			child_send(&w->children[i], HERITAGE_STOP, 0);
}

void children_signal(struct weird *w, int sig)
{
	for (unsigned i = 0; i <= w->n_numbers; i++)
		if (w->children[i].pid)
			kill(w->children[i].pid, sig);
}

void children_tell(struct weird *w, unsigned type, uint32_t arg)
{
	for (unsigned i = 0; i <= w->n_numbers; i++)
		child_send(&w->children[i], type, arg);
}

int children_init(struct weird *w)
{
	w->children = calloc(w->n_numbers + 1, sizeof(*w->children));
	w->events = calloc(w->n_numbers + 1, sizeof(*w->events));
	check(w->children && w->events);
	list_init(&w->channels);
	for (unsigned i = 0; i <= w->n_numbers; i++) {
		struct child *c = &w->children[i];

		c->w = w;
		c->number = i;
		buf_init(&c->captured, 0);
		uv_timer_init(w->loop, &c->timer);
		c->timer.data = c;
		w->events[i] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		if (w->events[i] < 0)
			return -errno;
	}
	return 0;
}

void children_done(struct weird *w)
{
	keepers_end(w);
	for (unsigned i = 0; i <= w->n_numbers; i++) {
		struct child *c = &w->children[i];

		drop_channel(c);
		logs_source_end(&c->log);
		generation_unref(&c->gen);
		buf_done(&c->captured);
		uv_close((uv_handle_t *)&c->timer, NULL);
		if (w->events[i] >= 0)
			close(w->events[i]);
	}
	while (!list_is_empty(&w->channels))
		close_channel(LIST_ENTRY(list_first(&w->channels), struct channel, node));
}
