#include "config.h"

#include <criterion/criterion.h>
#include <stdlib.h>

#include "lib/base/buf.h"
#include "lib/base/utf8.h"
#include "lib/http/http.h"

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

TestSuite(query, .init = begin, .fini = end);

/* A copy of exactly this size, so that reading past the end is seen. */
static struct slice exact(struct slice s)
{
	char *p = malloc(s.n ? s.n : 1);

	if (s.n)
		memcpy(p, s.p, s.n);
	arena_defer(&arena, free, p);
	return slice_of(p, s.n);
}

/* want: "name=value|name=value|", decoded. */
static const struct {
	const char *query, *want;
} good[] = {
    {"", ""}, {"a=1", "a=1|"}, {"a=1&b=2", "a=1|b=2|"}, {"a", "a=|"}, {"a=", "a=|"}, {"=", "=|"}, {"=x", "=x|"},
    {"&&a=1&&&b=2&", "a=1|b=2|"}, {"&", ""}, {"a=1&a=2", "a=1|a=2|"}, {"a=b=c", "a=b=c|"}, {"a=b+c", "a=b c|"},
    {"a+b=1", "a b=1|"}, {"a=%2B+%20", "a=+  |"}, {"a=%26%3D", "a=&=|"}, {"%61=%4a%4A", "a=JJ|"}, {"a=1;b=2", "a=1;b=2|"},
    {"a=%C3%A9", "a=\xc3\xa9|"}, {"a=\xc3\xa9", "a=\xc3\xa9|"}, {"a=%c3\xa9", "a=\xc3\xa9|"}, {"a=%25", "a=%|"},
    {"a=%2541", "a=%41|"}, {"a=%0d%0A%09", "a=\r\n\t|"}, {"a=?/:@", "a=?/:@|"}, {"a[]=1", "a[]=1|"}, {"%3D=%3D", "===|"},
};

Test(query, is_read_as_the_url_standard_says)
{
	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		struct http_pair *pairs;
		struct err e = {0};
		struct buf b;
		unsigned n;

		buf_init(&b, 0);
		cr_assert(http_query_parse(exact(slice_str(good[i].query)), &arena, 4, &pairs, &n, &e) == 0, "%s: %s",
			  good[i].query, e.text);
		for (unsigned k = 0; k < n; k++) {
			buf_addf(&b, "%.*s=%.*s|", SLICE_ARG(pairs[k].name), SLICE_ARG(pairs[k].value));
			cr_expect(pairs[k].name.p[pairs[k].name.n] == 0 && pairs[k].value.p[pairs[k].value.n] == 0);
		}
		cr_expect_str_eq(buf_str(&b), good[i].want);
		buf_done(&b);
	}
}

static const struct {
	struct slice query;
	enum err_id id;
	const char *text; /* in the sentence */
} bad[] = {
    {SLICE("a=%"), E_bad_request, "query parameter a:"}, {SLICE("a=%4"), E_bad_request, "query parameter a:"},
    {SLICE("a=%4&b=1"), E_bad_request, "query parameter a:"}, {SLICE("a=1&b=%zz"), E_bad_request, "query parameter b:"},
    {SLICE("a=%-1"), E_bad_request, "a:"}, {SLICE("a=% 4"), E_bad_request, "a:"}, {SLICE("a=%0x"), E_bad_request, "a:"},
    {SLICE("a=%%"), E_bad_request, "a:"}, {SLICE("a=%u0041"), E_bad_request, "a:"}, {SLICE("%=1"), E_bad_request, "name:"},
    {SLICE("a=%4\0"), E_bad_request, "a:"}, {SLICE("a=1&b=1&c=1&d=1&e=1"), E_bad_request, "more than 4"},
    {SLICE("a&a&a&a&a"), E_bad_request, "more than 4"},
    {SLICE("a=%00"), E_bad_encoding, "query parameter a:"}, {SLICE("a=x%00y"), E_bad_encoding, "a:"},
    {SLICE("a=\0"), E_bad_encoding, "a:"}, {SLICE("%00=1"), E_bad_encoding, "name:"}, {SLICE("a=%e9"), E_bad_encoding, "a:"},
    {SLICE("a=\xff"), E_bad_encoding, "a:"}, {SLICE("a=%c0%af"), E_bad_encoding, "a:"},
    {SLICE("a=%ed%a0%80"), E_bad_encoding, "a:"}, {SLICE("a=%f4%90%80%80"), E_bad_encoding, "a:"},
    {SLICE("a=%c3&b=%a9"), E_bad_encoding, "a:"}, {SLICE("\xc3=1"), E_bad_encoding, "name:"},
};

