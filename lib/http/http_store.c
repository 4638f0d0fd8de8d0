#include "config.h"

#include "lib/http/http_store.h"

#include "lib/http/http_date.h"

void http_cc_of(const struct http_fields *f, struct http_cc *ret)
{
	struct slice line;
	unsigned at = 0;

	http_cc_init(ret);
	while ((line = http_field_next(f, SLICE("Cache-Control"), &at)).p)
		http_cc_parse(ret, line);
}

int http_status_is_understood(int status)
{
	static const short known[] = {200, 203, 204, 300, 301, 302, 303, 307, 308, 400, 403, 404, 405, 410, 414, 500, 501, 502, 503, 504};

	for (size_t i = 0; i < ARRAY_LEN(known); i++)
		if (known[i] == status)
			return 1;
	return 0;
}

int http_status_is_heuristic(int status)
{
	static const short known[] = {200, 203, 204, 300, 301, 308, 404, 405, 410, 414, 501};

	for (size_t i = 0; i < ARRAY_LEN(known); i++)
		if (known[i] == status)
			return 1;
	return 0;
}

int http_method_is_safe(struct slice method)
{
	static const char *const safe[] = {"GET", "HEAD", "OPTIONS", "TRACE", "PROPFIND", "REPORT", "SEARCH", "QUERY", "PRI"};

	for (size_t i = 0; i < ARRAY_LEN(safe); i++)
		if (slice_eq(method, slice_str(safe[i])))
			return 1;
	return 0;
}

/* RFC 9111 5.1: the first member of a list counts. What is no number should be ignored, says the RFC; it means that a cache on the way
 * has held the answer for a time nobody knows, and here it counts as very old. */
static int64_t age_of(const struct http_fields *f)
{
	struct slice line = http_field_find(f, SLICE("Age")), v;
	int64_t n = 0;

	if (!line.p)
		return 0;
	v = slice_trim(slice_cut(&line, ','));
	if (!v.n)
		return HTTP_DELTA_MAX;
	for (size_t i = 0; i < v.n; i++) {
		if (v.p[i] < '0' || v.p[i] > '9')
			return HTTP_DELTA_MAX;
		n = n * 10 + (v.p[i] - '0');
		if (n > HTTP_DELTA_MAX)
			n = HTTP_DELTA_MAX;
	}
	return n;
}

static int64_t capped(uint64_t seconds)
{
	return seconds < HTTP_DELTA_MAX ? (int64_t)seconds : HTTP_DELTA_MAX;
}

static int64_t lifetime_of(const struct http_exchange *x, const struct http_cc *cc, uint64_t date)
{
	struct slice expires = http_field_find(x->response, SLICE("Expires"));
	struct slice modified = http_field_find(x->response, SLICE("Last-Modified"));
	uint64_t t;
	int64_t guess;

	if (cc->flags & HTTP_CC_NO_CACHE)
		return 0;
	if (cc->s_maxage != HTTP_CC_ABSENT)
		return cc->s_maxage;
	if (cc->max_age != HTTP_CC_ABSENT)
		return cc->max_age;
	/* a value that is no date, "0" above all, is in the past (RFC 9111 5.3) */
	if (expires.p)
		return http_date_parse(expires, x->response_wall, &t) || t <= date ? 0 : capped(t - date);
	if (!http_status_is_heuristic(x->status) && !(http_status_is_understood(x->status) && (cc->flags & HTTP_CC_PUBLIC)))
		return 0;
	if (!modified.p || http_date_parse(modified, x->response_wall, &t) || t >= date)
		return 0;
	guess = capped((date - t) / 10);
	return guess < HTTP_HEURISTIC_MAX ? guess : HTTP_HEURISTIC_MAX;
}

static int varies_by_all(const struct http_fields *f)
{
	struct slice line;
	unsigned at = 0;

	while ((line = http_field_next(f, SLICE("Vary"), &at)).p)
		if (http_list_has(line, SLICE("*")))
			return 1;
	return 0;
}

