#include "config.h"

#include "lib/crypto/sign.h"

#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/rsa.h>
#include <stdlib.h>

#include "lib/base/check.h"
#include "lib/crypto/digest.h"
#include "lib/crypto/sign_priv.h"

#define MAX_DER 128 /* of a P-384 signature: 104 */
#define MAX_SIG 1024

struct sign_key {
	enum sign_scheme scheme;
	unsigned bits;
	EVP_PKEY *pkey;
	struct slice secret; /* ours */
};

static struct sign_key *key_new(enum sign_scheme scheme, unsigned bits, EVP_PKEY *pkey)
{
	struct sign_key *k = pkey ? calloc(1, sizeof(*k)) : NULL;

	ERR_clear_error();
	if (!pkey)
		return NULL;
	check(k);
	k->scheme = scheme;
	k->bits = bits;
	k->pkey = pkey;
	return k;
}

static EVP_PKEY *from_params(const char *type, OSSL_PARAM *params)
{
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, type, NULL), *test;
	EVP_PKEY *pkey = NULL;
	int ok = params && ctx && EVP_PKEY_fromdata_init(ctx) == 1 &&
		 EVP_PKEY_fromdata(ctx, &pkey, EVP_PKEY_PUBLIC_KEY, params) == 1;

	EVP_PKEY_CTX_free(ctx);
	if (!ok)
		return NULL;
	test = EVP_PKEY_CTX_new_from_pkey(NULL, pkey, NULL);
	ok = test && EVP_PKEY_public_check(test) == 1;
	EVP_PKEY_CTX_free(test);
	if (ok)
		return pkey;
	EVP_PKEY_free(pkey);
	return NULL;
}

static BIGNUM *number(struct slice s)
{
	return BN_bin2bn((const unsigned char *)s.p, (int)s.n, NULL);
}

struct sign_key *sign_key_rsa(enum sign_scheme scheme, unsigned bits, struct slice n, struct slice e)
{
	OSSL_PARAM_BLD *bld = OSSL_PARAM_BLD_new();
	BIGNUM *bn = number(n), *be = number(e);
	OSSL_PARAM *params = NULL;
	EVP_PKEY *pkey;

	if (bld && bn && be && OSSL_PARAM_BLD_push_BN(bld, OSSL_PKEY_PARAM_RSA_N, bn) &&
	    OSSL_PARAM_BLD_push_BN(bld, OSSL_PKEY_PARAM_RSA_E, be))
		params = OSSL_PARAM_BLD_to_param(bld);
	pkey = from_params("RSA", params);
	OSSL_PARAM_free(params);
	OSSL_PARAM_BLD_free(bld);
	BN_free(bn);
	BN_free(be);
	return key_new(scheme, bits, pkey);
}

struct sign_key *sign_key_ec(enum sign_scheme scheme, struct slice x, struct slice y)
{
	size_t n = scheme == SIGN_ECDSA_P384 ? 48 : 32;
	OSSL_PARAM_BLD *bld = OSSL_PARAM_BLD_new();
	OSSL_PARAM *params = NULL;
	unsigned char point[1 + 2 * 48] = {4};	/* uncompressed */
	EVP_PKEY *pkey;

	check(x.n == n && y.n == n);
	memcpy(point + 1, x.p, n);
	memcpy(point + 1 + n, y.p, n);
	if (bld &&
	    OSSL_PARAM_BLD_push_utf8_string(bld, OSSL_PKEY_PARAM_GROUP_NAME, n == 48 ? "P-384" : "P-256", 0) &&
	    OSSL_PARAM_BLD_push_octet_string(bld, OSSL_PKEY_PARAM_PUB_KEY, point, 1 + 2 * n))
		params = OSSL_PARAM_BLD_to_param(bld);
	pkey = from_params("EC", params);
	OSSL_PARAM_free(params);
	OSSL_PARAM_BLD_free(bld);
	return key_new(scheme, n == 48 ? 384 : 256, pkey);
}

