#include "config.h"

#include "lib/shm/digest.h"

#include <string.h>
#include <xxhash.h>

void digest_128(struct slice bytes, uint8_t out[16])
{
	XXH128_canonical_t c;

	XXH128_canonicalFromHash(&c, XXH3_128bits(bytes.p, bytes.n));
	memcpy(out, c.digest, 16);
}

uint64_t digest_64(struct slice bytes, uint64_t seed)
{
	return XXH3_64bits_withSeed(bytes.n ? bytes.p : "", bytes.n, seed);
}
