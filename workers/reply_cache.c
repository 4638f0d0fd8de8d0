/* The headers by which a client sees the cache. */
#include "config.h"

#include "lib/base/num.h"
#include "lib/http/http_cache_status.h"
#include "lib/http/http_cc.h"
#include "workers/worker.h"

static int64_t seconds(uint64_t ms)
{
	return (int64_t)(ms / 1000);
}

static void put(struct buf *b, const char *name, const char *value, size_t n)
{
	buf_adds(b, name);
	buf_adds(b, ": ");
	buf_add(b, value, n);
	buf_adds(b, "\r\n");
}

static void cache_control(struct req *r)
{
	const struct cache_policy *c = &r->run->ep->cache;
	const struct cache_meta *m = &r->meta;
	struct http_cc cc;
	char text[HTTP_CC_ROOM];

	http_cc_init(&cc);
	cc.flags = c->is_private || c->is_per_user || c->n_per_claims || (r->run->ep->auth != AUTH_NONE && !c->is_public)
		       ? HTTP_CC_PRIVATE
		       : HTTP_CC_PUBLIC;
	cc.max_age = seconds(m->soft_ms - m->created_ms + 500);
	if (c->stale_ms)
		cc.stale_while_revalidate = seconds(c->stale_ms);
	if (c->error_ms)
		cc.stale_if_error = seconds(c->error_ms);
	put(&r->head, "Cache-Control", text, http_cc_format(&cc, text));
}

static void cache_status(struct req *r)
{
	static const enum http_fwd fwd[] = {[FWD_NONE] = HTTP_FWD_BYPASS, [FWD_MISS] = HTTP_FWD_URI_MISS,
					    [FWD_STALE] = HTTP_FWD_STALE, [FWD_INVALID] = HTTP_FWD_STALE,
					    [FWD_REQUEST] = HTTP_FWD_REQUEST};
	struct http_cache_status s = {.fwd = HTTP_FWD_NONE};
	const struct cache_meta *m = &r->meta;
	uint64_t now = r->w->boot_ms;
	char text[HTTP_CACHE_STATUS_ROOM];

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
	put(&r->head, "Cache-Status", text, http_cache_status_format(&s, text));
}

/* Headers that the key holds; identity is no matter of Vary: such an answer is private. */
static void vary(struct req *r)
{
	const struct endpoint *ep = r->run->ep;
	struct buf *b = &r->head;
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
	if (n)
		buf_adds(b, "\r\n");
}

void reply_cache_head(struct req *r)
{
	struct buf *b = &r->head;
	char text[24], tag[HTTP_ETAG_ROOM];

	if (!r->layer && !r->has_made) {
		buf_adds(b, "Cache-Control: no-store\r\n");
		cache_status(r);
		return;
	}
	cache_control(r);
	if (!r->error)
		put(b, "ETag", tag, http_etag_format(r->meta.etag, HTTP_IDENTITY, tag));
	if (r->layer)
		put(b, "Age", text, num_put_u64(text, (uint64_t)seconds(r->w->boot_ms > r->meta.created_ms ? r->w->boot_ms - r->meta.created_ms : 0)));
	cache_status(r);
	vary(r);
	buf_adds(b, HTTP_X_ACCEL_EXPIRES "\r\n");
}
