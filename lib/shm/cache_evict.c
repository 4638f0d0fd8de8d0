/* Who stays: S3-FIFO (SOSP 2023), counted in blocks. New entries queue in `small`, a tenth of the shard; at
 * its end those that were asked for twice move to `main`, the others go, remembered by a fingerprint for as
 * long as about as many others have gone as the shard has entries; who comes back in that time enters main
 * at once. At main's end an entry that was asked for goes round again, with its frequency one lower.
 * Whoever has expired at either end goes before anybody else.
 * While an endpoint has more of the shard than its share and room is wanted, the others' entries are passed over: from small's end they
 * move to main, at main's end they go round. So a flood of keys of one endpoint costs the others nothing, and who is alone has
 * everything. */
#include "config.h"

#include "lib/shm/cache_priv.h"

#define SMALL_SHARE 10u
#define PROMOTE_AT 2u
#define PATIENCE 512u		/* entries that one store may spare or move; then whoever is next goes */

static void publish(struct cache_shard *s)
{
	atomic_store_explicit(&s->blocks_used, s->n_used, memory_order_relaxed);
	atomic_store_explicit(&s->entries, (uint64_t)s->queue[CACHE_SMALL].n + s->queue[CACHE_MAIN].n,
			      memory_order_relaxed);
	atomic_store_explicit(&s->small_entries, s->queue[CACHE_SMALL].n, memory_order_relaxed);
}

/* ---- shares ---- */

static unsigned lane_of(const struct cache_view *v, uint32_t slot)
{
	uint32_t first = v->slots[slot].first;
	const struct cache_entry *e;

	if (!first || first > v->l->n_blocks)
		return 0;
	e = (const void *)(v->blocks + (size_t)(first - 1) * CACHE_BLOCK);
	return e->endpoint % CACHE_LANES;
}

static int is_over(const struct cache_view *v, unsigned lane)
{
	unsigned share = v->c->share[lane] ? v->c->share[lane] : CACHE_SHARE;

	return (uint64_t)v->s->lane_blocks[lane] * 100 > (uint64_t)v->l->n_blocks * share;
}

static int is_any_over(const struct cache_view *v)
{
	for (unsigned i = 0; i < CACHE_LANES; i++)
		if (v->s->lane_blocks[i] && is_over(v, i))
			return 1;
	return 0;
}

/* ---- ghosts ---- */

static struct cache_ghost *bucket_of(const struct cache_view *v, const uint64_t h[2])
{
	uint64_t n = v->l->n_ghosts / CACHE_GHOST_WAYS;

	return v->ghosts + (size_t)((h[1] >> 32) * n >> 32) * CACHE_GHOST_WAYS;
}

static void ghost_add(struct cache_view *v, const uint64_t h[2])
{
	struct cache_ghost *g = bucket_of(v, h), *to = g;
	uint32_t now = ++v->s->ghost_clock;

	for (unsigned i = 0; i < CACHE_GHOST_WAYS && to->print; i++)
		if (!g[i].print || now - g[i].at > now - to->at)
			to = &g[i];
	*to = (struct cache_ghost){cache_tag(h), now};
}

static int ghost_take(struct cache_view *v, const uint64_t h[2])
{
	struct cache_ghost *g = bucket_of(v, h);
	uint32_t memory = v->s->queue[CACHE_SMALL].n + v->s->queue[CACHE_MAIN].n;

	for (unsigned i = 0; i < CACHE_GHOST_WAYS; i++) {
		if (g[i].print != cache_tag(h))
			continue;
		g[i].print = 0;
		return v->s->ghost_clock - g[i].at <= memory;
	}
	return 0;
}

/* ---- queues ---- */

static uint32_t *link_of(const struct cache_view *v, uint32_t slot1, int is_next)
{
	return is_next ? &v->slots[slot1 - 1].next : &v->slots[slot1 - 1].prev;
}

/* 0, or -1: the links lead astray. */
static int queue_del(struct cache_view *v, uint32_t slot)
{
	struct cache_slot *e = &v->slots[slot];
	struct cache_queue *q;
	uint32_t prev = e->prev, next = e->next, n = v->l->n_slots, n_blocks = e->n_blocks;

	if (e->queue >= CACHE_QUEUES || prev > n || next > n)
		return -1;
	q = &v->s->queue[e->queue];
	if (!q->n || q->n_blocks < n_blocks)
		return -1;
	*(prev ? link_of(v, prev, 1) : &q->head) = next;
	*(next ? link_of(v, next, 0) : &q->tail) = prev;
	q->n--;
	q->n_blocks -= n_blocks;
	return 0;
}

