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

/* A minimal valid configuration. */
#define MAIN_DB "database main { conninfo = x }\n"

#endif
