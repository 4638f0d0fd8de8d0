#include "config.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "lib/http/http.h"
#include "lib/http/http_date.h"

#define NOW 1794873600u	/* 2026-11-17 */

Test(date, is_imf_fixdate)
{
	char out[32];

	http_date(0, out);
	cr_expect_str_eq(out, "Thu, 01 Jan 1970 00:00:00 GMT");
	http_date(784111777, out);
	cr_expect_str_eq(out, "Sun, 06 Nov 1994 08:49:37 GMT");
	http_date(951782400, out);
	cr_expect_str_eq(out, "Tue, 29 Feb 2000 00:00:00 GMT");
	http_date(4102444799u, out);
	cr_expect_str_eq(out, "Thu, 31 Dec 2099 23:59:59 GMT");
	http_date(253402300799u, out);
	cr_expect_str_eq(out, "Fri, 31 Dec 9999 23:59:59 GMT");
	http_date(UINT64_MAX / 2, out);
	cr_expect_str_eq(out, "Fri, 31 Dec 9999 23:59:59 GMT");
}

Test(date, equals_strftime)
{
	srand(1);
	for (int i = 0; i < 20000; i++) {
		time_t t = (time_t)rand() + rand();
		char got[32], want[32];
		struct tm tm;

		gmtime_r(&t, &tm);
		strftime(want, sizeof(want), "%a, %d %b %Y %H:%M:%S GMT", &tm);
		http_date((uint64_t)t, got);
		cr_assert_str_eq(got, want);
	}
}

Test(date, reads_the_three_forms)
{
	static const struct {
		const char *text;
		uint64_t want;
	} rows[] = {
	    {"Sun, 06 Nov 1994 08:49:37 GMT", 784111777}, {"Sunday, 06-Nov-94 08:49:37 GMT", 784111777},
	    {"Sun Nov  6 08:49:37 1994", 784111777}, {"Sun Nov 06 08:49:37 1994", 784111777},
	    {"  Sun, 06 Nov 1994 08:49:37 GMT\t", 784111777}, {"sun, 06 nOV 1994 08:49:37 GMT", 784111777},
	    {"Thu, 01 Jan 1970 00:00:00 GMT", 0}, {"Wed, 31 Dec 1969 23:59:59 GMT", 0}, {"Mon, 01 Jan 0000 00:00:00 GMT", 0},
	    {"Tue, 29 Feb 2000 00:00:00 GMT", 951782400}, {"Fri, 31 Dec 9999 23:59:59 GMT", 253402300799},
	    {"Sat, 31 Dec 2016 23:59:60 GMT", 1483228800},
	    /* a day's name that is not that date's */
	    {"Mon, 06 Nov 1994 08:49:37 GMT", 784111777},
	    /* two digits: 50 years ahead is ahead, 51 is behind */
	    {"Saturday, 01-Jan-76 00:00:00 GMT", 3345062400}, {"Saturday, 01-Jan-77 00:00:00 GMT", 220924800},
	    {"Thursday, 01-Jan-70 00:00:00 GMT", 3155760000}, {"Wednesday, 02-Jan-26 00:00:00 GMT", 1767312000},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		uint64_t got = 12345;

		cr_expect_eq(http_date_parse(slice_str(rows[i].text), NOW, &got), 0, "%s", rows[i].text);
		cr_expect_eq(got, rows[i].want, "%s: %llu", rows[i].text, (unsigned long long)got);
	}
}

Test(date, refuses_what_is_no_date)
{
	static const char *const rows[] = {
	    "", " ", "0", "-1", "now", "784111777", "Sun, 06 Nov 1994 08:49:37", "Sun, 06 Nov 1994 08:49:37 UTC",
	    "Sun, 06 Nov 1994 08:49:37 gmt", "Sun, 06 Nov 1994 08:49:37 GMT+1", "Sun, 06 Nov 1994 08:49:37  GMT",
	    "Sun, 6 Nov 1994 08:49:37 GMT", "Sun, 06 Nov 94 08:49:37 GMT", "Sun,06 Nov 1994 08:49:37 GMT", "Sun, 06-Nov-1994 08:49:37 GMT",
	    "Sun, 00 Nov 1994 08:49:37 GMT", "Sun, 31 Nov 1994 08:49:37 GMT", "Sun, 29 Feb 1994 08:49:37 GMT",
	    "Mon, 29 Feb 1900 08:49:37 GMT", "Sun, 06 Nov 1994 24:00:00 GMT", "Sun, 06 Nov 1994 08:60:37 GMT",
	    "Sun, 06 Nov 1994 08:49:61 GMT", "Sun, 06 Nov 1994 8:49:37 GMT", "Sun, 06 Foo 1994 08:49:37 GMT",
	    "Fun, 06 Nov 1994 08:49:37 GMT", "Sonday, 06-Nov-94 08:49:37 GMT", "Sunday, 06-Nov-1994 08:49:37 GMT",
	    "Sun Nov   6 08:49:37 1994", "Sun Nov 6 08:49:37 1994", "Sun Nov  6 08:49:37 1994 GMT", "Sun Nov  6 08.49.37 1994",
	    "Sun, 06 Nov -994 08:49:37 GMT", "Sun, 06 Nov 19940 08:49:37 GMT",
	};
	uint64_t got = 77;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		cr_expect_eq(http_date_parse(slice_str(rows[i]), NOW, &got), -1, "%s", rows[i]);
	cr_expect_eq(http_date_parse((struct slice){NULL, 0}, NOW, &got), -1);
	cr_expect_eq(got, 77);
}

Test(date, reads_what_it_writes)
{
	char out[32], old[40], day[] = "Sun, 06 Nov 1994 08:49:37 GMT";

	for (uint64_t t = 0; t < 253402300800; t += 86400 * 13 + 4567) {
		uint64_t got;
		struct tm tm;

		http_date(t, out);
		cr_assert_eq(http_date_parse(slice_of(out, 29), NOW, &got), 0, "%s", out);
		cr_assert_eq(got, t, "%s", out);
		gmtime_r(&(time_t){(time_t)t}, &tm);
		strftime(old, sizeof(old), "%a %b %e %H:%M:%S %Y", &tm);
		cr_assert_eq(http_date_parse(slice_str(old), NOW, &got), 0, "%s", old);
		cr_assert_eq(got, t, "%s", old);
	}
	/* every cut and every changed byte is taken without a step outside */
	for (size_t n = 0; n < sizeof(day) - 1; n++) {
		uint64_t got;
		char *exact = malloc(n ? n : 1);

		memcpy(exact, day, n);
		cr_expect_eq(http_date_parse(slice_of(exact, n), NOW, &got), -1);
		free(exact);
	}
}
