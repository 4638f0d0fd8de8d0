/* route: method and path → endpoint, by a tree of segments built once; no regex.
 * Literal segments beat parameters, these beat {name...}. Owner: the worker. Layer: workers. */
#ifndef WEIR_WORKERS_ROUTE_H
#define WEIR_WORKERS_ROUTE_H

#include "lib/conf/endpoint.h"

struct db_pool;
struct handler;
struct include_plan;
struct metric_endpoint;
struct region_endpoint;

/* An endpoint as the worker runs it. */
struct endpoint_run {
	const struct endpoint *ep;
	struct db_pool *pool;		/* NULL: no SQL */
	struct handler *handler;	/* NULL: none */
	unsigned first_stmt;		/* + variant */
	uint64_t timeout_ns, slow_ns;
	struct region_endpoint *shared;		/* NULL: weir-worker -t */
	/* sick.c: a statement is refused; how often it was tried again; shared->sick.healed as it was then */
	unsigned is_sick, sick_tries;
	uint32_t healed;
	uint8_t cache_id[16];		/* of all that shapes its answers; part of each key */
	uint64_t cache_place;		/* of the servers that they come from; of each key in shared memory */
	struct metric_endpoint *metrics;
	struct include_plan *plans;	/* by @include; include_prepare */
	/* of an answer that the cache has no part in; reply_prepare_plain */
	int is_ones;			/* made for one caller: no cache outside may store it */
	int says_cache_control, says_request_id;	/* by @header */
	struct slice vary;		/* a line or nothing */
	/* of a cached endpoint; reply_prepare */
	int is_private;			/* no cache outside may show it to others, nor its tags */
	unsigned groups, group_invalidation;	/* of its tags, and of those it invalidates: which others are told; bits */
	unsigned codings;		/* that its answers may have besides identity; HTTP_CODING_BIT */
	size_t compress_min;
	struct slice cache_control[2];	/* the line's text before and behind the seconds of max-age */
	struct slice cache_lines;	/* Vary and X-Accel-Expires: the same in every answer */
};

struct route_node;
struct route {
	struct route_node *root;
	struct arena_pool pool;
	struct arena arena;
};

struct route_match {
	struct endpoint_run *run;	/* NULL: no such method */
	unsigned allow;			/* bit per enum http_method that the path knows; 0: no such path */
	unsigned n_values;
	struct slice raw_values[ENDPOINT_MAX_SEGMENTS];	/* still encoded, in order of the template */
};

void route_init(struct route *t);
void route_done(struct route *t);
void route_add(struct route *t, struct endpoint_run *run);
void route_find(const struct route *t, enum http_method method, struct slice path, struct arena *scratch,
		struct route_match *ret);

#endif
