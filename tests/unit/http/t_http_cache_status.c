#include "config.h"

#include <criterion/criterion.h>

#include "lib/http/http_cache_status.h"

static void is(struct http_cache_status s, const char *want)
{
	char out[HTTP_CACHE_STATUS_ROOM];
	size_t n = http_cache_status_format(&s, out);

	cr_expect_str_eq(out, want);
	cr_expect_eq(n, strlen(want));
}

Test(cache_status, says_hit_or_forward)
{
	char key[600];

	is((struct http_cache_status){.has_ttl = 1, .ttl = 42, .detail = SLICE("L1")}, "weir; hit; ttl=42; detail=L1");
	is((struct http_cache_status){.has_ttl = 1, .ttl = -7, .detail = SLICE("grace")}, "weir; hit; ttl=-7; detail=grace");
	is((struct http_cache_status){0}, "weir; hit");
	/* never both: a hit has no forward's parameters */
	is((struct http_cache_status){.fwd_status = 304, .is_stored = 1, .is_collapsed = 1}, "weir; hit");
	is((struct http_cache_status){.fwd = HTTP_FWD_URI_MISS, .is_stored = 1, .is_collapsed = 1}, "weir; fwd=uri-miss; stored; collapsed");
	is((struct http_cache_status){.fwd = HTTP_FWD_STALE, .fwd_status = 304, .detail = SLICE("error")}, "weir; fwd=stale; fwd-status=304; detail=error");
	is((struct http_cache_status){.fwd = HTTP_FWD_PARTIAL}, "weir; fwd=partial");
	is((struct http_cache_status){.fwd = HTTP_FWD_BYPASS, .key = SLICE("a\"b\\c d")}, "weir; fwd=bypass; key=\"a\\\"b\\\\c d\"");
	is((struct http_cache_status){.detail = SLICE("db down")}, "weir; hit; detail=\"db down\"");
	is((struct http_cache_status){.detail = SLICE("1st")}, "weir; hit; detail=\"1st\"");
	is((struct http_cache_status){.detail = SLICE("")}, "weir; hit; detail=\"\"");
	/* what cannot be said is left out */
	is((struct http_cache_status){.detail = SLICE("a\r\nX: y")}, "weir; hit");
	is((struct http_cache_status){.key = SLICE("\xc3\xa4"), .detail = SLICE("L2")}, "weir; hit; detail=L2");
	memset(key, 'k', sizeof(key));
	is((struct http_cache_status){.key = slice_of(key, sizeof(key)), .detail = SLICE("L2")}, "weir; hit; detail=L2");
	is((struct http_cache_status){.has_ttl = 1, .ttl = INT64_MIN}, "weir; hit; ttl=-999999999999999");
}

Test(groups, are_strings)
{
	struct slice in[] = {SLICE("images"), SLICE("user:7"), SLICE("a\"\\b"), SLICE("\n"), SLICE("")};
	struct slice many[40], got[HTTP_GROUPS_MAX];
	char out[8192], text[8192], x[200];
	unsigned n;

	cr_expect_eq(http_groups_format(in, 5, out, sizeof(out)), strlen(out));
	cr_expect_str_eq(out, "\"images\", \"user:7\", \"a\\\"\\\\b\", \"\"");
	n = http_groups_parse(slice_str(out), text, sizeof(text), got);
	cr_expect_eq(n, 4);
	cr_expect(slice_eq(got[0], in[0]));
	cr_expect(slice_eq(got[2], in[2]));
	cr_expect(slice_eq(got[3], in[4]));
	memset(x, 'x', sizeof(x));
	for (unsigned i = 0; i < 40; i++)
		many[i] = slice_of(x, 128);
	many[3].n = 129;
	http_groups_format(many, 40, out, sizeof(out));
	cr_expect_eq(strlen(out), 32 * 130 + 31 * 2);
	cr_expect_eq(http_groups_parse(slice_str(out), text, sizeof(text), got), 32);
	/* whole members only */
	http_groups_format(many, 40, out, 300);
	cr_expect_eq(strlen(out), 2 * 130 + 2);
	cr_expect_eq(http_groups_format(many, 40, out, 1), 0);
	cr_expect_eq(http_groups_format(many, 40, out, 0), 0);
}

Test(groups, are_read_or_ignored_whole)
{
	static const struct {
		const char *text;
		unsigned n;
	} rows[] = {
	    {"\"a\"", 1}, {" \"a\" ,\t\"b\"", 2}, {"\"a\";x=1, \"b\"; y=\"q, r\";z", 2}, {"\"a\", \"a\"", 2}, {"\"a,b\"", 1}, {"\"\"", 1},
	    {"", 0}, {"a", 0}, {"\"a\", b", 0}, {"\"a\",", 0}, {",\"a\"", 0}, {"\"a\" \"b\"", 0}, {"\"a", 0}, {"\"a\\", 0}, {"\"a\\n\"", 0},
	    {"\"\xc3\xa4\"", 0}, {"(\"a\")", 0}, {"\"a\";", 0}, {"\"a\";X", 0}, {"\"a\";x=\"", 0}, {"?1", 0}, {"5", 0},
	};
	struct slice got[HTTP_GROUPS_MAX];
	char out[4200];

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		cr_expect_eq(http_groups_parse(slice_str(rows[i].text), out, sizeof(out), got), rows[i].n, "%s", rows[i].text);
	/* a string that does not fit is left out, the others stay */
	cr_expect_eq(http_groups_parse(SLICE("\"abcdef\", \"gh\""), out, 3, got), 1);
	cr_expect(slice_eq(got[0], SLICE("gh")));
}
