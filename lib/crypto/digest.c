#include "config.h"

#include "lib/crypto/digest.h"

#include <limits.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "lib/base/check.h"

/* libcrypto looks an algorithm up by name each time it is asked for; these are kept. */
static const EVP_MD *sha2(unsigned bits)
{
	static EVP_MD *kept[3];
	static const char *const names[] = {"SHA256", "SHA384", "SHA512"};
	unsigned i = bits == 256 ? 0 : bits == 384 ? 1 : 2;

	if (!kept[i])
		kept[i] = EVP_MD_fetch(NULL, names[i], NULL);
	check(kept[i]);
	return kept[i];
}

void digest_sha256(struct slice data, unsigned char out[DIGEST_SHA256])
{
	static EVP_MD_CTX *ctx;

	if (!ctx)
		ctx = EVP_MD_CTX_new();
	check(ctx && EVP_DigestInit_ex2(ctx, sha2(256), NULL) == 1 && EVP_DigestUpdate(ctx, data.p, data.n) == 1 &&
	      EVP_DigestFinal_ex(ctx, out, NULL) == 1);
}

size_t digest_hmac(unsigned bits, struct slice key, struct slice data, unsigned char out[DIGEST_MAX])
{
	unsigned n = 0;

	check(key.n <= INT_MAX);
	check(HMAC(sha2(bits), key.p, (int)key.n, (const unsigned char *)data.p, data.n, out, &n));
	return n;
}

int digest_eq(struct slice a, struct slice b)
{
	return a.n == b.n && (a.n == 0 || CRYPTO_memcmp(a.p, b.p, a.n) == 0);
}

const char *digest_library_version(void)
{
	return OpenSSL_version(OPENSSL_VERSION);
}
