/* lex: see lex.h. Follows postgres' scan.l: standard_conforming_strings on, nested comments, dollar
 * quotes whose tag cannot follow an identifier character, E'' with backslashes, and a string that
 * is continued by another on a later line. */
#include "config.h"

#include "lib/conf/lex.h"

static int is_word_start(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (c & 0x80);
}

static int is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static int is_word_char(char c)
{
	return is_word_start(c) || is_digit(c) || c == '$';
}

static int is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f' || c == '\v';
}

static char at(const struct lex *l, size_t i)
{
	return i < (size_t)(l->end - l->p) ? l->p[i] : 0;
}

void lex_init(struct lex *l, struct slice text)
{
	*l = (struct lex){
	    .p = text.p, .end = text.p + text.n, .line = 1, .col = 1, .is_line_blank = 1};
}

/* The token of n bytes. */
static void take(struct lex *l, struct lex_tok *t, enum lex_kind kind, size_t n)
{
	t->kind = kind;
	t->text = slice_of(l->p, n);
	for (size_t i = 0; i < n; i++) {
		char c = l->p[i];

		if (c == '\n') {
			l->line++;
			l->col = 1;
			l->is_line_blank = l->is_newline_since = 1;
			continue;
		}
		l->col += ((unsigned char)c & 0xc0) != 0x80;
		if (c != ' ' && c != '\t')
			l->is_line_blank = 0;
	}
	l->p += n;
}

static void fail(struct lex *l, struct lex_tok *t, const char *why)
{
	l->error = why;
	t->kind = LEX_ERROR;
	t->text = slice_of(l->p, 0);
}

/* Past the closing quote of a string that begins at offset i (its opening quote); 0 when it has
 * none. */
static size_t quoted_end(const struct lex *l, size_t i, char quote, int has_backslashes)
{
	size_t n = (size_t)(l->end - l->p);

	for (i++; i < n; i++) {
		if (has_backslashes && l->p[i] == '\\')
			i++;
		else if (l->p[i] == quote && i + 1 < n && l->p[i + 1] == quote)
			i++;
		else if (l->p[i] == quote)
			return i + 1;
	}
	return 0;
}

static size_t block_comment_end(const struct lex *l)
{
	size_t n = (size_t)(l->end - l->p), depth = 1;

	for (size_t i = 2; i + 1 < n; i++) {
		if (l->p[i] == '/' && l->p[i + 1] == '*') {
			depth++;
			i++;
		} else if (l->p[i] == '*' && l->p[i + 1] == '/') {
			if (--depth == 0)
				return i + 2;
			i++;
		}
	}
	return 0;
}

/* Length of "$tag$" at p, or 0. */
static size_t dollar_tag(const struct lex *l)
{
	size_t i = 1;

	if (at(l, 1) != '$') {
		if (!is_word_start(at(l, 1)))
			return 0;
		while (is_word_start(at(l, i)) || is_digit(at(l, i)))
			i++;
	}
	return at(l, i) == '$' ? i + 1 : 0;
}

static int is_keyword(struct slice w)
{
	/* those after which a value can begin, and that are no column names */
	static const char *const words[] = {
	    "and",    "or",     "not",     "when",     "then",    "else",  "case",
	    "in",     "is",     "like",    "ilike",    "between", "from",  "for",
	    "select", "where",  "having",  "distinct", "all",     "any",   "some",
	    "limit",  "offset", "similar", "to",       "on",      "using", "symmetric"};

	for (size_t i = 0; i < ARRAY_LEN(words); i++)
		if (slice_ieq(w, slice_str(words[i])))
			return 1;
	return 0;
}

static void string(struct lex *l, struct lex_tok *t, size_t prefix, int has_backslashes)
{
	size_t n = quoted_end(l, prefix, '\'', has_backslashes);

	if (n == 0) {
		fail(l, t, "string without end; expected a closing '");
		return;
	}
	take(l, t, LEX_STRING, n);
	l->prev_kind = 'v';
	l->prev_is_array = 0;
	l->is_escape_string = has_backslashes;
	l->is_newline_since = 0;
}

static void quoted(struct lex *l, struct lex_tok *t, size_t prefix)
{
	size_t n = quoted_end(l, prefix, '"', 0);

	if (n == 0)
		fail(l, t, "quoted identifier without end; expected a closing \"");
	else
		take(l, t, LEX_QUOTED, n);
	l->prev_kind = 'v';
}

static void dollar(struct lex *l, struct lex_tok *t)
{
	size_t tag = dollar_tag(l), left = (size_t)(l->end - l->p);
	const char *close;

	if (is_digit(at(l, 1)) && l->is_numbered) {
		size_t n = 2;

		while (is_digit(at(l, n)))
			n++;
		take(l, t, LEX_NUMBER, n);
		l->prev_kind = 'v';
		return;
	}
	if (is_digit(at(l, 1))) {
		fail(l, t, "write :name instead of $1; parameters are numbered by weir");
		return;
	}
	if (tag == 0) {
		take(l, t, LEX_OTHER, 1);
		return;
	}
	close = memmem(l->p + tag, left - tag, l->p, tag);
	if (!close) {
		fail(l, t, "dollar-quoted string without end");
		return;
	}
	take(l, t, LEX_STRING, (size_t)(close - l->p) + tag);
	l->prev_kind = 'v';
}

