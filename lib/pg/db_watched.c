/* What is watched (sql/weir/events.sql): the tags that columns fill, and of what types these are. Blocking; asked once,
 * before the first description of a worker. A database without the schema, or a role that may not look, has none. */
#include "config.h"

#include "lib/pg/db_priv.h"

#include <stdlib.h>

#include "lib/pg/db_canon.h"

static const char watched_sql[] =
    "WITH RECURSIVE w AS ("
    "  SELECT w.\"table\"::pg_catalog.oid AS rel, t.tag FROM weir.watched w, pg_catalog.unnest(w.tags) t(tag)"
    "), c AS ("
    "  SELECT w.rel, w.tag, a.attname, a.atttypid AS type FROM w,"
    "   pg_catalog.regexp_matches(w.tag, '\\{([^{}]+)\\}', 'g') m, pg_catalog.pg_attribute a"
    "   WHERE a.attrelid = w.rel AND a.attname = m[1] AND a.attnum > 0 AND NOT a.attisdropped"
    " UNION SELECT c.rel, c.tag, c.attname, t.typbasetype FROM c JOIN pg_catalog.pg_type t ON t.oid = c.type"
    "   WHERE t.typtype = 'd'"
    ") SELECT DISTINCT c.rel::pg_catalog.regclass::text, c.tag, c.attname::text, c.type, t.typtype = 'e',"
    "   EXISTS (SELECT FROM pg_catalog.pg_trigger g WHERE g.tgrelid = c.rel AND g.tgname = 'weir_insert'"
    "           AND pg_catalog.position(g.tgargs, 'coalesce(r.'::pg_catalog.bytea) > 0)"
    "  FROM c JOIN pg_catalog.pg_type t ON t.oid = c.type WHERE t.typtype <> 'd' ORDER BY 1, 2, 3 LIMIT 10000";

static char *copy(const PGresult *res, int row, int col)
{
	char *s = strdup(db_cell(res, row, col));

	if (!s)
		abort();
	return s;
}

void db_watched_ask(PGconn *pg, uint64_t deadline_ns, struct db_watched **ret, unsigned *ret_n)
{
	PGresult *res = db_exec_until(pg, "SELECT pg_catalog.to_regclass('weir.watched') IS NOT NULL", NULL, 0, deadline_ns);
	int is_there = PQresultStatus(res) == PGRES_TUPLES_OK && db_cell(res, 0, 0)[0] == 't', n;

	PQclear(res);
	*ret = NULL;
	*ret_n = 0;
	if (!is_there)
		return;
	res = db_exec_until(pg, watched_sql, NULL, 0, deadline_ns);
	n = PQresultStatus(res) == PGRES_TUPLES_OK ? PQntuples(res) : 0;
	if (n > 0 && !(*ret = calloc((size_t)n, sizeof(**ret))))
		abort();
	for (int i = 0; i < n; i++)
		(*ret)[i] = (struct db_watched){
		    .table = copy(res, i, 0), .tag = copy(res, i, 1), .column = copy(res, i, 2),
		    .canon = (unsigned char)db_canon_of((uint32_t)strtoul(db_cell(res, i, 3), NULL, 10),
							db_cell(res, i, 4)[0] == 't'),
		    .is_told_otherwise = db_cell(res, i, 5)[0] == 't'};
	*ret_n = (unsigned)n;
	PQclear(res);
}

void db_watched_free(struct db_watched **w, unsigned n)
{
	for (unsigned i = 0; *w && i < n; i++) {
		free((*w)[i].table);
		free((*w)[i].tag);
		free((*w)[i].column);
	}
	free(*w);
	*w = NULL;
}
