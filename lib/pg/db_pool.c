/* The pool: which request goes where, how many connections there are, what happens when there are
 * none. All of it in the loop's thread. */
#include "config.h"

#include "lib/pg/db_priv.h"

#include <stdio.h>
#include <stdlib.h>

#include "lib/base/check.h"
#include "lib/base/clock.h"
#include "lib/base/num.h"
#include "lib/conf/options.h"
#include "lib/shm/region.h"

#define BATCH_MAX 32u		/* statements that share a Sync */
#define BATCH_WORK_US 1000u
#define BATCH_FLUSH_EVERY 8u
#define ALONE_RUNS 64u		/* one of so many is measured alone */
#define ALONE_NS (10 * CLOCK_MS)	/* and of groups, which it tears, no more than one in this time */
#define ALONE_IDLE_NS CLOCK_S
#define EXPRESS_PARAM_BYTES (16u * 1024)
#define DESCRIBE_AGAIN_NS (100 * CLOCK_MS)

uint32_t db_random(struct db_pool *p)
{
	p->rng ^= p->rng << 13;
	p->rng ^= p->rng >> 17;
	p->rng ^= p->rng << 5;
	return p->rng;
}

struct db_pool *db_pool_new(const struct db_pool_conf *conf)
{
	struct db_pool *p = calloc(1, sizeof(*p));

	if (!p)
		abort();
	p->conf = *conf;
	list_init(&p->conns);
	list_init(&p->q_express);
	list_init(&p->q_exclusive);
	list_init(&p->q_check);
	list_init(&p->done);
	list_init(&p->free_entries);
	p->rng = (uint32_t)clock_mono_ns() | 1u;
	return p;
}

void db_stmt_name(char out[DB_STMT_NAME], unsigned stmt, unsigned serial)
{
	size_t n = 1;

	out[0] = 'w';
	n += num_put_u64(out + n, stmt);
	out[n++] = '_';
	n += num_put_u64(out + n, serial);
	out[n] = 0;
}

void db_stmt_renew(struct db_stmt *s, unsigned stmt)
{
	db_stmt_name(s->name, stmt, ++s->serial);
}

unsigned db_pool_add_stmt(struct db_pool *p, const struct db_stmt *proto)
{
	if (p->n_stmts == p->cap_stmts) {
		p->cap_stmts = p->cap_stmts ? p->cap_stmts * 2 : 32;
		p->stmts = realloc(p->stmts, p->cap_stmts * sizeof(*p->stmts));
		if (!p->stmts)
			abort();
	}
	p->stmts[p->n_stmts] = *proto;
	p->stmts[p->n_stmts].serial = 0;
	db_stmt_renew(&p->stmts[p->n_stmts], p->n_stmts);
	return p->n_stmts++;
}

const struct db_stmt *db_pool_stmt(const struct db_pool *p, unsigned stmt)
{
	check(stmt < p->n_stmts);
	return &p->stmts[stmt];
}

unsigned db_pool_n_stmts(const struct db_pool *p)
{
	return p->n_stmts;
}

void db_finish(struct db_pool *p, struct db_query *q, uint64_t now_ns)
{
	check(q->state == DB_Q_NEW || q->state == DB_Q_QUEUED);
	q->done_ns = now_ns;
	q->state = DB_Q_DONE;
	list_add_tail(&p->done, &q->node);
}

void db_fail(struct db_pool *p, struct db_query *q, enum err_id id, const char *text, uint64_t now_ns)
{
	q->error = id;
	q->sqlstate[0] = 0;
	q->row = NULL;
	q->is_half_done = 0;
	q->client_text[0] = q->constraint[0] = 0;
	q->bad_param = 0;
	snprintf(q->text, sizeof(q->text), "%.255s", text);
	db_finish(p, q, now_ns);
}

/* At the front: it keeps its rank. */
void db_requeue(struct db_pool *p, struct db_query *q, int exclusive)
{
	if (exclusive)
		q->wants_exclusive = 1;
	q->state = DB_Q_QUEUED;
	p->n_waiting++;
	p->n_counted += q->is_counted;
	list_add_head(q->wants_exclusive || q->is_write ? &p->q_exclusive : &p->q_express, &q->node);
}

void db_stmt_stale(struct db_pool *p, unsigned stmt)
{
	/* while a description is under way the table may have changed behind it: once more then */
	p->stmts[stmt].is_stale = p->is_describing && p->stmts[stmt].is_stale ? 2 : 1;
	p->wants_describe = 2;
}

void db_pool_describe(struct db_pool *p, unsigned stmt)
{
	check(stmt < p->n_stmts);
	if (p->stmts[stmt].is_stale)
		return;
	p->stmts[stmt].is_stale = 1;
	if (!p->wants_describe)
		p->wants_describe = 1;
}

static struct db_state *db_state(const struct db_pool *p)
{
	return region_db(p->conf.region, p->conf.db);
}

