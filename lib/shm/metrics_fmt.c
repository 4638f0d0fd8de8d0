/* Exposition: the list of metrics, then gauges from board, slots and database states. One code for
 * Prometheus text 0.0.4 and OpenMetrics 1.0; the latter names a counter's family without "_total",
 * states units and the time of creation, and ends in "# EOF". Bounds are written "1.0" in both, so a
 * series keeps its name whichever format a scraper negotiates.
 * The texts of the region are untrusted: bounded, escaped and made valid UTF-8, or one bad byte
 * would cost the whole scrape. */
#include "config.h"

#include "lib/shm/metrics.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/clock.h"
#include "lib/base/num.h"
#include "lib/base/utf8.h"
#include "lib/shm/cache.h"
#include "lib/shm/region.h"

static const struct {
	uint32_t us;
	const char *text;
} bounds[] = {
    {1000, "0.001"},   {5000, "0.005"},	  {10000, "0.01"},    {25000, "0.025"},	  {50000, "0.05"},
    {75000, "0.075"},  {100000, "0.1"},	  {250000, "0.25"},   {500000, "0.5"},	  {750000, "0.75"},
    {1000000, "1.0"},  {2500000, "2.5"},  {5000000, "5.0"},   {7500000, "7.5"},	  {10000000, "10.0"},
};

struct fmt {
	const struct region *r;
	struct buf *out;
	int openmetrics;
	struct buf labels;	/* of the next sample, without braces */
	char created[32];
};

static void number(struct buf *out, uint64_t v)
{
	char digits[24];

	buf_add(out, digits, num_put_u64(digits, v));
}

static void seconds(struct buf *out, uint64_t ns)
{
	buf_addf(out, "%llu.%09u", (unsigned long long)(ns / CLOCK_S), (unsigned)(ns % CLOCK_S));
}

/* Without its last part, if that is what the name ends in. */
static size_t stem(const char *name, const char *suffix)
{
	size_t n = strlen(name), k = strlen(suffix);

	return n > k && strcmp(name + n - k, suffix) == 0 ? n - k : n;
}

static void family(struct fmt *f, const char *name, const char *type, const char *help)
{
	static const char *const units[] = {"_seconds", "_bytes"};
	size_t n = f->openmetrics && strcmp(type, "counter") == 0 ? stem(name, "_total") : strlen(name);

	buf_addf(f->out, "# HELP %.*s %s\n# TYPE %.*s %s\n", (int)n, name, help, (int)n, name, type);
	for (size_t i = 0; f->openmetrics && i < ARRAY_LEN(units); i++) {
		size_t k = strlen(units[i]);

		if (n > k && strncmp(name + n - k, units[i], k) == 0)
			buf_addf(f->out, "# UNIT %.*s %s\n", (int)n, name, units[i] + 1);
	}
}

/* Begin the labels of a sample with fixed text of the list. */
static void labels(struct fmt *f, const char *fixed)
{
	buf_clear(&f->labels);
	buf_adds(&f->labels, fixed);
}

static void label(struct fmt *f, const char *name, const char *value, size_t max)
{
	struct slice v = slice_of(value, strnlen(value, max));
	int is_utf8 = utf8_is_valid(v);

	buf_addf(&f->labels, "%s%s=\"", f->labels.n ? "," : "", name);
	for (size_t i = 0; i < v.n; i++) {
		char c = v.p[i];

		if (c == '\\' || c == '"')
			buf_addc(&f->labels, '\\');
		if (c == '\n')
			buf_adds(&f->labels, "\\n");
		else
			buf_addc(&f->labels, c & 0x80 && !is_utf8 ? '?' : c);
	}
	buf_addc(&f->labels, '"');
}

static void label_number(struct fmt *f, const char *name, unsigned v)
{
	buf_addf(&f->labels, "%s%s=\"%u\"", f->labels.n ? "," : "", name, v);
}

