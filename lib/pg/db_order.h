/* db_order: how `range` compares values of a type: exactly as the server's own <= does, from their texts alone. Types
 * whose order a text does not tell (a collation, a currency, months of unlike length, a session's time zone) have none.
 * Of the many spellings that the server takes for dates and times, those are read that mean the same under every
 * setting: YYYY-MM-DD, YYYYMMDD, hh:mm:ss, an offset in numbers, BC. NaN is no value of a range.
 * Pure. Layer: lib/pg. */
#ifndef WEIR_PG_DB_ORDER_H
#define WEIR_PG_DB_ORDER_H

#include <stdint.h>

#include "lib/base/slice.h"

enum db_order {
	DB_ORDER_NONE, DB_ORDER_INTEGER, DB_ORDER_OID, DB_ORDER_NUMERIC, DB_ORDER_FLOAT4, DB_ORDER_FLOAT8,
	DB_ORDER_DATE, DB_ORDER_TIME, DB_ORDER_TIMESTAMP, DB_ORDER_TIMESTAMPTZ
};

/* A value as it is compared. Decimals borrow the text they were read from. */
struct db_point {
	int infinite;		/* -1 or 1, else 0 */
	int sign;		/* of a decimal: -1, 0, 1 */
	struct slice digits;	/* of a decimal, from its first one that is not 0; its point may be among them */
	int64_t magnitude;	/* its value is 0.DIGITS × 10^magnitude */
	double real;
	int64_t day, us;	/* day 0 is 1970-01-01; us < a day */
	int is_whole;		/* an integer: its value is whole, and of a decimal only the text is kept, in digits */
	int64_t whole;
};

/* Of a built-in type, domains resolved. */
enum db_order db_order_of(uint32_t oid);
/* What a value is written like: "a date as YYYY-MM-DD". */
const char *db_order_form(enum db_order order);
/* 0, or -1: not a value of such a form. An integer's text may be any number, since a bound may be. */
int db_order_read(enum db_order order, struct slice text, struct db_point *ret) MUST_USE;
/* -1, 0, 1. */
int db_order_compare(enum db_order order, const struct db_point *a, const struct db_point *b);

#endif
