/* clock: time. Monotonic nanoseconds everywhere; boot time for lifetimes in the cache, wall time for headers and
 * logs only.
 * Layer: lib/base. */
#ifndef WEIR_BASE_CLOCK_H
#define WEIR_BASE_CLOCK_H

#include <stdint.h>

#include "lib/base/base.h"

#define CLOCK_MS 1000000ull
#define CLOCK_S 1000000000ull

/* CLOCK_MONOTONIC: the same in every process of the host, untouched by NTP steps. */
uint64_t clock_mono_ns(void);
uint64_t clock_wall_us(void);
/* CLOCK_BOOTTIME: monotonic, and goes on while the machine sleeps: lifetimes of what is cached. */
uint64_t clock_boot_ms(void);
/* "2026-11-24T10:00:00.123Z", 25 bytes with NUL. */
void clock_format_wall(uint64_t wall_us, char out[32]);

#endif
