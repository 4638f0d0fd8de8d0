/* events = slot: what a logical slot tells, made into bumps. It tells a transaction as soon as its COMMIT is in the
 * server's log, which is before others can see it: an answer that is filled in between would be kept for ever. So what
 * is void is void at once, and once more when a snapshot shows that the transaction is over; the prober brings
 * snapshots, sooner while somebody waits for one. (NOTIFY is sent after that point; it needs no second time.)
 * A gap in the connection raises no floor: the slot tells what was missed. A new slot or a new weir-monitor does. */
#include "config.h"

#include "workers/monitor/monitor.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/check.h"
#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/base/num.h"
#include "lib/pg/db_event.h"
#include "lib/shm/metrics.h"

#define MAX_PENDING 65536u
#define ALL UINT32_MAX		/* in place of a slot: everything under tags */
#define CONFIRM_NS CLOCK_S
#define LOOK_NS (20 * CLOCK_MS)
#define HOPELESS 3u		/* failures in a row of a stream that had begun: the slot is made again */

struct pending {
	uint64_t xid;
	uint32_t stamp;
};

struct slot_reader {
	struct monitor_db *d;
	struct opts_database opts;	/* the database's, but for the way there */
	struct db_slot slot;
	struct hearing hearing;
	uv_work_t work;
	uv_poll_t *poll;
	int is_connecting, has_failed, was_open, is_all;
	unsigned failures, broken, n_tags;
	uint64_t next_ns, confirm_ns;
	/* Of the transaction that is being told: pending[n_done ...]; then of those that may not be visible yet. */
	struct pending *pending;
	unsigned n_pending, n_done;
	unsigned char *seen;	/* by stamp: it is in this transaction's part */
};

static const char *name_of(const struct monitor_db *d)
{
	return d->opts->name;
}

/* ---- what it tells ---- */

static void add(struct slot_reader *s, uint32_t stamp)
{
	if (s->n_pending == MAX_PENDING) {
		s->is_all = 1;
		return;
	}
	s->pending[s->n_pending++] = (struct pending){.stamp = stamp};
}

static void on_tag(void *ctx, struct slice tag)
{
	struct slot_reader *s = ctx;
	struct stamps st = region_stamps(&s->d->m->region);
	struct stamp_set set = {.n = 0};
	uint32_t at;

	check(stamps_add(&st, &set, tag) == 0);
	at = set.slot[0];
	if (s->seen[at / 8] >> (at % 8) & 1)
		return;
	s->seen[at / 8] |= (unsigned char)(1 << (at % 8));
	s->n_tags++;
	add(s, at);
}

static void on_all(void *ctx, const char *why)
{
	struct slot_reader *s = ctx;

	if (why && !s->is_all)
		log_debug("database %s: a change cannot be told by %s", name_of(s->d), why);
	s->is_all = 1;
}

static void on_message(void *ctx, struct slice payload)
{
	struct slot_reader *s = ctx;
	struct arena a;
	struct db_event ev;
	struct err e = {0};

	arena_init(&a, &s->d->m->arenas);
	if (db_event_parse(payload, &a, &ev, &e) == 0 && ev.nonce) {
		nonce_heard(s->d, &s->hearing, ev.nonce);
	} else if (!e.id) {
		for (unsigned i = 0; i < ev.n_tags; i++)
			on_tag(s, ev.tags[i]);
		s->is_all |= ev.is_all;
	} else {
		metric_add(&region_db(&s->d->m->region, s->d->db)->events_bad, 1);
	}
	arena_done(&a);
}

static void bump(struct slot_reader *s, const struct pending *p)
{
	struct stamps st = region_stamps(&s->d->m->region);
	struct stamp_set set = {.n = 1, .slot = {p->stamp}};

	if (p->stamp == ALL)
		events_distrust(s->d, clock_boot_ms(), p->xid + 1);
	else
		stamps_bump(&st, &set, p->xid);
}

/* The 64-bit id whose low half is told, near one that is known. */
static uint64_t whole_xid(uint64_t known, uint32_t low)
{
	int32_t away = (int32_t)(low - (uint32_t)known);

	return away < 0 && known < (uint64_t)-(int64_t)away ? low : known + (uint64_t)(int64_t)away;
}

/* The server's clock at COMMIT, which no role can make up. */
static void take_lag(struct monitor_db *d, uint64_t wall_us)
{
	uint64_t now = clock_wall_us();

	events_lag(d, now > wall_us ? (now - wall_us) * 1000 : 0);
}

