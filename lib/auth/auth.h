/* auth: from what a request carries to who sent it.
 * Three ways, in this order, and the first that is there decides: what the web server asserts in
 * parameters that no client can set; a token (lib/auth/jwt.h) in Authorization: Bearer; an API key in
 * its header, or in Authorization: Bearer when it holds no dot.
 * Owner: one a worker, auth_free; it borrows the snapshot's options and files. One thread.
 * Layer: lib/auth. */
#ifndef WEIR_AUTH_AUTH_H
#define WEIR_AUTH_AUTH_H

#include "lib/auth/identity.h"
#include "lib/auth/token_cache.h"
#include "lib/conf/errs.h"

struct auth_files;
struct opts_auth;
struct sign_key;
struct endpoint;

enum auth_name { AUTH_N_USER, AUTH_N_ROLES, AUTH_N_CERT, AUTH_N_VERIFY, AUTH_N_AUTHORIZATION, AUTH_N_KEY,
		 AUTH_N_UNREAD,	/* REMOTE_USER while user_param is empty: looked at to say so once */
		 AUTH_N_COUNT };

struct auth {
	const struct opts_auth *o;
	const struct auth_files *files;
	struct sign_key **keys;		/* of files->jwks.v */
	struct identity **key_ids;	/* of files->keys.v */
	struct slice names[AUTH_N_COUNT];	/* parameters that are looked at; empty: not this one */
	uint64_t lengths;		/* a bit for each length of a name, so that most parameters cost a shift */
	struct token_cache cache;
	struct arena arena;
	struct arena_pool pool;
	/* how often, since the start */
	uint64_t n_cached, n_verified, n_refused;
};

/* What one request carries; p == NULL: absent. Values are NUL-terminated. */
struct auth_input {
	struct slice v[AUTH_N_COUNT];
};

/* What came of it. */
enum auth_outcome { AUTH_ANONYMOUS, AUTH_IDENTIFIED, AUTH_REFUSED, AUTH_AMBIGUOUS };

/* NULL with errs when a key is not valid. */
struct auth *auth_new(const struct opts_auth *o, const struct auth_files *files, struct errs *errs);
void auth_free(struct auth **a);

/* Note a parameter of the request, if it is one of those that matter. */
static inline void auth_take(const struct auth *a, struct auth_input *in, struct slice name, struct slice value)
{
	if (likely(!(a->lengths >> (name.n & 63) & 1)))
		return;
	for (unsigned i = 0; i < AUTH_N_COUNT; i++)
		if (slice_eq(a->names[i], name) && a->names[i].n)
			in->v[i] = value;
}

/* It was said: look no more. */
void auth_forget_unread(struct auth *a);

/* Who asks, at now_s (seconds since 1970). AUTH_IDENTIFIED: *ret, valid as long as arena (which gives a
 * counted one back at its end). AUTH_REFUSED: *ret_why says why, a sentence's rest in ASCII, fit for
 * RFC 6750's error_description. */
enum auth_outcome auth_identify(struct auth *a, const struct auth_input *in, int64_t now_s, struct arena *arena,
				const struct identity **ret, const char **ret_why) MUST_USE;

/* May id (NULL: nobody) call the endpoint? NULL yes; else what is missing. *ret_is_unknown: nobody is
 * identified, which is a 401 and not a 403. */
const char *auth_check(const struct endpoint *ep, const struct identity *id, int *ret_is_unknown, struct arena *arena);

#endif
