/* weird -t: what a statement that is no query needs, as far as its text shows. PostgreSQL plans none of these, and asks for
 * their privileges while it runs them. */
#include "config.h"

#include "lib/pg/db_utility.h"

#include <string.h>

#include "lib/conf/lex.h"

struct reader {
	struct lex lex;
	struct lex_tok t;
};

static void next(struct reader *r)
{
	do
		lex_next(&r->lex, &r->t);
	while (r->t.kind == LEX_SPACE || r->t.kind == LEX_LINE_COMMENT || r->t.kind == LEX_BLOCK_COMMENT);
}

static int is_end(const struct reader *r)
{
	return r->t.kind == LEX_END || r->t.kind == LEX_ERROR;
}

static int is_sign(const struct reader *r, const char *sign)
{
	return r->t.kind == LEX_OTHER && slice_eq(r->t.text, slice_str(sign));
}

static int is_word(const struct reader *r, const char *word)
{
	return r->t.kind == LEX_WORD && slice_ieq(r->t.text, slice_str(word));
}

/* Passes over the word if it stands here. */
static int accept(struct reader *r, const char *word)
{
	if (!is_word(r, word))
		return 0;
	next(r);
	return 1;
}

/* To the word, outside of parentheses, and behind it. */
static int find(struct reader *r, const char *word)
{
	unsigned depth = 0;

	for (; !is_end(r); next(r)) {
		if (is_sign(r, "("))
			depth++;
		else if (is_sign(r, ")"))
			depth--;
		else if (depth == 0 && accept(r, word))
			return 1;
	}
	return 0;
}

/* A name with its quotes and schema, as to_regclass reads it. */
static int name(struct reader *r, struct db_utility *u)
{
	char *out = u->names[u->n];
	size_t n = 0;

	if (u->n == DB_UTILITY_NAMES)
		return 0;
	accept(r, "only");
	while (r->t.kind == LEX_WORD || r->t.kind == LEX_QUOTED) {
		if (n + r->t.text.n + 2 > sizeof(u->names[0]))
			return 0;
		memcpy(out + n, r->t.text.p, r->t.text.n);
		n += r->t.text.n;
		next(r);
		if (!is_sign(r, "."))
			break;
		out[n++] = '.';
		next(r);
	}
	out[n] = 0;
	u->n += n > 0;
	if (is_sign(r, "*"))
		next(r);
	return n > 0;
}

static void names(struct reader *r, struct db_utility *u)
{
	while (name(r, u) && is_sign(r, ","))
		next(r);
}

/* The kind of relation, passed over; 0: it is none. */
static int relation(struct reader *r)
{
	if (accept(r, "materialized") || accept(r, "foreign"))
		return accept(r, "view") || accept(r, "table");
	return accept(r, "table") || accept(r, "view") || accept(r, "sequence") || accept(r, "index");
}

static void explain(struct reader *r, struct db_utility *u)
{
	if (is_sign(r, "(")) {
		while (!is_end(r) && !is_sign(r, ")"))
			next(r);
		next(r);
	}
	while (accept(r, "analyze") || accept(r, "analyse") || accept(r, "verbose"))
		;
	u->query = r->t.text.p;
}

static void create(struct reader *r, struct db_utility *u)
{
	int has_query;

	while (accept(r, "or") || accept(r, "replace") || accept(r, "unlogged") || accept(r, "recursive") || accept(r, "unique"))
		;
	if (is_word(r, "index")) {
		u->need = DB_NEED_OWNER;
		if (find(r, "on"))
			name(r, u);
		return;
	}
	has_query = is_word(r, "table") || is_word(r, "materialized");
	if (!relation(r))
		return;
	if (accept(r, "if"))
		next(r), next(r);	/* NOT EXISTS */
	u->need = DB_NEED_CREATE;
	name(r, u);
	if (has_query && find(r, "as"))
		u->query = r->t.text.p;
}

static void change(struct reader *r, struct db_utility *u, int is_drop)
{
	if (!relation(r))
		return;
	accept(r, "concurrently");
	if (accept(r, "if"))
		next(r);	/* EXISTS */
	u->need = is_drop ? DB_NEED_DROP : DB_NEED_OWNER;
	if (is_drop)
		names(r, u);
	else
		name(r, u);
}

void db_utility_read(const char *sql, struct db_utility *u)
{
	struct reader r;

	memset(u, 0, sizeof(*u));
	lex_init(&r.lex, slice_str(sql));
	r.lex.is_numbered = 1;
	next(&r);
	if (accept(&r, "explain")) {
		explain(&r, u);
	} else if (accept(&r, "truncate")) {
		accept(&r, "table");
		u->need = DB_NEED_TRUNCATE;
		names(&r, u);
	} else if (accept(&r, "create")) {
		create(&r, u);
	} else if (is_word(&r, "drop")) {
		next(&r);
		change(&r, u, 1);
	} else if (accept(&r, "alter")) {
		change(&r, u, 0);
	} else if (accept(&r, "refresh")) {
		change(&r, u, 0);
		u->need = DB_NEED_REFRESH;
	}
}

int db_utility_is_owners(enum db_need need)
{
	return need == DB_NEED_OWNER || need == DB_NEED_DROP || need == DB_NEED_REFRESH;
}

const char *db_utility_denial(enum db_need need)
{
	if (need == DB_NEED_CREATE)
		return "permission denied for the schema of";
	return db_utility_is_owners(need) ? "must be owner of" : "permission denied for table";
}

const char *db_utility_question(enum db_need need)
{
	/* MAINTAIN is of PostgreSQL 17 */
#define IS_17 "pg_catalog.current_setting('server_version_num')::int4 >= 170000"
#define OWNS "pg_catalog.pg_has_role(c.relowner, 'USAGE')"
#define OWNER(what)                                                                                                          \
	"SELECT " what " FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n" \
	" ON n.oid = c.relnamespace WHERE c.oid = pg_catalog.to_regclass($1)"
	static const char *const questions[] = {
	    [DB_NEED_NOTHING] = NULL,
	    [DB_NEED_TRUNCATE] = "SELECT pg_catalog.has_table_privilege(pg_catalog.to_regclass($1), 'TRUNCATE')",
	    [DB_NEED_OWNER] = OWNER(OWNS),
	    [DB_NEED_DROP] = OWNER(OWNS " OR pg_catalog.pg_has_role(n.nspowner, 'USAGE')"),
	    [DB_NEED_REFRESH] = OWNER("CASE WHEN " IS_17 " THEN pg_catalog.has_table_privilege(c.oid, 'MAINTAIN') ELSE " OWNS " END"),
	    [DB_NEED_CREATE] = "SELECT pg_catalog.has_schema_privilege(CASE WHEN pg_catalog.cardinality(i.name) > 1"
			       " THEN i.name[pg_catalog.cardinality(i.name) - 1] ELSE pg_catalog.current_schema()::text END, 'CREATE')"
			       " FROM (SELECT pg_catalog.parse_ident($1)) i (name)",
	};

	return questions[need];
}
