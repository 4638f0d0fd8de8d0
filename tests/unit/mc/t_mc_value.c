#include "config.h"

#include <criterion/criterion.h>

#include "lib/base/err.h"
#include "lib/mc/mc_value.h"

static struct mc_value sample(void)
{
	return (struct mc_value){
		.build = 11, .schema = 12, .key = SLICE("GET /api/models|limit=20"),
		.created_wall_us = 1000000000000000ull, .soft_ms = 60000, .hard_ms = 360000, .error_ms = 3600000,
		.delta_us = 1234, .xmin = 0x123456789abcull, .etag = {1, 2, 3}, .status = 200, .coding = 1, .flags = 2,
		.head_n = 4, .n_tags = 3, .tags = {SLICE("t:models"), SLICE(""), SLICE("t:models:tenant=7")},
		.body = SLICE("headbody"),
	};
}

Test(mc_value, a_value_comes_back_as_it_was)
{
	struct mc_value v = sample(), got;
	struct buf b;

	buf_init(&b, 0);
	cr_assert_eq(mc_value_encode(&b, &v, 5), 0);
	cr_assert_eq(mc_value_decode(buf_slice(&b), 11, 12, v.key, 5, &got), MC_VALUE_OK);
	cr_expect(slice_eq(got.key, v.key) && slice_eq(got.body, v.body));
	cr_expect(got.n_tags == 3 && slice_eq(got.tags[0], v.tags[0]) && slice_eq(got.tags[1], v.tags[1]) &&
		  slice_eq(got.tags[2], v.tags[2]));
	cr_expect(got.created_wall_us == v.created_wall_us && got.xmin == v.xmin && got.delta_us == v.delta_us);
	cr_expect(got.soft_ms == v.soft_ms && got.hard_ms == v.hard_ms && got.error_ms == v.error_ms);
	cr_expect(got.status == 200 && got.coding == 1 && got.flags == 2 && got.head_n == 4);
	cr_expect(memcmp(got.etag, v.etag, 16) == 0);
	buf_done(&b);
}

Test(mc_value, every_changed_byte_and_every_cut_is_broken)
{
	struct mc_value v = sample(), got;
	struct buf b;

	buf_init(&b, 0);
	cr_assert_eq(mc_value_encode(&b, &v, 5), 0);
	for (size_t i = 0; i < b.n; i++) {
		b.p[i] ^= 0x20;
		cr_expect(mc_value_decode(buf_slice(&b), 11, 12, v.key, 5, &got) == MC_VALUE_BROKEN, "byte %zu", i);
		b.p[i] ^= 0x20;
		cr_expect(mc_value_decode(slice_of(b.p, i), 11, 12, v.key, 5, &got) == MC_VALUE_BROKEN, "cut at %zu", i);
	}
	buf_addc(&b, 'x');
	cr_expect_eq(mc_value_decode(buf_slice(&b), 11, 12, v.key, 5, &got), MC_VALUE_BROKEN);
	buf_done(&b);
}

Test(mc_value, another_key_build_schema_or_seed_is_not_ours)
{
	struct mc_value v = sample(), got;
	struct buf b;

	buf_init(&b, 0);
	cr_assert_eq(mc_value_encode(&b, &v, 5), 0);
	cr_expect_eq(mc_value_decode(buf_slice(&b), 11, 12, SLICE("GET /api/models|limit=21"), 5, &got), MC_VALUE_FOREIGN);
	cr_expect_eq(mc_value_decode(buf_slice(&b), 10, 12, v.key, 5, &got), MC_VALUE_FOREIGN);
	cr_expect_eq(mc_value_decode(buf_slice(&b), 11, 13, v.key, 5, &got), MC_VALUE_FOREIGN);
	cr_expect_eq(mc_value_decode(buf_slice(&b), 11, 12, v.key, 6, &got), MC_VALUE_BROKEN);
	buf_done(&b);
}

Test(mc_value, what_is_too_large_is_refused_and_leaves_no_trace)
{
	struct mc_value v = sample();
	static char big[MC_VALUE_MAX];
	struct buf b;

	buf_init(&b, 0);
	v.body = slice_of(big, sizeof(big));
	cr_expect_eq(mc_value_encode(&b, &v, 5), -E_too_large);
	v.body.n -= 104 + v.key.n + 3 + 8 + 17;
	cr_expect_eq(mc_value_encode(&b, &v, 5), 0);
	cr_expect_eq(b.n, MC_VALUE_MAX);
	buf_clear(&b);
	v.body.n = 8;
	v.key = slice_of(big, MC_VALUE_MAX_KEY + 1);
	cr_expect_eq(mc_value_encode(&b, &v, 5), -E_too_large);
	v.key.n = 8;
	v.tags[0] = slice_of(big, MC_VALUE_MAX_TAG + 1);
	cr_expect_eq(mc_value_encode(&b, &v, 5), -E_too_large);
	cr_expect_eq(b.n, 0);
	buf_done(&b);
}

Test(mc_value, life_left_is_between_nothing_and_the_lifetime)
{
	struct mc_value v = sample();
	uint64_t made = v.created_wall_us;

	cr_expect_eq(mc_value_left_ms(&v, 60000, made), 60000);
	cr_expect_eq(mc_value_left_ms(&v, 60000, made + 1000000), 59000);
	cr_expect_eq(mc_value_left_ms(&v, 60000, made + 60000000), 0);
	cr_expect_eq(mc_value_left_ms(&v, 60000, UINT64_MAX), 0);
	cr_expect_eq(mc_value_left_ms(&v, 60000, 0), 60000, "made by a host whose clock is ahead");
}
