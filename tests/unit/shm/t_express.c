#include "config.h"

#include <criterion/criterion.h>
#include <string.h>

#include "lib/shm/region.h"

#define NOW 1000000ull
#define MINUTE 60000ull

static struct region make(unsigned n_endpoints)
{
	struct region_plan plan = {.n_numbers = 2, .n_endpoints = n_endpoints, .n_databases = 1, .n_slots = {5}};
	struct region r;
	struct err e = {0};

	cr_assert(region_create(&r, &plan, &e) == 0, "%s", e.text);
	for (unsigned i = 0; i < n_endpoints; i++) {
		char name[8] = {'/', (char)('a' + i)};

		cr_assert(region_endpoint_find_or_add(&r, name, name + 1, 0) == (int)i);
	}
	return r;
}

static struct express *of(struct region *r, unsigned i)
{
	return &region_endpoint(r, i)->express;
}

static enum express_state state(struct express *x)
{
	return EXPRESS_STATE(atomic_load(&x->ctl));
}

static void samples(struct express *x, unsigned n, uint64_t us, uint64_t bytes, uint64_t now_ms)
{
	while (n--)
		express_sample(x, us, bytes, now_ms);
}

static struct express *earn(struct region *r, unsigned i, uint64_t now_ms)
{
	samples(of(r, i), 64, 500, 100, now_ms);
	express_tick(r, now_ms);
	cr_assert(express_may(of(r, i)));
	return of(r, i);
}

Test(express, is_earned_by_32_good_samples)
{
	struct region r = make(1);
	struct express *x = of(&r, 0);

	express_tick(&r, NOW);
	cr_expect(state(x) == EXPRESS_COLD);
	samples(x, 31, 2000, 32 * 1024, NOW);
	express_tick(&r, NOW);
	cr_expect(!express_may(x), "31");
	samples(x, 1, 2000, 32 * 1024, NOW);
	cr_expect(!express_may(x), "the tick decides");
	express_tick(&r, NOW);
	cr_expect(express_may(x));
	region_close(&r);
}

Test(express, is_not_earned_by_slow_large_or_old_samples)
{
	struct region r = make(7);

	samples(of(&r, 0), 61, 100, 0, NOW);
	samples(of(&r, 0), 3, 25001, 0, NOW);
	samples(of(&r, 1), 55, 100, 0, NOW);
	samples(of(&r, 1), 9, 8001, 0, NOW);
	samples(of(&r, 2), 64, 100, 32 * 1024 + 1, NOW);
	samples(of(&r, 3), 63, 100, 0, NOW);
	samples(of(&r, 3), 1, 100, 128 * 1024 + 1, NOW);
	samples(of(&r, 4), 64, 100, 0, NOW - 5 * MINUTE - 1);
	samples(of(&r, 5), 31, 100, 0, NOW);
	samples(of(&r, 5), 33, 2001, 0, NOW);
	samples(of(&r, 6), 32, 100, 0, NOW);
	samples(of(&r, 6), 24, 8000, 0, NOW);
	samples(of(&r, 6), 5, 25000, 0, NOW);
	samples(of(&r, 6), 1, 25000, 128 * 1024, NOW);
	samples(of(&r, 6), 2, 30000, 128 * 1024, NOW);
	express_tick(&r, NOW);
	for (unsigned i = 0; i < 6; i++)
		cr_expect(state(of(&r, i)) == EXPRESS_COLD, "%u", i);
	cr_expect(express_may(of(&r, 6)), "an eighth may be slow, two of 64 slower, three larger");
	region_close(&r);
}

Test(express, a_guard_hit_holds_and_the_hold_doubles)
{
	struct region r = make(1);
	uint64_t now = NOW, hold = 10000;

	for (unsigned loss = 0; loss < 9; loss++) {
		struct express *x = earn(&r, 0, now);
		uint64_t until;

		express_hold(x, now);
		cr_expect(state(x) == EXPRESS_HELD && !express_may(x));
		until = EXPRESS_UNTIL_MS(atomic_load(&x->ctl));
		cr_expect(until >= now + hold * 9 / 10 && until <= now + hold * 11 / 10, "loss %u: %zu", loss,
			  (size_t)(until - now));
		cr_expect(EXPRESS_LOSSES(atomic_load(&x->ctl)) == (loss < 6 ? loss + 1 : 6));
		express_hold(x, now + 1);
		cr_expect(EXPRESS_UNTIL_MS(atomic_load(&x->ctl)) == until, "the second to see it changes nothing");
		samples(x, 64, 500, 0, until - 1);
		express_tick(&r, until - 1);
		cr_expect(state(x) == EXPRESS_HELD);
		express_tick(&r, until);
		cr_expect(state(x) == EXPRESS_COLD);
		express_tick(&r, until);
		cr_expect(state(x) == EXPRESS_COLD, "the ring was emptied");
		now = until;
		hold = hold * 2 > 600000 ? 600000 : hold * 2;
	}
	region_close(&r);
}

