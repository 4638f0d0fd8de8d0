/* Reload: read and validate in a thread, one candidate first, then worker by worker, new before old; back to the
 * old generation when one does not get ready. */
#include "config.h"
#include "supervisor/weird.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/check.h"
#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/ctl/frame.h"
#include "supervisor/notify.h"

struct asker {
	weird_answer_f fn;
	void *arg;
};

struct askers {
	struct asker *v;
	unsigned n;
};

struct reload {
	struct weird *w;
	uv_work_t work;
	char *path;
	struct errs errs;
	struct generation *next;	/* loaded */
	struct child *current;		/* the new worker that is waited for */
	unsigned n_new;
	struct askers now, later;
};

static void ask(struct askers *a, weird_answer_f fn, void *arg)
{
	a->v = realloc(a->v, (a->n + 1) * sizeof(*a->v));
	check(a->v);
	a->v[a->n++] = (struct asker){fn, arg};
}

static void answer(struct askers *a, int severity, const char *text, struct slice body)
{
	for (unsigned i = 0; i < a->n; i++)
		if (a->v[i].fn)
			a->v[i].fn(a->v[i].arg, severity, text, body);
	free(a->v);
	*a = (struct askers){0};
}

static void begin(struct reload *r);

/* Over, one way or the other. */
static void end(struct reload *r, int severity, const char *text, struct slice body)
{
	struct weird *w = r->w;
	struct region_header *h = w->region.h;
	int failed = severity == CTL_FAILED;

	log_at(failed ? LOG_ERROR : LOG_INFO, "reload: %s", text);
	if (failed)
		snprintf(h->last_failure, sizeof(h->last_failure), "%s", text);
	atomic_fetch_add(failed ? &h->reloads_failed : &h->reloads_ok, 1);
	atomic_store(&h->last_reload_ok, !failed);
	atomic_store(&h->reload_wall_us, clock_wall_us());
	notify_send("READY=1\nSTATUS=Generation %u%s", w->gen->number, failed ? ", last reload failed" : "");
	answer(&r->now, severity, text, body);
	generation_unref(&r->next);
	errs_done(&r->errs);
	if (r->later.n && !w->stopping) {
		r->now = r->later;
		r->later = (struct askers){0};
		begin(r);
		return;
	}
	answer(&r->later, CTL_FAILED, "weird is stopping", (struct slice){NULL, 0});
	w->reload = NULL;
	free(r->path);
	free(r);
	children_balance(w);
}

static void fail(struct reload *r, const char *text, struct slice body)
{
	end(r, CTL_FAILED, text, body);
}

/* Workers of the running generation that still serve. */
static struct child *old_one(const struct reload *r)
{
	struct weird *w = r->w;

	for (unsigned i = 0; i < w->n_numbers; i++) {
		struct child *c = &w->children[i];

		if (c->gen != r->next &&
		    (c->state == STATE_ready || c->state == STATE_starting || c->state == STATE_backoff))
			return c;
	}
	return NULL;
}

/* What started on the new generation goes again, and the old one fills up. */
static void roll_back(struct reload *r, const char *why, struct slice body)
{
	struct weird *w = r->w;
	AUTO(buf) struct buf text;

	buf_init(&text, 0);
	w->spawn_gen = w->gen;
	for (unsigned i = 0; i < w->n_numbers; i++) {
		struct child *c = &w->children[i];

		if (c->gen != r->next || c->state == STATE_draining)
			continue;
		if (c->state == STATE_ready)
			(void)children_start(w, w->gen);
		if (c->state == STATE_ready || c->state == STATE_starting || c->state == STATE_backoff)
			child_ask(c);
	}
	generation_publish(w->gen, &w->region);
	buf_addf(&text, "failed, generation %u goes on: %s", w->gen->number, why);
	fail(r, buf_str(&text), body);
}

static void finish(struct reload *r)
{
	struct weird *w = r->w;
	struct child *old, *monitor = &w->children[w->n_numbers];
	AUTO(buf) struct buf text, keys;
	int restart;

	buf_init(&text, 0);
	buf_init(&keys, 0);
	while ((old = old_one(r)))
		child_ask(old);
	restart = options_need_restart(&w->gen->s.options, &r->next->s.options, &keys);
	generation_unref(&w->gen);
	w->gen = generation_ref(r->next);
	w->spawn_gen = w->gen;
	generation_publish(w->gen, &w->region);
	atomic_store(&w->region.h->log_level, (uint32_t)w->gen->s.options.log.level);
	log_set_level((enum log_level)w->gen->s.options.log.level);
	if (monitor->state == STATE_ready || monitor->state == STATE_starting)
		child_ask(monitor);	/* it is started again on the new generation */
	buf_addf(&text, "generation %u, %u endpoints", w->gen->number, w->gen->s.endpoints.n);
	if (restart)
		buf_addf(&text, "; a restart is needed for %s", buf_str(&keys));
	end(r, restart ? CTL_WARNING : CTL_DONE, buf_str(&text), (struct slice){NULL, 0});
}

