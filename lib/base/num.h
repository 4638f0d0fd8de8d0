/* num: text to number and back; strict: the whole text must be the number.
 * Pure. Layer: lib/base. */
#ifndef WEIR_BASE_NUM_H
#define WEIR_BASE_NUM_H

#include <stdint.h>

#include "lib/base/slice.h"

/* Each: 0, or -1 (out untouched) on anything but a whole, in-range value. */
int num_u64(struct slice s, uint64_t *ret) MUST_USE;
int num_i64(struct slice s, int64_t *ret) MUST_USE;
/* "512", "64KiB", "1MiB", "2GiB" (also K, M, G, KB, MB, GB meaning powers of 1024) → bytes.
 * One blank may stand before the unit. */
int num_size(struct slice s, uint64_t *ret) MUST_USE;
/* "250us" "250ms" "2s" "5min" (or "5m") "1h" "7d" → milliseconds; a bare 0 is allowed, any other bare number not.
 * Below a millisecond is refused except 0. */
int num_msec(struct slice s, uint64_t *ret) MUST_USE;
/* yes/no true/false on/off 1/0 */
int num_bool(struct slice s, int *ret) MUST_USE;
/* The shortest exact form with a unit: "1MiB", "5min". out ≥ 32 bytes; returns out. */
const char *num_format_size(uint64_t bytes, char *out, size_t n);
const char *num_format_msec(uint64_t ms, char *out, size_t n);
/* v in decimal at out (no NUL); returns the length, ≤ 20. */
size_t num_put_u64(char *out, uint64_t v);
/* Edit distance of two words, for "did you mean". At most 64 bytes are compared. */
unsigned num_distance(struct slice a, struct slice b);

#endif
