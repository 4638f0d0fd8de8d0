#include "config.h"

#include "lib/conf/jwks.h"

#include <stdio.h>

#include "lib/base/b64.h"
#include "lib/json/jr.h"

#define MAX_MEMBERS 64

static const char *const alg_names[JWK_ALG_COUNT] = {"RS256", "RS384", "RS512", "PS256", "PS384", "PS512",
						     "ES256", "ES384", "EdDSA", "HS256", "HS384", "HS512"};

/* A key under construction. */
struct reader {
	struct jwks *s;
	struct errs *errs;
	const char *file;
	struct slice text;	/* of the whole file */
	struct jr_member *m;
	unsigned n_members, number, line;
	char name[96];		/* "key 2 (kid \"a\")" for messages */
	int n_errors;
	enum jwk_alg rsa_alg;
};

const char *jwk_alg_name(enum jwk_alg alg)
{
	return alg_names[alg];
}

enum jwk_alg jwk_alg_parse(struct slice s)
{
	unsigned i = 0;

	while (i < JWK_ALG_COUNT && !slice_eq(s, slice_str(alg_names[i])))
		i++;
	return (enum jwk_alg)i;
}

void jwks_init(struct jwks *s)
{
	*s = (struct jwks){0};
	arena_pool_init(&s->pool, 0);
	arena_init(&s->arena, &s->pool);
}

void jwks_done(struct jwks *s)
{
	arena_done(&s->arena);
	arena_pool_done(&s->pool);
	s->n = 0;
}

#define complain(r, ...)                                                                           \
	((r)->n_errors++, (void)errs_add((r)->errs, E_config, (r)->file, (r)->line, 0, __VA_ARGS__))

static const struct jr_member *find(const struct reader *r, const char *name)
{
	for (unsigned i = 0; i < r->n_members; i++)
		if (slice_eq(r->m[i].name, slice_str(name)))
			return &r->m[i];
	return NULL;
}

/* Text of a string member; p == NULL when it is absent or no string. */
static struct slice text_of(const struct reader *r, const char *name)
{
	const struct jr_member *m = find(r, name);

	return m && m->type == JR_STRING ? m->text : (struct slice){NULL, 0};
}

static int is_text(const struct reader *r, const char *name, const char *value)
{
	return slice_eq(text_of(r, name), slice_str(value));
}

/* The bytes of a base64url member, min to max of them; 0 with an error. */
static int bytes(struct reader *r, const char *name, size_t min, size_t max, struct slice *ret)
{
	struct slice s = text_of(r, name);
	char *out;
	size_t n;

	if (!s.p) {
		complain(r, "%s: \"%s\" is missing; expected base64url text", r->name, name);
		return 0;
	}
	out = arena_alloc(&r->s->arena, B64_ROOM(s.n));
	if (b64url_decode(s, out, &n)) {
		complain(r, "%s: \"%s\" is not base64url (no padding, no blanks)", r->name, name);
		return 0;
	}
	if (n < min || n > max) {
		if (min == max)
			complain(r, "%s: \"%s\" has %zu bytes; expected %zu", r->name, name, n, min);
		else
			complain(r, "%s: \"%s\" has %zu bytes; expected %zu to %zu", r->name, name, n, min, max);
		return 0;
	}
	*ret = slice_of(out, n);
	return 1;
}

static unsigned bits_of(struct slice number)
{
	unsigned bits;

	while (number.n && number.p[0] == 0)
		number.p++, number.n--;
	bits = (unsigned)number.n * 8;
	for (unsigned char top = number.n ? (unsigned char)number.p[0] : 0x80; !(top & 0x80);
	     top = (unsigned char)(top << 1))
		bits--;
	return bits;
}

static void read_rsa(struct reader *r, struct jwk *k)
{
	unsigned bits;

	if (!bytes(r, "n", 1, 2048 + 1, &k->n) || !bytes(r, "e", 1, 8, &k->e))
		return;
	bits = bits_of(k->n);
	if (bits < 2048 || bits > 8192)
		complain(r, "%s: the modulus has %u bits; expected 2048 to 8192", r->name, bits);
	else if (bits_of(k->e) < 2 || !(k->e.p[k->e.n - 1] & 1))
		complain(r, "%s: bad exponent \"e\"; expected an odd number such as AQAB (65537)", r->name);
}

/* The algorithm that the key's type has when it names none. 0: no key of ours. */
static int natural_alg(const struct reader *r, enum jwk_alg *ret)
{
	if (is_text(r, "kty", "RSA"))
		*ret = r->rsa_alg;
	else if (is_text(r, "kty", "EC") && is_text(r, "crv", "P-256"))
		*ret = JWK_ES256;
	else if (is_text(r, "kty", "EC") && is_text(r, "crv", "P-384"))
		*ret = JWK_ES384;
	else if (is_text(r, "kty", "OKP") && is_text(r, "crv", "Ed25519"))
		*ret = JWK_EDDSA;
	else if (is_text(r, "kty", "oct"))
		*ret = JWK_HS256;
	else
		return 0;
	return 1;
}

/* What an algorithm needs: RSA 0, HMAC 1, else the algorithm itself. */
static unsigned family(enum jwk_alg alg)
{
	return alg <= JWK_PS512 ? 0 : alg >= JWK_HS256 ? 1 : 2 + (unsigned)alg;
}

/* A key that cannot verify a JWS is no mistake. */
static int is_for_others(const struct reader *r)
{
	const struct jr_member *ops = find(r, "key_ops");
	struct slice use = text_of(r, "use");

	if (use.p && !slice_eq(use, SLICE("sig")))
		return 1;
	return ops && ops->type == JR_ARRAY && !memmem(ops->text.p, ops->text.n, "\"verify\"", 8);
}

