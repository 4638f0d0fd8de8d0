/* cmd_act: commands that change something. */
#include "config.h"

#include <stdio.h>

#include "lib/base/log.h"
#include "lib/ctl/heritage.h"
#include "supervisor/control.h"
#include "supervisor/reload.h"
#include "supervisor/weird.h"

void cmd_reload(struct call *c)
{
	c->is_async = 1;
	reload_request(c->w, &c->asker);
}

void cmd_log(struct call *c)
{
	enum log_level level;

	if (!slice_eq(c->cmd->words[1], SLICE("level")) ||
	    log_parse_level(c->cmd->words[2], &level)) {
		c->severity = CTL_FAILED;
		snprintf(c->text, sizeof(c->text), CTL_SAYS_USAGE "%s %s",
			 cmd_table[CMD_log].word, cmd_table[CMD_log].args);
		return;
	}
	c->w->log_level_override = (int)level;
	atomic_store(&c->w->region.h->log_level, (uint32_t)level);
	log_set_level(level);
	children_tell(c->w, HERITAGE_LOGLEVEL, (uint32_t)level);
	snprintf(c->text, sizeof(c->text), "log level is %s until the next reload",
		 log_level_name(level));
	if (c->asker.wants_json)
		buf_addf(&c->body, "{\"log_level\":\"%s\"}\n", log_level_name(level));
}

/* Answered when all children are gone: main says it, just before the socket closes. */
void cmd_stop(struct call *c)
{
	int is_fast = c->cmd->n_words > 1 && slice_eq(c->cmd->words[1], SLICE("fast"));

	if (c->cmd->n_words > 1 && !is_fast && !slice_eq(c->cmd->words[1], SLICE("graceful"))) {
		c->severity = CTL_FAILED;
		snprintf(c->text, sizeof(c->text), CTL_SAYS_USAGE "%s %s",
			 cmd_table[CMD_stop].word, cmd_table[CMD_stop].args);
		return;
	}
	c->is_async = 1;
	stop_wait(c->w, &c->asker);
	weird_stop(c->w, is_fast ? STOP_FAST : STOP_GRACEFUL);
}