/* Connections of the express lane. Behind a transaction pooler there are none: with more than one Sync under way on a
 * connection PgBouncer (1.18; pgbouncer/pgbouncer#759) can hand what comes behind an error to another client. */
static unsigned express_of(const struct db_pool *p)
{
	return p->conf.opts->pooler ? 0 : p->conf.opts->express;
}

static int may_express(const struct db_pool *p, const struct db_query *q, uint64_t now_ns)
{
	const struct db_stmt *s = &p->stmts[q->stmt];

	return express_of(p) && s->may_express && !q->is_write && !q->wants_exclusive &&
	       now_ns >= p->express_off_until_ns && s->express && express_may(s->express);
}

static int is_small(const struct db_query *q)
{
	size_t bytes = 0;

	for (unsigned i = 0; i < q->n_values; i++)
		bytes += q->values[i] ? strlen(q->values[i]) : 0;
	return bytes <= EXPRESS_PARAM_BYTES;
}

int db_submit(struct db_pool *p, struct db_query *q)
{
	struct db_stmt *s = &p->stmts[q->stmt];
	uint64_t now_ns = q->queued_ns;
	int counts = !q->group || q->group != p->last_group;

	check(q->state == DB_Q_NEW);
	db_verify_hear(p, q->stmt);
	if (s->failed.id) {
		s->is_missed = 1;
		return -(int)s->failed.id;
	}
	if (unlikely(p->failures) && db_is_cut(p))
		return -E_db_down;
	if (counts && p->n_counted >= p->conf.queue_limit)
		return -E_overloaded;
	if (counts)
		p->last_group = q->group;
	q->is_counted = (unsigned char)counts;
	q->is_outdated = 0;
	q->is_odd = 0;
	q->error = E_ok;
	q->state = DB_Q_QUEUED;
	p->n_waiting++;
	p->n_counted += q->is_counted;
	if (q->is_check) {
		list_add_tail(&p->q_check, &q->node);
	} else if (may_express(p, q, now_ns) && is_small(q)) {
		list_add_tail(&p->q_express, &q->node);
	} else {
		q->wants_exclusive = 1;
		list_add_tail(&p->q_exclusive, &q->node);
	}
	return 0;
}

static void unqueue(struct db_pool *p, struct db_query *q)
{
	list_del(&q->node);
	p->n_waiting--;
	p->n_counted -= q->is_counted;
}

void db_abandon(struct db_pool *p, struct db_query *q)
{
	struct db_conn *c = q->conn;

	switch (q->state) {
	case DB_Q_NEW:
		break;
	case DB_Q_QUEUED:
		unqueue(p, q);
		break;
	case DB_Q_DONE:
		list_del(&q->node);
		db_query_clear(q);
		break;
	case DB_Q_HELD:
	case DB_Q_LOOKED:
		db_hold_orphan(p, q);
		break;
	case DB_Q_SENT:
		/* the entry stays as an orphan; never cancelled on express: a cancel hits whatever runs.
		 * A write that was sent may be committing: it is left to end by its own timeout. */
		db_query_clear(q);
		q->entry->q = NULL;
		q->entry->gives_up = q->entry->holds && q->is_late;
		q->entry->intent = q->intent;
		q->intent = NULL;
		if (c->lane == LANE_EXCLUSIVE && c->state == DB_C_OPEN &&
		    (!q->is_write || (q->entry->gives_up && !p->stmts[q->stmt].may_commit)) &&
		    !p->conf.opts->pooler)
			db_conn_cancel(c, q->deadline_ns > p->now_ns ? p->now_ns : q->deadline_ns);
		break;
	}
	q->state = DB_Q_NEW;
	q->entry = NULL;
	q->conn = NULL;
}

struct db_query *db_pool_next_done(struct db_pool *p)
{
	struct list *l = list_first(&p->done);
	struct db_query *q;

	if (!l)
		return NULL;
	q = LIST_ENTRY(l, struct db_query, node);
	list_del(l);
	q->state = q->state == DB_Q_HELD ? DB_Q_LOOKED : DB_Q_NEW;
	return q;
}

/* Room on an express connection for one more statement. */
static int has_room(const struct db_conn *c, uint64_t now_ns)
{
	return c->lane == LANE_EXPRESS && c->state == DB_C_OPEN && !c->is_draining && !c->is_converting &&
	       !c->is_admin_shutdown && !c->needs_reset && !c->want_write && c->n_syncs < c->window && c->n_fifo < DB_EXPRESS_STATEMENTS &&
	       c->work_us <= DB_LANE_WORK_US && (c->n_fifo == 0 || now_ns < c->progress_ns + DB_HEAD_SLOW_NS);
}

/* No open lane, or each is stuck on its head. */
static int lanes_are_stuck(const struct db_pool *p, uint64_t now_ns)
{
	LIST_FOR(l, &p->conns)
	{
		const struct db_conn *c = LIST_ENTRY(l, struct db_conn, node);

		if (c->lane == LANE_EXPRESS && c->state == DB_C_OPEN && !c->is_draining && !c->is_converting && !c->is_admin_shutdown &&
		    (c->n_fifo == 0 || now_ns < c->progress_ns + DB_HEAD_SLOW_NS))
			return 0;
	}
	return 1;
}

