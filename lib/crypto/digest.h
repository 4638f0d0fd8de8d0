/* digest: SHA-256, HMAC, comparison in constant time. With sign.h the only users of libcrypto.
 * Pure. Layer: lib/crypto. */
#ifndef WEIR_CRYPTO_DIGEST_H
#define WEIR_CRYPTO_DIGEST_H

#include "lib/base/slice.h"

#define DIGEST_SHA256 32
#define DIGEST_MAX 64

void digest_sha256(struct slice data, unsigned char out[DIGEST_SHA256]);
/* bits: 256, 384 or 512. The length of the code, which out has room for. */
size_t digest_hmac(unsigned bits, struct slice key, struct slice data, unsigned char out[DIGEST_MAX]);
/* 1 when equal; the time says nothing but the lengths. */
int digest_eq(struct slice a, struct slice b);
/* "OpenSSL 3.0.15 …": of the library that is loaded. */
const char *digest_library_version(void);

#endif
