#include "config.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>

#include "lib/base/buf.h"
#include "lib/base/err.h"

Test(buf, allocates_nothing_before_the_first_byte)
{
	struct buf b;

	buf_init(&b, 0);
	cr_expect(b.p == NULL && b.n == 0 && b.cap == 0);
	cr_expect(buf_append(&b, NULL, 0) == 0);
	cr_expect(b.p == NULL);
	buf_done(&b);
	buf_done(&b);
}

Test(buf, keeps_every_byte_while_it_grows)
{
	struct buf b;

	buf_init(&b, 0);
	for (unsigned i = 0; i < 100000; i++) {
		char c[3] = {(char)i, (char)(i >> 8), (char)(i >> 16)};

		cr_assert(buf_append(&b, c, 1 + i % 3) == 0);
	}
	for (unsigned i = 0, at = 0; i < 100000; at += 1 + i % 3, i++)
		cr_assert(b.p[at] == (char)i);
	buf_done(&b);
}

Test(buf, stops_at_its_limit_and_is_unchanged_then)
{
	static const size_t limits[] = {1, 2, 255, 256, 257, 300, 511, 512, 513, 4096, 5000};
	char bytes[6000];

	memset(bytes, 'x', sizeof(bytes));
	for (size_t i = 0; i < sizeof(limits) / sizeof(*limits); i++) {
		struct buf b;

		buf_init(&b, limits[i]);
		for (size_t k = 0; k < limits[i]; k++)
			cr_assert(buf_append(&b, "y", 1) == 0);
		cr_expect(buf_append(&b, "z", 1) == -E_too_large, "limit %zu", limits[i]);
		cr_expect(buf_append(&b, bytes, SIZE_MAX) == -E_too_large);
		cr_expect(b.n == limits[i] && b.p[b.n - 1] == 'y');
		/* full, and yet the terminator has room */
		cr_expect(strlen(buf_str(&b)) == limits[i]);
		buf_done(&b);

		buf_init(&b, limits[i]);
		cr_expect(buf_append(&b, bytes, limits[i] + 1) == -E_too_large);
		cr_expect(b.n == 0);
		cr_expect(buf_append(&b, bytes, limits[i]) == 0);
		cr_expect(buf_reserve(&b, 1) == -E_too_large);
		buf_done(&b);
	}
}

Test(buf, zeroed_is_a_buffer_without_a_limit)
{
	struct buf b = {0};

	buf_adds(&b, "abc");
	cr_expect_str_eq(buf_str(&b), "abc");
	buf_done(&b);
}

Test(buf, formats_across_its_end)
{
	for (unsigned n = 0; n < 600; n++) {
		struct buf b;

		buf_init(&b, 0);
		for (unsigned i = 0; i < n; i++)
			buf_addc(&b, '-');
		buf_addf(&b, "%s=%d", "value", 42);
		cr_assert(b.n == n + 8);
		cr_assert_str_eq(buf_str(&b) + n, "value=42");
		buf_done(&b);
	}
}

Test(buf, formats_nothing)
{
	struct buf b;

	buf_init(&b, 0);
	buf_addf(&b, "%s", "");
	cr_expect(b.n == 0);
	cr_expect_str_eq(buf_str(&b), "");
	buf_done(&b);
}

Test(buf, formats_up_to_its_limit)
{
	struct buf b;

	buf_init(&b, 5);
	buf_addf(&b, "%s", "12345");
	cr_expect(b.n == 5);
	cr_expect_str_eq(buf_str(&b), "12345");
	buf_done(&b);
}

Test(buf, fails_a_check_when_an_add_does_not_fit, .signal = SIGABRT)
{
	struct buf b;

	buf_init(&b, 3);
	buf_adds(&b, "1234");
}

Test(buf, gives_its_bytes_away)
{
	struct buf b;
	size_t n;
	char *p;

	buf_init(&b, 0);
	buf_adds(&b, "bytes");
	p = buf_take(&b, &n);
	cr_expect(n == 5 && memcmp(p, "bytes", 6) == 0);
	cr_expect(b.p == NULL && b.n == 0 && b.cap == 0);
	free(p);
	buf_adds(&b, "again");
	cr_expect_str_eq(buf_str(&b), "again");
	buf_done(&b);
	p = buf_take(&b, NULL);
	cr_expect_str_eq(p, "");
	free(p);
}

Test(buf, clears_and_keeps_the_allocation)
{
	struct buf b;
	char *p;

	buf_init(&b, 0);
	buf_adds(&b, "bytes");
	p = b.p;
	buf_clear(&b);
	buf_adds(&b, "other");
	cr_expect(b.p == p);
	cr_expect(slice_eq(buf_slice(&b), SLICE("other")));
	buf_done(&b);
}
