/* include: a composed endpoint's parts: requests of their own, without a client, that go from route to
 * store like any other and leave their document with the whole.
 * Layer: workers. */
#ifndef WEIR_WORKERS_INCLUDE_H
#define WEIR_WORKERS_INCLUDE_H

#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/base/slice.h"
#include "lib/shm/stamps.h"

struct endpoint;
struct endpoint_run;
struct req;
struct worker;

struct part {
	struct req *req;	/* NULL once it has ended */
	struct buf out;
	size_t skip;		/* header lines in front of the document */
	enum err_id error;
	/* what the whole inherits */
	int is_kept;		/* made or found under stamps that may be relied on: the last three are valid */
	int has_etag;
	uint8_t etag[16];
	uint64_t soft_ms, xmin;
	struct stamp_set stamps;
};

/* Of an @include, by the worker: include_plan.c. */
struct include_plan {
	struct slice member;		/* ,"name": */
	int is_constant;		/* no value of the whole is in the target */
	struct slice uri, path, query;	/* of a constant target */
	struct endpoint_run *run;	/* NULL: nothing is known of its values yet */
	uint64_t takes;
	unsigned variant, serial;	/* serial: of the statement whose types they were checked by */
	const char **values;
	struct slice *path_values;	/* by parameter index */
};

/* When all endpoints are set up. */
void include_prepare(struct worker *w, struct endpoint_run *run);
/* What the part's plan knows, into the part. 0 when that is nothing, or no longer true. */
int include_recall(struct req *part);
/* The part's parameters were bound: remember them, if they are the same for each request. */
void include_learn(struct req *part);

/* Start the parts of r->run->ep; some may have ended when this returns. */
void include_start(struct req *r);
/* Start what GET of r's own path answers, by endpoint ep, as r's only part; the database is asked, whatever is cached. Of the query it gets
 * what ep has parameters for. It may have ended when this returns. */
void include_get(struct req *r, const struct endpoint *ep);
/* A part has ended, just before its request is freed. */
void include_ended(struct req *part);
/* The same of one that goes on, to refresh its entry. */
void include_leave(struct req *part);
/* The whole ends before its parts do: they go on for the cache's sake, unheard. */
void include_forget(struct req *r);
/* r is freed: give back its arena. Parts read what the whole's arena holds, so it stays until the last of them ends. */
void include_release(struct req *r);
/* The members, behind those of the own row in r->out; the first error of a part fails the whole, a part without a
 * row is null. 0, or -1 with an error set. */
int include_render(struct req *r);
/* May the whole be stored, by its parts' stamps? Adds them to r->stamps. */
int include_join_stamps(struct req *r, uint64_t *ret_soft_ms);

#endif
