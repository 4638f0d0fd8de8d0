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
/* All metrics, summed over worker numbers, as OpenMetrics 1.0 text ending in "# EOF", or as
 * Prometheus 0.0.4 text when openmetrics is 0. Gauges of board, slots and database states included. */
void metrics_format(const struct region *r, int openmetrics, struct buf *out);
/* {"generated_at", "instance", "workers":[…], "databases":[…], "endpoints":[{id, route, requests, errors, p50_ms, p95_ms, p99_ms…}]} */
void metrics_performance_json(const struct region *r, struct buf *out);
/* mdoc list for the man page. */
void metrics_mdoc(struct buf *out);

#endif
