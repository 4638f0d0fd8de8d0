/* What goes over the whole cache: sweep, figures, listing, emptying. Entries are copied under the lock and
 * judged outside of it; an entry's version says whether it is still the one that was judged. */
#include "config.h"

#include "lib/shm/cache_priv.h"

#include <stdlib.h>
#include <string.h>

#define BATCH 64u
#define SLOTS_AT_ONCE 2048u	/* looked at under one lock */

struct batch {
	unsigned n;
	uint32_t slot[BATCH];
	uint64_t version[BATCH];
	struct stamp_set set[BATCH];
};

/* Expired ones go at once, the others are noted; from slot *at on, which moves, not beyond end. */
static unsigned gather(struct cache_view *v, uint32_t *at, uint32_t end, uint64_t now_ms, struct batch *b)
{
	unsigned freed = 0;

	b->n = 0;
	for (uint32_t i = 0; i < SLOTS_AT_ONCE && *at < end && b->n < BATCH; i++, (*at)++) {
		struct cache_entry e;

		if (!v->tags[*at])
			continue;
		if (cache_entry_read(v, *at, &e, &b->set[b->n])) {
			cache_mend(v);
			*at = end;
			break;
		}
		if (cache_is_expired(&e, now_ms)) {
			cache_forget(v, *at, e.h);
			atomic_fetch_add_explicit(&v->s->expired, 1, memory_order_relaxed);
			v->c->counts.expired++;
			freed++;
			continue;
		}
		b->slot[b->n] = *at;
		b->version[b->n++] = e.version;
	}
	atomic_store_explicit(&v->s->oldest_created_ms, cache_oldest(v), memory_order_relaxed);
	return freed;
}

static unsigned drop_batch(struct cache_view *v, const struct batch *b)
{
	unsigned freed = 0;

	for (unsigned i = 0; i < b->n; i++) {
		struct cache_entry e;

		if (!v->tags[b->slot[i]] || cache_entry_read(v, b->slot[i], &e, NULL) ||
		    e.version != b->version[i])
			continue;
		cache_forget(v, b->slot[i], e.h);
		v->c->counts.dropped++;
		freed++;
	}
	return freed;
}

/* Slots at … end of one shard. */
static unsigned sweep_part(struct cache *c, enum cache_zone zone, unsigned index, uint32_t at, uint32_t end,
			   uint64_t now_ms, int (*holds)(void *, const struct stamp_set *), void *arg)
{
	struct batch b;
	unsigned freed = 0;

	while (at < end) {
		struct cache_view v;
		unsigned n = 0;

		if (cache_lock(c, zone, index, &v))
			return freed;
		freed += gather(&v, &at, end, now_ms, &b);
		cache_unlock(&v);
		for (unsigned i = 0; holds && i < b.n; i++) {
			if (holds(arg, &b.set[i]))
				continue;
			b.slot[n] = b.slot[i];
			b.version[n++] = b.version[i];
		}
		b.n = n;
		if (!n)
			continue;
		if (cache_lock(c, zone, index, &v))
			return freed;
		freed += drop_batch(&v, &b);
		cache_unlock(&v);
	}
	return freed;
}

unsigned cache_sweep(struct cache *c, uint64_t now_ms, int (*holds)(void *arg, const struct stamp_set *set), void *arg)
{
	unsigned freed = 0;

	for (unsigned z = 0; z < CACHE_ZONES; z++) {
		const struct cache_layout *l = &c->zone[z];
		uint64_t total = (uint64_t)l->n_shards * l->n_slots, left = (total + 99) / 100;

		while (left) {
			uint64_t at = c->sweep_at[z] % total, slot = at % l->n_slots;
			uint64_t n = l->n_slots - slot < left ? l->n_slots - slot : left;

			freed += sweep_part(c, z, (unsigned)(at / l->n_slots), (uint32_t)slot,
					    (uint32_t)(slot + n), now_ms, holds, arg);
			c->sweep_at[z] = (at + n) % total;
			left -= n;
		}
	}
	return freed;
}

