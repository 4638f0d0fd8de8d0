/* admit: a place in the database's queue, or an answer at once. */
#include "config.h"

#include "workers/include.h"
#include "workers/cachekey.h"
#include "workers/intent.h"
#include "workers/params.h"
#include "workers/worker.h"

static enum step_result submit(struct req *r)
{
	struct endpoint_run *run = r->run;
	int rc;

	if (r->w->front.now_ns >= r->deadline_ns)
		return req_fail(r, E_timeout, NULL);
	r->q.stmt = run->first_stmt + r->variant;
	r->q.n_values = run->ep->n_bound;
	r->q.values = r->values;
	r->q.takes = r->takes;
	/* What is not in a cached answer's key does not reach the query. */
	r->q.user = run->ep->identity_user && (!run->ep->cache.is_on || run->ep->cache.is_per_user) ? r->user : NULL;
	r->q.claims = run->ep->identity_rls && r->id ? identity_json(r->id, &r->arena) : NULL;
	r->q.deadline_ns = r->deadline_ns;
	r->q.is_write = run->ep->method != HTTP_GET;
	r->q.is_looked_at = run->ep->returns != RETURNS_NONE || run->ep->n_headers;
	r->q.group = r->is_part || r->n_parts ? r->number : 0;
	r->q.owner = r;
	r->q.queued_ns = r->w->front.now_ns;
	if (run->ep->n_invalidates && r->w->stamps.n && !r->q.intent)
		r->q.intent = intent_new(r->w, &r->stamps, run->ep->variants[r->variant].sql);
	r->q.wants_xid = r->q.intent && r->w->tier;
	rc = db_submit(run->pool, &r->q);
	if (rc) {
		if (rc == -(int)db_pool_stmt(run->pool, r->q.stmt)->failed.id)
			snprintf(r->q.text, sizeof(r->q.text), "%.255s",
				 db_pool_stmt(run->pool, r->q.stmt)->failed.text);
		return req_fail(r, (enum err_id)-rc, NULL);
	}
	r->is_submitted = 1;
	wheel_start(&r->w->wheel, &r->timer, r->deadline_ns);
	return STEP_NEXT;
}

enum step_result step_admit(struct req *r)
{
	if (r->run->ep->n_includes)
		include_start(r);
	if (!r->run->pool) {
		r->is_query_done = 1;
		return STEP_NEXT;
	}
	/* see orphan_writes in loop.c */
	if (r->w->is_orphan && r->run->ep->n_invalidates)
		return req_fail(r, E_unavailable, NULL);
	return submit(r);
}

/* The values of a part whose target is constant were made without looking at its query. */
static void read_query(struct req *r)
{
	struct err e;

	r->is_planned = 0;
	r->n_pairs = 0;
	if (r->query.n && http_query_parse(r->query, &r->arena, REQ_MAX_PAIRS, &r->pairs, &r->n_pairs, &e))
		(void)req_fail(r, e.id, NULL);
}

/* What was looked up, and what is to be invalidated, are of the old values: an answer is not kept, a write begins anew.
 * A part's or a whole's parts stay. */
void admit_again(struct req *r)
{
	struct intent *i = r->q.intent;

	wheel_stop(&r->w->wheel, &r->timer);
	r->is_submitted = 0;
	r->q.is_outdated = 0;
	r->q.intent = NULL;
	intent_end(&i, 1, 0);	/* it was rolled back, or not sent */
	cache_land(r, FLIGHT_ABANDONED);
	r->has_key = 0;
	if (r->is_planned)
		read_query(r);
	r->array_values = 0;
	if (!r->error)
		params_bind(r);
	if (r->run->ep->n_invalidates && r->w->stamps.n && !r->error &&
	    cachekey_tags(r, r->run->ep->invalidates, r->run->ep->n_invalidates, &r->stamps))
		(void)req_fail(r, E_unavailable, NULL);
	if (!r->error && !r->is_rebound) {
		r->is_rebound = 1;
		r->is_query_done = 0;
		if (submit(r) == STEP_NEXT)
			return;
	}
	if (!r->error)
		(void)req_fail(r, E_sql, NULL);	/* its tables do not keep still */
	r->is_query_done = 1;
	r->q.error = r->error;
	r->q.bad_param = 0;
	r->q.is_half_done = 0;
	r->q.client_text[0] = 0;
	req_run(r);
}
