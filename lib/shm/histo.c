/* Why decimal: each bound that Prometheus gets is a bin's edge, so exported buckets are sums without
 * error. The one tricky thing is the index without a division by a variable: the decimal exponent
 * comes from the position of the highest bit and one comparison, the mantissa from a multiplication
 * by a rounded-up reciprocal, which is exact for all values below 2^27 (Granlund and Montgomery). */
#include "config.h"

#include "lib/shm/histo.h"

#include "lib/base/base.h"

#define LINEAR 10u
#define PER_DECADE 90u
#define OVERFLOW_BIN (HISTO_BINS - 1)
#define TICKS_END 100000000ull	/* 100 s in us */

static const uint32_t tens[9] = {1, 10, 100, 1000, 10000, 100000, 1000000, 10000000, 100000000};

/* v / 10^i == v * mul >> shift for v < 2^27: mul = ceil(2^shift / 10^i), shift = 27 + ceil(log2 10^i). */
static const struct {
	uint32_t mul, shift;
} reciprocal[7] = {
    {134217728u, 27}, {214748365u, 31}, {171798692u, 34}, {137438954u, 37},
    {219902326u, 41}, {175921861u, 44}, {140737489u, 47},
};

unsigned histo_index(uint64_t ns)
{
	uint64_t v = ns ? (ns - 1) / 1000 : 0; /* max(1, ceil(ns / 1000)) - 1: bins are (lo, hi] */
	unsigned bits, e, mantissa;

	if (v < LINEAR)
		return (unsigned)v;
	if (unlikely(v >= TICKS_END))
		return OVERFLOW_BIN;
	bits = 64 - (unsigned)__builtin_clzll(v);
	e = bits * 1233 >> 12; /* floor(bits · log10 2) */
	e -= v < tens[e];
	mantissa = (unsigned)(v * reciprocal[e - 1].mul >> reciprocal[e - 1].shift);
	return LINEAR + (e - 1) * PER_DECADE + mantissa - 10;
}

/* Upper edge of a bin in microseconds; the lower one is that of the bin before. */
static uint64_t edge_us(unsigned bin)
{
	unsigned e, mantissa;

	if (bin < LINEAR)
		return bin + 1;
	e = (bin - LINEAR) / PER_DECADE;
	mantissa = (bin - LINEAR) % PER_DECADE + 10;
	return (uint64_t)(mantissa + 1) * tens[e];
}

static void add_relaxed(_Atomic uint64_t *at, uint64_t v)
{
	atomic_store_explicit(at, atomic_load_explicit(at, memory_order_relaxed) + v,
			      memory_order_relaxed);
}

void histo_add(struct histo *h, uint64_t ns)
{
	add_relaxed(&h->sum_ns, ns ? ns : 1);
	add_relaxed(&h->bin[histo_index(ns)], 1);
}

void histo_merge(struct histo_sum *sum, const struct histo *h)
{
	uint64_t ns = atomic_load_explicit(&h->sum_ns, memory_order_relaxed);

	if (!ns)
		return; /* nothing yet: most rows of most endpoints, so 5 KB are not read */
	sum->sum_ns += ns;
	for (unsigned i = 0; i < HISTO_BINS; i++) {
		uint64_t n = atomic_load_explicit(&h->bin[i], memory_order_relaxed);

		sum->bin[i] += n;
		sum->count += n;
	}
}

uint64_t histo_quantile(const struct histo_sum *s, double q)
{
	double rank = q * (double)s->count;
	uint64_t below = 0;

	if (!s->count)
		return 0;
	for (unsigned i = 0; i < OVERFLOW_BIN; i++) {
		uint64_t lo, hi;

		if (!s->bin[i] || (double)(below + s->bin[i]) < rank) {
			below += s->bin[i];
			continue;
		}
		lo = i ? edge_us(i - 1) : 0;
		hi = edge_us(i);
		if (rank < (double)below)
			rank = (double)below;
		return (uint64_t)(1000.0 * ((double)lo + (double)(hi - lo) * (rank - (double)below) /
							     (double)s->bin[i]));
	}
	return TICKS_END * 1000;
}

uint64_t histo_le(const struct histo_sum *s, uint64_t bound_us)
{
	uint64_t n = 0;

	if (!bound_us)
		return 0;
	for (unsigned i = 0, last = histo_index(bound_us * 1000); i <= last; i++)
		n += s->bin[i];
	return n;
}