/* Name, suffix and labels; the value and the line's end are the caller's. */
static void sample(struct fmt *f, const char *name, size_t n, const char *suffix, const char *le)
{
	struct buf *out = f->out;

	buf_add(out, name, n);
	buf_adds(out, suffix);
	if (f->labels.n || le) {
		buf_addc(out, '{');
		buf_add(out, f->labels.p, f->labels.n);
		if (le)
			buf_addf(out, "%sle=\"%s\"", f->labels.n ? "," : "", le);
		buf_addc(out, '}');
	}
	buf_addc(out, ' ');
}

static void put_created(struct fmt *f, const char *name, size_t n)
{
	if (!f->openmetrics)
		return;
	sample(f, name, n, "_created", NULL);
	buf_addf(f->out, "%s\n", f->created);
}

static void put_counter(struct fmt *f, const char *name, uint64_t v, int is_ns)
{
	size_t n = strlen(name);

	sample(f, name, n, "", NULL);
	if (is_ns)
		seconds(f->out, v);
	else
		number(f->out, v);
	buf_addc(f->out, '\n');
	put_created(f, name, stem(name, "_total"));
}

static void put_gauge(struct fmt *f, const char *name, uint64_t v)
{
	sample(f, name, strlen(name), "", NULL);
	number(f->out, v);
	buf_addc(f->out, '\n');
}

static void put_gauge_ns(struct fmt *f, const char *name, uint64_t ns)
{
	sample(f, name, strlen(name), "", NULL);
	seconds(f->out, ns);
	buf_addc(f->out, '\n');
}

static void put_histogram(struct fmt *f, const char *name, const struct histo_sum *s)
{
	size_t n = strlen(name);

	for (size_t i = 0; i < ARRAY_LEN(bounds); i++) {
		sample(f, name, n, "_bucket", bounds[i].text);
		number(f->out, histo_le(s, bounds[i].us));
		buf_addc(f->out, '\n');
	}
	sample(f, name, n, "_bucket", "+Inf");
	number(f->out, s->count);
	buf_addc(f->out, '\n');
	sample(f, name, n, "_sum", NULL);
	seconds(f->out, s->sum_ns);
	buf_addc(f->out, '\n');
	sample(f, name, n, "_count", NULL);
	number(f->out, s->count);
	buf_addc(f->out, '\n');
	put_created(f, name, n);
}

static void put_row(struct fmt *f, const struct metric_desc *d, unsigned endpoint)
{
	struct histo_sum sum;

	labels(f, d->labels);
	if (d->is_endpoint)
		label(f, "endpoint", region_endpoint(f->r, endpoint)->id,
		      sizeof(region_endpoint(f->r, endpoint)->id));
	if (d->kind == METRIC_histogram) {
		metrics_sum_histo(f->r, d, endpoint, &sum);
		put_histogram(f, d->name, &sum);
	} else {
		put_counter(f, d->name, metrics_sum(f->r, d, endpoint), d->kind == METRIC_seconds);
	}
}

static void put_process(struct fmt *f, const struct metric_desc *d, const char *name, const struct process_stats *p)
{
	uint64_t v = atomic_load_explicit((const _Atomic uint64_t *)(const void *)((const char *)p + d->offset),
					  memory_order_relaxed);

	labels(f, d->labels);
	label(f, "process", name, 32);
	if (d->kind == METRIC_gauge) {
		put_gauge(f, d->name, v);
		return;
	}
	sample(f, d->name, strlen(d->name), "", NULL);	/* began with its process, which says when elsewhere */
	seconds(f->out, v);
	buf_addc(f->out, '\n');
}

static void put_processes(struct fmt *f, const struct metric_desc *d)
{
	char name[32];

	if (atomic_load_explicit(&f->r->h->weird_pid, memory_order_relaxed))
		put_process(f, d, "weird", &f->r->h->weird);
	for (unsigned i = 0; i <= f->r->plan.n_numbers; i++) {
		const struct board_row *row = region_board(f->r, i);

		if (!atomic_load_explicit(&row->pid, memory_order_relaxed))
			continue;
		snprintf(name, sizeof(name), i < f->r->plan.n_numbers ? "worker %u" : "monitor", i);
		put_process(f, d, name, &row->process);
	}
}

