/* What the server says of each statement: parameter types, result columns. Blocking, over a session
 * that is not in pipeline mode yet.
 *
 * Columns whose type row_to_json does not render from its text (arrays, composites, types with a cast
 * to json) are wrapped with to_json here, once, so that rendering stays a copy of bytes. */
#include "config.h"

#include "lib/pg/db_priv.h"

#include <stdio.h>
#include <stdlib.h>

#include "lib/base/num.h"
#include "lib/json/jw.h"

#define MAX_OIDS 1024u

/* What pg_type says of a type that is not in the table of db_type_kind. */
struct type_row {
	Oid oid, base, elem;
	int needs_to_json;
	int is_array;
};
struct type_set {
	struct type_row rows[MAX_OIDS];
	unsigned n;
};

static const char type_sql[] =
    "WITH RECURSIVE b(oid, base) AS ("
    "  SELECT t.oid, t.oid FROM pg_catalog.pg_type t WHERE t.oid = ANY ($1::oid[])"
    "  UNION ALL"
    "  SELECT b.oid, t.typbasetype FROM b JOIN pg_catalog.pg_type t ON t.oid = b.base"
    "   WHERE t.typtype = 'd'"
    ") SELECT b.oid, t.oid,"
    "   CASE WHEN t.typsubscript = 'pg_catalog.array_subscript_handler'::pg_catalog.regproc"
    "        THEN t.typelem ELSE 0 END,"
    "   t.typtype = 'c' OR t.oid IN (2249, 2287, 2277)"
    "     OR (t.oid >= 16384 AND EXISTS (SELECT FROM pg_catalog.pg_cast c WHERE c.castsource = t.oid"
    "         AND c.casttarget = 114 AND c.castmethod = 'f'))"
    "  FROM b JOIN pg_catalog.pg_type t ON t.oid = b.base WHERE t.typtype <> 'd'";

static const struct type_row *type_find(const struct type_set *set, Oid oid)
{
	for (unsigned i = 0; i < set->n; i++)
		if (set->rows[i].oid == oid)
			return &set->rows[i];
	return NULL;
}

static void type_want(struct type_set *set, Oid oid)
{
	if (db_type_kind(oid) == DB_OTHER && !type_find(set, oid) && set->n < MAX_OIDS)
		set->rows[set->n++] = (struct type_row){.oid = oid, .base = oid};
}

static int type_load(PGconn *pg, struct type_set *set, unsigned from, char error[256])
{
	struct buf list;
	const char *values[1];
	PGresult *res;
	int rc = -1;

	if (from == set->n)
		return 0;
	buf_init(&list, 0);
	for (unsigned i = from; i < set->n; i++)
		buf_addf(&list, "%c%u", i == from ? '{' : ',', set->rows[i].oid);
	buf_adds(&list, "}");
	values[0] = buf_str(&list);
	res = PQexecParams(pg, type_sql, 1, NULL, values, NULL, NULL, 0);
	if (PQresultStatus(res) == PGRES_TUPLES_OK) {
		rc = 0;
		for (int r = 0; r < PQntuples(res); r++) {
			Oid oid = (Oid)strtoul(PQgetvalue(res, r, 0), NULL, 10);

			for (unsigned i = from; i < set->n; i++) {
				struct type_row *t = &set->rows[i];

				if (t->oid != oid)
					continue;
				t->base = (Oid)strtoul(PQgetvalue(res, r, 1), NULL, 10);
				t->elem = (Oid)strtoul(PQgetvalue(res, r, 2), NULL, 10);
				t->is_array = t->elem != 0;
				t->needs_to_json = t->is_array || PQgetvalue(res, r, 3)[0] == 't';
			}
		}
	} else {
		db_one_line(error, 256, PQresultErrorMessage(res));
	}
	PQclear(res);
	buf_done(&list);
	return rc;
}

static enum db_render render_of(Oid oid)
{
	switch (oid) {
	case 16:
		return DB_RENDER_BOOL;
	case 20:
	case 21:
	case 23:
		return DB_RENDER_INT;
	case 700:
	case 701:
	case 1700:
		return DB_RENDER_NUMBER;
	case 114:
	case 3802:
		return DB_RENDER_JSON;
	case 1114:
	case 1184:
		return DB_RENDER_TIMESTAMP;
	case 1082:	/* date */
	case 1083:	/* time */
	case 1266:	/* timetz */
	case 2950:	/* uuid */
	case 26:	/* oid */
		return DB_RENDER_PLAIN;
	default:
		return DB_RENDER_TEXT;
	}
}

/* Both in one group: between two, a pooler may change the server, or let somebody else use the unnamed statement.
 * The description, or the error of either. */