static void on_commit(void *ctx, uint32_t low, uint64_t end_lsn, uint64_t wall_us)
{
	struct slot_reader *s = ctx;
	struct db_state *state = region_db(&s->d->m->region, s->d->db);
	uint64_t known = s->d->probe.xmax > s->slot.xmax ? s->d->probe.xmax : s->slot.xmax;
	uint64_t xid = whole_xid(known, low);

	s->slot.confirmed = end_lsn;
	if (s->is_all) {
		if (s->n_pending == MAX_PENDING)
			s->n_pending--;
		add(s, ALL);
		metric_add(&state->events_all, 1);
	}
	for (unsigned i = s->n_done; i < s->n_pending; i++) {
		struct pending *p = &s->pending[i];

		p->xid = xid;
		if (p->stamp != ALL)
			s->seen[p->stamp / 8] = 0;
		bump(s, p);
	}
	if (s->n_pending > s->n_done) {
		metric_add(&state->events, 1);
		metric_add(&state->event_tags, s->n_tags);
		take_lag(s->d, wall_us);
	}
	s->n_done = s->n_pending;
	s->n_tags = 0;
	s->is_all = 0;
}

static const struct db_decode_ops ops = {.on_tag = on_tag, .on_all = on_all, .on_message = on_message,
					 .on_commit = on_commit};

/* A transaction that was told in part is told again from its beginning. */
static void forget_part(struct slot_reader *s)
{
	s->n_pending = s->n_done;
	s->n_tags = 0;
	s->is_all = 0;
	memset(s->seen, 0, (s->d->m->region.plan.n_stamps + 7) / 8);
}

/* ---- when it can be seen ---- */

/* "xmin:xmax:xid,xid,…" */
static int is_over(const char *snapshot, uint64_t xid)
{
	struct slice rest = slice_str(snapshot), s = slice_cut(&rest, ':');
	uint64_t n;

	if (num_u64(s, &n))
		return 0;
	if (xid < n)
		return 1;
	s = slice_cut(&rest, ':');
	if (num_u64(s, &n) || xid >= n)
		return 0;
	while (rest.n)
		if (num_u64(slice_cut(&rest, ','), &n) || n == xid)
			return 0;
	return 1;
}

void slot_seen(struct monitor_db *d)
{
	struct slot_reader *s = d->slot;
	unsigned kept = 0;

	if (!s || !d->probe.snapshot[0])
		return;
	for (unsigned i = 0; i < s->n_pending; i++) {
		if (i < s->n_done && is_over(d->probe.snapshot, s->pending[i].xid)) {
			bump(s, &s->pending[i]);
			continue;
		}
		s->pending[kept++] = s->pending[i];
	}
	s->n_done -= s->n_pending - kept;
	s->n_pending = kept;
}

int slot_waits(const struct monitor_db *d)
{
	return d->slot && d->slot->n_done > 0;
}

/* ---- the session ---- */

static void on_poll_closed(uv_handle_t *h)
{
	free(h);
}

static void again_later(struct slot_reader *s)
{
	uint64_t wait = (50 * CLOCK_MS) << (s->failures < 5 ? s->failures : 5);

	s->failures++;
	s->next_ns = front_now(&s->d->m->front) + wait;
}

static void hang_up(struct slot_reader *s)
{
	uv_poll_stop(s->poll);
	uv_close((uv_handle_t *)s->poll, on_poll_closed);
	s->poll = NULL;
	s->hearing = (struct hearing){0};
	db_slot_close(&s->slot);
	forget_part(s);
}

static void lose(struct slot_reader *s)
{
	struct monitor_db *d = s->d;

	nonce_unsure(d);
	log_warn("database %s: the slot %s is not heard any more: %s", name_of(d), s->slot.opts->events_slot, s->slot.error);
	hang_up(s);
	if (atomic_load(&region_db(&d->m->region, d->db)->up) == 1 && ++s->broken >= HOPELESS) {
		log_error("database %s: the slot %s cannot be read; it is made again", name_of(d), s->slot.opts->events_slot);
		s->slot.wants_new = 1;
		s->broken = 0;
	}
	again_later(s);
}

