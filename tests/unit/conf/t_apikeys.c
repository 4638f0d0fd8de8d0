#include "config.h"

#include "tests/unit/conf/conf_test.h"

#include "lib/conf/apikeys.h"

#define A "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
#define B "60303AE22B998861BCE3B28F33EEC1BE758A213C86C93C076DBE9F558C11C752"

Test(apikeys, lines_become_keys)
{
	unsigned char digest[32] = {0x60, 0x30, 0x3a, 0xe2, 0x2b, 0x99, 0x88, 0x61, 0xbc, 0xe3, 0xb2, 0x8f, 0x33, 0xee, 0xc1, 0xbe,
				    0x75, 0x8a, 0x21, 0x3c, 0x86, 0xc9, 0x3c, 0x07, 0x6d, 0xbe, 0x9f, 0x55, 0x8c, 0x11, 0xc7, 0x52};
	const struct apikey *k;
	struct errs errs;
	struct apikeys s;
	int i;

	errs_init(&errs);
	apikeys_init(&s);
	cr_expect_eq(apikeys_find(&s, digest), -1);
	cr_expect_eq(apikeys_parse(&s, "f", SLICE("# c\r\n\n  \t\nci\t" A "  alice  admin,ci   tenant=7\tnote=a=b  \r\n  m " B " - -"), &errs), 0);
	same_errors("keys", &errs, "");
	cr_assert_eq(s.n, 2u);
	i = apikeys_find(&s, digest);
	cr_assert_geq(i, 0);
	k = s.v[i];
	cr_expect_str_eq(k->id, "m");
	cr_expect_null(k->user);
	cr_expect_eq(k->n_roles, 0u);
	k = s.v[1 - i];
	cr_expect_str_eq(k->user, "alice");
	cr_expect_eq(k->n_roles, 2u);
	cr_expect_str_eq(k->roles[1], "ci");
	cr_expect_eq(k->n_claims, 2u);
	cr_expect_str_eq(k->claims[1].name, "note");
	cr_expect_str_eq(k->claims[1].value, "a=b");
	cr_expect_eq(k->line, 4u);
	digest[31] ^= 1;
	cr_expect_eq(apikeys_find(&s, digest), -1);
	apikeys_done(&s);
}

Test(apikeys, what_is_wrong_is_said_with_its_line)
{
	static const struct {
		const char *text, *want;
	} v[] = {
	    {"x", "f:1: expected ID SHA-256 USER ROLES [NAME=VALUE ...]\n"},
	    {"\na " A " u", "f:2: expected ID SHA-256 USER ROLES [NAME=VALUE ...]\n"},
	    {"a secret-key-itself u r", "f:1: key a: bad digest; expected 64 hexadecimal digits, the SHA-256 of the key\n"},
	    {"a g" A " u r", "f:1: key a: bad digest; expected 64 hexadecimal digits, the SHA-256 of the key\n"},
	    {"a,b " A " u r", "f:1: bad id 'a,b'; expected printable ASCII without quotes, commas, | and =\n"},
	    {"a " A " u r,,s", "f:1: bad roles 'r,,s'; expected A,B of at most 32, or -\n"},
	    {"a " A " u r x", "f:1: bad claim 'x'; expected NAME=VALUE\n"},
	    {"a " A " u r x=1 x=2", "f:1: claim x is given twice\n"},
	    {"a " A " u r sub=root", "f:1: claim sub is made of the other columns\n"},
	    {"a " A " u r\na " B " u r", "f:2: key a is given twice, first on line 1\n"},
	    {"a " A " u r\nb " A " v r", "f:2: key b has the digest of key a\n"},
	    {"a " A " \xff r", "f:1: the line is not valid UTF-8, or holds a NUL\n"},
	};

	for (size_t i = 0; i < ARRAY_LEN(v); i++) {
		struct errs errs;
		struct apikeys s;

		errs_init(&errs);
		apikeys_init(&s);
		cr_expect_gt(apikeys_parse(&s, "f", slice_str(v[i].text), &errs), 0, "%s", v[i].text);
		same_errors(v[i].text, &errs, v[i].want);
		apikeys_done(&s);
	}
}
