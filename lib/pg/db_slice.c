/* A large result as JSON, in slices: what stands in db_row.c, but that it can stop anywhere, in the middle of a value,
 * too. Whoever holds the loop for 200 MB holds up everybody. */
#include "config.h"

#include "lib/pg/db_priv.h"

#include "lib/base/check.h"
#include "lib/json/jw.h"

#define PIECE (256u * 1024)	/* of one value */

int db_has_value(const struct db_query *q)
{
	return db_rows(q) && q->desc->n_columns && !PQgetisnull(q->result, 0, 0);
}

size_t db_result_bytes(const struct db_query *q)
{
	return q->result ? PQresultMemorySize(q->result) : 0;
}

static void put(struct buf *b, const char *p, size_t n)
{
	buf_add(b, p, n);
}

/* On with a value that is n bytes of text, or of JSON, which is read along. 1: it is out. */
static int text_on(struct db_query *q, struct db_slice *s, int is_quoted, const char *p, size_t n, struct buf *out)
{
	size_t k = n - s->at < PIECE ? n - s->at : PIECE;

	if (!is_quoted) {
		if (s->at == 0)
			jv_init(&s->json);
		q->is_odd |= jv_feed(&s->json, p + s->at, k) || (s->at + k == n && !jv_is_whole(&s->json));
		put(out, p + s->at, k);
	} else {
		if (s->at == 0)
			buf_addc(out, '"');
		jw_escaped(out, p + s->at, k);
	}
	s->at += k;
	if (s->at < n)
		return 0;
	if (is_quoted)
		buf_addc(out, '"');
	return 1;
}

/* On with column c of the slice's row. 1: it is out. */
static int value_on(struct db_query *q, struct db_slice *s, int c, enum db_render render, struct buf *out)
{
	const char *p = PQgetvalue(q->result, (int)s->row, c);
	size_t n = (size_t)PQgetlength(q->result, (int)s->row, c);

	if (render == DB_RENDER_TEXT || render == DB_RENDER_JSON)
		return text_on(q, s, render == DB_RENDER_TEXT, p, n, out);
	db_put_value(q, out, render, p, n);
	return 1;
}

/* 1: the row is out. */
static int row_on(struct db_query *q, struct db_slice *s, struct buf *out)
{
	const struct db_desc *d = q->desc;

	if (d->wrap == DB_WRAP_ROW)
		return text_on(q, s, 0, PQgetvalue(q->result, (int)s->row, 0), (size_t)PQgetlength(q->result, (int)s->row, 0), out);
	if (s->column < d->n_columns) {
		const struct db_column *col = &d->columns[s->column];

		if (s->at == 0)
			put(out, col->prefix, col->prefix_n);
		if (PQgetisnull(q->result, (int)s->row, (int)s->column))
			buf_adds(out, "null");
		else if (!value_on(q, s, (int)s->column, col->render, out))
			return 0;
		s->at = 0;
		if (++s->column < d->n_columns)
			return 0;
	}
	if (d->n_columns == 0)
		buf_addc(out, '{');
	buf_addc(out, '}');
	return 1;
}

static int rows_on(struct db_query *q, struct db_slice *s, struct buf *out)
{
	if (s->row == db_rows(q)) {
		buf_adds(out, s->row ? "]" : "[]");
		return 1;
	}
	if (s->column == 0 && s->at == 0)
		buf_addc(out, s->row ? ',' : '[');
	if (row_on(q, s, out)) {
		s->row++;
		s->column = 0;
		s->at = 0;
	}
	return 0;
}

int db_render_slice(struct db_query *q, enum db_whole what, struct db_slice *s, size_t bytes, size_t limit,
		    struct buf *out)
{
	size_t until = out->n + bytes;
	int is_over = 0;

	while (!is_over && out->n < until) {
		switch (what) {
		case DB_ROWS:
			is_over = rows_on(q, s, out);
			break;
		case DB_ROW:
			is_over = row_on(q, s, out);
			break;
		case DB_VALUE:
			is_over = value_on(q, s, 0, q->desc->columns[0].render, out);
			break;
		}
		if (out->n > limit)
			return -E_too_large;
	}
	return is_over;
}
