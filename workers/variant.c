#include "config.h"

#include "workers/variant.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/check.h"
#include "lib/base/clock.h"
#include "lib/http/http_encode.h"
#include "workers/worker.h"

#define JOBS_MAX 2u	/* of a worker at a time: the pool's threads also connect to databases */
#define GZIP_LEVEL 6
#define BR_LEVEL 5
#define FLAG_NOT_WORTH 1u	/* of an entry without a body: the coding does not make it smaller */

_Static_assert(HTTP_CODINGS <= CACHE_CODINGS, "a coding is a number of a variant's key");

struct job {
	uv_work_t uv;
	struct worker *w;
	struct endpoint_run *run;
	enum http_coding coding;
	struct cache_meta meta;		/* of the answer */
	struct cache_key key;		/* of the answer; its text lies behind this struct */
	struct buf in;			/* meta.head_n bytes of header lines, then the body */
	struct buf out;
	int rc;
	struct flight_ref flight;
	char text[];
};

void variant_prepare(struct endpoint_run *run, const struct opts_cache *o)
{
	enum endpoint_compress how = run->ep->compress;

	if (o->compress == COMPRESS_OFF || how == COMPRESS_NO || (how == COMPRESS_UNSAID && run->is_private))
		return;
	run->codings = HTTP_CODING_BIT(HTTP_GZIP) | (o->compress == COMPRESS_BR ? HTTP_CODING_BIT(HTTP_BR) : 0);
	run->compress_min = o->compress_min;
}

static enum http_coding accepted(struct req *r)
{
	if (!r->is_accept_read)
		r->accepts = http_coding_choose(r->accept_encoding, r->run->codings);
	r->is_accept_read = 1;
	return r->accepts;
}

int variant_find(struct req *r)
{
	struct worker *w = r->w;
	struct cache_meta *m = &r->meta;
	char room[CACHE_MAX_KEY];
	struct cache_key key;

	if (!atomic_load_explicit(&r->run->shared->has_large, memory_order_relaxed) || accepted(r) == HTTP_IDENTITY ||
	    cache_variant_key(&w->cache, &r->key, r->accepts, room, &key) ||
	    cache_get(&w->cache, CACHE_DATA, &key, w->boot_ms, m, &r->out) == CACHE_MISS)
		return 0;
	if (!cache_holds(r, m)) {
		cache_drop(&w->cache, CACHE_DATA, &key, m);
	} else if (cache_is_fresh(r, m)) {
		r->coding = m->flags & FLAG_NOT_WORTH ? HTTP_IDENTITY : r->accepts;
		if (r->coding)
			return 1;
		r->accepts = HTTP_IDENTITY;	/* nor try it again */
	}
	buf_clear(&r->out);
	return 0;
}

void variant_consider(struct req *r)
{
	int is_kept = r->layer ? !r->is_stale && !r->rescued : r->is_stored;

	if (!r->accept_encoding.n || !r->run->codings || r->coding || r->is_not_modified || !is_kept ||
	    r->out.n - r->lines_n < r->run->compress_min)
		return;
	atomic_store_explicit(&r->run->shared->has_large, 1, memory_order_relaxed);
	r->wants_variant = accepted(r) != HTTP_IDENTITY;
}

/* In a thread. What does not become a tenth smaller is not worth the client's work. */
static void on_work(uv_work_t *uv)
{
	struct job *j = uv->data;
	struct slice body = slice_of(j->in.p + j->meta.head_n, j->in.n - j->meta.head_n);

	buf_init(&j->out, body.n - body.n / 10);
	j->rc = http_encode(j->coding, j->coding == HTTP_BR ? BR_LEVEL : GZIP_LEVEL, body, &j->out);
}

/* Is the answer that was compressed still the one that is kept? */
static int is_current(struct worker *w, const struct job *j)
{
	struct cache_meta now;

	return cache_get(&w->cache, CACHE_DATA, &j->key, w->boot_ms, &now, NULL) == CACHE_FOUND &&
	       now.created_ms == j->meta.created_ms && memcmp(now.etag, j->meta.etag, sizeof(now.etag)) == 0 &&
	       stamps_hold(&w->stamps, &now.stamps);
}

