/* table: rows of typed cells, declared once, shown as aligned text for people or as JSON for programs.
 * Owner: table_done. Layer: supervisor. */
#ifndef WEIR_SUPERVISOR_TABLE_H
#define WEIR_SUPERVISOR_TABLE_H

#include <stdint.h>

#include "lib/base/buf.h"

struct jw;

enum cell_kind {
	CELL_TEXT,
	CELL_COUNT,
	CELL_BYTES,	/* text: with unit; JSON: bytes */
	CELL_NS,	/* a duration in ns; text: with unit; JSON: milliseconds, the key ends in _ms */
	CELL_AGE,	/* a duration in ns; text: "3h 5m"; JSON: seconds, the key ends in _s */
	CELL_PERMILLE,	/* text: percent; JSON: a fraction of 1 */
	CELL_BOOL
};

struct table_col {
	const char *key;	/* JSON */
	const char *title;	/* NULL: not in the text */
	enum cell_kind kind;
};

struct table_cell {
	char *text;
	uint64_t v;
	int is_null;
};

struct table {
	const struct table_col *cols;
	unsigned n_cols;
	struct table_cell *cells;
	size_t n, cap;
};

void table_init(struct table *t, const struct table_col *cols, unsigned n_cols);
void table_done(struct table *t);
/* The next cell of the row; after the last one the next row begins. */
void table_text(struct table *t, const char *s);	/* NULL: nothing to say */
void table_num(struct table *t, uint64_t v);
void table_null(struct table *t);
/* Columns that do not fit into the width stand in further tables below, each with the first column again. */
void table_to_text(const struct table *t, struct buf *out);
/* The width for the tables that follow, 0 for any: that of the terminal whose command is carried out. */
void table_set_width(unsigned columns);
/* One array of objects. */
void table_to_json(const struct table *t, struct jw *w);
/* The first row upright: "title  value" lines, or one object. */
void table_to_list(const struct table *t, struct buf *out);
void table_to_object(const struct table *t, struct jw *w);
/* A JSON document again, one member a line. */
void table_pretty(struct buf *out, struct slice json);

#endif