/* Rows that a reload removed stay: their counters would otherwise fall to nothing and come back. */
static void put_list(struct fmt *f)
{
	unsigned n_endpoints = region_endpoints_used(f->r);

	for (size_t i = 0; i < metrics_table_n; i++) {
		const struct metric_desc *d = &metrics_table[i];

		if (i == 0 || strcmp(d->name, metrics_table[i - 1].name) != 0)
			family(f, d->name, metric_kind_name(d->kind), d->help);
		if (d->is_process)
			put_processes(f, d);
		else if (!d->is_endpoint)
			put_row(f, d, 0);
		for (unsigned k = 0; d->is_endpoint && k < n_endpoints; k++)
			put_row(f, d, k);
	}
}

#define LOAD(at) atomic_load_explicit(&(at), memory_order_relaxed)

static void put_states(struct fmt *f)
{
	unsigned counts[STATE_COUNT] = {0};

	for (unsigned i = 0; i < f->r->plan.n_numbers; i++) {
		const struct board_row *row = region_board(f->r, i);
		uint32_t state = LOAD(row->state);

		if (state == STATE_empty && LOAD(row->pid))
			state = STATE_ready; /* started alone: nobody keeps states */
		if (state < STATE_COUNT)
			counts[state]++;
	}
	family(f, "weir_workers", "gauge", "Worker processes by state.");
	for (int s = 0; s < STATE_COUNT; s++) {
		if (s == STATE_empty)
			continue;
		labels(f, "");
		label(f, "state", board_state_name(s), 64);
		put_gauge(f, "weir_workers", counts[s]);
	}
}

/* A figure of each worker that is there. */
static void put_by_worker(struct fmt *f, const char *name, const char *help,
			  uint64_t (*get)(const struct board_row *), unsigned per)
{
	family(f, name, "gauge", help);
	for (unsigned i = 0; i < f->r->plan.n_numbers; i++) {
		const struct board_row *row = region_board(f->r, i);

		if (!LOAD(row->pid))
			continue;
		labels(f, "");
		label_number(f, "worker", i);
		if (per)
			put_gauge_ns(f, name, get(row) * (CLOCK_S / per));
		else
			put_gauge(f, name, get(row));
	}
}

static uint64_t get_busy(const struct board_row *row)
{
	return LOAD(row->busy_permille);
}

static uint64_t get_held(const struct board_row *row)
{
	return LOAD(row->held_bytes);
}

static uint64_t get_degraded(const struct board_row *row)
{
	return LOAD(row->is_degraded);
}

/* What weird counts by number; the number's, so never reset. */
static void put_ends(struct fmt *f, const char *name, const char *help, int is_crashes)
{
	family(f, name, "counter", help);
	for (unsigned i = 0; i < f->r->plan.n_numbers; i++) {
		const struct board_row *row = region_board(f->r, i);

		if (!LOAD(row->incarnation) && !LOAD(row->pid))
			continue; /* a number that nobody has had */
		labels(f, "");
		label_number(f, "worker", i);
		put_counter(f, name, is_crashes ? LOAD(row->crashes) : LOAD(row->restarts), 0);
	}
}

static void put_sums(struct fmt *f)
{
	uint64_t in_flight = 0, waiting = 0, open = 0, parked = 0;

	for (unsigned i = 0; i < f->r->plan.n_numbers; i++) {
		const struct board_row *row = region_board(f->r, i);

		if (!LOAD(row->pid))
			continue;
		in_flight += LOAD(row->in_flight);
		waiting += LOAD(row->waiting);
		open += LOAD(row->conns_open);
		parked += LOAD(row->conns_parked);
	}
	family(f, "weir_http_requests_in_flight", "gauge", "Requests between BEGIN and the last byte.");
	labels(f, "");
	put_gauge(f, "weir_http_requests_in_flight", in_flight);
	family(f, "weir_db_pool_waiting", "gauge", "Requests that wait for a database connection.");
	put_gauge(f, "weir_db_pool_waiting", waiting);
	family(f, "weir_fcgi_connections", "gauge", "Connections from web servers; parked ones have no request.");
	labels(f, "state=\"active\"");
	put_gauge(f, "weir_fcgi_connections", open > parked ? open - parked : 0);
	labels(f, "state=\"parked\"");
	put_gauge(f, "weir_fcgi_connections", parked);
}

