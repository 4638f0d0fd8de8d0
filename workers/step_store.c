/* store: a new answer enters the cache if nothing it was made from has changed meanwhile; whoever waits
 * for it is woken. */
#include "config.h"

#include <unistd.h>

#include "lib/base/check.h"
#include "lib/base/clock.h"
#include "lib/ctl/heritage.h"
#include "lib/shm/digest.h"
#include "workers/include.h"
#include "workers/worker.h"

#define ERROR_KEEP_MS 1000u
#define PASS_KEEP_MS 60000u
#define BUSY_KEEP_MS 100u	/* as long as the shard is left alone */

/* Within ± 10 %: what was filled together does not expire together. */
static uint64_t jitter(struct worker *w, uint64_t ms)
{
	return ms - ms / 10 + worker_random(w) % (ms / 5 + 1);
}

static void wake(struct worker *w, const uint64_t mask[2])
{
	uint64_t one = 1;

	for (unsigned i = 0; i < 128; i++) {
		if (!(mask[i / 64] >> (i % 64) & 1))
			continue;
		if (i == w->number || w->is_alone)
			w->has_woken = 1;
		else if (i < w->region.plan.n_numbers)
			(void)!write(HERITAGE_EVENT_WORKER + (int)i, &one, sizeof(one));
	}
}

static void land(struct req *r, enum flight_end end, uint64_t keep_ms)
{
	uint64_t mask[2] = {0, 0};

	if (!r->has_flight)
		return;
	r->has_flight = 0;
	flight_finish(&r->w->flights, r->flight, r->w->number, end, (unsigned)r->error, keep_ms, r->w->boot_ms, mask);
	if (mask[0] | mask[1])
		wake(r->w, mask);
}

void cache_land(struct req *r, enum flight_end end)
{
	land(r, end, end == FLIGHT_ERROR ? ERROR_KEEP_MS : PASS_KEEP_MS);
}

/* The entry of this answer; 0 when it is not to be kept. */
static int describe(struct req *r, enum cache_zone *ret_zone)
{
	const struct cache_policy *c = &r->run->ep->cache;
	struct cache_meta *m = &r->meta;
	int is_negative = r->error == E_no_row || (c->negative_ms && r->run->ep->returns == RETURNS_ROWS && db_rows(&r->q) == 0);
	uint64_t ttl = jitter(r->w, is_negative ? c->negative_ms : c->ttl_ms);
	uint64_t now = r->fill_ms;

	if (is_negative && !c->negative_ms)
		return 0;
	*ret_zone = is_negative ? CACHE_NEGATIVE : CACHE_DATA;
	memset(m, 0, sizeof(*m));
	m->created_ms = now;
	m->soft_ms = now + ttl;
	m->hard_ms = m->soft_ms + (is_negative ? 0 : c->stale_ms);
	m->error_ms = c->error_ms && !is_negative ? m->soft_ms + c->error_ms : 0;
	m->created_wall_us = clock_wall_us();
	m->delta_us = (uint32_t)((r->q.done_ns - r->q.sent_ns) / 1000);
	m->status = (uint16_t)(r->error == E_no_row ? 404 : 200);
	m->endpoint = r->run->ep->metric;
	if (r->n_parts && !include_join_stamps(r, &m->soft_ms))
		return 0;
	if (r->n_parts && m->hard_ms > m->soft_ms)
		m->hard_ms = m->soft_ms + c->stale_ms;
	m->stamps = r->stamps;
	return 1;
}

void cache_store(struct req *r)
{
	enum flight_end end = FLIGHT_UNCACHEABLE;
	enum cache_zone zone;
	struct slice pieces[2];
	struct buf lines;
	int rc = 0;

	if (!r->has_key || r->layer)
		return;
	r->w->boot_ms = clock_boot_ms();
	buf_init(&lines, 0);
	if (!describe(r, &zone)) {
		cache_land(r, r->error ? FLIGHT_ABANDONED : end);
		return;
	}
	if (!r->error && reply_lines(r, &lines)) {
		buf_done(&lines);
		return;		/* the reply will say so */
	}
	r->meta.head_n = (uint32_t)lines.n;
	pieces[0] = buf_slice(&lines);
	pieces[1] = buf_slice(&r->out);
	digest_128(pieces[1], r->meta.etag);
	r->has_made = 1;
	if (!r->is_quiet || !stamps_hold(&r->w->stamps, &r->stamps))
		end = FLIGHT_ABANDONED;	/* written to while it was made: true, but not to be kept */
	else if ((rc = cache_put(&r->w->cache, zone, &r->key, &r->meta, pieces, 2, r->w->boot_ms)) == 0)
		end = FLIGHT_STORED;
	else if (rc == CACHE_TOO_BIG)
		end = FLIGHT_TOO_BIG;
	if (end == FLIGHT_STORED && r->run->codings)
		cache_drop_variants(&r->w->cache, &r->key);
	if (end == FLIGHT_STORED && zone == CACHE_DATA)
		tier_fill(r, pieces);
	r->is_stored = end == FLIGHT_STORED;
	buf_done(&lines);
	land(r, end, rc == CACHE_BUSY ? BUSY_KEEP_MS : PASS_KEEP_MS);
}

enum step_result step_store(struct req *r)
{
	cache_store(r);
	return STEP_DONE;
}

/* An error that an older answer may stand in for (RFC 5861 4), as long as its tags have not moved. */
static int may_stand_in(enum err_id id)
{
	return id == E_db_down || id == E_timeout || id == E_unavailable || id == E_overloaded || id == E_sql ||
	       id == E_internal || id == E_cancelled || id == E_read_only;
}

static void rescue(struct req *r)
{
	struct worker *w = r->w;

	if (!r->has_key || r->layer || !may_stand_in(r->error) || !r->run->ep->cache.error_ms)
		return;
	w->boot_ms = clock_boot_ms();
	buf_clear(&r->out);
	if (cache_get(&w->cache, CACHE_DATA, &r->key, w->boot_ms, &r->meta, &r->out) == CACHE_MISS ||
	    !cache_holds(r, &r->meta) ||
	    w->boot_ms >= (r->meta.error_ms > r->meta.hard_ms ? r->meta.error_ms : r->meta.hard_ms)) {
		buf_clear(&r->out);
		return;
	}
	r->layer = LAYER_L1;
	r->lines_n = r->meta.head_n;
	r->rescued = r->error;
	r->error = E_ok;
	r->detail = NULL;
}

int cache_is_condition_met(struct req *r)
{
	char tag[HTTP_ETAG_ROOM];
	size_t n = http_etag_format(r->meta.etag, HTTP_IDENTITY, tag);
	enum http_coding named;

	if (!http_none_match_coding(r->if_none_match, slice_of(tag, n), &named))
		return 0;
	r->coding = named;
	return 1;
}

void cache_settle(struct req *r)
{
	if (!r->layer && r->error == E_no_row) {
		cache_store(r);
	} else if (!r->layer && r->error) {
		/* also when an older answer stands in: who waits finds it for himself, and does not try again */
		cache_land(r, FLIGHT_ERROR);
		rescue(r);
	}
	cache_land(r, FLIGHT_ABANDONED);
	if (!r->error && (r->layer || r->has_made))
		r->is_not_modified = r->if_none_match.n && cache_is_condition_met(r);
}
