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

/* All came at 10, and what begins began before. */
static enum flight_role ask(const struct flights *f, const uint64_t h[2], uint64_t digest, int quiet, int can_follow,
			    unsigned number, uint64_t now_ms, struct flight_ref *ref, unsigned *error)
{
	struct flight_ask a = {.h = h, .digest = digest, .quiet = quiet, .can_follow = can_follow, .number = number,
			       .arrived_ns = 10, .now_ns = 5, .now_ms = now_ms};

	return flight_join(f, &a, ref, error);
}

/* Under the stamps that most tests begin with. */
static void finish(const struct flights *f, struct flight_ref ref, unsigned number, enum flight_end end, unsigned error,
		   uint64_t keep_ms, uint64_t now_ms, uint64_t mask[2])
{
	struct flight_outcome o = {.end = end, .error = error, .digest = 5, .quiet = 1, .keep_ms = keep_ms, .now_ms = now_ms};

	flight_finish(f, ref, number, &o, mask);
}

static enum flight_role join(const struct flights *f, uint64_t digest, unsigned number, struct flight_ref *ref)
{
	unsigned error;

	return ask(f, H, digest, 1, 1, number, 1000, ref, &error);
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
	finish(&f, own, 4, FLIGHT_STORED, 0, 0, 1000, mask);
	cr_expect(!mask[0] && !mask[1], "not his");
	finish(&f, own, 3, FLIGHT_STORED, 0, 0, 1000, mask);
	cr_expect(mask[0] == (1ull | 1ull << 42) && mask[1] == (1ull << (84 - 64) | 1ull << (126 - 64)));
	cr_expect(flight_look(&f, ref, &end, &error) == FLIGHT_ENDED && end == FLIGHT_STORED);
	finish(&f, own, 3, FLIGHT_STORED, 0, 0, 1000, mask);
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
	cr_expect(join(&f, 8, 3, &second) == FLIGHT_OWN);
	cr_expect(second.index == first.index && second.seq != first.seq);
	cr_expect(flight_look(&f, follower, &end, &error) == FLIGHT_VOID);
	cr_expect(join(&f, 8, 4, &ref) == FLIGHT_FOLLOW);
	finish(&f, first, 1, FLIGHT_ERROR, 7, 1000, 1000, mask);
	cr_expect(!mask[0], "it is no longer the first one's");
	finish(&f, second, 3, FLIGHT_STORED, 0, 0, 1000, mask);
	cr_expect(mask[0] == (1u << 2 | 1u << 4));
	free(f.v);
}

static enum flight_role come(const struct flights *f, int quiet, unsigned number, uint64_t arrived, uint64_t now, struct flight_ref *ref)
{
	struct flight_ask a = {.h = H, .digest = 4, .quiet = quiet, .can_follow = 1, .number = number, .arrived_ns = arrived,
			       .now_ns = now, .now_ms = 1000};
	unsigned error;

	return flight_join(f, &a, ref, &error);
}

/* 7.21: one runs, one is next. */
Test(flight, under_an_intent_who_comes_while_one_runs_waits_for_the_next)
{
	struct flights f = make(64);
	struct flight_ref own, ref, next;
	enum flight_end end;
	unsigned error;
	uint64_t mask[2];

	cr_expect(come(&f, 1, 1, 10, 10, &own) == FLIGHT_OWN);
	cr_expect(come(&f, 0, 2, 20, 20, &ref) == FLIGHT_OWN, "it began before the intent, perhaps");
	cr_expect(flight_look(&f, own, &end, &error) == FLIGHT_VOID);
	own = ref;
	cr_expect(!flight_is_awaited(&f, own));
	cr_expect(come(&f, 0, 3, 30, 30, &ref) == FLIGHT_WAIT && ref.seq == own.seq);
	cr_expect(come(&f, 0, 4, 20, 31, &ref) == FLIGHT_WAIT, "it began as this one came");
	cr_expect(come(&f, 0, 5, 19, 32, &ref) == FLIGHT_FOLLOW, "it began after this one came");
	cr_expect(flight_is_awaited(&f, own));
	finish(&f, own, 2, FLIGHT_HANDED, 0, 0, 1000, mask);
	cr_expect(mask[0] == (1u << 3 | 1u << 4 | 1u << 5));
	cr_expect(flight_look(&f, own, &end, &error) == FLIGHT_ENDED && end == FLIGHT_HANDED);
	cr_expect(come(&f, 0, 3, 30, 40, &next) == FLIGHT_OWN && next.seq != own.seq);
	cr_expect(come(&f, 0, 4, 20, 41, &ref) == FLIGHT_FOLLOW);
	cr_expect(come(&f, 0, 6, 42, 42, &ref) == FLIGHT_WAIT);
	cr_expect(come(&f, 1, 7, 39, 43, &ref) == FLIGHT_FOLLOW, "no intent is there any more, but it came before");
	cr_expect(come(&f, 1, 8, 44, 44, &ref) == FLIGHT_OWN, "nor does this one know");
	free(f.v);
}

