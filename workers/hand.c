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
	m.xmin = r->meta.soft_ms - r->meta.created_ms;	/* nobody compares it here */
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
	m.soft_ms = m.hard_ms = m.created_ms + m.xmin;
	m.xmin = 0;
	r->meta = m;
	r->lines_n = m.head_n;
	r->has_made = r->is_handed = 1;
	if (m.status == 404) {
		r->is_told = 1;
		req_fail(r, E_no_row, NULL);
	}
	return 1;
}

/* ---- why it failed: the detail, and three words of each fault, each with its end ---- */

static void add_word(struct buf *b, const char *word)
{
	buf_add(b, word ? word : "", word ? strlen(word) + 1 : 1);
}

int hand_over_why(struct req *r)
{
	struct worker *w = r->w;
	struct cache_meta m = {.created_ms = w->boot_ms, .soft_ms = w->boot_ms + KEEP_MS, .hard_ms = w->boot_ms + KEEP_MS,
			       .endpoint = r->run->ep->metric};
	struct cache_key key;
	struct slice piece;
	struct buf words;
	char text[32];
	int rc;

	if (!r->has_flight || (!r->detail && !r->n_faults))
		return 0;
	words = worker_buf_take(w);
	buf_clear(&words);
	add_word(&words, r->detail);
	for (unsigned i = 0; i < r->n_faults; i++) {
		add_word(&words, r->faults[i].name);
		add_word(&words, r->faults[i].source);
		add_word(&words, r->faults[i].detail);
	}
	piece = buf_slice(&words);
	key = key_of(r, text);
	rc = cache_put(&w->cache, CACHE_NEGATIVE, &key, &m, &piece, 1, w->boot_ms);
	worker_buf_give(w, &words);
	return rc ? -1 : HAND_WHY;
}

static const char *next_word(const char **at, const char *end)
{
	const char *word = *at;

	if (word >= end)
		return NULL;
	*at = word + strlen(word) + 1;
	return *word ? word : NULL;
}

int hand_take_why(struct req *r, enum err_id error)
{
	struct worker *w = r->w;
	struct cache_key key;
	struct cache_meta m;
	const char *at, *end, *name, *source, *detail;
	char text[32];

	key = key_of(r, text);
	r->out = r->out.cap ? r->out : worker_buf_take(w);
	buf_clear(&r->out);
	if (cache_get(&w->cache, CACHE_NEGATIVE, &key, w->boot_ms, &m, &r->out) == CACHE_MISS)
		return 0;
	at = arena_strn(&r->arena, r->out.p, r->out.n);
	end = at + r->out.n;
	buf_clear(&r->out);
	req_fail(r, error, next_word(&at, end));
	while ((name = next_word(&at, end))) {
		source = next_word(&at, end);
		detail = next_word(&at, end);
		req_fault(r, error, name, source, detail);
	}
	return 1;
}
