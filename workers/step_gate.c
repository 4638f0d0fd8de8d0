/* gate: the checked parameter list, parsed by libfcgi. */
#include "config.h"

#include "workers/worker.h"

enum step_result step_gate(struct req *r)
{
	struct worker *w = r->w;

	if (fcgi_req_parse(w->fcgi, r->fcgi_id, r->raw_params, &r->arena, &r->params, &r->n_params)) {
		metric_add(&w->metrics->proto_disagree, 1);
		r->conn->close_after_reply = 1;
		return req_fail(r, E_bad_request, "The FastCGI parameters could not be read.");
	}
	r->raw_params = (struct slice){NULL, 0};
	return STEP_NEXT;
}
