/* jwt: verification of one token (RFC 7519, compact JWS of RFC 7515, advice of RFC 8725).
 * The algorithm is the key's; the token's own alg must name it. Never looked at: jwk, jku, x5u, x5c.
 * Refused: crit, a typ that is no access token's, more than one spelling of a member.
 * Owner: nothing is kept. Layer: lib/auth. */
#ifndef WEIR_AUTH_JWT_H
#define WEIR_AUTH_JWT_H

#include "lib/auth/identity.h"

struct auth;

#define JWT_MAX 8192u	 /* bytes of a token */
#define JWT_MAX_TRIES 4u /* keys that a token without kid is tried with */

/* Verify token at now_s (seconds since 1970). NULL and *ret filled (living in a), or what is wrong, fit
 * for error_description of RFC 6750 (ASCII without quotes and backslash). */
const char *jwt_verify(const struct auth *auth, struct slice token, int64_t now_s, struct identity *ret,
		       struct arena *a) MUST_USE;

#endif
