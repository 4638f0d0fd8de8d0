/* db_canon: one text for all texts that a type's own = calls equal. It is what stands in a tag: of a parameter, of a
 * column that a replication slot tells, and, made by weir.key in sql/weir/events.sql, of a column that a trigger tells.
 * Types whose equality a text does not tell (a collation, a currency, documents, addresses, intervals, floats) have
 * none: they fill no tag.
 * Pure. Layer: lib/pg. */
#ifndef WEIR_PG_DB_CANON_H
#define WEIR_PG_DB_CANON_H

#include <stdint.h>

#include "lib/base/buf.h"
#include "lib/base/slice.h"

enum db_canon {
	DB_CANON_NONE,
	DB_CANON_TEXT,		/* text, varchar, enums: as it is */
	DB_CANON_CHAR,		/* char(n): without the blanks behind; NAME: its first 63 bytes. Both are texts */
	DB_CANON_NAME,
	DB_CANON_NUMBER,	/* integers, numeric: 1.50 and 1.5e0 are 1.5 */
	DB_CANON_OID,		/* -1 is 4294967295 */
	DB_CANON_BOOL, DB_CANON_UUID, DB_CANON_DATE, DB_CANON_TIME, DB_CANON_TIMESTAMP, DB_CANON_TIMESTAMPTZ
};

#define DB_CANON_MOST 1000u	/* bytes of a number; what is longer has none */

/* Of a type, domains resolved. */
enum db_canon db_canon_of(uint32_t oid, int is_enum);
/* Values of a and of b are told by the same texts: one may be compared with the other. */
int db_canon_meet(enum db_canon a, enum db_canon b);
/* Does a domain with this typmod make other values of what it is given: round a number, a time, cut blanks off a text? */
int db_canon_rounds(enum db_canon c, int32_t typmod);
/* "text", "a number", for messages. */
const char *db_canon_name(enum db_canon c);
/* Append the text that stands for all equal ones. 0; or -1, and nothing is appended: not a value, or in a spelling that is
 * not read here (db_canon_form says what is). */
int db_canon_put(enum db_canon c, struct slice text, struct buf *out) MUST_USE;
const char *db_canon_form(enum db_canon c);
/* Would it be appended? And the text itself, nothing else? */
int db_canon_reads(enum db_canon c, struct slice text);
int db_canon_is_itself(enum db_canon c, struct slice text);

/* A number of PostgreSQL 16: 0x1F, 0o17, 0b101, 1_000. 0: decimal digits are appended, with sign, point and exponent as
 * they stood; -1: another text, or too large. */
int db_canon_digits(struct slice text, struct buf *out) MUST_USE;
/* Does a text of this type (of its elements) depend on when it is read: now, today, tomorrow, yesterday? */
int db_canon_is_now(uint32_t oid, struct slice text);

#endif
