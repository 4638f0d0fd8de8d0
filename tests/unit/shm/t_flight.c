#include "config.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "lib/shm/flight.h"

static uint32_t incarnations[128];

static uint32_t incarnation(void *arg, unsigned number)
{
	(void)arg;
	return incarnations[number];
}

static struct flights make(uint32_t n)
{
	struct flights f = {.v = aligned_alloc(64, flights_size(n)), .n = n, .incarnation = incarnation};

	cr_assert(f.v);
	memset((void *)f.v, 0, flights_size(n));
	for (unsigned i = 0; i < 128; i++)
		incarnations[i] = 1;
	return f;
}

static const uint64_t H[2] = {0x1234567, 0xabcdef0123456789};

static enum flight_role join(const struct flights *f, uint64_t digest, unsigned number, struct flight_ref *ref)
{
	unsigned error;

	return flight_join(f, H, digest, 1, 1, number, 1000, ref, &error);
}

Test(flight, the_first_owns_and_the_others_follow_until_it_ends)
{
	struct flights f = make(64);
	struct flight_ref own, ref;
	enum flight_end end;
	unsigned error;
	uint64_t mask[2];

	cr_expect(join(&f, 5, 3, &own) == FLIGHT_OWN);
	for (unsigned i = 0; i < 127; i += 42) {
		cr_expect(join(&f, 5, i, &ref) == FLIGHT_FOLLOW);
		cr_expect(ref.index == own.index && ref.seq == own.seq);
	}
	cr_expect(flight_look(&f, ref, &end, &error) == FLIGHT_RUNNING);
	flight_finish(&f, own, 4, FLIGHT_STORED, 0, 0, 1000, mask);
	cr_expect(!mask[0] && !mask[1], "not his");
	flight_finish(&f, own, 3, FLIGHT_STORED, 0, 0, 1000, mask);
	cr_expect(mask[0] == (1ull | 1ull << 42) && mask[1] == (1ull << (84 - 64) | 1ull << (126 - 64)));
	cr_expect(flight_look(&f, ref, &end, &error) == FLIGHT_ENDED && end == FLIGHT_STORED);
	flight_finish(&f, own, 3, FLIGHT_STORED, 0, 0, 1000, mask);
	cr_expect(!mask[0] && !mask[1], "once");
	cr_expect(join(&f, 5, 9, &ref) == FLIGHT_OWN, "a stored answer leaves no flight behind");
	cr_expect(flight_look(&f, own, &end, &error) == FLIGHT_VOID);
	free(f.v);
}

Test(flight, other_stamps_replace_it_and_its_followers_are_woken_with_the_new_one)
{
	struct flights f = make(64);
	struct flight_ref first, follower, second, ref;
	enum flight_end end;
	unsigned error;
	uint64_t mask[2];

	cr_expect(join(&f, 5, 1, &first) == FLIGHT_OWN);
	cr_expect(join(&f, 5, 2, &follower) == FLIGHT_FOLLOW);
	cr_expect(join(&f, 6, 3, &second) == FLIGHT_OWN);
	cr_expect(second.index == first.index && second.seq != first.seq);
	cr_expect(flight_look(&f, follower, &end, &error) == FLIGHT_VOID);
	cr_expect(join(&f, 6, 4, &ref) == FLIGHT_FOLLOW);
	flight_finish(&f, first, 1, FLIGHT_ERROR, 7, 1000, 1000, mask);
	cr_expect(!mask[0], "it is no longer the first one's");
	flight_finish(&f, second, 3, FLIGHT_STORED, 0, 0, 1000, mask);
	cr_expect(mask[0] == (1u << 2 | 1u << 4));
	free(f.v);
}

Test(flight, an_intent_keeps_everybody_apart)
{
	struct flights f = make(64);
	struct flight_ref own, ref;
	unsigned error;
	uint64_t mask[2];

	cr_expect(flight_join(&f, H, 5, 0, 1, 1, 1000, &ref, &error) == FLIGHT_PASS, "nobody could follow");
	cr_expect(join(&f, 5, 1, &own) == FLIGHT_OWN);
	cr_expect(flight_join(&f, H, 5, 0, 1, 2, 1000, &ref, &error) == FLIGHT_PASS, "equal stamps, but an intent now");
	cr_expect(flight_join(&f, H, 6, 0, 1, 2, 1000, &ref, &error) == FLIGHT_PASS);
	flight_finish(&f, own, 1, FLIGHT_ERROR, 7, 1000, 1000, mask);
	cr_expect(!mask[0]);
	cr_expect(flight_join(&f, H, 5, 0, 1, 2, 1000, &ref, &error) == FLIGHT_FAILED && error == 7);
	free(f.v);
}

