/* flight: at most one query at a time for one cache key, across the workers of a host.
 *
 * The first that misses owns the flight; others follow: they park, and their worker's number is put
 * into the flight's mask, to be woken through that number's eventfd (by the caller: nothing here blocks or
 * does I/O). A follower joins a flight whose stamps are the present ones and that began, and is now,
 * without an intent; or one that began after the follower came, whatever the stamps: its statement is as good as the
 * follower's own. Anything else breaks the promise (tests/unit/shm/t_stamps_model.c). So while a write is open there is one
 * flight of a key, and who comes while it runs waits for its end and joins the next. An owner that died
 * is noticed by its number's incarnation; the first that looks takes the flight over.
 *
 * A finished flight is kept for a while when its outcome says something: an error (1 s: followers do not
 * retry in series), which is told to who comes with the same stamps, as an answer would be; an answer that cannot be
 * cached (hit-for-miss 30–120 s: nobody waits for anybody), until a purge, or one that could be kept after all. A memory gives
 * way where a window is full; and a refresh, which has an answer that was kept, takes the place of a hit-for-miss.
 *
 * Slots by hash, a probe window of 8; a full window means flying alone. One line each; CAS on one
 * control word (sequence, owner, state, a few bits of the hash); no locks. Only who has put BUSY into the
 * word writes the rest; readers look at the word before and after. A mask is only ever added to, and
 * exchanged for 0 by who wakes: bits left over cost a needless wake-up, none is lost. Two flights of one key are
 * possible when slots of its window come free between two scans; they cost a query, not the promise.
 * Layer: lib/shm. */
#ifndef WEIR_SHM_FLIGHT_H
#define WEIR_SHM_FLIGHT_H

#include <stdatomic.h>
#include <stdint.h>

#include "lib/base/base.h"

#define FLIGHT_SLOTS 4096u

struct flight {
	_Atomic uint64_t ctl;		/* see flight.c; zeroed = free */
	_Atomic uint64_t h[2], digest;
	_Atomic uint64_t mask[2];	/* workers that wait */
	_Atomic uint64_t until_ms;	/* ENDED: the outcome is remembered until then; running: CLOCK_MONOTONIC of its begin, ns */
	_Atomic uint32_t error, spare;
};

struct flights {
	struct flight *v;
	uint32_t n;			/* a power of two ≥ 8; 0: none, everybody flies alone */
	/* incarnation of a worker number now, usually the board's */
	uint32_t (*incarnation)(void *arg, unsigned number);
	void *arg;
};
size_t flights_size(uint32_t n);

struct flight_ref {
	uint32_t index, seq;
};

enum flight_role {
	FLIGHT_OWN,		/* run the query, then flight_finish */
	FLIGHT_FOLLOW,		/* wait to be woken, then flight_look */
	FLIGHT_WAIT,		/* the same, but its answer is not for this one: join again then */
	FLIGHT_PASS,		/* run the query alone, finish nothing: hit-for-miss, no slot, may not follow */
	FLIGHT_FAILED		/* it has just failed: *ret_error says how */
};
/* HANDED: not to be kept, but left for the followers where they know to find it. */
enum flight_end { FLIGHT_STORED = 1, FLIGHT_ERROR, FLIGHT_UNCACHEABLE, FLIGHT_TOO_BIG, FLIGHT_ABANDONED, FLIGHT_HANDED };
enum flight_view { FLIGHT_RUNNING, FLIGHT_ENDED, FLIGHT_VOID };

/* Who asks for a flight. */
struct flight_ask {
	const uint64_t *h;		/* the key's hash, two words */
	uint64_t digest;		/* of the stamps, and of whatever else must be equal to share an answer */
	uint64_t first;			/* what must be equal for a hit-for-miss to hold: of purges */
	int quiet;			/* stamps_load said 1 */
	int can_follow;			/* 0: OWN or PASS only (a refresh in the background); needs quiet */
	unsigned number;		/* of the worker */
	uint64_t arrived_ns;		/* CLOCK_MONOTONIC, read when the request was here already */
	uint64_t now_ns, now_ms;	/* CLOCK_MONOTONIC for what begins; the clock of keep_ms */
};
/* ret: of OWN, FOLLOW, WAIT and FAILED. A running flight with another digest is replaced, its followers stay in the mask and find it VOID. ret_error: the caller's
 * small number, kept by flight_finish(FLIGHT_ERROR). */
enum flight_role flight_join(const struct flights *f, const struct flight_ask *ask, struct flight_ref *ret, unsigned *ret_error);
/* The number of its owner, or -1: it runs no more, or another one is in its place. */
int flight_owner(const struct flights *f, struct flight_ref ref);
/* Owner's: does anybody wait for it? One who has gone meanwhile counts, too. */
int flight_is_awaited(const struct flights *f, struct flight_ref ref);
struct flight_outcome {
	enum flight_end end;
	unsigned error;			/* of FLIGHT_ERROR */
	uint64_t digest;		/* whom an error that is kept is told to: the owner's, as it has become by what he did himself */
	uint64_t first;			/* the same of UNCACHEABLE and TOO_BIG: flight_ask.first */
	int quiet;			/* 0: nobody */
	uint64_t keep_ms, now_ms;	/* how long an ERROR, UNCACHEABLE or TOO_BIG outcome is remembered */
};
/* Owner's. The workers to wake, as a bit mask of numbers 0–127 in mask[2]; zero when the flight was taken from us. */
void flight_finish(const struct flights *f, struct flight_ref ref, unsigned number, const struct flight_outcome *o, uint64_t mask[2]);
/* An answer of the key was kept without a flight: there is no hit-for-miss of it any more. */
void flight_forget(const struct flights *f, const uint64_t h[2]);
/* Follower's: RUNNING: go on waiting (a spurious wake-up); ENDED: *ret_end and *ret_error; VOID: the owner is
 * dead or the slot has another flight: look in the cache, then flight_join again. */
enum flight_view flight_look(const struct flights *f, struct flight_ref ref, enum flight_end *ret_end, unsigned *ret_error);
/* weird's, for a dead number, before it is used again: its flights become void; followers to wake. */
void flights_void(const struct flights *f, unsigned number, uint64_t mask[2]);

#endif
