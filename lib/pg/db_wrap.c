/* Statements that return arrays or composites, rewritten so that the server makes JSON of these columns.
 *
 * By name and not by position: the server resolves the names each time it analyses the statement, so after DDL a column
 * is what its name says, or the statement fails and is described again. The arm that gives nothing is there to count: a
 * column that came behind a "SELECT *" makes the two arms unequal, which is an error of the analysis as well.
 *   WITH weir_q AS (sql) SELECT weir_r."a", to_json(weir_r."b") AS "b"
 *     FROM (TABLE weir_q UNION ALL SELECT NULL::text,NULL WHERE false) weir_r
 * Where two columns have one name, only the row as a whole tells them apart: row_to_json makes all of it, and columns
 * that @header takes come beside. Writes that return columns are wrapped even if none is to become JSON: their first run on
 * a connection cannot be taken back when its columns turn out to be others. A CTE, because a data-modifying statement may stand there and not in FROM. */
#include "config.h"

#include "lib/pg/db_priv.h"

#include "lib/conf/endpoint.h"
#include "lib/shm/digest.h"

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

static int is_twice(const PGresult *res)
{
	int n = PQnfields(res);

	for (int a = 0; a < n; a++)
		for (int b = 0; b < a; b++)
			if (strcmp(PQfname(res, a), PQfname(res, b)) == 0)
				return 1;
	return 0;
}

enum db_wrap db_wrap_of(const struct db_stmt *s, const PGresult *res, db_needs_json_f needs, const void *ctx)
{
	int twice = is_twice(res);

	for (int c = 0; c < PQnfields(res); c++)
		if (needs(ctx, PQftype(res, c)))
			return twice ? DB_WRAP_ROW : DB_WRAP_NAMES;
	return s->may_write && PQnfields(res) && !twice && s->endpoint && s->endpoint->returns != RETURNS_NONE
		   ? DB_WRAP_GUARD
		   : DB_WRAP_NOT;
}

/* What cannot be united with an array or a composite, by its name. */
static const char *cast_of(Oid type)
{
	static const struct {
		Oid type;
		const char *cast;
	} casts[] = {{16, "::bool"}, {17, "::bytea"}, {20, "::int8"}, {21, "::int2"}, {23, "::int4"}, {25, "::text"},
		     {114, "::json"}, {700, "::float4"}, {701, "::float8"}, {1042, "::bpchar"}, {1043, "::varchar"},
		     {1082, "::date"}, {1083, "::time"}, {1114, "::timestamp"}, {1184, "::timestamptz"},
		     {1186, "::interval"}, {1266, "::timetz"}, {1700, "::numeric"}, {2950, "::uuid"}, {3802, "::jsonb"}};

	for (size_t i = 0; i < ARRAY_LEN(casts); i++)
		if (casts[i].type == type)
			return casts[i].cast;
	return "";
}

static void wrap_names(struct buf *b, const PGresult *res, db_needs_json_f needs, const void *ctx)
{
	int n = PQnfields(res);

	for (int c = 0; c < n; c++) {
		int is_json = needs(ctx, PQftype(res, c));

		buf_adds(b, c ? "," : "");
		buf_adds(b, is_json ? "pg_catalog.to_json(weir_r." : "weir_r.");
		quote_identifier(b, PQfname(res, c));
		buf_adds(b, is_json ? ") AS " : " AS ");
		quote_identifier(b, PQfname(res, c));
	}
	buf_adds(b, " FROM (TABLE weir_q UNION ALL SELECT ");
	for (int c = 0; c < n; c++)
		buf_addf(b, "%sNULL%s", c ? "," : "", cast_of(PQftype(res, c)));
	buf_adds(b, " WHERE false) weir_r");
}

static int count(const PGresult *res, const char *name)
{
	int n = 0;

	for (int c = 0; c < PQnfields(res); c++)
		n += strcmp(PQfname(res, c), name) == 0;
	return n;
}

static void wrap_row(struct buf *b, const struct db_stmt *s, const PGresult *res)
{
	const struct endpoint *ep = s->endpoint;

	buf_adds(b, "pg_catalog.row_to_json(weir_r.*)");	/* of two columns of one name, none is taken */
	for (unsigned i = 0; ep && i < ep->n_headers; i++)
		for (const char *p = strchr(ep->headers[i].value, '{'), *end; p && (end = strchr(p, '}')); p = strchr(end, '{')) {
			AUTO(buf) struct buf name;

			buf_init(&name, 0);
			buf_add(&name, p + 1, (size_t)(end - p - 1));
			if (count(res, buf_str(&name)) != 1)
				continue;
			buf_adds(b, ",weir_r.");
			quote_identifier(b, buf_str(&name));
		}
	buf_adds(b, " FROM (TABLE weir_q) weir_r");
}

void db_wrap(struct buf *b, enum db_wrap how, const struct db_stmt *s, const PGresult *res, db_needs_json_f needs,
	     const void *ctx)
{
	if (how == DB_WRAP_NOT) {
		buf_adds(b, s->sql);
		return;
	}
	buf_addf(b, "WITH weir_q AS (%s\n) SELECT ", s->sql);
	if (how == DB_WRAP_ROW)
		wrap_row(b, s, res);
	else
		wrap_names(b, res, needs, ctx);
}

uint64_t db_desc_shape(const PGresult *described)
{
	AUTO(buf) struct buf b;

	buf_init(&b, 0);
	for (int c = 0; c < PQnfields(described); c++)
		buf_addf(&b, "%s %u,", PQfname(described, c), PQftype(described, c));
	buf_addc(&b, '|');
	for (int i = 0; i < PQnparams(described); i++)
		buf_addf(&b, "%u,", PQparamtype(described, i));
	return digest_64(buf_slice(&b), 0);
}

uint64_t db_desc_takes(const PGresult *described)
{
	AUTO(buf) struct buf b;

	buf_init(&b, 0);
	for (int i = 0; i < PQnparams(described); i++)
		buf_addf(&b, "%u,", PQparamtype(described, i));
	return digest_64(buf_slice(&b), 0) | 1;
}

int db_desc_fits(const struct db_desc *d, const PGresult *res)
{
	if (d->wrap == DB_WRAP_ROW)
		return PQftype(res, 0) == 114;
	if ((unsigned)PQnfields(res) != d->n_columns)
		return 0;
	for (unsigned c = 0; c < d->n_columns; c++)
		if (PQftype(res, (int)c) != d->columns[c].sent || strcmp(PQfname(res, (int)c), d->columns[c].name) != 0)
			return 0;
	return 1;
}
