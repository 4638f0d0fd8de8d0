/* weird -t: has the role what the statements need? Each is planned, with a generic plan, and not run: at an executor's start
 * the server checks tables, columns and functions. What it checks when a row is made is asked: sequences that the plan
 * names (an INSERT's defaults are in it), the procedure of a CALL, which has no plan, and what other statements without
 * one need (db_utility.h). What a column rounds shows in a plan for given values. */
#include "config.h"

#include "lib/pg/db_priv.h"

#include <ctype.h>
#include <stdio.h>
#include <strings.h>

#include "lib/base/clock.h"
#include "lib/conf/endpoint.h"
#include "lib/pg/db_utility.h"

#define PLAN_TIMEOUT_NS (5 * CLOCK_S)	/* of all statements of one file */

struct look {
	PGconn *pg;
	struct db_stmt *s;
	uint64_t deadline_ns;
	const char *role;		/* as the server sees it: a pooler may log in as another one */
};

static PGresult *ask(const struct look *k, const char *sql, const char *value)
{
	return db_exec_until(k->pg, sql, &value, value ? 1 : 0, k->deadline_ns);
}

static void run(const struct look *k, const char *sql)
{
	PQclear(ask(k, sql, NULL));
}

static void fault(const struct look *k, const char *what, const char *granted)
{
	err_set_at(&k->s->failed, E_sql, k->s->file, k->s->line, 0,
		   "PostgreSQL: %s (42501); each request would be a 403: GRANT %s to \"%s\"", what, granted, k->role);
}

/* What the server did not come to say is not known to be good. 1: it is such an answer. */
static int is_unfinished(const struct look *k, const PGresult *res)
{
	const char *said = PQresultErrorField(res, PG_DIAG_MESSAGE_PRIMARY);
	char text[300];

	if (res && !db_error_class(res, "57") && !db_error_class(res, "55P03") && !db_error_class(res, "53"))
		return 0;
	db_one_line(text, sizeof(text), said ? said : "no answer in time");
	err_set_at(&k->s->failed, E_unavailable, k->s->file, k->s->line, 0,
		   "its rights could not be checked: PostgreSQL: %s; try again", text);
	return 1;
}

/* The plan's sequences: nextval('seq'::regclass). */
static void check_sequences(const struct look *k, const char *line)
{
	static const struct {
		const char *call, *sql;
	} uses[] = {
	    {"nextval('", "SELECT pg_catalog.has_sequence_privilege($1::pg_catalog.regclass, 'USAGE, UPDATE')"},
	    {"currval('", "SELECT pg_catalog.has_sequence_privilege($1::pg_catalog.regclass, 'USAGE, SELECT')"},
	    {"setval('", "SELECT pg_catalog.has_sequence_privilege($1::pg_catalog.regclass, 'UPDATE')"},
	};

	for (size_t i = 0; i < ARRAY_LEN(uses); i++)
		for (const char *p = line; !k->s->failed.id && (p = strstr(p, uses[i].call));) {
			char name[200], text[260];
			size_t n = 0;
			PGresult *res;

			for (p += strlen(uses[i].call); *p && n + 1 < sizeof(name); name[n++] = *p++)
				if (*p == '\'' && *++p != '\'')
					break;
			name[n] = 0;
			if (strncmp(p, "::regclass", 10) != 0)
				continue;
			res = ask(k, uses[i].sql, name);
			snprintf(text, sizeof(text), "permission denied for sequence %s", name);
			if (!is_unfinished(k, res) && PQresultStatus(res) == PGRES_TUPLES_OK && PQntuples(res) == 1 &&
			    db_cell(res, 0, 0)[0] == 'f')
				fault(k, text, "it");
			PQclear(res);
		}
}

/* How often the plan has what, where this parameter has this value and all others are null; -1: there is no plan. */
static int count_in_plan(const struct look *k, unsigned number, const char *value, const char *what)
{
	AUTO(buf) struct buf sql;
	PGresult *res;
	int n = -1;

	buf_init(&sql, 0);
	buf_adds(&sql, "EXPLAIN (VERBOSE, COSTS off) EXECUTE weir_check");
	for (unsigned i = 1; i <= k->s->desc->n_params; i++)
		buf_addf(&sql, "%s%s", i == 1 ? "(" : ", ", i == number ? value : "NULL");
	buf_adds(&sql, ")");
	res = ask(k, buf_str(&sql), NULL);
	if (PQresultStatus(res) == PGRES_TUPLES_OK) {
		n = 0;
		for (int i = 0; i < PQntuples(res); i++)
			for (const char *p = db_cell(res, i, 0); (p = strstr(p, what)); p++)
				n++;
	}
	PQclear(res);
	return n;
}

