#include "config.h"

#include <criterion/criterion.h>

#include "lib/ctl/frame.h"

/* want: words joined by '|', "+json" behind those that want JSON, "!" for a refusal, commands ended by '/'. */
static const struct {
	const char *line, *want;
} lines[] = {
	{"", ""},
	{"ping", "ping/"},
	{"  ping\t ", "ping/"},
	{"workers json", "workers+json/"},
	{"json", "json/"},
	{"log level debug json", "log|level|debug+json/"},
	{"json workers", "json|workers/"},
	{"ping;help reload ;; info json", "ping/help|reload/info+json/"},
	{";;;", ""},
	{"workers width=80", "workers+80/"},
	{"workers width=80 json", "workers|width=80+json/"},
	{"width=80; a width=; a width=-1; a width=10001", "width=80/a|width=/a|width=-1/a|width=10001/"},
	{"ping\x01", "!/"},
	{"ping\x7f; info", "!/"},
	{"info; ping\x7f", "info/!/"},
	{"a \"b;c d\" e", "a|b;c d|e/"},
	{"a \"\"", "a|/"},
	{"a \"json\"; a \"width=80\" json", "a|json/a|width=80+json/"},
	{"a \"\\\"\\\\\\x3b\\xff\"", "a|\"\\;\xff/"},
	{"a \"b", "!/"},
	{"a \"b; stop", "!/"},
	{"a \"b\"c; stop", "!/"},
	{"a \"b\\\"; stop", "!/"},
	{"a \"\\x00\"; stop", "!/"},
	{"a \"\\x0\"", "!/"},
	{"a \"\\q\"", "!/"},
	{"a \"\\", "!/"},
	{"a b\"c;d", "a|b\"c/d/"},
	{"\"a\";\"b\"", "a/b/"},
	{"p\xc3\x28", "!/"},
	{"a\xc3\xa9", "a\xc3\xa9/"},
	{"1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16", "1|2|3|4|5|6|7|8|9|10|11|12|13|14|15|16/"},
	{"1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17; ping", "!/"},
};

Test(frame, cuts_a_line_into_commands)
{
	for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
		struct slice rest = slice_str(lines[i].line);
		struct ctl_command c;
		struct buf got;
		int r;

		buf_init(&got, 0);
		while ((r = ctl_parse(&rest, &c)) != 0) {
			for (unsigned k = 0; r > 0 && k < c.n_words; k++)
				buf_addf(&got, "%s%.*s", k ? "|" : "", SLICE_ARG(c.words[k]));
			if (r > 0 && c.width)
				buf_addf(&got, "+%u", c.width);
			buf_adds(&got, r < 0 ? "!/" : c.wants_json ? "+json/" : "/");
		}
		cr_expect_str_eq(buf_str(&got), lines[i].want, "%s: %s", lines[i].line, buf_str(&got));
		buf_done(&got);
	}
}

Test(frame, quotes_every_argument)
{
	static const char *const args[] = {"x;stop fast", "a b", "", "json", "width=80", "\"", "\\", "a\nb\r\t", "\xff\xfe", "\x01\x7f",
					   "\xc3\xa9", "plain/1.5:{id}", "--", "soft", "'$(x)'"};
	struct slice rest;
	struct ctl_command c;
	struct buf out;

	for (size_t i = 0; i < ARRAY_LEN(args); i++) {
		buf_init(&out, 0);
		buf_adds(&out, "cache ");
		ctl_quote(&out, slice_str(args[i]));
		rest = buf_slice(&out);
		cr_assert_eq(ctl_parse(&rest, &c), 1, "%s", buf_str(&out));
		cr_assert_eq(c.n_words, 2, "%s", buf_str(&out));
		cr_expect(slice_eq(c.words[1], slice_str(args[i])), "%s", buf_str(&out));
		cr_expect(!c.wants_json && !c.width && ctl_parse(&rest, &c) == 0);
		buf_done(&out);
	}
}

static void reply_is(enum ctl_severity sev, const char *text, const char *body, const char *want)
{
	struct buf out;

	buf_init(&out, 0);
	ctl_reply(&out, sev, text, slice_str(body));
	cr_expect_str_eq(buf_str(&out), want, "%s", buf_str(&out));
	buf_done(&out);
}

Test(frame, ends_a_reply_with_its_only_empty_line)
{
	reply_is(CTL_DONE, "pong", NULL, "6 pong\n\n");
	reply_is(CTL_DONE, "ok", "", "6 ok\n\n");
	reply_is(CTL_WARNING, "ok", "a", "4 ok\na\n\n");
	reply_is(CTL_DONE, "ok", "a\nb\n", "6 ok\na\nb\n\n");
	reply_is(CTL_FAILED, "no", "a\n\n\nb\n", "3 no\na\n \n \nb\n\n");
	reply_is(CTL_FAILED, "two\nlines\r", NULL, "3 two lines \n\n");
}

Test(frame, reads_a_reply_back_only_when_it_is_whole)
{
	const char *all = "4 careful now\nfirst\n \nlast\n\n6 pong\n\n";
	struct slice data = slice_str(all), text, body;
	size_t first = strstr(all, "6 pong") - all;
	int sev;

	for (size_t n = 0; n < first; n++)
		cr_expect_eq(ctl_parse_reply(slice_of(all, n), &sev, &text, &body), 0, "%zu", n);
	for (size_t n = first; n <= data.n; n++)
		cr_expect_eq(ctl_parse_reply(slice_of(all, n), &sev, &text, &body), (long)first);
	cr_expect_eq(sev, CTL_WARNING);
	cr_expect(slice_eq(text, SLICE("careful now")));
	cr_expect(slice_eq(body, SLICE("first\n \nlast\n")));
	data.p += first;
	data.n -= first;
	cr_expect_eq(ctl_parse_reply(data, &sev, &text, &body), (long)data.n);
	cr_expect_eq(sev, CTL_DONE);
	cr_expect_eq(body.n, 0);
}

Test(frame, refuses_what_is_no_reply)
{
	static const char *const bad[] = {"x", "7 a\n\n", "6pong\n\n", "6\n\n", "\n", "HTTP/1.1 200\r\n"};
	struct slice text, body;
	int sev;

	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		cr_expect_eq(ctl_parse_reply(slice_str(bad[i]), &sev, &text, &body), -1, "%s", bad[i]);
}
