#include "config.h"

#include "lib/http/http_vary.h"

#include <ctype.h>
#include <stdlib.h>

#include "lib/http/http_etag.h"
#include "lib/http/http_store.h"

#define MAX_NAMES 32u
#define MAX_MEMBERS 64u

static int compare(const void *a, const void *b)
{
	const struct slice *x = a, *y = b;
	size_t n = x->n < y->n ? x->n : y->n;
	int d = n ? strncasecmp(x->p, y->p, n) : 0;

	return d ? d : (x->n > y->n) - (x->n < y->n);
}

static void add_lower(struct buf *out, struct slice s)
{
	for (size_t i = 0; i < s.n; i++)
		buf_addc(out, s.p[i] >= 'A' && s.p[i] <= 'Z' ? (char)(s.p[i] + 32) : s.p[i]);
}

static int is_token(struct slice s)
{
	for (size_t i = 0; i < s.n; i++)
		if (!isalnum((unsigned char)s.p[i]) && (!s.p[i] || !strchr("!#$%&'*+-.^_`|~", s.p[i])))
			return 0;
	return 1;
}

int http_vary_names(const struct http_fields *response, struct buf *out)
{
	struct slice names[MAX_NAMES], line;
	unsigned n = 0, at = 0;

	while ((line = http_field_next(response, SLICE("Vary"), &at)).p)
		while (line.p) {
			struct slice name = slice_trim(slice_cut(&line, ','));

			if (!name.n)
				continue;
			if (slice_eq(name, SLICE("*")) || !is_token(name) || n == MAX_NAMES)
				return -1;
			names[n++] = name;
		}
	qsort(names, n, sizeof(*names), compare);
	for (unsigned i = 0; i < n; i++) {
		if (i && slice_ieq(names[i], names[i - 1]))
			continue;
		if (i)
			buf_addc(out, ',');
		add_lower(out, names[i]);
	}
	return 0;
}

/* The value without blanks at commas; what is between quotes stays. */
static void add_plain(struct slice v, struct buf *out)
{
	int is_quoted = 0;
	size_t start = out->n;

	v = slice_trim(v);
	for (size_t i = 0; i < v.n; i++) {
		char c = v.p[i];

		if (is_quoted && c == '\\' && i + 1 < v.n) {
			buf_addc(out, c);
			c = v.p[++i];
		} else if (c == '"') {
			is_quoted = !is_quoted;
		} else if (!is_quoted && c == ',') {
			while (out->n > start && (out->p[out->n - 1] == ' ' || out->p[out->n - 1] == '\t'))
				out->n--;
			while (i + 1 < v.n && (v.p[i + 1] == ' ' || v.p[i + 1] == '\t'))
				i++;
		}
		buf_addc(out, c);
	}
}

/* "en, de;q=0.5" and "DE; q=0.5,en" are the same wish. */
static void add_sorted(struct slice v, struct buf *out)
{
	struct slice members[MAX_MEMBERS];
	unsigned n = 0;

	for (struct slice rest = v; rest.p;) {
		struct slice m = slice_trim(slice_cut(&rest, ','));

		if (!m.n)
			continue;
		if (n == MAX_MEMBERS) {
			add_plain(v, out);
			return;
		}
		members[n++] = m;
	}
	qsort(members, n, sizeof(*members), compare);
	for (unsigned i = 0; i < n; i++) {
		if (i)
			buf_addc(out, ',');
		for (size_t j = 0; j < members[i].n; j++)
			if (members[i].p[j] != ' ' && members[i].p[j] != '\t')
				add_lower(out, slice_of(&members[i].p[j], 1));
	}
}

