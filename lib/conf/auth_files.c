#include "config.h"

#include "lib/conf/auth_files.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "lib/base/fdio.h"
#include "lib/conf/options.h"

void auth_files_init(struct auth_files *f)
{
	for (int i = 0; i < AUTH_FILE_COUNT; i++)
		buf_init(&f->text[i], 0);
	jwks_init(&f->jwks);
	apikeys_init(&f->keys);
}

void auth_files_done(struct auth_files *f)
{
	for (int i = 0; i < AUTH_FILE_COUNT; i++) {
		if (f->text[i].n)
			explicit_bzero(f->text[i].p, f->text[i].n);
		buf_done(&f->text[i]);
	}
	jwks_done(&f->jwks);
	apikeys_done(&f->keys);
}

const char *auth_files_path(const struct opts_auth *o, enum auth_file which)
{
	return which == AUTH_FILE_JWKS ? o->jwks : which == AUTH_FILE_SECRET ? o->hs256_file : o->api_keys;
}

int auth_files_load(struct auth_files *f, const struct opts_auth *o, struct errs *errs)
{
	static const size_t limits[AUTH_FILE_COUNT] = {JWKS_MAX_FILE, JWKS_MAX_SECRET + 2, APIKEYS_MAX_FILE};
	static const char *const keys[AUTH_FILE_COUNT] = {
	    [AUTH_FILE_JWKS] = "jwks", [AUTH_FILE_SECRET] = "hs256_file", [AUTH_FILE_KEYS] = "api_keys"};
	int n = 0;

	for (int i = 0; i < AUTH_FILE_COUNT; i++) {
		const char *path = auth_files_path(o, (enum auth_file)i);
		int rc = path[0] ? fdio_read_file(path, limits[i], &f->text[i]) : 0;

		if (rc == -EFBIG)
			(void)errs_add(errs, E_config, path, 0, 0, "auth.%s: the file is too large; expected at most %zu bytes",
				       keys[i], limits[i]);
		else if (rc)
			(void)errs_add(errs, E_config, path, 0, 0, "auth.%s: cannot read the file: %s", keys[i], strerror(-rc));
		else if (path[0] && !f->text[i].n && i != AUTH_FILE_KEYS)
			(void)errs_add(errs, E_config, path, 0, 0, "auth.%s: the file is empty", keys[i]), rc = -1;
		n += rc != 0;
	}
	return n;
}

int auth_files_parse(struct auth_files *f, const struct opts_auth *o, struct errs *errs)
{
	int n = 0;

	if (f->text[AUTH_FILE_JWKS].n)
		n += jwks_parse(&f->jwks, o->jwks, buf_slice(&f->text[AUTH_FILE_JWKS]), (enum jwk_alg)o->rsa_alg,
				errs);
	if (f->text[AUTH_FILE_SECRET].n)
		n += jwks_add_secret(&f->jwks, o->hs256_file, buf_slice(&f->text[AUTH_FILE_SECRET]), errs);
	if (f->text[AUTH_FILE_KEYS].n)
		n += apikeys_parse(&f->keys, o->api_keys, buf_slice(&f->text[AUTH_FILE_KEYS]), errs);
	return n;
}

void auth_files_warn(const struct auth_files *f, const struct opts_auth *o, struct errs *errs)
{
	struct stat st;

	if (o->hs256_file[0] && stat(o->hs256_file, &st) == 0 && st.st_mode & 07)
		errs_warn(errs, o->hs256_file, 0, 0, "others may read this secret; expected mode 0640 or less");
	if (f->jwks.n_passed_over)
		errs_warn(errs, o->jwks, 0, 0, "%u key%s not for verifying tokens, passed over", f->jwks.n_passed_over,
			  f->jwks.n_passed_over == 1 ? " is" : "s are");
}
