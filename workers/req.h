/* req: one request and its way through the steps (lib/tbl/steps.h).
 * A step says NEXT, WAIT (something will call req_run again) or DONE (an answer is known: go to the
 * reply). Whatever the request needs lives in its arena.
 * Owner: the worker; alive from on_head until step_account. One thread.
 * Layer: workers. */
#ifndef WEIR_WORKERS_REQ_H
#define WEIR_WORKERS_REQ_H

#include <stdint.h>

#include "lib/auth/auth.h"
#include "lib/base/arena.h"
#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/conf/endpoint.h"
#include "lib/fcgi/fcgi_req.h"
#include "lib/http/http.h"
#include "lib/http/http_etag.h"
#include "lib/pg/db.h"
#include "lib/shm/board.h"
#include "lib/shm/cache.h"
#include "lib/shm/flight.h"
#include "lib/shm/stamps.h"
#include "workers/front.h"

struct mc_op;
struct worker;
struct groups;
struct opts_cache;
struct endpoint_run;	/* an endpoint as the worker runs it: route.h */

enum step_result { STEP_NEXT, STEP_WAIT, STEP_DONE };

#define REQ_MAX_PAIRS 256u
#define REQ_MAX_FAULTS 32u

/* One thing that is wrong with the request; a problem document lists them together. */
struct req_fault {
	const char *name;	/* parameter */
	const char *source;	/* "query", "body", … */
	const char *detail;
};

/* Why an answer was not found in the cache, for Cache-Status (RFC 9211 2.2). */
enum req_fwd { FWD_NONE, FWD_MISS, FWD_STALE, FWD_INVALID, FWD_REQUEST };
/* Which layer of the cache answered. */
enum req_layer { LAYER_NONE, LAYER_L1, LAYER_L2 };

struct req {
	struct worker *w;
	struct front_conn *conn;	/* NULL once the peer is gone */
	struct list node;		/* in w->reqs or w->free_reqs */
	struct arena arena;
	uint64_t t0_ns, deadline_ns, number;
	unsigned step;
	struct wheel_timer timer;

	/* gate */
	struct slice raw_params;	/* only during on_head */
	uint16_t fcgi_id;
	struct fcgi_param *params;
	unsigned n_params;
	/* parse */
	enum http_method method;
	int is_head;
	struct slice method_text, uri, path, query;
	struct slice content_type, cookie, accept, accept_encoding, if_match, if_none_match, cache_control, remote_addr;
	struct slice request_id, trace_id;	/* of the client, and fit to be repeated: reqid.h */
	int64_t content_length;		/* -1: not announced */
	struct http_pair *pairs;
	unsigned n_pairs;
	/* identify */
	const struct identity *id;	/* NULL: nobody; valid as long as the arena */
	const char *user;		/* of id, or NULL */
	const char *auth_why;		/* why the credential was refused; ASCII */
	/* route */
	struct endpoint_run *run;
	unsigned allow;			/* methods of the path, for Allow */
	/* body */
	struct buf body;
	uint64_t body_bytes;
	int is_body_done, wants_body;
	unsigned char is_body_encoded;	/* as no body may be */
	enum err_id late_error;		/* known already, answered when the body has been dropped */
	const char **values;
	unsigned variant;
	uint64_t array_values;		/* by parameter index: the value is an array's literal */
	uint64_t literal_pairs;		/* of a part: pairs that hold such a value of its whole */
	uint64_t takes;			/* the description that values were made for: db_query.takes */
	unsigned char is_doubted;	/* values were refused, and the description has been looked at for that */
	/* cache: valid when has_key (stamps also for a write that invalidates) */
	unsigned char has_key, is_quiet, has_flight, is_following, is_collapsed, is_stored, wants_refresh, is_refresh;
	unsigned char is_not_modified, has_made, is_stale;
	unsigned char is_backing_off;	/* a write that waits for another one's end */
	unsigned char only_cached;	/* only-if-cached: the database is not asked */
	unsigned char asks_anew;	/* the database is asked, whatever is kept and whoever else asks */
	unsigned char is_accept_read, wants_variant;
	enum http_coding accepts;	/* of the run's codings; when is_accept_read */
	enum http_coding coding;	/* of the body, or of what a 304 is about */
	uint64_t fill_ms;		/* boot clock, when the stamps were loaded */
	uint64_t first_ms;		/* cache_first_ms then */
	struct cache_epoch epoch;	/* of the key, then */
	uint64_t arrived_ns;		/* when it first missed; 0: it has not */
	unsigned char is_waiting;	/* it follows, but not for that flight's answer */
	unsigned why;			/* HAND_WHY: of a flight's error, the words are kept */
	unsigned char is_told, is_handed;	/* its error, its answer, is that of somebody else's query */
	enum req_fwd fwd;
	enum req_layer layer;
	enum err_id rescued;		/* the error that a stale answer stands in for */
	struct flight_ref flight;
	/* the second tier; see tier.h */
	struct mc_op *tier_op;		/* asked, not answered yet */
	uint64_t tier_id, tier_xmin;	/* 0: not for it */
	unsigned char is_tier_asked;
	struct list follow_node;	/* in w->followers or w->refreshes */
	/* include */
	struct req *parent;		/* of a part; NULL: none, or it has gone */
	unsigned part_index;
	struct part *parts;
	unsigned n_parts, n_pending;
	unsigned char is_part, is_planned;	/* is_planned: run and values are the plan's */
	struct include_plan *plan;	/* of a part with a constant target */
	struct req_origin *origin;	/* see include_release; NULL: the whole has outlived its parts so far */
	struct groups *groups;		/* of the parts, for the whole's Cache-Groups; NULL: none */
	/* query: see q */
	int is_submitted, is_query_done;
	int is_made;			/* a write's answer is made, which is being committed (or, with error, rolled back) */
	unsigned char is_rebound;	/* see admit_again */
	struct weir_request *handling;	/* a handler is at it */
	/* answer */
	enum err_id error;
	int status;
	const char *detail;		/* a sentence for the client, or NULL */
	unsigned n_faults;
	unsigned retry_after_s;
	struct buf out;			/* body of the answer, behind lines_n bytes of header lines */
	size_t lines_n;
	struct buf head;
	struct buf handler_head;	/* header lines of a handler */
	int is_replying, in_run;
	int is_outcome_unknown;		/* a write was sent and its end was not awaited */

