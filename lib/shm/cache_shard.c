/* A shard: its lock, its index and the way along a chain. A number from shared memory is copied first,
 * then judged, then used. */
#include "config.h"

#include "lib/shm/cache_priv.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#include "lib/base/clock.h"

#define LOCK_WAIT_NS (2 * CLOCK_MS)
#define LEAVE_MS 100u

static void view_of(struct cache *c, enum cache_zone zone, unsigned index, struct cache_view *v)
{
	const struct cache_layout *l = &c->zone[zone];
	unsigned char *at = c->mem + l->off + index * l->shard_bytes;

	*v = (struct cache_view){.c = c, .l = l, .zone = zone, .index = index};
	v->s = (void *)at;
	v->tags = (void *)(at + sizeof(struct cache_shard));
	v->slots = (void *)(at + l->off_slots);
	v->next = (void *)(at + l->off_next);
	v->ghosts = (void *)(at + l->off_ghosts);
	v->blocks = at + l->off_blocks;
}

void cache_wipe(struct cache_view *v)
{
	struct cache_shard *s = v->s;

	s->version++;
	memset(v->tags, 0, v->l->n_slots * sizeof(*v->tags));
	memset(s->queue, 0, sizeof(s->queue));
	s->free = s->fresh = s->n_used = 0;
	memset(s->lane_blocks, 0, sizeof(s->lane_blocks));
	atomic_store_explicit(&s->blocks_used, 0, memory_order_relaxed);
	atomic_store_explicit(&s->entries, 0, memory_order_relaxed);
	atomic_store_explicit(&s->small_entries, 0, memory_order_relaxed);
	atomic_store_explicit(&s->oldest_created_ms, 0, memory_order_relaxed);
}

void cache_mend(struct cache_view *v)
{
	cache_wipe(v);
	atomic_fetch_add_explicit(&v->s->wiped, 1, memory_order_relaxed);
	v->c->counts.wiped++;
}

static int wait_for(pthread_mutex_t *lock)
{
	struct timespec end;
	int rc = pthread_mutex_trylock(lock);

	if (likely(rc != EBUSY))
		return rc;
	clock_gettime(CLOCK_MONOTONIC, &end);
	end.tv_nsec += (long)LOCK_WAIT_NS;
	if (end.tv_nsec >= (long)CLOCK_S) {
		end.tv_nsec -= (long)CLOCK_S;
		end.tv_sec++;
	}
	return pthread_mutex_clocklock(lock, CLOCK_MONOTONIC, &end);
}

int cache_lock(struct cache *c, enum cache_zone zone, unsigned index, struct cache_view *v)
{
	uint64_t *leave = &c->leave_until_ms[zone][index];
	int rc;

	if (unlikely(*leave)) {
		if (clock_boot_ms() < *leave) {
			c->counts.busy++;
			return -1;
		}
		*leave = 0;
	}
	view_of(c, zone, index, v);
	/* A mutex of another kind, written by who knows whom, would be waited for in other ways. */
	rc = __atomic_load_n(&v->s->lock.__data.__kind, __ATOMIC_RELAXED) == c->lock_kind ? wait_for(&v->s->lock)
											     : EINVAL;
	if (likely(rc == 0))
		return 0;
	if (rc == EOWNERDEAD) {
		cache_mend(v);
		pthread_mutex_consistent(&v->s->lock);
		return 0;
	}
	*leave = clock_boot_ms() + LEAVE_MS;
	c->counts.busy++;
	return -1;
}

void cache_unlock(struct cache_view *v)
{
	pthread_mutex_unlock(&v->s->lock);
}

/* ---- chains ---- */

/* To the next block when this one is used up. */
static int cross(const struct cache_view *v, struct cache_cursor *at)
{
	while (at->off >= CACHE_BLOCK) {
		if (!at->block)
			return -1;
		at->block = v->next[at->block - 1];
		at->off -= CACHE_BLOCK;
		if (at->block > v->l->n_blocks)
			at->block = 0;
	}
	return at->block ? 0 : -1;
}

int cache_seek(const struct cache_view *v, struct cache_cursor *at, size_t n)
{
	at->off += (uint32_t)n;	/* ≤ CACHE_MAX_VALUE */
	return cross(v, at);
}

