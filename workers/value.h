/* value: what was found for a parameter, held against its declaration and its type, and made the text that is bound.
 * A string is one value or one element, whatever it looks like: only an endpoint's file has array literals.
 * Layer: workers. */
#ifndef WEIR_WORKERS_VALUE_H
#define WEIR_WORKERS_VALUE_H

#include "lib/json/jr.h"

struct param;
struct req;

#define VALUE_MAX_ITEMS 10000	/* elements of an array */

struct found {
	struct slice text;		/* p == NULL: absent; ends in NUL but for what is cut out of a JSON body */
	const char *source;
	enum jr_type type;		/* JR_STRING for what did not come as JSON */
	int is_json;			/* a member of a JSON body, or a claim */
	int is_null;
	int is_literal;			/* the text is a whole's array, for its part */
	struct slice *more;		/* repeated query parameters */
	unsigned n_more;
};

/* The text to bind, or NULL after a fault. */
const char *value_text(struct req *r, const struct param *p, const struct found *f);
/* Is the parameter bound as an array? */
int value_is_array(const struct req *r, const struct param *p);
/* Is text one of the alternatives; which one. */
int value_choice(const struct param *p, struct slice text, unsigned *ret);
const char *value_choices_text(struct req *r, const struct param *p);
void value_fault(struct req *r, const struct param *p, const struct found *f, const char *expected);

#endif
