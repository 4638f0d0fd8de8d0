/* What the server says of each statement: parameter types, result columns. Blocks, until its deadline, over a session
 * that is not in pipeline mode yet.
 *
 * Columns whose type row_to_json does not render from its text (arrays, composites, types with a cast
 * to json) are wrapped with to_json (db_wrap.c), once, so that rendering stays a copy of bytes. */
#include "config.h"

#include "lib/pg/db_priv.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "lib/base/clock.h"
#include "lib/base/num.h"
#include "lib/conf/options.h"
#include "lib/json/jw.h"
#include "lib/pg/db_canon.h"

#define MAX_OIDS 1024u
#define FLIGHT_MAX 32u
#define LOCK_MS 50u
#define LOCK_MS_LEAST 5u
#define DESCRIBE_ONE_NS (10 * CLOCK_MS)

/* What pg_type says of a type that is not in the table of db_type_kind. */
struct type_row {
	Oid oid, base, elem;
	int needs_to_json;
	int is_array;
	int is_enum;
	int32_t typmod;			/* a domain's; -1 */
	char delim, name[64];
};
struct type_set {
	struct type_row rows[MAX_OIDS];
	unsigned n;
};

static const char type_sql[] =
    "WITH RECURSIVE b(oid, base, typmod) AS ("
    "  SELECT t.oid, t.oid, t.typtypmod FROM pg_catalog.pg_type t WHERE t.oid = ANY ($1::oid[])"
    "  UNION ALL"
    "  SELECT b.oid, t.typbasetype, greatest(b.typmod, t.typtypmod) FROM b JOIN pg_catalog.pg_type t ON t.oid = b.base"
    "   WHERE t.typtype = 'd'"
    ") SELECT b.oid, t.oid,"
    "   CASE WHEN t.typsubscript = 'pg_catalog.array_subscript_handler'::pg_catalog.regproc"
    "        THEN t.typelem ELSE 0 END,"
    "   t.typtype = 'c' OR t.oid IN (2249, 2287, 2277)"
    "     OR (t.oid >= 16384 AND EXISTS (SELECT FROM pg_catalog.pg_cast c WHERE c.castsource = t.oid"
    "         AND c.casttarget = 114 AND c.castmethod = 'f')),"
    "   (SELECT e.typdelim FROM pg_catalog.pg_type e WHERE e.oid = t.typelem),"
    "   pg_catalog.format_type(t.oid, NULL), t.typtype = 'e', b.typmod"
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
		set->rows[set->n++] = (struct type_row){.oid = oid, .base = oid, .typmod = -1};
}

static int type_load(PGconn *pg, struct type_set *set, unsigned from, uint64_t deadline_ns, char error[256])
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
	res = db_exec_until(pg, type_sql, values, 1, deadline_ns);
	if (PQresultStatus(res) == PGRES_TUPLES_OK) {
		rc = 0;
		for (int r = 0; r < PQntuples(res); r++) {
			Oid oid = (Oid)strtoul(db_cell(res, r, 0), NULL, 10);

			for (unsigned i = from; i < set->n; i++) {
				struct type_row *t = &set->rows[i];

				if (t->oid != oid)
					continue;
				t->base = (Oid)strtoul(db_cell(res, r, 1), NULL, 10);
				t->elem = (Oid)strtoul(db_cell(res, r, 2), NULL, 10);
				t->is_array = t->elem != 0;
				t->needs_to_json = t->is_array || db_cell(res, r, 3)[0] == 't';
				t->delim = db_cell(res, r, 4)[0];
				t->is_enum = db_cell(res, r, 6)[0] == 't';
				t->typmod = (int32_t)strtol(db_cell(res, r, 7), NULL, 10);
				snprintf(t->name, sizeof(t->name), "%.*s", (int)sizeof(t->name) - 1, db_cell(res, r, 5));
			}
		}
	} else {
		db_say(pg, res, error, 256);
	}
	PQclear(res);
	buf_done(&list);
	return rc;
}

static int needs_to_json(const void *types, Oid oid)
{
	const struct type_row *t = type_find(types, oid);

	return t && t->needs_to_json;
}

enum db_render db_render_of(uint32_t oid)
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

/* Statements that are asked about in one flight. */
struct flight {
	PGconn *pg;
	const struct opts_database *o;
	uint64_t deadline_ns;
	unsigned lock_ms;		/* how long one may wait for a table */
	unsigned n;
	const char *sql[FLIGHT_MAX];
	PGresult *said[FLIGHT_MAX];	/* the description, or the error of either; NULL: nothing */
};

