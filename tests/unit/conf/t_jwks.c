#include "config.h"

#include "tests/unit/conf/conf_test.h"

#include "lib/conf/jwks.h"

#define N2048                                                                                      \
	"ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-" \
	"pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2Ca" \
	"pHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb5" \
	"4h4FRWyuXpoQ"
#define N1024                                                                                      \
	"ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-" \
	"pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_A"
#define RSA "\"kty\":\"RSA\",\"n\":\"" N2048 "\",\"e\":\"AQAB\""
#define EC                                                                                         \
	"\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\","   \
	"\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\""
#define OKP "\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\""
#define OCT "\"kty\":\"oct\",\"k\":\"MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY\""

static int parse(struct jwks *s, const char *text, struct errs *errs)
{
	errs_init(errs);
	jwks_init(s);
	return jwks_parse(s, "k.json", slice_str(text), JWK_PS256, errs);
}

/* The algorithms of the keys, or the errors. */
static void expect_algs(const char *text, const char *want)
{
	char got[400] = "";
	struct errs errs;
	struct jwks s;

	cr_expect_eq(parse(&s, text, &errs), 0, "%s", text);
	for (unsigned i = 0; i < s.n; i++)
		snprintf(got + strlen(got), sizeof(got) - strlen(got), "%s%s:%s", i ? " " : "", s.v[i].kid ? s.v[i].kid : "-",
			 jwk_alg_name(s.v[i].alg));
	same_text(text, got, want);
	same_errors(text, &errs, "");
	jwks_done(&s);
}

static void expect_errors(const char *text, const char *want)
{
	struct errs errs;
	struct jwks s;

	cr_expect_gt(parse(&s, text, &errs), 0, "%s", text);
	same_errors(text, &errs, want);
	jwks_done(&s);
}

Test(jwks, a_key_has_one_algorithm)
{
	expect_algs("{\"keys\":[{" RSA ",\"kid\":\"r\"},{" RSA ",\"alg\":\"RS512\"},{" EC ",\"use\":\"sig\"},{" OKP "},{" OCT "}]}",
		    "r:PS256 -:RS512 -:ES256 -:EdDSA -:HS256");
	/* two keys may share a kid when their algorithms differ (RFC 7517 section 4.5) */
	expect_algs("{\"keys\":[{" RSA ",\"kid\":\"a\"},{" EC ",\"kid\":\"a\",\"key_ops\":[\"verify\"]}], \"more\":1}", "a:PS256 a:ES256");
}

Test(jwks, keys_for_other_purposes_are_passed_over)
{
	struct errs errs;
	struct jwks s;

	cr_expect_eq(parse(&s,
			   "{\"keys\":[{\"kty\":\"future\"},{" RSA ",\"use\":\"enc\"},{" RSA ",\"alg\":\"RSA-OAEP\"},{" EC
			   ",\"key_ops\":[\"sign\"]},{\"kty\":\"EC\",\"crv\":\"secp256k1\"},{\"kty\":\"OKP\",\"crv\":\"X25519\"},{" OCT
			   ",\"alg\":\"none\"},{" OKP ",\"kid\":\"x\"}]}",
			   &errs),
		     0);
	same_errors("others", &errs, "");
	cr_expect_eq(s.n, 1u);
	cr_expect_eq(s.n_passed_over, 7u);
	jwks_done(&s);
	expect_errors("{\"keys\":[{\"kty\":\"future\"}]}",
		      "k.json: none of its 1 keys can verify a token; expected RSA, EC P-256 or P-384, Ed25519 or oct keys for "
		      "signatures\n");
}

