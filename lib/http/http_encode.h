/* http_encode: one body in one coding, in one call. The only user of zlib and brotli.
 * Costs about 10 ns (gzip, level 5) to 1 µs (brotli, 11) a byte: large bodies belong to a thread, not to the loop.
 * Threads and processes: any; nothing is shared. Layer: lib/http. */
#ifndef WEIR_HTTP_HTTP_ENCODE_H
#define WEIR_HTTP_HTTP_ENCODE_H

#include "lib/base/buf.h"
#include "lib/http/http_etag.h"

#define HTTP_ENCODE_MAX (64u << 20)	/* bytes of input */

/* Append body in coding c to out. level: 1 … 9 of gzip, 0 … 11 of brotli; what is outside is taken as the nearest.
 * The same input and level give the same bytes. 0; -E_too_large: it does not fit below out's limit, or body is over HTTP_ENCODE_MAX (give
 * a limit of the body's length, and what does not get smaller is refused); -E_no_memory. out->n is unchanged on failure. */
int http_encode(enum http_coding c, int level, struct slice body, struct buf *out) MUST_USE;
/* "zlib 1.2.13", "brotli 1.0.9": the libraries that are linked, a line each. */
void http_encode_versions(struct buf *out);

#endif