/* The first connection, a further one only while the first is executing. */
static struct db_conn *pick_express(struct db_pool *p, const struct db_query *q, uint64_t now_ns)
{
	struct db_conn *first = NULL;

	LIST_FOR(l, &p->conns)
	{
		struct db_conn *c = LIST_ENTRY(l, struct db_conn, node);

		if (!has_room(c, now_ns))
			continue;
		if (!first)
			first = c;
		if (c->n_fifo == 0 || now_ns < c->progress_ns + p->stmts[q->stmt].mean_us * 1000)
			return c;
	}
	return first;
}

static struct db_conn *pick_idle(struct db_pool *p)
{
	LIST_FOR(l, &p->conns)
	{
		struct db_conn *c = LIST_ENTRY(l, struct db_conn, node);

		if (c->lane == LANE_EXCLUSIVE && db_conn_is_idle(c))
			return c;
	}
	return NULL;
}

/* A connection that has nothing to do; of the express lane, too, if it comes to that. */
static struct db_conn *pick_lent(struct db_pool *p)
{
	struct db_conn *found = pick_idle(p);

	LIST_FOR(l, &p->conns)
	{
		struct db_conn *c = LIST_ENTRY(l, struct db_conn, node);

		if (!found && db_conn_is_idle(c))
			found = c;
	}
	return found;
}

struct db_conn *db_pool_spare_for(struct db_pool *p, const struct db_stmt *s, uint64_t now_ns)
{
	if (s->touches[0])
		return p->n_exclusive ? pick_idle(p) : pick_lent(p);
	LIST_FOR(l, &p->conns)
	{
		struct db_conn *c = LIST_ENTRY(l, struct db_conn, node);

		if (has_room(c, now_ns))
			return c;
	}
	return pick_idle(p);
}

struct db_conn *db_pool_idle(struct db_pool *p)
{
	return pick_idle(p);
}

/* Is the next run of s, on c, to be measured alone? What shares a Sync tells nothing of a single statement. Of a group
 * it is one that follows others: the first on an idle connection shows how long its backend waits for a core. */
static int is_measured(struct db_stmt *s, const struct db_query *q, const struct db_conn *c, uint64_t now_ns)
{
	if (s->runs % ALONE_RUNS != 0 || (q->group && now_ns - s->alone_ns < (c->n_fifo ? ALONE_NS : ALONE_IDLE_NS)))
		return 0;
	s->alone_ns = now_ns;
	return 1;
}

static int is_shareable(const struct db_pool *p, const struct db_query *q, const struct db_conn *c, uint64_t now_ns)
{
	struct db_stmt *s = &p->stmts[q->stmt];

	/* a request with settings never shares a Sync; that it is nobody's may be said in everybody's */
	return (p->conf.opts->batch || q->group) && !p->conf.opts->pooler && !q->user && !q->claims && !q->wants_own_sync && !s->is_time_bound &&
	       s->mean_us <= BATCH_WORK_US && (!s->failed_ns || now_ns - s->failed_ns > 60 * CLOCK_S) &&
	       !is_measured(s, q, c, now_ns);
}

struct batch {
	struct db_conn *c;
	uint64_t group;			/* 0: whoever comes in this turn */
	struct db_entry *last;
	unsigned n;
	uint64_t work_us;
};

/* -1: its connection broke and is gone. */
static int batch_end(struct batch *b, uint64_t now_ns)
{
	struct db_conn *c = b->c;

	if (!c)
		return 0;
	b->c = NULL;
	b->last->has_sync = 1;
	c->n_syncs++;
	if (db_conn_sync(c) == 0)
		return 0;
	db_conn_close(c, now_ns);
	return -1;
}

static void send_on(struct db_pool *p, struct db_conn *c, struct db_query *q, struct batch *b, uint64_t now_ns)
{
	int shared = c->lane == LANE_EXPRESS && is_shareable(p, q, c, now_ns) &&
		     c->prepared[q->stmt] == p->stmts[q->stmt].serial;
	uint64_t group = p->conf.opts->batch ? 0 : q->group;

	unqueue(p, q);
	if (b->c && (b->c != c || !shared || b->group != group)) {
		int was_c = b->c == c;

		if (batch_end(b, now_ns) && was_c) {
			db_requeue(p, q, 0);
			return;
		}
	}
	histo_add(&p->conf.metrics->db_wait, now_ns - q->queued_ns);
	if (db_conn_send(c, q, now_ns, !shared, shared)) {
		if (b->c == c)
			b->c = NULL;
		db_conn_close(c, now_ns);
		return;
	}
	if (!shared)
		return;
	if (!b->c) {
		b->c = c;
		b->group = group;
		b->n = 0;
		b->work_us = 0;
	}
	b->last = q->entry;
	b->n++;
	b->work_us += p->stmts[q->stmt].mean_us;
	/* a request needs all of its answers: the first ones are not wanted earlier */
	if (!group && b->n % BATCH_FLUSH_EVERY == 0)
		(void)PQsendFlushRequest(c->pg);
	if (b->n >= BATCH_MAX || b->work_us >= (group ? DB_LANE_WORK_US : BATCH_WORK_US))
		(void)batch_end(b, now_ns);
}

