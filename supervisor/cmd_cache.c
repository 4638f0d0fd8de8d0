/* cmd_cache: what is in the cache and how it does; purges. weird looks at shards with a trylock and never waits for
 * one: an entry in a shard that is busy is not shown. */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/check.h"
#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/base/utf8.h"
#include "lib/conf/cache_server.h"
#include "lib/json/jw.h"
#include "lib/shm/cache.h"
#include "supervisor/cmd_cache.h"
#include "supervisor/settle.h"
#include "supervisor/table.h"
#include "supervisor/weird.h"

#define LOAD(x) atomic_load_explicit(&(x), memory_order_relaxed)

int cmd_cache_open(struct call *c, struct region *r, struct cache *cache)
{
	const char *secret = c->w->gen->s.options.cache.secret;
	struct slice seed = secret[0] ? slice_str(secret)
				      : slice_of((const char *)r->h->cache_secret, sizeof(r->h->cache_secret));
	size_t size;
	void *mem = region_cache(r, &size);

	if (mem && cache_attach(cache, mem, size, seed) == 0)
		return 0;
	c->severity = CTL_FAILED;
	snprintf(c->text, sizeof(c->text), mem ? "the shared memory of the cache is damaged" : "the cache is off (cache.memory = 0)");
	return -1;
}

static void usage(struct call *c)
{
	c->severity = CTL_FAILED;
	snprintf(c->text, sizeof(c->text), CTL_SAYS_USAGE "%s %s", cmd_table[CMD_cache].word, cmd_table[CMD_cache].args);
}

/* ---- sizes and hits ---- */

static const struct table_col zone_cols[] = {
	{"zone", "zone", CELL_TEXT},	    {"bytes_total", "size", CELL_BYTES}, {"bytes_used", "used", CELL_BYTES},
	{"entries", "entries", CELL_COUNT}, {"shards", "shards", CELL_COUNT},	 {"oldest_s", "oldest", CELL_AGE},
	{"evicted", "evicted", CELL_COUNT}, {"expired", "expired", CELL_COUNT}, {"wiped", "wiped", CELL_COUNT},
};

static const struct table_col hit_cols[] = {
	{"endpoint", "endpoint", CELL_TEXT},  {"hits", "hits", CELL_COUNT},	{"hits_l2", "memcached", CELL_COUNT},
	{"stale", "stale", CELL_COUNT},
	{"misses", "misses", CELL_COUNT},     {"hit_ratio", "hit ratio", CELL_PERMILLE},
	{"collapsed", "waited", CELL_COUNT},  {"stores", "stored", CELL_COUNT}, {"refreshes", "refreshed", CELL_COUNT},
};

static void add_zones(struct table *t, struct cache *cache)
{
	static const char *const names[CACHE_ZONES] = {"data", "negative"};
	uint64_t now = clock_boot_ms();

	for (int z = 0; z < CACHE_ZONES; z++) {
		struct cache_stat s;

		cache_stat(cache, (enum cache_zone)z, &s);
		table_text(t, names[z]);
		table_num(t, s.bytes_total);
		table_num(t, s.bytes_used);
		table_num(t, s.entries);
		table_num(t, s.n_shards);
		if (s.entries && s.oldest_created_ms && s.oldest_created_ms < now)
			table_num(t, (now - s.oldest_created_ms) * CLOCK_MS);
		else
			table_null(t);
		table_num(t, s.evicted);
		table_num(t, s.expired);
		table_num(t, s.wiped);
	}
}

static void add_hits(struct table *t, const struct weird *w, const struct endpoint *ep)
{
	uint64_t hits = 0, tier = 0, stale = 0, misses = 0, collapsed = 0, stores = 0, refreshes = 0, all;

	for (unsigned i = 0; i < w->n_numbers; i++) {
		const struct metric_endpoint *m = &region_row(&w->region, i)->endpoint[ep->metric];

		hits += LOAD(m->cache_hits);
		tier += LOAD(m->cache_tier_hits);
		stale += LOAD(m->cache_stale);
		misses += LOAD(m->cache_misses);
		collapsed += LOAD(m->cache_collapsed);
		stores += LOAD(m->cache_stores);
		refreshes += LOAD(m->cache_refreshes);
	}
	all = hits + tier + stale + misses;
	table_text(t, ep->id);
	table_num(t, hits);
	table_num(t, tier);
	table_num(t, stale);
	table_num(t, misses);
	if (all)
		table_num(t, (hits + tier + stale) * 1000 / all);
	else
		table_null(t);
	table_num(t, collapsed);
	table_num(t, stores);
	table_num(t, refreshes);
}

