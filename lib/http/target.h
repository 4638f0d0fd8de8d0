/* target: path and query of a request, from what the web server says of its target. The one reading of it: workers
 * and the status socket use it, so that a rule of the web server for a path holds for the same path here.
 * REQUEST_URI as the client wrote it, never a decoded one: web servers decode, merge slashes and resolve dots
 * differently, so a path is what it says byte for byte, and no other spelling of it is known.
 * Pure function. Layer: lib/http. */
#ifndef WEIR_HTTP_TARGET_H
#define WEIR_HTTP_TARGET_H

#include "lib/base/arena.h"
#include "lib/base/err.h"

/* Parameters of the request, .n == 0 where they are missing. */
struct http_target_in {
	struct slice uri;	    /* REQUEST_URI */
	struct slice script, info;  /* SCRIPT_NAME, PATH_INFO: the path where there is no REQUEST_URI, decoded by the server */
	struct slice query;	    /* QUERY_STRING: where the target has none */
};

struct http_target {
	struct slice uri;	/* all of it, also when it is refused */
	struct slice path;	/* not decoded */
	struct slice query;	/* behind the '?' */
};

/* Origin form, or absolute form (RFC 9112 3.2). 0, or -E_bad_request: a '#', which no request target holds and at which
 * some web servers end the path. */
int http_target(const struct http_target_in *in, struct arena *a, struct http_target *ret, struct err *e) MUST_USE;

#endif
