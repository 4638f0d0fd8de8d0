/* A text as a URI reference (RFC 3986 4.1). */
#include "config.h"

#include <ctype.h>

#include "lib/http/http.h"

#include "lib/base/buf.h"

static int is_hex(const char *p)
{
	return isxdigit((unsigned char)p[0]) && isxdigit((unsigned char)p[1]);
}

/* Where the authority, in which [ and ] may stand, begins and ends; ends 0: there is none. */
static void authority(struct slice v, size_t *ret_begin, size_t *ret_end)
{
	size_t i = 0;

	*ret_begin = *ret_end = 0;
	while (i < v.n && (isalnum((unsigned char)v.p[i]) || strchr("+-.", v.p[i])))
		i++;
	if (i < v.n && i && v.p[i] == ':')
		i++;
	else
		i = 0;
	if (v.n - i < 2 || v.p[i] != '/' || v.p[i + 1] != '/')
		return;
	*ret_begin = i += 2;
	while (i < v.n && !strchr("/?#", v.p[i]))
		i++;
	*ret_end = i;
}

void http_uri_reference(struct slice v, struct buf *out)
{
	static const char hex[] = "0123456789ABCDEF";
	size_t begin, end;
	int has_fragment = 0;

	authority(v, &begin, &end);
	for (size_t i = 0; i < v.n; i++) {
		unsigned char c = (unsigned char)v.p[i];
		int is_kept = c && c < 0x80 && (isalnum(c) || strchr("-._~:/?@!$&'()*+,;=", c));

		if (c == '%')
			is_kept = v.n - i > 2 && is_hex(v.p + i + 1);
		else if (c == '[' || c == ']')
			is_kept = i >= begin && i < end;
		else if (c == '#')
			is_kept = !has_fragment++;
		if (is_kept) {
			buf_addc(out, (char)c);
			continue;
		}
		buf_addc(out, '%');
		buf_addc(out, hex[c >> 4]);
		buf_addc(out, hex[c & 15]);
	}
}
