/* arena: memory that lives exactly as long as one request, and clean-ups that run at its end.
 * Blocks come from and go back to a pool (the worker's free list), so that a request that fits the
 * first block allocates nothing.
 * Owner: the request. Threads and processes: one thread.
 * Layer: lib/base. */
#ifndef WEIR_BASE_ARENA_H
#define WEIR_BASE_ARENA_H

#include "lib/base/slice.h"

#define ARENA_BLOCK 8192u	/* bytes of a pooled block, header included */

struct arena_block;
struct arena_clean;

/* Free blocks shared by the arenas of one thread. */
struct arena_pool {
	struct arena_block *free;
	unsigned n_free, max_free;
};

struct arena {
	struct arena_pool *pool;
	struct arena_block *blocks;	/* newest first */
	char *at, *end;
	struct arena_clean *cleans;	/* run newest first */
	size_t total;			/* bytes of all blocks */
};

void arena_pool_init(struct arena_pool *p, unsigned max_free);
void arena_pool_done(struct arena_pool *p);
void arena_init(struct arena *a, struct arena_pool *p);
/* Runs the clean-ups and gives the blocks back; the arena can be used again. */
void arena_done(struct arena *a);
void *arena_grow(struct arena *a, size_t n);
/* n bytes, 16-aligned, not zeroed. Never NULL (out of memory aborts: callers bound their sizes). */
static inline void *arena_alloc(struct arena *a, size_t n)
{
	/* What is left is a multiple of 16, so that n fits when n rounded up does; 0 goes the slow way. */
	if (likely(n - 1 < (size_t)(a->end - a->at))) {
		void *p = a->at;

		a->at += (n + 15) & ~(size_t)15;
		return p;
	}
	return arena_grow(a, n);
}
void *arena_zalloc(struct arena *a, size_t n);
/* A NUL-terminated copy. */
char *arena_strn(struct arena *a, const char *p, size_t n);
char *arena_fmt(struct arena *a, const char *fmt, ...) PRINTF(2, 3);
/* Run fn(arg) when the arena ends. */
void arena_defer(struct arena *a, void (*fn)(void *), void *arg);

#endif
