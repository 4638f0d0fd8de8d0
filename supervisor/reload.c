/* reload: the phases of a change of generation, driven by what children report.
 *
 *   reading → candidate → rolling → monitor → idle
 *                            └ a new worker fails ─→ back → idle
 *
 * In reading and candidate nothing of the old generation is touched. The roll keeps as many ready workers as are wanted
 * at every moment; it does not wait for the old ones' end. */
#include "config.h"
#include "supervisor/reload.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/check.h"
#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/ctl/heritage.h"
#include "lib/json/jw.h"
#include "supervisor/logs.h"
#include "supervisor/notify.h"
#include "supervisor/settle.h"
#include "supervisor/validate.h"

enum phase { IDLE, READING, CANDIDATE, FAILED, ROLLING, BACK, MONITOR };

#define ASKERS_MAX 64u		/* as many as there are clients */
#define MORE_MS 5000u		/* beyond ready_timeout, before BACK and MONITOR are answered as they stand */

struct reload {
	struct weird *w;
	enum phase phase;
	struct generation *next;
	struct child *candidate;
	struct asker askers[ASKERS_MAX], later[ASKERS_MAX];
	unsigned n_askers, n_later;
	int is_wanted_again;
	uv_work_t work;
	uv_timer_t timer;	/* FAILED, BACK and MONITOR */
	struct errs errs;	/* and the warnings, those of the reload itself too */
	struct buf log;		/* what the new generation's first worker said, or the failing one */
	struct buf needs;	/* keys that need a restart */
	char failure[512];
	int is_config;		/* the failure is the configuration's */
	unsigned replaced;
	uint64_t begun_ns;
};

static void start(struct reload *r);

const char *reload_phase(const struct weird *w)
{
	static const char *const names[] = {"idle", "reading", "candidate", "failed", "rolling", "rolling back",
					    "monitor"};

	return names[w->reload->phase];
}

int reload_is_active(const struct weird *w)
{
	return w->reload->phase != IDLE;
}

int reload_is_strict(const struct weird *w)
{
	return w->reload->phase == CANDIDATE && !w->reload->candidate;
}

const struct child *reload_candidate(const struct weird *w)
{
	return w->reload->phase == CANDIDATE ? w->reload->candidate : NULL;
}

/* ---- the answer ---- */

static void place_json(struct jw *j, const char *file, unsigned line, unsigned col, const char *text)
{
	jw_object(j);
	jw_key(j, "file");
	jw_str(j, file[0] ? file : NULL);
	jw_key(j, "line");
	jw_u64(j, line);
	jw_key(j, "column");
	jw_u64(j, col);
	jw_key(j, "text");
	jw_str(j, text);
	jw_object_end(j);
}

static void errors_json(const struct reload *r, int is_ok, struct jw *j)
{
	jw_key(j, "errors");
	jw_array(j);
	for (const struct err *e = r->errs.v; e < r->errs.v + r->errs.n; e++)
		place_json(j, e->file, e->line, e->col, e->text);
	if (!is_ok && !r->errs.n)
		place_json(j, "", 0, 0, r->failure);
	jw_array_end(j);
}

static void warnings_json(const struct reload *r, struct jw *j)
{
	const struct err *v = r->errs.warnings.v;
	struct slice needs = buf_slice(&r->needs);
	char text[200];

	jw_key(j, "warnings");
	jw_array(j);
	for (const struct err *e = v; e < v + r->errs.warnings.n; e++)
		place_json(j, e->file, e->line, e->col, e->text);
	while (needs.n) {
		struct slice key = slice_trim(slice_cut(&needs, ','));

		snprintf(text, sizeof(text), "%.*s needs a restart; the old value is kept", SLICE_ARG(key));
		place_json(j, r->w->conf_path, 0, 0, text);
	}
	jw_array_end(j);
}

