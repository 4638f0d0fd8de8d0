/* The headers by which a client sees the cache. What is the same in each answer of an endpoint is made when the worker starts:
 * a hit costs little more than these lines. */
#include "config.h"

#include "lib/base/check.h"
#include "lib/base/num.h"
#include "lib/http/http_cache_status.h"
#include "lib/http/http_cc.h"
#include "workers/variant.h"
#include "workers/worker.h"

/* Of the constant lines, and of the others together: ETag, Age, Cache-Status. */
#define MAX_VARY 1024u
#define LINES_ROOM (2 * HTTP_CC_ROOM + HTTP_CACHE_STATUS_ROOM + HTTP_ETAG_ROOM + 128)

static int64_t seconds(uint64_t ms)
{
	return (int64_t)(ms / 1000);
}

int reply_is_private(const struct endpoint *ep)
{
	const struct cache_policy *c = &ep->cache;

	if (c->is_private || c->is_per_user || c->n_per_claims)
		return 1;
	if (c->is_public)
		return 0;
	for (unsigned i = 0; i < ep->n_includes; i++)
		if (ep->includes[i].target->auth != AUTH_NONE || reply_is_private(ep->includes[i].target))
			return 1;
	return ep->auth != AUTH_NONE;
}

/* Is the answer made for one caller, as far as is known without reading the SQL? A cookie is one caller's, too. */
static int is_ones(const struct endpoint *ep)
{
	const struct cache_policy *c = &ep->cache;

	if (ep->auth != AUTH_NONE || ep->identity_user || ep->identity_rls || ep->n_identity_claims)
		return 1;
	if (c->is_private || c->is_per_user || c->n_per_claims)
		return 1;
	for (unsigned i = 0; i < ep->n_params; i++)
		if (ep->params[i].source == SOURCE_COOKIE)
			return 1;
	for (unsigned i = 0; i < ep->n_includes; i++) {
		const struct include *inc = &ep->includes[i];

		for (unsigned k = 0; k < inc->path.n_parts; k++)
			if (inc->path.parts[k].kind == TAG_USER || inc->path.parts[k].kind == TAG_CLAIM)
				return 1;
		if (is_ones(inc->target))
			return 1;
	}
	return 0;
}

static struct slice keep(struct arena *a, const char *p, size_t n)
{
	return slice_of(arena_strn(a, p, n), n);
}

static void prepare_cache_control(struct endpoint_run *run, struct arena *a)
{
	static const char before[] = "Cache-Control: ", age[] = "max-age=0";
	const struct cache_policy *c = &run->ep->cache;
	char text[sizeof(before) + HTTP_CC_ROOM], *at;
	struct http_cc cc;
	size_t n;

	http_cc_init(&cc);
	cc.flags = run->is_private ? HTTP_CC_PRIVATE : HTTP_CC_PUBLIC;
	cc.max_age = 0;
	if (c->stale_ms)
		cc.stale_while_revalidate = seconds(c->stale_ms);
	if (c->error_ms)
		cc.stale_if_error = seconds(c->error_ms);
	memcpy(text, before, sizeof(before));
	n = http_cc_format(&cc, text + strlen(before)) + strlen(before);
	at = strstr(text, age);
	check(at != NULL);
	at += strlen(age) - 1;	/* the 0 */
	run->cache_control[0] = keep(a, text, (size_t)(at - text));
	run->cache_control[1] = keep(a, at + 1, n - (size_t)(at + 1 - text));
}

/* Headers that the key holds; identity is no matter of Vary: such an answer is private. */
static void add_vary(const struct endpoint_run *run, struct buf *b)
{
	const struct endpoint *ep = run->ep;
	int n = 0, has_cookie = 0;

	for (unsigned i = 0; i < ep->cache.n_per_headers; i++)
		buf_addf(b, "%s%s", n++ ? ", " : "Vary: ", ep->cache.per_headers[i]);
	for (unsigned i = 0; i < ep->n_params; i++) {
		const char *name = ep->params[i].from_name;

		has_cookie |= ep->params[i].source == SOURCE_COOKIE;
		if (ep->params[i].source != SOURCE_HEADER)
			continue;
		buf_adds(b, n++ ? ", " : "Vary: ");
		for (name += strlen("HTTP_"); *name; name++)
			buf_addc(b, *name == '_' ? '-' : *name);
	}
	if (has_cookie)
		buf_adds(b, n++ ? ", Cookie" : "Vary: Cookie");
	if (run->codings)
		buf_adds(b, n++ ? ", Accept-Encoding" : "Vary: Accept-Encoding");
	if (n)
		buf_adds(b, "\r\n");
}

/* The headers that parameters of the endpoint and of its parts come from. */
static void add_header_names(const struct endpoint *ep, struct buf *b)
{
	for (unsigned i = 0; i < ep->n_params; i++) {
		const char *name = ep->params[i].from_name;

		if (ep->params[i].source != SOURCE_HEADER)
			continue;
		buf_adds(b, b->n ? ", " : "Vary: ");
		for (name += strlen("HTTP_"); *name; name++)
			buf_addc(b, *name == '_' ? '-' : *name);
	}
	for (unsigned i = 0; i < ep->n_includes; i++)
		add_header_names(ep->includes[i].target, b);
}

