#include "config.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/hash.h"
#include "lib/shm/region.h"

static struct region make(void)
{
	struct region_plan plan = {.n_numbers = 4, .n_endpoints = 8, .n_databases = 2, .n_slots = {5, 7}};
	struct region r;
	struct err e = {0};

	cr_assert(region_create(&r, &plan, &e) == 0, "%s", e.text);
	strcpy(region_db(&r, 0)->name, "main");
	strcpy(region_db(&r, 1)->name, "re\"port\\s\n");
	return r;
}

/* Something of everything. */
static struct region busy(void)
{
	struct region r = make();

	region_endpoint_find_or_add(&r, "GET /api/models", "models.list", 0);
	region_endpoint_find_or_add(&r, "GET /api/\"\\\n", "odd\"\\\nid", 1);
	region_endpoint_find_or_add(&r, "GET /latin1", "caf\xe9", 0);
	region_endpoint_find_or_add(&r, "GET /gone", "gone", 0);
	atomic_store(&region_endpoint(&r, 3)->state, 2);
	for (unsigned n = 0; n < 3; n++) {
		struct board_row *b = region_board(&r, n);
		struct metric_row *m = region_row(&r, n);

		atomic_store(&b->pid, 100 + n);
		atomic_store(&b->incarnation, 1);
		atomic_store(&b->state, n == 2 ? STATE_draining : STATE_ready);
		atomic_store(&b->in_flight, 2 + n);
		atomic_store(&b->waiting, 1);
		atomic_store(&b->conns_open, 10);
		atomic_store(&b->conns_parked, 4);
		atomic_store(&b->process.resident, 12345678);
		atomic_store(&b->process.cpu_user, 2500000000);
		atomic_store(&b->process.cpu_system, 125000000);
		atomic_store(&b->busy_permille, 250);
		metric_add(&m->accepted, 5);
		metric_add(&m->busy, 1500000000);
		histo_add(&m->db_wait, 3000000);
		metric_add(&m->endpoint[0].status_2xx, 7);
		metric_add(&m->endpoint[0].status_5xx, 1);
		for (unsigned i = 0; i < 8; i++)
			histo_add(&m->endpoint[0].duration, (i + 1) * 1000000ull);
	}
	cr_assert(slots_take(&r, 0, 0, LANE_EXPRESS, 0) == 0);
	slots_set(&r, 0, 0, SLOT_BUSY);
	db_state_set(region_db(&r, 0), 1, NULL, clock_mono_ns());
	db_state_set(region_db(&r, 1), 0, "refused: \"quoted\"\n\x01", clock_mono_ns());
	atomic_store(&region_db(&r, 0)->probe_us, 431);
	atomic_store(&region_db(&r, 1)->is_standby, 1);
	atomic_store(&region_db(&r, 1)->lag_ms, 1250);
	atomic_store(&r.h->n_queues, 3);	/* the second is one that the kernel says nothing of */
	strcpy(r.h->queues[0].address, "unix:/run/weir/weir.sock");
	atomic_store(&r.h->queues[0].length, 7);
	strcpy(r.h->queues[2].address, "tcp:127.0.0.1:9000");
	atomic_store(&r.h->queues[2].peak, 9);
	return r;
}

static char *text(const struct region *r, int openmetrics)
{
	struct buf b;

	buf_init(&b, 0);
	metrics_format(r, openmetrics, &b);
	buf_str(&b);
	return buf_take(&b, NULL);
}

static void expect_line(const char *all, const char *line)
{
	const char *at = all - 1;

	while ((at = strstr(at + 1, line)) != NULL)
		if ((at == all || at[-1] == '\n') && at[strlen(line)] == '\n')
			return;
	cr_expect(0, "no line: %s", line);
}

