/* http: the pure parts of HTTP that a request step needs: query strings, path decoding, cookies,
 * media types, status phrases, dates.
 * Pure functions; results live in the arena given. Layer: lib/http. */
#ifndef WEIR_HTTP_HTTP_H
#define WEIR_HTTP_HTTP_H

#include <stdint.h>

#include "lib/base/arena.h"
#include "lib/base/err.h"

struct buf;

struct http_pair {
	struct slice name, value;	/* decoded, NUL-terminated behind .n */
};

/* application/x-www-form-urlencoded as WHATWG URL 5.1 reads it ('+' is a blank, "a" alone has an empty value, empty pieces
 * are skipped). 0; -E_bad_request (a '%' without two hex digits, more than max pairs); -E_bad_encoding (NUL or invalid UTF-8 after
 * decoding). e->text names the parameter. */
int http_query_parse(struct slice query, struct arena *a, unsigned max, struct http_pair **ret,
		     unsigned *ret_n, struct err *e) MUST_USE;
/* One path segment, percent-decoded ('+' stays); same errors. */
int http_segment_decode(struct slice raw, struct arena *a, struct slice *ret, struct err *e) MUST_USE;
/* Value of a cookie in a Cookie header (RFC 6265 5.4); p == NULL when absent. */
struct slice http_cookie_find(struct slice header, struct slice name);
/* NULL: application/json or application/…+json, parameters ignored but charset must be utf-8 if given. Else a sentence for
 * the client. */
const char *http_not_json(struct slice content_type);
/* Does a Content-Encoding name any but identity? */
int http_is_encoded(struct slice content_encoding);
/* Does an Accept header admit application/json (RFC 9110 12.5.1)? An empty one does. */
int http_accepts_json(struct slice accept);
/* The weight in a list member's parameters ("q=0.5; …") as thousandths; 1000 when absent, malformed (RFC 9110 12.4.2) or above 1. */
unsigned http_quality(struct slice params);
/* "OK"; "Unknown" for a code without a phrase. */
const char *http_phrase(int status);
/* IMF-fixdate, 30 bytes with NUL. */
void http_date(uint64_t unix_seconds, char out[32]);
/* May this be a header's value: no CR, LF, NUL? */
int http_value_is_safe(struct slice v);
/* v as a URI reference (RFC 3986): what may not stand in one is percent-encoded, escapes that are valid stay. */
void http_uri_reference(struct slice v, struct buf *out);

#endif
