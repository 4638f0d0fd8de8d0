/* What an endpoint's file promises, held against what the server said of its statement: columns of the
 * answer, of @header, defaults and bounds of parameters. So that it fails once, when the file is loaded,
 * and not at each request. */
#include "config.h"

#include "lib/pg/db_priv.h"

#include <ctype.h>
#include <stdlib.h>

#include "lib/conf/endpoint.h"

#define refuse(s, at, ...) err_set_at(&(s)->failed, E_sql, (s)->file, (at) ? (at) : (s)->line, 0, __VA_ARGS__)

static const struct param *param_of(const struct endpoint *ep, unsigned number)
{
	for (unsigned i = 0; ep && number && i < ep->n_params; i++)
		if (ep->params[i].number == number)
			return &ep->params[i];
	return NULL;
}

void db_shape_names(const struct db_stmt *s, const char *text, struct buf *out)
{
	while (*text) {
		char *end;
		unsigned long number = *text == '$' && isdigit((unsigned char)text[1]) ? strtoul(text + 1, &end, 10) : 0;
		const struct param *p = number <= ENDPOINT_MAX_PARAMS ? param_of(s->endpoint, (unsigned)number) : NULL;

		if (p) {
			buf_addf(out, ":%s", p->name);
			text = end;
		} else {
			buf_addc(out, *text++);
		}
	}
}

static int has_column(const struct db_desc *d, struct slice name)
{
	for (unsigned c = 0; c < d->n_columns; c++)
		if (slice_eq(slice_str(d->columns[c].name), name))
			return 1;
	return 0;
}

static int check_columns(struct db_stmt *s)
{
	enum endpoint_returns returns = s->endpoint->returns;
	const struct db_desc *d = s->desc;

	if ((returns == RETURNS_VALUE || returns == RETURNS_JSON) && d->n_columns != 1)
		return refuse(s, 0, "the statement returns %u columns, @returns wants exactly 1", d->n_columns);
	if (returns == RETURNS_JSON && !d->columns[0].is_json)
		return refuse(s, 0, "@returns json needs a column of type json or jsonb; cast it, or use @returns value");
	return 0;
}

static int check_headers(struct db_stmt *s)
{
	for (unsigned i = 0; i < s->endpoint->n_headers; i++) {
		const struct header_rule *h = &s->endpoint->headers[i];

		for (const char *p = strchr(h->value, '{'), *end; p && (end = strchr(p, '}')); p = strchr(end, '{')) {
			struct slice name = slice_of(p + 1, (size_t)(end - p - 1));

			if (!has_column(s->desc, name))
				return refuse(s, 0, "@header %s: the statement returns no column %.*s", h->name,
					      SLICE_ARG(name));
		}
	}
	return 0;
}

static int check_text(struct db_stmt *s, const struct param *p, const struct db_type *t, const char *what,
		      const char *text)
{
	const char *expected = text ? db_type_check(t->kind, slice_str(text)) : NULL;

	return expected ? refuse(s, p->line, "parameter %s: %s '%.60s' does not fit its type; expected %s", p->name,
				 what, text, expected)
			: 0;
}

/* A default of an array is bound as it stands, and is the server's to read. */
static int check_param(struct db_stmt *s, const struct param *p)
{
	const struct db_type *t = &s->desc->params[p->number - 1];
	/* a bound may lie outside of an integer's type */
	int is_int = t->kind == DB_INT2 || t->kind == DB_INT4 || t->kind == DB_INT8;
	struct db_type bound = {.kind = is_int ? DB_NUMERIC : t->kind};

	if (p->flags & PARAM_CHOICE)
		return 0;
	if (t->is_array && p->def && p->def[0] != '{')
		return refuse(s, p->line, "parameter %s: default '%.60s' does not fit its type; expected an array such as "
			      "{} or {a,b}", p->name, p->def);
	if (!t->is_array && check_text(s, p, t, "default", p->def))
		return -1;
	if (check_text(s, p, &bound, "bound", p->range_min) || check_text(s, p, &bound, "bound", p->range_max))
		return -1;
	for (unsigned i = 0; i < p->n_choices; i++)
		if (check_text(s, p, t, "choice", p->choices[i]))
			return -1;
	return 0;
}

void db_shape_check(struct db_stmt *s)
{
	if (!s->endpoint || check_columns(s) || check_headers(s))
		return;
	for (unsigned i = 0; i < s->endpoint->n_params; i++) {
		const struct param *p = &s->endpoint->params[i];

		if (p->number && p->number <= s->desc->n_params && check_param(s, p))
			return;
	}
}
