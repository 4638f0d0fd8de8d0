/* Vectors, times, parties, and tokens that want to be more than they are. */
#include "config.h"

#include "tests/unit/auth/auth_test.h"

#define NOW 1700000000
#define HS "{\"alg\":\"HS256\"}"
#define GOOD "{\"sub\":\"a\",\"exp\":1700000600}"

static struct fixture f;

static const char *verify(const char *text, int64_t now, struct identity *id)
{
	return jwt_verify(f.auth, slice_str(text), now, id, &f.arena);
}

static void expect(const char *header, const char *payload, const char *want)
{
	struct identity id;
	const char *got = verify(token(&f.arena, header, slice_str(payload)), NOW, &id);

	if (want)
		cr_expect(got && strcmp(got, want) == 0, "%s %s\ngot: %s\nexpected: %s", header, payload, got, want);
	else
		cr_expect_null(got, "%s %s\ngot: %s", header, payload, got);
}

#define BODY                                                                                       \
	".eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ."
#define EXAMPLE_KEYS                                                                               \
	"{\"keys\":[{\"kty\":\"oct\",\"k\":\"AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow\"}," \
	"{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\","  \
	"\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\"},"                                   \
	"{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\"}]}"

/* RFC 7519 section 3.1 (RFC 7515 A.1) and A.3; the claim's name is a URL with dots. */
Test(jwt, examples_of_the_rfcs)
{
	static const char hs[] = "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9" BODY "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
	static const char es[] =
	    "eyJhbGciOiJFUzI1NiJ9" BODY "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q";
	/* RFC 7519 section 6.1 */
	static const char none[] = "eyJhbGciOiJub25lIn0" BODY;
	/* RFC 8037 A.4: well signed, and no claims */
	static const char ed[] = "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc."
				 "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg";
	struct identity id;

	fixture_make(&f, "", EXAMPLE_KEYS, "", "");
	cr_expect_null(verify(hs, 1300819379, &id));
	cr_expect_str_eq(identity_claim(&id, "http://example.com/is_root"), "true");
	cr_expect_str_eq(identity_claim(&id, "iss"), "joe");
	cr_expect_null(id.user);
	cr_expect_eq(id.expires, 1300819380 + 60);
	cr_expect_null(verify(hs, 1300819380 + 59, &id));
	cr_expect_str_eq(verify(hs, 1300819380 + 60, &id), "it has expired");
	cr_expect_null(verify(es, 1300819379, &id));
	cr_expect_str_eq(verify(none, 1300819379, &id), "its algorithm is not accepted");
	cr_expect_str_eq(verify(ed, 1300819379, &id), "its claims are not a JSON object");
	fixture_done(&f);
}

Test(jwt, times)
{
	fixture_make(&f, "leeway = 10s", "", SECRET "\n", "");
	expect(HS, GOOD, NULL);
	expect(HS, "{\"exp\":1699999991}", NULL);
	expect(HS, "{\"exp\":1699999990}", "it has expired");
	expect(HS, "{\"exp\":1699999990.5}", NULL);
	expect(HS, "{\"exp\":1.7e9}", NULL);
	expect(HS, "{\"exp\":0}", "it has expired");
	expect(HS, "{}", "it has no exp");
	expect(HS, "{\"exp\":null}", "it has no exp");
	expect(HS, "{\"exp\":\"1700000600\"}", "its exp, nbf or iat is not a time");
	expect(HS, "{\"exp\":true}", "its exp, nbf or iat is not a time");
	expect(HS, "{\"exp\":[1700000600]}", "its exp, nbf or iat is not a time");
	expect(HS, "{\"exp\":-1}", "its exp, nbf or iat is not a time");
	expect(HS, "{\"exp\":1e99}", "its exp, nbf or iat is not a time");
	expect(HS, "{\"exp\":1e999}", "its exp, nbf or iat is not a time");
	expect(HS, "{\"exp\":99999999999999999999999999}", "its exp, nbf or iat is not a time");
	expect(HS, "{\"exp\":1700000600,\"nbf\":1700000010}", NULL);
	expect(HS, "{\"exp\":1700000600,\"nbf\":1700000011}", "it is not valid yet");
	expect(HS, "{\"exp\":1700000600,\"iat\":1700000010}", NULL);
	expect(HS, "{\"exp\":1700000600,\"iat\":1700000011}", "it was issued in the future");
	expect(HS, "{\"exp\":1700000600,\"nbf\":\"x\"}", "its exp, nbf or iat is not a time");
	fixture_done(&f);
	fixture_make(&f, "require_exp = no leeway = 0", "", SECRET, "");
	expect(HS, "{}", NULL);
	expect(HS, "{\"exp\":1700000000}", "it has expired");
	expect(HS, "{\"exp\":1700000001}", NULL);
	fixture_done(&f);
}

