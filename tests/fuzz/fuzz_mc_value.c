/* fuzz_mc_value: any bytes as a value from memcached. As they are, and again with magic, format and
 * checksum made right, so that the lengths behind them are reached. What is accepted lies inside the input and
 * encodes to the same bytes. */
#include "config.h"

#include <stdint.h>
#include <stdlib.h>

#include "lib/base/check.h"
#include "lib/mc/mc_value.h"
#include "lib/shm/digest.h"

#define SEED 7u
#define HEAD 104u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void inside(struct slice part, struct slice whole)
{
	check(part.n <= whole.n);
	check(!part.n || (part.p >= whole.p && part.p + part.n <= whole.p + whole.n));
}

static void decode(struct slice s, uint64_t build, uint64_t schema, struct slice key)
{
	struct mc_value v;
	struct buf again;

	if (mc_value_decode(s, build, schema, key, SEED, &v) != MC_VALUE_OK)
		return;
	check(v.n_tags <= MC_VALUE_MAX_TAGS && v.head_n <= v.body.n);
	check(slice_eq(v.key, key));
	inside(v.body, s);
	inside(v.key, s);
	for (unsigned i = 0; i < v.n_tags; i++)
		inside(v.tags[i], s);
	check(mc_value_left_ms(&v, v.soft_ms, v.xmin) <= v.soft_ms);
	buf_init(&again, 0);
	/* A key beyond the limit is not made by us; it is only equal to one that nobody asks for. */
	if (mc_value_encode(&again, &v, SEED) == 0)
		check(again.n == s.n && memcmp(again.p + 16, s.p + 16, HEAD - 16 - 5) == 0 &&
		      memcmp(again.p + HEAD, s.p + HEAD, s.n - HEAD) == 0);
	buf_done(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice s = slice_of((const char *)data, size);
	uint64_t build, schema, sum;
	uint32_t key_n;
	char *fixed;

	decode(s, 1, 2, SLICE("key"));
	if (size < HEAD)
		return 0;
	/* An exact block, so that a read past the end is seen. */
	fixed = malloc(size);
	check(fixed);
	memcpy(fixed, data, size);
	memcpy(fixed + 8, "WVL1\1\0", 6);
	sum = digest_64(slice_of(fixed + 8, size - 8), SEED);
	for (unsigned i = 0; i < 8; i++)
		fixed[i] = (char)(sum >> 8 * i);
	memcpy(&build, fixed + 16, sizeof(build));
	memcpy(&schema, fixed + 24, sizeof(schema));
	memcpy(&key_n, fixed + 80, sizeof(key_n));
	if (key_n <= size - HEAD)
		decode(slice_of(fixed, size), build, schema, slice_of(fixed + HEAD, key_n));
	decode(slice_of(fixed, size), build, schema, SLICE("key"));
	free(fixed);
	return 0;
}
