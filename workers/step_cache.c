/* cache: a fresh answer in shared memory goes straight to the reply; a stale one too, and is refreshed
 * behind it; who misses while somebody else asks the database waits for that answer. */
#include "config.h"

#include <math.h>

#include "lib/base/check.h"
#include "lib/base/clock.h"
#include "lib/http/http_cc.h"
#include "workers/cachekey.h"
#include "workers/hand.h"
#include "workers/variant.h"
#include "workers/worker.h"

#define FOLLOW_MIN_NS (100 * CLOCK_MS)
#define XFETCH_BETA 1.0
#define BEAT_OLD_NS (700 * CLOCK_MS)	/* of a worker that hangs, or is stopped: it beats every 250 ms */

static uint64_t remaining_ns(const struct req *r)
{
	uint64_t now = r->w->front.now_ns;

	return r->deadline_ns > now ? r->deadline_ns - now : 0;
}

static uint64_t at(const _Atomic uint64_t *ms)
{
	return atomic_load_explicit(ms, memory_order_acquire);
}

/* When weir-monitor last began to hear of every write (cache_floor_ms); of parts, their databases count too. */
static uint64_t floor_ms(const struct req *r)
{
	const struct region *g = &r->w->region;
	const struct endpoint *ep = r->run->ep;
	uint64_t floor = 0;

	for (unsigned i = 0; i < g->plan.n_databases; i++)
		if (i == ep->database || ep->n_includes) {
			uint64_t ms = at(&region_db(g, i)->cache_floor_ms);

			floor = ms > floor ? ms : floor;
		}
	return floor;
}

int cache_holds(const struct req *r, const struct cache_meta *m)
{
	const struct region_header *h = r->w->region.h;

	return m->created_ms > at(&h->purged_ms) && m->created_ms > at(&r->run->shared->purged_ms) &&
	       (!m->stamps.n || m->created_ms > floor_ms(r)) &&
	       stamps_hold(&r->w->stamps, &m->stamps);
}

/* A soft purge makes stale what it meets. */
int cache_is_fresh(const struct req *r, const struct cache_meta *m)
{
	return r->w->boot_ms < m->soft_ms && m->created_ms > at(&r->w->region.h->softened_ms) &&
	       m->created_ms > at(&r->run->shared->softened_ms);
}

uint64_t cache_first_ms(const struct req *r)
{
	const _Atomic uint64_t *all[] = {&r->w->region.h->purged_ms, &r->run->shared->purged_ms};
	uint64_t last = floor_ms(r);

	for (size_t i = 0; i < ARRAY_LEN(all); i++)
		last = at(all[i]) > last ? at(all[i]) : last;
	return last == REGION_UNSETTLED ? last : last + 1;
}

int cache_may_keep(const struct req *r)
{
	return at(&r->run->shared->purged_ms) != REGION_UNSETTLED && (!r->stamps.n || floor_ms(r) != REGION_UNSETTLED);
}

/* What is made from now on is later than every purge that is seen by now, in the same millisecond too. */
static void begin_fill(struct req *r)
{
	const _Atomic uint64_t *soft[] = {&r->w->region.h->softened_ms, &r->run->shared->softened_ms};
	uint64_t first = r->first_ms = cache_first_ms(r);

	/* of what may not be kept now nothing is believed later: it is dated before the end of that */
	r->fill_ms = first > r->w->boot_ms && first != REGION_UNSETTLED ? first : r->w->boot_ms;
	r->epoch = cache_epoch_of(&r->w->cache, r->key.h);
	for (size_t i = 0; i < ARRAY_LEN(soft); i++)
		if (at(soft[i]) >= r->fill_ms)
			r->fill_ms = at(soft[i]) + 1;
	tier_mark(r);
}

/* Refresh ahead of expiry with a probability that grows as it nears (XFetch, VLDB 2015). */
static int is_early(struct req *r, uint64_t now_ms)
{
	double u = ((double)(worker_random(r->w) >> 8) + 1) / (double)(1 << 24);

	return (double)now_ms - (double)r->meta.delta_us / 1000 * XFETCH_BETA * log(u) >= (double)r->meta.soft_ms;
}

