#include "config.h"

#include "tests/unit/auth/auth_test.h"

#include "lib/conf/endpoint.h"

static struct fixture f;

static enum auth_outcome identify(const struct auth_input *in, const struct identity **id, const char **why)
{
	*id = NULL;
	*why = NULL;
	return auth_identify(f.auth, in, 1700000000, &f.arena, id, why);
}

/* name, value, …, NULL */
static struct auth_input input(const char *const *pairs)
{
	struct auth_input in = {{{NULL, 0}}};

	for (; *pairs; pairs += 2)
		auth_take(f.auth, &in, slice_str(pairs[0]), slice_str(pairs[1]));
	return in;
}

#define INPUT(...) input((const char *const[]){__VA_ARGS__, NULL})

#define KEY "wk_0123456789abcdef0123456789abcdef"
/* printf %s KEY | sha256sum, made at run time */
static void put_keys(char out[300])
{
	unsigned char d[32];
	int n = snprintf(out, 300, "# comment\nci  ");

	digest_sha256(SLICE(KEY), d);
	for (int i = 0; i < 32; i++)
		n += snprintf(out + n, 300 - (size_t)n, "%02x", d[i]);
	snprintf(out + n, 300 - (size_t)n, "  bob  a,b  tenant=7\n");
}

Test(identity, claims_are_found_by_path)
{
	static const char json[] = "{\"a\":{\"b\":{\"c\":1.50}},\"x.y\":\"whole\",\"x\":{\"y\":\"path\"},\"l\":[\"p\",2,null,{\"q\":1}],"
				   "\"n\":null,\"t\":true,\"s\":\"\\u00e9\\\"\",\"e\":\"\"}";
	struct identity id = {0};

	fixture_make(&f, "", "", "", "");
	cr_assert_null(identity_read(&id, slice_str(json), "sub", "roles", &f.arena));
	cr_expect_str_eq(identity_claim(&id, "a.b.c"), "1.50");
	cr_expect_str_eq(identity_claim(&id, "a.b"), "{\"c\":1.50}");
	cr_expect_str_eq(identity_claim(&id, "x.y"), "whole");
	cr_expect_str_eq(identity_claim(&id, "l"), "[\"p\",2,null,{\"q\":1}]");
	cr_expect_str_eq(identity_claim(&id, "t"), "true");
	cr_expect_str_eq(identity_claim(&id, "s"), "é\"");
	cr_expect_str_eq(identity_claim(&id, "e"), "");
	cr_expect_null(identity_claim(&id, "n"));
	cr_expect_null(identity_claim(&id, "a.b.c.d"));
	cr_expect_null(identity_claim(&id, "a."));
	cr_expect_null(identity_claim(&id, ""));
	cr_expect(identity_claim_is(&id, "l", "p"));
	cr_expect(identity_claim_is(&id, "l", "2"));
	cr_expect(!identity_claim_is(&id, "l", "null"));
	cr_expect(!identity_claim_is(&id, "l", "[\"p\",2,null,{\"q\":1}]"));
	cr_expect(!identity_claim_is(&id, "a", "{\"b\":{\"c\":1.50}}"));
	cr_expect(identity_claim_is(&id, "t", "true"));
	cr_expect(!identity_claim_is(&id, "n", ""));
	fixture_done(&f);
}

