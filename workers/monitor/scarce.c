/* A server without a connection left for all of us: workers come first. weir-monitor gives its sessions up as soon as a
 * worker has none, and tries again later and later. Meanwhile the workers' connections are all that is known of the
 * database (connects.c). */
#include "config.h"

#include "workers/monitor/monitor.h"

#include "lib/base/clock.h"
#include "lib/base/log.h"

#define PAUSE_NS (2 * CLOCK_S)
#define PAUSE_MOST_NS (60 * CLOCK_S)
#define CALM_NS (120 * CLOCK_S)		/* so long without it, and the next pause is a short one again */

static void pause_sessions(struct monitor_db *d, uint64_t now_ns, const char *why)
{
	uint64_t pause = PAUSE_NS << (d->scarce.n < 5 ? d->scarce.n : 5);

	if (!d->scarce.until_ns || now_ns > d->scarce.until_ns + CALM_NS) {
		d->scarce.n = 0;
		pause = PAUSE_NS;
		log_warn("database %s: %s; weir-monitor goes without, what workers meet is what is known of it, and no query is "
			 "cancelled", d->opts->name, why);
	}
	d->scarce.n++;
	d->scarce.until_ns = now_ns + (pause < PAUSE_MOST_NS ? pause : PAUSE_MOST_NS);
}

static void give_up(struct monitor_db *d, uint64_t now_ns)
{
	int has_any = 0;

	if (!d->is_probing && d->probe.conn) {
		db_probe_close(&d->probe);
		has_any = 1;
	}
	if (!d->is_cancelling && d->cancel.conn) {
		db_probe_close(&d->cancel);
		has_any = 1;
	}
	for (unsigned i = 0; i < d->n_listeners; i++)
		if (d->listeners[i].poll) {
			listener_lose(&d->listeners[i], "the connection is left to a worker that has none");
			has_any = 1;
		}
	/* what a thread is at is closed when it is back; and what a worker waits for is not taken */
	if (has_any || d->is_probing || d->is_cancelling || !scarce_is(d, now_ns)) {
		d->seen.state = SEEN_NOT_YET;
		pause_sessions(d, now_ns, "a worker gets no connection");
	}
}

int scarce_is(const struct monitor_db *d, uint64_t now_ns)
{
	return now_ns < d->scarce.until_ns;
}

void scarce_refused(struct monitor_db *d, uint64_t now_ns)
{
	d->seen.state = SEEN_NOT_YET;
	pause_sessions(d, now_ns, "the server has no connection left");
}

void scarce_tick(struct monitor *m, uint64_t now_ns)
{
	for (unsigned i = 0; i < m->snapshot.options.n_databases; i++) {
		struct monitor_db *d = &m->dbs[i];

		if (atomic_load(&region_db(&m->region, i)->starved))
			give_up(d, now_ns);
	}
}
