#include "config.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "lib/auth/identity.h"
#include "lib/auth/token_cache.h"

static struct identity *make(int64_t from, int64_t to)
{
	struct identity id = {.kind = IDENTITY_TOKEN, .user = "u", .json = {"{}", 2}, .not_before = from, .expires = to};

	return identity_pack(&id);
}

static void add(struct token_cache *c, const char *token, int64_t from, int64_t to)
{
	struct identity *id = make(from, to);

	token_cache_add(c, slice_str(token), id);
	identity_unref(id);
}

Test(token_cache, finds_what_was_added_within_its_time)
{
	struct token_cache c;

	token_cache_init(&c, 1 << 20, 1);
	add(&c, "a.b.c", 10, 20);
	add(&c, "a.b.d", 10, 30);
	cr_expect_str_eq(token_cache_find(&c, SLICE("a.b.c"), 10)->user, "u");
	cr_expect_null(token_cache_find(&c, SLICE("a.b."), 10));
	cr_expect_null(token_cache_find(&c, SLICE("a.b.cc"), 10));
	cr_expect(token_cache_find(&c, SLICE("a.b.c"), 19));
	cr_expect_null(token_cache_find(&c, SLICE("a.b.c"), 20));
	cr_expect_eq(c.n, 1u);
	cr_expect_null(token_cache_find(&c, SLICE("a.b.c"), 10));
	cr_expect_null(token_cache_find(&c, SLICE("a.b.d"), 9));
	cr_expect_eq(c.n, 0u);
	cr_expect_eq(c.bytes, 0u);
	token_cache_done(&c);
}

Test(token_cache, stays_within_its_memory_and_keeps_the_latest)
{
	struct token_cache c;
	char text[32];

	token_cache_init(&c, 8192, 7);
	for (int i = 0; i < 1000; i++) {
		snprintf(text, sizeof(text), "token.%d", i);
		add(&c, text, 0, 100);
		cr_expect(token_cache_find(&c, SLICE("token.0"), 1), "%d", i);
		cr_expect_leq(c.bytes, 8192u);
		cr_expect(token_cache_find(&c, slice_str(text), 1));
	}
	cr_expect_gt(c.n, 10u);
	cr_expect_null(token_cache_find(&c, SLICE("token.1"), 1));
	token_cache_done(&c);
}

Test(token_cache, an_identity_outlives_its_place)
{
	struct token_cache c;
	struct identity *id;

	token_cache_init(&c, 1 << 20, 1);
	add(&c, "t", 0, 100);
	id = identity_ref(token_cache_find(&c, SLICE("t"), 1));
	cr_expect_null(token_cache_find(&c, SLICE("t"), 100));
	cr_expect_str_eq(id->user, "u");
	identity_unref(id);
	token_cache_done(&c);
}

Test(token_cache, none_and_too_small)
{
	struct token_cache c;

	token_cache_init(&c, 0, 1);
	add(&c, "t", 0, 100);
	cr_expect_null(token_cache_find(&c, SLICE("t"), 1));
	token_cache_done(&c);
	token_cache_init(&c, 64, 1);
	add(&c, "t", 0, 100);
	cr_expect_null(token_cache_find(&c, SLICE("t"), 1));
	token_cache_done(&c);
}
