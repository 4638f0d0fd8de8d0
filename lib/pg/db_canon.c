/* db_canon: see db_canon.h. Numbers and moments are read by db_order, exactly, and written as the server writes them in
 * ISO style, in UTC. */
#include "config.h"

#include "lib/pg/db_canon.h"

#include <ctype.h>

#include "lib/base/utf8.h"
#include "lib/pg/db_order.h"

#define US_SECOND 1000000ll
#define NAME_MOST 63u

enum db_canon db_canon_of(uint32_t oid, int is_enum)
{
	switch (oid) {
	case 16:
		return DB_CANON_BOOL;
	case 19:
		return DB_CANON_NAME;
	case 20:
	case 21:
	case 23:
	case 1700:
		return DB_CANON_NUMBER;
	case 26:
		return DB_CANON_OID;
	case 25:
	case 1043:
		return DB_CANON_TEXT;
	case 1042:
		return DB_CANON_CHAR;
	case 1082:
		return DB_CANON_DATE;
	case 1083:
		return DB_CANON_TIME;
	case 1114:
		return DB_CANON_TIMESTAMP;
	case 1184:
		return DB_CANON_TIMESTAMPTZ;
	case 2950:
		return DB_CANON_UUID;
	default:
		return is_enum ? DB_CANON_TEXT : DB_CANON_NONE;
	}
}

static enum db_canon family(enum db_canon c)
{
	return c == DB_CANON_CHAR || c == DB_CANON_NAME ? DB_CANON_TEXT : c;
}

int db_canon_meet(enum db_canon a, enum db_canon b)
{
	return family(a) == family(b);
}

int db_canon_rounds(enum db_canon c, int32_t typmod)
{
	if (c == DB_CANON_TIME || c == DB_CANON_TIMESTAMP || c == DB_CANON_TIMESTAMPTZ)
		return typmod >= 0 && typmod < 6;	/* digits of a second; no tag is told more of them */
	/* the blanks of char(n) are in no tag */
	return (c == DB_CANON_TEXT || c == DB_CANON_NUMBER) && typmod >= 0;
}

const char *db_canon_name(enum db_canon c)
{
	static const char *const names[] = {
	    [DB_CANON_NONE] = "of a type that fills no tag", [DB_CANON_TEXT] = "text", [DB_CANON_CHAR] = "text",
	    [DB_CANON_NAME] = "text", [DB_CANON_NUMBER] = "a number", [DB_CANON_OID] = "oid", [DB_CANON_BOOL] = "boolean",
	    [DB_CANON_UUID] = "uuid", [DB_CANON_DATE] = "date", [DB_CANON_TIME] = "time",
	    [DB_CANON_TIMESTAMP] = "timestamp", [DB_CANON_TIMESTAMPTZ] = "timestamp with time zone"};

	return names[c];
}

static enum db_order order_of(enum db_canon c)
{
	switch (c) {
	case DB_CANON_DATE:
		return DB_ORDER_DATE;
	case DB_CANON_TIME:
		return DB_ORDER_TIME;
	case DB_CANON_TIMESTAMP:
		return DB_ORDER_TIMESTAMP;
	case DB_CANON_TIMESTAMPTZ:
		return DB_ORDER_TIMESTAMPTZ;
	case DB_CANON_NUMBER:
		return DB_ORDER_NUMERIC;
	case DB_CANON_NONE:
	case DB_CANON_TEXT:
	case DB_CANON_CHAR:
	case DB_CANON_NAME:
	case DB_CANON_OID:
	case DB_CANON_BOOL:
	case DB_CANON_UUID:
		break;
	}
	return DB_ORDER_NONE;
}

const char *db_canon_form(enum db_canon c)
{
	if (c == DB_CANON_OID)
		return "an integer up to 4294967295, in decimal, without zeros before it";
	return c == DB_CANON_BOOL ? "true or false" : c == DB_CANON_UUID ? "a UUID" : db_order_form(order_of(c));
}

/* ---- numbers ---- */

