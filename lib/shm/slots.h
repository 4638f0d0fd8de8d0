/* slots: the budget of PostgreSQL connections, shared by the workers; what weir-monitor knows of each
 * database; the right to the express lane by endpoint.
 * No locks: a slot is taken by one CAS and belongs to its worker until it gives it back; weird
 * releases the slots of a dead worker (as ZOMBIE, free after a second or when the backend is gone).
 * Layer: lib/shm. */
#ifndef WEIR_SHM_SLOTS_H
#define WEIR_SHM_SLOTS_H

#include <stdatomic.h>
#include <stdint.h>

#include "lib/base/base.h"
#include "lib/shm/histo.h"
#include "lib/shm/refused.h"
#include "lib/shm/said.h"

enum slot_use { SLOT_FREE, SLOT_CONNECTING, SLOT_IDLE, SLOT_BUSY, SLOT_CANCELLING, SLOT_CLOSING, SLOT_ZOMBIE };
enum slot_lane { LANE_EXPRESS, LANE_EXCLUSIVE };

/* 64 bytes. Written by the owner; by weird when the owner is dead; `cancel` also read by weir-monitor. */
struct slot {
	/* owner:8 (worker number + 1, 0 = nobody) | use:8 | lane:8 | unused:8 | gen:32 (31 bits used,
	 * never 0 once taken; another one at each change of use but the one to CANCELLING) */
	_Alignas(WEIR_CACHE_LINE) _Atomic uint64_t ctl;
	_Atomic uint32_t backend_pid;
	/* The owner asks: cancel what runs, if gen still matches; 0 = nothing asked, or done. The top bit
	 * is set by whoever carries it out, until it is done. */
	_Atomic uint32_t cancel_gen;
	_Atomic uint64_t since_ns;	/* last change of use */
	_Atomic uint64_t queries;
};

#define SLOT_OWNER(ctl) ((unsigned)((ctl) >> 56))
#define SLOT_USE(ctl) ((enum slot_use)((ctl) >> 48 & 0xff))
#define SLOT_LANE(ctl) ((enum slot_lane)((ctl) >> 40 & 0xff))
#define SLOT_GEN(ctl) ((uint32_t)(ctl))
#define SLOT_GEN_MASK 0x7fffffffu
#define SLOT_CANCEL_CLAIMED 0x80000000u

/* One database block. */
struct db_state {
	/* Written by weir-monitor (by the worker itself when alone). */
	_Alignas(WEIR_CACHE_LINE) _Atomic uint32_t up;	/* 0 not known yet, 1 up, 2 down: for those who serve, whatever a probe meets */
	_Atomic uint32_t is_unseen;		/* the probe's session finds no database: workers look for themselves */
	_Atomic uint64_t seen_ns;		/* when it found it again */
	_Atomic uint32_t is_standby;
	_Atomic uint32_t server_version;	/* as PQserverVersion */
	_Atomic uint32_t max_connections;
	_Atomic uint64_t lag_ms;		/* of a standby; UINT64_MAX unknown */
	_Atomic uint64_t probed_ns, changed_ns;
	_Atomic uint64_t probe_us;		/* duration of the last good probe */
	_Atomic uint64_t outages;
	_Atomic uint32_t seq;			/* seqlock for error and where */
	char error[200];			/* what fails, one line, no secrets; with up = 1: for some of those who connect */
	char where[120];			/* host:port/dbname */
	char name[40];				/* of the block; written by weird at creation */
	/* Written by weir-monitor, read at every hit: answers under tags that were made by then (boot clock), or
	 * read in a snapshot whose xmin is below the transaction, may have missed an event. */
	_Alignas(WEIR_CACHE_LINE) _Atomic uint64_t cache_floor_ms;
	_Atomic uint64_t cache_floor_xid;
	_Atomic uint32_t was_heard;	/* the floor was raised by who began to listen, since this memory was made */
	/* The same for all that is in the second tier, under tags or not: it was purged. PURGED_ALL: while nobody could
	 * number the purge; weir-monitor puts the first transaction there that it sees. */
#define PURGED_ALL UINT64_MAX
	_Atomic uint64_t purged_xid;
	/* For the second tier, by weir-monitor; 0 while the server is away or a standby. Which server, and which of its
	 * timelines: transactions of another one mean nothing. And the xmin of a snapshot taken some 100 ms ago: a query
	 * that is sent from now on sees every transaction below it. Read tier_id before tier_xmin; tier_xmin is 0 while
	 * tier_id changes. */
	_Atomic uint64_t tier_id, tier_xmin;
	/* Events of writes, counted by weir-monitor. */
	_Alignas(WEIR_CACHE_LINE) _Atomic uint32_t is_listening;
	_Atomic uint64_t events, event_tags, events_bad, events_all, event_gaps;
	struct histo event_lag;
	/* CAS by any worker. */
	_Alignas(WEIR_CACHE_LINE) _Atomic uint32_t generation;	/* raised when a connection was lost: others validate */
	_Atomic uint64_t mark, mark_looked_ns;	/* of the catalogs: lib/pg/db_mark.c */
	_Atomic uint32_t wanted;		/* somebody waits for a slot */
	_Atomic uint32_t dates;			/* enum db_dates of the latest session */
	_Atomic uint32_t starved;		/* number + 1 of a worker that has no connection because the server gives none */
	struct refused refused;			/* the latest error of a worker that tried to connect */
	struct said said[SAID_KINDS];		/* of such errors */
	uint32_t n_slots, n_warm;		/* pool_max, pool_min */
};

