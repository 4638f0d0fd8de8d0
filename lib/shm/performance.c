/* The figures of the region as one JSON object, for weird and weir-monitor alike, so that either can
 * say them without the other. The few lines that write JSON are here because lib/json is a sibling
 * of this layer. Every key is a literal; only values are escaped. */
#include "config.h"

#include "lib/shm/metrics.h"

#include <string.h>

#include "lib/base/clock.h"
#include "lib/base/utf8.h"
#include "lib/shm/region.h"

#define LOAD(at) atomic_load_explicit(&(at), memory_order_relaxed)

struct json {
	struct buf *out;
	int wants_comma;
};

static void key(struct json *j, const char *name)
{
	buf_addf(j->out, "%s\"%s\":", j->wants_comma ? "," : "", name);
	j->wants_comma = 0;
}

static void begin(struct json *j, char c)
{
	if (j->wants_comma)
		buf_addc(j->out, ',');
	buf_addc(j->out, c);
	j->wants_comma = 0;
}

static void end(struct json *j, char c)
{
	buf_addc(j->out, c);
	j->wants_comma = 1;
}

static void literal(struct json *j, const char *name, const char *text)
{
	key(j, name);
	buf_adds(j->out, text);
	j->wants_comma = 1;
}

static void uint(struct json *j, const char *name, uint64_t v)
{
	key(j, name);
	buf_addf(j->out, "%llu", (unsigned long long)v);
	j->wants_comma = 1;
}

/* v / 1000 with three decimals. */
static void milli(struct json *j, const char *name, uint64_t v)
{
	key(j, name);
	buf_addf(j->out, "%llu.%03u", (unsigned long long)(v / 1000), (unsigned)(v % 1000));
	j->wants_comma = 1;
}

static void ratio(struct json *j, const char *name, uint64_t part, uint64_t whole)
{
	uint64_t v = whole ? (uint64_t)((double)part * 1e6 / (double)whole) : 0;

	if (!whole) {
		literal(j, name, "null");
		return;
	}
	key(j, name);
	buf_addf(j->out, "%llu.%06u", (unsigned long long)(v / 1000000), (unsigned)(v % 1000000));
	j->wants_comma = 1;
}

/* The region's texts are bounded by max and may hold anything. */
static void text(struct json *j, const char *name, const char *p, size_t max)
{
	struct slice s = slice_of(p, strnlen(p, max));
	int is_utf8 = utf8_is_valid(s);

	key(j, name);
	buf_addc(j->out, '"');
	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];

		if (c < 0x20)
			buf_addf(j->out, "\\u%04x", c);
		else if (c == '"' || c == '\\')
			buf_addf(j->out, "\\%c", c);
		else
			buf_addc(j->out, c & 0x80 && !is_utf8 ? '?' : (char)c);
	}
	buf_addc(j->out, '"');
	j->wants_comma = 1;
}

static void wall(struct json *j, const char *name, uint64_t wall_us)
{
	char t[32];

	clock_format_wall(wall_us, t);
	text(j, name, t, sizeof(t));
}

static void put_quantiles(struct json *j, const struct histo_sum *s)
{
	static const struct {
		const char *name;
		double q;
	} wanted[] = {{"p50_ms", 0.5}, {"p95_ms", 0.95}, {"p99_ms", 0.99}};

	if (!s->count) {
		literal(j, "mean_ms", "null");
		for (size_t i = 0; i < ARRAY_LEN(wanted); i++)
			literal(j, wanted[i].name, "null");
		return;
	}
	milli(j, "mean_ms", s->sum_ns / s->count / 1000);
	for (size_t i = 0; i < ARRAY_LEN(wanted); i++)
		milli(j, wanted[i].name, histo_quantile(s, wanted[i].q) / 1000);
}

static void put_process(struct json *j, const struct process_stats *p)
{
	uint(j, "rss_bytes", LOAD(p->resident));
	uint(j, "own_bytes", LOAD(p->own));
	milli(j, "cpu_s", process_stats_cpu_ns(p) / CLOCK_MS);
}