Test(identity, user_and_roles)
{
	static const struct {
		const char *json, *user, *roles;
	} v[] = {{"{\"id\":{\"n\":7},\"r\":\"a b,c\"}", "7", "a b c"},
		 {"{\"id\":{\"n\":\"x y\"},\"r\":[\"a b\",\"c\",1,null]}", "x y", "a b c"},
		 {"{\"id\":{\"n\":\"\"},\"r\":{\"a\":1}}", NULL, ""},
		 {"{\"id\":{\"n\":[\"x\"]},\"r\":7}", NULL, ""},
		 {"{\"id\":{\"n\":true}}", NULL, ""},
		 {"{}", NULL, ""}};

	fixture_make(&f, "", "", "", "");
	for (size_t i = 0; i < ARRAY_LEN(v); i++) {
		struct identity id = {0}, *packed;
		char roles[100] = "";

		cr_assert_null(identity_read(&id, slice_str(v[i].json), "id.n", "r", &f.arena));
		packed = identity_pack(&id);
		for (unsigned k = 0; k < packed->n_roles; k++) {
			strcat(roles, k ? " " : "");
			strcat(roles, packed->roles[k].p);
		}
		cr_expect_str_eq(roles, v[i].roles, "%s", v[i].json);
		cr_expect((!packed->user && !v[i].user) || strcmp(packed->user, v[i].user) == 0, "%s", v[i].json);
		cr_expect_str_eq(packed->json.p, v[i].json);
		identity_unref(packed);
	}
	fixture_done(&f);
}

Test(identity, too_much_is_refused)
{
	struct identity id = {0};
	struct buf b;

	fixture_make(&f, "", "", "", "");
	buf_init(&b, 0);
	buf_adds(&b, "{\"l\":[0");
	for (int i = 0; i < 300; i++)
		buf_adds(&b, ",1");
	buf_adds(&b, "]}");
	cr_expect_str_eq(identity_read(&id, buf_slice(&b), "sub", "roles", &f.arena), "a claim's array is too long");
	buf_clear(&b);
	buf_adds(&b, "{\"l\":[0");
	for (int i = 0; i < 200; i++)
		buf_adds(&b, ",1");
	buf_adds(&b, "],\"m\":[0");
	for (int i = 0; i < 200; i++)
		buf_adds(&b, ",1");
	buf_adds(&b, "]}");
	cr_expect_str_eq(identity_read(&id, buf_slice(&b), "sub", "roles", &f.arena), "it has too many claims");
	buf_clear(&b);
	for (int i = 0; i < 40; i++)
		buf_adds(&b, "{\"a\":");
	buf_adds(&b, "1");
	for (int i = 0; i < 40; i++)
		buf_adds(&b, "}");
	cr_expect_null(identity_read(&id, buf_slice(&b), "sub", "roles", &f.arena));
	cr_expect_eq(id.n_entries, IDENTITY_MAX_DEPTH);
	buf_done(&b);
	fixture_done(&f);
}

Test(identity, the_web_servers_word)
{
	const struct identity *id;
	const char *why;
	struct auth_input in;

	fixture_make(&f, "roles_param = REMOTE_ROLES cert_param = SSL_CLIENT_S_DN", "", SECRET, "");
	in = INPUT("REMOTE_USER", "al\"ice", "REMOTE_ROLES", "x, y");
	cr_expect_eq(identify(&in, &id, &why), AUTH_IDENTIFIED);
	cr_expect_eq(id->kind, IDENTITY_ASSERTED);
	cr_expect_str_eq(id->user, "al\"ice");
	cr_expect(identity_has_role(id, "y") && !identity_has_role(id, "x,"));
	cr_expect_str_eq(identity_json(id, &f.arena), "{\"sub\":\"al\\\"ice\",\"roles\":[\"x\",\"y\"]}");
	cr_expect(identity_claim_is(id, "roles", "x"));
	in = INPUT("SSL_CLIENT_S_DN", "CN=svc", "SSL_CLIENT_VERIFY", "SUCCESS");
	cr_expect_eq(identify(&in, &id, &why), AUTH_IDENTIFIED);
	cr_expect_eq(id->kind, IDENTITY_CERT);
	cr_expect_str_eq(id->user, "CN=svc");
	in = INPUT("SSL_CLIENT_S_DN", "CN=svc", "SSL_CLIENT_VERIFY", "FAILED:expired");
	cr_expect_eq(identify(&in, &id, &why), AUTH_ANONYMOUS);
	in = INPUT("SSL_CLIENT_S_DN", "CN=svc", "SSL_CLIENT_VERIFY", "NONE");
	cr_expect_eq(identify(&in, &id, &why), AUTH_ANONYMOUS);
	in = INPUT("SSL_CLIENT_S_DN", "CN=svc");
	cr_expect_eq(identify(&in, &id, &why), AUTH_ANONYMOUS);
	in = INPUT("HTTP_REMOTE_USER", "mallory", "HTTP_SSL_CLIENT_S_DN", "x", "HTTP_SSL_CLIENT_VERIFY", "SUCCESS",
		   "REMOTE_USE", "m", "REMOTE_USERS", "m", "REMOTE_ROLES", "admin");
	cr_expect_eq(identify(&in, &id, &why), AUTH_ANONYMOUS);
	in = INPUT("REMOTE_USER", "\xff");
	cr_expect_eq(identify(&in, &id, &why), AUTH_REFUSED);
	fixture_done(&f);
	fixture_make(&f, "user_param = \"\"", "", "", "");
	in = INPUT("REMOTE_USER", "alice", "", "x");
	cr_expect_eq(identify(&in, &id, &why), AUTH_ANONYMOUS);
	cr_expect(slice_eq(in.v[AUTH_N_UNREAD], SLICE("alice")));	/* seen, to be said once */
	auth_forget_unread(f.auth);
	in = INPUT("REMOTE_USER", "alice", "", "x");
	cr_expect(!in.v[AUTH_N_UNREAD].p);
	fixture_done(&f);
}

