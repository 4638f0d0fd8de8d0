/* cmd_show: commands that read: what is running, how it does. All of it comes from shared memory and
 * weird's own table, so it is answered when every worker is stuck. */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/json/jw.h"
#include "supervisor/control.h"
#include "supervisor/logs.h"
#include "supervisor/reload.h"
#include "supervisor/table.h"
#include "supervisor/weird.h"

#define LOAD(x) atomic_load_explicit(&(x), memory_order_relaxed)

/* {"name": rows} or the aligned table, as the client asked; ends the table. */
void call_table(struct call *c, struct table *t, const char *name)
{
	struct jw w;

	if (c->asker.wants_json) {
		jw_init(&w, &c->body);
		jw_object(&w);
		jw_key(&w, name);
		table_to_json(t, &w);
		jw_object_end(&w);
		buf_addc(&c->body, '\n');
	} else {
		table_to_text(t, &c->body);
	}
	table_done(t);
}

void cmd_ping(struct call *c)
{
	snprintf(c->text, sizeof(c->text), "pong");
	if (c->asker.wants_json)
		buf_adds(&c->body, "{\"pong\":true}\n");
}

void cmd_version(struct call *c)
{
	snprintf(c->text, sizeof(c->text), "weird %s", PACKAGE_VERSION);
	if (c->asker.wants_json)
		buf_addf(&c->body, "{\"version\":\"%s\"}\n", PACKAGE_VERSION);
	else
		buf_addf(&c->body, "%s\n", PACKAGE_VERSION);
}

void cmd_help(struct call *c)
{
	enum cmd_id one = CMD_COUNT;
	struct jw w;

	if (c->cmd->n_words > 1) {
		one = dispatch_find(c->cmd->words[1]);
		if (one == CMD_COUNT) {
			const char *near = dispatch_nearest(c->cmd->words[1]);

			c->severity = CTL_FAILED;
			snprintf(c->text, sizeof(c->text),
				 CTL_SAYS_USAGE "unknown command '%.*s'%s%s%s",
				 (int)(c->cmd->words[1].n > 64 ? 64 : c->cmd->words[1].n),
				 c->cmd->words[1].p, near ? ", did you mean '" : "",
				 near ? near : "", near ? "'?" : "");
			return;
		}
	}
	if (!c->asker.wants_json) {
		dispatch_help(one, &c->body);
		return;
	}
	jw_init(&w, &c->body);
	jw_object(&w);
	jw_key(&w, "commands");
	jw_array(&w);
	for (unsigned i = 0; i < CMD_COUNT; i++) {
		if (one != CMD_COUNT && i != one)
			continue;
		jw_object(&w);
		jw_key(&w, "word");
		jw_str(&w, cmd_table[i].word);
		jw_key(&w, "arguments");
		jw_str(&w, cmd_table[i].args);
		jw_key(&w, "role");
		jw_str(&w, ctl_role_name(cmd_table[i].role));
		jw_key(&w, "sentence");
		jw_str(&w, cmd_table[i].sentence);
		jw_object_end(&w);
	}
	jw_array_end(&w);
	jw_object_end(&w);
	buf_addc(&c->body, '\n');
}

void cmd_config(struct call *c)
{
	AUTO(buf) struct buf json;

	buf_init(&json, 0);
	options_to_json(&c->w->gen->s.options, &json);
	if (c->asker.wants_json) {
		buf_add(&c->body, json.p, json.n);
		buf_addc(&c->body, '\n');
	} else {
		table_pretty(&c->body, buf_slice(&json));
	}
	snprintf(c->text, sizeof(c->text), "%s, generation %u", c->w->conf_path, c->w->gen->number);
}

void cmd_metrics(struct call *c)
{
	int openmetrics = c->cmd->n_words > 1;

	if (openmetrics && !slice_eq(c->cmd->words[1], SLICE("openmetrics"))) {
		c->severity = CTL_FAILED;
		snprintf(c->text, sizeof(c->text), CTL_SAYS_USAGE "metrics [openmetrics]");
	} else if (c->asker.wants_json) {
		metrics_performance_json(&c->w->region, &c->body);
	} else {
		metrics_format(&c->w->region, openmetrics, &c->body);
	}
}