static void put_named_process(struct json *j, const char *name, const struct process_stats *p)
{
	key(j, name);
	begin(j, '{');
	put_process(j, p);
	end(j, '}');
}

static void put_instance(struct json *j, const struct region *r)
{
	const struct region_header *h = r->h;
	uint64_t now = clock_wall_us();

	key(j, "instance");
	begin(j, '{');
	text(j, "version", PACKAGE_VERSION, 64);
	wall(j, "started_at", h->started_wall_us);
	uint(j, "uptime_s", now > h->started_wall_us ? (now - h->started_wall_us) / 1000000 : 0);
	uint(j, "generation", LOAD(h->generation));
	uint(j, "reloads_ok", LOAD(h->reloads_ok));
	uint(j, "reloads_failed", LOAD(h->reloads_failed));
	uint(j, "queue_length", LOAD(h->queue_length));
	uint(j, "queue_limit", LOAD(h->queue_limit));
	uint(j, "queue_peak", LOAD(h->queue_peak));
	uint(j, "shm_bytes", r->size);
	put_named_process(j, "weird", &h->weird);
	put_named_process(j, "monitor", &region_board(r, r->plan.n_numbers)->process);
	end(j, '}');
}

static unsigned put_workers(struct json *j, const struct region *r)
{
	unsigned n_ready = 0;

	key(j, "workers");
	begin(j, '[');
	for (unsigned i = 0; i < r->plan.n_numbers; i++) {
		const struct board_row *row = region_board(r, i);
		uint32_t state = LOAD(row->state), pid = LOAD(row->pid);
		uint32_t at = LOAD(row->running_endpoint);

		if (state == STATE_empty && pid)
			state = STATE_ready;
		if (state == STATE_empty)
			continue;
		n_ready += state == STATE_ready;
		begin(j, '{');
		uint(j, "n", i);
		uint(j, "pid", pid);
		text(j, "state", board_state_name((int)state), 64);
		literal(j, "degraded", LOAD(row->is_degraded) ? "true" : "false");
		uint(j, "generation", LOAD(row->generation));
		uint(j, "in_flight", LOAD(row->in_flight));
		uint(j, "waiting", LOAD(row->waiting));
		uint(j, "connections", LOAD(row->conns_open));
		uint(j, "parked", LOAD(row->conns_parked));
		uint(j, "requests", LOAD(row->requests));
		milli(j, "busy", LOAD(row->busy_permille));
		put_process(j, &row->process);
		uint(j, "crashes", LOAD(row->crashes));
		uint(j, "restarts", LOAD(row->restarts));
		text(j, "step", board_step_name((int)LOAD(row->running_step)), 64);
		if (at < region_endpoints_used(r))
			text(j, "endpoint", region_endpoint(r, at)->id, sizeof(region_endpoint(r, at)->id));
		else
			literal(j, "endpoint", "null");
		end(j, '}');
	}
	end(j, ']');
	return n_ready;
}

static void put_pool(struct json *j, const struct region *r, unsigned db)
{
	static const struct {
		enum slot_use use;
		const char *name;
	} uses[] = {{SLOT_CONNECTING, "connecting"}, {SLOT_IDLE, "idle"},	{SLOT_BUSY, "busy"},
		    {SLOT_CANCELLING, "cancelling"}, {SLOT_CLOSING, "closing"}, {SLOT_ZOMBIE, "zombie"}};
	unsigned counts[7][2];

	slots_count(r, db, counts);
	key(j, "pool");
	begin(j, '{');
	uint(j, "min", region_db(r, db)->n_warm);
	uint(j, "max", r->plan.n_slots[db]);
	uint(j, "used", r->plan.n_slots[db] - counts[SLOT_FREE][0] - counts[SLOT_FREE][1]);
	for (unsigned lane = 0; lane < 2; lane++) {
		key(j, lane == LANE_EXPRESS ? "express" : "exclusive");
		begin(j, '{');
		for (size_t i = 0; i < ARRAY_LEN(uses); i++)
			uint(j, uses[i].name, counts[uses[i].use][lane]);
		end(j, '}');
	}
	end(j, '}');
}

