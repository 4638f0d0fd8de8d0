/* utf8: validation after the table of well-formed byte sequences (Unicode 15, table 3-7). NUL is
 * refused, because PostgreSQL's text cannot hold it. */
#include "config.h"

#include "lib/base/utf8.h"

#include <stdint.h>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#define ONES 0x0101010101010101ull
#define HIGHS 0x8080808080808080ull

static int is_tail(unsigned char c)
{
	return (c & 0xC0) == 0x80;
}

/* Length of the well-formed multi-byte sequence at p, 0 when there is none. */
static size_t sequence(const unsigned char *p, size_t n)
{
	if (p[0] < 0xC2)
		return 0;
	if (p[0] < 0xE0)
		return n >= 2 && is_tail(p[1]) ? 2 : 0;
	if (p[0] < 0xF0) {
		if (n < 3 || !is_tail(p[1]) || !is_tail(p[2]))
			return 0;
		if ((p[0] == 0xE0 && p[1] < 0xA0) || (p[0] == 0xED && p[1] > 0x9F))
			return 0;
		return 3;
	}
	if (p[0] > 0xF4 || n < 4 || !is_tail(p[1]) || !is_tail(p[2]) || !is_tail(p[3]))
		return 0;
	if ((p[0] == 0xF0 && p[1] < 0x90) || (p[0] == 0xF4 && p[1] > 0x8F))
		return 0;
	return 4;
}

/* Bytes at the front that are ASCII and no NUL, as far as whole words of them go. */
static size_t plain(const unsigned char *p, size_t n)
{
	size_t at = 0;

#ifdef __SSE2__
	for (; n - at >= 16; at += 16) {
		__m128i v = _mm_loadu_si128((const __m128i *)(const void *)(p + at));

		/* a high bit, or a zero */
		if (_mm_movemask_epi8(_mm_or_si128(v, _mm_cmpeq_epi8(v, _mm_setzero_si128()))))
			return at;
	}
#endif
	for (; n - at >= 8; at += 8) {
		uint64_t w;

		memcpy(&w, p + at, 8);
		/* No high bit and no zero byte: only then is w - ONES free of borrows
		 * from a zero byte, and its high bits tell. */
		if ((w | (w - ONES)) & HIGHS)
			return at;
	}
	/* the last word once more, from where it overlaps */
	if (at && at < n) {
		uint64_t w;

		memcpy(&w, p + n - 8, 8);
		if (!((w | (w - ONES)) & HIGHS))
			return n;
	}
	return at;
}

int utf8_is_valid(struct slice s)
{
	const unsigned char *p = (const unsigned char *)s.p, *end = p + s.n;

	while (p < end) {
		size_t len;

		if (end - p >= 8 && (len = plain(p, (size_t)(end - p)))) {
			p += len;
			continue;
		}
		if (*p < 0x80) {
			if (*p++ == 0)
				return 0;
			continue;
		}
		len = sequence(p, (size_t)(end - p));
		if (len == 0)
			return 0;
		p += len;
	}
	return 1;
}

void utf8_replace(struct buf *out, struct slice s)
{
	const unsigned char *p = (const unsigned char *)s.p, *end = p + s.n;

	while (p < end) {
		size_t len = *p < 0x80 ? *p != 0 : sequence(p, (size_t)(end - p));

		if (len)
			buf_add(out, p, len);
		else
			buf_adds(out, "\xef\xbf\xbd");
		p += len ? len : 1;
	}
}

size_t utf8_decode(struct slice s, uint32_t *ret)
{
	const unsigned char *p = (const unsigned char *)s.p;
	size_t len = p[0] < 0x80 ? p[0] != 0 : sequence(p, s.n);

	*ret = len < 2 ? p[0] : p[0] & (0xffu >> (len + 1));
	for (size_t i = 1; i < len; i++)
		*ret = *ret << 6 | (p[i] & 0x3fu);
	return len;
}

size_t utf8_length(struct slice s)
{
	size_t n = 0, i = 0;

	for (; s.n - i >= 8; i += 8) {
		uint64_t w;

		memcpy(&w, s.p + i, 8);
		/* One bit for each byte of the form 10xxxxxx. */
		w = (w >> 7) & (~w >> 6) & ONES;
		n += 8 - (size_t)__builtin_popcountll(w);
	}
	for (; i < s.n; i++)
		n += !is_tail((unsigned char)s.p[i]);
	return n;
}
