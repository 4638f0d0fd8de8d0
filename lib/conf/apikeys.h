/* apikeys: the file of API keys. One key a line, "#" begins a comment:
 *
 *   ID  SHA-256-OF-THE-KEY-IN-HEX  USER  ROLES  [NAME=VALUE ...]
 *
 * ROLES are words with commas between them; "-" stands for no user and for no roles. The pairs become
 * claims. Keys themselves stand nowhere: one has at least 128 bits of chance, so that a plain digest
 * is enough.
 * Owner: apikeys_done frees. Read-only once parsed. Layer: lib/conf. */
#ifndef WEIR_CONF_APIKEYS_H
#define WEIR_CONF_APIKEYS_H

#include "lib/base/arena.h"
#include "lib/conf/errs.h"

#define APIKEYS_MAX_FILE (32u * 1024 * 1024)
#define APIKEYS_MAX_ROLES 32
#define APIKEYS_MAX_CLAIMS 32

struct apikey_claim {
	const char *name, *value;
};

struct apikey {
	unsigned char digest[32];
	const char *id, *user; /* user: NULL for "-" */
	unsigned n_roles, n_claims;
	const char **roles;
	struct apikey_claim *claims;
	unsigned line;
};

struct apikeys {
	unsigned n;
	struct apikey **v; /* sorted by digest */
	struct arena arena;
	struct arena_pool pool;
};

void apikeys_init(struct apikeys *s);
void apikeys_done(struct apikeys *s);
/* The number of errors added to errs. */
int apikeys_parse(struct apikeys *s, const char *file, struct slice text, struct errs *errs);
/* Index by digest, -1 when there is none. */
int apikeys_find(const struct apikeys *s, const unsigned char digest[32]);

#endif
