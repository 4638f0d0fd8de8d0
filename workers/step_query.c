/* query: wait until the statement's outcome is known. */
#include "config.h"

#include "workers/intent.h"
#include "workers/worker.h"

/* Before the reply leaves. A write that was abandoned has left its intent to the pool. */
static void intent_finish(struct req *r)
{
	struct intent *i = r->q.intent;

	r->q.intent = NULL;
	intent_end(&i, r->q.error != E_outcome_unknown, r->q.xid);
}

enum step_result step_query(struct req *r)
{
	if (!r->is_query_done || r->n_pending)
		return STEP_WAIT;
	wheel_stop(&r->w->wheel, &r->timer);
	if (!r->run->pool)
		return STEP_NEXT;
	intent_finish(r);
	if (r->q.error == E_ok)
		return STEP_NEXT;
	if (r->q.bad_param && r->q.bad_param <= r->run->ep->n_bound) {
		for (unsigned i = 0; i < r->run->ep->n_params; i++)
			if (r->run->ep->params[i].number == r->q.bad_param)
				req_fault(r, r->q.error, r->run->ep->params[i].name, NULL,
					  "a value that the database accepts for this type");
		return STEP_DONE;
	}
	return req_fail(r, r->q.error,
			r->q.client_text[0] ? arena_strn(&r->arena, r->q.client_text, strlen(r->q.client_text))
					    : NULL);
}
