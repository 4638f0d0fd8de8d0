#include "config.h"

#include <criterion/criterion.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/shm/region.h"

static struct region make(unsigned n_numbers, unsigned n_slots)
{
	struct region_plan plan = {.n_numbers = n_numbers, .n_databases = 1, .n_slots = {n_slots}};
	struct region r;
	struct err e = {0};

	cr_assert(region_create(&r, &plan, &e) == 0, "%s", e.text);
	return r;
}

static void set_state(struct region *r, unsigned number, int state)
{
	atomic_store(&region_board(r, number)->state, (uint32_t)state);
}

static unsigned use_of(struct region *r, int slot)
{
	return SLOT_USE(atomic_load(&region_slot(r, 0, (unsigned)slot)->ctl));
}

Test(slots, alone_a_worker_may_have_all)
{
	struct region r = make(1, 3);

	atomic_store(&region_board(&r, 0)->pid, 1);
	for (int i = 0; i < 3; i++)
		cr_expect(slots_take(&r, 0, 0, i ? LANE_EXCLUSIVE : LANE_EXPRESS, 0) >= 0);
	cr_expect(slots_take(&r, 0, 0, LANE_EXCLUSIVE, 1) == -1);
	region_close(&r);
}

Test(slots, the_greedy_leave_the_others_their_rights)
{
	struct region r = make(6, 10);
	unsigned n = 0;

	for (unsigned i = 0; i < 3; i++)
		set_state(&r, i, STATE_ready);
	while (slots_take(&r, 0, 0, n ? LANE_EXCLUSIVE : LANE_EXPRESS, 0) >= 0)
		n++;
	cr_expect(n == 5, "10 less 2 × 2 rights less the kept one, not %u", n);
	for (unsigned i = 1; i < 3; i++) {
		cr_expect(slots_take(&r, 0, i, LANE_EXPRESS, 0) >= 0);
		cr_expect(slots_take(&r, 0, i, LANE_EXCLUSIVE, 0) >= 0);
		cr_expect(slots_take(&r, 0, i, LANE_EXCLUSIVE, 0) == -1, "no third one");
	}
	set_state(&r, 3, STATE_starting);
	cr_expect(slots_take(&r, 0, 3, LANE_EXPRESS, 1) >= 0, "the kept one");
	cr_expect(slots_take(&r, 0, 3, LANE_EXCLUSIVE, 1) == -1);
	region_close(&r);
}

Test(slots, what_a_starting_worker_has_is_not_kept_twice)
{
	struct region r = make(4, 5);
	int slot;

	set_state(&r, 0, STATE_ready);
	set_state(&r, 1, STATE_ready);
	for (unsigned i = 0; i < 2; i++) {
		cr_expect(slots_take(&r, 0, i, LANE_EXPRESS, 0) >= 0);
		slot = slots_take(&r, 0, i, LANE_EXCLUSIVE, 0);
		cr_expect(slot >= 0);
	}
	set_state(&r, 2, STATE_starting);
	cr_expect(slots_take(&r, 0, 2, LANE_EXPRESS, 1) >= 0);
	slots_set(&r, 0, (unsigned)slot, SLOT_FREE);
	cr_expect(slots_take(&r, 0, 1, LANE_EXCLUSIVE, 0) == slot, "its right, though one is starting");
	region_close(&r);
}

Test(slots, a_dead_or_empty_number_has_no_rights)
{
	struct region r = make(4, 6);
	unsigned n = 0;

	set_state(&r, 0, STATE_ready);
	set_state(&r, 1, STATE_backoff);
	set_state(&r, 2, STATE_killing);
	while (slots_take(&r, 0, 0, LANE_EXCLUSIVE, 0) >= 0)
		n++;
	cr_expect(n == 4, "6 less the kept one less its own express, not %u", n);
	cr_expect(slots_take(&r, 0, 0, LANE_EXPRESS, 0) >= 0);
	region_close(&r);
}

