#include "config.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/base.h"
#include "lib/shm/histo.h"

/* The definition, by plain division. */
static unsigned plain_index(uint64_t ns)
{
	uint64_t t = ns / 1000 + (ns % 1000 != 0), v, scale = 1;
	unsigned e = 0;

	v = (t ? t : 1) - 1;
	if (v < 10)
		return (unsigned)v;
	if (v >= 100000000)
		return HISTO_BINS - 1;
	for (; v / scale >= 100; scale *= 10)
		e++;
	return 10 + e * 90 + (unsigned)(v / scale) - 10;
}

static uint64_t next(uint64_t *x)
{
	*x ^= *x << 13;
	*x ^= *x >> 7;
	*x ^= *x << 17;
	return *x;
}

Test(histo, index_is_that_of_the_plain_division)
{
	uint64_t x = 88172645463325252ull;

	for (uint64_t us = 0; us < 300000; us++)
		for (int d = -1; d <= 1; d++)
			if (us || d >= 0)
				cr_assert(histo_index(us * 1000 + d) == plain_index(us * 1000 + d), "%zu us",
					  (size_t)us);
	for (unsigned i = 0; i < 3000000; i++) {
		uint64_t ns = next(&x) >> (17 + next(&x) % 30);

		cr_assert(histo_index(ns) == plain_index(ns), "%llu ns", (unsigned long long)ns);
	}
	for (uint64_t scale = 1; scale <= 10000000; scale *= 10)
		for (uint64_t m = 1; m <= 100; m++)
			for (int64_t d = -2; d <= 2; d++) {
				uint64_t ns = m * scale * 1000 + (uint64_t)d;

				cr_assert(histo_index(ns) == plain_index(ns), "%llu ns",
					  (unsigned long long)ns);
			}
	cr_expect(histo_index(0) == 0);
	cr_expect(histo_index(100000000000ull) == HISTO_BINS - 2);
	cr_expect(histo_index(100000000001ull) == HISTO_BINS - 1);
	cr_expect(histo_index(UINT64_MAX) == HISTO_BINS - 1);
}

Test(histo, index_never_falls_and_misses_no_bin)
{
	unsigned last = 0;

	for (uint64_t us = 1; us <= 100000000; us += us < 20000 ? 1 : us / 1000) {
		unsigned i = histo_index(us * 1000);

		cr_assert(i >= last && i <= last + 1);
		last = i;
	}
	cr_expect(last >= HISTO_BINS - 3);
}

Test(histo, exported_bounds_are_exact)
{
	static const uint64_t bounds[] = {1000,	  5000,	  10000,   25000,   50000,   75000,   100000, 250000,
					  500000, 750000, 1000000, 2500000, 5000000, 7500000, 10000000};

	for (size_t i = 0; i < ARRAY_LEN(bounds); i++) {
		struct histo h = {0};
		struct histo_sum s = {0};

		histo_add(&h, bounds[i] * 1000 - 1);
		histo_add(&h, bounds[i] * 1000);
		histo_add(&h, bounds[i] * 1000 + 1);
		histo_merge(&s, &h);
		cr_expect(histo_le(&s, bounds[i]) == 2, "le %zu us", (size_t)bounds[i]);
		cr_expect(s.count == 3 && s.sum_ns == bounds[i] * 3000);
	}
}

Test(histo, merging_adds_and_a_zero_duration_counts)
{
	static struct histo a, b;
	static struct histo_sum s;

	histo_add(&a, 0);
	histo_add(&a, 5000);
	histo_add(&b, 200000000000ull);
	histo_merge(&s, &a);
	histo_merge(&s, &b);
	cr_expect(s.count == 3);
	cr_expect(s.sum_ns == 200000005001ull);
	cr_expect(histo_le(&s, 1) == 1);
	cr_expect(histo_le(&s, 0) == 0);
	cr_expect(histo_le(&s, 5) == 2);
	cr_expect(histo_le(&s, 100000000) == 2);
	cr_expect(histo_quantile(&s, 1.0) == 100000000000ull, "the overflow bin says its lower edge");
}

static int by_value(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

Test(histo, quantiles_are_within_five_percent_of_the_sorted_samples)
{
	static const double wanted[] = {0.01, 0.5, 0.9, 0.95, 0.99, 0.999};
	enum { N = 200000 };
	static struct histo h;
	static struct histo_sum s;
	uint64_t *v = calloc(N, sizeof(*v)), x = 4101842887655102017ull;

	cr_expect(histo_quantile(&s, 0.5) == 0);
	for (unsigned i = 0; i < N; i++) {
		v[i] = 20000 + next(&x) % 1000000 * (next(&x) % 64 == 0 ? 400 : 1);
		histo_add(&h, v[i]);
	}
	histo_merge(&s, &h);
	qsort(v, N, sizeof(*v), by_value);
	for (size_t i = 0; i < ARRAY_LEN(wanted); i++) {
		double exact = (double)v[(size_t)(wanted[i] * N)], got = (double)histo_quantile(&s, wanted[i]);

		cr_expect(got > exact * 0.95 && got < exact * 1.05, "q %.3f: %.0f, exact %.0f", wanted[i], got,
			  exact);
	}
	free(v);
}

Test(histo, one_sample_gives_a_quantile_inside_its_bin)
{
	static struct histo h;
	static struct histo_sum s;

	histo_add(&h, 1500000);
	histo_merge(&s, &h);
	for (double q = 0; q <= 1.0; q += 0.25)
		cr_expect(histo_quantile(&s, q) >= 1400000 && histo_quantile(&s, q) <= 1500000);
}