static void put_workers(struct fmt *f)
{
	put_states(f);
	put_by_worker(f, "weir_worker_busy_ratio", "Share of the last seconds that a worker's loop was busy.",
		      get_busy, 1000);
	put_by_worker(f, "weir_worker_response_bytes", "Results and answers that a worker holds (limits.responses).", get_held, 0);
	put_by_worker(f, "weir_worker_degraded", "1 while a worker serves without its database.", get_degraded,
		      0);
	put_ends(f, "weir_worker_restarts_total", "Processes that were started again under a worker number.", 0);
	put_ends(f, "weir_worker_crashes_total", "Processes of a worker number that ended by a signal or in error.",
		 1);
	put_sums(f);
}

static void db_label(struct fmt *f, unsigned db)
{
	const struct db_state *s = region_db(f->r, db);

	labels(f, "");
	label(f, "database", s->name, sizeof(s->name));
}

static void put_slots(struct fmt *f)
{
	static const char *const lanes[] = {"express", "exclusive"};
	static const char *const states[] = {"connecting", "idle", "active", "broken"};

	family(f, "weir_db_connections", "gauge", "Connections to PostgreSQL by lane and state.");
	for (unsigned db = 0; db < f->r->plan.n_databases; db++) {
		unsigned counts[7][2];

		slots_count(f->r, db, counts);
		for (unsigned lane = 0; lane < 2; lane++) {
			const unsigned by_state[] = {
			    counts[SLOT_CONNECTING][lane], counts[SLOT_IDLE][lane], counts[SLOT_BUSY][lane],
			    counts[SLOT_CANCELLING][lane] + counts[SLOT_CLOSING][lane] +
				counts[SLOT_ZOMBIE][lane]};

			for (size_t i = 0; i < ARRAY_LEN(states); i++) {
				db_label(f, db);
				label(f, "lane", lanes[lane], 16);
				label(f, "state", states[i], 16);
				put_gauge(f, "weir_db_connections", by_state[i]);
			}
		}
	}
	family(f, "weir_db_connections_max", "gauge", "Most connections to PostgreSQL at a time (pool_max).");
	for (unsigned db = 0; db < f->r->plan.n_databases; db++) {
		db_label(f, db);
		put_gauge(f, "weir_db_connections_max", f->r->plan.n_slots[db]);
	}
}

static void put_events(struct fmt *f)
{
	static const struct {
		const char *name, *type, *help;
		size_t offset;
	} rows[] = {
#define ROW(field, name, help) {name, "counter", help, offsetof(struct db_state, field)}
	    ROW(events, "weir_cache_invalidation_events_total", "Events of writes that weir-monitor has heard."),
	    ROW(event_tags, "weir_cache_invalidation_tags_total", "Tags in these events."),
	    ROW(events_bad, "weir_cache_invalidation_bad_total", "Events that were not understood and did nothing."),
	    ROW(events_all, "weir_cache_invalidation_all_total",
		"Events after which every answer under a tag was distrusted: TRUNCATE, very many tags, a column that is gone."),
	    ROW(event_gaps, "weir_cache_invalidation_gaps_total",
		"Times that events may have been missed; what was cached under tags before was distrusted then."),
#undef ROW
	};
	struct histo_sum sum;

	family(f, "weir_cache_invalidation_listening", "gauge", "1 while weir-monitor hears events of writes.");
	for (unsigned db = 0; db < f->r->plan.n_databases; db++) {
		db_label(f, db);
		put_gauge(f, "weir_cache_invalidation_listening", LOAD(region_db(f->r, db)->is_listening) != 0);
	}
	family(f, "weir_cache_unsettled", "gauge",
	       "1 while nothing under tags is kept, since what an instance before this one was writing may still be committed.");
	for (unsigned db = 0; db < f->r->plan.n_databases; db++) {
		db_label(f, db);
		put_gauge(f, "weir_cache_unsettled", LOAD(region_db(f->r, db)->cache_floor_ms) == REGION_UNSETTLED);
	}
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		family(f, rows[i].name, rows[i].type, rows[i].help);
		for (unsigned db = 0; db < f->r->plan.n_databases; db++) {
			const char *at = (const char *)region_db(f->r, db) + rows[i].offset;

			db_label(f, db);
			put_counter(f, rows[i].name, LOAD(*(const metric_counter_t *)(const void *)at), 0);
		}
	}
	family(f, "weir_cache_invalidation_lag_seconds", "histogram",
	       "Time from a write's statement to its event: the rest of its transaction, and the way here.");
	for (unsigned db = 0; db < f->r->plan.n_databases; db++) {
		memset(&sum, 0, sizeof(sum));
		histo_merge(&sum, &region_db(f->r, db)->event_lag);
		db_label(f, db);
		put_histogram(f, "weir_cache_invalidation_lag_seconds", &sum);
	}
}

