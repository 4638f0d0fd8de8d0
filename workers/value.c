#include "config.h"

#include "workers/value.h"

#include "lib/base/utf8.h"
#include "lib/json/jw.h"
#include "lib/pg/db_array.h"
#include "lib/pg/db_canon.h"
#include "lib/pg/db_order.h"
#include "workers/worker.h"

/* Of a parameter that no statement has: only parts are given it. */
static const struct db_type unknown = {.kind = DB_OTHER, .delim = ','};
/* Nobody has said yet what the statement's types are, because the database is away. */
static const struct db_type untold = {.kind = DB_OTHER, .delim = ','};

static int is_for_parts(const struct req *r, const struct param *p)
{
	return p->number > r->run->ep->n_bound;
}

static const struct db_type *type_of(const struct req *r, const struct param *p)
{
	const struct db_desc *d;

	if (!p->number || !r->run->pool || is_for_parts(r, p))
		return &unknown;
	d = db_pool_stmt(r->run->pool, r->run->first_stmt + r->variant)->desc;
	return !d ? &untold : p->number <= d->n_params ? &d->params[p->number - 1] : &unknown;
}

int value_is_array(const struct req *r, const struct param *p)
{
	return type_of(r, p)->is_array;
}

int value_choice(const struct param *p, struct slice text, unsigned *ret)
{
	for (unsigned i = 0; i < p->n_choices; i++)
		if (slice_eq(text, slice_str(p->choices[i]))) {
			*ret = i;
			return 1;
		}
	return 0;
}

const char *value_choices_text(struct req *r, const struct param *p)
{
	AUTO(buf) struct buf b;

	buf_init(&b, 0);
	buf_adds(&b, "one of ");
	for (unsigned i = 0; i < p->n_choices; i++)
		buf_addf(&b, "%s%s", i ? ", " : "", p->choices[i]);
	return arena_strn(&r->arena, b.p, b.n);
}

void value_fault(struct req *r, const struct param *p, const struct found *f, const char *expected)
{
	req_fault(r, E_bad_parameter, p->name, f->source, expected);
}

static const char *range_text(struct req *r, const struct param *p, const char *what)
{
	if (p->range_min && p->range_max)
		return arena_fmt(&r->arena, "%s from %s to %s", what, p->range_min, p->range_max);
	if (p->range_min)
		return arena_fmt(&r->arena, "%s of at least %s", what, p->range_min);
	return arena_fmt(&r->arena, "%s of at most %s", what, p->range_max);
}

/* A bound that was read when the statement was described, or is read now as a number: 1 and the value is beyond it. */
static int is_beyond(enum db_order order, const struct db_point *v, const struct db_point *bound, const char *text, int sign)
{
	struct db_point now;

	if (!text)
		return 0;
	if (!bound && db_order_read(order, slice_str(text), &now))
		return 1;
	return db_order_compare(order, v, bound ? bound : &now) * sign > 0;
}

/* What the value has to be, or NULL: it is within the range. */
static const char *out_of_range(struct req *r, const struct param *p, const struct db_type *t, struct slice text)
{
	/* what only parts are given is compared as a number: the file was checked for that */
	enum db_order order = t == &unknown ? DB_ORDER_NUMERIC : db_order_of(t->base);
	struct db_point v;

	if (db_order_read(order, text, &v))
		return range_text(r, p, db_order_form(order));
	if (is_beyond(order, &v, t->min, p->range_min, -1) || is_beyond(order, &v, t->max, p->range_max, 1))
		return range_text(r, p, "a value");
	return NULL;
}

static const char *length_text(struct req *r, const struct param *p)
{
	if (p->minlen && p->maxlen)
		return arena_fmt(&r->arena, "%u to %u characters", p->minlen, p->maxlen);
	return p->minlen ? arena_fmt(&r->arena, "at least %u characters", p->minlen)
			 : arena_fmt(&r->arena, "at most %u characters", p->maxlen);
}

static int has_bounds(const struct param *p)
{
	return p->n_choices || p->range_min || p->range_max || p->minlen || p->maxlen;
}

/* What the text must be for its type, or NULL. */
/* A document says what is wrong with it: its depth, a member that stands twice. */
static const char *bad_document(struct req *r, struct slice text, const char *expected)
{
	struct err e;

	return jr_validate(text, &e) ? arena_fmt(&r->arena, "%s; %s", expected, e.text) : expected;
}

