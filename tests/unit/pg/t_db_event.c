#include "config.h"

#include <criterion/criterion.h>

#include "lib/pg/db_event.h"

static struct arena_pool pool;
static struct arena arena;
static struct db_event ev;
static struct err e;

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

TestSuite(db_event, .init = begin, .fini = end);

static int parse(const char *text)
{
	return db_event_parse(slice_str(text), &arena, &ev, &e);
}

Test(db_event, gives_transaction_and_tags)
{
	cr_assert(parse("{\"x\":18446744073709551615,\"c\":1795536900228619,\"t\":[\"a\",\"b \\\"\\u00fc\"]}") == 0);
	cr_expect(ev.xid == UINT64_MAX && !ev.nonce && !ev.is_all);
	cr_assert(ev.n_tags == 2);
	cr_expect(slice_eq(ev.tags[0], SLICE("a")));
	cr_expect(slice_eq(ev.tags[1], SLICE("b \"\xc3\xbc")));
}

Test(db_event, knows_that_more_is_void_and_why)
{
	cr_assert(parse("{\"all\":true,\"why\":\"gone\",\"t\":[]}") == 0);
	cr_expect(ev.is_all && slice_eq(ev.why, SLICE("gone")) && ev.n_tags == 0);
	cr_assert(parse("{\"all\":false}") == 0);
	cr_expect(!ev.is_all && ev.why.n == 0);
}

Test(db_event, may_be_a_nonce)
{
	cr_assert(parse("{\"n\":18446744073709551615}") == 0);
	cr_expect(ev.nonce == UINT64_MAX && ev.n_tags == 0 && !ev.is_all);
}

Test(db_event, passes_over_what_a_later_version_says)
{
	cr_assert(parse("{\"v\":2,\"t\":[\"a\"],\"more\":{\"x\":[1,2]}}") == 0);
	cr_expect(ev.n_tags == 1 && ev.xid == 0);
}

Test(db_event, refuses_what_is_none)
{
	static const char *const bad[] = {"", "a", "[]", "1", "{\"x\":-1}", "{\"x\":1.0}", "{\"x\":\"1\"}", "{\"t\":\"a\"}",
					  "{\"t\":[1]}", "{\"t\":[null]}", "{\"x\":18446744073709551616}", "{\"t\":[\"a\"]",
					  "{\"t\":[],\"t\":[]}"};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		e = (struct err){0};
		cr_expect(parse(bad[i]) == -E_bad_json && e.id == E_bad_json && e.text[0], "%s", bad[i]);
	}
}
