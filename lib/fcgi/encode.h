/* encode: the web server's side of FastCGI: requests as bytes. For tests, benches and Weir's own
 * probes. Buffers without a limit are expected; nothing is checked, so that wrong requests can be
 * made too. Layer: lib/fcgi. */
#ifndef WEIR_FCGI_ENCODE_H
#define WEIR_FCGI_ENCODE_H

#include <stdint.h>

#include "lib/base/buf.h"

/* One record as it is told: content ≤ 65535 bytes, pad bytes of zeros behind it. */
void encode_record(struct buf *out, unsigned type, uint16_t id, struct slice content, unsigned pad);
void encode_begin(struct buf *out, uint16_t id, unsigned role, int keep_conn);
/* One name-value pair, lengths in the shortest form. */
void encode_pair(struct buf *list, struct slice name, struct slice value);
/* Records of type PARAMS or STDIN, of at most piece content bytes each (0: 65535), padded to eight
 * bytes if asked, closed with the empty one. */
void encode_stream(struct buf *out, unsigned type, uint16_t id, struct slice content, size_t piece,
		   int is_padded);
/* BEGIN (responder), PARAMS and STDIN: a whole request. */
void encode_request(struct buf *out, uint16_t id, int keep_conn, struct slice list,
		    struct slice body);

#endif
