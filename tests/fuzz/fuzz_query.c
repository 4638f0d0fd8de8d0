/* fuzz_query: any bytes as a query string, a path segment, a Cookie, Accept or Content-Type header.
 * What comes out is valid UTF-8 without NUL, and never longer than what went in. */
#include "config.h"

#include "lib/base/check.h"
#include "lib/base/utf8.h"
#include "lib/http/http.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void is_taken(struct slice s, size_t size)
{
	check(s.n <= size);
	check(s.p[s.n] == '\0');
	check(utf8_is_valid(s));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice text = slice_of((const char *)data, size), segment, cookie;
	struct arena_pool pool;
	struct arena a;
	struct http_pair *pairs;
	struct err e;
	unsigned n;
	int rc;

	arena_pool_init(&pool, 4);
	arena_init(&a, &pool);
	rc = http_query_parse(text, &a, 32, &pairs, &n, &e);
	check(rc == 0 || rc == -E_bad_request || rc == -E_bad_encoding);
	if (rc) {
		check(rc == -(int)e.id);
		check(utf8_is_valid(slice_str(e.text)));
	} else {
		check(n <= 32);
		for (unsigned i = 0; i < n; i++) {
			is_taken(pairs[i].name, size);
			is_taken(pairs[i].value, size);
		}
	}
	if (http_segment_decode(text, &a, &segment, &e) == 0)
		is_taken(segment, size);
	cookie = http_cookie_find(text, SLICE("a"));
	check(!cookie.p || (cookie.p >= text.p && cookie.n < size));
	(void)http_not_json(text);
	(void)http_is_encoded(text);
	(void)http_accepts_json(text);
	(void)http_value_is_safe(text);
	arena_done(&a);
	arena_pool_done(&pool);
	return 0;
}
