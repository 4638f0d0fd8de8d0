/* metrics: counters and histograms by worker number, and by endpoint within it; never reset.
 * Generated from lib/tbl/metrics.h. Who writes: the one holder of the number (relaxed load + store).
 * Who reads: anyone, by summing. A crash loses nothing that was stored.
 * Layer: lib/shm. */
#ifndef WEIR_SHM_METRICS_H
#define WEIR_SHM_METRICS_H

#include <stdatomic.h>
#include <stdint.h>

#include "lib/base/buf.h"
#include "lib/shm/histo.h"

typedef _Atomic uint64_t metric_counter_t;
typedef _Atomic uint64_t metric_seconds_t;
typedef struct histo metric_histogram_t;

#define MET(kind, id, ...) metric_##kind##_t id;
struct metric_endpoint {
#define MET_endpoint MET
#include "lib/tbl/metrics.h"
};
struct metric_row {
#define MET_worker MET
#include "lib/tbl/metrics.h"
	struct metric_endpoint endpoint[];	/* plan.n_endpoints */
};
#undef MET

static inline void metric_add(_Atomic uint64_t *m, uint64_t v)
{
	atomic_store_explicit(m, atomic_load_explicit(m, memory_order_relaxed) + v,
			      memory_order_relaxed);
}

struct region;

enum metric_kind { METRIC_counter, METRIC_seconds, METRIC_gauge, METRIC_histogram };

/* One row of the list as data. */
struct metric_desc {
	enum metric_kind kind;
	int is_endpoint, is_process;	/* neither: of the worker */
	size_t offset;		/* in struct metric_endpoint, process_stats or metric_row */
	const char *id, *name, *labels, *help;
};
extern const struct metric_desc metrics_table[];
extern const size_t metrics_table_n;
const char *metric_kind_name(enum metric_kind kind);	/* of the expositions */

/* Sums over all worker numbers, for no metric of a process. endpoint: directory row; ignored for metrics of the worker. */
uint64_t metrics_sum(const struct region *r, const struct metric_desc *d, unsigned endpoint);
void metrics_sum_histo(const struct region *r, const struct metric_desc *d, unsigned endpoint,
		       struct histo_sum *ret_sum);

/* All metrics, summed over worker numbers, as OpenMetrics 1.0 text ending in "# EOF", or as
 * Prometheus 0.0.4 text when openmetrics is 0. Gauges of board, slots and database states included. */
void metrics_format(const struct region *r, int openmetrics, struct buf *out);
/* One JSON object: {"schema":1, "generated_at", "instance":{…}, "status", "kpis":{…}, "workers":[…],
 * "databases":[{name, up, pool:{…}}], "endpoints":[{id, route, requests, errors, p50_ms, p95_ms, p99_ms,
 * …}]}. Figures are since the start of the instance; what is not known is null. */
void metrics_performance_json(const struct region *r, struct buf *out);
/* mdoc list for the man page. */
void metrics_mdoc(struct buf *out);

#endif
