/* One turn: poll; what arrived runs its steps; finished queries are taken up; what waits for the
 * database is sent; log lines go out. Then the next deadline is armed and the loop polls again. */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/check.h"
#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/base/num.h"
#include "lib/ctl/heritage.h"
#include "lib/shm/metrics.h"
#include "workers/connects.h"
#include "workers/responses.h"
#include "workers/sick.h"
#include "workers/worker.h"

#define BEAT_NS (250 * CLOCK_MS)
#define SWEEPS 2		/* of 1 % each, at each beat */
#define TICK_NS (10 * CLOCK_MS)
#define ORPHAN_DRAIN_NS (5 * CLOCK_S)
#define SKEW 8u		/* connections above the least loaded worker before accepting is left to others */

static void on_head(struct front_conn *c, const struct gate_out *out)
{
	struct worker *w = c->front->ctx;
	struct req *r = req_new(w, c);

	r->fcgi_id = out->id;
	r->raw_params = out->params;
	req_run(r);
}

static void on_body(struct front_conn *c, struct slice piece)
{
	struct req *r = c->req;
	struct worker *w = r->w;
	const struct opts_limits *limits = &w->snapshot.options.limits;

	r->body_bytes += piece.n;
	if (r->is_replying || !r->wants_body)
		return;
	if (r->body_bytes > limits->body && !r->late_error) {
		r->late_error = E_too_large;
		r->detail = "The body is larger than this endpoint takes.";
		w->bodies_bytes -= r->body.n;
		buf_done(&r->body);
	}
	if (r->late_error && r->body_bytes <= FRONT_DROP_MAX)
		return;
	if (r->late_error)
		req_fail(r, r->late_error, NULL);
	else if (w->bodies_bytes + piece.n > limits->bodies)
		req_fail(r, E_overloaded, "Too many request bodies are under way.");
	if (r->error) {
		r->step = STEP_reply;
		req_run(r);
		return;
	}
	buf_add(&r->body, piece.p, piece.n);
	w->bodies_bytes += piece.n;
}

static void on_end(struct front_conn *c)
{
	struct req *r = c->req;

	r->is_body_done = 1;
	if (r->step == STEP_body)
		req_run(r);
}

static void on_gone(struct front_conn *c, enum err_id reason)
{
	struct req *r = c->req;

	if (reason == E_request_timeout) {
		if (r->is_replying)
			return;
		req_fail(r, r->late_error ? r->late_error : reason, NULL);
		r->step = STEP_reply;
		req_run(r);
		return;
	}
	r->conn = NULL;
	c->req = NULL;
	/* others wait for what it asked: it goes on for them */
	if (cache_is_awaited(r))
		return;
	req_abandon_query(r);
	r->step = STEP_account;
	req_run(r);
}

static void on_sent(struct front_conn *c)
{
	struct req *r = c->req;

	req_run(r);
}

static void on_refuse(struct front_conn *c, enum err_id error)
{
	struct req *r = req_new(c->front->ctx, c);

	req_fail(r, error, NULL);
	r->step = STEP_reply;
	req_run(r);
}

static int on_park(struct front_conn *c)
{
	struct worker *w = c->front->ctx;

	if (w->channel_fd < 0 || w->is_orphan)
		return -1;
	return heritage_send(w->channel_fd, HERITAGE_CONNECTION, 0, NULL, c->fd);
}

static const struct front_ops worker_front_ops = {.on_head = on_head, .on_body = on_body, .on_end = on_end,
						  .on_gone = on_gone, .on_sent = on_sent,
						  .on_refuse = on_refuse, .on_park = on_park};

/* Leave new connections to workers that hold fewer: kept-alive ones would pile up on whoever wakes first. */
static void balance(struct worker *w)
{
	uint32_t lowest = w->front.n_open;
	const struct region_header *h = w->region.h;

	if (w->is_draining || !w->said_ready)
		return;
	for (unsigned i = 0; i < h->plan.n_numbers; i++) {
		const struct board_row *row = region_board(&w->region, i);
		uint64_t beat = atomic_load_explicit(&row->heartbeat_ns, memory_order_relaxed);
		uint32_t open;

		if (atomic_load_explicit(&row->state, memory_order_relaxed) != STATE_ready ||
		    beat + 4 * BEAT_NS < w->front.now_ns)
			continue;
		open = atomic_load_explicit(&row->conns_open, memory_order_relaxed);
		if (open < lowest)
			lowest = open;
	}
	front_accept(&w->front, w->front.n_open <= lowest + SKEW);
}

