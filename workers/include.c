#include "config.h"

#include "workers/include.h"

#include <ctype.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/check.h"
#include "lib/json/jw.h"
#include "workers/cachekey.h"
#include "workers/groups.h"
#include "workers/responses.h"
#include "workers/worker.h"

#define PART_HELD_FROM (256u * 1024)	/* smaller ones are not worth counting */

/* The arena of a whole that parts have outlived, or will. */
struct req_origin {
	unsigned refs;
	struct arena arena;		/* once the whole has ended */
};

static void put_encoded(struct buf *b, struct slice v)
{
	static const char hex[] = "0123456789ABCDEF";

	for (size_t i = 0; i < v.n; i++) {
		unsigned char c = (unsigned char)v.p[i];

		if (isalnum(c) || strchr("-._~", c)) {
			buf_addc(b, (char)c);
		} else {
			buf_addc(b, '%');
			buf_addc(b, hex[c >> 4]);
			buf_addc(b, hex[c & 15]);
		}
	}
}

static struct slice target_of(struct req *r, const struct tag_template *t)
{
	struct buf *b = &r->w->scratch;

	buf_clear(b);
	for (unsigned i = 0; i < t->n_parts; i++) {
		if (t->parts[i].kind == TAG_TEXT) {
			buf_add(b, t->parts[i].text.p, t->parts[i].text.n);
			continue;
		}
		put_encoded(b, cachekey_value(r, &t->parts[i]));
	}
	return slice_of(arena_strn(&r->arena, b->p ? b->p : "", b->n), b->n);
}

/* A whole's arrays are arrays for its parts, too: as the only ones they travel as literals, in pairs "name={array}". */
static void mark_literals(const struct req *r, const struct tag_template *t, struct req *p)
{
	for (unsigned i = 1; r->array_values && i < t->n_parts; i++) {
		const struct tag_part *before = &t->parts[i - 1], *part = &t->parts[i];
		struct slice name = before->text, value;

		if (part->kind != TAG_PARAM || before->kind != TAG_TEXT || !(r->array_values >> part->param & 1))
			continue;
		if (!name.n || name.p[--name.n] != '=')
			continue;
		for (size_t n = name.n; n--;)
			if (name.p[n] == '&' || name.p[n] == '?') {
				name = slice_of(name.p + n + 1, name.n - n - 1);
				break;
			}
		value = cachekey_value(r, part);
		for (unsigned k = 0; k < p->n_pairs && k < 64; k++)
			if (slice_eq(p->pairs[k].name, name) && slice_eq(p->pairs[k].value, value))
				p->literal_pairs |= UINT64_C(1) << k;
	}
}

static void start_one(struct req *r, unsigned i)
{
	struct req *p = req_new_part(r);
	struct include_plan *plan = &r->run->plans[i];
	struct err e;

	r->parts[i].req = p;
	p->part_index = i;
	if (plan->is_constant) {
		p->plan = plan;
		p->uri = plan->uri;
		p->path = plan->path;
		p->query = plan->query;
	} else {
		struct slice target = p->uri = target_of(r, &r->run->ep->includes[i].path);

		p->path = slice_cut(&target, '?');
		p->query = target.p ? target : (struct slice){NULL, 0};
	}
	if (!(p->plan && include_recall(p)) && p->query.n && http_query_parse(p->query, &p->arena, REQ_MAX_PAIRS, &p->pairs, &p->n_pairs, &e)) {
		req_fail(p, e.id, NULL);
		p->step = STEP_reply;
	}
	mark_literals(r, &r->run->ep->includes[i].path, p);
	req_run(p);
}

void include_start(struct req *r)
{
	unsigned n = r->run->ep->n_includes;

	r->parts = arena_alloc(&r->arena, n * sizeof(*r->parts));
	for (unsigned i = 0; i < n; i++)
		memset(&r->parts[i], 0, offsetof(struct part, soft_ms));
	r->n_parts = n;
	r->n_pending = n;
	for (unsigned i = 0; i < n; i++)
		start_one(r, i);
}

/* Leave of the query what ep knows. */
static void filter(struct req *p, const struct endpoint *ep)
{
	unsigned n = 0;

	for (unsigned i = 0; i < p->n_pairs; i++)
		for (unsigned k = 0; k < ep->n_params; k++)
			if (slice_eq(p->pairs[i].name, slice_str(ep->params[k].name))) {
				p->pairs[n++] = p->pairs[i];
				break;
			}
	p->n_pairs = n;
}