/* A hit needs none of it: an entry has its own. */
static int load_stamps(struct req *r, struct stamp_set *ret)
{
	const struct cache_policy *c = &r->run->ep->cache;

	int is_all = cachekey_tags(r, c->tags, c->n_tags, ret) == 0;	/* else it is not kept */

	return stamps_load(&r->w->stamps, ret) && is_all;
}

/* All that must be equal for an answer to be another request's, too: stamps, and that nobody has made the key void since,
 * by a purge or by an answer that is not kept. */
uint64_t cache_share_digest(const struct req *r)
{
	uint64_t h = stamps_digest(&r->stamps);

	h = (h ^ r->first_ms) * 0x9e3779b97f4a7c15ull;
	for (int z = 0; z < CACHE_ZONES; z++)
		h = (h ^ h >> 32 ^ r->epoch.of[z]) * 0xbf58476d1ce4e5b9ull;
	return h ^ h >> 29;
}

/* begin_fill was called. */
static enum flight_role join(struct req *r, int can_follow, unsigned *ret_error)
{
	struct flight_ask ask = {.h = r->key.h, .digest = cache_share_digest(r), .first = r->first_ms, .quiet = r->is_quiet, .can_follow = can_follow,
				 .number = r->w->number, .now_ns = clock_mono_ns(), .now_ms = r->w->boot_ms};

	if (!r->arrived_ns)
		r->arrived_ns = ask.now_ns;
	ask.arrived_ns = r->arrived_ns;
	return flight_join(&r->w->flights, &ask, &r->flight, ret_error);
}

int cache_begin_refresh(struct req *r)
{
	struct cache *cache = &r->w->cache;
	struct cache_meta now;
	unsigned error;

	r->w->boot_ms = clock_boot_ms();
	begin_fill(r);
	r->is_quiet = (unsigned char)load_stamps(r, &r->stamps);
	if (join(r, 0, &error) != FLIGHT_OWN)
		return 0;
	r->has_flight = 1;
	/* who flew before us may have landed since we looked */
	if ((cache_get(cache, CACHE_DATA, &r->key, r->w->boot_ms, &now, NULL) == CACHE_FOUND ||
	     cache_get(cache, CACHE_NEGATIVE, &r->key, r->w->boot_ms, &now, NULL) == CACHE_FOUND) &&
	    now.created_ms == r->meta.created_ms)
		return 1;
	cache_land(r, FLIGHT_ABANDONED);
	return 0;
}

int cache_is_awaited(const struct req *r)
{
	return r->has_flight && !r->is_replying && flight_is_awaited(&r->w->flights, r->flight);
}

/* What there is of the key, whatever its age, in the coding that the client takes. */
static enum cache_found find(struct req *r, enum cache_zone *zone)
{
	struct worker *w = r->w;
	enum cache_found found = CACHE_FOUND;

	r->coding = HTTP_IDENTITY;
	*zone = CACHE_DATA;
	/* a conditional request may need no body */
	if (r->if_none_match.n) {
		found = cache_get(&w->cache, *zone, &r->key, w->boot_ms, &r->meta, NULL);
		if (found == CACHE_FOUND && cache_is_condition_met(r))
			return found;
	}
	if (r->accept_encoding.n && r->run->codings && variant_find(r))
		return CACHE_FOUND;
	if (found == CACHE_FOUND)
		found = cache_get(&w->cache, *zone, &r->key, w->boot_ms, &r->meta, &r->out);
	if (found == CACHE_MISS && r->run->ep->cache.negative_ms) {
		*zone = CACHE_NEGATIVE;
		found = cache_get(&w->cache, *zone, &r->key, w->boot_ms, &r->meta, &r->out);
	}
	return found;
}