static void queue_push(struct cache_view *v, uint32_t slot, enum cache_queue_id id)
{
	struct cache_slot *e = &v->slots[slot];
	struct cache_queue *q = &v->s->queue[id];
	uint32_t head = q->head <= v->l->n_slots ? q->head : 0;

	e->queue = (uint8_t)id;
	e->prev = 0;
	e->next = head;
	*(head ? link_of(v, head, 0) : &q->tail) = slot + 1;
	q->head = slot + 1;
	q->n++;
	q->n_blocks += e->n_blocks;
}

void cache_enqueue(struct cache_view *v, uint32_t slot, const uint64_t h[2], int is_main)
{
	int was_here = ghost_take(v, h);

	queue_push(v, slot, was_here || is_main ? CACHE_MAIN : CACHE_SMALL);
	v->s->lane_blocks[lane_of(v, slot)] += v->slots[slot].n_blocks;
	publish(v->s);
}

/* ---- blocks ---- */

/* Give a chain back whole, in its order, so that runs of neighbours stay runs. */
static int blocks_free(struct cache_view *v, uint32_t first, uint32_t n)
{
	uint32_t last = first;

	if (v->s->n_used < n)
		return -1;
	for (uint32_t i = 1; i < n; i++) {
		if (!last || last > v->l->n_blocks)
			return -1;
		last = v->next[last - 1];
	}
	if (!last || last > v->l->n_blocks)
		return -1;
	v->next[last - 1] = v->s->free;
	v->s->free = first;
	v->s->n_used -= n;
	return 0;
}

static uint32_t block_take(struct cache_view *v)
{
	struct cache_shard *s = v->s;
	uint32_t b = s->free;

	if (b) {
		if (b > v->l->n_blocks)
			return 0;
		s->free = v->next[b - 1];
		return b;
	}
	if (s->fresh >= v->l->n_blocks)
		return 0;
	return ++s->fresh;
}

/* First block + 1 of a chain of n, or 0: figures and lists disagree. */
static uint32_t blocks_take(struct cache_view *v, uint32_t n)
{
	uint32_t first = 0, last = 0;

	for (uint32_t i = 0; i < n; i++) {
		uint32_t b = block_take(v);

		if (!b)
			return 0;
		if (last)
			v->next[last - 1] = b;
		else
			first = b;
		last = b;
	}
	v->next[last - 1] = 0;
	v->s->n_used += n;
	return first;
}

/* ---- leaving ---- */

void cache_remove(struct cache_view *v, uint32_t slot)
{
	struct cache_slot *e = &v->slots[slot];
	uint32_t *lane = &v->s->lane_blocks[lane_of(v, slot)];

	v->tags[slot] = 0;
	*lane = *lane > e->n_blocks ? *lane - e->n_blocks : 0;
	if (queue_del(v, slot) || blocks_free(v, e->first, e->n_blocks))
		cache_mend(v);
	e->first = 0;
	publish(v->s);
}

void cache_forget(struct cache_view *v, uint32_t slot, const uint64_t h[2])
{
	if (v->slots[slot].queue == CACHE_MAIN || v->slots[slot].freq)
		ghost_add(v, h);
	cache_remove(v, slot);
}

static void count_evicted(struct cache_view *v)
{
	atomic_fetch_add_explicit(&v->s->evicted, 1, memory_order_relaxed);
	v->c->counts.evicted++;
}

/* The slot at a queue's end with its header; CACHE_NO_SLOT when it is empty. -1 in *ret_bad: nonsense. */
static uint32_t tail_of(struct cache_view *v, enum cache_queue_id id, struct cache_entry *e, int *ret_bad)
{
	uint32_t tail = v->s->queue[id].tail;

	if (!tail)
		return CACHE_NO_SLOT;
	if (tail > v->l->n_slots || !v->tags[tail - 1] || v->slots[tail - 1].queue != id ||
	    cache_entry_read(v, tail - 1, e, NULL)) {
		*ret_bad = -1;
		return CACHE_NO_SLOT;
	}
	return tail - 1;
}

static void move(struct cache_view *v, uint32_t slot, uint8_t freq)
{
	if (queue_del(v, slot)) {
		cache_mend(v);
		return;
	}
	v->slots[slot].freq = freq;
	queue_push(v, slot, CACHE_MAIN);
}