static void next_worker(struct reload *r)
{
	struct weird *w = r->w;
	unsigned want = r->next->s.options.workers.min;

	if (want > w->max_workers)
		want = w->max_workers;
	if (r->n_new >= want) {
		finish(r);
		return;
	}
	r->current = children_start(w, r->next);
	if (!r->current)
		roll_back(r, "no worker number is free: earlier workers are still draining", (struct slice){NULL, 0});
}

void reload_child_ready(struct weird *w, struct child *c)
{
	struct reload *r = w->reload;
	struct child *old;
	int was_degraded = 0;

	if (!r || r->current != c)
		return;
	for (unsigned i = 0; i < w->n_numbers; i++)
		was_degraded |= w->children[i].gen == w->gen &&
				atomic_load(&region_board(&w->region, i)->is_degraded);
	r->current = NULL;
	if (c->is_degraded && !was_degraded && r->n_new == 0) {
		roll_back(r, "a database is not reachable for the new workers, it is for the old ones",
			  buf_slice(&c->captured));
		return;
	}
	r->n_new++;
	old = old_one(r);
	if (old)
		child_ask(old);
	next_worker(r);
}

void reload_child_failed(struct weird *w, struct child *c, const char *why)
{
	struct reload *r = w->reload;
	AUTO(buf) struct buf body;

	buf_init(&body, 0);	/* before any return: the scope's end frees it */
	if (!r || r->current != c)
		return;
	r->current = NULL;
	buf_add(&body, c->captured.p, c->captured.n);
	roll_back(r, why, buf_slice(&body));
}

int reload_owns(const struct weird *w, const struct child *c)
{
	return w->reload && w->reload->current == c;
}

static void on_load(uv_work_t *work)
{
	struct reload *r = work->data;

	(void)snapshot_load(&r->next->s, r->path, &r->errs);
}

static void on_loaded(uv_work_t *work, int status)
{
	struct reload *r = work->data;
	struct weird *w = r->w;
	struct err e = {0};
	char text[1024];
	AUTO(buf) struct buf body;

	(void)status;
	buf_init(&body, 0);
	if (w->stopping) {
		fail(r, "weird is stopping", (struct slice){NULL, 0});
		return;
	}
	if (r->errs.n) {
		errs_to_text(&r->errs, &body);
		fail(r, "configuration refused, nothing was changed", buf_slice(&body));
		return;
	}
	if (r->next->s.options.n_databases != w->region.h->plan.n_databases) {
		fail(r, "the number of databases cannot change while weird runs: restart it", (struct slice){NULL, 0});
		return;
	}
	if (generation_seal(r->next, &w->region, w->gen->number + 1, &e)) {
		fail(r, err_format(&e, text, sizeof(text)), (struct slice){NULL, 0});
		return;
	}
	r->n_new = 0;
	next_worker(r);
}

static void begin(struct reload *r)
{
	errs_init(&r->errs);
	r->next = generation_new();
	r->current = NULL;
	r->work.data = r;
	notify_send("RELOADING=1\nSTATUS=Reloading");
	check(uv_queue_work(r->w->loop, &r->work, on_load, on_loaded) == 0);
}

void reload_ask(struct weird *w, weird_answer_f fn, void *arg)
{
	struct reload *r = w->reload;

	if (w->stopping) {
		if (fn)
			fn(arg, CTL_FAILED, "weird is stopping", (struct slice){NULL, 0});
		return;
	}
	if (r) {
		ask(&r->later, fn, arg);
		return;
	}
	r = calloc(1, sizeof(*r));
	check(r);
	r->w = w;
	r->path = strdup(w->conf_path);
	check(r->path);
	ask(&r->now, fn, arg);
	w->reload = r;
	begin(r);
}

static void forget(struct askers *a, const void *arg)
{
	for (unsigned i = 0; i < a->n; i++)
		if (a->v[i].arg == arg)
			a->v[i].fn = NULL;
}

void reload_forget(struct weird *w, const void *arg)
{
	if (!w->reload)
		return;
	forget(&w->reload->now, arg);
	forget(&w->reload->later, arg);
}
