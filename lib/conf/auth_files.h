/* auth_files: what the auth block names: keys of tokens, the shared secret, API keys. Read once, by
 * who validates; children parse the same bytes out of the snapshot.
 * Owner: auth_files_done frees (and wipes the bytes). Layer: lib/conf. */
#ifndef WEIR_CONF_AUTH_FILES_H
#define WEIR_CONF_AUTH_FILES_H

#include "lib/conf/apikeys.h"
#include "lib/conf/jwks.h"

struct opts_auth;

enum auth_file { AUTH_FILE_JWKS, AUTH_FILE_SECRET, AUTH_FILE_KEYS, AUTH_FILE_COUNT };

struct auth_files {
	struct buf text[AUTH_FILE_COUNT]; /* empty: not configured */
	struct jwks jwks;		  /* of the first two */
	struct apikeys keys;
};

void auth_files_init(struct auth_files *f);
void auth_files_done(struct auth_files *f);
/* The path of a file that options name, "" for none. */
const char *auth_files_path(const struct opts_auth *o, enum auth_file which);
/* Read the files. The number of errors added to errs. */
int auth_files_load(struct auth_files *f, const struct opts_auth *o, struct errs *errs);
/* Parse what text[] holds. Likewise. */
int auth_files_parse(struct auth_files *f, const struct opts_auth *o, struct errs *errs);
/* Secrets that others may read, keys that were passed over. */
void auth_files_warn(const struct auth_files *f, const struct opts_auth *o, struct errs *errs);

#endif
