#include "config.h"

#include "workers/tier.h"

#include <stdlib.h>

#include "lib/base/check.h"
#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/mc/mc.h"
#include "lib/mc/mc_value.h"
#include "lib/pg/db_listen.h"
#include "lib/shm/digest.h"
#include "workers/cachekey.h"
#include "workers/older.h"
#include "workers/worker.h"

#define WAIT_MOST_NS (20 * CLOCK_MS)
#define WAIT_LEAST_NS (2 * CLOCK_MS)

struct tier {
	struct worker *w;
	struct mc *mc;
	struct mc_counters counters;
	struct mc_counters told;	/* what the metrics have had of them */
	uint64_t build, seed;
	struct buf value;
	unsigned n_deleting;
	uint64_t place[OPTIONS_MAX_DATABASES];	/* cachekey_place */
};

static uint64_t at(const _Atomic uint64_t *v)
{
	return atomic_load_explicit(v, memory_order_acquire);
}

static struct db_state *state_of(const struct req *r)
{
	return region_db(&r->w->region, r->run->ep->database);
}

/* Parts are there each for itself; a whole has several databases' worth of time in it. */
static int is_for(const struct req *r)
{
	return r->w->tier && r->run->pool && !r->run->ep->n_includes;
}

/* The server's own identity stands for what this host calls it. */
static struct mc_key key_of(uint64_t tier_id, uint64_t place, const uint64_t h[2])
{
	return mc_key_of(h[0] ^ tier_id, h[1] ^ place);
}

void tier_mark(struct req *r)
{
	r->tier_id = r->tier_xmin = 0;
	if (!is_for(r))
		return;
	r->tier_id = at(&state_of(r)->tier_id);
	r->tier_xmin = r->tier_id ? at(&state_of(r)->tier_xmin) : 0;
}

/* ---- what came back ---- */

/* Nobody tells of others' writes while the listener is away. */
static int is_heard(const struct req *r)
{
	const struct opts_database *o = &r->w->snapshot.options.databases[r->run->ep->database];

	return o->events == EVENTS_OFF || (o->pooler && !o->events_conninfo.n) ||
	       atomic_load_explicit(&state_of(r)->is_listening, memory_order_acquire);
}

/* The order matters: weird posts a purge before it dates it, weir-monitor numbers it before it ends it; and r's
 * generations were loaded before all of this. */
static int is_believed(struct req *r, const struct mc_value *v)
{
	const struct worker *w = r->w;
	const struct purge_queue *q = &region_tier(&w->region)->purges;
	const struct db_state *s = state_of(r);
	uint64_t floor = at(&s->cache_floor_xid);
	metric_counter_t *why = &w->metrics->tier_refused_gap;

	/* servers were taken away: newer workers do not ask for what is compared here */
	if (!region_nodes(&w->region))
		goto refused;
	why = &w->metrics->tier_refused_purged;
	if (purge_waits(q) || purge_waits_key(q, r->key.h) || v->xmin < at(&s->purged_xid) ||
	    v->xmin < at(&r->run->shared->purged_xid) || !older_allows(r, v->xmin))
		goto refused;
	if (!r->stamps.n)
		return 1;
	why = &w->metrics->tier_refused_gap;
	if (!floor || v->xmin < floor || !is_heard(r))
		goto refused;
	why = &w->metrics->tier_refused_written;
	if (r->is_quiet && stamps_seen(&w->stamps, &r->stamps, v->xmin) && stamps_hold(&w->stamps, &r->stamps))
		return 1;
refused:
	metric_add(why, 1);
	return 0;
}

