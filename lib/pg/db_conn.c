/* One connection in pipeline mode: what is put on it, what comes back, what happens to whom when it
 * fails. The FIFO of entries is the truth: libpq reports a lost
 * connection once and says nothing of the k-1 other statements in flight. */
#include "config.h"

#include "lib/pg/db_priv.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#include "lib/base/check.h"
#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/base/num.h"
#include "lib/conf/endpoint.h"
#include "lib/conf/options.h"
#include "lib/shm/region.h"

#define LAST_READS 4096u
#define DRAIN_MOST 16u
#define LARGE_FROM (1024u * 1024u)
#define KEEP_MOST (16u * 1024u * 1024u)	/* libpq's buffer has grown with a value of that size, and does not shrink */
#define QUIET_READS 4u

static void drop_notice(void *arg, const PGresult *res)
{
	struct db_conn *c = arg;

	c->noticed += PQresultMemorySize(res);
	/* 57P01, 57P02: the server says goodbye, so nobody on this connection is to blame */
	if (db_error_class(res, "57P"))
		c->is_admin_shutdown = 1;
	/* libpq's own: what came is none of the protocol, or nothing was asked */
	if (!*db_sqlstate(res))
		c->is_strange = 1;
}

struct db_conn *db_conn_new(struct db_pool *p, enum slot_lane lane, unsigned slot)
{
	struct db_conn *c = calloc(1, sizeof(*c));
	unsigned n = p->n_stmts ? p->n_stmts : 1;

	if (!c || !(c->prepared = calloc(n, sizeof(*c->prepared))) || !(c->fits = calloc(n, sizeof(*c->fits))))
		abort();
	c->pool = p;
	c->lane = lane;
	c->slot = slot;
	c->state = DB_C_CONNECTING;
	c->window = DB_EXPRESS_WINDOW_NEW;
	list_init(&c->fifo);
	list_add_head(&p->conns, &c->node);
	p->n_conns++;
	if (lane == LANE_EXPRESS)
		p->n_express++;
	else
		p->n_exclusive++;
	return c;
}

static void watch(struct db_conn *c)
{
	c->pool->conf.ops->watch(c->pool->conf.ctx, c, PQsocket(c->pg), c->want_write);
}

/* A pooler changes servers behind it. */
void db_conn_place(struct db_conn *c, uint64_t now_ns)
{
	const struct db_pool *p = c->pool;
	uint64_t id = atomic_load_explicit(&region_db(p->conf.region, p->conf.db)->tier_id, memory_order_acquire);

	if (p->conf.opts->pooler || !id)
		return;
	if (!c->tier_id) {
		c->tier_id = id;
	} else if (c->tier_id != id && !c->is_moved) {
		c->is_moved = 1;
		if (c->expires_ns > now_ns)
			c->expires_ns = now_ns;
	}
}

/* ALTER DATABASE or ALTER ROLE ... SET datestyle holds for new sessions: the others leave. */
static void take_dates(struct db_conn *c)
{
	struct db_pool *p = c->pool;
	enum db_dates dates = db_dates_of(PQparameterStatus(c->pg, "DateStyle"));

	if (likely(dates == p->dates || dates == DB_DATES_UNKNOWN))
		return;
	LIST_FOR(l, &p->conns)
	{
		struct db_conn *other = LIST_ENTRY(l, struct db_conn, node);

		if (other != c)
			other->is_draining |= p->dates != DB_DATES_UNKNOWN && other->state != DB_C_CONNECTING;
	}
	p->dates = dates;
	atomic_store(&region_db(p->conf.region, p->conf.db)->dates, (uint32_t)dates);
}

void db_conn_opened(struct db_conn *c, PGconn *pg, uint64_t now_ns)
{
	struct db_pool *p = c->pool;
	uint64_t life = p->conf.opts->max_lifetime * CLOCK_MS;

	c->pg = pg;
	check(PQsetnonblocking(pg, 1) == 0);
	check(PQenterPipelineMode(pg) == 1);
	PQsetNoticeReceiver(pg, drop_notice, c);
	c->is_standby = PQparameterStatus(pg, "in_hot_standby") && strcmp(PQparameterStatus(pg, "in_hot_standby"), "off") != 0;
	db_conn_place(c, now_ns);
	take_dates(c);
	c->state = DB_C_OPEN;
	c->opened_ns = c->idle_ns = c->last_sync_ns = c->progress_ns = now_ns;
	if (!c->expires_ns)
		c->expires_ns = now_ns + life - life / 10 * (db_random(p) % 1000) / 1000;
	c->generation = atomic_load(&region_db(p->conf.region, p->conf.db)->generation);
	slots_set_backend(p->conf.region, p->conf.db, c->slot, (uint32_t)PQbackendPID(pg));
	slots_set(p->conf.region, p->conf.db, c->slot, SLOT_IDLE);
	watch(c);
}

int db_conn_is_idle(const struct db_conn *c)
{
	return c->state == DB_C_OPEN && c->n_fifo == 0 && !c->want_write && !c->is_draining &&
	       !c->is_admin_shutdown && !c->needs_reset;
}

