#include "config.h"

#include "lib/http/http_encode.h"

#define ZLIB_CONST 1
#include <brotli/encode.h>
#include <zlib.h>

#include "lib/base/err.h"

/* Room for as much as could come, but not beyond the limit. Bytes at out->p + out->n. */
static size_t room_for(struct buf *out, size_t bound)
{
	size_t left = out->limit - out->n;

	if (bound > left)
		bound = left;
	return bound && buf_reserve(out, bound) == 0 ? bound : 0;
}

static int gzip(int level, struct slice body, struct buf *out)
{
	z_stream z = {0};
	size_t room;
	int rc, bits = 15;

	/* A window no larger than the body: a small one costs a quarter of a megabyte less to set up. */
	while (bits > 9 && (1u << (bits - 1)) >= body.n)
		bits--;
	if (deflateInit2(&z, level < 1 ? 1 : level > 9 ? 9 : level, Z_DEFLATED, bits + 16, bits > 9 ? 8 : 4,
			 Z_DEFAULT_STRATEGY) != Z_OK)
		return -E_no_memory;
	room = room_for(out, deflateBound(&z, (uLong)body.n));
	z.next_in = (z_const Bytef *)(const void *)body.p;
	z.avail_in = (uInt)body.n;
	z.next_out = room ? (Bytef *)(void *)(out->p + out->n) : NULL;
	z.avail_out = (uInt)room;
	rc = room ? deflate(&z, Z_FINISH) : Z_BUF_ERROR;
	if (rc == Z_STREAM_END)
		out->n += z.total_out;
	deflateEnd(&z);
	return rc == Z_STREAM_END ? 0 : -E_too_large;
}

static int brotli(int level, struct slice body, struct buf *out)
{
	int quality = level < BROTLI_MIN_QUALITY ? BROTLI_MIN_QUALITY : level > BROTLI_MAX_QUALITY ? BROTLI_MAX_QUALITY : level;
	size_t n = room_for(out, BrotliEncoderMaxCompressedSize(body.n));
	static const uint8_t nothing[1];

	/* It fails for want of room or of memory, and does not say which. */
	if (!n || !BrotliEncoderCompress(quality, BROTLI_DEFAULT_WINDOW, BROTLI_MODE_TEXT, body.n,
					 body.n ? (const uint8_t *)body.p : nothing, &n, (uint8_t *)out->p + out->n))
		return -E_too_large;
	out->n += n;
	return 0;
}

int http_encode(enum http_coding c, int level, struct slice body, struct buf *out)
{
	if (body.n > HTTP_ENCODE_MAX)
		return -E_too_large;
	switch (c) {
	case HTTP_GZIP: return gzip(level, body, out);
	case HTTP_BR: return brotli(level, body, out);
	case HTTP_IDENTITY:
	case HTTP_CODINGS: break;
	}
	return buf_append(out, body.p, body.n);
}

void http_encode_versions(struct buf *out)
{
	uint32_t v = BrotliEncoderVersion();

	buf_addf(out, "zlib %s\nbrotli %u.%u.%u\n", zlibVersion(), v >> 24, v >> 12 & 0xfff, v & 0xfff);
}
