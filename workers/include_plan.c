/* What is known of a part before a request comes: its member's name and, when its target names only constants, the
 * values that its parameters were found to have, so that a constant is read, routed and checked once and not in each
 * request. They hold as long as the description of the statement that they were checked by. */
#include "config.h"

#include <string.h>

#include "lib/pg/db.h"
#include "workers/include.h"
#include "workers/worker.h"

static int is_constant(const struct tag_template *t)
{
	for (unsigned i = 0; i < t->n_parts; i++)
		if (t->parts[i].kind != TAG_TEXT)
			return 0;
	return 1;
}

static void prepare(struct worker *w, const struct include *inc, struct include_plan *plan)
{
	struct arena *a = &w->route.arena;
	struct slice rest;
	char *uri;
	size_t n = 0;

	plan->member = slice_str(arena_fmt(a, ",\"%s\":", inc->name));
	plan->is_constant = is_constant(&inc->path);
	if (!plan->is_constant)
		return;
	for (unsigned i = 0; i < inc->path.n_parts; i++)
		n += inc->path.parts[i].text.n;
	uri = arena_alloc(a, n + 1);
	n = 0;
	for (unsigned i = 0; i < inc->path.n_parts; i++) {
		memcpy(uri + n, inc->path.parts[i].text.p, inc->path.parts[i].text.n);
		n += inc->path.parts[i].text.n;
	}
	uri[n] = 0;
	rest = plan->uri = slice_of(uri, n);
	plan->path = slice_cut(&rest, '?');
	plan->query = rest.p ? rest : (struct slice){NULL, 0};
}

void include_prepare(struct worker *w, struct endpoint_run *run)
{
	const struct endpoint *ep = run->ep;

	if (!ep->n_includes)
		return;
	run->plans = arena_zalloc(&w->route.arena, ep->n_includes * sizeof(*run->plans));
	for (unsigned i = 0; i < ep->n_includes; i++)
		prepare(w, &ep->includes[i], &run->plans[i]);
}

static const struct db_stmt *stmt_of(const struct endpoint_run *run, unsigned variant)
{
	return db_pool_stmt(run->pool, run->first_stmt + variant);
}

int include_recall(struct req *p)
{
	const struct include_plan *plan = p->plan;
	const struct endpoint *ep;

	if (!plan->run || stmt_of(plan->run, plan->variant)->serial != plan->serial)
		return 0;
	ep = plan->run->ep;
	p->run = plan->run;
	p->variant = plan->variant;
	p->values = plan->values;
	p->takes = plan->takes;
	memcpy(p->path_values, plan->path_values, ep->n_params * sizeof(*p->path_values));
	p->is_planned = 1;
	return 1;
}

/* Does nothing that the caller sends reach the endpoint's parameters? */
static int is_closed(const struct endpoint *ep)
{
	for (unsigned i = 0; i < ep->n_params; i++)
		if (ep->params[i].source == SOURCE_HEADER || ep->params[i].source == SOURCE_COOKIE ||
		    ep->params[i].source == SOURCE_USER || ep->params[i].source == SOURCE_CLAIM)
			return 0;
	return 1;
}

static int is_same(const struct include_plan *plan, const struct req *p)
{
	if (plan->run != p->run || plan->variant != p->variant)
		return 0;
	for (unsigned i = 0; i < p->run->ep->n_values; i++) {
		const char *a = plan->values[i], *b = p->values[i];

		if (!a != !b || (a && strcmp(a, b) != 0))
			return 0;
	}
	return 1;
}

void include_learn(struct req *p)
{
	struct include_plan *plan = p->plan;
	struct arena *a = &p->w->route.arena;
	const struct endpoint *ep = p->run->ep;
	const struct db_stmt *s;

	if (!p->run->pool || !is_closed(ep))
		return;
	s = stmt_of(p->run, p->variant);
	if (!s->desc || s->is_stale)
		return;
	/* parts under way read the old values: they stay, and are as many as a change of types has made others of them */
	if (!is_same(plan, p)) {
		plan->run = p->run;
		plan->variant = p->variant;
		plan->values = arena_zalloc(a, (ep->n_values + 1) * sizeof(*plan->values));
		for (unsigned i = 0; i < ep->n_values; i++)
			if (p->values[i])
				plan->values[i] = arena_strn(a, p->values[i], strlen(p->values[i]));
		plan->path_values = arena_zalloc(a, (ep->n_params + 1) * sizeof(*plan->path_values));
		for (unsigned i = 0; i < ep->n_segments; i++) {
			int k = ep->segments[i].param;

			if (k >= 0)
				plan->path_values[k] = slice_of(arena_strn(a, p->path_values[k].p, p->path_values[k].n),
								p->path_values[k].n);
		}
	}
	plan->serial = s->serial;
	plan->takes = p->takes;
}
