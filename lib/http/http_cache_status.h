/* http_cache_status: what an answer says of the cache that it came from: Cache-Status (RFC 9211) and the groups of RFC 9875.
 * Pure; the writers' output is a structured field (RFC 9651) whatever they are given. Layer: lib/http. */
#ifndef WEIR_HTTP_HTTP_CACHE_STATUS_H
#define WEIR_HTTP_HTTP_CACHE_STATUS_H

#include <stdint.h>

#include "lib/base/slice.h"

/* An nginx in front with fastcgi_cache would keep what we cannot clear; it obeys this before Cache-Control. */
#define HTTP_X_ACCEL_EXPIRES "X-Accel-Expires: 0"
#define HTTP_CACHE_STATUS_ROOM 512u
#define HTTP_GROUPS_MAX 32u		/* RFC 9875: at least as many must be read */
#define HTTP_GROUP_LENGTH_MAX 128u	/* … of at least 32 characters; longer ones are told to whoever can */

enum http_fwd {
	HTTP_FWD_NONE,		/* a hit */
	HTTP_FWD_BYPASS,	/* the cache was not asked */
	HTTP_FWD_METHOD,
	HTTP_FWD_URI_MISS,
	HTTP_FWD_VARY_MISS,
	HTTP_FWD_MISS,
	HTTP_FWD_REQUEST,	/* fresh, but the request's Cache-Control forbade it */
	HTTP_FWD_STALE,
	HTTP_FWD_PARTIAL
};

struct http_cache_status {
	enum http_fwd fwd;
	int fwd_status;		/* status of what was fetched; 0: not said */
	int has_ttl;
	int64_t ttl;		/* seconds of freshness left, negative when stale */
	int is_stored, is_collapsed;
	struct slice key;	/* p == NULL: not said */
	struct slice detail;	/* a token as it is, anything else as a string; p == NULL: not said */
};

/* "weir; hit; ttl=42; detail=L1". Bytes, without the NUL; a key or a detail that does not fit or has other than ASCII is left out. */
size_t http_cache_status_format(const struct http_cache_status *s, char out[HTTP_CACHE_STATUS_ROOM]);

/* A list of strings for Cache-Groups and Cache-Group-Invalidation, into room bytes at out, NUL-terminated. A group that is not printable ASCII, is
 * longer than the limit or does not fit is left out, and those past the 32nd. Bytes. */
size_t http_groups_format(const struct slice *groups, unsigned n, char *out, size_t room);
/* The strings of such a list, unescaped, into out (HTTP_GROUPS_MAX × (HTTP_GROUP_LENGTH_MAX + 1) bytes are enough); ret[] has HTTP_GROUPS_MAX
 * slices in it. The number of them; 0 for a field that is not a list of strings: it is then ignored whole (RFC 9651 4.2). Parameters
 * are passed over; what is too long or too many is left out. */
unsigned http_groups_parse(struct slice field, char *out, size_t room, struct slice ret[HTTP_GROUPS_MAX]);

#endif
