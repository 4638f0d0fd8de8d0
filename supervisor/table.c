/* table: one description of a report, two ways to show it, so that the two cannot drift apart. */
#include "config.h"
#include "supervisor/table.h"

#include <stdio.h>
#include <stdlib.h>

#include "lib/base/check.h"
#include "lib/base/clock.h"
#include "lib/json/jw.h"

void table_init(struct table *t, const struct table_col *cols, unsigned n_cols)
{
	*t = (struct table){.cols = cols, .n_cols = n_cols};
}

void table_done(struct table *t)
{
	for (size_t i = 0; i < t->n; i++)
		free(t->cells[i].text);
	free(t->cells);
}

static struct table_cell *next_cell(struct table *t)
{
	if (t->n == t->cap) {
		t->cap = t->cap ? t->cap * 2 : 64;
		t->cells = realloc(t->cells, t->cap * sizeof(*t->cells));
		check(t->cells);
	}
	t->cells[t->n] = (struct table_cell){0};
	return &t->cells[t->n++];
}

void table_text(struct table *t, const char *s)
{
	struct table_cell *c;

	check(t->cols[t->n % t->n_cols].kind == CELL_TEXT);
	c = next_cell(t);
	c->is_null = s == NULL;
	c->text = s ? strdup(s) : NULL;
}

void table_num(struct table *t, uint64_t v)
{
	check(t->cols[t->n % t->n_cols].kind != CELL_TEXT);
	next_cell(t)->v = v;
}

void table_null(struct table *t)
{
	next_cell(t)->is_null = 1;
}

static const char *show_bytes(uint64_t v, char *out, size_t n)
{
	static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
	double d = (double)v;
	unsigned u = 0;

	while (d >= 1024 && u + 1 < ARRAY_LEN(units))
		d /= 1024, u++;
	snprintf(out, n, u && d < 100 ? "%.1f %s" : "%.0f %s", d, units[u]);
	return out;
}

static const char *show_ns(uint64_t v, char *out, size_t n)
{
	double d = (double)v;

	if (v < 1000 * 1000)
		snprintf(out, n, "%.0f us", d / 1e3);
	else if (v < CLOCK_S)
		snprintf(out, n, v < 100 * CLOCK_MS ? "%.2f ms" : "%.0f ms", d / 1e6);
	else
		snprintf(out, n, "%.2f s", d / 1e9);
	return out;
}

static const char *show_age(uint64_t v, char *out, size_t n)
{
	unsigned long long s = v / CLOCK_S;

	if (s < 60)
		snprintf(out, n, "%llus", s);
	else if (s < 3600)
		snprintf(out, n, "%llum %llus", s / 60, s % 60);
	else if (s < 86400)
		snprintf(out, n, "%lluh %llum", s / 3600, s / 60 % 60);
	else
		snprintf(out, n, "%llud %lluh", s / 86400, s / 3600 % 24);
	return out;
}

/* The cell for people; "-" for nothing. */
static const char *show(const struct table_col *col, const struct table_cell *c, char *out, size_t n)
{
	if (c->is_null)
		return "-";
	switch (col->kind) {
	case CELL_TEXT:
		return c->text[0] ? c->text : "-";
	case CELL_COUNT:
		snprintf(out, n, "%llu", (unsigned long long)c->v);
		return out;
	case CELL_BYTES:
		return show_bytes(c->v, out, n);
	case CELL_NS:
		return show_ns(c->v, out, n);
	case CELL_AGE:
		return show_age(c->v, out, n);
	case CELL_PERMILLE:
		snprintf(out, n, "%llu.%llu %%", (unsigned long long)c->v / 10,
			 (unsigned long long)c->v % 10);
		return out;
	case CELL_BOOL:
		return c->v ? "yes" : "no";
	}
	return "-";
}

/* Columns on a terminal: characters, not bytes. */
static int width_of(const char *s)
{
	int n = 0;

	for (; *s; s++)
		n += ((unsigned char)*s & 0xc0) != 0x80;
	return n;
}

static void pad(struct buf *out, int n)
{
	while (n-- > 0)
		buf_addc(out, ' ');
}

static void add_padded(struct buf *out, const char *s, int width, int is_left, int is_last)
{
	int fill = width - width_of(s);

	if (!is_left)
		pad(out, fill);
	buf_adds(out, s);
	if (is_left && !is_last)
		pad(out, fill);
}

static unsigned terminal_width;

void table_set_width(unsigned columns)
{
	terminal_width = columns;
}

/* Columns from … to, the first of all in front. */
static void add_columns(const struct table *t, const int *width, unsigned from, unsigned to, struct buf *out)
{
	char text[64];
	unsigned last = to;

	while (last > from && !t->cols[last - 1].title)
		last--;
	for (size_t row = 0; row <= t->n / t->n_cols; row++)
		for (unsigned col = 0; col < last; col++) {
			const struct table_col *k = &t->cols[col];

			if (!k->title || (col && col < from))
				continue;
			add_padded(out, row ? show(k, &t->cells[(row - 1) * t->n_cols + col], text, sizeof(text)) : k->title,
				   width[col], k->kind == CELL_TEXT, col + 1 == last);
			buf_adds(out, col + 1 == last ? "\n" : "  ");
		}
}

