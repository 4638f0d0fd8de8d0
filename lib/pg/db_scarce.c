/* A server that grants fewer connections than the pool may have: max_connections is reached, or the role's CONNECTION
 * LIMIT. Whatever there is serves. An exclusive request that waits takes an idle express connection, which becomes one
 * of its lane; a worker that has several, or has had its only one for a while, gives one up for a worker that has none;
 * and weir-monitor goes without (workers/monitor/watch.c). */
#include "config.h"

#include "lib/pg/db_priv.h"

#include "lib/base/clock.h"
#include "lib/conf/options.h"
#include "lib/shm/region.h"

#define HOLD_NS (200 * CLOCK_MS)	/* so long a worker has its only connection before another one's turn */
#define TURN_NS (100 * CLOCK_MS)	/* and does not ask for a new one at once */
#define OWED_NS (500 * CLOCK_MS)	/* nor, for so long, before the other one has it: its backend may take a while to go */
#define FULL_NS (10 * CLOCK_S)		/* the server's word holds */
#define SLOTLESS_NS (50 * CLOCK_MS)
#define AGAIN_MOST_MS 5000u

static struct db_state *state_of(const struct db_pool *p)
{
	return region_db(p->conf.region, p->conf.db);
}

void db_scarce_refused(struct db_pool *p, uint64_t now_ns)
{
	uint64_t wait_ms = 500ull << (p->refusals < 4 ? p->refusals : 4);

	p->refusals++;
	p->full_ns = now_ns;
	if (p->n_conns == 0) {
		if (!p->starved_ns)
			p->starved_ns = now_ns;
		atomic_store(&state_of(p)->starved, p->conf.number + 1);
		wait_ms = db_scarce_is_hopeless(p, now_ns) ? 500 : 60;
	}
	if (wait_ms > AGAIN_MOST_MS)
		wait_ms = AGAIN_MOST_MS;
	p->retry_ns = now_ns + wait_ms * CLOCK_MS * (800 + db_random(p) % 400) / 1000;
}

int db_scarce_is_hopeless(const struct db_pool *p, uint64_t now_ns)
{
	return p->starved_ns && now_ns - p->starved_ns > p->conf.opts->connect_timeout * CLOCK_MS;
}

void db_scarce_over(struct db_pool *p)
{
	uint32_t mine = p->conf.number + 1;

	p->starved_ns = 0;
	(void)atomic_compare_exchange_strong(&state_of(p)->starved, &mine, 0);
}

static int has_any(const struct db_pool *p, uint32_t owner)
{
	for (unsigned i = 0; i < p->conf.region->plan.n_slots[p->conf.db]; i++) {
		uint64_t ctl = atomic_load(&region_slot(p->conf.region, p->conf.db, i)->ctl);

		if (SLOT_OWNER(ctl) == owner && SLOT_USE(ctl) != SLOT_CONNECTING)
			return 1;
	}
	return 0;
}

int db_scarce_owes(struct db_pool *p, uint64_t now_ns)
{
	if (likely(!p->owed))
		return 0;
	if (now_ns < p->owed_until_ns && board_is_live(region_board(p->conf.region, p->owed - 1)) && !has_any(p, p->owed))
		return 1;
	p->owed = 0;
	return 0;
}

void db_scarce_slotless(struct db_pool *p, uint64_t now_ns)
{
	if (!p->slotless_ns)
		p->slotless_ns = now_ns;
}

unsigned db_scarce_share(const struct db_pool *p)
{
	const struct region *r = p->conf.region;
	unsigned live = 0;

	for (unsigned n = 0; n < r->plan.n_numbers; n++)
		live += board_is_live(region_board(r, n)) != 0;
	return r->plan.n_slots[p->conf.db] / (live ? live : 1);
}

void db_scarce_leave_one(struct db_pool *p)
{
	struct db_conn *found = NULL;

	LIST_FOR(l, &p->conns)
	{
		struct db_conn *c = LIST_ENTRY(l, struct db_conn, node);

		if (c->lane != LANE_EXCLUSIVE || c->state != DB_C_OPEN)
			continue;
		if (c->is_draining)
			return;
		found = c;	/* the one that was used longest ago */
	}
	if (!found)
		return;
	found->is_draining = 1;
	atomic_store_explicit(&state_of(p)->wanted, 0, memory_order_relaxed);
}

static int is_exclusive_wanted(const struct db_pool *p)
{
	LIST_FOR(l, &p->q_exclusive)
	{
		const struct db_query *q = LIST_ENTRY(l, struct db_query, node);

		if (p->stmts[q->stmt].desc && !p->stmts[q->stmt].is_stale)
			return 1;
	}
	return 0;
}

struct db_conn *db_scarce_convert(struct db_pool *p, uint64_t now_ns)
{
	struct db_conn *found = NULL;

	/* one that is being made is soon there, unless it was not the last time */
	if ((p->failures ? db_has_exclusive(p) : p->n_exclusive > 0) || !p->n_express || list_is_empty(&p->q_exclusive))
		return NULL;
	if (!p->failures && !(p->full_ns && now_ns - p->full_ns < FULL_NS) &&
	    !(p->slotless_ns && now_ns - p->slotless_ns > SLOTLESS_NS))
		return NULL;
	if (!is_exclusive_wanted(p))
		return NULL;
	LIST_FOR(l, &p->conns)
	{
		struct db_conn *c = LIST_ENTRY(l, struct db_conn, node);

		if (c->state == DB_C_OPEN && !c->is_draining && (!found || c->n_fifo < found->n_fifo))
			found = c;
	}
	if (!found)
		return NULL;
	found->is_converting = 1;	/* takes nothing more; what is under way ends first */
	if (!db_conn_is_idle(found))
		return NULL;
	p->n_express--;
	p->n_exclusive++;
	found->lane = LANE_EXCLUSIVE;
	found->is_reset_ready = 0;	/* its settings are others */
	slots_set_lane(p->conf.region, p->conf.db, found->slot, LANE_EXCLUSIVE);
	return found;
}

void db_scarce_yield(struct db_pool *p, uint64_t now_ns)
{
	uint32_t who = atomic_load_explicit(&state_of(p)->starved, memory_order_relaxed);
	struct db_conn *found = NULL;
	unsigned n_open = 0;

	if (!who || who == p->conf.number + 1)
		return;
	LIST_FOR(l, &p->conns)
	{
		struct db_conn *c = LIST_ENTRY(l, struct db_conn, node);

		if (c->state != DB_C_OPEN)
			continue;
		if (c->is_draining)
			return;		/* one is on its way already */
		n_open++;
		/* rather one that is idle, and rather of the exclusive lane, when there are several */
		if (!found || (c->n_fifo == 0) > (found->n_fifo == 0) ||
		    (c->n_fifo == 0 && found->n_fifo == 0 && c->lane > found->lane))
			found = c;
	}
	if (!found || ((n_open == 1 || found->n_fifo) && now_ns - found->opened_ns < HOLD_NS))
		return;
	if (!atomic_compare_exchange_strong(&state_of(p)->starved, &who, 0))
		return;
	if (p->retry_ns < now_ns + TURN_NS)
		p->retry_ns = now_ns + TURN_NS;
	p->full_ns = now_ns;
	p->owed = who;
	p->owed_until_ns = now_ns + OWED_NS;
	found->is_draining = 1;
	if (db_conn_is_over(found))
		db_conn_close(found, now_ns);
}
