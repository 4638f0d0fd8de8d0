/* Who may ride the express lane. The worker that saw it takes a right away, the tick gives one.
 * A quantile of the ring needs no sorting: that more than n/8 samples are above T can only begin to hold with
 * a sample above T, so the ring is read at slow samples only.
 * By time it is one eighth of the runs that decides, and not less: where the database shares a busy machine, one run
 * in twenty of any statement waits 10 ms for a core. To take the lane for that would be to put the same statements on
 * as many backends as there are connections, which wait for cores all the more. The guard bounds what one run costs. */
#include "config.h"

#include "lib/shm/slots.h"

#include "lib/shm/histo.h"
#include "lib/shm/region.h"

#define MIN_SAMPLES 32u
#define SAMPLE_AGE_MS (5u * 60u * 1000u)
/* Half of the runs decide whether a statement is short; the tail may be wide, because
 * exclusive runs on a busy machine wait for a core behind each other's backends, and an endpoint that
 * starts under full load would never earn the lane that takes that load off. */
#define ENTER_P50_US 2000u
#define ENTER_TAIL_US 8000u
#define ENTER_LAST_US 25000u	/* only 1 of LAST is above it */
#define TAIL 8u
#define LAST 32u
#define SLOW_TAIL 4u
#define ENTER_P95_KIB 32u
#define ENTER_MAX_KIB 128u
#define LEAVE_TAIL_US 4000u
#define LEAVE_TAIL_MEDIANS 4u
#define SLOW_US 10000u
#define SLOW_MEDIANS 10u
#define SLOW_SPAN_MS 10000u
#define SLOW_LEAST_MS 1000u
#define LEAVE_BYTES (256u * 1024u)
#define HOLD_MS 10000u
#define HOLD_MAX_MS (10u * 60u * 1000u)
#define LOSSES_MAX 6u
#define FORGIVE_MS (10u * 60u * 1000u)

#define US_MAX ((1u << 22) - 1)
#define KIB_MAX 1023u
#define SAMPLE_US(v) ((uint32_t)((v) & US_MAX))
#define SAMPLE_KIB(v) ((uint32_t)((v) >> 22 & KIB_MAX))
#define SAMPLE_MS(v) ((uint32_t)((v) >> 32))

static uint64_t word(enum express_state state, unsigned losses, uint64_t old, uint64_t until_ms)
{
	uint64_t gen = ((old >> 48 & 0x3ff) + 1) & 0x3ff;

	return (uint64_t)state << 62 | (uint64_t)losses << 58 | gen << 48 |
	       (until_ms & 0xffffffffffffull);
}

static uint32_t at_least(uint32_t floor, uint64_t v)
{
	return v > floor ? (v < UINT32_MAX ? (uint32_t)v : UINT32_MAX) : floor;
}

/* How many samples the ring has, how many of them are above us. */
static unsigned count_above(const struct express *x, uint32_t us, unsigned *ret_above)
{
	unsigned n = 0, above = 0;

	for (unsigned i = 0; i < EXPRESS_RING; i++) {
		uint64_t v = atomic_load_explicit(&x->ring[i], memory_order_relaxed);

		n += v != 0;
		above += SAMPLE_US(v) > us;
	}
	*ret_above = above;
	return n;
}

/* Samples that may lie above the 95th percentile (nearest rank) of n, of sizes. */
static unsigned above_p95(unsigned n)
{
	return n - (n * 95 + 99) / 100;
}

/* Three of the ring's samples of the last seconds are slow, and more than a fourth of all: soon enough for an endpoint
 * that is seldom asked. Not within one second, though: that may be the moment at which it came to the lane and the
 * backends of the other lane still held every core. */
