/* tier: the second tier of the cache as weir-monitor serves it. It samples what makes an entry of another host
 * comparable (db_state.tier_id, tier_xmin), and carries purges further: each becomes a transaction, whose id makes
 * void what was read before it, and an event, by which the other hosts follow. */
#include "config.h"

#include "workers/monitor/monitor.h"

#include <stdio.h>
#include <string.h>

#include "lib/base/clock.h"
#include "lib/base/log.h"

/* Tags of purges that are not of a tag: "route:GET /x" and "route:*". */
#define ROUTE "route:"

int tier_is_on(const struct monitor *m)
{
	return m->snapshot.options.cache.servers.n && m->region.plan.n_stamps && m->region.plan.cache_bytes;
}

/* While there is no second tier nobody asks what transaction a write was: what is there then is distrusted when it comes
 * back, as that of another server. */
void tier_begin(struct monitor *m)
{
	for (unsigned i = 0; i < m->snapshot.options.n_databases && !tier_is_on(m); i++) {
		atomic_store(&region_db(&m->region, i)->tier_xmin, 0);
		atomic_store(&region_db(&m->region, i)->tier_id, 0);
	}
}

static const char *name_of(const struct monitor_db *d)
{
	return d->m->snapshot.options.databases[d->db].name;
}

/* Which database an order concerns: an endpoint's has one; a tag may be written in any. */
static int concerns(const struct monitor *m, const struct purge *p, unsigned db)
{
	return p->kind != PURGE_ENDPOINT || (p->endpoint < region_endpoints_used(&m->region) &&
					     region_endpoint(&m->region, p->endpoint)->database == db);
}

void tier_ask(struct monitor_db *d)
{
	struct purge_queue *q = &region_tier(&d->m->region)->purges;
	struct db_purge *u = &d->probe.purge;
	struct purge p;

	_Static_assert(sizeof(u->tag) >= sizeof(ROUTE) + PURGE_MAX_TEXT, "the longest tag with its prefix");
	d->probe.tier.wanted = tier_is_on(d->m);
	u->wanted = d->probe.tier.wanted && purge_first(q, &p) && !d->is_purged && concerns(d->m, &p, d->db);
	if (!u->wanted)
		return;
	snprintf(u->tag, sizeof(u->tag), "%s%s", p.kind == PURGE_TAG ? "" : ROUTE, p.kind == PURGE_ALL ? "*" : p.text);
}

static void raise_to(_Atomic uint64_t *at, uint64_t v)
{
	if (v > atomic_load(at))
		atomic_store(at, v);
}

static void apply(struct monitor_db *d, const struct purge *p, uint64_t xid)
{
	struct stamps s = region_stamps(&d->m->region);
	struct stamp_set set = {.n = 0};

	/* what was read by a snapshot that had this transaction before it is good: xmin > xid */
	if (p->kind == PURGE_ALL)
		raise_to(&region_db(&d->m->region, d->db)->purged_xid, xid + 1);
	else if (p->kind == PURGE_ENDPOINT)
		raise_to(&region_endpoint(&d->m->region, p->endpoint)->purged_xid, xid + 1);
	else if (stamps_add(&s, &set, slice_str(p->text)) == 0)
		stamps_bump(&s, &set, xid);
}

/* A standby that was no primary since weird began: nothing of it was ever asked for in memcached, and it cannot be told. */
static int is_bystander(const struct monitor_db *d)
{
	const struct db_state *s = region_db(&d->m->region, d->db);

	return d->probe.is_up && d->probe.is_standby && !atomic_load(&s->tier_id) && !atomic_load(&s->cache_floor_xid);
}

static void purge_done(struct monitor_db *d)
{
	struct monitor *m = d->m;
	struct purge_queue *q = &region_tier(&m->region)->purges;
	const struct db_purge *u = &d->probe.purge;
	struct purge p;

	if (!purge_first(q, &p))
		return;
	if (u->is_done)
		apply(d, &p, u->xid);
	else
		atomic_store(&region_db(&m->region, d->db)->purged_xid, PURGED_ALL);
	if (u->is_done && !u->is_told && !m->has_warned_untold) {
		m->has_warned_untold = 1;
		log_warn("database %s: other hosts cannot be told of purges, since sql/weir/events.sql is not installed there, "
			 "or this user may not use it", name_of(d));
	}
	d->is_purged = 1;
	for (unsigned i = 0; i < m->snapshot.options.n_databases; i++)
		if (concerns(m, &p, i) && !m->dbs[i].is_purged)
			return;
	for (unsigned i = 0; i < m->snapshot.options.n_databases; i++)
		m->dbs[i].is_purged = 0;
	purge_end(q);
}

static void sample(struct monitor_db *d)
{
	struct db_state *s = region_db(&d->m->region, d->db);
	const struct db_tier *t = &d->probe.tier;

	if (!d->probe.is_up)
		return;		/* what was known stays true */
	if (!t->id && t->error[0] && !d->has_tier_failed)
		log_warn("database %s: nothing of it goes to memcached: %s", name_of(d), t->error);
	d->has_tier_failed = !t->id && t->error[0];
	if (t->id != atomic_load(&s->tier_id)) {
		atomic_store(&s->tier_xmin, 0);
		/* another server, or none: what this host knows of writes is of the one before. L1's floor is raised when
		 * the listener has followed. */
		if (t->id)
			events_distrust(d, 0, t->xmax);
		atomic_store(&s->tier_id, t->id);
	}
	if (!t->id)
		return;
	if (atomic_load(&s->purged_xid) == PURGED_ALL)
		atomic_store(&s->purged_xid, t->xmax);
	atomic_store(&s->tier_xmin, t->xmin);
}

/* It stays first in its queue and is tried again; until then nothing of memcached is believed here. */
static void purge_failed(struct monitor_db *d)
{
	if (d->probe.purge.error[0] && !d->has_purge_failed)
		log_warn("database %s: a purge waits, and nothing of memcached is used meanwhile: %s", name_of(d),
			 d->probe.purge.error);
	d->has_purge_failed = d->probe.purge.error[0] != 0;
}

void tier_answer(struct monitor_db *d)
{
	if (d->probe.tier.wanted)
		sample(d);
	if (!d->probe.purge.wanted)
		return;
	if (d->probe.purge.is_done || is_bystander(d))
		purge_done(d);
	else
		purge_failed(d);
}

/* Of this part; they are in shared memory alone. */
static void purge_wholes(const struct monitor *m, unsigned part, uint64_t now_ms)
{
	const struct endpoints *eps = &m->snapshot.endpoints;

	for (size_t i = 0; i < eps->n; i++)
		if (endpoint_has_part(eps->v[i], part))
			raise_to(&region_endpoint(&m->region, eps->v[i]->metric)->purged_ms, now_ms);
}

void tier_hear(struct monitor_db *d, struct slice tag, uint64_t xid)
{
	const struct region *r = &d->m->region;
	uint64_t now = clock_boot_ms();

	if (!slice_starts(tag, SLICE(ROUTE)))
		return;
	tag = slice_of(tag.p + strlen(ROUTE), tag.n - strlen(ROUTE));
	for (unsigned i = 0; i < region_endpoints_used(r); i++) {
		struct region_endpoint *e = region_endpoint(r, i);

		if (e->database != d->db || (!slice_eq(tag, SLICE("*")) && !slice_eq(tag, slice_str(e->route))))
			continue;
		raise_to(&e->purged_xid, xid + 1);
		raise_to(&e->purged_ms, now);
		purge_wholes(d->m, i, now);
	}
}
