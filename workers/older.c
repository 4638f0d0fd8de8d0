#include "config.h"

#include "workers/older.h"

#include <string.h>

#include "workers/tier.h"
#include "workers/worker.h"

int older_is_answer(enum err_id id)
{
	return id && err_row(id)->status < 500 && !err_row(id)->is_retryable;
}

/* Did r ask the database, or its parts? Who was told has nothing to add. */
static int has_asked(const struct req *r)
{
	return !r->is_told && (r->q.done_ns || r->n_parts || r->is_query_done);
}

static int is_tiered(const struct req *r)
{
	return r->w->tier && r->tier_id;
}

/* As long as what is kept elsewhere may live. */
static uint64_t mark_ms(const struct req *r)
{
	const struct cache_policy *c = &r->run->ep->cache;
	uint64_t more = c->stale_ms > c->error_ms ? c->stale_ms : c->error_ms;

	return c->ttl_ms + c->ttl_ms / 10 + more + 1000;
}

/* Values whose snapshot may be as old as r's are not believed here. */
static void mark(struct req *r)
{
	struct cache_key key;
	struct cache_meta m = {.created_ms = r->w->boot_ms, .xmin = r->tier_xmin, .endpoint = r->run->ep->metric};
	char text[CACHE_MARK_KEY];

	cache_mark_key(&r->w->cache, r->key.h, text, &key);
	m.soft_ms = m.hard_ms = r->w->boot_ms + mark_ms(r);
	(void)cache_put(&r->w->cache, CACHE_NEGATIVE, &key, &m, NULL, 0, r->w->boot_ms);
}

void older_void(struct req *r, const uint8_t *etag)
{
	if (!has_asked(r))
		return;
	for (int z = 0; z < CACHE_ZONES; z++)
		/* r's own doing does not part it from those who come with the same stamps; somebody else's does */
		if (cache_void(&r->w->cache, (enum cache_zone)z, r->key.h, etag) == r->epoch.of[z])
			r->epoch.of[z]++;
	if (!is_tiered(r))
		return;
	mark(r);
	tier_delete(r);
}

void older_void_other(struct req *r, int is_negative)
{
	if (is_negative || r->run->ep->cache.negative_ms)
		(void)cache_void(&r->w->cache, is_negative ? CACHE_DATA : CACHE_NEGATIVE, r->key.h, NULL);
	if (!is_negative || !is_tiered(r))
		return;
	mark(r);
	tier_delete(r);
}

int older_allows(const struct req *r, uint64_t xmin)
{
	struct cache_key key;
	struct cache_meta m;
	char text[CACHE_MARK_KEY];

	cache_mark_key(&r->w->cache, r->key.h, text, &key);
	return cache_get(&r->w->cache, CACHE_NEGATIVE, &key, r->w->boot_ms, &m, NULL) == CACHE_MISS || xmin > m.xmin;
}