Test(identity, api_keys)
{
	const struct identity *id;
	const char *why;
	struct auth_input in;
	char keys[300];

	put_keys(keys);
	fixture_make(&f, "api_key_header = X-Token-2", "", "", keys);
	in = INPUT("HTTP_X_TOKEN_2", KEY);
	cr_expect_eq(identify(&in, &id, &why), AUTH_IDENTIFIED);
	cr_expect_eq(id->kind, IDENTITY_KEY);
	cr_expect_str_eq(id->user, "bob");
	cr_expect_str_eq(id->json.p, "{\"key_id\":\"ci\",\"sub\":\"bob\",\"roles\":[\"a\",\"b\"],\"tenant\":\"7\"}");
	in = INPUT("HTTP_AUTHORIZATION", "bearer  " KEY " ");
	cr_expect_eq(identify(&in, &id, &why), AUTH_IDENTIFIED);
	in = INPUT("HTTP_X_API_KEY", KEY); /* not the header that was configured */
	cr_expect_eq(identify(&in, &id, &why), AUTH_ANONYMOUS);
	in = INPUT("HTTP_X_TOKEN_2", KEY ", " KEY); /* sent twice */
	cr_expect_eq(identify(&in, &id, &why), AUTH_REFUSED);
	in = INPUT("HTTP_X_TOKEN_2", "");
	cr_expect_eq(identify(&in, &id, &why), AUTH_REFUSED);
	in = INPUT("HTTP_AUTHORIZATION", "Bearer ");
	cr_expect_eq(identify(&in, &id, &why), AUTH_REFUSED);
	in = INPUT("HTTP_AUTHORIZATION", "Bearer");
	cr_expect_eq(identify(&in, &id, &why), AUTH_ANONYMOUS);
	in = INPUT("HTTP_AUTHORIZATION", "Basic " KEY);
	cr_expect_eq(identify(&in, &id, &why), AUTH_ANONYMOUS);
	in = INPUT("HTTP_AUTHORIZATION", "Bearer " KEY, "HTTP_X_TOKEN_2", KEY);
	cr_expect_eq(identify(&in, &id, &why), AUTH_AMBIGUOUS);
	fixture_done(&f);
}

Test(identity, nothing_configured_looks_at_no_header)
{
	const struct identity *id;
	const char *why;
	struct auth_input in;

	fixture_make(&f, "", "", "", "");
	in = INPUT("HTTP_AUTHORIZATION", "Bearer x.y.z", "HTTP_X_API_KEY", "x");
	cr_expect_eq(identify(&in, &id, &why), AUTH_ANONYMOUS);
	fixture_done(&f);
}

