/* body: wait for the whole request, then check every parameter. */
#include "config.h"

#include "workers/include.h"
#include "workers/params.h"
#include "workers/worker.h"

/* Nobody has said yet what the types of its parameters are: the database was away when the worker started. */
static int is_untold(const struct req *r)
{
	return r->run->pool && !db_pool_stmt(r->run->pool, r->run->first_stmt + r->variant)->desc;
}

/* Without types a tag is a guess. Mostly that is mended when they are told (admit_again): the cache may have the answer until
 * then. A condition is judged before, by what was read under its path's tags. */
static int needs_types(const struct req *r)
{
	int is_judged = r->run->ep->method != HTTP_GET && (r->if_match.n || r->if_none_match.n);

	return (unlikely(is_judged || (r->parent && r->asks_anew)) && !r->error && is_untold(r)) ||
	       unlikely(r->error == E_db_down && is_untold(r));
}

/* Wait for the description, or for another look at it. */
static int check_types(struct req *r)
{
	int rc;

	r->q.is_check = 1;
	r->q.deadline_ns = r->deadline_ns;
	r->q.owner = r;
	r->q.queued_ns = r->w->front.now_ns;
	rc = db_submit(r->run->pool, &r->q);
	if (rc) {
		r->q.is_check = 0;
		if (!r->error && rc != -(int)db_pool_stmt(r->run->pool, r->q.stmt)->failed.id)
			(void)req_fail(r, (enum err_id)-rc, NULL);
		return 0;
	}
	r->is_submitted = 1;
	wheel_start(&r->w->wheel, &r->timer, r->deadline_ns);
	return 1;
}

/* A refusal by the types of parameters, which DDL may have changed: they are looked at first, if nobody has for a second. */
static int is_doubtful(struct req *r)
{
	int is_needed = needs_types(r);

	if (r->is_doubted || !r->run->pool || (r->error != E_bad_parameter && !is_needed))
		return 0;
	r->is_doubted = 1;
	r->q.stmt = r->run->first_stmt + r->variant;
	return (is_needed || db_doubt(r->run->pool, r->q.stmt, 1, r->w->front.now_ns)) && check_types(r);
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
	if ((r->error || unlikely(needs_types(r))) && is_doubtful(r))
		return STEP_WAIT;
	/* that it waited in vain */
	if (unlikely(needs_types(r)) && !r->error && r->q.error)
		return req_fail(r, r->q.error, NULL);
	if (r->plan && !r->error)
		include_learn(r);
	return r->error ? STEP_DONE : STEP_NEXT;
}
