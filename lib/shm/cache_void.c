/* What is made void before its time, and what was begun before that: it must not come back. */
#include "config.h"

#include "lib/shm/cache_priv.h"

#include <string.h>

static struct cache_shard *shard_at(const struct cache *c, enum cache_zone zone, const uint64_t h[2])
{
	const struct cache_layout *l = &c->zone[zone];

	return (void *)(c->mem + l->off + cache_shard_of(c, zone, h) * l->shard_bytes);
}

_Atomic uint32_t *cache_epoch_at(const struct cache *c, enum cache_zone zone, const uint64_t h[2])
{
	const struct cache_layout *l = &c->zone[zone];
	_Atomic uint32_t *all = (void *)((unsigned char *)shard_at(c, zone, h) + l->off_epochs);

	return all + ((h[1] >> 32) * l->n_slots >> 32);
}

struct cache_epoch cache_epoch_of(const struct cache *c, const uint64_t h[2])
{
	struct cache_epoch e;

	for (int z = 0; z < CACHE_ZONES; z++) {
		e.of[z] = atomic_load(cache_epoch_at(c, (enum cache_zone)z, h));
		e.version[z] = __atomic_load_n(&shard_at(c, (enum cache_zone)z, h)->version, __ATOMIC_ACQUIRE);
	}
	return e;
}

static uint32_t void_one(struct cache *c, enum cache_zone zone, const uint64_t h[2], const uint8_t *but)
{
	struct cache_view v;
	struct cache_entry e;
	uint32_t slot, before;

	/* first: who stores meanwhile is seen below, or sees this. A shard that is busy is left as it is. */
	before = atomic_fetch_add(cache_epoch_at(c, zone, h), 1);
	if (cache_lock(c, zone, cache_shard_of(c, zone, h), &v))
		return before;
	while ((slot = cache_find_h(&v, h, &e)) != CACHE_NO_SLOT) {
		if (but && memcmp(e.etag, but, sizeof(e.etag)) == 0)
			break;
		cache_forget(&v, slot, e.h);
		c->counts.dropped++;
	}
	cache_unlock(&v);
	return before;
}

static void void_codings(struct cache *c, const uint64_t h[2], const uint8_t *but)
{
	uint64_t other[2];

	for (unsigned coding = 1; coding < CACHE_CODINGS; coding++) {
		cache_variant_hash(c, h, coding, other);
		(void)void_one(c, CACHE_DATA, other, but);
	}
}

uint32_t cache_void(struct cache *c, enum cache_zone zone, const uint64_t h[2], const uint8_t *but)
{
	uint32_t before = void_one(c, zone, h, but);

	if (zone == CACHE_DATA)
		void_codings(c, h, but);
	return before;
}

void cache_drop_variants(struct cache *c, const struct cache_key *key)
{
	void_codings(c, key->h, NULL);
}

void cache_mark_key(const struct cache *c, const uint64_t h[2], char text[CACHE_MARK_KEY], struct cache_key *ret)
{
	memcpy(text, "the mark", 8);
	memcpy(text + 8, h, 16);
	*ret = (struct cache_key){.text = slice_of(text, CACHE_MARK_KEY)};
	cache_hash(c, ret);
}

enum cache_found cache_find_hash(struct cache *c, enum cache_zone zone, const uint64_t h[2], struct buf *text,
				 struct cache_meta *meta, size_t *ret_bytes)
{
	struct cache_view v;
	struct cache_entry e;
	struct cache_cursor at;
	uint32_t slot;
	int rc = -1;

	if (buf_reserve(text, CACHE_MAX_KEY) || cache_lock(c, zone, cache_shard_of(c, zone, h), &v))
		return CACHE_MISS;
	slot = cache_find_h(&v, h, &e);
	if (slot != CACHE_NO_SLOT && cache_entry_read(&v, slot, &e, &meta->stamps) == 0) {
		at = (struct cache_cursor){v.slots[slot].first, 0};
		rc = at.block > v.l->n_blocks || cache_seek(&v, &at, cache_entry_key_at(&e)) ||
		     cache_read(&v, &at, text->p + text->n, e.key_n);
	}
	cache_unlock(&v);
	if (rc)
		return CACHE_MISS;
	text->n += e.key_n;
	cache_meta_read(&e, meta);
	*ret_bytes = (size_t)e.key_n + e.body_n;
	return CACHE_FOUND;
}
