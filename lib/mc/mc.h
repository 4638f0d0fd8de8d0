/* mc: L2, the memcached tier that hosts share.
 *
 * One I/O thread per struct mc owns all connections; the loop's thread calls everything below, nothing of
 * it blocks, and callbacks run inside mc_poll, never from another thread. Calls are collected until
 * mc_flush (once per loop turn), which hands them over as one batch: the thread groups the gets by node,
 * leaves out nodes whose breaker is open, sends one mget per node, of at most 100 keys, to all nodes, and
 * then reads their answers. Everything that goes wrong is a miss.
 *
 * Made in the process that uses it: a connection that is shared over fork gives wrong values.
 * A call that keeps the thread longer than MC_STUCK_MS (a node that trickles, a name server that is
 * silent) costs that thread: it is left behind with its connections and a new one takes over. With
 * MC_MAX_STUCK left behind everything is a miss until one of them has returned.
 * Layer: lib/mc (the only user of libmemcached). */
#ifndef WEIR_MC_MC_H
#define WEIR_MC_MC_H

#include <stdatomic.h>
#include <stdint.h>

#include "lib/base/err.h"
#include "lib/base/slice.h"
#include "lib/conf/cache_server.h"

#define MC_MAX_NODES 16u
#define MC_BATCH 100u		/* keys of one mget: thousands can deadlock both ends */
#define MC_KEY_LEN 35u
#define MC_MAX_BYTES 1000000u	/* of a value; memcached refuses 1 MiB, and the old value is gone then */
#define MC_MAX_TTL_S 2592000u	/* 30 days: memcached takes more as a date */
#define MC_SET_QUEUE_BYTES 65536u
#define MC_STUCK_MS 250u
#define MC_MAX_STUCK 4u

struct breaker;
struct mc;
struct mc_op;

/* "w1:" and 32 hex digits: no blank, no control character, so that nothing of a client's reaches the protocol. */
struct mc_key {
	char text[MC_KEY_LEN + 1];
};
struct mc_key mc_key_of(uint64_t high, uint64_t low);

/* Totals of one process; the owner of the storage maps them to metrics. The I/O thread adds as well. */
struct mc_counters {
	_Atomic uint64_t hits, misses, timeouts, errors;	/* gets by outcome; errors without timeouts */
	_Atomic uint64_t off;		/* gets not sent: breaker open, or no thread */
	_Atomic uint64_t late;		/* gets not sent: their deadline had passed */
	_Atomic uint64_t cancelled;	/* gets that nobody waited for any more */
	_Atomic uint64_t sets, sets_dropped, adds, deletes, deletes_failed;
	_Atomic uint64_t corrupt;	/* values that were not what was asked for */
	_Atomic uint64_t batches, keys;	/* mgets sent, keys in them */
	_Atomic uint64_t probes, stuck;
};

struct mc_options {
	struct cache_server servers[MC_MAX_NODES];
	unsigned n_servers;
	/* 0: the default, which is what the design fixes: 20 ms, 50 ms, 1 s. */
	unsigned poll_timeout_ms, connect_timeout_ms, retry_timeout_s;
	/* One cell per server, in shared memory. They outlive the mc. */
	struct breaker *breakers;
	unsigned number, incarnation;	/* of this worker: whose a probe's lease is */
	struct mc_counters *counters;	/* outlive the mc */
};

enum mc_result {
	MC_OK,		/* get: a value; add: it is ours; delete: it is not there any more */
	MC_MISS,	/* get: none; add: somebody else has it */
	MC_OFF,		/* not sent: the node's breaker is open */
	MC_LATE,	/* not sent: its deadline had passed */
	MC_TIMEOUT,
	MC_ERROR,
};

/* value is valid until it returns (and empty but for a get's MC_OK). It may call mc_get, mc_set, mc_add,
 * mc_delete, mc_cancel and mc_flush, not mc_poll or mc_close. */
typedef void mc_done_f(void *arg, enum mc_result result, struct slice value);

/* 0, or -id with e. No connection is made: a node that is down is a miss and no failure to start. */
int mc_open(struct mc **ret, const struct mc_options *o, struct err *e) MUST_USE;
/* Waits up to a second for its thread. Calls that are not answered are dropped: no callback. */
void mc_close(struct mc **m);

/* Readable when mc_poll has something to deliver. */
int mc_fd(const struct mc *m);
/* Deliver what has been answered; returns how many callbacks ran. */
unsigned mc_poll(struct mc *m);
/* Hand over what was called since the last time. Cheap when nothing was. */
void mc_flush(struct mc *m);

/* Never NULL. It is valid until its callback begins or it is cancelled. deadline_ns (clock_mono_ns; 0 = none):
 * not sent after. Bounding the wait is the caller's: cancel it when the time is over. */
struct mc_op *mc_get(struct mc *m, const struct mc_key *key, uint64_t deadline_ns, mc_done_f *done, void *arg);
/* Its callback will never run. */
void mc_cancel(struct mc *m, struct mc_op *op);
/* Store value for ttl_s seconds (at least 1, at most 30 days), unacknowledged. It is copied. -1: dropped and
 * counted, because it is empty or too large, or since more than MC_SET_QUEUE_BYTES wait to be sent. */
int mc_set(struct mc *m, const struct mc_key *key, struct slice value, unsigned ttl_s);
/* Store token if there is nothing under key: a lease. The token must be the asker's own (host, worker, a
 * number): what decides is whose token is read back. */
void mc_add(struct mc *m, const struct mc_key *key, struct slice token, unsigned ttl_s, mc_done_f *done, void *arg);
/* Acknowledged: it is sent unanswered, then its key is read on the same connection. done may be NULL. */
void mc_delete(struct mc *m, const struct mc_key *key, mc_done_f *done, void *arg);
/* The value under key was not what it should be: counted, and deleted. */
void mc_corrupt(struct mc *m, const struct mc_key *key);

/* Which node has this key; for display and tests. */
unsigned mc_node_of_key(const struct mc *m, const struct mc_key *key);

const char *mc_library_version(void);

#endif
