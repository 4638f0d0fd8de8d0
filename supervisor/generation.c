/* generation: one validated configuration and who still runs on it. */
#include "config.h"
#include "supervisor/weird.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/check.h"

struct generation *generation_new(void)
{
	struct generation *g = calloc(1, sizeof(*g));

	check(g);
	g->memfd = -1;
	g->refs = 1;
	return g;
}

struct generation *generation_ref(struct generation *g)
{
	g->refs++;
	return g;
}

void generation_unref(struct generation **gp)
{
	struct generation *g = *gp;

	*gp = NULL;
	if (!g || --g->refs)
		return;
	if (g->memfd >= 0)
		close(g->memfd);
	snapshot_done(&g->s);
	free(g);
}

static void route_text(const struct endpoint *ep, char *out, size_t n)
{
	snprintf(out, n, "%s %s", http_method_name(ep->method), ep->path);
}

int generation_seal(struct generation *g, struct region *r, uint32_t number, struct err *e)
{
	const struct endpoints *eps = &g->s.endpoints;
	unsigned *rows = calloc(eps->n + 1, sizeof(*rows));
	char route[sizeof(((struct region_endpoint *)NULL)->route)];
	int row;

	check(rows);
	for (unsigned i = 0; i < eps->n; i++) {
		route_text(eps->v[i], route, sizeof(route));
		row = region_endpoint_find_or_add(r, route, eps->v[i]->id, eps->v[i]->database);
		if (row < 0) {
			free(rows);
			return err_set(e, E_config,
				       "no room for more endpoints than were planned at start (%u): "
				       "needs a restart",
				       r->h->plan.n_endpoints);
		}
		rows[i] = (unsigned)row;
	}
	snapshot_assign(&g->s, number, rows);
	free(rows);
	g->number = number;
	g->memfd = snapshot_memfd(&g->s);
	if (g->memfd < 0)
		return err_set(e, E_io, "memfd for the snapshot: %s", strerror(-g->memfd));
	return 0;
}

void generation_publish(const struct generation *g, struct region *r)
{
	const struct endpoints *eps = &g->s.endpoints;
	unsigned n = r->h->plan.n_endpoints;
	char *is_live = calloc(n + 1, 1);

	check(is_live);
	for (unsigned i = 0; i < eps->n; i++)
		if (eps->v[i]->metric < n)
			is_live[eps->v[i]->metric] = 1;
	for (unsigned i = 0; i < n; i++) {
		struct region_endpoint *row = region_endpoint(r, i);
		uint32_t state = atomic_load(&row->state);

		if (state && state != (is_live[i] ? 1u : 2u))
			atomic_store(&row->state, is_live[i] ? 1u : 2u);
	}
	free(is_live);
	atomic_store(&r->h->generation, g->number);
}
