/* Each vector's signature is good; with a bit changed in data, signature or key it is not. */
#include "config.h"

#include <criterion/criterion.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/b64.h"
#include "lib/crypto/sign.h"

#define BODY                                                                                       \
	".eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ"

static struct slice bytes(const char *text)
{
	static char pool[8192];
	static size_t used;
	char *out = pool + used;
	size_t n;

	used += B64_ROOM(strlen(text));
	cr_assert_leq(used, sizeof(pool));
	cr_assert_eq(b64url_decode(slice_str(text), out, &n), 0, "%s", text);
	return slice_of(out, n);
}

static void check_vector(struct sign_key *k, const char *data, const char *sig)
{
	struct slice s = bytes(sig), d = slice_str(data);
	char *sp = (char *)(uintptr_t)s.p, *dp = strdup(data);

	cr_assert(k);
	cr_expect_eq(sign_is_good(k, d, s), 1);
	for (size_t i = 0; i < s.n; i += 7) {
		sp[i] ^= 1;
		cr_expect_eq(sign_is_good(k, d, s), 0, "byte %zu of the signature", i);
		sp[i] ^= 1;
	}
	for (size_t i = 0; i < d.n; i += 11) {
		dp[i] ^= 1;
		cr_expect_eq(sign_is_good(k, slice_of(dp, d.n), s), 0, "byte %zu of the data", i);
		dp[i] ^= 1;
	}
	for (size_t n = 0; n < s.n; n++)
		cr_expect_eq(sign_is_good(k, d, slice_of(s.p, n)), 0, "%zu bytes", n);
	cr_expect_eq(sign_is_good(k, slice_of(d.p, d.n - 1), s), 0);
	cr_expect_eq(sign_is_good(k, d, s), 1);
	free(dp);
	sign_key_free(&k);
	cr_expect_null(k);
}

/* RFC 7515, appendix A.1. */
Test(sign, hs256_of_rfc_7515)
{
	struct slice k = bytes("AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow");

	check_vector(sign_key_hmac(256, k), "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9" BODY,
		     "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk");
}

#define RSA_N                                                                                      \
	"ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-" \
	"pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2Ca" \
	"pHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb5" \
	"4h4FRWyuXpoQ"
#define RSA_SIG                                                                                    \
	"cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUA" \
	"r7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO-" \
	"-xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_" \
	"IoypGlUPQGe77Rw"

/* A.2. */
Test(sign, rs256_of_rfc_7515)
{
	check_vector(sign_key_rsa(SIGN_RSA_PKCS1, 256, bytes(RSA_N), bytes("AQAB")), "eyJhbGciOiJSUzI1NiJ9" BODY, RSA_SIG);
}

Test(sign, a_key_verifies_its_own_scheme_only)
{
	struct slice n = bytes(RSA_N), e = bytes("AQAB"), sig = bytes(RSA_SIG),
		     data = slice_str("eyJhbGciOiJSUzI1NiJ9" BODY);
	struct sign_key *pss = sign_key_rsa(SIGN_RSA_PSS, 256, n, e), *sha512 = sign_key_rsa(SIGN_RSA_PKCS1, 512, n, e),
			*hmac = sign_key_hmac(256, n);

	cr_expect_eq(sign_is_good(pss, data, sig), 0);
	cr_expect_eq(sign_is_good(sha512, data, sig), 0);
	cr_expect_eq(sign_is_good(hmac, data, sig), 0);
	sign_key_free(&pss);
	sign_key_free(&sha512);
	sign_key_free(&hmac);
}

#define EC_X "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU"
#define EC_Y "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"

/* A.3. */
Test(sign, es256_of_rfc_7515)
{
	check_vector(sign_key_ec(SIGN_ECDSA_P256, bytes(EC_X), bytes(EC_Y)), "eyJhbGciOiJFUzI1NiJ9" BODY,
		     "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q");
}