/* RFC 9111 section 3, in its order. */
static int may_store(const struct http_exchange *x, const struct http_cc *cc)
{
	struct http_cc asked;
	int has_lifetime = cc->max_age != HTTP_CC_ABSENT || cc->s_maxage != HTTP_CC_ABSENT ||
			   http_field_find(x->response, SLICE("Expires")).p;

	http_cc_of(x->request, &asked);
	if (!slice_eq(x->method, SLICE("GET")) || x->status < 200 || x->status > 599 || x->status == 206 || x->status == 304)
		return 0;
	if (cc->flags & HTTP_CC_MUST_UNDERSTAND) {
		if (!http_status_is_understood(x->status))
			return 0;
	} else if (cc->flags & HTTP_CC_NO_STORE) {
		return 0;
	}
	if ((asked.flags & HTTP_CC_NO_STORE) || (cc->flags & HTTP_CC_PRIVATE))
		return 0;
	if (http_field_find(x->request, SLICE("Authorization")).p &&
	    !(cc->flags & (HTTP_CC_PUBLIC | HTTP_CC_MUST_REVALIDATE)) && cc->s_maxage == HTTP_CC_ABSENT)
		return 0;
	if (http_field_find(x->response, SLICE("Set-Cookie")).p || varies_by_all(x->response))
		return 0;
	return has_lifetime || (cc->flags & HTTP_CC_PUBLIC) || http_status_is_heuristic(x->status);
}

int http_policy_make(const struct http_exchange *x, struct http_policy *ret)
{
	struct slice text = http_field_find(x->response, SLICE("Date"));
	uint64_t now = x->response_wall, date;
	int64_t delay = now > x->request_wall ? capped(now - x->request_wall) : 0, apparent, corrected;
	struct http_cc cc;

	http_cc_of(x->response, &cc);
	if (!http_field_find(x->response, SLICE("Cache-Control")).p &&
	    http_list_has(http_field_find(x->response, SLICE("Pragma")), SLICE("no-cache")))
		cc.flags |= HTTP_CC_NO_CACHE;
	if (!may_store(x, &cc))
		return 0;
	if (!text.p || http_date_parse(text, now, &date))
		date = now;
	apparent = now > date ? capped(now - date) : 0;
	corrected = age_of(x->response) + delay;
	*ret = (struct http_policy){
	    .lifetime = lifetime_of(x, &cc, date),
	    .initial_age = apparent > corrected ? apparent : corrected,
	    .stale_while_revalidate = cc.stale_while_revalidate > 0 ? cc.stale_while_revalidate : 0,
	    .stale_if_error = cc.stale_if_error > 0 ? cc.stale_if_error : 0,
	    .flags = cc.flags,
	    .is_strict = cc.s_maxage != HTTP_CC_ABSENT ||
			 (cc.flags & (HTTP_CC_MUST_REVALIDATE | HTTP_CC_PROXY_REVALIDATE | HTTP_CC_NO_CACHE))};
	return 1;
}

int64_t http_policy_age(const struct http_policy *p, int64_t resident)
{
	return p->initial_age + (resident > 0 ? resident : 0);
}

enum http_reuse http_policy_reuse(const struct http_policy *p, const struct http_fields *request, int obeys_request, int64_t resident)
{
	int64_t age = http_policy_age(p, resident), stale_by = age - p->lifetime;
	struct http_cc asked;

	if (p->flags & HTTP_CC_NO_CACHE)
		return HTTP_REUSE_VALIDATE;
	http_cc_init(&asked);
	if (obeys_request) {
		http_cc_of(request, &asked);
		if (!http_field_find(request, SLICE("Cache-Control")).p &&
		    http_list_has(http_field_find(request, SLICE("Pragma")), SLICE("no-cache")))
			asked.flags |= HTTP_CC_NO_CACHE;
		if ((asked.flags & (HTTP_CC_NO_CACHE | HTTP_CC_NO_CACHE_FIELDS)) ||
		    (asked.max_age != HTTP_CC_ABSENT && age > asked.max_age) ||
		    (asked.min_fresh != HTTP_CC_ABSENT && -stale_by < asked.min_fresh))
			return HTTP_REUSE_VALIDATE;
	}
	if (stale_by < 0)
		return HTTP_REUSE_FRESH;
	if (p->is_strict)
		return HTTP_REUSE_VALIDATE;
	if ((asked.flags & HTTP_CC_ANY_STALE) || asked.max_stale >= stale_by)
		return HTTP_REUSE_STALE;
	return stale_by < p->stale_while_revalidate ? HTTP_REUSE_REFRESH : HTTP_REUSE_VALIDATE;
}

int http_policy_on_error(const struct http_policy *p, int64_t resident, int64_t grace)
{
	int64_t stale_by = http_policy_age(p, resident) - p->lifetime;

	return !p->is_strict && stale_by < (p->stale_if_error ? p->stale_if_error : grace);
}