/* ---- info ---- */

static const struct table_col info_cols[] = {
	{"version", "version", CELL_TEXT},
	{"pid", "pid", CELL_COUNT},
	{"state", "state", CELL_TEXT},
	{"generation", "generation", CELL_COUNT},
	{"config", "configuration", CELL_TEXT},
	{"started_at", "started", CELL_TEXT},
	{"uptime_s", "uptime", CELL_AGE},
	{"workers_ready", "workers ready", CELL_COUNT},
	{"workers_wanted", "workers wanted", CELL_COUNT},
	{"workers_max", "workers at most", CELL_COUNT},
	{"workers_draining", "workers draining", CELL_COUNT},
	{"workers_waiting", "workers waiting to start again", CELL_COUNT},
	{"in_flight", "requests in flight", CELL_COUNT},
	{"waiting", "requests waiting for a connection", CELL_COUNT},
	{"connections", "connections open", CELL_COUNT},
	{"connections_parked", "connections parked", CELL_COUNT},
	{"accepted", "connections accepted", CELL_COUNT},
	{"queue_length", "accept queue", CELL_COUNT},
	{"queue_peak", "accept queue, peak", CELL_COUNT},
	{"queue_limit", "accept queue, limit", CELL_COUNT},
	{"endpoints", "endpoints", CELL_COUNT},
	{"databases", "databases", CELL_COUNT},
	{"reloads_ok", "reloads done", CELL_COUNT},
	{"reloads_failed", "reloads failed", CELL_COUNT},
	{"last_reload_at", "last reload", CELL_TEXT},
	{"last_reload_ok", "last reload succeeded", CELL_BOOL},
	{"last_failure", "last failure", CELL_TEXT},
	{"crash_breaker_open", "crash breaker open", CELL_BOOL},
	{"log_level", "log level", CELL_TEXT},
	{"log_dropped", "log lines dropped", CELL_COUNT},
	{"shared_memory_bytes", "shared memory", CELL_BYTES},
	{"rss_bytes", "memory of weird", CELL_BYTES},
	{"own_bytes", "of it not shared", CELL_BYTES},
	{"cpu_ms", "cpu of weird", CELL_NS},
	{"control_clients", "control clients", CELL_COUNT},
};

static uint64_t sum_accepted(const struct weird *w)
{
	uint64_t n = 0;

	for (unsigned i = 0; i < w->n_numbers; i++)
		n += LOAD(region_row(&w->region, i)->accepted);
	return n;
}

