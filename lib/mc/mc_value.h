/* mc_value: what lies in memcached under a key: an answer with all that is needed to judge it.
 * What comes back is hostile input: another build's, another key's, cut, changed, or not ours at all.
 * Numbers are little-endian, so hosts of both orders share a tier. Pure.
 * Layer: lib/mc. */
#ifndef WEIR_MC_MC_VALUE_H
#define WEIR_MC_MC_VALUE_H

#include <stdint.h>

#include "lib/base/buf.h"
#include "lib/base/slice.h"

#define MC_VALUE_MAX 1000000u	/* bytes with header, key and tags; memcached's own limit is 1 MiB with its */
#define MC_VALUE_MAX_KEY 8192u
#define MC_VALUE_MAX_TAGS 16u
#define MC_VALUE_MAX_TAG 255u

struct mc_value {
	uint64_t build, schema;		/* ids: an answer of another build or schema is not used */
	struct slice key;		/* the whole key, not its hash */
	uint64_t created_wall_us;
	/* Lifetimes from its creation: fresh for, may be served stale for, may be served on errors for. */
	uint32_t soft_ms, hard_ms, error_ms;
	uint32_t delta_us;		/* what making it cost */
	uint64_t xmin;			/* of the snapshot it was read in; 0 = not known */
	uint8_t etag[16];
	uint16_t status;
	uint8_t coding, flags;		/* the caller's numbers */
	uint32_t head_n;		/* the body begins with so many bytes of header lines; ≤ body.n */
	unsigned n_tags;
	struct slice tags[MC_VALUE_MAX_TAGS];
	struct slice body;
};

enum mc_value_fault {
	MC_VALUE_OK,
	MC_VALUE_BROKEN,	/* not ours, cut, or changed */
	MC_VALUE_FOREIGN,	/* whole, but of another key, build or schema */
};

/* Append it to out. seed goes into the checksum and is the same on all hosts of a tier. 0, or -E_too_large
 * when key, tags or the whole are beyond the limits above (out is unchanged then). */
int mc_value_encode(struct buf *out, const struct mc_value *v, uint64_t seed) MUST_USE;
/* ret's slices point into s. Nothing is written to ret unless MC_VALUE_OK. build, schema and key are
 * those that are expected. */
enum mc_value_fault mc_value_decode(struct slice s, uint64_t build, uint64_t schema, struct slice key,
				    uint64_t seed, struct mc_value *ret) MUST_USE;
/* What is left of a lifetime, in ms, between 0 and lifetime_ms whatever the clocks of two hosts say. */
uint32_t mc_value_left_ms(const struct mc_value *v, uint32_t lifetime_ms, uint64_t now_wall_us);

#endif
