/* reply: status, headers and body become FastCGI records. HEAD, 204 and 304 carry no content. */
#include "config.h"

#include "workers/condition.h"
#include "workers/groups.h"
#include "workers/problem.h"
#include "workers/reqid.h"
#include "workers/responses.h"
#include "workers/variant.h"
#include "workers/worker.h"

#include "lib/base/check.h"
#include "lib/base/num.h"

#define RESULT_KEEP 16384u

static void add_allow(struct req *r)
{
	int first = 1;

	buf_adds(&r->head, "Allow: ");
	for (unsigned m = 0; m < HTTP_OTHER; m++)
		if (r->allow & 1u << m) {
			buf_addf(&r->head, "%s%s", first ? "" : ", ", http_method_name((enum http_method)m));
			first = 0;
		}
	buf_adds(&r->head, "\r\n");
}

/* Fields whose value is one URI reference. */
static int is_reference(const char *name)
{
	return slice_ieq(slice_str(name), SLICE("Location")) || slice_ieq(slice_str(name), SLICE("Content-Location"));
}

/* The value of a @header rule, {column} replaced by the first row's. 0, or -1: not safe to send. */
static int add_header(struct req *r, const struct header_rule *h, struct buf *out)
{
	size_t start;

	buf_addf(out, "%s: ", h->name);
	start = out->n;
	for (const char *p = h->value; *p;) {
		const char *end = *p == '{' ? strchr(p, '}') : NULL;

		if (!end) {
			buf_addc(out, *p++);
			continue;
		}
		struct slice v = db_text(&r->q, slice_of(p + 1, (size_t)(end - p - 1)));

		if (v.p)
			buf_add(out, v.p, v.n);
		p = end + 1;
	}
	if (is_reference(h->name)) {
		AUTO(buf) struct buf text;

		buf_init(&text, 0);
		buf_add(&text, out->p + start, out->n - start);
		out->n = start;
		http_uri_reference(buf_slice(&text), out);
	}
	if (!http_value_is_safe(slice_of(out->p + start, out->n - start)))
		return -1;
	buf_adds(out, "\r\n");
	return 0;
}

int reply_lines(struct req *r, struct buf *out)
{
	const struct endpoint *ep = r->run->ep;

	for (unsigned i = 0; i < ep->n_headers; i++)
		if (add_header(r, &ep->headers[i], out)) {
			req_fail(r, E_internal, "A header of the answer would hold control characters.");
			return -1;
		}
	if (r->has_key)
		groups_line(r, out);
	return 0;
}

static void add_request_id(struct req *r)
{
	static const char name[] = "X-Request-Id: ";
	char *at;

	if (r->run && (r->run->says_request_id ||
		       (r->handler_head.n && reply_has_line(buf_slice(&r->handler_head), SLICE("X-Request-Id:")))))
		return;
	check(buf_reserve(&r->head, sizeof(name) + REQID_ROOM + 2) == 0);
	at = r->head.p + r->head.n;
	memcpy(at, name, sizeof(name) - 1);
	at += sizeof(name) - 1;
	at += reqid_put(r, at);
	memcpy(at, "\r\n", 2);
	r->head.n = (size_t)(at + 2 - r->head.p);
}

/* Behind all other lines: HAProxy makes a 302 of any status that stands before a Location. */
static void add_status(struct req *r)
{
	char text[24];

	if (likely(r->status == 200)) {
		buf_adds(&r->head, "Status: 200 OK\r\n");
		return;
	}
	buf_adds(&r->head, "Status: ");
	buf_add(&r->head, text, num_put_u64(text, (uint64_t)r->status));
	buf_addc(&r->head, ' ');
	buf_adds(&r->head, http_phrase(r->status));
	buf_adds(&r->head, "\r\n");
}

static void head_is_too_large(struct req *r)
{
	req_fail(r, E_internal, "The answer's headers are too large.");
}

static void write_success(struct req *r)
{
	const struct endpoint *ep = r->run ? r->run->ep : NULL;
	char text[24];

	if (!r->status)
		r->status = r->is_not_modified ? 304 : ep->status ? ep->status : ep->returns == RETURNS_NONE ? 204 : 200;
	if (!r->has_key)
		reply_plain_head(r);
	if (r->method == HTTP_OPTIONS && !(r->run && r->run->handler)) {
		add_allow(r);
	} else {
		if (r->lines_n)
			buf_add(&r->head, r->out.p, r->lines_n);
		else if (ep && !r->layer && !r->is_handed && reply_lines(r, &r->head))
			return;
		if (r->has_key)
			reply_cache_head(r);
		if (r->run && r->run->group_invalidation && r->w->stamps.n && r->status < 400)
			groups_invalidation(r, &r->head);
		if (r->run && r->run->handler) {
			buf_add(&r->head, r->handler_head.p, r->handler_head.n);
			if (r->status != 204 && r->status != 304)
				buf_addf(&r->head, "Content-Length: %zu\r\n", r->out.n);
		} else if (r->out.n > r->lines_n && r->status != 304) {
			if (r->coding)
				buf_addf(&r->head, "Content-Encoding: %s\r\n", http_coding_name(r->coding));
			buf_adds(&r->head, "Content-Type: application/json\r\nContent-Length: ");
			buf_add(&r->head, text, num_put_u64(text, r->out.n - r->lines_n));
			buf_adds(&r->head, "\r\n");
		}
	}
	add_request_id(r);
	add_status(r);
	buf_adds(&r->head, "\r\n");
	if (r->head.n > RESPONSE_MAX_HEAD)
		head_is_too_large(r);
}

