#include "config.h"

#include <criterion/criterion.h>
#include <jansson.h>
#include <math.h>
#include <signal.h>
#include <stdlib.h>

#include "lib/json/jw.h"

Test(jw, shows_text_of_others)
{
	struct buf b;
	struct jw w;

	buf_init(&b, 0);
	jw_init(&w, &b);
	jw_array(&w);
	jw_visible(&w, SLICE("/a\xc3\xa9\"\\\n\x01"));
	jw_visible(&w, SLICE("\xff\xfe"));
	jw_visible(&w, SLICE("\xc2\x9b\x7f\xe2\x80\xae\xf3\xa0\x81\x81"));
	jw_visible(&w, SLICE(""));
	jw_array_end(&w);
	cr_expect_str_eq(buf_str(&b), "[\"/a\xc3\xa9\\\"\\\\\\n\\u0001\",\"\\\\xff\\\\xfe\","
				      "\"\\u009b\\u007f\\u202e\\udb40\\udc41\",\"\"]", "%s", buf_str(&b));
	buf_clear(&b);
	jw_shown(&b, SLICE("{\n\"a\": \"\xc2\x9b\xff\xc3\xa9\\n\"}\n"));
	cr_expect_str_eq(buf_str(&b), "{\n\"a\": \"\\u009b\\ufffd\xc3\xa9\\n\"}\n", "%s", buf_str(&b));
	buf_done(&b);
}

#define EXPECT_STRING(s, want)                                                                                 \
	do {                                                                                                       \
		struct buf b;                                                                                          \
                                                                                                               \
		buf_init(&b, 0);                                                                                       \
		jw_string(&b, (s));                                                                                    \
		cr_expect_str_eq(buf_str(&b), (want));                                                                 \
		buf_done(&b);                                                                                          \
	} while (0)

/* The right sides are what PostgreSQL's to_json(text) prints. */
Test(jw, escapes_as_postgresql_does)
{
	EXPECT_STRING(SLICE(""), "\"\"");
	EXPECT_STRING(((struct slice){NULL, 0}), "\"\"");
	EXPECT_STRING(SLICE("plain"), "\"plain\"");
	EXPECT_STRING(SLICE("say \"hi\""), "\"say \\\"hi\\\"\"");
	EXPECT_STRING(SLICE("a\\b"), "\"a\\\\b\"");
	EXPECT_STRING(SLICE("a/b"), "\"a/b\"");
	EXPECT_STRING(SLICE("\b\f\n\r\t"), "\"\\b\\f\\n\\r\\t\"");
	EXPECT_STRING(SLICE("\x01\x0b\x1f\x1b"), "\"\\u0001\\u000b\\u001f\\u001b\"");
	EXPECT_STRING(SLICE("\0"), "\"\\u0000\"");
	EXPECT_STRING(SLICE("\x7f"), "\"\x7f\"");
	EXPECT_STRING(SLICE("\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\xe2\x80\xa8"),
		      "\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\xe2\x80\xa8\"");
}

/* Byte by byte, the slow and plain way. */
static void escape_plainly(struct buf *b, const char *p, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)p[i];

		if (c == '"' || c == '\\')
			buf_addf(b, "\\%c", c);
		else if (c && strchr("\b\f\n\r\t", c))
			buf_addf(b, "\\%c", "bfnrt"[strchr("\b\f\n\r\t", c) - "\b\f\n\r\t"]);
		else if (c < 0x20)
			buf_addf(b, "\\u%04x", c);
		else
			buf_addc(b, (char)c);
	}
}

Test(jw, finds_every_byte_at_every_place)
{
	struct buf got, want;

	buf_init(&got, 0);
	buf_init(&want, 0);
	for (size_t n = 1; n <= 40; n++)
		for (size_t at = 0; at < n; at++)
			for (unsigned c = 0; c < 256; c++) {
				char *text = malloc(n);

				memset(text, c % 2 ? 'x' : 0xc3, n);
				text[at] = (char)c;
				buf_clear(&got);
				buf_clear(&want);
				jw_escaped(&got, text, n);
				escape_plainly(&want, text, n);
				cr_assert(slice_eq(buf_slice(&got), buf_slice(&want)), "byte %u at %zu of %zu", c, at, n);
				free(text);
			}
	buf_done(&got);
	buf_done(&want);
}

