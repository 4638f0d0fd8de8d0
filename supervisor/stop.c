/* stop: leaving. Workers first, weir-monitor last, so that status can be read until the end.
 *
 * An order in any phase of any other ends as the later one says (tests/it/test_74_orders.py):
 *
 *              starting            serving   reload, any phase     stopping                stopping fast
 *   HUP reload when it has started begins    one more behind it    refused, said           refused, said
 *   USR1       when it has started reopens   reopens               reopens                 reopens
 *   QUIT       ends, 0             patient   given up, patient     –                       –
 *   TERM stop  ends, 0             graceful  given up, graceful    the second one: fast    –
 *   INT fast   ends, 0             fast      given up, fast        fast                    –
 *
 * Nothing is started behind a stop: child_spawn refuses, and whoever would wait to be started again is freed. */
#include "config.h"

#include <signal.h>
#include <stdlib.h>

#include "lib/base/log.h"
#include "lib/ctl/heritage.h"
#include "supervisor/notify.h"
#include "supervisor/reload.h"
#include "supervisor/weird.h"

#define FAST_MS 1000u
#define TERM_MS 2000u

static void on_time(uv_timer_t *t)
{
	struct weird *w = t->data;

	if (w->stop_stage == 0 && w->stopping != STOP_FAST) {
		log_warn("stop: the time is over, SIGTERM to %u processes", children_alive(w));
		children_signal(w, SIGTERM);
		w->stop_stage = 1;
		uv_timer_start(&w->stop_timer, on_time, TERM_MS, 0);
		return;
	}
	if (w->stop_stage < 2) {
		log_warn("stop: SIGKILL to %u processes", children_alive(w));
		children_signal(w, SIGKILL);
		w->stop_stage = 2;
		w->exit_code = w->stopping == STOP_FAST ? 0 : EXIT_FAIL;
		uv_timer_start(&w->stop_timer, on_time, TERM_MS, 0);
		return;
	}
	log_error("stop: %u processes do not end by SIGKILL", children_alive(w));
	w->exit_code = EXIT_FAIL;
	uv_stop(w->loop);
}

static void ask_all(struct weird *w)
{
	struct child *monitor = &w->children[w->n_numbers];

	for (unsigned i = 0; i < w->n_numbers; i++)
		child_ask(&w->children[i]);
	if (monitor->state == STATE_backoff)
		child_ask(monitor);
}

void weird_stop(struct weird *w, enum stopping how)
{
	const struct opts_workers *o = &w->gen->s.options.workers;

	if (how <= w->stopping)
		return;
	if (!w->stopping) {
		notify_send("STOPPING=1\nSTATUS=stopping");
		uv_timer_init(w->loop, &w->stop_timer);
		w->stop_timer.data = w;
		reload_abort(w);
	}
	log_info("stopping%s", how == STOP_FAST ? " fast" : ", requests in flight finish");
	w->stopping = how;
	w->stop_stage = 0;
	ask_all(w);
	if (how == STOP_FAST) {
		children_stop_now(w);
		uv_timer_start(&w->stop_timer, on_time, FAST_MS, 0);
	} else {
		uv_timer_start(&w->stop_timer, on_time,
			       how == STOP_PATIENT ? o->drain_timeout : o->stop_timeout, 0);
	}
	stop_check(w);
}

void stop_check(struct weird *w)
{
	struct child *monitor = &w->children[w->n_numbers];
	unsigned alive = children_alive(w);

	if (alive == 0) {
		uv_stop(w->loop);
		return;
	}
	if (alive == (monitor->pid != 0) &&
	    (monitor->state == STATE_ready || monitor->state == STATE_starting))
		child_ask(monitor);
}

#define ASKERS_MAX 64u
static struct asker askers[ASKERS_MAX];
static unsigned n_askers;

void stop_wait(struct weird *w, const struct asker *a)
{
	(void)w;
	if (n_askers < ASKERS_MAX)
		askers[n_askers++] = *a;
}

void stop_answer(struct weird *w)
{
	for (unsigned i = 0; i < n_askers; i++)
		control_answer(w, &askers[i], CTL_DONE, "stopped",
			       askers[i].wants_json ? SLICE("{\"stopped\":true}\n")
						    : (struct slice){0});
	n_askers = 0;
}
