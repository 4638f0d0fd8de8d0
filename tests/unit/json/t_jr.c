#include "config.h"

#include <criterion/criterion.h>
#include <stdlib.h>

#include "lib/base/buf.h"
#include "lib/base/utf8.h"
#include "lib/json/jr.h"

static struct arena_pool pool;
static struct arena arena;

static void begin(void)
{
	arena_pool_init(&pool, 4);
	arena_init(&arena, &pool);
}

static void end(void)
{
	arena_done(&arena);
	arena_pool_done(&pool);
}

TestSuite(jr, .init = begin, .fini = end);

/* A copy of exactly this size, so that reading past the end is seen. */
static struct slice exact(struct slice s)
{
	char *p = malloc(s.n ? s.n : 1);

	if (s.n)
		memcpy(p, s.p, s.n);
	arena_defer(&arena, free, p);
	return slice_of(p, s.n);
}

static const struct slice good[] = {
    SLICE("{}"), SLICE("[]"), SLICE("null"), SLICE("true"), SLICE("0"), SLICE("-0"), SLICE("\"\""), SLICE(" \r\n\t[ ] \n"),
    SLICE("1234567890123456789012345678901234567890"), SLICE("-99999999999999999999"), SLICE("9223372036854775808"),
    SLICE("1e400"), SLICE("-1E+999"), SLICE("1e-999999"), SLICE("0.12345678901234567890123456789"), SLICE("0e0"),
    SLICE("[1e400,\"1e400\",{\"1e5.5\":1e5}]"), SLICE("\"01 [[[ {{{ -x\""), SLICE("\"\\\"[\""),
    SLICE("\"\xef\xbf\xbf\xf4\x8f\xbf\xbf\""), SLICE("\"\x7f\""), SLICE("\"\\ud83d\\ude00\""),
    SLICE("{\"a\":{\"a\":{\"a\":1}}}"), SLICE("{\"\":1}"),
};
static const struct slice bad[] = {
    SLICE(""), SLICE(" "), SLICE("{"), SLICE("}"), SLICE("["), SLICE("{]"), SLICE("[1,]"), SLICE("[,1]"), SLICE("[1 2]"),
    SLICE("{\"a\"}"), SLICE("{\"a\":}"), SLICE("{a:1}"), SLICE("{'a':1}"), SLICE("{\"a\":1,}"), SLICE("{\"a\":1}{}"),
    SLICE("nul"), SLICE("nulll"), SLICE("True"), SLICE("NaN"), SLICE("Infinity"), SLICE("-Infinity"), SLICE("// x\n1"),
    /* numbers; the long ones go another way than the short ones */
    SLICE("01"), SLICE("-01"), SLICE("00"), SLICE("1."), SLICE(".5"), SLICE("-"), SLICE("+1"), SLICE("1e"), SLICE("1e+"),
    SLICE("1.e5"), SLICE("0x10"), SLICE("1e5.5"), SLICE("1.5.5e3"), SLICE("1e5e5"), SLICE("01e5"), SLICE("-01e5"), SLICE("1e5x"),
    SLICE("--1e5"), SLICE("1e5-1e5"), SLICE("01234567890123456789"), SLICE("-01234567890123456789"),
    SLICE("12345678901234567890."), SLICE("12345678901234567890true"), SLICE("true12345678901234567890"),
    SLICE("12345678901234567890\"a\""), SLICE("12345678901234567890 12345678901234567890"), SLICE("1e5[1e5]"),
    SLICE("1_000"), SLICE("[1e5 1e5]"), SLICE("{1e5:1}"), SLICE("12345678901234567890x"),
    /* strings */
    SLICE("\""), SLICE("\"a"), SLICE("\"\\\""), SLICE("\"\\"), SLICE("\"\\x\""), SLICE("\"\\u12\""), SLICE("\"\\u12g4\""),
    SLICE("\"\n\""), SLICE("\"\x01\""), SLICE("\"\\ud83d\""), SLICE("\"\\ude00\""), SLICE("\"\\ud83d\\u0041\""),
    SLICE("\"\xff\""), SLICE("\"\xc0\xaf\""), SLICE("\"\xed\xa0\x80\""), SLICE("\"\xe2\x82\""), SLICE("\"\xf5\x80\x80\x80\""),
    SLICE("[\"\\ude0\xd9\xa3\x8a\xcf\"]"), SLICE("\xef\xbb\xbf{}"), SLICE("\xff"),
    /* NUL, in every guise */
    SLICE("\0"), SLICE("1\0"), SLICE("\"a\0b\""), SLICE("\"\\u0000\""), SLICE("{\"a\\u0000\":1}"), SLICE("{\"a\0\":1}"),
    SLICE("[1]\0"), SLICE("1e5\0"),
    /* twice the same name */
    SLICE("{\"a\":1,\"a\":1}"), SLICE("{\"a\":1,\"\\u0061\":2}"), SLICE("[{\"b\":{\"a\":1,\"a\":2}}]"),
};

