/* Writes that Weir does not see: a session for each database that listens, and what it hears made into bumps of
 * stamps. It is read as soon as there is something: a listener that does not read fills the server's queue and
 * stops commits in the end.
 * After each connect the database's floor rises (doc/invalidation.md): what was cached before may have missed an
 * event, and nobody assumes that nothing happened. */
#include "config.h"

#include "workers/monitor/monitor.h"

#include <stdlib.h>

#include "lib/base/check.h"
#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/pg/db_event.h"
#include "lib/shm/metrics.h"

#define RETRY_FIRST_NS (50 * CLOCK_MS)
#define RETRY_MOST_NS (2 * CLOCK_S)
#define XID_SLACK 100000000ull	/* transactions that a server may begin between two looks at it */

static const char *name_of(const struct monitor_db *d)
{
	return d->m->snapshot.options.databases[d->db].name;
}

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
	uint64_t known = d->listen.xmax > d->probe.xmax ? d->listen.xmax : d->probe.xmax;

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

void events_lag(struct monitor_db *d, uint64_t wall_us)
{
	struct db_state *s = region_db(&d->m->region, d->db);
	uint64_t now = clock_wall_us();

	if (wall_us)
		histo_add(&s->event_lag, now > wall_us ? (now - wall_us) * 1000 : 0);
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
	events_lag(d, ev->wall_us);
	if (ev->is_watch)
		slot_reread(d);
	if (ev->why.n)
		log_warn("database %s: a watched table cannot say what was written, so all that is cached under tags is "
			 "distrusted: %.*s; run weir.watch again", name_of(d), SLICE_ARG(ev->why));
}

static void on_notify(void *ctx, struct slice payload)
{
	struct monitor_db *d = ctx;
	struct arena a;
	struct db_event ev;
	struct err e = {0};

	arena_init(&a, &d->m->arenas);
	if (db_event_parse(payload, &a, &ev, &e) == 0) {
		apply(d, &ev);
	} else {
		metric_add(&region_db(&d->m->region, d->db)->events_bad, 1);
		log_warn("database %s: an event of %zu bytes is not understood, nothing is invalidated by it: %s", name_of(d),
			 payload.n, e.text);
	}
	arena_done(&a);
}

/* ---- the session ---- */

static void on_watch_closed(uv_handle_t *h)
{
	free(h);
}

static void again_later(struct monitor_db *d)
{
	uint64_t wait = RETRY_FIRST_NS << (d->listen_failures < 6 ? d->listen_failures : 6);

	d->listen_failures++;
	d->next_listen_ns = front_now(&d->m->front) + (wait < RETRY_MOST_NS ? wait : RETRY_MOST_NS);
}

static void lose(struct monitor_db *d)
{
	if (d->listen.opts->events == EVENTS_NOTIFY)
		atomic_store(&region_db(&d->m->region, d->db)->is_listening, 0);
	log_warn("database %s: events are not heard any more: %s", name_of(d), d->listen.error);
	uv_poll_stop(d->listen_poll);
	uv_close((uv_handle_t *)d->listen_poll, on_watch_closed);
	d->listen_poll = NULL;
	db_listen_close(&d->listen);
	again_later(d);
}

static void on_readable(uv_poll_t *h, int status, int events)
{
	struct monitor_db *d = h->data;

	(void)events;
	(void)status;	/* an error is found by reading */
	front_now(&d->m->front);
	if (db_listen_read(&d->listen, on_notify, d))
		lose(d);
}

static void on_connect(uv_work_t *w)
{
	struct monitor_db *d = w->data;

	d->listen_failed = db_listen_open(&d->listen) != 0;
}

static void on_connected(uv_work_t *w, int status)
{
	struct monitor_db *d = w->data;
	struct db_state *s = region_db(&d->m->region, d->db);
	/* a table that tells by NOTIFY all the same, or any */
	int needs_floor = d->listen.opts->events == EVENTS_NOTIFY || d->listen.has_triggers;

	front_now(&d->m->front);
	d->is_connecting = 0;
	if (status == UV_ECANCELED)
		return;
	if (d->listen_failed) {
		if (d->listen_failures == 0 && atomic_load(&s->up) == 1)
			log_warn("database %s: events are not heard: %s", name_of(d), d->listen.error);
		again_later(d);
		return;
	}
	if (needs_floor && atomic_load(&s->cache_floor_ms))	/* this instance has listened before */
		metric_add(&s->event_gaps, 1);
	if (needs_floor)
		events_distrust(d, d->listen.since_ms, d->listen.xmax);
	d->listen_failures = 0;
	d->listen_poll = calloc(1, sizeof(*d->listen_poll));
	check(d->listen_poll);
	d->listen_poll->data = d;
	check(uv_poll_init(&d->m->loop, d->listen_poll, db_listen_fd(&d->listen)) == 0);
	uv_poll_start(d->listen_poll, UV_READABLE, on_readable);
	if (d->listen.opts->events == EVENTS_NOTIFY)
		atomic_store(&s->is_listening, 1);
	slot_reread(d);	/* it may have changed while nobody listened */
	log_info("database %s: listening for events", name_of(d));
	if (db_listen_read(&d->listen, on_notify, d))
		lose(d);
}

void events_tick(struct monitor *m, uint64_t now_ns)
{
	if (!m->region.plan.n_stamps || !m->region.plan.cache_bytes)
		return;
	for (unsigned i = 0; i < m->snapshot.options.n_databases; i++) {
		struct monitor_db *d = &m->dbs[i];

		if (d->listen.opts->events == EVENTS_OFF)
			continue;
		if (d->listen.opts->events == EVENTS_SLOT)
			slot_tick(d, now_ns);
		if (d->is_connecting || d->listen_poll || d->listen.opts->pooler || now_ns < d->next_listen_ns)
			continue;
		d->is_connecting = 1;
		d->listen_work.data = d;
		check(uv_queue_work(&m->loop, &d->listen_work, on_connect, on_connected) == 0);
	}
}
