/* Parameter checks: what they refuse must be refused by PostgreSQL, too; what they admit may be. */
#include "config.h"

#include <criterion/criterion.h>

#include "lib/pg/db_type.h"

static const struct {
	enum db_kind kind;
	const char *text;
	int good;
} cases[] = {
    {DB_INT2, "0", 1},		     {DB_INT2, "-32768", 1},
    {DB_INT2, "32767", 1},	     {DB_INT2, "32768", 0},
    {DB_INT2, "-32769", 0},	     {DB_INT4, "2147483647", 1},
    {DB_INT4, "2147483648", 0},	     {DB_INT4, " 7 ", 1},
    {DB_INT4, "+7", 1},		     {DB_INT4, "", 0},
    {DB_INT4, "7x", 0},		     {DB_INT4, "0x10", 1},
    {DB_INT4, "1.0", 0},	     {DB_INT8, "9223372036854775807", 1},
    {DB_INT8, "9223372036854775808", 0}, {DB_INT8, "-9223372036854775808", 1},
    {DB_INT8, "99999999999999999999999", 0}, {DB_FLOAT, "1e10", 1},
    {DB_FLOAT, ".5", 1},	     {DB_FLOAT, "5.", 1},
    {DB_FLOAT, "-Infinity", 1},	     {DB_FLOAT, "nan", 1},
    {DB_FLOAT, "e5", 0},	     {DB_FLOAT, "1e", 0},
    {DB_FLOAT, "1 2", 0},	     {DB_NUMERIC, "123456789012345678901234567890.5", 1},
    {DB_NUMERIC, "abc", 0},	     {DB_BOOL, "t", 1},
    {DB_BOOL, "FALSE", 1},	     {DB_BOOL, "of", 1},
    {DB_BOOL, "o", 0},		     {DB_BOOL, "2", 0},
    {DB_BOOL, "", 0},		     {DB_UUID, "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", 1},
    {DB_UUID, "{a0eebc99-9c0b4ef8-bb6d6bb9-bd380a11}", 1},
    {DB_UUID, "a0eebc999c0b4ef8bb6d6bb9bd380a11", 1},
    {DB_UUID, "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a1", 0},
    {DB_UUID, "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a1g", 0},
    {DB_UUID, "a0eebc99--9c0b4ef8bb6d6bb9bd380a11", 0},
    {DB_JSON, "{\"a\":[1,2]}", 1},   {DB_JSON, "{", 0},
    {DB_DATE, "", 0},		     {DB_DATE, "yesterday", 1},
    {DB_TEXT, "", 1},		     {DB_OTHER, "anything", 1},
};

Test(db_type, check_follows_the_input_functions)
{
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		const char *why = db_type_check(cases[i].kind, slice_str(cases[i].text));

		cr_expect_eq(why == NULL, cases[i].good, "kind %d, text \"%s\": %s", cases[i].kind,
			     cases[i].text, why ? why : "admitted");
	}
}