/* Spread over two seconds, else all clients come back together. */
static unsigned retry_after(const struct req *r)
{
	return r->error == E_serialization ? (unsigned)(r->number % 2)
					   : 1 + (unsigned)((r->number * 2654435761u >> 16) % 3);
}

/* RFC 6750 section 3: no error code when no credential came. */
static void add_challenge(struct req *r)
{
	const struct opts_auth *o = &r->w->snapshot.options.auth;

	buf_addf(&r->head, "WWW-Authenticate: Bearer realm=\"%s\"", o->realm);
	if (r->error == E_invalid_token)
		buf_addf(&r->head, ", error=\"invalid_token\", error_description=\"%s\"", r->auth_why);
	else if (r->error == E_forbidden)
		buf_adds(&r->head, ", error=\"insufficient_scope\"");
	buf_adds(&r->head, "\r\n");
}

static void write_problem(struct req *r)
{
	buf_clear(&r->head);
	buf_clear(&r->out);
	r->lines_n = 0;
	r->status = err_row(r->error)->status;
	if (err_row(r->error)->is_retryable && r->status != 504 && r->status != 408)
		r->retry_after_s = retry_after(r);
	problem_write(r, &r->out);
	buf_addf(&r->head, "Content-Type: application/problem+json\r\nContent-Length: %zu\r\n", r->out.n);
	if (r->status == 503 || r->error == E_serialization)
		buf_addf(&r->head, "Retry-After: %u\r\n", r->retry_after_s);
	if (r->status == 405)
		add_allow(r);
	if (r->is_body_encoded)
		buf_adds(&r->head, "Accept-Encoding: identity\r\n");	/* RFC 9110 15.5.16 */
	if (r->status == 401 || (r->error == E_forbidden && r->id && r->id->kind == IDENTITY_TOKEN))
		add_challenge(r);
	if (r->has_key && r->error == E_no_row) {
		groups_line(r, &r->head);
		reply_cache_head(r);
	} else {
		reply_plain_head(r);
	}
	add_request_id(r);
	add_status(r);
	buf_adds(&r->head, "\r\n");
}

void reply_make(struct req *r)
{
	struct buf lines;

	if (!r->has_key) {
		if (!r->head.cap)
			r->head = worker_buf_take(r->w);
		write_success(r);
		return;
	}
	/* what the cache has to say comes later, and is short */
	buf_init(&lines, 0);
	if (reply_lines(r, &lines) == 0 && lines.n > RESPONSE_MAX_HEAD / 2)
		head_is_too_large(r);
	buf_done(&lines);
}

enum step_result step_reply(struct req *r)
{
	struct slice body;
	int rc;

	if (r->is_replying)
		return STEP_NEXT;	/* on_sent */
	if (r->has_key)
		cache_settle(r);
	if (unlikely(r->if_match.n) && !r->error && r->run && r->run->ep->method == HTTP_GET && !r->run->handler)
		condition_of_get(r);
	if (!r->conn)
		return STEP_NEXT;
	r->is_replying = 1;
	if (!r->head.cap)
		r->head = worker_buf_take(r->w);
	if (!r->out.cap)
		r->out = worker_buf_take(r->w);
	if (!r->error && !r->head.n)
		write_success(r);
	if (r->error)
		write_problem(r);
	else if (r->has_key)
		variant_consider(r);
	check(r->head.n <= RESPONSE_MAX_HEAD);
	body = slice_of(r->out.p + r->lines_n, req_body_n(r));
	rc = front_send(r->conn, buf_slice(&r->head), body);
	if (rc)
		return STEP_NEXT;
	/* it takes as long as its reader does: what it was made of is not needed any more */
	if (db_result_bytes(&r->q) > RESULT_KEEP) {
		r->n_rows = db_rows(&r->q);
		db_query_clear(&r->q);
	}
	responses_hold(r);
	return STEP_WAIT;
}
