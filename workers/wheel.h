/* wheel: many deadlines, one timer. Hashed timing wheel of 512 slots of 10 ms; adding and removing are
 * list operations, so a deadline per request costs no timer of the loop.
 * Owner: the embedding structs hold their wheel_timer; it must be stopped before it is freed.
 * One thread. Layer: workers. */
#ifndef WEIR_WORKERS_WHEEL_H
#define WEIR_WORKERS_WHEEL_H

#include <stdint.h>

#include "lib/base/list.h"

#define WHEEL_SLOTS 512u
#define WHEEL_STEP_NS 10000000ull

struct wheel_timer {
	struct list node;
	uint64_t due_ns;	/* 0 = stopped */
	void (*fn)(struct wheel_timer *t);
};

struct wheel {
	struct list slots[WHEEL_SLOTS];
	uint64_t used[WHEEL_SLOTS / 64];
	uint64_t at;		/* step that was run last */
	unsigned n;
};

void wheel_init(struct wheel *w, uint64_t now_ns);
void wheel_timer_init(struct wheel_timer *t, void (*fn)(struct wheel_timer *));
/* (Re)start t; it fires in the step behind due_ns. */
void wheel_start(struct wheel *w, struct wheel_timer *t, uint64_t due_ns);
void wheel_stop(struct wheel *w, struct wheel_timer *t);
/* Fire what is due. A callback may start and stop timers, its own too. */
void wheel_run(struct wheel *w, uint64_t now_ns);
/* Nanoseconds until the next look is worth it, at most max_ns. */
uint64_t wheel_wait(const struct wheel *w, uint64_t now_ns, uint64_t max_ns);

#endif