static void word(struct lex *l, struct lex_tok *t)
{
	char c = (char)(l->p[0] | 0x20), next = at(l, 1);
	size_t n = 0;

	if (next == '\'' && (c == 'e' || c == 'b' || c == 'x' || c == 'n')) {
		string(l, t, 1, c == 'e');
		return;
	}
	if (c == 'u' && next == '&' && at(l, 2) == '\'') {
		string(l, t, 2, 0);
		return;
	}
	if (c == 'u' && next == '&' && at(l, 2) == '"') {
		quoted(l, t, 2);
		return;
	}
	while (is_word_char(at(l, n)))
		n++;
	take(l, t, LEX_WORD, n);
	l->prev_is_array = slice_ieq(t->text, SLICE("array"));
	l->prev_kind = is_keyword(t->text) ? 'k' : 'v';
}

/* "1..2" and "1:2" stay apart; "1e5", "1.5" and "0x1f" are one. */
static void number(struct lex *l, struct lex_tok *t)
{
	size_t n = 0;

	while (is_word_start(at(l, n)) || is_digit(at(l, n)) ||
	       (at(l, n) == '.' && at(l, n + 1) != '.'))
		n++;
	take(l, t, LEX_NUMBER, n);
	l->prev_kind = 'v';
}

static void colon(struct lex *l, struct lex_tok *t)
{
	char next = at(l, 1);
	int is_subscript = l->depth && l->open[l->depth - 1] == '[';
	size_t n = 1;

	if (next == ':' || next == '=') {
		take(l, t, LEX_OTHER, 2);
		l->prev_kind = 'o';
		return;
	}
	if ((is_word_start(next) && !(next & 0x80)) && (!is_subscript || l->prev_kind != 'v')) {
		while (is_word_char(at(l, n)) && at(l, n) != '$' && !(at(l, n) & 0x80))
			n++;
		if (is_word_char(at(l, n))) {
			fail(l, t, "bad parameter name; expected letters, digits and _");
			return;
		}
		take(l, t, LEX_PARAM, n);
		l->prev_kind = 'v';
		return;
	}
	if ((next == '\'' || next == '"') && !is_subscript) {
		fail(l, t, "write :name without quotes; values are always bound, never spliced");
		return;
	}
	take(l, t, LEX_OTHER, 1);
	l->prev_kind = 'o';
}

static void bracket(struct lex *l, struct lex_tok *t, char c)
{
	int is_open = c == '(' || c == '[';

	if (is_open && l->depth == LEX_MAX_DEPTH) {
		fail(l, t, "nested too deeply");
		return;
	}
	if (is_open) {
		int is_array = l->prev_is_array ||
			       (l->depth && l->open[l->depth - 1] == 'A' && l->prev_kind == 'o');

		l->open[l->depth++] = c == '[' && is_array ? 'A' : c;
	} else if (l->depth == 0 || (c == ')') != (l->open[l->depth - 1] == '(')) {
		fail(l, t, c == ')' ? "')' without '('" : "']' without '['");
		return;
	} else {
		l->depth--;
	}
	take(l, t, LEX_OTHER, 1);
	l->prev_kind = is_open ? 'o' : 'v';
}

static void other(struct lex *l, struct lex_tok *t, char c)
{
	if (c == 0) {
		fail(l, t, "NUL character");
	} else if (c == ';' && l->depth) {
		fail(l, t,
		     l->open[l->depth - 1] == '(' ? "';' inside parentheses"
						  : "';' inside brackets");
	} else if (c == '\\') {
		fail(l, t, "unexpected '\\'; psql's commands are not known here");
	} else if ((unsigned char)c < ' ' || c == 0x7f) {
		fail(l, t, "control character");
	} else {
		take(l, t, c == ';' ? LEX_SEMICOLON : LEX_OTHER, 1);
		l->prev_kind = c == '.' ? 'v' : 'o';
	}
}

static int is_number_start(const struct lex *l, char c)
{
	return is_digit(c) || (c == '.' && is_digit(at(l, 1)));
}

static void significant(struct lex *l, struct lex_tok *t, char c)
{
	int continues = l->is_escape_string && l->is_newline_since;

	l->is_escape_string = 0;
	if (c == '\'') {
		string(l, t, 0, continues);
		return;
	}
	if (c == '[' || c == ']' || c == '(' || c == ')') {
		bracket(l, t, c);
		l->prev_is_array = 0;
		return;
	}
	l->prev_is_array = 0;
	if (c == '"')
		quoted(l, t, 0);
	else if (c == '$')
		dollar(l, t);
	else if (is_word_start(c))
		word(l, t);
	else if (is_number_start(l, c))
		number(l, t);
	else if (c == ':')
		colon(l, t);
	else
		other(l, t, c);
}

void lex_next(struct lex *l, struct lex_tok *t)
{
	char c = at(l, 0), next = at(l, 1);
	size_t n = 0;

	*t = (struct lex_tok){.line = l->line, .col = l->col, .is_first = l->is_line_blank};
	if (l->error) {
		fail(l, t, l->error);
	} else if (l->p == l->end) {
		if (l->depth)
			fail(l, t,
			     l->open[l->depth - 1] == '(' ? "'(' without ')'" : "'[' without ']'");
	} else if (is_space(c)) {
		while (l->p + n < l->end && is_space(l->p[n]))
			n++;
		take(l, t, LEX_SPACE, n);
	} else if (c == '-' && next == '-') {
		while (l->p + n < l->end && l->p[n] != '\n')
			n++;
		take(l, t, LEX_LINE_COMMENT, n);
	} else if (c == '/' && next == '*') {
		n = block_comment_end(l);
		if (n == 0)
			fail(l, t, "comment without end; expected */");
		else
			take(l, t, LEX_BLOCK_COMMENT, n);
		l->is_escape_string = 0;
	} else {
		significant(l, t, c);
	}
}