Test(identity, a_token_is_verified_once)
{
	const struct identity *id, *again;
	const char *why, *t;
	char value[600];
	struct auth_input in;
	struct auth_input late;

	fixture_make(&f, "leeway = 0", "", SECRET, "");
	t = token(&f.arena, "{\"alg\":\"HS256\"}", SLICE("{\"sub\":\"a\",\"exp\":1700000100,\"nbf\":1699999900}"));
	snprintf(value, sizeof(value), "Bearer %s", t);
	late = in = INPUT("HTTP_AUTHORIZATION", value);
	cr_expect_eq(identify(&in, &id, &why), AUTH_IDENTIFIED);
	cr_expect_eq(identify(&in, &again, &why), AUTH_IDENTIFIED);
	cr_expect_eq(id, again);
	cr_expect_eq(f.auth->n_verified, 1u);
	cr_expect_eq(f.auth->n_cached, 1u);
	/* and not beyond its time, nor before it when the clock is set back */
	cr_expect_eq(auth_identify(f.auth, &late, 1700000100, &f.arena, &id, &why), AUTH_REFUSED);
	cr_expect_str_eq(why, "it has expired");
	cr_expect_eq(identify(&in, &again, &why), AUTH_IDENTIFIED);
	cr_expect_eq(auth_identify(f.auth, &late, 1699999899, &f.arena, &id, &why), AUTH_REFUSED);
	cr_expect_str_eq(why, "it is not valid yet");
	cr_expect_str_eq(again->user, "a");
	fixture_done(&f);
}

static const char *may(const char *auth_line, const char *claims, int *ret_is_unknown)
{
	struct endpoints set;
	struct identity id = {0};
	struct errs errs;
	struct buf b;
	const char *out;

	errs_init(&errs);
	endpoints_init(&set);
	buf_init(&b, 0);
	buf_addf(&b, "-- @route GET /\n%s\nSELECT 1", auth_line);
	cr_assert_eq(endpoints_parse(&set, NULL, "f.sql", buf_slice(&b), &errs), 0);
	if (claims)
		cr_assert_null(identity_read(&id, slice_str(claims), "sub", "roles", &f.arena));
	out = auth_check(set.v[0], claims ? &id : NULL, ret_is_unknown, &f.arena);
	if (out)
		out = arena_strn(&f.arena, out, strlen(out));
	buf_done(&b);
	endpoints_done(&set);
	errs_done(&errs);
	return out;
}

Test(identity, conditions_must_all_hold)
{
	int unknown;

	fixture_make(&f, "", "", "", "");
	cr_expect_null(may("-- none", NULL, &unknown));
	cr_expect_null(may("-- @auth none", NULL, &unknown));
	cr_expect(may("-- @auth user", NULL, &unknown) && unknown);
	cr_expect(may("-- @auth role a", NULL, &unknown) && unknown);
	cr_expect(may("-- @auth user", "{}", &unknown) && !unknown);
	cr_expect_null(may("-- @auth user", "{\"sub\":\"x\"}", &unknown));
	cr_expect_null(may("-- @auth role a|b", "{\"roles\":[\"b\"]}", &unknown));
	cr_expect_str_eq(may("-- @auth role a|b", "{\"roles\":[\"c\"]}", &unknown), "A role is missing.");
	cr_expect_str_eq(may("-- @auth role a\n-- @auth role b", "{\"roles\":[\"b\"]}", &unknown), "A role is missing.");
	cr_expect_null(may("-- @auth role a\n-- @auth role b", "{\"roles\":\"a b\"}", &unknown));
	cr_expect_null(may("-- @auth claim p.q=1|2", "{\"p\":{\"q\":2}}", &unknown));
	cr_expect_str_eq(may("-- @auth claim p.q=1|2", "{\"p\":{\"q\":3}}", &unknown), "The claim p.q does not admit this.");
	cr_expect_str_eq(may("-- @auth user claim p=1", "{\"p\":1}", &unknown),
			 "This endpoint needs a user; the credential names none.");
	fixture_done(&f);
}