/* ---- the second tier ---- */

static const struct table_col node_cols[] = {
	{"node", "memcached", CELL_TEXT},     {"state", "breaker", CELL_TEXT},   {"forced", "forced", CELL_TEXT},
	{"opened", "opened", CELL_COUNT},     {"failures", "failures", CELL_COUNT}, {"probes", "probes", CELL_COUNT},
	{"open_for_s", "open for", CELL_AGE},
};

static const struct table_col tier_cols[] = {
	{"hits", "hits", CELL_COUNT},	      {"misses", "misses", CELL_COUNT},	 {"timeouts", "timeouts", CELL_COUNT},
	{"errors", "errors", CELL_COUNT},     {"off", "not asked", CELL_COUNT}, {"refused", "refused", CELL_COUNT},
	{"corrupt", "corrupt", CELL_COUNT},   {"sent", "sent", CELL_COUNT},	 {"dropped", "dropped", CELL_COUNT},
	{"held", "held", CELL_COUNT},	      {"purges_waiting", "purges waiting", CELL_COUNT},
	{"databases", "databases", CELL_COUNT},	/* that weir-monitor knows: answers of others go nowhere */
};

static const struct opt_strings *servers(const struct call *c)
{
	return &c->w->gen->s.options.cache.servers;
}

static void add_nodes(struct table *t, const struct call *c)
{
	static const char *const states[] = {"closed", "open", "half-open"};
	static const char *const forces[] = {NULL, "open", "closed"};
	uint64_t now = clock_mono_ns() / CLOCK_MS;

	for (unsigned i = 0; i < servers(c)->n; i++) {
		const struct breaker *b = &region_tier(&c->w->region)->breakers[i];
		uint64_t until = breaker_open_until_ms(b);
		char name[CACHE_SERVER_NAME];

		cache_server_name(slice_str(servers(c)->v[i]), name);
		table_text(t, name);
		table_text(t, states[breaker_state(b, now)]);
		table_text(t, forces[breaker_force(b)]);
		table_num(t, LOAD(b->opened));
		table_num(t, LOAD(b->failures));
		table_num(t, LOAD(b->probes));
		if (until > now)
			table_num(t, (until - now) * CLOCK_MS);
		else
			table_null(t);
	}
}

static void add_tier(struct table *t, const struct weird *w)
{
	const struct purge_queue *q = &region_tier(&w->region)->purges;
	uint64_t v[10] = {0}, known = 0, waiting = LOAD(q->posted) - LOAD(q->ended), h[2];

	for (unsigned i = 0; i < w->n_numbers; i++) {
		const struct metric_row *m = region_row(&w->region, i);

		v[0] += LOAD(m->tier_hits);
		v[1] += LOAD(m->tier_misses);
		v[2] += LOAD(m->tier_timeouts);
		v[3] += LOAD(m->tier_errors);
		v[4] += LOAD(m->tier_off) + LOAD(m->tier_late);
		v[5] += LOAD(m->tier_refused_written) + LOAD(m->tier_refused_gap) + LOAD(m->tier_refused_purged) +
			LOAD(m->tier_refused_foreign);
		v[6] += LOAD(m->tier_corrupt);
		v[7] += LOAD(m->tier_sets);
		v[8] += LOAD(m->tier_sets_dropped);
		v[9] += LOAD(m->tier_held);
	}
	for (unsigned i = 0; i < w->region.plan.n_databases; i++)
		known += LOAD(region_db(&w->region, i)->tier_id) != 0;
	for (size_t i = 0; i < ARRAY_LEN(v); i++)
		table_num(t, v[i]);
	for (unsigned i = 0; i < PURGE_MAX_KEYS; i++)
		waiting += (unsigned)purge_key_at(q, i, h);
	table_num(t, waiting);
	table_num(t, known);
}

