/* condition: If-Match and If-None-Match of a request that would change something are judged by what GET of its path answers
 * this caller now: the database is asked for that, whatever is cached. The change follows in a transaction of its own.
 * Of writes with a condition one at a time passes: when the comparison has been made, a write begins under its tags, and if anybody
 * has written, or writes, under those of them that the GET has since its statement was sent, it lets go and compares again. What
 * has no condition, or is not of this host, is not held up by that (weir-endpoint(7) says what helps).
 * The entity tags of all codings of a body stand for one state: any of them will do. */
#include "config.h"

#include "workers/condition.h"

#include "lib/base/clock.h"
#include "workers/cachekey.h"
#include "workers/include.h"
#include "workers/intent.h"
#include "workers/worker.h"

#define BACK_OFF_NS (20 * CLOCK_MS)	/* at most, about what a write takes */

static int is_any(struct slice list)
{
	return slice_eq(slice_trim(list), SLICE("*"));
}

/* etag NULL: the answer has none. */
static int is_match(struct slice list, const uint8_t *etag)
{
	char tag[HTTP_ETAG_ROOM];

	for (int c = 0; etag && c < HTTP_CODINGS; c++)
		if (http_if_match(list, slice_of(tag, http_etag_format(etag, (enum http_coding)c, tag))))
			return 1;
	return 0;
}

static int is_none_match(struct slice list, const uint8_t *etag)
{
	char tag[HTTP_ETAG_ROOM];

	return !etag || !http_if_none_match(list, slice_of(tag, http_etag_format(etag, HTTP_IDENTITY, tag)));
}

void condition_of_get(struct req *r)
{
	if (is_any(r->if_match) || (r->has_key && (r->layer || r->has_made) && is_match(r->if_match, r->meta.etag)))
		return;
	req_fail(r, E_precondition_failed, NULL);
}

/* Nobody can tell whether the condition holds. Without a tag that was ever given for this path, only that none matches is sure. */
static enum step_result unknown(struct req *r)
{
	if (!r->if_match.n && !is_any(r->if_none_match))
		return STEP_NEXT;
	return req_fail(r, E_precondition_failed, "The condition cannot be judged: GET of this path does not answer you.");
}

/* The write begins, unless another one came between. */
static int begin_alone(struct req *r, const struct stamp_set *read)
{
	const struct endpoint *ep = r->run->ep;
	struct stamp_set both = {.n = 0};
	struct intent *i;

	if (!r->w->stamps.n || !ep->n_invalidates)
		return 1;
	if (cachekey_tags(r, ep->invalidates, ep->n_invalidates, &r->stamps))
		return 0;
	for (uint32_t k = 0; k < read->n; k++)
		for (uint32_t m = 0; m < r->stamps.n; m++)
			if (read->slot[k] == r->stamps.slot[m]) {
				both.slot[both.n] = read->slot[k];
				both.gen[both.n++] = read->gen[k];
			}
	if (!both.n)
		return 1;
	i = intent_new(r->w, &r->stamps, r->run->ep->variants[r->variant].sql);
	intent_begin(i);
	if (!intent_is_alone(i, &both)) {
		intent_end(&i, 1, 0);
		return 0;
	}
	r->q.intent = i;
	return 1;
}

static enum step_result compare_again(struct req *r)
{
	uint64_t now = r->w->front.now_ns;

	if (now >= r->deadline_ns)
		return req_fail(r, E_serialization, NULL);
	r->is_backing_off = 1;
	wheel_start(&r->w->wheel, &r->timer, now + worker_random(r->w) % BACK_OFF_NS);
	return STEP_WAIT;
}

static enum step_result judge(struct req *r)
{
	const struct part *p = &r->parts[0];
	int exists = !p->error, holds = 1;
	const uint8_t *etag = exists && p->has_etag ? p->etag : NULL;
	enum err_id error = p->error;
	struct stamp_set read = p->stamps;

	if (r->if_match.n)
		holds = is_any(r->if_match) ? exists : is_match(r->if_match, etag);
	if (r->if_none_match.n)
		holds = holds && (is_any(r->if_none_match) ? !exists : is_none_match(r->if_none_match, etag));
	include_forget(r);
	if (error && err_row(error)->status >= 500)
		return req_fail(r, error, NULL);
	if (error && error != E_no_row)
		return unknown(r);
	if (!holds)
		return req_fail(r, E_precondition_failed, NULL);
	return begin_alone(r, &read) ? STEP_NEXT : compare_again(r);
}

enum step_result step_condition(struct req *r)
{
	struct route_match m;

	if (likely(!r->if_match.n && !r->if_none_match.n) || r->run->ep->method == HTTP_GET || r->run->handler)
		return STEP_NEXT;
	if (r->is_backing_off)
		return STEP_WAIT;
	if (!r->n_parts) {
		route_find(&r->w->route, HTTP_GET, r->path, &r->arena, &m);
		if (!m.run || m.run->handler)
			return unknown(r);
		include_get(r, m.run->ep);
	}
	return r->n_pending ? STEP_WAIT : judge(r);
}
