/* fuzz_jwt: any bytes as a token; and as the header and the claims (split by the first newline) of a token that
 * is well signed, so that the readers behind the signature are met, too. Holds besides memory safety: the
 * first kind is never accepted; an accepted identity survives being packed; a second look says the same. */
#include "config.h"

#include <stdlib.h>

#include "lib/auth/auth.h"
#include "lib/auth/jwt.h"
#include "lib/base/check.h"
#include "lib/conf/auth_files.h"
#include "lib/conf/options.h"
#include "lib/crypto/digest.h"

#define NOW 1700000000

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct options o;
static struct auth_files files;
static struct auth *auth;

static void make(void)
{
	struct errs errs;

	errs_init(&errs);
	check(options_parse(&o, "w.conf", SLICE("database main { conninfo = x }\nauth { require_exp = no }"), &errs) == 0);
	auth_files_init(&files);
	buf_adds(&files.text[AUTH_FILE_SECRET], "0123456789abcdef0123456789abcdef");
	check(auth_files_parse(&files, &o.auth, &errs) == 0);
	auth = auth_new(&o.auth, &files, &errs);
	check(auth);
	errs_done(&errs);
}

static void put_b64(struct buf *out, struct slice in)
{
	static const char set[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
	unsigned bits = 0, have = 0;

	for (size_t i = 0; i < in.n; i++) {
		bits = (bits << 8 | (unsigned char)in.p[i]) & 0xffff;
		for (have += 8; have >= 6;) {
			have -= 6;
			buf_addc(out, set[bits >> have & 63]);
		}
	}
	if (have)
		buf_addc(out, set[bits << (6 - have) & 63]);
}

static void same(const struct identity *a, const struct identity *b)
{
	check(a->n_entries == b->n_entries && a->n_roles == b->n_roles && !a->user == !b->user);
	check(!a->user || strcmp(a->user, b->user) == 0);
	for (unsigned i = 0; i < a->n_entries; i++) {
		check(slice_eq(a->entries[i].path, b->entries[i].path) && slice_eq(a->entries[i].text, b->entries[i].text));
		check(b->entries[i].text.p[b->entries[i].text.n] == 0);
	}
}

static void signed_token(struct slice header, struct slice claims, struct arena *a)
{
	unsigned char mac[DIGEST_MAX];
	struct identity id, again, *packed;
	struct buf b;
	size_t n;

	buf_init(&b, 0);
	put_b64(&b, header);
	buf_addc(&b, '.');
	put_b64(&b, claims);
	n = digest_hmac(256, SLICE("0123456789abcdef0123456789abcdef"), buf_slice(&b), mac);
	buf_addc(&b, '.');
	put_b64(&b, slice_of((const char *)mac, n));
	if (jwt_verify(auth, buf_slice(&b), NOW, &id, a) == NULL) {
		check(jwt_verify(auth, buf_slice(&b), NOW, &again, a) == NULL);
		same(&id, &again);
		packed = identity_pack(&id);
		same(&id, packed);
		check(id.not_before <= NOW && NOW < id.expires);
		identity_unref(packed);
	}
	buf_done(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice text = slice_of((const char *)data, size), rest = text, header;
	struct arena_pool pool;
	struct identity id;
	struct arena a;

	if (!auth)
		make();
	arena_pool_init(&pool, 4);
	arena_init(&a, &pool);
	check(jwt_verify(auth, text, NOW, &id, &a));
	header = slice_cut(&rest, '\n');
	signed_token(SLICE("{\"alg\":\"HS256\"}"), text, &a);
	if (rest.p)
		signed_token(header, rest, &a);
	arena_done(&a);
	arena_pool_done(&pool);
	return 0;
}
