/* response: FastCGI records of one response, sent straight from the body's memory.
 * Owner: part of the request; head and body must live until it is sent. One thread.
 * Layer: lib/fcgi. */
#ifndef WEIR_FCGI_RESPONSE_H
#define WEIR_FCGI_RESPONSE_H

#include <stdint.h>

#include "lib/base/slice.h"

struct mmsghdr;

#define RESPONSE_MAX_HEAD 4088u /* nginx reads head and record header into one page */

struct response {
	struct slice head, body;
	uint64_t sent; /* bytes of the whole framed stream that are out */
	uint64_t total;
	uint16_t id;
	struct mmsghdr *by;	/* NULL, or what the next call sends by: the kernel writes its length there */
};

/* head: CGI header lines with the empty line, ≤ RESPONSE_MAX_HEAD (checked); body may be empty and
 * must be for HEAD, 204 and 304. */
void response_init(struct response *r, uint16_t id, struct slice head, struct slice body);
/* Send without blocking, at most 2 MiB a call so that one fast reader does not hold the loop: 1 all
 * out; 0 call again when the socket is writable; -1 the peer is gone (errno says how). */
int response_send(struct response *r, int fd);
/* The whole framed stream into out (tests, and small answers kept). */
struct buf;
void response_to_buf(const struct response *r, struct buf *out);

#endif
