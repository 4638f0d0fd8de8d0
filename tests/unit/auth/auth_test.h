/* auth_test: an authenticator made of texts, and tokens signed with HS256. */
#ifndef TESTS_UNIT_AUTH_AUTH_TEST_H
#define TESTS_UNIT_AUTH_AUTH_TEST_H

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/auth/auth.h"
#include "lib/auth/jwt.h"
#include "lib/conf/auth_files.h"
#include "lib/conf/options.h"
#include "lib/crypto/digest.h"

#define SECRET "0123456789abcdef0123456789abcdef"

struct fixture {
	struct options o;
	struct auth_files files;
	struct auth *auth;
	struct arena arena;
	struct arena_pool pool;
};

/* conf: the inside of auth { }. */
static inline void fixture_make(struct fixture *f, const char *conf, const char *jwks, const char *secret,
				const char *keys)
{
	struct errs errs;
	struct buf text;

	errs_init(&errs);
	buf_init(&text, 0);
	buf_addf(&text, "database main { conninfo = x }\nauth { %s%s }\n", strstr(conf, "user_param") ? "" : "user_param = REMOTE_USER ",
		 conf);
	cr_assert_eq(options_parse(&f->o, "w.conf", buf_slice(&text), &errs), 0, "%s", errs.v[0].text);
	buf_done(&text);
	auth_files_init(&f->files);
	buf_adds(&f->files.text[AUTH_FILE_JWKS], jwks);
	buf_adds(&f->files.text[AUTH_FILE_SECRET], secret);
	buf_adds(&f->files.text[AUTH_FILE_KEYS], keys);
	cr_assert_eq(auth_files_parse(&f->files, &f->o.auth, &errs), 0, "%s", errs.v[0].text);
	f->auth = auth_new(&f->o.auth, &f->files, &errs);
	cr_assert(f->auth);
	errs_done(&errs);
	arena_pool_init(&f->pool, 4);
	arena_init(&f->arena, &f->pool);
}

static inline void fixture_done(struct fixture *f)
{
	arena_done(&f->arena);
	arena_pool_done(&f->pool);
	auth_free(&f->auth);
	auth_files_done(&f->files);
	options_done(&f->o);
}

static inline void put_b64(struct buf *out, struct slice in)
{
	static const char set[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

	for (size_t i = 0; i < in.n; i += 3) {
		unsigned v = (unsigned)(unsigned char)in.p[i] << 16;
		size_t left = in.n - i;

		if (left > 1)
			v |= (unsigned)(unsigned char)in.p[i + 1] << 8;
		if (left > 2)
			v |= (unsigned char)in.p[i + 2];
		for (size_t k = 0; k < (left < 3 ? left + 1 : 4); k++)
			buf_addc(out, set[v >> (18 - 6 * k) & 63]);
	}
}

/* Signed with SECRET whatever the header says. */
static inline const char *token(struct arena *a, const char *header, struct slice payload)
{
	unsigned char mac[DIGEST_MAX];
	const char *out;
	struct buf b;
	size_t n;

	buf_init(&b, 0);
	put_b64(&b, slice_str(header));
	buf_addc(&b, '.');
	put_b64(&b, payload);
	n = digest_hmac(256, SLICE(SECRET), buf_slice(&b), mac);
	buf_addc(&b, '.');
	put_b64(&b, slice_of((const char *)mac, n));
	out = arena_strn(a, b.p, b.n);
	buf_done(&b);
	return out;
}

#endif
