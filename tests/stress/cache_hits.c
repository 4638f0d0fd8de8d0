/* cache_hits: is it S3-FIFO? Made-up workloads on entries of one block each, in the real cache. The
 * expected ratios are those of the algorithm's simulation, with the same keys, requests and capacities; FIFO
 * and LRU are 4–7 points below, so a mistake in a queue shows. */
#include "config.h"

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "lib/shm/cache.h"

#define N_KEYS 400000u
#define N_REQUESTS 6000000u
#define TOLERANCE 1.0

struct workload {
	const char *name;
	double skew, one_hit, change;	/* zipf exponent; share of requests for keys never asked again, of invalidations */
	double capacity;		/* share of the keys that fit */
	double expected;		/* % of hits */
};

static const struct workload workloads[] = {
    {"zipf 1.0, a tenth fits", 1.0, 0, 0, 0.1, 80.3},
    {"zipf 0.9, one in five asked for once, a twentieth fits", 0.9, 0.2, 0, 0.05, 49.5},
    {"zipf 1.0, one in five asked for once, one in fifty invalidated, a tenth fits", 1.0, 0.2, 0.02, 0.1, 61.8},
};

static unsigned test_no, failed;
static uint64_t seed = 0x9e3779b97f4a7c15ull;

static double uniform(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (double)(seed >> 11) * 0x1p-53;
}

static unsigned draw(const double *cdf)
{
	double u = uniform() * cdf[N_KEYS - 1];
	unsigned lo = 0, hi = N_KEYS - 1;

	while (lo < hi) {
		unsigned mid = (lo + hi) / 2;

		if (cdf[mid] < u)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

/* The memory in which so many entries of one block fit, about. */
static size_t memory_for(uint64_t entries, struct cache *c, void **ret_mem)
{
	for (size_t size = cache_size(entries * 512);; size += 65536) {
		struct cache_stat s;
		void *mem = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

		if (mem == MAP_FAILED)
			abort();
		cache_format(mem, size);
		if (cache_attach(c, mem, size, SLICE("")))
			abort();
		cache_stat(c, CACHE_DATA, &s);
		*ret_mem = mem;
		if (s.bytes_total / 512 >= entries)
			return size;
		munmap(mem, size);
	}
}

static double run(const struct workload *w)
{
	double *cdf = malloc(N_KEYS * sizeof(*cdf)), sum = 0;
	struct cache *c = malloc(sizeof(*c));
	const struct cache_meta meta = {.hard_ms = 1000, .soft_ms = 1000};
	const struct slice body = SLICE("x");
	uint64_t hits = 0, fresh = N_KEYS;
	void *mem;
	size_t size;

	if (!cdf || !c)
		abort();
	for (unsigned i = 0; i < N_KEYS; i++)
		cdf[i] = sum += 1 / pow(i + 1, w->skew);
	size = memory_for((uint64_t)(N_KEYS * w->capacity), c, &mem);
	for (unsigned i = 0; i < N_REQUESTS; i++) {
		uint64_t id = w->one_hit > 0 && uniform() < w->one_hit ? fresh++ : draw(cdf);
		struct cache_key key = {.text = slice_of((const char *)&id, sizeof(id))};
		struct cache_meta found;

		cache_hash(c, &key);
		if (w->change > 0 && uniform() < w->change)
			cache_drop(c, CACHE_DATA, &key, NULL);
		if (cache_get(c, CACHE_DATA, &key, 1, &found, NULL) == CACHE_FOUND)
			hits++;
		else if (cache_put(c, CACHE_DATA, &key, &meta, &body, 1, 1))
			abort();
	}
	munmap(mem, size);
	free(cdf);
	free(c);
	return (double)hits * 100 / N_REQUESTS;
}

int main(void)
{
	printf("1..%zu\n", ARRAY_LEN(workloads));
	for (size_t i = 0; i < ARRAY_LEN(workloads); i++) {
		double ratio = run(&workloads[i]);
		int is_ok = fabs(ratio - workloads[i].expected) <= TOLERANCE;

		printf("%sok %u - %s: %.1f %% hits, expected %.1f\n", is_ok ? "" : "not ", ++test_no,
		       workloads[i].name, ratio, workloads[i].expected);
		fflush(stdout);
		failed += !is_ok;
	}
	return failed != 0;
}
