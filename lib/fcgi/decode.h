/* decode: the web server's side of FastCGI: responses from bytes, as they come. Written apart from
 * response.c, against which it is the second opinion of the tests; weir's probes and benches read
 * with it too. Owner: the caller; decode_done frees. One thread. Layer: lib/fcgi. */
#ifndef WEIR_FCGI_DECODE_H
#define WEIR_FCGI_DECODE_H

#include <stdint.h>
#include <sys/types.h>

#include "lib/base/buf.h"

struct decode {
	struct buf out; /* STDOUT */
	struct buf err; /* STDERR */
	struct buf values; /* content of GET_VALUES_RESULT */
	unsigned n_records;
	unsigned unknown_type; /* what an UNKNOWN_TYPE record named */
	uint32_t app_status;
	uint16_t id;
	uint8_t protocol_status;
	uint8_t is_stdout_closed; /* the empty STDOUT came */
	uint8_t is_ended; /* END_REQUEST came; further bytes are not looked at */
	unsigned char header[8];
	unsigned header_n;
	uint32_t content_n, content_at, pad_left;
	unsigned char end[8];
};

/* id 0: management answers. limit bounds each of the buffers; 0: none. */
void decode_init(struct decode *d, uint16_t id, size_t limit);
void decode_done(struct decode *d);
/* Empty, for the next response on the same connection. */
void decode_clear(struct decode *d);
/* Look at n bytes. How many were used (fewer than n only behind END_REQUEST), or -1: not a
 * response. */
ssize_t decode_feed(struct decode *d, const void *p, size_t n) MUST_USE;
/* The CGI head cut off d->out: its status (200 when none is named), or -1 when there is no whole
 * head. Slices point into d->out. */
int decode_head(const struct decode *d, struct slice *ret_head, struct slice *ret_body);
/* The value of a header of such a head; p == NULL when absent. */
struct slice decode_header(struct slice head, struct slice name);

#endif
