/* jw: JSON written straight to bytes, with PostgreSQL's escaping rules (escape_json): '"', '\' and
 * control characters only; '/' and non-ASCII stay.
 * Owner: the buf's. Pure otherwise. Layer: lib/json. */
#ifndef WEIR_JSON_JW_H
#define WEIR_JSON_JW_H

#include <stdint.h>

#include "lib/base/buf.h"

/* The escaped content without quotes. Scans by words for bytes that need escaping. */
void jw_escaped(struct buf *b, const char *p, size_t n);
/* How many bytes from p on need no escaping. */
size_t jw_plain(const char *p, size_t n);
/* "…" */
void jw_string(struct buf *b, struct slice s);

/* A whole document again, so that it can be shown on a terminal: the same values. */
void jw_shown(struct buf *b, struct slice json);

/* A writer that puts the commas. Depth ≤ 32 (check). */
struct jw {
	struct buf *b;
	unsigned depth;
	uint32_t has_items;	/* a bit per depth */
	int after_key;
};
void jw_init(struct jw *w, struct buf *b);
void jw_object(struct jw *w);
void jw_object_end(struct jw *w);
void jw_array(struct jw *w);
void jw_array_end(struct jw *w);
void jw_key(struct jw *w, const char *key);
void jw_str(struct jw *w, const char *s);	/* NULL → null */
void jw_slice(struct jw *w, struct slice s);
/* Text of others for a log or a terminal: what lib/base/visible.h does not show as \uXXXX, bytes that are no UTF-8 as
 * the text \xHH. */
void jw_visible(struct jw *w, struct slice s);
void jw_u64(struct jw *w, uint64_t v);
void jw_i64(struct jw *w, int64_t v);
void jw_fixed(struct jw *w, double v, int decimals);
void jw_bool(struct jw *w, int v);
void jw_null(struct jw *w);
void jw_raw(struct jw *w, struct slice s);	/* one whole value, already JSON */

#endif
