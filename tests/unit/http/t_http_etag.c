#include "config.h"

#include <criterion/criterion.h>

#include "lib/http/http_etag.h"

Test(etag, has_a_tag_for_each_coding)
{
	uint8_t digest[16];
	char out[HTTP_ETAG_ROOM], zero[HTTP_ETAG_ROOM];

	for (unsigned i = 0; i < 16; i++)
		digest[i] = (uint8_t)(i * 17);
	cr_expect_eq(http_etag_format(digest, HTTP_IDENTITY, out), 24);
	cr_expect_str_eq(out, "\"ABEiM0RVZneImaq7zN3u_w\"");
	cr_expect_eq(http_etag_format(digest, HTTP_GZIP, out), 29);
	cr_expect_str_eq(out, "\"ABEiM0RVZneImaq7zN3u_w-gzip\"");
	cr_expect_eq(http_etag_format(digest, HTTP_BR, out), 27);
	cr_expect_str_eq(out, "\"ABEiM0RVZneImaq7zN3u_w-br\"");
	cr_expect(slice_eq(http_etag_state(slice_str(out)), SLICE("ABEiM0RVZneImaq7zN3u_w")));
	/* every bit of the digest shows */
	http_etag_format((uint8_t[16]){0}, HTTP_IDENTITY, zero);
	for (unsigned bit = 0; bit < 128; bit++) {
		uint8_t one[16] = {0};

		one[bit / 8] = (uint8_t)(1u << (bit % 8));
		http_etag_format(one, HTTP_IDENTITY, out);
		cr_expect_str_neq(out, zero, "bit %u", bit);
	}
}

Test(etag, finds_the_state)
{
	cr_expect(slice_eq(http_etag_state(SLICE(" W/\"a-gzip\" ")), SLICE("a")));
	cr_expect(slice_eq(http_etag_state(SLICE("\"\"")), SLICE("")));
	cr_expect(slice_eq(http_etag_state(SLICE("\"-br\"")), SLICE("-br")));
	cr_expect_null(http_etag_state(SLICE("a")).p);
	cr_expect_null(http_etag_state(SLICE("\"a")).p);
	cr_expect_null(http_etag_state(SLICE("\"a\"b")).p);
	cr_expect_null(http_etag_state(SLICE("\"a b\"")).p);
	cr_expect_null(http_etag_state((struct slice){NULL, 0}).p);
}

