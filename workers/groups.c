#include "config.h"

#include "workers/groups.h"

#include "lib/conf/tag.h"
#include "workers/cachekey.h"
#include "workers/worker.h"

/* A tag made of who asks says who did. */
static int is_anonymous(const struct tag_template *t)
{
	for (unsigned i = 0; i < t->n_parts; i++)
		if (t->parts[i].kind == TAG_USER || t->parts[i].kind == TAG_CLAIM)
			return 0;
	return 1;
}

static int may_be_shown(const struct tag_template *t, const struct endpoint_run *runs, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		for (unsigned k = 0; k < runs[i].ep->cache.n_tags; k++)
			if (runs[i].groups >> k & 1 && tag_meets(t, &runs[i].ep->cache.tags[k]))
				return 1;
	return 0;
}

void groups_prepare(struct endpoint_run *runs, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		const struct cache_policy *c = &runs[i].ep->cache;

		for (unsigned k = 0; c->is_on && !runs[i].is_private && k < c->n_tags; k++)
			if (is_anonymous(&c->tags[k]))
				runs[i].groups = (uint16_t)(runs[i].groups | 1u << k);
	}
	for (unsigned i = 0; i < n; i++)
		for (unsigned k = 0; k < runs[i].ep->n_invalidates; k++)
			if (may_be_shown(&runs[i].ep->invalidates[k], runs, n))
				runs[i].group_invalidation = (uint16_t)(runs[i].group_invalidation | 1u << k);
}

static void add(struct groups *g, struct slice tag, struct arena *a)
{
	for (unsigned i = 0; i < g->n; i++)
		if (slice_eq(g->v[i], tag))
			return;
	if (g->n < HTTP_GROUPS_MAX)
		g->v[g->n++] = slice_of(arena_strn(a, tag.p ? tag.p : "", tag.n), tag.n);
}

struct gathering {
	struct groups *g;
	struct arena *arena;
};

static int add_tag(void *ctx, struct slice tag)
{
	struct gathering *x = ctx;

	add(x->g, tag, x->arena);
	return 0;
}

/* The tags of r that are in the mask. */
static void gather(struct groups *g, struct req *r, const struct tag_template *tags, unsigned mask, struct arena *a)
{
	struct gathering x = {.g = g, .arena = a};

	for (unsigned i = 0; mask >> i; i++)
		if (mask >> i & 1)
			(void)cachekey_tag(r, &tags[i], add_tag, &x);
}

void groups_of_part(struct req *part, struct req *whole)
{
	if (!part->run->groups || !whole->has_key || whole->run->is_private)
		return;
	if (!whole->groups)
		whole->groups = arena_zalloc(&whole->arena, sizeof(*whole->groups));
	gather(whole->groups, part, part->run->ep->cache.tags, part->run->groups, &whole->arena);
}

static void write_line(const struct groups *g, const char *name, struct buf *out)
{
	char text[GROUPS_MAX_LINE + 1];
	size_t n = http_groups_format(g->v, g->n, text, sizeof(text));

	if (!n)
		return;
	buf_adds(out, name);
	buf_add(out, text, n);
	buf_adds(out, "\r\n");
}

void groups_line(struct req *r, struct buf *out)
{
	struct groups own = {.n = 0};

	if (!r->run->groups && !r->groups)
		return;
	gather(&own, r, r->run->ep->cache.tags, r->run->groups, &r->arena);
	for (unsigned i = 0; r->groups && i < r->groups->n; i++)
		add(&own, r->groups->v[i], &r->arena);
	write_line(&own, "Cache-Groups: ", out);
}

void groups_invalidation(struct req *r, struct buf *out)
{
	struct groups g = {.n = 0};

	gather(&g, r, r->run->ep->invalidates, r->run->group_invalidation, &r->arena);
	write_line(&g, "Cache-Group-Invalidation: ", out);
}
