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

/* What was made of a run that did not count. */
static void unmake(struct req *r)
{
	r->is_made = 0;
	r->error = E_ok;
	r->status = 0;
	r->detail = NULL;
	r->lines_n = 0;
	buf_clear(&r->out);
	buf_clear(&r->head);
}

/* The answer is made before the COMMIT: what cannot be answered is rolled back, and no client is told of a failure that
 * was none. */
static enum step_result decide(struct req *r)
{
	unmake(r);
	if (step_render(r) == STEP_NEXT)
		reply_make(r);
	r->is_made = 1;
	r->is_query_done = 0;
	/* what a procedure has committed by itself stays */
	r->is_outcome_unknown = r->error && db_pool_stmt(r->run->pool, r->q.stmt)->may_commit;
	wheel_start(&r->w->wheel, &r->timer, r->deadline_ns);
	db_decide(r->run->pool, &r->q, !r->error);
	return STEP_WAIT;
}

enum step_result step_query(struct req *r)
{
	if (!r->is_query_done || r->n_pending || r->q.state == DB_Q_QUEUED || r->q.state == DB_Q_SENT)
		return STEP_WAIT;
	if (unlikely(r->q.state == DB_Q_LOOKED))
		return decide(r);
	wheel_stop(&r->w->wheel, &r->timer);
	if (!r->run->pool)
		return STEP_NEXT;
	intent_finish(r);
	if (r->q.error == E_ok)
		return r->error ? STEP_DONE : STEP_NEXT;
	if (unlikely(r->is_made)) {
		unmake(r);
		r->is_outcome_unknown = 0;
	}
	r->is_outcome_unknown |= r->q.is_half_done;
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