static struct slice trim(struct slice s)
{
	while (s.n && (s.p[0] == ' ' || (s.p[0] >= '\t' && s.p[0] <= '\r')))
		s.p++, s.n--;
	while (s.n && (s.p[s.n - 1] == ' ' || (s.p[s.n - 1] >= '\t' && s.p[s.n - 1] <= '\r')))
		s.n--;
	return s;
}

static unsigned digit_of(char c)
{
	return isdigit((unsigned char)c) ? (unsigned)(c - '0') : isxdigit((unsigned char)c) ? (unsigned)((c | 0x20) - 'a' + 10) : 16;
}

/* The digits of 0x, 0o or 0b behind the prefix, in decimal. */
static int put_radix(struct slice s, unsigned radix, struct buf *out)
{
	uint64_t v = 0;
	int was_digit = 1, any = 0;	/* an underscore may follow the prefix */

	for (size_t i = 0; i < s.n; i++) {
		unsigned d = digit_of(s.p[i]);

		if (s.p[i] == '_' && was_digit) {
			was_digit = 0;
			continue;
		}
		if (d >= radix || v > (UINT64_MAX - d) / radix)
			return -1;
		v = v * radix + d;
		was_digit = any = 1;
	}
	if (!any || !was_digit)
		return -1;
	buf_addf(out, "%llu", (unsigned long long)v);
	return 0;
}

int db_canon_digits(struct slice text, struct buf *out)
{
	struct slice s = trim(text);
	size_t before = out->n;
	int has_underscore = 0;

	if (s.n && (s.p[0] == '-' || s.p[0] == '+')) {
		buf_addc(out, s.p[0]);
		s.p++, s.n--;
	}
	if (s.n > 2 && s.p[0] == '0' && strchr("xXoObB", s.p[1])) {
		char c = (char)(s.p[1] | 0x20);

		if (put_radix(slice_of(s.p + 2, s.n - 2), c == 'x' ? 16 : c == 'o' ? 8 : 2, out) == 0)
			return 0;
		out->n = before;
		return -1;
	}
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] != '_') {
			buf_addc(out, s.p[i]);
			continue;
		}
		has_underscore = 1;
		if (i == 0 || i + 1 == s.n || !isdigit((unsigned char)s.p[i - 1]) || !isdigit((unsigned char)s.p[i + 1])) {
			has_underscore = 0;
			break;
		}
	}
	if (has_underscore)
		return 0;
	out->n = before;
	return -1;
}

/* 0, or an integer that begins with no zero: as most are. */
static int is_plain(struct slice s)
{
	size_t i = s.n > 1 && s.p[0] == '-';

	if (s.n == 0 || s.n > 19 || (s.p[i] == '0' && s.n > 1))
		return 0;
	for (; i < s.n; i++)
		if (!isdigit((unsigned char)s.p[i]))
			return 0;
	return 1;
}

/* As numeric is written, without zeros behind the point. */
static int put_decimal(const struct db_point *v, struct buf *out)
{
	int64_t at = v->magnitude, n = 0, last = 0;

	if (v->infinite) {
		buf_adds(out, v->infinite < 0 ? "-Infinity" : "Infinity");
		return 0;
	}
	if (v->sign == 0) {
		buf_addc(out, '0');
		return 0;
	}
	for (size_t i = 0; i < v->digits.n; i++)
		if (isdigit((unsigned char)v->digits.p[i]) && ++n && v->digits.p[i] != '0')
			last = n;
	if (at > (int64_t)DB_CANON_MOST || last - at > (int64_t)DB_CANON_MOST)
		return -1;
	if (v->sign < 0)
		buf_addc(out, '-');
	if (at <= 0)
		buf_adds(out, "0.");
	for (int64_t i = at; i < 0; i++)
		buf_addc(out, '0');
	n = 0;
	for (size_t i = 0; i < v->digits.n && n < last; i++) {
		if (!isdigit((unsigned char)v->digits.p[i]))
			continue;
		if (n++ == at && at > 0)
			buf_addc(out, '.');
		buf_addc(out, v->digits.p[i]);
	}
	for (; n < at; n++)
		buf_addc(out, '0');
	return 0;
}

