/* Parameter texts are checked by the rules of PostgreSQL's input functions where these are simple
 * enough to be told exactly; everything else is left to the server. A check may let a bad text pass,
 * it must never refuse a good one. */
#include "config.h"

#include "lib/pg/db_type.h"

#include <ctype.h>

#include "lib/base/base.h"
#include "lib/base/err.h"
#include "lib/base/num.h"
#include "lib/json/jr.h"
#include "lib/pg/db_canon.h"

enum db_kind db_type_kind(uint32_t oid)
{
	switch (oid) {
	case 16:
		return DB_BOOL;
	case 17:
		return DB_BYTEA;
	case 20:
		return DB_INT8;
	case 21:
		return DB_INT2;
	case 23:
		return DB_INT4;
	case 26:
		return DB_OID;
	case 18:
	case 19:
	case 25:
	case 1042:
	case 1043:
		return DB_TEXT;
	case 114:
	case 3802:
		return DB_JSON;
	case 700:
	case 701:
		return DB_FLOAT;
	case 1700:
		return DB_NUMERIC;
	case 1082:
		return DB_DATE;
	case 1083:
	case 1266:
		return DB_TIME;
	case 1114:
	case 1184:
		return DB_TIMESTAMP;
	case 2950:
		return DB_UUID;
	default:
		return DB_OTHER;
	}
}

enum db_dates db_dates_of(const char *datestyle)
{
	if (!datestyle)
		return DB_DATES_UNKNOWN;
	return strstr(datestyle, "YMD") ? DB_DATES_YMD : strstr(datestyle, "DMY") ? DB_DATES_DMY : DB_DATES_MDY;
}