/* What is not known is left out: a false 0 would fire alerts. */
static void put_databases(struct fmt *f)
{
	unsigned n = f->r->plan.n_databases;

	family(f, "weir_db_up", "gauge", "1 when the database answers.");
	for (unsigned db = 0; db < n; db++) {
		uint32_t up = LOAD(region_db(f->r, db)->up);

		db_label(f, db);
		if (up)
			put_gauge(f, "weir_db_up", up == 1);
	}
	family(f, "weir_db_standby", "gauge", "1 when the server is in recovery and only reads.");
	for (unsigned db = 0; db < n; db++) {
		db_label(f, db);
		if (LOAD(region_db(f->r, db)->up))
			put_gauge(f, "weir_db_standby", LOAD(region_db(f->r, db)->is_standby) != 0);
	}
	family(f, "weir_db_replication_lag_seconds", "gauge", "How far a standby is behind.");
	for (unsigned db = 0; db < n; db++) {
		uint64_t ms = LOAD(region_db(f->r, db)->lag_ms);

		db_label(f, db);
		if (LOAD(region_db(f->r, db)->is_standby) && ms != UINT64_MAX)
			put_gauge_ns(f, "weir_db_replication_lag_seconds", ms * CLOCK_MS);
	}
	family(f, "weir_db_probe_duration_seconds", "gauge", "Duration of the last good probe.");
	for (unsigned db = 0; db < n; db++) {
		uint64_t us = LOAD(region_db(f->r, db)->probe_us);

		db_label(f, db);
		if (us)
			put_gauge_ns(f, "weir_db_probe_duration_seconds", us * 1000);
	}
	family(f, "weir_db_outages_total", "counter", "Times the database went from up to down.");
	for (unsigned db = 0; db < n; db++) {
		db_label(f, db);
		put_counter(f, "weir_db_outages_total", LOAD(region_db(f->r, db)->outages), 0);
	}
	put_slots(f);
	if (f->r->plan.cache_bytes)
		put_events(f);
}

static void put_zone(struct fmt *f, const struct cache_stat *s, const char *name, const char *kind, const char *help,
		     size_t off)
{
	static const char *const zones[CACHE_ZONES] = {"zone=\"data\"", "zone=\"negative\""};

	family(f, name, kind, help);
	for (int z = 0; z < CACHE_ZONES; z++) {
		uint64_t v;

		memcpy(&v, (const char *)&s[z] + off, sizeof(v));
		labels(f, zones[z]);
		if (kind[0] == 'c')
			put_counter(f, name, v, 0);
		else
			put_gauge(f, name, v);
	}
}

static void put_node(struct fmt *f, const char *name, unsigned i, uint64_t v, int is_counter)
{
	labels(f, "");
	label(f, "node", region_tier(f->r)->names[i], sizeof(region_tier(f->r)->names[i]));
	if (is_counter)
		put_counter(f, name, v, 0);
	else
		put_gauge(f, name, v);
}

