/* db_listen: a session that hears NOTIFY at once. Opened by blocking calls in a thread, then watched by a loop.
 * Owner: weir-monitor, one for each database; while db_listen_open runs it is the thread's alone.
 * Layer: lib/pg. */
#ifndef WEIR_PG_DB_LISTEN_H
#define WEIR_PG_DB_LISTEN_H

#include <stdint.h>

#include "lib/base/base.h"
#include "lib/base/slice.h"

struct opts_database;

struct db_listen {
	const struct opts_database *opts;	/* in */
	void *conn;
	char error[256];
	/* Of the moment from which on nothing is missed: the next transaction's id, and clock_boot_ms. What was read
	 * before it, or in a snapshot whose xmin is lower, may be behind a write that nobody will tell of. */
	uint64_t xmax, since_ms;
	int has_triggers;	/* a table is watched by triggers that notify */
	uint64_t unheard;	/* bytes since the last notification */
};

/* Blocking. 0, or -1 with error: cannot connect, a standby (it hears no NOTIFY), a pooler. */
int db_listen_open(struct db_listen *l) MUST_USE;
int db_listen_fd(const struct db_listen *l);
/* Take everything that is here, without blocking. 0, or -1 with error: the session is lost; what came before is
 * given first. Also call it once after db_listen_open: something may have come with its answers. */
int db_listen_read(struct db_listen *l, void (*on_event)(void *ctx, struct slice payload), void *ctx) MUST_USE;
void db_listen_close(struct db_listen *l);

#endif