void cache_clear(struct cache *c)
{
	for (unsigned z = 0; z < CACHE_ZONES; z++)
		for (unsigned i = 0; i < c->zone[z].n_shards; i++) {
			struct cache_view v;

			if (cache_lock(c, z, i, &v))
				continue;
			c->counts.dropped += atomic_load_explicit(&v.s->entries, memory_order_relaxed);
			cache_wipe(&v);
			cache_unlock(&v);
		}
}

void cache_stat(const struct cache *c, enum cache_zone zone, struct cache_stat *ret)
{
	const struct cache_layout *l = &c->zone[zone];
	struct cache_stat sum = {.n_shards = l->n_shards};

	for (unsigned i = 0; i < l->n_shards; i++) {
		const struct cache_shard *s = (const void *)(c->mem + l->off + i * l->shard_bytes);
		uint64_t oldest = atomic_load_explicit(&s->oldest_created_ms, memory_order_relaxed);

		sum.bytes_used += atomic_load_explicit(&s->blocks_used, memory_order_relaxed) * CACHE_BLOCK;
		sum.entries += atomic_load_explicit(&s->entries, memory_order_relaxed);
		sum.small_entries += atomic_load_explicit(&s->small_entries, memory_order_relaxed);
		sum.evicted += atomic_load_explicit(&s->evicted, memory_order_relaxed);
		sum.expired += atomic_load_explicit(&s->expired, memory_order_relaxed);
		sum.wiped += atomic_load_explicit(&s->wiped, memory_order_relaxed);
		if (oldest && (!sum.oldest_created_ms || oldest < sum.oldest_created_ms))
			sum.oldest_created_ms = oldest;
	}
	sum.bytes_total = (uint64_t)l->n_shards * l->n_blocks * CACHE_BLOCK;
	*ret = sum;
}

struct listed {
	struct cache_meta meta;
	uint64_t h[2];
	uint32_t key_n, body_n;
	char key[CACHE_MAX_KEY];
};

void cache_each(struct cache *c, enum cache_zone zone,
		int (*fn)(void *arg, const struct cache_key *key, const struct cache_meta *meta, size_t bytes), void *arg)
{
	struct listed *all = malloc(BATCH * sizeof(*all));
	uint32_t n_slots = c->zone[zone].n_slots;
	int goes_on = 1;

	if (!all)
		abort();
	for (unsigned i = 0; goes_on && i < c->zone[zone].n_shards; i++) {
		uint32_t at = 0;

		while (goes_on && at < n_slots) {
			struct cache_view v;
			unsigned n = 0;

			if (cache_lock(c, zone, i, &v))
				break;
			for (uint32_t k = 0; k < SLOTS_AT_ONCE && at < n_slots && n < BATCH; k++, at++) {
				struct cache_entry e;
				struct cache_cursor from = {v.slots[at].first, 0};

				if (!v.tags[at] || cache_entry_read(&v, at, &e, &all[n].meta.stamps) ||
				    from.block > v.l->n_blocks || cache_seek(&v, &from, cache_entry_key_at(&e)) ||
				    cache_read(&v, &from, all[n].key, e.key_n))
					continue;
				cache_meta_read(&e, &all[n].meta);
				memcpy(all[n].h, e.h, sizeof(e.h));
				all[n].key_n = e.key_n;
				all[n++].body_n = e.body_n;
			}
			cache_unlock(&v);
			for (unsigned k = 0; goes_on && k < n; k++) {
				struct cache_key key = {.h = {all[k].h[0], all[k].h[1]},
							.text = slice_of(all[k].key, all[k].key_n)};

				goes_on = fn(arg, &key, &all[k].meta, (size_t)all[k].key_n + all[k].body_n);
			}
		}
	}
	free(all);
}