static int is_taken(const struct reader *r, const struct jwk *k)
{
	for (unsigned i = 0; i < r->s->n && k->kid; i++)
		if (r->s->v[i].kid && strcmp(r->s->v[i].kid, k->kid) == 0 && r->s->v[i].alg == k->alg)
			return 1;
	return 0;
}

static void add(struct jwks *s, const struct jwk *k)
{
	if (!s->v)
		s->v = arena_alloc(&s->arena, (JWKS_MAX_KEYS + 1) * sizeof(*s->v));
	s->v[s->n++] = *k;
}

/* 1 when it was taken; 0: passed over, or an error. */
static int read_material(struct reader *r, struct jwk *k)
{
	struct slice alg = text_of(r, "alg"), kid = text_of(r, "kid");
	size_t size;

	if (!text_of(r, "kty").p) {
		complain(r, "%s: \"kty\" is missing; expected RSA, EC, OKP or oct", r->name);
		return 0;
	}
	if (is_for_others(r) || !natural_alg(r, &k->alg))
		return 0;
	if (alg.p) {
		enum jwk_alg named = jwk_alg_parse(alg);

		if (named == JWK_ALG_COUNT)
			return 0;
		if (family(named) != family(k->alg)) {
			complain(r, "%s: alg %s does not fit the key's type", r->name, jwk_alg_name(named));
			return 0;
		}
		k->alg = named;
	}
	if (find(r, "d")) {
		complain(r, "%s: it holds a private key (\"d\"); expected the public part only", r->name);
		return 0;
	}
	if (kid.p)
		k->kid = arena_strn(&r->s->arena, kid.p, kid.n);
	if (is_taken(r, k)) {
		complain(r, "%s: another key has this kid and algorithm", r->name);
		return 0;
	}
	switch (family(k->alg)) {
	case 0:
		read_rsa(r, k);
		break;
	case 1:
		size = k->alg == JWK_HS256 ? 32 : k->alg == JWK_HS384 ? 48 : 64;
		(void)bytes(r, "k", size, JWKS_MAX_SECRET, &k->k);
		break;
	default:
		size = k->alg == JWK_ES384 ? 48 : 32;
		if (bytes(r, "x", size, size, &k->x) && k->alg != JWK_EDDSA)
			(void)bytes(r, "y", size, size, &k->y);
	}
	return 1;
}

static void read_key(struct reader *r, const struct jr_member *item)
{
	struct jwk k = {.file = r->file};
	int before = r->n_errors;
	struct slice kid;
	struct err e;

	r->number++;
	snprintf(r->name, sizeof(r->name), "key %u", r->number);
	if (item->type != JR_OBJECT ||
	    jr_object(item->text, &r->s->arena, MAX_MEMBERS, &r->m, &r->n_members, &e)) {
		complain(r, "%s: not an object of at most %d members", r->name, MAX_MEMBERS);
		return;
	}
	r->line = 1;
	for (const char *p = r->text.p; p < item->text.p; p++)
		r->line += *p == '\n';
	k.line = r->line;
	kid = text_of(r, "kid");
	if (kid.p)
		snprintf(r->name, sizeof(r->name), "key %u (kid \"%.*s\")", r->number,
			 (int)(kid.n < 48 ? kid.n : 48), kid.p);
	if (!read_material(r, &k))
		r->s->n_passed_over += r->n_errors == before;
	else if (r->n_errors == before)
		add(r->s, &k);
}

int jwks_parse(struct jwks *s, const char *file, struct slice text, enum jwk_alg rsa_alg, struct errs *errs)
{
	struct reader r = {.s = s, .errs = errs, .text = text, .line = 1, .rsa_alg = rsa_alg};
	const struct jr_member *keys = NULL;
	struct jr_member *items;
	unsigned n, before = s->n;
	struct err e;

	r.file = arena_strn(&s->arena, file, strlen(file));
	if (jr_object(text, &s->arena, MAX_MEMBERS, &r.m, &r.n_members, &e)) {
		r.line = e.line;
		complain(&r, "not a JWK Set: %s", e.text);
		return r.n_errors;
	}
	keys = find(&r, "keys");
	if (!keys || keys->type != JR_ARRAY ||
	    jr_array(keys->text, &s->arena, JWKS_MAX_KEYS, &items, &n, &e)) {
		complain(&r, "not a JWK Set: expected {\"keys\": [ ... ]} with at most %d keys", JWKS_MAX_KEYS);
		return r.n_errors;
	}
	for (unsigned i = 0; i < n; i++)
		read_key(&r, &items[i]);
	r.line = 0;
	if (s->n == before && r.n_errors == 0)
		complain(&r, "none of its %u keys can verify a token; expected RSA, EC P-256 or P-384, Ed25519 or "
			     "oct keys for signatures",
			 n);
	return r.n_errors;
}

int jwks_add_secret(struct jwks *s, const char *file, struct slice text, struct errs *errs)
{
	struct jwk k = {.alg = JWK_HS256, .line = 1};

	if (text.n && text.p[text.n - 1] == '\n')
		text.n--;
	if (text.n && text.p[text.n - 1] == '\r')
		text.n--;
	if (text.n < JWKS_MIN_SECRET || text.n > JWKS_MAX_SECRET) {
		(void)errs_add(errs, E_config, file, 0, 0, "the secret has %zu bytes; expected %u to %u", text.n,
			       JWKS_MIN_SECRET, JWKS_MAX_SECRET);
		return 1;
	}
	k.file = arena_strn(&s->arena, file, strlen(file));
	k.k = slice_of(arena_strn(&s->arena, text.p, text.n), text.n);
	add(s, &k);
	return 0;
}