/* A table that is locked, by an ALTER that takes its time, must hold up neither the others' statements nor the whole:
 * with the first one that meets it the patience for further ones ends. The session's own statement timeout, which is
 * there for what runs, is not for this. All in one transaction: between two, a pooler may change the server, or let
 * somebody else use the unnamed statement. It is rolled back: constants of domains, ranges and composites run functions
 * when they are parsed, and a search_path that one sets is not the next statement's. */
static int send_one(const struct flight *f, const char *sql)
{
	static const char limits_sql[] =
	    "SELECT pg_catalog.set_config('lock_timeout', $1, true), pg_catalog.set_config('statement_timeout', '0', true)";
	char ms[16];
	const char *values[1] = {ms};

	snprintf(ms, sizeof(ms), "%u", f->lock_ms);
	return PQsendQueryParams(f->pg, "BEGIN", 0, NULL, NULL, NULL, NULL, 0) &&
		       PQsendQueryParams(f->pg, limits_sql, 1, NULL, values, NULL, NULL, 0) &&
		       PQsendPrepare(f->pg, "", sql, 0, NULL) && PQsendDescribePrepared(f->pg, "") && PQpipelineSync(f->pg) &&
		       PQsendQueryParams(f->pg, "ROLLBACK", 0, NULL, NULL, NULL, NULL, 0) && PQpipelineSync(f->pg)
		   ? 0
		   : -1;
}

/* The last result of a group, or its first error. -1: there is no group's end. */
static int read_one(const struct flight *f, PGresult **ret)
{
	int ends = 0;

	/* a NULL ends a statement; two in a row come from a connection that is gone */
	while (ends < 2 && db_wait(f->pg, f->deadline_ns) == 0) {
		PGresult *res = PQgetResult(f->pg);
		ExecStatusType st = PQresultStatus(res);

		if (!res) {
			ends++;
			continue;
		}
		ends = 0;
		if (st == PGRES_COMMAND_OK || st == PGRES_TUPLES_OK || st == PGRES_FATAL_ERROR) {
			if (*ret && PQresultStatus(*ret) == PGRES_FATAL_ERROR) {
				PQclear(res);
				continue;
			}
			PQclear(*ret);
			*ret = res;
			continue;
		}
		PQclear(res);
		if (st == PGRES_PIPELINE_SYNC)
			return 0;
		if (st != PGRES_PIPELINE_ABORTED)
			return -1;
	}
	return -1;
}

/* -1 with error: the connection is of no use any more. */
static int fly(struct flight *f, char error[256])
{
	int rc = PQenterPipelineMode(f->pg) ? 0 : -1;

	for (unsigned i = 0; rc == 0 && i < f->n; i++)
		rc = send_one(f, f->sql[i]);
	for (unsigned i = 0; rc == 0 && i < f->n; i++) {
		PGresult *over = NULL;

		rc = read_one(f, &f->said[i]);
		if (rc == 0)
			rc = read_one(f, &over);
		PQclear(over);
		if (db_error_class(f->said[i], "55P03"))
			f->lock_ms = LOCK_MS_LEAST;
	}
	if (rc == 0)
		rc = PQexitPipelineMode(f->pg) ? 0 : -1;
	if (rc)
		db_say(f->pg, NULL, error, 256);
	return rc;
}

/* Behind a pooler one at a time: what comes behind an error on its connection may be another client's. */
static unsigned flight_max(const struct flight *f)
{
	return f->o->pooler ? 1 : FLIGHT_MAX;
}

uint64_t db_describe_deadline(const struct opts_database *o, unsigned n)
{
	return db_connect_deadline(o) + n * DESCRIBE_ONE_NS;
}

/* The server was not wrong about the statement: it could not look. */
static int is_passing(const PGresult *res)
{
	return db_error_class(res, "55P03") || db_error_class(res, "57") || db_error_class(res, "53") ||
	       db_error_class(res, "40") || db_error_class(res, "58");
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
	db_one_line(one, sizeof(one), text ? text : res ? PQresultErrorMessage(res) : "no description");
	if (db_error_class(res, "42P18") || db_error_class(res, "42P08")) {
		const char *at = strchr(one, '$');

		snprintf(cast, sizeof(cast), "say its type where it stands, as in %.*s::text",
			 at ? 1 + (int)strspn(at + 1, "0123456789") : 0, at ? at : "");
		hint = cast;
	}
	err_set_at(&s->failed, is_passing(res) ? E_unavailable : E_sql, s->file, line, pos && !what ? col : 0, "%s%sPostgreSQL: %s%s%s (%s)",
		   what ? what : "", what ? ": " : "", one, hint ? "; " : "", hint ? hint : "", db_sqlstate(res));
	buf_init(&named, 0);
	db_shape_names(s, s->failed.text, &named);
	snprintf(s->failed.text, sizeof(s->failed.text), "%s", buf_str(&named));
}

