/* The replication protocol over libpq: simple queries first, then CopyBoth. The publication must be older than the
 * slot, or the server cannot decode; so the slot is made only when there is one. */
#include "config.h"

#include "lib/pg/db_slot.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/clock.h"
#include "lib/conf/options.h"
#include "lib/pg/db_priv.h"

#define EPOCH_US 946684800000000ull
#define MESSAGE_MAX (256u << 20)	/* bytes; one row is one message */

static void drop_notice(void *arg, const PGresult *res)
{
	(void)arg;
	(void)res;
}

/* A simple query (the extended protocol is not spoken here). NULL with error; else the result, of the kind wanted. */
static PGresult *run(struct db_slot *s, const char *sql, ExecStatusType want)
{
	PGconn *pg = s->conn;
	PGresult *res = PQsendQuery(pg, sql) ? db_result(pg, db_connect_deadline(s->opts)) : NULL;

	if (PQresultStatus(res) == want)
		return res;
	db_say(pg, res, s->error, sizeof(s->error));
	PQclear(res);
	return NULL;
}

static int command(struct db_slot *s, const char *sql)
{
	PGresult *res = run(s, sql, PGRES_COMMAND_OK);

	PQclear(res);
	return res ? 0 : -1;
}

/* The first value of the first row as a number, -1 on error. No row: 0. */
static int64_t number(struct db_slot *s, const char *sql)
{
	PGresult *res = run(s, sql, PGRES_TUPLES_OK);
	int64_t v = !res ? -1 : PQntuples(res) ? strtoll(db_cell(res, 0, 0), NULL, 10) : 0;

	PQclear(res);
	return v;
}

/* 0 there is none · 1 there is one, of ours and whole · 2 it is of no use · -1 error */
static int look(struct db_slot *s, const char *name)
{
	char sql[512];

	snprintf(sql, sizeof(sql),
		 "SELECT CASE WHEN plugin = 'pgoutput' AND database = current_database()"
		 " AND wal_status IS DISTINCT FROM 'lost' THEN 1 ELSE 2 END"
		 " FROM pg_replication_slots WHERE slot_name = '%s'", name);
	return (int)number(s, sql);
}

static int make_slot(struct db_slot *s, const char *name)
{
	char sql[256];
	int there = look(s, name);
	PGresult *res;

	if (there < 0)
		return -1;
	if (there == 2 || (there == 1 && s->wants_new)) {
		snprintf(sql, sizeof(sql), "DROP_REPLICATION_SLOT %s", name);
		if (command(s, sql))
			return -1;
		there = 0;
	}
	s->is_new = !there;
	if (there)
		return 0;
	if (number(s, "SELECT 1 FROM pg_publication WHERE pubname = '" DB_SLOT_PUBLICATION "'") != 1) {
		if (!s->error[0])
			snprintf(s->error, sizeof(s->error), "no table is watched: SELECT weir.watch_slot(...)");
		return -1;
	}
	snprintf(sql, sizeof(sql), "CREATE_REPLICATION_SLOT %s LOGICAL pgoutput NOEXPORT_SNAPSHOT", name);
	res = run(s, sql, PGRES_TUPLES_OK);
	PQclear(res);
	return res ? 0 : -1;
}

static int read_watched(struct db_slot *s)
{
	PGresult *res = run(s, "SELECT w.\"table\"::oid, t.tag FROM weir.watched w, unnest(w.tags) WITH ORDINALITY t(tag, i)"
			       " ORDER BY 1, t.i", PGRES_TUPLES_OK);

	for (int i = 0; i < PQntuples(res); i++)
		db_decode_watch(s->decode, (uint32_t)strtoul(db_cell(res, i, 0), NULL, 10),
				slice_str(db_cell(res, i, 1)));
	PQclear(res);
	return res ? 0 : -1;
}

/* Domains and enums of watched tables, which the stream names by their oid. */
static int read_types(struct db_slot *s)
{
	PGresult *res = run(s, "WITH RECURSIVE c AS ("
			       "SELECT a.atttypid AS oid, a.atttypid AS base FROM weir.watched w JOIN pg_attribute a"
			       "  ON a.attrelid = w.\"table\" AND a.attnum > 0 AND NOT a.attisdropped AND a.atttypid >= 16384"
			       " UNION SELECT c.oid, t.typbasetype FROM c JOIN pg_type t ON t.oid = c.base WHERE t.typtype = 'd')"
			       " SELECT c.oid, c.base, t.typtype = 'e' FROM c JOIN pg_type t ON t.oid = c.base WHERE t.typtype <> 'd'",
			    PGRES_TUPLES_OK);

	for (int i = 0; i < PQntuples(res); i++)
		db_decode_type(s->decode, (uint32_t)strtoul(db_cell(res, i, 0), NULL, 10),
			       (uint32_t)strtoul(db_cell(res, i, 1), NULL, 10), db_cell(res, i, 2)[0] == 't');
	PQclear(res);
	return res ? 0 : -1;
}

