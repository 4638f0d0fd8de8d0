/* nameset: have we seen this parameter name before? For the at most 256 names of one request, on
 * the stack, without allocation. A collision costs one comparison of two integers, so that names
 * chosen to collide (256 of them: 32 640 comparisons) stay cheap without a secret. Layer: lib/fcgi.
 */
#ifndef WEIR_FCGI_NAMESET_H
#define WEIR_FCGI_NAMESET_H

#include <stdint.h>

#include "lib/base/slice.h"

#define NAMESET_MAX 256u
#define NAMESET_SLOTS 512u /* a power of two, twice the names: probing ends */

struct nameset {
	uint64_t used[NAMESET_SLOTS / 64]; /* a bit for each slot that holds something */
	uint16_t slot[NAMESET_SLOTS];	   /* number of the name */
	unsigned n;
	uint64_t hash[NAMESET_MAX];
	struct slice name[NAMESET_MAX];
};

static inline void nameset_init(struct nameset *s)
{
	memset(s->used, 0, sizeof(s->used));
	s->n = 0;
}

static inline uint64_t nameset_word(const char *p, size_t n)
{
	uint64_t w = 0;

	if (likely(n >= 8)) {
		memcpy(&w, p, 8);
	} else if (n >= 4) {
		uint32_t a, b;

		memcpy(&a, p, 4);
		memcpy(&b, p + n - 4, 4);
		w = (uint64_t)a << 32 | b;
	} else if (n) {
		w = (uint64_t)(unsigned char)p[0] << 16 | (uint64_t)(unsigned char)p[n / 2] << 8 |
		    (unsigned char)p[n - 1];
	}
	return w;
}

static inline uint64_t nameset_hash(struct slice s)
{
	uint64_t h = s.n * 0x9e3779b97f4a7c15u;
	size_t at = 0;

	for (; at + 8 < s.n; at += 8)
		h = (h ^ nameset_word(s.p + at, 8)) * 0xff51afd7ed558ccdu;
	if (s.n >= 8)
		at = s.n - 8;
	h = (h ^ nameset_word(s.p + at, s.n - at)) * 0xff51afd7ed558ccdu;
	return h ^ h >> 32;
}

/* The number of an equal name that was added before, else -1 and the name is added as number s->n.
 * The set must not be full. */
static inline int nameset_add(struct nameset *s, struct slice name)
{
	uint64_t h = nameset_hash(name);
	unsigned at = (unsigned)h & (NAMESET_SLOTS - 1);

	for (; s->used[at / 64] >> (at % 64) & 1; at = (at + 1) & (NAMESET_SLOTS - 1)) {
		unsigned k = s->slot[at];

		if (s->hash[k] == h && slice_eq(s->name[k], name))
			return (int)k;
	}
	s->hash[s->n] = h;
	s->name[s->n] = name;
	s->used[at / 64] |= 1ull << (at % 64);
	s->slot[at] = (uint16_t)s->n++;
	return -1;
}

#endif