static void body_json(const struct reload *r, int is_ok, struct buf *out)
{
	struct jw j;

	jw_init(&j, out);
	jw_object(&j);
	jw_key(&j, "ok");
	jw_bool(&j, is_ok);
	jw_key(&j, "generation");
	jw_u64(&j, r->w->gen->number);
	if (!is_ok) {
		jw_key(&j, "failure");
		jw_str(&j, r->failure);
	}
	errors_json(r, is_ok, &j);
	jw_key(&j, "needs_restart");
	jw_slice(&j, buf_slice(&r->needs));
	warnings_json(r, &j);
	jw_key(&j, "workers");
	jw_array(&j);
	for (unsigned i = 0; i < r->w->n_numbers; i++) {
		const struct child *c = &r->w->children[i];

		if (!c->pid)
			continue;
		jw_object(&j);
		jw_key(&j, "number");
		jw_u64(&j, i);
		jw_key(&j, "pid");
		jw_u64(&j, (uint64_t)c->pid);
		jw_key(&j, "state");
		jw_str(&j, board_state_name((int)c->state));
		jw_key(&j, "generation");
		jw_u64(&j, c->gen->number);
		jw_object_end(&j);
	}
	jw_array_end(&j);
	jw_key(&j, "log");
	jw_slice(&j, buf_slice(&r->log));
	jw_object_end(&j);
	buf_addc(out, '\n');
}

static void body_text(const struct reload *r, struct buf *out)
{
	errs_to_text(&r->errs, out);
	if (r->needs.n)
		buf_addf(out, "needs a restart, old value kept: %.*s\n",
			 SLICE_ARG(buf_slice(&r->needs)));
	errs_warnings_to_text(&r->errs, out);
	if (r->log.n) {
		buf_adds(out, "log of the new worker:\n");
		buf_add(out, r->log.p, r->log.n);
	}
}

static void answer(struct reload *r, int is_ok)
{
	enum ctl_severity sev = !is_ok			  ? CTL_FAILED
				: r->needs.n || r->errs.warnings.n ? CTL_WARNING
							  : CTL_DONE;
	AUTO(buf) struct buf json;
	AUTO(buf) struct buf text;
	char head[600];

	buf_init(&json, 0);
	buf_init(&text, 0);
	if (is_ok)
		snprintf(head, sizeof(head), "generation %u runs, %u worker%s replaced",
			 r->w->gen->number, r->replaced, r->replaced == 1 ? "" : "s");
	else
		snprintf(head, sizeof(head), "%s%s; generation %u keeps running",
			 r->is_config ? CTL_SAYS_CONFIG ": " : "", r->failure, r->w->gen->number);
	body_json(r, is_ok, &json);
	body_text(r, &text);
	if (is_ok)
		log_info("reload: %s", head);
	else
		log_error("reload failed: %s", head);
	if (!is_ok)
		for (size_t i = 0; i < r->errs.n; i++) {
			char line[1024];

			log_error("reload: %s", err_format(&r->errs.v[i], line, sizeof(line)));
		}
	for (size_t i = 0; i < r->errs.warnings.n; i++) {
		char line[1024];

		log_warn("reload: %s", err_format(&r->errs.warnings.v[i], line, sizeof(line)));
	}
	if (r->needs.n)
		log_warn("reload: needs a restart: %s", buf_str(&r->needs));
	for (unsigned i = 0; i < r->n_askers; i++)
		control_answer(r->w, &r->askers[i], sev, head,
			       buf_slice(r->askers[i].wants_json ? &json : &text));
	r->n_askers = 0;
}

static void finish(struct reload *r, int is_ok)
{
	struct region_header *h = r->w->region.h;

	uv_timer_stop(&r->timer);
	r->phase = IDLE;
	r->candidate = NULL;
	r->w->spawn_gen = r->w->gen;
	if (!is_ok) {
		generation_publish(r->w->gen, &r->w->region);
		snprintf(h->last_failure, sizeof(h->last_failure), "%.250s", r->failure);
	}
	atomic_store(&h->reload_wall_us, clock_wall_us());
	atomic_store(&h->last_reload_ok, (uint32_t)is_ok);
	atomic_fetch_add(is_ok ? &h->reloads_ok : &h->reloads_failed, 1);
	answer(r, is_ok);
	generation_unref(&r->next);
	settle_check(r->w);
	notify_send("READY=1\nSTATUS=serving, generation %u%s", r->w->gen->number,
		    is_ok ? "" : ", last reload failed");
	errs_done(&r->errs);
	errs_init(&r->errs);
	children_balance(r->w);
	if (r->is_wanted_again && !r->w->stopping) {
		r->is_wanted_again = 0;
		memcpy(r->askers, r->later, sizeof(r->askers));
		r->n_askers = r->n_later;
		r->n_later = 0;
		start(r);
	}
}

