/* arena: bump allocation in pooled blocks. A request too large for a block gets a block of its own,
 * which goes back to malloc and not to the pool. */
#include "config.h"

#include "lib/base/arena.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "lib/base/check.h"

struct arena_block {
	struct arena_block *next;
	size_t size; /* header included */
};
_Static_assert(sizeof(struct arena_block) == 16, "what follows the header is 16-aligned");

struct arena_clean {
	struct arena_clean *next;
	void (*fn)(void *);
	void *arg;
};

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

void arena_done(struct arena *a)
{
	struct arena_block *b, *next;

	/* A clean-up may register another one. */
	while (a->cleans) {
		struct arena_clean *c = a->cleans;

		a->cleans = c->next;
		c->fn(c->arg);
	}
	for (b = a->blocks; b; b = next) {
		struct arena_pool *p = a->pool;

		next = b->next;
		if (p && b->size == ARENA_BLOCK && p->n_free < p->max_free) {
			b->next = p->free;
			p->free = b;
			p->n_free++;
		} else {
			free(b);
		}
	}
	*a = (struct arena){.pool = a->pool};
}

static struct arena_block *block_get(struct arena_pool *p, size_t size)
{
	struct arena_block *b;

	if (size == ARENA_BLOCK && p && p->free) {
		b = p->free;
		p->free = b->next;
		p->n_free--;
		return b;
	}
	b = malloc(size);
	check(b != NULL);
	b->size = size;
	return b;
}

void *arena_grow(struct arena *a, size_t n)
{
	const size_t room = ARENA_BLOCK - sizeof(struct arena_block);
	struct arena_block *b;

	check(n < SIZE_MAX / 2);
	n = n ? (n + 15) & ~(size_t)15 : 16;
	b = block_get(a->pool, n <= room ? ARENA_BLOCK : n + sizeof(*b));
	a->total += b->size;
	if (n > room / 2 && a->blocks) {
		/* Large: a block of its own behind the current one, whose rest stays in use. */
		b->next = a->blocks->next;
		a->blocks->next = b;
		return b + 1;
	}
	b->next = a->blocks;
	a->blocks = b;
	a->at = (char *)(b + 1) + n;
	a->end = (char *)b + b->size;
	return b + 1;
}

void *arena_zalloc(struct arena *a, size_t n)
{
	return memset(arena_alloc(a, n), 0, n);
}

char *arena_strn(struct arena *a, const char *p, size_t n)
{
	char *s;

	check(n < SIZE_MAX / 2);
	s = arena_alloc(a, n + 1);
	if (n)
		memcpy(s, p, n);
	s[n] = '\0';
	return s;
}

char *arena_fmt(struct arena *a, const char *fmt, ...)
{
	va_list ap;
	char *s;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	check(n >= 0);
	s = arena_alloc(a, (size_t)n + 1);
	va_start(ap, fmt);
	vsnprintf(s, (size_t)n + 1, fmt, ap);
	va_end(ap);
	return s;
}

void arena_defer(struct arena *a, void (*fn)(void *), void *arg)
{
	struct arena_clean *c = arena_alloc(a, sizeof(*c));

	*c = (struct arena_clean){.next = a->cleans, .fn = fn, .arg = arg};
	a->cleans = c;
}
