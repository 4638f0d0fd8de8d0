/* cmd_cache: what the two files of `weirctl cache` have in common. Layer: supervisor. */
#ifndef WEIR_SUPERVISOR_CMD_CACHE_H
#define WEIR_SUPERVISOR_CMD_CACHE_H

#include "lib/base/slice.h"
#include "supervisor/control.h"

struct cache;
struct region;

/* 0, or -1 with the answer set: there is no cache. */
int cmd_cache_open(struct call *c, struct region *r, struct cache *cache);
/* The row of the endpoint with this name; 0, or -1 with the answer set. */
int cmd_cache_endpoint(struct call *c, struct slice id, unsigned *ret);
/* What memcached kept from before its servers were taken out of the configuration, should they come back. */
void cmd_cache_forget_tier(const struct call *c);

/* cmd_cache_keys.c */
void cmd_cache_keys(struct call *c);
void cmd_cache_get(struct call *c, struct cache *cache);
void cmd_cache_drop(struct call *c, struct cache *cache);

#endif
