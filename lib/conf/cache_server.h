/* cache_server: one memcached server as cache.servers names it. Pure.
 * Layer: lib/conf. */
#ifndef WEIR_CONF_CACHE_SERVER_H
#define WEIR_CONF_CACHE_SERVER_H

#include <stdint.h>

#include "lib/base/err.h"
#include "lib/base/slice.h"

struct cache_server {
	char host[256];		/* name, address or path of a unix socket */
	uint16_t port;		/* 0: a unix socket */
	unsigned weight;	/* ≥ 1 */
	/* What the ring knows it by; empty: host and port. Keys stay where they are when a node that has an
	 * alias gets another address. */
	char alias[64];
};
/* "HOST:PORT", "[V6]:PORT" or "unix:PATH", then, in any order, "as ALIAS" and "weight N" (1..100). 0, or -id with e. */
int cache_server_parse(struct slice text, struct cache_server *ret, struct err *e) MUST_USE;

/* What people call it: its alias, else its address. */
#define CACHE_SERVER_NAME 272
void cache_server_name(struct slice text, char out[CACHE_SERVER_NAME]);

#endif
