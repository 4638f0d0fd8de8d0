/* db_order: see db_order.h. The rules of PostgreSQL's input functions are followed where they decide what a text means:
 * seconds are rounded to microseconds as ParseFraction does, a day has a 24:00:00 and a minute a :60, year 1 BC is
 * before year 1, a timestamp drops an offset without a word. */
#include "config.h"

#include "lib/pg/db_order.h"

#include <math.h>
#include <stdlib.h>

#include "lib/base/buf.h"
#include "lib/base/num.h"

#define US_SECOND 1000000ll
#define US_DAY (86400 * US_SECOND)
#define MAX_EXPONENT 1000000000ll

enum db_order db_order_of(uint32_t oid)
{
	switch (oid) {
	case 20:
	case 21:
	case 23:
		return DB_ORDER_INTEGER;
	case 26:
		return DB_ORDER_OID;
	case 1700:
		return DB_ORDER_NUMERIC;
	case 700:
		return DB_ORDER_FLOAT4;
	case 701:
		return DB_ORDER_FLOAT8;
	case 1082:
		return DB_ORDER_DATE;
	case 1083:
		return DB_ORDER_TIME;
	case 1114:
		return DB_ORDER_TIMESTAMP;
	case 1184:
		return DB_ORDER_TIMESTAMPTZ;
	default:
		return DB_ORDER_NONE;
	}
}

const char *db_order_form(enum db_order order)
{
	switch (order) {
	case DB_ORDER_NONE:
		break;
	case DB_ORDER_INTEGER:
	case DB_ORDER_OID:
	case DB_ORDER_NUMERIC:
	case DB_ORDER_FLOAT4:
	case DB_ORDER_FLOAT8:
		return "a number";
	case DB_ORDER_DATE:
		return "a date as YYYY-MM-DD";
	case DB_ORDER_TIME:
		return "a time as hh:mm:ss";
	case DB_ORDER_TIMESTAMP:
		return "a date and time as YYYY-MM-DDThh:mm:ss";
	case DB_ORDER_TIMESTAMPTZ:
		return "a date and time with its offset, as YYYY-MM-DDThh:mm:ssZ or YYYY-MM-DDThh:mm:ss+02:00 "
		       "(%2B02:00 in a query string)";
	}
	return "a value";
}

/* ---- reading by pieces ---- */

static int is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* isspace of the C locale, which the server's input functions pass over. */
static struct slice trim(struct slice s)
{
	while (s.n && (s.p[0] == ' ' || (s.p[0] >= '\t' && s.p[0] <= '\r')))
		s.p++, s.n--;
	while (s.n && (s.p[s.n - 1] == ' ' || (s.p[s.n - 1] >= '\t' && s.p[s.n - 1] <= '\r')))
		s.n--;
	return s;
}

static int take_char(struct slice *s, char c)
{
	if (!s->n || s->p[0] != c)
		return 0;
	s->p++;
	s->n--;
	return 1;
}

/* A number of at least min and at most max digits, and no digit behind it. */
static int take_number(struct slice *s, size_t min, size_t max, int64_t *ret)
{
	int64_t v = 0;
	size_t n = 0;

	while (n < s->n && n <= max && is_digit(s->p[n]))
		v = v * 10 + (s->p[n++] - '0');
	if (n < min || n > max)
		return 0;
	s->p += n;
	s->n -= n;
	*ret = v;
	return 1;
}

/* ---- numbers ---- */

static int read_infinity(struct slice s, struct db_point *ret)
{
	int sign = take_char(&s, '-') ? -1 : (take_char(&s, '+'), 1);

	if (!slice_ieq(s, SLICE("infinity")) && !slice_ieq(s, SLICE("inf")))
		return -1;
	ret->infinite = sign;
	return 0;
}

/* The exponent behind an e; what is beyond all bounds is cut to them. */
static int take_exponent(struct slice *s, int64_t *ret)
{
	int is_negative = take_char(s, '-') || (take_char(s, '+'), 0), has_digit = 0;
	int64_t v = 0;

	for (; s->n && is_digit(s->p[0]); s->p++, s->n--) {
		has_digit = 1;
		if (v < MAX_EXPONENT)
			v = v * 10 + (s->p[0] - '0');
	}
	*ret = is_negative ? -v : v;
	return has_digit;
}

/* [sign] digits [. digits] [e [sign] digits] */
static int read_decimal(struct slice text, struct db_point *ret)
{
	struct slice s = trim(text);
	int sign, has_digit = 0, has_point = 0;
	int64_t exponent = 0;
	size_t i, first;

	if (read_infinity(s, ret) == 0)
		return 0;
	sign = take_char(&s, '-') ? -1 : (take_char(&s, '+'), 1);
	first = s.n;
	for (i = 0; i < s.n; i++) {
		if (is_digit(s.p[i])) {
			has_digit = 1;
			if (first == s.n && s.p[i] != '0')
				first = i;
			if (first < s.n && !has_point)
				ret->magnitude++;
			else if (first == s.n && has_point)
				ret->magnitude--;
		} else if (s.p[i] == '.' && !has_point) {
			has_point = 1;
		} else {
			break;
		}
	}
	if (!has_digit)
		return -1;
	ret->sign = first < i ? sign : 0;
	ret->digits = slice_of(s.p + first, first < i ? i - first : 0);
	s = slice_of(s.p + i, s.n - i);
	if (s.n && !((s.p[0] | 0x20) == 'e' && (s.p++, s.n--, take_exponent(&s, &exponent))))
		return -1;
	ret->magnitude += exponent;
	return s.n ? -1 : 0;
}

