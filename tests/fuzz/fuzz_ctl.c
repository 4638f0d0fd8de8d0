/* fuzz_ctl: any bytes as a line of the control socket and as a reply read by weirctl. Words lie inside the
 * line and are clean; whatever weird would answer is read back as exactly one reply. */
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
			check(c.words[i].n > 0 && utf8_is_valid(c.words[i]));
			check(c.words[i].p >= line.p &&
			      c.words[i].p + c.words[i].n <= line.p + line.n);
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
	used = ctl_parse_reply(line, &sev, &text, &body);
	check(used >= -1 && used <= (long)size);
	if (used > 0) {
		check(sev == CTL_FAILED || sev == CTL_WARNING || sev == CTL_DONE);
		check(text.p + text.n <= line.p + used && body.p + body.n <= line.p + used);
	}
	return 0;
}
