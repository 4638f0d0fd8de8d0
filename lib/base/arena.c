#include "config.h"

#include "lib/base/arena.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "lib/base/check.h"

struct arena_block {
	struct arena_block *next;
	size_t size;		/* whole block; ARENA_BLOCK ones are pooled */
};

struct arena_clean {
	struct arena_clean *next;
	void (*fn)(void *);
	void *arg;
};

#define HEADER ((sizeof(struct arena_block) + 15) & ~(size_t)15)

void arena_pool_init(struct arena_pool *p, unsigned max_free)
{
	*p = (struct arena_pool){.max_free = max_free};
}

void arena_pool_done(struct arena_pool *p)
{
	while (p->free) {
		struct arena_block *b = p->free;

		p->free = b->next;
		free(b);
	}
	p->n_free = 0;
}

void arena_init(struct arena *a, struct arena_pool *p)
{
	*a = (struct arena){.pool = p};
}

static struct arena_block *block_new(struct arena *a, size_t size)
{
	struct arena_pool *p = a->pool;
	struct arena_block *b;

	if (size == ARENA_BLOCK && p->free) {
		b = p->free;
		p->free = b->next;
		p->n_free--;
	} else {
		b = malloc(size);
		check(b != NULL);
		b->size = size;
	}
	b->next = a->blocks;
	a->blocks = b;
	return b;
}

void *arena_grow(struct arena *a, size_t n)
{
	struct arena_block *b;

	check(n < SIZE_MAX / 2);
	n = (n + 15) & ~(size_t)15;
	a->total += n;
	if (n > ARENA_BLOCK - HEADER)	/* a block of its own; the current one goes on */
		return (char *)block_new(a, n + HEADER) + HEADER;
	b = block_new(a, ARENA_BLOCK);
	a->at = (char *)b + HEADER + n;
	a->end = (char *)b + ARENA_BLOCK;
	return (char *)b + HEADER;
}

void arena_done(struct arena *a)
{
	struct arena_pool *p = a->pool;

	for (struct arena_clean *c = a->cleans; c; c = c->next)
		c->fn(c->arg);
	while (a->blocks) {
		struct arena_block *b = a->blocks;

		a->blocks = b->next;
		if (b->size == ARENA_BLOCK && p->n_free < p->max_free) {
			b->next = p->free;
			p->free = b;
			p->n_free++;
		} else {
			free(b);
		}
	}
	arena_init(a, p);
}

void *arena_zalloc(struct arena *a, size_t n)
{
	return memset(arena_alloc(a, n), 0, n);
}

char *arena_strn(struct arena *a, const char *p, size_t n)
{
	char *s = arena_alloc(a, n + 1);

	if (n)
		memcpy(s, p, n);
	s[n] = 0;
	return s;
}

char *arena_fmt(struct arena *a, const char *fmt, ...)
{
	va_list ap, again;
	char *s;
	int n;

	va_start(ap, fmt);
	va_copy(again, ap);
	n = vsnprintf(NULL, 0, fmt, ap);
	check(n >= 0);
	s = arena_alloc(a, (size_t)n + 1);
	vsnprintf(s, (size_t)n + 1, fmt, again);
	va_end(again);
	va_end(ap);
	return s;
}

void arena_defer(struct arena *a, void (*fn)(void *), void *arg)
{
	struct arena_clean *c = arena_alloc(a, sizeof(*c));

	*c = (struct arena_clean){.next = a->cleans, .fn = fn, .arg = arg};
	a->cleans = c;
}
