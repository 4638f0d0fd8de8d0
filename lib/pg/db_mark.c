/* DDL that changes what a statement reaches: a view that is made anew, a policy, a trigger, an operator. Once a second,
 * while statements run, one of the workers looks at a mark of the catalogs, and all that have another one look their
 * statements up again (db_reach.c), over a lent connection, while requests go on. A mark that is costly to make is made less
 * often, so that it is a hundredth of its connection's time at most. */
#include "config.h"

#include "lib/pg/db_priv.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/clock.h"
#include "lib/conf/options.h"
#include "lib/shm/digest.h"
#include "lib/shm/region.h"

#define LOOK_NS CLOCK_S
#define LOOK_SHARE 100u
#define REACH_SHARE 20u

/* How many there are, which, and who made them last. */
#define MARK(k, table, where) \
	"SELECT " #k " AS k, pg_catalog.count(*) AS n, pg_catalog.sum(oid::bigint) AS o, " \
	"pg_catalog.sum(xmin::text::bigint) AS x FROM pg_catalog." table " WHERE oid >= 16384 AND " where

const char db_mark_sql[] =
    "SELECT pg_catalog.string_agg(pg_catalog.concat_ws(':', k, n, o, x), ' ' ORDER BY k) FROM ("
    MARK(1, "pg_proc", "true") " UNION ALL "
    MARK(2, "pg_rewrite", "true") " UNION ALL "
    MARK(3, "pg_policy", "true") " UNION ALL "
    MARK(4, "pg_operator", "true") " UNION ALL "
    MARK(5, "pg_cast", "true") " UNION ALL "
    MARK(6, "pg_trigger", "NOT tgisinternal") " UNION ALL "
    MARK(7, "pg_constraint", "true") " UNION ALL "
    MARK(8, "pg_attrdef", "true") " UNION ALL "
    MARK(9, "pg_type", "typtype IN ('b', 'd', 'r') AND typelem = 0") " UNION ALL "
    MARK(10, "pg_class", "relkind IN ('r', 'p', 'v', 'm', 'f', 'i') AND relpersistence <> 't'") " UNION ALL "
    MARK(11, "pg_opclass", "true") " UNION ALL "
    "SELECT 12, pg_catalog.count(*), pg_catalog.sum(inhrelid::bigint), pg_catalog.sum(inhparent::bigint) FROM pg_catalog.pg_inherits) m";

uint64_t db_mark_of(const PGresult *res)
{
	if (PQresultStatus(res) != PGRES_TUPLES_OK || PQntuples(res) != 1 || PQnfields(res) != 1)
		return 0;
	return digest_64(slice_str(db_cell(res, 0, 0)), 1) | 1u;
}

static struct db_state *state(const struct db_pool *p)
{
	return region_db(p->conf.region, p->conf.db);
}

/* Another worker may have looked. */
static int is_due(struct db_pool *p, uint64_t now_ns)
{
	uint64_t seen = atomic_load_explicit(&state(p)->mark_looked_ns, memory_order_relaxed);

	return now_ns >= seen + p->mark_every_ns && atomic_compare_exchange_strong(&state(p)->mark_looked_ns, &seen, now_ns);
}

void db_mark_tick(struct db_pool *p, uint64_t now_ns)
{
	struct db_conn *c;

	if (!p->is_described || p->is_describing || p->conf.opts->pooler || p->is_draining)
		return;
	if (atomic_load_explicit(&state(p)->mark, memory_order_relaxed) != p->mark && now_ns >= p->reach_next_ns)
		p->wants_reach = 1;
	if (p->n_sent == p->n_sent_marked || p->wants_reach || !(c = db_pool_idle(p)))
		return;
	if (p->mark_every_ns < LOOK_NS)
		p->mark_every_ns = LOOK_NS;
	if (!is_due(p, now_ns))
		return;
	p->n_sent_marked = p->n_sent;
	(void)db_entry_alone(c, DB_E_MARK, 0, now_ns);
	if (!PQsendQueryParams(c->pg, db_mark_sql, 0, NULL, NULL, NULL, NULL, 0) || db_conn_sync(c))
		db_conn_close(c, now_ns);
}

void db_mark_settle(struct db_pool *p, const struct db_entry *e, uint64_t now_ns)
{
	uint64_t mark = db_mark_of(e->result);

	p->mark_every_ns = (now_ns - e->sent_ns) * LOOK_SHARE;
	if (mark)
		atomic_store(&state(p)->mark, mark);
}

void db_mark_into(struct db_pool *p, struct db_job *job)
{
	job->is_reach = 1;
	job->describe = calloc(p->n_stmts ? p->n_stmts : 1, sizeof(*job->describe));
	job->numbers = calloc(p->n_stmts ? p->n_stmts : 1, sizeof(*job->numbers));
	if (!job->describe || !job->numbers)
		abort();
	for (unsigned i = 0; i < p->n_stmts; i++)
		if (p->stmts[i].desc) {
			job->describe[job->n_describe] = p->stmts[i];
			job->numbers[job->n_describe++] = i;
		}
	p->wants_reach = 0;
	p->is_describing = 1;
}

void db_stmt_reaches(struct db_stmt *to, const struct db_stmt *from)
{
	memcpy(to->touches, from->touches, sizeof(to->touches));
	to->reads_settings = from->reads_settings;
	to->may_express = to->may_ever_express && !to->touches[0];
	if (to->session_why && to->touches[0])
		memcpy(to->session_why, to->touches, sizeof(to->touches));
}

void db_distrust(struct db_pool *p)
{
	LIST_FOR(l, &p->conns)
	{
		struct db_conn *c = LIST_ENTRY(l, struct db_conn, node);

		/* one that was lent has been in use, one that is being made has not */
		if (!c->opened_ns || c->state == DB_C_CLOSING)
			continue;
		if (c->lane == LANE_EXPRESS) {
			c->is_draining = 1;
			continue;
		}
		c->is_touched = 1;
		if (c->n_fifo == 0 && c->state != DB_C_CONNECTING)
			db_reset_want(c);
	}
}

void db_mark_reached(struct db_pool *p, const struct db_job *job, uint64_t now_ns)
{
	int is_worse = 0;

	for (unsigned k = 0; k < job->n_describe; k++)
		if (p->stmts[job->numbers[k]].session_why)
			p->stmts[job->numbers[k]].session_why[0] = 0;
	for (unsigned k = 0; k < job->n_describe; k++) {
		const struct db_stmt *from = &job->describe[k];
		struct db_stmt *to = &p->stmts[job->numbers[k]];

		is_worse |= from->touches[0] && !to->touches[0];
		db_stmt_reaches(to, from);
	}
	db_mark_set(p, job, now_ns);
	p->is_describing = 0;
	if (is_worse)
		db_distrust(p);
}

void db_mark_set(struct db_pool *p, const struct db_job *job, uint64_t now_ns)
{
	p->mark = job->mark;
	p->reach_next_ns = now_ns + (job->took_ns * REACH_SHARE > LOOK_NS ? job->took_ns * REACH_SHARE : LOOK_NS);
	atomic_store(&state(p)->mark, job->mark);
}