static void publish(struct worker *w)
{
	struct board_row *b = w->board;
	struct list *first = list_first(&w->reqs);
	unsigned waiting = 0;

	for (unsigned i = 0; i < w->snapshot.options.n_databases; i++)
		waiting += w->pools[i] ? db_pool_waiting(w->pools[i]) : 0;
	atomic_store_explicit(&b->in_flight, w->n_reqs, memory_order_relaxed);
	atomic_store_explicit(&b->conns_open, w->front.n_open, memory_order_relaxed);
	atomic_store_explicit(&b->conns_parked, w->front.n_parked, memory_order_relaxed);
	atomic_store_explicit(&b->waiting, waiting, memory_order_relaxed);
	atomic_store_explicit(&b->oldest_begin_ns, first ? LIST_ENTRY(first, struct req, node)->t0_ns : 0,
			      memory_order_relaxed);
}

/* What weir-monitor and weird would do, when there is neither. */
static void alone(struct worker *w)
{
	uint64_t now = w->front.now_ns;

	slots_sweep(&w->region, now);
	express_tick(&w->region, now / CLOCK_MS);
	for (unsigned i = 0; i < w->snapshot.options.n_databases; i++)
		if (w->pools[i]) {
			int is_cut = (db_pool_link(w->pools[i], now) & DB_LINK_CUT) != 0;

			db_state_set(region_db(&w->region, i), !is_cut, is_cut ? db_pool_why(w->pools[i]) : "", now);
		}
}

static void beat(struct worker *w)
{
	struct board_row *b = w->board;
	uint64_t now = w->front.now_ns, span = now - w->last_beat_ns;

	w->last_beat_ns = now;
	atomic_store_explicit(&b->heartbeat_ns, now, memory_order_relaxed);
	process_stats_update(&b->process);
	atomic_store_explicit(&b->longest_turn_ns, w->longest_turn_ns, memory_order_relaxed);
	atomic_store_explicit(&b->busy_permille,
			      span ? (uint32_t)((w->busy_ns - w->beat_busy_ns) * 1000 / span) : 0,
			      memory_order_relaxed);
	w->beat_busy_ns = w->busy_ns;
	w->longest_turn_ns = 0;
	atomic_store_explicit(&w->metrics->busy, w->busy_ns, memory_order_relaxed);
	metric_add(&w->metrics->cache_busy, w->cache.counts.busy - w->told_busy);
	w->told_busy = w->cache.counts.busy;
	if (!w->is_alone)
		log_set_level((enum log_level)atomic_load_explicit(&w->region.h->log_level, memory_order_relaxed));
	balance(w);
	if (w->is_alone && now - w->last_tick_ns >= CLOCK_S) {
		w->last_tick_ns = now;
		alone(w);
	}
}

/* Without it a worker that is killed takes its connections along, and nobody would know before. */
static void tend_keeper(struct worker *w)
{
	enum keeper_news news = keeper_tend(&w->keeper, w->front.now_ns);

	if (news == KEEPER_REPLACED)
		log_warn("the weir-keeper of worker %u has died; another one, pid %d, is in its place", w->number, (int)w->keeper.pid);
	else if (news == KEEPER_FAILED)
		log_error("the weir-keeper of worker %u has died, and no other one starts: %s; if this worker is killed, its "
			  "connections are closed", w->number, strerror(errno));
	atomic_store(&w->board->keeper, (uint32_t)w->keeper.pid);
}

static int entry_holds(void *arg, const struct stamp_set *set)
{
	return stamps_hold(arg, set);
}

/* What one worker does for all: the ready one of the lowest number. */
static int is_first(const struct worker *w)
{
	if (!w->stamps.n || !w->said_ready)
		return 0;
	for (unsigned i = 0; i < w->number; i++)
		if (atomic_load_explicit(&region_board(&w->region, i)->state, memory_order_relaxed) == STATE_ready)
			return 0;
	return 1;
}

/* Memory of what has expired or is void comes free without a touch, all of it in about 12 s. */
static void sweep(struct worker *w)
{
	for (int i = 0; i < SWEEPS; i++)
		cache_sweep(&w->cache, clock_boot_ms(), entry_holds, &w->stamps);
}

