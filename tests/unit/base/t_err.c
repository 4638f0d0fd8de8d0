#include "config.h"

#include <criterion/criterion.h>
#include <ctype.h>
#include <signal.h>
#include <stdio.h>

#include "lib/base/err.h"
#include "lib/base/log.h"
#include "lib/base/utf8.h"

Test(err, has_a_complete_row_for_every_id)
{
	for (int id = 1; id < E_count; id++) {
		const struct err_row *r = err_row((enum err_id)id);

		cr_assert(r->code && r->title);
		for (const char *p = r->code; *p; p++)
			cr_expect(islower((unsigned char)*p) || *p == '_', "%s", r->code);
		cr_expect(r->title[strlen(r->title) - 1] == '.', "%s: a full stop", r->code);
		cr_expect(r->status >= 400 && r->status <= 599, "%s", r->code);
		cr_expect(r->level >= LOG_ERROR && r->level < LOG_LEVELS, "%s", r->code);
		cr_expect(r->is_retryable == 0 || r->is_retryable == 1, "%s", r->code);
		for (int other = 1; other < id; other++)
			cr_expect(strcmp(r->code, err_row((enum err_id)other)->code) != 0, "%s twice", r->code);
	}
	cr_expect_str_eq(err_row(E_bad_parameter)->code, "bad_parameter");
	cr_expect_eq(err_row(E_bad_parameter)->status, 400);
}

Test(err, has_no_row_for_ok, .signal = SIGABRT)
{
	err_row(E_ok);
}

Test(err, fills_and_returns_the_negative_id)
{
	struct err e;

	memset(&e, 'x', sizeof(e));
	cr_expect(err_set(&e, E_timeout, "after %d ms", 5) == -E_timeout);
	cr_expect(e.id == E_timeout && e.line == 0 && e.col == 0);
	cr_expect_str_eq(e.file, "");
	cr_expect_str_eq(e.text, "after 5 ms");
	cr_expect(err_set_at(&e, E_config, "weir.conf", 3, 7, "unknown %s", "key") == -E_config);
	cr_expect(e.id == E_config && e.line == 3 && e.col == 7);
	cr_expect_str_eq(e.file, "weir.conf");
	cr_expect(err_set(NULL, E_io, "nobody asks") == -E_io);
	cr_expect(err_set_at(NULL, E_io, NULL, 1, 1, "nobody asks") == -E_io);
}

Test(err, may_quote_itself)
{
	struct err e;

	err_set_at(&e, E_config, "a.conf", 3, 7, "inner");
	cr_expect(err_set_at(&e, E_config, e.file, e.line, e.col, "outer: %s in %s", e.text, e.file) == -E_config);
	cr_expect_str_eq(e.text, "outer: inner in a.conf");
	cr_expect_str_eq(e.file, "a.conf");
	err_set(&e, E_io, "%s (%s)", e.text, e.file);
	cr_expect_str_eq(e.text, "outer: inner in a.conf (a.conf)");
}

Test(err, truncates_between_characters)
{
	char text[2000], file[2000];
	struct err e;

	for (size_t shift = 0; shift < 4; shift++) {
		memset(text, 'x', shift);
		for (size_t i = shift; i + 4 < sizeof(text); i += 4)
			memcpy(text + i, "\xf0\x9f\x98\x80", 5);
		err_set(&e, E_config, "%s", text);
		cr_expect(strlen(e.text) > sizeof(e.text) - 6);
		cr_expect(utf8_is_valid(slice_str(e.text)));
	}
	memset(file, 'f', sizeof(file));
	file[1999] = 0;
	err_set_at(&e, E_config, file, 1, 1, "t");
	cr_expect_eq(strlen(e.file), sizeof(e.file) - 1);
}

Test(err, formats_what_is_known)
{
	struct err e;
	char out[900];

	err_set_at(&e, E_config, "a.conf", 3, 7, "wrong");
	cr_expect_str_eq(err_format(&e, out, sizeof(out)), "a.conf:3:7: wrong");
	err_set_at(&e, E_config, "a.conf", 3, 0, "wrong");
	cr_expect_str_eq(err_format(&e, out, sizeof(out)), "a.conf:3: wrong");
	err_set_at(&e, E_config, "a.conf", 0, 0, "wrong");
	cr_expect_str_eq(err_format(&e, out, sizeof(out)), "a.conf: wrong");
	err_set(&e, E_config, "wrong");
	cr_expect_str_eq(err_format(&e, out, sizeof(out)), "wrong");
	cr_expect_str_eq(err_format(&e, out, 4), "wro");
}
