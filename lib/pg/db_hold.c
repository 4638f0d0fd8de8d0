/* A write whose answer may turn out not to be one: its Sync, which commits, is held back until the caller has made the
 * answer of its result. One flight more; until then nothing is committed, whatever happens to the connection (but what a
 * procedure commits by itself). */
#include "config.h"

#include "lib/pg/db_priv.h"

#include "lib/base/check.h"

int db_hold_wanted(const struct db_conn *c, const struct db_query *q, const struct db_entry *e)
{
	return c->lane == LANE_EXCLUSIVE && e->is_write && q->is_looked_at;
}

/* What was sent is to be answered now. */
int db_hold_flush(struct db_conn *c)
{
	return PQsendFlushRequest(c->pg) ? db_conn_flush(c) : -1;
}

int db_hold_end(struct db_conn *c, struct db_entry *e, enum db_fate fate)
{
	e->holds = e->is_held = 0;
	e->fate = (unsigned char)fate;
	e->has_sync = 1;
	c->n_syncs++;
	if (fate == DB_FATE_ROLLBACK) {
		/* BEGIN makes a block of the transaction that is open already; without one ROLLBACK warns, in the
		 * server's log, too */
		e->n_behind = 2;
		metric_add(&c->pool->conf.metrics->db_rolled_back, 1);
		if (!PQsendQueryParams(c->pg, "BEGIN", 0, NULL, NULL, NULL, NULL, 0) ||
		    !PQsendQueryParams(c->pg, "ROLLBACK", 0, NULL, NULL, NULL, NULL, 0))
			return -1;
	}
	return db_conn_sync(c);
}

int db_hold_seen(struct db_conn *c, struct db_entry *e, uint64_t now_ns)
{
	struct db_query *q = e->q;

	/* not before: libpq 15 forgets the end of a statement (NULL) when something is put behind it */
	if (e->failed)
		return db_hold_end(c, e, DB_FATE_NONE);
	if (!q || e->aborted || !e->result)
		return db_hold_end(c, e, e->gives_up ? DB_FATE_ROLLBACK : DB_FATE_COMMIT);
	(void)db_verify_result(c, e, q);	/* of a write it always fits */
	e->is_held = 1;
	q->error = E_ok;
	q->result = e->result;
	e->result = NULL;
	q->xid = e->xid;
	q->is_from_standby = c->is_standby;
	q->tier_id = c->tier_id;
	q->done_ns = now_ns;
	q->state = DB_Q_HELD;
	list_add_tail(&c->pool->done, &q->node);
	return 0;
}

/* The caller has no more to do with what it was given. */
void db_hold_forget(struct db_query *q)
{
	if (q->state == DB_Q_HELD)
		list_del(&q->node);
	db_query_clear(q);
}

void db_hold_orphan(struct db_pool *p, struct db_query *q)
{
	struct db_conn *c = q->conn;
	struct db_entry *e = q->entry;

	db_hold_forget(q);
	e->q = NULL;
	e->intent = q->intent;
	q->intent = NULL;
	/* whom nobody told is as if it had been sent at once; whom it is told that it was too late is not */
	if (db_hold_end(c, e, q->is_late ? DB_FATE_ROLLBACK : DB_FATE_COMMIT))
		db_conn_close(c, p->now_ns);
}

void db_decide(struct db_pool *p, struct db_query *q, int is_good)
{
	struct db_conn *c = q->conn;

	check(q->state == DB_Q_LOOKED && q->entry->is_held);
	q->state = DB_Q_SENT;
	if (db_hold_end(c, q->entry, is_good ? DB_FATE_COMMIT : DB_FATE_ROLLBACK))
		db_conn_close(c, p->now_ns);
}

int db_may_be_done(const struct db_pool *p, const struct db_query *q)
{
	const struct db_entry *e = q->entry;

	return e && e->is_write &&
	       (p->stmts[e->stmt].may_commit || !(e->holds || e->is_held || e->fate == DB_FATE_ROLLBACK));
}