Test(etag, if_none_match_compares_weakly)
{
	static const struct {
		const char *list, *etag;
		int match;
	} rows[] = {
	    {"\"a\"", "\"a\"", 1}, {"W/\"a\"", "\"a\"", 1}, {"\"a\"", "W/\"a\"", 1}, {"W/\"a\"", "W/\"a\"", 1}, {"*", "\"a\"", 1}, {" * ", "\"a\"", 1},
	    {"\"b\"", "\"a\"", 0}, {"\"b\", \"a\"", "\"a\"", 1}, {"\"b\",W/\"a\",\"c\"", "\"a\"", 1}, {" ,\"b\" , ,\t\"a\",", "\"a\"", 1},
	    {"\"a-gzip\"", "\"a\"", 1}, {"W/\"a-gzip\"", "\"a-br\"", 1}, {"\"a-br\"", "\"a-gzip\"", 1}, {"\"a-zstd\"", "\"a\"", 0}, {"\"A\"", "\"a\"", 0},
	    {"\"x,y\"", "\"x,y\"", 1}, {"\"x\", \"y\"", "\"x, y\"", 0}, {"\"\"", "\"\"", 1}, {"\"\xc3\xa4\"", "\"\xc3\xa4\"", 1},
	    /* up to the first fault */
	    {"\"a\", b", "\"a\"", 1}, {"b, \"a\"", "\"a\"", 0}, {"\"a", "\"a\"", 0}, {"a\"", "\"a\"", 0}, {"a", "\"a\"", 0}, {"'a'", "\"a\"", 0},
	    {"\"b\" \"a\"", "\"a\"", 0}, {"\"b\"\"a\"", "\"a\"", 0}, {"w/\"a\"", "\"a\"", 0}, {"W/ \"a\"", "\"a\"", 0}, {"*, \"a\"", "\"a\"", 0},
	    {"\"b\", *", "\"a\"", 0}, {"", "\"a\"", 0}, {",", "\"a\"", 0}, {"W/", "\"a\"", 0}, {"\"", "\"a\"", 0}, {"\"a\x01\"", "\"a\"", 0},
	    {"\"a\"", "a", 0}, {"*", "a", 0},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		cr_expect_eq(http_if_none_match(slice_str(rows[i].list), slice_str(rows[i].etag)), rows[i].match, "%s / %s",
			     rows[i].list, rows[i].etag);
	cr_expect_eq(http_if_none_match(SLICE("*"), (struct slice){NULL, 0}), 0);
	cr_expect_eq(http_if_none_match((struct slice){NULL, 0}, SLICE("\"a\"")), 0);
}

Test(etag, a_304_is_about_the_copy_that_was_named)
{
	static const struct {
		const char *list;
		int match;
		enum http_coding coding;
	} rows[] = {
	    {"\"a\"", 1, HTTP_IDENTITY}, {"\"a-gzip\"", 1, HTTP_GZIP}, {"W/\"a-br\"", 1, HTTP_BR}, {"*", 1, HTTP_IDENTITY},
	    {"\"b-br\", \"a-gzip\", \"a\"", 1, HTTP_GZIP}, {"\"b-br\"", 0, HTTP_IDENTITY}, {"", 0, HTTP_IDENTITY},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		enum http_coding coding = HTTP_CODINGS;

		cr_expect_eq(http_none_match_coding(slice_str(rows[i].list), SLICE("\"a\""), &coding), rows[i].match, "%s", rows[i].list);
		cr_expect(!rows[i].match || coding == rows[i].coding, "%s", rows[i].list);
	}
}

Test(etag, if_match_compares_strongly)
{
	static const struct {
		const char *list, *etag;
		int match;
	} rows[] = {
	    {"\"a\"", "\"a\"", 1}, {"*", "\"a\"", 1}, {"*", "W/\"a\"", 1}, {"\"b\", \"a\"", "\"a\"", 1}, {",\"a\",", "\"a\"", 1},
	    {"\"a-gzip\"", "\"a-gzip\"", 1}, {"W/\"a\"", "\"a\"", 0}, {"\"a\"", "W/\"a\"", 0}, {"W/\"a\"", "W/\"a\"", 0}, {"\"a-gzip\"", "\"a\"", 0},
	    {"\"b\"", "\"a\"", 0}, {"\"a\", b", "\"a\"", 0}, {"\"a\"x", "\"a\"", 0}, {"a", "\"a\"", 0}, {"", "\"a\"", 0}, {"\"a\", *", "\"a\"", 0},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		cr_expect_eq(http_if_match(slice_str(rows[i].list), slice_str(rows[i].etag)), rows[i].match, "%s / %s",
			     rows[i].list, rows[i].etag);
	cr_expect_eq(http_if_match(SLICE("*"), (struct slice){NULL, 0}), 0);
}

Test(coding, is_what_the_client_takes)
{
	static const struct {
		const char *accept;
		enum http_coding all, gzip_only;
	} rows[] = {
	    {"", HTTP_IDENTITY, HTTP_IDENTITY}, {"gzip", HTTP_GZIP, HTTP_GZIP}, {"x-gzip", HTTP_GZIP, HTTP_GZIP}, {"br", HTTP_BR, HTTP_IDENTITY},
	    {"gzip, deflate, br", HTTP_BR, HTTP_GZIP}, {"gzip, deflate, br, zstd", HTTP_BR, HTTP_GZIP}, {"GZIP;Q=0.5,Br", HTTP_BR, HTTP_GZIP},
	    {"br;q=0.5, gzip;q=0.9", HTTP_GZIP, HTTP_GZIP}, {"br;q=0, gzip", HTTP_GZIP, HTTP_GZIP}, {"br;q=0.0", HTTP_IDENTITY, HTTP_IDENTITY},
	    {"*", HTTP_BR, HTTP_GZIP}, {"*;q=0", HTTP_IDENTITY, HTTP_IDENTITY}, {"*;q=0, gzip", HTTP_GZIP, HTTP_GZIP}, {"br;q=0, *", HTTP_GZIP, HTTP_GZIP},
	    {"gzip;q=0.5, identity", HTTP_IDENTITY, HTTP_IDENTITY}, {"gzip;q=0.5, identity;q=0.4", HTTP_GZIP, HTTP_GZIP},
	    {"identity;q=0, gzip;q=0.001", HTTP_GZIP, HTTP_GZIP}, {"identity;q=0", HTTP_IDENTITY, HTTP_IDENTITY}, {"deflate, zstd", HTTP_IDENTITY, HTTP_IDENTITY},
	    {"gzipped", HTTP_IDENTITY, HTTP_IDENTITY}, {"gzip;q=0.5;x=y, br;q=0.4", HTTP_GZIP, HTTP_GZIP}, {",, gzip ,", HTTP_GZIP, HTTP_GZIP},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		cr_expect_eq(http_coding_choose(slice_str(rows[i].accept), 7), rows[i].all, "%s", rows[i].accept);
		cr_expect_eq(http_coding_choose(slice_str(rows[i].accept), HTTP_CODING_BIT(HTTP_GZIP)), rows[i].gzip_only, "%s",
			     rows[i].accept);
		cr_expect_eq(http_coding_choose(slice_str(rows[i].accept), 0), HTTP_IDENTITY);
	}
	cr_expect_eq(http_coding_choose((struct slice){NULL, 0}, 7), HTTP_IDENTITY);
	cr_expect_str_eq(http_coding_name(HTTP_BR), "br");
}
