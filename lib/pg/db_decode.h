/* db_decode: messages of pgoutput (protocol version 1, PostgreSQL's manual 55.9) made into tags. Pure: no connection.
 * What the server sends is hostile input all the same: every length is checked.
 * Owner: db_decode_free. Threads: one. Layer: lib/pg. */
#ifndef WEIR_PG_DB_DECODE_H
#define WEIR_PG_DB_DECODE_H

#include <stdint.h>

#include "lib/base/base.h"
#include "lib/base/err.h"
#include "lib/base/slice.h"

struct db_decode_ops {
	/* A row of the transaction that is being told has this tag; valid during the call; told for each row. */
	void (*on_tag)(void *ctx, struct slice tag);
	/* Tags cannot say what it wrote. why: NULL for TRUNCATE. */
	void (*on_all)(void *ctx, const char *why);
	/* A logical message of prefix "weir": an event as db_event.h has it. */
	void (*on_message)(void *ctx, struct slice payload);
	/* xid: the low 32 bits. end_lsn: the next position. wall_us: the server's clock at COMMIT. */
	void (*on_commit)(void *ctx, uint32_t xid, uint64_t end_lsn, uint64_t wall_us);
};

struct db_decode;
struct db_decode *db_decode_new(const struct db_decode_ops *ops, void *ctx);
void db_decode_free(struct db_decode **d);
/* Rows of the table with this oid have the tag ("user:{user_id}:images"). Before anything is fed. */
void db_decode_watch(struct db_decode *d, uint32_t relid, struct slice tag);
/* Columns of this type are of that one: a domain's base, or an enum (is_enum). What is not told and not built in cannot fill a
 * tag. Before anything is fed. */
void db_decode_type(struct db_decode *d, uint32_t oid, uint32_t base, int is_enum);
/* One message. 0 or -E_db_down with a sentence: the stream is of no use any more. */
int db_decode_feed(struct db_decode *d, struct slice msg, struct err *e) MUST_USE;
/* Between BEGIN and COMMIT. */
int db_decode_is_inside(const struct db_decode *d);

#endif