static int third_slow(const struct express *x, uint32_t us, uint32_t now_ms)
{
	unsigned n = 0, slow = 0;
	uint32_t span = 0;

	for (unsigned i = 0; i < EXPRESS_RING; i++) {
		uint64_t v = atomic_load_explicit(&x->ring[i], memory_order_relaxed);
		uint32_t age = now_ms - SAMPLE_MS(v);

		n += v != 0;
		if (SAMPLE_US(v) <= us || age > SLOW_SPAN_MS)
			continue;
		slow++;
		span = age > span ? age : span;
	}
	return slow >= 3 && slow > n / SLOW_TAIL && span >= SLOW_LEAST_MS;
}

void express_sample(struct express *x, uint64_t service_us, uint64_t result_bytes, uint64_t now_ms)
{
	uint64_t us = service_us < US_MAX ? service_us : US_MAX;
	uint64_t kib = result_bytes / 1024 < KIB_MAX ? (result_bytes + 1023) / 1024 : KIB_MAX;
	uint32_t at = atomic_load_explicit(&x->next, memory_order_relaxed);
	uint32_t median = atomic_load_explicit(&x->median_us, memory_order_relaxed), leave, slow;
	unsigned above, n;

	atomic_store_explicit(&x->ring[at % EXPRESS_RING], now_ms << 32 | kib << 22 | (us ? us : 1),
			      memory_order_relaxed);
	atomic_store_explicit(&x->next, at + 1, memory_order_relaxed);
	if (!express_may(x))
		return;
	leave = at_least(LEAVE_TAIL_US, (uint64_t)LEAVE_TAIL_MEDIANS * median);
	slow = at_least(SLOW_US, (uint64_t)SLOW_MEDIANS * median);
	if (result_bytes > LEAVE_BYTES || (us > slow && third_slow(x, slow, (uint32_t)now_ms))) {
		express_hold(x, now_ms);
	} else if (us > leave) {
		n = count_above(x, leave, &above);
		if (n >= MIN_SAMPLES && above > n / TAIL)
			express_hold(x, now_ms);
	}
}

int express_may(const struct express *x)
{
	return EXPRESS_STATE(atomic_load_explicit(&x->ctl, memory_order_relaxed)) == EXPRESS_ON;
}

/* 0.9 … 1.1 of ms, so that endpoints that fell together do not come back together. */
static uint64_t jitter(uint64_t ms, uint64_t seed)
{
	seed = (seed ^ seed >> 30) * 0xbf58476d1ce4e5b9ull;
	seed = (seed ^ seed >> 27) * 0x94d049bb133111ebull;
	seed ^= seed >> 31;
	return ms * 9 / 10 + seed % (ms / 5 + 1);
}

void express_hold(struct express *x, uint64_t now_ms)
{
	uint64_t old = atomic_load(&x->ctl), held;

	do {
		unsigned losses = EXPRESS_LOSSES(old);
		uint64_t hold = (uint64_t)HOLD_MS << losses;

		/* Several workers see the same trouble; only the first of them takes the right. */
		if (EXPRESS_STATE(old) != EXPRESS_ON)
			return;
		if (hold > HOLD_MAX_MS)
			hold = HOLD_MAX_MS;
		held = word(EXPRESS_HELD, losses < LOSSES_MAX ? losses + 1 : losses, old,
			    now_ms + jitter(hold, (now_ms + 1) * 0x9e3779b97f4a7c15ull ^ (uintptr_t)x));
	} while (!atomic_compare_exchange_weak(&x->ctl, &old, held));
}

void express_bar(struct express *x)
{
	uint64_t old = atomic_load(&x->ctl);

	while (!atomic_compare_exchange_weak(&x->ctl, &old, word(EXPRESS_BARRED, 0, old, 0)))
		;
}

static void empty(struct express *x)
{
	for (unsigned i = 0; i < EXPRESS_RING; i++)
		atomic_store_explicit(&x->ring[i], 0, memory_order_relaxed);
}

void express_reset(struct express *x)
{
	uint64_t old = atomic_load(&x->ctl);

	empty(x);
	while (!atomic_compare_exchange_weak(&x->ctl, &old, word(EXPRESS_COLD, 0, old, 0)))
		;
}

