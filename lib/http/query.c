#include "config.h"

#include "lib/http/http.h"

#include "lib/base/utf8.h"

#define NAME_SHOWN 64u

static int hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* Decode raw into the arena. 0, or -1: a '%' without two hex digits. */
static int decode(struct slice raw, int plus_is_blank, struct arena *a, struct slice *ret)
{
	char *out = arena_alloc(a, raw.n + 1);
	size_t n = 0;

	for (size_t i = 0; i < raw.n; i++) {
		char c = raw.p[i];

		if (c == '%') {
			int hi, lo;

			if (raw.n - i < 3)
				return -1;
			hi = hex(raw.p[i + 1]);
			lo = hex(raw.p[i + 2]);
			if (hi < 0 || lo < 0)
				return -1;
			c = (char)(hi << 4 | lo);
			i += 2;
		} else if (c == '+' && plus_is_blank) {
			c = ' ';
		}
		out[n++] = c;
	}
	out[n] = 0;
	*ret = slice_of(out, n);
	return 0;
}

/* As much of a name as an error shows, cut between characters. */
static int shown(struct slice name)
{
	size_t n = name.n;

	if (n > NAME_SHOWN)
		for (n = NAME_SHOWN; n && ((unsigned char)name.p[n] & 0xc0) == 0x80; n--)
			;
	return (int)n;
}

/* Decoded and fit for PostgreSQL, or an error that names what. */
static int take(struct slice raw, int plus_is_blank, struct arena *a, const char *what, struct slice name,
		struct slice *ret, struct err *e)
{
	if (decode(raw, plus_is_blank, a, ret))
		return err_set(e, E_bad_request, "%s%.*s: '%%' must be followed by two hexadecimal digits", what,
			       shown(name), name.p ? name.p : "");
	if (!utf8_is_valid(*ret))
		return err_set(e, E_bad_encoding, "%s%.*s: not valid UTF-8, or a NUL", what,
			       shown(name), name.p ? name.p : "");
	return 0;
}

int http_query_parse(struct slice query, struct arena *a, unsigned max, struct http_pair **ret, unsigned *ret_n,
		     struct err *e)
{
	struct http_pair *pairs;
	unsigned n = 0, count = 1;

	for (size_t i = 0; i < query.n; i++)
		count += query.p[i] == '&';
	if (count > max)
		count = max;
	pairs = arena_alloc(a, sizeof(*pairs) * count);
	while (query.p) {
		struct slice value = slice_cut(&query, '&');
		struct slice name, none = {NULL, 0};
		int rc;

		if (!value.n)
			continue;
		if (n == max)
			return err_set(e, E_bad_request, "more than %u query parameters", max);
		name = slice_cut(&value, '=');
		rc = take(name, 1, a, "a query parameter's name", none, &pairs[n].name, e);
		if (!rc)
			rc = take(value, 1, a, "query parameter ", pairs[n].name, &pairs[n].value, e);
		if (rc)
			return rc;
		n++;
	}
	*ret = pairs;
	*ret_n = n;
	return 0;
}

int http_segment_decode(struct slice raw, struct arena *a, struct slice *ret, struct err *e)
{
	return take(raw, 0, a, "path", (struct slice){NULL, 0}, ret, e);
}

struct slice http_cookie_find(struct slice header, struct slice name)
{
	while (header.p) {
		struct slice value = slice_trim(slice_cut(&header, ';'));
		struct slice key = slice_cut(&value, '=');

		if (!value.p || !slice_eq(slice_trim(key), name))
			continue;
		value = slice_trim(value);
		if (value.n >= 2 && value.p[0] == '"' && value.p[value.n - 1] == '"')
			value = slice_of(value.p + 1, value.n - 2);
		return value;
	}
	return (struct slice){NULL, 0};
}
