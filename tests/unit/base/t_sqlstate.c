#include "config.h"

#include <criterion/criterion.h>
#include <ctype.h>

#include "lib/base/log.h"
#include "lib/base/sqlstate.h"

Test(sqlstate, has_rows_that_are_complete_and_all_can_be_met)
{
	size_t n;
	const struct sqlstate_row *r = sqlstate_rows(&n);

	for (size_t i = 0; i < n; i++) {
		cr_expect(strlen(r[i].prefix) <= 5);
		for (const char *p = r[i].prefix; *p; p++)
			cr_expect(isupper((unsigned char)*p) || isdigit((unsigned char)*p), "%s", r[i].prefix);
		cr_expect(r[i].sentence[strlen(r[i].sentence) - 1] == '.', "%s: a full stop", r[i].prefix);
		cr_expect(r[i].level == LOG_ERROR || r[i].level == LOG_WARN, "%s", r[i].prefix);
		cr_expect(err_row(r[i].error)->status >= 400);
		/* the client's fault never counts against the endpoint */
		cr_expect(r[i].is_neutral || err_row(r[i].error)->status >= 500 || r[i].error == E_serialization, "%s", r[i].prefix);
		cr_expect_eq(sqlstate_row(r[i].prefix, r[i].when), &r[i], "%s is hidden by an earlier row", r[i].prefix);
	}
	cr_expect_eq(r[n - 1].when, SQLSTATE_ANY);
	cr_expect_eq(r[n - 1].prefix[0], 0, "the last row fits all");
}

Test(sqlstate, of_a_value_is_the_clients_and_else_ours)
{
	cr_expect_eq(sqlstate_row("22012", SQLSTATE_VALUE)->error, E_bad_parameter);
	cr_expect_eq(sqlstate_row("22012", SQLSTATE_ANY)->error, E_sql);
	cr_expect_eq(sqlstate_row("42P01", SQLSTATE_VALUE)->error, E_bad_parameter);
	cr_expect_eq(sqlstate_row("42P01", SQLSTATE_ANY)->error, E_sql);
	cr_expect_eq(sqlstate_row("XX000", SQLSTATE_VALUE)->error, E_sql);
	cr_expect_eq(sqlstate_row("0A000", SQLSTATE_BIND)->error, E_bad_parameter);
	cr_expect_eq(sqlstate_row("42501", SQLSTATE_VALUE | SQLSTATE_BIND)->error, E_forbidden);
	cr_expect_eq(sqlstate_row("23514", SQLSTATE_BIND)->error, E_unprocessable);
	cr_expect_eq(sqlstate_row("57014", SQLSTATE_ANY)->error, E_timeout);
	cr_expect_eq(sqlstate_row("57014", SQLSTATE_CANCEL)->error, E_cancelled);
	cr_expect_eq(sqlstate_row("", SQLSTATE_ANY)->error, E_sql);
}