void cmd_info(struct call *c)
{
	const struct weird *w = c->w;
	const struct region_header *h = w->region.h;
	uint64_t in_flight = 0, waiting = 0, conns = 0, parked = 0, last = LOAD(h->reload_wall_us);
	char time[32], reloaded[32];
	struct table t;
	struct jw j;

	for (unsigned i = 0; i < w->n_numbers; i++) {
		const struct board_row *row = region_board(&w->region, i);

		in_flight += LOAD(row->in_flight);
		waiting += LOAD(row->waiting);
		conns += LOAD(row->conns_open);
		parked += LOAD(row->conns_parked);
	}
	clock_format_wall(h->started_wall_us, time);
	clock_format_wall(last, reloaded);
	table_init(&t, info_cols, ARRAY_LEN(info_cols));
	table_text(&t, PACKAGE_VERSION);
	table_num(&t, (uint64_t)getpid());
	table_text(&t, w->stopping		? "stopping"
		       : reload_is_active(w)	? "reloading"
		       : children_count(w, STATE_ready) ? "serving"
							: "starting");
	table_num(&t, w->gen->number);
	table_text(&t, w->conf_path);
	table_text(&t, time);
	table_num(&t, clock_mono_ns() - w->started_ns);
	table_num(&t, children_count(w, STATE_ready));
	table_num(&t, children_target(w));
	table_num(&t, w->max_workers);
	table_num(&t, children_count(w, STATE_draining));
	table_num(&t, children_count(w, STATE_backoff));
	table_num(&t, in_flight);
	table_num(&t, waiting);
	table_num(&t, conns);
	table_num(&t, parked);
	table_num(&t, sum_accepted(w));
	table_num(&t, LOAD(h->queue_length));
	table_num(&t, LOAD(h->queue_peak));
	table_num(&t, LOAD(h->queue_limit));
	table_num(&t, w->gen->s.endpoints.n);
	table_num(&t, w->gen->s.options.n_databases);
	table_num(&t, LOAD(h->reloads_ok));
	table_num(&t, LOAD(h->reloads_failed));
	table_text(&t, last ? reloaded : NULL);
	if (last)
		table_num(&t, LOAD(h->last_reload_ok));
	else
		table_null(&t);
	table_text(&t, h->last_failure[0] ? h->last_failure : NULL);
	table_num(&t, (uint64_t)w->pool.is_open);
	table_text(&t, log_level_name((enum log_level)LOAD(h->log_level)));
	table_num(&t, logs_dropped(w->logs));
	table_num(&t, h->size);
	table_num(&t, LOAD(h->weird.resident));
	table_num(&t, LOAD(h->weird.own));
	table_num(&t, process_stats_cpu_ns(&h->weird));
	table_num(&t, control_clients(w));
	if (c->asker.wants_json) {
		jw_init(&j, &c->body);
		table_to_object(&t, &j);
		buf_addc(&c->body, '\n');
	} else {
		table_to_list(&t, &c->body);
	}
	table_done(&t);
}

/* ---- workers ---- */

static const struct table_col worker_cols[] = {
	{"name", "process", CELL_TEXT},
	{"kind", NULL, CELL_TEXT},
	{"number", NULL, CELL_COUNT},
	{"pid", "pid", CELL_COUNT},
	{"state", "state", CELL_TEXT},
	{"degraded", "degraded", CELL_BOOL},
	{"generation", "gen", CELL_COUNT},
	{"age_s", "age", CELL_AGE},
	{"requests", "requests", CELL_COUNT},
	{"in_flight", "in flight", CELL_COUNT},
	{"waiting", "waiting", CELL_COUNT},
	{"connections", "conns", CELL_COUNT},
	{"connections_parked", "parked", CELL_COUNT},
	{"busy", "busy", CELL_PERMILLE},
	{"longest_turn_ms", "longest turn", CELL_NS},
	{"oldest_request_ms", "oldest request", CELL_NS},
	{"rss_bytes", "memory", CELL_BYTES},
	{"own_bytes", "own", CELL_BYTES},
	{"cpu_ms", "cpu", CELL_NS},
	{"restarts", "restarts", CELL_COUNT},
	{"crashes", "crashes", CELL_COUNT},
	{"step", "step", CELL_TEXT},
	{"endpoint", "endpoint", CELL_TEXT},
	{"heartbeat_age_ms", NULL, CELL_NS},
	{"state_age_s", NULL, CELL_AGE},
	{"last_exit", "last exit", CELL_TEXT},
};

static const char *exit_text(const struct board_row *row, char *out, size_t n)
{
	int status = (int)LOAD(row->last_status);
	uint32_t held = LOAD(row->incarnation);

	if (held == 0 || (held == 1 && LOAD(row->pid)))
		return NULL;
	if (WIFSIGNALED(status))
		snprintf(out, n, "signal %d", WTERMSIG(status));
	else
		snprintf(out, n, "status %d", WEXITSTATUS(status));
	return out;
}

static uint64_t since(uint64_t now, uint64_t then)
{
	return now > then ? now - then : 0;
}

