/* What no server of these tests takes yet (PostgreSQL 16's numbers), and the edges; all else is held against a real one in
 * tests/it/test_48_spellings.py. */
#include "config.h"

#include <criterion/criterion.h>

#include "lib/pg/db_canon.h"
#include "lib/pg/db_type.h"

static void expect(enum db_canon c, const char *text, const char *want)
{
	AUTO(buf) struct buf b;
	int rc;

	buf_init(&b, 0);
	buf_adds(&b, "x:");
	rc = db_canon_put(c, slice_str(text), &b);
	cr_expect_eq(rc, want ? 0 : -1, "%s: %d", text, rc);
	cr_expect_str_eq(buf_str(&b) + 2, want ? want : "", "%s gives %s", text, buf_str(&b));
	cr_expect_eq(db_canon_reads(c, slice_str(text)), want != NULL);
}

Test(db_canon, numbers_of_postgresql_16_are_the_numbers_that_they_mean)
{
	static const char *const texts[][2] = {
	    {"0x1F", "31"}, {"0X1f", "31"}, {"0o17", "15"}, {"0b101", "5"}, {"1_000", "1000"}, {"-0x_1_F", "-31"}, {"+0x0", "0"},
	    {" 1_0.5_0e1_0 ", "105000000000"}, {"0xFFFFFFFFFFFFFFFF", "18446744073709551615"}, {"1_000.50", "1000.5"},
	    {"0x1FFFFFFFFFFFFFFFFF", NULL}, {"1__0", NULL}, {"_1", NULL}, {"1_", NULL}, {"0x", NULL}, {"0x_", NULL}, {"0xG", NULL},
	    {"0b2", NULL}, {"1_e5", NULL}, {"1._5", NULL}, {"0x1.5", NULL}, {"", NULL}, {"-", NULL}, {"1 0", NULL}};

	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		expect(DB_CANON_NUMBER, texts[i][0], texts[i][1]);
	cr_expect_null(db_type_check(DB_INT4, SLICE("0x1F")));
	cr_expect_null(db_type_check(DB_INT8, SLICE("1_000_000_000_000")));
	cr_expect_null(db_type_check(DB_NUMERIC, SLICE("1_000.5")));
	cr_expect_not_null(db_type_check(DB_INT2, SLICE("0xFFFF")));
	cr_expect_not_null(db_type_check(DB_INT4, SLICE("1__0")));
}

Test(db_canon, oid_is_read_as_oidin_reads_it)
{
	static const char *const texts[][2] = {
	    {"0", "0"}, {"-0", "0"}, {"5", "5"}, {" +5\t", "5"}, {"-1", "4294967295"}, {"4294967295", "4294967295"},
	    {"-2147483648", "2147483648"}, {"-2147483649", NULL}, {"4294967296", NULL}, {"99999999999", NULL}, {"05", NULL},
	    {"-01", NULL}, {"0x5", NULL}, {"1_0", NULL}, {"1e0", NULL}, {"1.0", NULL}, {"", NULL}, {"-", NULL}, {"- 1", NULL}};

	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		expect(DB_CANON_OID, texts[i][0], texts[i][1]);
	cr_expect(!db_canon_meet(DB_CANON_OID, DB_CANON_NUMBER));
}

Test(db_canon, a_domain_with_a_scale_or_a_length_rounds)
{
	cr_expect(db_canon_rounds(DB_CANON_NUMBER, (6 << 16 | 2) + 4));
	cr_expect(db_canon_rounds(DB_CANON_TEXT, 3 + 4));
	cr_expect(db_canon_rounds(DB_CANON_TIMESTAMP, 0));
	cr_expect(db_canon_rounds(DB_CANON_TIME, 5));
	cr_expect(!db_canon_rounds(DB_CANON_TIMESTAMPTZ, 6));
	cr_expect(!db_canon_rounds(DB_CANON_CHAR, 3 + 4));
	cr_expect(!db_canon_rounds(DB_CANON_NUMBER, -1));
}

Test(db_canon, a_number_that_would_be_too_long_has_none)
{
	expect(DB_CANON_NUMBER, "1e1001", NULL);
	expect(DB_CANON_NUMBER, "1e-2000", NULL);
	expect(DB_CANON_NUMBER, "1e999999999999999999999", NULL);
	expect(DB_CANON_NUMBER, "0e999999999999999999999", "0");
}

Test(db_canon, a_name_is_cut_between_characters)
{
	char text[70], want[70];

	memset(text, 'n', 62);
	memcpy(want, text, 62);
	want[62] = 0;
	strcpy(text + 62, "\xc5\xbe!");
	expect(DB_CANON_NAME, text, want);
}

Test(db_canon, words_of_the_day_are_seen_in_types_with_days_alone)
{
	cr_expect(db_canon_is_now(1082, SLICE(" Today ")));
	cr_expect(db_canon_is_now(1184, SLICE("tomorrow04:00")));
	cr_expect(db_canon_is_now(3912, SLICE("[yesterday,today)")));
	cr_expect_not(db_canon_is_now(1082, SLICE("todays")));
	cr_expect_not(db_canon_is_now(25, SLICE("today")));
	cr_expect_not(db_canon_is_now(1082, SLICE("2026-01-01")));
}
