/* Rows to JSON, byte for byte what PostgreSQL's row_to_json gives for the same row, straight from
 * libpq's buffers. The rule for separators: no blanks and no newlines, as row_to_json itself does and
 * json_agg, which puts ", \n " between rows, does not. */
#include "config.h"

#include "lib/pg/db_priv.h"

#include "lib/base/check.h"
#include "lib/json/jv.h"
#include "lib/json/jw.h"

#define NOINLINE __attribute__((noinline))
#define COLD __attribute__((noinline, cold))

/* Quotes and a timestamp's changes; escaping makes its own room in jw_escaped. */
#define VALUE_SLACK 16u

static inline void put(struct buf *b, const char *p, size_t n)
{
	memcpy(b->p + b->n, p, n);
	b->n += n;
}

/* Timestamp text: a blank before the time becomes T; an offset of hours gets ":00". */
static void put_timestamp(struct buf *b, const char *p, size_t n)
{
	const char *blank = memchr(p, ' ', n);
	size_t date, i, end;

	b->p[b->n++] = '"';
	if (!blank) {			/* infinity, -infinity */
		put(b, p, n);
		b->p[b->n++] = '"';
		return;
	}
	date = (size_t)(blank - p);
	put(b, p, date);
	b->p[b->n++] = 'T';
	i = date + 1;
	end = i;
	while (end < n && p[end] != ' ')
		end++;			/* " BC" stays last */
	put(b, p + i, end - i);
	for (size_t k = end; k > i; k--) {
		char ch = p[k - 1];

		if (ch == '+' || ch == '-') {
			if (end - k == 2) {
				put(b, ":00", 3);
			}
			break;
		}
		if (ch == '.')
			break;
	}
	put(b, p + end, n - end);
	b->p[b->n++] = '"';
}

/* No server sends this for a column of its type: it goes out as text, in which nothing can close its place, if at all. */
static COLD void put_odd(struct db_query *q, struct buf *b, const char *p, size_t n)
{
	q->is_odd = 1;
	jw_string(b, slice_of(p, n));
}

/* Digits, perhaps with a sign and a fraction, of any length. */
static int is_long_decimal(const char *p, size_t n, int may_have_point)
{
	size_t first = n && p[0] == '-', i = first;

	while (i < n && (unsigned)(p[i] - '0') <= 9)
		i++;
	if (i == first || (p[first] == '0' && i > first + 1))
		return 0;
	if (i < n && may_have_point && p[i] == '.') {
		first = i++;
		while (i < n && (unsigned)(p[i] - '0') <= 9)
			i++;
		if (i == first + 1)
			return 0;
	}
	return i == n;
}

#define EACH(byte) (0x0101010101010101ull * (byte))

/* The same of the n bytes in w, 8 at most, with zeros behind them, all at once. */
static inline int is_short_decimal(uint64_t w, unsigned n, int may_have_point)
{
	uint64_t x = w ^ EACH('0'), odd = (((x & EACH(0x7f)) + EACH(0x76)) | x) & EACH(0x80);
	unsigned first = (w & 0xff) == '-', end = n;

	odd &= (~0ull >> (64 - 8 * n)) & ~(uint64_t)(first ? 0x80 : 0);
	if (odd) {	/* a point is the only one */
		end = (unsigned)__builtin_ctzll(odd) / 8;
		if (!may_have_point || odd & (odd - 1) || (w >> 8 * end & 0xff) != '.' || end + 1 == n)
			return 0;
	}
	return end > first && (end == first + 1 || (w >> 8 * first & 0xff) != '0');
}

/* n bytes, 1 to 8, as a number of as many, in the order of memory. */
static inline uint64_t word_of(const char *p, size_t n)
{
	uint32_t low, high;

	if (n < 4)
		return (uint64_t)(unsigned char)p[0] | (uint64_t)(unsigned char)p[n / 2] << 8 * (n / 2) |
		       (uint64_t)(unsigned char)p[n - 1] << 8 * (n - 1);
	memcpy(&low, p, 4);
	memcpy(&high, p + n - 4, 4);
	return low | (uint64_t)high << 8 * (n - 4);
}

/* NaN and infinities are strings. */
static NOINLINE void put_other_number(struct db_query *q, struct buf *b, enum db_render render, const char *p, size_t n)
{
	struct slice s = slice_of(p, n);
	int may_have_point = render == DB_RENDER_NUMBER;

	if (is_long_decimal(p, n, may_have_point) || (may_have_point && jv_is_number(p, n)))
		put(b, p, n);
	else if (may_have_point && (slice_eq(s, SLICE("NaN")) || slice_eq(s, SLICE("Infinity")) || slice_eq(s, SLICE("-Infinity"))))
		jw_string(b, s);
	else
		put_odd(q, b, p, n);
}