/* isspace of the C locale */
static inline int is_space(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

static inline struct slice trim_space(struct slice s)
{
	while (s.n && is_space(s.p[0]))
		s.p++, s.n--;
	while (s.n && is_space(s.p[s.n - 1]))
		s.n--;
	return s;
}

/* 0x1F, 0o17, 0b101, 1_000: the server's to refuse below 16. */
static int is_integer_of_16(struct slice text, int64_t min, int64_t max)
{
	AUTO(buf) struct buf b;
	struct slice s;
	int64_t v;

	buf_init(&b, 0);
	if (text.n > 200 || db_canon_digits(text, &b))
		return 0;
	s = buf_slice(&b);
	if (s.n && s.p[0] == '+')
		s.p++, s.n--;
	return num_i64(s, &v) == 0 && v >= min && v <= max;
}

static int is_integer(struct slice text, int64_t min, int64_t max)
{
	struct slice s = trim_space(text);
	int64_t v;

	if (s.n && s.p[0] == '+')
		s.p++, s.n--;
	if (num_i64(s, &v) == 0)
		return v >= min && v <= max;
	return is_integer_of_16(text, min, max);
}

static int is_special(struct slice s)
{
	static const char *const words[] = {"nan", "infinity", "-infinity", "+infinity",
					    "inf", "-inf", "+inf"};

	for (size_t i = 0; i < ARRAY_LEN(words); i++)
		if (slice_ieq(s, slice_str(words[i])))
			return 1;
	return 0;
}

/* [sign] digits [. digits] [e [sign] digits], or a special word */
static int is_decimal(struct slice text)
{
	struct slice s = trim_space(text);
	size_t i = 0, digits = 0;

	if (is_special(s))
		return 1;
	if (i < s.n && (s.p[i] == '-' || s.p[i] == '+'))
		i++;
	while (i < s.n && isdigit((unsigned char)s.p[i]))
		i++, digits++;
	if (i < s.n && s.p[i] == '.') {
		i++;
		while (i < s.n && isdigit((unsigned char)s.p[i]))
			i++, digits++;
	}
	if (!digits)
		return 0;
	if (i < s.n && (s.p[i] == 'e' || s.p[i] == 'E')) {
		size_t start;

		i++;
		if (i < s.n && (s.p[i] == '-' || s.p[i] == '+'))
			i++;
		start = i;
		while (i < s.n && isdigit((unsigned char)s.p[i]))
			i++;
		if (i == start)
			return 0;
	}
	return i == s.n;
}

static int is_numeric_of_16(struct slice text)
{
	AUTO(buf) struct buf b;
	struct slice s = trim_space(text);

	buf_init(&b, 0);
	if (s.n && (s.p[0] == '-' || s.p[0] == '+'))
		s.p++, s.n--;
	/* whatever is behind 0x, the server reads */
	return (s.n > 2 && s.p[0] == '0' && strchr("xXoObB", s.p[1])) || (db_canon_digits(s, &b) == 0 && is_decimal(buf_slice(&b)));
}

/* As boolin: a unique prefix of the words, any case, or 1 and 0. */
static int is_bool(struct slice text)
{
	static const char *const words[] = {"true", "false", "yes", "no"};
	struct slice s = trim_space(text);

	for (size_t i = 0; i < ARRAY_LEN(words); i++)
		if (s.n && s.n <= strlen(words[i]) && strncasecmp(s.p, words[i], s.n) == 0)
			return 1;
	return slice_ieq(s, SLICE("on")) || slice_ieq(s, SLICE("off")) || slice_ieq(s, SLICE("of")) ||
	       slice_eq(s, SLICE("1")) || slice_eq(s, SLICE("0"));
}

static int is_uuid(struct slice s)
{
	size_t digits = 0;

	if (s.n >= 2 && s.p[0] == '{' && s.p[s.n - 1] == '}')
		s = slice_of(s.p + 1, s.n - 2);
	for (size_t i = 0; i < s.n; i++) {
		if (isxdigit((unsigned char)s.p[i]))
			digits++;
		else if (s.p[i] != '-' || digits == 0 || digits % 4 != 0 || s.p[i - 1] == '-')
			return 0;
	}
	return digits == 32 && s.p[s.n - 1] != '-';
}

const char *db_type_check(enum db_kind kind, struct slice text)
{
	switch (kind) {
	case DB_INT2:
		return is_integer(text, INT16_MIN, INT16_MAX) ? NULL
							      : "an integer from -32768 to 32767";
	case DB_INT4:
		return is_integer(text, INT32_MIN, INT32_MAX)
			   ? NULL
			   : "an integer from -2147483648 to 2147483647";
	case DB_INT8:
		return is_integer(text, INT64_MIN, INT64_MAX)
			   ? NULL
			   : "an integer from -9223372036854775808 to 9223372036854775807";
	case DB_FLOAT:
		return is_decimal(text) ? NULL : "a number";
	case DB_NUMERIC:
		return is_decimal(text) || is_numeric_of_16(text) ? NULL : "a number";
	case DB_BOOL:
		return is_bool(text) ? NULL : "true or false";
	case DB_UUID:
		return is_uuid(text) ? NULL : "a UUID";
	case DB_JSON:
		return jr_validate(text, NULL) == 0 ? NULL : "a JSON document";
	case DB_DATE:
	case DB_TIMESTAMP:
	case DB_TIME:
		return trim_space(text).n ? NULL
		       : kind == DB_DATE  ? "a date"
					  : "a date and time";
	case DB_OTHER:
	case DB_TEXT:
	case DB_BYTEA:
	case DB_OID:
		break;
	}
	return NULL;
}

const char *db_type_name(const struct db_type *t)
{
	static const char *const names[] = {
	    [DB_OTHER] = "text", [DB_TEXT] = "text", [DB_BOOL] = "boolean", [DB_INT2] = "smallint",
	    [DB_INT4] = "integer", [DB_INT8] = "bigint", [DB_FLOAT] = "float", [DB_NUMERIC] = "numeric",
	    [DB_UUID] = "uuid", [DB_JSON] = "json", [DB_DATE] = "date", [DB_TIMESTAMP] = "timestamp",
	    [DB_TIME] = "time", [DB_BYTEA] = "bytea", [DB_OID] = "oid"};

	return t->name ? t->name : names[t->kind];
}
