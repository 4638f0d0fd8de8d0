/* dispatch: which command a line asks for, and whether it may. */
#include "config.h"
#include "lib/ctl/dispatch.h"

#include "lib/base/check.h"
#include "lib/base/num.h"

const struct cmd_row cmd_table[CMD_COUNT] = {
#define CMD(id, word, args, min, max, role, sentence)                                             \
	[CMD_##id] = {word, args, min, max, ROLE_##role, sentence},
#include "lib/tbl/commands.h"
};

const char *ctl_role_name(enum ctl_role role)
{
	static const char *const names[] = {"user", "operator", "admin"};

	check((unsigned)role < ARRAY_LEN(names));
	return names[role];
}

enum cmd_id dispatch_find(struct slice word)
{
	unsigned i;

	for (i = 0; i < CMD_COUNT; i++)
		if (slice_eq(word, slice_str(cmd_table[i].word)))
			break;
	return (enum cmd_id)i;
}

const char *dispatch_nearest(struct slice word)
{
	unsigned best = 3;	/* beyond two edits a guess annoys */
	const char *found = NULL;

	for (unsigned i = 0; i < CMD_COUNT; i++) {
		struct slice w = slice_str(cmd_table[i].word);
		unsigned d = num_distance(word, w);

		if (word.n >= 2 && slice_starts(w, word))
			d = 1;	/* an abbreviation */
		if (d < best && d < w.n) {
			best = d;
			found = cmd_table[i].word;
		}
	}
	return found;
}

static void add_usage(struct buf *out, const struct cmd_row *row)
{
	buf_addf(out, "%s%s%s", row->word, row->args[0] ? " " : "", row->args);
}

int dispatch(const struct ctl_command *c, enum ctl_role role, struct buf *why)
{
	const struct cmd_row *row;
	const char *near;
	enum cmd_id id;

	check(c->n_words > 0);
	id = dispatch_find(c->words[0]);
	if (id == CMD_COUNT) {
		near = dispatch_nearest(c->words[0]);
		buf_addf(why, CTL_SAYS_USAGE "unknown command '%.*s'",
			 (int)(c->words[0].n > 64 ? 64 : c->words[0].n), c->words[0].p);
		if (near)
			buf_addf(why, ", did you mean '%s'?", near);
		else
			buf_adds(why, ", try 'help'");
		return -1;
	}
	row = &cmd_table[id];
	if (role < row->role) {
		buf_addf(why, CTL_SAYS_NOT_ALLOWED "'%s' needs the role %s, you have %s", row->word,
			 ctl_role_name(row->role), ctl_role_name(role));
		return -1;
	}
	if (c->n_words - 1 < row->min || c->n_words - 1 > row->max) {
		buf_adds(why, CTL_SAYS_USAGE);
		add_usage(why, row);
		return -1;
	}
	return (int)id;
}

void dispatch_help(enum cmd_id one, struct buf *out)
{
	AUTO(buf) struct buf usage;
	size_t width = 0;

	buf_init(&usage, 0);
	if (one != CMD_COUNT) {
		add_usage(out, &cmd_table[one]);
		buf_addf(out, "\n    %s\n    Role: %s. Suffix 'json' for JSON.\n",
			 cmd_table[one].sentence, ctl_role_name(cmd_table[one].role));
		return;
	}
	for (unsigned i = 0; i < CMD_COUNT; i++) {
		buf_clear(&usage);
		add_usage(&usage, &cmd_table[i]);
		if (usage.n > width && usage.n <= 28)
			width = usage.n;
	}
	for (unsigned i = 0; i < CMD_COUNT; i++) {
		buf_clear(&usage);
		add_usage(&usage, &cmd_table[i]);
		if (usage.n > width)
			buf_addf(out, "%s\n%-*s  %s\n", buf_str(&usage), (int)width, "",
				 cmd_table[i].sentence);
		else
			buf_addf(out, "%-*s  %s\n", (int)width, buf_str(&usage),
				 cmd_table[i].sentence);
	}
}

void dispatch_mdoc(struct buf *out)
{
	buf_adds(out, ".Bl -tag -width Ds\n");
	for (unsigned i = 0; i < CMD_COUNT; i++) {
		const struct cmd_row *row = &cmd_table[i];

		buf_addf(out, ".It Ic %s%s%s\n%s\n", row->word, row->args[0] ? " Ar " : "",
			 row->args, row->sentence);
		if (row->role != ROLE_user)
			buf_addf(out, "Needs the role %s.\n", ctl_role_name(row->role));
	}
	buf_adds(out, ".El\n");
}