/* 7.6: an error is an answer. */
Test(flight, an_error_is_told_only_under_its_own_stamps)
{
	struct flights f = make(64);
	struct flight_ref own, ref;
	struct flight_outcome none = {.end = FLIGHT_ERROR, .error = 8, .digest = 4, .keep_ms = 1000, .now_ms = 1000};
	unsigned error = 0;
	uint64_t mask[2];

	cr_expect(join(&f, 4, 1, &own) == FLIGHT_OWN);
	finish(&f, own, 1, FLIGHT_ERROR, 7, 1000, 1000, mask);
	cr_expect(ask(&f, H, 4, 1, 1, 2, 1000, &ref, &error) == FLIGHT_FAILED && error == 7);
	cr_expect(ask(&f, H, 4, 0, 1, 2, 1000, &ref, &error) == FLIGHT_OWN, "a write is open");
	flight_finish(&f, ref, 2, &none, mask);
	cr_expect(ask(&f, H, 4, 0, 1, 2, 1000, &ref, &error) == FLIGHT_OWN, "nobody has these");
	finish(&f, ref, 2, FLIGHT_ERROR, 8, 1000, 1000, mask);
	cr_expect(ask(&f, H, 8, 1, 1, 2, 1000, &ref, &error) == FLIGHT_OWN, "a write has ended");
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
		finish(&f, own, 1, ends[i], 9, 500, 1000, mask);
		cr_expect(mask[0] == 4);
		cr_expect(flight_look(&f, ref, &end, &told) == FLIGHT_ENDED && end == ends[i] && told == 9);
		role = ask(&f, H, 5, 1, 1, 2, 1499, &again, &error);
		cr_expect(role == (i == 0 ? FLIGHT_FAILED : i == 3 ? FLIGHT_OWN : FLIGHT_PASS), "%u", i);
		cr_expect(i || error == 9);
		if (i == 3)
			continue;
		cr_expect(i || ask(&f, H, 5, 1, 0, 2, 1499, &again, &error) == FLIGHT_PASS, "no refresh in series");
		cr_expect(ask(&f, H, 8, 1, 1, 2, 1500, &again, &error) == FLIGHT_OWN);
	}
	free(f.v);
}

/* Issue 7: a hit-for-miss says nothing of an answer that was kept after it. */
Test(flight, a_hit_for_miss_ends_with_a_purge_and_with_what_is_kept)
{
	struct flights f = make(64);
	struct flight_ref ref;
	struct flight_ask a = {.h = H, .digest = 5, .first = 7, .quiet = 1, .can_follow = 1, .number = 1, .arrived_ns = 10, .now_ns = 5,
			       .now_ms = 1000};
	struct flight_outcome o = {.end = FLIGHT_TOO_BIG, .digest = 5, .first = 7, .quiet = 1, .keep_ms = 60000, .now_ms = 1000};
	unsigned error;
	uint64_t mask[2];

	for (unsigned i = 0; i < 3; i++) {
		cr_expect(flight_join(&f, &a, &ref, &error) == FLIGHT_OWN, "%u", i);
		flight_finish(&f, ref, 1, &o, mask);
		a.digest = 6 + i;
		cr_expect(flight_join(&f, &a, &ref, &error) == FLIGHT_PASS, "a write does not end it");
		if (i == 0) {	/* a refresh, one at a time */
			a.can_follow = 0;
			cr_expect(flight_join(&f, &a, &ref, &error) == FLIGHT_OWN);
			cr_expect(flight_join(&f, &a, &(struct flight_ref){0, 0}, &error) == FLIGHT_PASS);
			o.end = FLIGHT_STORED;
			flight_finish(&f, ref, 1, &o, mask);
			o.end = FLIGHT_TOO_BIG;
			a.can_follow = 1;
		} else if (i == 1) {
			flight_forget(&f, H);
		} else {
			a.first = 8;	/* a purge */
			cr_expect(flight_join(&f, &a, &ref, &error) == FLIGHT_OWN);
		}
	}
	free(f.v);
}

