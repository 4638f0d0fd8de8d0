/* Tags of writes whose outcome nobody knows: their worker died with them open, or the connection was lost in COMMIT.
 * They are neither served nor filled (the orphan bit of lib/shm/stamps.h) until no backend is left that could still
 * commit such a write; each database is asked by its prober (db_probe.orphans).
 *
 * A backend counts when it is of our name and database, is older than the round and is not in the slot of a live
 * worker. Idle ones count too: a COMMIT may still lie in their socket; but not for ever, since other programs may
 * use our name. One in a transaction that is as old counts as long as it is. */
#include "config.h"

#include "workers/monitor/monitor.h"

#include "lib/base/clock.h"
#include "lib/base/log.h"

#define LOOK_NS (100 * CLOCK_MS)
#define AGAIN_NS (2 * CLOCK_S)	/* after the last sign of new ones: the bits come behind it */
#define ALWAYS_NS (5 * CLOCK_S)	/* without any sign: it costs about a millisecond */

/* Twice what any statement may take. */
static uint64_t patience_ms(const struct monitor *m)
{
	const struct snapshot *s = &m->snapshot;
	uint64_t ms = 0;

	for (unsigned i = 0; i < s->options.n_databases; i++)
		if (s->options.databases[i].query_timeout > ms)
			ms = s->options.databases[i].query_timeout;
	for (unsigned i = 0; i < s->endpoints.n; i++)
		if (s->endpoints.v[i]->timeout_ms > ms)
			ms = s->endpoints.v[i]->timeout_ms;
	return 2 * ms;
}

static void collect_live(const struct monitor *m, unsigned db, struct db_orphans *o)
{
	o->n_live = 0;
	for (unsigned i = 0; i < m->region.plan.n_slots[db]; i++) {
		const struct slot *s = region_slot(&m->region, db, i);
		uint64_t ctl = atomic_load(&s->ctl);
		uint32_t pid = atomic_load(&s->backend_pid);

		if (SLOT_OWNER(ctl) && SLOT_USE(ctl) != SLOT_ZOMBIE && pid && o->n_live < ARRAY_LEN(o->live))
			o->live[o->n_live++] = pid;
	}
}

void orphans_ask(struct monitor_db *d, uint64_t now_ns)
{
	struct monitor *m = d->m;
	struct db_orphans *o = &d->probe.orphans;

	o->wanted = m->orphans.is_open && !d->orphans_gone;
	if (!o->wanted)
		return;
	o->round = m->orphans.round;
	o->age_ms = (now_ns - m->orphans.since_ns) / CLOCK_MS;
	o->is_late = o->age_ms > patience_ms(m);
	collect_live(m, d->db, o);
}

static void settle(struct monitor *m)
{
	struct stamps s = region_stamps(&m->region);
	uint64_t xmax = 0;
	unsigned n;

	for (unsigned i = 0; i < m->snapshot.options.n_databases; i++) {
		if (!m->dbs[i].orphans_gone)
			return;
		if (m->dbs[i].probe.orphans.xmax > xmax)
			xmax = m->dbs[i].probe.orphans.xmax;
	}
	n = stamps_settle_orphans(&s, &m->region.h->orphan_epoch, m->orphans.epoch, xmax ? xmax - 1 : 0);
	m->orphans.is_open = 0;
	if (n)
		log_info("%u tags of writes with an unknown end are served again", n);
}

void orphans_answer(struct monitor_db *d)
{
	const struct db_orphans *o = &d->probe.orphans;

	if (!o->wanted || !d->m->orphans.is_open || o->round != d->m->orphans.round || !o->is_answered || o->n_left)
		return;
	d->orphans_gone = 1;
	settle(d->m);
}

static void open_round(struct monitor *m, uint64_t epoch, uint64_t now_ns)
{
	m->orphans.is_open = 1;
	m->orphans.epoch = epoch;
	m->orphans.since_ns = now_ns;
	m->orphans.round++;
	for (unsigned i = 0; i < m->snapshot.options.n_databases; i++)
		m->dbs[i].orphans_gone = 0;
}

void orphans_tick(struct monitor *m, uint64_t now_ns)
{
	struct stamps s = region_stamps(&m->region);
	uint64_t epoch;

	if (!s.n || now_ns < m->orphans.next_ns)
		return;
	m->orphans.next_ns = now_ns + LOOK_NS;
	epoch = atomic_load(&m->region.h->orphan_epoch);
	if (epoch != m->orphans.epoch_seen) {
		m->orphans.epoch_seen = epoch;
		m->orphans.moved_ns = now_ns;
		m->orphans.is_open = 0;	/* who died now may be in what was answered as alive */
	}
	if (m->orphans.is_open || (now_ns - m->orphans.moved_ns > AGAIN_NS && now_ns - m->orphans.looked_ns < ALWAYS_NS))
		return;
	m->orphans.looked_ns = now_ns;
	if (stamps_orphans(&s))
		open_round(m, epoch, now_ns);
}