Test(jwt, issuer_and_audience)
{
	fixture_make(&f, "require_exp = no issuer = \"i\" audience = {\"a\", \"b\"}", "", SECRET, "");
	expect(HS, "{\"iss\":\"i\",\"aud\":\"a\"}", NULL);
	expect(HS, "{\"iss\":\"i\",\"aud\":[\"x\",\"b\"]}", NULL);
	expect(HS, "{\"iss\":\"i\"}", "it is meant for another audience");
	expect(HS, "{\"iss\":\"i\",\"aud\":\"c\"}", "it is meant for another audience");
	expect(HS, "{\"iss\":\"i\",\"aud\":[]}", "it is meant for another audience");
	expect(HS, "{\"iss\":\"i\",\"aud\":\"a b\"}", "it is meant for another audience");
	expect(HS, "{\"iss\":\"i\",\"aud\":{\"a\":1}}", "it is meant for another audience");
	expect(HS, "{\"iss\":\"i\",\"aud\":[[\"a\"]]}", "it is meant for another audience");
	expect(HS, "{\"iss\":\"I\",\"aud\":\"a\"}", "its issuer is not the one that is accepted");
	expect(HS, "{\"iss\":\"i/\",\"aud\":\"a\"}", "its issuer is not the one that is accepted");
	expect(HS, "{\"iss\":[\"i\"],\"aud\":\"a\"}", "its issuer is not the one that is accepted");
	expect(HS, "{\"aud\":\"a\"}", "its issuer is not the one that is accepted");
	fixture_done(&f);
}

Test(jwt, headers_that_want_more)
{
	fixture_make(&f, "", "", SECRET, "");
	expect("{\"alg\":\"HS256\",\"typ\":\"JWT\"}", GOOD, NULL);
	expect("{\"alg\":\"HS256\",\"typ\":\"application/at+jwt\"}", GOOD, NULL);
	expect("{\"alg\":\"HS256\",\"kid\":\"whatever\"}", GOOD, NULL); /* the secret has no kid */
	expect("{\"alg\":\"HS256\",\"kid\":\"../../../etc/passwd\"}", GOOD, NULL);
	/* never looked at */
	expect("{\"alg\":\"HS256\",\"jku\":\"https://evil.example/k\",\"x5u\":\"file:///x\",\"jwk\":{\"kty\":\"oct\",\"k\":\"AA\"}}",
	       GOOD, NULL);
	expect("{\"alg\":\"HS256\",\"typ\":\"logout+jwt\"}", GOOD, "its typ is not that of an access token");
	expect("{\"alg\":\"HS256\",\"typ\":1}", GOOD, "its typ is not that of an access token");
	expect("{\"alg\":\"HS256\",\"kid\":7}", GOOD, "its kid is not a short text");
	expect("{\"alg\":\"HS256\",\"crit\":[\"exp\"]}", GOOD, "its header demands extensions (crit)");
	expect("{\"alg\":\"HS256\",\"crit\":[]}", GOOD, "its header demands extensions (crit)");
	expect("{\"alg\":\"HS256\",\"b64\":false,\"crit\":[\"b64\"]}", GOOD, "its header demands extensions (crit)");
	expect("{\"alg\":\"none\"}", GOOD, "its algorithm is not accepted");
	expect("{\"alg\":\"None\"}", GOOD, "its algorithm is not accepted");
	expect("{\"alg\":\"\"}", GOOD, "its algorithm is not accepted");
	expect("{\"alg\":null}", GOOD, "its algorithm is not accepted");
	expect("{\"alg\":[\"HS256\"]}", GOOD, "its algorithm is not accepted");
	expect("{\"alg\":\"hs256\"}", GOOD, "its algorithm is not accepted");
	expect("{\"alg\":\"HS256 \"}", GOOD, "its algorithm is not accepted");
	expect("{}", GOOD, "its algorithm is not accepted");
	expect("[]", GOOD, "its header is not JSON");
	expect("{\"alg\":\"HS256\"", GOOD, "its header is not JSON");
	expect("{\"alg\":\"none\",\"alg\":\"HS256\"}", GOOD, "its header is not JSON");
	expect("{\"alg\":\"HS256\",\"alg\":\"HS256\"}", GOOD, "its header is not JSON");
	expect("{\"alg\":\"HS384\"}", GOOD, "its signature is not that of an accepted key");
	expect("{\"alg\":\"RS256\"}", GOOD, "its signature is not that of an accepted key");
	fixture_done(&f);
}