static void set_failure(struct reload *r, int is_config, const char *fmt, ...) PRINTF(3, 4);
static void set_failure(struct reload *r, int is_config, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(r->failure, sizeof(r->failure), fmt, ap);
	va_end(ap);
	r->is_config = is_config;
}

/* ---- the end of a good one ---- */

static int is_same_sql(const struct endpoint *a, const struct endpoint *b)
{
	if (a->n_variants != b->n_variants || a->database != b->database)
		return 0;
	for (unsigned i = 0; i < a->n_variants; i++)
		if (strcmp(a->variants[i].sql, b->variants[i].sql))
			return 0;
	return 1;
}

/* What an endpoint earned by its old statement says nothing about its new one. */
static void reset_express(struct weird *w, const struct generation *old, const struct generation *new)
{
	for (unsigned i = 0; i < new->s.endpoints.n; i++) {
		const struct endpoint *b = new->s.endpoints.v[i];

		for (unsigned k = 0; k < old->s.endpoints.n; k++) {
			const struct endpoint *a = old->s.endpoints.v[k];

			if (a->metric == b->metric && !is_same_sql(a, b))
				express_reset(&region_endpoint(&w->region, b->metric)->express);
		}
	}
}

/* BACK or MONITOR take too long. */
static void on_late(uv_timer_t *t)
{
	struct reload *r = t->data;
	int is_ok = r->phase == MONITOR;

	errs_warn(&r->errs, NULL, 0, 0, "%s", is_ok ? "weir-monitor is not ready yet"
						     : "the old generation is not fully restored yet");
	finish(r, is_ok);
}

static void commit(struct reload *r)
{
	struct weird *w = r->w;
	struct generation *old = w->gen;
	const struct opts_log *log = &r->next->s.options.log;
	struct child *monitor = &w->children[w->n_numbers];
	struct err e;

	w->gen = generation_ref(r->next);
	w->spawn_gen = w->gen;
	generation_publish(w->gen, &w->region);
	reset_express(w, old, w->gen);
	w->log_level_override = -1;
	atomic_store(&w->region.h->log_level, (uint32_t)log->level);
	log_set_level((enum log_level)log->level);
	if (strcmp(log->file, old->s.options.log.file) && logs_open(w->logs, log->file, &e))
		errs_warn(&r->errs, NULL, 0, 0, "%s", e.text);
	generation_unref(&old);
	respawn_forget(w);
	r->phase = MONITOR;
	if (child_configure(monitor, w->gen) == 0)
		log_debug("weir-monitor goes on with generation %u", w->gen->number);
	else if (monitor->state == STATE_ready || monitor->state == STATE_starting)
		child_ask(monitor);
	else if (!w->has_monitor || monitor->state == STATE_backoff)
		finish(r, 1);
	if (r->phase == MONITOR)
		uv_timer_start(&r->timer, on_late, w->gen->s.options.workers.ready_timeout + MORE_MS,
			       0);
}

/* ---- the roll ---- */

static void begin_back(struct reload *r)
{
	r->phase = BACK;
	r->w->spawn_gen = r->w->gen;
	log_error("reload: %s; going back to generation %u", r->failure, r->w->gen->number);
	/* If the old one cannot be restored in time the asker must still hear of it; backoff goes on. */
	uv_timer_start(&r->timer, on_late, r->w->gen->s.options.workers.ready_timeout + MORE_MS, 0);
}

static void roll(struct reload *r)
{
	struct weird *w = r->w;
	struct generation *target = r->phase == BACK ? w->gen : r->next;
	unsigned wanted = children_target(w), ready = 0, starting = 0, waiting = 0, old = 0;
	struct child *c, *oldest;

	for (unsigned i = 0; i < w->n_numbers; i++) {
		c = &w->children[i];
		if (c->state == STATE_backoff) {
			waiting++;
		} else if (c->state == STATE_starting) {
			if (c->gen == target)
				starting++;
			else
				child_ask(c);
		} else if (c->state == STATE_ready) {
			if (c->gen == target)
				ready++;
			else
				old++;
		}
	}
	for (; old && old + ready > wanted; old--) {
		oldest = NULL;
		for (unsigned i = 0; i < w->n_numbers; i++) {
			c = &w->children[i];
			if (c->state == STATE_ready && c->gen != target &&
			    (!oldest || c->started_ns < oldest->started_ns))
				oldest = c;
		}
		check(oldest);
		child_ask(oldest);
		r->replaced++;
	}
	if (ready >= wanted && !old) {
		if (r->phase == BACK)
			finish(r, 0);
		else
			commit(r);
		return;
	}
	if (starting || ready + waiting >= wanted)
		return;
	if (!children_start(w, target) && r->phase == ROLLING) {
		set_failure(r, 0, "no further worker could be started");
		begin_back(r);
	}
}

