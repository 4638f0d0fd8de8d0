/* render: rows become the JSON body. */
#include "config.h"

#include <stdio.h>

#include "lib/base/log.h"
#include "lib/base/utf8.h"
#include "workers/include.h"
#include "workers/reqid.h"
#include "workers/responses.h"
#include "workers/worker.h"

#define SLICE_BYTES (1024u * 1024)

/* Nothing vouches for it: a SQL_ASCII database sends what was once stored, and a server can say of itself what it likes. An
 * answer that is no text is none, nor is one with a value that is not of its type, and a write that has not committed is
 * rolled back; of one that has, the bytes are replaced, and the value is a string.
 * 0, or -1 with an error set. */
static int check_text(struct req *r)
{
	struct buf whole;
	char id[REQID_ROOM];

	if (likely(!r->q.is_odd && utf8_is_valid(buf_slice(&r->out))))
		return 0;
	snprintf(r->q.text, sizeof(r->q.text), "%s", r->q.is_odd ? "the database sent a value that is none of its column's type"
				: "the database sent bytes that are not UTF-8; in a SQL_ASCII database convert_from() says what they are");
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

/* What is new of the body, but for a character that is not whole yet. */
static int check_more(struct req *r, int is_last)
{
	size_t n = r->out.n;

	for (unsigned k = 0; !is_last && k < 3 && n > r->checked && ((unsigned char)r->out.p[n - 1] & 0xc0) == 0x80; k++)
		n--;
	if (!is_last && n > r->checked && (unsigned char)r->out.p[n - 1] >= 0xc0)
		n--;
	if (r->q.is_odd || !utf8_is_valid(slice_of(r->out.p + r->checked, n - r->checked)))
		return check_text(r);
	r->checked = n;
	return 0;
}

static enum step_result too_large(struct req *r)
{
	buf_clear(&r->out);
	return req_fail(r, E_internal, "The result is larger than this server sends.");
}

/* The same for a large result, in slices; between them others have their turn. */
static enum step_result render_slice(struct req *r, size_t limit)
{
	static const enum db_whole wholes[] = {[RETURNS_ROWS] = DB_ROWS, [RETURNS_ROW] = DB_ROW, [RETURNS_VALUE] = DB_VALUE,
					       [RETURNS_JSON] = DB_VALUE};
	int rc;

	if (!r->is_slicing) {
		r->is_slicing = 1;
		r->slice.row = r->slice.column = 0;
		r->slice.at = 0;
		/* without doubling on the way; it grows by escapes */
		if (buf_reserve(&r->out, db_result_bytes(&r->q) < limit ? db_result_bytes(&r->q) : limit))
			return too_large(r);
		responses_wait(r);
		return STEP_WAIT;
	}
	rc = db_render_slice(&r->q, wholes[r->run->ep->returns], &r->slice, SLICE_BYTES, limit, &r->out);
	if (rc < 0)
		return too_large(r);
	if (check_more(r, rc))
		return STEP_DONE;
	if (rc == 0) {
		responses_wait(r);
		return STEP_WAIT;
	}
	r->is_slicing = 0;
	return STEP_NEXT;
}

/* A write's answer is made at once: its transaction waits for it. So is that of a GET that writes. */
static int is_sliced(const struct req *r)
{
	return r->is_slicing || (db_result_bytes(&r->q) > RESPONSES_SLICE_FROM && !r->q.is_write && r->q.state != DB_Q_LOOKED &&
				 (r->run->ep->returns == RETURNS_ROWS || db_has_value(&r->q) ||
				  (r->run->ep->returns == RETURNS_ROW && db_rows(&r->q))));
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
	if (r->run->pool && unlikely(is_sliced(r))) {
		enum step_result rc = render_slice(r, limit);

		if (rc != STEP_NEXT || ep->returns == RETURNS_ROWS)
			return rc;
		goto joined;
	}
	switch (ep->returns) {
	case RETURNS_ROWS:
		if (db_render_rows(&r->q, limit, &r->out))
			return too_large(r);
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
joined:
	if (r->n_parts && include_render(r))
		return STEP_DONE;
	if (r->out.n > limit)
		return too_large(r);
	return STEP_NEXT;
}