static void say(struct worker *w, enum heritage_type type, uint32_t arg, const char *text)
{
	int rc;

	if (w->channel_fd < 0)
		return;
	rc = heritage_send(w->channel_fd, type, arg, text, -1);
	if (rc < 0)
		log_warn("the supervisor could not be told: %s", strerror(-rc));
}

static void report_refused(struct worker *w, struct db_pool *p)
{
	char where[1000 + PATH_MAX], text[HERITAGE_TEXT];

	for (unsigned i = 0; i < db_pool_n_stmts(p); i++) {
		const struct db_stmt *s = db_pool_stmt(p, i);

		if (!s->failed.id)
			continue;
		sick_where(w, &s->failed, where, sizeof(where));
		log_error("%s", where);
		snprintf(text, sizeof(text), "%s/%s\n%u\n%s", w->snapshot.options.endpoints, s->failed.file, s->failed.col, s->failed.text);
		say(w, HERITAGE_FAULT, s->failed.line, text);
		say(w, HERITAGE_FAILED, EXIT_CONFIG, where);
	}
	w->exit_code = EXIT_CONFIG;
	uv_stop(&w->loop);
}

/* What is valid and most likely not meant, as far as the server's word tells it. */
static void report_warnings(struct worker *w, const struct db_pool *p)
{
	const struct endpoint *last = NULL;

	for (unsigned i = 0; p && i < db_pool_n_stmts(p); i++) {
		const struct db_stmt *s = db_pool_stmt(p, i);
		char text[HERITAGE_TEXT];

		for (unsigned k = 0; s->desc && s->endpoint != last && k < s->desc->n_warnings; k++) {
			snprintf(text, sizeof(text), "%s/%s\n%s", w->snapshot.options.endpoints, s->file, s->desc->warnings[k]);
			if (w->is_alone)
				log_warn("%s/%s:%u: %s", w->snapshot.options.endpoints, s->file, s->line, s->desc->warnings[k]);
			else
				say(w, HERITAGE_WARNED, s->line, text);
		}
		last = s->endpoint;
	}
}

/* Once every statement is described, or the database is known to be away. */
static void check_ready(struct worker *w)
{
	int degraded = 0;

	for (unsigned i = 0; i < w->snapshot.options.n_databases; i++) {
		int ready = w->pools[i] ? db_pool_ready(w->pools[i]) : 1;

		if (ready == 0)
			return;
		if (w->is_strict && !w->said_ready && w->pools[i] && db_pool_n_refused(w->pools[i])) {
			report_refused(w, w->pools[i]);
			return;
		}
		if (ready == -1) {
			degraded = 1;
		}
	}
	atomic_store_explicit(&w->board->is_degraded, (uint32_t)degraded, memory_order_relaxed);
	if (w->said_ready)
		return;
	for (unsigned i = 0; degraded && i < w->snapshot.options.n_databases; i++)
		if (w->pools[i] && db_pool_ready(w->pools[i]) == -1 && !(w->connects_said >> i & 1))
			log_warn("database %s: %s", w->snapshot.options.databases[i].name, db_pool_why(w->pools[i]));
	w->said_ready = 1;
	for (unsigned i = 0; i < w->snapshot.options.n_databases; i++)
		report_warnings(w, w->pools[i]);
	say(w, HERITAGE_READY, (uint32_t)degraded, NULL);
	front_accept(&w->front, 1);
	log_info("worker %u ready%s", w->number, degraded ? " (degraded: the database is away)" : "");
}

static void on_timer(uv_timer_t *t)
{
	struct worker *w = t->data;
	uint64_t now = front_now(&w->front);

	w->timer_due_ns = 0;
	wheel_run(&w->wheel, now);
	for (unsigned i = 0; i < w->snapshot.options.n_databases; i++)
		if (w->pools[i])
			db_pool_tick(w->pools[i], now);
	connects_tell(w, now);
	if (now - w->last_beat_ns >= BEAT_NS) {
		int first = is_first(w);

		beat(w);
		tend_keeper(w);
		sick_tick(w, now);
		if (first)
			sweep(w);
		tier_beat(w, first);
	}
}

