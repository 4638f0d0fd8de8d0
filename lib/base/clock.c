/* clock: time. */
#include "config.h"

#include "lib/base/clock.h"

#include <stdio.h>
#include <time.h>

uint64_t clock_mono_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * CLOCK_S + (uint64_t)ts.tv_nsec;
}

uint64_t clock_wall_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return (uint64_t)ts.tv_sec * 1000000u + (uint64_t)ts.tv_nsec / 1000u;
}

uint64_t clock_boot_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_BOOTTIME, &ts);
	return (uint64_t)ts.tv_sec * 1000u + (uint64_t)ts.tv_nsec / 1000000u;
}

void clock_format_wall(uint64_t wall_us, char out[32])
{
	time_t s = (time_t)(wall_us / 1000000u);
	unsigned ms = (unsigned)(wall_us / 1000u % 1000u);
	struct tm tm;
	size_t n;

	if (!gmtime_r(&s, &tm) || (n = strftime(out, 32, "%Y-%m-%dT%H:%M:%S", &tm)) == 0) {
		snprintf(out, 32, "-");
		return;
	}
	snprintf(out + n, 32 - n, ".%03uZ", ms);
}
