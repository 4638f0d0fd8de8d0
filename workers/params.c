#include "config.h"

#include "workers/params.h"

#include "lib/base/num.h"
#include "lib/base/utf8.h"
#include "lib/json/jr.h"
#include "lib/json/jw.h"
#include "workers/worker.h"

#define MAX_MEMBERS 256u
#define MAX_ITEMS 10000u

/* What was found for one parameter. */
struct found {
	struct slice text;		/* p == NULL: absent */
	const char *source;
	enum jr_type type;		/* of a JSON member; JR_STRING for all other sources */
	int is_null;
	struct slice *more;		/* repeated query parameters */
	unsigned n_more;
};

static const char *const source_names[] = {
    [SOURCE_AUTO] = "query or body", [SOURCE_PATH] = "path", [SOURCE_QUERY] = "query",
    [SOURCE_JSON] = "body",	     [SOURCE_HEADER] = "header", [SOURCE_COOKIE] = "cookie",
    [SOURCE_USER] = "user",	     [SOURCE_CLAIM] = "claim",	 [SOURCE_BODY] = "body"};

static const struct db_type *type_of(const struct req *r, const struct param *p)
{
	static const struct db_type text = {.kind = DB_OTHER};
	const struct db_desc *d;

	if (!p->number || !r->run->pool)
		return &text;
	d = db_pool_stmt(r->run->pool, r->run->first_stmt + r->variant)->desc;
	return d && p->number <= d->n_params ? &d->params[p->number - 1] : &text;
}

static const struct param *find_param(const struct endpoint *ep, struct slice name, unsigned *ret_i)
{
	for (unsigned i = 0; i < ep->n_params; i++)
		if (slice_eq(slice_str(ep->params[i].name), name)) {
			*ret_i = i;
			return &ep->params[i];
		}
	return NULL;
}

static void from_query(struct req *r, struct found *f)
{
	const struct endpoint *ep = r->run->ep;

	for (unsigned k = 0; k < r->n_pairs; k++) {
		struct http_pair *pair = &r->pairs[k];
		unsigned i;
		const struct param *p = find_param(ep, pair->name, &i);

		if (!p || (p->source != SOURCE_QUERY && p->source != SOURCE_AUTO)) {
			if (!ep->admits_unknown)
				req_fault(r, E_bad_parameter, pair->name.p, "query", "no such parameter");
			continue;
		}
		if (!f[i].text.p) {
			f[i] = (struct found){.text = pair->value, .source = "query", .type = JR_STRING};
			continue;
		}
		if (f[i].n_more % 16 == 0) {
			struct slice *more = arena_alloc(&r->arena, sizeof(*more) * (f[i].n_more + 16));

			if (f[i].n_more)
				memcpy(more, f[i].more, sizeof(*more) * f[i].n_more);
			f[i].more = more;
		}
		f[i].more[f[i].n_more++] = pair->value;
	}
}

static void from_json(struct req *r, struct found *f)
{
	const struct endpoint *ep = r->run->ep;
	struct slice body = buf_slice(&r->body);
	struct jr_member *m;
	struct err e;
	unsigned n, wants = 0, whole = 0;

	for (unsigned i = 0; i < ep->n_params; i++) {
		wants += ep->params[i].source == SOURCE_JSON || ep->params[i].source == SOURCE_AUTO;
		whole += ep->params[i].source == SOURCE_BODY;
	}
	if (body.n == 0 || (!wants && !whole))
		return;
	if (!wants) {
		if (jr_validate(body, &e))
			req_fail(r, E_bad_json, arena_strn(&r->arena, e.text, strlen(e.text)));
		return;
	}
	if (jr_object(body, &r->arena, MAX_MEMBERS, &m, &n, &e)) {
		req_fail(r, E_bad_json, arena_strn(&r->arena, e.text, strlen(e.text)));
		return;
	}
	for (unsigned k = 0; k < n; k++) {
		unsigned i;
		const struct param *p = find_param(ep, m[k].name, &i);

		if (!p || (p->source != SOURCE_JSON && p->source != SOURCE_AUTO)) {
			if (!ep->admits_unknown && !whole)
				req_fault(r, E_bad_parameter, arena_strn(&r->arena, m[k].name.p, m[k].name.n),
					  "body", "no such parameter");
			continue;
		}
		if (f[i].text.p) {
			req_fault(r, E_bad_parameter, p->name, "body", "given in the query string, too");
			continue;
		}
		f[i] = (struct found){.text = m[k].text, .source = "body", .type = m[k].type,
				      .is_null = m[k].type == JR_NULL};
		if (!f[i].text.p)
			f[i].text = SLICE("");
	}
}

static struct slice header(const struct req *r, const char *cgi_name)
{
	struct slice name = slice_str(cgi_name);

	for (unsigned i = 0; i < r->n_params; i++)
		if (slice_eq(r->params[i].name, name))
			return r->params[i].value;
	return (struct slice){NULL, 0};
}

