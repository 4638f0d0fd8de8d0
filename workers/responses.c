/* Who reads slowly, and what is large, costs memory: of all that a worker holds for answers the largest goes first. One
 * that stands still for two seconds counts four times, so that stuck readers do not keep others out. An answer of which
 * nothing has left yet becomes a 503; one that is on its way ends with its connection. */
#include "config.h"

#include "workers/responses.h"

#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "workers/include.h"
#include "workers/worker.h"

#define TURN_NS (4 * CLOCK_MS)
#define STUCK_NS (2 * CLOCK_S)
#define SAY_NS CLOCK_S

void responses_hold(struct req *r)
{
	size_t held = db_result_bytes(&r->q) + r->out.cap;

	for (unsigned i = 0; i < r->n_parts; i++)
		held += r->parts[i].out.cap;
	if (!r->held)
		list_add_tail(&r->w->holders, &r->held_node);
	r->w->held += held + 1 - r->held;
	r->held = held + 1;
}

void responses_release(struct req *r)
{
	if (r->is_render_waiting)
		list_del(&r->render_node);
	r->is_render_waiting = 0;
	if (!r->held)
		return;
	list_del(&r->held_node);
	r->w->held -= r->held;
	r->held = 0;
}

void responses_wait(struct req *r)
{
	responses_hold(r);
	r->is_render_waiting = 1;
	list_add_tail(&r->w->renders, &r->render_node);
}

int responses_are_waiting(const struct worker *w)
{
	return !list_is_empty(&w->renders);
}

static int is_stuck(const struct req *r, uint64_t now_ns)
{
	const struct front_conn *c = r->conn;

	/* the timer is set anew whenever a byte leaves */
	return r->is_replying && c && c->timer.due_ns &&
	       now_ns + c->front->limits.write_ns > c->timer.due_ns + STUCK_NS;
}

static uint64_t weight(const struct req *r, uint64_t now_ns)
{
	return is_stuck(r, now_ns) ? (uint64_t)r->held * 4 : r->held;
}

static struct req *heaviest(struct worker *w, uint64_t now_ns)
{
	struct req *found = NULL;

	LIST_FOR(l, &w->holders)
	{
		struct req *r = LIST_ENTRY(l, struct req, held_node);

		/* a part belongs to its whole */
		if (!r->is_part && (!found || weight(r, now_ns) > weight(found, now_ns)))
			found = r;
	}
	return found;
}

static uint64_t total(const struct worker *w)
{
	uint64_t sum = w->held;

	for (unsigned i = 0; i < w->snapshot.options.n_databases; i++)
		sum += w->pools[i] ? db_pool_partial(w->pools[i]) : 0;
	return sum;
}

static void say(struct worker *w, const char *what, const char *id, uint64_t bytes)
{
	uint64_t now = w->front.now_ns;

	metric_add(&w->metrics->responses_shed, 1);
	if (now - w->shed_said_ns < SAY_NS && w->shed_said_ns)
		return;
	w->shed_said_ns = now;
	log_warn("endpoint=%s: %s, %llu bytes: limits.responses (%llu bytes) is reached", id, what, (unsigned long long)bytes,
		 (unsigned long long)w->snapshot.options.limits.responses);
}

static void drop(struct req *r)
{
	struct worker *w = r->w;

	if (r->is_replying) {
		say(w, "the connection of a reader that is too slow is closed", r->run ? r->run->ep->id : "-", r->held);
		front_abort(r->conn);
		return;
	}
	say(w, "an answer is given up (503)", r->run->ep->id, r->held);
	req_abandon_query(r);
	responses_release(r);
	req_fail(r, E_overloaded, "Too many large answers are under way.");
	r->is_query_done = 1;
	r->step = STEP_reply;
	buf_done(&r->out);
	req_run(r);
}

/* 0: there is nothing that could go. */
static int shed(struct worker *w)
{
	uint64_t now = w->front.now_ns, most = 0;
	struct req *r = heaviest(w, now);
	struct db_pool *pool = NULL;

	for (unsigned i = 0; i < w->snapshot.options.n_databases; i++)
		if (w->pools[i] && db_pool_partial_most(w->pools[i]) > most) {
			pool = w->pools[i];
			most = db_pool_partial_most(pool);
		}
	if (pool && (!r || most > weight(r, now))) {
		const char *id = db_pool_shed(pool, now);

		say(w, "a result is given up while it arrives (503)", id, most);
		return 1;
	}
	if (r)
		drop(r);
	return r != NULL;
}

void responses_turn(struct worker *w)
{
	uint64_t limit = w->snapshot.options.limits.responses, began = 0;
	struct list *l;

	while ((l = list_first(&w->renders))) {
		struct req *r = LIST_ENTRY(l, struct req, render_node);

		if (!began)
			began = clock_mono_ns();
		list_del(l);
		r->is_render_waiting = 0;
		req_run(r);
		if (clock_mono_ns() - began > TURN_NS)
			break;
	}
	while (unlikely(total(w) > limit) && shed(w))
		dbio_resume(w);
	atomic_store_explicit(&w->board->held_bytes, total(w), memory_order_relaxed);
}
