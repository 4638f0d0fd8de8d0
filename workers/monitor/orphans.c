/* Tags of writes whose outcome nobody knows: their worker died with them open, or the connection was lost in COMMIT.
 * They are neither served nor filled (the orphan bit of lib/shm/stamps.h) until no backend is left that could still
 * commit such a write; each database is asked by its prober (db_probe.orphans).
 *
 * The same is asked when nobody can say under which tags (region_header.unsettled_ns): at weird's start, since an instance before
 * this one may have left a COMMIT that waits, and when a worker of an older configuration died during a reload. Until it is
 * answered nothing under tags is kept or believed (REGION_UNSETTLED).
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
#define SOON_MS 500u
#define SAY_NS (60 * CLOCK_S)
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
	/* What a transaction pooler calls its process is a number of its own, and may be that of another's backend. Its sessions stay
	 * when their users go: the idle ones count until it is late, which is when nothing can be in a dead worker's socket. */
	if (m->snapshot.options.databases[db].pooler)
		return;
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
	/* At the start a COMMIT may lie in the socket of a backend that seems to idle, but not for long. What workers of a weird that
	 * is gone had not sent by then they do not send (orphan_writes in workers/loop.c). */
	if (m->orphans.is_start && (o->is_late = o->age_ms > SOON_MS))
		o->age_ms -= SOON_MS;
	collect_live(m, d->db, o);
}

/* Nothing of before it was asked can be committed any more, in this database. */
static void believe_again(struct monitor_db *d)
{
	struct db_state *s = region_db(&d->m->region, d->db);
	uint64_t unsettled = REGION_UNSETTLED;

	/* What of it was read before its end may be in memcached, with its very transaction for an xmin: a snapshot's xmax is behind the
	 * last that has ended, not behind those under way, so the floor of who began to listen may be as low. Before tags are served;
	 * a server that is not asked for yet, a standby, say, has its floor when it is. */
	if (atomic_load(&s->cache_floor_ms) == REGION_UNSETTLED && atomic_load(&s->tier_id))
		events_distrust(d, 0, d->probe.orphans.xmax);
	if (d->m->orphans.since_ns < atomic_load(&d->m->region.h->unsettled_ns) ||
	    !atomic_compare_exchange_strong(&s->cache_floor_ms, &unsettled, clock_boot_ms()))
		return;
	if (d->unasked_ns)
		log_info("database %s: it was found out which writes are under way: answers under tags are kept again", d->opts->name);
	d->unasked_ns = 0;
	if (!d->has_waited)
		return;
	log_info("database %s: what an instance before this one was committing has ended: tags are served again", d->opts->name);
	d->has_waited = 0;
}

static int is_unsettled(const struct monitor *m)
{
	for (unsigned i = 0; i < m->snapshot.options.n_databases; i++)
		if (atomic_load(&region_db(&m->region, i)->cache_floor_ms) == REGION_UNSETTLED)
			return 1;
	return 0;
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

/* Without an answer nothing goes on: that is seen in weir_cache_unsettled alone, else. */
static void say_unasked(struct monitor_db *d, const struct db_orphans *o)
{
	uint64_t now_ns = clock_mono_ns();

	if (!o->error[0] || (d->unasked_ns && now_ns - d->unasked_ns < SAY_NS))
		return;
	d->unasked_ns = now_ns;
	log_warn("database %s: cannot find out which writes of before are under way, so %s: %s", d->opts->name,
		 d->m->orphans.is_start ? "no answer under tags is kept" : "the tags of writes with an unknown end are not served",
		 o->error);
}

void orphans_answer(struct monitor_db *d)
{
	const struct db_orphans *o = &d->probe.orphans;

	if (!o->wanted || !d->m->orphans.is_open || o->round != d->m->orphans.round)
		return;
	if (!o->is_answered) {
		say_unasked(d, o);
		return;
	}
	if (o->n_left) {
		d->has_waited |= d->m->orphans.is_start && o->is_late;
		return;
	}
	d->orphans_gone = 1;
	believe_again(d);
	settle(d->m);
}

static void open_round(struct monitor *m, uint64_t epoch, uint64_t since_ns, int is_start)
{
	m->orphans.is_open = 1;
	m->orphans.is_start = is_start;
	m->orphans.epoch = epoch;
	m->orphans.since_ns = since_ns;
	m->orphans.round++;
	for (unsigned i = 0; i < m->snapshot.options.n_databases; i++)
		m->dbs[i].orphans_gone = 0;
}

void orphans_tick(struct monitor *m, uint64_t now_ns)
{
	struct stamps s = region_stamps(&m->region);
	uint64_t epoch;
	int is_start;

	if (!s.n || now_ns < m->orphans.next_ns)
		return;
	m->orphans.next_ns = now_ns + LOOK_NS;
	epoch = atomic_load(&m->region.h->orphan_epoch);
	if (epoch != m->orphans.epoch_seen) {
		m->orphans.epoch_seen = epoch;
		m->orphans.moved_ns = now_ns;
		m->orphans.is_open = 0;	/* who died now may be in what was answered as alive */
	}
	is_start = is_unsettled(m);
	if (m->orphans.is_open && is_start && m->orphans.since_ns < atomic_load(&m->region.h->unsettled_ns))
		m->orphans.is_open = 0;		/* it would not do */
	if (m->orphans.is_open ||
	    (!is_start && now_ns - m->orphans.moved_ns > AGAIN_NS && now_ns - m->orphans.looked_ns < ALWAYS_NS))
		return;
	m->orphans.looked_ns = now_ns;
	if (stamps_orphans(&s))
		open_round(m, epoch, now_ns, 0);
	else if (is_start)
		open_round(m, epoch, atomic_load(&m->region.h->unsettled_ns), 1);
}
