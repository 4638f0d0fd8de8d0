#include "config.h"

#include <criterion/criterion.h>

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