void reload_changed(struct weird *w)
{
	if (w->reload->phase == ROLLING || w->reload->phase == BACK)
		roll(w->reload);
}

void reload_child_ready(struct weird *w, struct child *c)
{
	struct reload *r = w->reload;

	if (r->phase == CANDIDATE && c == r->candidate) {
		int was_whole = 0;

		buf_clear(&r->log);
		buf_add(&r->log, c->captured.p, c->captured.n);
		for (unsigned i = 0; i < w->n_numbers; i++) {
			const struct child *o = &w->children[i];

			was_whole |= o != c && o->state == STATE_ready &&
				     !atomic_load(&child_row(o)->is_degraded);
		}
		if (c->is_degraded && was_whole) {
			set_failure(r, 0, "the new generation cannot reach a database, the running one can");
			r->phase = IDLE;	/* not the candidate any more: it may be asked to go */
			child_ask(c);
			finish(r, 0);
			return;
		}
		if (c->is_degraded)
			errs_warn(&r->errs, NULL, 0, 0, "ready but degraded: a database is not reachable");
		r->phase = ROLLING;
		r->candidate = NULL;
		w->spawn_gen = r->next;
		roll(r);
	} else if (r->phase == MONITOR && child_is_monitor(c)) {
		finish(r, 1);
	} else {
		reload_changed(w);
	}
}

int reload_child_warned(struct weird *w, const struct child *c, struct slice file, unsigned line, struct slice text)
{
	struct reload *r = w->reload;
	char name[PATH_MAX];

	if (r->phase != CANDIDATE || c != r->candidate)
		return 0;
	snprintf(name, sizeof(name), "%.*s", SLICE_ARG(file));
	errs_warn(&r->errs, name, line, 0, "%.*s", SLICE_ARG(text));
	return 1;
}

void reload_child_fault(struct weird *w, const struct child *c, struct slice file, unsigned line, unsigned col, struct slice text)
{
	struct reload *r = w->reload;
	char name[PATH_MAX];

	if (r->phase != CANDIDATE || c != r->candidate)
		return;
	snprintf(name, sizeof(name), "%.*s", SLICE_ARG(file));
	(void)errs_add(&r->errs, E_sql, name, line, col, "%.*s", SLICE_ARG(text));
}

static void on_candidate_failed(uv_timer_t *t)
{
	finish(t->data, 0);
}

void reload_child_failed(struct weird *w, struct child *c, const char *why)
{
	struct reload *r = w->reload;

	if (r->phase == MONITOR && child_is_monitor(c)) {
		errs_warn(&r->errs, NULL, 0, 0, "weir-monitor %s; it is tried again", why);
		finish(r, 1);
		return;
	}
	if ((r->phase != CANDIDATE || c != r->candidate) &&
	    (r->phase != ROLLING || c->gen != r->next))
		return;
	buf_clear(&r->log);
	buf_add(&r->log, c->captured.p, c->captured.n);
	if (r->errs.n_all)
		set_failure(r, 1, "%zu error%s", r->errs.n_all, r->errs.n_all == 1 ? "" : "s");
	else
		set_failure(r, c->exit_code == EXIT_CONFIG, "a new worker %s", why);
	if (r->phase == ROLLING) {
		begin_back(r);
		return;
	}
	/* Answered from the loop: only then the candidate's number is out of the count. */
	c->is_wanted = 0;
	r->phase = FAILED;
	uv_timer_start(&r->timer, on_candidate_failed, 0, 0);
}

/* ---- reading ---- */

/* Everybody who waited has been answered; what was begun is nobody's. */
static void drop_next(struct reload *r)
{
	r->phase = IDLE;
	r->candidate = NULL;
	r->w->spawn_gen = r->w->gen;
	generation_unref(&r->next);
	errs_done(&r->errs);
	errs_init(&r->errs);
}

