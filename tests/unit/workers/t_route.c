#include "config.h"

#include <criterion/criterion.h>

#include "workers/route.h"

static struct segment lit(const char *s)
{
	return (struct segment){.text = slice_str(s), .param = -1};
}

static struct segment par(int i)
{
	return (struct segment){.param = i};
}

static struct endpoint list = {.method = HTTP_GET, .n_segments = 2}, one = {.method = HTTP_GET, .n_segments = 3},
		       featured = {.method = HTTP_GET, .n_segments = 3}, post = {.method = HTTP_POST, .n_segments = 2},
		       deep = {.method = HTTP_GET, .n_segments = 4}, root = {.method = HTTP_GET};
static struct endpoint_run runs[6];

static void setup(struct route *t)
{
	struct endpoint *all[] = {&list, &one, &featured, &post, &deep, &root};

	list.segments[0] = lit("api"), list.segments[1] = lit("models");
	one.segments[0] = lit("api"), one.segments[1] = lit("models"), one.segments[2] = par(0);
	featured.segments[0] = lit("api"), featured.segments[1] = lit("models"), featured.segments[2] = lit("featured");
	post.segments[0] = lit("api"), post.segments[1] = lit("models");
	deep.segments[0] = lit("api"), deep.segments[1] = lit("models"), deep.segments[2] = par(0),
	deep.segments[3] = lit("images");
	route_init(t);
	for (unsigned i = 0; i < 6; i++) {
		runs[i] = (struct endpoint_run){.ep = all[i]};
		route_add(t, &runs[i]);
	}
}

Test(route, finds_by_method_and_path)
{
	struct route t;
	struct arena_pool pool;
	struct arena a;
	static const struct {
		enum http_method m;
		const char *path;
		int run;	/* index, -1 none */
		int knows;	/* the path is known */
		const char *value;
	} cases[] = {
	    {HTTP_GET, "/api/models", 0, 1, NULL},	{HTTP_HEAD, "/api/models", 0, 1, NULL},
	    {HTTP_POST, "/api/models", 3, 1, NULL},	{HTTP_DELETE, "/api/models", -1, 1, NULL},
	    {HTTP_GET, "/api/models/42", 1, 1, "42"},	{HTTP_GET, "/api/models/featured", 2, 1, NULL},
	    {HTTP_GET, "/api/models/f%65atured", 2, 1, NULL}, {HTTP_GET, "/api/models/featured/images", 4, 1, "featured"},
	    {HTTP_GET, "/api/models/7/images", 4, 1, "7"}, {HTTP_GET, "/api/models/", -1, 0, NULL},
	    {HTTP_GET, "/api//models", -1, 0, NULL},	{HTTP_GET, "/", 5, 1, NULL},
	    {HTTP_GET, "", -1, 0, NULL},		{HTTP_GET, "api/models", -1, 0, NULL},
	    {HTTP_GET, "/api/models/7/other", -1, 0, NULL}, {HTTP_OTHER, "/api/models", -1, 1, NULL},
	    {HTTP_GET, "/api/models/a%2Fb", 1, 1, "a%2Fb"},
	};

	setup(&t);
	arena_pool_init(&pool, 4);
	arena_init(&a, &pool);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct route_match m;

		route_find(&t, cases[i].m, slice_str(cases[i].path), &a, &m);
		cr_expect_eq(m.run, cases[i].run < 0 ? NULL : &runs[cases[i].run], "%s", cases[i].path);
		cr_expect_eq(m.allow != 0, cases[i].knows, "%s", cases[i].path);
		if (cases[i].value) {
			cr_assert_eq(m.n_values, 1);
			cr_expect(slice_eq(m.raw_values[0], slice_str(cases[i].value)), "%s", cases[i].path);
		}
	}
	arena_done(&a);
	arena_pool_done(&pool);
	route_done(&t);
}

Test(route, gives_the_rest_to_a_handler)
{
	static struct endpoint any = {.method = HTTP_OTHER, .n_segments = 2, .takes_rest = 1},
			       get = {.method = HTTP_GET, .n_segments = 2, .takes_rest = 1}, one = {.method = HTTP_GET, .n_segments = 2};
	static const struct {
		enum http_method m;
		const char *path;
		int run;
		const char *value;
	} cases[] = {
	    {HTTP_GET, "/files/a", 1, "a"}, {HTTP_HEAD, "/files/a/b//c", 1, "a/b//c"}, {HTTP_POST, "/files/a/b", 0, "a/b"},
	    {HTTP_OTHER, "/files/a", 0, "a"}, {HTTP_OPTIONS, "/files/a", 0, "a"}, {HTTP_GET, "/files/", 1, ""}, {HTTP_GET, "/files", -1, NULL},
	    {HTTP_GET, "/files/one", 2, NULL}, {HTTP_GET, "/files/one/two", 1, "one/two"}, {HTTP_POST, "/files/one", -1, NULL},
	};
	struct endpoint *all[] = {&any, &get, &one};
	struct endpoint_run r[3];
	struct arena_pool pool;
	struct arena a;
	struct route t;

	any.segments[0] = get.segments[0] = one.segments[0] = lit("files");
	any.segments[1] = get.segments[1] = par(0);
	one.segments[1] = lit("one");
	route_init(&t);
	for (unsigned i = 0; i < 3; i++) {
		r[i] = (struct endpoint_run){.ep = all[i]};
		route_add(&t, &r[i]);
	}
	arena_pool_init(&pool, 4);
	arena_init(&a, &pool);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct route_match m;

		route_find(&t, cases[i].m, slice_str(cases[i].path), &a, &m);
		cr_expect_eq(m.run, cases[i].run < 0 ? NULL : &r[cases[i].run], "%s", cases[i].path);
		if (cases[i].value)
			cr_expect(m.n_values == 1 && slice_eq(m.raw_values[0], slice_str(cases[i].value)), "%s", cases[i].path);
	}
	arena_done(&a);
	arena_pool_done(&pool);
	route_done(&t);
}
