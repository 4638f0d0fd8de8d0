/* fuzz_jwks: any text as a JWK Set. What is accepted has bounded, complete keys, and libcrypto takes each or
 * refuses it. */
#include "config.h"

#include <stdint.h>

#include "lib/auth/auth.h"
#include "lib/base/check.h"
#include "lib/conf/auth_files.h"
#include "lib/conf/options.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct options o;
	struct auth_files files;
	struct auth *auth;
	struct errs errs;
	int n;

	errs_init(&errs);
	if (!o.n_databases)
		check(options_parse(&o, "w.conf", SLICE("database main { conninfo = x }"), &errs) == 0);
	auth_files_init(&files);
	buf_add(&files.text[AUTH_FILE_JWKS], data, size);
	n = auth_files_parse(&files, &o.auth, &errs);
	check((n == 0) == (errs.n_all == 0));
	check(files.jwks.n <= JWKS_MAX_KEYS && (n || !size || files.jwks.n));
	for (unsigned i = 0; i < files.jwks.n; i++) {
		const struct jwk *k = &files.jwks.v[i];

		check(k->alg < JWK_ALG_COUNT && k->line);
		check(k->alg >= JWK_HS256 ? k->k.n >= 32 : k->alg >= JWK_ES256 ? k->x.n >= 32 : k->n.n >= 256 && k->e.n);
	}
	if (n == 0) {
		auth = auth_new(&o.auth, &files, &errs);
		check(!auth == (errs.n_all > 0));
		auth_free(&auth);
	}
	auth_files_done(&files);
	errs_done(&errs);
	return 0;
}