void include_get(struct req *r, const struct endpoint *ep)
{
	struct req *p = req_new_part(r);
	struct err e;

	r->parts = arena_zalloc(&r->arena, sizeof(*r->parts));
	r->n_parts = r->n_pending = 1;
	r->parts[0].req = p;
	p->uri = p->path = slice_of(arena_strn(&p->arena, r->path.p, r->path.n), r->path.n);
	p->asks_anew = 1;
	/* it was read before, for r */
	if (r->query.n && http_query_parse(r->query, &p->arena, REQ_MAX_PAIRS, &p->pairs, &p->n_pairs, &e) == 0)
		filter(p, ep);
	req_run(p);
}

void include_ended(struct req *p)
{
	struct req *r = p->parent;
	struct part *part;

	if (!r)
		return;
	p->parent = NULL;
	part = &r->parts[p->part_index];
	part->req = NULL;
	part->error = p->error;
	part->out = p->out;
	part->skip = p->lines_n;
	buf_init(&p->out, 0);
	if (part->out.cap > PART_HELD_FROM)
		responses_hold(r);
	if (p->has_key)
		groups_of_part(p, r);
	if (p->has_key && p->asks_anew)
		part->stamps = p->stamps;	/* as they were before its query */
	if (p->has_key && (p->layer || p->has_made)) {
		part->has_etag = 1;
		memcpy(part->etag, p->meta.etag, sizeof(part->etag));
	}
	if (p->has_key && (p->layer || p->is_stored)) {
		part->is_kept = 1;
		part->stamps = p->meta.stamps;
		part->soft_ms = p->meta.soft_ms;
		part->xmin = p->meta.xmin;
	}
	if (--r->n_pending == 0 && !r->in_run && (r->step == STEP_query || r->step == STEP_condition))
		req_run(r);
}

/* The part may outlive the whole. */
static void keep_origin(struct req *whole, struct req *part)
{
	if (!whole->origin) {
		whole->origin = calloc(1, sizeof(*whole->origin));
		if (!whole->origin)
			abort();
		whole->origin->refs = 1;
	}
	whole->origin->refs++;
	part->origin = whole->origin;
}

void include_leave(struct req *p)
{
	if (p->parent)
		keep_origin(p->parent, p);
	include_ended(p);
}

void include_release(struct req *r)
{
	struct req_origin *o = r->origin;

	if (o && !r->is_part)
		o->arena = r->arena;
	else
		arena_done(&r->arena);
	if (!o || --o->refs)
		return;
	arena_done(&o->arena);
	free(o);
}

void include_forget(struct req *r)
{
	for (unsigned i = 0; i < r->n_parts; i++) {
		if (r->parts[i].req) {
			keep_origin(r, r->parts[i].req);
			r->parts[i].req->parent = NULL;
		}
		worker_buf_give(r->w, &r->parts[i].out);
	}
	r->n_parts = 0;
}

int include_render(struct req *r)
{
	const struct endpoint *ep = r->run->ep;
	struct buf *out = &r->out;
	int is_empty;

	if (!ep->has_sql)
		buf_add(out, "{}", 2);
	check(out->n >= 2 && out->p[out->n - 1] == '}');
	is_empty = out->n == 2;
	out->n--;
	for (unsigned i = 0; i < r->n_parts; i++) {
		struct part *part = &r->parts[i];

		if (part->error && part->error != E_no_row) {
			req_fail(r, part->error == E_not_found ? E_internal : part->error, NULL);
			return -1;
		}
		buf_add(out, r->run->plans[i].member.p + is_empty, r->run->plans[i].member.n - (size_t)is_empty);
		is_empty = 0;
		if (part->error || part->out.n == part->skip)
			buf_adds(out, "null");
		else
			buf_add(out, part->out.p + part->skip, part->out.n - part->skip);
	}
	buf_addc(out, '}');
	return 0;
}

int include_join_stamps(struct req *r, uint64_t *ret_soft_ms)
{
	struct stamp_set *set = &r->stamps;

	for (unsigned i = 0; i < r->n_parts; i++) {
		const struct part *part = &r->parts[i];

		if (!part->is_kept)
			return 0;
		if (part->soft_ms < *ret_soft_ms)
			*ret_soft_ms = part->soft_ms;
		for (uint32_t k = 0; k < part->stamps.n; k++) {
			uint32_t at = 0;

			while (at < set->n && set->slot[at] != part->stamps.slot[k])
				at++;
			if (at == set->n && set->n == STAMPS_MAX_TAGS)
				return 0;
			if (at == set->n) {
				set->slot[set->n] = part->stamps.slot[k];
				set->gen[set->n++] = part->stamps.gen[k];
			} else if (set->gen[at] != part->stamps.gen[k]) {
				return 0;
			}
		}
	}
	return 1;
}