Test(metrics, rows_of_one_name_stand_together_and_agree)
{
	for (size_t i = 0; i < metrics_table_n; i++) {
		const struct metric_desc *a = &metrics_table[i];
		size_t n = strlen(a->name);
		int is_counter = n > 6 && strcmp(a->name + n - 6, "_total") == 0;

		cr_expect(is_counter == (a->kind == METRIC_counter || a->kind == METRIC_seconds), "%s: _total is for counters", a->name);
		cr_expect(a->kind != METRIC_seconds || strstr(a->name, "_seconds"), "%s", a->name);
		cr_expect(a->help[0] && !strchr(a->help, '\n') && !strchr(a->help, '\\'));
		for (size_t k = i + 1; k < metrics_table_n; k++) {
			const struct metric_desc *b = &metrics_table[k];

			if (strcmp(a->name, b->name))
				continue;
			cr_expect(strcmp(b[-1].name, b->name) == 0, "%s stands apart", b->name);
			cr_expect(a->kind == b->kind && a->is_endpoint == b->is_endpoint &&
				  a->is_process == b->is_process, "%s", b->name);
			cr_expect(strcmp(a->help, b->help) == 0, "%s has two sentences", b->name);
			cr_expect(strcmp(a->labels, b->labels) != 0, "%s twice", b->name);
		}
	}
}

Test(metrics, sums_histograms_and_gauges_are_there)
{
	struct region r = busy();
	char *t = text(&r, 0);

	expect_line(t, "# TYPE weir_http_requests_total counter");
	expect_line(t, "weir_http_requests_total{code=\"2xx\",endpoint=\"models.list\"} 21");
	expect_line(t, "weir_http_requests_total{code=\"2xx\",endpoint=\"gone\"} 0");
	expect_line(t, "weir_http_request_duration_seconds_bucket{endpoint=\"models.list\",le=\"0.001\"} 3");
	expect_line(t, "weir_http_request_duration_seconds_bucket{endpoint=\"models.list\",le=\"0.005\"} 15");
	expect_line(t, "weir_http_request_duration_seconds_bucket{endpoint=\"models.list\",le=\"10.0\"} 24");
	expect_line(t, "weir_http_request_duration_seconds_bucket{endpoint=\"models.list\",le=\"+Inf\"} 24");
	expect_line(t, "weir_http_request_duration_seconds_sum{endpoint=\"models.list\"} 0.108000000");
	expect_line(t, "weir_http_request_duration_seconds_count{endpoint=\"models.list\"} 24");
	expect_line(t, "weir_worker_busy_seconds_total 4.500000000");
	expect_line(t, "weir_fcgi_connections_accepted_total 15");
	expect_line(t, "weir_workers{state=\"ready\"} 2");
	expect_line(t, "weir_workers{state=\"draining\"} 1");
	expect_line(t, "weir_fcgi_listen_queue_length{socket=\"unix:/run/weir/weir.sock\"} 7");
	expect_line(t, "weir_fcgi_listen_queue_peak{socket=\"tcp:127.0.0.1:9000\"} 9");
	expect_line(t, "weir_endpoint_info{endpoint=\"models.list\",method=\"GET\",path=\"/api/models\",database=\"main\"} 1");
	cr_expect(!strstr(t, "endpoint_info{endpoint=\"gone\""));
	expect_line(t, "process_resident_memory_bytes{process=\"worker 1\"} 12345678");
	expect_line(t, "process_cpu_seconds_total{mode=\"user\",process=\"worker 0\"} 2.500000000");
	expect_line(t, "process_cpu_seconds_total{mode=\"system\",process=\"worker 2\"} 0.125000000");
	expect_line(t, "weir_worker_busy_ratio{worker=\"0\"} 0.250000000");
	expect_line(t, "weir_http_requests_in_flight 9");
	expect_line(t, "weir_db_pool_waiting 3");
	expect_line(t, "weir_fcgi_connections{state=\"active\"} 18");
	expect_line(t, "weir_db_up{database=\"main\"} 1");
	expect_line(t, "weir_db_up{database=\"re\\\"port\\\\s\\n\"} 0");
	expect_line(t, "weir_db_connections{database=\"main\",lane=\"express\",state=\"active\"} 1");
	expect_line(t, "weir_db_connections_max{database=\"main\"} 5");
	expect_line(t, "weir_db_probe_duration_seconds{database=\"main\"} 0.000431000");
	expect_line(t, "weir_db_replication_lag_seconds{database=\"re\\\"port\\\\s\\n\"} 1.250000000");
	expect_line(t, "weir_config_last_reload_successful 1");
	expect_line(t, "weir_build_info{version=\"" PACKAGE_VERSION "\"} 1");
	expect_line(t, "weir_http_requests_total{code=\"2xx\",endpoint=\"odd\\\"\\\\\\nid\"} 0");
	expect_line(t, "weir_http_requests_total{code=\"2xx\",endpoint=\"caf?\"} 0");
	cr_expect(!strstr(t, "# EOF") && !strstr(t, "_created") && !strstr(t, "# UNIT"));
	free(t);
	region_close(&r);
}

