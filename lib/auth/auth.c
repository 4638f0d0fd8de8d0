#include "config.h"

#include "lib/auth/auth.h"

#include <stdlib.h>
#include <sys/random.h>

#include "lib/auth/jwt.h"
#include "lib/base/check.h"
#include "lib/base/clock.h"
#include "lib/base/utf8.h"
#include "lib/conf/auth_files.h"
#include "lib/conf/endpoint.h"
#include "lib/conf/options.h"
#include "lib/crypto/digest.h"
#include "lib/crypto/sign.h"
#include "lib/json/jw.h"

#define MAX_KEY 512u

static struct sign_key *make_key(const struct jwk *k)
{
	unsigned bits = 256 + 128 * ((unsigned)k->alg % 3);

	if (k->alg >= JWK_HS256)
		return sign_key_hmac(256 + 128 * ((unsigned)k->alg - JWK_HS256), k->k);
	if (k->alg == JWK_EDDSA)
		return sign_key_ed25519(k->x);
	if (k->alg >= JWK_ES256)
		return sign_key_ec(k->alg == JWK_ES384 ? SIGN_ECDSA_P384 : SIGN_ECDSA_P256, k->x, k->y);
	return sign_key_rsa(k->alg >= JWK_PS256 ? SIGN_RSA_PSS : SIGN_RSA_PKCS1, bits, k->n, k->e);
}

static int make_keys(struct auth *a, struct errs *errs)
{
	const struct jwks *set = &a->files->jwks;
	int n = 0;

	a->keys = arena_zalloc(&a->arena, (set->n + 1) * sizeof(*a->keys));
	for (unsigned i = 0; i < set->n; i++) {
		const struct jwk *k = &set->v[i];

		a->keys[i] = make_key(k);
		if (a->keys[i])
			continue;
		n++;
		(void)errs_add(errs, E_config, k->file, k->line, 0, "the key%s%s is not a valid one for %s",
			       k->kid ? " " : "", k->kid ? k->kid : "", jwk_alg_name(k->alg));
	}
	return n;
}

/* Whom a key stands for, made once. */
static struct identity *identity_of_key(struct auth *a, const struct apikey *k)
{
	struct identity *id = arena_zalloc(&a->arena, sizeof(*id));
	struct buf b;
	struct jw w;

	buf_init(&b, 0);
	jw_init(&w, &b);
	jw_object(&w);
	jw_key(&w, "key_id");
	jw_str(&w, k->id);
	if (k->user) {
		jw_key(&w, "sub");
		jw_str(&w, k->user);
	}
	if (k->n_roles) {
		jw_key(&w, "roles");
		jw_array(&w);
		for (unsigned i = 0; i < k->n_roles; i++)
			jw_str(&w, k->roles[i]);
		jw_array_end(&w);
	}
	for (unsigned i = 0; i < k->n_claims; i++) {
		jw_key(&w, k->claims[i].name);
		jw_str(&w, k->claims[i].value);
	}
	jw_object_end(&w);
	check(identity_read(id, slice_of(arena_strn(&a->arena, b.p, b.n), b.n), "sub", "roles", &a->arena) == NULL);
	buf_done(&b);
	id->kind = IDENTITY_KEY;
	id->not_before = INT64_MIN;
	id->expires = INT64_MAX;
	return id;
}

static void name_header(struct auth *a, const char *header)
{
	size_t n = strlen(header);
	char *name = arena_alloc(&a->arena, n + 6);

	memcpy(name, "HTTP_", 5);
	for (size_t i = 0; i < n; i++)
		name[5 + i] = header[i] == '-' ? '_'
			      : header[i] >= 'a' && header[i] <= 'z' ? (char)(header[i] - 'a' + 'A')
								     : header[i];
	name[5 + n] = 0;
	a->names[AUTH_N_KEY] = slice_str(name);
}

static void set_lengths(struct auth *a)
{
	a->lengths = 0;
	for (unsigned i = 0; i < AUTH_N_COUNT; i++)
		if (a->names[i].n)
			a->lengths |= 1ull << (a->names[i].n & 63);
}

static void set_names(struct auth *a)
{
	a->names[AUTH_N_USER] = slice_str(a->o->user_param);
	if (!a->o->user_param[0])
		a->names[AUTH_N_UNREAD] = SLICE("REMOTE_USER");
	a->names[AUTH_N_ROLES] = slice_str(a->o->roles_param);
	a->names[AUTH_N_CERT] = slice_str(a->o->cert_param);
	if (a->o->cert_param[0])
		a->names[AUTH_N_VERIFY] = slice_str(a->o->cert_verify_param);
	if (a->files->keys.n || a->files->jwks.n)
		a->names[AUTH_N_AUTHORIZATION] = SLICE("HTTP_AUTHORIZATION");
	if (a->files->keys.n)
		name_header(a, a->o->api_key_header);
	set_lengths(a);
}

void auth_forget_unread(struct auth *a)
{
	a->names[AUTH_N_UNREAD] = (struct slice){NULL, 0};
	set_lengths(a);
}

struct auth *auth_new(const struct opts_auth *o, const struct auth_files *files, struct errs *errs)
{
	struct auth *a = calloc(1, sizeof(*a));
	uint64_t seed;

	check(a);
	a->o = o;
	a->files = files;
	arena_pool_init(&a->pool, 0);
	arena_init(&a->arena, &a->pool);
	if (getrandom(&seed, sizeof(seed), 0) != (ssize_t)sizeof(seed))
		seed = clock_mono_ns() ^ (uintptr_t)a;
	token_cache_init(&a->cache, files->jwks.n ? o->token_cache : 0, seed);
	set_names(a);
	if (make_keys(a, errs)) {
		auth_free(&a);
		return NULL;
	}
	a->key_ids = arena_zalloc(&a->arena, (files->keys.n + 1) * sizeof(*a->key_ids));
	return a;
}

