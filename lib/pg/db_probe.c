/* weir-monitor's and the check's blocking use of a database. */
#include "config.h"

#include "lib/pg/db_event.h"
#include "lib/pg/db_priv.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/clock.h"
#include "lib/conf/options.h"
#include "lib/shm/digest.h"

static const char probe_sql[] =
    "SELECT pg_is_in_recovery(), current_setting('max_connections'),"
    " CASE WHEN pg_is_in_recovery() THEN"
    "  CASE WHEN pg_last_wal_receive_lsn() = pg_last_wal_replay_lsn() THEN 0"
    "       ELSE (extract(epoch FROM now() - pg_last_xact_replay_timestamp()) * 1000)::bigint END END,"
    " txid_snapshot_xmax(txid_current_snapshot()), txid_current_snapshot()::text";

/* The two are separate statements: a snapshot from before the look at the backends would not do. A process id is an int here,
 * but what a pooler calls one is any 32 bits. */
static const char orphans_sql[] =
    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND usename = current_user"
    " AND backend_type = 'client backend' AND application_name = $4"
    " AND pid <> pg_backend_pid() AND pid <> ALL ($1::bigint[])"
    " AND backend_start < clock_timestamp() - $2::bigint * interval '1 ms'"
    " AND ($3 = 'f' OR (state <> 'idle' AND xact_start < clock_timestamp() - $2::bigint * interval '1 ms'))";
static const char xmax_sql[] = "SELECT txid_snapshot_xmax(txid_current_snapshot())";

/* The server by its identifier, the timeline since a standby that was promoted gives numbers again that the lost
 * primary gave to others. On a standby this fails, and it fills nothing. */
static const char tier_sql[] =
    "SELECT (SELECT system_identifier FROM pg_control_system()) || ':' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8)"
    " || ':' || (SELECT oid FROM pg_database WHERE datname = current_database()),"
    " txid_snapshot_xmin(txid_current_snapshot()), txid_snapshot_xmax(txid_current_snapshot())";
static const char purge_sql[] = "SELECT weir.invalidate($1), txid_current()";
static const char xid_sql[] = "SELECT txid_current()";

int db_libpq_version(void)
{
	return PQlibVersion();
}

static void drop_notice(void *arg, const PGresult *res)
{
	(void)arg;
	(void)res;
}

void db_name_monitor(PGconn *pg)
{
	PQclear(db_exec_within(pg, "SET application_name = 'weir-monitor'", NULL, 0, 400));
}

static void take_notifies(struct db_probe *p)
{
	PGnotify *n;

	while ((n = PQnotifies(p->conn))) {
		if (strcmp(n->relname, "weir_reload") == 0)
			p->wants_reload = 1;
		PQfreemem(n);
	}
}

static PGconn *probe_conn(struct db_probe *p)
{
	enum db_refusal why = DB_REFUSED_NOT;

	if (p->conn && PQstatus(p->conn) != CONNECTION_OK)
		db_probe_close(p);
	if (!p->conn) {
		p->conn = db_connect(p->opts, LANE_EXCLUSIVE, db_connect_deadline(p->opts), p->error,
				     &why);
		if (p->conn) {
			PQsetNoticeReceiver(p->conn, drop_notice, NULL);
			/* Refused on a standby; through a pooler it would stay with a server that others use, too.
			 * Reloads are asked for otherwise there. */
			snprintf(p->name, sizeof(p->name), "%s", PQparameterStatus(p->conn, "application_name"));
			if (!p->opts->pooler) {
				db_name_monitor(p->conn);
				PQclear(db_exec_within(p->conn, "LISTEN weir_reload", NULL, 0, 400));
				if (p->budget.name)
					db_budget_ask(&p->budget, p->conn, 400);
			}
		}
	}
	p->is_full = why == DB_REFUSED_FULL;
	return p->conn;
}