static void finish_flight(struct worker *w, struct flight_ref flight, enum flight_end end)
{
	struct flight_outcome o = {.end = end, .now_ms = w->boot_ms};
	uint64_t mask[2];

	/* nobody follows */
	flight_finish(&w->flights, flight, w->number, &o, mask);
}

static void on_done(uv_work_t *uv, int status)
{
	struct job *j = uv->data;
	struct worker *w = j->w;
	struct slice pieces[2] = {slice_of(j->in.p, j->meta.head_n), buf_slice(&j->out)};
	enum flight_end end = FLIGHT_ABANDONED;
	char room[CACHE_MAX_KEY];
	struct cache_key key;
	struct cache_epoch since;
	int has_key;

	(void)status;
	w->n_jobs--;
	w->n_variants--;
	w->boot_ms = clock_boot_ms();
	j->meta.coding = (uint8_t)j->coding;
	j->meta.flags = j->rc ? FLAG_NOT_WORTH : 0;
	if (j->rc)
		pieces[0].n = pieces[1].n = j->meta.head_n = 0;
	memset(&since, 0, sizeof(since));
	has_key = cache_variant_key(&w->cache, &j->key, j->coding, room, &key) == 0;
	if (has_key)
		since = cache_epoch_of(&w->cache, key.h);	/* before the answer is looked for: it is made void first */
	if (has_key && is_current(w, j) &&
	    cache_put_since(&w->cache, CACHE_DATA, &key, &j->meta, pieces, 2, w->boot_ms, &since) == 0) {
		end = FLIGHT_STORED;
		metric_add(&j->run->metrics->cache_variants, 1);
	}
	finish_flight(w, j->flight, end);
	buf_done(&j->in);
	buf_done(&j->out);
	free(j);
}

/* One compresses, of all workers. */
static int may_fly(struct req *r, struct flight_ref *ret)
{
	struct worker *w = r->w;
	struct stamp_set set = r->meta.stamps;
	char room[CACHE_MAX_KEY];
	struct cache_key key;
	struct cache_meta there;
	unsigned error;
	struct flight_ask ask = {.h = key.h, .digest = stamps_digest(&set), .quiet = 1, .number = w->number, .now_ms = w->boot_ms};

	if (!stamps_hold(&w->stamps, &set) || cache_variant_key(&w->cache, &r->key, r->accepts, room, &key) ||
	    flight_join(&w->flights, &ask, ret, &error) != FLIGHT_OWN)
		return 0;
	if (cache_get(&w->cache, CACHE_DATA, &key, w->boot_ms, &there, NULL) == CACHE_MISS ||
	    there.created_ms != r->meta.created_ms)
		return 1;
	finish_flight(w, *ret, FLIGHT_ABANDONED);	/* another one was faster */
	return 0;
}

/* As it is kept: an answer that was just made has its lines in the reply only. */
static void take_answer(struct req *r, struct buf *out)
{
	if (r->lines_n == r->meta.head_n) {
		*out = r->out;
		buf_init(&r->out, 0);
		return;
	}
	buf_init(out, 0);
	check(reply_lines(r, out) == 0 && out->n == r->meta.head_n);	/* it has just made them */
	buf_add(out, r->out.p, r->out.n);
}

void variant_make(struct req *r)
{
	struct worker *w = r->w;
	struct flight_ref flight;
	struct job *j;

	if (w->n_variants >= JOBS_MAX || w->is_draining || !may_fly(r, &flight))
		return;
	j = calloc(1, sizeof(*j) + r->key.text.n);
	if (!j)
		abort();
	j->w = w;
	j->run = r->run;
	j->coding = r->accepts;
	j->meta = r->meta;
	j->key = r->key;
	memcpy(j->text, r->key.text.p, r->key.text.n);
	j->key.text.p = j->text;
	take_answer(r, &j->in);
	check(j->in.n >= j->meta.head_n);
	j->flight = flight;
	j->uv.data = j;
	w->n_jobs++;
	w->n_variants++;
	check(uv_queue_work(&w->loop, &j->uv, on_work, on_done) == 0);
}
