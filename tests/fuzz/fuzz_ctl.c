/* fuzz_ctl: any bytes as a line of the control socket and as a reply read by weirctl. Words lie inside the line, or in the
 * command's own text when they were quoted; any bytes as arguments are read back as these, in one command; whatever weird
 * would answer is read back as exactly one reply. */
#include "config.h"

#include <stdint.h>

#include "lib/base/check.h"
#include "lib/base/utf8.h"
#include "lib/ctl/dispatch.h"
#include "lib/ctl/frame.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void is_one_reply(const struct buf *out, int severity)
{
	struct slice text, body;
	int sev;

	check(ctl_parse_reply(buf_slice(out), &sev, &text, &body) == (long)out->n);
	check(sev == severity);
	for (size_t cut = out->n > 64 ? out->n - 64 : 0; cut < out->n; cut++)
		check(ctl_parse_reply(slice_of(out->p, cut), &sev, &text, &body) == 0);
}

/* The input, cut at NULs, as weirctl sends the arguments of a shell. */
static void is_one_command(struct slice all)
{
	struct slice args[CTL_WORDS_MAX], line;
	struct ctl_command c;
	AUTO(buf) struct buf out;
	unsigned n = 0;

	buf_init(&out, 0);
	while (all.p && n < CTL_WORDS_MAX) {
		args[n] = slice_cut(&all, 0);
		if (n)
			buf_addc(&out, ' ');
		ctl_quote(&out, args[n++]);
	}
	if (!n || out.n > CTL_LINE_MAX)
		return;
	line = buf_slice(&out);
	check(ctl_parse(&line, &c) == 1 && c.n_words == n && !c.wants_json && !c.width);
	for (unsigned i = 0; i < n; i++)
		check(slice_eq(c.words[i], args[i]));
	check(ctl_parse(&line, &c) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice line = slice_of((const char *)data, size), rest = line, text, body;
	struct ctl_command c;
	AUTO(buf) struct buf out;
	AUTO(buf) struct buf why;
	long used;
	int r, sev, id;

	buf_init(&out, 0);
	buf_init(&why, 0);
	while ((r = ctl_parse(&rest, &c)) != 0) {
		if (r < 0)
			continue;
		check(c.n_words > 0 && c.n_words <= CTL_WORDS_MAX);
		for (unsigned i = 0; i < c.n_words; i++) {
			int is_bare = c.words[i].p >= line.p && c.words[i].p + c.words[i].n <= line.p + line.n;

			check(is_bare ? c.words[i].n && utf8_is_valid(c.words[i])
				      : c.words[i].p >= c.text && c.words[i].p + c.words[i].n <= c.text + sizeof(c.text));
		}
		for (int role = ROLE_user; role <= ROLE_admin; role++) {
			buf_clear(&why);
			id = dispatch(&c, (enum ctl_role)role, &why);
			check((id < 0) == (why.n > 0) && id < CMD_COUNT);
			buf_clear(&out);
			ctl_reply(&out, CTL_FAILED, buf_str(&why), line);
			is_one_reply(&out, CTL_FAILED);
		}
	}
	is_one_command(line);
	used = ctl_parse_reply(line, &sev, &text, &body);
	check(used >= -1 && used <= (long)size);
	if (used > 0) {
		check(sev == CTL_FAILED || sev == CTL_WARNING || sev == CTL_DONE);
		check(text.p + text.n <= line.p + used && body.p + body.n <= line.p + used);
	}
	return 0;
}
