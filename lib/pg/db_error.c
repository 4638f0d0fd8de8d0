/* What an SQLSTATE means for the client. Message texts are never read: they follow
 * lc_messages. */
#include "config.h"

#include "lib/pg/db_priv.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

static const struct {
	const char *prefix;	/* SQLSTATE or its beginning; the first that fits counts */
	enum err_id id;
} map[] = {
    {"22", E_bad_parameter},	 {"23502", E_unprocessable}, {"23514", E_unprocessable},
    {"23505", E_conflict},	 {"23503", E_conflict},	     {"23P01", E_conflict},
    {"23", E_conflict},		 {"P0001", E_unprocessable}, {"P0002", E_no_row},
    {"40001", E_serialization},	 {"40P01", E_serialization}, {"40", E_serialization},
    {"42501", E_forbidden},	 {"42", E_sql},		     {"57014", E_timeout},
    {"55P03", E_timeout},	 {"57P", E_db_down},	     {"53", E_unavailable},
    {"58", E_unavailable},	 {"08", E_db_down},	     {"28", E_db_down},
    {"25006", E_sql},		 {"XX", E_sql},
};

const char *db_sqlstate(const PGresult *res)
{
	const char *s = PQresultErrorField(res, PG_DIAG_SQLSTATE);

	return s ? s : "";
}

int db_error_class(const PGresult *res, const char *class2)
{
	return strncmp(db_sqlstate(res), class2, strlen(class2)) == 0;
}

int db_is_guard_hit(const PGresult *res)
{
	return strcmp(db_sqlstate(res), "57014") == 0;
}

/* "… parameter $3 …" in the context of an error in a parameter's input function: the number is not
 * translated. */
static unsigned parameter_number(const char *context)
{
	for (const char *p = context; p && (p = strchr(p, '$')); p++)
		if (isdigit((unsigned char)p[1]))
			return (unsigned)strtoul(p + 1, NULL, 10);
	return 0;
}

unsigned db_error_parameter(const PGresult *res)
{
	return parameter_number(PQresultErrorField(res, PG_DIAG_CONTEXT));
}

void db_error_from(struct db_query *q, const PGresult *res)
{
	const char *state = db_sqlstate(res);
	const char *text = PQresultErrorField(res, PG_DIAG_MESSAGE_PRIMARY);

	q->error = E_sql;
	for (size_t i = 0; i < ARRAY_LEN(map); i++)
		if (strncmp(state, map[i].prefix, strlen(map[i].prefix)) == 0) {
			q->error = map[i].id;
			break;
		}
	if (!*state)
		q->error = E_db_down;
	snprintf(q->sqlstate, sizeof(q->sqlstate), "%s", state);
	db_one_line(q->text, sizeof(q->text), text ? text : PQresultErrorMessage(res));
	q->client_text[0] = 0;
	q->bad_param = 0;
	if (strcmp(state, "P0001") == 0 && text)
		snprintf(q->client_text, sizeof(q->client_text), "%s", q->text);
	if (strncmp(state, "22", 2) == 0)
		q->bad_param = parameter_number(PQresultErrorField(res, PG_DIAG_CONTEXT));
}
