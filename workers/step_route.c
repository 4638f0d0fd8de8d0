/* route: the endpoint, and whether this caller may use it. */
#include "config.h"

#include "workers/worker.h"

#include "lib/base/clock.h"
#include "lib/shm/metrics.h"

/* The web server's word; nothing of a unix socket's peer. */
static int is_local(struct slice addr)
{
	if (slice_starts(addr, SLICE("::ffff:")))
		addr = slice_of(addr.p + 7, addr.n - 7);
	return slice_starts(addr, SLICE("127.")) || slice_eq(addr, SLICE("::1"));
}

/* A worker without weir-monitor shows its own figures, to this host: there is no socket of its own for them, and the
 * web server's rules for /api/ are the public's. */
static int is_own_status(struct req *r)
{
	if (!is_local(r->remote_addr) || !slice_eq(r->path, SLICE("/api/performance")) || (r->method != HTTP_GET && !r->is_head))
		return 0;
	r->out = worker_buf_take(r->w);
	metrics_performance_json(&r->w->region, &r->out);
	r->status = 200;
	return 1;
}

/* 0 with an error set. */
static int may_call(struct req *r, const struct endpoint *ep)
{
	int is_unknown;
	const char *missing = auth_check(ep, r->id, &is_unknown, &r->arena);

	if (is_unknown) {
		req_fail(r, E_unauthenticated, NULL);
	} else if (missing) {
		metric_add(&r->w->metrics->auth_forbidden, 1);
		req_fail(r, E_forbidden, missing);
	} else {
		return 1;
	}
	return 0;
}

/* The endpoint and the values in its path. NEXT, or DONE: there is none, or an answer without it. */
static enum step_result find(struct req *r)
{
	struct worker *w = r->w;
	const struct endpoint *ep;
	struct route_match m;
	unsigned n = 0;

	route_find(&w->route, r->method, r->path, &r->arena, &m);
	r->allow = m.allow;
	if (!m.allow)
		return w->is_alone && is_own_status(r) ? STEP_DONE : req_fail(r, E_not_found, NULL);
	if (r->method == HTTP_OPTIONS && !(m.run && m.run->handler)) {
		r->status = 204;
		return STEP_DONE;
	}
	if (!m.run)
		return req_fail(r, E_method_not_allowed, NULL);
	r->run = m.run;
	ep = m.run->ep;
	for (unsigned i = 0; i < ep->n_segments; i++) {
		struct slice raw;
		struct err e;

		if (ep->segments[i].param < 0)
			continue;
		raw = m.raw_values[n++];
		if (http_segment_decode(raw, &r->arena, &r->path_values[ep->segments[i].param], &e))
			req_fault(r, e.id, ep->params[ep->segments[i].param].name, "path", "percent-encoded UTF-8 without NUL");
	}
	return STEP_NEXT;
}

static enum step_result check_media_type(struct req *r)
{
	const char *why = r->content_type.n || r->content_length > 0 ? http_not_json(r->content_type) : NULL;
	struct slice name = SLICE("HTTP_CONTENT_ENCODING");

	if (why)
		return req_fail(r, E_unsupported_media_type, why);
	for (unsigned i = 0; i < r->n_params; i++)
		if (slice_eq(r->params[i].name, name) && http_is_encoded(r->params[i].value)) {
			r->is_body_encoded = 1;
			return req_fail(r, E_unsupported_media_type, "Send the body without Content-Encoding.");
		}
	return STEP_NEXT;
}

enum step_result step_route(struct req *r)
{
	struct worker *w = r->w;
	const struct endpoint *ep;

	if (!r->is_planned && find(r) == STEP_DONE)
		return STEP_DONE;
	ep = r->run->ep;
	atomic_store_explicit(&w->board->running_endpoint, ep->metric, memory_order_relaxed);
	if (!r->is_part)
		r->deadline_ns = r->t0_ns + r->run->timeout_ns;
	if (ep->auth != AUTH_NONE && !may_call(r, ep))
		return STEP_DONE;
	/* a cached whole is found without its parts being asked */
	for (unsigned i = 0; ep->cache.is_on && i < ep->n_includes; i++)
		if (ep->includes[i].target->auth != AUTH_NONE && !may_call(r, ep->includes[i].target))
			return STEP_DONE;
	if (r->accept.n && !ep->handler && ep->returns != RETURNS_NONE && !http_accepts_json(r->accept))
		return req_fail(r, E_not_acceptable, "This endpoint answers application/json.");
	r->wants_body = ep->needs_body;
	if (r->wants_body) {
		uint64_t limit = w->snapshot.options.limits.body;

		if (r->content_length > 0 && (uint64_t)r->content_length > limit) {
			r->detail = arena_fmt(&r->arena, "The limit is %llu bytes.", (unsigned long long)limit);
			if (r->content_length > FRONT_DROP_MAX)
				return req_fail(r, E_too_large, NULL);
			r->late_error = E_too_large;
			return STEP_NEXT;
		}
		if (ep->handler)
			return STEP_NEXT;
		if (r->content_length != 0)
			return check_media_type(r);
	}
	return STEP_NEXT;
}