static void on_read(uv_work_t *work)
{
	struct reload *r = CONTAINER_OF(work, struct reload, work);

	validate_load(&r->next->s, r->w->conf_path, &r->errs);
}

static int fits_region(const struct reload *r)
{
	const struct options *a = &r->w->gen->s.options, *b = &r->next->s.options;

	if (a->n_databases != b->n_databases)
		return 0;
	for (unsigned i = 0; i < a->n_databases; i++)
		if (strcmp(a->databases[i].name, b->databases[i].name))
			return 0;
	return 1;
}

static void on_read_done(uv_work_t *work, int status)
{
	struct reload *r = CONTAINER_OF(work, struct reload, work);
	struct weird *w = r->w;
	struct err e;

	if (w->stopping) {
		drop_next(r);
		return;
	}
	if (status) {
		set_failure(r, 0, "the files could not be read: %s", uv_strerror(status));
		finish(r, 0);
		return;
	}
	if (r->errs.n_all) {
		set_failure(r, 1, "%zu error%s", r->errs.n_all, r->errs.n_all == 1 ? "" : "s");
		finish(r, 0);
		return;
	}
	if (!fits_region(r)) {
		set_failure(r, 1, "database blocks were added, removed or renamed: needs a restart");
		finish(r, 0);
		return;
	}
	options_need_restart(&w->gen->s.options, &r->next->s.options, &r->needs);
	if (generation_seal(r->next, &w->region, w->gen->number + 1, &e)) {
		set_failure(r, 1, "%s", e.text);
		finish(r, 0);
		return;
	}
	settle_begin(w, w->gen, r->next);
	r->phase = CANDIDATE;
	r->candidate = children_start(w, r->next);
	if (!r->candidate) {
		set_failure(r, 0, "no further worker could be started");
		finish(r, 0);
	}
}

static void start(struct reload *r)
{
	log_info("reload: reading %s", r->w->conf_path);
	notify_send("RELOADING=1\nMONOTONIC_USEC=%llu",
		    (unsigned long long)(clock_mono_ns() / 1000));
	r->phase = READING;
	r->next = generation_new();
	r->begun_ns = clock_mono_ns();
	r->replaced = 0;
	r->is_config = 0;
	r->failure[0] = '\0';
	buf_clear(&r->log);
	buf_clear(&r->needs);
	if (uv_queue_work(r->w->loop, &r->work, on_read, on_read_done)) {
		on_read(&r->work);
		on_read_done(&r->work, 0);
	}
}

void reload_request(struct weird *w, const struct asker *asker)
{
	struct reload *r = w->reload;

	if (w->stopping) {
		log_info("reload: not now, weird is stopping");
		if (asker)
			control_answer(w, asker, CTL_FAILED, "weird is stopping", (struct slice){0});
		return;
	}
	if (r->phase == IDLE) {
		if (asker)
			r->askers[r->n_askers++] = *asker;
		start(r);
		return;
	}
	r->is_wanted_again = 1;
	if (asker && r->n_later < ASKERS_MAX)
		r->later[r->n_later++] = *asker;
}

void reload_abort(struct weird *w)
{
	struct reload *r = w->reload;

	for (unsigned i = 0; i < r->n_askers; i++)
		control_answer(w, &r->askers[i], CTL_FAILED, "weird is stopping", (struct slice){0});
	for (unsigned i = 0; i < r->n_later; i++)
		control_answer(w, &r->later[i], CTL_FAILED, "weird is stopping", (struct slice){0});
	r->n_askers = r->n_later = 0;
	r->is_wanted_again = 0;
	uv_timer_stop(&r->timer);
	if (r->phase != IDLE)
		log_info("reload: given up while %s, weird is stopping", reload_phase(w));
	/* While files are read a thread writes into the new generation: on_read_done drops it. */
	if (r->phase != IDLE && r->phase != READING)
		drop_next(r);
}

void reload_init(struct weird *w)
{
	struct reload *r = calloc(1, sizeof(*r));

	check(r);
	r->w = w;
	errs_init(&r->errs);
	buf_init(&r->log, 0);
	buf_init(&r->needs, 0);
	uv_timer_init(w->loop, &r->timer);
	r->timer.data = r;
	w->reload = r;
}
