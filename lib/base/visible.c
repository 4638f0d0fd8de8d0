#include "config.h"

#include "lib/base/visible.h"

#include "lib/base/utf8.h"

static const char hex[] = "0123456789abcdef";

/* Sorted. ZWNJ and ZWJ (U+200C, U+200D) stay: words of several scripts need them. */
static const struct {
	uint32_t first, last;
} odd[] = {
	{0x00, 0x1f},	  {0x7f, 0x9f},	    {0xad, 0xad},     {0x61c, 0x61c},	{0x200b, 0x200b},   {0x200e, 0x200f},
	{0x2028, 0x202e}, {0x2060, 0x206f}, {0xfeff, 0xfeff}, {0xfff9, 0xfffb}, {0xe0000, 0xe007f},
};

static int is_odd(uint32_t c)
{
	for (size_t i = 0; i < ARRAY_LEN(odd) && c >= odd[i].first; i++)
		if (c <= odd[i].last)
			return 1;
	return 0;
}

size_t visible_run(struct slice s)
{
	size_t i = 0;

	while (i < s.n) {
		unsigned char c = (unsigned char)s.p[i];
		uint32_t code;
		size_t len;

		if (likely(c >= 0x20 && c < 0x7f)) {
			i++;
			continue;
		}
		if (c < 0x80)
			break;
		len = utf8_decode(slice_of(s.p + i, s.n - i), &code);
		if (!len || is_odd(code))
			break;
		i += len;
	}
	return i;
}

size_t visible_odd(struct slice s, uint32_t *ret)
{
	size_t len = 1;

	if ((unsigned char)s.p[0] < 0x80)
		*ret = (unsigned char)s.p[0];
	else if (!(len = utf8_decode(s, ret)))
		*ret = VISIBLE_NO_UTF8;
	return len ? len : 1;
}

static void escape(char *out, const char *p, size_t n)
{
	for (; n; n--, p++) {
		*out++ = '\\';
		*out++ = 'x';
		*out++ = hex[(unsigned char)*p >> 4];
		*out++ = hex[(unsigned char)*p & 15];
	}
}

size_t visible_put(char *out, size_t room, struct slice s)
{
	size_t at = 0, n;
	uint32_t code;

	while (s.n) {
		n = visible_run(s);
		if (n > room - at)
			for (n = room - at; n && ((unsigned char)s.p[n] & 0xc0) == 0x80; n--)
				;
		memcpy(out + at, s.p, n);
		at += n;
		s = slice_of(s.p + n, s.n - n);
		if (!s.n || at == room)
			break;
		n = visible_odd(s, &code);
		if (room - at < 4 * n)
			break;
		escape(out + at, s.p, n);
		at += 4 * n;
		s = slice_of(s.p + n, s.n - n);
	}
	return at;
}

void visible_add(struct buf *b, struct slice s, int keep_newlines)
{
	char text[16];
	uint32_t code;
	size_t n;

	while (s.n) {
		n = visible_run(s);
		buf_add(b, s.p, n);
		s = slice_of(s.p + n, s.n - n);
		if (!s.n)
			break;
		n = visible_odd(s, &code);
		escape(text, s.p, n);
		if (code == '\n' && keep_newlines)
			buf_addc(b, '\n');
		else
			buf_add(b, text, 4 * n);
		s = slice_of(s.p + n, s.n - n);
	}
}