Test(slots, use_generation_and_giving_back)
{
	struct region r = make(2, 4);
	unsigned counts[7][2];
	uint32_t gen;
	int s;

	set_state(&r, 1, STATE_ready);
	s = slots_take(&r, 0, 1, LANE_EXCLUSIVE, 0);
	cr_assert(s >= 0);
	cr_expect(use_of(&r, s) == SLOT_CONNECTING);
	cr_expect(SLOT_OWNER(atomic_load(&region_slot(&r, 0, (unsigned)s)->ctl)) == 2);
	slots_set_backend(&r, 0, (unsigned)s, 4711);
	slots_set(&r, 0, (unsigned)s, SLOT_IDLE);
	gen = SLOT_GEN(atomic_load(&region_slot(&r, 0, (unsigned)s)->ctl));
	slots_set(&r, 0, (unsigned)s, SLOT_BUSY);
	cr_expect(SLOT_GEN(atomic_load(&region_slot(&r, 0, (unsigned)s)->ctl)) != gen);
	slots_count(&r, 0, counts);
	cr_expect(counts[SLOT_BUSY][LANE_EXCLUSIVE] == 1 && counts[SLOT_FREE][0] == 3);
	slots_set(&r, 0, (unsigned)s, SLOT_ZOMBIE);
	cr_expect(SLOT_OWNER(atomic_load(&region_slot(&r, 0, (unsigned)s)->ctl)) == 0);
	slots_sweep(&r, clock_mono_ns());
	cr_expect(use_of(&r, s) == SLOT_ZOMBIE, "its backend may still be there");
	slots_sweep(&r, clock_mono_ns() + CLOCK_S);
	cr_expect(use_of(&r, s) == SLOT_FREE);
	s = slots_take(&r, 0, 1, LANE_EXPRESS, 0);
	slots_set(&r, 0, (unsigned)s, SLOT_FREE);
	cr_expect(use_of(&r, s) == SLOT_FREE);
	region_close(&r);
}

Test(slots, the_generation_is_31_bits_and_never_zero)
{
	struct region r = make(1, 1);

	atomic_store(&region_board(&r, 0)->pid, 1);
	atomic_store(&region_slot(&r, 0, 0)->ctl, SLOT_GEN_MASK);
	cr_assert(slots_take(&r, 0, 0, LANE_EXPRESS, 0) == 0);
	cr_expect(SLOT_GEN(atomic_load(&region_slot(&r, 0, 0)->ctl)) == 1);
	region_close(&r);
}

Test(slots, a_cancel_is_claimed_once_and_only_for_what_runs)
{
	struct region r = make(2, 2);
	struct slot *x;
	uint32_t gen = 0, later = 0;
	unsigned s;

	set_state(&r, 0, STATE_ready);
	s = (unsigned)slots_take(&r, 0, 0, LANE_EXCLUSIVE, 0);
	x = region_slot(&r, 0, s);
	slots_set_backend(&r, 0, s, 77);
	slots_set(&r, 0, s, SLOT_BUSY);
	cr_expect(slots_cancel_claim(&r, 0, s, &gen) == 0, "nobody asks");
	slots_set(&r, 0, s, SLOT_CANCELLING);
	slots_cancel(&r, 0, s);
	cr_expect(atomic_load(&x->cancel_gen) == (SLOT_GEN(atomic_load(&x->ctl)) & SLOT_GEN_MASK));
	cr_expect(slots_cancel_claim(&r, 0, s, &gen) == 77);
	cr_expect(slots_cancel_claim(&r, 0, s, &later) == 0, "claimed");
	slots_cancel_done(&r, 0, s, gen);
	cr_expect(atomic_load(&x->cancel_gen) == 0);
	/* The slot moved on before anybody looked. */
	slots_set(&r, 0, s, SLOT_BUSY);
	slots_cancel(&r, 0, s);
	slots_set(&r, 0, s, SLOT_BUSY);
	cr_expect(slots_cancel_claim(&r, 0, s, &gen) == 0);
	cr_expect(atomic_load(&x->cancel_gen) == 0);
	/* An answer that comes late must not end the next request's. */
	slots_cancel(&r, 0, s);
	cr_expect(slots_cancel_claim(&r, 0, s, &gen) == 77);
	slots_set(&r, 0, s, SLOT_BUSY);
	slots_cancel(&r, 0, s);
	slots_cancel_done(&r, 0, s, gen);
	cr_expect(slots_cancel_claim(&r, 0, s, &later) == 77 && later != gen);
	region_close(&r);
}

Test(slots, a_dead_workers_slots_are_released)
{
	struct region r = make(4, 8);
	unsigned counts[7][2];

	set_state(&r, 0, STATE_ready);
	set_state(&r, 1, STATE_ready);
	cr_expect(slots_take(&r, 0, 0, LANE_EXPRESS, 0) >= 0);
	cr_expect(slots_take(&r, 0, 1, LANE_EXPRESS, 0) >= 0);
	cr_expect(slots_take(&r, 0, 1, LANE_EXCLUSIVE, 0) >= 0);
	cr_expect(slots_release_dead(&r, 1, 5 * CLOCK_S) == 2);
	cr_expect(slots_release_dead(&r, 1, 5 * CLOCK_S) == 0);
	slots_count(&r, 0, counts);
	cr_expect(counts[SLOT_ZOMBIE][0] + counts[SLOT_ZOMBIE][1] == 2 && counts[SLOT_CONNECTING][0] == 1);
	slots_sweep(&r, 6 * CLOCK_S - 1);
	slots_count(&r, 0, counts);
	cr_expect(counts[SLOT_ZOMBIE][0] + counts[SLOT_ZOMBIE][1] == 2);
	slots_sweep(&r, 6 * CLOCK_S);
	slots_count(&r, 0, counts);
	cr_expect(counts[SLOT_ZOMBIE][0] + counts[SLOT_ZOMBIE][1] == 0);
	region_close(&r);
}