/* 1 when the request is answered. */
static int look(struct req *r)
{
	struct worker *w = r->w;
	enum cache_zone zone;

	r->out = r->out.cap ? r->out : worker_buf_take(w);
	buf_clear(&r->out);
	if (find(r, &zone) == CACHE_MISS) {
		r->fwd = FWD_MISS;
		return 0;
	}
	if (!cache_holds(r, &r->meta)) {
		cache_drop(&w->cache, zone, &r->key, &r->meta);
		r->fwd = FWD_INVALID;
		r->coding = HTTP_IDENTITY;
		return 0;
	}
	if (w->boot_ms >= r->meta.hard_ms) {
		r->fwd = FWD_STALE;	/* kept for errors only */
		r->coding = HTTP_IDENTITY;
		return 0;
	}
	r->layer = LAYER_L1;
	r->is_stale = !cache_is_fresh(r, &r->meta);
	r->lines_n = r->out.n ? r->meta.head_n : 0;
	r->wants_refresh = r->is_stale || is_early(r, w->boot_ms);
	if (r->meta.status == 404)
		req_fail(r, E_no_row, NULL);
	return 1;
}

/* only-if-cached, and neither tier has it: nobody is to wait for this one. */
static enum step_result absent(struct req *r)
{
	cache_land(r, FLIGHT_ABANDONED);
	return req_fail(r, E_not_cached, NULL);
}

/* Who owns a flight looks again: another one's may have landed between the look and the joining. */
static enum step_result fly(struct req *r)
{
	enum req_fwd why = r->fwd;

	r->has_flight = 1;
	if (!r->asks_anew && look(r)) {
		cache_land(r, FLIGHT_ABANDONED);
		return STEP_DONE;
	}
	r->fwd = why;
	buf_clear(&r->out);
	if (!r->asks_anew && tier_ask(r))
		return STEP_WAIT;
	return r->only_cached ? absent(r) : STEP_NEXT;
}

static void start_waiting(struct req *r)
{
	uint64_t left = remaining_ns(r);

	wheel_start(&r->w->wheel, &r->timer, r->w->front.now_ns + (left / 2 > FOLLOW_MIN_NS ? left / 2 : left));
}

/* 1: r has failed as somebody else has. */
static int tell(struct req *r, unsigned error)
{
	enum err_id id = (enum err_id)(error & ~(unsigned)HAND_WHY);

	if (error & HAND_WHY && !hand_take_why(r, id))
		return 0;
	r->is_told = 1;
	req_fail(r, id, NULL);
	return 1;
}

static enum step_result miss(struct req *r)
{
	unsigned error = 0;
	enum flight_role role;

	buf_clear(&r->out);
	begin_fill(r);
	r->is_quiet = (unsigned char)load_stamps(r, &r->stamps);
	role = join(r, !r->asks_anew && !r->only_cached, &error);
	if (r->only_cached && role != FLIGHT_OWN)
		return absent(r);
	switch (role) {
	case FLIGHT_OWN:
		return fly(r);
	case FLIGHT_FOLLOW:
	case FLIGHT_WAIT:
		if (r->w->n_followers >= WORKER_MAX_FOLLOWERS)
			return req_fail(r, E_overloaded, NULL);
		r->is_waiting = role == FLIGHT_WAIT;
		r->is_following = r->is_collapsed = 1;
		list_add_tail(&r->w->followers, &r->follow_node);
		r->w->n_followers++;
		start_waiting(r);
		metric_add(&r->run->metrics->cache_collapsed, 1);
		return STEP_WAIT;
	case FLIGHT_FAILED:
		if (tell(r, error))
			return STEP_DONE;
		break;
	case FLIGHT_PASS:
		break;
	}
	return STEP_NEXT;
}

int cache_follow_on(struct req *r)
{
	const struct worker *w = r->w;
	int owner = flight_owner(&w->flights, r->flight);
	uint64_t beat;

	/* who only waits for its end still has a query of his own before him */
	if (r->is_waiting || owner < 0 || remaining_ns(r) <= CLOCK_MS)
		return 0;
	if (!w->is_alone && owner != (int)w->number) {
		beat = atomic_load(&region_board(&w->region, (unsigned)owner)->heartbeat_ns);
		if (w->front.now_ns > beat && w->front.now_ns - beat > BEAT_OLD_NS)
			return 0;
	}
	start_waiting(r);
	return 1;
}

void cache_unfollow(struct req *r)
{
	if (!r->is_following)
		return;
	r->is_following = 0;
	list_del(&r->follow_node);
	r->w->n_followers--;
	wheel_stop(&r->w->wheel, &r->timer);
}

