/* http_cc: Cache-Control, of requests and responses (RFC 9111 5.2, RFC 5861, RFC 8246), read and written.
 * Pure; slices point into the header that was read. Layer: lib/http. */
#ifndef WEIR_HTTP_HTTP_CC_H
#define WEIR_HTTP_HTTP_CC_H

#include <stdint.h>

#include "lib/base/slice.h"

enum http_cc_flag {
	HTTP_CC_NO_STORE = 1,
	HTTP_CC_NO_CACHE = 2,		/* the whole message */
	HTTP_CC_NO_CACHE_FIELDS = 4,	/* those of no_cache_fields alone */
	HTTP_CC_PRIVATE = 8,
	HTTP_CC_PRIVATE_FIELDS = 16,
	HTTP_CC_PUBLIC = 32,
	HTTP_CC_MUST_REVALIDATE = 64,
	HTTP_CC_PROXY_REVALIDATE = 128,
	HTTP_CC_MUST_UNDERSTAND = 256,
	HTTP_CC_NO_TRANSFORM = 512,
	HTTP_CC_IMMUTABLE = 1024,
	HTTP_CC_ONLY_IF_CACHED = 2048,	/* request */
	HTTP_CC_ANY_STALE = 4096,	/* request: max-stale without a number */
};

#define HTTP_CC_ABSENT (-1)
#define HTTP_DELTA_MAX 2147483648	/* what a larger number of seconds is read as (RFC 9111 1.2.2) */
#define HTTP_CC_ROOM 320u

struct http_cc {
	unsigned flags;		/* enum http_cc_flag */
	/* seconds, 0 … HTTP_DELTA_MAX, or HTTP_CC_ABSENT */
	int64_t max_age, s_maxage, stale_while_revalidate, stale_if_error;
	int64_t max_stale, min_fresh;	/* requests' */
	/* The lists' text, from inside the quotes of the first such directive: http_list_has() looks names up. */
	struct slice no_cache_fields, private_fields;
};

void http_cc_init(struct http_cc *cc);
/* Add one header line; lines are read in order, as one list. Unknown directives are passed over. Of a directive that is there twice
 * the first counts. A max-age or s-maxage whose value is no number counts as 0 (RFC 9111 4.2.1: stale); another such value is
 * passed over, which grants nothing. */
void http_cc_parse(struct http_cc *cc, struct slice line);
/* The header's value; field lists are not written. Bytes, without the NUL; 0 when there is nothing to say. */
size_t http_cc_format(const struct http_cc *cc, char out[HTTP_CC_ROOM]);
/* Is name a member of a comma-separated list of field names? Any case. */
int http_list_has(struct slice list, struct slice name);

#endif