static int put_number(struct slice text, struct buf *out)
{
	AUTO(buf) struct buf digits;
	struct db_point v;

	buf_init(&digits, 0);
	if (is_plain(text)) {
		buf_add(out, text.p, text.n);
		return 0;
	}
	if (slice_ieq(trim(text), SLICE("nan"))) {
		buf_adds(out, "NaN");
		return 0;
	}
	if (text.n < 4 * DB_CANON_MOST && db_canon_digits(text, &digits) == 0)
		text = buf_slice(&digits);
	return db_order_read(DB_ORDER_NUMERIC, text, &v) || put_decimal(&v, out) ? -1 : 0;
}

/* As oidin, which takes int's negative numbers too. A zero in front is no more than that to servers before 16, and octal to
 * later ones. */
static int put_oid(struct slice text, struct buf *out)
{
	struct slice s = trim(text);
	int is_negative = s.n && s.p[0] == '-';
	uint64_t v = 0;

	if (s.n && (s.p[0] == '-' || s.p[0] == '+'))
		s.p++, s.n--;
	if (s.n == 0 || s.n > 10 || (s.p[0] == '0' && s.n > 1))
		return -1;
	for (size_t i = 0; i < s.n; i++) {
		if (!isdigit((unsigned char)s.p[i]))
			return -1;
		v = v * 10 + (uint64_t)(s.p[i] - '0');
	}
	if (v > (is_negative ? (uint64_t)INT32_MAX + 1 : UINT32_MAX))
		return -1;
	buf_addf(out, "%u", is_negative ? 0u - (uint32_t)v : (uint32_t)v);
	return 0;
}

/* ---- moments ---- */

/* The Gregorian date of a day since 1970-01-01; year 0 is 1 BC. */
static void date_of(int64_t day, int64_t *y, int *m, int *d)
{
	int64_t era, doe, yoe, doy, mp;

	day += 719468;
	era = (day >= 0 ? day : day - 146096) / 146097;
	doe = day - era * 146097;
	yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
	doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
	mp = (5 * doy + 2) / 153;
	*d = (int)(doy - (153 * mp + 2) / 5 + 1);
	*m = (int)(mp < 10 ? mp + 3 : mp - 9);
	*y = yoe + era * 400 + (*m <= 2);
}

static void put_time(int64_t us, struct buf *out)
{
	int64_t s = us / US_SECOND;

	buf_addf(out, "%02d:%02d:%02d", (int)(s / 3600), (int)(s / 60 % 60), (int)(s % 60));
	if (us % US_SECOND) {
		buf_addf(out, ".%06d", (int)(us % US_SECOND));
		while (out->p[out->n - 1] == '0')
			out->n--;
	}
}

static int put_moment(enum db_canon c, struct slice text, struct buf *out)
{
	struct db_point v;
	int64_t y;
	int m, d;

	if (db_order_read(order_of(c), text, &v))
		return -1;
	if (c == DB_CANON_TIME) {
		put_time(v.us, out);
		return 0;
	}
	if (v.infinite) {
		buf_adds(out, v.infinite < 0 ? "-infinity" : "infinity");
		return 0;
	}
	date_of(v.day, &y, &m, &d);
	buf_addf(out, "%04lld-%02d-%02d", (long long)(y > 0 ? y : 1 - y), m, d);
	if (c != DB_CANON_DATE) {
		buf_addc(out, ' ');
		put_time(v.us, out);
		buf_adds(out, c == DB_CANON_TIMESTAMPTZ ? "+00" : "");
	}
	buf_adds(out, y > 0 ? "" : " BC");
	return 0;
}

/* ---- the others ---- */

