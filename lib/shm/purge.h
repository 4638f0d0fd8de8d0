/* purge: what an operator made void and the second tier and the other hosts have still to follow.
 *
 * weird makes it void in shared memory at once and posts it here. weir-monitor takes tags, endpoints and
 * `all` one by one: it runs a transaction that tells the other hosts, and whose id makes void what was read
 * before it. Keys are deleted in memcached by a worker, and stay here until their node has said so. While
 * something waits, workers believe nothing of the second tier that it may concern.
 *
 * Who writes: weird posts (one thread), one process takes: weir-monitor the orders, the ready worker of the
 * lowest number the keys. A taker that dies leaves what it has not ended.
 * Layer: lib/shm. */
#ifndef WEIR_SHM_PURGE_H
#define WEIR_SHM_PURGE_H

#include <stdatomic.h>
#include <stdint.h>

#include "lib/base/base.h"
#include "lib/base/slice.h"

#define PURGE_MAX 32u		/* that wait; a power of two */
#define PURGE_MAX_TEXT 1000u	/* as weir.invalidate admits (sql/weir/events.sql) */
#define PURGE_MAX_KEYS 32u

enum purge_kind { PURGE_TAG, PURGE_ENDPOINT, PURGE_ALL };

struct purge {
	enum purge_kind kind;
	uint32_t endpoint;		/* its row, PURGE_ENDPOINT */
	char text[PURGE_MAX_TEXT + 1];	/* the tag; the route */
};

struct purge_queue {
	_Atomic uint32_t posted, ended;	/* posted − ended wait */
	struct purge v[PURGE_MAX];
	_Atomic uint64_t keys[PURGE_MAX_KEYS][2];	/* hashes; 0, 0: free. [1] is written last, cleared first */
};

/* 0, or -1: full, or the text is too long. */
int purge_post(struct purge_queue *q, const struct purge *p) MUST_USE;
int purge_post_key(struct purge_queue *q, const uint64_t h[2]) MUST_USE;
/* The oldest order, copied: 1, or 0: none. It stays until purge_end. */
int purge_first(struct purge_queue *q, struct purge *ret);
void purge_end(struct purge_queue *q);
/* Does an order wait? */
static inline int purge_waits(const struct purge_queue *q)
{
	return atomic_load_explicit(&q->posted, memory_order_acquire) != atomic_load_explicit(&q->ended, memory_order_acquire);
}
/* The key in cell i: 1, or 0: none there. */
int purge_key_at(const struct purge_queue *q, unsigned i, uint64_t ret[2]);
void purge_key_end(struct purge_queue *q, unsigned i, const uint64_t h[2]);
/* Does this key wait? */
int purge_waits_key(const struct purge_queue *q, const uint64_t h[2]);

#endif
