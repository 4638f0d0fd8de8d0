#include "config.h"

#include <criterion/criterion.h>
#include <stdio.h>

#include "lib/shm/said.h"

Test(said, says_the_first_of_a_kind_in_a_minute_and_counts_the_others)
{
	struct said said[SAID_KINDS] = {0};
	uint64_t n = 99, now = 1000;

	cr_expect_eq(said_may(said, "22012", now, &n), 1);
	cr_expect_eq(n, 0);
	for (int i = 0; i < 7; i++)
		cr_expect_eq(said_may(said, "22012", now + SAID_EVERY_MS - 1, &n), 0);
	cr_expect_eq(said_may(said, "22P02", now, &n), 1, "another kind has its own minute");
	cr_expect_eq(said_may(said, "22012", now + SAID_EVERY_MS, &n), 1);
	cr_expect_eq(n, 7);
}

Test(said, is_bounded_whatever_kinds_there_are)
{
	struct said said[SAID_KINDS] = {0};
	unsigned lines = 0;
	uint64_t n;
	char kind[8];

	for (unsigned i = 0; i < 1000; i++) {
		snprintf(kind, sizeof(kind), "K%u", i);
		lines += (unsigned)said_may(said, kind, 5, &n);
	}
	cr_expect_eq(lines, SAID_KINDS);
	/* silent kinds make room for new ones */
	lines = 0;
	for (unsigned i = 0; i < 3; i++) {
		snprintf(kind, sizeof(kind), "L%u", i);
		lines += (unsigned)said_may(said, kind, 5 + SAID_EVERY_MS, &n);
	}
	cr_expect_eq(lines, 3);
}