void table_to_text(const struct table *t, struct buf *out)
{
	int width[32] = {0};
	unsigned used, from = 0;
	char text[64];

	check(t->n_cols <= ARRAY_LEN(width) && t->n % t->n_cols == 0);
	for (unsigned i = 0; i < t->n_cols; i++)
		if (t->cols[i].title)
			width[i] = width_of(t->cols[i].title);
	for (size_t i = 0; i < t->n; i++) {
		unsigned col = (unsigned)(i % t->n_cols);
		int n = width_of(show(&t->cols[col], &t->cells[i], text, sizeof(text)));

		if (t->cols[col].title && n > width[col])
			width[col] = n;
	}
	used = (unsigned)width[0];
	for (unsigned col = 1; col < t->n_cols; col++) {
		if (!t->cols[col].title)
			continue;
		used += 2 + (unsigned)width[col];
		if (!terminal_width || used <= terminal_width || col == (from ? from : 1))
			continue;
		add_columns(t, width, from, col, out);
		buf_addc(out, '\n');
		from = col;
		used = (unsigned)width[0] + 2 + (unsigned)width[col];
	}
	add_columns(t, width, from, t->n_cols, out);
}

static void cell_to_json(const struct table_col *col, const struct table_cell *c, struct jw *w)
{
	jw_key(w, col->key);
	if (c->is_null) {
		jw_null(w);
		return;
	}
	switch (col->kind) {
	case CELL_TEXT:
		jw_visible(w, slice_str(c->text));
		break;
	case CELL_COUNT:
	case CELL_BYTES:
		jw_u64(w, c->v);
		break;
	case CELL_NS:
		jw_fixed(w, (double)c->v / 1e6, 3);
		break;
	case CELL_AGE:
		jw_fixed(w, (double)c->v / 1e9, 3);
		break;
	case CELL_PERMILLE:
		jw_fixed(w, (double)c->v / 1e3, 3);
		break;
	case CELL_BOOL:
		jw_bool(w, c->v != 0);
		break;
	}
}

static void row_to_json(const struct table *t, size_t at, struct jw *w)
{
	jw_object(w);
	for (unsigned i = 0; i < t->n_cols; i++)
		cell_to_json(&t->cols[i], &t->cells[at + i], w);
	jw_object_end(w);
}

void table_to_json(const struct table *t, struct jw *w)
{
	jw_array(w);
	for (size_t i = 0; i + t->n_cols <= t->n; i += t->n_cols)
		row_to_json(t, i, w);
	jw_array_end(w);
}

void table_to_list(const struct table *t, struct buf *out)
{
	char text[64];
	int width = 0;

	check(t->n == t->n_cols);
	for (unsigned i = 0; i < t->n_cols; i++)
		if (t->cols[i].title && width_of(t->cols[i].title) > width)
			width = width_of(t->cols[i].title);
	for (unsigned i = 0; i < t->n_cols; i++) {
		if (!t->cols[i].title)
			continue;
		add_padded(out, t->cols[i].title, width + 2, 1, 0);
		buf_adds(out, show(&t->cols[i], &t->cells[i], text, sizeof(text)));
		buf_addc(out, '\n');
	}
}

void table_to_object(const struct table *t, struct jw *w)
{
	check(t->n == t->n_cols);
	row_to_json(t, 0, w);
}

void table_pretty(struct buf *out, struct slice json)
{
	int depth = 0, in_string = 0;

	for (size_t i = 0; i < json.n; i++) {
		char ch = json.p[i];
		int is_empty = i + 1 < json.n && (json.p[i + 1] == '}' || json.p[i + 1] == ']');

		if (in_string) {
			buf_addc(out, ch);
			if (ch == '\\' && i + 1 < json.n)
				buf_addc(out, json.p[++i]);
			else if (ch == '"')
				in_string = 0;
		} else if ((ch == '{' || ch == '[') && !is_empty) {
			buf_addf(out, "%c\n%*s", ch, 2 * ++depth, "");
		} else if ((ch == '}' || ch == ']') && json.p[i - 1] != '{' && json.p[i - 1] != '[') {
			buf_addf(out, "\n%*s%c", 2 * --depth, "", ch);
		} else if (ch == ',') {
			buf_addf(out, ",\n%*s", 2 * depth, "");
		} else if (ch == ':') {
			buf_adds(out, ": ");
		} else if (ch != '\n') {
			in_string = ch == '"';
			buf_addc(out, ch);
		}
	}
	buf_addc(out, '\n');
}