static int begin(struct db_slot *s)
{
	const char *name = s->opts->events_slot;
	char sql[256];
	int64_t xmax;
	PGresult *res;

	if (command(s, "SET DateStyle = 'ISO, YMD'") || command(s, "SET IntervalStyle = 'postgres'") ||
	    command(s, "SET TimeZone = 'UTC'") || command(s, "SET bytea_output = 'hex'") ||
	    command(s, "SET extra_float_digits = 1") || command(s, "SET application_name = 'weir-monitor'") ||
	    make_slot(s, name) || read_watched(s) || read_types(s))
		return -1;
	xmax = number(s, "SELECT txid_snapshot_xmax(txid_current_snapshot())");
	if (xmax < 0)
		return -1;
	s->xmax = (uint64_t)xmax;
	s->since_ms = clock_boot_ms();
	snprintf(sql, sizeof(sql),
		 "START_REPLICATION SLOT %s LOGICAL 0/0 (proto_version '1', publication_names '\"" DB_SLOT_PUBLICATION
		 "\"', messages 'true')", name);
	res = run(s, sql, PGRES_COPY_BOTH);
	PQclear(res);
	return res ? 0 : -1;
}

int db_slot_open(struct db_slot *s)
{
	enum db_refusal why;

	s->confirmed = 0;
	s->conn = db_connect_replication(s->opts, db_connect_deadline(s->opts), s->error, &why);
	if (!s->conn)
		return -1;
	PQsetNoticeReceiver(s->conn, drop_notice, NULL);
	s->decode = db_decode_new(s->ops, s->ctx);
	if (begin(s)) {
		db_slot_close(s);
		return -1;
	}
	s->wants_new = 0;
	s->error[0] = 0;
	return 0;
}

int db_slot_fd(const struct db_slot *s)
{
	return PQsocket(s->conn);
}

static uint64_t get64(const char *p)
{
	uint64_t v = 0;

	for (int i = 0; i < 8; i++)
		v = v << 8 | (unsigned char)p[i];
	return v;
}

static void put64(char *p, uint64_t v)
{
	for (int i = 7; i >= 0; i--, v >>= 8)
		p[i] = (char)(v & 0xff);
}

int db_slot_confirm(struct db_slot *s)
{
	char msg[34] = {'r'};

	for (int i = 0; i < 3; i++)
		put64(msg + 1 + 8 * i, s->confirmed);
	put64(msg + 25, clock_wall_us() - EPOCH_US);
	if (PQputCopyData(s->conn, msg, sizeof(msg)) >= 0 && PQflush(s->conn) >= 0)
		return 0;
	db_one_line(s->error, sizeof(s->error), PQerrorMessage(s->conn));
	return -1;
}

static int one(struct db_slot *s, const char *p, size_t n)
{
	struct err e = {0};

	if (n >= 25 && p[0] == 'w') {
		if (db_decode_feed(s->decode, slice_of(p + 25, n - 25), &e) == 0)
			return 0;
		db_one_line(s->error, sizeof(s->error), e.text);
		return -1;
	}
	if (n >= 18 && p[0] == 'k') {
		/* outside a transaction everything in front of it is done */
		if (!db_decode_is_inside(s->decode) && get64(p + 1) > s->confirmed)
			s->confirmed = get64(p + 1);
		return p[17] ? db_slot_confirm(s) : 0;
	}
	snprintf(s->error, sizeof(s->error), "the slot sent what is no message of replication");
	return -1;
}

int db_slot_read(struct db_slot *s)
{
	int ok = db_consume(s->conn, DB_READ_MOST, &s->unheard), n = 0, rc = 0;
	char *p;

	while (rc == 0 && (n = PQgetCopyData(s->conn, &p, 1)) > 0) {
		s->unheard = 0;
		rc = one(s, p, (size_t)n);
		PQfreemem(p);
	}
	if (rc)
		return -1;
	if (n == -1) {
		PGresult *res = PQisBusy(s->conn) ? NULL : PQgetResult(s->conn);

		db_one_line(s->error, sizeof(s->error), PQresultErrorMessage(res));
		PQclear(res);
		return -1;
	}
	if (s->unheard > MESSAGE_MAX) {
		snprintf(s->error, sizeof(s->error), "the slot sends a message of more than %u bytes", MESSAGE_MAX);
		return -1;
	}
	if (n == 0 && ok && PQstatus(s->conn) == CONNECTION_OK)
		return 0;
	db_one_line(s->error, sizeof(s->error), PQerrorMessage(s->conn));
	return -1;
}

void db_slot_close(struct db_slot *s)
{
	if (s->conn)
		PQfinish(s->conn);
	s->conn = NULL;
	db_decode_free(&s->decode);
}
