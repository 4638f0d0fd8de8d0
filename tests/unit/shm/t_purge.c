#include "config.h"

#include <criterion/criterion.h>
#include <string.h>

#include "lib/shm/purge.h"

static struct purge_queue q;

static int post(const char *text)
{
	struct purge p = {.kind = PURGE_TAG};

	strcpy(p.text, text);
	return purge_post(&q, &p);
}

Test(purge, orders_wait_in_their_order_until_they_are_ended)
{
	struct purge p;

	cr_expect(!purge_waits(&q) && !purge_first(&q, &p));
	cr_expect(post("a") == 0 && post("b") == 0);
	cr_expect(purge_waits(&q));
	for (int i = 0; i < 2; i++) {	/* who took it and died has not ended it */
		cr_expect(purge_first(&q, &p));
		cr_expect_str_eq(p.text, "a");
	}
	purge_end(&q);
	cr_expect(purge_waits(&q) && purge_first(&q, &p));
	cr_expect_str_eq(p.text, "b");
	purge_end(&q);
	cr_expect(!purge_waits(&q));
}

Test(purge, a_full_queue_takes_no_more_and_wraps)
{
	struct purge p;

	for (unsigned round = 0; round < 3; round++) {
		for (unsigned i = 0; i < PURGE_MAX; i++)
			cr_assert(post("x") == 0, "%u", i);
		cr_expect(post("y") == -1);
		for (unsigned i = 0; i < PURGE_MAX; i++) {
			cr_assert(purge_first(&q, &p));
			cr_assert_str_eq(p.text, "x");
			purge_end(&q);
		}
		cr_expect(!purge_waits(&q));
	}
}

Test(purge, a_text_without_an_end_gets_one)
{
	struct purge p;

	cr_assert(post("x") == 0);
	memset(q.v[0].text, 'z', sizeof(q.v[0].text));
	cr_assert(purge_first(&q, &p));
	cr_expect(strlen(p.text) == PURGE_MAX_TEXT);
}

Test(purge, keys_wait_each_for_itself)
{
	uint64_t a[2] = {1, 2}, b[2] = {1, 3}, h[2];

	cr_expect(!purge_waits_key(&q, a));
	cr_expect(purge_post_key(&q, a) == 0 && purge_post_key(&q, a) == 0);
	cr_expect(purge_waits_key(&q, a) && !purge_waits_key(&q, b));
	cr_expect(purge_key_at(&q, 0, h) && h[0] == 1 && h[1] == 2);
	cr_expect(!purge_key_at(&q, 1, h), "the same key waits once");
	purge_key_end(&q, 0, b);
	cr_expect(purge_waits_key(&q, a), "another one's end");
	purge_key_end(&q, 0, a);
	cr_expect(!purge_waits_key(&q, a));
	for (uint64_t i = 0; i < PURGE_MAX_KEYS; i++) {
		uint64_t k[2] = {i, i + 1};

		cr_assert(purge_post_key(&q, k) == 0);
	}
	cr_expect(purge_post_key(&q, (uint64_t[2]){99, 99}) == -1);
}