/* Each family's head once, its samples together, no series twice, the end at the end. */
static void check_structure(const char *t, int openmetrics)
{
	struct hash seen, families;
	struct slice rest = slice_str(t), family = {0};
	int ended = 0;

	hash_init(&seen);
	hash_init(&families);
	while (rest.p && rest.n) {
		struct slice line = slice_cut(&rest, '\n'), name = line;

		cr_assert(!ended && line.n);
		if (slice_starts(line, SLICE("# HELP "))) {
			name.p += 7;
			name.n -= 7;
			family = slice_cut(&name, ' ');
			cr_expect(hash_add(&families, family, &seen) == 0, "%.*s twice", SLICE_ARG(family));
			cr_expect(name.n > 0);
			continue;
		}
		if (line.p[0] == '#') {
			ended = slice_eq(line, SLICE("# EOF"));
			if (ended)
				continue;
			cr_expect(slice_starts(line, SLICE("# TYPE ")) || slice_starts(line, SLICE("# UNIT ")));
			cr_expect(slice_starts(slice_of(line.p + 7, line.n - 7), family));
			continue;
		}
		cr_expect(slice_starts(line, family), "%.*s under %.*s", SLICE_ARG(line), SLICE_ARG(family));
		while (line.n && line.p[line.n - 1] != ' ')
			line.n--;
		cr_expect(hash_add(&seen, line, &seen) == 0, "%.*s twice", SLICE_ARG(line));
	}
	cr_expect(ended == openmetrics);
	cr_expect(families.n > 40);
	hash_done(&seen);
	hash_done(&families);
}

Test(metrics, both_formats_are_well_formed)
{
	struct region r = busy();

	for (int openmetrics = 0; openmetrics < 2; openmetrics++) {
		char *t = text(&r, openmetrics);

		check_structure(t, openmetrics);
		free(t);
	}
	region_close(&r);
}

Test(metrics, openmetrics_names_units_and_creation)
{
	struct region r = busy();
	char *t = text(&r, 1), line[128];
	unsigned long long at = (unsigned long long)r.h->started_wall_us;

	expect_line(t, "# TYPE weir_http_requests counter");
	expect_line(t, "# TYPE weir_worker_busy_seconds counter");
	expect_line(t, "# UNIT weir_worker_busy_seconds seconds");
	expect_line(t, "# UNIT weir_http_request_bytes bytes");
	expect_line(t, "# UNIT weir_http_request_duration_seconds seconds");
	expect_line(t, "# TYPE weir_build_info gauge");
	snprintf(line, sizeof(line), "weir_http_requests_created{code=\"2xx\",endpoint=\"models.list\"} %llu.%06llu",
		 at / 1000000, at % 1000000);
	expect_line(t, line);
	snprintf(line, sizeof(line), "weir_db_pool_wait_seconds_created %llu.%06llu", at / 1000000, at % 1000000);
	expect_line(t, line);
	cr_expect_str_eq(t + strlen(t) - 6, "# EOF\n");
	free(t);
	region_close(&r);
}

