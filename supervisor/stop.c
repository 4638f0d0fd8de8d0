/* Stopping: drain everybody, then SIGTERM, then SIGKILL; weir-monitor goes last, so that status answers. */
#include "config.h"
#include "supervisor/weird.h"

#include <signal.h>

#include "lib/base/log.h"
#include "lib/ctl/heritage.h"
#include "supervisor/notify.h"

#define TERM_MS 2000u
#define FAST_MS 1000u

static void on_timer(uv_timer_t *t)
{
	struct weird *w = t->data;

	if (w->stop_stage++ == 0) {
		log_warn("%u children are still there, SIGTERM", children_alive(w));
		children_signal(w, SIGTERM);
		uv_timer_start(&w->stop_timer, on_timer, TERM_MS, 0);
		return;
	}
	log_warn("%u children are still there, SIGKILL", children_alive(w));
	children_signal(w, SIGKILL);
	uv_timer_start(&w->stop_timer, on_timer, TERM_MS, 0);
}

static void workers_go(struct weird *w)
{
	for (unsigned i = 0; i < w->n_numbers; i++) {
		struct child *c = &w->children[i];

		if (c->state == STATE_starting || c->state == STATE_ready || c->state == STATE_backoff)
			child_ask(c);
	}
}

void weird_stop(struct weird *w, enum stopping how)
{
	const struct opts_workers *o = &w->gen->s.options.workers;
	uint64_t ms = how == STOP_FAST ? FAST_MS : how == STOP_PATIENT ? o->drain_timeout : o->stop_timeout;

	if (w->stopping == STOP_FAST || (w->stopping && how != STOP_FAST))
		how = STOP_FAST;	/* asked a second time */
	if (w->stopping != how)
		log_info("stopping%s", how == STOP_FAST ? " fast" : ", requests in flight are finished");
	w->stopping = how;
	notify_send("STOPPING=1\nSTATUS=Stopping");
	if (how == STOP_FAST) {
		ms = FAST_MS;
		children_stop_now(w);
	}
	workers_go(w);
	w->stop_timer.data = w;
	uv_timer_start(&w->stop_timer, on_timer, ms, 0);
	stop_check(w);
}

void stop_check(struct weird *w)
{
	unsigned alive = children_alive(w);
	struct child *monitor = &w->children[w->n_numbers];

	if (!w->stopping)
		return;
	if (alive == 1 && monitor->pid > 0) {
		child_send(monitor, HERITAGE_STOP, 0);
		return;
	}
	if (alive == 0)
		uv_stop(w->loop);
}
