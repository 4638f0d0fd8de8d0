/* sum: XXH3 for others. */
#include "config.h"

#include "lib/shm/sum.h"

#include <xxhash.h>

uint64_t sum_64(struct slice s, uint64_t seed)
{
	return XXH3_64bits_withSeed(s.n ? s.p : "", s.n, seed);
}