/* How many are down. */
static unsigned put_databases(struct json *j, const struct region *r)
{
	static const char *const up_words[] = {"null", "true", "false"};
	unsigned n_down = 0;

	key(j, "databases");
	begin(j, '[');
	for (unsigned db = 0; db < r->plan.n_databases; db++) {
		const struct db_state *s = region_db(r, db);
		char error[200], where[120];
		uint32_t up = LOAD(s->up);
		uint64_t lag = LOAD(s->lag_ms), now = clock_mono_ns(), changed = LOAD(s->changed_ns);
		int is_busy = db_state_texts(s, error, where);

		n_down += up == 2;
		begin(j, '{');
		text(j, "name", s->name, sizeof(s->name));
		literal(j, "up", up_words[up <= 2 ? up : 0]);
		if (is_busy) {
			literal(j, "error", "null");
			literal(j, "where", "null");
		} else {
			text(j, "error", error, sizeof(error));
			text(j, "where", where, sizeof(where));
		}
		uint(j, "server_version", LOAD(s->server_version));
		uint(j, "max_connections", LOAD(s->max_connections));
		literal(j, "standby", up ? (LOAD(s->is_standby) ? "true" : "false") : "null");
		if (LOAD(s->is_standby) && lag != UINT64_MAX)
			milli(j, "lag_s", lag);
		else
			literal(j, "lag_s", "null");
		if (LOAD(s->probe_us))
			milli(j, "probe_ms", LOAD(s->probe_us));
		else
			literal(j, "probe_ms", "null");
		if (changed && changed <= now)
			uint(j, "since_s", (now - changed) / CLOCK_S);
		else
			literal(j, "since_s", "null");
		uint(j, "outages", LOAD(s->outages));
		put_pool(j, r, db);
		end(j, '}');
	}
	end(j, ']');
	return n_down;
}

/* memcached. How many are left alone. */
static unsigned put_nodes(struct json *j, const struct region *r)
{
	static const char *const words[] = {"closed", "open", "half-open"};
	const struct region_tier *t = region_tier(r);
	unsigned n_down = 0;

	key(j, "memcached");
	begin(j, '[');
	for (unsigned i = 0, n = region_nodes(r); i < n; i++) {
		enum breaker_state state = breaker_state(&t->breakers[i], clock_mono_ns() / CLOCK_MS);

		n_down += state != BREAKER_CLOSED;
		begin(j, '{');
		text(j, "name", t->names[i], sizeof(t->names[i]));
		text(j, "breaker", words[state], 16);
		uint(j, "opened", LOAD(t->breakers[i].opened));
		uint(j, "failures", LOAD(t->breakers[i].failures));
		end(j, '}');
	}
	end(j, ']');
	return n_down;
}

/* One endpoint's totals over the worker numbers. */
struct totals {
	uint64_t status[4];	/* 2xx … 5xx */
	uint64_t request_bytes, response_bytes, rows, db_errors, express_runs, exclusive_runs, slow;
	uint64_t hits, tier_hits, stale, misses;
	struct histo_sum duration, db_duration;
};

static void sum_endpoint(const struct region *r, unsigned i, struct totals *t)
{
	*t = (struct totals){0};
	for (unsigned n = 0; n < r->plan.n_numbers; n++) {
		const struct metric_endpoint *m = &region_row(r, n)->endpoint[i];

		t->status[0] += LOAD(m->status_2xx);
		t->status[1] += LOAD(m->status_3xx);
		t->status[2] += LOAD(m->status_4xx);
		t->status[3] += LOAD(m->status_5xx);
		t->request_bytes += LOAD(m->request_bytes);
		t->response_bytes += LOAD(m->response_bytes);
		t->rows += LOAD(m->rows);
		t->db_errors += LOAD(m->db_errors);
		t->express_runs += LOAD(m->express_runs);
		t->exclusive_runs += LOAD(m->exclusive_runs);
		t->slow += LOAD(m->slow);
		t->hits += LOAD(m->cache_hits);
		t->tier_hits += LOAD(m->cache_tier_hits);
		t->stale += LOAD(m->cache_stale);
		t->misses += LOAD(m->cache_misses);
		histo_merge(&t->duration, &m->duration);
		histo_merge(&t->db_duration, &m->db_duration);
	}
}

