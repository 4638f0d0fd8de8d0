#include "config.h"

#define ZLIB_CONST 1
#include <brotli/decode.h>
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <zlib.h>

#include "lib/base/err.h"
#include "lib/http/http_encode.h"

static void comes_back(enum http_coding c, struct slice in, struct slice coded)
{
	char *out = malloc(in.n + 1);
	size_t n = in.n + 1;

	if (c == HTTP_BR) {
		cr_assert_eq(BrotliDecoderDecompress(coded.n, (const uint8_t *)coded.p, &n, (uint8_t *)out), BROTLI_DECODER_RESULT_SUCCESS);
	} else {
		z_stream z = {0};

		cr_assert_eq(inflateInit2(&z, 15 + 16), Z_OK);
		z.next_in = (z_const Bytef *)coded.p;
		z.avail_in = (uInt)coded.n;
		z.next_out = (Bytef *)out;
		z.avail_out = (uInt)n;
		cr_assert_eq(inflate(&z, Z_FINISH), Z_STREAM_END);
		cr_assert_eq(z.avail_in, 0);
		n = z.total_out;
		inflateEnd(&z);
	}
	cr_assert_eq(n, in.n);
	cr_assert_eq(memcmp(out, in.p, n), 0);
	free(out);
}

static struct slice json(char *room, size_t n)
{
	size_t at = 0;

	for (unsigned i = 0; at < n; i++)
		at += (size_t)snprintf(room + at, n - at + 1, "{\"id\": %u, \"name\": \"image %u\"}, ", i, i * 7919 % 1000);
	return slice_of(room, n);
}

Test(encode, comes_back)
{
	static const size_t sizes[] = {0, 1, 2, 255, 256, 257, 511, 512, 1000, 8800, 32767, 32768, 65537, 300000};
	char *room = malloc(300001);

	srand(3);
	for (int random = 0; random < 2; random++) {
		if (random)
			for (size_t i = 0; i < 300000; i++)
				room[i] = (char)rand();
		else
			json(room, 300000);
		for (size_t i = 0; i < ARRAY_LEN(sizes); i++)
			for (int c = HTTP_GZIP; c < HTTP_CODINGS; c++)
				for (int level = -1; level <= 12; level += 4) {
					AUTO(buf) struct buf out;
					struct slice in = slice_of(room, sizes[i]);

					buf_init(&out, 0);
					buf_adds(&out, "before");
					cr_assert_eq(http_encode((enum http_coding)c, level, in, &out), 0);
					cr_assert_eq(memcmp(out.p, "before", 6), 0);
					comes_back((enum http_coding)c, in, slice_of(out.p + 6, out.n - 6));
					if (!random && sizes[i] >= 1000)
						cr_expect_lt(out.n, sizes[i] / 2);
				}
	}
	free(room);
}

Test(encode, keeps_its_limit)
{
	char *room = malloc(9001);
	struct slice in = json(room, 9000);

	for (int c = HTTP_IDENTITY; c < HTTP_CODINGS; c++) {
		AUTO(buf) struct buf whole, small;

		buf_init(&whole, 0);
		cr_assert_eq(http_encode((enum http_coding)c, 5, in, &whole), 0);
		/* exactly enough, and one byte less */
		buf_init(&small, whole.n);
		cr_expect_eq(http_encode((enum http_coding)c, 5, in, &small), 0);
		cr_expect_eq(small.n, whole.n);
		cr_expect_eq(memcmp(small.p, whole.p, whole.n), 0, "the same bytes again");
		cr_expect_eq(http_encode((enum http_coding)c, 5, in, &small), -E_too_large);
		cr_expect_eq(small.n, whole.n);
		buf_done(&small);
		buf_init(&small, whole.n - 1);
		cr_expect_eq(http_encode((enum http_coding)c, 5, in, &small), -E_too_large);
		cr_expect_eq(small.n, 0);
		cr_expect_eq(http_encode((enum http_coding)c, 5, slice_of(room, HTTP_ENCODE_MAX + 1ul), &small), -E_too_large);
	}
	free(room);
}