struct sign_key *sign_key_ed25519(struct slice x)
{
	if (!ed25519_is_key(x))
		return NULL;
	return key_new(SIGN_ED25519, 0,
		       EVP_PKEY_new_raw_public_key_ex(NULL, "ED25519", NULL, (const unsigned char *)x.p, x.n));
}

struct sign_key *sign_key_hmac(unsigned bits, struct slice secret)
{
	struct sign_key *k = calloc(1, sizeof(*k));
	char *copy = malloc(secret.n + 1);

	check(k && copy && secret.n);
	memcpy(copy, secret.p, secret.n);
	k->scheme = SIGN_HMAC;
	k->bits = bits;
	k->secret = slice_of(copy, secret.n);
	return k;
}

void sign_key_free(struct sign_key **pk)
{
	struct sign_key *k = *pk;

	if (!k)
		return;
	*pk = NULL;
	EVP_PKEY_free(k->pkey);
	if (k->secret.p) {
		char *p = (char *)(uintptr_t)k->secret.p;

		explicit_bzero(p, k->secret.n);
		free(p);
	}
	free(k);
}

/* r and s, each half of sig, as the DER that libcrypto wants. The length, 0 when it is not one. */
static size_t ecdsa_der(const struct sign_key *k, struct slice sig, unsigned char out[MAX_DER])
{
	size_t half = k->bits / 8;
	ECDSA_SIG *pair;
	BIGNUM *r, *s;
	unsigned char *p = out;
	int n = 0;

	if (sig.n != 2 * half)
		return 0;
	pair = ECDSA_SIG_new();
	r = number(slice_of(sig.p, half));
	s = number(slice_of(sig.p + half, half));
	check(pair && r && s && ECDSA_SIG_set0(pair, r, s) == 1);
	if (i2d_ECDSA_SIG(pair, NULL) <= MAX_DER)
		n = i2d_ECDSA_SIG(pair, &p);
	ECDSA_SIG_free(pair);
	return n > 0 ? (size_t)n : 0;
}

static int verify(const struct sign_key *k, struct slice data, const unsigned char *sig, size_t n)
{
	static const char *const names[] = {"SHA256", "SHA384", "SHA512"};
	const char *md = k->scheme == SIGN_ED25519 ? NULL : names[k->bits / 128 - 2];
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	EVP_PKEY_CTX *pctx;
	int ok;

	check(ctx);
	ok = EVP_DigestVerifyInit_ex(ctx, &pctx, md, NULL, NULL, k->pkey, NULL) == 1;
	if (ok && k->scheme == SIGN_RSA_PSS)
		ok = EVP_PKEY_CTX_set_rsa_padding(pctx, RSA_PKCS1_PSS_PADDING) == 1 &&
		     EVP_PKEY_CTX_set_rsa_pss_saltlen(pctx, RSA_PSS_SALTLEN_DIGEST) == 1;
	ok = ok && EVP_DigestVerify(ctx, sig, n, (const unsigned char *)data.p, data.n) == 1;
	EVP_MD_CTX_free(ctx);
	ERR_clear_error();
	return ok;
}

int sign_is_good(struct sign_key *k, struct slice data, struct slice sig)
{
	unsigned char out[MAX_DER > DIGEST_MAX ? MAX_DER : DIGEST_MAX];
	size_t n;

	if (sig.n > MAX_SIG)
		return 0;
	switch (k->scheme) {
	case SIGN_HMAC:
		n = digest_hmac(k->bits, k->secret, data, out);
		return digest_eq(slice_of((const char *)out, n), sig);
	case SIGN_ECDSA_P256:
	case SIGN_ECDSA_P384:
		n = ecdsa_der(k, sig, out);
		return n && verify(k, data, out, n);
	case SIGN_RSA_PKCS1:
	case SIGN_RSA_PSS:
	case SIGN_ED25519:
		break;
	}
	return verify(k, data, (const unsigned char *)sig.p, sig.n);
}
