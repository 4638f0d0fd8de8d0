/* What the cache is made of, and the three operations of a request: get, put, drop. */
#include "config.h"

#include "lib/shm/cache_priv.h"

#include <string.h>
#include <xxhash.h>

#include "lib/base/check.h"

#define PAGE 4096u
#define STEP_BYTES 65536u	/* copied under one lock */
#define MIN_ROOM 4096u

/* ---- layout ---- */

static size_t align_up(size_t n, size_t to)
{
	return (n + to - 1) & ~(to - 1);
}

/* A shard of each zone's about 2 MiB (data) or 256 KiB (negative): powers of two, within bounds. */
static unsigned shards_for(uint64_t bytes, uint64_t each, unsigned least, unsigned most)
{
	unsigned n = least;

	while (n < most && bytes / (2 * (uint64_t)n) >= each)
		n *= 2;
	return n;
}

static void lay_out_shard(struct cache_layout *l)
{
	/* a block, its link, 3/2 slots with their tags and epochs, a ghost */
	size_t per_block = CACHE_BLOCK + sizeof(uint32_t) + (2 * sizeof(uint32_t) + sizeof(struct cache_slot)) * 3 / 2 +
			   sizeof(struct cache_ghost);
	size_t fixed = sizeof(struct cache_shard) + 64 * sizeof(uint32_t) + CACHE_BLOCK;
	size_t at;

	l->n_blocks = (uint32_t)((l->shard_bytes - fixed) / per_block);
	l->n_slots = l->n_blocks + l->n_blocks / 2;
	l->n_ghosts = l->n_blocks & ~(CACHE_GHOST_WAYS - 1);
	l->max_blocks = (l->n_blocks + 7) / 8;
	if (l->max_blocks > CACHE_MAX_VALUE / CACHE_BLOCK + 1)
		l->max_blocks = CACHE_MAX_VALUE / CACHE_BLOCK + 1;
	at = sizeof(struct cache_shard) + l->n_slots * sizeof(uint32_t);
	at = align_up(at, sizeof(struct cache_slot));
	l->off_slots = at;
	at += l->n_slots * sizeof(struct cache_slot);
	l->off_next = at;
	at += l->n_blocks * sizeof(uint32_t);
	at = align_up(at, sizeof(struct cache_ghost));
	l->off_ghosts = at;
	at += l->n_ghosts * sizeof(struct cache_ghost);
	l->off_epochs = at;
	at += l->n_slots * sizeof(uint32_t);
	l->off_blocks = align_up(at, CACHE_BLOCK);
	check(l->off_blocks + (size_t)l->n_blocks * CACHE_BLOCK <= l->shard_bytes);
}

static void lay_out(struct cache_layout zone[CACHE_ZONES], size_t size)
{
	size_t negative = (size - CACHE_HEAD) / 17, bytes[CACHE_ZONES] = {size - CACHE_HEAD - negative, negative};
	size_t at = CACHE_HEAD;

	for (unsigned z = 0; z < CACHE_ZONES; z++) {
		struct cache_layout *l = &zone[z];

		l->n_shards = z == CACHE_DATA ? shards_for(bytes[z], 2ull << 20, 4, CACHE_MAX_SHARDS)
					      : shards_for(bytes[z], 256ull << 10, 2, 32);
		l->shift = 64 - (unsigned)__builtin_ctz(l->n_shards);
		l->shard_bytes = bytes[z] / l->n_shards & ~(size_t)(CACHE_BLOCK - 1);
		l->off = at;
		at += l->n_shards * l->shard_bytes;
		lay_out_shard(l);
	}
	check(at <= size);
}

size_t cache_size(uint64_t memory)
{
	if (memory < CACHE_MIN_BYTES || memory > CACHE_MAX_BYTES)
		return 0;
	return (size_t)memory & ~(size_t)(PAGE - 1);
}

static void mutex_make(pthread_mutex_t *m)
{
	pthread_mutexattr_t a;

	check(!pthread_mutexattr_init(&a));
	check(!pthread_mutexattr_setpshared(&a, PTHREAD_PROCESS_SHARED));
	check(!pthread_mutexattr_setrobust(&a, PTHREAD_MUTEX_ROBUST));
	check(!pthread_mutex_init(m, &a));
	pthread_mutexattr_destroy(&a);
}

static void head_of(const struct cache_layout zone[CACHE_ZONES], size_t size, struct cache_head *h)
{
	memset(h, 0, sizeof(*h));
	h->magic = CACHE_MAGIC;
	h->size = size;
	for (unsigned z = 0; z < CACHE_ZONES; z++) {
		h->shard_bytes[z] = zone[z].shard_bytes;
		h->n_shards[z] = zone[z].n_shards;
	}
}

