/* The engine: it runs steps in the list's order and knows nothing of what they do. */
#include "config.h"

#include "workers/req.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/check.h"
#include "workers/handler.h"
#include "workers/include.h"
#include "workers/intent.h"
#include "workers/responses.h"
#include "workers/worker.h"

typedef enum step_result (*req_step_f)(struct req *r);

static const req_step_f steps[STEP_COUNT] = {
#define STEP(id, sentence) step_##id,
#include "lib/tbl/steps.h"
};

struct buf worker_buf_take(struct worker *w)
{
	struct buf b;

	if (!w->n_free_bufs) {
		buf_init(&b, 0);
		return b;
	}
	b = w->free_bufs[--w->n_free_bufs];
	w->free_bufs_bytes -= b.cap;
	return b;
}

void worker_buf_give(struct worker *w, struct buf *b)
{
	if (!b->p)
		return;
	if (b->cap && b->cap <= WORKER_BUF_KEEP && w->n_free_bufs < ARRAY_LEN(w->free_bufs) &&
	    w->free_bufs_bytes + b->cap <= WORKER_BUFS_KEEP) {
		buf_clear(b);
		w->free_bufs_bytes += b->cap;
		w->free_bufs[w->n_free_bufs++] = *b;
		buf_init(b, 0);
		return;
	}
	buf_done(b);
}

static void on_deadline(struct wheel_timer *t)
{
	struct req *r = CONTAINER_OF(t, struct req, timer);

	if (r->is_following) {
		if (cache_follow_on(r))
			return;
		/* it takes too long: ask the database ourselves */
		cache_unfollow(r);
		r->step = STEP_admit;
		req_run(r);
		return;
	}
	if (r->is_backing_off) {
		r->is_backing_off = 0;
		req_run(r);
		return;
	}
	if (r->tier_op) {
		tier_late(r);
		return;
	}
	if (r->is_replying || (!r->handling && (!r->is_submitted || r->is_query_done)))
		return;
	if (r->handling) {
		handler_abandon(r);
		req_fail(r, E_timeout, NULL);
	} else if (r->q.state == DB_Q_QUEUED) {
		metric_add(&r->w->metrics->db_pool_timeouts, 1);
		/* no connection came free in time: not the statement's fault */
		req_abandon_query(r);
		req_fail(r, E_unavailable, "No database connection was free within the request's deadline.");
	} else {
		r->is_outcome_unknown = db_may_be_done(r->run->pool, &r->q);
		r->q.is_late = 1;
		req_abandon_query(r);
		req_fail(r, E_timeout, NULL);
	}
	r->is_query_done = 1;
	r->step = STEP_reply;
	req_run(r);
}

static struct req *take(struct worker *w)
{
	struct list *l = list_first(&w->free_reqs);
	struct req *r;

	if (l) {
		r = LIST_ENTRY(l, struct req, node);
		list_del(l);
		w->n_free_reqs--;
	} else if (!(r = malloc(sizeof(*r)))) {
		abort();
	}
	memset(r, 0, offsetof(struct req, q) + offsetof(struct db_query, constraint));
	r->q.text[0] = r->q.client_text[0] = r->q.constraint[0] = 0;
	r->w = w;
	arena_init(&r->arena, &w->arenas);
	wheel_timer_init(&r->timer, on_deadline);
	list_add_tail(&w->reqs, &r->node);
	w->n_reqs++;
	r->content_length = -1;
	buf_init(&r->body, 0);
	return r;
}

struct req *req_new(struct worker *w, struct front_conn *c)
{
	struct req *r = take(w);

	r->conn = c;
	c->req = r;
	r->number = ++w->requests;
	r->t0_ns = c->begin_ns ? c->begin_ns : w->front.now_ns;
	return r;
}

struct req *req_new_part(struct req *whole)
{
	struct req *r = take(whole->w);

	r->parent = whole;
	r->is_part = 1;
	r->number = whole->number;
	r->t0_ns = whole->w->front.now_ns;
	r->deadline_ns = whole->deadline_ns;
	r->method = HTTP_GET;
	r->method_text = SLICE("GET");
	r->params = whole->params;
	r->n_params = whole->n_params;
	r->cookie = whole->cookie;
	r->request_id = whole->request_id;
	r->trace_id = whole->trace_id;
	r->id = whole->id;
	r->user = whole->user;
	r->is_body_done = 1;
	r->step = STEP_route;
	return r;
}

void req_abandon_query(struct req *r)
{
	handler_abandon(r);
	if (r->is_submitted && (!r->is_query_done || r->q.state == DB_Q_LOOKED))
		db_abandon(r->run->pool, &r->q);
	r->is_submitted = 0;
}

void req_free(struct req *r)
{
	struct worker *w = r->w;
	struct intent *i;

	responses_release(r);
	include_ended(r);
	include_forget(r);
	req_abandon_query(r);
	cache_unfollow(r);
	tier_forget(r);
	cache_land(r, FLIGHT_ABANDONED);
	i = r->q.intent;
	r->q.intent = NULL;
	intent_end(&i, r->q.error != E_outcome_unknown, r->q.xid);	/* nothing of it was sent, or it has ended */
	db_query_clear(&r->q);
	wheel_stop(&w->wheel, &r->timer);
	w->bodies_bytes -= r->body.n;
	buf_done(&r->body);
	worker_buf_give(w, &r->out);
	worker_buf_give(w, &r->head);
	buf_done(&r->handler_head);
	include_release(r);
	list_del(&r->node);
	w->n_reqs--;
	if (w->n_free_reqs < WORKER_MAX_FREE) {
		list_add_head(&w->free_reqs, &r->node);
		w->n_free_reqs++;
	} else {
		free(r);
	}
}

enum step_result req_fail(struct req *r, enum err_id id, const char *detail)
{
	r->error = id;
	if (detail)
		r->detail = detail;
	return STEP_DONE;
}

void req_fault(struct req *r, enum err_id id, const char *name, const char *source, const char *detail)
{
	if (!r->error)
		r->error = id;
	if (r->n_faults < REQ_MAX_FAULTS)
		r->faults[r->n_faults++] = (struct req_fault){name, source, detail};
}

void req_run(struct req *r)
{
	struct board_row *board = r->w->board;

	check(!r->in_run);
	r->in_run = 1;
	for (;;) {
		unsigned step = r->step;
		enum step_result rc;

		check(step < STEP_COUNT);
		atomic_store_explicit(&board->running_step, step, memory_order_relaxed);
		rc = steps[step](r);
		if (step == STEP_account)
			return;		/* r is gone, or will refresh its entry later */
		check(r->step == step);
		if (rc == STEP_WAIT)
			break;
		if (rc == STEP_DONE && step < STEP_reply)
			r->step = STEP_reply;
		else
			r->step = step + 1;
	}
	r->in_run = 0;
}