static void arm(struct worker *w)
{
	uint64_t now = w->front.now_ns, wait = BEAT_NS, due;

	for (unsigned i = 0; i < w->snapshot.options.n_databases; i++)
		if (w->pools[i] && db_pool_is_active(w->pools[i]))
			wait = TICK_NS;
	if (w->is_draining && w->front.n_parked)
		wait = TICK_NS;
	if (responses_are_waiting(w))
		wait = 0;
	wait = wheel_wait(&w->wheel, now, wait);
	due = now + wait;
	if (w->timer_due_ns > now && w->timer_due_ns <= due)
		return;
	w->timer_due_ns = due;
	uv_update_time(&w->loop);
	uv_timer_start(&w->timer, on_timer, (wait + CLOCK_MS - 1) / CLOCK_MS, 0);
}

static void flush(struct worker *w, uint64_t now)
{
	for (unsigned i = 0; i < w->snapshot.options.n_databases; i++)
		if (w->pools[i])
			db_pool_flush(w->pools[i], now);
}

/* After the poll's callbacks. */
static void on_turn(uv_check_t *h)
{
	struct worker *w = h->data;
	uint64_t now = front_now(&w->front);

	dbio_resume(w);
	flush(w, now);
	if (w->is_draining && w->front.n_parked)
		front_drain(&w->front);
	dbio_resume(w);
	responses_turn(w);
	/* what they ask is sent now: the next turn may be as far as the next tick */
	if (cache_wake(w)) {
		flush(w, now);
		dbio_resume(w);
	}
	tier_flush(w);
	sick_look(w);
	check_ready(w);
	publish(w);
	if (w->access.n)
		access_flush(w);
	if (w->is_draining && ((w->n_reqs == 0 && w->front.n_open == 0) || now > w->drain_until_ns))
		uv_stop(&w->loop);
	atomic_store_explicit(&w->board->running_step, STEP_COUNT, memory_order_relaxed);
}

static void on_prepare(uv_prepare_t *h)
{
	struct worker *w = h->data;
	uint64_t turn, now;

	if (w->front.now_is_stale)
		return;		/* nothing ran */
	arm(w);
	now = clock_mono_ns();
	turn = now - w->front.now_ns;
	w->busy_ns += turn;
	metric_add(&w->metrics->turns, 1);
	if (turn > w->longest_turn_ns)
		w->longest_turn_ns = turn;
	w->turn_ns = w->front.now_ns;
	w->polled_ns = now;
	w->front.now_is_stale = 1;
}

void worker_drain(struct worker *w)
{
	if (w->is_draining)
		return;
	w->is_draining = 1;
	w->drain_until_ns = w->front.now_ns + (w->is_alone    ? 2 * CLOCK_S
					       : w->is_orphan ? ORPHAN_DRAIN_NS
							      : w->snapshot.options.workers.drain_timeout * CLOCK_MS);
	front_drain(&w->front);
	for (unsigned i = 0; i < w->snapshot.options.n_databases; i++)
		if (w->pools[i])
			db_pool_drain(w->pools[i]);
}

/* The next weird asks the database what may still be committed. What is not there yet must not follow: nobody would make void what it
 * changes. */
static void orphan_writes(struct worker *w)
{
	LIST_FOR_SAFE(l, next, &w->reqs)
	{
		struct req *r = LIST_ENTRY(l, struct req, node);

		if (!r->is_submitted || !r->run->ep->n_invalidates || r->q.state != DB_Q_QUEUED || r->in_run)
			continue;
		req_abandon_query(r);
		req_fail(r, E_unavailable, NULL);
		r->is_query_done = 1;
		r->step = STEP_reply;
		req_run(r);
	}
}

static void on_channel(uv_poll_t *h, int status, int events)
{
	struct worker *w = h->data;
	struct heritage_msg m;
	int fd = -1, n;

	(void)events;
	front_now(&w->front);
	n = status < 0 ? 0 : heritage_recv(w->channel_fd, &m, &fd);
	if (n == -EAGAIN)
		return;
	if (n <= 0) {
		log_warn("the supervisor is gone, draining");
		uv_poll_stop(&w->channel);
		w->is_orphan = 1;
		front_unlisten(&w->front);	/* the next weird needs the place */
		orphan_writes(w);
		worker_drain(w);
		return;
	}
	switch (m.type) {
	case HERITAGE_DRAIN:
		worker_drain(w);
		break;
	case HERITAGE_STOP:
		uv_stop(&w->loop);
		break;
	case HERITAGE_LOGLEVEL:
		log_set_level((enum log_level)m.arg);
		break;
	case HERITAGE_REOPEN:
		access_open(w);
		break;
	case HERITAGE_CONNECTION:
		if (fd >= 0)
			front_adopt(&w->front, fd, slice_of(m.text, m.n));
		fd = -1;
		break;
	default:
		break;
	}
	if (fd >= 0)
		close(fd);
}