Test(db_state, outages_and_changes_are_counted_once)
{
	struct region r = make(1, 1);
	struct db_state *s = region_db(&r, 0);
	char error[200], where[120], large[300];

	db_state_set_where(s, "localhost:5432/app");
	db_state_set(s, 0, "no route to host", 10);
	db_state_set(s, 0, "no route to host", 20);
	cr_expect(atomic_load(&s->up) == 2 && atomic_load(&s->outages) == 1);
	cr_expect(atomic_load(&s->changed_ns) == 10 && atomic_load(&s->probed_ns) == 20);
	cr_expect(db_state_texts(s, error, where) == 0);
	cr_expect_str_eq(error, "no route to host");
	cr_expect_str_eq(where, "localhost:5432/app");
	db_state_set(s, 1, NULL, 30);
	cr_expect(atomic_load(&s->up) == 1 && db_state_texts(s, error, where) == 0 && !error[0]);
	memset(large, 'e', 299);
	large[299] = 0;
	db_state_set(s, 0, large, 40);
	cr_expect(db_state_texts(s, error, where) == 0 && strlen(error) == 199);
	cr_expect(atomic_load(&s->outages) == 2);
	region_close(&r);
}

Test(db_state, a_writer_that_died_is_reported_and_mended)
{
	struct region r = make(1, 1);
	struct db_state *s = region_db(&r, 0);
	char error[200], where[120];

	db_state_set(s, 0, "before", 1);
	atomic_fetch_add(&s->seq, 1);
	cr_expect(db_state_texts(s, error, where) == -1 && !error[0] && !where[0]);
	db_state_mend(s);
	cr_expect(db_state_texts(s, error, where) == 0);
	cr_expect_str_eq(error, "before");
	db_state_mend(s);
	cr_expect(!(atomic_load(&s->seq) & 1));
	atomic_fetch_add(&s->seq, 1);
	db_state_set(s, 0, "successor", 2);
	cr_expect(db_state_texts(s, error, where) == 0);
	cr_expect_str_eq(error, "successor");
	region_close(&r);
}

Test(db_state, texts_are_never_torn)
{
	struct region r = make(1, 1);
	struct db_state *s = region_db(&r, 0);
	char a[200], b[200], error[200], where[120];
	pid_t pid;

	memset(a, 'a', 199);
	memset(b, 'b', 199);
	a[199] = b[199] = 0;
	db_state_set(s, 0, a, 1);
	pid = fork();
	if (pid == 0) {
		for (unsigned i = 0; i < 20000; i++)
			db_state_set(s, 0, i & 1 ? a : b, i);
		_exit(0);
	}
	while (waitpid(pid, NULL, WNOHANG) == 0)
		if (db_state_texts(s, error, where) == 0)
			cr_assert(strcmp(error, a) == 0 || strcmp(error, b) == 0);
	region_close(&r);
}

Test(refused, a_writer_that_died_is_followed)
{
	struct region r = make(2, 1);
	struct refused *f = &region_db(&r, 0)->refused;
	char text[REFUSED_TEXT], large[300];

	cr_expect(refused_get(f, text) == 0 && !text[0]);
	refused_set(&r, f, 0, "password authentication failed");
	cr_expect(refused_get(f, text) == 0);
	cr_expect_str_eq(text, "password authentication failed");
	/* alive, and in the middle */
	atomic_store(&region_board(&r, 1)->state, STATE_ready);
	atomic_store(&f->writer, 2);
	atomic_fetch_add(&f->seq, 1);
	refused_set(&r, f, 0, "connection refused");
	cr_expect(refused_get(f, text) == -1 && !text[0]);
	/* and dead */
	atomic_store(&region_board(&r, 1)->state, STATE_backoff);
	refused_set(&r, f, 0, "connection refused");
	cr_expect(refused_get(f, text) == 0 && atomic_load(&f->writer) == 0);
	cr_expect_str_eq(text, "connection refused");
	/* its own number's past */
	atomic_store(&f->writer, 1);
	atomic_fetch_add(&f->seq, 1);
	memset(large, 'e', 299);
	large[299] = 0;
	refused_set(&r, f, 0, large);
	cr_expect(refused_get(f, text) == 0 && strlen(text) == REFUSED_TEXT - 1);
	region_close(&r);
}