static void node(struct call *c)
{
	static const char *const words[] = {"auto", "open", "close"};
	struct slice want = c->cmd->words[2], how = c->cmd->words[3];
	unsigned force = 0;
	char name[CACHE_SERVER_NAME];

	while (force < 3 && !slice_eq(how, slice_str(words[force])))
		force++;
	if (force == 3) {
		usage(c);
		return;
	}
	for (unsigned i = 0; i < servers(c)->n; i++) {
		cache_server_name(slice_str(servers(c)->v[i]), name);
		if (!slice_eq(want, slice_str(name)))
			continue;
		breaker_set_force(&region_tier(&c->w->region)->breakers[i], (enum breaker_force)force,
				  clock_mono_ns() / CLOCK_MS);
		log_info("cache: the breaker of memcached %s is %s", name, force ? words[force] : "automatic again");
		snprintf(c->text, sizeof(c->text), "%s: %s", name, force ? words[force] : "automatic");
		if (c->asker.wants_json)
			buf_adds(&c->body, "{\"set\":true}\n");
		return;
	}
	c->severity = CTL_FAILED;
	snprintf(c->text, sizeof(c->text), "no memcached server is called %.*s; weirctl cache lists them", SLICE_ARG(want));
}

static void show(struct call *c, struct cache *cache)
{
	const struct endpoints *eps = &c->w->gen->s.endpoints;
	struct table zones, hits, nodes, tier;
	struct jw w;

	table_init(&zones, zone_cols, ARRAY_LEN(zone_cols));
	table_init(&hits, hit_cols, ARRAY_LEN(hit_cols));
	table_init(&nodes, node_cols, ARRAY_LEN(node_cols));
	table_init(&tier, tier_cols, ARRAY_LEN(tier_cols));
	add_zones(&zones, cache);
	if (servers(c)->n) {
		add_nodes(&nodes, c);
		add_tier(&tier, c->w);
	}
	for (unsigned i = 0; i < eps->n; i++)
		if (eps->v[i]->cache.is_on)
			add_hits(&hits, c->w, eps->v[i]);
	if (c->asker.wants_json) {
		jw_init(&w, &c->body);
		jw_object(&w);
		jw_key(&w, "zones");
		table_to_json(&zones, &w);
		jw_key(&w, "endpoints");
		table_to_json(&hits, &w);
		jw_key(&w, "nodes");
		table_to_json(&nodes, &w);
		jw_key(&w, "l2");
		if (servers(c)->n)
			table_to_object(&tier, &w);
		else
			jw_null(&w);
		jw_object_end(&w);
		buf_addc(&c->body, '\n');
	} else {
		table_to_text(&zones, &c->body);
		buf_addc(&c->body, '\n');
		table_to_text(&hits, &c->body);
		if (servers(c)->n) {
			buf_addc(&c->body, '\n');
			table_to_text(&nodes, &c->body);
			buf_addc(&c->body, '\n');
			table_to_text(&tier, &c->body);
		}
	}
	table_done(&nodes);
	table_done(&tier);
	table_done(&zones);
	table_done(&hits);
}

/* ---- purges ---- */


void cmd_cache_forget_tier(const struct call *c)
{
	const struct region *r = &c->w->region;

	for (unsigned i = 0; i < r->plan.n_databases; i++)
		atomic_store(&region_db(r, i)->purged_xid, PURGED_ALL);
}

/* What is void here must not come back from the second tier: posted before it is done. 0, or -1: it is not to be done. */
static int post(struct call *c, enum purge_kind kind, unsigned row, struct slice text)
{
	struct purge p = {.kind = kind, .endpoint = row};

	if (!servers(c)->n) {
		cmd_cache_forget_tier(c);
		return 0;
	}
	snprintf(p.text, sizeof(p.text), "%.*s", SLICE_ARG(text));
	if (purge_post(&region_tier(&c->w->region)->purges, &p) == 0)
		return 0;
	c->severity = CTL_FAILED;
	snprintf(c->text, sizeof(c->text), "%u purges wait for the database already; nothing was purged", PURGE_MAX);
	return -1;
}

/* And the wholes that hold its answers: those are kept in shared memory alone. */
static void purge_endpoint(struct call *c, unsigned row, int soft)
{
	const struct endpoints *eps = &c->w->gen->s.endpoints;
	uint64_t now = settle_purge_time(&c->w->region);

	for (size_t i = 0; i < eps->n; i++) {
		struct region_endpoint *e = region_endpoint(&c->w->region, eps->v[i]->metric);

		if (eps->v[i]->metric == row || endpoint_has_part(eps->v[i], row))
			soft ? atomic_store(&e->softened_ms, now) : settle_purge_row(&c->w->region, eps->v[i]->metric, now);
	}
}

