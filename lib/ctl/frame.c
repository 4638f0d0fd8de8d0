/* frame: lines to commands, replies to bytes and back. Both ends use it, so they cannot differ. */
#include "config.h"
#include "lib/ctl/frame.h"

#include <string.h>

#include "lib/base/num.h"
#include "lib/base/utf8.h"

#define HEAD_MAX 65536u		/* longest first line of a reply that a client waits for */

static int is_clean(struct slice s)
{
	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];

		if ((c < 0x20 && c != '\t') || c == 0x7f)
			return 0;
	}
	return utf8_is_valid(s);
}

/* How the answer is wanted: no word of the command. */
static unsigned is_suffix(struct slice word, struct ctl_command *ret)
{
	static const struct slice width = {"width=", 6};
	uint64_t n;

	if (slice_eq(word, SLICE("json")))
		ret->wants_json = 1;
	else if (slice_starts(word, width) && num_u64(slice_of(word.p + width.n, word.n - width.n), &n) == 0 &&
		 n <= CTL_WIDTH_MAX)
		ret->width = (unsigned)n;
	else
		return 0;
	return 1;
}

static int is_end(const struct slice *s)
{
	return !s->n || s->p[0] == ' ' || s->p[0] == '\t' || s->p[0] == ';';
}

static void skip(struct slice *s, size_t n)
{
	s->p += n;
	s->n -= n;
}

/* Behind a backslash; *s moves behind it. The byte, or -1. */
static int take_escape(struct slice *s)
{
	static const char letters[] = "\"\\nrt", bytes[] = "\"\\\n\r\t";
	static const char digits[] = "0123456789abcdef";
	const char *at, *hi, *lo;

	if (!s->n || !s->p[0])
		return -1;
	at = strchr(letters, s->p[0]);
	if (at) {
		skip(s, 1);
		return (unsigned char)bytes[at - letters];
	}
	if (s->n < 3 || s->p[0] != 'x')
		return -1;
	hi = memchr(digits, s->p[1], 16);
	lo = memchr(digits, s->p[2], 16);
	if (!hi || !lo || (hi == digits && lo == digits))
		return -1;
	skip(s, 3);
	return (int)((hi - digits) << 4 | (lo - digits));
}

/* *s begins behind the opening quote. The content goes to `at`; its length, or -1. */
static int take_quoted(struct slice *s, char *at)
{
	int n = 0;

	while (s->n) {
		int c = (unsigned char)s->p[0];

		skip(s, 1);
		if (c == '"')
			return is_end(s) ? n : -1;
		if (c == '\\' && (c = take_escape(s)) < 0)
			return -1;
		at[n++] = (char)c;
	}
	return -1;
}

/* 1 a word, 0 the command's end, -1. */
static int take_word(struct slice *s, struct ctl_command *ret, size_t *used, int *ret_is_bare)
{
	struct slice *w = &ret->words[ret->n_words];
	int n;

	while (s->n && (s->p[0] == ' ' || s->p[0] == '\t'))
		skip(s, 1);
	if (is_end(s))
		return 0;
	if (ret->n_words == CTL_WORDS_MAX)
		return -1;
	*ret_is_bare = s->p[0] != '"';
	if (*ret_is_bare) {
		*w = slice_of(s->p, 0);
		while (!is_end(s)) {
			w->n++;
			skip(s, 1);
		}
	} else {
		skip(s, 1);
		n = take_quoted(s, ret->text + *used);
		if (n < 0)
			return -1;
		*w = slice_of(ret->text + *used, (size_t)n);
		*used += (size_t)n;
	}
	ret->n_words++;
	return 1;
}

int ctl_parse(struct slice *line, struct ctl_command *ret)
{
	size_t used = 0;
	int rc, is_bare = 0;

	while (line->n && is_end(line))
		skip(line, 1);
	if (!line->n)
		return 0;
	ret->n_words = 0;
	ret->wants_json = 0;
	ret->width = 0;
	ret->source = slice_of(line->p, 0);
	if (line->n > CTL_LINE_MAX)
		rc = -1;
	else
		while ((rc = take_word(line, ret, &used, &is_bare)) > 0)
			ret->source.n = (size_t)(line->p - ret->source.p);
	if (rc < 0 || !is_clean(ret->source)) {
		*line = (struct slice){NULL, 0};
		return -1;
	}
	if (ret->n_words > 1 && is_bare)
		ret->n_words -= is_suffix(ret->words[ret->n_words - 1], ret);
	return 1;
}

static int is_bare_word(struct slice word)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./:=,@%+-{}*";
	struct ctl_command ignored;

	for (size_t i = 0; i < word.n; i++)
		if (!memchr(plain, word.p[i], sizeof(plain) - 1))
			return 0;
	return word.n && !is_suffix(word, &ignored);
}

void ctl_quote(struct buf *out, struct slice word)
{
	int is_text = utf8_is_valid(word);

	if (is_bare_word(word)) {
		buf_add(out, word.p, word.n);
		return;
	}
	buf_addc(out, '"');
	for (size_t i = 0; i < word.n; i++) {
		unsigned char c = (unsigned char)word.p[i];

		if ((c >= 0x80 ? is_text : c >= 0x20 && c < 0x7f) && c != '"' && c != '\\')
			buf_addc(out, (char)c);
		else
			buf_addf(out, "\\x%02x", c);
	}
	buf_addc(out, '"');
}

void ctl_reply(struct buf *out, enum ctl_severity sev, const char *text, struct slice body)
{
	buf_addf(out, "%d ", (int)sev);
	for (; *text; text++)
		buf_addc(out, *text == '\n' || *text == '\r' ? ' ' : *text);
	buf_addc(out, '\n');
	while (body.p && body.n) {
		struct slice l = slice_cut(&body, '\n');

		if (!l.n)
			l = SLICE(" ");
		buf_add(out, l.p, l.n);
		buf_addc(out, '\n');
	}
	buf_addc(out, '\n');
}

long ctl_parse_reply(struct slice data, int *ret_sev, struct slice *ret_text, struct slice *ret_body)
{
	const char *nl, *at, *end = data.p + data.n;
	int sev;

	if (!data.n)
		return 0;
	sev = data.p[0] - '0';
	if ((sev != CTL_FAILED && sev != CTL_WARNING && sev != CTL_DONE) ||
	    (data.n > 1 && data.p[1] != ' '))
		return -1;
	nl = memchr(data.p, '\n', data.n);
	if (!nl)
		return data.n > HEAD_MAX ? -1 : 0;
	if (nl - data.p < 2)
		return -1;
	for (at = nl; at; at = memchr(at + 1, '\n', (size_t)(end - at - 1))) {
		if (at + 1 >= end)
			return 0;
		if (at[1] == '\n')
			break;
	}
	if (!at)
		return 0;
	*ret_sev = sev;
	*ret_text = slice_of(data.p + 2, (size_t)(nl - data.p) - 2);
	*ret_body = slice_of(nl + 1, (size_t)(at + 1 - (nl + 1)));
	return (long)(at + 2 - data.p);
}