static void put_nodes(struct fmt *f)
{
	const struct region_tier *t = region_tier(f->r);
	unsigned n = region_nodes(f->r);

	if (!n)
		return;
	family(f, "weir_cache_l2_node_up", "gauge", "1 while a memcached node is asked, 0 while its breaker is open.");
	for (unsigned i = 0; i < n; i++)
		put_node(f, "weir_cache_l2_node_up", i, (uint64_t)breaker_may(&t->breakers[i]), 0);
	family(f, "weir_cache_l2_breaker_opened_total", "counter", "Times the breaker of a memcached node opened.");
	for (unsigned i = 0; i < n; i++)
		put_node(f, "weir_cache_l2_breaker_opened_total", i, LOAD(t->breakers[i].opened), 1);
	family(f, "weir_cache_l2_node_failures_total", "counter", "Calls to a memcached node that failed or were not answered in time.");
	for (unsigned i = 0; i < n; i++)
		put_node(f, "weir_cache_l2_node_failures_total", i, LOAD(t->breakers[i].failures), 1);
	labels(f, "");
	family(f, "weir_cache_l2_purges_waiting", "gauge", "Purges that other hosts have not been told of yet.");
	put_gauge(f, "weir_cache_l2_purges_waiting", LOAD(t->purges.posted) - LOAD(t->purges.ended));
}

static void put_cache(struct fmt *f)
{
	struct cache_stat s[CACHE_ZONES];
	struct cache *cache = calloc(1, sizeof(*cache));
	size_t size;
	void *mem = region_cache(f->r, &size);

	if (!cache)
		abort();
	if (mem && cache_attach(cache, mem, size, SLICE("")) == 0) {
		for (int z = 0; z < CACHE_ZONES; z++)
			cache_stat(cache, (enum cache_zone)z, &s[z]);
		put_zone(f, s, "weir_cache_size_bytes", "gauge", "Shared memory for entries.", offsetof(struct cache_stat, bytes_total));
		put_zone(f, s, "weir_cache_used_bytes", "gauge", "Shared memory that entries take.", offsetof(struct cache_stat, bytes_used));
		put_zone(f, s, "weir_cache_entries", "gauge", "Entries.", offsetof(struct cache_stat, entries));
		put_zone(f, s, "weir_cache_evicted_total", "counter", "Entries that made room for others.", offsetof(struct cache_stat, evicted));
		put_zone(f, s, "weir_cache_expired_total", "counter", "Entries that were freed past their time.", offsetof(struct cache_stat, expired));
		put_zone(f, s, "weir_cache_shards_wiped_total", "counter", "Shards emptied because a process died in them.", offsetof(struct cache_stat, wiped));
		cache_detach(cache);
		put_nodes(f);
	}
	free(cache);
}

/* One row for each socket; its address is text of the region. */
static void put_queues(struct fmt *f)
{
	static const struct {
		const char *name, *help;
		size_t offset;
	} rows[] = {
	    {"weir_fcgi_listen_queue_length", "Connections waiting to be accepted.", offsetof(struct region_queue, length)},
	    {"weir_fcgi_listen_queue_limit", "Connections that the accept queue holds.", offsetof(struct region_queue, limit)},
	    {"weir_fcgi_listen_queue_peak", "Most connections seen waiting since the start.", offsetof(struct region_queue, peak)},
	};
	const struct region_header *h = f->r->h;
	unsigned n = LOAD(h->n_queues);

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		family(f, rows[i].name, "gauge", rows[i].help);
		for (unsigned k = 0; k < n && k < REGION_MAX_QUEUES; k++) {
			const struct region_queue *q = &h->queues[k];

			if (!q->address[0])
				continue;	/* the kernel does not say */
			labels(f, "");
			label(f, "socket", q->address, sizeof(q->address));
			put_gauge(f, rows[i].name, LOAD(*(const _Atomic uint32_t *)(const void *)((const char *)q + rows[i].offset)));
		}
	}
}

