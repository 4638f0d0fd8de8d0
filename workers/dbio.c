/* The pools' descriptors and blocking jobs on the loop. */
#include "config.h"

#include <stdlib.h>
#include <unistd.h>

#include "lib/base/check.h"
#include "workers/connects.h"
#include "workers/intent.h"
#include "workers/tagtypes.h"
#include "workers/worker.h"

#define AT_ONCE_NS (50 * 1000ull)

struct db_watch {
	uv_poll_t poll;
	struct db_conn *conn;
	struct worker *w;
};

/* A poll that returned at once found what may have come at any time since the one before it. */
static uint64_t readable_since(const struct worker *w, uint64_t now_ns)
{
	return now_ns - w->polled_ns < AT_ONCE_NS ? w->turn_ns : now_ns;
}

static void on_db(uv_poll_t *h, int status, int events)
{
	struct db_watch *x = h->data;
	uint64_t now_ns;

	if (!x->conn)
		return;
	now_ns = front_now(&x->w->front);
	/* After an error (EPOLLERR: the peer closed over unread data) libuv watches no more. */
	while (x->conn && db_conn_step(x->conn, status < 0 || events & (UV_READABLE | UV_DISCONNECT), events & UV_WRITABLE,
				       status < 0, readable_since(x->w, now_ns), now_ns))
		dbio_resume(x->w);
}

static void watch(void *ctx, struct db_conn *c, int fd, int want_write)
{
	struct db_watch *x = *db_conn_watch(c);

	if (!x) {
		x = calloc(1, sizeof(*x));
		if (!x)
			abort();
		x->w = ctx;
		x->conn = c;
		x->poll.data = x;
		*db_conn_watch(c) = x;
		check(uv_poll_init(&x->w->loop, &x->poll, fd) == 0);
	}
	check(uv_poll_start(&x->poll, UV_READABLE | (want_write ? UV_WRITABLE : 0), on_db) == 0);
}

static void on_closed(uv_handle_t *h)
{
	free(h->data);
}

/* Before libpq closes the descriptor. */
static void unwatch(void *ctx, struct db_conn *c)
{
	struct db_watch *x = *db_conn_watch(c);

	(void)ctx;
	if (!x)
		return;
	x->conn = NULL;
	*db_conn_watch(c) = NULL;
	uv_poll_stop(&x->poll);
	uv_close((uv_handle_t *)&x->poll, on_closed);
}

struct work {
	uv_work_t uv;
	struct db_job *job;
	struct worker *w;
};

static void on_work(uv_work_t *uv)
{
	db_job_run(((struct work *)uv->data)->job);
}

/* Before anybody is told that the worker is ready, and before a request that waited goes on. */
static void look_at_tags(struct worker *w)
{
	unsigned n = 0;

	for (unsigned i = 0; i < w->snapshot.options.n_databases; i++)
		n += w->pools[i] ? db_pool_described(w->pools[i]) : 0;
	if (n != w->tags_looked) {
		w->tags_looked = n;
		tagtypes_look(w, NULL);
	}
}

static void on_work_done(uv_work_t *uv, int status)
{
	struct work *work = uv->data;

	(void)status;
	work->w->n_jobs--;
	db_job_done(work->job, front_now(&work->w->front));
	connects_tell(work->w, work->w->front.now_ns);
	look_at_tags(work->w);
	free(work);
}

static void run(void *ctx, struct db_job *job)
{
	struct worker *w = ctx;
	struct work *work = calloc(1, sizeof(*work));

	if (!work)
		abort();
	work->job = job;
	work->w = w;
	work->uv.data = work;
	w->n_jobs++;
	check(uv_queue_work(&w->loop, &work->uv, on_work, on_work_done) == 0);
}

static void wake_monitor(void *ctx)
{
	struct worker *w = ctx;
	uint64_t one = 1;

	(void)!write(w->monitor_fd, &one, sizeof(one));
}

static void on_intent_begin(void *ctx, void *intent)
{
	(void)ctx;
	intent_begin(intent);
}

static void on_intent_over(void *ctx, void *intent, int is_known, uint64_t xid)
{
	struct intent *i = intent;

	(void)ctx;
	intent_end(&i, is_known, xid);
}

/* params_bind binds defaults as they stand in the endpoint. Only of a statement that failed: nothing is noted before. */
static int on_is_given(void *ctx, const struct db_query *q, unsigned number)
{
	const struct req *r = q->owner;
	const struct endpoint *ep = r->run->ep;

	(void)ctx;
	for (unsigned i = 0; i < ep->n_params; i++) {
		const struct param *p = &ep->params[i];
		const char *value = p->number && p->number <= q->n_values ? q->values[p->number - 1] : NULL;

		if (!value || value == p->def || (number && number != p->number))
			continue;
		if (number || (p->source != SOURCE_USER && p->source != SOURCE_CLAIM))
			return 1;
	}
	return 0;
}

const struct db_ops dbio_ops = {.is_given = on_is_given, .intent_begin = on_intent_begin, .intent_over = on_intent_over, 
    .watch = watch, .unwatch = unwatch, .run = run, .wake_monitor = wake_monitor};

void dbio_resume(struct worker *w)
{
	for (unsigned i = 0; i < w->snapshot.options.n_databases; i++) {
		struct db_query *q;

		while (w->pools[i] && (q = db_pool_next_done(w->pools[i]))) {
			struct req *r = q->owner;

			r->is_query_done = 1;
			if (unlikely(r->q.is_outdated && !r->q.is_check))
				admit_again(r);
			else
				req_run(r);
		}
	}
}