/* Somebody's flight has ended, or weird says that its owner is dead. */
static void on_event(uv_poll_t *h, int status, int events)
{
	struct worker *w = h->data;
	uint64_t n;

	(void)status;
	(void)events;
	front_now(&w->front);
	if (read(HERITAGE_EVENT_WORKER + (int)w->number, &n, sizeof(n)) == sizeof(n))
		w->has_woken = 1;
}

static void on_signal(uv_signal_t *h, int signum)
{
	struct worker *w = h->data;

	(void)signum;
	front_now(&w->front);
	worker_drain(w);
}

static void close_handle(uv_handle_t *h, void *arg)
{
	(void)arg;
	if (!uv_is_closing(h))
		uv_close(h, NULL);
}

int worker_loop_init(struct worker *w)
{
	const struct options *o = &w->snapshot.options;
	int rc = uv_loop_init(&w->loop);

	if (rc)
		return rc;
	w->front.now_ns = clock_mono_ns();
	wheel_init(&w->wheel, w->front.now_ns);
	w->front.ops = &worker_front_ops;
	w->front.ctx = w;
	w->front.metrics = w->metrics;
	w->front.limits = (struct front_limits){
	    .max_params = o->limits.params > 65535 ? 65535 : (uint32_t)o->limits.params,
	    .max_conns = o->workers.max_connections,
	    .header_ns = o->limits.header_timeout * CLOCK_MS,
	    .body_ns = o->limits.body_timeout * CLOCK_MS,
	    .write_ns = o->limits.write_timeout * CLOCK_MS,
	    .idle_ns = o->limits.idle_timeout * CLOCK_MS};
	peers_init(&w->front.peers, &o->listen_allow, &w->region.h->peers_refused);
	w->front.keeper = w->keeper.t ? &w->keeper : NULL;
	rc = front_init(&w->front, &w->loop, &w->wheel);
	uv_prepare_init(&w->loop, &w->prepare);
	uv_check_init(&w->loop, &w->turn);
	uv_timer_init(&w->loop, &w->timer);
	uv_signal_init(&w->loop, &w->sigterm);
	uv_signal_init(&w->loop, &w->sigint);
	w->prepare.data = w->turn.data = w->timer.data = w->channel.data = w->sigterm.data = w->sigint.data = w;
	uv_prepare_start(&w->prepare, on_prepare);
	uv_check_start(&w->turn, on_turn);
	uv_signal_start(&w->sigterm, on_signal, SIGTERM);
	if (w->is_alone)
		uv_signal_start(&w->sigint, on_signal, SIGINT);
	if (!w->is_alone && w->stamps.n) {
		w->event.data = w;
		uv_poll_init(&w->loop, &w->event, HERITAGE_EVENT_WORKER + (int)w->number);
		uv_poll_start(&w->event, UV_READABLE, on_event);
	}
	if (w->channel_fd >= 0) {
		uv_poll_init(&w->loop, &w->channel, w->channel_fd);
		uv_poll_start(&w->channel, UV_READABLE, on_channel);
	}
	return rc;
}

int worker_run(struct worker *w)
{
	uv_timer_start(&w->timer, on_timer, 0, 0);
	beat(w);
	uv_run(&w->loop, UV_RUN_DEFAULT);

	/* whatever is still open ends with the process; what libuv holds is closed in order */
	LIST_FOR_SAFE(l, next, &w->front.conns)
	{
		struct front_conn *c = LIST_ENTRY(l, struct front_conn, node);

		if (c->req)
			on_gone(c, E_ok);
		front_close(c);
	}
	beat(w);	/* the rest has hang_timeout, too */
	keeper_stop(&w->keeper);
	access_flush(w);
	tier_close(w);
	for (unsigned i = 0; i < w->snapshot.options.n_databases; i++)
		db_pool_free(&w->pools[i]);
	if (w->n_jobs)	/* a thread still waits for a database: nothing it reads may be freed */
		_exit(w->exit_code);
	uv_prepare_stop(&w->prepare);
	uv_check_stop(&w->turn);
	uv_walk(&w->loop, close_handle, NULL);
	return w->exit_code;
}
