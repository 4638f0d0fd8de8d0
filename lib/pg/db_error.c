/* Whose fault an error of the server is, and so what it means (lib/tbl/sqlstates.h). Message texts are never
 * read: they follow lc_messages. What is read instead: the SQLSTATE, the positions, the query of a function, where in
 * the server's source it was raised, and of the context the one line that the server adds while it reads a parameter. */
#include "config.h"

#include "lib/pg/db_priv.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

#define BIND_LINE_MOST 160u	/* bytes of that line in front of the value, in any language */

const char *db_sqlstate(const PGresult *res)
{
	const char *s = PQresultErrorField(res, PG_DIAG_SQLSTATE);

	return s ? s : "";
}

int db_error_class(const PGresult *res, const char *class2)
{
	return strncmp(db_sqlstate(res), class2, strlen(class2)) == 0;
}

static int is_from(const PGresult *res, int field, const char *text)
{
	const char *s = PQresultErrorField(res, field);

	return s && strcmp(s, text) == 0;
}

/* The value as the server shows it, quoted, perhaps cut: does it begin as the one that was bound? */
static int is_value_shown(const char *shown, const char *value)
{
	for (; *value && strncmp(shown, "...'", 4) != 0; shown++, value++)
		if (*shown != *value || (*shown == '\'' && *++shown != '\''))
			return 0;
	return !*value ? *shown == '\'' : 1;
}

/* One line of the context, "unnamed portal parameter $3 = '...'", in any language (the Spanish one has no $, the
 * Korean one words behind the number). The number, or 0 when it is another line. */
static unsigned bind_line(const struct db_query *q, const char *line)
{
	const char *is = strstr(line, " = '"), *digits = NULL;
	unsigned long n;

	if (!is || (size_t)(is - line) > BIND_LINE_MOST)
		return 0;
	for (const char *p = line; p < is; p++) {
		/* what stands in the lines of functions, statements and documents */
		if (strchr("\n\":;=()'", *p))
			return 0;
		if (!isdigit((unsigned char)*p))
			continue;
		if (digits)
			return 0;
		digits = p;
		while (isdigit((unsigned char)p[1]))
			p++;
	}
	n = digits ? strtoul(digits, NULL, 10) : 0;
	return n && n <= q->n_values && q->values[n - 1] && is_value_shown(is + 4, q->values[n - 1]) ? (unsigned)n : 0;
}

/* Which parameter's value the server was reading; 0: it was not. Since PostgreSQL 14 its line is the outermost of the
 * context, so the last; a value that is shown (log_parameter_max_length_on_error) may be of several lines. */
unsigned db_error_parameter(const struct db_query *q, const PGresult *res)
{
	const char *context = PQresultErrorField(res, PG_DIAG_CONTEXT);
	unsigned n = 0;

	for (const char *end = context ? context + strlen(context) : NULL; end && !n;) {
		const char *line = end;

		while (line > context && line[-1] != '\n')
			line--;
		n = bind_line(q, line);
		end = line > context ? line - 1 : NULL;
	}
	return n;
}

/* Raised while the statement's own text was analysed: at its first Parse, or again, because a table has changed. A value
 * that is parsed (as in a cast to regtype) has a context, and a function's query its own position. */
static int is_of_the_text(const PGresult *res)
{
	return PQresultErrorField(res, PG_DIAG_STATEMENT_POSITION) && !PQresultErrorField(res, PG_DIAG_CONTEXT);
}

/* Of a class that values lead to, too, but none does here: a function's own query, its own structure (but for its RAISE),
 * what the planner or a plan's start finds (a join or a view that cannot be, a materialized view that is empty, a result
 * that has changed), a collation that has no LIKE, another server's tables. */
static int is_of_the_author(const PGresult *res)
{
	static const char *const files[] = {"plancat.c", "attmap.c", "plancache.c", "planner.c", "prepunion.c", "joinpath.c",
					    "joinrels.c", "pathnode.c", "createplan.c", "rewriteHandler.c", "execMain.c",
					    "execSRF.c", "execUtils.c", "funcapi.c", "matview.c", "like.c", "regc_pg_locale.c"};

	if (!db_error_class(res, "42") && !db_error_class(res, "0A") && !db_error_class(res, "55"))
		return 0;
	for (size_t i = 0; i < ARRAY_LEN(files); i++)
		if (is_from(res, PG_DIAG_SOURCE_FILE, files[i]))
			return 1;
	return PQresultErrorField(res, PG_DIAG_INTERNAL_QUERY) ||
	       (is_from(res, PG_DIAG_SOURCE_FILE, "pl_exec.c") && !is_from(res, PG_DIAG_SOURCE_FUNCTION, "exec_stmt_raise")) ||
	       is_from(res, PG_DIAG_SOURCE_FUNCTION, "text_position_setup") ||
	       is_from(res, PG_DIAG_SOURCE_FUNCTION, "pgfdw_report_error");
}

int db_error_is_stale(const PGresult *res)
{
	return db_error_class(res, "42") && !db_error_class(res, "42501") && is_of_the_text(res);
}

static unsigned conditions(const struct db_pool *p, struct db_query *q, const PGresult *res, int is_parse)
{
	const struct db_ops *ops = p->conf.ops;
	unsigned n;

	if (is_parse || is_of_the_text(res))
		return 0;
	n = db_error_parameter(q, res);
	if (n) {
		/* of a default that the author wrote nobody else is to blame */
		if (!ops->is_given(p->conf.ctx, q, n))
			return 0;
		q->bad_param = n;
		return SQLSTATE_BIND;
	}
	if (is_of_the_author(res) || !ops->is_given(p->conf.ctx, q, 0))
		return 0;
	return SQLSTATE_VALUE;
}

void db_error_from(const struct db_pool *p, struct db_query *q, const PGresult *res, int is_parse, int is_cancel)
{
	const char *state = db_sqlstate(res);
	const char *text = PQresultErrorField(res, PG_DIAG_MESSAGE_PRIMARY);
	const char *constraint = PQresultErrorField(res, PG_DIAG_CONSTRAINT_NAME);

	q->bad_param = 0;
	q->is_half_done = 0;
	snprintf(q->sqlstate, sizeof(q->sqlstate), "%s", state);
	db_one_line(q->text, sizeof(q->text), text ? text : PQresultErrorMessage(res));
	db_one_line(q->constraint, sizeof(q->constraint), constraint ? constraint : "");
	q->row = *state ? sqlstate_row(state, conditions(p, q, res, is_parse) | (is_cancel ? SQLSTATE_CANCEL : 0)) : NULL;
	q->error = q->row ? q->row->error : E_db_down;
	q->client_text[0] = 0;
	if (strcmp(state, "P0001") == 0 && text)
		snprintf(q->client_text, sizeof(q->client_text), "%s", q->text);
}
