/* Names of states and steps, and the end of a process's row. */
#include "config.h"

#include "lib/shm/board.h"

static const char *const state_names[STATE_COUNT + 1] = {
#define STATE(id, letter, sentence) #id,
#include "lib/tbl/states.h"
    "unknown",
};

static const char *const step_names[STEP_COUNT + 1] = {
#define STEP(id, sentence) #id,
#include "lib/tbl/steps.h"
    "idle",
};

const char *board_state_name(int state)
{
	return state_names[state >= 0 && state < STATE_COUNT ? state : STATE_COUNT];
}

const char *board_step_name(int step)
{
	return step_names[step >= 0 && step < STEP_COUNT ? step : STEP_COUNT];
}

static void zero32(_Atomic uint32_t *at)
{
	atomic_store_explicit(at, 0, memory_order_relaxed);
}

static void zero64(_Atomic uint64_t *at)
{
	atomic_store_explicit(at, 0, memory_order_relaxed);
}

void board_clear(struct board_row *row)
{
	zero32(&row->pid);
	zero32(&row->keeper);
	zero32(&row->in_flight);
	zero32(&row->conns_open);
	zero32(&row->conns_parked);
	zero32(&row->waiting);
	zero64(&row->held_bytes);
	zero32(&row->is_degraded);
	zero32(&row->db_failing);
	zero32(&row->db_cut);
	zero32(&row->db_heard);
	zero64(&row->heartbeat_ns);
	zero64(&row->started_ns);
	zero64(&row->requests);
	process_stats_clear(&row->process);
	zero64(&row->longest_turn_ns);
	zero32(&row->busy_permille);
	zero64(&row->oldest_begin_ns);
	atomic_store_explicit(&row->running_step, STEP_COUNT, memory_order_relaxed);
	atomic_store_explicit(&row->running_endpoint, UINT32_MAX, memory_order_relaxed);
	for (size_t i = 0; i < sizeof(row->note); i++)
		__atomic_store_n(&row->note[i], 0, __ATOMIC_RELAXED);
}

int board_is_live(const struct board_row *row)
{
	switch (atomic_load_explicit(&row->state, memory_order_acquire)) {
	case STATE_starting:
	case STATE_ready:
	case STATE_draining:
		return 1;
	case STATE_empty:
		return atomic_load_explicit(&row->pid, memory_order_relaxed) != 0;
	default:
		return 0;
	}
}
