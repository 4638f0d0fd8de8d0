/* From the snapshot to what runs: a pool by database, a statement by variant, a route by endpoint. */
#include "config.h"

#include <ctype.h>
#include <stdlib.h>
#include <strings.h>

#include "lib/base/check.h"
#include "lib/base/clock.h"
#include "lib/shm/digest.h"
#include "lib/conf/session.h"
#include "workers/cachekey.h"
#include "workers/groups.h"
#include "workers/handler.h"
#include "workers/include.h"
#include "workers/tagtypes.h"
#include "workers/worker.h"

/* Statements whose value depends on when their transaction began keep a Sync of their own. */
static int names_time(const char *sql)
{
	static const char *const words[] = {"now", "current_timestamp", "current_date", "current_time",
					    "localtime", "localtimestamp", "transaction_timestamp"};

	for (const char *p = sql; *p; p++) {
		if (p != sql && (isalnum((unsigned char)p[-1]) || p[-1] == '_'))
			continue;
		for (size_t i = 0; i < ARRAY_LEN(words); i++) {
			size_t n = strlen(words[i]);

			if (strncasecmp(p, words[i], n) == 0 && !isalnum((unsigned char)p[n]) && p[n] != '_')
				return 1;
		}
	}
	return 0;
}

static struct db_stmt proto(const struct worker *w, const struct endpoint *ep, const struct variant *v)
{
	struct db_stmt s = {.sql = v->sql, .file = ep->file, .line = v->line, .may_express = ep->may_express,
			    .may_write = ep->may_write,
			    .is_time_bound = names_time(v->sql), .endpoint = ep};

	s.session = session_use_of(v->sql, &s.may_commit);
	if (ep->is_session_clean)
		s.session = SESSION_CLEAN;
	s.may_ever_express = s.may_express;
	if (w->region.h) {
		s.express = &region_endpoint(&w->region, ep->metric)->express;
		s.shared = &region_endpoint(&w->region, ep->metric)->shape;
		s.session_why = region_endpoint(&w->region, ep->metric)->session_why;
		s.session_why[0] = 0;
	}
	return s;
}

struct db_pool *worker_pool(struct worker *w, unsigned db, unsigned n_workers)
{
	struct db_pool_conf conf = {.opts = &w->snapshot.options.databases[db],
				    .region = &w->region,
				    .metrics = w->metrics,
				    .db = db,
				    .number = w->number,
				    .n_workers = n_workers,
				    .queue_limit = w->snapshot.options.limits.queue,
				    .max_response = w->snapshot.options.limits.response,
				    .has_monitor = !w->is_alone,
				    .ops = &dbio_ops,
				    .ctx = w};

	return db_pool_new(&conf);
}

/* The first worker of another definition: should the one before ever come back, what it kept is older than what is answered
 * meanwhile. */
static void note_shape(const struct worker *w, const struct endpoint_run *run)
{
	struct region_endpoint *e = run->shared;
	uint64_t now = 1, before, last, xmin;

	if (!e || !w->stamps.n)
		return;
	if (run->ep->cache.is_on)
		now = digest_64(slice_of((const char *)run->cache_id, sizeof(run->cache_id)), run->cache_place) | 2;
	before = atomic_exchange(&e->cache_shape, now);
	if (!before || before == now)
		return;
	last = atomic_load(&e->purged_ms);
	for (;;) {
		uint64_t t = clock_boot_ms();

		if (last == REGION_UNSETTLED ||
		    atomic_compare_exchange_strong(&e->purged_ms, &last, t > last ? t : last + 1))
			break;
	}
	xmin = atomic_load(&region_db(&w->region, run->ep->database)->tier_xmin);
	if (xmin > atomic_load(&e->purged_xid))
		atomic_store(&e->purged_xid, xmin);
}

int worker_setup(struct worker *w, struct err *e)
{
	int rc = 0;
	struct snapshot *s = &w->snapshot;
	unsigned n_workers = s->options.workers.min;

	if (w->is_alone) {
		/* no shared budget: each process keeps one connection warm and opens one more at most */
		for (unsigned i = 0; i < s->options.n_databases; i++)
			s->options.databases[i].pool_min = 1;
		n_workers = 1;
	}
	route_init(&w->route);
	w->runs = calloc(s->endpoints.n ? s->endpoints.n : 1, sizeof(*w->runs));
	if (!w->runs)
		abort();
	for (unsigned i = 0; i < s->endpoints.n; i++) {
		const struct endpoint *ep = s->endpoints.v[i];
		struct endpoint_run *run = &w->runs[i];
		uint64_t timeout_ms = ep->timeout_ms;

		run->ep = ep;
		cachekey_of_endpoint(&s->options, ep, run->cache_id, &run->cache_place);
		reply_prepare_plain(run, &w->route.arena);
		if (ep->cache.is_on)
			reply_prepare(run, &s->options.cache, &w->route.arena);
		if (ep->has_sql) {
			if (!w->pools[ep->database])
				w->pools[ep->database] = worker_pool(w, ep->database, n_workers);
			run->pool = w->pools[ep->database];
			for (unsigned v = 0; v < ep->n_variants; v++) {
				struct db_stmt st = proto(w, ep, &ep->variants[v]);
				unsigned number = db_pool_add_stmt(run->pool, &st);

				if (v == 0)
					run->first_stmt = number;
			}
			if (!timeout_ms)
				timeout_ms = s->options.databases[ep->database].query_timeout;
		}
		if (ep->handler && !(run->handler = handler_open(ep, s->options.endpoints, e)))
			rc = -1;
		run->timeout_ns = (timeout_ms ? timeout_ms : 2000) * CLOCK_MS;
		run->slow_ns = ep->slow_ms * CLOCK_MS;
		run->shared = w->region.h ? region_endpoint(&w->region, ep->metric) : NULL;
		note_shape(w, run);
		if (ep->cache.is_on && ep->cache.at_most)
			cache_share(&w->cache, ep->metric, ep->cache.at_most);
		if (w->metrics)
			run->metrics = &w->metrics->endpoint[ep->metric];
		include_prepare(w, run);
		route_add(&w->route, run);
	}
	groups_prepare(w->runs, s->endpoints.n);
	tagtypes_look(w, NULL);
	return rc;
}

void worker_teardown(struct worker *w)
{
	for (unsigned i = 0; i < w->snapshot.endpoints.n; i++)
		handler_close(&w->runs[i].handler);
	free(w->runs);
	route_done(&w->route);
}
