/* What db_order reads and how it compares; that the server agrees is tests/it/test_92_bounds.py's to show. 7.25. */
#include "config.h"

#include <criterion/criterion.h>

#include "lib/pg/db_order.h"

/* '<', '=', '>'; '?': one of them is no value. */
static char order_of(enum db_order order, const char *a, const char *b)
{
	struct db_point x, y;

	if (db_order_read(order, slice_str(a), &x) || db_order_read(order, slice_str(b), &y))
		return '?';
	return "<=>"[db_order_compare(order, &x, &y) + 1];
}

static const struct {
	enum db_order order;
	const char *a;
	char is;
	const char *b;
} cases[] = {
    {DB_ORDER_INTEGER, "9", '<', "10"},
    {DB_ORDER_INTEGER, " +7 ", '=', "007"},
    {DB_ORDER_INTEGER, "-0", '=', "0"},
    {DB_ORDER_INTEGER, "9007199254740993", '>', "9007199254740992"},
    {DB_ORDER_INTEGER, "9223372036854775807", '<', "9223372036854775808"},
    {DB_ORDER_INTEGER, "5", '<', "5.5"},
    {DB_ORDER_INTEGER, "5", '?', "infinity"},
    {DB_ORDER_OID, "4294967295", '>', "1"},
    {DB_ORDER_OID, "-1", '?', "1"},
    {DB_ORDER_NUMERIC, "0.1", '=', "0.100"},
    {DB_ORDER_NUMERIC, ".5", '=', "5e-1"},
    {DB_ORDER_NUMERIC, "5.", '=', "0.0005E4"},
    {DB_ORDER_NUMERIC, "100.00000000000000000000000000000000000001", '>', "100"},
    {DB_ORDER_NUMERIC, "-100.00000000000000000000000000000000000001", '<', "-100"},
    {DB_ORDER_NUMERIC, "123456789012345678901234567890", '>', "123456789012345678901234567889"},
    {DB_ORDER_NUMERIC, "1e400", '>', "1e399"},
    {DB_ORDER_NUMERIC, "-1e-400", '<', "0"},
    {DB_ORDER_NUMERIC, "0e999999999999999999999", '=', "-0.00"},
    {DB_ORDER_NUMERIC, "Infinity", '>', "1e131071"},
    {DB_ORDER_NUMERIC, "-inf", '<', "-1e131071"},
    {DB_ORDER_NUMERIC, "inf", '=', "Infinity"},
    {DB_ORDER_NUMERIC, "NaN", '?', "1"},
    {DB_ORDER_NUMERIC, "", '?', "1"},
    {DB_ORDER_NUMERIC, "1e", '?', "1"},
    {DB_ORDER_NUMERIC, "1 2", '?', "1"},
    {DB_ORDER_NUMERIC, "0x1F", '?', "1"},
    {DB_ORDER_FLOAT8, "1.00000000000000000001", '=', "1"},
    {DB_ORDER_FLOAT8, "0.1", '<', "0.10000000000000002"},
    {DB_ORDER_FLOAT8, "1e308", '<', "Infinity"},
    {DB_ORDER_FLOAT8, "1e400", '?', "1"},
    {DB_ORDER_FLOAT8, "nan", '?', "1"},
    {DB_ORDER_FLOAT4, "16777217", '=', "16777216"},
    {DB_ORDER_FLOAT4, "1e-60", '?', "0"},
    {DB_ORDER_DATE, "2026-06-15", '=', "20260615"},
    {DB_ORDER_DATE, "2026-06-15", '=', " 2026-6-15 AD "},
    {DB_ORDER_DATE, "2026-06-15 BC", '<', "2026-06-15"},
    {DB_ORDER_DATE, "0001-12-31 BC", '<', "0001-01-01"},
    {DB_ORDER_DATE, "0044-03-15 BC", '>', "0045-03-15 bc"},
    {DB_ORDER_DATE, "10000-01-01", '>', "9999-12-31"},
    {DB_ORDER_DATE, "2026-06-15T23:59:59.9Z", '=', "2026-06-15"},
    {DB_ORDER_DATE, "2026-06-15 24:00:00", '=', "2026-06-15"},
    {DB_ORDER_DATE, "infinity", '>', "5874897-12-31"},
    {DB_ORDER_DATE, "-infinity", '<', "4713-01-01 BC"},
    {DB_ORDER_DATE, "2024-02-29", '<', "2024-03-01"},
    {DB_ORDER_DATE, "0005-02-29 BC", '<', "0005-03-01 BC"},
    {DB_ORDER_DATE, "2026-02-29", '?', "2024-03-01"},
    {DB_ORDER_DATE, "0000-01-01", '?', "2024-03-01"},
    {DB_ORDER_DATE, "15.06.2026", '?', "2024-03-01"},
    {DB_ORDER_DATE, "06/15/2026", '?', "2024-03-01"},
    {DB_ORDER_DATE, "260615", '?', "2024-03-01"},
    {DB_ORDER_DATE, "26-06-15", '?', "2024-03-01"},
    {DB_ORDER_DATE, "today", '?', "2024-03-01"},
    {DB_ORDER_DATE, "2026-06-15 BCE", '?', "2024-03-01"},
    {DB_ORDER_DATE, "2026-06-15T", '?', "2024-03-01"},
    {DB_ORDER_DATE, "2026-06-15Z", '?', "2024-03-01"},
    {DB_ORDER_DATE, "2026-06-15 12", '?', "2024-03-01"},
    {DB_ORDER_TIME, "24:00:00", '>', "23:59:59.999999"},
    {DB_ORDER_TIME, "9:05", '<', "10:00:00"},
    {DB_ORDER_TIME, "10:00:00.0000004", '=', "10:00"},
    {DB_ORDER_TIME, "10:00:00.0000006", '>', "10:00"},
    {DB_ORDER_TIME, "10:00+02", '?', "10:00"},
    {DB_ORDER_TIME, "10:00 PM", '?', "10:00"},
    {DB_ORDER_TIMESTAMP, "2026-06-15", '=', "20260615 00:00"},
    {DB_ORDER_TIMESTAMP, "2026-06-15 24:00:00", '=', "2026-06-16"},
    {DB_ORDER_TIMESTAMP, "2026-06-15T10:00:00+02:00", '=', "2026-06-15 10:00"},
    {DB_ORDER_TIMESTAMP, "2026-06-15 10:00:00 BC", '<', "2026-06-15 10:00:00"},
    {DB_ORDER_TIMESTAMPTZ, "2026-06-15T10:00:00+02:00", '=', "2026-06-15T08:00:00Z"},
    {DB_ORDER_TIMESTAMPTZ, "2026-06-15 00:30:00+0200", '=', "2026-06-14 22:30:00 +00"},
    {DB_ORDER_TIMESTAMPTZ, "2026-06-15 23:30-08:30:15", '=', "2026-06-16T08:00:15z"},
    {DB_ORDER_TIMESTAMPTZ, "infinity", '>', "2026-06-15T08:00:00Z"},
    {DB_ORDER_TIMESTAMPTZ, "2026-06-15T10:00:00", '?', "2026-06-15T08:00:00Z"},
    {DB_ORDER_TIMESTAMPTZ, "2026-06-15", '?', "2026-06-15T08:00:00Z"},
    {DB_ORDER_TIMESTAMPTZ, "2026-06-15T10:00:00 02:00", '?', "2026-06-15T08:00:00Z"},
    {DB_ORDER_NONE, "1", '?', "1"},
};

