/* A statement that failed: who is to blame, is it run once more, and what of its connection. */
#include "config.h"

#include "lib/pg/db_priv.h"

#include "lib/base/clock.h"
#include "lib/conf/options.h"
#include "lib/shm/region.h"

#define TIMEOUT_SLACK_NS (2 * CLOCK_MS)
#define HEALS_NS CLOCK_S
#define HEALS_MOST 100u		/* descriptions of a statement in that time */
#define READ_ONLY_NS CLOCK_S

/* Run q once more, elsewhere or here; or fail it when it has had its second run. */
void db_again(struct db_pool *p, struct db_query *q, int exclusive, enum err_id or_else, uint64_t now_ns)
{
	if (q->reran) {
		db_fail(p, q, or_else, "ran twice", now_ns);
		return;
	}
	q->reran = 1;
	metric_add(&p->conf.metrics->db_reruns, 1);
	db_requeue(p, q, exclusive);
}

/* A second hit before all that were in flight at the first are answered: the lane is given up (1). */
int db_guard_hit(struct db_conn *c, struct db_entry *e, uint64_t now_ns)
{
	struct db_pool *p = c->pool;
	struct db_stmt *s = &p->stmts[e->stmt];

	metric_add(&p->conf.metrics->db_guard_hits, 1);
	if (s->express)
		express_hold(s->express, now_ns / CLOCK_MS);
	if (c->guard_left > 0)
		return 1;
	c->guard_left = c->n_fifo;
	return 0;
}

static int is_revalidate(const PGresult *res)
{
	const char *f = PQresultErrorField(res, PG_DIAG_SOURCE_FUNCTION);

	return f && strcmp(f, "RevalidateCachedQuery") == 0;
}

/* 57014 is our timeout, or somebody's pg_cancel_backend: told apart by the time, as messages are not read. */
static int is_too_early(const struct db_conn *c, const struct db_entry *e, const struct db_query *q, uint64_t now_ns)
{
	uint64_t from = e->sent_ns > c->last_sync_ns ? e->sent_ns : c->last_sync_ns;

	if (c->lane == LANE_EXPRESS)
		return now_ns + TIMEOUT_SLACK_NS < from + c->pool->conf.opts->express_guard * CLOCK_MS;
	return now_ns + DB_MARGIN_NS + TIMEOUT_SLACK_NS < q->deadline_ns;
}

static int settle_cancel(struct db_conn *c, struct db_entry *e, struct db_query *q, const PGresult *res, uint64_t now_ns)
{
	struct db_pool *p = c->pool;
	int is_cancel = is_too_early(c, e, q, now_ns), give_up = 0;

	if (c->lane == LANE_EXPRESS) {
		if (!is_cancel)
			give_up = db_guard_hit(c, e, now_ns);
		db_again(p, q, 1, is_cancel ? E_cancelled : E_timeout, now_ns);
		return give_up;
	}
	if (is_cancel && !e->is_write && !q->reran) {
		db_again(p, q, 1, E_cancelled, now_ns);
		return 0;
	}
	db_error_from(p, q, res, 0, is_cancel);
	db_finish(p, q, now_ns);
	return 0;
}

/* 25006. default_transaction_read_only is the administrator's will, but a session keeps what a role or database was set
 * to when it began: fresh ones find out, no more often than once a second. 1: the connection must be closed. */
static int settle_read_only(struct db_conn *c, struct db_entry *e, struct db_query *q, const PGresult *res,
			    uint64_t now_ns)
{
	struct db_pool *p = c->pool;
	struct db_stmt *s = &p->stmts[e->stmt];
	const char *standby = PQparameterStatus(c->pg, "in_hot_standby");

	if (c->lane == LANE_EXPRESS) {
		if (s->express)
			express_bar(s->express);
		s->may_express = 0;
		s->may_write = 1;
		db_again(p, q, 1, E_read_only, now_ns);
		return 0;
	}
	if (standby && strcmp(standby, "on") == 0) {
		/* a supposed primary: look for the new one */
		atomic_fetch_add(&region_db(p->conf.region, p->conf.db)->generation, 1);
		db_again(p, q, 1, E_read_only, now_ns);
		return 1;
	}
	if (!q->reran && (!p->read_only_ns || now_ns - p->read_only_ns >= READ_ONLY_NS)) {
		p->read_only_ns = now_ns;
		LIST_FOR(l, &p->conns)
		{
			struct db_conn *other = LIST_ENTRY(l, struct db_conn, node);

			if (other->lane == LANE_EXCLUSIVE && other->state == DB_C_OPEN)
				other->is_draining = 1;
		}
		db_again(p, q, 1, E_read_only, now_ns);
		return 0;
	}
	db_error_from(p, q, res, 0, 0);
	db_finish(p, q, now_ns);
	return 0;
}