static void add_process(struct table *t, const struct child *c, uint64_t now)
{
	const struct board_row *row = child_row(c);
	uint64_t oldest = LOAD(row->oldest_begin_ns), beat = LOAD(row->heartbeat_ns);
	uint32_t step = LOAD(row->running_step), ep = LOAD(row->running_endpoint);
	char name[32], last[32];

	snprintf(name, sizeof(name), child_is_monitor(c) ? "monitor" : "worker %u", c->number);
	table_text(t, name);
	table_text(t, child_is_monitor(c) ? "monitor" : "worker");
	table_num(t, c->number);
	if (c->pid)
		table_num(t, (uint64_t)c->pid);
	else
		table_null(t);
	table_text(t, board_state_name((int)c->state));
	table_num(t, LOAD(row->is_degraded) || (c->pid && c->is_degraded));
	if (c->gen)
		table_num(t, c->gen->number);
	else
		table_null(t);
	if (c->pid)
		table_num(t, since(now, c->started_ns));
	else
		table_null(t);
	table_num(t, LOAD(row->requests));
	table_num(t, LOAD(row->in_flight));
	table_num(t, LOAD(row->waiting));
	table_num(t, LOAD(row->conns_open));
	table_num(t, LOAD(row->conns_parked));
	table_num(t, LOAD(row->busy_permille));
	table_num(t, LOAD(row->longest_turn_ns));
	if (oldest)
		table_num(t, since(now, oldest));
	else
		table_null(t);
	table_num(t, LOAD(row->process.resident));
	table_num(t, LOAD(row->process.own));
	table_num(t, process_stats_cpu_ns(&row->process));
	table_num(t, LOAD(row->restarts));
	table_num(t, LOAD(row->crashes));
	table_text(t, c->pid && step < STEP_COUNT ? board_step_name((int)step) : NULL);
	table_text(t, c->pid && step < STEP_COUNT && ep < c->w->region.h->plan.n_endpoints
			      ? region_endpoint(&c->w->region, ep)->id
			      : NULL);
	if (beat)
		table_num(t, since(now, beat));
	else
		table_null(t);
	table_num(t, since(now, LOAD(row->state_since_ns)));
	table_text(t, exit_text(row, last, sizeof(last)));
}

void cmd_workers(struct call *c)
{
	struct weird *w = c->w;
	uint64_t now = clock_mono_ns();
	struct table t;

	table_init(&t, worker_cols, ARRAY_LEN(worker_cols));
	for (unsigned i = 0; i <= w->n_numbers; i++)
		if (w->children[i].state != STATE_empty)
			add_process(&t, &w->children[i], now);
	call_table(c, &t, "workers");
}

/* ---- database ---- */

static const struct table_col db_cols[] = {
	{"name", "database", CELL_TEXT},
	{"state", "state", CELL_TEXT},
	{"role", "role", CELL_TEXT},
	{"where", "where", CELL_TEXT},
	{"server_version", "version", CELL_TEXT},
	{"state_age_s", "since", CELL_AGE},
	{"probe_age_ms", NULL, CELL_NS},
	{"probe_ms", "probe", CELL_NS},
	{"lag_ms", "lag", CELL_NS},
	{"outages", "outages", CELL_COUNT},
	{"pool_min", "pool min", CELL_COUNT},
	{"pool_max", "pool max", CELL_COUNT},
	{"connecting", "connecting", CELL_COUNT},
	{"idle", "idle", CELL_COUNT},
	{"busy", "busy", CELL_COUNT},
	{"closing", "closing", CELL_COUNT},
	{"express", "express", CELL_COUNT},
	{"exclusive", "exclusive", CELL_COUNT},
	{"max_connections", "server's max", CELL_COUNT},
	{"error", "last error", CELL_TEXT},
};