static int waits_for_description(const struct db_pool *p, const struct db_query *q)
{
	const struct db_stmt *s = &p->stmts[q->stmt];

	return !s->desc || s->is_stale || ((q->is_check || q->reran) && (s->is_verifying || s->wants_verify));
}

/* Without anything being sent. */
static void hand_back(struct db_pool *p, struct db_query *q, uint64_t now_ns)
{
	unqueue(p, q);
	db_finish(p, q, now_ns);
}

/* The values were made for parameters of other types. */
static int hand_back_outdated(struct db_pool *p, struct db_query *q, uint64_t now_ns)
{
	const struct db_desc *d = p->stmts[q->stmt].desc;

	if (likely(q->takes == d->takes))
		return 0;
	q->takes = d->takes;
	q->is_outdated = 1;
	hand_back(p, q, now_ns);
	return 1;
}

static void flush_checks(struct db_pool *p, uint64_t now_ns)
{
	LIST_FOR_SAFE(l, next, &p->q_check)
	{
		struct db_query *q = LIST_ENTRY(l, struct db_query, node);

		if (!waits_for_description(p, q))
			hand_back(p, q, now_ns);
	}
}

/* now_ns: when the connections were last looked at; sent_ns: the time. */
static void flush_express(struct db_pool *p, uint64_t now_ns, uint64_t sent_ns)
{
	struct batch b = {0};

	LIST_FOR_SAFE(l, next, &p->q_express)
	{
		struct db_query *q = LIST_ENTRY(l, struct db_query, node);
		struct db_conn *c;

		if (waits_for_description(p, q) || hand_back_outdated(p, q, sent_ns))
			continue;
		if (!may_express(p, q, now_ns)) {
			list_del(l);
			q->wants_exclusive = 1;
			list_add_tail(&p->q_exclusive, l);
			continue;
		}
		/* a group is not torn by the window */
		c = b.c && q->group && b.group == q->group ? b.c : pick_express(p, q, now_ns);
		if (c) {
			send_on(p, c, q, &b, sent_ns);
			continue;
		}
		/* what does not fit waits here, where it still has a deadline and a choice */
		if (!lanes_are_stuck(p, now_ns))
			break;
		c = pick_idle(p);
		if (!c)
			break;
		send_on(p, c, q, &b, sent_ns);
	}
	(void)batch_end(&b, sent_ns);
}

static void flush_exclusive(struct db_pool *p, uint64_t now_ns)
{
	struct batch none = {0};

	LIST_FOR_SAFE(l, next, &p->q_exclusive)
	{
		struct db_query *q = LIST_ENTRY(l, struct db_query, node);
		struct db_conn *c;
		uint64_t n;

		if (waits_for_description(p, q))
			continue;
		if (hand_back_outdated(p, q, now_ns))
			continue;
		c = pick_idle(p);
		if (!c)
			break;
		/* lost connections of others are noticed before use */
		if (c->generation != atomic_load_explicit(&db_state(p)->generation, memory_order_relaxed)) {
			c->generation = atomic_load(&db_state(p)->generation);
			n = 0;
			if (!db_consume(c->pg, DB_READ_IDLE, &n) || db_conn_is_babbling(c, n) || !db_conn_is_sound(c)) {
				db_conn_close(c, now_ns);
				next = p->q_exclusive.next;
				continue;
			}
		}
		send_on(p, c, q, &none, now_ns);
	}
}

static void fail_waiting(struct db_pool *p, enum err_id id, uint64_t now_ns)
{
	struct list *queues[] = {&p->q_express, &p->q_exclusive, &p->q_check};

	for (size_t i = 0; i < ARRAY_LEN(queues); i++)
		LIST_FOR_SAFE(l, next, queues[i])
		{
			struct db_query *q = LIST_ENTRY(l, struct db_query, node);

			unqueue(p, q);
			db_fail(p, q, id, p->why, now_ns);
		}
}

/* Connections this worker keeps although nobody waits. */
static unsigned warm_exclusive(const struct db_pool *p)
{
	unsigned share = (unsigned)(p->conf.opts->pool_min + p->conf.n_workers - 1) / p->conf.n_workers;

	return share > express_of(p) + 1 ? share - express_of(p) : 1;
}

