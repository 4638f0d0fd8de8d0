#include "config.h"

#include <criterion/criterion.h>
#include <stdio.h>

#include "lib/base/buf.h"
#include "lib/conf/lex.h"

/* Every parameter as "name@line:col ", and "! sentence@line:col" for an error. Checks on the way
 * that the tokens put together are the text. */
static void params(const char *text, struct buf *out)
{
	struct lex lex;
	struct lex_tok t;
	const char *at = text;

	lex_init(&lex, slice_str(text));
	for (lex_next(&lex, &t); t.kind != LEX_END && t.kind != LEX_ERROR; lex_next(&lex, &t)) {
		cr_expect(t.text.p == at && t.text.n > 0);
		at += t.text.n;
		if (t.kind == LEX_PARAM)
			buf_addf(out, "%.*s@%u:%u ", (int)t.text.n - 1, t.text.p + 1, t.line, t.col);
	}
	if (t.kind == LEX_ERROR)
		buf_addf(out, "! %s@%u:%u", lex.error, t.line, t.col);
	else
		cr_expect_eq(*at, 0);
}

static const struct {
	const char *text, *want;
} cases[] = {
    {"", ""},
    {"SELECT :a", "a@1:8 "},
    {"SELECT :a::int, :b_2::text[]", "a@1:8 b_2@1:17 "},
    {"SELECT x::int, y :: text", ""},
    {"f(a := 1, b := :b)", "b@1:16 "},
    {":a:b", "a@1:1 b@1:3 "},
    {"\n\n  :a\n:b", "a@3:3 b@4:1 "},
    {"'ä' || :a", "a@1:8 "},
    /* strings */
    {"':a' || :b", "b@1:9 "},
    {"'it''s :a' :b", "b@1:12 "},
    {"'\\' :b", "b@1:5 "},
    {"E'\\' :a' :b", "b@1:10 "},
    {"e'\\\\' :b", "b@1:7 "},
    {"E'a'\n  'b\\' :c' :d", "d@2:12 "},
    {"E'a' -- x\n 'b\\' :c' :d", "d@2:11 "},
    {"'a'\n'b\\' :d", "d@2:6 "},
    {"somee'\\' :b", "b@1:10 "},
    {"B'01' X'ff' N':a' U&'\\0061 :a' :b", "b@1:32 "},
    {"U&\"d:a\" :b", "b@1:9 "},
    {"\"col:a\" \"a\"\":b\" :c", "c@1:17 "},
    /* dollar quotes */
    {"$$ :a $$ :b", "b@1:10 "},
    {"$t$ :a $$ :c $t$ :b", "b@1:18 "},
    {"$T$ $t$ :a $T$ :b", "b@1:16 "},
    {"a$b$ :c", "c@1:6 "},
    {"$ä$ :a $ä$ :b", "b@1:12 "},
    /* comments */
    {"-- :a\n:b", "b@2:1 "},
    {"/* :a /* :b */ :c */ :d", "d@1:22 "},
    {"/* ' */ :d '/*' :e", "d@1:9 e@1:17 "},
    {"a - -- :x\n :b", "b@2:2 "},
    /* slices */
    {"a[1:2]", ""},
    {"a[i:j]", ""},
    {"a[i :j]", ""},
    {"a[i: j]", ""},
    {"a[:n]", "n@1:3 "},
    {"a[:n:2]", "n@1:3 "},
    {"a[:lo: :hi]", "lo@1:3 hi@1:8 "},
    {"a[:lo:hi]", "lo@1:3 "},
    {"a[1::int]", ""},
    {"a[1+:n]", "n@1:5 "},
    {"a[f(:x):j]", "x@1:5 "},
    {"a[(i):j]", ""},
    {"a[b[1]:j]", ""},
    {"a[\"i\":j]", ""},
    {"a[(x, :y)]", "y@1:7 "},
    {"a[(case when :c then 1 end):j]", "c@1:14 "},
    {"a[CASE WHEN :c THEN 1 END]", "c@1:13 "},
    {"a[1][:n]", "n@1:6 "},
    {"x[:]", ""},
    {"ARRAY[:a, :b]", "a@1:7 b@1:11 "},
    {"ARRAY[x :b]", "b@1:9 "},
    {"array [[:a],[x :b]]", "a@1:9 b@1:16 "},
    {"(ARRAY[1,2])[i:j]", ""},
    {"ARRAY[a[i:j], :c]", "c@1:15 "},
    /* numbers */
    {"1:a", "a@1:2 "},
    {"1.5e3 :a .5 :b 1..2 :c", "a@1:7 b@1:13 c@1:21 "},
    {"1:1", ""},
    /* refused */
    {"'abc", "! string without end; expected a closing '@1:1"},
    {"a\n \"abc", "! quoted identifier without end; expected a closing \"@2:2"},
    {"/* /* */", "! comment without end; expected */@1:1"},
    {"$$ abc", "! dollar-quoted string without end@1:1"},
    {"x = $1", "! write :name instead of $1; parameters are numbered by weir@1:5"},
    {":'a'", "! write :name without quotes; values are always bound, never spliced@1:1"},
    {":\"a\"", "! write :name without quotes; values are always bound, never spliced@1:1"},
    {":aé", "! bad parameter name; expected letters, digits and _@1:1"},
    {"\\d x", "! unexpected '\\'; psql's commands are not known here@1:1"},
    {"f(a", "! '(' without ')'@1:4"},
    {"f a)", "! ')' without '('@1:4"},
    {"(a]", "! ']' without '['@1:3"},
    {"(a; b)", "! ';' inside parentheses@1:3"},
    {"a \x01", "! control character@1:3"},
};

Test(lex, parameters_are_found_where_postgres_would_see_an_operand)
{
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct buf b;

		buf_init(&b, 0);
		params(cases[i].text, &b);
		cr_expect(strcmp(buf_str(&b), cases[i].want) == 0, "%s\ngot      %s\nexpected %s",
			  cases[i].text, buf_str(&b), cases[i].want);
		buf_done(&b);
	}
}

Test(lex, depth_is_bounded)
{
	char text[LEX_MAX_DEPTH + 2];
	struct lex lex;
	struct lex_tok t;

	memset(text, '(', sizeof(text));
	lex_init(&lex, slice_of(text, sizeof(text)));
	do
		lex_next(&lex, &t);
	while (t.kind == LEX_OTHER);
	cr_expect_eq(t.kind, LEX_ERROR);
	cr_expect_str_eq(lex.error, "nested too deeply");
	lex_next(&lex, &t);
	cr_expect_eq(t.kind, LEX_ERROR);
}

Test(lex, a_nul_is_refused)
{
	struct lex lex;
	struct lex_tok t;

	lex_init(&lex, slice_of("a\0b", 3));
	lex_next(&lex, &t);
	lex_next(&lex, &t);
	cr_expect_eq(t.kind, LEX_ERROR);
}
