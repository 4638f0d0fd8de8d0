/* store: a new answer enters the cache if nothing it was made from has changed meanwhile; whoever waits
 * for it is woken. */
#include "config.h"

#include <unistd.h>

#include "lib/base/check.h"
#include "lib/base/clock.h"
#include "lib/ctl/heritage.h"
#include "lib/shm/digest.h"
#include "workers/hand.h"
#include "workers/include.h"
#include "workers/older.h"
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

static void end_flight(struct req *r, enum flight_end end, uint64_t keep_ms)
{
	struct flight_outcome o = {.end = end, .error = (unsigned)r->error | r->why, .digest = cache_share_digest(r), .first = r->first_ms,
				   .quiet = r->is_quiet, .keep_ms = keep_ms, .now_ms = r->w->boot_ms};
	uint64_t mask[2] = {0, 0};

	r->has_flight = 0;
	flight_finish(&r->w->flights, r->flight, r->w->number, &o, mask);
	if (mask[0] | mask[1])
		wake(r->w, mask);
}

/* A hit comes here, too, twice. */
static inline void land(struct req *r, enum flight_end end, uint64_t keep_ms)
{
	if (unlikely(r->has_flight))
		end_flight(r, end, keep_ms);
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

/* Put it where it belongs; how its flight ends. ret_keep_ms: for how long that is told. */
static enum flight_end keep(struct req *r, enum cache_zone zone, const struct slice pieces[2], uint64_t *ret_keep_ms)
{
	struct cache *c = &r->w->cache;
	int rc;

	/* written to while it was made: true, but not to be kept; what was kept before is void anyhow */
	if (!r->is_quiet || !cache_may_keep(r) || !stamps_hold(&r->w->stamps, &r->stamps))
		return hand_over(r, pieces) ? FLIGHT_HANDED : FLIGHT_ABANDONED;
	rc = cache_put_since(c, zone, &r->key, &r->meta, pieces, 2, r->w->boot_ms, &r->epoch);
	if (rc == 0) {
		if (r->run->codings)
			cache_drop_variants(c, &r->key);
		older_void_other(r, zone == CACHE_NEGATIVE);
		if (zone == CACHE_DATA)
			tier_fill(r, pieces);
		if (!r->has_flight)
			flight_forget(&r->w->flights, r->key.h);
		return FLIGHT_STORED;
	}
	/* what came between may be older than what somebody is told now */
	if (rc != CACHE_LATE || r->conn || r->is_part || cache_is_awaited(r))
		older_void(r, r->meta.etag);
	if (rc == CACHE_BUSY)
		*ret_keep_ms = BUSY_KEEP_MS;
	if (rc == CACHE_LATE)
		return hand_over(r, pieces) ? FLIGHT_HANDED : FLIGHT_ABANDONED;
	return rc == CACHE_TOO_BIG ? FLIGHT_TOO_BIG : FLIGHT_UNCACHEABLE;
}

void cache_store(struct req *r)
{
	uint64_t keep_ms = PASS_KEEP_MS;
	enum flight_end end;
	enum cache_zone zone;
	struct slice pieces[2];
	struct buf lines;

	if (!r->has_key || r->layer || r->is_told)
		return;
	r->w->boot_ms = clock_boot_ms();
	buf_init(&lines, 0);
	if (!describe(r, &zone)) {
		older_void(r, NULL);
		/* a 404 that is not kept is one for those who have waited for it */
		land(r, r->n_parts ? FLIGHT_ABANDONED : r->error ? FLIGHT_ERROR : FLIGHT_UNCACHEABLE, r->error ? 0 : PASS_KEEP_MS);
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
	end = keep(r, zone, pieces, &keep_ms);
	r->is_stored = end == FLIGHT_STORED;
	buf_done(&lines);
	land(r, end, keep_ms);
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

/* The statement had most of the time that the endpoint gives it: another one would end no better. */
static int was_slow(const struct req *r)
{
	uint64_t now = clock_mono_ns();

	return r->q.sent_ns && now > r->q.sent_ns && now - r->q.sent_ns > r->run->timeout_ns / 4 * 3;
}

/* Others are told of an error in the words that its own request has, or not at all. */
static void land_why(struct req *r, uint64_t keep_ms)
{
	int why;

	if (!r->has_flight)
		return;
	r->w->boot_ms = clock_boot_ms();
	why = hand_over_why(r);
	r->why = why > 0 ? (unsigned)why : 0;
	land(r, why < 0 ? FLIGHT_ABANDONED : FLIGHT_ERROR, keep_ms);
}

/* How an error ends its flight. Whose time or place ran out says nothing to the others: they ask for themselves, one of them for all. */
static void land_error(struct req *r)
{
	uint64_t ttl_ms = r->run->ep->cache.ttl_ms;
	int is_own = r->error == E_timeout || (r->error == E_unavailable && !r->q.sqlstate[0]) || r->error == E_overloaded ||
		     r->error == E_not_cached;

	if (older_is_answer(r->error))
		older_void(r, NULL);
	if ((is_own && !was_slow(r)) || (r->n_parts && older_is_answer(r->error)))
		cache_land(r, FLIGHT_ABANDONED);
	else
		land_why(r, ttl_ms < ERROR_KEEP_MS ? ttl_ms : ERROR_KEEP_MS);
}

void cache_settle(struct req *r)
{
	if (!r->layer && r->error == E_no_row) {
		cache_store(r);
	} else if (!r->layer && r->error) {
		/* also when an older answer stands in: who waits finds it for himself, and does not try again */
		land_error(r);
		rescue(r);
	}
	cache_land(r, FLIGHT_ABANDONED);
	if (!r->error && (r->layer || r->has_made))
		r->is_not_modified = r->if_none_match.n && cache_is_condition_met(r);
}
