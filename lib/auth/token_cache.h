/* token_cache: tokens that were verified, with whom they stand for, until they expire: a hit costs a
 * hash and a comparison instead of a signature's verification. Bounded in bytes, the least recently
 * used goes first. The hash is seeded, so that nobody can aim at one chain; the whole token is
 * compared.
 * Owner: struct auth; one a worker. One thread. Layer: lib/auth. */
#ifndef WEIR_AUTH_TOKEN_CACHE_H
#define WEIR_AUTH_TOKEN_CACHE_H

#include <stdint.h>

#include "lib/base/list.h"
#include "lib/base/slice.h"

struct identity;
struct token_entry;

struct token_cache {
	struct token_entry **buckets;
	unsigned n_buckets, n;	/* buckets: a power of two */
	size_t bytes, limit;
	uint64_t seed;
	struct list lru;	/* latest first */
};

/* limit: bytes; 0 keeps nothing. */
void token_cache_init(struct token_cache *c, size_t limit, uint64_t seed);
void token_cache_done(struct token_cache *c);
/* Borrowed, NULL when it is not there or its time is over (or has not come: the clock was set back). */
struct identity *token_cache_find(struct token_cache *c, struct slice token, int64_t now_s);
/* Takes a count of its own, of a counted identity. */
void token_cache_add(struct token_cache *c, struct slice token, struct identity *id);

#endif