/* An entry of this host's L1 out of it: times of our own clocks. */
static int adopt(struct req *r, const struct mc_value *v)
{
	struct worker *w = r->w;
	struct cache_meta *m = &r->meta;
	uint64_t wall = clock_wall_us(), age, first = cache_first_ms(r);
	uint32_t soft, hard, error;
	struct slice body = v->body;

	w->boot_ms = clock_boot_ms();
	/* what an instance before this one was committing is in no tag's number; first was read before the floor that ends this is */
	if (!cache_may_keep(r) || (r->stamps.n && first == REGION_UNSETTLED)) {
		metric_add(&w->metrics->tier_refused_gap, 1);
		return 0;
	}
	first = first == REGION_UNSETTLED ? w->boot_ms : first;
	soft = mc_value_left_ms(v, v->soft_ms, wall);
	hard = mc_value_left_ms(v, v->hard_ms, wall);
	error = mc_value_left_ms(v, v->error_ms, wall);
	if (!hard || !is_believed(r, v))
		return 0;
	age = wall > v->created_wall_us ? (wall - v->created_wall_us) / 1000 : 0;
	age = age < v->hard_ms ? age : v->hard_ms;
	memset(m, 0, sizeof(*m));
	m->created_ms = w->boot_ms > age ? w->boot_ms - age : 0;
	m->created_ms = m->created_ms > first ? m->created_ms : first;
	m->soft_ms = w->boot_ms + soft;
	m->hard_ms = w->boot_ms + hard;
	m->error_ms = error ? w->boot_ms + error : 0;
	m->created_wall_us = v->created_wall_us;
	m->xmin = v->xmin;
	memcpy(m->etag, v->etag, sizeof(m->etag));
	m->delta_us = v->delta_us;
	m->status = v->status;
	m->coding = v->coding;
	m->flags = v->flags;
	m->endpoint = r->run->ep->metric;
	m->head_n = v->head_n;
	m->stamps = r->stamps;
	(void)cache_put_since(&w->cache, CACHE_DATA, &r->key, m, &body, 1, w->boot_ms, &r->epoch);
	buf_clear(&r->out);
	buf_add(&r->out, body.p, body.n);
	r->lines_n = v->head_n;
	return 1;
}

static void on_got(void *arg, enum mc_result result, struct slice value)
{
	struct req *r = arg;
	struct tier *t = r->w->tier;
	struct mc_key key = key_of(r->tier_id, r->key.place, r->key.h);
	struct mc_value v;

	r->tier_op = NULL;
	wheel_stop(&r->w->wheel, &r->timer);
	if (result == MC_OK) {
		switch (mc_value_decode(value, t->build, r->tier_id, r->key.text, t->seed, &v)) {
		case MC_VALUE_OK:
			/* as tier_fill leaves it, and nothing else */
			if (v.status != 200 || v.coding || v.flags)
				mc_corrupt(t->mc, &key);
			else if (adopt(r, &v))
				r->layer = LAYER_L2;
			break;
		case MC_VALUE_BROKEN:
			mc_corrupt(t->mc, &key);
			break;
		case MC_VALUE_FOREIGN:
			metric_add(&r->w->metrics->tier_refused_foreign, 1);
			break;
		}
	}
	req_run(r);
}

int tier_ask(struct req *r)
{
	struct worker *w = r->w;
	uint64_t now = w->front.now_ns, left = r->deadline_ns > now ? r->deadline_ns - now : 0, wait = left / 20;
	struct mc_key key;

	/* tier_mark was just called */
	if (!r->tier_id || (r->stamps.n && !r->is_quiet))
		return 0;
	wait = wait > WAIT_MOST_NS ? WAIT_MOST_NS : wait < WAIT_LEAST_NS ? WAIT_LEAST_NS : wait;
	key = key_of(r->tier_id, r->key.place, r->key.h);
	r->tier_op = mc_get(w->tier->mc, &key, now + wait, on_got, r);
	r->is_tier_asked = 1;
	wheel_start(&w->wheel, &r->timer, now + wait);
	return 1;
}

void tier_forget(struct req *r)
{
	if (!r->tier_op)
		return;
	mc_cancel(r->w->tier->mc, r->tier_op);
	r->tier_op = NULL;
}

void tier_late(struct req *r)
{
	tier_forget(r);
	req_run(r);
}

/* ---- what is left there ---- */

