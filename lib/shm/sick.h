/* sick: an endpoint whose statement the database refuses, as after a DROP COLUMN. It answers errors while all others
 * are served, and is tried again.
 * Who writes: workers, each its own bit and whoever is first the reason; weird clears the bits of the dead. No locks; a
 * crash in the middle leaves a bit, which weird clears, or a reason of which a part is another's: it is only shown.
 * Layer: lib/shm. */
#ifndef WEIR_SHM_SICK_H
#define WEIR_SHM_SICK_H

#include <stdatomic.h>
#include <stdint.h>

#include "lib/base/base.h"

#define SICK_WHY 256u

struct sick {
	_Alignas(WEIR_CACHE_LINE) _Atomic uint64_t who[2];	/* worker numbers */
	_Atomic uint64_t tried_ms;	/* CLOCK_MONOTONIC, when one of them last asked the database */
	_Atomic uint32_t healed;	/* raised when one of them had a good answer: the others ask, too */
	char why[SICK_WHY];
};

/* Worker number cannot serve it. 1: nobody has said so for this reason since it was last well. */
int sick_begin(struct sick *s, unsigned number, const char *why);
/* Worker number can. 1: nobody is left who cannot, and somebody had said so. */
int sick_end(struct sick *s, unsigned number);
/* Worker number is dead. */
void sick_release(struct sick *s, unsigned number);
int sick_is(const struct sick *s);
/* May the caller ask the database? Of all workers one in every_ms. */
int sick_may_try(struct sick *s, uint64_t now_ms, uint64_t every_ms);
void sick_why(const struct sick *s, char out[SICK_WHY]);

#endif