/* What no answer can have, and what the other hosts could not be told. */
static int is_tag(struct call *c, struct slice tag)
{
	if (tag.n && tag.n <= PURGE_MAX_TEXT && utf8_is_valid(tag))
		return 1;
	c->severity = CTL_FAILED;
	snprintf(c->text, sizeof(c->text), "the tag has %zu bytes%s; expected UTF-8 text of 1 to %u", tag.n,
		 utf8_is_valid(tag) ? "" : ", not all of them UTF-8", PURGE_MAX_TEXT);
	return 0;
}

static void purge(struct call *c, struct cache *cache)
{
	static const char *const kinds[] = {"all", "endpoint", "tag", "key"};
	const struct ctl_command *m = c->cmd;
	struct region_header *h = c->w->region.h;
	uint64_t now;
	unsigned kind = 0, words, row;
	int soft;

	while (kind < 4 && (m->n_words < 3 || !slice_eq(m->words[2], slice_str(kinds[kind]))))
		kind++;
	words = kind == 0 ? 3 : 4;
	soft = m->n_words == words + 1 &&
	       (slice_eq(m->words[words], SLICE("soft")) || slice_eq(m->words[words], SLICE("--soft")));
	if (kind == 4 || (m->n_words != words && !soft)) {
		usage(c);
		return;
	}
	if (soft && kind >= 2) {
		c->severity = CTL_FAILED;
		snprintf(c->text, sizeof(c->text), CTL_SAYS_USAGE "soft goes with all and endpoint: a tag or key that is purged is void");
		return;
	}
	if (kind == 0) {
		if (!soft && post(c, PURGE_ALL, 0, SLICE("")))
			return;
		now = settle_purge_time(&c->w->region);
		atomic_store(soft ? &h->softened_ms : &h->purged_ms, now);
	} else if (kind == 1) {
		struct region_endpoint *e;

		if (cmd_cache_endpoint(c, m->words[3], &row))
			return;
		e = region_endpoint(&c->w->region, row);
		if (!soft && post(c, PURGE_ENDPOINT, row, slice_str(e->route)))
			return;
		purge_endpoint(c, row, soft);
	} else if (kind == 2) {
		struct stamps s = region_stamps(&c->w->region);
		struct stamp_set set = {.n = 0};

		if (!is_tag(c, m->words[3]) || post(c, PURGE_TAG, 0, m->words[3]))
			return;
		if (stamps_add(&s, &set, m->words[3]) == 0)
			stamps_bump(&s, &set, 0);
	} else {
		cmd_cache_drop(c, cache);
	}
	if (c->severity == CTL_FAILED)
		return;
	log_info("cache: purged %s%s%.*s%s", kinds[kind], kind ? " " : "", SLICE_ARG(kind ? m->words[3] : SLICE("")), soft ? " (soft)" : "");
	snprintf(c->text, sizeof(c->text), soft ? "what was cached is stale now" : "purged");
	if (c->asker.wants_json)
		buf_adds(&c->body, "{\"purged\":true}\n");
}

void cmd_cache(struct call *c)
{
	const struct ctl_command *m = c->cmd;
	struct slice word = m->n_words > 1 ? m->words[1] : SLICE("");
	struct cache cache;

	if ((slice_eq(word, SLICE("purge")) || slice_eq(word, SLICE("node"))) && c->role < ROLE_operator) {
		c->severity = CTL_FAILED;
		snprintf(c->text, sizeof(c->text), CTL_SAYS_NOT_ALLOWED "cache purge and cache node need the %s", ctl_role_name(ROLE_operator));
		return;
	}
	if (cmd_cache_open(c, &c->w->region, &cache))
		return;
	if (m->n_words == 1)
		show(c, &cache);
	else if (m->n_words == 3 && slice_eq(word, SLICE("keys")))
		cmd_cache_keys(c);
	else if (m->n_words == 3 && slice_eq(word, SLICE("get")))
		cmd_cache_get(c, &cache);
	else if (slice_eq(word, SLICE("purge")))
		purge(c, &cache);
	else if (m->n_words == 4 && slice_eq(word, SLICE("node")))
		node(c);
	else
		usage(c);
	cache_detach(&cache);
}
