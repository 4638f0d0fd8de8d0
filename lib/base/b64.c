#include "config.h"

#include "lib/base/b64.h"

/* 0 to 63, or -1. */
static int value_of(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '-' ? 62 : c == '_' ? 63 : -1;
}

int b64url_decode(struct slice in, char *out, size_t *ret_n)
{
	unsigned bits = 0, have = 0;
	size_t n = 0;

	if (in.n % 4 == 1)
		return -1;
	for (size_t i = 0; i < in.n; i++) {
		int v = value_of(in.p[i]);

		if (v < 0)
			return -1;
		bits = (bits << 6 | (unsigned)v) & 0xffff;
		have += 6;
		if (have >= 8) {
			have -= 8;
			out[n++] = (char)(bits >> have & 0xff);
		}
	}
	if (bits & ((1u << have) - 1))
		return -1;
	*ret_n = n;
	return 0;
}