/* What an endpoint's label stands for, to be joined with the other metrics. */
static void put_endpoint_info(struct fmt *f)
{
	unsigned n = region_endpoints_used(f->r);

	family(f, "weir_endpoint_info", "gauge", "Method, path and database of an endpoint.");
	for (unsigned i = 0; i < n; i++) {
		const struct region_endpoint *e = region_endpoint(f->r, i);
		size_t len = strnlen(e->route, sizeof(e->route));
		const char *blank = memchr(e->route, ' ', len);

		if (LOAD(e->state) != 1 || !blank)
			continue;
		labels(f, "");
		label(f, "endpoint", e->id, sizeof(e->id));
		label(f, "method", e->route, (size_t)(blank - e->route));
		label(f, "path", blank + 1, len - (size_t)(blank + 1 - e->route));
		if (e->database < f->r->plan.n_databases)
			label(f, "database", region_db(f->r, e->database)->name, sizeof(region_db(f->r, 0)->name));
		put_gauge(f, "weir_endpoint_info", 1);
	}
}

static void put_endpoint_sick(struct fmt *f)
{
	family(f, "weir_endpoint_sick", "gauge", "1 while the database refuses an endpoint's statement, which is tried again.");
	for (unsigned i = 0, n = region_endpoints_used(f->r); i < n; i++) {
		const struct region_endpoint *e = region_endpoint(f->r, i);

		if (LOAD(e->state) != 1)
			continue;
		labels(f, "");
		label(f, "endpoint", e->id, sizeof(e->id));
		put_gauge(f, "weir_endpoint_sick", (uint64_t)sick_is(&e->sick));
	}
}

static void put_instance(struct fmt *f)
{
	const struct region_header *h = f->r->h;
	uint32_t ok = LOAD(h->reloads_ok), failed = LOAD(h->reloads_failed);
	uint64_t at_us = LOAD(h->reload_wall_us);

	put_queues(f);
	family(f, "weir_fcgi_peers_refused_total", "counter", "Connections closed because their peer is in no network of listen_allow.");
	labels(f, "");
	put_counter(f, "weir_fcgi_peers_refused_total", LOAD(f->r->h->peers_refused), 0);
	put_endpoint_info(f);
	put_endpoint_sick(f);
	labels(f, "");
	family(f, "weir_config_last_reload_successful", "gauge", "1 when the last reload (or the start) succeeded.");
	put_gauge(f, "weir_config_last_reload_successful",
		  ok + failed == 0 || LOAD(h->last_reload_ok) != 0);
	family(f, "weir_config_last_reload_timestamp_seconds", "gauge",
	       "When the configuration in use was loaded, Unix time.");
	put_gauge_ns(f, "weir_config_last_reload_timestamp_seconds",
		     (at_us ? at_us : h->started_wall_us) * 1000);
	family(f, "weir_config_reloads_total", "counter", "Reloads by result.");
	labels(f, "result=\"ok\"");
	put_counter(f, "weir_config_reloads_total", ok, 0);
	labels(f, "result=\"error\"");
	put_counter(f, "weir_config_reloads_total", failed, 0);
	/* not OpenMetrics' type info: promtool does not know it */
	family(f, "weir_build_info", "gauge", "Version of Weir.");
	labels(f, "version=\"" PACKAGE_VERSION "\"");
	put_gauge(f, "weir_build_info", 1);
	family(f, "process_start_time_seconds", "gauge", "When the instance started, Unix time.");
	labels(f, "");
	put_gauge_ns(f, "process_start_time_seconds", h->started_wall_us * 1000);
}

void metrics_format(const struct region *r, int openmetrics, struct buf *out)
{
	struct fmt f = {.r = r, .out = out, .openmetrics = openmetrics};

	buf_init(&f.labels, 0);
	snprintf(f.created, sizeof(f.created), "%llu.%06u",
		 (unsigned long long)(r->h->started_wall_us / 1000000),
		 (unsigned)(r->h->started_wall_us % 1000000));
	put_list(&f);
	put_workers(&f);
	put_databases(&f);
	put_cache(&f);
	put_instance(&f);
	if (openmetrics)
		buf_adds(out, "# EOF\n");
	buf_done(&f.labels);
}
