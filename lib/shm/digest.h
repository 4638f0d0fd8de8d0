/* digest: 128 or 64 bits of bytes, for entity tags and identities of definitions. Not keyed: the same on every host
 * and after every restart; no defence against somebody who wants a collision with himself.
 * Layer: lib/shm, the only user of xxHash. */
#ifndef WEIR_SHM_DIGEST_H
#define WEIR_SHM_DIGEST_H

#include <stdint.h>

#include "lib/base/slice.h"

void digest_128(struct slice bytes, uint8_t out[16]);
/* A checksum for bytes that leave this host and come back. The same on every host for the same seed. */
uint64_t digest_64(struct slice bytes, uint64_t seed);

#endif
