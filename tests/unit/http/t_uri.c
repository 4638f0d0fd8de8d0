#include "config.h"

#include <criterion/criterion.h>

#include "lib/base/buf.h"
#include "lib/http/http.h"

static void expect(const char *text, const char *want)
{
	struct buf out;

	buf_init(&out, 0);
	http_uri_reference(slice_str(text), &out);
	cr_expect_str_eq(buf_str(&out), want, "%s: %s", text, buf_str(&out));
	buf_clear(&out);
	http_uri_reference(slice_str(want), &out);
	cr_expect_str_eq(buf_str(&out), want, "%s is not left alone: %s", want, buf_str(&out));
	buf_done(&out);
}

Test(uri, keeps_what_may_stand_in_a_reference_and_encodes_the_rest)
{
	expect("/api/items/1?x=1&y=2#z", "/api/items/1?x=1&y=2#z");
	expect("/a b", "/a%20b");
	expect("/a\r\nSet-Cookie: x=1", "/a%0D%0ASet-Cookie:%20x=1");
	expect("/caf\xc3\xa9/\xe2\x82\xac", "/caf%C3%A9/%E2%82%AC");
	expect("/%41%zz%4", "/%41%25zz%254");
	expect("/50%", "/50%25");
	expect("/\"<>\\^`{|}\x7f\t", "/%22%3C%3E%5C%5E%60%7B%7C%7D%7F%09");
	expect("/a#b#c", "/a#b%23c");
	expect("http://[::1]:80/a[1]?b[]=2", "http://[::1]:80/a%5B1%5D?b%5B%5D=2");
	expect("//[::1]/", "//[::1]/");
	expect("a[b]", "a%5Bb%5D");
	expect("mailto:a@b.c", "mailto:a@b.c");
	expect("", "");
}
