#include "config.h"

#include <criterion/criterion.h>

#include "lib/http/http_vary.h"

static struct http_fields fields(const char *text, struct http_field *room)
{
	struct http_fields f = {room, 0};

	for (struct slice rest = slice_str(text); rest.n;) {
		struct slice line = slice_cut(&rest, '|'), name = slice_cut(&line, ':');

		room[f.n++] = (struct http_field){slice_trim(name), slice_trim(line)};
	}
	return f;
}

Test(vary, has_sorted_names)
{
	static const struct {
		const char *response, *names;
	} rows[] = {
	    {"", ""}, {"Vary:", ""}, {"Vary: Foo, bar", "bar,foo"}, {"Vary: b|vary: A, B,,", "a,b"}, {"Vary: *", NULL}, {"Vary: a|Vary: , *", NULL},
	    {"Vary: a b", NULL}, {"Vary: a=b", NULL},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO(buf) struct buf out;
		struct http_field room[4];
		struct http_fields f = fields(rows[i].response, room);

		buf_init(&out, 0);
		cr_expect_eq(http_vary_names(&f, &out), rows[i].names ? 0 : -1, "%s", rows[i].response);
		if (rows[i].names)
			cr_expect_str_eq(buf_str(&out), rows[i].names);
	}
}

Test(vary, knows_equal_requests)
{
	static const struct {
		const char *names, *a, *b;
		int is_same;
	} rows[] = {
	    {"", "X: 1", "X: 2", 1}, {"foo", "Foo: 1", "foo: 1", 1}, {"foo", "Foo: 1", "Foo: 2", 0}, {"foo", "Foo: 1", "", 0}, {"foo", "", "", 1},
	    {"foo", "Foo:", "", 0}, {"foo", "Foo: 1, 2", "Foo: 1|Foo: 2", 1}, {"foo", "Foo: 1,2", "Foo:  1 , 2 ", 1}, {"foo", "Foo: 1, 2", "Foo: 2, 1", 0},
	    {"foo", "Foo: \"1, 2\"", "Foo: \"1,2\"", 0}, {"foo", "Foo: \"a\\\", b\"", "Foo: \"a\\\",b\"", 0}, {"foo", "Foo: A", "Foo: a", 0},
	    {"bar,foo", "Foo: 1|Bar: 2", "Bar: 2|Foo: 1|Baz: 3", 1}, {"bar,foo", "Foo: 1|Bar: 2", "Foo: 2|Bar: 1", 0},
	    /* a value cannot look like two fields */
	    {"a,b", "a: x|b: y", "a: x b=y", 0},
	    {"accept-language", "Accept-Language: en, de", "Accept-Language: DE,eN", 1}, {"accept-language", "Accept-Language: en;q=0.5", "Accept-Language: en; q=0.5", 1},
	    {"accept-language", "Accept-Language: en", "Accept-Language: de", 0}, {"accept-language", "Accept-Language: en", "", 0},
	    {"accept-encoding", "Accept-Encoding: gzip, br", "Accept-Encoding: br;q=0.9, deflate", 1}, {"accept-encoding", "Accept-Encoding: gzip", "Accept-Encoding: br", 0},
	    {"accept-encoding", "Accept-Encoding: zstd", "", 1},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO(buf) struct buf x, y;
		struct http_field a[8], b[8];
		struct http_fields f = fields(rows[i].a, a), g = fields(rows[i].b, b);

		buf_init(&x, 0);
		buf_init(&y, 0);
		http_vary_key(slice_str(rows[i].names), &f, &x);
		http_vary_key(slice_str(rows[i].names), &g, &y);
		cr_expect_eq(slice_eq(buf_slice(&x), buf_slice(&y)), rows[i].is_same, "%s: %s / %s", rows[i].names, rows[i].a, rows[i].b);
		buf_done(&y);
	}
}

Test(invalidation, finds_its_targets)
{
	static const struct {
		const char *reference, *want;
	} rows[] = {
	    {"/x", "/x"}, {"/x?y=1#z", "/x?y=1"}, {"c", "/a/c"}, {"./c?q", "/a/c?q"}, {"../c", "/c"}, {"../../../c", "/c"}, {"c/../d/.", "/a/d/"},
	    {"/x/..", "/"}, {"/x/./y/../z", "/x/z"}, {"?y", "/a/b?y"}, {"", NULL}, {"#f", "/a/b?q"}, {"http://h:1/x", "/x"}, {"HTTP://H:1/x?", "/x?"},
	    {"http://h:1", "/"}, {"http://h:1?q", "/?q"}, {"//h:1/x", "/x"}, {"http://h/x", NULL}, {"https://h:1/x", NULL}, {"//other/x", NULL},
	    {"http:x", NULL}, {"mailto:x@y", NULL}, {"http://u@h:1/x", NULL}, {"/a:b", "/a:b"}, {"x?a:b", "/a/x?a:b"}, {".", "/a/"}, {"..", "/"},
	    {"/..", "/"}, {"//h:1", "/"}, {"/.../x", "/.../x"},
	};
	struct arena_pool pool;
	struct arena a;

	arena_pool_init(&pool, 1);
	arena_init(&a, &pool);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct slice got = http_same_origin(SLICE("http"), SLICE("h:1"), SLICE("/a/b?q"), slice_str(rows[i].reference), &a);

		if (!rows[i].want)
			cr_expect_null(got.p, "%s: %.*s", rows[i].reference, SLICE_ARG(got));
		else
			cr_expect(slice_eq(got, slice_str(rows[i].want)), "%s: %.*s", rows[i].reference, SLICE_ARG(got));
	}
	arena_done(&a);
	arena_pool_done(&pool);
	cr_expect(http_invalidates(SLICE("POST"), 201) && http_invalidates(SLICE("M-SEARCH"), 303));
	cr_expect_not(http_invalidates(SLICE("GET"), 200) || http_invalidates(SLICE("DELETE"), 404) || http_invalidates(SLICE("PUT"), 500));
}