	/* responses.c: bytes that are counted, in w->holders; where the rendering of a large result stands, in w->renders */
	size_t held;
	struct list held_node, render_node;
	int is_render_waiting, is_slicing;
	size_t checked;			/* bytes of out that are known to be UTF-8 */
	unsigned n_rows;		/* of a result that was freed */

	struct db_query q;
	/* not zeroed for each request, as are q's strings: n_faults, has_key, is_slicing and the template say what is valid */
	struct db_slice slice;
	struct cache_key key;
	struct stamp_set stamps;
	struct cache_meta meta;		/* of the entry that answers, or that was made */
	struct slice path_values[ENDPOINT_MAX_PARAMS];	/* by parameter index */
	struct req_fault faults[REQ_MAX_FAULTS];
};

struct req *req_new(struct worker *w, struct front_conn *c);
/* A part of r: a GET by the same caller, with r's headers and deadline and no connection. What it has of r lies in
 * r's arena; its next step is route. */
struct req *req_new_part(struct req *r);
/* Go on from the step where the request stands. The request may be gone when this returns. */
void req_run(struct req *r);
/* The peer left or its deadline passed: give up what is under way. */
void req_abandon_query(struct req *r);
void req_free(struct req *r);

/* step_reply.c: the lines of @header, and Cache-Groups, as a cached answer keeps them. 0, or -1 with an error set. */
int reply_lines(struct req *r, struct buf *out);
/* The answer, as far as it can fail; after step_render. Sets error when there is none. */
void reply_make(struct req *r);
/* reply_cache.c: Cache-Control, ETag, Age, Cache-Status and Vary of a cached endpoint's answer. */
void reply_cache_head(struct req *r);
/* Is there a line of this name (with its ':') among those of a handler? */
int reply_has_line(struct slice lines, struct slice name);
/* Cache-Control and Vary of any other answer, errors, too. */
void reply_plain_head(struct req *r);
/* What reply_plain_head needs to know of an endpoint, in the arena. */
void reply_prepare_plain(struct endpoint_run *run, struct arena *a);
/* Make the lines that every answer of a cached endpoint has, in the arena. */
void reply_prepare(struct endpoint_run *run, const struct opts_cache *o, struct arena *a);
/* Is an answer its caller's alone? Of a whole: if any part is. */
int reply_is_private(const struct endpoint *ep);
/* step_admit.c: the statement's parameters have other types than its values were made for: made anew, and sent. */
void admit_again(struct req *r);
/* step_cache.c */
void cache_unfollow(struct req *r);
/* Half of a follower's time is over: does it wait on? As long as the owner's loop turns, the answer is nearer than its own would be. */
int cache_follow_on(struct req *r);
/* May an entry be believed: it was made after the last purge, and its tags have not moved? */
int cache_holds(const struct req *r, const struct cache_meta *m);
/* … and is it neither past its time nor made before a soft purge? */
int cache_is_fresh(const struct req *r, const struct cache_meta *m);
/* The reply is out: may this request make the answer anew, for nobody? Then it owns the key's flight. Not taken
 * before: who reads slowly would keep it from others. */
int cache_begin_refresh(struct req *r);
/* Is r at the database, or at memcached, for others than its client, too? */
int cache_is_awaited(const struct req *r);
/* An entry that is made now is later than every purge that is seen by now: the least it may be dated. */
uint64_t cache_first_ms(const struct req *r);
/* What must be equal for r's answer to be another request's, too. */
uint64_t cache_share_digest(const struct req *r);
/* May an answer that is made now be kept at all? Not while weird or weir-monitor cannot tell whose writes are under way. */
int cache_may_keep(const struct req *r);
/* step_store.c: store a new answer (or a 404); end its flight. */
void cache_store(struct req *r);
void cache_land(struct req *r, enum flight_end end);
/* Does If-None-Match name the answer of r->meta? In which coding, r->coding says then. */
int cache_is_condition_met(struct req *r);
/* What the cache still has to do before the reply: a 404 is stored, an error rescued, the flight ended, a
 * conditional request answered. */
void cache_settle(struct req *r);

/* The answer is an error: DONE. */
enum step_result req_fail(struct req *r, enum err_id id, const char *detail);
/* One more fault; the first one decides the error. */
void req_fault(struct req *r, enum err_id id, const char *name, const char *source, const char *detail);

#define STEP(id, sentence) enum step_result step_##id(struct req *r);
#include "lib/tbl/steps.h"

/* Bytes of the body that the client gets. */
static inline size_t req_body_n(const struct req *r)
{
	return r->is_head || r->status == 204 || r->status == 304 || r->out.n < r->lines_n ? 0 : r->out.n - r->lines_n;
}

#endif