static void fill_column(struct db_desc *d, unsigned at, const char *name, Oid type, int is_json)
{
	struct db_column *col = &d->columns[at];
	AUTO(buf) struct buf b;

	buf_init(&b, 0);
	col->name = arena_strn(&d->arena, name, strlen(name));
	col->type = col->sent = type;
	col->render = is_json ? DB_RENDER_JSON : db_render_of(type);
	col->is_json = col->render == DB_RENDER_JSON;
	buf_addc(&b, at ? ',' : '{');
	jw_string(&b, slice_str(name));
	buf_addc(&b, ':');
	col->prefix = arena_strn(&d->arena, b.p, b.n);
	col->prefix_n = b.n;
}

static void fill_columns(struct db_desc *d, const PGresult *res, const struct type_set *types)
{
	d->n_columns = (unsigned)PQnfields(res);
	d->columns = arena_zalloc(&d->arena, sizeof(*d->columns) * (d->n_columns + 1));
	for (unsigned c = 0; c < d->n_columns; c++)
		fill_column(d, c, PQfname(res, (int)c), PQftype(res, (int)c), needs_to_json(types, PQftype(res, (int)c)));
}

/* int2vector and oidvector have elements, and no braces. */
static int has_literal(const struct type_row *t)
{
	return t && t->is_array && t->base != 22 && t->base != 30;
}