/* Headers, cookies, the user: bytes that nobody has looked at yet. */
static void from_elsewhere(struct req *r, const struct param *p, unsigned i, struct found *f)
{
	f->type = JR_STRING;
	f->source = source_names[p->source];
	switch (p->source) {
	case SOURCE_PATH:
		f->text = r->path_values[i];
		return;
	case SOURCE_HEADER:
		f->text = header(r, p->from_name);
		break;
	case SOURCE_COOKIE:
		f->text = http_cookie_find(r->cookie, slice_str(p->from_name ? p->from_name : p->name));
		if (f->text.p)
			f->text = slice_of(arena_strn(&r->arena, f->text.p, f->text.n), f->text.n);
		break;
	case SOURCE_USER:
		f->text = slice_str(r->user);
		break;
	case SOURCE_CLAIM: {
		const struct identity_entry *e = r->id ? identity_entry(r->id, slice_str(p->from_name)) : NULL;

		if (e) {
			f->text = e->text;
			f->type = e->type;
		}
		return;		/* verified, and read as JSON: valid UTF-8 */
	}
	case SOURCE_BODY:
		if (r->body.n)
			f->text = slice_of(buf_str(&r->body), r->body.n);
		break;
	case SOURCE_AUTO:
	case SOURCE_QUERY:
	case SOURCE_JSON:
		return;
	}
	if (f->text.p && !utf8_is_valid(f->text)) {
		req_fault(r, E_bad_encoding, p->name, f->source, "UTF-8 without NUL");
		f->text.p = NULL;
	}
}

static int in_choices(const struct param *p, struct slice text, unsigned *ret)
{
	for (unsigned i = 0; i < p->n_choices; i++)
		if (slice_eq(text, slice_str(p->choices[i]))) {
			*ret = i;
			return 1;
		}
	return 0;
}

static const char *choices_text(struct req *r, const struct param *p)
{
	AUTO(buf) struct buf b;

	buf_init(&b, 0);
	buf_adds(&b, "one of ");
	for (unsigned i = 0; i < p->n_choices; i++)
		buf_addf(&b, "%s%s", i ? ", " : "", p->choices[i]);
	return arena_strn(&r->arena, b.p, b.n);
}

static void fault(struct req *r, const struct param *p, const struct found *f, const char *expected)
{
	req_fault(r, E_bad_parameter, p->name, f->source, expected);
}

static const char *range_text(struct req *r, const struct param *p)
{
	if (p->range_min && p->range_max)
		return arena_fmt(&r->arena, "a value from %s to %s", p->range_min, p->range_max);
	if (p->range_min)
		return arena_fmt(&r->arena, "a value of at least %s", p->range_min);
	return arena_fmt(&r->arena, "a value of at most %s", p->range_max);
}

/* One text against type and declaration. */
static int is_good(struct req *r, const struct param *p, const struct found *f, const struct db_type *t,
		   struct slice text)
{
	const char *expected = db_type_check(t->kind, text);
	size_t chars;
	unsigned i;

	if (expected) {
		fault(r, p, f, expected);
		return 0;
	}
	if (p->n_choices && !in_choices(p, text, &i)) {
		fault(r, p, f, choices_text(r, p));
		return 0;
	}
	if ((p->range_min && db_type_compare(t->kind, text, slice_str(p->range_min)) < 0) ||
	    (p->range_max && db_type_compare(t->kind, text, slice_str(p->range_max)) > 0)) {
		fault(r, p, f, range_text(r, p));
		return 0;
	}
	if (!p->minlen && !p->maxlen)
		return 1;
	chars = utf8_length(text);
	if ((p->minlen && chars < p->minlen) || (p->maxlen && chars > p->maxlen)) {
		fault(r, p, f,
		      p->minlen && p->maxlen
			  ? arena_fmt(&r->arena, "%u to %u characters", p->minlen, p->maxlen)
		      : p->minlen ? arena_fmt(&r->arena, "at least %u characters", p->minlen)
				  : arena_fmt(&r->arena, "at most %u characters", p->maxlen));
		return 0;
	}
	return 1;
}

/* Repeated query parameters, or a JSON array, as an array literal. */
static const char *array_literal(struct req *r, const struct param *p, const struct found *f,
				 const struct db_type *t)
{
	AUTO(buf) struct buf b;
	struct jr_member *items = NULL;
	struct err e;
	unsigned n = 0;

	buf_init(&b, 0);
	buf_addc(&b, '{');
	if (f->type == JR_ARRAY) {
		if (jr_array(f->text, &r->arena, MAX_ITEMS, &items, &n, &e)) {
			fault(r, p, f, "an array");
			return NULL;
		}
		for (unsigned i = 0; i < n; i++) {
			int is_null = items[i].type == JR_NULL;

			if (!is_null && !is_good(r, p, f, t, items[i].text))
				return NULL;
			db_type_array_item(&b, i == 0, is_null, items[i].text);
		}
	} else if (f->n_more == 0 && f->text.n && f->text.p[0] == '{') {
		return f->text.p;	/* PostgreSQL's own literal: the server checks it */
	} else if (f->type != JR_STRING) {
		fault(r, p, f, "an array");
		return NULL;
	} else {
		for (unsigned i = 0; i <= f->n_more; i++) {
			struct slice text = i == 0 ? f->text : f->more[i - 1];

			if (!is_good(r, p, f, t, text))
				return NULL;
			db_type_array_item(&b, i == 0, 0, text);
		}
	}
	buf_addc(&b, '}');
	return arena_strn(&r->arena, b.p, b.n);
}