Test(db_order, values_compare_as_the_server_compares_them)
{
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		char is = order_of(cases[i].order, cases[i].a, cases[i].b);
		char other = order_of(cases[i].order, cases[i].b, cases[i].a);

		cr_expect_eq(is, cases[i].is, "%d: '%s' %c '%s', expected %c", cases[i].order, cases[i].a, is, cases[i].b,
			     cases[i].is);
		cr_expect_eq(other, is == '<' ? '>' : is == '>' ? '<' : is, "%d: '%s' and '%s' swapped", cases[i].order,
			     cases[i].a, cases[i].b);
	}
}

Test(db_order, types_without_an_order_have_none)
{
	static const uint32_t none[] = {16, 17, 25, 1043, 1042, 790, 1186, 1266, 2950, 114, 3802, 0, 3910};

	for (size_t i = 0; i < ARRAY_LEN(none); i++)
		cr_expect_eq(db_order_of(none[i]), DB_ORDER_NONE, "%u", none[i]);
	cr_expect_eq(db_order_of(1082), DB_ORDER_DATE);
}

Test(db_order, no_text_is_too_much)
{
	char text[3000];
	struct db_point p;

	for (int order = DB_ORDER_NONE; order <= DB_ORDER_TIMESTAMPTZ; order++) {
		cr_expect(db_order_read((enum db_order)order, (struct slice){NULL, 0}, &p) == -1);
		cr_expect(db_order_read((enum db_order)order, SLICE("2026-06-15 10:00:00+"), &p) == -1);
	}
	memset(text, '1', sizeof(text));
	cr_expect(db_order_read(DB_ORDER_NUMERIC, slice_of(text, sizeof(text)), &p) == 0 && p.magnitude == 3000);
	cr_expect(db_order_read(DB_ORDER_DATE, slice_of(text, sizeof(text)), &p) == -1);
	memcpy(text, "10:00:00.", 9);
	cr_expect(db_order_read(DB_ORDER_TIME, slice_of(text, sizeof(text)), &p) == 0 && p.us == 36000111111);
}
