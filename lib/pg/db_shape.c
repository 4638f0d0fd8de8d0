/* What an endpoint's file promises, held against what the server said of its statement: columns of the
 * answer, of @header, defaults and bounds of parameters. So that it fails once, when the file is loaded,
 * and not at each request. */
#include "config.h"

#include "lib/pg/db_priv.h"

#include <ctype.h>
#include <stdlib.h>

#include "lib/base/utf8.h"
#include "lib/conf/endpoint.h"
#include "lib/conf/session.h"
#include "lib/pg/db_array.h"
#include "lib/pg/db_canon.h"
#include "lib/pg/db_order.h"

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

static unsigned has_column(const struct db_desc *d, struct slice name)
{
	unsigned n = 0;

	for (unsigned c = 0; c < d->n_columns; c++)
		n += slice_eq(slice_str(d->columns[c].name), name) ? 1 : 0;
	return n;
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
			if (s->desc->wrap == DB_WRAP_ROW && has_column(s->desc, name) > 1)
				return refuse(s, 0, "@header %s: two columns are called %.*s; give one of them another name",
					      h->name, SLICE_ARG(name));
		}
	}
	return 0;
}

/* For what a text of the file has to be to fit a parameter. */
struct fit {
	const struct param *p;
	const struct db_type *t;
	enum db_order order;
	struct db_point min, max;	/* where the range has them */
};

static int is_within(const struct fit *f, struct slice text)
{
	struct db_point v;

	/* a default may be a word such as today, which has no place in an order before it is used */
	if ((!f->p->range_min && !f->p->range_max) || db_order_read(f->order, text, &v))
		return 1;
	return !(f->p->range_min && db_order_compare(f->order, &v, &f->min) < 0) &&
	       !(f->p->range_max && db_order_compare(f->order, &v, &f->max) > 0);
}

static int is_choice(const struct param *p, struct slice text)
{
	for (unsigned i = 0; i < p->n_choices; i++)
		if (slice_eq(slice_str(p->choices[i]), text))
			return 1;
	return !p->n_choices;
}

/* Why a default, or an element of one, does not fit; NULL: it does. */
static const char *why_not(const struct fit *f, struct slice text)
{
	size_t chars = utf8_length(text);
	const char *expected = db_type_check(f->t->kind, text);

	if (expected)
		return expected;
	if (!is_choice(f->p, text))
		return "one of its alternatives";
	if (!is_within(f, text))
		return "a value within its range";
	if ((f->p->minlen && chars < f->p->minlen) || (f->p->maxlen && chars > f->p->maxlen))
		return "a length within minlen and maxlen";
	return NULL;
}

static int element_fits(void *ctx, struct slice item)
{
	return !item.p || !why_not(ctx, item) ? 0 : 1;
}

static int check_text(struct db_stmt *s, const struct param *p, const struct db_type *t, const char *what,
		      const char *text)
{
	const char *expected = text ? db_type_check(t->kind, slice_str(text)) : NULL;

	return expected ? refuse(s, p->line, "parameter %s: %s '%.60s' does not fit its type; expected %s", p->name,
				 what, text, expected)
			: 0;
}

static int check_bound(struct db_stmt *s, const struct fit *f, const char *text, struct db_point *ret)
{
	if (!text || db_order_read(f->order, slice_str(text), ret) == 0)
		return 0;
	return refuse(s, f->p->line, "parameter %s: bound '%.60s' does not fit its type; expected %s", f->p->name, text,
		      db_order_form(f->order));
}

static int check_range(struct db_stmt *s, struct fit *f)
{
	const struct param *p = f->p;

	if (!p->range_min && !p->range_max)
		return 0;
	f->order = db_order_of(f->t->base);
	if (f->order == DB_ORDER_NONE)
		return refuse(s, p->line, "parameter %s: range does not compare values of type %s; it does integers, numeric, "
			      "float, date, time and timestamp. Compare in the SQL", p->name, db_type_name(f->t));
	if (check_bound(s, f, p->range_min, &f->min) || check_bound(s, f, p->range_max, &f->max))
		return -1;
	if (p->range_min && p->range_max && db_order_compare(f->order, &f->min, &f->max) > 0)
		return refuse(s, p->line, "parameter %s: the beginning of its range %s..%s is larger than its end", p->name,
			      p->range_min, p->range_max);
	return 0;
}

/* An array's is bound as it stands, and the last word on it is the server's. */
static int check_default(struct db_stmt *s, struct fit *f)
{
	const struct param *p = f->p;
	const char *expected;

	if (!p->def)
		return 0;
	if (!f->t->is_array) {
		expected = why_not(f, slice_str(p->def));
		return expected ? refuse(s, p->line, "parameter %s: default '%.60s' does not fit its type; expected %s",
					 p->name, p->def, expected)
				: 0;
	}
	if (p->def[0] != '{' && p->def[0] != '[')
		return refuse(s, p->line, "parameter %s: default '%.60s' does not fit its type; expected an array such as "
			      "{} or {a,b}", p->name, p->def);
	if (db_array_each(slice_str(p->def), f->t->delim, element_fits, f) > 0)
		return refuse(s, p->line, "parameter %s: an element of default '%.60s' does not fit its type or bounds", p->name,
			      p->def);
	return 0;
}

