#include "config.h"

#include <criterion/criterion.h>

#include "lib/http/http_cc.h"

static struct http_cc parsed(const char *a, const char *b)
{
	struct http_cc cc;

	http_cc_init(&cc);
	http_cc_parse(&cc, slice_str(a));
	http_cc_parse(&cc, slice_str(b));
	return cc;
}

Test(cc, reads_directives)
{
	static const struct {
		const char *text;
		unsigned flags;
		int64_t max_age, s_maxage;
	} rows[] = {
	    {"", 0, -1, -1}, {"max-age=60", 0, 60, -1}, {"Max-Age=60,S-MaxAge=5", 0, 60, 5}, {" , max-age=60 , ,", 0, 60, -1},
	    {"max-age=\"60\"", 0, 60, -1}, {"max-age=003600", 0, 3600, -1}, {"max-age=0", 0, 0, -1},
	    {"nO-StOrE, No-Cache", HTTP_CC_NO_STORE | HTTP_CC_NO_CACHE, -1, -1},
	    {"public, must-revalidate,proxy-revalidate", HTTP_CC_PUBLIC | HTTP_CC_MUST_REVALIDATE | HTTP_CC_PROXY_REVALIDATE, -1, -1},
	    {"must-understand, no-transform, immutable, only-if-cached",
	     HTTP_CC_MUST_UNDERSTAND | HTTP_CC_NO_TRANSFORM | HTTP_CC_IMMUTABLE | HTTP_CC_ONLY_IF_CACHED, -1, -1},
	    /* a value that a word does not take does not make it less */
	    {"no-store=1", HTTP_CC_NO_STORE, -1, -1}, {"no-store=\"x, max-age=5\"", HTTP_CC_NO_STORE, -1, -1},
	    /* no number: stale */
	    {"max-age", 0, 0, -1}, {"max-age=", 0, 0, -1}, {"max-age=-1", 0, 0, -1}, {"max-age=3600a", 0, 0, -1}, {"max-age=a3600", 0, 0, -1},
	    {"max-age=3600.0", 0, 0, -1}, {"max-age= 3600", 0, 0, -1}, {"max-age='3600'", 0, 0, -1}, {"s-maxage=x, max-age=9", 0, 9, 0},
	    {"max-age=+1", 0, 0, -1}, {"max-age=0x10", 0, 0, -1}, {"max-age=\"60", 0, 60, -1},
	    /* unknown ones */
	    {"max-age =3600", 0, -1, -1}, {"xmax-age=5, max-agex=6, foo, bar=baz", 0, -1, -1},
	    {"extension=\"max-age=3600\", max-age=1", 0, 1, -1}, {"max-age=1, extension=\"max-age=3600\"", 0, 1, -1},
	    {"ext=\"a\\\", max-age=5\", max-age=7", 0, 7, -1}, {"ext=\"no-store", 0, -1, -1}, {"=5, max-age=4", 0, 4, -1},
	    {"max-age=\"1\"junk, s-maxage=2", 0, 1, 2},
	    /* twice: the first */
	    {"max-age=1, max-age=1800", 0, 1, -1}, {"max-age=1800, max-age=1", 0, 1800, -1}, {"max-age=x, max-age=9", 0, 0, -1},
	    /* huge */
	    {"max-age=2147483647", 0, 2147483647, -1}, {"max-age=2147483649", 0, 2147483648, -1}, {"max-age=99999999999999999999999999", 0, 2147483648, -1},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct http_cc cc = parsed(rows[i].text, "");

		cr_expect_eq(cc.flags, rows[i].flags, "%s: %u", rows[i].text, cc.flags);
		cr_expect_eq(cc.max_age, rows[i].max_age, "%s: %lld", rows[i].text, (long long)cc.max_age);
		cr_expect_eq(cc.s_maxage, rows[i].s_maxage, "%s", rows[i].text);
	}
}

Test(cc, reads_what_requests_say)
{
	struct http_cc cc = parsed("max-stale, min-fresh=7", "only-if-cached");

	cr_expect_eq(cc.flags, HTTP_CC_ANY_STALE | HTTP_CC_ONLY_IF_CACHED);
	cr_expect_eq(cc.max_stale, -1);
	cr_expect_eq(cc.min_fresh, 7);
	cc = parsed("max-stale=10, max-stale", "stale-if-error=30, stale-while-revalidate=x");
	cr_expect_eq(cc.flags, 0);
	cr_expect_eq(cc.max_stale, 10);
	cr_expect_eq(cc.stale_if_error, 30);
	cr_expect_eq(cc.stale_while_revalidate, -1);
	cc = parsed("max-stale=x", "min-fresh=-1");
	cr_expect_eq(cc.flags, 0);
	cr_expect_eq(cc.max_stale, -1);
	cr_expect_eq(cc.min_fresh, -1);
}

Test(cc, keeps_lists_of_fields)
{
	struct http_cc cc = parsed("no-cache=\"a, Set-Cookie\", private=X", "max-age=5");

	cr_expect_eq(cc.flags, HTTP_CC_NO_CACHE_FIELDS | HTTP_CC_PRIVATE_FIELDS);
	cr_expect(http_list_has(cc.no_cache_fields, SLICE("set-cookie")));
	cr_expect(http_list_has(cc.no_cache_fields, SLICE("A")));
	cr_expect_not(http_list_has(cc.no_cache_fields, SLICE("cookie")));
	cr_expect(http_list_has(cc.private_fields, SLICE("x")));
	cr_expect_not(http_list_has((struct slice){NULL, 0}, SLICE("x")));
	/* no list, an empty one, and two of them are about the whole */
	cr_expect_eq(parsed("no-cache=\"\"", "").flags, HTTP_CC_NO_CACHE);
	cr_expect_eq(parsed("no-cache=\"a\"", "no-cache").flags, HTTP_CC_NO_CACHE | HTTP_CC_NO_CACHE_FIELDS);
	cr_expect_eq(parsed("private=\"a\"", "private=\"b\"").flags, HTTP_CC_PRIVATE | HTTP_CC_PRIVATE_FIELDS);
}

Test(cc, writes)
{
	struct http_cc cc;
	char out[HTTP_CC_ROOM], all[HTTP_CC_ROOM];
	size_t n;

	http_cc_init(&cc);
	cr_expect_eq(http_cc_format(&cc, out), 0);
	cr_expect_str_eq(out, "");
	cc.flags = HTTP_CC_PUBLIC;
	cc.max_age = 60;
	cc.s_maxage = 0;
	cc.stale_while_revalidate = 300;
	cc.stale_if_error = 3600;
	n = http_cc_format(&cc, out);
	cr_expect_str_eq(out, "public, max-age=60, s-maxage=0, stale-while-revalidate=300, stale-if-error=3600");
	cr_expect_eq(n, strlen(out));
	http_cc_init(&cc);
	cc.flags = HTTP_CC_PRIVATE | HTTP_CC_NO_STORE;
	http_cc_format(&cc, out);
	cr_expect_str_eq(out, "private, no-store");
	/* all at once fits and comes back */
	cc = (struct http_cc){.flags = ~0u, .max_age = INT64_MAX, .s_maxage = INT64_MAX, .stale_while_revalidate = INT64_MAX,
			      .stale_if_error = INT64_MAX, .max_stale = INT64_MAX, .min_fresh = INT64_MAX};
	n = http_cc_format(&cc, all);
	cr_expect_lt(n, HTTP_CC_ROOM);
	cc = parsed(all, "");
	cr_expect_eq(cc.min_fresh, HTTP_DELTA_MAX);
	http_cc_format(&cc, out);
	cr_expect_str_eq(out, all);
}
