/* region: the shared memory of one instance: header, endpoint directory, board, metric rows,
 * database states, connection slots, stamps, flights, the second tier's breakers and purges, and the cache. A memfd; offsets only, no pointers inside.
 * Created by weird (or by a worker that was started alone); children attach by descriptor.
 * Who writes what is said at each struct. No locks but those inside the cache.
 * Layer: lib/shm. */
#ifndef WEIR_SHM_REGION_H
#define WEIR_SHM_REGION_H

#include <stdatomic.h>
#include <stdint.h>

#include "lib/base/base.h"
#include "lib/base/err.h"
#include "lib/shm/board.h"
#include "lib/shm/breaker.h"
#include "lib/shm/flight.h"
#include "lib/shm/metrics.h"
#include "lib/shm/purge.h"
#include "lib/shm/said.h"
#include "lib/shm/sick.h"
#include "lib/shm/slots.h"
#include "lib/shm/stamps.h"

#define REGION_MAGIC 0x5745495253484d31ull	/* "WEIRSHM1" */
#define REGION_MAX_DATABASES 8
#define REGION_MAX_ENDPOINTS 4096
#define REGION_MAX_NODES 16	/* of the second tier */

/* What the layout is computed from. */
struct region_plan {
	unsigned n_numbers;	/* worker numbers: 2 × workers.max (1 when alone); ≤ 126 */
	unsigned n_endpoints;	/* rows; leave room for reloads */
	unsigned n_databases;
	unsigned n_slots[REGION_MAX_DATABASES];	/* pool_max of each */
	unsigned n_stamps;		/* a power of two, STAMPS_MIN … STAMPS_MAX; 0: no cache */
	uint64_t cache_bytes;		/* of L1, all of it; 0: no cache */
	uint64_t n_flights;		/* a power of two ≥ 8, or 0 */
};

/* For purged_ms and cache_floor_ms: until it is known whose writes are under way, nothing is believed, and nothing that is made. */
#define REGION_UNSETTLED UINT64_MAX

/* One endpoint's row in the directory. Written by weird at load and reload; read by all.
 * A row is never given to another endpoint while the region lives. */
struct region_endpoint {
	_Atomic uint32_t state;		/* 0 unused, 1 live, 2 removed by a reload */
	uint32_t database;
	uint64_t guid;			/* hash of the whole route: what the row is found by over reloads */
	char id[64];			/* label in metrics */
	char route[184];		/* "GET /api/models/{id}", cut to fit */
	/* weird's, boot clock: what was made until then is void; is stale. */
	_Atomic uint64_t purged_ms, softened_ms;
	_Atomic uint64_t purged_xid;	/* weir-monitor's: what was read by snapshots below it is void in the second tier */
	/* any worker's, when it starts: what shapes its answers, as a digest; 1: they are not kept; 0: nobody has said */
	_Atomic uint64_t cache_shape;
	_Atomic uint32_t has_large;	/* any worker's: clients that accept a coding have met an answer worth compressing */
	/* Express rights and the samples they are earned by: see express in slots.h. */
	struct express express;
	struct shape shape;
	struct sick sick;
	/* Any worker's, when it describes the statement, and all write the same: why it has a connection to itself; "": it
	 * need not. The last byte is 0 always. */
	char session_why[128];
	struct said said[SAID_KINDS];	/* any worker's */
};

/* An accept queue, as last sampled. Written by weird; the address before n_queues counts it. */
#define REGION_MAX_QUEUES 9	/* FastCGI listeners, status */
struct region_queue {
	char address[116];
	_Atomic uint32_t length, limit, peak;
};

