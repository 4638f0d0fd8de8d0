#include "config.h"

#include "lib/base/buf.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "lib/base/check.h"
#include "lib/base/err.h"

#define BUF_FIRST 256u

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

int buf_grow(struct buf *b, size_t n)
{
	size_t want = b->n + n, cap = b->cap ? b->cap : BUF_FIRST;
	char *p;

	if (b->limit == 0)	/* a zeroed buf: no limit */
		b->limit = SIZE_MAX;
	if (want < n || want > b->limit)
		return -E_too_large;
	while (cap < want)
		cap = cap > SIZE_MAX / 2 ? want : cap * 2;
	p = realloc(b->p, cap);
	check(p != NULL);
	b->p = p;
	b->cap = cap;
	return 0;
}

int buf_append(struct buf *b, const void *p, size_t n)
{
	int rc = buf_reserve(b, n);

	if (rc)
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
	int n;

	va_copy(again, ap);
	n = vsnprintf(b->p ? b->p + b->n : NULL, b->cap - b->n, fmt, ap);
	check(n >= 0);
	if ((size_t)n >= b->cap - b->n) {
		check(buf_reserve(b, (size_t)n + 1) == 0);
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
	check(buf_reserve(b, 1) == 0);
	b->p[b->n] = 0;
	return b->p;
}

char *buf_take(struct buf *b, size_t *ret_n)
{
	char *p = b->p;

	if (ret_n)
		*ret_n = b->n;
	b->p = NULL;
	b->n = b->cap = 0;
	return p;
}
