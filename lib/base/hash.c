#include "config.h"

#include "lib/base/hash.h"

#include <stdlib.h>

#include "lib/base/check.h"

uint32_t hash_bytes(const void *p, size_t n)
{
	const unsigned char *s = p;
	uint32_t h = 2166136261u;

	for (size_t i = 0; i < n; i++)
		h = (h ^ s[i]) * 16777619u;
	return h;
}

void hash_init(struct hash *t)
{
	*t = (struct hash){0};
}

void hash_done(struct hash *t)
{
	free(t->entries);
	hash_init(t);
}

/* The entry of key, or the free one where it belongs. */
static struct hash_entry *place(const struct hash *t, struct slice key, uint32_t h)
{
	size_t i = h & (t->cap - 1);

	while (t->entries[i].value && !(t->entries[i].h == h && slice_eq(t->entries[i].key, key)))
		i = (i + 1) & (t->cap - 1);
	return &t->entries[i];
}

static void grow(struct hash *t)
{
	struct hash bigger = {.n = t->n, .cap = t->cap ? t->cap * 2 : 16};

	bigger.entries = calloc(bigger.cap, sizeof(*bigger.entries));
	check(bigger.entries != NULL);
	for (size_t i = 0; i < t->cap; i++)
		if (t->entries[i].value)
			*place(&bigger, t->entries[i].key, t->entries[i].h) = t->entries[i];
	free(t->entries);
	*t = bigger;
}

int hash_add(struct hash *t, struct slice key, void *value)
{
	uint32_t h = hash_bytes(key.p, key.n);
	struct hash_entry *e;

	check(value != NULL);
	if ((t->n + 1) * 4 > t->cap * 3)
		grow(t);
	e = place(t, key, h);
	if (e->value)
		return -1;
	*e = (struct hash_entry){.key = key, .value = value, .h = h};
	t->n++;
	return 0;
}

void *hash_find(const struct hash *t, struct slice key)
{
	return t->cap ? place(t, key, hash_bytes(key.p, key.n))->value : NULL;
}