Test(flight, a_refresh_never_follows)
{
	struct flights f = make(64);
	struct flight_ref own, ref;
	unsigned error;

	cr_expect(ask(&f, H, 5, 1, 0, 1, 1000, &own, &error) == FLIGHT_OWN);
	cr_expect(ask(&f, H, 5, 1, 0, 2, 1000, &ref, &error) == FLIGHT_PASS);
	cr_expect(ask(&f, H, 5, 1, 1, 2, 1000, &ref, &error) == FLIGHT_FOLLOW);
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
	finish(&f, own, 1, FLIGHT_ERROR, 1, 1000, 1000, mask);
	cr_expect(!mask[0]);
	finish(&f, next, 2, FLIGHT_STORED, 0, 0, 1000, mask);
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
	cr_expect(ask(&f, h2, 5, 1, 1, 3, 1000, &other, &error) == FLIGHT_OWN);
	/* it died between the end and the wake-up */
	cr_expect(ask(&f, h3, 5, 1, 1, 70, 1000, &other, &error) == FLIGHT_OWN);
	finish(&f, other, 70, FLIGHT_STORED, 0, 0, 1000, mask);
	atomic_store(&f.v[other.index].mask[0], 1ull << 9);
	flights_void(&f, 70, mask);
	cr_expect(mask[0] == (1ull << 2 | 1ull << 9) && mask[1] == 1ull << 36);
	cr_expect(flight_look(&f, ref, &end, &error) == FLIGHT_VOID);
	cr_expect(join(&f, 5, 2, &ref) == FLIGHT_OWN);
	flights_void(&f, 70, mask);
	cr_expect(!mask[0] && !mask[1]);
	cr_expect(ask(&f, h2, 5, 1, 1, 4, 1000, &ref, &error) == FLIGHT_FOLLOW, "others fly on");
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
		cr_expect(ask(&f, h, 5, 1, 1, 1, 1000, &ref, &error) == FLIGHT_OWN);
	}
	h[1] = 9ull << 52;
	cr_expect(ask(&f, h, 5, 1, 1, 2, 1000, &ref, &error) == FLIGHT_PASS);
	h[1] = 3ull << 52;
	cr_expect(ask(&f, h, 5, 1, 1, 2, 1000, &ref, &error) == FLIGHT_FOLLOW, "those that fly are found");
	h[1] = 3ull << 52 | 1;
	cr_expect(ask(&f, h, 5, 1, 1, 2, 1000, &ref, &error) == FLIGHT_PASS, "the whole hash is compared");
	h[1] = 0;
	cr_expect(ask(&f, h, 5, 1, 0, 1, 1000, &ref, &error) == FLIGHT_PASS);
	ref = (struct flight_ref){0, 1};
	finish(&f, ref, 1, FLIGHT_TOO_BIG, 0, 60000, 1000, mask);
	h[1] = 10ull << 52;
	cr_expect(ask(&f, h, 5, 1, 1, 1, 1000, &ref, &error) == FLIGHT_OWN, "a memory gives way");
	h[1] = 3ull << 52 | 1;
	flights_void(&f, 1, mask);
	cr_expect(mask[0] == 4);
	cr_expect(ask(&f, h, 5, 1, 1, 2, 1000, &ref, &error) == FLIGHT_OWN);
	f.n = 0;
	cr_expect(ask(&f, h, 5, 1, 1, 2, 1000, &ref, &error) == FLIGHT_PASS, "no flights at all");
	free(f.v);
}