static void put_hits(struct json *j, const struct totals *t)
{
	uint64_t hits = t->hits + t->tier_hits + t->stale;

	if (!(hits + t->misses)) {
		literal(j, "cache", "null");
		return;
	}
	key(j, "cache");
	begin(j, '{');
	uint(j, "hits", t->hits);
	uint(j, "hits_l2", t->tier_hits);
	uint(j, "stale", t->stale);
	uint(j, "misses", t->misses);
	ratio(j, "hit_ratio", hits, hits + t->misses);
	end(j, '}');
}

static void put_endpoint(struct json *j, const struct region *r, unsigned i, const struct totals *t)
{
	static const char *const rights[] = {"cold", "on", "held", "barred"};
	static const char *const codes[] = {"2xx", "3xx", "4xx", "5xx"};
	const struct region_endpoint *x = region_endpoint(r, i);

	begin(j, '{');
	text(j, "id", x->id, sizeof(x->id));
	text(j, "route", x->route, sizeof(x->route));
	if (x->database < r->plan.n_databases)
		text(j, "database", region_db(r, x->database)->name, sizeof(region_db(r, 0)->name));
	else
		literal(j, "database", "null");
	uint(j, "requests", t->status[0] + t->status[1] + t->status[2] + t->status[3]);
	uint(j, "errors", t->status[3]);
	key(j, "by_code");
	begin(j, '{');
	for (size_t k = 0; k < ARRAY_LEN(codes); k++)
		uint(j, codes[k], t->status[k]);
	end(j, '}');
	put_quantiles(j, &t->duration);
	uint(j, "request_bytes", t->request_bytes);
	uint(j, "response_bytes", t->response_bytes);
	uint(j, "rows", t->rows);
	uint(j, "slow", t->slow);
	key(j, "db");
	begin(j, '{');
	uint(j, "queries", t->express_runs + t->exclusive_runs);
	uint(j, "express", t->express_runs);
	uint(j, "errors", t->db_errors);
	milli(j, "total_s", t->db_duration.sum_ns / 1000000);
	put_quantiles(j, &t->db_duration);
	end(j, '}');
	put_hits(j, t);
	text(j, "express", rights[EXPRESS_STATE(LOAD(x->express.ctl))], 16);
	literal(j, "sick", sick_is(&x->sick) ? "true" : "false");
	end(j, '}');
}

static void put_endpoints(struct json *j, const struct region *r)
{
	uint64_t requests = 0, errors = 0;
	struct histo_sum all = {0};
	struct totals t;

	key(j, "endpoints");
	begin(j, '[');
	for (unsigned i = 0, n = region_endpoints_used(r); i < n; i++) {
		sum_endpoint(r, i, &t);
		for (unsigned k = 0; k < 4; k++)
			requests += t.status[k];
		errors += t.status[3];
		all.sum_ns += t.duration.sum_ns;
		all.count += t.duration.count;
		for (unsigned k = 0; k < HISTO_BINS; k++)
			all.bin[k] += t.duration.bin[k];
		if (atomic_load_explicit(&region_endpoint(r, i)->state, memory_order_acquire) == 1)
			put_endpoint(j, r, i, &t);
	}
	end(j, ']');
	key(j, "kpis");
	begin(j, '{');
	uint(j, "requests", requests);
	uint(j, "errors", errors);
	ratio(j, "error_ratio", errors, requests);
	put_quantiles(j, &all);
	end(j, '}');
}

void metrics_performance_json(const struct region *r, struct buf *out)
{
	struct json j = {.out = out};
	unsigned n_ready, n_down, n_off;

	begin(&j, '{');
	uint(&j, "schema", 1);
	wall(&j, "generated_at", clock_wall_us());
	put_instance(&j, r);
	n_ready = put_workers(&j, r);
	n_down = put_databases(&j, r);
	n_off = put_nodes(&j, r);
	put_endpoints(&j, r);
	text(&j, "status", !n_ready ? "down" : n_down || n_off ? "degraded" : "ok", 16);
	end(&j, '}');
}