static uint32_t span(uint64_t until, uint64_t from)
{
	uint64_t ms = until > from ? until - from : 0;

	return ms > UINT32_MAX ? UINT32_MAX : (uint32_t)ms;
}

void tier_fill(struct req *r, const struct slice pieces[2])
{
	struct worker *w = r->w;
	struct tier *t = w->tier;
	const struct cache_meta *m = &r->meta;
	struct mc_value v = {.build = t ? t->build : 0, .schema = r->tier_id, .key = r->key.text};
	struct mc_key key;
	struct buf body = {0};
	uint64_t last;

	if (!is_for(r) || !r->tier_id || !r->tier_xmin || r->q.is_from_standby || at(&state_of(r)->tier_id) != r->tier_id)
		return;
	/* a primary that was left and lives on may still answer */
	if (r->q.tier_id != r->tier_id && !r->w->snapshot.options.databases[r->run->ep->database].pooler)
		return;
	if (!stamps_seen(&w->stamps, &r->stamps, r->tier_xmin)) {
		metric_add(&w->metrics->tier_held, 1);	/* nobody could believe it */
		return;
	}
	body = worker_buf_take(w);
	buf_clear(&body);
	buf_add(&body, pieces[0].p, pieces[0].n);
	buf_add(&body, pieces[1].p, pieces[1].n);
	v.created_wall_us = m->created_wall_us;
	v.soft_ms = span(m->soft_ms, m->created_ms);
	v.hard_ms = span(m->hard_ms, m->created_ms);
	v.error_ms = span(m->error_ms, m->created_ms);
	v.delta_us = m->delta_us;
	v.xmin = r->tier_xmin;
	memcpy(v.etag, m->etag, sizeof(v.etag));
	v.status = m->status;
	v.coding = m->coding;
	v.flags = m->flags;
	v.head_n = m->head_n;
	v.body = buf_slice(&body);
	last = v.hard_ms > v.error_ms ? v.hard_ms : v.error_ms;
	buf_clear(&t->value);
	key = key_of(r->tier_id, r->key.place, r->key.h);
	if (mc_value_encode(&t->value, &v, t->seed) == 0)
		(void)mc_set(t->mc, &key, buf_slice(&t->value), (unsigned)((last + 999) / 1000));
	worker_buf_give(w, &body);
}

static void on_older_deleted(void *arg, enum mc_result result, struct slice value)
{
	(void)arg;
	(void)result;	/* when it failed, the mark stands for it */
	(void)value;
}

void tier_delete(struct req *r)
{
	struct mc_key key = key_of(r->tier_id, r->key.place, r->key.h);

	mc_delete(r->w->tier->mc, &key, on_older_deleted, NULL);
}

/* ---- keys that an operator purged ---- */

struct deletion {
	struct tier *t;
	uint64_t h[2];
	unsigned cell, n_left;
	int is_failed;
};

static void on_deleted(void *arg, enum mc_result result, struct slice value)
{
	struct deletion *d = arg;

	(void)value;
	if (result != MC_OK)
		d->is_failed = 1;
	if (--d->n_left)
		return;
	if (!d->is_failed)
		purge_key_end(&region_tier(&d->t->w->region)->purges, d->cell, d->h);
	d->t->n_deleting--;
	free(d);
}

/* In every database's name: the key does not say whose it is. */
static void delete_key(struct tier *t, unsigned cell, const uint64_t h[2])
{
	struct worker *w = t->w;
	struct deletion *d = calloc(1, sizeof(*d));

	check(d);
	d->t = t;
	d->h[0] = h[0];
	d->h[1] = h[1];
	d->cell = cell;
	d->n_left = 1;
	t->n_deleting++;
	for (unsigned i = 0; i < w->region.plan.n_databases; i++) {
		uint64_t id = at(&region_db(&w->region, i)->tier_id);
		struct mc_key key = key_of(id, t->place[i], h);

		if (!id) {
			/* away for the moment: under its old name the key may be there when it is back */
			d->is_failed |= at(&region_db(&w->region, i)->cache_floor_xid) != 0;
			continue;
		}
		d->n_left++;
		mc_delete(t->mc, &key, on_deleted, d);
	}
	on_deleted(d, MC_OK, (struct slice){NULL, 0});
}

