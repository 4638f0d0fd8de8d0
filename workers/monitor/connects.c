/* Does a database serve? Requests meet the workers' connections, not weir-monitor's: its own session may be an old one
 * while no worker is let in (a changed password, a server that takes nobody new), and may be refused while the workers'
 * go on. So a probe's word counts for as long as no worker knows better. What is judged here is what /ready, /health,
 * weirctl and the metrics tell. */
#include "config.h"

#include "workers/monitor/monitor.h"

#include <stdio.h>

#include "lib/base/clock.h"
#include "lib/base/log.h"

#define FRESH_NS (2 * CLOCK_S)		/* a heartbeat */
#define SERVED_NS (2 * CLOCK_S)		/* between two workers there may be a gap */
#define UNSEEN_SAY_NS (3 * CLOCK_S)	/* an outage begins here or there, a moment apart */

struct census {
	unsigned ready, cut, failing, heard;	/* workers; heard: of those that are not cut */
};

int connects_is_ready(const struct monitor *m, const struct board_row *row)
{
	return atomic_load(&row->state) == STATE_ready && atomic_load(&row->heartbeat_ns) + FRESH_NS > m->front.now_ns;
}

static struct census count(const struct monitor *m, unsigned db)
{
	struct census c = {0};

	for (unsigned i = 0; i < m->region.h->plan.n_numbers; i++) {
		const struct board_row *row = region_board(&m->region, i);
		int is_cut = atomic_load(&row->db_cut) >> db & 1;

		if (!connects_is_ready(m, row))
			continue;
		c.ready++;
		c.cut += (unsigned)is_cut;
		c.failing += atomic_load(&row->db_failing) >> db & 1;
		c.heard += !is_cut && (atomic_load(&row->db_heard) >> db & 1);
	}
	return c;
}

/* 1 it serves, 0 it does not, -1 nobody knows. */
static int serves(struct monitor_db *d, const struct census *c, uint64_t now_ns)
{
	if (c->ready && c->cut == c->ready)
		return 0;
	/* they take turns, and one that waits for its own is not cut */
	if (scarce_is(d, now_ns))
		return c->ready || (d->served_ns && now_ns - d->served_ns < SERVED_NS);
	switch (d->seen.state) {
	case SEEN_UP:
		return 1;
	case SEEN_DOWN:
		/* what is open is no sign: a link may be dead. What has answered since is. */
		return c->heard > 0;
	case SEEN_NOT_YET:
		break;
	}
	return c->heard ? 1 : -1;
}

static void explain(const struct monitor_db *d, const struct census *c, uint64_t now_ns, char out[REFUSED_TEXT])
{
	const struct db_state *s = region_db(&d->m->region, d->db);
	int is_scarce = scarce_is(d, now_ns), is_unseen = !is_scarce && d->seen.state == SEEN_DOWN;
	char why[REFUSED_TEXT];

	out[0] = 0;
	if (is_unseen && !c->heard) {
		snprintf(out, REFUSED_TEXT, "%.199s", d->seen.error);
		return;
	}
	if (c->cut && c->cut == c->ready && refused_get(&s->refused, why) == 0)
		snprintf(out, REFUSED_TEXT, "no worker can connect: %.150s", why);
	else if (c->failing && refused_get(&s->refused, why) == 0)
		snprintf(out, REFUSED_TEXT, "%u of %u workers cannot connect: %.150s", c->failing, c->ready, why);
	else if (is_unseen)
		snprintf(out, REFUSED_TEXT, "weir-monitor cannot connect: %.150s", d->seen.error);
	else if (is_scarce && !c->ready)
		snprintf(out, REFUSED_TEXT, "the server grants no connection to any worker");
}

static void log_change(const struct monitor_db *d, unsigned was, int up, const char *error)
{
	if (up && was != 1 && d->seen.state == SEEN_UP)
		log_info("database %s is reachable: %s, PostgreSQL %u.%u%s", d->opts->name, d->seen.where,
			 d->seen.server_version / 10000, d->seen.server_version % 10000,
			 d->seen.is_standby ? ", standby" : "");
	else if (up && was != 1)
		log_info("database %s is reachable for workers", d->opts->name);
	else if (!up && was != 2)
		log_warn("database %s is not reachable: %s", d->opts->name, error);
}

void connects_judge(struct monitor_db *d, uint64_t now_ns)
{
	struct db_state *s = region_db(&d->m->region, d->db);
	struct census c = count(d->m, d->db);
	unsigned was = atomic_load(&s->up);
	char error[REFUSED_TEXT];
	int up = serves(d, &c, now_ns);

	if (c.ready > c.cut)
		d->served_ns = now_ns;
	explain(d, &c, now_ns, error);
	d->is_weak = error[0] != 0;
	atomic_store(&s->is_unseen, (uint32_t)(d->seen.state == SEEN_DOWN && !scarce_is(d, now_ns)));
	if (up < 0)
		return;
	db_state_judge(s, up, error, now_ns);
	log_change(d, was, up, error);
	if (up && d->seen.state == SEEN_DOWN && !d->seen.has_said && now_ns - d->seen.since_ns > UNSEEN_SAY_NS) {
		d->seen.has_said = 1;
		log_warn("database %s: weir-monitor cannot connect, workers can; what they meet is what is known of it: %s",
			 d->opts->name, d->seen.error);
	}
}

void connects_seen(struct monitor_db *d, int is_up, uint64_t now_ns)
{
	struct db_state *s = region_db(&d->m->region, d->db);
	enum seen_state now = is_up ? SEEN_UP : SEEN_DOWN;

	snprintf(d->seen.error, sizeof(d->seen.error), "%s", is_up ? "" : d->probe.error);
	snprintf(d->seen.where, sizeof(d->seen.where), "%s", d->probe.where);
	d->seen.server_version = d->probe.server_version;
	d->seen.is_standby = d->probe.is_standby;
	atomic_store(&s->probed_ns, now_ns);
	if (d->seen.state == now)
		return;
	if (is_up)
		atomic_store(&s->seen_ns, now_ns);
	d->seen.state = now;
	d->seen.since_ns = now_ns;
	d->seen.has_said = 0;
}

void connects_tick(struct monitor *m, uint64_t now_ns)
{
	for (unsigned i = 0; i < m->snapshot.options.n_databases; i++)
		connects_judge(&m->dbs[i], now_ns);
}
