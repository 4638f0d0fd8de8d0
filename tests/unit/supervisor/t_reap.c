#include "config.h"

#include <criterion/criterion.h>

#include "lib/base/clock.h"
#include "supervisor/reap.h"

/* Every cell of the table, written a second time by hand: a change must be meant twice. */
#define T(state, action) {STATE_##state, REAP_##action}
static const struct {
	enum slot_state state;
	struct reap_cell want[REAP_EVENTS];	/* in the order of enum reap_event */
} rows[] = {
	{STATE_empty,
	 {T(starting, ARM), T(empty, IGNORE), T(empty, IGNORE), T(empty, IGNORE), T(empty, IGNORE),
	  T(empty, IGNORE), T(empty, IGNORE), T(empty, IGNORE), T(empty, IGNORE)}},
	{STATE_starting,
	 {T(starting, IGNORE), T(ready, ANNOUNCE), T(draining, DRAIN), T(backoff, BACK_OFF),
	  T(backoff, BACK_OFF), T(backoff, BACK_OFF), T(killing, KILL), T(starting, IGNORE),
	  T(starting, IGNORE)}},
	{STATE_ready,
	 {T(ready, IGNORE), T(ready, IGNORE), T(draining, DRAIN), T(backoff, BACK_OFF),
	  T(backoff, BACK_OFF), T(backoff, BACK_OFF), T(ready, IGNORE), T(ready, IGNORE),
	  T(dumping, DUMP)}},
	{STATE_draining,
	 {T(draining, IGNORE), T(draining, IGNORE), T(draining, IGNORE), T(empty, FREE), T(empty, FREE),
	  T(empty, FREE), T(draining, TERM), T(killing, KILL), T(dumping, DUMP)}},
	{STATE_dumping,
	 {T(dumping, IGNORE), T(dumping, IGNORE), T(dumping, IGNORE), T(empty, FREE),
	  T(empty, FREE), T(backoff, BACK_OFF), T(killing, KILL), T(dumping, IGNORE),
	  T(dumping, IGNORE)}},
	{STATE_killing,
	 {T(killing, IGNORE), T(killing, IGNORE), T(killing, IGNORE), T(empty, FREE), T(empty, FREE),
	  T(backoff, BACK_OFF), T(killing, ALARM), T(killing, IGNORE), T(killing, IGNORE)}},
	{STATE_backoff,
	 {T(starting, ARM), T(backoff, IGNORE), T(empty, FREE), T(backoff, IGNORE), T(backoff, IGNORE),
	  T(backoff, IGNORE), T(backoff, SPAWN), T(backoff, IGNORE), T(backoff, IGNORE)}},
};

Test(reap, answers_every_event_in_every_state)
{
	cr_assert_eq(ARRAY_LEN(rows), STATE_COUNT);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		for (unsigned ev = 0; ev < REAP_EVENTS; ev++) {
			struct reap_cell got = reap_step(rows[i].state, (enum reap_event)ev);

			cr_expect_eq(got.next, rows[i].want[ev].next, "state %u event %u", rows[i].state, ev);
			cr_expect_eq(got.action, rows[i].want[ev].action, "state %u event %u",
				     rows[i].state, ev);
		}
}

Test(reap, never_leaves_a_process_unwatched)
{
	/* What has a process ends only by its exit: no event but an exit leads to empty or backoff. */
	static const enum slot_state alive[] = {STATE_starting, STATE_ready, STATE_draining,
						STATE_dumping, STATE_killing};

	for (size_t i = 0; i < ARRAY_LEN(alive); i++)
		for (unsigned ev = 0; ev < REAP_EVENTS; ev++) {
			enum slot_state next = reap_step(alive[i], (enum reap_event)ev).next;
			int is_exit = ev == REAP_EXIT_OK || ev == REAP_EXIT_BAD || ev == REAP_EXIT_BACK;

			cr_expect_eq(next == STATE_empty || next == STATE_backoff, is_exit,
				     "state %u event %u", alive[i], ev);
		}
}

/* 7.40: at once for at most 5 deaths in 30 s, then 100 ms · 2^n up to 1 s for one that had been ready, 5 s else. */
Test(reap, replaces_five_at_once_then_waits_twice_as_long_each_time)
{
	static const uint64_t never[] = {0, 0, 0, 0, 0, 100, 200, 400, 800, 1600, 3200, 5000, 5000};
	static const uint64_t once[] = {0, 0, 0, 0, 0, 100, 200, 400, 800, 1000, 1000, 1000, 1000};

	for (int was_ready = 0; was_ready <= 1; was_ready++)
		for (uint32_t r = 0; r < 3000; r += 7) {
			struct reap_pool p = {0};
			int opened;

			for (unsigned n = 0; n < ARRAY_LEN(never); n++) {
				uint64_t want = was_ready ? once[n] : never[n];
				uint64_t ms = reap_pool_death(&p, (1000 + n) * CLOCK_S, was_ready, r, &opened);

				cr_expect(ms >= want * 4 / 5 && ms <= want, "%u: %lu", n, (unsigned long)ms);
				cr_expect_eq(opened, n == REAP_POOL_DEATHS, "it is said once");
				cr_expect_eq(p.is_open, n >= REAP_POOL_DEATHS);
			}
		}
}

Test(reap, does_not_forget_deaths_when_one_has_lived)
{
	struct reap_pool p = {0};
	int opened;

	for (unsigned i = 0; i < 8; i++)
		(void)reap_pool_death(&p, 1000 * CLOCK_S + i, 0, 0, &opened);
	reap_pool_close(&p);
	cr_expect_not(p.is_open);
	cr_expect_eq(reap_pool_death(&p, 1012 * CLOCK_S, 1, 0, &opened), 100, "still more than 5 within 30 s");
	cr_expect(opened);
	cr_expect_eq(reap_pool_death(&p, 1050 * CLOCK_S, 1, 0, &opened), 0, "and then not any more");
}

Test(reap, takes_slow_crashes_for_what_they_are)
{
	struct reap_pool p = {0};
	uint64_t now = 1000 * CLOCK_S;
	int opened;

	for (int i = 0; i < 100; i++)
		cr_expect_eq(reap_pool_death(&p, now += 7 * CLOCK_S, i & 1, 0, &opened), 0);
	cr_expect_not(p.is_open);
}
