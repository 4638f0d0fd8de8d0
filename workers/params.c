#include "config.h"

#include "workers/params.h"

#include "lib/base/utf8.h"
#include "lib/json/jr.h"
#include "workers/value.h"
#include "workers/worker.h"

#define MAX_MEMBERS 256u

static const char *const source_names[] = {
    [SOURCE_AUTO] = "query or body", [SOURCE_PATH] = "path", [SOURCE_QUERY] = "query",
    [SOURCE_JSON] = "body",	     [SOURCE_HEADER] = "header", [SOURCE_COOKIE] = "cookie",
    [SOURCE_USER] = "user",	     [SOURCE_CLAIM] = "claim",	 [SOURCE_BODY] = "body"};

static uint64_t takes_of(const struct req *r)
{
	const struct db_desc *d = db_pool_stmt(r->run->pool, r->run->first_stmt + r->variant)->desc;

	return d ? d->takes : 0;
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
			f[i] = (struct found){.text = pair->value, .source = "query", .type = JR_STRING,
					      .is_literal = k < 64 && r->literal_pairs >> k & 1};
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
				      .is_json = 1, .is_null = m[k].type == JR_NULL};
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

/* What a valid document is, as far as it matters: an array or an object, or else. */
static enum jr_type type_of_document(struct slice s)
{
	while (s.n && strchr(" \t\r\n", s.p[0]))
		s.p++, s.n--;
	return s.n && s.p[0] == '[' ? JR_ARRAY : s.n && s.p[0] == '{' ? JR_OBJECT : JR_STRING;
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
			f->is_json = 1;
		}
		return;		/* verified, and read as JSON: valid UTF-8 */
	}
	case SOURCE_BODY:
		if (r->body.n)
			f->text = slice_of(buf_str(&r->body), r->body.n);
		f->type = type_of_document(f->text);
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
			value_fault(r, p, f, "given once");
		else if (f->text.p && !f->is_null && !value_choice(p, f->text, &k))
			value_fault(r, p, f, value_choices_text(r, p));
		else if (!f->text.p && !(p->flags & PARAM_HAS_DEFAULT))
			req_fault(r, E_bad_parameter, p->name, source_names[p->source], value_choices_text(r, p));
		else if (!f->text.p && p->def)
			(void)value_choice(p, slice_str(p->def), &k);
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
	r->takes = r->run->pool ? takes_of(r) : 0;
	r->values = arena_zalloc(&r->arena, sizeof(*r->values) * (ep->n_values + 1));
	for (unsigned i = 0; i < ep->n_params; i++) {
		const struct param *p = &ep->params[i];
		struct found *f = &found[i];

		if (!p->number)
			continue;
		if (f->is_null || !f->text.p) {
			if (p->flags & PARAM_HAS_DEFAULT && !f->is_null) {
				r->values[p->number - 1] = p->def;
				if (value_is_array(r, p))
					r->array_values |= UINT64_C(1) << i;
			}
			else if (p->flags & PARAM_REQUIRED && (p->source == SOURCE_USER || p->source == SOURCE_CLAIM))
				without_identity(r, p);
			else if (p->flags & PARAM_REQUIRED)
				req_fault(r, E_bad_parameter, p->name, source_names[p->source], "required");
			continue;
		}
		r->values[p->number - 1] = value_text(r, p, f);
	}
}
