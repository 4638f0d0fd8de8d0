/* lane: may a statement run in the express lane, as far as its text tells? It must be a read that
 * leaves nothing behind in the session, for it shares a pipelined connection with others. What
 * hides inside a function is the author's. Pure. Layer: lib/conf. */
#ifndef WEIR_CONF_LANE_H
#define WEIR_CONF_LANE_H

#include "lib/conf/lex.h"

struct lane {
	struct slice first; /* the statement's first word */
	struct slice writes, calls; /* the first word that says so; n == 0: none */
	int locks_rows; /* FOR UPDATE, FOR SHARE and their kin */
	int after_for; /* words since FOR: 1 directly, 2 after NO or KEY … */
};

/* Give every token of the SQL, in order, to a zeroed lane. */
void lane_token(struct lane *l, const struct lex_tok *t);
/* "" when it may, else one clause that says why not. out is for the text; returns out. */
const char *lane_reason(const struct lane *l, char out[128]);
/* The statement is INSERT, UPDATE, DELETE or MERGE itself. */
int lane_is_write(const struct lane *l);
/* It may leave something behind: never run it twice on a lost connection. */
int lane_may_write(const struct lane *l);

#endif