static void delete_keys(struct tier *t)
{
	const struct purge_queue *q = &region_tier(&t->w->region)->purges;
	uint64_t h[2];

	if (t->n_deleting)
		return;
	for (unsigned i = 0; i < PURGE_MAX_KEYS; i++)
		if (purge_key_at(q, i, h))
			delete_key(t, i, h);
}

/* ---- the worker's ---- */

static void tell(metric_counter_t *to, _Atomic uint64_t *now, _Atomic uint64_t *told)
{
	uint64_t v = atomic_load_explicit(now, memory_order_relaxed);

	metric_add(to, v - atomic_load_explicit(told, memory_order_relaxed));
	atomic_store_explicit(told, v, memory_order_relaxed);
}

void tier_beat(struct worker *w, int is_first)
{
	struct tier *t = w->tier;

	if (!t)
		return;
#define TELL(metric, field) tell(&w->metrics->metric, &t->counters.field, &t->told.field)
	TELL(tier_hits, hits);
	TELL(tier_misses, misses);
	TELL(tier_timeouts, timeouts);
	TELL(tier_errors, errors);
	TELL(tier_off, off);
	TELL(tier_late, late);
	TELL(tier_cancelled, cancelled);
	TELL(tier_sets, sets);
	TELL(tier_sets_dropped, sets_dropped);
	TELL(tier_deletes, deletes);
	TELL(tier_deletes_failed, deletes_failed);
	TELL(tier_corrupt, corrupt);
	TELL(tier_batches, batches);
	TELL(tier_keys, keys);
	TELL(tier_probes, probes);
	TELL(tier_stuck, stuck);
#undef TELL
	if (is_first)
		delete_keys(t);
}

void tier_flush(struct worker *w)
{
	if (w->tier)
		mc_flush(w->tier->mc);
}

static void on_readable(uv_poll_t *h, int status, int events)
{
	struct worker *w = h->data;

	(void)status;
	(void)events;
	front_now(&w->front);
	(void)mc_poll(w->tier->mc);
}

int tier_open(struct worker *w, struct err *e)
{
	const struct opts_cache *o = &w->snapshot.options.cache;
	struct mc_options mo = {.n_servers = o->servers.n, .number = w->number};
	struct tier *t;
	int rc;

	/* alone there is no weir-monitor, which tells what makes entries comparable */
	if (!o->servers.n || !w->stamps.n || w->is_alone)
		return 0;
	t = calloc(1, sizeof(*t));
	check(t);
	t->w = w;
	t->build = cachekey_build();
	t->seed = digest_64(slice_str(o->secret), 0);
	buf_init(&t->value, 0);
	for (unsigned i = 0; i < w->snapshot.options.n_databases; i++)
		t->place[i] = cachekey_place(&w->snapshot.options, i);
	for (unsigned i = 0; i < o->servers.n; i++)
		if ((rc = cache_server_parse(slice_str(o->servers.v[i]), &mo.servers[i], e)))
			goto fail;
	mo.breakers = region_tier(&w->region)->breakers;
	mo.incarnation = atomic_load(&w->board->incarnation);
	mo.counters = &t->counters;
	rc = mc_open(&t->mc, &mo, e);
	if (rc)
		goto fail;
	w->tier = t;
	w->tier_poll.data = w;
	check(uv_poll_init(&w->loop, &w->tier_poll, mc_fd(t->mc)) == 0);
	uv_poll_start(&w->tier_poll, UV_READABLE, on_readable);
	return 0;
fail:
	free(t);
	return rc;
}

void tier_close(struct worker *w)
{
	struct tier *t = w->tier;

	if (!t)
		return;
	w->tier = NULL;
	uv_poll_stop(&w->tier_poll);
	mc_close(&t->mc);
	buf_done(&t->value);
	free(t);
}