int db_conn_is_over(const struct db_conn *c)
{
	return c->state == DB_C_OPEN && c->n_fifo == 0 && !c->want_write;
}

int db_conn_is_sound(struct db_conn *c)
{
	/* reads the notices, too */
	return !PQisBusy(c->pg) && PQstatus(c->pg) != CONNECTION_BAD && !c->is_admin_shutdown;
}

int db_conn_is_babbling(struct db_conn *c, uint64_t n)
{
	c->unasked = c->n_fifo ? 0 : c->unasked + n;
	return c->unasked >= DB_READ_IDLE;
}

static struct db_entry *entry_new(struct db_conn *c, enum db_entry_kind kind, unsigned stmt, uint64_t now_ns)
{
	struct db_pool *p = c->pool;
	struct list *free_one = list_first(&p->free_entries);
	struct db_entry *e;

	if (free_one) {
		e = LIST_ENTRY(free_one, struct db_entry, node);
		list_del(free_one);
	} else if (!(e = malloc(sizeof(*e)))) {
		abort();
	}
	memset(e, 0, sizeof(*e));
	e->kind = (unsigned char)kind;
	e->stmt = stmt;
	e->sent_ns = now_ns;
	list_add_tail(&c->fifo, &e->node);
	if (c->n_fifo++ == 0) {
		c->progress_ns = now_ns;
		slots_set(p->conf.region, p->conf.db, c->slot, SLOT_BUSY);
	}
	return e;
}

static void entry_free(struct db_conn *c, struct db_entry *e)
{
	list_del(&e->node);
	c->n_fifo--;
	c->n_syncs -= e->has_sync;
	PQclear(e->result);
	if (e->intent)
		c->pool->conf.ops->intent_over(c->pool->conf.ctx, e->intent, e->is_settled, e->xid);
	db_desc_free(&e->desc);
	list_add_head(&c->pool->free_entries, &e->node);
}

/* libpq 17 can leave the flush to us; 15 writes at each Sync. */
static int put_sync(PGconn *pg)
{
#ifdef HAVE_PQSENDPIPELINESYNC
	return PQsendPipelineSync(pg);
#else
	return PQpipelineSync(pg);
#endif
}

int db_conn_flush(struct db_conn *c)
{
	int left = PQflush(c->pg);

	if (left < 0)
		return -1;
	if (left != c->want_write) {
		c->want_write = left;
		watch(c);
	}
	return 0;
}

int db_conn_sync(struct db_conn *c)
{
	return put_sync(c->pg) ? db_conn_flush(c) : -1;
}

/* A group of its own, with a Sync. */
struct db_entry *db_entry_alone(struct db_conn *c, enum db_entry_kind kind, unsigned stmt, uint64_t now_ns)
{
	struct db_entry *e = entry_new(c, kind, stmt, now_ns);

	e->has_sync = 1;
	c->n_syncs++;
	return e;
}

/* The name that stood for stmt until it was described anew: the server would keep it as long as the session. libpq has a
 * message for this only since 17. */
static int send_close(struct db_conn *c, unsigned stmt, uint64_t now_ns)
{
	char name[DB_STMT_NAME], sql[sizeof(name) + 16];

	db_stmt_name(name, stmt, c->prepared[stmt]);
	snprintf(sql, sizeof(sql), "DEALLOCATE %s", name);
	(void)db_entry_alone(c, DB_E_CLOSE, stmt, now_ns);
	c->prepared[stmt] = 0;
	return PQsendQueryParams(c->pg, sql, 0, NULL, NULL, NULL, NULL, 0) && put_sync(c->pg) ? 0 : -1;
}

static int send_prepare(struct db_conn *c, unsigned stmt, uint64_t now_ns)
{
	const struct db_stmt *s = &c->pool->stmts[stmt];

	if (c->prepared[stmt] && send_close(c, stmt, now_ns))
		return -1;
	(void)db_entry_alone(c, DB_E_PREPARE, stmt, now_ns);
	if (!PQsendPrepare(c->pg, s->name, s->desc->sql, (int)s->desc->n_params, s->desc->oids) || !put_sync(c->pg))
		return -1;
	c->prepared[stmt] = s->serial;
	return 0;
}

int db_conn_verify(struct db_conn *c, unsigned stmt, uint64_t now_ns)
{
	struct db_entry *e = entry_new(c, DB_E_VERIFY, stmt, now_ns);

	e->n_before = 2;	/* what counts is what the Describe says */
	e->has_sync = 1;
	c->n_syncs++;
	/* an ALTER that takes its time must not hold the connection */
	if (!PQsendQueryParams(c->pg, "SELECT pg_catalog.set_config('lock_timeout', '50', true)", 0, NULL, NULL, NULL, NULL, 0) ||
	    !PQsendPrepare(c->pg, "", c->pool->stmts[stmt].sql, 0, NULL) || !PQsendDescribePrepared(c->pg, ""))
		return -1;
	return db_conn_sync(c);
}