/* What the statements of one endpoint look like, by any worker. What a crash leaves is looked at again. */
struct shape {
	_Atomic uint32_t epoch;		/* raised by whoever finds that a description is not right any more */
	_Atomic uint64_t looked_ms;	/* when somebody last began to look, his monotonic clock */
	_Atomic uint64_t sum;		/* of all variants' names and types; 0: not described yet. Part of cache keys. */
};

/* Express rights of one endpoint. Everything begins COLD: an endpoint earns the
 * lane by its first 32 runs in the exclusive one, so it is about a second of traffic away.
 * Written by any worker (CAS, racy adds that only lose a sample) and by the tick; a crash in the
 * middle loses at most one sample. */
enum express_state { EXPRESS_COLD, EXPRESS_ON, EXPRESS_HELD, EXPRESS_BARRED };
#define EXPRESS_RING 64u
struct express {
	/* Read at every request, written at changes only. */
	_Alignas(WEIR_CACHE_LINE) _Atomic uint64_t ctl;	/* state:2 | n:4 | gen:10 | until_ms:48 */
	_Atomic uint32_t median_us;	/* m of the database in the last second; by the tick */
	/* Written at every sample. */
	_Alignas(WEIR_CACHE_LINE) _Atomic uint32_t next;
	_Atomic uint64_t ring[EXPRESS_RING];	/* when_ms:32 | result KiB:10 | service us:22; 0 = none */
};
#define EXPRESS_STATE(ctl) ((enum express_state)((ctl) >> 62))
#define EXPRESS_LOSSES(ctl) ((unsigned)((ctl) >> 58 & 15))
#define EXPRESS_UNTIL_MS(ctl) ((ctl) & 0xffffffffffffull)

struct region;

/* Take a free slot for worker number. Each live worker has a right to one express and one exclusive
 * slot; one slot is kept for a worker that is starting; the rest is common. The slot's index, now
 * CONNECTING, or -1: none to be had now.
 * The word of a slot has one winner, so never more than n_slots are taken. The budget is a count over
 * the table, made again after the CAS: of takers that race for the last common slot the later one
 * gives back, so rights are overdrawn for the time of one call, never beyond it. A right-holder that
 * meets that instant sees -1 and asks again. */
int slots_take(const struct region *r, unsigned db, unsigned number, enum slot_lane lane, int is_starting);
/* The owner changes its slot's use. SLOT_FREE gives it back at once: for a connection that never was
 * or that the server ended. SLOT_ZOMBIE gives it back when the backend has had time to go: for a
 * connection that we closed. */
void slots_set(const struct region *r, unsigned db, unsigned slot, enum slot_use use);
/* Owner's: as soon as the backend is known. */
void slots_set_backend(const struct region *r, unsigned db, unsigned slot, uint32_t pid);
/* Owner's: ask weir-monitor to cancel what runs on the slot, which becomes CANCELLING. The request is
 * over when cancel_gen is 0 again. */
void slots_cancel(const struct region *r, unsigned db, unsigned slot);
/* weir-monitor's: if the slot asks for a cancel that nobody carries out yet, claim it: the backend's
 * pid, and the generation for slots_cancel_done; else 0. */
uint32_t slots_cancel_claim(const struct region *r, unsigned db, unsigned slot, uint32_t *ret_gen);
/* The cancel was sent (or failed): the owner may go on. */
void slots_cancel_done(const struct region *r, unsigned db, unsigned slot, uint32_t gen);
/* weird's: release what a dead worker held (as ZOMBIE); returns how many. */
unsigned slots_release_dead(const struct region *r, unsigned number, uint64_t now_ns);
/* The owner's: its connection serves another lane now. */
void slots_set_lane(const struct region *r, unsigned db, unsigned slot, enum slot_lane lane);
/* Connections that serve. */
unsigned slots_open(const struct region *r, unsigned db);
/* weird's tick (a lone worker's too): ZOMBIE slots older than a second become free. */
void slots_sweep(const struct region *r, uint64_t now_ns);
/* Count by use and lane, for metrics: counts[use][lane]. */
void slots_count(const struct region *r, unsigned db, unsigned counts[7][2]);

/* Publish what is judged: up or not, and what fails (NULL = ""). One writer. Counts the outage and
 * notes the time when up changes. */
void db_state_judge(struct db_state *s, int up, const char *error, uint64_t now_ns);
/* The same, by a probe of now. */
void db_state_set(struct db_state *s, int up, const char *error, uint64_t now_ns);
/* The address that is in use; same writer. */
void db_state_set_where(struct db_state *s, const char *where);
/* A consistent copy of error and where; 0, or -1 "busy" (both empty then). */
int db_state_texts(const struct db_state *s, char error[200], char where[120]);
/* weird's, when the writer died: readers would wait for its end of writing for ever. */
void db_state_mend(struct db_state *s);

/* One sample of service time, and what follows from it: may turn ON to HELD. */
void express_sample(struct express *x, uint64_t service_us, uint64_t result_bytes, uint64_t now_ms);
int express_may(const struct express *x);
/* A guard hit: HELD for min(10 s · 2^n, 10 min) · U[0.9,1.1]. */
void express_hold(struct express *x, uint64_t now_ms);
/* It writes: until reload. */
void express_bar(struct express *x);
/* A reload changed the statement or its parameters: COLD, without a past. weird only. */
void express_reset(struct express *x);
/* 1 s tick of weird or of a lone worker: COLD with a good ring → ON, HELD past its time → COLD. */
void express_tick(const struct region *r, uint64_t now_ms);

#endif
