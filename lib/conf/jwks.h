/* jwks: the keys that may sign tokens: a JWK Set (RFC 7517, 7518, 8037) and the shared secret of a
 * file. Form and sizes are judged here, without cryptography, so that weird can do it; whether a
 * point lies on its curve is for lib/crypto. Each key has one algorithm: its `alg`, else the one its
 * type has. Keys that cannot verify a JWS (use "enc", other types and algorithms) are passed over,
 * as RFC 7517 section 5 says; what is malformed or too weak is an error.
 * Owner: jwks_done frees. Read-only once parsed. Layer: lib/conf. */
#ifndef WEIR_CONF_JWKS_H
#define WEIR_CONF_JWKS_H

#include "lib/base/arena.h"
#include "lib/conf/errs.h"

#define JWKS_MAX_KEYS 64
#define JWKS_MAX_FILE (256u * 1024)
#define JWKS_MAX_SECRET 4096u
#define JWKS_MIN_SECRET 32u /* bytes; RFC 7518 section 3.2 */

/* The first six in the order of the option rsa_alg. */
enum jwk_alg {
	JWK_RS256, JWK_RS384, JWK_RS512, JWK_PS256, JWK_PS384, JWK_PS512,
	JWK_ES256, JWK_ES384, JWK_EDDSA, JWK_HS256, JWK_HS384, JWK_HS512,
	JWK_ALG_COUNT
};

struct jwk {
	const char *kid; /* NULL: none */
	enum jwk_alg alg;
	struct slice n, e; /* RSA, big-endian */
	struct slice x, y; /* EC; OKP has x alone */
	struct slice k;	   /* HMAC */
	const char *file;
	unsigned line;
};

struct jwks {
	unsigned n, n_passed_over;
	struct jwk *v;
	struct arena arena;
	struct arena_pool pool;
};

void jwks_init(struct jwks *s);
void jwks_done(struct jwks *s);
/* Add the keys of a JWK Set. The number of errors added to errs. */
int jwks_parse(struct jwks *s, const char *file, struct slice text, enum jwk_alg rsa_alg, struct errs *errs);
/* Add an HS256 secret. Likewise. */
int jwks_add_secret(struct jwks *s, const char *file, struct slice text, struct errs *errs);

const char *jwk_alg_name(enum jwk_alg alg);
/* JWK_ALG_COUNT when it is none of ours ("none" is none of ours). */
enum jwk_alg jwk_alg_parse(struct slice s);

#endif
