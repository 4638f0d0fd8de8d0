/* admit: a place in the database's queue, or an answer at once. */
#include "config.h"

#include "workers/include.h"
#include "workers/intent.h"
#include "workers/worker.h"

enum step_result step_admit(struct req *r)
{
	struct endpoint_run *run = r->run;
	int rc;

	if (run->ep->n_includes)
		include_start(r);
	if (!run->pool) {
		r->is_query_done = 1;
		return STEP_NEXT;
	}
	if (r->w->front.now_ns >= r->deadline_ns)
		return req_fail(r, E_timeout, NULL);
	r->q.stmt = run->first_stmt + r->variant;
	r->q.n_values = run->ep->n_bound;
	r->q.values = r->values;
	/* What is not in a cached answer's key does not reach the query. */
	r->q.user = run->ep->identity_user && (!run->ep->cache.is_on || run->ep->cache.is_per_user) ? r->user : NULL;
	r->q.claims = run->ep->identity_rls && r->id ? identity_json(r->id, &r->arena) : NULL;
	r->q.deadline_ns = r->deadline_ns;
	r->q.is_write = run->ep->method != HTTP_GET;
	r->q.group = r->is_part || r->n_parts ? r->number : 0;
	r->q.owner = r;
	r->q.queued_ns = r->w->front.now_ns;
	if (run->ep->n_invalidates && r->w->stamps.n && !r->q.intent)
		r->q.intent = intent_new(r->w, &r->stamps, run->ep->variants[r->variant].sql);
	r->q.wants_xid = r->q.intent && r->w->tier;
	/* what was not checked does not get there, though the database be back by now */
	if (unlikely(r->is_untold) && !db_pool_stmt(run->pool, r->q.stmt)->failed.id)
		return req_fail(r, E_db_down, NULL);
	rc = db_submit(run->pool, &r->q);
	if (rc) {
		if (rc == -E_sql)
			snprintf(r->q.text, sizeof(r->q.text), "%.255s",
				 db_pool_stmt(run->pool, r->q.stmt)->failed.text);
		return req_fail(r, (enum err_id)-rc, NULL);
	}
	r->is_submitted = 1;
	wheel_start(&r->w->wheel, &r->timer, r->deadline_ns);
	return STEP_NEXT;
}
