/* breaker: may a backend be called? One 64-byte cell in shared memory for each, quick enough for calls of
 * microseconds: whoever counts the failure that trips it opens it, by one CAS, with no tick in between.
 *
 * It opens after 3 failures in a row, or when over half of the last 20 calls failed, for 1 s ± 20 %. When
 * that is over, one process takes a lease and sends a probe of its own, never a user's request: half-open
 * is an open cell with a live lease. A probe that fails doubles the time, up to 30 s; one that was refused
 * outright (the host answers, the service is not there) does not, since it cost nobody anything: so a
 * service that is started again is back within 2 s however long it was away. The doublings are forgiven
 * after 20 calls without a new opening.
 *
 * Who writes: any process, one word at a time. A crash in the middle leaves at worst a lease, which ends
 * by its deadline or by breaker_void_leases. All zero is the start: closed, nothing counted.
 * Times are milliseconds of CLOCK_MONOTONIC (clock_mono_ns() / CLOCK_MS), the same for all processes.
 * Layer: lib/shm. */
#ifndef WEIR_SHM_BREAKER_H
#define WEIR_SHM_BREAKER_H

#include <stdatomic.h>
#include <stdint.h>

#include "lib/base/base.h"

#define BREAKER_IN_A_ROW 3u
#define BREAKER_WINDOW 20u
#define BREAKER_OPEN_MIN_MS 1000u
#define BREAKER_OPEN_MAX_MS 30000u

enum breaker_state { BREAKER_CLOSED, BREAKER_OPEN, BREAKER_HALF_OPEN };
enum breaker_force { BREAKER_AUTO, BREAKER_FORCED_OPEN, BREAKER_FORCED_CLOSED };
enum breaker_probe { BREAKER_PROBE_OK, BREAKER_PROBE_FAILED, BREAKER_PROBE_REFUSED };

struct breaker {
	/* is_open:1 | force:2 | doublings:3 | gen:18 (raised at each change) | until_ms:40 */
	_Alignas(WEIR_CACHE_LINE) _Atomic uint64_t ctl;
	/* failures in a row:8 | calls counted:8 | last 20, 1 = failed:32 */
	_Atomic uint64_t window;
	/* number + 1:8 | incarnation:16 | until_ms:40; 0 = nobody probes */
	_Atomic uint64_t lease;
	/* For display only. */
	_Atomic uint64_t changed_ms, opened, failures, probes;
	uint64_t unused;
};
_Static_assert(sizeof(struct breaker) == WEIR_CACHE_LINE, "one cell, one line");

/* What the holder of a lease keeps until breaker_probe_end. */
struct breaker_lease {
	uint64_t word, ctl;
};

/* One load: a call may be made. */
int breaker_may(const struct breaker *b);
/* The outcome of a call that reached the backend. 1: this one opened it. Outcomes of calls that were begun
 * before it opened are not counted. */
int breaker_record(struct breaker *b, int is_ok, uint64_t now_ms);

/* 1: this process (worker number, its incarnation) is to probe now and must answer with breaker_probe_end
 * before lease_ms are over; afterwards another one may probe. */
int breaker_probe_begin(struct breaker *b, unsigned number, unsigned incarnation, uint64_t now_ms,
			unsigned lease_ms, struct breaker_lease *ret) MUST_USE;
/* Without effect if the lease was lost or the cell changed meanwhile. 1: the cell is closed by it. */
int breaker_probe_end(struct breaker *b, const struct breaker_lease *l, enum breaker_probe result,
		      uint64_t now_ms);
/* When breaker_probe_begin is worth trying next; UINT64_MAX when closed or forced. */
uint64_t breaker_next_probe_ms(const struct breaker *b, uint64_t now_ms);

/* For whoever reaps a process: its leases in n cells end now. How many there were. */
unsigned breaker_void_leases(struct breaker *b, unsigned n, unsigned number);
/* An operator's will, until it is BREAKER_AUTO again. */
void breaker_set_force(struct breaker *b, enum breaker_force force, uint64_t now_ms);

/* For display. */
enum breaker_state breaker_state(const struct breaker *b, uint64_t now_ms);
enum breaker_force breaker_force(const struct breaker *b);
uint64_t breaker_open_until_ms(const struct breaker *b);	/* 0 when closed */

#endif