static int one_number_or(PGconn *pg, const char *sql, const char *const *values, int n, uint64_t *ret, char error[200])
{
	PGresult *res = db_exec_within(pg, sql, values, n, 400);
	int ok = PQresultStatus(res) == PGRES_TUPLES_OK && PQntuples(res) == 1;

	if (ok)
		*ret = strtoull(db_cell(res, 0, 0), NULL, 10);
	else if (error && !res && PQstatus(pg) == CONNECTION_OK)
		snprintf(error, 200, "no answer within 400 ms");
	else if (error)
		db_one_line(error, 200, res ? PQresultErrorMessage(res) : PQerrorMessage(pg));
	PQclear(res);
	return ok ? 0 : -1;
}

static int one_number(PGconn *pg, const char *sql, const char *const *values, int n, uint64_t *ret)
{
	return one_number_or(pg, sql, values, n, ret, NULL);
}

static void look_for_orphans(PGconn *pg, const char *name, struct db_orphans *o)
{
	AUTO(buf) struct buf pids;
	char age[24];
	const char *values[4] = {NULL, age, o->is_late ? "t" : "f", name};
	uint64_t left;

	buf_init(&pids, 0);
	for (unsigned i = 0; i < o->n_live; i++)
		buf_addf(&pids, "%c%u", i ? ',' : '{', o->live[i]);
	buf_adds(&pids, o->n_live ? "}" : "{}");
	values[0] = buf_str(&pids);
	snprintf(age, sizeof(age), "%llu", (unsigned long long)o->age_ms);
	if (one_number_or(pg, orphans_sql, values, 4, &left, o->error))
		return;
	o->n_left = left < UINT32_MAX ? (unsigned)left : UINT32_MAX;
	o->is_answered = o->n_left || one_number_or(pg, xmax_sql, NULL, 0, &o->xmax, o->error) == 0;
}

static void look_at_tier(PGconn *pg, struct db_tier *t)
{
	PGresult *res = db_exec_within(pg, tier_sql, NULL, 0, 400);

	t->error[0] = 0;
	if (PQresultStatus(res) == PGRES_TUPLES_OK && PQntuples(res) == 1) {
		t->id = digest_64(slice_str(db_cell(res, 0, 0)), 0) | 1;
		t->xmin = strtoull(db_cell(res, 0, 1), NULL, 10);
		t->xmax = strtoull(db_cell(res, 0, 2), NULL, 10);
	} else {
		db_one_line(t->error, sizeof(t->error), res ? PQresultErrorMessage(res) : PQerrorMessage(pg));
	}
	PQclear(res);
}

static void tell_purge(PGconn *pg, struct db_purge *u)
{
	const char *values[1] = {u->tag};
	PGresult *res = db_exec_within(pg, purge_sql, values, 1, 2000);

	u->error[0] = 0;
	u->is_told = PQresultStatus(res) == PGRES_TUPLES_OK && PQntuples(res) == 1;
	if (u->is_told) {
		u->xid = strtoull(db_cell(res, 0, 1), NULL, 10);
		u->is_done = 1;
	} else if (res && (db_error_class(res, "3F000") || db_error_class(res, "42883") || db_error_class(res, "42501") ||
			   db_error_class(res, "22P05") || db_error_class(res, "22021"))) {
		u->is_done = one_number(pg, xid_sql, NULL, 0, &u->xid) == 0;
	} else if (res) {
		db_one_line(u->error, sizeof(u->error), PQresultErrorMessage(res));
	}
	PQclear(res);
}

static const char nonce_sql[] = "SELECT pg_notify('" DB_EVENT_CHANNEL "', $1)";
static const char nonce_slot_sql[] =
    "SELECT pg_notify('" DB_EVENT_CHANNEL "', $1), pg_logical_emit_message(true, 'weir', $1)";

static void tell_nonce(PGconn *pg, struct db_nonce *n)
{
	char text[40];
	const char *values[1] = {text};
	PGresult *res;

	snprintf(text, sizeof(text), "{\"n\":%llu}", (unsigned long long)n->value);
	n->sent_ns = clock_mono_ns();
	res = db_exec_within(pg, n->by_slot ? nonce_slot_sql : nonce_sql, values, 1, 2000);
	n->is_told = PQresultStatus(res) == PGRES_TUPLES_OK;
	if (!n->is_told)
		db_one_line(n->error, sizeof(n->error), res ? PQresultErrorMessage(res) : PQerrorMessage(pg));
	PQclear(res);
}