static void add_slots(struct table *t, const struct region *r, unsigned db)
{
	unsigned counts[7][2], lane[2] = {0};

	memset(counts, 0, sizeof(counts));
	slots_count(r, db, counts);
	for (unsigned use = SLOT_CONNECTING; use <= SLOT_CANCELLING; use++)
		for (unsigned l = 0; l < 2; l++)
			lane[l] += counts[use][l];
	table_num(t, counts[SLOT_CONNECTING][0] + counts[SLOT_CONNECTING][1]);
	table_num(t, counts[SLOT_IDLE][0] + counts[SLOT_IDLE][1]);
	table_num(t, counts[SLOT_BUSY][0] + counts[SLOT_BUSY][1] + counts[SLOT_CANCELLING][0] +
			     counts[SLOT_CANCELLING][1]);
	table_num(t, counts[SLOT_CLOSING][0] + counts[SLOT_CLOSING][1] + counts[SLOT_ZOMBIE][0] +
			     counts[SLOT_ZOMBIE][1]);
	table_num(t, lane[LANE_EXPRESS]);
	table_num(t, lane[LANE_EXCLUSIVE]);
}

void cmd_database(struct call *c)
{
	static const char *const states[] = {"unknown", "up", "down"};
	const struct weird *w = c->w;
	uint64_t now = clock_mono_ns();
	unsigned n_down = 0, n_weak = 0;
	struct table t;

	table_init(&t, db_cols, ARRAY_LEN(db_cols));
	for (unsigned i = 0; i < w->region.h->plan.n_databases; i++) {
		const struct db_state *d = region_db(&w->region, i);
		uint32_t up = LOAD(d->up), version = LOAD(d->server_version);
		uint64_t lag = LOAD(d->lag_ms), probed = LOAD(d->probed_ns);
		char error[200], where[120], text[24];

		db_state_texts(d, error, where);
		n_down += up == 2;
		n_weak += up == 1 && error[0];
		table_text(&t, d->name);
		table_text(&t, states[up < 3 ? up : 0]);
		table_text(&t, up == 1 ? LOAD(d->is_standby) ? "standby" : "primary" : NULL);
		table_text(&t, where[0] ? where : NULL);
		snprintf(text, sizeof(text), "%u.%u", version / 10000, version % 10000);
		table_text(&t, version ? text : NULL);
		if (LOAD(d->changed_ns))
			table_num(&t, since(now, LOAD(d->changed_ns)));
		else
			table_null(&t);
		if (probed)
			table_num(&t, since(now, probed));
		else
			table_null(&t);
		table_num(&t, LOAD(d->probe_us) * 1000);
		if (up == 1 && LOAD(d->is_standby) && lag != UINT64_MAX)
			table_num(&t, lag * CLOCK_MS);
		else
			table_null(&t);
		table_num(&t, LOAD(d->outages));
		table_num(&t, d->n_warm);
		table_num(&t, d->n_slots);
		add_slots(&t, &w->region, i);
		table_num(&t, LOAD(d->max_connections));
		table_text(&t, error[0] ? error : NULL);
	}
	if (n_down) {
		c->severity = CTL_WARNING;
		snprintf(c->text, sizeof(c->text), "%u of %u databases not reachable", n_down,
			 w->region.h->plan.n_databases);
	} else if (n_weak) {
		c->severity = CTL_WARNING;
		snprintf(c->text, sizeof(c->text), "%u of %u databases reachable for some only", n_weak,
			 w->region.h->plan.n_databases);
	}
	call_table(c, &t, "databases");
}

/* ---- endpoints ---- */

static const struct table_col endpoint_cols[] = {
	{"id", "endpoint", CELL_TEXT},
	{"route", "route", CELL_TEXT},
	{"requests", "requests", CELL_COUNT},
	{"errors_4xx", "4xx", CELL_COUNT},
	{"errors_5xx", "5xx", CELL_COUNT},
	{"p50_ms", "p50", CELL_NS},
	{"p95_ms", "p95", CELL_NS},
	{"p99_ms", "p99", CELL_NS},
	{"db_p50_ms", "db p50", CELL_NS},
	{"rows", "rows", CELL_COUNT},
	{"response_bytes", "bytes out", CELL_BYTES},
	{"slow", "slow", CELL_COUNT},
	{"lane", "lane", CELL_TEXT},
	{"lane_reason", NULL, CELL_TEXT},
	{"express_runs", "express", CELL_COUNT},
	{"exclusive_runs", "exclusive", CELL_COUNT},
	{"database", NULL, CELL_TEXT},
	{"file", "file", CELL_TEXT},
	{"sick", "not served", CELL_TEXT},
};