/* A follower was woken: its flight has ended, or its owner is dead. */
static enum step_result woken(struct req *r)
{
	enum flight_end end = FLIGHT_STORED;
	unsigned error = 0;
	enum flight_view view = flight_look(&r->w->flights, r->flight, &end, &error);

	if (view == FLIGHT_RUNNING)
		return STEP_WAIT;
	cache_unfollow(r);
	r->w->boot_ms = clock_boot_ms();
	if (r->is_waiting)
		return look(r) ? STEP_DONE : miss(r);
	if (view == FLIGHT_ENDED && end == FLIGHT_ERROR && tell(r, error))
		return STEP_DONE;
	/* another flight may be in the place of the one that left it */
	if ((view == FLIGHT_VOID || end == FLIGHT_HANDED) && hand_take(r))
		return STEP_DONE;
	if (view == FLIGHT_ENDED && (end == FLIGHT_UNCACHEABLE || end == FLIGHT_TOO_BIG)) {
		begin_fill(r);
		r->is_quiet = (unsigned char)stamps_load(&r->w->stamps, &r->stamps);
		return STEP_NEXT;
	}
	return look(r) ? STEP_DONE : miss(r);
}

/* The second tier has answered, or there was no more time for it. */
static enum step_result asked(struct req *r)
{
	if (r->tier_op)
		return STEP_WAIT;
	r->is_tier_asked = 0;
	if (!r->layer && r->only_cached)
		return absent(r);
	if (!r->layer) {
		begin_fill(r);	/* the query begins only now */
		r->is_quiet = (unsigned char)stamps_load(&r->w->stamps, &r->stamps);
		return STEP_NEXT;
	}
	cache_land(r, FLIGHT_STORED);
	r->wants_refresh = r->is_stale = !cache_is_fresh(r, &r->meta);
	return STEP_DONE;
}

int cache_wake(struct worker *w)
{
	struct list *first;
	int has_run = w->has_woken;

	while ((first = list_first(&w->refreshes))) {
		has_run = 1;
		list_del(first);
		req_run(LIST_ENTRY(first, struct req, follow_node));
	}
	if (!w->has_woken)
		return has_run;
	w->has_woken = 0;
	LIST_FOR_SAFE(l, next, &w->followers)
	{
		struct req *r = LIST_ENTRY(l, struct req, follow_node);
		enum flight_end end;
		unsigned error;

		if (flight_look(&w->flights, r->flight, &end, &error) != FLIGHT_RUNNING)
			req_run(r);
	}
	return has_run;
}

/* What the request's Cache-Control wants of us. Others of its directives are not obeyed: how old an answer may be is for the
 * endpoint to say, not for a client that would then decide the load of the database. */
static void obey(struct req *r)
{
	struct http_cc cc;

	http_cc_init(&cc);
	http_cc_parse(&cc, r->cache_control);
	if (r->w->snapshot.options.cache.obey_no_cache && (cc.flags & HTTP_CC_NO_CACHE || cc.max_age == 0)) {
		r->asks_anew = 1;
		r->fwd = FWD_REQUEST;
	}
	r->only_cached = !!(cc.flags & HTTP_CC_ONLY_IF_CACHED);
}

enum step_result step_cache(struct req *r)
{
	struct worker *w = r->w;
	const struct endpoint *ep = r->run->ep;

	if (!w->stamps.n)
		return STEP_NEXT;
	if (ep->n_invalidates) {
		if (cachekey_tags(r, ep->invalidates, ep->n_invalidates, &r->stamps))
			return req_fail(r, E_unavailable, NULL);	/* until the types of tags are known */
		return STEP_NEXT;
	}
	if (!ep->cache.is_on)
		return STEP_NEXT;
	if (r->is_following)
		return woken(r);
	if (r->is_tier_asked)
		return asked(r);
	w->boot_ms = clock_boot_ms();
	if (r->cache_control.n)
		obey(r);
	if (cachekey_make(r))
		return r->only_cached ? absent(r) : STEP_NEXT;
	r->has_key = 1;
	if (!r->asks_anew && look(r))
		return STEP_DONE;
	return miss(r);
}