Test(jwks, what_is_wrong_is_said_with_its_place)
{
	static const struct {
		const char *text, *want;
	} v[] = {
	    {"", "k.json:1: not a JWK Set: line 1, column 0: unexpected token near end of file\n"},
	    {"{\"keys\":[\n}", "k.json:2: not a JWK Set: line 2, column 1: unexpected token near '}'\n"},
	    {"[]", "k.json: not a JWK Set: an object is expected\n"},
	    {"{}", "k.json:1: not a JWK Set: expected {\"keys\": [ ... ]} with at most 64 keys\n"},
	    {"{\"keys\":{}}", "k.json:1: not a JWK Set: expected {\"keys\": [ ... ]} with at most 64 keys\n"},
	    {"{\"keys\":[7]}", "k.json:1: key 1: not an object of at most 64 members\n"},
	    {"{\"keys\":[\n{" OKP "},\n{}]}", "k.json:3: key 2: \"kty\" is missing; expected RSA, EC, OKP or oct\n"},
	    {"{\"keys\":[{" EC ",\"alg\":\"HS256\",\"kid\":\"a\"}]}", "k.json:1: key 1 (kid \"a\"): alg HS256 does not fit the key's type\n"},
	    {"{\"keys\":[{" RSA ",\"alg\":\"ES256\"}]}", "k.json:1: key 1: alg ES256 does not fit the key's type\n"},
	    {"{\"keys\":[{" EC ",\"alg\":\"ES384\"}]}", "k.json:1: key 1: alg ES384 does not fit the key's type\n"},
	    {"{\"keys\":[{" RSA ",\"alg\":\"HS256\"}]}", "k.json:1: key 1: alg HS256 does not fit the key's type\n"},
	    {"{\"keys\":[{" OKP ",\"d\":\"AAAA\"}]}", "k.json:1: key 1: it holds a private key (\"d\"); expected the public part only\n"},
	    {"{\"keys\":[{" OKP ",\"kid\":\"a\"},{" OKP ",\"kid\":\"a\"}]}", "k.json:1: key 2 (kid \"a\"): another key has this kid and algorithm\n"},
	    {"{\"keys\":[{\"kty\":\"RSA\",\"n\":\"" N1024 "\",\"e\":\"AQAB\"}]}", "k.json:1: key 1: the modulus has 936 bits; expected 2048 to 8192\n"},
	    {"{\"keys\":[{\"kty\":\"RSA\",\"n\":\"" N2048 "\",\"e\":\"AQ\"}]}", "k.json:1: key 1: bad exponent \"e\"; expected an odd number such as AQAB (65537)\n"},
	    {"{\"keys\":[{\"kty\":\"RSA\",\"n\":\"" N2048 "\"}]}", "k.json:1: key 1: \"e\" is missing; expected base64url text\n"},
	    {"{\"keys\":[{\"kty\":\"RSA\",\"n\":\"" N2048 "==\",\"e\":\"AQAB\"}]}", "k.json:1: key 1: \"n\" is not base64url (no padding, no blanks)\n"},
	    {"{\"keys\":[{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"AAAA\"}]}", "k.json:1: key 1: \"x\" has 3 bytes; expected 32\n"},
	    {"{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-384\",\"x\":\"AAAA\"}]}", "k.json:1: key 1: \"x\" has 3 bytes; expected 48\n"},
	    {"{\"keys\":[{\"kty\":\"oct\",\"k\":\"c2VjcmV0\"}]}", "k.json:1: key 1: \"k\" has 6 bytes; expected 32 to 4096\n"},
	    {"{\"keys\":[{" OCT ",\"alg\":\"HS512\"}]}", "k.json:1: key 1: \"k\" has 32 bytes; expected 64 to 4096\n"},
	};

	for (size_t i = 0; i < ARRAY_LEN(v); i++)
		expect_errors(v[i].text, v[i].want);
}

Test(jwks, the_secret_of_a_file)
{
	struct errs errs;
	struct jwks s;

	errs_init(&errs);
	jwks_init(&s);
	cr_expect_eq(jwks_add_secret(&s, "s", SLICE("0123456789abcdef0123456789abcdef\r\n"), &errs), 0);
	cr_assert_eq(s.n, 1u);
	cr_expect_eq(s.v[0].k.n, 32u);
	cr_expect_eq(s.v[0].alg, JWK_HS256);
	cr_expect_eq(jwks_add_secret(&s, "s", SLICE("0123456789abcdef0123456789abcde\n"), &errs), 1);
	cr_expect_eq(jwks_add_secret(&s, "s", SLICE("\n"), &errs), 1);
	same_errors("secret", &errs, "s: the secret has 31 bytes; expected 32 to 4096\ns: the secret has 0 bytes; expected 32 to 4096\n");
	jwks_done(&s);
}
