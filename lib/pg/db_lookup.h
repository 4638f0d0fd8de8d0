/* db_lookup: addresses of a host, by a deadline.
 * Owner: the caller of what it gets. Threads: any number at a time.
 * Layer: lib/pg. */
#ifndef WEIR_PG_DB_LOOKUP_H
#define WEIR_PG_DB_LOOKUP_H

#include <stdint.h>

#include "lib/base/base.h"

#define DB_MAX_ADDRESSES 8u

struct db_addresses {
	unsigned n;
	char text[DB_MAX_ADDRESSES][64];	/* numeric */
};

/* 0, or -1 with error: there is none, or it is not known by then. */
int db_lookup(const char *host, uint64_t deadline_ns, struct db_addresses *ret, char error[256]) MUST_USE;

#endif