static void describe_into(struct db_pool *p, struct db_job *job)
{
	job->describe = calloc(p->n_stmts ? p->n_stmts : 1, sizeof(*job->describe));
	job->numbers = calloc(p->n_stmts ? p->n_stmts : 1, sizeof(*job->numbers));
	if (!job->describe || !job->numbers)
		abort();
	for (unsigned i = 0; i < p->n_stmts; i++) {
		if (p->is_described && !p->stmts[i].is_stale)
			continue;
		job->describe[job->n_describe] = p->stmts[i];
		job->describe[job->n_describe].desc = NULL;
		job->numbers[job->n_describe++] = i;
		p->stmts[i].is_stale = 1;
		if (p->stmts[i].shared)
			p->stmts[i].epoch = atomic_load(&p->stmts[i].shared->epoch);
	}
	p->wants_describe = 0;
	p->is_describing = 1;
	job->wants_watched = !p->is_described;
}

static int connect_one(struct db_pool *p, enum slot_lane lane, int with_describe)
{
	int slot = slots_take(p->conf.region, p->conf.db, p->conf.number, lane, !p->is_described);
	struct db_job *job;

	if (slot < 0) {
		atomic_store_explicit(&db_state(p)->wanted, 1, memory_order_relaxed);
		if (lane == LANE_EXCLUSIVE)
			db_scarce_slotless(p, p->now_ns);
		return -1;
	}
	p->slotless_ns = 0;
	job = calloc(1, sizeof(*job));
	if (!job)
		abort();
	job->kind = DB_J_CONNECT;
	job->pool = p;
	job->lane = lane;
	job->opts = p->conf.opts;
	job->conn = db_conn_new(p, lane, (unsigned)slot);
	job->conn->job = job;
	job->proves = p->is_doubted;
	if (with_describe)
		describe_into(p, job);
	p->n_connecting++;
	p->conf.ops->run(p->conf.ctx, job);
	return 0;
}

/* Describe again, or change the lane, over an idle connection: lent to the job, taken back by db_job_done. */
static void lend_one(struct db_pool *p, struct db_conn *c, int is_reach)
{
	struct db_job *job = calloc(1, sizeof(*job));

	if (!job)
		abort();
	p->conf.ops->unwatch(p->conf.ctx, c);
	c->state = DB_C_CONNECTING;
	c->job = job;
	job->kind = DB_J_CONNECT;
	job->pool = p;
	job->lane = c->lane;
	job->opts = p->conf.opts;
	job->conn = c;
	job->pg = c->pg;
	job->is_lent = 1;
	job->becomes_exclusive = c->is_converting;
	c->pg = NULL;		/* the job's until it is done */
	if (is_reach)
		db_mark_into(p, job);
	else
		describe_into(p, job);
	p->n_connecting++;
	slots_set(p->conf.region, p->conf.db, c->slot, SLOT_BUSY);
	p->conf.ops->run(p->conf.ctx, job);
}

static void maintain(struct db_pool *p, uint64_t now_ns)
{
	struct db_conn *idle;
	unsigned express = express_of(p), n_replace = 0, n_renew = 0, n_idle = 0;

	/* who leaves opens nothing that nobody waits for */
	if (p->is_draining && !p->n_waiting)
		return;
	if (p->is_described && p->wants_describe && now_ns >= p->describe_ns && !p->is_describing &&
	    (idle = pick_lent(p))) {
		lend_one(p, idle, 0);
		return;
	}
	idle = p->is_describing ? NULL : db_scarce_convert(p, now_ns);
	if (idle) {
		lend_one(p, idle, 0);
		return;
	}
	if (p->wants_reach && p->is_described && !p->is_describing && (idle = pick_idle(p))) {
		lend_one(p, idle, 1);
		return;
	}
	if (now_ns < p->retry_ns) {
		/* weir-monitor has seen the database again: do not wait for the backoff */
		if (p->failures && !atomic_load_explicit(&db_state(p)->is_unseen, memory_order_relaxed) &&
		    atomic_load_explicit(&db_state(p)->seen_ns, memory_order_relaxed) + CLOCK_S > now_ns &&
		    p->retry_ns > now_ns + 50 * CLOCK_MS)
			p->retry_ns = now_ns;
		else
			return;
	}
	if (db_scarce_owes(p, now_ns))
		return;
	if ((!p->is_described || (p->wants_describe > 1 && now_ns >= p->describe_ns)) && !p->is_describing) {
		connect_one(p, p->n_express < express ? LANE_EXPRESS : LANE_EXCLUSIVE, 1);
		return;
	}
	if (!p->is_described)
		return;
	LIST_FOR(l, &p->conns)
	{
		struct db_conn *c = LIST_ENTRY(l, struct db_conn, node);

		if (c->state == DB_C_CONNECTING)
			continue;
		if (c->lane == LANE_EXPRESS && (c->is_draining || now_ns > c->expires_ns))
			n_replace++;
		if (c->lane == LANE_EXCLUSIVE && now_ns > c->expires_ns)
			n_renew |= (unsigned)db_is_last(p, c);
		if (c->lane == LANE_EXCLUSIVE && db_conn_is_idle(c))
			n_idle++;
	}
	if (p->n_connecting >= DB_MAX_CONNECTING)
		return;
	if (n_idle == 0 && !list_is_empty(&p->q_exclusive) && (p->n_exclusive == 0 || p->is_draining))
		connect_one(p, LANE_EXCLUSIVE, 0);
	else if (p->is_draining)
		return;
	else if (p->n_express < express + (n_replace ? 1 : 0))
		connect_one(p, LANE_EXPRESS, 0);
	else if (p->n_exclusive < warm_exclusive(p) + n_renew ||
		 (n_idle == 0 && !list_is_empty(&p->q_exclusive)))
		connect_one(p, LANE_EXCLUSIVE, 0);
}