static void on_readable(uv_poll_t *h, int status, int events)
{
	struct slot_reader *s = h->data;
	uint64_t confirmed = s->slot.confirmed;

	(void)events;
	(void)status;	/* an error is found by reading */
	front_now(&s->d->m->front);
	if (db_slot_read(&s->slot))
		lose(s);
	else if (s->slot.confirmed > confirmed)
		s->failures = s->broken = 0;
}

static void on_connect(uv_work_t *w)
{
	struct slot_reader *s = w->data;

	s->has_failed = db_slot_open(&s->slot) != 0;
}

static void on_connected(uv_work_t *w, int status)
{
	struct slot_reader *s = w->data;
	struct monitor_db *d = s->d;
	struct db_state *state = region_db(&d->m->region, d->db);

	front_now(&d->m->front);
	s->is_connecting = 0;
	if (status == UV_ECANCELED)
		return;
	if (s->has_failed) {
		if (s->failures == 0 && atomic_load(&state->up) == 1)
			log_warn("database %s: the slot %s is not heard: %s", name_of(d), s->slot.opts->events_slot, s->slot.error);
		again_later(s);
		return;
	}
	if (s->slot.is_new || !s->was_open) {
		if (atomic_load(&state->was_heard))
			metric_add(&state->event_gaps, 1);
		atomic_store(&state->was_heard, 1);
		events_distrust(d, s->slot.since_ms, s->slot.xmax);
	}
	s->was_open = 1;
	s->poll = calloc(1, sizeof(*s->poll));
	check(s->poll);
	s->poll->data = s;
	check(uv_poll_init(&d->m->loop, s->poll, db_slot_fd(&s->slot)) == 0);
	uv_poll_start(s->poll, UV_READABLE, on_readable);
	s->hearing.opened_ns = front_now(&d->m->front);
	nonce_soon(d);
	log_info("database %s: reading the slot %s%s", name_of(d), s->slot.opts->events_slot,
		 s->slot.is_new ? ", made just now" : "");
	if (db_slot_read(&s->slot))
		lose(s);
}

static struct slot_reader *make(struct monitor_db *d)
{
	struct slot_reader *s = calloc(1, sizeof(*s));

	check(s);
	s->d = d;
	s->slot.ops = &ops;
	s->slot.ctx = s;
	s->work.data = s;
	s->pending = calloc(MAX_PENDING, sizeof(*s->pending));
	s->seen = calloc((d->m->region.plan.n_stamps + 7) / 8, 1);
	check(s->pending && s->seen);
	return s;
}

void slot_tick(struct monitor_db *d, uint64_t now_ns)
{
	struct slot_reader *s = d->slot ? d->slot : (d->slot = make(d));

	if (s->poll && now_ns >= s->confirm_ns) {
		s->confirm_ns = now_ns + CONFIRM_NS;
		if (db_slot_confirm(&s->slot))
			lose(s);
	}
	if (slot_waits(d) && d->next_probe_ns > now_ns + LOOK_NS)
		d->next_probe_ns = now_ns + LOOK_NS;
	if (s->is_connecting || s->poll || now_ns < s->next_ns)
		return;
	s->is_connecting = 1;
	s->opts = *d->opts;
	if (s->opts.events_conninfo.n)
		s->opts.conninfo = s->opts.events_conninfo.v[0];
	s->slot.opts = &s->opts;
	check(uv_queue_work(&d->m->loop, &s->work, on_connect, on_connected) == 0);
}

struct hearing *slot_hearing(struct monitor_db *d)
{
	if (!d->slot)
		d->slot = make(d);
	return &d->slot->hearing;
}

void slot_lose(struct monitor_db *d, const char *why)
{
	snprintf(d->slot->slot.error, sizeof(d->slot->slot.error), "%s", why);
	lose(d->slot);
}

int slot_is_idle(const struct monitor_db *d)
{
	return !d->slot || !d->slot->is_connecting;
}

void slot_close(struct monitor_db *d)
{
	struct slot_reader *s = d->slot;

	if (!s)
		return;
	if (s->poll)
		hang_up(s);
	/* it may be another server's from now on */
	s->was_open = 0;
	s->n_pending = s->n_done = 0;
	s->broken = s->failures = 0;
	s->next_ns = 0;
}

void slot_reread(struct monitor_db *d)
{
	struct slot_reader *s = d->slot;

	if (!s || !s->poll)
		return;
	hang_up(s);
	s->broken = s->failures = 0;
	s->next_ns = 0;
}
