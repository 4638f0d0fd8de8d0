#include "config.h"

#include "lib/http/http.h"

/* Parameter `name` of a media type's parameter list; p == NULL when absent. Quotes are taken off. */
static struct slice parameter(struct slice list, struct slice name)
{
	while (list.p) {
		struct slice value = slice_cut(&list, ';');
		struct slice key = slice_cut(&value, '=');

		if (!value.p || !slice_ieq(slice_trim(key), name))
			continue;
		value = slice_trim(value);
		if (value.n >= 2 && value.p[0] == '"' && value.p[value.n - 1] == '"')
			value = slice_of(value.p + 1, value.n - 2);
		return value;
	}
	return (struct slice){NULL, 0};
}

static int is_json_type(struct slice type)
{
	struct slice prefix = SLICE("application/"), suffix = SLICE("+json");

	if (slice_ieq(type, SLICE("application/json")))
		return 1;
	return type.n > prefix.n + suffix.n && slice_ieq(slice_of(type.p, prefix.n), prefix) &&
	       slice_ieq(slice_of(type.p + type.n - suffix.n, suffix.n), suffix);
}

const char *http_not_json(struct slice content_type)
{
	struct slice rest = content_type;
	struct slice type = slice_trim(slice_cut(&rest, ';'));
	struct slice charset = parameter(rest, SLICE("charset"));

	if (!is_json_type(type))
		return "Expected Content-Type: application/json.";
	if (charset.p && !slice_ieq(charset, SLICE("utf-8")))
		return "Expected no charset in Content-Type, or charset=utf-8 in this spelling: JSON is always UTF-8.";
	return NULL;
}

int http_is_encoded(struct slice content_encoding)
{
	while (content_encoding.p) {
		struct slice coding = slice_trim(slice_cut(&content_encoding, ','));

		if (coding.n && !slice_ieq(coding, SLICE("identity")))
			return 1;
	}
	return 0;
}

/* Not strtod, which knows nan and the locale's comma. */
unsigned http_quality(struct slice params)
{
	struct slice q = parameter(params, SLICE("q"));
	unsigned v, digit = 100;

	if (!q.n || q.n > 5 || q.p[0] != '0' || (q.n > 1 && q.p[1] != '.'))
		return 1000;
	v = 0;
	for (size_t i = 2; i < q.n; i++, digit /= 10) {
		if (q.p[i] < '0' || q.p[i] > '9')
			return 1000;
		v += (unsigned)(q.p[i] - '0') * digit;
	}
	return v;
}

/* The most specific range that fits application/json decides (RFC 9110 12.5.1). */
int http_accepts_json(struct slice accept)
{
	unsigned best = 0, q = 0;

	if (slice_trim(accept).n == 0)
		return 1;
	while (accept.p) {
		struct slice params = slice_cut(&accept, ',');
		struct slice range = slice_trim(slice_cut(&params, ';'));
		unsigned specific = slice_ieq(range, SLICE("application/json")) ? 3
				    : slice_ieq(range, SLICE("application/*"))	 ? 2
				    : slice_ieq(range, SLICE("*/*"))		 ? 1
										 : 0;

		if (specific > best) {
			best = specific;
			q = http_quality(params);
		}
	}
	return best > 0 && q > 0;
}
