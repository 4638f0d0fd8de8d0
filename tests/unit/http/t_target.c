#include "config.h"

#include <criterion/criterion.h>

#include "lib/http/target.h"

/* path NULL: refused. */
static const struct {
	const char *uri, *script, *info, *string, *path, *query;
} cases[] = {
	{"/metrics", "", "", "", "/metrics", ""},
	{"/a/b?c=d?e", "", "", "c=d?e", "/a/b", "c=d?e"},
	{"/a", "", "", "x=1", "/a", "x=1"},
	{"/a?", "", "", "x=1", "/a", ""},
	{"*", "", "", "", "*", ""},
	{"//metrics", "", "", "", "//metrics", ""},
	{"/./metrics", "", "", "", "/./metrics", ""},
	{"/%6detrics", "", "", "", "/%6detrics", ""},
	{"/metrics;x", "", "", "", "/metrics;x", ""},
	{"http://h/metrics", "", "", "", "/metrics", ""},
	{"http://h:80/a?b", "", "", "", "/a", "b"},
	{"http://h", "", "", "", "/", ""},
	{"http://h?x/metrics", "", "", "", "/", "x/metrics"},
	{"x+1.-://h/metrics", "", "", "", "/metrics", ""},
	{"://h/metrics", "", "", "", "://h/metrics", ""},
	{"1http://h/metrics", "", "", "", "1http://h/metrics", ""},
	{"a?b://h/metrics", "", "", "", "a", "b://h/metrics"},
	{"metrics", "", "", "", "metrics", ""},
	{"http:/", "", "", "", "http:/", ""},
	{"?x", "", "", "", "", "x"},
	{"/health#/metrics", "", "", "", NULL, NULL},
	{"/health?#/metrics", "", "", "", NULL, NULL},
	{"http://h#/metrics", "", "", "", NULL, NULL},
	{"#", "", "", "", NULL, NULL},
	/* decoded by the web server: a '?' is the path's */
	{"", "/api", "/x?y", "q=1", "/api/x?y", "q=1"},
	{"", "/metrics", "", "", "/metrics", ""},
	{"", "", "", "", "", ""},
	{"", "/health", "#/metrics", "", NULL, NULL},
};

Test(target, reads_one_path_of_each_target)
{
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct arena_pool pool;
		struct arena a;
		struct http_target t;
		struct err e;
		struct http_target_in in = {slice_str(cases[i].uri), slice_str(cases[i].script),
					    slice_str(cases[i].info), slice_str(cases[i].string)};
		int rc;

		arena_pool_init(&pool, 1);
		arena_init(&a, &pool);
		rc = http_target(&in, &a, &t, &e);
		if (!cases[i].path) {
			cr_expect_eq(rc, -E_bad_request, "%s", cases[i].uri);
		} else {
			cr_assert_eq(rc, 0, "%s", cases[i].uri);
			cr_expect(slice_eq(t.path, slice_str(cases[i].path)), "%s: %.*s", cases[i].uri, SLICE_ARG(t.path));
			cr_expect(slice_eq(t.query, slice_str(cases[i].query)), "%s: %.*s", cases[i].uri,
				  SLICE_ARG(t.query));
		}
		arena_done(&a);
		arena_pool_done(&pool);
	}
}
