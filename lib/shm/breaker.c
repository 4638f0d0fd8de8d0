/* The cell is three words, each changed by CAS on its own, so that no kill leaves it between two states:
 * ctl alone says whether calls may be made. */
#include "config.h"

#include "lib/shm/breaker.h"

#include "lib/base/check.h"

#define OPEN_BIT (1ull << 63)
#define MS_MASK 0xffffffffffull
#define GEN_MASK 0x3ffffull
#define WINDOW_MASK ((1ull << BREAKER_WINDOW) - 1)

#define CTL_IS_OPEN(c) ((c) >> 63 != 0)
#define CTL_FORCE(c) ((enum breaker_force)((c) >> 61 & 3))
#define CTL_DOUBLINGS(c) ((unsigned)((c) >> 58 & 7))
#define CTL_GEN(c) ((c) >> 40 & GEN_MASK)
#define CTL_UNTIL(c) ((c) & MS_MASK)

#define WIN_ROW(w) ((unsigned)((w) >> 56))
#define WIN_COUNT(w) ((unsigned)((w) >> 48 & 0xff))

static uint64_t ctl_word(uint64_t old, int is_open, unsigned doublings, uint64_t until_ms)
{
	return (is_open ? OPEN_BIT : 0) | (uint64_t)CTL_FORCE(old) << 61 | (uint64_t)(doublings & 7) << 58 |
	       ((CTL_GEN(old) + 1) & GEN_MASK) << 40 | (until_ms & MS_MASK);
}

/* ± 20 %, so that the processes of many hosts do not probe together. */
static uint64_t open_until(const struct breaker *b, unsigned doublings, uint64_t now_ms)
{
	uint64_t ms = (uint64_t)BREAKER_OPEN_MIN_MS << doublings;
	uint64_t x = (now_ms + 1) * 0x9e3779b97f4a7c15ull ^ (uintptr_t)b;

	if (ms > BREAKER_OPEN_MAX_MS)
		ms = BREAKER_OPEN_MAX_MS;
	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9ull;
	x = (x ^ x >> 27) * 0x94d049bb133111ebull;
	x ^= x >> 31;
	return now_ms + ms * 4 / 5 + x % (ms * 2 / 5 + 1);
}

static unsigned one_more(unsigned doublings)
{
	return (BREAKER_OPEN_MIN_MS << doublings) < BREAKER_OPEN_MAX_MS ? doublings + 1 : doublings;
}

int breaker_may(const struct breaker *b)
{
	return !CTL_IS_OPEN(atomic_load_explicit(&b->ctl, memory_order_acquire));
}

/* Opened again before it was forgiven: for longer than last time. */
static int trip(struct breaker *b, uint64_t ctl, int is_forgiven, uint64_t now_ms)
{
	unsigned doublings = is_forgiven || !CTL_UNTIL(ctl) ? 0 : one_more(CTL_DOUBLINGS(ctl));

	if (CTL_FORCE(ctl) != BREAKER_AUTO)
		return 0;
	/* A CAS that fails: another process was first, or an operator. */
	if (!atomic_compare_exchange_strong(&b->ctl, &ctl, ctl_word(ctl, 1, doublings, open_until(b, doublings, now_ms))))
		return 0;
	atomic_store_explicit(&b->changed_ms, now_ms, memory_order_relaxed);
	atomic_fetch_add_explicit(&b->opened, 1, memory_order_relaxed);
	return 1;
}

int breaker_record(struct breaker *b, int is_ok, uint64_t now_ms)
{
	uint64_t ctl = atomic_load(&b->ctl), old, next;
	unsigned row, count;

	if (CTL_IS_OPEN(ctl))
		return 0;
	old = atomic_load_explicit(&b->window, memory_order_relaxed);
	if (!is_ok)
		atomic_fetch_add_explicit(&b->failures, 1, memory_order_relaxed);
	do {
		row = is_ok ? 0 : WIN_ROW(old) < 255 ? WIN_ROW(old) + 1 : 255;
		count = WIN_COUNT(old) < BREAKER_WINDOW ? WIN_COUNT(old) + 1 : BREAKER_WINDOW;
		next = (uint64_t)row << 56 | (uint64_t)count << 48 | ((old << 1 | !is_ok) & WINDOW_MASK);
		/* The usual case, all is well, writes nothing that others would have to fetch. */
		if (next == old)
			return 0;
	} while (!atomic_compare_exchange_weak(&b->window, &old, next));
	if (is_ok)
		return 0;
	if (row < BREAKER_IN_A_ROW &&
	    (count < BREAKER_WINDOW || (unsigned)__builtin_popcountll(next & WINDOW_MASK) * 2 <= BREAKER_WINDOW))
		return 0;
	return trip(b, ctl, count == BREAKER_WINDOW, now_ms);
}

