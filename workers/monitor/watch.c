/* Probes and cancels: blocking libpq calls in the thread pool, results into shared memory. */
#include "config.h"

#include "workers/monitor/monitor.h"

#include "lib/base/check.h"
#include "lib/base/clock.h"
#include "lib/base/log.h"

#define PROBE_NS (250 * CLOCK_MS)
#define TIER_PROBE_NS (100 * CLOCK_MS)	/* how far an answer's xmin lags behind, at most */

static void on_probe(uv_work_t *w)
{
	struct monitor_db *d = w->data;

	db_probe_run(&d->probe);
}

static void check_budget(const struct monitor_db *d)
{
	AUTO(buf) struct buf b;

	buf_init(&b, 0);
	if (db_budget_say(&d->probe.budget, &b) != DB_BUDGET_FITS)
		log_warn("%s", buf_str(&b));
}

/* What only a probe knows; whether the database serves is judged with what workers meet. */
static void publish(struct monitor_db *d, uint64_t now_ns)
{
	struct db_state *s = region_db(&d->m->region, d->db);
	const struct db_probe *p = &d->probe;
	int is_new = d->seen.state != SEEN_UP;

	if (p->is_up) {
		atomic_store(&s->is_standby, (uint32_t)p->is_standby);
		atomic_store(&s->server_version, p->server_version);
		atomic_store(&s->max_connections, p->max_connections);
		atomic_store(&s->lag_ms, p->lag_ms);
		atomic_store(&s->probe_us, p->took_us);
	}
	connects_seen(d, p->is_up, now_ns);
	db_state_set_where(s, p->where);
	if (p->is_up && is_new)
		check_budget(d);
	connects_judge(d, now_ns);
}

static void on_probe_done(uv_work_t *w, int status)
{
	struct monitor_db *d = w->data;
	uint64_t now = front_now(&d->m->front);

	d->is_probing = 0;
	if (status == UV_ECANCELED)
		return;
	if (d->probe.is_full)
		scarce_refused(d, now);
	else
		publish(d, now);
	orphans_answer(d);
	tier_answer(d);
	nonce_answer(d, now);
	slot_seen(d);
	d->next_probe_ns = now + (tier_is_on(d->m) ? TIER_PROBE_NS : PROBE_NS);
	if (d->probe.wants_reload)
		monitor_wants_reload(d->m);
}

void watch_tick(struct monitor *m, uint64_t now_ns)
{
	for (unsigned i = 0; i < m->snapshot.options.n_databases; i++) {
		struct monitor_db *d = &m->dbs[i];

		if (d->is_probing || now_ns < d->next_probe_ns || scarce_is(d, now_ns))
			continue;
		d->is_probing = 1;
		orphans_ask(d, now_ns);
		tier_ask(d);
		nonce_ask(d, now_ns);
		d->probe_work.data = d;
		check(uv_queue_work(&m->loop, &d->probe_work, on_probe, on_probe_done) == 0);
	}
}

/* A slot's request is marked as taken, carried out, then cleared: only after that does the worker use
 * the connection again, so a cancel never hits another request. */
static void on_cancel(uv_work_t *w)
{
	struct monitor_db *d = w->data;
	int rc = 0;

	for (unsigned i = 0; i < d->n_cancels; i++) {
		uint32_t gen, pid = slots_cancel_claim(&d->m->region, d->db, d->cancels[i], &gen);

		if (!pid)
			continue;	/* the worker took it back, or it is of another life of the slot */
		if (rc == 0)	/* a server that did not take one takes none */
			rc = db_probe_cancel(&d->cancel, pid);
		slots_cancel_done(&d->m->region, d->db, d->cancels[i], gen);
	}
}

static void on_cancel_done(uv_work_t *w, int status)
{
	struct monitor_db *d = w->data;

	(void)status;
	d->is_cancelling = 0;
	watch_cancels(d->m);	/* what came meanwhile */
}

void watch_cancels(struct monitor *m)
{
	for (unsigned i = 0; i < m->snapshot.options.n_databases; i++) {
		struct monitor_db *d = &m->dbs[i];
		unsigned n_slots = m->region.plan.n_slots[i];

		if (d->is_cancelling)
			continue;
		d->n_cancels = 0;
		for (unsigned k = 0; k < n_slots && d->n_cancels < ARRAY_LEN(d->cancels); k++) {
			if (atomic_load(&region_slot(&m->region, i, k)->cancel_gen))
				d->cancels[d->n_cancels++] = k;
		}
		if (!d->n_cancels)
			continue;
		d->is_cancelling = 1;
		d->cancel_work.data = d;
		check(uv_queue_work(&m->loop, &d->cancel_work, on_cancel, on_cancel_done) == 0);
	}
}
