/* http_fields: header fields of a message as a list, and which of them a cache keeps (RFC 9111 3.1, 3.2).
 * Pure; slices are borrowed. Layer: lib/http. */
#ifndef WEIR_HTTP_HTTP_FIELDS_H
#define WEIR_HTTP_HTTP_FIELDS_H

#include "lib/base/slice.h"

struct http_field {
	struct slice name, value;	/* as they came, the value trimmed */
};

struct http_fields {
	struct http_field *v;
	unsigned n;
};

/* The first line of that name, in any case; p == NULL when there is none. */
struct slice http_field_find(const struct http_fields *f, struct slice name);
/* The next line of that name from *at on, which goes past it: a field that is a list may have several. p == NULL: no more. */
struct slice http_field_next(const struct http_fields *f, struct slice name, unsigned *at);
/* Take out of a response what must not be stored or passed on: hop-by-hop fields, those that Connection names, those of private="…"
 * and no-cache="…", and Age's place is the caller's. In place; order is kept. */
void http_fields_clean(struct http_fields *f);
/* Is it the connection's business alone (RFC 9110 7.6.1)? */
int http_field_is_hop(struct slice name);
/* May a 304 (already cleaned) be about this stored response (RFC 9111 4.3.4)? Its strong ETag must be the stored one, a weak one
 * weakly so, else its Last-Modified; a 304 without a validator answers the request it came for. */
int http_fields_match_304(const struct http_fields *stored, const struct http_fields *fresh);
/* Replace in *stored (room for stored->n + fresh->n) every field that the 304 brings, but those that describe the body that
 * stays: Content-Encoding, -Length, -MD5, -Range and ETag. */
void http_fields_update_304(struct http_fields *stored, const struct http_fields *fresh);

#endif