static const char *not_of_type(struct req *r, const struct db_type *t, struct slice text)
{
	const char *expected = db_type_check(t->kind, text);

	return unlikely(expected && t->kind == DB_JSON) ? bad_document(r, text, expected) : expected;
}

/* What a value has to be written like to fill a tag, or NULL. */
static const char *not_canonical(const struct db_type *t, struct slice text)
{
	return db_canon_reads((enum db_canon)t->canon, text) ? NULL : db_canon_form((enum db_canon)t->canon);
}

/* One text against type and declaration. */
static int is_good(struct req *r, const struct param *p, const struct found *f, const struct db_type *t,
		   struct slice text)
{
	const char *expected = not_of_type(r, t, text);
	unsigned i;

	/* of an untold type the tag is made again when it is told: db_query.takes */
	if (!expected && unlikely(p->flags & PARAM_TAG) && t != &unknown && t != &untold)
		expected = not_canonical(t, text);
	if (!expected && r->run->ep->cache.is_on && db_canon_is_now(t->base, text))
		expected = "a value that does not depend on when it is asked for";
	if (!expected && has_bounds(p)) {
		size_t chars = p->minlen || p->maxlen ? utf8_length(text) : 0;

		if (p->n_choices && !value_choice(p, text, &i))
			expected = value_choices_text(r, p);
		else if ((p->range_min || p->range_max) && t != &untold)
			expected = out_of_range(r, p, t, text);
		if (!expected && ((p->minlen && chars < p->minlen) || (p->maxlen && chars > p->maxlen)))
			expected = length_text(r, p);
	}
	if (expected)
		value_fault(r, p, f, expected);
	return !expected;
}

/* ---- arrays ---- */

/* A literal under construction. */
struct array {
	struct req *r;
	const struct param *p;
	const struct found *f;
	const struct db_type *t;
	struct buf b;
	unsigned n;				/* elements so far */
	unsigned leaves;			/* the depth at which elements stand; 0: none was seen */
	unsigned lengths[DB_ARRAY_MAX_DIMS + 1];	/* by depth, from 1; 0: none was seen */
};

static int wrong(const struct array *a, const char *expected)
{
	value_fault(a->r, a->p, a->f, expected);
	return -1;
}

/* 0 or -1. */
static int put_element(struct array *a, int is_null, struct slice text)
{
	if (a->n++ == VALUE_MAX_ITEMS)
		return wrong(a, "at most " STRINGIFY(VALUE_MAX_ITEMS) " elements");
	if (is_null) {
		/* a bound that one element need not keep is none */
		if (has_bounds(a->p))
			return wrong(a, "elements that are not null");
		db_array_null(&a->b);
		return 0;
	}
	if (!is_good(a->r, a->p, a->f, a->t, text))
		return -1;
	db_array_item(&a->b, text);
	return 0;
}

/* A JSON string for json is a string document, any other value is itself. */
static struct slice document(struct req *r, enum jr_type type, struct slice text)
{
	AUTO(buf) struct buf b;

	buf_init(&b, 0);
	if (type != JR_STRING)
		return slice_of(arena_strn(&r->arena, text.p, text.n), text.n);
	jw_string(&b, text);
	return slice_of(arena_strn(&r->arena, b.p, b.n), b.n);
}

static int put_array(struct array *a, struct slice json, unsigned depth);

static int put_member(struct array *a, const struct jr_member *m, unsigned depth)
{
	if (m->type == JR_ARRAY && a->t->kind != DB_JSON)
		return put_array(a, m->text, depth + 1);
	if (a->leaves && a->leaves != depth)
		return wrong(a, "inner arrays of one depth and length");
	a->leaves = depth;
	if (m->type == JR_NULL)
		return put_element(a, 1, m->text);
	if (a->t->kind == DB_JSON)
		return put_element(a, 0, document(a->r, m->type, m->text));
	/* a claim's objects are text, as they are where no array is */
	if (m->type == JR_OBJECT && !(a->p->source == SOURCE_CLAIM && a->t->kind == DB_TEXT))
		return wrong(a, "elements that are strings, numbers or booleans; objects are for json");
	return put_element(a, 0, m->text);
}

