/* buf: growable byte buffer. Grows by doubling, never past its limit (and the final NUL of
 * buf_str, which is not counted). */
#include "config.h"

#include "lib/base/buf.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "lib/base/check.h"
#include "lib/base/err.h"

#define FIRST 256u

void buf_init(struct buf *b, size_t limit)
{
	*b = (struct buf){.limit = limit ? limit : SIZE_MAX};
}

void buf_done(struct buf *b)
{
	free(b->p);
	b->p = NULL;
	b->n = b->cap = 0;
}

/* The allocation is one byte more than cap, so that buf_str always has room. */
int buf_grow(struct buf *b, size_t n)
{
	size_t cap;

	if (b->limit == 0) /* a zeroed buf: no limit */
		b->limit = SIZE_MAX;
	check(b->n <= b->cap && b->cap <= b->limit);
	if (n > b->limit - b->n)
		return -(int)E_too_large;
	check(n < SIZE_MAX / 4 && b->n < SIZE_MAX / 4);
	cap = b->cap ? b->cap * 2 : FIRST;
	if (cap < b->n + n)
		cap = b->n + n;
	if (cap > b->limit)
		cap = b->limit;
	b->p = realloc(b->p, cap + 1);
	check(b->p != NULL);
	b->cap = cap;
	return 0;
}

int buf_append(struct buf *b, const void *p, size_t n)
{
	int rc = buf_reserve(b, n);

	if (unlikely(rc))
		return rc;
	if (n)
		memcpy(b->p + b->n, p, n);
	b->n += n;
	return 0;
}

void buf_add(struct buf *b, const void *p, size_t n)
{
	check(buf_append(b, p, n) == 0);
}

void buf_adds(struct buf *b, const char *s)
{
	buf_add(b, s, strlen(s));
}

void buf_addc(struct buf *b, char c)
{
	check(buf_reserve(b, 1) == 0);
	b->p[b->n++] = c;
}

void buf_addvf(struct buf *b, const char *fmt, va_list ap)
{
	va_list again;
	size_t room = b->cap - b->n;
	int n;

	va_copy(again, ap);
	/* cap + 1 bytes are allocated, so the NUL always fits */
	n = vsnprintf(b->p ? b->p + b->n : NULL, b->p ? room + 1 : 0, fmt, ap);
	check(n >= 0);
	if ((size_t)n > room || !b->p) {
		check(buf_reserve(b, (size_t)n) == 0);
		if (b->p)
			vsnprintf(b->p + b->n, (size_t)n + 1, fmt, again);
	}
	va_end(again);
	b->n += (size_t)n;
}

void buf_addf(struct buf *b, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	buf_addvf(b, fmt, ap);
	va_end(ap);
}

const char *buf_str(struct buf *b)
{
	if (!b->p) {
		b->p = malloc(1);
		check(b->p != NULL);
	}
	b->p[b->n] = '\0';
	return b->p;
}

char *buf_take(struct buf *b, size_t *ret_n)
{
	char *p;

	buf_str(b);
	p = b->p;
	if (ret_n)
		*ret_n = b->n;
	b->p = NULL;
	b->n = b->cap = 0;
	return p;
}
