/* What is left in a session before its next request: nothing. A statement that may have touched its session has a
 * connection of the exclusive lane, and behind it, when its answer has left, everything that it may have changed is put
 * back in one flight. So it is where one was only parsed, in either lane: a constant of a domain, a range or a composite
 * runs functions then. It is not DISCARD ALL, which would drop what is prepared here and undo our settings. What a statement
 * prepared by itself is dropped after a second look; if one of our names is among it, the connection is closed. */
#include "config.h"

#include "lib/pg/db_priv.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/check.h"
#include "lib/base/num.h"
#include "lib/conf/options.h"
#include "lib/shm/region.h"

#define FOREIGN_MAX 32

/* In this order: who we are decides what may be reset, and cursors hold temporary tables open. */
static const char *const reset_sql[] = {
    "RESET SESSION AUTHORIZATION", "RESET ROLE", "RESET ALL", "UNLISTEN *", "CLOSE ALL", "DISCARD TEMP", "DISCARD SEQUENCES"};
static const char look_sql[] =
    "SELECT name, from_sql FROM pg_catalog.pg_prepared_statement() WHERE from_sql OR name = '" DB_CONFIG_STMT "'";

void db_session_settings(const struct opts_database *o, PGconn *pg, enum slot_lane lane, uint64_t guard_ms, struct buf *out)
{
	char *zone = PQescapeLiteral(pg, o->timezone, strlen(o->timezone));

	if (!zone)
		abort();
	buf_addf(out,
		 "SELECT pg_catalog.set_config(n, v, false) FROM (VALUES ('DateStyle', 'ISO'), ('IntervalStyle', 'postgres'),"
		 " ('TimeZone', %s), ('bytea_output', 'hex'), ('extra_float_digits', '1'),"
		 " ('idle_in_transaction_session_timeout', '10s'), ('request.user', ''), ('request.jwt.claims', '')",
		 zone);
	PQfreemem(zone);
	if (PQserverVersion(pg) >= 140000)
		buf_adds(out, ", ('client_connection_check_interval', '500ms')");
	if (lane == LANE_EXPRESS)
		buf_addf(out, ", ('default_transaction_read_only', 'on'), ('statement_timeout', '%llu')",
			 (unsigned long long)guard_ms);
	buf_adds(out, ") s (n, v)");
}

/* One statement of the reset, prepared when it is first sent; how many the server has to answer, or -1. */
static int put(struct db_conn *c, const char *sql)
{
	char name[24];
	int n = 1;

	/* a connection may change its lane, and its settings with it */
	snprintf(name, sizeof(name), "w_%creset%u", c->lane == LANE_EXPRESS ? 'e' : 'x', c->n_reset);
	if (!c->is_reset_ready) {
		if (!PQsendPrepare(c->pg, name, sql, 0, NULL))
			return -1;
		n++;
	}
	c->n_reset++;
	return PQsendQueryPrepared(c->pg, name, 0, NULL, NULL, NULL, 0) ? n : -1;
}

static int put_all(struct db_conn *c)
{
	/* random() goes on where nobody chose */
	static const char locks_sql[] =
	    "SELECT pg_catalog.pg_advisory_unlock_all(), pg_catalog.setseed(('x' || left(pg_catalog.md5("
	    "pg_catalog.gen_random_uuid()::text), 8))::bit(32)::int / 2147483648.0)";
	static const char locks_old_sql[] = "SELECT pg_catalog.pg_advisory_unlock_all()";
	const char *locks = PQserverVersion(c->pg) >= 130000 ? locks_sql : locks_old_sql;
	struct buf settings;
	int n, sum = 1;

	c->n_reset = 0;
	/* never prepared by a name, which the statement might have taken */
	if (!PQsendQueryParams(c->pg, look_sql, 0, NULL, NULL, NULL, NULL, 0))
		return -1;
	buf_init(&settings, 0);
	if (!c->is_reset_ready)
		db_session_settings(c->pool->conf.opts, c->pg, c->lane, c->pool->conf.opts->express_guard, &settings);
	for (size_t i = 0; i < ARRAY_LEN(reset_sql) && sum > 0; i++)
		sum = (n = put(c, reset_sql[i])) < 0 ? -1 : sum + n;
	if (sum > 0)
		sum = (n = put(c, locks)) < 0 ? -1 : sum + n;
	if (sum > 0)
		sum = (n = put(c, buf_str(&settings))) < 0 ? -1 : sum + n;
	buf_done(&settings);
	c->is_reset_ready = 1;
	return sum;
}

