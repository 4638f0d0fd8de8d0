/* The status socket: /health, /ready, /metrics, /api/performance, from shared memory alone. The path is read as
 * workers read it and must be one of these exactly: a web server that admits "/health/metrics" by its rule for
 * "/health" gets a 404. */
#include "config.h"

#include "workers/monitor/monitor.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/clock.h"
#include "lib/http/http.h"
#include "lib/http/target.h"
#include "lib/json/jw.h"
#include "lib/shm/metrics.h"

struct status_req {
	struct arena arena;
	struct buf head, out;
	struct fcgi_param *params;
	unsigned n_params;
	int status, is_head;
};

static struct slice param(const struct status_req *r, const char *name)
{
	const struct fcgi_param *p = fcgi_param_find(r->params, r->n_params, slice_str(name));

	return p ? p->value : (struct slice){NULL, 0};
}

static void free_req(struct status_req *r)
{
	buf_done(&r->head);
	buf_done(&r->out);
	arena_done(&r->arena);
	free(r);
}

static unsigned ready_workers(const struct monitor *m)
{
	unsigned n = 0;

	for (unsigned i = 0; i < m->region.h->plan.n_numbers; i++)
		n += (unsigned)connects_is_ready(m, region_board(&m->region, i));
	return n;
}

#define SICK_NAMED 32u

static unsigned count_sick(const struct monitor *m)
{
	unsigned n = 0;

	for (unsigned i = 0; i < m->snapshot.endpoints.n; i++)
		n += (unsigned)sick_is(&region_endpoint(&m->region, m->snapshot.endpoints.v[i]->metric)->sick);
	return n;
}

/* Which endpoints, not why: that is for the log and weirctl. */
static void put_sick(const struct monitor *m, struct jw *w)
{
	unsigned n = 0;

	jw_key(w, "sick_endpoints");
	jw_array(w);
	for (unsigned i = 0; i < m->snapshot.endpoints.n && n < SICK_NAMED; i++) {
		const struct endpoint *ep = m->snapshot.endpoints.v[i];

		if (!sick_is(&region_endpoint(&m->region, ep->metric)->sick))
			continue;
		jw_str(w, ep->id);
		n++;
	}
	jw_array_end(w);
}

static int is_up(const struct monitor *m, unsigned db)
{
	return atomic_load(&region_db(&m->region, db)->up) == 1;
}

/* An endpoint needs it. */
static int is_needed(const struct monitor *m, unsigned db)
{
	for (unsigned i = 0; i < m->snapshot.endpoints.n; i++) {
		const struct endpoint *ep = m->snapshot.endpoints.v[i];

		if (ep->n_variants && ep->database == db)
			return 1;
	}
	return 0;
}

/* Which, not why: that is for the log and weirctl. */
static void put_databases(const struct monitor *m, struct jw *w)
{
	jw_key(w, "databases");
	jw_object(w);
	for (unsigned i = 0; i < m->snapshot.options.n_databases; i++) {
		unsigned state = atomic_load(&region_db(&m->region, i)->up);

		jw_key(w, m->snapshot.options.databases[i].name);
		jw_str(w, state == 1 ? m->dbs[i].is_weak ? "degraded" : "up" : state == 2 ? "down" : "unknown");
	}
	jw_object_end(w);
}

/* Health: is it alive? Busy is healthy, and a database that is away makes it degraded, not dead;
 * so does an endpoint that the database refuses.
 * Ready: can it serve now? One sick endpoint takes nobody out of a balancer: on all hosts it would be the same one. */
static void health(struct monitor *m, struct status_req *r, int is_ready_probe)
{
	unsigned workers = ready_workers(m), sick = count_sick(m), n_db = m->snapshot.options.n_databases, n_weak = 0, n_missed = 0, off = 0;
	const struct region_tier *tier = region_tier(&m->region);
	int alive = atomic_load(&m->region.h->weird_heartbeat_ns) + 2 * CLOCK_S > m->front.now_ns;
	struct jw w;

	connects_tick(m, m->front.now_ns);	/* as it is now */
	for (unsigned i = 0; i < n_db; i++) {
		n_weak += !is_up(m, i) || m->dbs[i].is_weak;
		n_missed += !is_up(m, i) && is_needed(m, i);
	}
	for (unsigned i = 0; i < region_nodes(&m->region); i++)
		off += !breaker_may(&tier->breakers[i]);
	r->status = (is_ready_probe ? workers && !n_missed : workers && alive) ? 200 : 503;
	jw_init(&w, &r->out);
	jw_object(&w);
	jw_key(&w, "status");
	jw_str(&w, !workers || !alive ? "down" : n_weak || off || sick ? "degraded" : "ok");
	jw_key(&w, "supervisor");
	jw_bool(&w, alive);
	jw_key(&w, "workers_ready");
	jw_u64(&w, workers);
	jw_key(&w, "generation");
	jw_u64(&w, atomic_load(&m->region.h->generation));
	put_databases(m, &w);
	if (sick)
		put_sick(m, &w);
	if (region_nodes(&m->region)) {
		jw_key(&w, "memcached");
		jw_object(&w);
		for (unsigned i = 0; i < region_nodes(&m->region); i++) {
			char name[sizeof(tier->names[i])];

			snprintf(name, sizeof(name), "%.*s", (int)sizeof(name) - 1, tier->names[i]);
			jw_key(&w, name);
			jw_str(&w, breaker_may(&tier->breakers[i]) ? "up" : "down");
		}
		jw_object_end(&w);
	}
	jw_object_end(&w);
	buf_addc(&r->out, '\n');
}