void http_vary_key(struct slice names, const struct http_fields *request, struct buf *out)
{
	while (names.p && names.n) {
		struct slice name = slice_cut(&names, ','), line, first;
		AUTO(buf) struct buf joined;
		unsigned at = 0, lines = 0;

		buf_init(&joined, 0);
		first = http_field_find(request, name);
		while ((line = http_field_next(request, name, &at)).p) {
			if (lines++)
				buf_addc(&joined, ',');
			buf_add(&joined, line.p, line.n);
		}
		buf_add(out, name.p, name.n);
		if (slice_eq(name, SLICE("accept-encoding"))) {
			buf_addc(out, '=');
			buf_adds(out, http_coding_name(http_coding_choose(buf_slice(&joined), ~0u)));
		} else if (first.p) {
			buf_addc(out, '=');
			if (slice_eq(name, SLICE("accept-language")))
				add_sorted(buf_slice(&joined), out);
			else
				add_plain(buf_slice(&joined), out);
		}
		/* no field value has a line feed */
		buf_addc(out, '\n');
	}
}

int http_invalidates(struct slice method, int status)
{
	return !http_method_is_safe(method) && status >= 200 && status < 400;
}

/* RFC 3986 5.2.4, in place on the path; its length. */
static size_t remove_dots(char *p, size_t n)
{
	size_t out = 0, i = 0;

	while (i < n) {
		size_t end = i + 1;
		struct slice seg;

		while (end < n && p[end] != '/')
			end++;
		seg = slice_of(p + i, end - i);	/* with its slash */
		if (slice_eq(seg, SLICE("/."))) {
			if (end == n)
				p[out++] = '/';
		} else if (slice_eq(seg, SLICE("/.."))) {
			while (out && p[--out] != '/')
				;
			if (end == n)
				p[out++] = '/';
		} else {
			memmove(p + out, p + i, end - i);
			out += end - i;
		}
		i = end;
	}
	return out;
}

/* The reference behind scheme and authority when these are the origin's; p == NULL when not. *ret_is_absolute: it named them. */
static struct slice own_part(struct slice scheme, struct slice host, struct slice ref, int *ret_is_absolute)
{
	const struct slice none = {NULL, 0};
	struct slice authority, colon = ref;
	size_t n;

	*ret_is_absolute = 0;
	colon = slice_cut(&ref, ':');
	if (ref.p && !memchr(colon.p, '/', colon.n) && !memchr(colon.p, '?', colon.n)) {
		/* a scheme */
		if (!slice_ieq(colon, scheme) || !slice_starts(ref, SLICE("//")))
			return none;
	} else {
		/* as it was */
		ref = slice_of(colon.p, colon.n + (ref.p ? ref.n + 1 : 0));
	}
	if (!slice_starts(ref, SLICE("//")))
		return ref;
	ref = slice_of(ref.p + 2, ref.n - 2);
	for (n = 0; n < ref.n && !strchr("/?", ref.p[n]); n++)
		;
	authority = slice_of(ref.p, n);
	if (!slice_ieq(authority, host))
		return none;
	*ret_is_absolute = 1;
	return slice_of(ref.p + n, ref.n - n);
}

struct slice http_same_origin(struct slice scheme, struct slice host, struct slice target, struct slice reference, struct arena *a)
{
	struct slice ref = slice_trim(reference), path, base, query;
	int is_absolute;
	char *out;
	size_t n = 0, path_n;

	if (!ref.n)
		return (struct slice){NULL, 0};
	ref = slice_cut(&ref, '#');
	ref = own_part(scheme, host, ref, &is_absolute);
	if (!ref.p)
		return ref;
	query = ref;
	path = slice_cut(&query, '?');
	base = target;
	base = slice_cut(&base, '?');
	out = arena_alloc(a, ref.n + target.n + 3);
	if (is_absolute && !path.n) {
		out[n++] = '/';
	} else if (!path.n) {
		memcpy(out, base.p, base.n);
		n = base.n;
		if (!query.p && !is_absolute) {
			/* the same document, its query too */
			memcpy(out, target.p, target.n);
			return slice_of(out, target.n);
		}
	} else {
		if (path.p[0] != '/') {
			while (base.n && base.p[base.n - 1] != '/')
				base.n--;
			memcpy(out, base.p, base.n);
			n = base.n;
		}
		memcpy(out + n, path.p, path.n);
		n += path.n;
	}
	path_n = remove_dots(out, n);
	if (query.p) {
		out[path_n++] = '?';
		memcpy(out + path_n, query.p, query.n);
		path_n += query.n;
	}
	return slice_of(out, path_n);
}
