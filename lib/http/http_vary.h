/* http_vary: the part of a cache key that Vary adds (RFC 9111 4.1), and which other targets an unsafe request makes invalid (4.4).
 * Pure; results live in the buffer or the arena given. Layer: lib/http. */
#ifndef WEIR_HTTP_HTTP_VARY_H
#define WEIR_HTTP_HTTP_VARY_H

#include "lib/base/arena.h"
#include "lib/base/buf.h"
#include "lib/http/http_fields.h"

/* The names in a response's Vary lines: lower case, sorted, each once, with commas between; "" when there are none. -1: `*`, or more than
 * 32 names, or one that is no token: no request matches. */
int http_vary_names(const struct http_fields *response, struct buf *out) MUST_USE;
/* Append, for those names in their order, what the request says, so that equal text is a match: lines are joined, blanks around
 * commas (outside quotes) dropped; Accept-Encoding is the coding that http_coding_choose takes of all (whoever fetches must then ask for that
 * one), Accept-Language is sorted and in lower case. A missing field differs from an empty one. */
void http_vary_key(struct slice names, const struct http_fields *request, struct buf *out);

/* Must a cache forget, after this answer, what it holds of the target (and of same-origin Location, Content-Location)? */
int http_invalidates(struct slice method, int status);
/* The target (path and query, as sent) that a Location or Content-Location is about, when it is of the origin scheme://host: relative references are
 * resolved against target (RFC 3986 5.2), the fragment dropped. p == NULL: another origin, or no reference. */
struct slice http_same_origin(struct slice scheme, struct slice host, struct slice target, struct slice reference, struct arena *a);

#endif