void db_pool_start(struct db_pool *p)
{
	if (p->n_stmts == 0) {
		p->is_described = 1;
		return;
	}
	maintain(p, clock_mono_ns());
}

void db_pool_flush(struct db_pool *p, uint64_t now_ns)
{
	uint64_t sent_ns;

	p->now_ns = now_ns;
	if (unlikely(p->n_resets))
		db_reset_flush(p, now_ns);
	if (p->n_waiting == 0 && p->n_verify == 0)
		return;
	/* the turn may have been a long one, which is none of the server's time */
	sent_ns = clock_mono_ns();
	flush_express(p, now_ns, sent_ns);
	flush_exclusive(p, sent_ns);
	flush_checks(p, sent_ns);
	if (p->n_verify)
		db_verify_flush(p, sent_ns);
	if (p->n_waiting)
		maintain(p, now_ns);
}

/* Close what is too old, or idle beyond need. */
static void retire(struct db_pool *p, uint64_t now_ns)
{
	const struct opts_database *o = p->conf.opts;
	uint64_t idle = o->idle_timeout * CLOCK_MS;
	int wanted = (int)atomic_load_explicit(&db_state(p)->wanted, memory_order_relaxed);
	int has_more = wanted && p->n_conns > db_scarce_share(p);
	unsigned open_express = 0;

	LIST_FOR(l, &p->conns)
	{
		struct db_conn *c = LIST_ENTRY(l, struct db_conn, node);

		open_express += c->lane == LANE_EXPRESS && c->state == DB_C_OPEN && !c->is_draining;
		if (c->state == DB_C_OPEN)
			db_conn_place(c, now_ns);
	}
	LIST_FOR_SAFE(l, next, &p->conns)
	{
		struct db_conn *c = LIST_ENTRY(l, struct db_conn, node);
		int is_spare = c->lane == LANE_EXCLUSIVE && p->n_exclusive > warm_exclusive(p);

		if (c->state != DB_C_OPEN)
			continue;
		if (c->lane == LANE_EXPRESS) {
			if (now_ns > c->expires_ns && !c->is_draining && open_express > express_of(p)) {
				c->is_draining = 1;	/* its replacement is open */
				open_express--;
			}
			continue;
		}
		if (!db_conn_is_idle(c))
			continue;
		if ((now_ns > c->expires_ns && !db_is_last(p, c)) || (is_spare && now_ns - c->idle_ns > idle)) {
			db_conn_close(c, now_ns);
		} else if (wanted && p->n_exclusive > 1 &&
			   (has_more || now_ns - c->idle_ns > 100 * CLOCK_MS)) {
			atomic_store_explicit(&db_state(p)->wanted, 0, memory_order_relaxed);
			wanted = 0;
			db_conn_close(c, now_ns);
		}
	}
	/* under load none is idle when it is looked at: then the next one that is */
	if (wanted && has_more && p->n_exclusive > 1)
		db_scarce_leave_one(p);
}

void db_pool_tick(struct db_pool *p, uint64_t now_ns)
{
	p->now_ns = now_ns;
	LIST_FOR_SAFE(l, next, &p->conns)
		db_conn_tick(LIST_ENTRY(l, struct db_conn, node), now_ns);
	retire(p, now_ns);
	db_scarce_yield(p, now_ns);
	db_mark_tick(p, now_ns);
	db_alive_tick(p, now_ns);
	maintain(p, now_ns);
	/* all but one, with the exclusive lane's first in the list: requests may still come over what is not handed over yet */
	if (p->is_draining)
		LIST_FOR_SAFE(l, next, &p->conns)
		{
			struct db_conn *c = LIST_ENTRY(l, struct db_conn, node);

			if (db_conn_is_idle(c) && p->n_waiting == 0 && p->n_conns > 1 &&
			    (c->lane == LANE_EXPRESS || p->n_exclusive > 1))
				db_conn_close(c, now_ns);
		}
}

int db_pool_is_active(const struct db_pool *p)
{
	if (p->n_waiting || p->n_connecting || p->failures || !p->is_described || p->wants_describe)
		return 1;
	LIST_FOR(l, &p->conns)
	{
		const struct db_conn *c = LIST_ENTRY(l, struct db_conn, node);

		if (c->n_fifo || c->state == DB_C_CANCELLING)
			return 1;
	}
	return 0;
}

