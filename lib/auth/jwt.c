#include "config.h"

#include "lib/auth/jwt.h"

#include <math.h>
#include <stdlib.h>

#include "lib/auth/auth.h"
#include "lib/base/b64.h"
#include "lib/conf/auth_files.h"
#include "lib/conf/options.h"
#include "lib/crypto/sign.h"

#define MAX_HEADER_MEMBERS 32
#define MAX_KID 256u
#define MAX_TIME 253402300800.0 /* the year 10000 */

/* The parts of a token and what its header says. */
struct parts {
	struct slice signed_text, header, payload, signature;	/* the last three decoded */
	struct slice kid;					/* p == NULL: none */
	enum jwk_alg alg;
};

/* Decoded into the arena; p == NULL when it is not base64url. */
static struct slice decode(struct slice in, struct arena *a)
{
	char *out = arena_alloc(a, B64_ROOM(in.n) + 1);
	size_t n;

	if (b64url_decode(in, out, &n))
		return (struct slice){NULL, 0};
	out[n] = 0;
	return slice_of(out, n);
}

static const char *split(struct slice token, struct parts *p, struct arena *a)
{
	struct slice rest = token, header = slice_cut(&rest, '.'), payload, signature;

	if (!rest.p)
		return "it is not a signed token";
	payload = slice_cut(&rest, '.');
	signature = rest;
	if (!signature.p || memchr(signature.p, '.', signature.n) || !header.n || !payload.n)
		return "it is not a signed token";
	p->signed_text = slice_of(token.p, header.n + 1 + payload.n);
	p->header = decode(header, a);
	p->payload = decode(payload, a);
	p->signature = decode(signature, a);
	return p->header.p && p->payload.p && p->signature.p ? NULL : "it is not base64url";
}

/* "JWT" and "at+jwt" (RFC 9068), with or without "application/". */
static int is_access_token(struct slice typ)
{
	if (typ.n > 12 && slice_ieq(slice_of(typ.p, 12), SLICE("application/")))
		typ = slice_of(typ.p + 12, typ.n - 12);
	return slice_ieq(typ, SLICE("JWT")) || slice_ieq(typ, SLICE("at+jwt"));
}

static const char *read_header(struct parts *p, struct arena *a)
{
	struct jr_member *m;
	struct err e;
	unsigned n;

	p->alg = JWK_ALG_COUNT;
	if (jr_object(p->header, a, MAX_HEADER_MEMBERS, &m, &n, &e))
		return "its header is not JSON";
	for (unsigned i = 0; i < n; i++) {
		int is_text = m[i].type == JR_STRING;

		if (slice_eq(m[i].name, SLICE("alg"))) {
			p->alg = is_text ? jwk_alg_parse(m[i].text) : JWK_ALG_COUNT;
		} else if (slice_eq(m[i].name, SLICE("kid"))) {
			if (!is_text || m[i].text.n > MAX_KID)
				return "its kid is not a short text";
			p->kid = m[i].text;
		} else if (slice_eq(m[i].name, SLICE("crit"))) {
			return "its header demands extensions (crit)";
		} else if (slice_eq(m[i].name, SLICE("typ"))) {
			if (!is_text || !is_access_token(m[i].text))
				return "its typ is not that of an access token";
		}
	}
	return p->alg == JWK_ALG_COUNT ? "its algorithm is not accepted" : NULL;
}

/* A kid is an exact look-up. Keys without one are tried, a few, for tokens whose kid is unknown or missing. */
static int is_signed(const struct auth *auth, const struct parts *p)
{
	const struct jwks *set = &auth->files->jwks;
	unsigned tries = 0;

	for (unsigned i = 0; i < set->n && p->kid.p; i++) {
		const struct jwk *k = &set->v[i];

		if (k->alg == p->alg && k->kid && slice_eq(slice_str(k->kid), p->kid))
			return sign_is_good(auth->keys[i], p->signed_text, p->signature);
	}
	for (unsigned i = 0; i < set->n && tries < JWT_MAX_TRIES; i++) {
		const struct jwk *k = &set->v[i];

		if (k->alg != p->alg || (p->kid.p && k->kid))
			continue;
		tries++;
		if (sign_is_good(auth->keys[i], p->signed_text, p->signature))
			return 1;
	}
	return 0;
}

/* NumericDate. -1 absent, 0 good, 1 not a time. */
static int time_of(const struct identity *id, struct slice name, double *ret)
{
	const struct identity_entry *e = identity_entry(id, name);

	if (!e)
		return -1;
	if (e->type != JR_NUMBER)
		return 1;
	*ret = strtod(e->text.p, NULL);
	return *ret >= 0 && *ret < MAX_TIME ? 0 : 1;
}

static const char *check_times(const struct auth *auth, int64_t now_s, struct identity *id)
{
	double leeway = (double)auth->o->leeway / 1000, now = (double)now_s, exp, nbf, iat;
	int has_exp = time_of(id, SLICE("exp"), &exp), has_nbf = time_of(id, SLICE("nbf"), &nbf),
	    has_iat = time_of(id, SLICE("iat"), &iat);

	id->not_before = INT64_MIN;
	id->expires = INT64_MAX;
	if (has_exp > 0 || has_nbf > 0 || has_iat > 0)
		return "its exp, nbf or iat is not a time";
	if (has_exp < 0 && auth->o->require_exp)
		return "it has no exp";
	if (has_exp == 0) {
		if (now >= exp + leeway)
			return "it has expired";
		id->expires = (int64_t)floor(exp + leeway);
	}
	if (has_nbf == 0) {
		if (now < nbf - leeway)
			return "it is not valid yet";
		id->not_before = (int64_t)ceil(nbf - leeway);
	}
	if (has_iat == 0 && now < iat - leeway)
		return "it was issued in the future";
	return NULL;
}

static const char *check_parties(const struct auth *auth, const struct identity *id)
{
	const struct opts_auth *o = auth->o;
	const struct identity_entry *iss = identity_entry(id, SLICE("iss"));

	if (o->issuer[0] && (!iss || iss->type != JR_STRING || !slice_eq(iss->text, slice_str(o->issuer))))
		return "its issuer is not the one that is accepted";
	for (unsigned i = 0; i < o->audience.n; i++)
		if (identity_claim_is(id, "aud", o->audience.v[i]))
			return NULL;
	return o->audience.n ? "it is meant for another audience" : NULL;
}

const char *jwt_verify(const struct auth *auth, struct slice token, int64_t now_s, struct identity *ret,
		       struct arena *a)
{
	struct parts p = {.kid = {NULL, 0}};
	struct identity id = {.kind = IDENTITY_TOKEN};
	const char *wrong;

	if (token.n > JWT_MAX)
		return "it is too long";
	wrong = split(token, &p, a);
	if (!wrong)
		wrong = read_header(&p, a);
	if (wrong)
		return wrong;
	if (!is_signed(auth, &p))
		return "its signature is not that of an accepted key";
	wrong = identity_read(&id, p.payload, auth->o->user_claim, auth->o->roles_claim, a);
	if (!wrong)
		wrong = check_times(auth, now_s, &id);
	if (!wrong)
		wrong = check_parties(auth, &id);
	if (!wrong)
		*ret = id;
	return wrong;
}
