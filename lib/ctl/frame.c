/* frame: lines to commands, replies to bytes and back. Both ends use it, so they cannot differ. */
#include "config.h"
#include "lib/ctl/frame.h"

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

/* The next run of non-blank bytes of *s; empty when none is left. */
static struct slice next_word(struct slice *s)
{
	struct slice w;

	*s = slice_trim(*s);
	w = *s;
	w.n = 0;
	while (w.n < s->n && s->p[w.n] != ' ' && s->p[w.n] != '\t')
		w.n++;
	s->p += w.n;
	s->n -= w.n;
	return w;
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

int ctl_parse(struct slice *line, struct ctl_command *ret)
{
	while (line->n) {
		struct slice text = slice_trim(slice_cut(line, ';')), w;

		if (!text.n)
			continue;
		ret->n_words = 0;
		ret->wants_json = 0;
		ret->width = 0;
		if (!is_clean(text))
			return -1;
		while ((w = next_word(&text)).n) {
			if (ret->n_words == CTL_WORDS_MAX)
				return -1;
			ret->words[ret->n_words++] = w;
		}
		if (ret->n_words > 1)
			ret->n_words -= is_suffix(ret->words[ret->n_words - 1], ret);
		return 1;
	}
	return 0;
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