/* What the server may still use of the deadline, in ms, as text. */
static void timeout_text(char out[24], const struct db_query *q, uint64_t now_ns)
{
	uint64_t left = q->deadline_ns > now_ns + DB_MARGIN_NS ? q->deadline_ns - now_ns - DB_MARGIN_NS : 0;
	uint64_t ms = left / CLOCK_MS;

	out[num_put_u64(out, ms ? ms : 1)] = 0;
}

/* The settings of this request, in its own transaction; the number of statements sent, or -1. */
static int send_settings(struct db_conn *c, const struct db_query *q, uint64_t now_ns)
{
	const struct opts_database *o = c->pool->conf.opts;
	const char *user = q->user ? q->user : "", *claims = q->claims ? q->claims : "";
	char ms[24];

	if (c->lane == LANE_EXPRESS) {
		const char *values[2] = {user, claims};
		int is_asked = c->pool->stmts[q->stmt].reads_settings;	/* nobody's identity is told, too */

		if (!q->user && !q->claims && !is_asked)
			return 0;
		return PQsendQueryPrepared(c->pg, q->claims || is_asked ? DB_CLAIMS_STMT : DB_USER_STMT, q->claims || is_asked ? 2 : 1, values,
					   NULL, NULL, 0)
			   ? 1
			   : -1;
	}
	timeout_text(ms, q, now_ns);
	if (o->pooler) {
		const char *values[4] = {ms, user, claims, o->timezone};

		return PQsendQueryParams(c->pg, DB_POOLER_SQL, 4, NULL, values, NULL, NULL, 0) ? 1 : -1;
	}
	const char *values[3] = {ms, user, claims};

	return PQsendQueryPrepared(c->pg, DB_CONFIG_STMT, 3, values, NULL, NULL, 0) ? 1 : -1;
}

static int send_xid(struct db_conn *c, struct db_entry *e)
{
	e->wants_xid = 1;
	return c->pool->conf.opts->pooler ? !PQsendQueryParams(c->pg, DB_XID_SQL, 0, NULL, NULL, NULL, NULL, 0)
					  : !PQsendQueryPrepared(c->pg, DB_XID_STMT, 0, NULL, NULL, NULL, 0);
}

/* Put q on the connection. 0, or -1: the connection is unusable (q is in its FIFO then, and
 * db_conn_close settles it). */
int db_conn_send(struct db_conn *c, struct db_query *q, uint64_t now_ns, int with_sync, int is_shared)
{
	struct db_stmt *s = &c->pool->stmts[q->stmt];
	int pooler = c->pool->conf.opts->pooler;
	struct db_entry *e;
	int n;

	check(q->state == DB_Q_QUEUED && c->state == DB_C_OPEN);
	if (!c->tier_id)
		db_conn_place(c, now_ns);
	db_verify_want(c->pool, s, now_ns);
	if (q->intent)
		c->pool->conf.ops->intent_begin(c->pool->conf.ctx, q->intent);
	if (s->touches[0]) {
		if (c->has_sequences && db_reset_sequences(c, now_ns))
			with_sync = -1;
		c->is_touched = 1;
	} else if (q->is_write || s->may_write) {
		c->has_sequences = 1;
	}
	if (!pooler && c->prepared[q->stmt] != s->serial && send_prepare(c, q->stmt, now_ns))
		with_sync = -1;
	e = entry_new(c, DB_E_QUERY, q->stmt, now_ns);
	e->q = q;
	e->is_write = q->is_write || s->may_write;
	e->is_shared = (unsigned char)is_shared;
	e->desc = s->desc;
	e->desc->refs++;
	e->holds = with_sync > 0 && db_hold_wanted(c, q, e);
	e->has_sync = with_sync != 0 && !e->holds;
	c->n_syncs += e->has_sync;
	q->entry = e;
	q->conn = c;
	q->lane = c->lane;
	q->sent_ns = now_ns;
	q->state = DB_Q_SENT;
	c->work_us += s->mean_us;
	s->runs++;
	c->pool->n_sent++;
	if (with_sync < 0)
		return -1;
	n = send_settings(c, q, now_ns);
	if (n < 0)
		return -1;
	e->n_before = (unsigned char)n;
	if (pooler) {
		if (!PQsendQueryParams(c->pg, s->desc->sql, (int)q->n_values, s->desc->oids, q->values, NULL, NULL, 0))
			return -1;
	} else {
		if (!PQsendQueryPrepared(c->pg, s->name, (int)q->n_values, q->values, NULL, NULL, 0))
			return -1;
	}
	if (q->wants_xid && with_sync && send_xid(c, e))
		return -1;
	if (e->holds)
		return db_hold_flush(c);
	if (with_sync)
		return db_conn_sync(c);
	return 0;
}

static struct db_entry *head(struct db_conn *c)
{
	struct list *l = list_first(&c->fifo);

	return l ? LIST_ENTRY(l, struct db_entry, node) : NULL;
}

/* Time the server worked on e, whose end was there at end_ns: the wait behind earlier statements is not held
 * against it. */
static uint64_t service_us(const struct db_conn *c, const struct db_entry *e, uint64_t end_ns)
{
	uint64_t from = e->sent_ns > c->last_sync_ns ? e->sent_ns : c->last_sync_ns;

	return end_ns > from ? (end_ns - from) / 1000 : 0;
}

