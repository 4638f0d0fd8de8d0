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

enum slot_use { SLOT_FREE, SLOT_CONNECTING, SLOT_IDLE, SLOT_BUSY, SLOT_CANCELLING, SLOT_CLOSING, SLOT_ZOMBIE };
enum slot_lane { LANE_EXPRESS, LANE_EXCLUSIVE };

/* 64 bytes. Written by the owner; by weird when the owner is dead; `cancel` also read by weir-monitor. */
struct slot {
	/* owner:8 (worker number + 1, 0 = nobody) | use:8 | lane:8 | unused:8 | gen:32 */
	_Alignas(WEIR_CACHE_LINE) _Atomic uint64_t ctl;
	_Atomic uint32_t backend_pid;
	_Atomic uint32_t cancel_gen;	/* the owner asks: cancel what runs, if gen still matches; 0 = nothing */
	_Atomic uint64_t since_ns;	/* last change of use */
	_Atomic uint64_t queries;
};

#define SLOT_OWNER(ctl) ((unsigned)((ctl) >> 56))
#define SLOT_USE(ctl) ((enum slot_use)((ctl) >> 48 & 0xff))
#define SLOT_LANE(ctl) ((enum slot_lane)((ctl) >> 40 & 0xff))
#define SLOT_GEN(ctl) ((uint32_t)(ctl))

/* One database block. */
struct db_state {
	/* Written by weir-monitor (by the worker itself when alone). */
	_Alignas(WEIR_CACHE_LINE) _Atomic uint32_t up;	/* 0 not known yet, 1 up, 2 down */
	_Atomic uint32_t is_standby;
	_Atomic uint32_t server_version;	/* as PQserverVersion */
	_Atomic uint32_t max_connections;
	_Atomic uint64_t lag_ms;		/* of a standby; UINT64_MAX unknown */
	_Atomic uint64_t probed_ns, changed_ns;
	_Atomic uint64_t probe_us;		/* duration of the last good probe */
	_Atomic uint64_t outages;
	_Atomic uint32_t seq;			/* seqlock for error and where */
	char error[200];			/* last failure, one line, no secrets */
	char where[120];			/* host:port/dbname */
	char name[40];				/* of the block; written by weird at creation */
	/* CAS by any worker. */
	_Alignas(WEIR_CACHE_LINE) _Atomic uint32_t generation;	/* raised when a connection was lost: others validate */
	_Atomic uint32_t wanted;		/* somebody waits for a slot */
	uint32_t n_slots, n_warm;		/* pool_max, pool_min */
};

/* Express rights of one endpoint (postgres.md 4.3). */
enum express_state { EXPRESS_COLD, EXPRESS_ON, EXPRESS_HELD, EXPRESS_BARRED };
struct express {
	_Alignas(WEIR_CACHE_LINE) _Atomic uint64_t ctl;	/* state:2 | n:4 | gen:10 | until_ms:48 */
	_Atomic uint32_t next;			/* ring position; racy adds only lose a sample */
	_Atomic uint32_t ring[64];		/* service time in us; high bit unused */
};

struct region;

/* Take a free slot for worker number (express + one exclusive are each worker's right, one slot is
 * kept for a worker that is starting). The slot's index, or -1: none to be had now. */
int slots_take(const struct region *r, unsigned db, unsigned number, enum slot_lane lane, int is_starting);
/* The owner changes its slot's use (SLOT_FREE gives it back). */
void slots_set(const struct region *r, unsigned db, unsigned slot, enum slot_use use);
/* Owner's: as soon as the backend is known. */
void slots_set_backend(const struct region *r, unsigned db, unsigned slot, uint32_t pid);
/* Owner's: ask weir-monitor to cancel what runs on the slot. */
void slots_cancel(const struct region *r, unsigned db, unsigned slot);
/* weird's: release what a dead worker held; returns how many. */
unsigned slots_release_dead(const struct region *r, unsigned number, uint64_t now_ns);
/* weird's tick (a lone worker's too): ZOMBIE slots older than a second become free. */
void slots_sweep(const struct region *r, uint64_t now_ns);
/* Count by use and lane, for metrics: counts[use][lane]. */
void slots_count(const struct region *r, unsigned db, unsigned counts[7][2]);

/* Publish what a probe found (seqlock for the texts). */
void db_state_set(struct db_state *s, int up, const char *error, uint64_t now_ns);
/* A consistent copy of error and where; 0, or -1 "busy". */
int db_state_texts(const struct db_state *s, char error[200], char where[120]);

/* One sample of service time, and what follows from it: may turn ON to HELD. */
void express_sample(struct express *x, uint64_t service_us, uint64_t result_bytes, uint64_t now_ms);
int express_may(const struct express *x);
/* A guard hit: HELD for min(10 s · 2^n, 10 min) · U[0.9,1.1]. */
void express_hold(struct express *x, uint64_t now_ms);
/* It writes: until reload. */
void express_bar(struct express *x);
/* 1 s tick of weird or of a lone worker: COLD with a good ring → ON, HELD past its time → COLD. */
void express_tick(const struct region *r, uint64_t now_ms);

#endif