void reply_prepare_plain(struct endpoint_run *run, struct arena *a)
{
	AUTO(buf) struct buf b;

	run->is_ones = is_ones(run->ep);
	for (unsigned i = 0; i < run->ep->n_headers; i++) {
		run->says_cache_control |= strcasecmp(run->ep->headers[i].name, "Cache-Control") == 0;
		run->says_request_id |= strcasecmp(run->ep->headers[i].name, "X-Request-Id") == 0;
	}
	buf_init(&b, 0);
	if (run->ep->method == HTTP_GET)
		add_header_names(run->ep, &b);
	if (b.n > MAX_VARY) {
		buf_clear(&b);
		buf_adds(&b, "Vary: *");
	}
	if (b.n)
		buf_adds(&b, "\r\n");
	run->vary = keep(a, b.p, b.n);
}

int reply_has_line(struct slice lines, struct slice name)
{
	while (lines.n) {
		struct slice line = slice_cut(&lines, '\n');

		if (line.n >= name.n && slice_ieq(slice_of(line.p, name.n), name))
			return 1;
	}
	return 0;
}

void reply_plain_head(struct req *r)
{
	const struct endpoint_run *run = r->run;
	int is_one = (run && run->is_ones) || r->id;

	if (r->error)
		buf_adds(&r->head, is_one ? "Cache-Control: private, no-store\r\n" : "Cache-Control: no-store\r\n");
	else if (!run && r->method != HTTP_OPTIONS)
		buf_adds(&r->head, "Cache-Control: no-store\r\n");	/* our own figures */
	else if (is_one && !(run && run->says_cache_control) && !reply_has_line(buf_slice(&r->handler_head), SLICE("Cache-Control:")))
		buf_adds(&r->head, "Cache-Control: private, no-store\r\n");
	if (run && run->vary.n)
		buf_add(&r->head, run->vary.p, run->vary.n);
}

void reply_prepare(struct endpoint_run *run, const struct opts_cache *o, struct arena *a)
{
	AUTO(buf) struct buf b;

	run->is_private = reply_is_private(run->ep);
	variant_prepare(run, o);
	prepare_cache_control(run, a);
	buf_init(&b, 0);
	add_vary(run, &b);
	buf_adds(&b, HTTP_X_ACCEL_EXPIRES "\r\n");
	run->cache_lines = keep(a, b.p, b.n);
}

/* Behind the text at `at`, whose end is returned; there is room. */
static char *put(char *at, const char *p, size_t n)
{
	memcpy(at, p, n);
	return at + n;
}
#define PUT(at, literal) put(at, literal, sizeof(literal) - 1)

static char *put_status(const struct req *r, char *at)
{
	static const enum http_fwd fwd[] = {[FWD_NONE] = HTTP_FWD_BYPASS, [FWD_MISS] = HTTP_FWD_URI_MISS,
					    [FWD_STALE] = HTTP_FWD_STALE, [FWD_INVALID] = HTTP_FWD_STALE,
					    [FWD_REQUEST] = HTTP_FWD_REQUEST};
	struct http_cache_status s = {.fwd = HTTP_FWD_NONE};
	const struct cache_meta *m = &r->meta;
	uint64_t now = r->w->boot_ms;

	if (likely(r->layer == LAYER_L1 && !r->rescued && !r->is_stale && m->soft_ms > now)) {
		/* what is written below for nearly all */
		at = PUT(at, "Cache-Status: weir; hit; ttl=");
		at += num_put_u64(at, (m->soft_ms - now) / 1000);
		return PUT(at, "; detail=L1\r\n");
	}
	at = PUT(at, "Cache-Status: ");
	if (r->rescued) {
		s.fwd = HTTP_FWD_STALE;
		s.detail = SLICE("error");
	} else if (r->layer) {
		s.has_ttl = 1;
		s.ttl = m->soft_ms > now ? seconds(m->soft_ms - now) : -seconds(now - m->soft_ms + 999);
		if (r->is_stale && s.ttl >= 0)
			s.ttl = -1;	/* a soft purge */
		s.detail = r->layer == LAYER_L1 ? SLICE("L1") : SLICE("L2");
	} else {
		s.fwd = fwd[r->fwd];
		s.is_stored = r->is_stored;
		s.is_collapsed = r->is_collapsed;
		if (r->fwd == FWD_INVALID)
			s.detail = SLICE("invalidated");
	}
	at += http_cache_status_format(&s, at);
	return PUT(at, "\r\n");
}

void reply_cache_head(struct req *r)
{
	const struct endpoint_run *run = r->run;
	const struct cache_meta *m = &r->meta;
	struct buf *b = &r->head;
	uint64_t now = r->w->boot_ms;
	char *at;

	check(buf_reserve(b, LINES_ROOM + run->cache_lines.n) == 0);
	at = b->p + b->n;
	if (!r->layer && !r->has_made) {
		at = put_status(r, PUT(at, "Cache-Control: no-store\r\n"));
		b->n = (size_t)(at - b->p);
		return;
	}
	at = put(at, run->cache_control[0].p, run->cache_control[0].n);
	at += num_put_u64(at, (m->soft_ms - m->created_ms + 500) / 1000);
	at = put(at, run->cache_control[1].p, run->cache_control[1].n);
	at = PUT(at, "\r\n");
	if (!r->error) {
		at = PUT(at, "ETag: ");
		at += http_etag_format(m->etag, r->coding, at);
		at = PUT(at, "\r\n");
	}
	if (r->layer) {
		at = PUT(at, "Age: ");
		at += num_put_u64(at, now > m->created_ms ? (now - m->created_ms) / 1000 : 0);
		at = PUT(at, "\r\n");
	}
	at = put_status(r, at);
	at = put(at, run->cache_lines.p, run->cache_lines.n);
	b->n = (size_t)(at - b->p);
}
