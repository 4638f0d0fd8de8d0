/* 7.29: what passes for JSON, held against jansson. */
#include "config.h"

#include <criterion/criterion.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/base.h"
#include "lib/json/jv.h"

static int is_json(const char *s)
{
	return jv_is_json(s, strlen(s));
}

Test(jv, knows_json)
{
	static const char *const good[] = {
	    "1", " -0.5e-07\n", "0", "-0", "1E+5", "10", "\"\"", "\"a\\\"b\\u00e9\\/\"", "true", "false", "null", "[]", "{}", "[ ]", "{ }",
	    "[1,\"a\",null,[{}],{\"a\":[1 , 2]}]", "{\"a\":1,\"a\":2}", "{\"}\":\"]\"}", "{\"a\\n\":{\"b\":[]}}", "[[[[[[[[[[]]]]]]]]]]",
	    "\"a long one with more than sixteen bytes, and more \xc3\xa9\""};
	static const char *const bad[] = {
	    "", " ", "1,\"a\":2", "},\"a\":1,\"b\":{", "1}", "\"a\",\"b\"", "\"a\":1", "01", "-", "-a", "1.", ".5", "1e", "1e+", "+1", "0x1", "NaN", "tru",
	    "truee", "nul", "\"", "\"\\\"", "\"\\x\"", "\"\\u12g4\"", "\"\\u12\"", "\"\n\"", "[", "]", "[1", "[1}", "{1}", "{\"a\"}", "{\"a\":}",
	    "{\"a\":1,}", "{,}", "[,]", "[1,]", "[1 2]", "{\"a\":1 \"b\":2}", "{\"a\"::1}", "{\"a\":1:2}", "[1:2]", "{\"a\",1}", "[]]", "{}{}", "1 2",
	    "[1],", "\"a\"]", "//", "/**/1", "'a'", "{a:1}", "[{]}", "1\\", "true,false"};

	for (size_t i = 0; i < ARRAY_LEN(good); i++)
		cr_expect(is_json(good[i]), "%s", good[i]);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		cr_expect(!is_json(bad[i]), "%s", bad[i]);
	cr_expect(!jv_is_json("1\0", 2) && !jv_is_json("\"\0\"", 3) && !jv_is_json("[\0]", 3));
}

Test(jv, knows_numbers)
{
	static const char *const good[] = {"0", "-0", "10", "-12.50", "1e+20", "1e-05", "0.1", "0e0"};
	static const char *const bad[] = {"", "-", "01", "1.", "1e", "+1", "NaN", "-Infinity", "1a", "1 ", " 1", "1,2", "0x10", "1.5.5", "--1"};

	for (size_t i = 0; i < ARRAY_LEN(good); i++)
		cr_expect(jv_is_number(good[i], strlen(good[i])), "%s", good[i]);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		cr_expect(!jv_is_number(bad[i], strlen(bad[i])), "%s", bad[i]);
}

/* Whatever comes, in pieces as in one; jansson says whether it is JSON, but where it is stricter about surrogates. */
Test(jv, agrees_with_jansson)
{
	static const char *const words[] = {"{", "}", "[", "]", ",", ":", "\"a\"", "\"\\\\\"", "\"", "1", "-2.5", "0", "true", "null", " ", "\\"};
	unsigned n_good = 0;

	srand(7);
	for (unsigned round = 0; round < 200000; round++) {
		char text[200] = "";
		struct jv v;
		json_t *doc;
		size_t n, cut;
		int whole, pieces;

		for (int k = rand() % 9 + 1; k; k--)
			strcat(text, words[(size_t)rand() % ARRAY_LEN(words)]);
		n = strlen(text);
		cut = (size_t)rand() % (n + 1);
		whole = jv_is_json(text, n);
		jv_init(&v);
		pieces = jv_feed(&v, text, cut) == 0 && jv_feed(&v, text + cut, n - cut) == 0 && jv_is_whole(&v);
		doc = json_loadb(text, n, JSON_DECODE_ANY, NULL);
		cr_assert(whole == pieces && whole == (doc != NULL), "%s: %d, in pieces %d", text, whole, pieces);
		n_good += doc != NULL;
		json_decref(doc);
	}
	cr_expect_gt(n_good, 5000u);
}

static void fill(char *to, const char *piece, unsigned times)
{
	while (times--)
		to = stpcpy(to, piece);
}

Test(jv, depth_has_no_end)
{
	enum { DEEP = 5000 };
	static char text[DEEP * 20];
	size_t n;

	fill(text, "[1,{\"a\":0,\"b\":", DEEP);
	strcat(text, "\"x\"");
	fill(text + strlen(text), "},2]", DEEP);
	n = strlen(text);
	cr_expect(jv_is_json(text, n));
	cr_expect(!jv_is_json(text, n - 1));
	strcat(text, "]");
	cr_expect(!jv_is_json(text, n + 1));
}
