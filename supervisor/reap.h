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
	REAP_EXIT_BACK,		/* was killed because it did not get ready, and is still wanted */
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
	REAP_FREE,		/* gone as asked */
	REAP_FREE_CRASHED	/* gone, and it counts as a crash */
};

struct reap_cell {
	enum slot_state next;
	enum reap_action action;
};

struct reap_cell reap_step(enum slot_state state, enum reap_event event);

/* How long a child that died waits: 0 the first time, then 100 ms · 2^n up to 5 s, ± 20 % by
 * random (any value). deaths counts those since it last lived for 30 s, this one included. */
uint64_t reap_backoff_ms(unsigned deaths, uint32_t random);

/* Crashes of the whole pool: more than 5 within 30 s opens the breaker, and only one child at a time is
 * tried until one has lived for 10 s. */
#define REAP_POOL_CRASHES 5
struct reap_pool {
	uint64_t at_ns[REAP_POOL_CRASHES + 1];	/* ring */
	unsigned n;
	int is_open;
};
/* 1 when this crash opened it. */
int reap_pool_crash(struct reap_pool *p, uint64_t now_ns);
void reap_pool_close(struct reap_pool *p);

#endif