static void add_quantiles(struct table *t, const struct histo_sum *s, const double *q, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		if (s->count)
			table_num(t, histo_quantile(s, q[i]));
		else
			table_null(t);
}

static const char *lane_of(const struct endpoint *ep, const struct region_endpoint *row)
{
	static const char *const names[] = {"exclusive (cold)", "express", "exclusive (held)",
					    "exclusive (barred)"};

	if (!ep->has_sql)
		return NULL;
	if (!ep->may_express)
		return "exclusive";
	if (row->session_why[0])
		return "exclusive (session)";
	return names[EXPRESS_STATE(LOAD(row->express.ctl))];
}

static void add_endpoint(struct table *t, const struct weird *w, const struct endpoint *ep)
{
	static const double quantiles[] = {0.5, 0.95, 0.99};
	const struct region_endpoint *row = region_endpoint(&w->region, ep->metric);
	struct histo_sum *all = calloc(2, sizeof(*all));
	char why[SICK_WHY];
	char session_why[sizeof(row->session_why)];
	uint64_t s2 = 0, s3 = 0, s4 = 0, s5 = 0, rows = 0, bytes = 0, slow = 0, express = 0, excl = 0;

	if (!all)
		abort();
	for (unsigned i = 0; i < w->n_numbers; i++) {
		const struct metric_endpoint *m = &region_row(&w->region, i)->endpoint[ep->metric];

		s2 += LOAD(m->status_2xx);
		s3 += LOAD(m->status_3xx);
		s4 += LOAD(m->status_4xx);
		s5 += LOAD(m->status_5xx);
		rows += LOAD(m->rows);
		bytes += LOAD(m->response_bytes);
		slow += LOAD(m->slow);
		express += LOAD(m->express_runs);
		excl += LOAD(m->exclusive_runs);
		histo_merge(&all[0], &m->duration);
		histo_merge(&all[1], &m->db_duration);
	}
	snprintf(session_why, sizeof(session_why), "%.127s", row->session_why);
	table_text(t, ep->id);
	table_text(t, row->route);
	table_num(t, s2 + s3 + s4 + s5);
	table_num(t, s4);
	table_num(t, s5);
	add_quantiles(t, &all[0], quantiles, 3);
	add_quantiles(t, &all[1], quantiles, 1);
	table_num(t, rows);
	table_num(t, bytes);
	table_num(t, slow);
	table_text(t, lane_of(ep, row));
	table_text(t, !ep->may_express ? ep->lane_reason : session_why[0] ? session_why : NULL);
	table_num(t, express);
	table_num(t, excl);
	table_text(t, w->gen->s.options.databases[ep->database].name);
	table_text(t, ep->file);
	sick_why(&row->sick, why);
	table_text(t, sick_is(&row->sick) ? why : NULL);
	free(all);
}

void cmd_endpoints(struct call *c)
{
	const struct endpoints *eps = &c->w->gen->s.endpoints;
	unsigned n_sick = 0;
	struct table t;

	table_init(&t, endpoint_cols, ARRAY_LEN(endpoint_cols));
	for (unsigned i = 0; i < eps->n; i++) {
		add_endpoint(&t, c->w, eps->v[i]);
		n_sick += (unsigned)sick_is(&region_endpoint(&c->w->region, eps->v[i]->metric)->sick);
	}
	if (n_sick) {
		c->severity = CTL_WARNING;
		snprintf(c->text, sizeof(c->text), "%u of %u endpoints not served: the database refuses their statements",
			 n_sick, eps->n);
	}
	call_table(c, &t, "endpoints");
}
