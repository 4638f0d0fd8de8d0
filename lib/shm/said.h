/* said: of each kind of trouble of an endpoint one line a minute is logged, by whichever worker comes first; the others
 * are counted, and the count goes with the next line. Written by any worker, CAS; a crash in the middle loses a count.
 * Layer: lib/shm. */
#ifndef WEIR_SHM_SAID_H
#define WEIR_SHM_SAID_H

#include <stdatomic.h>
#include <stdint.h>

#define SAID_KINDS 16u		/* of an endpoint; the last is shared by all that find no room */
#define SAID_EVERY_MS 60000u

struct said {
	_Atomic uint64_t kind;		/* 0: free */
	_Atomic uint64_t at_ms;		/* of the last line */
	_Atomic uint64_t unsaid;	/* since then */
};

/* kind: up to seven characters. 1: to be logged now, *ret_unsaid others were not; 0: it was counted. */
int said_may(struct said said[SAID_KINDS], const char *kind, uint64_t now_ms, uint64_t *ret_unsaid);

#endif
