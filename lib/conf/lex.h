/* lex: PostgreSQL's lexical structure, as far as it decides where a parameter can stand.
 * Every byte of the text belongs to exactly one token, so text can be put together again.
 *
 * Inside a subscript, a[lo:hi], a colon may separate the bounds. The rule: there, ":name" is a
 * parameter only directly after "[", "(", ",", an operator, a keyword such as AND or THEN, or the
 * separating colon itself; else the colon is the separator. So a[i:j] and a[1:n] are slices of
 * columns, a[:lo] has one parameter, a[:lo: :hi] two, and in a[:lo:hi] hi is a column. Inside
 * ARRAY[…], and inside parentheses within a subscript, every ":name" is a parameter.
 * Owner: the caller; the text is borrowed. Not shared. Layer: lib/conf. */
#ifndef WEIR_CONF_LEX_H
#define WEIR_CONF_LEX_H

#include "lib/base/slice.h"

enum lex_kind {
	LEX_END,
	LEX_SPACE,
	LEX_LINE_COMMENT, /* -- to the end of the line, without the newline */
	LEX_BLOCK_COMMENT,
	LEX_WORD, /* keyword or unquoted identifier */
	LEX_QUOTED, /* "identifier" */
	LEX_STRING, /* '…', E'…', $$…$$; with its prefix */
	LEX_NUMBER,
	LEX_PARAM, /* :name */
	LEX_SEMICOLON,
	LEX_OTHER, /* operators and punctuation, one or two characters */
	LEX_ERROR /* see lex.error; nothing follows */
};

struct lex_tok {
	enum lex_kind kind;
	struct slice text;
	unsigned line, col; /* 1-based, col in characters */
	int is_first; /* only blanks before it in its line */
};

#define LEX_MAX_DEPTH 200

struct lex {
	const char *p, *end;
	unsigned line, col;
	int is_line_blank; /* only blanks so far */
	const char *error; /* a sentence, after LEX_ERROR */
	int is_numbered; /* set after lex_init: the text has $1 … in place of :name, and they are numbers */
	char open[LEX_MAX_DEPTH]; /* '(' · '[' subscript · 'A' array constructor */
	unsigned depth;
	/* what stood before, without blanks and comments */
	char prev_kind; /* 0 nothing · 'o' operator, opening, comma · 'k' keyword · 'v' value */
	int prev_is_array; /* the word ARRAY */
	int is_escape_string; /* an E'' string may be continued by '…' on another line */
	int is_newline_since;
};

void lex_init(struct lex *l, struct slice text);
/* LEX_END for ever at the end, LEX_ERROR for ever after an error (at the place it is about). */
void lex_next(struct lex *l, struct lex_tok *ret);

#endif
