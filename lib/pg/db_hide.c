/* What libpq and the server say of a connection may quote what they were given: a password that stands in the place of
 * another value, for a quote or a '@' was forgotten, is such a value. Which ones may be shown is lib/conf/conninfo's to say;
 * here the others are taken out of a text, as a whole and in the pieces that they may have been cut into. */
#include "config.h"

#include "lib/pg/db_priv.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/buf.h"
#include "lib/conf/conninfo.h"
#include "lib/conf/options.h"

#define HIDDEN "***"
#define SEPARATORS "@:/?#%&=[]'\"\\, \t\n\v\f\r"
/* A server cuts names at 63 bytes, and a message has an end: so much of a piece is a piece. */
#define MUCH 8u
#define SOME 3u

static int is_part_of_word(char c)
{
	return isalnum((unsigned char)c) || (unsigned char)c >= 0x80;
}

/* How many bytes at p, a part of text, are the secret or its beginning, as far as it was not cut. One byte is looked for in
 * quotes only, and nothing within words: they are the message's own. */
static size_t found_at(const struct buf *text, const char *p, struct slice secret)
{
	const char *end = text->p + text->n;
	size_t n = 0;
	int is_whole;

	while (n < secret.n && p + n < end && p[n] == secret.p[n])
		n++;
	is_whole = n == secret.n;
	if (!n || (p > text->p && is_part_of_word(p[-1]) && is_part_of_word(*p)))
		return 0;
	if (is_whole && p + n < end && is_part_of_word(p[n]) && is_part_of_word(p[n - 1]))
		return n >= MUCH ? n : 0;
	if (is_whole && n == 1)
		return p > text->p && p + 1 < end && p[-1] == '"' && p[1] == '"';
	if (is_whole || n >= MUCH)
		return n;
	return n >= SOME && (p + n == end || p[n] == '"' || (unsigned char)p[n] >= 0x80) ? n : 0;
}

static void replace(struct buf *text, struct slice secret)
{
	struct buf out;

	buf_init(&out, 0);
	for (size_t i = 0; i < text->n;) {
		size_t n = found_at(text, text->p + i, secret);

		if (n)
			buf_adds(&out, HIDDEN);
		else
			buf_addc(&out, text->p[i]);
		i += n ? n : 1;
	}
	buf_done(text);
	*text = out;
}

/* What another option shows anyway tells nothing: user=app password=app. */
static int is_shown_elsewhere(const PQconninfoOption *all, struct slice piece)
{
	for (; all->keyword; all++)
		if (all->val && slice_eq(piece, slice_str(all->val)) && conninfo_is_plain(all->keyword, all->val))
			return 1;
	return 0;
}

static void hide_value(const PQconninfoOption *all, struct slice value, struct buf *text)
{
	if (value.n && !is_shown_elsewhere(all, value))
		replace(text, value);
	while (value.n) {
		size_t n = 0;

		while (n < value.n && !strchr(SEPARATORS, value.p[n]))
			n++;
		if (n && !is_shown_elsewhere(all, slice_of(value.p, n)))
			replace(text, slice_of(value.p, n));
		n += n < value.n;
		value = slice_of(value.p + n, value.n - n);
	}
}

static int hide_all(const PQconninfoOption *all, struct buf *text)
{
	int n = 0;

	for (const PQconninfoOption *o = all; o && o->keyword; o++) {
		n += o->val != NULL;
		if (o->val && !conninfo_is_plain(o->keyword, o->val))
			hide_value(all, slice_str(o->val), text);
	}
	return n;
}

void db_hide(const struct opts_database *o, const PQconninfoOption *all, char *text, size_t room)
{
	AUTO(buf) struct buf b;

	buf_init(&b, 0);
	buf_adds(&b, text);
	if (hide_all(all, &b) == 0) {	/* a service that is not there: libpq keeps nothing of the rest */
		PQconninfoOption *text_s = PQconninfoParse(o->conninfo, NULL), *environment_s = PQconndefaults();

		hide_all(text_s, &b);
		hide_all(environment_s, &b);
		PQconninfoFree(text_s);
		PQconninfoFree(environment_s);
	}
	snprintf(text, room, "%s", buf_str(&b));
}