/* A JSON array; inner ones are further dimensions, which PostgreSQL wants rectangular. */
static int put_array(struct array *a, struct slice json, unsigned depth)
{
	struct jr_member *items;
	struct err e;
	unsigned n;

	if (depth > DB_ARRAY_MAX_DIMS)
		return wrong(a, "at most " STRINGIFY(DB_ARRAY_MAX_DIMS) " dimensions");
	if (jr_array(json, &a->r->arena, VALUE_MAX_ITEMS, &items, &n, &e))
		return wrong(a, "an array of at most " STRINGIFY(VALUE_MAX_ITEMS) " elements");
	if ((depth > 1 && n == 0) || (a->leaves && depth > a->leaves) || (a->lengths[depth] && a->lengths[depth] != n))
		return wrong(a, "inner arrays of one depth and length");
	a->lengths[depth] = n;
	buf_addc(&a->b, '{');
	for (unsigned i = 0; i < n; i++) {
		if (i)
			buf_addc(&a->b, a->t->delim);
		if (put_member(a, &items[i], depth))
			return -1;
	}
	buf_addc(&a->b, '}');
	return 0;
}

/* Each string is one element. */
static int put_strings(struct array *a)
{
	const struct found *f = a->f;

	buf_addc(&a->b, '{');
	for (unsigned i = 0; i <= f->n_more; i++) {
		struct slice text = i == 0 ? f->text : f->more[i - 1];

		if (i)
			buf_addc(&a->b, a->t->delim);
		if (a->t->kind == DB_JSON && f->is_json)
			text = document(a->r, JR_STRING, text);
		if (put_element(a, 0, text))
			return -1;
	}
	buf_addc(&a->b, '}');
	return 0;
}

static int check_element(void *ctx, struct slice item)
{
	struct array *a = ctx;
	int is_fine;

	buf_clear(&a->b);
	is_fine = put_element(a, !item.p, item) == 0;
	return is_fine ? 0 : 1;
}

/* The literal that stands for what was sent, or NULL after a fault. */
static const char *array_text(struct req *r, const struct param *p, const struct found *f, const struct db_type *t)
{
	struct array a = {.r = r, .p = p, .f = f, .t = t};
	const char *text = NULL;
	int rc;

	buf_init(&a.b, 0);
	if (f->is_literal) {
		rc = db_array_each(f->text, t->delim, check_element, &a);
		if (rc < 0)
			(void)wrong(&a, "an array");
		else if (!rc)
			text = f->text.p;
	} else if (f->type == JR_ARRAY ? put_array(&a, f->text, 1) == 0
		   : f->type == JR_STRING && p->source != SOURCE_BODY ? put_strings(&a) == 0
								      : wrong(&a, "an array") == 0) {
		text = arena_strn(&r->arena, a.b.p, a.b.n);
	}
	buf_done(&a.b);
	if (text)
		r->array_values |= UINT64_C(1) << (p - r->run->ep->params);
	return text;
}

/* ---- one value ---- */

const char *value_text(struct req *r, const struct param *p, const struct found *f)
{
	const struct db_type *t = type_of(r, p);
	int is_several = f->n_more || f->type == JR_ARRAY || f->type == JR_OBJECT;
	struct slice text = f->text;

	if (unlikely(t == &untold) && is_several) {
		/* nobody can tell whether that would be right (what else is taken so is looked at again: db_query.takes) */
		const struct db_stmt *s = db_pool_stmt(r->run->pool, r->run->first_stmt + r->variant);

		req_fail(r, s->failed.id ? s->failed.id : E_db_down, NULL);
		return NULL;
	}
	if (t->is_array || (f->n_more && is_for_parts(r, p)))
		return array_text(r, p, f, t);
	if (f->n_more) {
		value_fault(r, p, f, "given once");
		return NULL;
	}
	if (t->kind == DB_JSON && f->is_json)
		text = document(r, f->type, text);
	if (is_several && t->kind != DB_JSON && p->source != SOURCE_CLAIM && p->source != SOURCE_BODY) {
		value_fault(r, p, f, db_type_name(t));
		return NULL;
	}
	if (!is_good(r, p, f, t, text))
		return NULL;
	/* all end in NUL but what was cut out of a JSON body */
	return f->is_json && f->type != JR_STRING && t->kind != DB_JSON ? arena_strn(&r->arena, text.p, text.n) : text.p;
}
