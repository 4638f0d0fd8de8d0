/* dispatch: word → row of lib/tbl/commands.h → count and role check; help, nearest word, mdoc.
 * The handlers are the supervisor's; the ids tie them to the rows.
 * Pure functions. Layer: lib/ctl. */
#ifndef WEIR_CTL_DISPATCH_H
#define WEIR_CTL_DISPATCH_H

#include "lib/base/buf.h"
#include "lib/ctl/frame.h"

enum cmd_id {
#define CMD(id, ...) CMD_##id,
#include "lib/tbl/commands.h"
	CMD_COUNT
};

enum ctl_role { ROLE_user, ROLE_operator, ROLE_admin };

struct cmd_row {
	const char *word, *args;
	unsigned min, max;	/* arguments behind the word */
	enum ctl_role role;
	const char *sentence;
};
extern const struct cmd_row cmd_table[CMD_COUNT];

/* How a refusal's text begins; weirctl tells its exit code from it. */
#define CTL_SAYS_USAGE "usage: "
#define CTL_SAYS_NOT_ALLOWED "not allowed: "
#define CTL_SAYS_CONFIG "configuration refused"

const char *ctl_role_name(enum ctl_role role);
/* The row of a word; CMD_COUNT when there is none. */
enum cmd_id dispatch_find(struct slice word);
/* The command that c asks for, if role may and the number of arguments fits; else -1 and why. */
int dispatch(const struct ctl_command *c, enum ctl_role role, struct buf *why);
/* The word nearest to a mistyped one, or NULL. */
const char *dispatch_nearest(struct slice word);
/* All commands as a table, or one of them. */
void dispatch_help(enum cmd_id one, struct buf *out);
/* mdoc list of the commands for weirctl(8). */
void dispatch_mdoc(struct buf *out);

#endif
