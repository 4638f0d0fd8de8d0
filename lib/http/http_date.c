#include "config.h"

#include "lib/http/http_date.h"

#include "lib/http/http.h"

static const char day_names[] = "SunMonTueWedThuFriSat";
static const char month_names[] = "JanFebMarAprMayJunJulAugSepOctNovDec";

/* Days from 1970-01-01 to a date of the proleptic Gregorian calendar (the era algorithm: years begin in March). */
static int64_t days_of(int64_t y, unsigned m, unsigned d)
{
	int64_t era;
	unsigned yoe, doy;

	y -= m <= 2;
	era = (y >= 0 ? y : y - 399) / 400;
	yoe = (unsigned)(y - era * 400);
	doy = (153 * (m > 2 ? m - 3 : m + 9) + 2) / 5 + d - 1;
	return era * 146097 + (int64_t)(yoe * 365 + yoe / 4 - yoe / 100 + doy) - 719468;
}

static void civil_of(uint64_t days, unsigned *ret_y, unsigned *ret_m, unsigned *ret_d)
{
	uint64_t z = days + 719468, era = z / 146097;
	unsigned doe = (unsigned)(z - era * 146097);
	unsigned yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
	unsigned doy = doe - (365 * yoe + yoe / 4 - yoe / 100), mp = (5 * doy + 2) / 153;

	*ret_d = doy - (153 * mp + 2) / 5 + 1;
	*ret_m = mp < 10 ? mp + 3 : mp - 9;
	*ret_y = (unsigned)(yoe + era * 400) + (*ret_m <= 2);
}

static void put2(char *out, unsigned v)
{
	out[0] = (char)('0' + v / 10);
	out[1] = (char)('0' + v % 10);
}

void http_date(uint64_t unix_seconds, char out[32])
{
	/* not strftime, which follows the locale; four digits hold no year past 9999 */
	uint64_t t = unix_seconds < 253402300799u ? unix_seconds : 253402300799u;
	unsigned y, m, d, s = (unsigned)(t % 86400);

	civil_of(t / 86400, &y, &m, &d);
	memcpy(out, "ddd, DD mmm YYYY hh:mm:ss GMT", 30);
	memcpy(out, day_names + (t / 86400 + 4) % 7 * 3, 3);
	put2(out + 5, d);
	memcpy(out + 8, month_names + (m - 1) * 3, 3);
	put2(out + 12, y / 100);
	put2(out + 14, y % 100);
	put2(out + 17, s / 3600);
	put2(out + 20, s / 60 % 60);
	put2(out + 23, s % 60);
}

struct scan {
	const char *p, *end;
	int is_bad;
};

/* n letters that are one of the names; its number. */
static unsigned name_of(struct scan *s, const char *names, unsigned count)
{
	if (s->end - s->p >= 3)
		for (unsigned i = 0; i < count; i++)
			if (strncasecmp(s->p, names + i * 3, 3) == 0) {
				s->p += 3;
				return i;
			}
	s->is_bad = 1;
	return 0;
}

static unsigned digits(struct scan *s, unsigned n)
{
	unsigned v = 0;

	for (; n; n--, s->p++) {
		if (s->p == s->end || *s->p < '0' || *s->p > '9') {
			s->is_bad = 1;
			return 0;
		}
		v = v * 10 + (unsigned)(*s->p - '0');
	}
	return v;
}

static void literal(struct scan *s, const char *text)
{
	for (; *text; text++, s->p++)
		if (s->p == s->end || *s->p != *text) {
			s->is_bad = 1;
			return;
		}
}

static unsigned clock_time(struct scan *s)
{
	unsigned h, m, sec;

	h = digits(s, 2);
	literal(s, ":");
	m = digits(s, 2);
	literal(s, ":");
	sec = digits(s, 2);
	if (h > 23 || m > 59 || sec > 60)
		s->is_bad = 1;
	return h * 3600 + m * 60 + sec;
}

/* "day" or the rest of a long name of it: the letters after the three that were read. */
static void long_day(struct scan *s, unsigned day)
{
	static const char *const rest[] = {"day", "day", "sday", "nesday", "rsday", "day", "urday"};
	size_t n = strlen(rest[day]);

	if ((size_t)(s->end - s->p) < n || strncasecmp(s->p, rest[day], n) != 0)
		s->is_bad = 1;
	else
		s->p += n;
}

static unsigned full_year(unsigned yy, uint64_t now)
{
	unsigned y, m, d;

	civil_of((now < 253402300799u ? now : 0) / 86400, &y, &m, &d);
	yy += y - y % 100;
	/* the most recent year in the past with these digits, when it seems over 50 years ahead */
	return yy > y + 50 ? yy - 100 : yy;
}

int http_date_parse(struct slice text, uint64_t now, uint64_t *ret)
{
	static const unsigned char lengths[] = {31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	struct scan s;
	unsigned wday, d, m, y, t;
	int64_t v;

	text = slice_trim(text);
	s = (struct scan){text.p, text.p + text.n, 0};
	if (text.n < 24)	/* the shortest of the forms */
		return -1;
	wday = name_of(&s, day_names, 7);
	if (text.p[3] == ',') {
		literal(&s, ", ");
		d = digits(&s, 2);
		literal(&s, " ");
		m = name_of(&s, month_names, 12);
		literal(&s, " ");
		y = digits(&s, 4);
		literal(&s, " ");
		t = clock_time(&s);
		literal(&s, " GMT");
	} else if (text.p[3] == ' ') {
		literal(&s, " ");
		m = name_of(&s, month_names, 12);
		literal(&s, " ");
		if (s.p < s.end && *s.p == ' ') {
			s.p++;
			d = digits(&s, 1);
		} else {
			d = digits(&s, 2);
		}
		literal(&s, " ");
		t = clock_time(&s);
		literal(&s, " ");
		y = digits(&s, 4);
	} else {
		long_day(&s, wday);
		literal(&s, ", ");
		d = digits(&s, 2);
		literal(&s, "-");
		m = name_of(&s, month_names, 12);
		literal(&s, "-");
		y = full_year(digits(&s, 2), now);
		literal(&s, " ");
		t = clock_time(&s);
		literal(&s, " GMT");
	}
	if (s.is_bad || s.p != s.end || d < 1 || d > lengths[m])
		return -1;
	if (m == 1 && d == 29 && (y % 4 || (y % 100 == 0 && y % 400)))
		return -1;
	v = days_of(y, m + 1, d) * 86400 + t;
	*ret = v < 0 ? 0 : (uint64_t)v;
	return 0;
}