/* Bytes that lie in one piece from here on, at most n: blocks that follow each other are one. Moves on. */
static size_t piece(const struct cache_view *v, struct cache_cursor *at, size_t n, unsigned char **ret)
{
	size_t have = CACHE_BLOCK - at->off;

	*ret = v->blocks + (size_t)(at->block - 1) * CACHE_BLOCK + at->off;
	while (have < n) {
		uint32_t next = v->next[at->block - 1];

		if (next != at->block + 1 || next > v->l->n_blocks)
			break;
		at->block = next;
		have += CACHE_BLOCK;
	}
	if (n > have)
		n = have;
	at->off = CACHE_BLOCK - (uint32_t)(have - n);
	return n;
}

int cache_read(const struct cache_view *v, struct cache_cursor *at, void *to, size_t n)
{
	unsigned char *dst = to, *from;

	while (n) {
		size_t k;

		if (cross(v, at))
			return -1;
		k = piece(v, at, n, &from);
		memcpy(dst, from, k);
		dst += k;
		n -= k;
	}
	return 0;
}

int cache_write(const struct cache_view *v, struct cache_cursor *at, const void *from, size_t n)
{
	const unsigned char *src = from;
	unsigned char *to;

	while (n) {
		size_t k;

		if (cross(v, at))
			return -1;
		k = piece(v, at, n, &to);
		memcpy(to, src, k);
		src += k;
		n -= k;
	}
	return 0;
}

static int is_equal(const struct cache_view *v, struct cache_cursor at, const char *text, size_t n)
{
	unsigned char *here;

	while (n) {
		size_t k;

		if (cross(v, &at))
			return 0;
		k = piece(v, &at, n, &here);
		if (memcmp(here, text, k) != 0)
			return 0;
		text += k;
		n -= k;
	}
	return 1;
}

/* ---- entries ---- */

int cache_entry_read(const struct cache_view *v, uint32_t slot, struct cache_entry *e, struct stamp_set *set)
{
	const struct cache_slot *s = &v->slots[slot];
	uint32_t first = s->first, n_blocks = s->n_blocks;
	const unsigned char *at;

	if (!first || first > v->l->n_blocks || !n_blocks || n_blocks > v->l->max_blocks)
		return -1;
	at = v->blocks + (size_t)(first - 1) * CACHE_BLOCK;
	memcpy(e, at, sizeof(*e));
	if (e->n_stamps > STAMPS_MAX_TAGS || e->key_n > CACHE_MAX_KEY || e->body_n > CACHE_MAX_VALUE ||
	    cache_entry_key_at(e) + e->key_n + e->body_n > (size_t)n_blocks * CACHE_BLOCK)
		return -1;
	if (set) {
		set->n = e->n_stamps;
		memcpy(set->gen, at + sizeof(*e), e->n_stamps * sizeof(set->gen[0]));
		memcpy(set->slot, at + sizeof(*e) + e->n_stamps * sizeof(set->gen[0]),
		       e->n_stamps * sizeof(set->slot[0]));
	}
	return 0;
}

/* Of a text, or of whichever has the hash. */
static inline uint32_t find(struct cache_view *v, const uint64_t h[2], const struct slice *text, struct cache_entry *e)
{
	uint32_t tag = cache_tag(h), n = v->l->n_slots;
	uint32_t slot = (uint32_t)((h[0] & UINT32_MAX) * n >> 32);

	for (uint32_t i = 0; i < CACHE_WINDOW; i++, slot = slot + 1 == n ? 0 : slot + 1) {
		struct cache_cursor at;

		if (v->tags[slot] != tag)
			continue;
		if (cache_entry_read(v, slot, e, NULL)) {
			cache_mend(v);
			return CACHE_NO_SLOT;
		}
		if (e->h[0] != h[0] || e->h[1] != h[1])
			continue;
		if (!text)
			return slot;
		if (e->key_n != text->n)
			continue;
		at = (struct cache_cursor){v->slots[slot].first, (uint32_t)cache_entry_key_at(e)};
		if (at.block <= v->l->n_blocks && is_equal(v, at, text->p, text->n))
			return slot;
	}
	return CACHE_NO_SLOT;
}

uint32_t cache_find(struct cache_view *v, const struct cache_key *key, struct cache_entry *e)
{
	return find(v, key->h, &key->text, e);
}

uint32_t cache_find_h(struct cache_view *v, const uint64_t h[2], struct cache_entry *e)
{
	return find(v, h, NULL, e);
}