void cache_format(void *mem, size_t size)
{
	struct cache_layout zone[CACHE_ZONES];
	struct cache_head h;

	check(cache_size(size) == size);
	lay_out(zone, size);
	for (unsigned z = 0; z < CACHE_ZONES; z++)
		for (unsigned i = 0; i < zone[z].n_shards; i++) {
			struct cache_shard *s = (void *)((char *)mem + zone[z].off + i * zone[z].shard_bytes);

			mutex_make(&s->lock);
		}
	head_of(zone, size, &h);
	memcpy(mem, &h, sizeof(h));
}

/* XXH3 takes a secret as it is; ours may be short or poor, so it is spread. The same on all machines. */
static void spread_secret(struct slice text, unsigned char out[CACHE_SECRET_BYTES])
{
	for (unsigned i = 0; i < CACHE_SECRET_BYTES / sizeof(XXH128_canonical_t); i++) {
		XXH128_canonical_t part;

		XXH128_canonicalFromHash(&part, XXH3_128bits_withSeed(text.p ? text.p : "", text.n, 0x77656972 + i));
		memcpy(out + i * sizeof(part), &part, sizeof(part));
	}
}

int cache_attach(struct cache *c, void *mem, size_t size, struct slice secret)
{
	struct cache_head h;
	pthread_mutex_t sample;

	memset(c, 0, sizeof(*c));
	if (!size || cache_size(size) != size)
		return -1;
	lay_out(c->zone, size);
	head_of(c->zone, size, &h);
	if (memcmp(mem, &h, sizeof(h)) != 0)
		return -1;
	mutex_make(&sample);
	c->lock_kind = sample.__data.__kind;
	pthread_mutex_destroy(&sample);
	spread_secret(secret, c->secret);
	c->mem = mem;
	c->size = size;
	return 0;
}

void cache_share(struct cache *c, unsigned endpoint, unsigned percent)
{
	uint8_t *share = &c->share[endpoint % CACHE_LANES];

	*share = percent > *share ? (uint8_t)percent : *share;
}

void cache_detach(struct cache *c)
{
	memset(c, 0, sizeof(*c));
}

/* ---- get ---- */

void cache_hash(const struct cache *c, struct cache_key *key)
{
	XXH128_hash_t h = XXH3_128bits_withSecret(key->text.p, key->text.n, c->secret, sizeof(c->secret));

	key->h[0] = h.high64;
	key->h[1] = h.low64 ^ key->place;
}

void cache_variant_hash(const struct cache *c, const uint64_t h[2], unsigned coding, uint64_t ret[2])
{
	uint64_t in[3] = {h[0], h[1], coding};
	XXH128_hash_t v = XXH3_128bits_withSecret(in, sizeof(in), c->secret, sizeof(c->secret));

	ret[0] = v.high64;
	ret[1] = v.low64;
}

int cache_variant_key(const struct cache *c, const struct cache_key *key, unsigned coding, char *room, struct cache_key *ret)
{
	size_t n = key->text.n;

	check(coding > 0 && coding < CACHE_CODINGS);
	if (n >= CACHE_MAX_KEY)
		return -1;
	memcpy(room, key->text.p, n);
	room[n] = (char)coding;
	ret->text = slice_of(room, n + 1);
	ret->place = key->place;
	cache_variant_hash(c, key->h, coding, ret->h);
	return 0;
}

void cache_meta_read(const struct cache_entry *e, struct cache_meta *m)
{
	m->created_ms = e->created_ms;
	m->soft_ms = e->soft_ms;
	m->hard_ms = e->hard_ms;
	m->error_ms = e->error_ms;
	m->created_wall_us = e->created_wall_us;
	m->xmin = e->xmin;
	memcpy(m->etag, e->etag, sizeof(m->etag));
	m->delta_us = e->delta_us;
	m->status = e->status;
	m->coding = e->coding;
	m->flags = e->flags;
	m->endpoint = e->endpoint;
	m->head_n = e->head_n <= e->body_n ? e->head_n : e->body_n;
}

/* The rest of a long body, a step at a time, as long as the entry is the same. 0 or -1. */
static int read_on(struct cache *c, enum cache_zone zone, unsigned index, uint32_t slot, uint64_t version,
		   struct cache_cursor at, char *to, size_t n)
{
	struct cache_view v;
	struct cache_entry e;

