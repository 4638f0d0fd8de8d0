/* Order matters here and nowhere else in the cache. Every change is a seq_cst read-modify-write; a
 * reader's loads are acquire, intent before generation (either order is right, see the model). */
#include "config.h"

#include "lib/shm/stamps.h"

#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "lib/base/check.h"

/* Tags are written by the endpoint's author but their parameters by clients: a collision costs an
 * extra invalidation, so a fixed seed is enough. All hosts and processes must agree on it. */
#define TAG_SEED 0x77656972746167ull

_Static_assert(sizeof(struct stamp) == 32, "two stamps a line");

int stamps_add(const struct stamps *s, struct stamp_set *set, struct slice tag)
{
	uint32_t slot = (uint32_t)(XXH3_64bits_withSeed(tag.p, tag.n, TAG_SEED) & (s->n - 1));

	for (uint32_t i = 0; i < set->n; i++)
		if (set->slot[i] == slot)
			return 0;
	if (set->n == STAMPS_MAX_TAGS)
		return -1;
	set->slot[set->n++] = slot;
	return 0;
}

static int has_intent(const struct stamp *t)
{
	return atomic_load_explicit(&t->intent[0], memory_order_acquire) != 0 ||
	       atomic_load_explicit(&t->intent[1], memory_order_acquire) != 0;
}

int stamps_load(const struct stamps *s, struct stamp_set *set)
{
	int quiet = 1;

	for (uint32_t i = 0; i < set->n; i++) {
		const struct stamp *t = &s->v[set->slot[i]];

		quiet &= !has_intent(t);
		set->gen[i] = atomic_load_explicit(&t->gen, memory_order_acquire);
	}
	return quiet;
}

int stamps_hold(const struct stamps *s, const struct stamp_set *set)
{
	for (uint32_t i = 0; i < set->n; i++) {
		const struct stamp *t = &s->v[set->slot[i] & (s->n - 1)];

		if (has_intent(t) || atomic_load_explicit(&t->gen, memory_order_acquire) != set->gen[i])
			return 0;
	}
	return 1;
}

int stamps_seen(const struct stamps *s, const struct stamp_set *set, uint64_t xmin)
{
	for (uint32_t i = 0; i < set->n; i++)
		if (atomic_load_explicit(&s->v[set->slot[i]].last_xid, memory_order_acquire) >= xmin)
			return 0;
	return 1;
}

uint64_t stamps_digest(const struct stamp_set *set)
{
	uint64_t h = set->n;

	for (uint32_t i = 0; i < set->n; i++) {
		h = (h ^ set->slot[i]) * 0x9e3779b97f4a7c15ull;
		h = (h ^ h >> 32 ^ set->gen[i]) * 0xbf58476d1ce4e5b9ull;
	}
	return h ^ h >> 29;
}

/* ---- writers ---- */

void stamps_writer_init(struct stamps_writer *w, const struct stamps *s, unsigned number)
{
	check(number < 127 && s->n);
	w->s = *s;
	w->number = number;
	w->open = calloc(s->n, sizeof(*w->open));
	if (!w->open)
		abort();
}

void stamps_writer_done(struct stamps_writer *w)
{
	free(w->open);
	*w = (struct stamps_writer){.open = NULL};
}

static _Atomic uint64_t *intent_word(struct stamp *t, unsigned number, uint64_t *ret_bit)
{
	*ret_bit = 1ull << (number < STAMPS_ORPHAN ? number : number - STAMPS_ORPHAN);
	return &t->intent[number >= STAMPS_ORPHAN];
}

static void raise_xid(struct stamp *t, uint64_t xid)
{
	uint64_t held = atomic_load(&t->last_xid);

	while (held < xid && !atomic_compare_exchange_weak(&t->last_xid, &held, xid))
		;
}

void stamps_begin(struct stamps_writer *w, const struct stamp_set *set)
{
	uint64_t bit;

	for (uint32_t i = 0; i < set->n; i++) {
		struct stamp *t = &w->s.v[set->slot[i]];

		check(w->open[set->slot[i]] < UINT16_MAX);
		if (w->open[set->slot[i]]++ == 0) {
			_Atomic uint64_t *word = intent_word(t, w->number, &bit);

			atomic_fetch_or(word, bit);
		}
		atomic_fetch_add(&t->gen, 1);
	}
}

