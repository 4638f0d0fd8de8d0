/* The commands that answer at once, each as a table for people and as a document for machines. */
#include "config.h"
#include "supervisor/weird.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/base/num.h"
#include "lib/ctl/dispatch.h"
#include "lib/ctl/heritage.h"
#include "lib/json/jw.h"
#include "lib/shm/metrics.h"
#include "supervisor/logs.h"

struct ask {
	struct weird *w;
	const struct ctl_command *c;
	struct buf *body, *text;
};

static const char *age(uint64_t ns, char out[32])
{
	uint64_t s = ns / CLOCK_S;

	if (s < 120)
		snprintf(out, 32, "%llus", (unsigned long long)s);
	else if (s < 7200)
		snprintf(out, 32, "%llum", (unsigned long long)(s / 60));
	else if (s < 172800)
		snprintf(out, 32, "%lluh", (unsigned long long)(s / 3600));
	else
		snprintf(out, 32, "%llud", (unsigned long long)(s / 86400));
	return out;
}

static int cmd_ping(struct ask *a)
{
	buf_adds(a->text, "pong");
	return CTL_DONE;
}

static int cmd_version(struct ask *a)
{
	buf_adds(a->text, "weird " PACKAGE_VERSION);
	return CTL_DONE;
}

static void help_json(enum cmd_id one, struct buf *out)
{
	struct jw j;

	jw_init(&j, out);
	jw_object(&j);
	jw_key(&j, "commands");
	jw_array(&j);
	for (unsigned i = 0; i < CMD_COUNT; i++) {
		if (one != CMD_COUNT && i != one)
			continue;
		jw_object(&j);
		jw_key(&j, "word");
		jw_str(&j, cmd_table[i].word);
		jw_key(&j, "arguments");
		jw_str(&j, cmd_table[i].args);
		jw_key(&j, "role");
		jw_str(&j, ctl_role_name(cmd_table[i].role));
		jw_key(&j, "sentence");
		jw_str(&j, cmd_table[i].sentence);
		jw_object_end(&j);
	}
	jw_array_end(&j);
	jw_object_end(&j);
}

static int cmd_help(struct ask *a)
{
	enum cmd_id one = CMD_COUNT;

	if (a->c->n_words > 1) {
		one = dispatch_find(a->c->words[1]);
		if (one == CMD_COUNT) {
			const char *near = dispatch_nearest(a->c->words[1]);

			buf_addf(a->text, "no command %.*s%s%s%s", SLICE_ARG(a->c->words[1]),
				 near ? ", did you mean " : "", near ? near : "", near ? "?" : "");
			return CTL_FAILED;
		}
	}
	buf_addf(a->text, "%u commands", one == CMD_COUNT ? (unsigned)CMD_COUNT : 1u);
	if (a->c->wants_json)
		help_json(one, a->body);
	else
		dispatch_help(one, a->body);
	return CTL_DONE;
}

static int cmd_metrics(struct ask *a)
{
	buf_adds(a->text, "metrics");
	if (a->c->wants_json)
		metrics_performance_json(&a->w->region, a->body);
	else
		metrics_format(&a->w->region, 1, a->body);
	return CTL_DONE;
}

static int cmd_config(struct ask *a)
{
	buf_addf(a->text, "generation %u", a->w->gen->number);
	options_to_json(&a->w->gen->s.options, a->body);
	return CTL_DONE;
}

static int cmd_log(struct ask *a)
{
	enum log_level level;

	if (!slice_eq(a->c->words[1], SLICE("level")) || log_parse_level(a->c->words[2], &level)) {
		buf_adds(a->text, CTL_SAYS_USAGE "log level error|warning|info|debug");
		return CTL_FAILED;
	}
	log_set_level(level);
	atomic_store(&a->w->region.h->log_level, (uint32_t)level);
	children_tell(a->w, HERITAGE_LOGLEVEL, (uint32_t)level);
	buf_addf(a->text, "log level %s until the next reload", log_level_name(level));
	return CTL_DONE;
}

