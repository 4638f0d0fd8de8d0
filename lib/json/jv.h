/* jv: is a text one JSON value, and nothing behind it? What another program says is JSON goes out as it is only then: it could
 * close its place and open others. Without memory of its own, in pieces if need be; names may be twice, depth has no end.
 * Pure. Layer: lib/json. */
#ifndef WEIR_JSON_JV_H
#define WEIR_JSON_JV_H

#include <stdint.h>

#include "lib/base/slice.h"

#define JV_LEVELS 1024u	/* below these, a bracket may be closed by one of the other kind */

struct jv {
	unsigned char state, digits;
	const char *word;	/* what is left of true, false, null */
	size_t depth;
	uint64_t objects[JV_LEVELS / 64];	/* a bit per level: { or [ */
};

void jv_init(struct jv *v);
/* 0, or -1: it is none, whatever comes. */
int jv_feed(struct jv *v, const char *p, size_t n);
/* 1 when what was fed is a whole one. */
int jv_is_whole(const struct jv *v);
/* All at once. */
int jv_is_json(const char *p, size_t n);
/* A number by JSON's grammar. */
int jv_is_number(const char *p, size_t n);

#endif