/* As boolin: a unique prefix of the words, any case, or 1 and 0. */
static int put_bool(struct slice text, struct buf *out)
{
	static const struct {
		const char *word;
		size_t least;
		int value;
	} words[] = {{"true", 1, 1}, {"false", 1, 0}, {"yes", 1, 1}, {"no", 1, 0},
		     {"on", 2, 1}, {"off", 2, 0}, {"1", 1, 1}, {"0", 1, 0}};
	struct slice s = trim(text);

	for (size_t i = 0; i < ARRAY_LEN(words); i++)
		if (s.n >= words[i].least && s.n <= strlen(words[i].word) && slice_ieq(s, slice_of(words[i].word, s.n))) {
			buf_adds(out, words[i].value ? "true" : "false");
			return 0;
		}
	return -1;
}

static int put_uuid(struct slice s, struct buf *out)
{
	size_t before = out->n, digits = 0;

	if (s.n >= 2 && s.p[0] == '{' && s.p[s.n - 1] == '}')
		s = slice_of(s.p + 1, s.n - 2);
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] == '-' && digits && digits % 4 == 0 && s.p[i - 1] != '-' && i + 1 < s.n)
			continue;
		if (!isxdigit((unsigned char)s.p[i]) || digits == 32) {
			out->n = before;
			return -1;
		}
		if (digits == 8 || digits == 12 || digits == 16 || digits == 20)
			buf_addc(out, '-');
		buf_addc(out, (char)tolower((unsigned char)s.p[i]));
		digits++;
	}
	if (digits == 32)
		return 0;
	out->n = before;
	return -1;
}

/* What the server keeps of a name: whole characters. */
static size_t name_length(struct slice s)
{
	size_t n = NAME_MOST;

	if (s.n <= NAME_MOST)
		return s.n;
	while (n && ((unsigned char)s.p[n] & 0xc0) == 0x80)
		n--;
	return n;
}

int db_canon_put(enum db_canon c, struct slice text, struct buf *out)
{
	switch (c) {
	case DB_CANON_NONE:
		return -1;
	case DB_CANON_CHAR:
		while (text.n && text.p[text.n - 1] == ' ')
			text.n--;
		break;
	case DB_CANON_NAME:
		text.n = name_length(text);
		break;
	case DB_CANON_TEXT:
		break;
	case DB_CANON_NUMBER:
		return put_number(text, out);
	case DB_CANON_OID:
		return put_oid(text, out);
	case DB_CANON_BOOL:
		return put_bool(text, out);
	case DB_CANON_UUID:
		return put_uuid(text, out);
	case DB_CANON_DATE:
	case DB_CANON_TIME:
	case DB_CANON_TIMESTAMP:
	case DB_CANON_TIMESTAMPTZ:
		return put_moment(c, text, out);
	}
	buf_add(out, text.p ? text.p : "", text.n);
	return 0;
}

int db_canon_is_itself(enum db_canon c, struct slice text)
{
	return c == DB_CANON_TEXT || (c == DB_CANON_NUMBER && is_plain(text));
}

int db_canon_reads(enum db_canon c, struct slice text)
{
	AUTO(buf) struct buf none;

	buf_init(&none, 0);
	return db_canon_is_itself(c, text) || db_canon_put(c, text, &none) == 0;
}

static int has_moments(uint32_t oid)
{
	switch (oid) {
	case 1082:
	case 1083:
	case 1114:
	case 1184:
	case 1266:
	case 3908:	/* ranges of them, and sets of ranges */
	case 3910:
	case 3912:
	case 4533:
	case 4534:
	case 4535:
		return 1;
	default:
		return 0;
	}
}

int db_canon_is_now(uint32_t oid, struct slice text)
{
	static const char *const words[] = {"now", "today", "tomorrow", "yesterday"};

	if (!has_moments(oid))
		return 0;
	for (size_t i = 0, n; i < text.n; i += n ? n : 1) {
		for (n = 0; i + n < text.n && isalpha((unsigned char)text.p[i + n]); n++)
			;
		for (size_t k = 0; n && k < ARRAY_LEN(words); k++)
			if (slice_ieq(slice_of(text.p + i, n), slice_str(words[k])))
				return 1;
	}
	return 0;
}