static int cmd_stop(struct ask *a)
{
	int fast = a->c->n_words > 1 && slice_eq(a->c->words[1], SLICE("fast"));

	if (a->c->n_words > 1 && !fast && !slice_eq(a->c->words[1], SLICE("graceful"))) {
		buf_adds(a->text, CTL_SAYS_USAGE "stop [graceful|fast]");
		return CTL_FAILED;
	}
	weird_stop(a->w, fast ? STOP_FAST : STOP_GRACEFUL);
	buf_adds(a->text, fast ? "stopping fast" : "stopping, requests in flight are finished");
	return CTL_DONE;
}

static void worker_json(struct jw *j, const struct child *c, uint64_t now)
{
	const struct board_row *b = child_row(c);

	jw_object(j);
	jw_key(j, "name");
	jw_str(j, child_is_monitor(c) ? "weir-monitor" : "weir-worker");
	jw_key(j, "number");
	jw_u64(j, c->number);
	jw_key(j, "state");
	jw_str(j, board_state_name((int)c->state));
	jw_key(j, "pid");
	jw_u64(j, (uint64_t)c->pid);
	jw_key(j, "generation");
	jw_u64(j, atomic_load(&b->generation));
	jw_key(j, "age_s");
	jw_u64(j, c->pid ? (now - c->started_ns) / CLOCK_S : 0);
	jw_key(j, "degraded");
	jw_bool(j, (int)atomic_load(&b->is_degraded));
	jw_key(j, "requests");
	jw_u64(j, atomic_load(&b->requests));
	jw_key(j, "in_flight");
	jw_u64(j, atomic_load(&b->in_flight));
	jw_key(j, "waiting");
	jw_u64(j, atomic_load(&b->waiting));
	jw_key(j, "connections");
	jw_u64(j, atomic_load(&b->conns_open));
	jw_key(j, "parked");
	jw_u64(j, atomic_load(&b->conns_parked));
	jw_key(j, "busy_permille");
	jw_u64(j, atomic_load(&b->busy_permille));
	jw_key(j, "rss_bytes");
	jw_u64(j, atomic_load(&b->rss_bytes));
	jw_key(j, "longest_turn_us");
	jw_u64(j, atomic_load(&b->longest_turn_ns) / 1000);
	jw_key(j, "crashes");
	jw_u64(j, atomic_load(&b->crashes));
	jw_key(j, "restarts");
	jw_u64(j, atomic_load(&b->restarts));
	jw_object_end(j);
}

static int cmd_workers(struct ask *a)
{
	struct weird *w = a->w;
	uint64_t now = clock_mono_ns();
	char since[32];
	struct jw j;

	buf_addf(a->text, "%u workers ready", children_count(w, STATE_ready));
	if (a->c->wants_json) {
		jw_init(&j, a->body);
		jw_object(&j);
		jw_key(&j, "workers");
		jw_array(&j);
		for (unsigned i = 0; i <= w->n_numbers; i++)
			if (w->children[i].state != STATE_empty)
				worker_json(&j, &w->children[i], now);
		jw_array_end(&j);
		jw_object_end(&j);
		return CTL_DONE;
	}
	buf_addf(a->body, "%-8s %-9s %8s %4s %5s %10s %9s %7s %6s %6s %9s %7s\n", "NUMBER", "STATE", "PID", "GEN", "AGE",
		 "REQUESTS", "IN FLIGHT", "WAITING", "CONNS", "BUSY", "RSS", "CRASHES");
	for (unsigned i = 0; i <= w->n_numbers; i++) {
		const struct child *c = &w->children[i];
		const struct board_row *b = child_row(c);
		char number[16];

		if (c->state == STATE_empty)
			continue;
		snprintf(number, sizeof(number), "%u", c->number);
		buf_addf(a->body, "%-8s %-9s %8d %4u %5s %10llu %9u %7u %6u %5.1f%% %6.1f MiB %7u\n",
			 child_is_monitor(c) ? "monitor" : number, board_state_name((int)c->state), (int)c->pid,
			 atomic_load(&b->generation), c->pid ? age(now - c->started_ns, since) : "-",
			 (unsigned long long)atomic_load(&b->requests), atomic_load(&b->in_flight),
			 atomic_load(&b->waiting), atomic_load(&b->conns_open),
			 atomic_load(&b->busy_permille) / 10.0, (double)atomic_load(&b->rss_bytes) / 1048576.0,
			 atomic_load(&b->crashes));
	}
	return CTL_DONE;
}

