/* respawn: when what died is started again: the policy of reap.h, applied to children. */
#include "config.h"

#include <sys/random.h>

#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/ctl/heritage.h"
#include "supervisor/weird.h"

#define CONFIG_RETRY_MS 5000u	/* exit 78 or 81: not respawned hot */
#define TRIAL_NS (10 * CLOCK_S)

uint64_t respawn_wait_ms(struct child *c)
{
	struct weird *w = c->w;
	uint64_t now = clock_mono_ns(), ms;
	uint32_t random = 0;
	int opened;

	if (c->is_counted)
		return c->wait_ms;
	c->is_counted = 1;
	atomic_fetch_add(&child_row(c)->restarts, 1);
	if (getrandom(&random, sizeof(random), GRND_NONBLOCK) < 0)
		random = (uint32_t)now;
	ms = reap_pool_death(child_is_monitor(c) ? &w->monitor_pool : &w->pool, now, c->was_ready, random, &opened);
	if (opened && !child_is_monitor(c))
		log_error("more than %d workers died within 30 s: they start one after the other until one has "
			  "lived for 10 s", REAP_POOL_DEATHS);
	if ((c->exit_code == EXIT_CONFIG || c->exit_code == EXIT_HERITAGE) && ms < CONFIG_RETRY_MS)
		ms = CONFIG_RETRY_MS;
	return ms;
}

int respawn_may_start(const struct weird *w)
{
	if (!w->pool.is_open)
		return 1;
	for (unsigned i = 0; i < w->n_numbers; i++)
		if (w->children[i].is_trial && w->children[i].state == STATE_starting)
			return 0;
	return 1;
}

void respawn_wake(struct weird *w)
{
	if (!respawn_may_start(w))
		return;
	for (unsigned i = 0; i < w->n_numbers; i++)
		if (w->children[i].waits_for_trial)
			child_wake(&w->children[i]);
}

void respawn_judge_trial(struct child *c, uint64_t now_ns)
{
	struct weird *w = c->w;

	if (!c->is_trial || c->state != STATE_ready || now_ns - c->started_ns <= TRIAL_NS)
		return;
	c->is_trial = 0;
	if (w->pool.is_open)
		log_info("worker %u has lived for 10 s: workers start normally again", c->number);
	reap_pool_close(&w->pool);
}

void respawn_forget(struct weird *w)
{
	reap_pool_close(&w->pool);
	w->pool.n = 0;
	for (unsigned i = 0; i <= w->n_numbers; i++)
		child_wake(&w->children[i]);
}