/* The next digit, 0 for ever behind the last. */
static int next_digit(struct slice *s)
{
	while (s->n) {
		char c = *s->p++;

		s->n--;
		if (is_digit(c))
			return c - '0';
	}
	return 0;
}

static int compare_decimals(const struct db_point *a, const struct db_point *b)
{
	struct slice x = a->digits, y = b->digits;

	if (a->sign != b->sign)
		return a->sign < b->sign ? -1 : 1;
	if (a->sign == 0)
		return 0;
	if (a->magnitude != b->magnitude)
		return (a->magnitude < b->magnitude ? -1 : 1) * a->sign;
	while (x.n || y.n) {
		int d = next_digit(&x) - next_digit(&y);

		if (d)
			return (d < 0 ? -1 : 1) * a->sign;
	}
	return 0;
}

/* Nearly every one is some digits; the others, and bounds that are no integers, are compared as decimals. */
static int read_integer(struct slice text, struct db_point *ret)
{
	if (likely(num_i64(text, &ret->whole) == 0)) {
		ret->is_whole = 1;
		ret->digits = text;
		return 0;
	}
	return read_decimal(text, ret) || ret->infinite ? -1 : 0;
}

static struct db_point as_decimal(const struct db_point *p)
{
	struct db_point out = {0};

	if (!p->is_whole)
		return *p;
	(void)read_decimal(p->digits, &out);
	return out;
}

static int compare_integers(const struct db_point *a, const struct db_point *b)
{
	struct db_point x, y;

	if (likely(a->is_whole && b->is_whole))
		return a->whole < b->whole ? -1 : a->whole > b->whole;
	x = as_decimal(a);
	y = as_decimal(b);
	return compare_decimals(&x, &y);
}

/* As the server reads it, so that what it rounds to one number is one here. */
static int read_real(struct slice text, int is_single, struct db_point *ret)
{
	struct db_point decimal = {0};
	AUTO(buf) struct buf copy;

	buf_init(&copy, 0);
	if (read_decimal(text, &decimal))
		return -1;
	text = trim(text);
	buf_add(&copy, text.p, text.n);
	ret->real = is_single ? (double)strtof(buf_str(&copy), NULL) : strtod(buf_str(&copy), NULL);
	/* what is too large or too small for it the server refuses */
	return (isinf(ret->real) && !decimal.infinite) || (ret->real == 0 && decimal.sign) ? -1 : 0;
}

/* ---- dates and times ---- */

static int is_leap(int64_t y)
{
	return (y % 4 == 0 && y % 100 != 0) || y % 400 == 0;
}

/* Days since 1970-01-01 in the Gregorian calendar, year 0 being 1 BC. */
static int64_t days_of(int64_t y, int64_t m, int64_t d)
{
	int64_t era, yoe, doy;

	y -= m <= 2;
	era = (y >= 0 ? y : y - 399) / 400;
	yoe = y - era * 400;
	doy = (153 * (m + (m > 2 ? -3 : 9)) + 2) / 5 + d - 1;
	return era * 146097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719468;
}

/* YYYY-MM-DD with four to seven digits of the year, or YYYYMMDD. */
static int take_date(struct slice *s, int64_t *y, int64_t *m, int64_t *d)
{
	struct slice t = *s;

	if (take_number(&t, 8, 8, y)) {
		*d = *y % 100;
		*m = *y / 100 % 100;
		*y /= 10000;
	} else if (!take_number(&t, 4, 7, y) || !take_char(&t, '-') || !take_number(&t, 1, 2, m) ||
		   !take_char(&t, '-') || !take_number(&t, 1, 2, d)) {
		return 0;
	}
	*s = t;
	return 1;
}

/* hh:mm[:ss[.fraction]] in microseconds; 24:00:00 is a day. */
static int take_time(struct slice *s, int64_t *ret)
{
	int64_t h, m, sec = 0, us = 0;
	struct slice t = *s;
	char text[40] = "0.";
	size_t n = 2;

	if (!take_number(&t, 1, 2, &h) || !take_char(&t, ':') || !take_number(&t, 2, 2, &m))
		return 0;
	if (take_char(&t, ':')) {
		if (!take_number(&t, 2, 2, &sec))
			return 0;
		if (t.n > 1 && t.p[0] == '.' && is_digit(t.p[1])) {
			for (take_char(&t, '.'); t.n && is_digit(t.p[0]); t.p++, t.n--)
				if (n < sizeof(text) - 1)
					text[n++] = t.p[0];
			us = (int64_t)rint(strtod(text, NULL) * 1000000);
		}
	}
	if (h > 24 || m > 59 || sec > 60 || (h == 24 && (m || sec || us)))
		return 0;
	*ret = ((h * 60 + m) * 60 + sec) * US_SECOND + us;
	*s = t;
	return 1;
}

