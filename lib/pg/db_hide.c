/* What libpq says of a connection string may quote it, or what it took for a host or a port: passwords with a '@', a blank
 * or a missing bracket come out in pieces. Here the string itself says what its secrets may be, also where libpq cannot read
 * it. */
#include "config.h"

#include "lib/pg/db_priv.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/buf.h"

#define HIDDEN "***"
#define MAX_SECRETS 64u
#define SEPARATORS "@:/?#%&=[]'\"\\, \t"

struct secrets {
	struct slice v[MAX_SECRETS];
	unsigned n;
};

static void add(struct secrets *s, struct slice secret)
{
	if (secret.n && s->n < MAX_SECRETS)
		s->v[s->n++] = secret;
}

/* The whole, and what libpq may have cut it into. */
static void add_region(struct secrets *s, struct slice region)
{
	add(s, region);
	while (region.n) {
		size_t n = 0;

		while (n < region.n && !strchr(SEPARATORS, region.p[n]))
			n++;
		add(s, slice_of(region.p, n));
		n += n < region.n;
		region = slice_of(region.p + n, region.n - n);
	}
}

static int is_digits(struct slice s)
{
	for (size_t i = 0; i < s.n; i++)
		if (!isdigit((unsigned char)s.p[i]))
			return 0;
	return 1;
}

/* Between the user's name and the last '@'; without any, what stands where a port would. */
static void of_uri(struct slice uri, struct secrets *s)
{
	const char *p = (const char *)memmem(uri.p, uri.n, "://", 3) + 3, *end = uri.p + uri.n;
	const char *colon = memchr(p, ':', (size_t)(end - p)), *at = memrchr(p, '@', (size_t)(end - p)), *to;

	if (colon && at && at > colon)
		add_region(s, slice_of(colon + 1, (size_t)(at - colon - 1)));
	else if (colon && !at && *p != '[') {
		for (to = colon + 1; to < end && *to != '/' && *to != '?';)
			to++;
		if (!is_digits(slice_of(colon + 1, (size_t)(to - colon - 1))))
			add_region(s, slice_of(colon + 1, (size_t)(to - colon - 1)));
	}
}

static int is_keyword(const PQconninfoOption *all, struct slice word)
{
	for (; all && all->keyword; all++)
		if (slice_eq(word, slice_str(all->keyword)))
			return 1;
	return 0;
}

/* Does a word that libpq knows stand here, with its '='? */
static int begins_pair(const PQconninfoOption *all, const char *p, const char *end)
{
	const char *q = p;

	while (q < end && (islower((unsigned char)*q) || *q == '_'))
		q++;
	if (q == p || !is_keyword(all, slice_of(p, (size_t)(q - p))))
		return 0;
	while (q < end && isspace((unsigned char)*q))
		q++;
	return q < end && *q == '=';
}

/* Behind each "…password =", up to the next word that libpq knows: more than the value where quotes are missing. */
static void of_pairs(struct slice text, const PQconninfoOption *all, struct secrets *s)
{
	const char *end = text.p + text.n, *p = text.p, *from;

	while ((p = memmem(p, (size_t)(end - p), "password", 8))) {
		for (p += 8; p < end && isspace((unsigned char)*p);)
			p++;
		if (p == end || *p != '=')
			continue;
		for (p++; p < end && isspace((unsigned char)*p);)
			p++;
		for (from = p; p < end && !(*p == '&') && !(isspace((unsigned char)p[-1]) && begins_pair(all, p, end));)
			p++;
		add_region(s, slice_of(from, (size_t)(p - from)));
	}
}

/* Pieces of one byte only where they stand alone in quotes. */
static void replace(struct buf *text, struct slice secret)
{
	char quoted[4];
	struct buf out;

	if (secret.n == 1) {
		snprintf(quoted, sizeof(quoted), "\"%c\"", secret.p[0]);
		secret = slice_str(quoted);
	}
	buf_init(&out, 0);
	for (size_t i = 0; i < text->n;) {
		if (text->n - i >= secret.n && memcmp(text->p + i, secret.p, secret.n) == 0) {
			buf_adds(&out, HIDDEN);
			i += secret.n;
		} else {
			buf_addc(&out, text->p[i++]);
		}
	}
	buf_done(text);
	*text = out;
}

/* Is the quoted word a key of the string, known or mistyped, or a sign? */
static int may_be_shown(struct slice conninfo, const PQconninfoOption *all, struct slice word)
{
	const char *at = conninfo.p, *end = conninfo.p + conninfo.n;

	if ((word.n == 1 && ispunct((unsigned char)word.p[0])) || is_keyword(all, word))
		return 1;
	while (word.n && (at = memmem(at, (size_t)(end - at), word.p, word.n))) {
		const char *p = at + word.n;

		while (p < end && isspace((unsigned char)*p))
			p++;
		if (p < end && *p == '=' && (at == conninfo.p || strchr(" \t?&", at[-1])))
			return 1;
		at++;
	}
	return 0;
}

/* From the first quote whose content may not be shown to the last one of all: a password can hold quotes itself. */
static void hide_quoted(struct slice conninfo, const PQconninfoOption *all, struct buf *text)
{
	char *last = memrchr(text->p, '"', text->n), *p = text->p;
	struct buf out;

	while ((p = memchr(p, '"', text->n - (size_t)(p - text->p))) && p < last) {
		char *close = memchr(p + 1, '"', text->n - (size_t)(p + 1 - text->p));

		if (!may_be_shown(conninfo, all, slice_of(p + 1, (size_t)(close - p - 1)))) {
			buf_init(&out, 0);
			buf_add(&out, text->p, (size_t)(p - text->p));
			buf_adds(&out, "\"" HIDDEN);
			buf_add(&out, last, text->n - (size_t)(last - text->p));
			buf_done(text);
			*text = out;
			return;
		}
		p = close + 1;
	}
}

void db_hide(const char *conninfo, int is_parse_error, char *text, size_t room)
{
	struct slice all_of_it = slice_str(conninfo);
	PQconninfoOption *all = PQconndefaults();
	struct secrets s = {.n = 0};
	AUTO(buf) struct buf b;

	buf_init(&b, 0);
	buf_adds(&b, text);
	if (slice_starts(all_of_it, SLICE("postgresql://")) || slice_starts(all_of_it, SLICE("postgres://")))
		of_uri(all_of_it, &s);
	of_pairs(all_of_it, all, &s);
	for (unsigned i = 0; i < s.n; i++)
		replace(&b, s.v[i]);
	if (is_parse_error && b.n)
		hide_quoted(all_of_it, all, &b);
	PQconninfoFree(all);
	snprintf(text, room, "%s", buf_str(&b));
}