/* Near to what came over the wire: libpq's memory without its 16 bytes a value and 16 a row. Adding up the
 * lengths would cost more than the statement's whole accounting. */
static uint64_t result_bytes(const PGresult *res)
{
	size_t memory = PQresultMemorySize(res);
	size_t book = (size_t)PQntuples(res) * ((size_t)PQnfields(res) * 16 + 16);

	return memory > book ? memory - book : 0;
}

static void sample(struct db_conn *c, struct db_entry *e, uint64_t now_ns)
{
	struct db_pool *p = c->pool;
	struct db_stmt *s = &p->stmts[e->stmt];
	uint64_t us = service_us(c, e, p->since_ns), most = 4 * s->mean_us + 50;

	/* the statements of a batch all end at its Sync: only those that have their own tell what one takes */
	if (e->is_shared)
		return;
	/* what still waited for the exclusive lane when the endpoint came to the other one, and its backends for a core,
	 * says nothing of how it does there */
	if (s->express && express_may(s->express) != (c->lane == LANE_EXPRESS))
		return;
	if (s->may_express && s->express)
		express_sample(s->express, us, result_bytes(e->result), now_ns / CLOCK_MS);
	/* Few runs that waited for a core say little of the next ones: one counts as far as it may be a change, which a
	 * fourth of all must share to be one. */
	if (s->mean_us)
		us = (s->mean_us * 15 + (us < most ? us : most)) / 16;
	s->mean_us = us ? us : 1;
}

/* The head entry has all it will get. 1: the connection must be closed. */
static int settle(struct db_conn *c, struct db_entry *e, uint64_t now_ns)
{
	struct db_pool *p = c->pool;
	struct db_query *q = e->q;
	struct db_stmt *s = &p->stmts[e->stmt];
	int close = 0;

	if (c->guard_left)
		c->guard_left--;
	if (e->kind == DB_E_PREPARE) {
		if (e->failed) {
			c->prepared[e->stmt] = 0;
			if (strcmp(db_sqlstate(e->result), "42P05") == 0)
				db_stmt_renew(s, e->stmt);
			PQclear(c->prep_error);
			c->prep_error = e->result;
			c->prep_error_stmt = e->stmt;
			e->result = NULL;
		}
	} else if (e->kind == DB_E_MARK) {
		db_mark_settle(p, e, now_ns);
	} else if (e->kind == DB_E_RESET) {
		close = db_reset_settle(c, e, now_ns);
	} else if (e->kind == DB_E_VERIFY) {
		if (e->failed && c->lane == LANE_EXPRESS && db_error_class(e->result, "57014"))
			close = db_guard_hit(c, e, now_ns);
		db_verify_over(p, e->stmt, e->result, now_ns);
	} else if (e->kind == DB_E_QUERY) {
		c->work_us -= c->work_us < s->mean_us ? c->work_us : s->mean_us;
		if (q) {
			if (e->fate && e->failed)
				db_query_clear(q);	/* its COMMIT failed */
			q->entry = NULL;
			q->conn = NULL;
			q->state = DB_Q_NEW;
			q->xid = e->xid;
			q->is_from_standby = c->is_standby;
			q->tier_id = c->tier_id;
		}
		if (e->failed && c->prep_error && c->prep_error_stmt == e->stmt &&
		    strcmp(db_sqlstate(c->prep_error), "42P05") != 0) {
			/* the failed Parse says more than "no such statement" */
			PQclear(e->result);
			e->result = c->prep_error;
			e->is_parse = 1;
			c->prep_error = NULL;
		}
		if (!e->failed && !e->aborted && e->result)
			sample(c, e, now_ns);
		if (!q) {
			if (e->failed && c->lane == LANE_EXPRESS && db_error_class(e->result, "57014"))
				close = db_guard_hit(c, e, now_ns);
		} else if (e->failed) {
			close = db_settle_error(c, e, q, e->result, now_ns);
		} else if (e->fate && q->result) {
			db_finish(p, q, now_ns);
		} else if (e->aborted || !e->result) {
			q->wants_own_sync = 1;
			db_requeue(p, q, 0);
		} else if (!db_verify_result(c, e, q)) {
			db_again(p, q, 0, E_sql, now_ns);
		} else {
			q->error = E_ok;
			q->result = e->result;
			e->result = NULL;
			db_finish(p, q, now_ns);
		}
	}
	if (e->has_sync)
		c->last_sync_ns = now_ns;
	e->is_settled = 1;
	entry_free(c, e);
	if (c->n_fifo == 0) {
		c->work_us = 0;
		c->idle_ns = now_ns;
		if (c->is_touched)
			db_reset_want(c);
		if (c->state == DB_C_OPEN)
			slots_set(p->conf.region, p->conf.db, c->slot, SLOT_IDLE);
		if (c->lane == LANE_EXCLUSIVE) {	/* reuse the latest first */
			list_del(&c->node);
			list_add_head(&p->conns, &c->node);
		}
	}
	/* a fresh connection is trusted step by step: double with every full window answered */
	if (c->window < DB_EXPRESS_WINDOW && ++c->answered >= c->window) {
		c->window *= 2;
		c->answered = 0;
	}
	return close;
}

