/* render: rows become the JSON body. */
#include "config.h"

#include "workers/include.h"
#include "workers/worker.h"

enum step_result step_render(struct req *r)
{
	const struct endpoint *ep = r->run->ep;
	size_t limit = r->w->snapshot.options.limits.response;
	unsigned rows;

	if (ep->returns == RETURNS_NONE)
		return STEP_NEXT;
	rows = r->run->pool ? db_rows(&r->q) : 0;
	if (!r->out.cap)
		r->out = worker_buf_take(r->w);
	switch (ep->returns) {
	case RETURNS_ROWS:
		if (db_render_rows(&r->q, limit, &r->out)) {
			buf_clear(&r->out);
			return req_fail(r, E_internal, "The result is larger than this server sends.");
		}
		return STEP_NEXT;
	case RETURNS_ROW:
		if (rows)
			db_render_row(&r->q, 0, &r->out);
		break;
	case RETURNS_VALUE:
	case RETURNS_JSON:
		if (rows)
			db_render_value(&r->q, &r->out);
		break;
	case RETURNS_NONE:
		break;
	}
	if (!rows && r->run->pool)
		return req_fail(r, E_no_row, NULL);
	if (r->n_parts && include_render(r))
		return STEP_DONE;
	if (r->out.n > limit) {
		buf_clear(&r->out);
		return req_fail(r, E_internal, "The result is larger than this server sends.");
	}
	return STEP_NEXT;
}
