/* db_type: what is known of a PostgreSQL type: how a parameter's text is checked before it is bound.
 * The server's own check (22*) is the second net.
 * Pure. Layer: lib/pg. */
#ifndef WEIR_PG_DB_TYPE_H
#define WEIR_PG_DB_TYPE_H

#include <stdint.h>

#include "lib/base/buf.h"

enum db_kind {
	DB_OTHER, DB_TEXT, DB_BOOL, DB_INT2, DB_INT4, DB_INT8, DB_FLOAT, DB_NUMERIC, DB_UUID, DB_JSON,
	DB_DATE, DB_TIMESTAMP, DB_TIME, DB_BYTEA, DB_OID
};

struct db_type {
	uint32_t oid;		/* base type, domains resolved */
	enum db_kind kind;	/* of the element for an array */
	int is_array;
};

/* The kind of a built-in scalar type; DB_OTHER for what is not in the table. */
enum db_kind db_type_kind(uint32_t oid);
/* NULL when text may be bound as that kind; else what was expected: "an integer from -32768 to 32767". */
const char *db_type_check(enum db_kind kind, struct slice text);
/* "integer", "timestamp", for messages and documents. */
const char *db_type_name(const struct db_type *t);
/* -1, 0, 1: a compared with b as values of the kind (numbers as numbers, all else as bytes). */
int db_type_compare(enum db_kind kind, struct slice a, struct slice b);
/* Append one element to an array literal under construction in out ("{" first, "}" last are the caller's). */
void db_type_array_item(struct buf *out, int is_first, int is_null, struct slice text);

#endif