/* Z, ±hh, ±hhmm, ±hh:mm or ±hh:mm:ss, in microseconds east of Greenwich. */
static int take_offset(struct slice *s, int64_t *ret)
{
	int64_t h, m = 0, sec = 0;
	struct slice t = *s;
	int sign = 1;

	if (take_char(&t, 'Z') || take_char(&t, 'z')) {
		*ret = 0;
		*s = t;
		return 1;
	}
	if (!take_char(&t, '+')) {
		if (!take_char(&t, '-'))
			return 0;
		sign = -1;
	}
	if (take_number(&t, 4, 4, &h)) {
		m = h % 100;
		h /= 100;
	} else if (!take_number(&t, 1, 2, &h)) {
		return 0;
	} else if (take_char(&t, ':')) {
		if (!take_number(&t, 2, 2, &m) || (take_char(&t, ':') && !take_number(&t, 2, 2, &sec)))
			return 0;
	}
	if (h > 15 || m > 59 || sec > 59)
		return 0;
	*ret = sign * ((h * 60 + m) * 60 + sec) * US_SECOND;
	*s = t;
	return 1;
}

static void take_blanks(struct slice *s)
{
	while (take_char(s, ' '))
		;
}

/* A date, a time and an offset as far as they are there, and the era. is_date: only the day counts. */
static int read_moment(struct slice text, enum db_order order, struct db_point *ret)
{
	static const unsigned char lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	int has_offset = 0, is_bc;
	int64_t y, m, d, us = 0, offset = 0;
	struct slice s = trim(text), rest;

	if (slice_ieq(s, SLICE("infinity")) || slice_ieq(s, SLICE("-infinity")))
		return read_infinity(s, ret);
	if (!take_date(&s, &y, &m, &d))
		return -1;
	rest = s;
	if (take_char(&rest, 'T') || take_char(&rest, ' ')) {
		take_blanks(&rest);
		if (take_time(&rest, &us)) {
			s = rest;
			take_blanks(&rest);
			has_offset = take_offset(&rest, &offset);
			if (has_offset)
				s = rest;
		}
	}
	rest = trim(s);
	is_bc = slice_ieq(rest, SLICE("bc"));
	if (rest.n && !is_bc && !slice_ieq(rest, SLICE("ad")))
		return -1;
	if (y == 0 || m < 1 || m > 12)
		return -1;
	y = is_bc ? 1 - y : y;
	if (d < 1 || d > lengths[m - 1] + (m == 2 && is_leap(y)))
		return -1;
	ret->day = days_of(y, m, d);
	if (order == DB_ORDER_DATE)
		return 0;
	if (order == DB_ORDER_TIMESTAMPTZ) {
		if (!has_offset)
			return -1;
		us -= offset;
	}
	ret->day += us >= 0 ? us / US_DAY : -((US_DAY - 1 - us) / US_DAY);
	ret->us = (us % US_DAY + US_DAY) % US_DAY;
	return 0;
}

static int read_time(struct slice text, struct db_point *ret)
{
	struct slice s = trim(text);

	return take_time(&s, &ret->us) && !s.n ? 0 : -1;
}

/* ---- both ---- */

int db_order_read(enum db_order order, struct slice text, struct db_point *ret)
{
	*ret = (struct db_point){0};
	switch (order) {
	case DB_ORDER_NONE:
		break;
	case DB_ORDER_OID:
		/* the server takes -1 for 4294967295 */
		return read_decimal(text, ret) || ret->sign < 0 || ret->infinite ? -1 : 0;
	case DB_ORDER_INTEGER:
		return read_integer(text, ret);
	case DB_ORDER_NUMERIC:
		return read_decimal(text, ret);
	case DB_ORDER_FLOAT4:
	case DB_ORDER_FLOAT8:
		return read_real(text, order == DB_ORDER_FLOAT4, ret);
	case DB_ORDER_DATE:
	case DB_ORDER_TIMESTAMP:
	case DB_ORDER_TIMESTAMPTZ:
		return read_moment(text, order, ret);
	case DB_ORDER_TIME:
		return read_time(text, ret);
	}
	return -1;
}

int db_order_compare(enum db_order order, const struct db_point *a, const struct db_point *b)
{
	if (order == DB_ORDER_INTEGER)
		return compare_integers(a, b);
	if (order == DB_ORDER_FLOAT4 || order == DB_ORDER_FLOAT8)
		return a->real < b->real ? -1 : a->real > b->real;
	if (a->infinite || b->infinite)
		return a->infinite < b->infinite ? -1 : a->infinite > b->infinite;
	if (order == DB_ORDER_OID || order == DB_ORDER_NUMERIC)
		return compare_decimals(a, b);
	if (a->day != b->day)
		return a->day < b->day ? -1 : 1;
	return a->us < b->us ? -1 : a->us > b->us;
}
