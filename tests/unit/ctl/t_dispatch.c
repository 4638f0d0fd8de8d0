#include "config.h"

#include <criterion/criterion.h>

#include "lib/base/num.h"
#include "lib/ctl/dispatch.h"

static int run(const char *line, enum ctl_role role, struct buf *why)
{
	struct slice rest = slice_str(line);
	struct ctl_command c;

	buf_init(why, 0);
	cr_assert_eq(ctl_parse(&rest, &c), 1);
	return dispatch(&c, role, why);
}

static const struct {
	const char *line;
	enum ctl_role role;
	int id;
	const char *why;	/* how it begins */
} cases[] = {
	{"ping", ROLE_user, CMD_ping, ""},
	{"ping now", ROLE_user, -1, "usage: ping"},
	{"help", ROLE_user, CMD_help, ""},
	{"help reload", ROLE_user, CMD_help, ""},
	{"help a b", ROLE_user, -1, "usage: help [WORD]"},
	{"log level debug", ROLE_operator, CMD_log, ""},
	{"log level", ROLE_operator, -1, "usage: log level "},
	{"reload", ROLE_user, -1, "not allowed: "},
	{"reload", ROLE_operator, CMD_reload, ""},
	{"stop", ROLE_operator, -1, "not allowed: "},
	{"stop fast", ROLE_admin, CMD_stop, ""},
	/* what one may not, one is not taught the arguments of */
	{"stop a b c", ROLE_user, -1, "not allowed: "},
	{"relaod", ROLE_admin, -1, "usage: unknown command 'relaod', did you mean 'reload'?"},
	{"zzzzzzzzz", ROLE_admin, -1, "usage: unknown command 'zzzzzzzzz', try 'help'"},
	{"PING", ROLE_admin, -1, "usage: unknown command 'PING'"},
};

Test(dispatch, finds_the_row_or_says_why_not)
{
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct buf why;

		cr_expect_eq(run(cases[i].line, cases[i].role, &why), cases[i].id, "%s", cases[i].line);
		cr_expect_eq(strncmp(buf_str(&why), cases[i].why, strlen(cases[i].why)), 0, "%s: %s",
			     cases[i].line, buf_str(&why));
		cr_expect_eq(why.n > 0, cases[i].id < 0);
		buf_done(&why);
	}
}

Test(dispatch, guesses_abbreviations_and_small_slips_only)
{
	cr_expect_str_eq(dispatch_nearest(SLICE("worker")), "workers");
	cr_expect_str_eq(dispatch_nearest(SLICE("data")), "database");
	cr_expect_str_eq(dispatch_nearest(SLICE("pign")), "ping");
	cr_expect_null(dispatch_nearest(SLICE("drain")));
	cr_expect_null(dispatch_nearest(SLICE("")));
}

Test(dispatch, keeps_the_list_sorted_unique_and_complete)
{
	for (unsigned i = 0; i < CMD_COUNT; i++) {
		const struct cmd_row *row = &cmd_table[i];

		cr_expect(row->word[0] && row->sentence[strlen(row->sentence) - 1] == '.', "%s", row->word);
		cr_expect_leq(row->min, row->max);
		cr_expect_eq(dispatch_find(slice_str(row->word)), i);
		if (i)
			cr_expect_lt(strcmp(cmd_table[i - 1].word, row->word), 0, "%s", row->word);
	}
}

Test(dispatch, helps_with_every_command)
{
	struct buf all, one, mdoc;

	buf_init(&all, 0);
	buf_init(&mdoc, 0);
	dispatch_help(CMD_COUNT, &all);
	dispatch_mdoc(&mdoc);
	for (unsigned i = 0; i < CMD_COUNT; i++) {
		cr_expect(strstr(buf_str(&all), cmd_table[i].sentence), "%s", cmd_table[i].word);
		cr_expect(strstr(buf_str(&mdoc), cmd_table[i].sentence), "%s", cmd_table[i].word);
		buf_init(&one, 0);
		dispatch_help((enum cmd_id)i, &one);
		cr_expect(strstr(buf_str(&one), cmd_table[i].sentence));
		cr_expect(strstr(buf_str(&one), ctl_role_name(cmd_table[i].role)));
		buf_done(&one);
	}
	buf_done(&all);
	buf_done(&mdoc);
}
