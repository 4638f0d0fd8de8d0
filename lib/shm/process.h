/* process: memory and CPU of a process, as it says itself: under ProtectProc nobody else may look.
 * Generated from lib/tbl/metrics.h. Who writes: the process, at each heartbeat (weird once a second); read by
 * all. A crash leaves the last values, weird clears them with the rest of the row.
 * Layer: lib/shm. */
#ifndef WEIR_SHM_PROCESS_H
#define WEIR_SHM_PROCESS_H

#include <stdatomic.h>
#include <stdint.h>

struct process_stats {
#define MET_process(kind, id, ...) _Atomic uint64_t id;
#include "lib/tbl/metrics.h"
};

/* What they are for the calling process now. */
void process_stats_update(struct process_stats *p);
void process_stats_clear(struct process_stats *p);
/* User and system together. */
static inline uint64_t process_stats_cpu_ns(const struct process_stats *p)
{
	return atomic_load_explicit(&p->cpu_user, memory_order_relaxed) +
	       atomic_load_explicit(&p->cpu_system, memory_order_relaxed);
}

#endif
