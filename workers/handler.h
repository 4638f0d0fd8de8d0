/* handler: endpoints that are C code (lib/weir.h): loading modules, and the request as they see it.
 * A weir_request outlives its request when the client leaves while a thread works on it; whoever of the two ends last frees it.
 * Owner: the worker. The loop's thread, but where weir.h says otherwise. Layer: workers. */
#ifndef WEIR_WORKERS_HANDLER_H
#define WEIR_WORKERS_HANDLER_H

#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/shm/cache.h"
#include "lib/shm/stamps.h"

struct worker;
struct endpoint;
struct handler;
struct req;
struct weir_request;

/* A key's tag when this request first asked for the key. */
struct handler_seen {
	uint64_t h[2];
	struct stamp_set set;
	uint64_t ms;		/* boot clock */
	struct cache_epoch epoch;
	int is_quiet;		/* no write was under way */
};

/* What a request needs for the shared cache. */
struct handler_cache {
	struct worker *w;
	const char *endpoint;
	const uint8_t *id;		/* of all that shapes its answers */
	unsigned metric;
	struct buf key, value;
	struct handler_seen seen[8];	/* beyond it nothing is stored */
	unsigned n_seen;
};
struct handler_cache *handler_cache_of(struct weir_request *r);

/* Load the module that ep names (relative to folder) and initialise it for this endpoint. NULL with e. */
struct handler *handler_open(const struct endpoint *ep, const char *folder, struct err *e);
void handler_close(struct handler **h);
/* The deadline has passed or the client has gone: the answer is not wanted any more. */
void handler_abandon(struct req *r);

#endif
