/* body: wait for the whole request, then check every parameter. */
#include "config.h"

#include "workers/include.h"
#include "workers/params.h"
#include "workers/worker.h"

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
	params_bind(r);
	if (r->plan && !r->error)
		include_learn(r);
	return r->error ? STEP_DONE : STEP_NEXT;
}