/* Is the parameter of a write's tag rounded by a column, or a cast? A constant that went through it shows its scale, a null
 * too: with a value there is one null of that scale less. */
static void check_rounding(const struct look *k, const struct param *p)
{
	static const struct {
		uint32_t base;
		const char *null, *value;
	} types[] = {{1700, "NULL::numeric(", "1"}, {1083, "NULL::time(", "'10:00'"},
		     {1114, "NULL::timestamp(", "'2026-01-02'"}, {1184, "NULL::timestamp(", "'2026-01-02'"}};
	struct db_desc *d = k->s->desc;

	for (size_t i = 0; i < ARRAY_LEN(types) && d->n_warnings < ARRAY_LEN(d->warnings); i++) {
		int before, after;

		if (types[i].base != d->params[p->number - 1].base)
			continue;
		before = count_in_plan(k, p->number, "NULL", types[i].null);
		after = before > 0 ? count_in_plan(k, p->number, types[i].value, types[i].null) : before;
		if (after >= 0 && after < before)
			d->warnings[d->n_warnings++] = arena_fmt(
			    &d->arena, "parameter %s fills a tag of @invalidates, and the statement rounds it, by a column's scale or a cast: "
				       "what is cached under the rounded value is not void by this write; weir.watch the table, or let "
				       "the key be of a type without a scale", p->name);
	}
}

static void check_tags(const struct look *k)
{
	const struct endpoint *ep = k->s->endpoint;

	run(k, "SET LOCAL plan_cache_mode = force_custom_plan");
	for (unsigned i = 0; i < ep->n_params; i++)
		if (ep->params[i].flags & PARAM_TAG && ep->params[i].number && ep->params[i].number <= k->s->desc->n_params)
			check_rounding(k, &ep->params[i]);
}

static void check_plan(const struct look *k, const char *query)
{
	const struct db_desc *d = k->s->desc;
	struct buf sql;
	PGresult *res;

	buf_init(&sql, 0);
	buf_addf(&sql, "PREPARE weir_check AS %s", query);
	res = ask(k, buf_str(&sql), NULL);
	if (is_unfinished(k, res)) {
		PQclear(res);
		buf_done(&sql);
		return;
	}
	PQclear(res);
	run(k, "SAVEPOINT weir_check");
	buf_clear(&sql);
	buf_adds(&sql, "EXPLAIN (VERBOSE, COSTS off) EXECUTE weir_check");
	for (unsigned i = 0; i < d->n_params; i++)
		buf_adds(&sql, i ? ", NULL" : "(NULL");
	if (d->n_params)
		buf_adds(&sql, ")");
	res = ask(k, buf_str(&sql), NULL);
	if (is_unfinished(k, res)) {
		;
	} else if (PQresultStatus(res) == PGRES_TUPLES_OK) {
		for (int i = 0; i < PQntuples(res); i++)
			check_sequences(k, db_cell(res, i, 0));
		if (k->s->endpoint && k->s->endpoint->n_invalidates)
			check_tags(k);
	} else if (db_error_class(res, "42501")) {
		char text[300];
		const char *said = PQresultErrorField(res, PG_DIAG_MESSAGE_PRIMARY);

		db_one_line(text, sizeof(text), said ? said : "");
		fault(k, text, "it");
	} else if (db_error_class(res, "42P10")) {
		err_set_at(&k->s->failed, E_sql, k->s->file, k->s->line, 0, "PostgreSQL: %s (42P10)",
			   PQresultErrorField(res, PG_DIAG_MESSAGE_PRIMARY));
	}
	PQclear(res);
	run(k, "ROLLBACK TO SAVEPOINT weir_check");
	run(k, "DEALLOCATE weir_check");
	buf_done(&sql);
}