Test(jwt, payloads_that_are_none)
{
	static const char nul[] = "{\"sub\":\"a\0b\",\"exp\":1700000600}";
	struct identity id;

	fixture_make(&f, "", "", SECRET, "");
	expect(HS, "", "it is not a signed token");
	expect(HS, "[]", "its claims are not a JSON object");
	expect(HS, "\"a\"", "its claims are not a JSON object");
	expect(HS, "{\"exp\":1700000600,\"exp\":9999999999}", "its claims are not a JSON object");
	expect(HS, "{\"sub\":\"\xff\",\"exp\":1700000600}", "its claims are not a JSON object");
	expect(HS, "{\"sub\":\"a\\u0000b\",\"exp\":1700000600}", "its claims are not a JSON object");
	cr_expect_str_eq(verify(token(&f.arena, HS, slice_of(nul, sizeof(nul) - 1)), NOW, &id),
			 "its claims are not a JSON object");
	fixture_done(&f);
}

Test(jwt, forms_that_are_none)
{
	static const char *const bad[] = {"",  ".",  "..", "...", "a.b", "a.b.c", "e30.e30.", "e30..", ".e30.", "e30=.e30.e30",
					  "e30.e30.e30.e30.e30", "e30 .e30.e30", "e30.e30.e3+", "e30.e30.e"};
	const char *good;
	struct identity id;
	struct buf b;

	fixture_make(&f, "", "", SECRET, "");
	good = token(&f.arena, HS, slice_str(GOOD));
	cr_expect_null(verify(good, NOW, &id));
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		cr_expect(verify(bad[i], NOW, &id), "%s", bad[i]);
	for (size_t n = 0; n < strlen(good); n++)
		cr_expect(jwt_verify(f.auth, slice_of(good, n), NOW, &id, &f.arena), "%zu bytes", n);
	/* every bit of it matters */
	for (size_t i = 0; i < strlen(good); i++) {
		char *copy = arena_strn(&f.arena, good, strlen(good));

		copy[i] = copy[i] == 'A' ? 'B' : 'A';
		cr_expect(verify(copy, NOW, &id), "%zu", i);
	}
	buf_init(&b, 0);
	buf_addf(&b, "{\"exp\":1700000600,\"x\":\"%*s\"}", 9000, "");
	expect(HS, buf_str(&b), "it is too long");
	buf_done(&b);
	fixture_done(&f);
}

/* The public half of an RSA key as an HMAC secret: the token cannot choose what the key is for. */
Test(jwt, a_kid_is_an_exact_lookup)
{
	static const char keys[] = "{\"keys\":["
				   "{\"kty\":\"oct\",\"kid\":\"a\",\"k\":\"MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY\"},"
				   "{\"kty\":\"oct\",\"kid\":\"b\",\"k\":\"eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHg\"},"
				   "{\"kty\":\"EC\",\"crv\":\"P-256\",\"kid\":\"a\",\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\","
				   "\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\"}]}";
	char kid[400];

	fixture_make(&f, "", keys, "", "");
	expect("{\"alg\":\"HS256\",\"kid\":\"a\"}", GOOD, NULL);
	expect("{\"alg\":\"HS256\"}", GOOD, NULL);
	expect("{\"alg\":\"HS256\",\"kid\":\"b\"}", GOOD, "its signature is not that of an accepted key");
	expect("{\"alg\":\"HS256\",\"kid\":\"c\"}", GOOD, "its signature is not that of an accepted key");
	expect("{\"alg\":\"HS256\",\"kid\":\"A\"}", GOOD, "its signature is not that of an accepted key");
	expect("{\"alg\":\"HS256\",\"kid\":\"\"}", GOOD, "its signature is not that of an accepted key");
	expect("{\"alg\":\"HS256\",\"kid\":\"a\\u0000\"}", GOOD, "its header is not JSON");
	expect("{\"alg\":\"ES256\",\"kid\":\"a\"}", GOOD, "its signature is not that of an accepted key");
	snprintf(kid, sizeof(kid), "{\"alg\":\"HS256\",\"kid\":\"%0300d\"}", 1);
	expect(kid, GOOD, "its kid is not a short text");
	fixture_done(&f);
}

/* A token without kid is tried with a few keys and no more. */
Test(jwt, tries_are_bounded)
{
	struct buf b;

	buf_init(&b, 0);
	buf_adds(&b, "{\"keys\":[");
	for (unsigned i = 0; i < JWT_MAX_TRIES; i++)
		buf_addf(&b, "{\"kty\":\"oct\",\"kid\":\"%u\",\"k\":\"eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eH%c\"},", i, 'g');
	buf_adds(&b, "{\"kty\":\"oct\",\"kid\":\"last\",\"k\":\"MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY\"}]}");
	fixture_make(&f, "", buf_str(&b), "", "");
	buf_done(&b);
	expect("{\"alg\":\"HS256\",\"kid\":\"last\"}", GOOD, NULL);
	expect("{\"alg\":\"HS256\"}", GOOD, "its signature is not that of an accepted key");
	fixture_done(&f);
}