/* Bounds are read once, and not for each request. Their texts are the file's. */
static const struct db_point *keep_point(struct db_stmt *s, const struct db_point *p)
{
	struct db_point *kept = arena_alloc(&s->desc->arena, sizeof(*kept));

	*kept = *p;
	return kept;
}

/* The tag that it fills: its line is the file's. */
static const struct tag_template *tag_of(const struct endpoint *ep, const struct param *p)
{
	for (unsigned i = 0; i < ep->cache.n_tags + ep->n_invalidates; i++) {
		const struct tag_template *t = i < ep->cache.n_tags ? &ep->cache.tags[i] : &ep->invalidates[i - ep->cache.n_tags];

		for (unsigned k = 0; k < t->n_parts; k++)
			if (t->parts[k].kind == TAG_PARAM && &ep->params[t->parts[k].param] == p)
				return t;
	}
	return NULL;
}

static int check_tag(struct db_stmt *s, const struct param *p, const struct db_type *t)
{
	const struct tag_template *tag = p->flags & PARAM_TAG ? tag_of(s->endpoint, p) : NULL;

	if (!tag)
		return 0;
	if (t->canon == DB_CANON_NONE)
		return refuse(s, tag->line, "tag %s: parameter %s %s%s, whose equal values have many spellings; tags are filled with "
			      "integers, numeric, boolean, uuid, date, time, timestamp, text or enums", tag->text, p->name,
			      t->is_array ? "is an array of " : "is of type ", db_type_name(t));
	if (t->rounds)
		return refuse(s, tag->line, "tag %s: parameter %s is of a domain with a scale or a length, which makes one value of "
			      "several while the tag is told before; give it the base type, as in :%s::%s", tag->text, p->name,
			      p->name, t->canon == DB_CANON_TEXT ? "text" : db_type_name(t));
	if (p->def && !db_canon_reads((enum db_canon)t->canon, slice_str(p->def)))
		return refuse(s, p->line, "parameter %s: default '%.60s' fills a tag; expected %s", p->name, p->def,
			      db_canon_form((enum db_canon)t->canon));
	return 0;
}

static int check_now(struct db_stmt *s, const struct param *p, const struct db_type *t)
{
	if (!s->endpoint->cache.is_on || !p->def || !db_canon_is_now(t->base, slice_str(p->def)))
		return 0;
	return refuse(s, p->line, "parameter %s: default '%.60s' is another day tomorrow, and the answer is kept; make it optional and "
		      "write coalesce(:%s, current_date) in the statement, with @cache as long as that may be old", p->name, p->def,
		      p->name);
}

static int check_param(struct db_stmt *s, const struct param *p)
{
	struct db_type *t = &s->desc->params[p->number - 1];
	struct fit f = {.p = p, .t = t};

	if (p->flags & PARAM_CHOICE)
		return 0;
	if (check_tag(s, p, f.t) || check_now(s, p, f.t) || check_range(s, &f) || check_default(s, &f))
		return -1;
	for (unsigned i = 0; i < p->n_choices; i++)
		if (check_text(s, p, t, "choice", p->choices[i]))
			return -1;
	if (p->range_min)
		t->min = keep_point(s, &f.min);
	if (p->range_max)
		t->max = keep_point(s, &f.max);
	return 0;
}

/* Is the column's name the name of another member of the row's object before it? */
static int is_taken(const struct db_stmt *s, unsigned c)
{
	const struct db_desc *d = s->desc;

	for (unsigned i = 0; i < c; i++)
		if (strcmp(d->columns[i].name, d->columns[c].name) == 0)
			return 1;
	for (unsigned i = 0; i < s->endpoint->n_includes; i++)
		if (strcmp(s->endpoint->includes[i].name, d->columns[c].name) == 0)
			return 1;
	return 0;
}

/* Names of members: where rows are objects, each should have one of its own. */
static void warn_names(struct db_stmt *s)
{
	struct db_desc *d = s->desc;
	enum endpoint_returns returns = s->endpoint->returns;
	unsigned unnamed = 0, taken = 0;

	if (returns != RETURNS_ROWS && returns != RETURNS_ROW)
		return;
	if (!d->n_columns && session_selects(s->sql))
		d->warnings[d->n_warnings++] = "the statement has no columns, and so each row of the answer is {}";
	else if (!d->n_columns)
		d->warnings[d->n_warnings++] = returns == RETURNS_ROW
			? "the statement returns nothing, and so each answer is 404; say RETURNING, or @returns none"
			: "the statement returns nothing, and so each answer is []; say RETURNING, or @returns none";
	for (unsigned c = d->n_columns; c-- > 0;) {
		if (strcmp(d->columns[c].name, "?column?") == 0 && !strstr(s->sql, "\"?column?\""))
			unnamed = c + 1;
		else if (is_taken(s, c))
			taken = c + 1;
	}
	if (unnamed)
		d->warnings[d->n_warnings++] =
		    arena_fmt(&d->arena, "column %u has no name, and \"?column?\" in the answer; name it with AS", unnamed);
	if (taken)
		d->warnings[d->n_warnings++] =
		    arena_fmt(&d->arena, "two members of the answer are named %.60s (column %u is one), and most readers of JSON see only "
			      "one of them; rename it with AS", d->columns[taken - 1].name, taken);
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
	warn_names(s);
}