	while (n) {
		size_t k = n < STEP_BYTES ? n : STEP_BYTES;
		int rc;

		if (cache_lock(c, zone, index, &v))
			return -1;
		rc = !v.tags[slot] || cache_entry_read(&v, slot, &e, NULL) || e.version != version ||
		     cache_read(&v, &at, to, k);
		cache_unlock(&v);
		if (rc)
			return -1;
		to += k;
		n -= k;
	}
	return 0;
}

/* -1: miss; 0: found, *ret_more bytes are still to be read from *at; 1: out must have room for *ret_more. */
static int look(struct cache_view *v, const struct cache_key *key, uint64_t now_ms, struct cache_meta *meta,
		struct buf *out, uint32_t *ret_slot, uint64_t *ret_version, struct cache_cursor *at, size_t *ret_more)
{
	struct cache_entry e;
	uint32_t slot = cache_find(v, key, &e);
	size_t n;

	*ret_more = 0;
	if (slot == CACHE_NO_SLOT)
		return -1;
	if (cache_is_expired(&e, now_ms)) {
		atomic_fetch_add_explicit(&v->s->expired, 1, memory_order_relaxed);
		v->c->counts.expired++;
		cache_forget(v, slot, e.h);
		return -1;
	}
	if (out && out->cap - out->n < e.body_n) {
		*ret_more = e.body_n;
		return 1;
	}
	/* again, for the stamps: they are in the line that was just read */
	if (cache_entry_read(v, slot, &e, &meta->stamps))
		return -1;
	cache_meta_read(&e, meta);
	v->slots[slot].freq = v->slots[slot].freq < 3 ? (uint8_t)(v->slots[slot].freq + 1) : 3;
	if (!out || !e.body_n)
		return 0;
	*at = (struct cache_cursor){v->slots[slot].first, 0};
	n = e.body_n < STEP_BYTES ? e.body_n : STEP_BYTES;
	if (at->block > v->l->n_blocks || cache_seek(v, at, cache_entry_key_at(&e) + e.key_n) ||
	    out->cap - out->n < e.body_n || cache_read(v, at, out->p + out->n, n)) {
		cache_mend(v);
		return -1;
	}
	out->n += n;
	*ret_slot = slot;
	*ret_version = e.version;
	*ret_more = e.body_n - n;
	return 0;
}

enum cache_found cache_get(struct cache *c, enum cache_zone zone, const struct cache_key *key, uint64_t now_ms,
			   struct cache_meta *meta, struct buf *out)
{
	unsigned index = cache_shard_of(c, zone, key->h);
	size_t before = out ? out->n : 0, more = MIN_ROOM;
	struct cache_view v;
	struct cache_cursor at;
	uint64_t version = 0;
	uint32_t slot = 0;
	int rc = 1;

	if (out && out->cap - out->n < MIN_ROOM && buf_reserve(out, MIN_ROOM))
		more = 0;	/* a small limit: perhaps the body is small too */
	for (unsigned tries = 0; rc == 1 && tries < 4; tries++) {
		if (tries && buf_reserve(out, more))
			break;
		if (cache_lock(c, zone, index, &v))
			break;
		rc = look(&v, key, now_ms, meta, out, &slot, &version, &at, &more);
		cache_unlock(&v);
	}
	if (rc == 0 && more) {
		rc = read_on(c, zone, index, slot, version, at, out->p + out->n, more);
		out->n += more;
	}
	if (rc == 0) {
		c->counts.hits++;
		return CACHE_FOUND;
	}
	if (out)
		out->n = before;
	c->counts.misses++;
	return CACHE_MISS;
}

/* ---- put ---- */

static void entry_of(const struct cache_key *key, const struct cache_meta *m, size_t body_n, struct cache_entry *e)
{
	*e = (struct cache_entry){
	    .h = {key->h[0], key->h[1]}, .key_n = (uint32_t)key->text.n, .body_n = (uint32_t)body_n,
	    .created_ms = m->created_ms, .soft_ms = m->soft_ms, .hard_ms = m->hard_ms, .error_ms = m->error_ms,
	    .created_wall_us = m->created_wall_us, .xmin = m->xmin, .delta_us = m->delta_us,
	    .status = m->status, .coding = m->coding, .flags = m->flags, .endpoint = m->endpoint,
	    .head_n = m->head_n, .n_stamps = m->stamps.n};
	memcpy(e->etag, m->etag, sizeof(e->etag));
}

