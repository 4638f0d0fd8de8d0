/* Do the sessions of this instance fit into what the server has for its role? Asked by weird -t before a
 * start, and by weir-monitor whenever it reaches a server. */
#include "config.h"

#include "lib/pg/db_priv.h"

#include <stdio.h>
#include <stdlib.h>

#include "lib/conf/options.h"
#include "lib/pg/db_listen.h"

/* What is reserved, and limits of a role or database, are not a superuser's. */
static const char limit_sql[] =
    "SELECT CASE WHEN r.rolsuper THEN s.n"
    " ELSE least(s.n - s.reserved, nullif(r.rolconnlimit, -1), nullif(d.datconnlimit, -1)) END, s.n, pg_catalog.pg_backend_pid()"
    " FROM pg_catalog.pg_roles r, pg_catalog.pg_database d,"
    " (SELECT current_setting('max_connections')::int AS n,"
    "   current_setting('superuser_reserved_connections')::int"
    "   + coalesce(current_setting('reserved_connections', true), '0')::int AS reserved) s"
    " WHERE r.rolname = session_user AND d.datname = current_database()";

void db_budget_init(struct db_budget *b, const struct opts_database *o, int has_cache)
{
	unsigned n = o->events_conninfo.n ? o->events_conninfo.n : o->pooler ? 0 : 1;

	/* probes, cancels, events; a replication slot's session is counted apart */
	*b = (struct db_budget){.name = o->name, .pool = o->pool_max,
				.monitor = 2 + (has_cache && o->events == EVENTS_NOTIFY ? n : 0)};
}

void db_budget_ask(struct db_budget *b, PGconn *pg, int timeout_ms)
{
	PGresult *res = db_exec_within(pg, limit_sql, NULL, 0, timeout_ms);

	if (PQresultStatus(res) == PGRES_TUPLES_OK && PQntuples(res) == 1) {
		long limit = strtol(db_cell(res, 0, 0), NULL, 10);

		b->limit = limit > 0 ? (unsigned)limit : 0;
		b->max_connections = (unsigned)strtoul(db_cell(res, 0, 1), NULL, 10);
		b->is_known = 1;
		b->is_between = PQnfields(res) > 2 && strtol(db_cell(res, 0, 2), NULL, 10) != PQbackendPID(pg);
		snprintf(b->server, sizeof(b->server), "%s:%s", PQhost(pg) ? PQhost(pg) : "", PQport(pg));
	}
	PQclear(res);
}

enum db_budget_fit db_budget_say(const struct db_budget *b, struct buf *out)
{
	unsigned wants = b->pool + b->monitor;
	enum db_budget_fit fit = !b->is_known || wants + DB_BUDGET_SPARE <= b->limit ? DB_BUDGET_FITS
				 : wants <= b->limit				      ? DB_BUDGET_TIGHT
										      : DB_BUDGET_OVER;

	if (!b->is_known)
		return fit;
	buf_addf(out, "database %s: up to %u connections (pool_max %u, weir-monitor %u) of %u that %s has for this role",
		 b->name, wants, b->pool, b->monitor, b->limit, b->server);
	if (b->limit != b->max_connections)
		buf_addf(out, " (max_connections %u)", b->max_connections);
	if (fit == DB_BUDGET_TIGHT)
		buf_addf(out, "; fewer than %u are left for anybody else", DB_BUDGET_SPARE);
	else if (fit == DB_BUDGET_OVER)
		buf_adds(out, "; lower pool_max, or let the server have more");
	return fit;
}