/* The text to bind, or NULL after a fault. */
static const char *value_text(struct req *r, const struct param *p, const struct found *f)
{
	const struct db_type *t = type_of(r, p);
	struct slice text = f->text;

	if (t->is_array)
		return array_literal(r, p, f, t);
	if (f->n_more) {
		fault(r, p, f, "given once");
		return NULL;
	}
	if (t->kind == DB_JSON && f->source && p->source != SOURCE_BODY && f->type == JR_STRING &&
	    (p->source == SOURCE_CLAIM || strcmp(f->source, "body") == 0)) {
		/* a JSON string for a json parameter is a string document */
		AUTO(buf) struct buf b;

		buf_init(&b, 0);
		jw_string(&b, text);
		return arena_strn(&r->arena, b.p, b.n);
	}
	if ((f->type == JR_OBJECT || f->type == JR_ARRAY) && t->kind != DB_JSON && p->source != SOURCE_CLAIM) {
		fault(r, p, f, db_type_name(t));
		return NULL;
	}
	if (!is_good(r, p, f, t, text))
		return NULL;
	/* query pairs, headers and arena copies end in NUL; slices of a JSON body do not */
	return strcmp(f->source, "body") == 0 && p->source != SOURCE_BODY
		   ? arena_strn(&r->arena, text.p, text.n)
		   : text.p;
}

/* @choice parameters first: they pick the statement whose types check the others. */
static void pick_variant(struct req *r, const struct found *found)
{
	const struct endpoint *ep = r->run->ep;
	unsigned variant = 0;

	for (unsigned i = 0; i < ep->n_params; i++) {
		const struct param *p = &ep->params[i];
		const struct found *f = &found[i];
		unsigned k = 0;

		if (!(p->flags & PARAM_CHOICE))
			continue;
		if (f->n_more)
			fault(r, p, f, "given once");
		else if (f->text.p && !f->is_null && !in_choices(p, f->text, &k))
			fault(r, p, f, choices_text(r, p));
		else if (!f->text.p && !(p->flags & PARAM_HAS_DEFAULT))
			req_fault(r, E_bad_parameter, p->name, source_names[p->source], choices_text(r, p));
		else if (!f->text.p && p->def)
			(void)in_choices(p, slice_str(p->def), &k);
		variant = variant * p->n_choices + k;
	}
	r->variant = variant;
}

/* A required value of the caller's identity is missing. */
static void without_identity(struct req *r, const struct param *p)
{
	if (!r->id)
		req_fail(r, E_unauthenticated, NULL);
	else if (p->source == SOURCE_USER)
		req_fail(r, E_forbidden, "This endpoint needs a user; the credential names none.");
	else
		req_fail(r, E_forbidden, arena_fmt(&r->arena, "The claim %s is missing.", p->from_name));
}

void params_bind(struct req *r)
{
	const struct endpoint *ep = r->run->ep;
	struct found found[ENDPOINT_MAX_PARAMS];

	memset(found, 0, sizeof(*found) * ep->n_params);
	if (r->n_pairs)
		from_query(r, found);
	if (r->wants_body)
		from_json(r, found);
	for (unsigned i = 0; i < ep->n_params; i++)
		if (!found[i].text.p)
			from_elsewhere(r, &ep->params[i], i, &found[i]);
	pick_variant(r, found);
	if (r->error == E_bad_json)
		return;
	r->values = arena_zalloc(&r->arena, sizeof(*r->values) * (ep->n_values + 1));
	for (unsigned i = 0; i < ep->n_params; i++) {
		const struct param *p = &ep->params[i];
		struct found *f = &found[i];

		if (!p->number)
			continue;
		if (f->is_null || !f->text.p) {
			if (p->flags & PARAM_HAS_DEFAULT && !f->is_null)
				r->values[p->number - 1] = p->def;
			else if (p->flags & PARAM_REQUIRED && (p->source == SOURCE_USER || p->source == SOURCE_CLAIM))
				without_identity(r, p);
			else if (p->flags & PARAM_REQUIRED)
				req_fault(r, E_bad_parameter, p->name, source_names[p->source], "required");
			continue;
		}
		r->values[p->number - 1] = value_text(r, p, f);
	}
}
