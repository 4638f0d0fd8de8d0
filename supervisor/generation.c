/* generation: one validated configuration and who still runs on it. */
#include "config.h"
#include "supervisor/weird.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/check.h"
#include "lib/conf/cache_server.h"

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

void generation_plan(const struct snapshot *s, struct region_plan *plan)
{
	const struct options *o = &s->options;
	unsigned n = s->endpoints.n;

	*plan = (struct region_plan){.n_numbers = 2 * o->workers.max,
				     .n_endpoints = n + n / 2 + 32,	/* room for reloads */
				     .n_databases = o->n_databases,
				     .n_stamps = o->cache.memory ? o->cache.stamps : 0,
				     .cache_bytes = o->cache.memory,
				     .n_flights = o->cache.memory ? FLIGHT_SLOTS : 0};
	if (plan->n_numbers > BOARD_MAX_NUMBERS)
		plan->n_numbers = BOARD_MAX_NUMBERS;
	if (plan->n_endpoints > REGION_MAX_ENDPOINTS)
		plan->n_endpoints = REGION_MAX_ENDPOINTS;
	for (unsigned i = 0; i < o->n_databases; i++)
		plan->n_slots[i] = o->databases[i].pool_max;
}

int generation_seal(struct generation *g, struct region *r, uint32_t number, struct err *e)
{
	const struct endpoints *eps = &g->s.endpoints;
	unsigned *rows = calloc(eps->n + 1, sizeof(*rows));
	AUTO(buf) struct buf route;
	int row;

	check(rows);
	buf_init(&route, 0);
	for (unsigned i = 0; i < eps->n; i++) {
		buf_clear(&route);
		buf_addf(&route, "%s %s", http_method_name(eps->v[i]->method), eps->v[i]->path);
		row = region_endpoint_find_or_add(r, buf_str(&route), eps->v[i]->id, eps->v[i]->database);
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
	const struct opt_strings *nodes = &g->s.options.cache.servers;
	char *is_live = calloc(n + 1, 1), name[CACHE_SERVER_NAME];

	check(is_live);
	for (unsigned i = 0; i < nodes->n; i++) {
		cache_server_name(slice_str(nodes->v[i]), name);
		region_set_node(r, i, name);
	}
	region_set_nodes(r, nodes->n);
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
