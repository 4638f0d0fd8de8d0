/* db_array: see db_array.h; read as PostgreSQL's array_in reads. */
#include "config.h"

#include "lib/pg/db_array.h"

static int is_space(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

void db_array_item(struct buf *out, struct slice text)
{
	buf_addc(out, '"');
	for (size_t i = 0; i < text.n; i++) {
		if (text.p[i] == '"' || text.p[i] == '\\')
			buf_addc(out, '\\');
		buf_addc(out, text.p[i]);
	}
	buf_addc(out, '"');
}

void db_array_null(struct buf *out)
{
	buf_adds(out, "NULL");
}

static void skip_space(struct slice *s)
{
	while (s->n && is_space(s->p[0]))
		s->p++, s->n--;
}

/* One element into out, up to the delimiter or brace behind it. 0 or -1. */
static int take_item(struct slice *s, char delim, struct buf *out, int *ret_is_null)
{
	int is_quoted = 0, is_escaped = 0;
	size_t end = 0;	/* of what is not blanks at the end */

	buf_clear(out);
	for (; s->n; s->p++, s->n--) {
		char c = s->p[0];

		if (!is_quoted && (c == delim || c == '}'))
			break;
		if (c == '"') {
			is_quoted = !is_quoted;
			is_escaped = 1;
			end = out->n;
			continue;
		}
		if (!is_quoted && c == '{')
			return -1;
		if (c == '\\') {
			if (s->n < 2)
				return -1;
			s->p++, s->n--;
			is_escaped = 1;
			c = s->p[0];
			buf_addc(out, c);
			end = out->n;
			continue;
		}
		buf_addc(out, c);
		if (is_quoted || !is_space(c))
			end = out->n;
	}
	if (!s->n || is_quoted || (!end && !is_escaped))
		return -1;
	out->n = end;
	*ret_is_null = !is_escaped && slice_ieq(buf_slice(out), SLICE("null"));
	return 0;
}

int db_array_each(struct slice literal, char delim, int (*each)(void *ctx, struct slice item), void *ctx)
{
	enum { OPENED, DELIMITED, FILLED } before = DELIMITED;
	AUTO(buf) struct buf item;
	struct slice s = literal;
	unsigned depth = 0;
	int is_null, rc;

	buf_init(&item, 0);
	for (skip_space(&s); s.n; skip_space(&s)) {
		char c = s.p[0];

		if (c == '{' && before != FILLED && depth < DB_ARRAY_MAX_DIMS) {
			depth++;
			before = OPENED;
		} else if (c == '}' && depth && before != DELIMITED) {
			before = FILLED;
			if (--depth == 0)
				break;
		} else if (c == delim && before == FILLED) {
			before = DELIMITED;
		} else if (depth && before != FILLED && c != '{') {
			if (take_item(&s, delim, &item, &is_null))
				return -1;
			rc = each(ctx, is_null ? (struct slice){NULL, 0} : slice_of(buf_str(&item), item.n));
			if (rc)
				return rc;
			before = FILLED;
			continue;
		} else {
			return -1;
		}
		s.p++;
		s.n--;
	}
	if (!s.n)
		return -1;	/* no last brace */
	s.p++;
	s.n--;
	skip_space(&s);
	return s.n ? -1 : 0;
}