Test(express, losses_are_forgiven_by_ten_minutes)
{
	struct region r = make(1);
	struct express *x = earn(&r, 0, NOW);
	uint64_t t;

	express_hold(x, NOW);
	t = EXPRESS_UNTIL_MS(atomic_load(&x->ctl));
	express_tick(&r, t);
	earn(&r, 0, t);
	express_tick(&r, t + 10 * MINUTE - 1);
	cr_expect(EXPRESS_LOSSES(atomic_load(&x->ctl)) == 1);
	express_tick(&r, t + 10 * MINUTE);
	cr_expect(EXPRESS_LOSSES(atomic_load(&x->ctl)) == 0 && express_may(x));
	region_close(&r);
}

Test(express, three_slow_samples_within_ten_seconds_hold)
{
	struct region r = make(3);
	struct express *x = earn(&r, 0, NOW), *y = earn(&r, 1, NOW), *z = earn(&r, 2, NOW);

	samples(x, 8, 100, 0, NOW);
	express_sample(x, 10001, 0, NOW);
	express_sample(x, 10001, 0, NOW + 5000);
	cr_expect(express_may(x));
	express_sample(x, 10001, 0, NOW + 10000);
	cr_expect(state(x) == EXPRESS_HELD, "three of eleven");
	express_sample(y, 10001, 0, NOW);
	express_sample(y, 10001, 0, NOW + 5000);
	express_sample(y, 10001, 0, NOW + 10001);
	cr_expect(express_may(y), "the first one is too long ago");
	samples(z, 9, 500, 0, NOW);
	samples(z, 3, 10001, 0, NOW);
	cr_expect(express_may(z), "a fourth of twelve");
	samples(z, 3, 10001, 0, NOW + 999);
	cr_expect(express_may(z), "within a second");
	samples(z, 1, 10001, 0, NOW + 1000);
	cr_expect(state(z) == EXPRESS_HELD);
	region_close(&r);
}

Test(express, a_ring_above_four_milliseconds_holds)
{
	struct region r = make(1);
	struct express *x = earn(&r, 0, NOW);

	samples(x, 56, 500, 0, NOW);
	samples(x, 8, 4001, 0, NOW);
	cr_expect(express_may(x), "an eighth");
	express_sample(x, 4000, 0, NOW);
	cr_expect(express_may(x));
	express_sample(x, 4001, 0, NOW);
	cr_expect(state(x) == EXPRESS_HELD);
	region_close(&r);
}

Test(express, what_it_did_before_is_no_ground_to_hold)
{
	struct region r = make(1);
	struct express *x = of(&r, 0);

	samples(x, 64, 500, 0, NOW);
	samples(x, 3, 8000, 0, NOW);
	express_tick(&r, NOW);
	cr_expect(express_may(x));
	samples(x, 20, 5000, 0, NOW);
	cr_expect(express_may(x), "fewer than 32 on the lane");
	samples(x, 12, 5000, 0, NOW);
	cr_expect(state(x) == EXPRESS_HELD);
	region_close(&r);
}

Test(express, one_huge_result_holds)
{
	struct region r = make(1);
	struct express *x = earn(&r, 0, NOW);

	express_sample(x, 100, 256 * 1024, NOW);
	cr_expect(express_may(x));
	express_sample(x, 100, 256 * 1024 + 1, NOW);
	cr_expect(state(x) == EXPRESS_HELD);
	region_close(&r);
}

Test(express, a_server_that_is_slow_as_a_whole_demotes_nobody_by_time)
{
	struct region r = make(4);
	struct express *x = earn(&r, 0, NOW);

	earn(&r, 1, NOW);
	for (unsigned i = 1; i < 4; i++)
		samples(of(&r, i), 64, 6000, 0, NOW + 2000);
	cr_expect(state(of(&r, 1)) == EXPRESS_HELD, "nobody knew yet");
	express_tick(&r, NOW + 2000);
	cr_expect(atomic_load(&x->median_us) > 5500 && atomic_load(&x->median_us) < 6500, "%u",
		  atomic_load(&x->median_us));
	samples(x, 64, 20000, 0, NOW + 2001);
	cr_expect(express_may(x), "below 4 medians and 10 medians");
	express_hold(x, NOW + 2002);
	cr_expect(!express_may(x), "but a guard hit always does");
	region_close(&r);
}

Test(express, barred_stays_until_a_reset)
{
	struct region r = make(1);
	struct express *x = earn(&r, 0, NOW);

	express_bar(x);
	samples(x, 64, 100, 0, NOW);
	express_tick(&r, NOW + 100 * MINUTE);
	express_hold(x, NOW);
	cr_expect(state(x) == EXPRESS_BARRED && !express_may(x));
	express_reset(x);
	cr_expect(state(x) == EXPRESS_COLD);
	express_tick(&r, NOW);
	cr_expect(!express_may(x), "without a past");
	earn(&r, 0, NOW);
	region_close(&r);
}

Test(express, extreme_values_saturate)
{
	struct region r = make(1);
	struct express *x = earn(&r, 0, UINT32_MAX - 10ull);

	express_sample(x, UINT64_MAX, 0, UINT32_MAX);
	cr_expect(express_may(x), "one slow sample");
	express_sample(x, 0, 0, UINT32_MAX + 5ull);
	express_tick(&r, UINT32_MAX + 6ull);
	cr_expect(express_may(x));
	express_sample(x, 0, UINT64_MAX, UINT32_MAX + 5ull);
	cr_expect(state(x) == EXPRESS_HELD);
	region_close(&r);
}
