#include "config.h"

#include "lib/http/http_cache_status.h"

#include "lib/base/num.h"

struct out {
	char *at, *end;		/* end: the place of the NUL */
};

static int put(struct out *o, const char *p, size_t n)
{
	if ((size_t)(o->end - o->at) < n)
		return -1;
	memcpy(o->at, p, n);
	o->at += n;
	return 0;
}

static int put_text(struct out *o, const char *s)
{
	return put(o, s, strlen(s));
}

static int put_int(struct out *o, int64_t v)
{
	/* RFC 9651 3.3.1: at most 15 digits */
	uint64_t n = v < 0 ? 0 - (uint64_t)v : (uint64_t)v;
	char digits[20];

	if (n > 999999999999999u)
		n = 999999999999999u;
	if (v < 0 && put_text(o, "-"))
		return -1;
	return put(o, digits, num_put_u64(digits, n));
}

static int is_alpha(unsigned char c)
{
	return (c | 0x20) >= 'a' && (c | 0x20) <= 'z';
}

static int is_token(struct slice s)
{
	if (!s.n || !(is_alpha((unsigned char)s.p[0]) || s.p[0] == '*'))
		return 0;
	for (size_t i = 1; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];

		if (!is_alpha(c) && !(c >= '0' && c <= '9') && (!c || !strchr("!#$%&'*+-.^_`|~:/", c)))
			return 0;
	}
	return 1;
}

/* As a string; nothing is written when it does not fit or cannot be one. */
static int put_string(struct out *o, struct slice s)
{
	char *start = o->at;

	if (put_text(o, "\""))
		return -1;
	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];

		if (c < 0x20 || c > 0x7e || ((c == '"' || c == '\\') && put_text(o, "\\")) || put(o, &s.p[i], 1)) {
			o->at = start;
			return -1;
		}
	}
	if (put_text(o, "\"")) {
		o->at = start;
		return -1;
	}
	return 0;
}

static void put_param(struct out *o, const char *name, struct slice value)
{
	char *start = o->at;

	if (!value.p)
		return;
	if (put_text(o, name) || (is_token(value) ? put(o, value.p, value.n) : put_string(o, value)))
		o->at = start;
}

size_t http_cache_status_format(const struct http_cache_status *s, char out[HTTP_CACHE_STATUS_ROOM])
{
	static const char *const fwd[] = {"; hit",	       "; fwd=bypass", "; fwd=method",	"; fwd=uri-miss", "; fwd=vary-miss",
					  "; fwd=miss", "; fwd=request", "; fwd=stale", "; fwd=partial"};
	struct out o = {out, out + HTTP_CACHE_STATUS_ROOM - 1};
	int failed = 0;

	/* the fixed part always fits */
	failed |= put_text(&o, "weir");
	failed |= put_text(&o, fwd[s->fwd]);
	if (s->fwd != HTTP_FWD_NONE && s->fwd_status) {
		failed |= put_text(&o, "; fwd-status=");
		failed |= put_int(&o, s->fwd_status);
	}
	if (s->has_ttl) {
		failed |= put_text(&o, "; ttl=");
		failed |= put_int(&o, s->ttl);
	}
	if (s->is_stored && s->fwd != HTTP_FWD_NONE)
		failed |= put_text(&o, "; stored");
	if (s->is_collapsed && s->fwd != HTTP_FWD_NONE)
		failed |= put_text(&o, "; collapsed");
	(void)failed;
	/* the key is a string by definition, the detail may be a token */
	if (s->key.p) {
		char *start = o.at;

		if (put_text(&o, "; key=") || put_string(&o, s->key))
			o.at = start;
	}
	put_param(&o, "; detail=", s->detail);
	*o.at = '\0';
	return (size_t)(o.at - out);
}

size_t http_groups_format(const struct slice *groups, unsigned n, char *out, size_t room)
{
	struct out o = {out, out + room - 1};
	unsigned written = 0;

	if (!room)
		return 0;
	for (unsigned i = 0; i < n && written < HTTP_GROUPS_MAX; i++) {
		char *start = o.at;

		if (groups[i].n > HTTP_GROUP_LENGTH_MAX)
			continue;
		if ((written && put_text(&o, ", ")) || put_string(&o, groups[i]))
			o.at = start;
		else
			written++;
	}
	*o.at = '\0';
	return (size_t)(o.at - out);
}

/* The string at *p (its first quote), unescaped into o; *ret is where it is. -1: it is no string. What does not fit has ret->p == NULL. */
static int read_string(const char **p, const char *end, struct out *o, struct slice *ret)
{
	char *start = o->at;
	int fits = 1;

	for ((*p)++; *p < end && **p != '"'; (*p)++) {
		if (**p == '\\') {
			(*p)++;
			if (*p == end || (**p != '"' && **p != '\\'))
				return -1;
		} else if ((unsigned char)**p < 0x20 || (unsigned char)**p > 0x7e) {
			return -1;
		}
		fits = fits && put(o, *p, 1) == 0;
	}
	if (*p == end)
		return -1;
	(*p)++;
	*ret = slice_of(start, (size_t)(o->at - start));
	if (!fits || ret->n > HTTP_GROUP_LENGTH_MAX) {
		o->at = start;
		ret->p = NULL;
	}
	return 0;
}

/* Past ";key=value" parameters: keys, tokens, numbers, booleans, strings. */
static int skip_params(const char **p, const char *end, struct out *scratch)
{
	struct slice ignored;

	while (*p < end && **p == ';') {
		for ((*p)++; *p < end && **p == ' '; (*p)++)
			;
		if (*p == end || !((**p >= 'a' && **p <= 'z') || **p == '*'))
			return -1;
		while (*p < end && !strchr(";,= \t\"", **p))
			(*p)++;
		if (*p < end && **p == '=') {
			(*p)++;
			if (*p < end && **p == '"') {
				struct out aside = *scratch;

				if (read_string(p, end, &aside, &ignored))
					return -1;
			} else {
				while (*p < end && **p && !strchr(";, \t\"", **p))
					(*p)++;
			}
		}
	}
	return 0;
}

unsigned http_groups_parse(struct slice field, char *out, size_t room, struct slice ret[HTTP_GROUPS_MAX])
{
	struct slice s = slice_trim(field);
	const char *p = s.p, *end = p ? p + s.n : p;
	struct out o = {out, out + room};
	unsigned n = 0;

	while (p < end) {
		struct slice one;

		if (*p != '"' || read_string(&p, end, &o, &one) || skip_params(&p, end, &o))
			return 0;
		if (one.p && n < HTTP_GROUPS_MAX)
			ret[n++] = one;
		while (p < end && (*p == ' ' || *p == '\t'))
			p++;
		if (p == end)
			break;
		if (*p++ != ',')
			return 0;
		while (p < end && (*p == ' ' || *p == '\t'))
			p++;
		if (p == end)
			return 0;	/* a comma that nothing follows */
	}
	return n;
}
