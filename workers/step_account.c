/* account: what is left of a request when its answer is out: counters, a log line; then it ends. */
#include "config.h"

#include "workers/include.h"
#include "workers/responses.h"
#include "workers/trouble.h"
#include "workers/variant.h"
#include "workers/worker.h"

#include "lib/base/clock.h"
#include "lib/base/sqlstate.h"

/* The counter of failed requests for this error; NULL: the client's doing. */
static metric_counter_t *failure(struct metric_row *m, enum err_id id)
{
	if (id == E_timeout || id == E_request_timeout)
		return &m->failed_timeout;
	if (id == E_overloaded || id == E_unavailable)
		return &m->failed_overload;
	if (id == E_db_down || id == E_outcome_unknown || id == E_read_only || id == E_cancelled)
		return &m->failed_db;
	return id == E_sql || id == E_internal ? &m->failed_internal : NULL;
}

static void count_query(struct req *r)
{
	struct metric_endpoint *m = r->run->metrics;

	if (!r->q.done_ns || !r->q.sent_ns)
		return;
	metric_add(r->q.lane == LANE_EXPRESS ? &m->express_runs : &m->exclusive_runs, 1);
	histo_add(&m->db_duration, r->q.done_ns - r->q.sent_ns);
	if (r->q.error)
		metric_add(r->q.row && r->q.row->is_neutral ? &m->db_refused : &m->db_errors, 1);
	else
		metric_add(&m->rows, r->n_rows ? r->n_rows : db_rows(&r->q));
}

static void count_cache(struct req *r)
{
	struct metric_endpoint *m = r->run->metrics;

	if (r->is_stored)
		metric_add(&m->cache_stores, 1);
	if (!r->has_key || r->is_refresh)
		return;
	if (!r->layer)
		metric_add(&m->cache_misses, 1);
	else if (r->rescued || r->is_stale)
		metric_add(&m->cache_stale, 1);
	else
		metric_add(r->layer == LAYER_L1 ? &m->cache_hits : &m->cache_tier_hits, 1);
}

/* A refresh, or a part of a composed answer: no request of a client. */
static void count_behind(struct req *r)
{
	if (!r->run)
		return;
	count_query(r);
	count_cache(r);
}

/* The reply is out; the same request asks the database again, for nobody. It runs in the next turn. */
static void refresh(struct req *r)
{
	struct worker *w = r->w;

	metric_add(&r->run->metrics->cache_refreshes, 1);
	responses_release(r);
	r->checked = 0;
	r->n_rows = 0;
	buf_clear(&r->out);
	buf_clear(&r->head);
	r->conn = NULL;
	include_forget(r);
	r->n_pending = 0;
	r->lines_n = 0;
	r->groups = NULL;
	r->wants_refresh = r->wants_variant = r->is_not_modified = 0;
	r->coding = HTTP_IDENTITY;
	r->is_replying = r->in_run = 0;
	r->is_refresh = 1;
	r->is_query_done = r->is_submitted = 0;
	r->layer = LAYER_NONE;
	r->error = E_ok;
	r->status = 0;
	r->detail = NULL;
	r->t0_ns = clock_mono_ns();
	r->deadline_ns = r->t0_ns + r->run->timeout_ns;
	r->step = STEP_admit;
	list_add_tail(&w->refreshes, &r->follow_node);
}

static void count(struct req *r, uint64_t now_ns)
{
	struct worker *w = r->w;
	struct metric_endpoint *m = r->run ? r->run->metrics : NULL;
	uint64_t took = now_ns - r->t0_ns;
	metric_counter_t *reason;

	atomic_store_explicit(&w->board->requests, w->requests, memory_order_relaxed);
	reason = failure(w->metrics, r->error);
	if (reason)
		metric_add(reason, 1);
	if (!m) {
		metric_add(&w->metrics->unmatched, 1);
		return;
	}
	metric_add(r->status < 300	 ? &m->status_2xx
		   : r->status < 400 ? &m->status_3xx
		   : r->status < 500 ? &m->status_4xx
				       : &m->status_5xx,
		   1);
	if (r->body_bytes)
		metric_add(&m->request_bytes, r->body_bytes);
	metric_add(&m->response_bytes, req_body_n(r));
	histo_add(&m->duration, took);
	count_query(r);
	count_cache(r);
	if (r->run->slow_ns && took > r->run->slow_ns)
		metric_add(&m->slow, 1);
}

enum step_result step_account(struct req *r)
{
	struct worker *w = r->w;
	struct front_conn *c = r->conn;

	if (r->is_refresh || r->is_part) {
		count_behind(r);
		if (unlikely(r->error || r->rescued))
			trouble_log(r, clock_mono_ns());
	} else if (!c) {
		metric_add(&w->metrics->client_gone, 1);
	}
	if (c) {
		uint64_t now_ns = clock_mono_ns();

		count(r, now_ns);
		if (unlikely(r->error || r->rescued || (r->run && r->run->slow_ns && now_ns - r->t0_ns > r->run->slow_ns)))
			trouble_log(r, now_ns);
	}
	if (r->wants_refresh && (c || r->is_part) && !w->is_draining && cache_begin_refresh(r)) {
		if (w->access_file.fd >= 0 && c)
			access_line(w, r);
		include_leave(r);
		refresh(r);
		if (c)
			front_finish(c);
		return STEP_NEXT;
	}
	if (w->access_file.fd >= 0 && !r->is_refresh && !r->is_part)
		access_line(w, r);
	if (r->wants_variant)
		variant_make(r);
	req_free(r);
	if (c)
		front_finish(c);
	return STEP_NEXT;
}
