/* histo: exact decimal log-linear histogram of durations, 1 us to 100 s.
 * Bins (lo, hi]: 10 of 1 us, then 90 per decade for 7 decades, one overflow bin: 641. Every exported
 * bound (0.001, 0.005, 0.01 …) is a bin edge, so exported buckets are exact sums.
 * Who writes: the one holder of the worker number (plain relaxed load and store). Who reads: anyone.
 * A crash in the middle: the last event may be missing.
 * Layer: lib/shm. */
#ifndef WEIR_SHM_HISTO_H
#define WEIR_SHM_HISTO_H

#include <stdatomic.h>
#include <stdint.h>

#define HISTO_BINS 641

struct histo {
	_Atomic uint64_t sum_ns;
	_Atomic uint64_t bin[HISTO_BINS];
};

/* A private, summed copy to read percentiles and buckets from. */
struct histo_sum {
	uint64_t sum_ns, count;
	uint64_t bin[HISTO_BINS];
};

/* A duration of 0 counts as 1 ns, so that sum_ns == 0 says "empty". */
void histo_add(struct histo *h, uint64_t ns);
/* sum += h */
void histo_merge(struct histo_sum *sum, const struct histo *h);
/* q in [0,1] → nanoseconds, interpolated inside the bin; 0 when empty. */
uint64_t histo_quantile(const struct histo_sum *s, double q);
/* Events with a duration ≤ bound_us (a bin edge). */
uint64_t histo_le(const struct histo_sum *s, uint64_t bound_us);
/* Bin index of a duration, for the unit test. */
unsigned histo_index(uint64_t ns);

#endif
