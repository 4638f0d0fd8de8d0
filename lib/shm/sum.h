/* sum: XXH3 over bytes that leave this host and come back: a check against torn and foreign data, not a
 * signature. Pure.
 * Layer: lib/shm (the only user of xxHash). */
#ifndef WEIR_SHM_SUM_H
#define WEIR_SHM_SUM_H

#include <stdint.h>

#include "lib/base/slice.h"

/* The same on every host for the same seed and bytes, whatever its byte order. */
uint64_t sum_64(struct slice s, uint64_t seed);

#endif