Test(jr, accepts_documents)
{
	struct err e;

	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		e.text[0] = 0;
		cr_expect_eq(jr_validate(exact(good[i]), &e), 0, "%s: %s", good[i].p, e.text);
	}
}

Test(jr, refuses_everything_else_with_place_and_sentence)
{
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct err e = {0};

		cr_expect_eq(jr_validate(exact(bad[i]), &e), -E_bad_json, "%zu: %s", i, bad[i].p);
		cr_expect(e.id == E_bad_json && e.line >= 1 && e.text[0], "%zu: %s", i, bad[i].p);
		cr_expect(utf8_is_valid(slice_str(e.text)), "%zu", i);
	}
}

/* Each wrapped in an array too: the numbers' way must not depend on being last. */
Test(jr, refuses_them_inside_as_well)
{
	for (size_t i = 2; i < ARRAY_LEN(bad); i++) {
		struct buf b;
		struct err e;

		buf_init(&b, 0);
		buf_adds(&b, "[1,");
		buf_add(&b, bad[i].p, bad[i].n);
		buf_adds(&b, ",2]");
		cr_expect_eq(jr_validate(exact(buf_slice(&b)), &e), -E_bad_json, "%zu: %s", i, buf_str(&b));
		buf_done(&b);
	}
}

Test(jr, names_line_and_column)
{
	struct err e;

	cr_expect(jr_validate(SLICE("{\n  \"a\": 1.,\n}"), &e) == -E_bad_json);
	cr_expect(e.line == 2 && e.col == 8, "%u:%u", e.line, e.col);
	cr_expect_str_eq(e.text, "line 2, column 8: a number is malformed");
	cr_expect(jr_validate(SLICE("{\n  \"a\": tru\n}"), &e) == -E_bad_json && e.line == 2);
	cr_expect(strncmp(e.text, "line 2, column ", 15) == 0, "%s", e.text);
	cr_expect(jr_validate(SLICE("nope"), NULL) == -E_bad_json);
}

Test(jr, bounds_the_depth_at_64)
{
	char text[200];
	struct err e;

	memset(text, '[', 64);
	memset(text + 64, ']', 64);
	cr_expect(jr_validate(slice_of(text, 128), &e) == 0);
	memset(text, '[', 65);
	memset(text + 65, ']', 65);
	cr_expect(jr_validate(slice_of(text, 130), &e) == -E_bad_json);
	cr_expect(strstr(e.text, "nested deeper than 64"), "%s", e.text);
	/* siblings are no depth, and neither are brackets in strings */
	for (size_t i = 0; i < 98; i++)
		memcpy(text + 1 + i * 2, i % 2 ? ",1" : "[]", 2);
	text[0] = '[';
	memcpy(text + 195, "1]", 2);
	cr_expect(jr_validate(SLICE("[[],[],\"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[\"]"), &e) == 0);
}

Test(jr, survives_deep_nesting_that_is_never_closed)
{
	size_t n = 1 << 20;
	char *text = malloc(n);
	struct err e;

	memset(text, '[', n);
	cr_expect(jr_validate(slice_of(text, n), &e) == -E_bad_json);
	free(text);
}

