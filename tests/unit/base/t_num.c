#include "config.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

#include "lib/base/num.h"

#define UNTOUCHED 0xabcdefu

Test(num, reads_unsigned_numbers)
{
	static const struct {
		const char *text;
		int rc;
		uint64_t v;
	} rows[] = {
	    {"0", 0, 0}, {"7", 0, 7}, {"007", 0, 7}, {"18446744073709551615", 0, UINT64_MAX},
	    {"18446744073709551616", -1, 0}, {"18446744073709551620", -1, 0}, {"99999999999999999999", -1, 0},
	    {"1844674407370955161600", -1, 0}, {"", -1, 0}, {"-1", -1, 0}, {"+1", -1, 0}, {" 1", -1, 0}, {"1 ", -1, 0},
	    {"1x", -1, 0}, {"0x1", -1, 0}, {"1.0", -1, 0}, {"1e3", -1, 0}, {"\xd9\xa1", -1, 0}, {"/", -1, 0}, {":", -1, 0},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		uint64_t v = UNTOUCHED;

		cr_expect_eq(num_u64(slice_str(rows[i].text), &v), rows[i].rc, "%s", rows[i].text);
		cr_expect_eq(v, rows[i].rc ? UNTOUCHED : rows[i].v, "%s", rows[i].text);
	}
}

Test(num, reads_signed_numbers)
{
	static const struct {
		const char *text;
		int rc;
		int64_t v;
	} rows[] = {
	    {"0", 0, 0}, {"-0", 0, 0}, {"-1", 0, -1}, {"9223372036854775807", 0, INT64_MAX},
	    {"9223372036854775808", -1, 0}, {"-9223372036854775808", 0, INT64_MIN}, {"-9223372036854775809", -1, 0},
	    {"-18446744073709551616", -1, 0}, {"", -1, 0}, {"-", -1, 0}, {"--1", -1, 0}, {"+1", -1, 0}, {"- 1", -1, 0},
	    {"1-", -1, 0},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		int64_t v = UNTOUCHED;

		cr_expect_eq(num_i64(slice_str(rows[i].text), &v), rows[i].rc, "%s", rows[i].text);
		cr_expect_eq(v, rows[i].rc ? UNTOUCHED : rows[i].v, "%s", rows[i].text);
	}
}

Test(num, reads_sizes)
{
	static const struct {
		const char *text;
		int rc;
		uint64_t v;
	} rows[] = {
	    {"0", 0, 0}, {"512", 0, 512}, {"512B", 0, 512}, {"64KiB", 0, 65536}, {"64K", 0, 65536}, {"64KB", 0, 65536},
	    {"1MiB", 0, 1048576}, {"1M", 0, 1048576}, {"1MB", 0, 1048576}, {"2GiB", 0, 2147483648u}, {"2G", 0, 2147483648u},
	    {"2GB", 0, 2147483648u}, {"1 MiB", 0, 1048576}, {"17179869183GiB", 0, 18446744072635809792u},
	    {"17179869184GiB", -1, 0}, {"1k", -1, 0}, {"1kib", -1, 0}, {"1TiB", -1, 0}, {"KiB", -1, 0}, {"", -1, 0},
	    {"-1K", -1, 0}, {"1.5MiB", -1, 0}, {"1MiBx", -1, 0}, {"1  MiB", -1, 0}, {"1 ", -1, 0}, {"1MiB ", -1, 0},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		uint64_t v = UNTOUCHED;

		cr_expect_eq(num_size(slice_str(rows[i].text), &v), rows[i].rc, "%s", rows[i].text);
		cr_expect_eq(v, rows[i].rc ? UNTOUCHED : rows[i].v, "%s", rows[i].text);
	}
}

