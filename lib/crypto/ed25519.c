/* Which 32 bytes are a key of Ed25519 (RFC 8032 5.1.3). libcrypto takes any: with a point of small order one signature is
 * good for every message, and what is no point is good for none. */
#include "config.h"

#include "lib/crypto/sign_priv.h"

#include <openssl/bn.h>

#include "lib/base/check.h"

static const char prime[] = "7fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffed";
static const char curve_d[] = "52036cee2b6ffe738cc740797779e89800700a4d4141d8ab75eb4dca135978a3";
/* y of the points whose order divides 8, besides 0, 1 and -1 */
static const char order_8[] = "05fc536d880238b13933c6d305acdfd5f098eff289f4c345b027b2c28f95e826";

static int is_hex(const BIGNUM *y, const char *hex)
{
	BIGNUM *other = NULL;
	int is_same = BN_hex2bn(&other, hex) && BN_cmp(y, other) == 0;

	BN_free(other);
	return is_same;
}

/* x² = (y² - 1) / (d y² + 1) has a root when numerator × denominator is 0 or a square. */
static int is_on_curve(const BIGNUM *y, const BIGNUM *p, BN_CTX *ctx)
{
	BIGNUM *d = BN_CTX_get(ctx), *u = BN_CTX_get(ctx), *v = BN_CTX_get(ctx), *e = BN_CTX_get(ctx), *r = BN_CTX_get(ctx);

	check(r && BN_hex2bn(&d, curve_d));
	check(BN_mod_sqr(u, y, p, ctx) && BN_mod_mul(v, u, d, p, ctx) && BN_add_word(v, 1) && BN_sub(u, u, BN_value_one()) &&
	      BN_mod_mul(u, u, v, p, ctx));
	check(BN_rshift1(e, p) && BN_mod_exp(r, u, e, p, ctx));	/* Euler */
	return BN_is_zero(r) || BN_is_one(r);
}

int ed25519_is_key(struct slice x)
{
	unsigned char big[32];
	BN_CTX *ctx = BN_CTX_new();
	BIGNUM *y, *p = NULL, *minus;
	int ok;

	if (x.n != sizeof(big)) {
		BN_CTX_free(ctx);
		return 0;
	}
	for (size_t i = 0; i < sizeof(big); i++)
		big[i] = (unsigned char)x.p[sizeof(big) - 1 - i];
	big[0] &= 0x7f;		/* the sign of x */
	y = BN_bin2bn(big, sizeof(big), NULL);
	check(ctx && y && BN_hex2bn(&p, prime));
	BN_CTX_start(ctx);
	minus = BN_CTX_get(ctx);
	check(minus && BN_sub(minus, p, y));
	ok = BN_cmp(y, p) < 0 && !BN_is_zero(y) && !BN_is_one(y) && !BN_is_one(minus) && !is_hex(y, order_8) && !is_hex(minus, order_8) &&
	     is_on_curve(y, p, ctx);
	BN_CTX_end(ctx);
	BN_CTX_free(ctx);
	BN_free(y);
	BN_free(p);
	return ok;
}
