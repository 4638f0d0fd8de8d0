/* Memory from /proc/self/statm, CPU time from getrusage: some microseconds in all. */
#include "config.h"

#include "lib/shm/process.h"

#include <sys/resource.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/fdio.h"
#include "lib/base/num.h"

/* In pages: all that is mapped, what of it is resident, and of this what has a file or is shared. */
static int read_statm(uint64_t ret[3])
{
	AUTO(buf) struct buf text;
	struct slice rest;

	buf_init(&text, 0);
	if (fdio_read_file("/proc/self/statm", 256, &text))
		return -1;
	rest = buf_slice(&text);
	for (int i = 0; i < 3; i++)
		if (num_u64(slice_cut(&rest, ' '), &ret[i]))
			return -1;
	return ret[1] < ret[2] ? -1 : 0;
}

static uint64_t to_ns(struct timeval t)
{
	return (uint64_t)t.tv_sec * CLOCK_S + (uint64_t)t.tv_usec * 1000;
}

static void put(_Atomic uint64_t *at, uint64_t v)
{
	atomic_store_explicit(at, v, memory_order_relaxed);
}

void process_stats_update(struct process_stats *p)
{
	uint64_t pages[3], size = (uint64_t)sysconf(_SC_PAGESIZE);
	struct rusage u;

	if (read_statm(pages) == 0) {
		put(&p->resident, pages[1] * size);
		put(&p->own, (pages[1] - pages[2]) * size);
	}
	if (getrusage(RUSAGE_SELF, &u) == 0) {
		put(&p->cpu_user, to_ns(u.ru_utime));
		put(&p->cpu_system, to_ns(u.ru_stime));
	}
}

void process_stats_clear(struct process_stats *p)
{
#define MET_process(kind, id, ...) put(&p->id, 0);
#include "lib/tbl/metrics.h"
}