Test(metrics, an_empty_region_is_exported_too)
{
	struct region_plan plan = {.n_numbers = 1};
	struct region r;
	struct err e;
	char *t;

	cr_assert(region_create(&r, &plan, &e) == 0);
	t = text(&r, 1);
	expect_line(t, "weir_workers{state=\"ready\"} 0");
	check_structure(t, 1);
	free(t);
	region_close(&r);
}

Test(metrics, promtool_accepts_the_text_without_complaint)
{
	struct region r = busy();
	char *t = text(&r, 0), said[4096];
	size_t n = 0, len = strlen(t);
	int in[2], out[2], status;
	ssize_t got;
	pid_t pid;

	if (system("command -v promtool >/dev/null 2>&1") != 0)
		cr_skip_test("no promtool");
	cr_assert(pipe(in) == 0 && pipe(out) == 0);
	pid = fork();
	if (pid == 0) {
		dup2(in[0], 0);
		dup2(out[1], 1);
		dup2(out[1], 2);
		close(in[1]);
		close(out[0]);
		execlp("promtool", "promtool", "check", "metrics", (char *)NULL);
		_exit(127);
	}
	close(in[0]);
	close(out[1]);
	for (size_t at = 0; at < len; at += (size_t)got) {
		got = write(in[1], t + at, len - at);
		cr_assert(got > 0);
	}
	close(in[1]);
	while ((got = read(out[0], said + n, sizeof(said) - 1 - n)) > 0)
		n += (size_t)got;
	said[n] = 0;
	cr_assert(waitpid(pid, &status, 0) == pid);
	cr_expect(WIFEXITED(status) && WEXITSTATUS(status) == 0, "promtool: %d", status);
	cr_expect_str_eq(said, "");
	free(t);
	region_close(&r);
}

Test(metrics, performance_says_what_the_counters_say)
{
	struct region r = busy();
	struct buf b;
	const char *t;

	buf_init(&b, 0);
	metrics_performance_json(&r, &b);
	t = buf_str(&b);
	cr_expect(strstr(t, "{\"schema\":1,\"generated_at\":\"20") == t);
	cr_expect(strstr(t, "\"id\":\"models.list\",\"route\":\"GET /api/models\",\"database\":\"main\","
			    "\"requests\":24,\"errors\":3,\"by_code\":{\"2xx\":21,\"3xx\":0,\"4xx\":0,\"5xx\":3},"
			    "\"mean_ms\":4.500,\"p50_ms\":4.0"));
	cr_expect(strstr(t, "\"id\":\"odd\\\"\\\\\\u000aid\""));
	cr_expect(strstr(t, "\"id\":\"caf?\""));
	cr_expect(!strstr(t, "\"id\":\"gone\""));
	cr_expect(strstr(t, "\"error\":\"refused: \\\"quoted\\\"\\u000a\\u0001\""));
	cr_expect(strstr(t, "\"pool\":{\"min\":0,\"max\":5,\"used\":1,"));
	cr_expect(strstr(t, "\"kpis\":{\"requests\":24,\"errors\":3,\"error_ratio\":0.125000,"));
	cr_expect(strstr(t, "\"lag_s\":1.250"));
	cr_expect(strstr(t, "\"status\":\"degraded\"}"));
	cr_expect(strstr(t, "\"p99_ms\":null"), "no figure is null, not 0");
	for (const char *c = t; *c; c++)
		cr_assert((unsigned char)*c >= 0x20);
	cr_expect(!strstr(t, ",,") && !strstr(t, "{,") && !strstr(t, "[,") && !strstr(t, ",}") &&
		  !strstr(t, ",]") && !strstr(t, "}{"));
	buf_done(&b);
	region_close(&r);
}

Test(metrics, mdoc_lists_each_name_once)
{
	struct buf b;
	const char *t, *at;

	buf_init(&b, 0);
	metrics_mdoc(&b);
	t = buf_str(&b);
	at = strstr(t, ".It Ic weir_http_requests_total Pq counter, by endpoint\n");
	cr_assert(at);
	cr_expect(!strstr(strchr(at, '\n'), "weir_http_requests_total"));
	buf_done(&b);
}
