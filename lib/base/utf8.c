#include "config.h"

#include "lib/base/utf8.h"

#include <stdint.h>

#define HIGH_BITS 0x8080808080808080ull
#define LOW_ONES 0x0101010101010101ull

/* Bytes of the sequence that starts at p, 0 when it is not valid (RFC 3629 section 4). */
static size_t sequence(const unsigned char *p, size_t left)
{
	unsigned min = 0x80, max = 0xbf;
	size_t n;

	if (p[0] >= 0xc2 && p[0] <= 0xdf) {
		n = 2;
	} else if (p[0] >= 0xe0 && p[0] <= 0xef) {
		n = 3;
		if (p[0] == 0xe0)
			min = 0xa0;	/* overlong */
		else if (p[0] == 0xed)
			max = 0x9f;	/* surrogates */
	} else if (p[0] >= 0xf0 && p[0] <= 0xf4) {
		n = 4;
		if (p[0] == 0xf0)
			min = 0x90;
		else if (p[0] == 0xf4)
			max = 0x8f;	/* beyond U+10FFFF */
	} else {
		return 0;
	}
	if (left < n || p[1] < min || p[1] > max)
		return 0;
	for (size_t i = 2; i < n; i++)
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	return n;
}

int utf8_is_valid(struct slice s)
{
	const unsigned char *p = (const unsigned char *)s.p;
	size_t i = 0;

	while (i < s.n) {
		uint64_t word;

		if (s.n - i >= 8) {
			memcpy(&word, p + i, 8);
			/* neither a high bit nor a zero byte in eight */
			if (!((word | (word - LOW_ONES)) & HIGH_BITS)) {
				i += 8;
				continue;
			}
		}
		if (p[i] == 0)
			return 0;
		if (p[i] < 0x80) {
			i++;
			continue;
		}
		size_t n = sequence(p + i, s.n - i);

		if (!n)
			return 0;
		i += n;
	}
	return 1;
}

size_t utf8_length(struct slice s)
{
	size_t n = 0;

	for (size_t i = 0; i < s.n; i++)
		n += ((unsigned char)s.p[i] & 0xc0) != 0x80;
	return n;
}
