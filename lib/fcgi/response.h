/* response: FastCGI records of one response, sent straight from the body's memory (fastcgi.md 8).
 * Owner: part of the request; head and body must live until it is sent. One thread.
 * Layer: lib/fcgi. */
#ifndef WEIR_FCGI_RESPONSE_H
#define WEIR_FCGI_RESPONSE_H

#include <stdint.h>

#include "lib/base/slice.h"

#define RESPONSE_MAX_HEAD 4088u	/* nginx reads head and record header into one page */

struct response {
	struct slice head, body;
	uint64_t sent;		/* bytes of the whole framed stream that are out */
	uint64_t total;
	uint16_t id;
};

/* head: CGI header lines with the empty line, ≤ RESPONSE_MAX_HEAD; body may be empty. */
void response_init(struct response *r, uint16_t id, struct slice head, struct slice body);
/* Send without blocking: 1 all out, 0 the socket takes no more now, -1 the peer is gone. */
int response_send(struct response *r, int fd);
/* The whole framed stream into out (tests, and small answers kept). */
struct buf;
void response_to_buf(const struct response *r, struct buf *out);

#endif
