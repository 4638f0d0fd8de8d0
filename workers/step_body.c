/* body: wait for the whole request, then check every parameter. */
#include "config.h"

#include "workers/include.h"
#include "workers/params.h"
#include "workers/worker.h"

/* A refusal by the types of parameters, which DDL may have changed: they are looked at first, if nobody has for a second. */
static int is_doubtful(struct req *r)
{
	struct db_pool *p = r->run->pool;

	if (r->is_doubted || r->error != E_bad_parameter || !p)
		return 0;
	r->is_doubted = 1;
	r->q.stmt = r->run->first_stmt + r->variant;
	if (!db_doubt(p, r->q.stmt, 1, r->w->front.now_ns))
		return 0;
	r->q.is_check = 1;
	r->q.deadline_ns = r->deadline_ns;
	r->q.owner = r;
	r->q.queued_ns = r->w->front.now_ns;
	if (db_submit(p, &r->q))
		return r->q.is_check = 0;
	r->is_submitted = 1;
	wheel_start(&r->w->wheel, &r->timer, r->deadline_ns);
	return 1;
}

/* It has been looked at. */
static void forget_faults(struct req *r)
{
	wheel_stop(&r->w->wheel, &r->timer);
	r->is_submitted = r->is_query_done = r->q.is_check = 0;
	r->error = E_ok;
	r->n_faults = 0;
	r->array_values = 0;
	r->detail = NULL;
}

enum step_result step_body(struct req *r)
{
	if (!r->is_body_done)
		return STEP_WAIT;
	if (r->late_error)
		return req_fail(r, r->late_error, NULL);
	if (r->content_length >= 0 && (uint64_t)r->content_length != r->body_bytes)
		return req_fail(r, E_bad_request,
				"The body's length is not what CONTENT_LENGTH announced.");
	if (r->run->handler)
		return r->error ? STEP_DONE : STEP_NEXT;	/* it reads the request itself */
	if (r->is_planned)
		return STEP_NEXT;
	if (r->q.is_check && !r->is_query_done)
		return STEP_WAIT;
	if (r->q.is_check)
		forget_faults(r);
	params_bind(r);
	if (r->error && is_doubtful(r))
		return STEP_WAIT;
	if (r->plan && !r->error)
		include_learn(r);
	return r->error ? STEP_DONE : STEP_NEXT;
}