struct region_header {
	uint64_t magic;
	uint64_t layout_hash;		/* of the struct sizes and lists of this build */
	uint64_t size;
	uint64_t started_wall_us;
	char boot_id[40];
	struct region_plan plan;
	uint64_t off_endpoints, off_board, off_rows, off_dbs, off_slots, off_stamps;
	uint64_t off_flights, off_tier, off_cache;
	uint64_t row_size;		/* metric row of one number */
	/* written by weird */
	_Atomic uint64_t weird_heartbeat_ns;
	_Atomic uint32_t weird_pid, generation;
	struct process_stats weird;
	_Atomic uint32_t reloads_ok, reloads_failed;
	_Atomic uint64_t reload_wall_us;
	_Atomic uint32_t last_reload_ok;
	_Atomic uint32_t n_endpoints_used;	/* rows 0 … n-1 have been used */
	_Atomic uint32_t queue_length, queue_limit, queue_peak;	/* accept queues of the FastCGI listeners together */
	_Atomic uint32_t n_queues;
	struct region_queue queues[REGION_MAX_QUEUES];
	_Atomic uint32_t log_level;	/* enum log_level for everybody; workers follow at each heartbeat */
	_Atomic uint64_t purged_ms, softened_ms;	/* as for an endpoint, for all */
	_Atomic uint64_t unsettled_ns;	/* CLOCK_MONOTONIC: weir-monitor is to find out whose writes of before are under way */
	_Atomic uint64_t orphan_epoch;	/* raised by whoever makes orphan bits, before it does */
	char last_failure[256];		/* text of the last failed reload; written before reloads_failed */
	/* written by anybody, atomically */
	_Atomic uint64_t peers_refused;	/* by listen_allow */
	_Atomic uint32_t has_told_user;	/* that somebody asserts a user and user_param is empty */
	/* written by the holder of row `monitor` */
	_Atomic uint64_t monitor_heartbeat_ns;
	/* Drawn when the region is made: the seed of the cache's hash where no secret is configured. */
	unsigned char cache_secret[32];
};

/* What workers share of the second tier. */
struct region_tier {
	struct breaker breakers[REGION_MAX_NODES];	/* by the order of cache.servers */
	_Atomic uint32_t n_nodes;
	char names[REGION_MAX_NODES][64];		/* for display; written by weird */
	struct purge_queue purges;
};

/* The plan and what follows from it are kept in private memory: a process that writes wildly into
 * the shared header must not lead another one out of the mapping. */
struct region {
	struct region_header *h;
	int fd;
	struct region_plan plan;
	size_t size, row_size;
	size_t off_endpoints, off_board, off_rows, off_dbs, off_slots, off_stamps, off_flights, off_tier, off_cache;
	unsigned slot_first[REGION_MAX_DATABASES];
};

/* Bytes that a region of this plan takes, 0 when the plan is out of bounds; for weird -t. */
size_t region_size(const struct region_plan *plan);
/* A new, sealed (SHRINK, GROW) memfd with all its pages, CLOEXEC. 0 or -id with e; r->h is NULL then. */
int region_create(struct region *r, const struct region_plan *plan, struct err *e) MUST_USE;
/* Map fd and validate seals, magic, hash, size and every offset: the memory is untrusted input.
 * 0 or -id with e; fd becomes the region's only when it returns 0. */
int region_attach(struct region *r, int fd, struct err *e) MUST_USE;
/* Unmaps and closes; a region that failed to open or was closed already is left alone. */
void region_close(struct region *r);

/* An index beyond the plan is a programmer's mistake (check) in each of these. */
struct region_endpoint *region_endpoint(const struct region *r, unsigned i);
/* Rows that have been used, ≤ plan.n_endpoints whatever the header says. */
unsigned region_endpoints_used(const struct region *r);
/* Row of this route, all of it, which becomes live: the live or removed one of that route, else a new one. A
 * removed one starts over with its express rights. -1 when full. weird only (or a lone worker). */
int region_endpoint_find_or_add(struct region *r, const char *route, const char *id, unsigned database);
struct board_row *region_board(const struct region *r, unsigned number);	/* n_numbers = monitor's row */
struct metric_row *region_row(const struct region *r, unsigned number);
struct db_state *region_db(const struct region *r, unsigned db);
struct slot *region_slot(const struct region *r, unsigned db, unsigned i);
/* n == 0: the instance has no cache. */
struct stamps region_stamps(const struct region *r);
/* incarnation is the caller's to set, and with it arg. n == 0: none. */
struct flights region_flights(const struct region *r);
struct region_tier *region_tier(const struct region *r);
/* Nodes of the second tier, ≤ REGION_MAX_NODES whatever the memory says. */
unsigned region_nodes(const struct region *r);
/* weird's, at start and reload. A breaker whose node is another one now is as its predecessor was, but not forced. */
void region_set_node(const struct region *r, unsigned i, const char *name);
void region_set_nodes(const struct region *r, unsigned n);
/* For cache_attach; NULL and 0 when the instance has no cache. */
void *region_cache(const struct region *r, size_t *ret_size);

#endif