static void fill_params(struct db_desc *d, const PGresult *res, const struct type_set *types)
{
	d->n_params = (unsigned)PQnparams(res);
	d->params = arena_zalloc(&d->arena, sizeof(*d->params) * (d->n_params + 1));
	d->oids = arena_zalloc(&d->arena, sizeof(*d->oids) * (d->n_params + 1));
	for (unsigned i = 0; i < d->n_params; i++) {
		Oid oid = PQparamtype(res, (int)i);
		const struct type_row *t = type_find(types, oid), *e = t;
		struct db_type *type = &d->params[i];

		d->oids[i] = oid;
		type->oid = type->base = t ? t->base : oid;
		if (has_literal(t)) {
			e = type_find(types, t->elem);
			type->is_array = 1;
			type->delim = t->delim;
			type->base = e ? e->base : t->elem;
		}
		type->kind = db_type_kind(type->base);
		type->canon = type->is_array ? DB_CANON_NONE : (unsigned char)db_canon_of(type->base, t && t->is_enum);
		type->rounds = (unsigned char)(t && db_canon_rounds((enum db_canon)type->canon, t->typmod));
		if (e && type->kind == DB_OTHER)
			type->name = arena_strn(&d->arena, e->name, strlen(e->name));
		else if (type->base == 1266)
			type->name = "time with time zone";
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

static _Atomic uint32_t last_id;	/* descriptions are made by threads */

static struct db_desc *desc_new(const char *sql, size_t n)
{
	struct db_desc *d = calloc(1, sizeof(*d));

	if (!d)
		abort();
	d->refs = 1;
	d->id = atomic_fetch_add(&last_id, 1) + 1;
	arena_pool_init(&d->pool, 1);
	arena_init(&d->arena, &d->pool);
	d->sql = arena_strn(&d->arena, sql, n);
	return d;
}

static struct db_desc *desc_make(const struct db_stmt *s, enum db_wrap how, const PGresult *first,
				 const struct type_set *types)
{
	AUTO(buf) struct buf sql;
	struct db_desc *d;

	buf_init(&sql, 0);
	db_wrap(&sql, how, s, first, needs_to_json, types);
	d = desc_new(sql.p, sql.n);
	d->wrap = how;
	fill_params(d, first, types);
	fill_columns(d, first, types);
	d->shape = db_desc_shape(first);
	d->takes = db_desc_takes(first);
	return d;
}

struct db_desc *db_desc_of_result(const PGresult *res)
{
	static const struct type_set none;
	struct db_desc *d = desc_new("", 0);

	fill_columns(d, res, &none);
	return d;
}

/* The parts of db_describe. */
struct describing {
	struct flight f;
	struct db_stmt *stmts;
	unsigned n;
	PGresult **first;
	struct type_set *types;
};

static int ask_all(struct describing *d, char error[256])
{
	struct flight *f = &d->f;
	int rc = 0;

	for (unsigned from = 0; rc == 0 && from < d->n; from += f->n) {
		f->n = d->n - from < flight_max(f) ? d->n - from : flight_max(f);
		for (unsigned i = 0; i < f->n; i++)
			f->sql[i] = d->stmts[from + i].sql;
		rc = fly(f, error);
		for (unsigned i = 0; i < f->n; i++) {
			PGresult *res = d->first[from + i] = f->said[i];

			f->said[i] = NULL;
			if (rc)
				continue;
			if (PQresultStatus(res) != PGRES_COMMAND_OK) {
				refused(&d->stmts[from + i], res, NULL);
				continue;
			}
			for (int c = 0; c < PQnfields(res); c++)
				type_want(d->types, PQftype(res, c));
			for (int c = 0; c < PQnparams(res); c++)
				type_want(d->types, PQparamtype(res, c));
		}
	}
	return rc;
}

static int load_types(struct describing *d, char error[256])
{
	struct type_set *types = d->types;
	unsigned level;

	if (type_load(d->f.pg, types, 0, d->f.deadline_ns, error))
		return -1;
	/* the elements of arrays may be domains, too */
	level = types->n;
	for (unsigned i = 0; i < level; i++)
		if (types->rows[i].is_array)
			type_want(types, types->rows[i].elem);
	return type_load(d->f.pg, types, level, d->f.deadline_ns, error);
}

static void take_wrapped(struct describing *d, unsigned i, const PGresult *res)
{
	struct db_stmt *s = &d->stmts[i];

	if (PQresultStatus(res) == PGRES_COMMAND_OK) {
		for (unsigned c = 0; s->desc->wrap != DB_WRAP_ROW && c < s->desc->n_columns; c++)
			s->desc->columns[c].sent = PQftype(res, (int)c);
	} else if (s->desc->wrap == DB_WRAP_GUARD) {
		db_desc_free(&s->desc);
		s->desc = desc_make(s, DB_WRAP_NOT, d->first[i], d->types);
	} else {
		refused(s, res, "a column is an array or a composite and the statement cannot be wrapped; use to_json() on it");
	}
}

/* What was wrapped is prepared once more, as it will be sent. */
static int ask_wrapped(struct describing *d, char error[256])
{
	struct flight *f = &d->f;
	unsigned at[FLIGHT_MAX], next = 0;
	int rc = 0;

	while (rc == 0 && next < d->n) {
		for (f->n = 0; next < d->n && f->n < flight_max(f); next++)
			if (d->stmts[next].desc && d->stmts[next].desc->wrap != DB_WRAP_NOT) {
				at[f->n] = next;
				f->sql[f->n++] = d->stmts[next].desc->sql;
			}
		rc = f->n ? fly(f, error) : 0;
		for (unsigned i = 0; i < f->n; i++) {
			if (rc == 0)
				take_wrapped(d, at[i], f->said[i]);
			PQclear(f->said[i]);
			f->said[i] = NULL;
		}
	}
	return rc;
}

int db_describe(PGconn *pg, const struct opts_database *o, struct db_stmt *stmts, unsigned n, uint64_t deadline_ns,
		char error[256])
{
	struct describing d = {.f = {.pg = pg, .o = o, .deadline_ns = deadline_ns, .lock_ms = LOCK_MS},
			       .stmts = stmts, .n = n, .first = calloc(n ? n : 1, sizeof(PGresult *)),
			       .types = calloc(1, sizeof(*d.types))};
	int rc;

	if (!d.types || !d.first)
		abort();
	for (unsigned i = 0; i < n; i++) {
		stmts[i].failed.id = E_ok;
		stmts[i].desc = NULL;
	}
	rc = ask_all(&d, error) || load_types(&d, error) ? -1 : 0;
	for (unsigned i = 0; rc == 0 && i < n; i++)
		if (!stmts[i].failed.id)
			stmts[i].desc = desc_make(&stmts[i], db_wrap_of(&stmts[i], d.first[i], needs_to_json, d.types),
						  d.first[i], d.types);
	if (rc == 0)
		rc = ask_wrapped(&d, error);
	for (unsigned i = 0; i < n; i++) {
		PQclear(d.first[i]);
		if (stmts[i].desc && !rc && !stmts[i].failed.id)
			db_shape_check(&stmts[i]);
		if (rc || stmts[i].failed.id)
			db_desc_free(&stmts[i].desc);
	}
	free(d.first);
	free(d.types);
	return rc;
}
