#include "config.h"

#include <criterion/criterion.h>

#include "lib/base/visible.h"

static const struct {
	const char *in, *want;
} cases[] = {
	{"", ""},
	{"plain text /a?b=c", "plain text /a?b=c"},
	{"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80", "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80"},
	{"a\x1b[31m\n\t\x7f", "a\\x1b[31m\\x0a\\x09\\x7f"},
	{"\xc2\x9b" "31m", "\\xc2\\x9b31m"},		      /* C1: CSI */
	{"\xc2\xa0\xc2\xad", "\xc2\xa0\\xc2\\xad"},	      /* soft hyphen */
	{"a\xe2\x80\xae" "b\xe2\x81\xa6", "a\\xe2\\x80\\xaeb\\xe2\\x81\\xa6"}, /* RLO, LRI */
	{"\xe2\x80\x8c\xe2\x80\x8d\xe2\x80\x8b", "\xe2\x80\x8c\xe2\x80\x8d\\xe2\\x80\\x8b"},
	{"\xe2\x80\xa8\xef\xbb\xbf", "\\xe2\\x80\\xa8\\xef\\xbb\\xbf"},
	{"\xf3\xa0\x81\x81", "\\xf3\\xa0\\x81\\x81"},
	{"\xff\xfe", "\\xff\\xfe"},
	{"\xc3", "\\xc3"},
	{"\xc0\x80\xed\xa0\x80", "\\xc0\\x80\\xed\\xa0\\x80"},
	{"a\xe2\x82" "b", "a\\xe2\\x82b"},
};

Test(visible, shows_what_steers_nothing)
{
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct slice in = slice_str(cases[i].in);
		size_t whole = strlen(cases[i].want);
		struct buf b;

		buf_init(&b, 0);
		visible_add(&b, in, 0);
		cr_expect_str_eq(buf_str(&b), cases[i].want, "%s", buf_str(&b));
		buf_done(&b);
		for (size_t room = 0; room <= whole + 1; room++) {
			char out[256];
			size_t n = visible_put(out, room, in);

			cr_expect(n <= room && memcmp(out, cases[i].want, n) == 0);
			cr_expect(room < whole || n == whole);
			/* neither a character nor an escape is cut */
			cr_expect(n == whole || ((unsigned char)cases[i].want[n] & 0xc0) != 0x80);
		}
	}
}

Test(visible, keeps_lines_where_asked)
{
	struct buf b;

	buf_init(&b, 0);
	visible_add(&b, SLICE("a\n\rb\n"), 1);
	cr_expect_str_eq(buf_str(&b), "a\n\\x0db\n");
	buf_done(&b);
}