void auth_free(struct auth **pa)
{
	struct auth *a = *pa;

	if (!a)
		return;
	*pa = NULL;
	for (unsigned i = 0; i < a->files->jwks.n; i++)
		sign_key_free(&a->keys[i]);
	token_cache_done(&a->cache);
	arena_done(&a->arena);
	arena_pool_done(&a->pool);
	free(a);
}

static void on_arena_end(void *arg)
{
	identity_unref(arg);
}

/* The credentials behind "Bearer "; p == NULL: another scheme. */
static struct slice bearer(struct slice value)
{
	if (value.n < 7 || !slice_ieq(slice_of(value.p, 7), SLICE("Bearer ")))
		return (struct slice){NULL, 0};
	return slice_trim(slice_of(value.p + 7, value.n - 7));
}

static enum auth_outcome by_token(struct auth *a, struct slice token, int64_t now_s, struct arena *arena,
				  const struct identity **ret, const char **ret_why)
{
	struct identity *id = token_cache_find(&a->cache, token, now_s), found;

	if (id) {
		a->n_cached++;
		identity_ref(id);
	} else {
		*ret_why = jwt_verify(a, token, now_s, &found, arena);
		if (*ret_why) {
			a->n_refused++;
			return AUTH_REFUSED;
		}
		a->n_verified++;
		id = identity_pack(&found);
		token_cache_add(&a->cache, token, id);
	}
	arena_defer(arena, on_arena_end, id);
	*ret = id;
	return AUTH_IDENTIFIED;
}

static enum auth_outcome by_key(struct auth *a, struct slice key, const struct identity **ret, const char **ret_why)
{
	unsigned char digest[DIGEST_SHA256];
	int i;

	*ret_why = "it is not an accepted API key";
	digest_sha256(key.n <= MAX_KEY ? key : SLICE(""), digest);
	i = key.n && key.n <= MAX_KEY ? apikeys_find(&a->files->keys, digest) : -1;
	if (i < 0 || !digest_eq(slice_of((const char *)a->files->keys.v[i]->digest, sizeof(digest)),
				slice_of((const char *)digest, sizeof(digest)))) {
		a->n_refused++;
		return AUTH_REFUSED;
	}
	if (!a->key_ids[i])
		a->key_ids[i] = identity_of_key(a, a->files->keys.v[i]);
	a->n_verified++;
	*ret = a->key_ids[i];
	return AUTH_IDENTIFIED;
}

static enum auth_outcome by_server(enum identity_kind kind, struct slice user, struct slice roles, struct arena *arena,
				   const struct identity **ret, const char **ret_why)
{
	if (!utf8_is_valid(user) || (roles.n && !utf8_is_valid(roles))) {
		*ret_why = "the name that the web server asserts is not valid UTF-8";
		return AUTH_REFUSED;
	}
	*ret = identity_asserted(kind, user, roles, arena);
	return AUTH_IDENTIFIED;
}

enum auth_outcome auth_identify(struct auth *a, const struct auth_input *in, int64_t now_s, struct arena *arena,
				const struct identity **ret, const char **ret_why)
{
	struct slice token, roles = in->v[AUTH_N_ROLES], key = in->v[AUTH_N_KEY];

	if (in->v[AUTH_N_USER].n)
		return by_server(IDENTITY_ASSERTED, in->v[AUTH_N_USER], roles, arena, ret, ret_why);
	if (in->v[AUTH_N_CERT].n && slice_eq(in->v[AUTH_N_VERIFY], SLICE("SUCCESS")))
		return by_server(IDENTITY_CERT, in->v[AUTH_N_CERT], roles, arena, ret, ret_why);
	token = bearer(in->v[AUTH_N_AUTHORIZATION]);
	if (token.p && key.p)
		return AUTH_AMBIGUOUS;
	if (key.p)
		return by_key(a, key, ret, ret_why);
	if (!token.p)
		return AUTH_ANONYMOUS;
	if (!a->files->jwks.n || (a->files->keys.n && token.n && !memchr(token.p, '.', token.n)))
		return by_key(a, token, ret, ret_why);
	return by_token(a, token, now_s, arena, ret, ret_why);
}

static int holds(const struct auth_rule *rule, const struct identity *id)
{
	if (rule->kind == AUTH_RULE_USER)
		return id->user != NULL;
	for (unsigned i = 0; i < rule->n_values; i++)
		if (rule->kind == AUTH_RULE_ROLE ? identity_has_role(id, rule->values[i])
						 : identity_claim_is(id, rule->claim, rule->values[i]))
			return 1;
	return 0;
}

const char *auth_check(const struct endpoint *ep, const struct identity *id, int *ret_is_unknown, struct arena *arena)
{
	*ret_is_unknown = 0;
	if (ep->auth == AUTH_NONE)
		return NULL;
	if (!id) {
		*ret_is_unknown = 1;
		return "nobody is identified";
	}
	for (unsigned i = 0; i < ep->n_auth_rules; i++) {
		const struct auth_rule *rule = &ep->auth_rules[i];

		if (holds(rule, id))
			continue;
		if (rule->kind == AUTH_RULE_USER)
			return "This endpoint needs a user; the credential names none.";
		if (rule->kind == AUTH_RULE_ROLE)
			return "A role is missing.";
		return arena_fmt(arena, "The claim %s does not admit this.", rule->claim);
	}
	return NULL;
}
