/* nonce: is what is told through conninfo heard? A session that listens may be silent for good and still look alive: its
 * backend hangs, a proxy acknowledges and drops, it is of another server than the writes. So every 10 s, and as soon as a
 * session is new, a random number is notified through conninfo, by the prober, and must come through each of them; who
 * does not bring it is closed, which is a gap. Until all have, and while none can be told, `listening` is 0. Its way is
 * the measure of the lag, too: what other roles notify says nothing that could be believed. */
#include "config.h"

#include "workers/monitor/monitor.h"

#include <string.h>
#include <sys/random.h>

#include "lib/base/clock.h"
#include "lib/base/log.h"

#define EVERY_NS (10 * CLOCK_S)
#define AGAIN_NS CLOCK_S		/* after it could not be told */
#define PATIENCE_NS (3 * CLOCK_S)

static struct db_state *state_of(const struct monitor_db *d)
{
	return region_db(&d->m->region, d->db);
}

/* Sessions that must hear. */
static unsigned n_hearings(const struct monitor_db *d)
{
	return d->n_listeners + (d->opts->events == EVENTS_SLOT);
}

static struct hearing *hearing(struct monitor_db *d, unsigned i)
{
	return i < d->n_listeners ? &d->listeners[i].hearing : slot_hearing(d);
}

static int is_any_open(struct monitor_db *d)
{
	for (unsigned i = 0; i < n_hearings(d); i++)
		if (hearing(d, i)->opened_ns)
			return 1;
	return 0;
}

void nonce_heard(struct monitor_db *d, struct hearing *h, uint64_t value)
{
	if (value != d->nonce.value)
		return;		/* another instance's, or one that is over */
	h->heard = value;
	h->heard_ns = front_now(&d->m->front);
}

void nonce_soon(struct monitor_db *d)
{
	d->nonce.next_ns = 0;
	d->next_probe_ns = 0;
}

void nonce_unsure(struct monitor_db *d)
{
	d->nonce.sure_ns = 0;
	atomic_store(&state_of(d)->is_listening, 0);
}

void nonce_ask(struct monitor_db *d, uint64_t now_ns)
{
	struct db_nonce *q = &d->probe.nonce;

	q->wanted = d->opts->events != EVENTS_OFF && now_ns >= d->nonce.next_ns && is_any_open(d);
	if (!q->wanted)
		return;
	q->by_slot = d->opts->events == EVENTS_SLOT;
	do
		if (getrandom(&q->value, sizeof(q->value), 0) != (ssize_t)sizeof(q->value))
			q->value = now_ns;
	while (!q->value);
	d->nonce.value = q->value;
	d->nonce.is_told = 0;
	d->nonce.next_ns = now_ns + EVERY_NS;
}

void nonce_answer(struct monitor_db *d, uint64_t now_ns)
{
	const struct db_nonce *q = &d->probe.nonce;

	if (!q->wanted || q->value != d->nonce.value)
		return;
	d->nonce.is_told = q->is_told;
	d->nonce.sent_ns = q->sent_ns;
	if (!q->is_told && d->nonce.next_ns > now_ns + AGAIN_NS)
		d->nonce.next_ns = now_ns + AGAIN_NS;
}

/* Everybody has brought it. */
static void be_sure(struct monitor_db *d, uint64_t now_ns)
{
	struct nonce *n = &d->nonce;

	for (unsigned i = 0; i < n_hearings(d); i++) {
		uint64_t at = hearing(d, i)->heard_ns;

		/* a slot tells it by itself, of every COMMIT */
		if (d->opts->events == EVENTS_NOTIFY)
			events_lag(d, at > n->sent_ns ? at - n->sent_ns : 0);
	}
	n->value = 0;
	n->sure_ns = now_ns;
	n->has_warned = 0;
	if (!atomic_exchange(&state_of(d)->is_listening, 1))
		log_info("database %s: events are heard", d->opts->name);
}

/* Who has not brought it in time is closed. 1: somebody is still waited for. */
static int collect(struct monitor_db *d, uint64_t now_ns)
{
	int is_late = now_ns > d->nonce.sent_ns + PATIENCE_NS, waits = !n_hearings(d);

	for (unsigned i = 0; i < n_hearings(d); i++) {
		struct hearing *h = hearing(d, i);

		if (h->heard == d->nonce.value)
			continue;
		waits = 1;
		if (!is_late || !h->opened_ns || h->opened_ns > d->nonce.sent_ns)
			continue;
		if (i < d->n_listeners)
			listener_lose(&d->listeners[i], "what is notified through conninfo does not come through it");
		else
			slot_lose(d, "what is emitted through conninfo does not come through it");
	}
	if (waits && is_late)
		d->nonce.value = 0;
	return waits;
}

void nonce_tick(struct monitor_db *d, uint64_t now_ns)
{
	struct nonce *n = &d->nonce;

	if (n->value && n->is_told && !collect(d, now_ns))
		be_sure(d, now_ns);
	if (!n->sure_ns || now_ns < n->sure_ns + EVERY_NS + PATIENCE_NS)
		return;
	/* the sessions stay: what comes through them later is in its order, so nothing will have been missed */
	atomic_store(&state_of(d)->is_listening, 0);
	if (!n->has_warned)
		log_warn("database %s: whether events are heard is not known: %s", d->opts->name, d->probe.nonce.error);
	n->has_warned = 1;
}