void db_reset_want(struct db_conn *c)
{
	if (c->needs_reset)
		return;
	c->needs_reset = 1;
	c->pool->n_resets++;
}

void db_reset_forget(struct db_conn *c)
{
	c->pool->n_resets -= (unsigned)c->needs_reset;
	c->needs_reset = 0;
}

int db_reset_sequences(struct db_conn *c, uint64_t now_ns)
{
	struct db_entry *e = db_entry_alone(c, DB_E_RESET, 0, now_ns);

	e->n_reset = 1;
	c->has_sequences = 0;
	return PQsendQueryParams(c->pg, "DISCARD SEQUENCES", 0, NULL, NULL, NULL, NULL, 0) ? db_conn_sync(c) : -1;
}

void db_reset_flush(struct db_pool *p, uint64_t now_ns)
{
	LIST_FOR_SAFE(l, next, &p->conns)
	{
		struct db_conn *c = LIST_ENTRY(l, struct db_conn, node);
		struct db_entry *e;
		int n;

		/* a cancel that is still on its way must not meet it */
		if (!c->needs_reset || c->state != DB_C_OPEN || c->n_fifo || c->want_write)
			continue;
		e = db_entry_alone(c, DB_E_RESET, 0, now_ns);
		e->is_whole_reset = 1;
		n = put_all(c);
		e->n_reset = (unsigned char)(n > 0 ? n : 1);
		if (n < 0 || db_conn_sync(c))
			db_conn_close(c, now_ns);
	}
}

/* What a statement has prepared by PREPARE. 1: names like ours are among it, or too many; or ours are gone. */
static int drop_foreign(struct db_conn *c, const PGresult *res, uint64_t now_ns)
{
	struct db_entry *e;
	int n = PQntuples(res), rc = 0, is_ours_there = 0;

	if (n > FOREIGN_MAX || PQnfields(res) != 2)
		return 1;
	for (int i = 0; i < n; i++) {
		int is_foreign = db_cell(res, i, 1)[0] == 't';

		if (is_foreign && db_cell(res, i, 0)[0] == 'w')
			return 1;
		is_ours_there |= !is_foreign;
	}
	if (n == 1 || !is_ours_there)
		return !is_ours_there;
	e = db_entry_alone(c, DB_E_RESET, 0, now_ns);
	e->n_reset = (unsigned char)(n - 1);
	for (int i = 0; i < n && rc == 0; i++) {
		const char *name = db_cell(res, i, 0);
		char *quoted;
		struct buf sql;

		if (db_cell(res, i, 1)[0] != 't')
			continue;
		quoted = PQescapeIdentifier(c->pg, name, strlen(name));
		buf_init(&sql, 0);
		buf_addf(&sql, "DEALLOCATE %s", quoted ? quoted : "\"\"");
		rc = PQsendQueryParams(c->pg, buf_str(&sql), 0, NULL, NULL, NULL, NULL, 0) ? 0 : 1;
		buf_done(&sql);
		PQfreemem(quoted);
	}
	return rc || db_conn_sync(c) ? 1 : 0;
}

int db_reset_settle(struct db_conn *c, const struct db_entry *e, uint64_t now_ns)
{
	if (e->failed || e->aborted)
		return 1;
	if (!e->is_whole_reset)
		return 0;
	db_reset_forget(c);
	c->is_touched = c->has_sequences = 0;
	(void)db_reset_hears(c);
	return drop_foreign(c, e->result, now_ns);
}

int db_reset_hears(struct db_conn *c)
{
	PGnotify *n;
	int heard = 0;

	while ((n = PQnotifies(c->pg))) {
		PQfreemem(n);
		heard = 1;
	}
	return heard;
}