static PGresult *prepare_describe(PGconn *pg, const char *sql)
{
	PGresult *kept = NULL;
	int ends = 0;

	if (!PQenterPipelineMode(pg))
		return NULL;
	if (PQsendPrepare(pg, "", sql, 0, NULL) && PQsendDescribePrepared(pg, "") && PQpipelineSync(pg)) {
		/* a NULL ends a statement; two in a row come from a connection that is gone */
		while (ends < 2) {
			PGresult *res = PQgetResult(pg);
			ExecStatusType st = PQresultStatus(res);

			if (!res) {
				ends++;
				continue;
			}
			ends = 0;
			if (st == PGRES_PIPELINE_SYNC || st == PGRES_PIPELINE_ABORTED ||
			    (kept && PQresultStatus(kept) == PGRES_FATAL_ERROR)) {
				PQclear(res);
				if (st == PGRES_PIPELINE_SYNC)
					break;
				continue;
			}
			PQclear(kept);
			kept = res;
		}
	}
	(void)PQexitPipelineMode(pg);
	return kept;
}

/* An error of Parse: file, line of the SQL, the server's sentence. */
static void refused(struct db_stmt *s, const PGresult *res, const char *what)
{
	const char *pos = PQresultErrorField(res, PG_DIAG_STATEMENT_POSITION);
	const char *text = PQresultErrorField(res, PG_DIAG_MESSAGE_PRIMARY);
	const char *hint = PQresultErrorField(res, PG_DIAG_MESSAGE_HINT);
	unsigned line = s->line, col = 1;
	AUTO(buf) struct buf named;
	char one[400], cast[80];

	if (pos && !what) {
		/* the position counts characters, not bytes */
		unsigned long at = strtoul(pos, NULL, 10);

		for (const char *p = s->sql; *p && at > 1; p++) {
			if (((unsigned char)p[1] & 0xc0) != 0x80)
				at--;
			if (*p == '\n')
				line++, col = 1;
			else if (((unsigned char)p[1] & 0xc0) != 0x80)
				col++;
		}
	}
	db_one_line(one, sizeof(one), text ? text : PQresultErrorMessage(res));
	if (db_error_class(res, "42P18") || db_error_class(res, "42P08")) {
		const char *at = strchr(one, '$');

		snprintf(cast, sizeof(cast), "say its type where it stands, as in %.*s::text",
			 at ? 1 + (int)strspn(at + 1, "0123456789") : 0, at ? at : "");
		hint = cast;
	}
	err_set_at(&s->failed, E_sql, s->file, line, pos && !what ? col : 0, "%s%sPostgreSQL: %s%s%s (%s)",
		   what ? what : "", what ? ": " : "", one, hint ? "; " : "", hint ? hint : "", db_sqlstate(res));
	buf_init(&named, 0);
	db_shape_names(s, s->failed.text, &named);
	snprintf(s->failed.text, sizeof(s->failed.text), "%s", buf_str(&named));
}

static void quote_identifier(struct buf *b, const char *name)
{
	buf_addc(b, '"');
	for (; *name; name++) {
		if (*name == '"')
			buf_addc(b, '"');
		buf_addc(b, *name);
	}
	buf_addc(b, '"');
}

/* WITH weir_q(weir_c1, …) AS (sql) SELECT weir_c1 AS "a", to_json(weir_c2) AS "b" FROM weir_q. A CTE, because a
 * data-modifying statement may stand there and not in FROM. What it costs: a column that DDL adds behind a
 * "SELECT *" changes nothing for the outer list, so the server does not report it; it shows at the next reload. */
static void wrap(struct buf *b, const struct db_stmt *s, const PGresult *res, const struct type_set *types)
{
	int n = PQnfields(res);

	buf_adds(b, "WITH weir_q(");
	for (int c = 0; c < n; c++)
		buf_addf(b, "%sweir_c%d", c ? "," : "", c + 1);
	buf_addf(b, ") AS (%s\n) SELECT ", s->sql);
	for (int c = 0; c < n; c++) {
		const struct type_row *t = type_find(types, PQftype(res, c));

		if (c)
			buf_addc(b, ',');
		buf_addf(b, t && t->needs_to_json ? "pg_catalog.to_json(weir_c%d) AS " : "weir_c%d AS ",
			 c + 1);
		quote_identifier(b, PQfname(res, c));
	}
	buf_adds(b, " FROM weir_q");
}

static void fill_columns(struct db_desc *d, const PGresult *res, const struct type_set *types)
{
	struct buf b;

	buf_init(&b, 0);
	d->n_columns = (unsigned)PQnfields(res);
	d->columns = arena_zalloc(&d->arena, sizeof(*d->columns) * (d->n_columns + 1));
	for (unsigned c = 0; c < d->n_columns; c++) {
		struct db_column *col = &d->columns[c];
		const struct type_row *t = type_find(types, PQftype(res, (int)c));
		const char *name = PQfname(res, (int)c);

		col->name = arena_strn(&d->arena, name, strlen(name));
		col->render = t && t->needs_to_json ? DB_RENDER_JSON : render_of(PQftype(res, (int)c));
		col->is_json = col->render == DB_RENDER_JSON;
		buf_clear(&b);
		buf_addc(&b, c ? ',' : '{');
		jw_string(&b, slice_str(name));
		buf_addc(&b, ':');
		col->prefix = arena_strn(&d->arena, b.p, b.n);
		col->prefix_n = b.n;
	}
	buf_done(&b);
}

