/* fuzz_cache_headers: any bytes as the headers that caching reads: dates, entity tags, Cache-Control, codings, groups, and as whole
 * requests and responses for the rules of storing.
 * Whatever is understood is written again and reads the same. The first byte divides the rest in two. */
#include "config.h"

#include "lib/base/check.h"
#include "lib/http/http.h"
#include "lib/http/http_cache_status.h"
#include "lib/http/http_cc.h"
#include "lib/http/http_date.h"
#include "lib/http/http_etag.h"
#include "lib/http/http_store.h"
#include "lib/http/http_vary.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void dates(struct slice text)
{
	uint64_t t, again;
	char out[32];

	if (http_date_parse(text, 1794873600, &t))
		return;
	http_date(t, out);
	check(http_date_parse(slice_str(out), 0, &again) == 0);
	check(again == t);
}

static void is_delta(int64_t v)
{
	check(v >= HTTP_CC_ABSENT && v <= HTTP_DELTA_MAX);
}

static void cache_control(struct slice a, struct slice b)
{
	struct http_cc cc, again;
	char out[HTTP_CC_ROOM];
	size_t n;

	http_cc_init(&cc);
	http_cc_parse(&cc, a);
	http_cc_parse(&cc, b);
	is_delta(cc.max_age);
	is_delta(cc.s_maxage);
	is_delta(cc.stale_while_revalidate);
	is_delta(cc.stale_if_error);
	is_delta(cc.max_stale);
	is_delta(cc.min_fresh);
	(void)http_list_has(cc.no_cache_fields, b);
	n = http_cc_format(&cc, out);
	check(n < HTTP_CC_ROOM && http_value_is_safe(slice_of(out, n)));
	http_cc_init(&again);
	http_cc_parse(&again, slice_of(out, n));
	check(again.flags == (cc.flags & ~(unsigned)(HTTP_CC_NO_CACHE_FIELDS | HTTP_CC_PRIVATE_FIELDS)));
	check(again.max_age == cc.max_age && again.s_maxage == cc.s_maxage && again.max_stale == cc.max_stale &&
	      again.min_fresh == cc.min_fresh && again.stale_if_error == cc.stale_if_error &&
	      again.stale_while_revalidate == cc.stale_while_revalidate);
}

static void groups(struct slice a, struct slice b)
{
	struct slice one[HTTP_GROUPS_MAX], two[HTTP_GROUPS_MAX];
	char text[HTTP_GROUPS_MAX * (HTTP_GROUP_LENGTH_MAX + 1)], back[sizeof(text)], out[16384];
	unsigned n = http_groups_parse(a, text, sizeof(text), one);
	size_t len = http_groups_format(one, n, out, sizeof(out));

	check(http_groups_parse(slice_of(out, len), back, sizeof(back), two) == n);
	for (unsigned i = 0; i < n; i++)
		check(slice_eq(one[i], two[i]));
	/* any bytes as a group, a key, a detail */
	len = http_groups_format((struct slice[]){a, b}, 2, out, sizeof(out));
	check(http_value_is_safe(slice_of(out, len)));
	len = http_cache_status_format(&(struct http_cache_status){.key = a, .detail = b}, out);
	check(len < HTTP_CACHE_STATUS_ROOM && http_value_is_safe(slice_of(out, len)));
}

/* Lines of "Name: value". */
static struct http_fields fields(struct slice text, struct http_field *room, unsigned max)
{
	struct http_fields f = {room, 0};

	while (text.p && f.n < max) {
		struct slice line = slice_cut(&text, '\n'), name = slice_cut(&line, ':');

		room[f.n++] = (struct http_field){name, slice_trim(line)};
	}
	return f;
}

static void storing(struct slice a, struct slice b)
{
	struct http_field req_room[16], resp_room[16], merged_room[32], fresh_room[16];
	struct http_fields req = fields(a, req_room, 16), resp = fields(b, resp_room, 16);
	struct http_fields merged = fields(b, merged_room, 16), fresh = fields(a, fresh_room, 16);
	struct http_policy p;
	AUTO(buf) struct buf names;
	struct arena_pool pool;
	struct arena arena;
	struct slice target;

	if (http_policy_make(&(struct http_exchange){SLICE("GET"), &req, 200, &resp, 1794873600, 1794873605}, &p)) {
		enum http_reuse bold = http_policy_reuse(&p, &req, 1, 100), plain = http_policy_reuse(&p, &req, 0, 100);

		check(p.lifetime >= 0 && p.initial_age >= 0);
		/* a stale answer is only used when the request says so */
		check(bold != HTTP_REUSE_FRESH || plain == HTTP_REUSE_FRESH);
		check(plain != HTTP_REUSE_STALE);
	}
	buf_init(&names, 0);
	if (http_vary_names(&resp, &names) == 0) {
		AUTO(buf) struct buf x;
		size_t n;

		buf_init(&x, 0);
		http_vary_key(buf_slice(&names), &req, &x);
		n = x.n;
		http_vary_key(buf_slice(&names), &req, &x);
		check(x.n == 2 * n);
		check(!n || memcmp(x.p, x.p + n, n) == 0);
	}
	http_fields_clean(&fresh);
	http_fields_update_304(&merged, &fresh);
	check(merged.n <= 32);
	arena_pool_init(&pool, 1);
	arena_init(&arena, &pool);
	target = http_same_origin(SLICE("http"), SLICE("h"), SLICE("/a/b?c"), b, &arena);
	check(!target.p || (target.n && target.p[0] == '/'));
	arena_done(&arena);
	arena_pool_done(&pool);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice a, b, state;
	size_t cut;

	if (!size)
		return 0;
	cut = data[0] < size ? data[0] : size - 1;
	a = slice_of((const char *)data + 1, cut);
	b = slice_of((const char *)data + 1 + cut, size - 1 - cut);
	dates(b);
	cache_control(a, b);
	groups(a, b);
	storing(a, b);
	state = http_etag_state(b);
	check(!state.p || http_if_none_match(b, b));
	/* a strong match is a weak one too */
	check(!http_if_match(a, b) || !state.p || http_if_none_match(a, b));
	check(http_coding_choose(a, HTTP_CODING_BIT(HTTP_GZIP)) != HTTP_BR);
	return 0;
}
