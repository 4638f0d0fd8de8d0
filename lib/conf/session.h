/* session: what a statement would leave behind in the session that the next request gets, as far as its text tells; and
 * what it mentions, for who looks the rest up in the database's catalogs (lib/pg/db_reach.c). Pure.
 * Layer: lib/conf. */
#ifndef WEIR_CONF_SESSION_H
#define WEIR_CONF_SESSION_H

#include "lib/base/slice.h"

enum session_use {
	SESSION_ASK,	/* a query, or a write: what it reaches decides */
	SESSION_CLEAN,	/* leaves nothing, or its author vouches for it */
	SESSION_TOUCHES /* CALL, DO, DDL and all the others: what runs then is not known */
};

struct session_fault {
	unsigned line;	/* of the text, from 1 */
	char text[256]; /* one clause */
};

/* Of a statement with $1 … $n. 1: it must not be an endpoint's, see ret; 0: it may. */
int session_refuses(const char *sql, struct session_fault *ret);
/* What kind it is, by its first word. ret_may_commit: CALL, or a DO whose text may show a COMMIT: they may commit while they run. */
enum session_use session_use_of(const char *sql, int *ret_may_commit);
/* Is it a SELECT, that of a WITH too, and none with INTO: it has rows, be it without columns. */
int session_selects(const char *sql);

enum session_mention {
	MENTION_NAME,	  /* any identifier, as the server folds it */
	MENTION_CALL,	  /* one with an opening parenthesis behind it */
	MENTION_FIELD,	  /* one with a dot before it: a column, or a function of its row */
	MENTION_OPERATOR, /* every operator that may be meant, those without a symbol (IN, LIKE, ORDER BY) too */
	MENTION_UNKNOWN	  /* something that this reader does not know the meaning of: nothing can be said */
};
/* Everything that a statement mentions, repetitions included. The name lives during the call only. */
void session_mentions(const char *sql, void (*put)(void *ctx, enum session_mention kind, struct slice name), void *ctx);

#endif
