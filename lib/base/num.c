#include "config.h"

#include "lib/base/num.h"

#include <ctype.h>
#include <stdio.h>

int num_u64(struct slice s, uint64_t *ret)
{
	uint64_t v = 0;
	size_t i = 0;

	if (s.n == 0)
		return -1;
	/* 19 digits always fit */
	for (; i < s.n && i < 19; i++) {
		unsigned d = (unsigned char)s.p[i] - (unsigned)'0';

		if (d > 9)
			return -1;
		v = v * 10 + d;
	}
	for (; i < s.n; i++) {
		unsigned d = (unsigned char)s.p[i] - (unsigned)'0';

		if (d > 9 || __builtin_mul_overflow(v, 10u, &v) || __builtin_add_overflow(v, d, &v))
			return -1;
	}
	*ret = v;
	return 0;
}

int num_i64(struct slice s, int64_t *ret)
{
	int is_negative = s.n && s.p[0] == '-';
	uint64_t v;

	if (is_negative)
		s.p++, s.n--;
	if (num_u64(s, &v) || v > (uint64_t)INT64_MAX + (unsigned)is_negative)
		return -1;
	*ret = is_negative ? (int64_t)(0 - v) : (int64_t)v;
	return 0;
}

struct unit {
	const char *word;
	uint64_t factor;
};

static const struct unit sizes[] = {{"B", 1},	       {"KiB", 1u << 10}, {"K", 1u << 10},  {"KB", 1u << 10},
				    {"MiB", 1u << 20}, {"M", 1u << 20},	  {"MB", 1u << 20}, {"GiB", 1u << 30},
				    {"G", 1u << 30},   {"GB", 1u << 30}};
/* in microseconds */
static const struct unit times[] = {{"us", 1},		 {"ms", 1000},		 {"s", 1000000},
				    {"min", 60000000},	 {"m", 60000000},	 {"h", 3600000000ull},	 {"d", 86400000000ull}};

static int with_unit(struct slice s, const struct unit *units, size_t n, uint64_t *ret, int *ret_has_unit)
{
	size_t digits = 0;
	struct slice word;

	while (digits < s.n && isdigit((unsigned char)s.p[digits]))
		digits++;
	if (num_u64(slice_of(s.p, digits), ret))
		return -1;
	word = slice_of(s.p + digits, s.n - digits);
	if (word.n > 1 && word.p[0] == ' ')
		word.p++, word.n--;
	*ret_has_unit = word.n > 0;
	if (!word.n)
		return 0;
	for (size_t i = 0; i < n; i++)
		if (slice_eq(word, slice_str(units[i].word)))
			return __builtin_mul_overflow(*ret, units[i].factor, ret) ? -1 : 0;
	return -1;
}

int num_size(struct slice s, uint64_t *ret)
{
	uint64_t v;
	int has_unit;

	if (with_unit(s, sizes, ARRAY_LEN(sizes), &v, &has_unit))
		return -1;
	*ret = v;
	return 0;
}

int num_msec(struct slice s, uint64_t *ret)
{
	uint64_t us;
	int has_unit;

	if (with_unit(s, times, ARRAY_LEN(times), &us, &has_unit) || (us && (!has_unit || us % 1000)))
		return -1;
	*ret = us / 1000;
	return 0;
}

int num_bool(struct slice s, int *ret)
{
	static const char *const words[] = {"no", "yes", "false", "true", "off", "on", "0", "1"};

	for (size_t i = 0; i < ARRAY_LEN(words); i++)
		if (slice_eq(s, slice_str(words[i]))) {
			*ret = i & 1;
			return 0;
		}
	return -1;
}

const char *num_format_size(uint64_t bytes, char *out, size_t n)
{
	static const char *const words[] = {"", "KiB", "MiB", "GiB"};
	unsigned i = 0;

	while (i < 3 && bytes && bytes % 1024 == 0) {
		bytes /= 1024;
		i++;
	}
	snprintf(out, n, "%llu%s", (unsigned long long)bytes, words[i]);
	return out;
}

const char *num_format_msec(uint64_t ms, char *out, size_t n)
{
	static const struct unit units[] = {{"d", 86400000}, {"h", 3600000}, {"min", 60000}, {"s", 1000}, {"ms", 1}};

	for (size_t i = 0; i < ARRAY_LEN(units); i++)
		if (ms && ms % units[i].factor == 0) {
			snprintf(out, n, "%llu%s", (unsigned long long)(ms / units[i].factor), units[i].word);
			return out;
		}
	snprintf(out, n, "0");
	return out;
}

size_t num_put_u64(char *out, uint64_t v)
{
	static const char pairs[] = "00010203040506070809101112131415161718192021222324252627282930313233343536373839"
				    "40414243444546474849505152535455565758596061626364656667686970717273747576777879"
				    "8081828384858687888990919293949596979899";
	char text[20];
	size_t at = sizeof(text), n;

	while (v >= 100) {
		at -= 2;
		memcpy(text + at, pairs + v % 100 * 2, 2);
		v /= 100;
	}
	if (v >= 10) {
		at -= 2;
		memcpy(text + at, pairs + v * 2, 2);
	} else {
		text[--at] = (char)('0' + v);
	}
	n = sizeof(text) - at;
	memcpy(out, text + at, n);
	return n;
}

unsigned num_distance(struct slice a, struct slice b)
{
	unsigned row[65];

	if (a.n > 64)
		a.n = 64;
	if (b.n > 64)
		b.n = 64;
	for (unsigned j = 0; j <= b.n; j++)
		row[j] = j;
	for (size_t i = 1; i <= a.n; i++) {
		unsigned diagonal = row[0];

		row[0] = (unsigned)i;
		for (size_t j = 1; j <= b.n; j++) {
			unsigned change = diagonal + (a.p[i - 1] != b.p[j - 1]);
			unsigned best = row[j] < row[j - 1] ? row[j] + 1 : row[j - 1] + 1;

			diagonal = row[j];
			row[j] = change < best ? change : best;
		}
	}
	return row[b.n];
}
