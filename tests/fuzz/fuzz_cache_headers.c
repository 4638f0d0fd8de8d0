/* fuzz_cache_headers: any bytes as the headers that caching reads: dates, entity tags, Cache-Control, codings, groups.
 * Whatever is understood is written again and reads the same. The first byte divides the rest in two. */
#include "config.h"

#include "lib/base/check.h"
#include "lib/http/http.h"
#include "lib/http/http_cache_status.h"
#include "lib/http/http_cc.h"
#include "lib/http/http_date.h"
#include "lib/http/http_etag.h"

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
	state = http_etag_state(b);
	check(!state.p || http_if_none_match(b, b));
	/* a strong match is a weak one too */
	check(!http_if_match(a, b) || !state.p || http_if_none_match(a, b));
	check(http_coding_choose(a, HTTP_CODING_BIT(HTTP_GZIP)) != HTTP_BR);
	return 0;
}
