#include "config.h"

#include <criterion/criterion.h>
#include <stdint.h>
#include <stdlib.h>

#include "lib/base/utf8.h"

static const struct {
	struct slice s;
	int is_valid;
} rows[] = {
    {SLICE(""), 1}, {SLICE("a"), 1}, {SLICE("\x7f"), 1}, {SLICE("\0"), 0}, {SLICE("a\0b"), 0},
    {SLICE("\xc3\xa9"), 1}, {SLICE("\xe2\x82\xac"), 1}, {SLICE("\xf0\x9f\x98\x80"), 1},
    {SLICE("\xc2\x80"), 1}, {SLICE("\xdf\xbf"), 1}, {SLICE("\xe0\xa0\x80"), 1}, {SLICE("\xef\xbf\xbf"), 1},
    {SLICE("\xf0\x90\x80\x80"), 1}, {SLICE("\xf4\x8f\xbf\xbf"), 1}, {SLICE("\xef\xbb\xbf"), 1},
    {SLICE("\xed\x9f\xbf"), 1}, {SLICE("\xee\x80\x80"), 1},
    /* overlong */
    {SLICE("\xc0\x80"), 0}, {SLICE("\xc0\xaf"), 0}, {SLICE("\xc1\xbf"), 0}, {SLICE("\xe0\x80\xaf"), 0},
    {SLICE("\xe0\x9f\xbf"), 0}, {SLICE("\xf0\x80\x80\xaf"), 0}, {SLICE("\xf0\x8f\xbf\xbf"), 0},
    /* surrogates, beyond U+10FFFF */
    {SLICE("\xed\xa0\x80"), 0}, {SLICE("\xed\xbf\xbf"), 0}, {SLICE("\xf4\x90\x80\x80"), 0},
    {SLICE("\xf5\x80\x80\x80"), 0}, {SLICE("\xf8\x88\x80\x80\x80"), 0}, {SLICE("\xfe"), 0}, {SLICE("\xff"), 0},
    /* cut, alone, interrupted */
    {SLICE("\xc3"), 0}, {SLICE("\xe2\x82"), 0}, {SLICE("\xf0\x9f\x98"), 0}, {SLICE("\x80"), 0}, {SLICE("\xbf"), 0},
    {SLICE("\xc3" "a"), 0}, {SLICE("\xe2\x82" "a"), 0}, {SLICE("\xe2" "a\x82"), 0}, {SLICE("\xf0\x9f\x98" "a"), 0},
    {SLICE("\xc3\xa9\xa9"), 0}, {SLICE("\xc3\xc3\xa9"), 0},
};

/* Each case at every distance from a word's border, with ASCII before and behind. */
Test(utf8, tells_valid_from_invalid_at_every_place)
{
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		for (size_t before = 0; before < 18; before++)
			for (size_t behind = 0; behind < 18; behind++) {
				struct slice s = {NULL, before + rows[i].s.n + behind};
				char *p = malloc(s.n + 1);

				memset(p, 'x', s.n + 1);
				memcpy(p + before, rows[i].s.p, rows[i].s.n);
				s.p = p;
				cr_expect_eq(utf8_is_valid(s), rows[i].is_valid, "row %zu, %zu before, %zu behind", i, before,
					     behind);
				free(p);
			}
}

/* A second way to the same answer: decode, then encode again and compare. */
static int decodes(const unsigned char *p, size_t n)
{
	for (size_t i = 0; i < n;) {
		uint32_t c = p[i];
		size_t len = c < 0x80 ? 1 : c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : c >= 0xc0 ? 2 : 0;
		static const uint32_t least[] = {0, 1, 0x80, 0x800, 0x10000};

		if (len == 0 || len > n - i || c >= 0xf8)
			return 0;
		if (len > 1)
			c &= 0x7fu >> len;
		for (size_t k = 1; k < len; k++) {
			if (p[i + k] >> 6 != 2)
				return 0;
			c = c << 6 | (p[i + k] & 0x3fu);
		}
		if (c < least[len] || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
			return 0;
		i += len;
	}
	return 1;
}

Test(utf8, agrees_with_a_decoder_on_all_short_and_many_random_texts)
{
	static const unsigned char likely_bytes[] = {0x00, 0x01, 'a', 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xc1,
						     0xc2, 0xdf, 0xe0, 0xe1, 0xed, 0xef, 0xf0, 0xf1, 0xf4, 0xf5, 0xff};
	unsigned char p[20];

	for (unsigned v = 0; v < 1u << 16; v++) {
		p[0] = (unsigned char)(v >> 8);
		p[1] = (unsigned char)v;
		cr_assert_eq(utf8_is_valid(slice_of((char *)p, 2)), decodes(p, 2), "%04x", v);
	}
	srand(1);
	for (int i = 0; i < 500000; i++) {
		size_t n = 1 + (size_t)rand() % sizeof(p);

		for (size_t k = 0; k < n; k++)
			p[k] = rand() % 4 ? 'a' : likely_bytes[(size_t)rand() % sizeof(likely_bytes)];
		cr_assert_eq(utf8_is_valid(slice_of((char *)p, n)), decodes(p, n));
	}
}

Test(utf8, counts_characters)
{
	char text[64];

	cr_expect_eq(utf8_length(SLICE("")), 0);
	cr_expect_eq(utf8_length(SLICE("abc")), 3);
	cr_expect_eq(utf8_length(SLICE("\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80")), 3);
	for (size_t ascii = 0; ascii < 20; ascii++) {
		memset(text, 'a', ascii);
		for (int i = 0; i < 10; i++)
			memcpy(text + ascii + i * 4, "\xf0\x9f\x98\x80", 4);
		cr_expect_eq(utf8_length(slice_of(text, ascii + 40)), ascii + 10);
	}
}

Test(utf8, replaces_what_is_not_valid)
{
	static const struct {
		struct slice in;
		const char *want;
	} cases[] = {
		{{"", 0}, ""},
		{{"ab\xc3\xa9", 4}, "ab\xc3\xa9"},
		{{"\xe9", 1}, "\xef\xbf\xbd"},
		{{"a\0b", 3}, "a\xef\xbf\xbd" "b"},
		{{"\xe2\x82", 2}, "\xef\xbf\xbd\xef\xbf\xbd"},
		{{"0123456789abcdef\xff" "0123456789abcdef", 33}, "0123456789abcdef\xef\xbf\xbd" "0123456789abcdef"},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct buf b;

		buf_init(&b, 0);
		utf8_replace(&b, cases[i].in);
		cr_expect_str_eq(buf_str(&b), cases[i].want, "%zu: %s", i, buf_str(&b));
		cr_expect(utf8_is_valid(buf_slice(&b)));
		buf_done(&b);
	}
}
