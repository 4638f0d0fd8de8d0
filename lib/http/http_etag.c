#include "config.h"

#include "lib/http/http_etag.h"

#include "lib/http/http.h"

static const struct slice suffixes[HTTP_CODINGS] = {
    [HTTP_IDENTITY] = {"", 0}, [HTTP_GZIP] = {"-gzip", 5}, [HTTP_BR] = {"-br", 3}};

const char *http_coding_name(enum http_coding c)
{
	static const char *const names[HTTP_CODINGS] = {"identity", "gzip", "br"};

	return names[c];
}

enum http_coding http_coding_choose(struct slice accept, unsigned offered)
{
	/* -1: not named */
	int q[HTTP_CODINGS] = {-1, -1, -1}, other = -1, best_q = 0;
	enum http_coding best = HTTP_IDENTITY;

	while (accept.p) {
		struct slice params = slice_cut(&accept, ',');
		struct slice name = slice_trim(slice_cut(&params, ';'));
		int weight = (int)http_quality(params);

		if (slice_ieq(name, SLICE("gzip")) || slice_ieq(name, SLICE("x-gzip")))
			q[HTTP_GZIP] = weight;
		else if (slice_ieq(name, SLICE("br")))
			q[HTTP_BR] = weight;
		else if (slice_ieq(name, SLICE("identity")))
			q[HTTP_IDENTITY] = weight;
		else if (slice_eq(name, SLICE("*")))
			other = weight;
	}
	/* Not named, identity is acceptable all the same, but less than what is named. */
	if (q[HTTP_IDENTITY] > 0)
		best_q = q[HTTP_IDENTITY];
	for (int c = HTTP_GZIP; c < HTTP_CODINGS; c++) {
		int weight = q[c] >= 0 ? q[c] : other;

		if ((offered & HTTP_CODING_BIT(c)) && weight > 0 && weight >= best_q) {
			best = (enum http_coding)c;
			best_q = weight;
		}
	}
	return best;
}

size_t http_etag_format(const uint8_t digest[16], enum http_coding c, char out[HTTP_ETAG_ROOM])
{
	static const char set[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
	char *at = out;

	*at++ = '"';
	for (unsigned i = 0; i < 15; i += 3) {
		unsigned v = (unsigned)digest[i] << 16 | (unsigned)digest[i + 1] << 8 | digest[i + 2];

		*at++ = set[v >> 18];
		*at++ = set[v >> 12 & 63];
		*at++ = set[v >> 6 & 63];
		*at++ = set[v & 63];
	}
	*at++ = set[digest[15] >> 2];
	*at++ = set[(digest[15] & 3) << 4];
	memcpy(at, suffixes[c].p, suffixes[c].n);
	at += suffixes[c].n;
	*at++ = '"';
	*at = '\0';
	return (size_t)(at - out);
}

/* One entity tag at the front of *rest, which is moved past it: what is between its quotes. p == NULL: none is there. */
static struct slice tag(struct slice *rest, int *ret_is_weak)
{
	struct slice s = *rest, body;
	size_t n = 0;

	*ret_is_weak = slice_starts(s, SLICE("W/"));
	if (*ret_is_weak)
		s = slice_of(s.p + 2, s.n - 2);
	if (!s.n || s.p[0] != '"')
		return (struct slice){NULL, 0};
	body = slice_of(s.p + 1, s.n - 1);
	/* etagc: no blank, no control character, no quote */
	while (n < body.n && (unsigned char)body.p[n] > 0x20 && body.p[n] != '"' && body.p[n] != 0x7f)
		n++;
	if (n == body.n || body.p[n] != '"')
		return (struct slice){NULL, 0};
	*rest = slice_of(body.p + n + 1, body.n - n - 1);
	body.n = n;
	return body;
}

static struct slice without_suffix(struct slice body, enum http_coding *ret)
{
	*ret = HTTP_IDENTITY;
	for (int c = HTTP_GZIP; c < HTTP_CODINGS; c++) {
		struct slice x = suffixes[c];

		if (body.n > x.n && memcmp(body.p + body.n - x.n, x.p, x.n) == 0) {
			*ret = (enum http_coding)c;
			return slice_of(body.p, body.n - x.n);
		}
	}
	return body;
}

struct slice http_etag_state(struct slice etag)
{
	int is_weak;
	enum http_coding coding;
	struct slice rest = slice_trim(etag), body = tag(&rest, &is_weak);

	if (!body.p || rest.n)
		return (struct slice){NULL, 0};
	return without_suffix(body, &coding);
}

/* The blanks and commas between members, empty members among them (RFC 9110 5.6.1.2). 0 when no comma was there. */
static int separator(struct slice *s)
{
	int commas = 0;

	while (s->n && (s->p[0] == ' ' || s->p[0] == '\t' || s->p[0] == ',')) {
		commas += s->p[0] == ',';
		s->p++, s->n--;
	}
	return commas;
}

int http_if_none_match(struct slice list, struct slice etag)
{
	enum http_coding coding;

	return http_none_match_coding(list, etag, &coding);
}

int http_none_match_coding(struct slice list, struct slice etag, enum http_coding *ret)
{
	struct slice state = etag.p ? http_etag_state(etag) : etag;
	int is_weak;

	*ret = HTTP_IDENTITY;
	if (!state.p)
		return 0;
	if (slice_eq(slice_trim(list), SLICE("*")))
		return 1;
	separator(&list);
	while (list.n) {
		struct slice body = tag(&list, &is_weak);

		if (!body.p)
			return 0;
		if (slice_eq(without_suffix(body, ret), state))
			return 1;
		if (list.n && !separator(&list))
			return 0;
	}
	return 0;
}

int http_if_match(struct slice list, struct slice etag)
{
	struct slice rest = etag, want;
	int is_weak, found = 0;

	if (!etag.p)
		return 0;
	if (slice_eq(slice_trim(list), SLICE("*")))
		return 1;
	want = tag(&rest, &is_weak);
	if (!want.p || rest.n || is_weak)
		return 0;
	separator(&list);
	while (list.n) {
		struct slice body = tag(&list, &is_weak);

		if (!body.p)
			return 0;
		found |= !is_weak && slice_eq(body, want);
		if (list.n && !separator(&list))
			return 0;
	}
	return found;
}
