/* buf: growable byte buffer with a limit.
 * Owner: whoever called buf_init; buf_done frees. Not shared.
 * Threads and processes: any, one at a time.
 * Layer: lib/base. */
#ifndef WEIR_BASE_BUF_H
#define WEIR_BASE_BUF_H

#include <stdarg.h>

#include "lib/base/slice.h"

struct buf {
	char *p;
	size_t n;	/* bytes in use */
	size_t cap;
	size_t limit;	/* n never goes beyond it; SIZE_MAX = none */
};

/* limit 0 means none. No allocation until the first byte. */
void buf_init(struct buf *b, size_t limit);
void buf_done(struct buf *b);
/* Empty, keep the allocation. */
static inline void buf_clear(struct buf *b)
{
	b->n = 0;
}
/* Slow path of buf_reserve. */
int buf_grow(struct buf *b, size_t n) MUST_USE;
/* Room for n bytes more at b->p + b->n. 0, or -E_too_large past the limit (buffer unchanged).
 * Out of memory aborts: sizes are bounded by the limit. */
static inline int MUST_USE buf_reserve(struct buf *b, size_t n)
{
	return likely(b->cap - b->n >= n) ? 0 : buf_grow(b, n);
}
int buf_append(struct buf *b, const void *p, size_t n) MUST_USE;
/* As append; for buffers without a limit, where failure is a programmer's mistake (check). */
void buf_add(struct buf *b, const void *p, size_t n);
void buf_adds(struct buf *b, const char *s);
void buf_addc(struct buf *b, char c);
void buf_addf(struct buf *b, const char *fmt, ...) PRINTF(2, 3);
void buf_addvf(struct buf *b, const char *fmt, va_list ap) PRINTF(2, 0);
/* NUL-terminated view; the NUL is not counted in n. */
const char *buf_str(struct buf *b);
/* Give the bytes to the caller (free() them); the buffer is empty after. */
char *buf_take(struct buf *b, size_t *ret_n);

static inline struct slice buf_slice(const struct buf *b)
{
	return (struct slice){b->p, b->n};
}

#endif