int breaker_probe_begin(struct breaker *b, unsigned number, unsigned incarnation, uint64_t now_ms,
			unsigned lease_ms, struct breaker_lease *ret)
{
	uint64_t ctl = atomic_load(&b->ctl), lease = atomic_load(&b->lease);
	uint64_t mine = (uint64_t)(number + 1) << 56 | (uint64_t)(incarnation & 0xffff) << 40 |
			((now_ms + lease_ms) & MS_MASK);

	check(number < 255);
	if (!CTL_IS_OPEN(ctl) || CTL_FORCE(ctl) != BREAKER_AUTO || now_ms < CTL_UNTIL(ctl))
		return 0;
	if (lease && now_ms < (lease & MS_MASK))
		return 0;
	if (!atomic_compare_exchange_strong(&b->lease, &lease, mine))
		return 0;
	/* It may have been closed, or opened for longer, between our load and the lease. */
	if (atomic_load(&b->ctl) != ctl) {
		(void)atomic_compare_exchange_strong(&b->lease, &mine, 0);
		return 0;
	}
	atomic_fetch_add_explicit(&b->probes, 1, memory_order_relaxed);
	*ret = (struct breaker_lease){mine, ctl};
	return 1;
}

int breaker_probe_end(struct breaker *b, const struct breaker_lease *l, enum breaker_probe result,
		      uint64_t now_ms)
{
	uint64_t ctl = l->ctl, word = l->word, next;
	unsigned doublings = CTL_DOUBLINGS(ctl);
	int is_ours;

	if (atomic_load(&b->lease) != word)
		return 0;
	if (result == BREAKER_PROBE_FAILED)
		doublings = one_more(doublings);
	if (result == BREAKER_PROBE_OK) {
		/* until stays: it says that this one was open before, see trip. */
		next = ctl_word(ctl, 0, doublings, CTL_UNTIL(ctl));
		atomic_store(&b->window, 0);
	} else {
		next = ctl_word(ctl, 1, doublings,
				open_until(b, result == BREAKER_PROBE_REFUSED ? 0 : doublings, now_ms));
	}
	/* ctl first: were the lease given back before, a second probe could begin on the old state. */
	is_ours = atomic_compare_exchange_strong(&b->ctl, &ctl, next);
	if (is_ours)
		atomic_store_explicit(&b->changed_ms, now_ms, memory_order_relaxed);
	(void)atomic_compare_exchange_strong(&b->lease, &word, 0);
	return is_ours && result == BREAKER_PROBE_OK;
}

uint64_t breaker_next_probe_ms(const struct breaker *b, uint64_t now_ms)
{
	uint64_t ctl = atomic_load_explicit(&b->ctl, memory_order_acquire);
	uint64_t lease = atomic_load_explicit(&b->lease, memory_order_relaxed) & MS_MASK;

	if (!CTL_IS_OPEN(ctl) || CTL_FORCE(ctl) != BREAKER_AUTO)
		return UINT64_MAX;
	return lease > CTL_UNTIL(ctl) && lease > now_ms ? lease : CTL_UNTIL(ctl);
}

unsigned breaker_void_leases(struct breaker *b, unsigned n, unsigned number)
{
	unsigned voided = 0;

	for (unsigned i = 0; i < n; i++) {
		uint64_t lease = atomic_load(&b[i].lease);

		if (lease >> 56 == number + 1)
			voided += atomic_compare_exchange_strong(&b[i].lease, &lease, 0);
	}
	return voided;
}

void breaker_set_force(struct breaker *b, enum breaker_force force, uint64_t now_ms)
{
	uint64_t old = atomic_load(&b->ctl), next;

	do {
		int is_open = force == BREAKER_AUTO ? CTL_IS_OPEN(old) : force == BREAKER_FORCED_OPEN;

		/* What was forced open is probed at once when it is left to itself again. */
		next = ctl_word(old, is_open, 0, is_open ? now_ms : 0);
		next = (next & ~(3ull << 61)) | (uint64_t)force << 61;
	} while (!atomic_compare_exchange_weak(&b->ctl, &old, next));
	if (!CTL_IS_OPEN(next))
		atomic_store(&b->window, 0);
	atomic_store_explicit(&b->changed_ms, now_ms, memory_order_relaxed);
}

enum breaker_state breaker_state(const struct breaker *b, uint64_t now_ms)
{
	uint64_t lease = atomic_load(&b->lease);

	if (breaker_may(b))
		return BREAKER_CLOSED;
	return lease && now_ms < (lease & MS_MASK) ? BREAKER_HALF_OPEN : BREAKER_OPEN;
}

enum breaker_force breaker_force(const struct breaker *b)
{
	return CTL_FORCE(atomic_load(&b->ctl));
}

uint64_t breaker_open_until_ms(const struct breaker *b)
{
	uint64_t ctl = atomic_load(&b->ctl);

	return CTL_IS_OPEN(ctl) ? CTL_UNTIL(ctl) : 0;
}
