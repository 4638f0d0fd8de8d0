#include "config.h"

#include "workers/hand.h"

#include <string.h>

#include "workers/worker.h"

#define KEEP_MS 1000u	/* who does not come for it by then asks himself */

/* A flight is not found twice under one number in that time. */
static struct cache_key key_of(const struct req *r, char text[32])
{
	struct cache_key key = {.text = slice_of(text, 32)};

	memcpy(text, "handover", 8);
	memcpy(text + 8, r->key.h, 16);
	memcpy(text + 24, &r->flight.index, 4);
	memcpy(text + 28, &r->flight.seq, 4);
	cache_hash(&r->w->cache, &key);
	return key;
}

int hand_over(struct req *r, const struct slice pieces[2])
{
	struct cache_meta m = r->meta;
	struct cache_key key;
	char text[32];

	/* a whole's parts have stamps that nobody has compared for its followers */
	if (!r->has_flight || r->n_parts || !flight_is_awaited(&r->w->flights, r->flight))
		return 0;
	key = key_of(r, text);
	m.created_ms = r->w->boot_ms;
	m.soft_ms = m.hard_ms = r->w->boot_ms + KEEP_MS;
	m.error_ms = m.stamps.n = 0;
	return cache_put(&r->w->cache, CACHE_DATA, &key, &m, pieces, 2, r->w->boot_ms) == 0;
}

int hand_take(struct req *r)
{
	struct worker *w = r->w;
	struct cache_key key;
	struct cache_meta m;
	char text[32];

	key = key_of(r, text);
	r->out = r->out.cap ? r->out : worker_buf_take(w);
	buf_clear(&r->out);
	if (cache_get(&w->cache, CACHE_DATA, &key, w->boot_ms, &m, &r->out) == CACHE_MISS)
		return 0;
	/* what it says of its time is the entry's that it would have been */
	m.soft_ms = m.hard_ms = m.created_ms + r->run->ep->cache.ttl_ms;
	r->meta = m;
	r->lines_n = m.head_n;
	r->has_made = r->is_handed = 1;
	return 1;
}
