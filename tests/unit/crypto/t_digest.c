#include "config.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "lib/crypto/digest.h"

static void same_hex(const unsigned char *p, size_t n, const char *want)
{
	char got[2 * DIGEST_MAX + 1];

	for (size_t i = 0; i < n; i++)
		snprintf(got + 2 * i, 3, "%02x", p[i]);
	cr_expect_str_eq(got, want);
}

/* FIPS 180-4, as NIST publishes the examples. */
Test(digest, sha256_of_the_examples)
{
	unsigned char out[DIGEST_SHA256];

	for (int i = 0; i < 2; i++) { /* the context is used again */
		digest_sha256(SLICE("abc"), out);
		same_hex(out, 32, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
		digest_sha256(SLICE(""), out);
		same_hex(out, 32, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
		digest_sha256(SLICE("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"), out);
		same_hex(out, 32, "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
	}
}

/* RFC 4231, test case 2. */
Test(digest, hmac_of_rfc_4231)
{
	struct slice key = SLICE("Jefe"), data = SLICE("what do ya want for nothing?");
	unsigned char out[DIGEST_MAX];

	cr_expect_eq(digest_hmac(256, key, data, out), 32u);
	same_hex(out, 32, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
	cr_expect_eq(digest_hmac(384, key, data, out), 48u);
	same_hex(out, 48, "af45d2e376484031617f78d2b58a6b1b9c7ef464f5a01b47e42ec3736322445e8e2240ca5e69e2c78b3239ecfab21649");
	cr_expect_eq(digest_hmac(512, key, data, out), 64u);
	same_hex(out, 64, "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea2505549758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737");
}

Test(digest, equality_looks_at_every_byte)
{
	cr_expect(digest_eq(SLICE("abc"), SLICE("abc")));
	cr_expect(digest_eq(SLICE(""), SLICE("")));
	cr_expect(!digest_eq(SLICE("abc"), SLICE("abd")));
	cr_expect(!digest_eq(SLICE("abc"), SLICE("xbc")));
	cr_expect(!digest_eq(SLICE("abc"), SLICE("ab")));
}