static const char *problem(struct status_req *r, int status, const char *title)
{
	r->status = status;
	buf_addf(&r->out, "{\"type\":\"about:blank\",\"title\":\"%s\",\"status\":%d}\n", title, status);
	return "application/problem+json";
}

static const char *answer(struct monitor *m, struct status_req *r)
{
	struct http_target_in in = {.uri = param(r, "REQUEST_URI"), .script = param(r, "SCRIPT_NAME"),
				    .info = param(r, "PATH_INFO"), .query = param(r, "QUERY_STRING")};
	struct slice method = param(r, "REQUEST_METHOD"), path;
	struct http_target target;
	struct err e;
	struct slice accept = param(r, "HTTP_ACCEPT");
	int is_open = accept.n && memmem(accept.p, accept.n, "openmetrics", 11) != NULL;

	r->is_head = slice_eq(method, SLICE("HEAD"));
	r->status = 200;
	if (!r->is_head && !slice_eq(method, SLICE("GET")))
		return problem(r, 405, "Only GET and HEAD.");
	if (http_target(&in, &r->arena, &target, &e))
		return problem(r, 400, "The request target holds a fragment.");
	path = target.path;
	if (slice_eq(path, SLICE("/health"))) {
		health(m, r, 0);
		return "application/json";
	}
	if (slice_eq(path, SLICE("/ready"))) {
		health(m, r, 1);
		return "application/json";
	}
	if (slice_eq(path, SLICE("/metrics"))) {
		metrics_format(&m->region, is_open, &r->out);
		return is_open ? "application/openmetrics-text; version=1.0.0; charset=utf-8"
			       : "text/plain; version=0.0.4; charset=utf-8";
	}
	if (slice_eq(path, SLICE("/api/performance"))) {
		metrics_performance_json(&m->region, &r->out);
		return "application/json";
	}
	return problem(r, 404, "Known here: /health, /ready, /metrics, /api/performance.");
}

static void reply(struct front_conn *c, struct status_req *r, const char *type)
{
	struct slice body = buf_slice(&r->out);

	buf_addf(&r->head,
		 "Status: %d %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\nCache-Control: no-store\r\n%s\r\n",
		 r->status, http_phrase(r->status), type, body.n, r->status == 405 ? "Allow: GET, HEAD\r\n" : "");
	if (r->is_head)
		body.n = 0;
	if (front_send(c, buf_slice(&r->head), body)) {
		free_req(r);
		front_finish(c);
	}
}

static struct status_req *new_req(struct front_conn *c)
{
	struct monitor *m = c->front->ctx;
	struct status_req *r = calloc(1, sizeof(*r));

	if (!r)
		abort();
	arena_init(&r->arena, &m->arenas);
	buf_init(&r->head, 0);
	buf_init(&r->out, 0);
	c->req = r;
	return r;
}

static void on_head(struct front_conn *c, const struct gate_out *out)
{
	struct monitor *m = c->front->ctx;
	struct status_req *r = new_req(c);

	if (fcgi_req_parse(m->fcgi, out->id, out->params, &r->arena, &r->params, &r->n_params))
		r->n_params = 0;
}

static void on_body(struct front_conn *c, struct slice piece)
{
	(void)c;
	(void)piece;	/* nothing here takes a body */
}

static void on_end(struct front_conn *c)
{
	struct status_req *r = c->req;

	reply(c, r, answer(c->front->ctx, r));
}

static void on_gone(struct front_conn *c, enum err_id reason)
{
	struct status_req *r = c->req;

	if (reason == E_request_timeout) {
		reply(c, r, problem(r, 408, "The request did not arrive in time."));
		return;
	}
	c->req = NULL;
	free_req(r);
}

static void on_sent(struct front_conn *c)
{
	free_req(c->req);
	front_finish(c);
}

static void on_refuse(struct front_conn *c, enum err_id error)
{
	struct status_req *r = new_req(c);

	reply(c, r, problem(r, err_row(error)->status, err_row(error)->title));
}

static int on_park(struct front_conn *c)
{
	(void)c;
	return -1;
}

const struct front_ops status_ops = {.on_head = on_head, .on_body = on_body, .on_end = on_end, .on_gone = on_gone,
				     .on_sent = on_sent, .on_refuse = on_refuse, .on_park = on_park};