void db_pool_drain(struct db_pool *p)
{
	p->is_draining = 1;
}

unsigned db_pool_waiting(const struct db_pool *p)
{
	return p->n_waiting;
}

int db_pool_ready(const struct db_pool *p)
{
	if (p->is_described)
		return 1;
	return p->failures ? -1 : 0;
}

enum db_dates db_pool_dates(const struct db_pool *p)
{
	return likely(p->dates != DB_DATES_UNKNOWN) ? p->dates
						    : (enum db_dates)atomic_load_explicit(&db_state(p)->dates, memory_order_relaxed);
}

const char *db_pool_why(const struct db_pool *p)
{
	return p->why;
}

const struct db_watched *db_pool_watched(const struct db_pool *p, unsigned *ret_n)
{
	*ret_n = p->n_watched;
	return p->watched;
}

void db_pool_refuse(struct db_pool *p, unsigned stmt, const struct err *why)
{
	p->stmts[stmt].failed = *why;
	p->stmts[stmt].failed_ns = p->now_ns;
}

unsigned db_pool_n_refused(const struct db_pool *p)
{
	unsigned n = 0;

	for (unsigned i = 0; i < p->n_stmts; i++)
		n += p->stmts[i].failed.id != E_ok;
	return n;
}

unsigned db_pool_described(const struct db_pool *p)
{
	return p->n_described;
}

/* Take over what the thread found. */
static void described(struct db_pool *p, struct db_job *job, uint64_t now_ns)
{
	int is_worse = 0;

	for (unsigned i = 0; i < job->n_describe; i++) {
		struct db_stmt *from = &job->describe[i], *to = &p->stmts[job->numbers[i]];

		to->is_stale = to->is_stale == 2;
		if (from->failed.id == E_unavailable && to->desc && !to->failed.id) {
			/* an ALTER that is at work: who waits has a deadline */
			to->is_stale = 1;
			p->wants_describe = 2;
			p->describe_ns = now_ns + DESCRIBE_AGAIN_NS;
			continue;
		}
		to->failed = from->failed;
		to->is_missed = 0;
		if (from->failed.id) {
			to->failed_ns = now_ns;
			continue;
		}
		is_worse |= to->desc && from->touches[0] && !to->touches[0];
		db_desc_free(&to->desc);
		to->desc = from->desc;
		db_stmt_reaches(to, from);
		to->verified_ns = now_ns;
		db_stmt_renew(to, job->numbers[i]);
	}
	if (job->wants_watched) {
		db_watched_free(&p->watched, p->n_watched);
		p->watched = job->watched;
		p->n_watched = job->n_watched;
	}
	if (is_worse)
		db_distrust(p);
	db_verify_publish(p);
	if (!p->is_described)
		db_mark_set(p, job, now_ns);
	p->is_described = 1;
	p->is_describing = 0;
	p->n_described++;
}

static void connect_failed(struct db_pool *p, struct db_job *job, uint64_t now_ns)
{
	uint64_t wait_ms = 50ull << (p->failures < 6 ? p->failures : 6);
	int is_full = job->why == DB_REFUSED_FULL;

	snprintf(p->why, sizeof(p->why), "%s", job->error);
	if (wait_ms > 2000)
		wait_ms = 2000;
	if (job->why == DB_REFUSED_CONFIG)
		wait_ms = 30000;
	else if (wait_ms > 500 && !db_has_open(p))
		wait_ms = 500;	/* the service is to be back within a second of the database */
	p->retry_ns = now_ns + wait_ms * CLOCK_MS * (800 + db_random(p) % 400) / 1000;
	if (job->is_reach) {
		p->is_describing = 0;
		p->wants_reach = 1;
	} else if (job->describe) {
		p->is_describing = 0;
		p->wants_describe = 2;
	}
	metric_add(&p->conf.metrics->db_connects_failed, 1);
	db_conn_close(job->conn, now_ns);
	if (is_full)
		db_scarce_refused(p, now_ns);
	if (!is_full || db_scarce_is_hopeless(p, now_ns))
		db_alive_failed(p, job->why, now_ns);
	if (db_is_cut(p))
		fail_waiting(p, E_db_down, now_ns);
}