/* One step: somebody goes, or moves. may_spare 0: somebody goes. -1: the shard was mended. has_over: somebody has more than his share. */
static int evict_step(struct cache_view *v, uint64_t now_ms, int may_spare, int has_over)
{
	struct cache_entry e[CACHE_QUEUES];
	uint32_t tail[CACHE_QUEUES];
	int bad = 0, is_small;
	uint8_t freq;

	for (unsigned i = 0; i < CACHE_QUEUES; i++) {
		tail[i] = tail_of(v, i, &e[i], &bad);
		if (tail[i] == CACHE_NO_SLOT || !cache_is_expired(&e[i], now_ms))
			continue;
		atomic_fetch_add_explicit(&v->s->expired, 1, memory_order_relaxed);
		v->c->counts.expired++;
		cache_forget(v, tail[i], e[i].h);
		return 0;
	}
	if (bad || (tail[CACHE_SMALL] == CACHE_NO_SLOT && tail[CACHE_MAIN] == CACHE_NO_SLOT)) {
		cache_mend(v);
		return -1;
	}
	is_small = tail[CACHE_MAIN] == CACHE_NO_SLOT ||
		   (tail[CACHE_SMALL] != CACHE_NO_SLOT &&
		    v->s->queue[CACHE_SMALL].n_blocks > v->l->n_blocks / SMALL_SHARE);
	if (has_over && may_spare) {
		uint32_t next = tail[is_small ? CACHE_SMALL : CACHE_MAIN];

		if (!is_over(v, lane_of(v, next))) {
			move(v, next, v->slots[next].freq);
			return 0;
		}
	}
	if (is_small) {
		freq = v->slots[tail[CACHE_SMALL]].freq;
		if (freq >= PROMOTE_AT && may_spare) {
			move(v, tail[CACHE_SMALL], 0);
			return 0;
		}
		ghost_add(v, e[CACHE_SMALL].h);
		cache_remove(v, tail[CACHE_SMALL]);
	} else {
		freq = v->slots[tail[CACHE_MAIN]].freq;
		if (freq && may_spare) {
			move(v, tail[CACHE_MAIN], (uint8_t)((freq & 3) - 1) & 3);
			return 0;
		}
		cache_remove(v, tail[CACHE_MAIN]);
	}
	count_evicted(v);
	return 0;
}

/* A free slot in the window, else the one there that is worth least is freed. */
static uint32_t slot_in_window(struct cache_view *v, const uint64_t h[2])
{
	uint32_t n = v->l->n_slots, slot = (uint32_t)((h[0] & UINT32_MAX) * n >> 32), worst = slot;
	unsigned least = UINT32_MAX;

	for (uint32_t i = 0; i < CACHE_WINDOW; i++, slot = slot + 1 == n ? 0 : slot + 1) {
		unsigned worth = v->slots[slot].freq + (v->slots[slot].queue == CACHE_MAIN ? 2u : 0u);

		if (v->tags[slot] && !is_over(v, lane_of(v, slot)))
			worth += 8;

		if (!v->tags[slot])
			return slot;
		if (worth < least) {
			least = worth;
			worst = slot;
		}
	}
	cache_remove(v, worst);
	count_evicted(v);
	return worst;
}

int cache_make_room(struct cache_view *v, const uint64_t h[2], uint32_t n, uint64_t now_ms, uint32_t *ret_slot,
		    uint32_t *ret_first)
{
	unsigned patience = PATIENCE;
	int has_over = -1;

	while (v->s->n_used > v->l->n_blocks || v->l->n_blocks - v->s->n_used < n) {
		uint32_t before = v->s->n_used;

		if (has_over < 0)
			has_over = is_any_over(v);
		if (evict_step(v, now_ms, patience > 0, has_over))
			break;	/* empty now */
		if (v->s->n_used != before)
			has_over = -1;
		patience -= patience > 0;
	}
	*ret_slot = slot_in_window(v, h);
	*ret_first = blocks_take(v, n);
	if (*ret_first)
		return 0;
	cache_mend(v);
	return -1;
}

uint64_t cache_oldest(const struct cache_view *v)
{
	uint64_t oldest = 0;

	for (unsigned i = 0; i < CACHE_QUEUES; i++) {
		uint32_t tail = v->s->queue[i].tail;
		struct cache_entry e;

		if (tail && tail <= v->l->n_slots && cache_entry_read(v, tail - 1, &e, NULL) == 0 &&
		    (!oldest || e.created_ms < oldest))
			oldest = e.created_ms;
	}
	return oldest;
}
