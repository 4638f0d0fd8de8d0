/* jr: a request body read as JSON, by jansson, strictly: one document, UTF-8, no duplicate members, depth and
 * size bounded. Numbers keep their exact text (jansson would round them to double), so a numeric
 * beyond 2^53 reaches PostgreSQL as it was sent.
 * Owner: strings live in the arena given. Layer: lib/json. */
#ifndef WEIR_JSON_JR_H
#define WEIR_JSON_JR_H

#include "lib/base/arena.h"
#include "lib/base/err.h"

enum jr_type { JR_NULL, JR_BOOL, JR_NUMBER, JR_STRING, JR_ARRAY, JR_OBJECT };

/* "2.14": of jansson. */
const char *jr_library_version(void);

struct jr_member {
	struct slice name;	/* decoded */
	enum jr_type type;
	struct slice text;	/* string: decoded; all others: the bytes as sent, without outer blanks */
};

/* Is text one valid JSON document of any type? 0 or -E_bad_json with line, column and sentence. */
int jr_validate(struct slice text, struct err *e) MUST_USE;
/* Members of the object that text is. 0 or -E_bad_json (not valid, not an object, > max members). */
int jr_object(struct slice text, struct arena *a, unsigned max, struct jr_member **ret, unsigned *ret_n,
	      struct err *e) MUST_USE;
/* The elements of a JSON array's text (as jr_member with empty names). */
int jr_array(struct slice text, struct arena *a, unsigned max, struct jr_member **ret, unsigned *ret_n,
	     struct err *e) MUST_USE;

#endif