void db_job_done(struct db_job *job, uint64_t now_ns)
{
	struct db_pool *p = job->pool;

	p->now_ns = now_ns;
	if (job->kind == DB_J_CANCEL) {
		p->is_cancelling = 0;
		if (p->wants_cancel)
			db_job_cancel(p);
	}
	if (job->kind == DB_J_CONNECT) {
		p->n_connecting--;
		job->conn->job = NULL;
		if (job->failed) {
			connect_failed(p, job, now_ns);
		} else {
			job->conn->is_converting = 0;
			db_scarce_over(p);
			if (!job->is_lent) {	/* else it says nothing of new ones */
				p->failures = 0;
				p->is_doubted &= !job->proves;
				p->retry_ns = 0;
				p->refusals = 0;
				metric_add(&p->conf.metrics->db_connects_ok, 1);
				histo_add(&p->conf.metrics->db_connect, job->took_ns);
			}
			if (job->is_reach)
				db_mark_reached(p, job, now_ns);
			else if (job->describe || !p->is_described)
				described(p, job, now_ns);
			job->conn->is_touched |= (unsigned char)job->is_touched;
			db_conn_opened(job->conn, job->pg, now_ns);
			if (job->conn->is_touched)
				db_reset_want(job->conn);
			maintain(p, now_ns);
		}
	}
	/* a description whose statement was refused leaves its waiters without one */
	for (unsigned k = 0; k < job->n_describe; k++) {
		struct db_stmt *s = &p->stmts[job->numbers[k]];
		struct list *queues[] = {&p->q_express, &p->q_exclusive, &p->q_check};

		if (job->failed || job->is_reach || !s->failed.id)
			continue;
		for (size_t i = 0; i < ARRAY_LEN(queues); i++)
			LIST_FOR_SAFE(l, next, queues[i])
			{
				struct db_query *q = LIST_ENTRY(l, struct db_query, node);

				if (q->stmt != job->numbers[k])
					continue;
				unqueue(p, q);
				db_fail(p, q, s->failed.id, s->failed.text, now_ns);
			}
	}
	free(job->describe);
	free(job->numbers);
	free(job);
}

void db_pool_free(struct db_pool **pp)
{
	struct db_pool *p = *pp;

	if (!p)
		return;
	*pp = NULL;
	LIST_FOR_SAFE(l, next, &p->conns)
		db_conn_close(LIST_ENTRY(l, struct db_conn, node), clock_mono_ns());
	LIST_FOR_SAFE(l, next, &p->free_entries)
	{
		list_del(l);
		free(LIST_ENTRY(l, struct db_entry, node));
	}
	for (unsigned i = 0; i < p->n_stmts; i++)
		db_desc_free(&p->stmts[i].desc);
	db_watched_free(&p->watched, p->n_watched);
	free(p->stmts);
	free(p);
}

static const char *mend(enum db_refusal why)
{
	switch (why) {
	case DB_REFUSED_PASSWORD:
		return "; give the right user and password, in conninfo or a password file (passfile, ~/.pgpass)";
	case DB_REFUSED_ROLE:
		return "; create the role, with LOGIN, or give another user in conninfo; pg_hba.conf must let it in from here";
	case DB_REFUSED_DATABASE:
		return "; create the database, or give another dbname in conninfo";
	case DB_REFUSED_PRIVILEGE:
		return "; GRANT CONNECT ON DATABASE to the role";
	case DB_REFUSED_OPTIONS:
		return "; correct conninfo, or the service file that it names";
	case DB_REFUSED_UNFINISHED:
		return "; the database is there, but not all could be checked: try again, or with a longer connect_timeout";
	case DB_REFUSED_NOT:
	case DB_REFUSED_CONFIG:
	case DB_REFUSED_FULL:
		break;
	}
	return "";
}

int db_check(struct db_pool *p, struct db_budget *b, struct errs *errs, struct buf *ret_why)
{
	struct db_job job = {.kind = DB_J_CONNECT, .opts = p->conf.opts, .pool = p, .lane = LANE_EXPRESS, .has_no_guard = 1};
	int n = 0;

	describe_into(p, &job);
	db_job_run(&job);
	if (job.failed) {
		if (job.why == DB_REFUSED_NOT && !db_conninfo_is_whole(p->conf.opts))
			job.why = DB_REFUSED_OPTIONS;
		buf_adds(ret_why, job.error);
		buf_adds(ret_why, mend(job.why));
		n = job.why >= DB_REFUSED_PASSWORD ? -2 : -1;
	} else {
		db_privileges(job.pg, job.describe, job.n_describe);
	}
	if (job.pg && !p->conf.opts->pooler)
		db_budget_ask(b, job.pg, (int)p->conf.opts->connect_timeout);
	for (unsigned i = 0; i < job.n_describe; i++) {
		struct db_stmt *s = &job.describe[i];

		if (s->failed.id) {
			errs_add(errs, s->failed.id, s->failed.file, s->failed.line, s->failed.col, "%s",
				 s->failed.text);
			n++;
		}
		for (unsigned k = 0; s->desc && k < s->desc->n_warnings; k++)
			if (!i || s[-1].endpoint != s->endpoint)	/* not for each of its variants */
				errs_warn(errs, s->file, s->line, 0, "%s", s->desc->warnings[k]);
		db_desc_free(&p->stmts[job.numbers[i]].desc);
		p->stmts[job.numbers[i]].desc = s->desc;
	}
	db_watched_free(&p->watched, p->n_watched);
	p->watched = job.watched;
	p->n_watched = job.n_watched;
	if (job.pg)
		PQfinish(job.pg);
	free(job.describe);
	free(job.numbers);
	return n;
}