Test(flight, an_outcome_is_told_until_it_expires)
{
	static const enum flight_end ends[] = {FLIGHT_ERROR, FLIGHT_UNCACHEABLE, FLIGHT_TOO_BIG, FLIGHT_ABANDONED};
	struct flights f = make(64);

	for (unsigned i = 0; i < 4; i++) {
		struct flight_ref own, ref, again;
		enum flight_end end;
		unsigned error = 0, told = 0;
		uint64_t mask[2];
		enum flight_role role;

		memset((void *)f.v, 0, flights_size(64));
		cr_expect(join(&f, 5, 1, &own) == FLIGHT_OWN);
		cr_expect(join(&f, 5, 2, &ref) == FLIGHT_FOLLOW);
		flight_finish(&f, own, 1, ends[i], 9, 500, 1000, mask);
		cr_expect(mask[0] == 4);
		cr_expect(flight_look(&f, ref, &end, &told) == FLIGHT_ENDED && end == ends[i] && told == 9);
		role = flight_join(&f, H, 6, 1, 1, 2, 1499, &again, &error);
		cr_expect(role == (i == 0 ? FLIGHT_FAILED : i == 3 ? FLIGHT_OWN : FLIGHT_PASS), "%u", i);
		cr_expect(i || error == 9);
		if (i == 3)
			continue;
		cr_expect(flight_join(&f, H, 6, 1, 0, 2, 1499, &again, &error) == FLIGHT_PASS, "no refresh in series");
		cr_expect(flight_join(&f, H, 6, 1, 1, 2, 1500, &again, &error) == FLIGHT_OWN);
	}
	free(f.v);
}

Test(flight, a_refresh_never_follows)
{
	struct flights f = make(64);
	struct flight_ref own, ref;
	unsigned error;

	cr_expect(flight_join(&f, H, 5, 1, 0, 1, 1000, &own, &error) == FLIGHT_OWN);
	cr_expect(flight_join(&f, H, 5, 1, 0, 2, 1000, &ref, &error) == FLIGHT_PASS);
	cr_expect(flight_join(&f, H, 5, 1, 1, 2, 1000, &ref, &error) == FLIGHT_FOLLOW);
	free(f.v);
}

Test(flight, a_dead_owner_s_flight_is_taken_over)
{
	struct flights f = make(64);
	struct flight_ref own, ref, next;
	enum flight_end end;
	unsigned error;
	uint64_t mask[2];

	cr_expect(join(&f, 5, 1, &own) == FLIGHT_OWN);
	cr_expect(join(&f, 5, 2, &ref) == FLIGHT_FOLLOW);
	incarnations[1]++;
	cr_expect(flight_look(&f, ref, &end, &error) == FLIGHT_VOID);
	cr_expect(join(&f, 5, 2, &next) == FLIGHT_OWN);
	flight_finish(&f, own, 1, FLIGHT_ERROR, 1, 1000, 1000, mask);
	cr_expect(!mask[0]);
	flight_finish(&f, next, 2, FLIGHT_STORED, 0, 0, 1000, mask);
	cr_expect(mask[0] == 4, "the follower's bit came along");
	free(f.v);
}

Test(flight, weird_voids_what_a_dead_number_had)
{
	struct flights f = make(64);
	struct flight_ref own, ref, other;
	enum flight_end end;
	unsigned error;
	uint64_t mask[2], h2[2] = {99, 1}, h3[2] = {50, 2};

	cr_expect(join(&f, 5, 70, &own) == FLIGHT_OWN);
	cr_expect(join(&f, 5, 2, &ref) == FLIGHT_FOLLOW);
	cr_expect(join(&f, 5, 100, &ref) == FLIGHT_FOLLOW);
	cr_expect(flight_join(&f, h2, 5, 1, 1, 3, 1000, &other, &error) == FLIGHT_OWN);
	/* it died between the end and the wake-up */
	cr_expect(flight_join(&f, h3, 5, 1, 1, 70, 1000, &other, &error) == FLIGHT_OWN);
	flight_finish(&f, other, 70, FLIGHT_STORED, 0, 0, 1000, mask);
	atomic_store(&f.v[other.index].mask[0], 1ull << 9);
	flights_void(&f, 70, mask);
	cr_expect(mask[0] == (1ull << 2 | 1ull << 9) && mask[1] == 1ull << 36);
	cr_expect(flight_look(&f, ref, &end, &error) == FLIGHT_VOID);
	cr_expect(join(&f, 5, 2, &ref) == FLIGHT_OWN);
	flights_void(&f, 70, mask);
	cr_expect(!mask[0] && !mask[1]);
	cr_expect(flight_join(&f, h2, 5, 1, 1, 4, 1000, &ref, &error) == FLIGHT_FOLLOW, "others fly on");
	free(f.v);
}

Test(flight, a_full_window_means_flying_alone)
{
	struct flights f = make(8);
	struct flight_ref ref;
	uint64_t h[2] = {0, 0}, mask[2];
	unsigned error;

	for (uint64_t i = 0; i < 8; i++) {
		h[1] = i << 52;
		cr_expect(flight_join(&f, h, 5, 1, 1, 1, 1000, &ref, &error) == FLIGHT_OWN);
	}
	h[1] = 9ull << 52;
	cr_expect(flight_join(&f, h, 5, 1, 1, 2, 1000, &ref, &error) == FLIGHT_PASS);
	h[1] = 3ull << 52;
	cr_expect(flight_join(&f, h, 5, 1, 1, 2, 1000, &ref, &error) == FLIGHT_FOLLOW, "those that fly are found");
	h[1] = 3ull << 52 | 1;
	cr_expect(flight_join(&f, h, 5, 1, 1, 2, 1000, &ref, &error) == FLIGHT_PASS, "the whole hash is compared");
	flights_void(&f, 1, mask);
	cr_expect(mask[0] == 4);
	cr_expect(flight_join(&f, h, 5, 1, 1, 2, 1000, &ref, &error) == FLIGHT_OWN);
	f.n = 0;
	cr_expect(flight_join(&f, h, 5, 1, 1, 2, 1000, &ref, &error) == FLIGHT_PASS, "no flights at all");
	free(f.v);
}
