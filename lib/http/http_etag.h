/* http_etag: entity tags and the conditions on them (RFC 9110 8.8.3, 13.1.1, 13.1.2), and the codings they name.
 * A tag is 16 bytes of a digest of the identity body, as text; a body in another coding is another representation and has
 * a tag of its own (8.8.3.3), which is the same with a suffix.
 * Pure. Layer: lib/http. */
#ifndef WEIR_HTTP_HTTP_ETAG_H
#define WEIR_HTTP_HTTP_ETAG_H

#include <stdint.h>

#include "lib/base/slice.h"

#define HTTP_ETAG_ROOM 32u	/* bytes of the longest of our tags, with its NUL */

/* In the order of preference: at equal weight the last one is taken. */
enum http_coding { HTTP_IDENTITY, HTTP_GZIP, HTTP_BR, HTTP_CODINGS };
#define HTTP_CODING_BIT(c) (1u << (c))

/* "identity", "gzip", "br": what Content-Encoding says. */
const char *http_coding_name(enum http_coding c);
/* What the client takes of the codings in the mask `offered` (HTTP_CODING_BIT; identity is always among them): the highest
 * weight, then the smaller body (RFC 9110 12.5.3). accept: the Accept-Encoding header, p == NULL when there is none; then, and when it
 * is empty, identity. A client that forbids everything gets identity. */
enum http_coding http_coding_choose(struct slice accept, unsigned offered);

/* "<22 characters of base64url>" with "-gzip" or "-br" before the last quote. Bytes written, without the NUL. */
size_t http_etag_format(const uint8_t digest[16], enum http_coding c, char out[HTTP_ETAG_ROOM]);
/* What stands between the quotes, without W/ and our suffixes; p == NULL when it is no entity tag. */
struct slice http_etag_state(struct slice etag);

/* Does If-None-Match name `etag`, so that a GET is answered 304 (others: 412)? Weak comparison; a tag of another coding of the
 * same body matches, since the client's copy is then as new. List: one header line, or several joined with a comma. `*` matches any.
 * A list is read up to its first fault: an unread tag costs a full answer, never a wrong 304. etag.p == NULL: there is no
 * current representation, and nothing matches, not even `*`. */
int http_if_none_match(struct slice list, struct slice etag);
/* The same, and the coding in the tag that matched, which a 304 must say again: it is about that copy of the client's (RFC 9111 4.3.4). */
int http_none_match_coding(struct slice list, struct slice etag, enum http_coding *ret);
/* Is the condition If-Match true? Strong comparison, the coding included.
 * A fault in the list, a weak tag and etag.p == NULL are no match: the change is then refused (412), which is the safe side. */
int http_if_match(struct slice list, struct slice etag);

#endif