/* One value. Room for n bytes and VALUE_SLACK is there. */
static inline void put_value(struct db_query *q, struct buf *b, enum db_render render, const char *p, size_t n)
{
	uint64_t w;

	switch (render) {
	case DB_RENDER_TEXT:
		b->p[b->n++] = '"';
		jw_escaped(b, p, n);
		buf_addc(b, '"');
		return;
	case DB_RENDER_INT:
	case DB_RENDER_NUMBER:
		if (likely(n && n <= 8 && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__)) {
			w = word_of(p, n);
			if (likely(is_short_decimal(w, (unsigned)n, render == DB_RENDER_NUMBER))) {
				memcpy(b->p + b->n, &w, 8);	/* there is room behind it */
				b->n += n;
				return;
			}
		}
		put_other_number(q, b, render, p, n);
		return;
	case DB_RENDER_JSON:
		if (unlikely(!jv_is_json(p, n)))
			break;
		put(b, p, n);
		return;
	case DB_RENDER_BOOL:
		if (unlikely(n != 1 || (p[0] != 't' && p[0] != 'f')))
			break;
		if (p[0] == 't')
			put(b, "true", 4);
		else
			put(b, "false", 5);
		return;
	case DB_RENDER_PLAIN:
		if (unlikely(jw_plain(p, n) != n))
			break;
		b->p[b->n++] = '"';
		put(b, p, n);
		b->p[b->n++] = '"';
		return;
	case DB_RENDER_TIMESTAMP:
		if (unlikely(jw_plain(p, n) != n))
			break;
		put_timestamp(b, p, n);
		return;
	}
	put_odd(q, b, p, n);
}

void db_put_value(struct db_query *q, struct buf *out, enum db_render render, const char *p, size_t n)
{
	check(buf_reserve(out, n + VALUE_SLACK) == 0);
	put_value(q, out, render, p, n);
}

static inline void room(struct buf *b, size_t n)
{
	check(buf_reserve(b, n) == 0);	/* out has no limit of its own */
}

void db_render_row(struct db_query *q, unsigned row, struct buf *out)
{
	const struct db_desc *d = q->desc;
	const PGresult *res = q->result;
	int r = (int)row, n = (int)d->n_columns;

	if (d->wrap == DB_WRAP_ROW) {
		room(out, (size_t)PQgetlength(res, r, 0) + VALUE_SLACK);
		put_value(q, out, DB_RENDER_JSON, PQgetvalue(res, r, 0), (size_t)PQgetlength(res, r, 0));
		return;
	}
	for (int c = 0; c < n; c++) {
		const struct db_column *col = &d->columns[c];
		size_t len = (size_t)PQgetlength(res, r, c);

		room(out, col->prefix_n + len + VALUE_SLACK);
		put(out, col->prefix, col->prefix_n);
		if (len == 0 && PQgetisnull(res, r, c))
			put(out, "null", 4);
		else
			put_value(q, out, col->render, PQgetvalue(res, r, c), len);
	}
	room(out, 4);
	if (n == 0)
		put(out, "{", 1);
	put(out, "}", 1);
}

int db_render_rows(struct db_query *q, size_t limit, struct buf *out)
{
	unsigned n = db_rows(q);

	room(out, 2);
	put(out, "[", 1);
	for (unsigned r = 0; r < n; r++) {
		if (r) {
			room(out, 1);
			put(out, ",", 1);
		}
		db_render_row(q, r, out);
		if (out->n > limit)
			return -E_too_large;
	}
	room(out, 1);
	put(out, "]", 1);
	return 0;
}

void db_render_value(struct db_query *q, struct buf *out)
{
	const struct db_desc *d = q->desc;
	const PGresult *res = q->result;
	size_t len;

	if (db_rows(q) == 0 || d->n_columns == 0 || PQgetisnull(res, 0, 0)) {
		buf_adds(out, "null");
		return;
	}
	len = (size_t)PQgetlength(res, 0, 0);
	room(out, len + VALUE_SLACK);
	put_value(q, out, d->columns[0].render, PQgetvalue(res, 0, 0), len);
}

unsigned db_rows(const struct db_query *q)
{
	return q->result ? (unsigned)PQntuples(q->result) : 0;
}

struct slice db_text(const struct db_query *q, struct slice column)
{
	if (db_rows(q) == 0)
		return (struct slice){NULL, 0};
	for (int c = q->desc->wrap == DB_WRAP_ROW; c < PQnfields(q->result); c++)
		if (slice_eq(slice_str(PQfname(q->result, c)), column) && !PQgetisnull(q->result, 0, c))
			return slice_of(PQgetvalue(q->result, 0, c), (size_t)PQgetlength(q->result, 0, c));
	return (struct slice){NULL, 0};
}

void db_query_clear(struct db_query *q)
{
	if (q->result) {
		PQclear(q->result);
		q->result = NULL;
	}
	db_desc_free(&q->desc);
}