static int write_entry(struct cache_view *v, uint32_t first, struct cache_entry *e, const struct cache_key *key,
		       const struct stamp_set *set, const struct slice *pieces, unsigned n_pieces)
{
	struct cache_cursor at = {first, 0};

	e->version = ++v->s->version;
	if (cache_write(v, &at, e, sizeof(*e)) || cache_write(v, &at, set->gen, set->n * sizeof(set->gen[0])) ||
	    cache_write(v, &at, set->slot, set->n * sizeof(set->slot[0])) ||
	    cache_write(v, &at, key->text.p, key->text.n))
		return -1;
	for (unsigned i = 0; i < n_pieces; i++)
		if (cache_write(v, &at, pieces[i].p, pieces[i].n))
			return -1;
	return 0;
}

/* 0, or -1: shared memory is damaged and was mended. */
static int store(struct cache_view *v, const struct cache_key *key, struct cache_entry *e,
		 const struct cache_meta *meta, const struct slice *pieces, unsigned n_pieces, uint32_t n_blocks,
		 uint64_t now_ms)
{
	struct cache_entry old;
	uint32_t slot = cache_find(v, key, &old), first;
	int is_main = 0;
	uint8_t freq = 0;

	if (slot != CACHE_NO_SLOT) {
		is_main = v->slots[slot].queue == CACHE_MAIN;
		freq = v->slots[slot].freq;
		cache_remove(v, slot);
		v->c->counts.replaced++;
	}
	if (cache_make_room(v, key->h, n_blocks, now_ms, &slot, &first))
		return -1;
	v->slots[slot] = (struct cache_slot){.first = first, .n_blocks = (uint16_t)n_blocks, .freq = freq};
	if (write_entry(v, first, e, key, &meta->stamps, pieces, n_pieces)) {
		cache_mend(v);
		return -1;
	}
	cache_enqueue(v, slot, key->h, is_main);
	v->tags[slot] = cache_tag(key->h);
	return 0;
}

/* Under the lock, which who makes void takes behind counting it: what is not seen here he meets. */
static int is_late(struct cache_view *v, const struct cache_key *key, const struct cache_epoch *since)
{
	struct cache_entry e;

	return atomic_load(cache_epoch_at(v->c, v->zone, key->h)) != since->of[v->zone] ||
	       (cache_find(v, key, &e) != CACHE_NO_SLOT && e.version > since->version[v->zone]);
}

int cache_put_since(struct cache *c, enum cache_zone zone, const struct cache_key *key, const struct cache_meta *meta,
		    const struct slice *pieces, unsigned n_pieces, uint64_t now_ms, const struct cache_epoch *since)
{
	struct cache_view v;
	struct cache_entry e;
	size_t body_n = 0, n;
	int rc;

	check(meta->stamps.n <= STAMPS_MAX_TAGS);
	for (unsigned i = 0; i < n_pieces; i++) {
		if (pieces[i].n > CACHE_MAX_VALUE) {
			body_n = CACHE_MAX_VALUE + 1;
			break;
		}
		body_n += pieces[i].n;
	}
	n = sizeof(e) + meta->stamps.n * CACHE_STAMP_BYTES + key->text.n + body_n;
	if (key->text.n > CACHE_MAX_KEY || n > CACHE_MAX_VALUE ||
	    (n + CACHE_BLOCK - 1) / CACHE_BLOCK > c->zone[zone].max_blocks) {
		c->counts.too_big++;
		return CACHE_TOO_BIG;
	}
	check(meta->head_n <= body_n);
	entry_of(key, meta, body_n, &e);
	if (cache_lock(c, zone, cache_shard_of(c, zone, key->h), &v))
		return CACHE_BUSY;
	rc = since && is_late(&v, key, since)
		 ? CACHE_LATE
		 : store(&v, key, &e, meta, pieces, n_pieces, (uint32_t)((n + CACHE_BLOCK - 1) / CACHE_BLOCK), now_ms);
	cache_unlock(&v);
	if (rc == 0)
		c->counts.stores++;
	return rc;
}

int cache_put(struct cache *c, enum cache_zone zone, const struct cache_key *key, const struct cache_meta *meta,
	      const struct slice *pieces, unsigned n_pieces, uint64_t now_ms)
{
	return cache_put_since(c, zone, key, meta, pieces, n_pieces, now_ms, NULL);
}

void cache_drop(struct cache *c, enum cache_zone zone, const struct cache_key *key, const struct cache_meta *meta)
{
	struct cache_view v;
	struct cache_entry e;
	uint32_t slot;

	if (cache_lock(c, zone, cache_shard_of(c, zone, key->h), &v))
		return;
	slot = cache_find(&v, key, &e);
	if (slot != CACHE_NO_SLOT && (!meta || (e.created_ms == meta->created_ms &&
						memcmp(e.etag, meta->etag, sizeof(e.etag)) == 0))) {
		cache_forget(&v, slot, e.h);
		c->counts.dropped++;
	}
	cache_unlock(&v);
}
