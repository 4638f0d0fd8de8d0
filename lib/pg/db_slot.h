/* db_slot: a logical replication slot of ours, streamed: what is committed is told once, also what was while nobody
 * was there. Opened by blocking calls in a thread, then watched by a loop.
 * Owner: weir-monitor, one for each database; while db_slot_open runs it is the thread's alone.
 * Layer: lib/pg. */
#ifndef WEIR_PG_DB_SLOT_H
#define WEIR_PG_DB_SLOT_H

#include <stdint.h>

#include "lib/base/base.h"
#include "lib/pg/db_decode.h"

#define DB_SLOT_PUBLICATION "weir"

struct opts_database;

struct db_slot {
	const struct opts_database *opts;	/* in */
	const struct db_decode_ops *ops;	/* in */
	void *ctx;				/* in */
	int wants_new;				/* in: drop the slot and make it again */
	void *conn;
	struct db_decode *decode;
	char error[256];
	int is_new;		/* the slot was made just now: what was written before is not told */
	uint64_t xmax, since_ms;	/* as in struct db_listen */
	uint64_t confirmed;	/* up to here all was told */
	uint64_t unheard;	/* bytes since the last message that was whole */
};

/* Blocking. 0, or -1 with error. */
int db_slot_open(struct db_slot *s) MUST_USE;
int db_slot_fd(const struct db_slot *s);
/* Take everything that is here, without blocking. 0, or -1 with error: the session is lost; what came before is
 * told first. */
int db_slot_read(struct db_slot *s) MUST_USE;
/* Say how far we are: once a second, so that the server can throw its log away. 0 or -1 with error. */
int db_slot_confirm(struct db_slot *s) MUST_USE;
void db_slot_close(struct db_slot *s);

#endif