static int cmd_info(struct ask *a)
{
	struct weird *w = a->w;
	const struct region_header *h = w->region.h;
	uint64_t now = clock_mono_ns();
	unsigned ready = children_count(w, STATE_ready), in_flight = 0;
	uint64_t requests = 0;
	char up[32];
	struct jw j;

	for (unsigned i = 0; i < w->n_numbers; i++) {
		in_flight += atomic_load(&region_board(&w->region, i)->in_flight);
		requests += atomic_load(&region_board(&w->region, i)->requests);
	}
	buf_addf(a->text, "weird " PACKAGE_VERSION ", %u worker%s ready", ready, ready == 1 ? "" : "s");
	if (a->c->wants_json) {
		jw_init(&j, a->body);
		jw_object(&j);
#define NUM(key, v) (jw_key(&j, key), jw_u64(&j, v))
		jw_key(&j, "version");
		jw_str(&j, PACKAGE_VERSION);
		NUM("pid", (uint64_t)getpid());
		NUM("uptime_s", (now - w->started_ns) / CLOCK_S);
		NUM("generation", w->gen->number);
		NUM("endpoints", w->gen->s.endpoints.n);
		NUM("workers_ready", ready);
		NUM("workers_min", w->gen->s.options.workers.min);
		NUM("workers_max", w->max_workers);
		NUM("in_flight", in_flight);
		NUM("queue_length", atomic_load(&h->queue_length));
		NUM("queue_limit", atomic_load(&h->queue_limit));
		NUM("queue_peak", atomic_load(&h->queue_peak));
		NUM("reloads_ok", atomic_load(&h->reloads_ok));
		NUM("reloads_failed", atomic_load(&h->reloads_failed));
		NUM("shared_memory_bytes", h->size);
		NUM("log_dropped", logs_dropped(w->logs));
#undef NUM
		jw_key(&j, "last_failure");
		jw_str(&j, h->last_failure[0] ? h->last_failure : NULL);
		jw_key(&j, "configuration");
		jw_str(&j, w->conf_path);
		jw_object_end(&j);
		return CTL_DONE;
	}
	buf_addf(a->body, "version        %s\npid            %d\nup             %s\nconfiguration  %s\n", PACKAGE_VERSION,
		 (int)getpid(), age(now - w->started_ns, up), w->conf_path);
	buf_addf(a->body, "generation     %u (%u reloads, %u failed)\nendpoints      %u\n", w->gen->number,
		 atomic_load(&h->reloads_ok) + atomic_load(&h->reloads_failed), atomic_load(&h->reloads_failed),
		 w->gen->s.endpoints.n);
	buf_addf(a->body, "workers        %u ready, %u to %u\nrequests       %llu by the workers of now, %u in flight\n", ready,
		 w->gen->s.options.workers.min, w->max_workers, (unsigned long long)requests, in_flight);
	buf_addf(a->body, "accept queue   %u of %u, peak %u\nshared memory  %.1f MiB\n", atomic_load(&h->queue_length),
		 atomic_load(&h->queue_limit), atomic_load(&h->queue_peak), (double)h->size / 1048576.0);
	for (unsigned i = 0; i < w->n_listeners; i++)
		buf_addf(a->body, "listen         %s\n", w->listeners[i].address);
	if (w->status.fd >= 0)
		buf_addf(a->body, "status         %s\n", w->status.address);
	if (h->last_failure[0] && !atomic_load(&h->last_reload_ok))
		buf_addf(a->body, "last reload    failed: %s\n", h->last_failure);
	return CTL_DONE;
}

