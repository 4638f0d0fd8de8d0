#include "config.h"

#include "lib/auth/token_cache.h"

#include <stdlib.h>

#include "lib/auth/identity.h"
#include "lib/base/check.h"

#define AVERAGE 2048u /* bytes of an entry, for the number of buckets */

struct token_entry {
	struct list node;
	struct token_entry *next;
	uint64_t hash;
	struct identity *id;
	size_t n;
	char token[];
};

/* Eight bytes a step; seeded, so that whoever sends tokens cannot choose its collisions. */
static uint64_t hash_of(const struct token_cache *c, struct slice s)
{
	uint64_t h = c->seed ^ s.n * 0x9e3779b97f4a7c15u, w;
	size_t at = 0;

	for (; at + 8 <= s.n; at += 8) {
		memcpy(&w, s.p + at, 8);
		h = (h ^ w) * 0xff51afd7ed558ccdu;
		h ^= h >> 29;
	}
	w = 0;
	if (at < s.n)
		memcpy(&w, s.p + at, s.n - at);
	h = (h ^ w ^ c->seed) * 0xc4ceb9fe1a85ec53u;
	return h ^ h >> 32;
}

void token_cache_init(struct token_cache *c, size_t limit, uint64_t seed)
{
	*c = (struct token_cache){.limit = limit, .seed = seed, .n_buckets = 64};
	list_init(&c->lru);
	if (!limit)
		return;
	while (c->n_buckets < limit / AVERAGE)
		c->n_buckets *= 2;
	c->buckets = calloc(c->n_buckets, sizeof(struct token_entry *));
	check(c->buckets);
}

static size_t cost(const struct token_entry *e)
{
	return sizeof(*e) + e->n + e->id->size;
}

static void drop(struct token_cache *c, struct token_entry *e)
{
	struct token_entry **p = &c->buckets[e->hash & (c->n_buckets - 1)];

	while (*p != e)
		p = &(*p)->next;
	*p = e->next;
	list_del(&e->node);
	c->bytes -= cost(e);
	c->n--;
	identity_unref(e->id);
	explicit_bzero(e->token, e->n);
	free(e);
}

void token_cache_done(struct token_cache *c)
{
	while (!list_is_empty(&c->lru))
		drop(c, LIST_ENTRY(list_first(&c->lru), struct token_entry, node));
	free(c->buckets);
	c->buckets = NULL;
	c->limit = 0;
}

static struct token_entry *find(const struct token_cache *c, struct slice token, uint64_t hash)
{
	struct token_entry *e = c->buckets[hash & (c->n_buckets - 1)];

	while (e && (e->hash != hash || !slice_eq(slice_of(e->token, e->n), token)))
		e = e->next;
	return e;
}

struct identity *token_cache_find(struct token_cache *c, struct slice token, int64_t now_s)
{
	struct token_entry *e;

	if (!c->limit)
		return NULL;
	e = find(c, token, hash_of(c, token));
	if (!e)
		return NULL;
	if (now_s >= e->id->expires || now_s < e->id->not_before) {
		drop(c, e);
		return NULL;
	}
	list_del(&e->node);
	list_add_head(&c->lru, &e->node);
	return e->id;
}

void token_cache_add(struct token_cache *c, struct slice token, struct identity *id)
{
	uint64_t hash;
	struct token_entry *e, **head;

	check(id->refs);
	if (sizeof(*e) + token.n + id->size > c->limit)
		return;
	hash = hash_of(c, token);
	if (find(c, token, hash))
		return;
	e = malloc(sizeof(*e) + token.n);
	check(e);
	e->hash = hash;
	e->id = identity_ref(id);
	e->n = token.n;
	memcpy(e->token, token.p, token.n);
	while (c->bytes + cost(e) > c->limit)
		drop(c, LIST_ENTRY(c->lru.prev, struct token_entry, node));
	head = &c->buckets[hash & (c->n_buckets - 1)];
	e->next = *head;
	*head = e;
	list_add_head(&c->lru, &e->node);
	c->bytes += cost(e);
	c->n++;
}
