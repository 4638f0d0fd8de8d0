/* Writes that Weir does not see: what the sessions of listener.c hear, made into bumps of stamps. */
#include "config.h"

#include "workers/monitor/monitor.h"

#include "lib/base/check.h"
#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/pg/db_event.h"
#include "lib/shm/metrics.h"

#define XID_SLACK 100000000ull	/* transactions that a server may begin between two looks at it */

void events_distrust(struct monitor_db *d, uint64_t ms, uint64_t xid)
{
	struct db_state *s = region_db(&d->m->region, d->db);

	if (xid > atomic_load(&s->cache_floor_xid))
		atomic_store(&s->cache_floor_xid, xid);
	if (ms > atomic_load(&s->cache_floor_ms))
		atomic_store(&s->cache_floor_ms, ms);
}

/* A transaction that cannot have begun yet would hold its tags back for ever. */
static uint64_t credible(struct monitor_db *d, uint64_t xid)
{
	uint64_t known = d->probe.xmax;

	for (unsigned i = 0; i < d->n_listeners; i++)
		if (d->listeners[i].hearing.opened_ns && d->listeners[i].listen.xmax > known)
			known = d->listeners[i].listen.xmax;
	return xid > known + XID_SLACK ? known : xid;
}

static void bump(struct monitor_db *d, const struct db_event *ev, uint64_t xid)
{
	struct stamps s = region_stamps(&d->m->region);
	struct stamp_set set = {.n = 0};

	for (unsigned i = 0; i < ev->n_tags; i++) {
		tier_hear(d, ev->tags[i], xid);
		if (stamps_add(&s, &set, ev->tags[i]) == 0)
			continue;
		stamps_bump(&s, &set, xid);
		set.n = 0;
		check(stamps_add(&s, &set, ev->tags[i]) == 0);
	}
	stamps_bump(&s, &set, xid);
}

void events_lag(struct monitor_db *d, uint64_t ns)
{
	histo_add(&region_db(&d->m->region, d->db)->event_lag, ns);
}

static void apply(struct monitor_db *d, const struct db_event *ev)
{
	struct db_state *s = region_db(&d->m->region, d->db);
	uint64_t xid = credible(d, ev->xid);

	bump(d, ev, xid);
	if (ev->is_all) {
		events_distrust(d, clock_boot_ms(), xid + 1);
		metric_add(&s->events_all, 1);
	}
	metric_add(&s->events, 1);
	metric_add(&s->event_tags, ev->n_tags);
	if (ev->is_watch)
		slot_reread(d);
	if (ev->why.n)
		log_warn("database %s: a watched table cannot say what was written, so all that is cached under tags is "
			 "distrusted: %.*s; run weir.watch again", d->opts->name, SLICE_ARG(ev->why));
}

void events_hear(struct listener *l, struct slice payload)
{
	struct monitor_db *d = l->d;
	struct arena a;
	struct db_event ev;
	struct err e = {0};

	arena_init(&a, &d->m->arenas);
	if (db_event_parse(payload, &a, &ev, &e)) {
		metric_add(&region_db(&d->m->region, d->db)->events_bad, 1);
		log_warn("database %s: an event of %zu bytes is not understood, nothing is invalidated by it: %s", d->opts->name,
			 payload.n, e.text);
	} else if (ev.nonce) {
		nonce_heard(d, &l->hearing, ev.nonce);
	} else {
		apply(d, &ev);
	}
	arena_done(&a);
}

void events_tick(struct monitor *m, uint64_t now_ns)
{
	if (!m->region.plan.n_stamps || !m->region.plan.cache_bytes)
		return;
	for (unsigned i = 0; i < m->snapshot.options.n_databases; i++) {
		struct monitor_db *d = &m->dbs[i];

		if (d->opts->events == EVENTS_OFF)
			continue;
		if (d->opts->events == EVENTS_SLOT)
			slot_tick(d, now_ns);
		listeners_tick(d, now_ns);
		nonce_tick(d, now_ns);
	}
}
