/* identity: who asks, as verified: a user, roles, claims. Immutable once made.
 * Claims are flat: {"a":{"b":1},"l":["x","y"]} is found as a.b → 1, a → {"b":1}, l → ["x","y"], and
 * each string or number of an array also counts as a value of its path, for conditions.
 * Owner: identities of tokens are counted (identity_ref, identity_unref) because requests outlive their
 * place in the cache; those of API keys live as long as struct auth, those that the web server
 * asserts as long as the request's arena. One thread. Layer: lib/auth. */
#ifndef WEIR_AUTH_IDENTITY_H
#define WEIR_AUTH_IDENTITY_H

#include <stdint.h>

#include "lib/base/arena.h"
#include "lib/json/jr.h"

#define IDENTITY_MAX_ENTRIES 256u
#define IDENTITY_MAX_DEPTH 8u

enum identity_kind { IDENTITY_ASSERTED, IDENTITY_CERT, IDENTITY_TOKEN, IDENTITY_KEY };

struct identity_entry {
	struct slice path, text;	/* NUL-terminated behind .n */
	enum jr_type type;		/* never JR_NULL: a null claim is absent */
	int is_item;			/* an array's element, not the claim itself */
};

struct identity {
	enum identity_kind kind;
	unsigned refs;			/* 0: not counted */
	const char *user;		/* NULL: none */
	unsigned n_roles, n_entries;
	const struct slice *roles;
	const struct identity_entry *entries;
	struct slice json;		/* all claims, NUL-terminated; p == NULL: see identity_json */
	int64_t not_before, expires;	/* seconds since 1970; INT64_MIN, INT64_MAX: always */
	size_t size;			/* bytes of a counted one */
};

/* What the claims of json mean. Everything lives in a; json must. NULL when it is good, else a
 * sentence. */
const char *identity_read(struct identity *id, struct slice json, const char *user_claim,
			  const char *roles_claim, struct arena *a);
/* The web server's word. roles: words with blanks or commas between them; p == NULL: none. */
struct identity *identity_asserted(enum identity_kind kind, struct slice user, struct slice roles,
				   struct arena *a);
/* A counted copy in one block; its count is 1. */
struct identity *identity_pack(const struct identity *id);
struct identity *identity_ref(struct identity *id);
void identity_unref(struct identity *id);

/* All claims as one JSON object; lives in a or in id. */
const char *identity_json(const struct identity *id, struct arena *a);
/* The claim as text: strings decoded, objects and arrays as JSON, all else as it was written. NULL
 * when it is absent or null. A claim whose own name holds dots is found by its whole name. */
const char *identity_claim(const struct identity *id, const char *path);
const struct identity_entry *identity_entry(const struct identity *id, struct slice path);
/* Is the claim this text, or an array that holds it? */
int identity_claim_is(const struct identity *id, const char *path, const char *value);
int identity_has_role(const struct identity *id, const char *role);

#endif