/* A result in front of the query's, of a setting, or behind it. */
static void take_xid(struct db_entry *e, PGresult *res)
{
	if (e->wants_xid && e->seen == e->n_before + 1u && PQresultStatus(res) == PGRES_TUPLES_OK && PQntuples(res) == 1 &&
	    PQnfields(res) == 1 && !PQgetisnull(res, 0, 0))
		e->xid = strtoull(db_cell(res, 0, 0), NULL, 10);
	PQclear(res);
}

/* That the server is to answer before the entry's Sync. */
static unsigned n_statements(const struct db_entry *e)
{
	switch ((enum db_entry_kind)e->kind) {
	case DB_E_QUERY:
		return e->n_before + 1u + e->wants_xid + e->n_behind;
	case DB_E_VERIFY:
		return 3;
	case DB_E_RESET:
		return e->n_reset;
	case DB_E_PREPARE:
	case DB_E_CLOSE:
	case DB_E_MARK:
	case DB_E_PING:
		break;
	}
	return 1;
}

/* The request of e is told at once: its connection ends, but another run would meet the same. */
static void entry_fail(struct db_pool *p, struct db_entry *e, enum err_id id, const char *text, uint64_t now_ns)
{
	struct db_query *q = e->q;

	e->q = NULL;
	q->entry = NULL;
	q->conn = NULL;
	q->state = DB_Q_NEW;
	db_fail(p, q, id, text, now_ns);
}

/* An answer that nobody here has asked for. A write may have been done all the same (settle_lost says so). */
static void strange(struct db_conn *c, struct db_entry *e, const char *status, uint64_t now_ns)
{
	struct db_stmt *s = &c->pool->stmts[e->stmt];

	log_error("database %s: %s is answered with %s, which nothing here asked for; the connection is closed",
		  c->pool->conf.opts->name, s->file, status);
	if (s->express && e->kind == DB_E_QUERY)
		express_hold(s->express, now_ns / CLOCK_MS);
	e->holds = e->is_held = 0;	/* nor is it known what such a server has done */
	if (e->q && !e->is_write)
		entry_fail(c->pool, e, E_sql, "the database's answer is none to a query", now_ns);
}

/* The Sync behind the last statement under way is in, and the server says that a transaction is open. It ends with the
 * connection, rolled back: what looked done is not. */
static int is_left_open(struct db_conn *c, struct db_entry *e, uint64_t now_ns)
{
	if (c->n_fifo > 1 || PQtransactionStatus(c->pg) == PQTRANS_IDLE)
		return 0;
	log_error("database %s: %s has left its transaction open; the connection is closed", c->pool->conf.opts->name,
		  c->pool->stmts[e->stmt].file);
	if (e->q && !e->failed && !e->aborted)
		entry_fail(c->pool, e, E_sql, "its transaction was left open, and is rolled back", now_ns);
	return 1;
}

/* The end of a group. 1: the connection must be closed. */
static int take_sync(struct db_conn *c, struct db_entry *e, uint64_t now_ns)
{
	/* a COMMIT that fails is one more */
	if (!e->has_sync || e->seen < n_statements(e) || e->seen > n_statements(e) + e->failed) {
		/* somebody in between has mixed up who gets what: nothing of this is anybody's */
		e->holds = 0;
		log_error("database %s: a connection brought the results of %u statements where %u were sent; it is closed",
			  c->pool->conf.opts->name, e->seen, n_statements(e));
		return 1;
	}
	if (is_left_open(c, e, now_ns)) {
		if (e->q)
			(void)settle(c, e, now_ns);
		return 1;
	}
	return settle(c, e, now_ns);
}

/* What libpq has complete, but no more than so many statements: their results are in memory until the requests that
 * asked for them have run, and what was freed a moment ago is given out again from a cache. 1: the connection must be
 * closed; 2: there may be more. */
