/* render: rows become the JSON body. */
#include "config.h"

#include <stdio.h>

#include "lib/base/log.h"
#include "lib/base/utf8.h"
#include "workers/include.h"
#include "workers/reqid.h"
#include "workers/worker.h"

/* Nothing vouches for it: a SQL_ASCII database sends what was once stored, and a server can say of itself what it likes. An
 * answer that is no text is none, and a write that has not committed is rolled back; of one that has, the bytes are replaced.
 * 0, or -1 with an error set. */
static int check_text(struct req *r)
{
	struct buf whole;
	char id[REQID_ROOM];

	if (likely(utf8_is_valid(buf_slice(&r->out))))
		return 0;
	snprintf(r->q.text, sizeof(r->q.text), "the database sent bytes that are not UTF-8; in a SQL_ASCII database convert_from() says what they are");
	if (!r->q.is_write || r->q.state == DB_Q_LOOKED) {
		buf_clear(&r->out);
		req_fail(r, E_sql, NULL);
		return -1;
	}
	log_warn("request %s endpoint=%s: %s; replaced in the answer to a write", reqid_text(r, id), r->run->ep->id, r->q.text);
	buf_init(&whole, 0);
	utf8_replace(&whole, buf_slice(&r->out));
	buf_done(&r->out);
	r->out = whole;
	return 0;
}

enum step_result step_render(struct req *r)
{
	const struct endpoint *ep = r->run->ep;
	size_t limit = r->w->snapshot.options.limits.response;
	unsigned rows;

	if (ep->returns == RETURNS_NONE || r->is_made)
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
		return check_text(r) ? STEP_DONE : STEP_NEXT;
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
	if (check_text(r))
		return STEP_DONE;
	if (r->n_parts && include_render(r))
		return STEP_DONE;
	if (r->out.n > limit) {
		buf_clear(&r->out);
		return req_fail(r, E_internal, "The result is larger than this server sends.");
	}
	return STEP_NEXT;
}
