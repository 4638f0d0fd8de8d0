/* configure: a reload without a new process, because a new one would have a gap in what it hears, which makes void all
 * that is cached under tags. The snapshot that weird sends is used at once; a database's sessions go on as they are
 * unless a key of its block has changed: then they are closed, and opened again by the new settings.
 * What the thread pool works on still reads the old settings, so each database changes over when it has no work there,
 * and a configuration is freed when nobody reads it any more. */
#include "config.h"

#include "workers/monitor/monitor.h"

#include <stdlib.h>
#include <unistd.h>

#include "lib/base/check.h"
#include "lib/base/log.h"

struct configuration {
	struct list node;	/* in monitor.configurations; the newest is the last */
	struct snapshot snapshot;
};

static struct configuration *newest(struct monitor *m)
{
	return LIST_ENTRY(m->configurations.prev, struct configuration, node);
}

static int open_it(struct monitor *m, int fd)
{
	struct configuration *c = calloc(1, sizeof(*c));
	struct errs errs;
	int rc;

	check(c);
	errs_init(&errs);
	rc = snapshot_open(&c->snapshot, fd, &errs);
	if (rc) {
		log_error("the configuration snapshot cannot be read: %s", errs.n ? errs.v[0].text : "?");
		snapshot_done(&c->snapshot);
		free(c);
	} else {
		list_add_tail(&m->configurations, &c->node);
		m->snapshot = c->snapshot;
	}
	errs_done(&errs);
	return rc ? -1 : 0;
}

static void use(struct monitor_db *d, struct configuration *c)
{
	const struct options *o = &c->snapshot.options;

	d->held = c;
	d->opts = d->probe.opts = d->cancel.opts = &o->databases[d->db];
	d->probe.budget.name = d->opts->name;
}

static void begin(struct monitor_db *d)
{
	db_budget_init(&d->probe.budget, d->opts, d->m->snapshot.options.cache.memory != 0);
	listeners_init(d);
}

int configure_first(struct monitor *m, int fd)
{
	list_init(&m->configurations);
	if (open_it(m, fd))
		return -1;
	for (unsigned i = 0; i < m->snapshot.options.n_databases; i++) {
		struct monitor_db *d = &m->dbs[i];

		*d = (struct monitor_db){.m = m, .db = i};
		use(d, newest(m));
		begin(d);
	}
	return 0;
}

int configure_take(struct monitor *m, int fd)
{
	if (open_it(m, fd))
		return -1;
	check(m->snapshot.options.n_databases == newest(m)->snapshot.options.n_databases);
	peers_init(&m->front.peers, &m->snapshot.options.listen_allow, &m->region.h->peers_refused);
	tier_begin(m);
	configure_tick(m);
	return 0;
}

static void change(struct monitor_db *d, struct configuration *c)
{
	int is_same = options_same_database(&d->held->snapshot.options, &c->snapshot.options, d->db);

	if (!is_same) {
		db_probe_close(&d->probe);
		db_probe_close(&d->cancel);
		listeners_close(d);
		slot_close(d);
		nonce_unsure(d);
		log_info("database %s: its settings have changed, sessions are opened again", d->opts->name);
	}
	use(d, c);
	if (!is_same)
		begin(d);
}

static int is_read(const struct monitor *m, const struct configuration *c)
{
	for (unsigned i = 0; i < m->snapshot.options.n_databases; i++)
		if (m->dbs[i].held == c)
			return 1;
	return 0;
}

void configure_tick(struct monitor *m)
{
	struct configuration *last = newest(m);

	if (m->configurations.next == &last->node)
		return;
	for (unsigned i = 0; i < m->snapshot.options.n_databases; i++) {
		struct monitor_db *d = &m->dbs[i];

		if (d->held != last && !d->is_probing && !d->is_cancelling && listeners_are_idle(d) && slot_is_idle(d))
			change(d, last);
	}
	LIST_FOR_SAFE(l, next, &m->configurations)
	{
		struct configuration *c = LIST_ENTRY(l, struct configuration, node);

		if (c == last || is_read(m, c))
			continue;
		list_del(l);
		snapshot_done(&c->snapshot);
		free(c);
	}
}
