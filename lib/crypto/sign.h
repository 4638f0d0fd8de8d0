/* sign: keys that verify signatures. A key knows its scheme; who verifies cannot choose one.
 * Owner: sign_key_free. Not shared between threads. Layer: lib/crypto. */
#ifndef WEIR_CRYPTO_SIGN_H
#define WEIR_CRYPTO_SIGN_H

#include "lib/base/slice.h"

enum sign_scheme { SIGN_RSA_PKCS1, SIGN_RSA_PSS, SIGN_ECDSA_P256, SIGN_ECDSA_P384, SIGN_ED25519, SIGN_HMAC };

struct sign_key;

/* bits: of SHA-2 (256, 384, 512); Ed25519 has none. Numbers are big-endian. Each: NULL when the key is
 * not valid (a point that is not on its curve or has a small order, a modulus that libcrypto refuses). */
struct sign_key *sign_key_rsa(enum sign_scheme scheme, unsigned bits, struct slice n, struct slice e);
struct sign_key *sign_key_ec(enum sign_scheme scheme, struct slice x, struct slice y);
struct sign_key *sign_key_ed25519(struct slice x);
struct sign_key *sign_key_hmac(unsigned bits, struct slice secret);
void sign_key_free(struct sign_key **k);

/* Is sig the signature of data in the form of RFC 7518 (ECDSA: r and s, raw)? 1 yes, 0 no. */
int sign_is_good(struct sign_key *k, struct slice data, struct slice sig) MUST_USE;

#endif
