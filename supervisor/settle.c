#include "config.h"

#include "supervisor/settle.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/check.h"
#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/conf/tag.h"
#include "supervisor/reload.h"
#include "supervisor/weird.h"

static uint64_t later(uint64_t last, const _Atomic uint64_t *ms)
{
	uint64_t t = atomic_load(ms);

	return t > last && t != REGION_UNSETTLED ? t : last;
}

uint64_t settle_purge_time(const struct region *r)
{
	uint64_t t = clock_boot_ms(), last = later(later(0, &r->h->purged_ms), &r->h->softened_ms);

	for (unsigned i = 0; i < region_endpoints_used(r); i++)
		last = later(later(last, &region_endpoint(r, i)->purged_ms), &region_endpoint(r, i)->softened_ms);
	return t > last ? t : last + 1;
}

void settle_purge_row(struct region *r, unsigned row, uint64_t ms)
{
	struct region_endpoint *e = region_endpoint(r, row);

	if (atomic_load(&e->purged_ms) != REGION_UNSETTLED)
		atomic_store(&e->purged_ms, ms);
}

void settle_unknown(struct weird *w)
{
	if (!w->has_monitor || !w->region.plan.n_stamps || !w->region.plan.cache_bytes)
		return;		/* nobody would find out */
	atomic_store(&w->region.h->unsettled_ns, clock_mono_ns());
	for (unsigned i = 0; i < w->region.plan.n_databases; i++)
		atomic_store(&region_db(&w->region, i)->cache_floor_ms, REGION_UNSETTLED);
}

/* ---- what a reload changes ---- */

static const struct endpoint *find(const struct generation *g, unsigned row)
{
	for (unsigned i = 0; i < g->s.endpoints.n; i++)
		if (g->s.endpoints.v[i]->metric == row)
			return g->s.endpoints.v[i];
	return NULL;
}

static int has_tag(const struct tag_template *tags, unsigned n, const char *text)
{
	for (unsigned i = 0; i < n; i++)
		if (strcmp(tags[i].text, text) == 0)
			return 1;
	return 0;
}

static int is_same_tags(const struct tag_template *a, unsigned n, const struct tag_template *b, unsigned m)
{
	for (unsigned i = 0; i < n; i++)
		if (!has_tag(b, m, a[i].text))
			return 0;
	return n == m;
}

/* May one of the tags, which is in one list only, be a tag of the endpoint? */
static int meets(const struct endpoint *ep, const struct tag_template *only, unsigned n, const struct tag_template *other, unsigned m)
{
	for (unsigned i = 0; i < n; i++)
		for (unsigned k = 0; k < ep->cache.n_tags && !has_tag(other, m, only[i].text); k++)
			if (tag_meets(&only[i], &ep->cache.tags[k]))
				return 1;
	return 0;
}

/* Does a write that both generations know make other answers of this endpoint void in the one than in the other? */
static int is_written_otherwise(const struct endpoint *ep, const struct generation *old, const struct generation *next)
{
	for (unsigned i = 0; i < next->s.endpoints.n; i++) {
		const struct endpoint *b = next->s.endpoints.v[i], *a = b->method == HTTP_GET ? NULL : find(old, b->metric);

		if (a && (meets(ep, b->invalidates, b->n_invalidates, a->invalidates, a->n_invalidates) ||
			  meets(ep, a->invalidates, a->n_invalidates, b->invalidates, b->n_invalidates)))
			return 1;
	}
	return 0;
}

static int is_tagged(const struct endpoint *ep)
{
	if (ep->cache.n_tags)
		return 1;
	for (unsigned i = 0; i < ep->n_includes; i++)
		if (is_tagged(ep->includes[i].target))
			return 1;
	return 0;
}

/* Of a whole also by its parts, whose tags it has. */
static int is_tagged_otherwise(const struct endpoint *b, const struct generation *old, const struct generation *next)
{
	const struct endpoint *a = find(old, b->metric);

	if (!a || !a->cache.is_on || a->database != b->database ||
	    !is_same_tags(a->cache.tags, a->cache.n_tags, b->cache.tags, b->cache.n_tags) || is_written_otherwise(b, old, next))
		return 1;
	for (unsigned i = 0; i < b->n_includes; i++)
		if (is_tagged_otherwise(b->includes[i].target, old, next))
			return 1;
	return 0;
}

void settle_begin(struct weird *w, const struct generation *old, const struct generation *next)
{
	if (!w->region.plan.n_stamps)
		return;
	for (unsigned i = 0; i < next->s.endpoints.n; i++) {
		const struct endpoint *b = next->s.endpoints.v[i];

		if (!b->cache.is_on || !is_tagged(b) || !is_tagged_otherwise(b, old, next))
			continue;
		atomic_store(&region_endpoint(&w->region, b->metric)->purged_ms, REGION_UNSETTLED);
		w->is_unsettled = 1;
	}
}

/* ---- its end ---- */

void settle_ended(struct weird *w, int is_clean)
{
	w->is_unclean |= w->is_unsettled && !is_clean;
	settle_check(w);
}

void settle_check(struct weird *w)
{
	uint64_t now_ms;

	if (!w->is_unsettled || reload_is_active(w))
		return;
	for (unsigned i = 0; i < w->n_numbers; i++)
		if (w->children[i].pid && w->children[i].gen != w->gen)
			return;
	/* one of them may have left a COMMIT behind, under tags that its own list did not have */
	if (w->is_unclean)
		settle_unknown(w);
	now_ms = settle_purge_time(&w->region);
	for (unsigned i = 0; i < region_endpoints_used(&w->region); i++) {
		struct region_endpoint *e = region_endpoint(&w->region, i);

		if (atomic_load(&e->purged_ms) == REGION_UNSETTLED)
			atomic_store(&e->purged_ms, now_ms);
	}
	w->is_unsettled = w->is_unclean = 0;
	log_debug("cache: the tags that the reload changed are served again");
}
