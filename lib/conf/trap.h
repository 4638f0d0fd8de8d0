/* trap: what is valid SQL, or a valid directive, and does something else than its author most likely thinks. Found in
 * the tokens as they pass, and said as warnings when the whole file, or the whole set, is known.
 * A false alarm teaches people to read no warnings: what may be meant is not said.
 * Owner: the endpoint parser's, for one file. Layer: lib/conf. */
#ifndef WEIR_CONF_TRAP_H
#define WEIR_CONF_TRAP_H

#include "lib/conf/lex.h"

struct dir;
struct endpoints;
struct errs;

#define TRAP_MAX 32	/* of one file; further ones are not said */

enum trap_kind {
	TRAP_NONE, TRAP_ORDER, TRAP_GROUP, TRAP_PARTITION, TRAP_DISTINCT, TRAP_IN, TRAP_STRING, TRAP_IDENTIFIER,
	TRAP_LATE_DIRECTIVE, TRAP_BLOCK_DIRECTIVE
};

struct trap {
	enum trap_kind kind;
	struct slice text;	/* the parameter's name, the string, the directive's word */
	unsigned line, col;
	int is_piece;		/* a string that is joined to others, or searched for: ':thumb' may be meant there */
};

/* What stands in one pair of parentheses, or outside of all. */
struct trap_level {
	enum trap_kind list;	/* whose list the tokens belong to */
	int is_fresh;		/* an item of it begins */
	int is_inner;		/* parentheses around all of an item, so far */
	int is_position;	/* of position(), where IN lists nothing */
	int is_text_call;	/* of a function that takes texts apart, or joins them */
	struct trap alone;	/* a parameter that is all of the item so far */
};

struct trap_scan {
	struct trap found[TRAP_MAX];
	unsigned n, depth;
	struct trap_level levels[LEX_MAX_DEPTH + 1];
	char before[20];	/* the last word, in small letters; "" if another token came since */
	int is_type;		/* behind :: */
	int is_joining;		/* behind a | */
	struct trap *string;	/* the last token, if it is one that was kept */
};

/* Give it every token of the SQL but blanks; with line comments, too. */
void trap_token(struct trap_scan *s, const struct lex_tok *t);
/* At the end of the file, when its parameters are known. */
void trap_finish(struct trap_scan *s, struct dir *d);
/* Over the set: tags that are made void and that nothing has. */
void trap_tags(const struct endpoints *set, struct errs *errs);

#endif