Test(jr, cuts_members_out_as_they_were_sent)
{
	static const struct {
		const char *name;
		enum jr_type type;
		const char *text;
	} want[] = {
	    {"s", JR_STRING, "a\"b\xf0\x9f\x98\x80\n"}, {"n", JR_NUMBER, "1234567890123456789012345678901234567890.50"},
	    {"h", JR_NUMBER, "1E+400"}, {"i", JR_NUMBER, "-7"}, {"z", JR_NUMBER, "1.50"}, {"t", JR_BOOL, "true"},
	    {"f", JR_BOOL, "false"}, {"x", JR_NULL, "null"}, {"a", JR_ARRAY, "[ 1 , [\"]}\\\"\"], {} ]"},
	    {"o", JR_OBJECT, "{\"k\" : \"},\", \"l\":[1e999]}"}, {"na\"me/", JR_STRING, ""}, {"", JR_STRING, "\\"},
	};
	struct slice text = SLICE(" \n{ \"s\" : \"a\\\"b\\ud83d\\ude00\\n\" ,\"n\":1234567890123456789012345678901234567890.50,"
				  "\"h\": 1E+400 , \"i\":-7,\"z\":1.50,\"t\":true , \"f\":false,\"x\":null\t,"
				  "\"a\" : [ 1 , [\"]}\\\"\"], {} ] , \"o\": {\"k\" : \"},\", \"l\":[1e999]},"
				  "\"na\\\"me\\/\":\"\",\"\":\"\\\\\" } \r\n");
	struct jr_member *m;
	struct err e = {0};
	unsigned n = 0;

	cr_assert(jr_object(exact(text), &arena, 12, &m, &n, &e) == 0, "%s", e.text);
	cr_assert_eq(n, ARRAY_LEN(want));
	for (unsigned i = 0; i < n; i++) {
		cr_expect(slice_eq(m[i].name, slice_str(want[i].name)), "name %u: %.*s", i, SLICE_ARG(m[i].name));
		cr_expect_eq(m[i].type, want[i].type, "type of %s", want[i].name);
		cr_expect(slice_eq(m[i].text, slice_str(want[i].text)), "text of %s: %.*s", want[i].name,
			  SLICE_ARG(m[i].text));
	}
	cr_expect(jr_object(text, &arena, 11, &m, &n, &e) == -E_bad_json);
	cr_expect_str_eq(e.text, "more than 11 members");
}

Test(jr, cuts_elements_out_as_they_were_sent)
{
	struct slice text = SLICE(" [ 1e400 ,\"a,b\", [1,2],{\"a\":[3]} , null,-0.0] ");
	static const char *const want[] = {"1e400", "a,b", "[1,2]", "{\"a\":[3]}", "null", "-0.0"};
	struct jr_member *m;
	struct err e = {0};
	unsigned n = 0;

	cr_assert(jr_array(exact(text), &arena, 6, &m, &n, &e) == 0, "%s", e.text);
	cr_assert_eq(n, 6);
	for (unsigned i = 0; i < n; i++) {
		cr_expect(m[i].name.p == NULL);
		cr_expect(slice_eq(m[i].text, slice_str(want[i])), "%.*s", SLICE_ARG(m[i].text));
	}
	cr_expect(jr_array(text, &arena, 5, &m, &n, &e) == -E_bad_json);
	cr_expect_str_eq(e.text, "more than 5 elements");
}

Test(jr, wants_the_right_container)
{
	struct jr_member *m;
	struct err e;
	unsigned n = 7;

	cr_expect(jr_object(SLICE("[]"), &arena, 9, &m, &n, &e) == -E_bad_json);
	cr_expect_str_eq(e.text, "an object is expected");
	cr_expect(jr_object(SLICE("\"{}\""), &arena, 9, &m, &n, &e) == -E_bad_json);
	cr_expect(jr_array(SLICE("{}"), &arena, 9, &m, &n, &e) == -E_bad_json);
	cr_expect_str_eq(e.text, "an array is expected");
	cr_expect(jr_array(SLICE("1"), &arena, 9, &m, &n, &e) == -E_bad_json);
	cr_expect_eq(n, 7, "written only on success");
	cr_expect(jr_object(SLICE(" { } "), &arena, 0, &m, &n, &e) == 0 && n == 0 && m);
	cr_expect(jr_array(SLICE("[]"), &arena, 0, &m, &n, &e) == 0 && n == 0 && m);
}
