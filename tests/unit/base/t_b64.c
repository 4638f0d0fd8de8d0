#include "config.h"

#include <criterion/criterion.h>
#include <string.h>

#include "lib/base/b64.h"

Test(b64, one_spelling_for_each_value)
{
	static const struct {
		const char *in, *out; /* out: NULL when refused */
	} v[] = {{"", ""},	   {"Zg", "f"},	     {"Zm8", "fo"},	{"Zm9v", "foo"},  {"Zm9vYg", "foob"},
		 {"Zm9vYmE", "fooba"}, {"Zm9vYmFy", "foobar"}, {"-_-_", "\xfb\xff\xbf"},
		 {"Z", NULL},	   {"Zh", NULL},     {"Zm9", NULL},	{"Zg==", NULL},   {"Zm9vY", NULL},
		 {"Zm 9v", NULL},  {"Zm9\n", NULL},  {"+/+/", NULL},	{"Zm9vZ\xc3", NULL}};

	for (size_t i = 0; i < ARRAY_LEN(v); i++) {
		char out[B64_ROOM(16)];
		size_t n = 99;
		int rc = b64url_decode(slice_str(v[i].in), out, &n);

		cr_assert_eq(rc, v[i].out ? 0 : -1, "%s", v[i].in);
		if (v[i].out)
			cr_expect(n == strlen(v[i].out) && memcmp(out, v[i].out, n) == 0, "%s", v[i].in);
	}
}

Test(b64, every_byte)
{
	static const char set[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

	for (unsigned b = 0; b < 256; b++) {
		char in[2] = {set[b >> 2], set[(b & 3) << 4]}, out[4];
		size_t n;

		cr_assert_eq(b64url_decode(slice_of(in, 2), out, &n), 0);
		cr_expect(n == 1 && (unsigned char)out[0] == b);
	}
}