static int drain_results(struct db_conn *c, unsigned most, uint64_t now_ns)
{
	unsigned nulls = 0, before = c->n_fifo;

	while (c->n_fifo && !PQisBusy(c->pg)) {
		struct db_entry *e = head(c);
		PGresult *res;

		if (unlikely(!e))
			return 0;
		if (e->is_held) {
			if (!c->is_strange)
				return 0;
			strange(c, e, "more than a result", now_ns);
			return 1;
		}
		if (before - c->n_fifo >= most)
			return 2;
		res = PQgetResult(c->pg);
		if (!res) {
			/* a NULL ends one statement; two in a row mean that nothing more will come */
			if (PQstatus(c->pg) == CONNECTION_BAD || ++nulls > 1)
				return 1;
			e->seen++;
			if (e->holds) {
				if ((e->failed || e->seen == n_statements(e)) && db_hold_seen(c, e, now_ns))
					return 1;
				nulls = 0;
				continue;
			}
			if (!e->has_sync && e->seen > e->n_before && settle(c, e, now_ns))
				return 1;
			continue;
		}
		nulls = 0;
		c->progress_ns = now_ns;
		switch (likely(PQresultStatus(res) == PGRES_TUPLES_OK) ? DB_R_RESULT : db_result_kind(res)) {
		case DB_R_SYNC:
			PQclear(res);
			if (take_sync(c, e, now_ns))
				return 1;
			break;
		case DB_R_ABORTED:
			e->aborted = 1;
			PQclear(res);
			break;
		case DB_R_ERROR:
			if (db_error_class(res, "57P"))
				c->is_admin_shutdown = 1;
			if (PQstatus(c->pg) == CONNECTION_BAD) {
				PQclear(res);
				return 1;
			}
			if (!*db_sqlstate(res)) {	/* libpq's own */
				char said[200];

				db_one_line(said, sizeof(said), PQresultErrorMessage(res));
				strange(c, e, said, now_ns);
				PQclear(res);
				return 1;
			}
			/* the first error of a group decides its outcome */
			if (e->failed) {
				PQclear(res);
				break;
			}
			e->failed = 1;
			e->was_good = e->result != NULL;
			PQclear(e->result);
			e->result = res;
			break;
		case DB_R_RESULT:
			if (e->kind != DB_E_PREPARE && e->seen == e->n_before && !e->failed && !e->result)
				e->result = res;
			else
				take_xid(e, res);
			break;
		case DB_R_STRANGE:
			strange(c, e, PQresStatus(PQresultStatus(res)), now_ns);
			PQclear(res);
			return 1;
		}
	}
	return 0;
}

static void cancel_over(struct db_conn *c, uint64_t now_ns)
{
	const struct region *r = c->pool->conf.region;
	struct slot *slot = region_slot(r, c->pool->conf.db, c->slot);
	uint32_t asked = SLOT_GEN(atomic_load(&slot->ctl)) & 0x7fffffffu;

	/* Usable again only when the cancel's own reply and the Sync are both in: a request that
	 * nobody took yet is taken back, one that is being carried out is waited for (tick). */
	if (c->n_fifo)
		return;
	if (atomic_compare_exchange_strong(&slot->cancel_gen, &asked, 0) || asked == 0) {
		c->state = DB_C_OPEN;
		c->idle_ns = now_ns;
		slots_set(r, c->pool->conf.db, c->slot, SLOT_IDLE);
	}
}

static void partial_add(struct db_conn *c, uint64_t n)
{
	c->partial_bytes += n;
	c->pool->partial += n;
	if (c->partial_bytes > KEEP_MOST)
		c->was_large = 1;
}

static void partial_end(struct db_conn *c)
{
	c->pool->partial -= c->partial_bytes;
	c->partial_bytes = c->noticed = 0;
}

/* The one that brings more than anybody may have: its query fails with id and text. What of a write is known is
 * settled when the connection is closed. */
static void stop_head(struct db_conn *c, enum err_id id, const char *text, const char *client_text, uint64_t now_ns)
{
	struct db_pool *p = c->pool;
	struct db_entry *e = head(c);

	if (e && c->lane == LANE_EXPRESS && e->kind == DB_E_QUERY && p->stmts[e->stmt].express)
		express_hold(p->stmts[e->stmt].express, now_ns / CLOCK_MS);
	/* a write that waits for its answer is not committed, and will not be */
	if (e && e->q && (!e->is_write || (e->holds && !p->stmts[e->stmt].may_commit))) {
		struct db_query *q = e->q;

		e->gives_up = 1;
		entry_fail(p, e, id, text, now_ns);
		snprintf(q->client_text, sizeof(q->client_text), "%s", client_text);
	}
	db_conn_close(c, now_ns);
}

/* libpq keeps a result until it is whole, and shows nothing of it before, so what it reads is counted (db_recv.c). The
 * first pieces are not: most results are one, and pay nothing. A result is larger as JSON than on the wire but for rows
 * that are all short numbers; half more than the limit is beyond any that could still be sent, and one value of it would
 * never end by itself: a cancel does not stop a message that is on its way. So the connection is closed, in both lanes;
 * what else was on it runs again elsewhere. 1: it is gone. */
static int stop_too_large(struct db_conn *c, uint64_t now_ns)
{
	uint64_t most = c->pool->conf.max_response;

	if (!most || c->partial_bytes <= most + most / 2 + LARGE_FROM)
		return 0;
	if (c->noticed > c->partial_bytes / 2)
		stop_head(c, E_db_down, "the server sends notices without end", "", now_ns);
	else
		stop_head(c, E_internal, "the result is larger than limits.response", "The result is larger than this server sends.", now_ns);
	return 1;
}

uint64_t db_pool_partial(const struct db_pool *p)
{
	return p->partial;
}

static struct db_conn *largest(const struct db_pool *p)
{
	struct db_conn *found = NULL;

	LIST_FOR(l, &p->conns)
	{
		struct db_conn *c = LIST_ENTRY(l, struct db_conn, node);

		if (c->partial_bytes && (!found || c->partial_bytes > found->partial_bytes))
			found = c;
	}
	return found;
}

uint64_t db_pool_partial_most(const struct db_pool *p)
{
	const struct db_conn *c = p->partial ? largest(p) : NULL;

	return c ? c->partial_bytes : 0;
}