static int cmd_database(struct ask *a)
{
	struct weird *w = a->w;
	const struct options *o = &w->gen->s.options;
	unsigned down = 0;
	struct jw j;

	if (a->c->wants_json) {
		jw_init(&j, a->body);
		jw_object(&j);
		jw_key(&j, "databases");
		jw_array(&j);
	}
	for (unsigned i = 0; i < o->n_databases; i++) {
		const struct db_state *s = region_db(&w->region, i);
		unsigned up = atomic_load(&s->up), counts[7][2] = {{0}}, n[2] = {0};
		unsigned version = atomic_load(&s->server_version);
		char error[200], where[120];
		const char *state = up == 1 ? "up" : up == 2 ? "down" : "not probed yet";

		(void)db_state_texts(s, error, where);
		slots_count(&w->region, i, counts);
		for (unsigned u = SLOT_CONNECTING; u <= SLOT_CLOSING; u++)
			for (unsigned lane = 0; lane < 2; lane++)
				n[lane] += counts[u][lane];
		down += up != 1;
		if (a->c->wants_json) {
			jw_object(&j);
			jw_key(&j, "name");
			jw_str(&j, o->databases[i].name);
			jw_key(&j, "state");
			jw_str(&j, state);
			jw_key(&j, "error");
			jw_str(&j, error[0] ? error : NULL);
			jw_key(&j, "where");
			jw_str(&j, where[0] ? where : NULL);
			jw_key(&j, "role");
			jw_str(&j, atomic_load(&s->is_standby) ? "standby" : "primary");
			jw_key(&j, "server_version");
			jw_u64(&j, version);
			jw_key(&j, "probe_us");
			jw_u64(&j, atomic_load(&s->probe_us));
			jw_key(&j, "outages");
			jw_u64(&j, atomic_load(&s->outages));
			jw_key(&j, "pool_min");
			jw_u64(&j, o->databases[i].pool_min);
			jw_key(&j, "pool_max");
			jw_u64(&j, w->region.h->plan.n_slots[i]);
			jw_key(&j, "express");
			jw_u64(&j, n[LANE_EXPRESS]);
			jw_key(&j, "exclusive");
			jw_u64(&j, n[LANE_EXCLUSIVE]);
			jw_key(&j, "busy");
			jw_u64(&j, counts[SLOT_BUSY][0] + counts[SLOT_BUSY][1]);
			jw_object_end(&j);
			continue;
		}
		buf_addf(a->body, "%s: %s", o->databases[i].name, state);
		if (where[0])
			buf_addf(a->body, ", %s", where);
		if (up == 1)
			buf_addf(a->body, ", PostgreSQL %u.%u, %s, probe %.2f ms", version / 10000, version % 10000,
				 atomic_load(&s->is_standby) ? "standby" : "primary",
				 (double)atomic_load(&s->probe_us) / 1000.0);
		if (error[0])
			buf_addf(a->body, "\n    why: %s", error);
		buf_addf(a->body, "\n    connections: %u express, %u exclusive, %u busy, %u closing; %u warm, %u at most\n",
			 n[0], n[1], counts[SLOT_BUSY][0] + counts[SLOT_BUSY][1],
			 counts[SLOT_ZOMBIE][0] + counts[SLOT_ZOMBIE][1], o->databases[i].pool_min,
			 w->region.h->plan.n_slots[i]);
	}
	if (a->c->wants_json) {
		jw_array_end(&j);
		jw_object_end(&j);
	}
	buf_addf(a->text, "%u database%s", o->n_databases, o->n_databases == 1 ? "" : "s");
	if (down)
		buf_addf(a->text, ", %u not reachable", down);
	return down ? CTL_WARNING : CTL_DONE;
}

struct traffic {
	uint64_t ok, client, server, express, exclusive;
	struct histo_sum duration;
};

static void gather(const struct region *r, unsigned row, struct traffic *t)
{
	memset(t, 0, sizeof(*t));
	for (unsigned n = 0; n < r->h->plan.n_numbers; n++) {
		const struct metric_endpoint *m = &region_row(r, n)->endpoint[row];

		t->ok += atomic_load(&m->status_2xx) + atomic_load(&m->status_3xx);
		t->client += atomic_load(&m->status_4xx);
		t->server += atomic_load(&m->status_5xx);
		t->express += atomic_load(&m->express_runs);
		t->exclusive += atomic_load(&m->exclusive_runs);
		histo_merge(&t->duration, &m->duration);
	}
}

