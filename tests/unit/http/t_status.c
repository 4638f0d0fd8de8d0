#include "config.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "lib/base/err.h"
#include "lib/http/http.h"

Test(status, has_a_phrase_for_every_error)
{
	cr_expect_str_eq(http_phrase(200), "OK");
	cr_expect_str_eq(http_phrase(304), "Not Modified");
	cr_expect_str_eq(http_phrase(0), "Unknown");
	cr_expect_str_eq(http_phrase(-1), "Unknown");
	cr_expect_str_eq(http_phrase(299), "Unknown");
	for (int id = 1; id < E_count; id++)
		cr_expect_str_neq(http_phrase(err_row((enum err_id)id)->status), "Unknown");
}

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
	cr_expect_eq(strlen(out), 29);
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
