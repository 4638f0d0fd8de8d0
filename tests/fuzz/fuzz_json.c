/* fuzz_json: any bytes as a request body. What is accepted as an object or an array is valid, its
 * members' texts are valid documents of their own, and writing the strings again gives JSON that
 * reads as the same strings. */
#include "config.h"

#include "lib/base/check.h"
#include "lib/base/utf8.h"
#include "lib/json/jr.h"
#include "lib/json/jw.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void string_round_trip(struct slice s, struct arena *a, struct buf *b)
{
	struct jr_member *m;
	struct err e;
	unsigned n;

	check(utf8_is_valid(s));
	buf_clear(b);
	buf_addc(b, '[');
	jw_string(b, s);
	buf_addc(b, ']');
	check(jr_array(buf_slice(b), a, 1, &m, &n, &e) == 0);
	check(n == 1 && m[0].type == JR_STRING && slice_eq(m[0].text, s));
}

static void members(const struct jr_member *m, unsigned n, struct slice text, struct arena *a)
{
	struct err e;
	struct buf b;

	buf_init(&b, 0);
	for (unsigned i = 0; i < n; i++) {
		if (m[i].name.p)
			string_round_trip(m[i].name, a, &b);
		if (m[i].type == JR_STRING) {
			string_round_trip(m[i].text, a, &b);
			continue;
		}
		check(m[i].text.n && m[i].text.p > text.p);
		check(m[i].text.p + m[i].text.n < text.p + text.n);
		check(jr_validate(m[i].text, &e) == 0);
	}
	buf_done(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice text = slice_of((const char *)data, size);
	struct arena_pool pool;
	struct arena a;
	struct jr_member *m;
	struct err e;
	unsigned n;
	int is_valid;

	arena_pool_init(&pool, 4);
	arena_init(&a, &pool);
	is_valid = jr_validate(text, &e) == 0;
	check(is_valid || (e.id == E_bad_json && utf8_is_valid(slice_str(e.text))));
	if (jr_object(text, &a, 64, &m, &n, &e) == 0) {
		check(is_valid);
		members(m, n, text, &a);
	}
	if (jr_array(text, &a, 64, &m, &n, &e) == 0) {
		check(is_valid);
		members(m, n, text, &a);
	}
	arena_done(&a);
	arena_pool_done(&pool);
	return 0;
}
