/* handler_cache: the shared cache as a handler sees it. Every key has a tag of its own: a weir_cache_get that finds nothing remembers the
 * tag's generation, and what is put for that key afterwards is only stored, and served, while nobody has dropped it since. So an answer
 * that was fetched before a write and arrives after it is not kept, whichever worker did what. */
#include "config.h"

#include <string.h>

#include "lib/base/clock.h"
#include "lib/shm/cache.h"
#include "lib/weir.h"
#include "workers/handler.h"
#include "workers/worker.h"

/* A key in the space of this endpoint, apart from those of SQL endpoints. */
static struct cache_key key_of(struct weir_request *r, const void *p, size_t n)
{
	struct handler_cache *c = handler_cache_of(r);
	struct cache_key key;

	buf_clear(&c->key);
	buf_addf(&c->key, "handler %s ", c->endpoint);
	buf_add(&c->key, c->id, 16);
	buf_add(&c->key, p, n);
	key.text = buf_slice(&c->key);
	key.place = 0;
	cache_hash(&c->w->cache, &key);
	return key;
}

/* The generation of the key's tag as this request saw it first. */
static struct handler_seen *seen(struct weir_request *r, const struct cache_key *key)
{
	struct handler_cache *c = handler_cache_of(r);
	const struct stamps *stamps = &c->w->stamps;
	struct handler_seen *s;

	for (unsigned i = 0; i < c->n_seen; i++)
		if (c->seen[i].h[0] == key->h[0] && c->seen[i].h[1] == key->h[1])
			return &c->seen[i];
	if (c->n_seen == ARRAY_LEN(c->seen))
		return NULL;
	s = &c->seen[c->n_seen++];
	*s = (struct handler_seen){.h = {key->h[0], key->h[1]}, .ms = clock_boot_ms(), .epoch = cache_epoch_of(&c->w->cache, key->h)};
	s->is_quiet = stamps_add(stamps, &s->set, key->text) == 0 && stamps_load(stamps, &s->set);
	return s;
}

/* Made before weirctl cache purge? */
static int is_purged(const struct handler_cache *c, const struct cache_meta *m)
{
	return m->created_ms <= atomic_load_explicit(&c->w->region.h->purged_ms, memory_order_acquire) ||
	       m->created_ms <= atomic_load_explicit(&region_endpoint(&c->w->region, c->metric)->purged_ms, memory_order_acquire);
}

int weir_cache_get(struct weir_request *r, const void *key, size_t key_n, const void **value, size_t *n, double *age)
{
	struct handler_cache *c = handler_cache_of(r);
	uint64_t now = clock_boot_ms();
	struct cache_meta meta;
	struct cache_key k;
	const struct stamps *stamps = &c->w->stamps;

	if (!c->w->stamps.n)
		return 0;
	k = key_of(r, key, key_n);
	(void)seen(r, &k);
	buf_clear(&c->value);
	if (cache_get(&c->w->cache, CACHE_DATA, &k, now, &meta, &c->value) != CACHE_FOUND)
		return 0;
	if (now >= meta.hard_ms || is_purged(c, &meta) || !stamps_hold(stamps, &meta.stamps)) {
		cache_drop(&c->w->cache, CACHE_DATA, &k, &meta);
		return 0;
	}
	*value = c->value.n ? c->value.p : "";
	*n = c->value.n;
	if (age)
		*age = (double)(now > meta.created_ms ? now - meta.created_ms : 0) / 1e3;
	return 1;
}

int weir_cache_put(struct weir_request *r, const void *key, size_t key_n, const void *value, size_t n, double ttl)
{
	struct handler_cache *c = handler_cache_of(r);
	uint64_t now = clock_boot_ms();
	struct slice piece = slice_of(value, n);
	struct cache_meta meta = {.created_wall_us = clock_wall_us(), .status = 200, .endpoint = c->metric};
	struct handler_seen *s;
	struct cache_key k;
	const struct stamps *stamps = &c->w->stamps;

	if (!c->w->stamps.n || !(ttl > 0))
		return -1;
	k = key_of(r, key, key_n);
	s = seen(r, &k);
	if (!s || !s->is_quiet || !stamps_hold(stamps, &s->set))
		return -1;
	meta.stamps = s->set;
	meta.created_ms = s->ms;
	meta.soft_ms = meta.hard_ms = now + (uint64_t)((ttl < 3e7 ? ttl : 3e7) * 1e3);
	if (cache_put_since(&c->w->cache, CACHE_DATA, &k, &meta, &piece, 1, now, &s->epoch))
		return -1;
	s->epoch = cache_epoch_of(&c->w->cache, k.h);	/* it may be put again */
	return 0;
}

void weir_cache_drop(struct weir_request *r, const void *key, size_t key_n)
{
	struct handler_cache *c = handler_cache_of(r);
	struct cache_key k;
	const struct stamps *stamps = &c->w->stamps;
	struct stamp_set set = {0};

	if (!c->w->stamps.n)
		return;
	k = key_of(r, key, key_n);
	if (stamps_add(stamps, &set, k.text) == 0)
		stamps_bump(stamps, &set, 0);
	cache_drop(&c->w->cache, CACHE_DATA, &k, NULL);
	/* what this request puts from now on is new */
	for (unsigned i = 0; i < c->n_seen; i++)
		if (c->seen[i].h[0] == k.h[0] && c->seen[i].h[1] == k.h[1])
			c->seen[i] = c->seen[--c->n_seen];
}
