/* Array literals: what is written is read back, and what PostgreSQL's array_in refuses is refused. 7.24. */
#include "config.h"

#include <criterion/criterion.h>

#include "lib/pg/db_array.h"

static int show(void *ctx, struct slice item)
{
	struct buf *b = ctx;

	if (item.p)
		buf_addf(b, "<%.*s>", SLICE_ARG(item));
	else
		buf_adds(b, "null");
	return item.n == 4 && memcmp(item.p, "stop", 4) == 0 ? 7 : 0;
}

static const struct {
	const char *literal, *items;	/* items NULL: refused */
} cases[] = {
    {"{}", ""},
    {" { } ", ""},
    {"{1,2}", "<1><2>"},
    {"{ a b , c }", "<a b><c>"},
    {"{\"a b \",\"\"}", "<a b ><>"},
    {"{NULL,null,\"NULL\",n\\ull}", "nullnull<NULL><null>"},
    {"{a\\\"b,\"c\\\\d\",\"{,}\"}", "<a\"b><c\\d><{,}>"},
    {"{{1,2},{3,4}}", "<1><2><3><4>"},
    {"{{1},{2,3}}", "<1><2><3>"},	/* ragged: the server's to refuse */
    {"{ž,☃}", "<ž><☃>"},
    {"", NULL},
    {"1,2", NULL},
    {"{1", NULL},
    {"{1,}", NULL},
    {"{,1}", NULL},
    {"{1}2", NULL},
    {"{\"1}", NULL},
    {"{1\\", NULL},
    {"{1{2}}", NULL},
    {"{{1}2}", NULL},
    {"{{{{{{{1}}}}}}}", NULL},
    {"[0:1]={1,2}", NULL},
    {"}", NULL},
};

Test(db_array, literals_are_read_as_the_server_reads_them)
{
	struct buf b;

	buf_init(&b, 0);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		int rc;

		buf_clear(&b);
		rc = db_array_each(slice_str(cases[i].literal), ',', show, &b);
		cr_expect_eq(rc, cases[i].items ? 0 : -1, "%s", cases[i].literal);
		if (cases[i].items)
			cr_expect_str_eq(buf_str(&b), cases[i].items, "%s: %s", cases[i].literal, buf_str(&b));
	}
	buf_clear(&b);
	cr_expect_eq(db_array_each(SLICE("{(1,2),(0,0);(1,1),(0,0)}"), ';', show, &b), 0);
	cr_expect_str_eq(buf_str(&b), "<(1,2),(0,0)><(1,1),(0,0)>");
	cr_expect_eq(db_array_each(SLICE("{1,stop,3}"), ',', show, &b), 7);
	buf_done(&b);
}

Test(db_array, whatever_is_written_is_read_back)
{
	static const char *const texts[] = {"", " ", "NULL", "{}", "a,b", "\\", "\"", "a\\\"b", "}", "ž", "\t\n", "'"};
	struct buf literal, got, want;

	buf_init(&literal, 0);
	buf_init(&got, 0);
	buf_init(&want, 0);
	buf_addc(&literal, '{');
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		db_array_item(&literal, slice_str(texts[i]));
		buf_addc(&literal, ',');
		buf_addf(&want, "<%s>", texts[i]);
	}
	db_array_null(&literal);
	buf_addc(&literal, '}');
	buf_adds(&want, "null");
	cr_expect_eq(db_array_each(buf_slice(&literal), ',', show, &got), 0);
	cr_expect_str_eq(buf_str(&got), buf_str(&want));
	buf_done(&literal);
	buf_done(&got);
	buf_done(&want);
}
