#include "config.h"

#include "lib/conf/apikeys.h"

#include <stdlib.h>

#include "lib/base/check.h"
#include "lib/base/hash.h"
#include "lib/base/utf8.h"

#define MAX_WORD 256
#define MAX_ERRORS 50

struct reader {
	struct apikeys *s;
	struct errs *errs;
	const char *file;
	struct hash ids;
	unsigned line;
	int n_errors;
};

void apikeys_init(struct apikeys *s)
{
	*s = (struct apikeys){0};
	arena_pool_init(&s->pool, 0);
	arena_init(&s->arena, &s->pool);
}

void apikeys_done(struct apikeys *s)
{
	free(s->v);
	arena_done(&s->arena);
	arena_pool_done(&s->pool);
	*s = (struct apikeys){0};
}

#define complain(r, ...)                                                                           \
	((r)->n_errors++, (void)errs_add((r)->errs, E_config, (r)->file, (r)->line, 0, __VA_ARGS__))

static struct slice next_word(struct slice *rest)
{
	struct slice w;
	size_t n = 0;

	*rest = slice_trim(*rest);
	while (n < rest->n && rest->p[n] != ' ' && rest->p[n] != '\t')
		n++;
	w = slice_of(rest->p, n);
	rest->p += n;
	rest->n -= n;
	return w;
}

static int nibble(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static int read_digest(struct slice hex, unsigned char out[32])
{
	if (hex.n != 64)
		return -1;
	for (size_t i = 0; i < 32; i++) {
		int hi = nibble(hex.p[2 * i]), lo = nibble(hex.p[2 * i + 1]);

		if (hi < 0 || lo < 0)
			return -1;
		out[i] = (unsigned char)(hi << 4 | lo);
	}
	return 0;
}

static int is_name(struct slice s)
{
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] <= ' ' || s.p[i] > '~' || strchr("\"'\\,|=", s.p[i]))
			return 0;
	return s.n > 0 && s.n <= 128;
}

static const char *keep(struct reader *r, struct slice s)
{
	return arena_strn(&r->s->arena, s.p, s.n);
}

static void read_roles(struct reader *r, struct apikey *k, struct slice text)
{
	if (slice_eq(text, SLICE("-")))
		return;
	k->roles = arena_alloc(&r->s->arena, APIKEYS_MAX_ROLES * sizeof(*k->roles));
	for (struct slice rest = text; rest.p;) {
		struct slice role = slice_cut(&rest, ',');

		if (!is_name(role) || k->n_roles == APIKEYS_MAX_ROLES) {
			complain(r, "bad roles '%.*s'; expected A,B of at most %d, or -", SLICE_ARG(text),
				 APIKEYS_MAX_ROLES);
			return;
		}
		k->roles[k->n_roles++] = keep(r, role);
	}
}

static int is_reserved(struct slice name)
{
	static const char *const words[] = {"sub", "roles", "key_id"};

	for (size_t i = 0; i < ARRAY_LEN(words); i++)
		if (slice_eq(name, slice_str(words[i])))
			return 1;
	return 0;
}

static void read_claim(struct reader *r, struct apikey *k, struct slice text)
{
	struct slice value = text, name = slice_cut(&value, '=');

	if (!value.p || !is_name(name) || value.n > MAX_WORD) {
		complain(r, "bad claim '%.*s'; expected NAME=VALUE", SLICE_ARG(text));
		return;
	}
	if (is_reserved(name)) {
		complain(r, "claim %.*s is made of the other columns", SLICE_ARG(name));
		return;
	}
	for (unsigned i = 0; i < k->n_claims; i++)
		if (slice_eq(slice_str(k->claims[i].name), name)) {
			complain(r, "claim %.*s is given twice", SLICE_ARG(name));
			return;
		}
	if (k->n_claims == APIKEYS_MAX_CLAIMS) {
		complain(r, "too many claims; expected at most %d", APIKEYS_MAX_CLAIMS);
		return;
	}
	if (!k->claims)
		k->claims = arena_alloc(&r->s->arena, APIKEYS_MAX_CLAIMS * sizeof(*k->claims));
	k->claims[k->n_claims++] = (struct apikey_claim){keep(r, name), keep(r, value)};
}