static int has_earned(const struct express *x, uint32_t now_ms)
{
	unsigned n = 0, slower = 0, larger = 0, longer = 0, last = 0;

	for (unsigned i = 0; i < EXPRESS_RING; i++) {
		uint64_t v = atomic_load_explicit(&x->ring[i], memory_order_relaxed);

		if (!v)
			continue;
		/* A sample from a moment ago may bear a later clock reading than ours. */
		if ((int32_t)(now_ms - SAMPLE_MS(v)) > (int32_t)SAMPLE_AGE_MS)
			continue;
		if (SAMPLE_KIB(v) > ENTER_MAX_KIB)
			return 0;
		n++;
		longer += SAMPLE_US(v) > ENTER_P50_US;
		slower += SAMPLE_US(v) > ENTER_TAIL_US;
		last += SAMPLE_US(v) > ENTER_LAST_US;
		larger += SAMPLE_KIB(v) > ENTER_P95_KIB;
	}
	return n >= MIN_SAMPLES && longer <= n / 2 && slower <= n / TAIL && last <= n / LAST && larger <= above_p95(n);
}

static void tick_one(struct express *x, uint64_t now_ms)
{
	uint64_t old = atomic_load(&x->ctl), next = old;
	unsigned losses = EXPRESS_LOSSES(old);

	switch (EXPRESS_STATE(old)) {
	case EXPRESS_COLD:
		if (has_earned(x, (uint32_t)now_ms)) {
			empty(x);	/* what it does on the lane counts from now on */
			next = word(EXPRESS_ON, losses, old, now_ms + FORGIVE_MS);
		}
		break;
	case EXPRESS_ON:
		if (losses && now_ms >= EXPRESS_UNTIL_MS(old))
			next = word(EXPRESS_ON, losses - 1, old, now_ms + FORGIVE_MS);
		break;
	case EXPRESS_HELD:
		if (now_ms >= EXPRESS_UNTIL_MS(old)) {
			empty(x);
			next = word(EXPRESS_COLD, losses, old, 0);
		}
		break;
	case EXPRESS_BARRED:
		break;
	}
	if (next != old)
		(void)atomic_compare_exchange_strong(&x->ctl, &old, next);
}

/* The samples of the last second, of all endpoints of a database. */
static void gather(const struct region *r, unsigned db, uint32_t now_ms, struct histo_sum *sum)
{
	for (unsigned i = 0, n = region_endpoints_used(r); i < n; i++) {
		const struct region_endpoint *x = region_endpoint(r, i);

		if (x->database != db)
			continue;
		for (unsigned k = 0; k < EXPRESS_RING; k++) {
			uint64_t v = atomic_load_explicit(&x->express.ring[k], memory_order_relaxed);

			if (!v || (int32_t)(now_ms - SAMPLE_MS(v)) > 1000)
				continue;
			sum->bin[histo_index((uint64_t)SAMPLE_US(v) * 1000)]++;
			sum->count++;
		}
	}
}

void express_tick(const struct region *r, uint64_t now_ms)
{
	for (unsigned db = 0; db < r->plan.n_databases; db++) {
		struct histo_sum sum = {0};
		uint32_t median;

		gather(r, db, (uint32_t)now_ms, &sum);
		median = (uint32_t)(histo_quantile(&sum, 0.5) / 1000);
		for (unsigned i = 0, n = region_endpoints_used(r); i < n; i++) {
			struct region_endpoint *x = region_endpoint(r, i);

			if (x->database != db || atomic_load_explicit(&x->state, memory_order_acquire) != 1)
				continue;
			if (atomic_load_explicit(&x->express.median_us, memory_order_relaxed) != median)
				atomic_store_explicit(&x->express.median_us, median, memory_order_relaxed);
			tick_one(&x->express, now_ms);
		}
	}
}