/* CVE-2022-21449 and kin: r and s that are 0, or as large as may be. */
Test(sign, ecdsa_refuses_degenerate_signatures)
{
	struct sign_key *k = sign_key_ec(SIGN_ECDSA_P256, bytes(EC_X), bytes(EC_Y));
	char sig[64] = {0};

	cr_expect_eq(sign_is_good(k, SLICE("x"), slice_of(sig, 64)), 0);
	memset(sig, 0xff, sizeof(sig));
	cr_expect_eq(sign_is_good(k, SLICE("x"), slice_of(sig, 64)), 0);
	sign_key_free(&k);
}

/* RFC 8037, appendix A.4. */
Test(sign, ed25519_of_rfc_8037)
{
	check_vector(sign_key_ed25519(bytes("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo")),
		     "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc",
		     "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg");
}

Test(sign, keys_that_are_none_are_refused)
{
	char zero[48] = {0};
	struct slice even = bytes(RSA_N);

	/* not on the curve; the point at infinity */
	cr_expect_null(sign_key_ec(SIGN_ECDSA_P256, bytes(EC_X), bytes(EC_X)));
	cr_expect_null(sign_key_ec(SIGN_ECDSA_P256, slice_of(zero, 32), slice_of(zero, 32)));
	cr_expect_null(sign_key_ec(SIGN_ECDSA_P384, slice_of(zero, 48), slice_of(zero, 48)));
	cr_expect_null(sign_key_ed25519(slice_of(zero, 31)));
	((char *)(uintptr_t)even.p)[even.n - 1] &= (char)~1;
	cr_expect_null(sign_key_rsa(SIGN_RSA_PKCS1, 256, even, bytes("AQAB")));
	cr_expect_null(sign_key_rsa(SIGN_RSA_PKCS1, 256, bytes(RSA_N), bytes("AQ")));
}

static struct slice of_hex(const char *text, char out[32])
{
	for (unsigned i = 0; i < 32; i++) {
		unsigned v;

		cr_assert_eq(sscanf(text + 2 * i, "%2x", &v), 1);
		out[i] = (char)v;
	}
	return slice_of(out, 32);
}

/* 7.29: with a point of small order, one signature is good for every message. */
Test(sign, ed25519_keys_that_anybody_can_sign_for_are_refused)
{
	static const struct {
		const char *key, *why;
	} bad[] = {
		{"0000000000000000000000000000000000000000000000000000000000000000", "small order"},
		{"0000000000000000000000000000000000000000000000000000000000000080", "small order"},
		{"0100000000000000000000000000000000000000000000000000000000000000", "small order"},
		{"0100000000000000000000000000000000000000000000000000000000000080", "small order"},
		{"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f", "small order"},
		{"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff", "small order"},
		{"26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05", "small order"},
		{"26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85", "small order"},
		{"c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a", "small order"},
		{"c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa", "small order"},
		{"edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f", "not canonical"},
		{"edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff", "not canonical"},
		{"eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f", "not canonical"},
		{"eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff", "not canonical"},
		{"f0ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f", "not canonical"},
		{"f0ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff", "not canonical"},
		{"ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f", "not canonical"},
		{"ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff", "not canonical"},
		{"0200000000000000000000000000000000000000000000000000000000000000", "off the curve"},
		{"0700000000000000000000000000000000000000000000000000000000000000", "off the curve"},
		{"0800000000000000000000000000000000000000000000000000000000000000", "off the curve"},
		{"0b00000000000000000000000000000000000000000000000000000000000000", "off the curve"},
	};
	static const char *const good[] = {
		"0300000000000000000000000000000000000000000000000000000000000000",
		"0400000000000000000000000000000000000000000000000000000000000000",
		"0500000000000000000000000000000000000000000000000000000000000000",
		"0300000000000000000000000000000000000000000000000000000000000080",
		"eaffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
	};
	char x[32];

	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		cr_expect_null(sign_key_ed25519(of_hex(bad[i].key, x)), "%s: %s", bad[i].key, bad[i].why);
	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		struct sign_key *k = sign_key_ed25519(of_hex(good[i], x));

		cr_expect(k, "%s", good[i]);
		sign_key_free(&k);
	}
}