static void append(struct apikeys *s, struct apikey *k)
{
	/* doubles when n is a power of two */
	if ((s->n & (s->n - 1)) == 0) {
		s->v = realloc(s->v, (s->n ? s->n * 2u : 1u) * sizeof(struct apikey *));
		check(s->v);
	}
	s->v[s->n++] = k;
}

static void read_line(struct reader *r, struct slice rest)
{
	struct slice id = next_word(&rest), digest = next_word(&rest), user = next_word(&rest),
		     roles = next_word(&rest), claim;
	struct apikey *k = arena_zalloc(&r->s->arena, sizeof(*k));
	int before = r->n_errors;

	k->line = r->line;
	if (!roles.n) {
		complain(r, "expected ID SHA-256 USER ROLES [NAME=VALUE ...]");
		return;
	}
	if (!is_name(id))
		complain(r, "bad id '%.*s'; expected printable ASCII without quotes, commas, | and =", SLICE_ARG(id));
	/* never shown: somebody may have put the key itself here */
	if (read_digest(digest, k->digest))
		complain(r, "key %.*s: bad digest; expected 64 hexadecimal digits, the SHA-256 of the key",
			 SLICE_ARG(id));
	if (user.n > MAX_WORD)
		complain(r, "key %.*s: the user's name is too long; expected at most %d bytes", SLICE_ARG(id), MAX_WORD);
	if (!slice_eq(user, SLICE("-")))
		k->user = keep(r, user);
	read_roles(r, k, roles);
	while ((claim = next_word(&rest)).n)
		read_claim(r, k, claim);
	k->id = keep(r, id);
	if (r->n_errors == before && hash_add(&r->ids, slice_str(k->id), k)) {
		const struct apikey *other = hash_find(&r->ids, slice_str(k->id));

		complain(r, "key %s is given twice, first on line %u", k->id, other->line);
	}
	if (r->n_errors == before)
		append(r->s, k);
}

static int by_digest(const void *a, const void *b)
{
	return memcmp((*(struct apikey *const *)a)->digest, (*(struct apikey *const *)b)->digest, 32);
}

int apikeys_parse(struct apikeys *s, const char *file, struct slice text, struct errs *errs)
{
	struct reader r = {.s = s, .errs = errs, .file = file};

	hash_init(&r.ids);
	for (struct slice rest = text; rest.p && r.n_errors < MAX_ERRORS;) {
		struct slice line = slice_cut(&rest, '\n');

		r.line++;
		if (line.n && line.p[line.n - 1] == '\r')
			line.n--;
		line = slice_trim(line);
		if (!utf8_is_valid(line))
			complain(&r, "the line is not valid UTF-8, or holds a NUL");
		else if (line.n && line.p[0] != '#')
			read_line(&r, line);
	}
	hash_done(&r.ids);
	if (s->n)
		qsort(s->v, s->n, sizeof(struct apikey *), by_digest);
	for (unsigned i = 1; i < s->n; i++)
		if (by_digest(&s->v[i - 1], &s->v[i]) == 0) {
			r.line = s->v[i]->line;
			complain(&r, "key %s has the digest of key %s", s->v[i]->id, s->v[i - 1]->id);
		}
	return r.n_errors;
}

int apikeys_find(const struct apikeys *s, const unsigned char digest[32])
{
	struct apikey key, *k = &key, **found;

	if (!s->n)
		return -1;
	memcpy(key.digest, digest, 32);
	found = bsearch(&k, s->v, s->n, sizeof(struct apikey *), by_digest);
	return found ? (int)(found - s->v) : -1;
}
