/* reap: state × event of a child's slot. One row a state, one cell an event; what is not written is
 * REAP_IGNORE, and a unit test names every cell. */
#include "config.h"
#include "supervisor/reap.h"

#include "lib/base/check.h"
#include "lib/base/clock.h"

#define TO(state, action) {STATE_##state, REAP_##action}
#define STAY(state) [REAP_SPAWNED ... REAP_EVENTS - 1] = {STATE_##state, REAP_IGNORE}

/* The later initialiser of a cell wins over STAY, on purpose. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Woverride-init"
#pragma GCC diagnostic ignored "-Wpedantic"
static const struct reap_cell table[STATE_COUNT][REAP_EVENTS] = {
	[STATE_empty] = {
		STAY(empty),
		[REAP_SPAWNED] = TO(starting, ARM),
	},
	[STATE_starting] = {
		STAY(starting),
		[REAP_SAID_READY] = TO(ready, ANNOUNCE),
		[REAP_ASKED] = TO(draining, DRAIN),
		[REAP_EXIT_OK] = TO(backoff, BACK_OFF),
		[REAP_EXIT_BAD] = TO(backoff, BACK_OFF),
		[REAP_EXIT_BACK] = TO(backoff, BACK_OFF),
		[REAP_TIMER] = TO(killing, KILL),
	},
	[STATE_ready] = {
		STAY(ready),
		[REAP_ASKED] = TO(draining, DRAIN),
		[REAP_EXIT_OK] = TO(backoff, BACK_OFF),
		[REAP_EXIT_BAD] = TO(backoff, BACK_OFF),
		[REAP_EXIT_BACK] = TO(backoff, BACK_OFF),
		[REAP_LATE] = TO(dumping, DUMP),
	},
	[STATE_draining] = {
		STAY(draining),
		[REAP_EXIT_OK] = TO(empty, FREE),
		[REAP_EXIT_BAD] = TO(empty, FREE),
		[REAP_EXIT_BACK] = TO(empty, FREE),
		[REAP_TIMER] = TO(draining, TERM),
		[REAP_TIMER_AGAIN] = TO(killing, KILL),
		[REAP_LATE] = TO(dumping, DUMP),
	},
	[STATE_dumping] = {
		STAY(dumping),
		[REAP_EXIT_OK] = TO(empty, FREE),
		[REAP_EXIT_BAD] = TO(empty, FREE),
		[REAP_EXIT_BACK] = TO(backoff, BACK_OFF),
		[REAP_TIMER] = TO(killing, KILL),
	},
	[STATE_killing] = {
		STAY(killing),
		[REAP_EXIT_OK] = TO(empty, FREE),
		[REAP_EXIT_BAD] = TO(empty, FREE),
		[REAP_EXIT_BACK] = TO(backoff, BACK_OFF),
		[REAP_TIMER] = TO(killing, ALARM),
	},
	[STATE_backoff] = {
		STAY(backoff),
		[REAP_SPAWNED] = TO(starting, ARM),
		[REAP_ASKED] = TO(empty, FREE),
		[REAP_TIMER] = TO(backoff, SPAWN),
	},
};
#pragma GCC diagnostic pop

struct reap_cell reap_step(enum slot_state state, enum reap_event event)
{
	check((unsigned)state < STATE_COUNT && (unsigned)event < REAP_EVENTS);
	return table[state][event];
}

uint64_t reap_pool_death(struct reap_pool *p, uint64_t now_ns, int was_ready, uint32_t random, int *ret_opened)
{
	const unsigned size = ARRAY_LEN(p->at_ns);
	const uint64_t most = was_ready ? 1000 : 5000;
	uint64_t ms;

	*ret_opened = 0;
	p->at_ns[p->n++ % size] = now_ns;
	if (p->n < size || now_ns - p->at_ns[p->n % size] > 30 * CLOCK_S) {
		p->beyond = 0;
		return 0;
	}
	*ret_opened = !p->is_open;
	p->is_open = 1;
	ms = p->beyond < 6 ? 100ull << p->beyond : most;
	if (ms < most)
		p->beyond++;
	else
		ms = most;
	return ms - ms / 5 * (random % 1001) / 1000;
}

void reap_pool_close(struct reap_pool *p)
{
	p->is_open = 0;
	p->beyond = 0;
}