int stamps_alone(const struct stamps_writer *w, const struct stamp_set *loaded)
{
	for (uint32_t i = 0; i < loaded->n; i++) {
		struct stamp *t = &w->s.v[loaded->slot[i]];
		_Atomic uint64_t *other = &t->intent[w->number < STAMPS_ORPHAN];
		uint64_t bit;

		if (w->open[loaded->slot[i]] != 1 || atomic_load(&t->gen) != loaded->gen[i] + 1 ||
		    atomic_load(intent_word(t, w->number, &bit)) != bit || atomic_load(other))
			return 0;
	}
	return 1;
}

static void end(struct stamps_writer *w, uint32_t slot, uint64_t xid, int is_orphan)
{
	struct stamp *t = &w->s.v[slot];
	uint64_t bit;

	check(w->open[slot] > 0);
	raise_xid(t, xid);
	atomic_fetch_add(&t->gen, 1);
	if (is_orphan)
		atomic_fetch_or(&t->intent[0], 1ull << STAMPS_ORPHAN);
	if (--w->open[slot] == 0) {
		_Atomic uint64_t *word = intent_word(t, w->number, &bit);

		atomic_fetch_and(word, ~bit);
	}
}

void stamps_end(struct stamps_writer *w, const struct stamp_set *set, uint64_t xid)
{
	for (uint32_t i = 0; i < set->n; i++)
		end(w, set->slot[i], xid, 0);
}

void stamps_give_up(struct stamps_writer *w, const struct stamp_set *set)
{
	for (uint32_t i = 0; i < set->n; i++)
		end(w, set->slot[i], 0, 1);
}

void stamps_bump(const struct stamps *s, const struct stamp_set *set, uint64_t xid)
{
	for (uint32_t i = 0; i < set->n; i++) {
		raise_xid(&s->v[set->slot[i]], xid);
		atomic_fetch_add(&s->v[set->slot[i]].gen, 1);
	}
}

/* ---- the dead ---- */

unsigned stamps_orphan(const struct stamps *s, unsigned number)
{
	unsigned n = 0;

	for (uint32_t i = 0; i < s->n; i++) {
		uint64_t bit;
		_Atomic uint64_t *word = intent_word(&s->v[i], number, &bit);

		if (!(atomic_load_explicit(word, memory_order_relaxed) & bit))
			continue;
		atomic_fetch_or(&s->v[i].intent[0], 1ull << STAMPS_ORPHAN);
		atomic_fetch_and(word, ~bit);
		n++;
	}
	return n;
}

unsigned stamps_orphans(const struct stamps *s)
{
	unsigned n = 0;

	for (uint32_t i = 0; i < s->n; i++)
		n += (unsigned)(atomic_load_explicit(&s->v[i].intent[0], memory_order_relaxed) >> STAMPS_ORPHAN);
	return n;
}

unsigned stamps_settle_orphans(const struct stamps *s, const _Atomic uint64_t *epoch, uint64_t epoch_then,
			       uint64_t xid)
{
	unsigned n = 0;

	for (uint32_t i = 0; i < s->n; i++) {
		struct stamp *t = &s->v[i];

		if (!(atomic_load_explicit(&t->intent[0], memory_order_relaxed) >> STAMPS_ORPHAN))
			continue;
		if (atomic_load(epoch) != epoch_then)
			break;
		raise_xid(t, xid);
		atomic_fetch_add(&t->gen, 1);
		atomic_fetch_and(&t->intent[0], ~(1ull << STAMPS_ORPHAN));
		n++;
		/* Somebody died between the look at the epoch and here, perhaps with this slot open. Nothing
		 * filled in between is kept: the next settling bumps again. */
		if (atomic_load(epoch) != epoch_then) {
			atomic_fetch_or(&t->intent[0], 1ull << STAMPS_ORPHAN);
			n--;
			break;
		}
	}
	return n;
}