Test(query, is_refused_with_the_parameter_named)
{
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct http_pair *pairs = NULL;
		struct err e = {0};
		unsigned n = 77;

		cr_expect_eq(http_query_parse(exact(bad[i].query), &arena, 4, &pairs, &n, &e), -(int)bad[i].id, "%s",
			     bad[i].query.p);
		cr_expect(e.id == bad[i].id && strstr(e.text, bad[i].text), "%s: %s", bad[i].query.p, e.text);
		cr_expect(!pairs && n == 77, "written only on success");
		cr_expect(http_query_parse(bad[i].query, &arena, 4, &pairs, &n, NULL) < 0);
	}
}

Test(query, has_a_limit_that_is_reached)
{
	struct http_pair *pairs;
	struct err e;
	unsigned n;

	cr_expect(http_query_parse(SLICE("&a&&b&c&d&"), &arena, 4, &pairs, &n, &e) == 0 && n == 4);
	cr_expect(http_query_parse(SLICE("&&"), &arena, 0, &pairs, &n, &e) == 0 && n == 0);
	cr_expect(http_query_parse((struct slice){NULL, 0}, &arena, 0, &pairs, &n, &e) == 0 && n == 0);
	cr_expect(http_query_parse(SLICE("a"), &arena, 0, &pairs, &n, &e) == -E_bad_request);
}

Test(query, shows_a_long_name_cut_between_characters)
{
	for (size_t shift = 0; shift < 4; shift++) {
		char text[400];
		struct http_pair *pairs;
		struct err e;
		unsigned n;

		memset(text, 'n', sizeof(text));
		for (size_t i = shift; i + 4 < 300; i += 4)
			memcpy(text + i, "\xf0\x9f\x98\x80", 4);
		memcpy(text + 390, "=%00", 4);
		cr_expect(http_query_parse(slice_of(text, 394), &arena, 4, &pairs, &n, &e) == -E_bad_encoding);
		cr_expect(utf8_is_valid(slice_str(e.text)) && strlen(e.text) < 120, "%s", e.text);
	}
}

Test(query, decodes_every_byte_pair)
{
	static const char hex[] = "0123456789abcdefABCDEF";

	for (unsigned c = 0; c < 256; c++)
		for (unsigned d = 0; d < 256; d++) {
			char raw[4] = {'%', (char)c, (char)d, 0};
			int is_hex = c && d && strchr(hex, (int)c) && strchr(hex, (int)d);
			long v = is_hex ? strtol(raw + 1, NULL, 16) : -1;
			struct slice got;
			int want = !is_hex ? -E_bad_request : v == 0 || v >= 0x80 ? -E_bad_encoding : 0;

			cr_assert_eq(http_segment_decode(slice_of(raw, 3), &arena, &got, NULL), want, "%u %u", c, d);
			if (want == 0)
				cr_assert(got.n == 1 && got.p[0] == (char)v);
			arena_done(&arena);
		}
}

Test(query, leaves_plus_in_a_path_segment)
{
	struct slice got;
	struct err e;

	cr_expect(http_segment_decode(SLICE("a+b%20c%2Fd"), &arena, &got, &e) == 0);
	cr_expect(slice_eq(got, SLICE("a+b c/d")) && got.p[got.n] == 0);
	cr_expect(http_segment_decode(SLICE(""), &arena, &got, &e) == 0 && got.n == 0 && got.p);
	cr_expect(http_segment_decode(SLICE("%2e%2e"), &arena, &got, &e) == 0 && slice_eq(got, SLICE("..")));
	cr_expect(http_segment_decode(SLICE("a%"), &arena, &got, &e) == -E_bad_request);
	cr_expect(http_segment_decode(SLICE("a%00"), &arena, &got, &e) == -E_bad_encoding);
}

Test(cookie, is_found_by_its_whole_name)
{
	static const struct {
		const char *header, *value; /* NULL: absent */
	} rows[] = {
	    {"", NULL}, {"a=1", "1"}, {"b=2; a=1", "1"}, {"b=2;a=1;c=3", "1"}, {"aa=2; a=1", "1"}, {"A=2", NULL}, {"ab=2", NULL},
	    {"a", NULL}, {"a=", ""}, {"a=1; a=2", "1"}, {"a=b=c", "b=c"}, {"a=\"q u\"", "q u"}, {"a=\"", "\""}, {"a=\"\"", ""},
	    {" \ta = 1 ", "1"}, {";;a=1;;", "1"}, {"x=\"a=2\"; a=1", "1"}, {"=1", NULL}, {"b; a=1", "1"}, {"a=%41+", "%41+"},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct slice v = http_cookie_find(slice_str(rows[i].header), SLICE("a"));

		cr_expect_eq(v.p == NULL, rows[i].value == NULL, "%s", rows[i].header);
		if (rows[i].value)
			cr_expect(slice_eq(v, slice_str(rows[i].value)), "%s: %.*s", rows[i].header, SLICE_ARG(v));
	}
	cr_expect(http_cookie_find((struct slice){NULL, 0}, SLICE("a")).p == NULL);
}