/* May s be described again? A statement that the server takes, and then refuses each time, is not for ever. What was in
 * flight together is one time. */
static int may_heal(struct db_stmt *s, const struct db_entry *e, uint64_t now_ns)
{
	if (s->is_stale || e->desc != s->desc)
		return 1;
	if (now_ns - s->heal_ns >= HEALS_NS) {
		s->heal_ns = now_ns;
		s->heals = 0;
	}
	return ++s->heals <= HEALS_MOST;
}

/* A procedure that failed may have committed before: it never runs again. Where nothing of it ran there is no context,
 * or that of a parameter; where all of it did, the error is that of the last commit. */
static int is_half_done(const struct db_stmt *s, const struct db_entry *e, const struct db_query *q, const PGresult *res)
{
	if (!s->may_commit || e->is_parse || db_error_parameter(q, res))
		return 0;
	return e->was_good || e->fate == DB_FATE_COMMIT || PQresultErrorField(res, PG_DIAG_CONTEXT) || db_error_class(res, "57P") ||
	       db_error_class(res, "40");
}

int db_settle_error(struct db_conn *c, struct db_entry *e, struct db_query *q, const PGresult *res, uint64_t now_ns)
{
	struct db_pool *p = c->pool;
	struct db_stmt *s = &p->stmts[e->stmt];
	const char *state = db_sqlstate(res);
	const struct sqlstate_row *row = sqlstate_row(state, 0);

	if (is_half_done(s, e, q, res)) {
		if (db_error_class(res, "57P")) {
			db_fail(p, q, E_outcome_unknown, "the server ended in the middle of it", now_ns);
			return 1;
		}
		db_error_from(p, q, res, 0, 0);
		q->is_half_done = 1;
		db_finish(p, q, now_ns);
		return 0;
	}
	if (strcmp(state, "57014") == 0)
		return settle_cancel(c, e, q, res, now_ns);
	if (strcmp(state, "25006") == 0)
		return settle_read_only(c, e, q, res, now_ns);
	if (strcmp(state, "26000") == 0 || strcmp(state, "42P05") == 0) {
		/* somebody ran DEALLOCATE or DISCARD: the names are gone, our settings' statements, too;
		 * or a name is taken. A fresh connection knows where it stands. */
		c->is_draining = 1;
		if (state[0] == '4')
			db_stmt_renew(s, e->stmt);
		metric_add(&p->conf.metrics->db_healed, 1);
		db_again(p, q, 0, row->error, now_ns);
		return 0;
	}
	if (db_error_class(res, "57P")) {
		/* rolled back whole, so even a write may run again */
		c->is_admin_shutdown = 1;
		db_again(p, q, c->lane == LANE_EXCLUSIVE, row->error, now_ns);
		return 1;
	}
	/* A table has changed since the statement was described. The new description either works or says what is wrong. */
	if (((strcmp(state, "0A000") == 0 && is_revalidate(res)) || db_error_is_stale(res)) && !q->reran &&
	    may_heal(s, e, now_ns)) {
		db_verify_tell(p, e->stmt);
		metric_add(&p->conf.metrics->db_healed, 1);
		db_again(p, q, 0, E_sql, now_ns);
		return 0;
	}
	/* The client's value does not fit the parameter's type, which is as it was when the statement was prepared. */
	if (db_error_class(res, "22") && !q->reran && db_error_parameter(q, res) && db_doubt(p, e->stmt, 0, now_ns)) {
		db_again(p, q, 0, E_sql, now_ns);
		return 0;
	}
	if (row->is_again && !q->reran) {
		db_again(p, q, 1, row->error, now_ns);
		return 0;
	}
	s->failed_ns = now_ns;
	db_error_from(p, q, res, e->is_parse, 0);
	db_finish(p, q, now_ns);
	return 0;
}