/* The procedure's name behind CALL, or 0: it is none. */
static int procedure_of(const char *sql, char name[200])
{
	size_t n = 0;

	for (;;) {
		sql += strspn(sql, " \t\r\n\f\v");
		if (strncmp(sql, "--", 2) != 0)
			break;
		sql += strcspn(sql, "\n");
	}
	if (strncasecmp(sql, "call", 4) != 0 || !isspace((unsigned char)sql[4]))
		return 0;
	for (sql += 5; *sql && *sql != '(' && n + 1 < 200; sql++)
		name[n++] = *sql;
	while (n && isspace((unsigned char)name[n - 1]))
		n--;
	name[n] = 0;
	return *sql == '(' && n;
}

static void check_procedure(const struct look *k, const char *name)
{
	static const char sql[] =
	    "SELECT bool_or(pg_catalog.has_function_privilege(p.oid, 'EXECUTE')) FROM pg_catalog.pg_proc p"
	    " JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace,"
	    " LATERAL (SELECT pg_catalog.parse_ident($1)) i (name) WHERE p.prokind = 'p'"
	    " AND p.proname = i.name[cardinality(i.name)]"
	    " AND CASE WHEN cardinality(i.name) > 1 THEN n.nspname = i.name[cardinality(i.name) - 1]"
	    " ELSE pg_catalog.pg_function_is_visible(p.oid) END";
	PGresult *res = ask(k, sql, name);
	char text[260];

	snprintf(text, sizeof(text), "permission denied for procedure %s", name);
	if (!is_unfinished(k, res) && PQresultStatus(res) == PGRES_TUPLES_OK && PQntuples(res) == 1 && db_cell(res, 0, 0)[0] == 'f')
		fault(k, text, "it");
	PQclear(res);
}

/* The server's own refusal, as of a schema, or its answer to the question. */
static void check_need(const struct look *k, const struct db_utility *u, const char *name)
{
	PGresult *res = ask(k, db_utility_question(u->need), name);
	char text[300];

	if (db_error_class(res, "42501")) {
		db_one_line(text, sizeof(text), PQresultErrorField(res, PG_DIAG_MESSAGE_PRIMARY));
		fault(k, text, "it");
	} else if (!is_unfinished(k, res) && PQresultStatus(res) == PGRES_TUPLES_OK && PQntuples(res) == 1 && db_cell(res, 0, 0)[0] == 'f') {
		snprintf(text, sizeof(text), "%s %s", db_utility_denial(u->need), name);
		fault(k, text, db_utility_is_owners(u->need) ? "its owner" : "it");
	}
	PQclear(res);
	run(k, "ROLLBACK TO SAVEPOINT weir_check");
}

static void check_utility(const struct look *k)
{
	struct db_utility u;

	db_utility_read(k->s->desc->sql, &u);
	run(k, "SAVEPOINT weir_check");
	for (unsigned i = 0; u.need != DB_NEED_NOTHING && i < u.n && !k->s->failed.id; i++)
		check_need(k, &u, u.names[i]);
	if (!k->s->failed.id)
		check_plan(k, u.query ? u.query : k->s->desc->sql);
}

void db_privileges(PGconn *pg, struct db_stmt *stmts, unsigned n)
{
	PGresult *res = db_exec_until(pg, "SELECT current_user", NULL, 0, clock_mono_ns() + PLAN_TIMEOUT_NS);
	const char *role = PQresultStatus(res) == PGRES_TUPLES_OK ? db_cell(res, 0, 0) : "?";
	char name[200];

	for (unsigned i = 0; i < n; i++) {
		struct look k = {.pg = pg, .s = &stmts[i], .deadline_ns = clock_mono_ns() + PLAN_TIMEOUT_NS, .role = role};

		if (k.s->failed.id || !k.s->desc)
			continue;
		run(&k, "BEGIN READ ONLY");
		run(&k, "SET LOCAL plan_cache_mode = force_generic_plan");
		run(&k, "SET LOCAL statement_timeout = '4s'");
		run(&k, "SET LOCAL lock_timeout = '1s'");
		if (procedure_of(k.s->sql, name))
			check_procedure(&k, name);
		else
			check_utility(&k);
		run(&k, "ROLLBACK");
	}
	PQclear(res);
}
