/* conf_test: what the tests of lib/conf share. Each test runs in its own process. */
#ifndef TESTS_UNIT_CONF_CONF_TEST_H
#define TESTS_UNIT_CONF_CONF_TEST_H

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "lib/conf/endpoint.h"
#include "lib/conf/options.h"

/* Compares and shows both as text, newlines and all. */
static inline void same_text(const char *what, const char *got, const char *want)
{
	cr_expect(strcmp(got, want) == 0, "input:\n%s\ngot:\n%s\nexpected:\n%s\n", what, got, want);
}

static inline void same_errors(const char *what, struct errs *errs, const char *want)
{
	struct buf b;

	buf_init(&b, 0);
	errs_to_text(errs, &b);
	same_text(what, buf_str(&b), want);
	buf_done(&b);
	errs_done(errs);
}

/* One file, which is valid, and what is warned of. */
static inline void check_warnings(const char *text, const char *want)
{
	struct endpoints set;
	struct errs errs;
	struct buf b;

	errs_init(&errs);
	buf_init(&b, 0);
	endpoints_init(&set);
	endpoints_parse(&set, NULL, "f.sql", slice_str(text), &errs);
	errs_warnings_to_text(&errs, &b);
	same_text(text, buf_str(&b), want);
	buf_done(&b);
	same_errors(text, &errs, "");
	endpoints_done(&set);
}

/* A minimal valid configuration. */
#define MAIN_DB "database main { conninfo = x }\n"

#endif
