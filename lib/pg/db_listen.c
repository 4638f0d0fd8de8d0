#include "config.h"

#include "lib/pg/db_listen.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/clock.h"
#include "lib/conf/options.h"
#include "lib/pg/db_event.h"
#include "lib/pg/db_priv.h"

#define READ_MOST (256u << 10)
#define UNHEARD_MAX (1u << 20)

static void drop_notice(void *arg, const PGresult *res)
{
	(void)arg;
	(void)res;
}

static int listen_on(struct db_listen *l)
{
	int ms = (int)l->opts->connect_timeout, ok;
	PGresult *res = db_exec_within(l->conn, "LISTEN " DB_EVENT_CHANNEL, NULL, 0, ms);

	ok = PQresultStatus(res) == PGRES_COMMAND_OK;
	if (!ok)
		db_say(l->conn, res, l->error, sizeof(l->error));
	PQclear(res);
	return ok ? 0 : -1;
}

static const char floor_sql[] =
    "SELECT txid_snapshot_xmax(txid_current_snapshot()),"
    " EXISTS (SELECT FROM pg_trigger WHERE tgname = 'weir_insert' AND tgenabled <> 'D')";

/* After LISTEN has committed: whatever commits later is heard of. */
static int take_floor(struct db_listen *l)
{
	PGresult *res = db_exec_within(l->conn, floor_sql, NULL, 0, (int)l->opts->connect_timeout);
	int ok = PQresultStatus(res) == PGRES_TUPLES_OK && PQntuples(res) == 1;

	if (ok) {
		l->xmax = strtoull(db_cell(res, 0, 0), NULL, 10);
		l->has_triggers = db_cell(res, 0, 1)[0] == 't';
		l->since_ms = clock_boot_ms();
	} else {
		db_say(l->conn, res, l->error, sizeof(l->error));
	}
	PQclear(res);
	return ok ? 0 : -1;
}

static int is_standby(PGconn *pg)
{
	const char *s = PQparameterStatus(pg, "in_hot_standby");

	return s && strcmp(s, "on") == 0;
}

int db_listen_open(struct db_listen *l)
{
	enum db_refusal why;

	if (l->opts->pooler) {
		snprintf(l->error, sizeof(l->error), "a transaction pooler passes no NOTIFY on");
		return -1;
	}
	l->conn = db_connect(l->opts, LANE_EXCLUSIVE, db_connect_deadline(l->opts), l->error, &why);
	if (!l->conn)
		return -1;
	if (is_standby(l->conn)) {
		snprintf(l->error, sizeof(l->error), "%s is a standby, where no NOTIFY is heard; events need the primary "
			 "(events_conninfo, with target_session_attrs=primary where it names several hosts)", PQhost(l->conn));
		db_listen_close(l);
		return -1;
	}
	PQsetNoticeReceiver(l->conn, drop_notice, NULL);
	db_name_monitor(l->conn);
	if (listen_on(l) || take_floor(l)) {
		db_listen_close(l);
		return -1;
	}
	l->error[0] = 0;
	l->unheard = 0;
	return 0;
}

int db_listen_fd(const struct db_listen *l)
{
	return PQsocket(l->conn);
}

int db_listen_read(struct db_listen *l, void (*on_event)(void *ctx, struct slice payload), void *ctx)
{
	int ok = db_consume(l->conn, READ_MOST, &l->unheard);
	PGnotify *n;

	while ((n = PQnotifies(l->conn))) {
		l->unheard = 0;
		if (strcmp(n->relname, DB_EVENT_CHANNEL) == 0)
			on_event(ctx, slice_str(n->extra));
		PQfreemem(n);
	}
	if (l->unheard > UNHEARD_MAX) {
		snprintf(l->error, sizeof(l->error), "%u bytes came through it without a notification", UNHEARD_MAX);
		return -1;
	}
	if (ok && PQstatus(l->conn) == CONNECTION_OK)
		return 0;
	db_one_line(l->error, sizeof(l->error), PQerrorMessage(l->conn));
	return -1;
}

void db_listen_close(struct db_listen *l)
{
	if (l->conn)
		PQfinish(l->conn);
	l->conn = NULL;
}
