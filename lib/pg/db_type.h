/* db_type: what is known of a PostgreSQL type: how a parameter's text is checked before it is bound.
 * The server's own check (22*) is the second net.
 * Pure. Layer: lib/pg. */
#ifndef WEIR_PG_DB_TYPE_H
#define WEIR_PG_DB_TYPE_H

#include <stdint.h>

#include "lib/base/slice.h"

struct db_point;

enum db_kind {
	DB_OTHER, DB_TEXT, DB_BOOL, DB_INT2, DB_INT4, DB_INT8, DB_FLOAT, DB_NUMERIC, DB_UUID, DB_JSON,
	DB_DATE, DB_TIMESTAMP, DB_TIME, DB_BYTEA, DB_OID
};

/* DateOrder of a session. */
enum db_dates { DB_DATES_UNKNOWN, DB_DATES_YMD, DB_DATES_DMY, DB_DATES_MDY };

struct db_type {
	uint32_t oid;		/* base type, domains resolved */
	enum db_kind kind;	/* of the element for an array */
	int is_array;
	uint32_t base;		/* of the value, or of an array's elements; domains resolved */
	char delim;		/* between an array's elements */
	unsigned char canon;	/* enum db_canon: how it fills a tag; not at all if an array */
	unsigned char rounds;	/* a domain of it has a scale or a length: the value is another one once it is read */
	const char *name;	/* of base, where kind does not tell; NULL */
	const struct db_point *min, *max;	/* of the parameter's range; NULL: open */
};

/* Of what a session says its DateStyle is: "ISO, DMY". */
enum db_dates db_dates_of(const char *datestyle);
/* The kind of a built-in scalar type; DB_OTHER for what is not in the table. */
enum db_kind db_type_kind(uint32_t oid);
/* NULL when text may be bound as that kind; else what was expected: "an integer from -32768 to 32767". */
const char *db_type_check(enum db_kind kind, struct slice text);
/* "integer", "timestamp", for messages and documents; of an array: its elements' type. */
const char *db_type_name(const struct db_type *t);

#endif
