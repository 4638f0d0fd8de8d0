/* The list of metrics as data, and sums over the worker numbers. */
#include "config.h"

#include "lib/shm/metrics.h"

#include <string.h>

#include "lib/base/base.h"
#include "lib/base/check.h"
#include "lib/shm/region.h"

#define ROW(is_ep, is_process, type, kind, id, name, labels, help) \
	{METRIC_##kind, is_ep, is_process, offsetof(type, id), #id, name, labels, help},
const struct metric_desc metrics_table[] = {
#define MET_worker(...) ROW(0, 0, struct metric_row, __VA_ARGS__)
#define MET_endpoint(...) ROW(1, 0, struct metric_endpoint, __VA_ARGS__)
#define MET_process(...) ROW(0, 1, struct process_stats, __VA_ARGS__)
#include "lib/tbl/metrics.h"
};
#undef ROW
const size_t metrics_table_n = ARRAY_LEN(metrics_table);

static const void *place(const struct region *r, const struct metric_desc *d, unsigned number,
			 unsigned endpoint)
{
	const struct metric_row *row = region_row(r, number);

	if (!d->is_endpoint)
		return (const char *)row + d->offset;
	check(endpoint < r->plan.n_endpoints);
	return (const char *)&row->endpoint[endpoint] + d->offset;
}

uint64_t metrics_sum(const struct region *r, const struct metric_desc *d, unsigned endpoint)
{
	uint64_t sum = 0;

	check(d->kind != METRIC_histogram && !d->is_process);
	for (unsigned n = 0; n < r->plan.n_numbers; n++)
		sum += atomic_load_explicit((const metric_counter_t *)place(r, d, n, endpoint),
					    memory_order_relaxed);
	return sum;
}

void metrics_sum_histo(const struct region *r, const struct metric_desc *d, unsigned endpoint,
		       struct histo_sum *ret_sum)
{
	check(d->kind == METRIC_histogram);
	memset(ret_sum, 0, sizeof(*ret_sum));
	for (unsigned n = 0; n < r->plan.n_numbers; n++)
		histo_merge(ret_sum, place(r, d, n, endpoint));
}

const char *metric_kind_name(enum metric_kind kind)
{
	return kind == METRIC_histogram ? "histogram" : kind == METRIC_gauge ? "gauge" : "counter";
}

void metrics_mdoc(struct buf *out)
{
	buf_adds(out, ".Bl -tag -width Ds\n");
	for (size_t i = 0; i < metrics_table_n; i++) {
		const struct metric_desc *d = &metrics_table[i];

		if (i && strcmp(d->name, metrics_table[i - 1].name) == 0)
			continue;
		buf_addf(out, ".It Ic %s Pq %s%s\n%s\n", d->name,
			 metric_kind_name(d->kind), d->is_endpoint ? ", by endpoint" : d->is_process ? ", by process" : "",
			 d->help);
	}
	buf_adds(out, ".El\n");
}