static size_t random_text(char *p, size_t max)
{
	static const char *const pieces[] = {"a",	 "bc",	   "\"",       "\\", "\n",   "\x01", "\x1f", "\x7f",
					     "\xc3\xa9", "/",	   "\xe2\x82\xac", "\t", "plain text and more of it", "\xf0\x9f\x98\x80"};
	size_t n = 0, want = (size_t)rand() % max;

	for (;;) {
		const char *s = pieces[(size_t)rand() % (sizeof(pieces) / sizeof(*pieces))];

		if (n + strlen(s) > want)
			return n;
		memcpy(p + n, s, strlen(s));
		n += strlen(s);
	}
}

Test(jw, writes_strings_that_jansson_reads_as_the_same)
{
	char text[400];
	struct buf b;

	srand(1);
	buf_init(&b, 0);
	for (int i = 0; i < 20000; i++) {
		size_t n = random_text(text, sizeof(text));
		json_error_t je;
		json_t *v;

		buf_clear(&b);
		jw_string(&b, slice_of(text, n));
		v = json_loadb(b.p, b.n, JSON_DECODE_ANY, &je);
		cr_assert(v != NULL, "%s", je.text);
		cr_assert(json_string_length(v) == n && memcmp(json_string_value(v), text, n) == 0);
		json_decref(v);
	}
	buf_done(&b);
}

Test(jw, puts_commas_and_colons)
{
	struct buf b;
	struct jw w;

	buf_init(&b, 0);
	jw_init(&w, &b);
	jw_object(&w);
	jw_key(&w, "a\"");
	jw_u64(&w, UINT64_MAX);
	jw_key(&w, "b");
	jw_array(&w);
	jw_i64(&w, INT64_MIN);
	jw_i64(&w, 0);
	jw_i64(&w, -7);
	jw_array(&w);
	jw_array_end(&w);
	jw_object(&w);
	jw_object_end(&w);
	jw_str(&w, NULL);
	jw_str(&w, "s");
	jw_array_end(&w);
	jw_key(&w, "c");
	jw_object(&w);
	jw_key(&w, "t");
	jw_bool(&w, 5);
	jw_key(&w, "f");
	jw_bool(&w, 0);
	jw_key(&w, "n");
	jw_null(&w);
	jw_object_end(&w);
	jw_key(&w, "raw");
	jw_raw(&w, SLICE("[1, 2]"));
	jw_key(&w, "d");
	jw_fixed(&w, 1.0 / 3, 3);
	jw_key(&w, "nan");
	jw_fixed(&w, NAN, 2);
	jw_key(&w, "inf");
	jw_fixed(&w, -INFINITY, 2);
	jw_key(&w, "s");
	jw_slice(&w, SLICE("x\0y"));
	jw_object_end(&w);
	cr_expect_str_eq(buf_str(&b),
			 "{\"a\\\"\":18446744073709551615,\"b\":[-9223372036854775808,0,-7,[],{},null,\"s\"],"
			 "\"c\":{\"t\":true,\"f\":false,\"n\":null},\"raw\":[1, 2],\"d\":0.333,\"nan\":null,\"inf\":null,"
			 "\"s\":\"x\\u0000y\"}");
	buf_done(&b);
}

Test(jw, writes_one_value_of_any_type_at_the_top)
{
	struct buf b;
	struct jw w;

	buf_init(&b, 0);
	jw_init(&w, &b);
	jw_u64(&w, 42);
	cr_expect_str_eq(buf_str(&b), "42");
	buf_done(&b);
}

static void nest(unsigned depth)
{
	struct buf b;
	struct jw w;

	buf_init(&b, 0);
	jw_init(&w, &b);
	for (unsigned i = 0; i < depth; i++)
		jw_array(&w);
	jw_u64(&w, 1);
	jw_u64(&w, 2);
	for (unsigned i = 0; i < depth; i++)
		jw_array_end(&w);
	cr_expect(b.n == 2 * depth + 3);
	buf_done(&b);
}

Test(jw, nests_32_deep)
{
	nest(32);
}

Test(jw, fails_a_check_beyond, .signal = SIGABRT)
{
	nest(33);
}

Test(jw, fails_a_check_for_a_key_without_a_value, .signal = SIGABRT)
{
	struct buf b;
	struct jw w;

	buf_init(&b, 0);
	jw_init(&w, &b);
	jw_object(&w);
	jw_key(&w, "a");
	jw_key(&w, "b");
}

Test(jw, fails_a_check_for_an_end_after_a_key, .signal = SIGABRT)
{
	struct buf b;
	struct jw w;

	buf_init(&b, 0);
	jw_init(&w, &b);
	jw_object(&w);
	jw_key(&w, "a");
	jw_object_end(&w);
}