static void fill_params(struct db_desc *d, const PGresult *res, const struct type_set *types)
{
	d->n_params = (unsigned)PQnparams(res);
	d->params = arena_zalloc(&d->arena, sizeof(*d->params) * (d->n_params + 1));
	for (unsigned i = 0; i < d->n_params; i++) {
		Oid oid = PQparamtype(res, (int)i);
		const struct type_row *t = type_find(types, oid);
		const struct type_row *e;
		struct db_type *type = &d->params[i];

		type->oid = t ? t->base : oid;
		type->kind = db_type_kind(type->oid);
		if (t && t->is_array) {
			e = type_find(types, t->elem);
			type->is_array = 1;
			type->kind = db_type_kind(e ? e->base : t->elem);
		}
	}
}

void db_desc_free(struct db_desc **d)
{
	if (!*d)
		return;
	if (--(*d)->refs > 0) {
		*d = NULL;
		return;
	}
	arena_done(&(*d)->arena);
	arena_pool_done(&(*d)->pool);
	free(*d);
	*d = NULL;
}

static struct db_desc *desc_new(const char *sql, size_t n)
{
	struct db_desc *d = calloc(1, sizeof(*d));

	if (!d)
		abort();
	d->refs = 1;
	arena_pool_init(&d->pool, 1);
	arena_init(&d->arena, &d->pool);
	d->sql = arena_strn(&d->arena, sql, n);
	return d;
}

static int is_connection_lost(PGconn *pg, char error[256])
{
	if (PQstatus(pg) == CONNECTION_OK)
		return 0;
	db_one_line(error, 256, PQerrorMessage(pg));
	return 1;
}

static void describe_one(PGconn *pg, struct db_stmt *s, const PGresult *first, const struct type_set *types)
{
	struct db_desc *d;
	struct buf sql;
	int wraps = 0;

	for (int c = 0; c < PQnfields(first); c++) {
		const struct type_row *t = type_find(types, PQftype(first, c));

		wraps |= t && t->needs_to_json;
	}
	buf_init(&sql, 0);
	if (wraps)
		wrap(&sql, s, first, types);
	else
		buf_adds(&sql, s->sql);
	d = desc_new(sql.p, sql.n);
	fill_params(d, first, types);
	fill_columns(d, first, types);
	s->desc = d;
	if (wraps) {
		PGresult *res = prepare_describe(pg, buf_str(&sql));

		if (PQresultStatus(res) != PGRES_COMMAND_OK)
			refused(s, res,
				"a column is an array or a composite and the statement cannot be wrapped; "
				"use to_json() on it");
		PQclear(res);
	}
	buf_done(&sql);
	if (!s->failed.id)
		db_shape_check(s);
	if (s->failed.id)
		db_desc_free(&s->desc);
}

int db_describe(PGconn *pg, struct db_stmt *stmts, unsigned n, char error[256])
{
	struct type_set *types = calloc(1, sizeof(*types));
	PGresult **first = calloc(n ? n : 1, sizeof(PGresult *));
	unsigned level;
	int rc = -1;

	if (!types || !first)
		abort();
	for (unsigned i = 0; i < n; i++) {
		stmts[i].failed.id = E_ok;
		stmts[i].desc = NULL;
		first[i] = prepare_describe(pg, stmts[i].sql);
		if (PQresultStatus(first[i]) != PGRES_COMMAND_OK) {
			if (is_connection_lost(pg, error))
				goto out;
			refused(&stmts[i], first[i], NULL);
			continue;
		}
		for (int c = 0; c < PQnfields(first[i]); c++)
			type_want(types, PQftype(first[i], c));
		for (int c = 0; c < PQnparams(first[i]); c++)
			type_want(types, PQparamtype(first[i], c));
	}
	if (type_load(pg, types, 0, error))
		goto out;
	/* the elements of arrays may be domains, too */
	level = types->n;
	for (unsigned i = 0; i < level; i++)
		if (types->rows[i].is_array)
			type_want(types, types->rows[i].elem);
	if (type_load(pg, types, level, error))
		goto out;
	for (unsigned i = 0; i < n; i++)
		if (!stmts[i].failed.id)
			describe_one(pg, &stmts[i], first[i], types);
	rc = is_connection_lost(pg, error) ? -1 : 0;
out:
	for (unsigned i = 0; i < n; i++) {
		PQclear(first[i]);
		if (rc)
			db_desc_free(&stmts[i].desc);
	}
	free(first);
	free(types);
	return rc;
}
