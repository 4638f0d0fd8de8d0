/* See encode.h. */
#include "config.h"

#include "lib/fcgi/encode.h"

#include "lib/base/check.h"
#include "lib/fcgi/record.h"

void encode_record(struct buf *out, unsigned type, uint16_t id, struct slice content, unsigned pad)
{
	static const unsigned char zeros[255];
	unsigned char header[RECORD_HEADER];

	check(content.n <= FCGI_MAX_LENGTH && pad <= 255);
	record_put(header, type, id, content.n);
	header[6] = (unsigned char)pad;
	buf_add(out, header, sizeof(header));
	if (content.n)
		buf_add(out, content.p, content.n);
	if (pad)
		buf_add(out, zeros, pad);
}

void encode_begin(struct buf *out, uint16_t id, unsigned role, int keep_conn)
{
	char body[8] = {(char)(role >> 8), (char)role, keep_conn ? FCGI_KEEP_CONN : 0};

	encode_record(out, FCGI_BEGIN_REQUEST, id, slice_of(body, sizeof(body)), 0);
}

static void add_length(struct buf *list, size_t n)
{
	if (n >= 0x80) {
		buf_addc(list, (char)(n >> 24 | 0x80));
		buf_addc(list, (char)(n >> 16));
		buf_addc(list, (char)(n >> 8));
	}
	buf_addc(list, (char)n);
}

void encode_pair(struct buf *list, struct slice name, struct slice value)
{
	add_length(list, name.n);
	add_length(list, value.n);
	if (name.n)
		buf_add(list, name.p, name.n);
	if (value.n)
		buf_add(list, value.p, value.n);
}

void encode_stream(struct buf *out, unsigned type, uint16_t id, struct slice content, size_t piece,
		   int is_padded)
{
	if (piece == 0 || piece > FCGI_MAX_LENGTH)
		piece = FCGI_MAX_LENGTH;
	while (content.n) {
		size_t n = content.n < piece ? content.n : piece;

		encode_record(out, type, id, slice_of(content.p, n),
			      is_padded ? (unsigned)(-n & 7) : 0);
		content.p += n;
		content.n -= n;
	}
	encode_record(out, type, id, slice_of(NULL, 0), 0);
}

void encode_request(struct buf *out, uint16_t id, int keep_conn, struct slice list,
		    struct slice body)
{
	encode_begin(out, id, FCGI_RESPONDER, keep_conn);
	encode_stream(out, FCGI_PARAMS, id, list, 0, 1);
	encode_stream(out, FCGI_STDIN, id, body, 0, 1);
}