Test(num, reads_durations)
{
	static const struct {
		const char *text;
		int rc;
		uint64_t v;
	} rows[] = {
	    {"0", 0, 0}, {"0us", 0, 0}, {"0s", 0, 0}, {"250ms", 0, 250}, {"2s", 0, 2000}, {"5min", 0, 300000}, {"5m", 0, 300000},
	    {"1h", 0, 3600000}, {"7d", 0, 604800000}, {"2000us", 0, 2}, {"250us", -1, 0}, {"999us", -1, 0}, {"1", -1, 0},
	    {"60", -1, 0}, {"", -1, 0}, {"s", -1, 0}, {"1S", -1, 0}, {"-1s", -1, 0}, {"1.5s", -1, 0}, {"1w", -1, 0},
	    {"1s1ms", -1, 0}, {"99999999999999999999s", -1, 0}, {"213503982334601d", -1, 0},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		uint64_t v = UNTOUCHED;

		cr_expect_eq(num_msec(slice_str(rows[i].text), &v), rows[i].rc, "%s", rows[i].text);
		cr_expect_eq(v, rows[i].rc ? UNTOUCHED : rows[i].v, "%s", rows[i].text);
	}
}

Test(num, reads_booleans)
{
	static const struct {
		const char *text;
		int rc, v;
	} rows[] = {
	    {"yes", 0, 1}, {"no", 0, 0}, {"true", 0, 1}, {"false", 0, 0}, {"on", 0, 1}, {"off", 0, 0}, {"1", 0, 1},
	    {"0", 0, 0}, {"", -1, 9}, {"y", -1, 9}, {"2", -1, 9}, {"yes ", -1, 9},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		int v = 9;

		cr_expect_eq(num_bool(slice_str(rows[i].text), &v), rows[i].rc, "%s", rows[i].text);
		cr_expect_eq(v, rows[i].v, "%s", rows[i].text);
	}
}

Test(num, writes_sizes_and_durations_that_read_as_the_same)
{
	static const uint64_t values[] = {0,	1,	    512,	1023,	    1024,	  1025,	     1536,     65536,
					  999,	1000,	    60000,	61000,	    3600000,	  86400000,  90000000, 1048576,
					  1234, 2147483648u, 1099511627776u, 172800000u, 18446744072635809792u};
	char out[32];
	uint64_t v;

	for (size_t i = 0; i < ARRAY_LEN(values); i++) {
		cr_expect(num_format_size(values[i], out, sizeof(out)) == out);
		cr_expect(num_size(slice_str(out), &v) == 0 && v == values[i], "%s", out);
		if (values[i] > UINT64_MAX / 1000)
			continue;
		cr_expect(num_format_msec(values[i], out, sizeof(out)) == out);
		cr_expect(num_msec(slice_str(out), &v) == 0 && v == values[i], "%s", out);
	}
	cr_expect_str_eq(num_format_size(1048576, out, sizeof(out)), "1MiB");
	cr_expect_str_eq(num_format_size(1000, out, sizeof(out)), "1000");
	cr_expect_str_eq(num_format_msec(300000, out, sizeof(out)), "5min");
	cr_expect_str_eq(num_format_msec(90000, out, sizeof(out)), "90s");
	cr_expect_str_eq(num_format_msec(0, out, sizeof(out)), "0");
}

Test(num, puts_what_printf_puts)
{
	char out[24], want[24];

	srand(1);
	for (int i = 0; i < 200000; i++) {
		uint64_t v = ((uint64_t)rand() << 40 ^ (uint64_t)rand() << 20 ^ (uint64_t)rand()) >> (rand() % 64);
		size_t n;

		if (i < 2000)
			v = (uint64_t)i;
		if (i == 2000)
			v = UINT64_MAX;
		n = num_put_u64(out, v);
		out[n] = 0;
		snprintf(want, sizeof(want), "%llu", (unsigned long long)v);
		cr_assert_str_eq(out, want);
	}
}

Test(num, counts_edits)
{
	static const struct {
		const char *a, *b;
		unsigned distance;
	} rows[] = {
	    {"", "", 0}, {"a", "", 1}, {"", "abc", 3}, {"kitten", "sitting", 3}, {"flaw", "lawn", 2},
	    {"timeout", "timeuot", 2}, {"same", "same", 0}, {"abc", "xyz", 3},
	};
	char a[200], b[200];

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		cr_expect_eq(num_distance(slice_str(rows[i].a), slice_str(rows[i].b)), rows[i].distance, "%s", rows[i].a);
		cr_expect_eq(num_distance(slice_str(rows[i].b), slice_str(rows[i].a)), rows[i].distance, "%s", rows[i].a);
	}
	memset(a, 'a', sizeof(a));
	memset(b, 'b', sizeof(b));
	cr_expect_eq(num_distance(slice_of(a, 200), slice_of(b, 200)), 64);
}
