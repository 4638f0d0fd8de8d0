/* board: one row per process: what it is, how it does, what it runs right now.
 * Gauges live here and nowhere else; weird clears a row's gauges when it reaps the process.
 * Layer: lib/shm. */
#ifndef WEIR_SHM_BOARD_H
#define WEIR_SHM_BOARD_H

#include <stdatomic.h>
#include <stdint.h>

#include "lib/base/base.h"
#include "lib/shm/process.h"

#define BOARD_MAX_NUMBERS 126

enum slot_state {
#define STATE(id, letter, sentence) STATE_##id,
#include "lib/tbl/states.h"
	STATE_COUNT
};
const char *board_state_name(int state);

enum board_step {
#define STEP(id, sentence) STEP_##id,
#include "lib/tbl/steps.h"
	STEP_COUNT
};
const char *board_step_name(int step);

struct board_row {
	/* Written by the process that holds the number; read by all. A crash leaves the last values,
	 * weird clears them at waitpid. */
	_Atomic uint32_t pid;
	_Atomic uint32_t keeper;		/* pid of its weir-keeper; 0 none */
	_Atomic uint32_t in_flight;		/* requests between BEGIN and the last byte */
	_Atomic uint32_t conns_open, conns_parked;
	_Atomic uint32_t waiting;		/* requests that wait for a connection */
	_Atomic uint64_t held_bytes;		/* of results and answers: limits.responses */
	_Atomic uint32_t is_degraded;		/* ready, but the database is away */
	_Atomic uint32_t db_failing, db_cut, db_heard;	/* enum db_link of each database, a bit for each */
	_Atomic uint64_t heartbeat_ns;		/* CLOCK_MONOTONIC, every 250 ms */
	_Atomic uint64_t started_ns;
	_Atomic uint64_t requests;		/* of this holder */
	struct process_stats process;
	_Atomic uint64_t longest_turn_ns;	/* since the last heartbeat */
	_Atomic uint32_t busy_permille;		/* of the last seconds */
	_Atomic uint32_t running_step;		/* what the loop runs now; STEP_COUNT = idle */
	_Atomic uint32_t running_endpoint;	/* directory row; UINT32_MAX = none */
	_Atomic uint64_t oldest_begin_ns;	/* of the requests in flight; 0 = none */
	char note[192];				/* a failed check leaves its sentence here */

	/* Written by weird only. */
	_Alignas(WEIR_CACHE_LINE) _Atomic uint32_t state;	/* enum slot_state */
	_Atomic uint32_t generation;
	_Atomic uint32_t incarnation;		/* processes that have held this number */
	_Atomic uint32_t crashes, restarts;
	_Atomic uint32_t last_status;		/* as waitpid gave it */
	_Atomic uint64_t state_since_ns;
};

/* Zero what the owner wrote, after its death: gauges, pid, note (read it before). weird only. */
void board_clear(struct board_row *row);
/* Somebody holds the number and may take work: STARTING, READY or DRAINING, or, where no weird
 * keeps states (a worker started alone), a pid. */
int board_is_live(const struct board_row *row);

#endif
