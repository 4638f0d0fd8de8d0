/* reap: the states of a child process's slot and what moves them, as one table (supervision.md 3).
 * Pure: no clock, no process. supervisor/children.c acts on the answers.
 * Layer: supervisor. */
#ifndef WEIR_SUPERVISOR_REAP_H
#define WEIR_SUPERVISOR_REAP_H

#include <stdint.h>

#include "lib/shm/board.h"

enum reap_event {
	REAP_SPAWNED,		/* fork succeeded */
	REAP_SAID_READY,	/* HERITAGE_READY */
	REAP_ASKED,		/* asked to go: reload, scale, stop */
	REAP_EXIT_OK,		/* exit status 0 */
	REAP_EXIT_BAD,		/* any other status, or a signal */
	REAP_EXIT_BACK,		/* was killed, for not getting ready or for a hang, and is still wanted */
	REAP_TIMER,		/* the state's time is over */
	REAP_TIMER_AGAIN,	/* DRAINING only: the time that SIGTERM gave is over too */
	REAP_LATE,		/* its heartbeat stopped */
	REAP_EVENTS
};

enum reap_action {
	REAP_IGNORE,		/* nothing to do; the state stays */
	REAP_ARM,		/* only the new state's timer */
	REAP_ANNOUNCE,		/* it serves */
	REAP_DRAIN,		/* send HERITAGE_DRAIN */
	REAP_TERM,		/* SIGTERM */
	REAP_DUMP,		/* SIGABRT: its stack goes to the log */
	REAP_KILL,		/* SIGKILL */
	REAP_ALARM,		/* SIGKILL does not help: the number is lost until reaped */
	REAP_BACK_OFF,		/* died unasked: count, wait, start again */
	REAP_SPAWN,		/* the wait is over */
	REAP_FREE		/* gone as asked, or replaced already */
};

struct reap_cell {
	enum slot_state next;
	enum reap_action action;
};

struct reap_cell reap_step(enum slot_state state, enum reap_event event);

/* Deaths of the workers taken together; weir-monitor has a pool of its own. A worker that hangs has died.
 * The first 5 within 30 s are replaced at once. Beyond that each waits twice as long as the one before, from
 * 100 ms up to 1 s for one that had been ready and up to 5 s for one that never was, less at most 20 % by
 * random (any value); and the pool's breaker is open: workers start one after the other, until one of these
 * has lived for 10 s. */
#define REAP_POOL_DEATHS 5
struct reap_pool {
	uint64_t at_ns[REAP_POOL_DEATHS + 1];	/* ring */
	unsigned n;
	unsigned beyond;	/* in a row, each more than 5 within 30 s */
	int is_open;
};
/* One died: how long its replacement waits, in ms. *ret_opened: 1 when this death opened the breaker. */
uint64_t reap_pool_death(struct reap_pool *p, uint64_t now_ns, int was_ready, uint32_t random, int *ret_opened);
/* One has lived. What it remembers of deaths within 30 s stays. */
void reap_pool_close(struct reap_pool *p);

#endif
