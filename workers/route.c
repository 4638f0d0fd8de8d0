#include "config.h"

#include "workers/route.h"

#include "lib/base/check.h"
#include "lib/http/http.h"

struct route_node {
	struct slice text;		/* literal */
	struct route_node *next;	/* sibling literal */
	struct route_node *literals;
	struct route_node *param;
	struct route_node *rest;	/* what {name...} leads to */
	struct endpoint_run *by_method[HTTP_OTHER + 1];	/* the last: any */
	unsigned allow;
};

void route_init(struct route *t)
{
	arena_pool_init(&t->pool, 1);
	arena_init(&t->arena, &t->pool);
	t->root = arena_zalloc(&t->arena, sizeof(*t->root));
}

void route_done(struct route *t)
{
	arena_done(&t->arena);
	arena_pool_done(&t->pool);
}

static struct route_node *child(struct route *t, struct route_node *n, const struct segment *s, int is_rest)
{
	struct route_node *c;

	if (is_rest) {
		if (!n->rest)
			n->rest = arena_zalloc(&t->arena, sizeof(*n));
		return n->rest;
	}
	if (s->param >= 0) {
		if (!n->param)
			n->param = arena_zalloc(&t->arena, sizeof(*n));
		return n->param;
	}
	for (c = n->literals; c; c = c->next)
		if (slice_eq(c->text, s->text))
			return c;
	c = arena_zalloc(&t->arena, sizeof(*n));
	c->text = s->text;
	c->next = n->literals;
	n->literals = c;
	return c;
}

void route_add(struct route *t, struct endpoint_run *run)
{
	struct route_node *n = t->root;
	enum http_method m = run->ep->method;

	for (unsigned i = 0; i < run->ep->n_segments; i++)
		n = child(t, n, &run->ep->segments[i], run->ep->takes_rest && i + 1 == run->ep->n_segments);
	check(n->by_method[m] == NULL);
	n->by_method[m] = run;
	n->allow |= 1u << m;
	if (m == HTTP_GET)
		n->allow |= 1u << HTTP_HEAD;
	n->allow |= m == HTTP_OTHER ? ~0u : 1u << HTTP_OPTIONS;
}

/* Depth first, the literal before the parameter; a template's depth bounds the recursion. */
static const struct route_node *walk(const struct route_node *n, struct slice rest, struct arena *a,
				     struct route_match *m)
{
	const struct route_node *hit;
	struct slice raw, seg, all = rest;

	if (!rest.p)
		return n->allow ? n : NULL;
	raw = slice_cut(&rest, '/');
	seg = raw;
	if (n->literals) {
		struct err e;

		if (raw.n && memchr(raw.p, '%', raw.n) && http_segment_decode(raw, a, &seg, &e))
			seg = raw;
		for (const struct route_node *c = n->literals; c; c = c->next)
			if (slice_eq(c->text, seg) && (hit = walk(c, rest, a, m)))
				return hit;
	}
	if (m->n_values == ENDPOINT_MAX_SEGMENTS)
		return NULL;
	if (n->param && raw.n) {
		m->raw_values[m->n_values++] = raw;
		hit = walk(n->param, rest, a, m);
		if (hit)
			return hit;
		m->n_values--;
	}
	if (!n->rest)
		return NULL;
	m->raw_values[m->n_values++] = all;
	return n->rest;
}

void route_find(const struct route *t, enum http_method method, struct slice path, struct arena *scratch,
		struct route_match *ret)
{
	const struct route_node *n;
	struct slice rest = {NULL, 0};

	ret->run = NULL;
	ret->allow = 0;
	ret->n_values = 0;
	if (path.n == 0 || path.p[0] != '/')
		return;
	if (path.n > 1)
		rest = slice_of(path.p + 1, path.n - 1);
	n = walk(t->root, rest, scratch, ret);
	if (!n)
		return;
	ret->allow = n->allow;
	if (method == HTTP_HEAD)
		method = HTTP_GET;
	ret->run = method < HTTP_OTHER ? n->by_method[method] : NULL;
	if (!ret->run)
		ret->run = n->by_method[HTTP_OTHER];
}
