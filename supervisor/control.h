/* control: the control socket: clients, their lines, their roles, their answers.
 * A command that takes its time remembers an asker and answers later; the client may be gone then.
 * Layer: supervisor. */
#ifndef WEIR_SUPERVISOR_CONTROL_H
#define WEIR_SUPERVISOR_CONTROL_H

#include <stdint.h>

#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/ctl/dispatch.h"
#include "lib/ctl/frame.h"

struct weird;
struct listener;
struct table;

/* Who waits for an answer. */
struct asker {
	uint64_t client;
	int wants_json;
};

/* One command being carried out. */
struct call {
	struct weird *w;
	const struct ctl_command *cmd;
	struct asker asker;
	enum ctl_role role;
	enum ctl_severity severity;	/* CTL_DONE unless the handler says otherwise */
	char text[512];			/* first line; "ok" unless … */
	struct buf body;
	int is_async;			/* the handler answers later, through control_answer */
};
typedef void (*cmd_f)(struct call *c);
/* The table as the body, text or JSON; frees it. */
void call_table(struct call *c, struct table *t, const char *name);

#define CMD(id, ...) void cmd_##id(struct call *c);
#include "lib/tbl/commands.h"

/* 0, or -id with e. */
int control_open(struct weird *w, struct err *e) MUST_USE;
void control_answer(struct weird *w, const struct asker *a, enum ctl_severity sev, const char *text,
		    struct slice body);
/* Once a second: idle clients, stuck readers. */
void control_tick(struct weird *w);
unsigned control_clients(const struct weird *w);
void control_close(struct weird *w);

#endif