static int cmd_endpoints(struct ask *a)
{
	static const char *const lanes[] = {"cold", "express", "held", "barred"};
	struct weird *w = a->w;
	const struct endpoints *set = &w->gen->s.endpoints;
	static struct traffic t;
	struct jw j;

	buf_addf(a->text, "%u endpoints", set->n);
	if (a->c->wants_json) {
		jw_init(&j, a->body);
		jw_object(&j);
		jw_key(&j, "endpoints");
		jw_array(&j);
	} else {
		buf_addf(a->body, "%-28s %-6s %-38s %9s %6s %6s %9s %9s %9s  %s\n", "ENDPOINT", "METHOD", "PATH", "REQUESTS",
			 "4XX", "5XX", "P50 ms", "P95 ms", "P99 ms", "LANE");
	}
	for (unsigned i = 0; i < set->n; i++) {
		const struct endpoint *ep = set->v[i];
		const struct express *x = &region_endpoint(&w->region, ep->metric)->express;
		const char *lane = !ep->has_sql	     ? "none"
				   : !ep->may_express ? "exclusive"
						      : lanes[atomic_load(&x->ctl) >> 62];
		double ms[3];

		gather(&w->region, ep->metric, &t);
		ms[0] = (double)histo_quantile(&t.duration, 0.5) / 1e6;
		ms[1] = (double)histo_quantile(&t.duration, 0.95) / 1e6;
		ms[2] = (double)histo_quantile(&t.duration, 0.99) / 1e6;
		if (!a->c->wants_json) {
			buf_addf(a->body, "%-28s %-6s %-38s %9llu %6llu %6llu %9.3f %9.3f %9.3f  %s\n", ep->id,
				 http_method_name(ep->method), ep->path,
				 (unsigned long long)(t.ok + t.client + t.server), (unsigned long long)t.client,
				 (unsigned long long)t.server, ms[0], ms[1], ms[2], lane);
			continue;
		}
		jw_object(&j);
		jw_key(&j, "id");
		jw_str(&j, ep->id);
		jw_key(&j, "method");
		jw_str(&j, http_method_name(ep->method));
		jw_key(&j, "path");
		jw_str(&j, ep->path);
		jw_key(&j, "file");
		jw_str(&j, ep->file);
		jw_key(&j, "requests");
		jw_u64(&j, t.ok + t.client + t.server);
		jw_key(&j, "status_4xx");
		jw_u64(&j, t.client);
		jw_key(&j, "status_5xx");
		jw_u64(&j, t.server);
		jw_key(&j, "p50_ms");
		jw_fixed(&j, ms[0], 3);
		jw_key(&j, "p95_ms");
		jw_fixed(&j, ms[1], 3);
		jw_key(&j, "p99_ms");
		jw_fixed(&j, ms[2], 3);
		jw_key(&j, "express_runs");
		jw_u64(&j, t.express);
		jw_key(&j, "exclusive_runs");
		jw_u64(&j, t.exclusive);
		jw_key(&j, "lane");
		jw_str(&j, lane);
		jw_key(&j, "lane_reason");
		jw_str(&j, ep->lane_reason && *ep->lane_reason ? ep->lane_reason : NULL);
		jw_object_end(&j);
	}
	if (a->c->wants_json) {
		jw_array_end(&j);
		jw_object_end(&j);
	}
	return CTL_DONE;
}

/* Answered by control.c when they are done. */
static int cmd_check(struct ask *a)
{
	(void)a;
	return CTL_FAILED;
}

static int cmd_reload(struct ask *a)
{
	(void)a;
	return CTL_FAILED;
}

int cmd_run(struct weird *w, const struct ctl_command *c, int id, struct buf *body, struct buf *text)
{
	static int (*const handlers[CMD_COUNT])(struct ask *) = {
#define CMD(cid, ...) [CMD_##cid] = cmd_##cid,
#include "lib/tbl/commands.h"
	};
	struct ask a = {w, c, body, text};

	return handlers[id](&a);
}