/* One that is too long to keep is cut behind its xmax and says that nothing from xmin on is over. */
static void keep_snapshot(struct db_probe *p, const char *text)
{
	int n = snprintf(p->snapshot, sizeof(p->snapshot), "%s", text);

	if (n >= (int)sizeof(p->snapshot)) {
		char *colon = strchr(p->snapshot, ':');

		snprintf(colon, 40, ":0:");
	}
}

void db_probe_run(struct db_probe *p)
{
	uint64_t start = clock_mono_ns();
	PGconn *pg = probe_conn(p);
	PGresult *res;

	p->is_up = 0;
	p->wants_reload = 0;
	p->snapshot[0] = 0;
	p->orphans.is_answered = 0;
	p->orphans.error[0] = 0;
	p->tier.id = 0;
	p->purge.is_done = 0;
	p->nonce.is_told = 0;
	snprintf(p->nonce.error, sizeof(p->nonce.error), "conninfo leads nowhere at the moment");
	if (!pg)
		return;
	snprintf(p->where, sizeof(p->where), "%s:%s/%s", PQhost(pg) ? PQhost(pg) : "", PQport(pg), PQdb(pg));
	res = db_exec_within(pg, probe_sql, NULL, 0, (int)p->opts->connect_timeout);
	if (PQresultStatus(res) == PGRES_TUPLES_OK && PQntuples(res) == 1) {
		p->is_up = 1;
		p->error[0] = 0;
		p->is_standby = db_cell(res, 0, 0)[0] == 't';
		p->max_connections = (unsigned)strtoul(db_cell(res, 0, 1), NULL, 10);
		p->lag_ms = PQgetisnull(res, 0, 2) ? (p->is_standby ? UINT64_MAX : 0)
						   : (uint64_t)strtoull(db_cell(res, 0, 2), NULL, 10);
		p->server_version = (unsigned)PQserverVersion(pg);
		p->took_us = (clock_mono_ns() - start) / 1000;
		p->xmax = strtoull(db_cell(res, 0, 3), NULL, 10);
		keep_snapshot(p, db_cell(res, 0, 4));
		take_notifies(p);
	} else {
		if (res)
			db_one_line(p->error, sizeof(p->error), PQresultErrorMessage(res));
		else if (PQstatus(pg) == CONNECTION_OK)
			snprintf(p->error, sizeof(p->error), "no answer to a probe within connect_timeout");
		else
			db_one_line(p->error, sizeof(p->error), PQerrorMessage(pg));
		db_probe_close(p);
	}
	PQclear(res);
	if (p->is_up && p->tier.wanted && !p->is_standby)
		look_at_tier(pg, &p->tier);
	if (p->is_up && p->nonce.wanted)
		tell_nonce(pg, &p->nonce);
	if (p->is_up && p->purge.wanted)
		tell_purge(pg, &p->purge);
	if (p->is_up && p->orphans.wanted)
		look_for_orphans(pg, p->name, &p->orphans);
}

int db_probe_cancel(struct db_probe *p, uint32_t pid)
{
	PGconn *pg = probe_conn(p);
	char text[16];
	const char *values[1] = {text};
	PGresult *res;
	int ok;

	if (!pg)
		return -1;
	snprintf(text, sizeof(text), "%u", pid);
	res = db_exec_within(pg, "SELECT pg_cancel_backend($1::int)", values, 1, 400);
	ok = PQresultStatus(res) == PGRES_TUPLES_OK;
	if (!ok && !res)
		db_probe_close(p);
	PQclear(res);
	return ok ? 0 : -1;
}

void db_probe_close(struct db_probe *p)
{
	if (p->conn)
		PQfinish(p->conn);
	p->conn = NULL;
}
