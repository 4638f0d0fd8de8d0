/* listener: the sessions that hear NOTIFY: one by conninfo, or one by each of events_conninfo, which lead around a pooler.
 * They are read as soon as there is something: a listener that does not read fills the server's queue and stops
 * commits in the end.
 * After each connect the database's floor rises (doc/invalidation.md): what was cached before may have missed an
 * event, and nobody assumes that nothing happened. */
#include "config.h"

#include "workers/monitor/monitor.h"

#include <stdio.h>
#include <stdlib.h>

#include "lib/base/check.h"
#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/shm/metrics.h"

#define RETRY_FIRST_NS (50 * CLOCK_MS)
#define RETRY_MOST_NS (2 * CLOCK_S)

static void on_poll_closed(uv_handle_t *h)
{
	free(h);
}

static void again_later(struct listener *l)
{
	uint64_t wait = RETRY_FIRST_NS << (l->failures < 6 ? l->failures : 6);

	l->failures++;
	l->next_ns = front_now(&l->d->m->front) + (wait < RETRY_MOST_NS ? wait : RETRY_MOST_NS);
}

static void hang_up(struct listener *l)
{
	uv_poll_stop(l->poll);
	uv_close((uv_handle_t *)l->poll, on_poll_closed);
	l->poll = NULL;
	l->hearing = (struct hearing){0};
	db_listen_close(&l->listen);
	nonce_unsure(l->d);
}

void listener_lose(struct listener *l, const char *why)
{
	log_warn("database %s: events are not heard any more: %s", l->d->opts->name, why);
	hang_up(l);
	again_later(l);
}

static void on_payload(void *ctx, struct slice payload)
{
	events_hear(ctx, payload);
}

static void take(struct listener *l)
{
	if (db_listen_read(&l->listen, on_payload, l))
		listener_lose(l, l->listen.error);
}

static void on_readable(uv_poll_t *h, int status, int events)
{
	struct listener *l = h->data;

	(void)events;
	(void)status;	/* an error is found by reading */
	front_now(&l->d->m->front);
	take(l);
}

/* What may have been told while nobody listened, or by a server that is not there any more. */
static void raise_floor(struct listener *l)
{
	struct monitor_db *d = l->d;
	struct db_state *s = region_db(&d->m->region, d->db);

	if (d->opts->events != EVENTS_NOTIFY && !l->listen.has_triggers)
		return;
	if (atomic_exchange(&s->was_heard, 1))
		metric_add(&s->event_gaps, 1);
	events_distrust(d, l->listen.since_ms, l->listen.xmax);
}

static void on_connect(uv_work_t *w)
{
	struct listener *l = w->data;

	l->has_failed = db_listen_open(&l->listen) != 0;
}

static void on_connected(uv_work_t *w, int status)
{
	struct listener *l = w->data;
	struct monitor_db *d = l->d;

	l->is_connecting = 0;
	if (status == UV_ECANCELED)
		return;
	if (l->has_failed) {
		if (l->failures == 0 && atomic_load(&region_db(&d->m->region, d->db)->up) == 1)
			log_warn("database %s: events are not heard: %s", d->opts->name, l->listen.error);
		again_later(l);
		return;
	}
	raise_floor(l);
	l->failures = 0;
	l->hearing.opened_ns = front_now(&d->m->front);
	l->poll = calloc(1, sizeof(*l->poll));
	check(l->poll);
	l->poll->data = l;
	check(uv_poll_init(&d->m->loop, l->poll, db_listen_fd(&l->listen)) == 0);
	uv_poll_start(l->poll, UV_READABLE, on_readable);
	slot_reread(d);	/* it may have changed while nobody listened */
	nonce_soon(d);
	log_info("database %s: listening for events", d->opts->name);
	take(l);
}

/* The way of listener i: no pooler is on it. */
static void find_way(struct listener *l, unsigned i)
{
	l->opts = *l->d->opts;
	if (!l->opts.events_conninfo.n)
		return;
	l->opts.conninfo = l->opts.events_conninfo.v[i];
	l->opts.pooler = 0;
}

void listeners_init(struct monitor_db *d)
{
	const struct opts_database *o = d->opts;

	d->n_listeners = o->events == EVENTS_OFF ? 0 : o->events_conninfo.n ? o->events_conninfo.n : o->pooler ? 0 : 1;
	for (unsigned i = 0; i < d->n_listeners; i++) {
		struct listener *l = &d->listeners[i];

		*l = (struct listener){.d = d};
		l->work.data = l;
		l->listen.opts = &l->opts;
	}
}

void listeners_tick(struct monitor_db *d, uint64_t now_ns)
{
	for (unsigned i = 0; i < d->n_listeners; i++) {
		struct listener *l = &d->listeners[i];

		if (l->is_connecting || l->poll || now_ns < l->next_ns || scarce_is(d, now_ns))
			continue;
		find_way(l, i);
		l->is_connecting = 1;
		check(uv_queue_work(&d->m->loop, &l->work, on_connect, on_connected) == 0);
	}
}

int listeners_are_idle(const struct monitor_db *d)
{
	for (unsigned i = 0; i < d->n_listeners; i++)
		if (d->listeners[i].is_connecting)
			return 0;
	return 1;
}

void listeners_close(struct monitor_db *d)
{
	for (unsigned i = 0; i < d->n_listeners; i++)
		if (d->listeners[i].poll)
			hang_up(&d->listeners[i]);
}