const char *db_pool_shed(struct db_pool *p, uint64_t now_ns)
{
	struct db_conn *c = largest(p);
	struct db_entry *e = c ? head(c) : NULL;
	const char *id = e && p->stmts[e->stmt].endpoint ? p->stmts[e->stmt].endpoint->id : "-";

	if (c)
		stop_head(c, E_overloaded, "limits.responses is reached", "Too many large answers are under way.", now_ns);
	return id;
}

/* A socket in error still holds what came before it, and libpq reads that first, the error later: one
 * PQconsumeInput need not meet it. It will, after as many as there are bytes; the bound is against a kernel that
 * forgets the error. */
static void last_words(struct db_conn *c, uint64_t now_ns)
{
	unsigned reads = 0;
	uint64_t n = 0;
	int more;

	do
		more = db_consume(c->pg, DB_READ_MOST, &n);
	while (!drain_results(c, UINT_MAX, now_ns) && more && ++reads < LAST_READS);
	db_conn_close(c, now_ns);
}

int db_conn_step(struct db_conn *c, int readable, int writable, int is_broken, uint64_t since_ns, uint64_t now_ns)
{
	struct db_pool *p = c->pool;
	int dead = 0, is_read = c->is_read, rc, left;
	unsigned n_fifo = c->n_fifo;
	uint64_t n = 0;

	c->is_read = 0;
	p->now_ns = p->heard_ns = now_ns;
	p->since_ns = since_ns;
	if (is_broken) {
		last_words(c, now_ns);
		return 0;
	}
	if (readable && !is_read && !db_consume(c->pg, n_fifo ? DB_READ_MOST : DB_READ_IDLE, &n))
		dead = 1;
	if (c->is_partial && n && !dead) {
		partial_add(c, n);
		if (stop_too_large(c, now_ns))
			return 0;
	}
	if (n && db_conn_is_babbling(c, n)) {
		db_conn_close(c, now_ns);
		return 0;
	}
	/* what was complete before the connection broke is good */
	rc = drain_results(c, dead ? UINT_MAX : DRAIN_MOST, now_ns);
	if (rc == 1 || dead) {
		db_conn_close(c, now_ns);
		return 0;
	}
	if (rc == 2) {
		c->is_read = 1;
		return 1;
	}
	if (readable)
		c->quiet = c->n_fifo < n_fifo ? 0 : c->quiet + 1;
	/* in the express lane there is always something under way */
	c->is_partial = c->n_fifo && (c->lane == LANE_EXCLUSIVE || c->quiet >= QUIET_READS);
	if (c->partial_bytes && (c->n_fifo == 0 || (c->lane == LANE_EXPRESS && !c->quiet))) {
		partial_end(c);
		c->is_draining |= c->was_large;
	}
	/* nothing is expected: a notification or parameter change, or the end */
	if (readable && c->n_fifo == 0 && !db_conn_is_sound(c)) {
		db_conn_close(c, now_ns);
		return 0;
	}
	if (writable || c->want_write) {
		left = PQflush(c->pg);
		if (left < 0) {
			db_conn_close(c, now_ns);
			return 0;
		}
		if (left != c->want_write) {
			c->want_write = left;
			watch(c);
		}
	}
	if (c->state == DB_C_CANCELLING)
		cancel_over(c, now_ns);
	if (c->n_fifo == 0 && (c->is_draining || c->is_admin_shutdown))
		db_conn_close(c, now_ns);
	return 0;
}

/* One entry of a connection that is gone. */
static void settle_lost(struct db_conn *c, struct db_entry *e, int is_head, uint64_t now_ns)
{
	struct db_pool *p = c->pool;
	struct db_query *q = e->q;
	struct db_stmt *s = &p->stmts[e->stmt];
	int exclusive = c->lane == LANE_EXCLUSIVE;

	if (!q)
		return;
	if (e->fate == DB_FATE_ROLLBACK && !s->may_commit) {
		/* as was wanted */
		q->entry = NULL;
		q->conn = NULL;
		q->state = DB_Q_NEW;
		db_finish(p, q, now_ns);
		return;
	}
	db_hold_forget(q);
	q->entry = NULL;
	q->conn = NULL;
	q->state = DB_Q_NEW;
	metric_add(&p->conf.metrics->db_lost, 1);
	if (e->is_write && (s->may_commit || !(e->holds || e->is_held)) && (!e->failed || e->was_good || s->may_commit) && !c->want_write) {
		/* the COMMIT may have happened: never a second run */
		db_fail(p, q, E_outcome_unknown, "connection lost", now_ns);
		return;
	}
	if (is_head && PQstatus(c->pg) == CONNECTION_BAD && !c->is_admin_shutdown && !exclusive && s->express) {
		/* it may have killed its backend: alone from now on */
		express_hold(s->express, now_ns / CLOCK_MS);
		exclusive = 1;
	}
	if (c->is_admin_shutdown && q->farewells < DB_MAX_FAREWELLS) {
		/* nobody's fault, and the next connection that is free may be about to hear the same */
		q->farewells++;
		metric_add(&p->conf.metrics->db_reruns, 1);
		db_requeue(p, q, exclusive);
		return;
	}
	db_again(p, q, exclusive, E_db_down, now_ns);
}

void db_conn_close(struct db_conn *c, uint64_t now_ns)
{
	struct db_pool *p = c->pool;
	struct db_entry *first_query = NULL;
	int was_lost = c->n_fifo > 0;
	/* a backend that said goodbye has left, and one that hears ours in peace leaves at once; another one may still be
	 * ending its statement */
	int is_over = !c->opened_ns || c->is_admin_shutdown ||
		      (c->state == DB_C_OPEN && !was_lost && PQstatus(c->pg) == CONNECTION_OK);

	if (c->state != DB_C_CONNECTING && c->state != DB_C_CLOSING)
		p->conf.ops->unwatch(p->conf.ctx, c);
	if (c->pg && PQstatus(c->pg) == CONNECTION_BAD && !c->is_draining)
		atomic_fetch_add(&region_db(p->conf.region, p->conf.db)->generation, 1);
	c->state = DB_C_CLOSING;
	p->is_doubted |= was_lost && !c->is_admin_shutdown;
	partial_end(c);
	/* the oldest goes back to the front of its queue last, so that it is first there */
	LIST_FOR(l, &c->fifo)
	{
		struct db_entry *e = LIST_ENTRY(l, struct db_entry, node);

		if (e->kind == DB_E_QUERY) {
			first_query = e;
			break;
		}
	}
	while (!list_is_empty(&c->fifo)) {
		struct db_entry *e = LIST_ENTRY(c->fifo.prev, struct db_entry, node);

		if (e->kind == DB_E_QUERY)
			settle_lost(c, e, e == first_query, now_ns);
		else if (e->kind == DB_E_VERIFY)
			db_verify_over(p, e->stmt, NULL, now_ns);
		entry_free(c, e);
	}
	db_reset_forget(c);
	if (c->pg)
		PQfinish(c->pg);
	PQclear(c->prep_error);
	slots_set(p->conf.region, p->conf.db, c->slot, is_over ? SLOT_FREE : SLOT_ZOMBIE);
	list_del(&c->node);
	p->n_conns--;
	if (c->lane == LANE_EXPRESS)
		p->n_express--;
	else
		p->n_exclusive--;
	if (was_lost && c->lane == LANE_EXPRESS && c->guard_left) {
		if (p->given_up_ns && now_ns - p->given_up_ns < 5 * CLOCK_S)
			p->express_off_until_ns = now_ns + 5 * CLOCK_S;
		p->given_up_ns = now_ns;
	}
	free(c->prepared);
	free(c->fits);
	free(c);
}

void db_conn_cancel(struct db_conn *c, uint64_t now_ns)
{
	struct db_pool *p = c->pool;

	metric_add(&p->conf.metrics->db_cancels, 1);
	c->state = DB_C_CANCELLING;
	c->cancel_ns = now_ns;
	slots_cancel(p->conf.region, p->conf.db, c->slot);
	if (p->conf.has_monitor) {
		p->conf.ops->wake_monitor(p->conf.ctx);
	} else {
		db_job_cancel(p);
	}
}

/* c said nothing for too long. When no other has spoken either since its head was sent, the link is dead rather
 * than a statement slow: what is idle would cost the next requests their deadlines. New connections find out. */
static void close_silent(struct db_conn *c, uint64_t now_ns)
{
	struct db_pool *p = c->pool;
	uint64_t since = c->progress_ns;

	if (p->heard_ns <= since)
		LIST_FOR(l, &p->conns)
		{
			struct db_conn *other = LIST_ENTRY(l, struct db_conn, node);

			if (other != c && other->state == DB_C_OPEN)
				other->is_draining = 1;
		}
	db_conn_close(c, now_ns);
}

void db_conn_tick(struct db_conn *c, uint64_t now_ns)
{
	struct db_pool *p = c->pool;
	const struct opts_database *o = p->conf.opts;
	struct db_entry *e = head(c);
	uint64_t guard = o->express_guard * CLOCK_MS;

	if (c->state == DB_C_CANCELLING) {
		cancel_over(c, now_ns);
		if (c->state == DB_C_CANCELLING && now_ns - c->cancel_ns > DB_CANCEL_GRACE_NS)
			close_silent(c, now_ns);
		return;
	}
	if (c->state != DB_C_OPEN)
		return;
	if (db_reset_hears(c) && !c->is_touched)
		c->is_draining = 1;	/* nobody here listens: what else is left of whom? */
	if (e && c->lane == LANE_EXPRESS && now_ns > c->progress_ns + guard + 500 * CLOCK_MS) {
		close_silent(c, now_ns);
		return;
	}
	/* a write whose deadline passed long ago on a connection that says nothing */
	if (e && c->lane == LANE_EXCLUSIVE && !e->q &&
	    now_ns > c->progress_ns + (e->kind == DB_E_PING ? o->connect_timeout * CLOCK_MS : 5 * CLOCK_S)) {
		close_silent(c, now_ns);
		return;
	}
	if (c->n_fifo == 0 && c->is_draining)
		db_conn_close(c, now_ns);
}

void **db_conn_watch(struct db_conn *c)
{
	return &c->watch;
}
