/* cmd_cache_keys: the entries of the cache: one by its key, found by its hash; an endpoint's, listed by a thread that goes over all of
 * the memory, which may be many GiB, while weird's loop turns on. */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <uv.h>

#include "lib/base/check.h"
#include "lib/base/clock.h"
#include "lib/json/jw.h"
#include "lib/shm/cache.h"
#include "supervisor/cmd_cache.h"
#include "supervisor/table.h"
#include "supervisor/weird.h"

#define MARK_MS 60000u	/* longer than what is under way takes to reach memcached */
#define KEYS_MAX 1000u	/* entries that `cache keys` lists */

static const struct table_col key_cols[] = {
	{"key", "key", CELL_TEXT},     {"endpoint", "endpoint", CELL_TEXT}, {"status", "status", CELL_COUNT},
	{"bytes", "bytes", CELL_BYTES}, {"age_s", "age", CELL_AGE},	    {"fresh_s", "fresh for", CELL_AGE},
	{"cost_ms", "cost", CELL_NS},  {"tags", "tags", CELL_COUNT},	    {"coding", "coding", CELL_TEXT},
};

static const char *endpoint_name(const struct region *r, unsigned row)
{
	return row < region_endpoints_used(r) ? region_endpoint(r, row)->id : NULL;
}

/* In the order of enum http_coding, which only the workers know. */
static const char *coding_name(unsigned coding)
{
	static const char *const names[CACHE_CODINGS] = {"identity", "gzip", "br"};

	return coding < CACHE_CODINGS ? names[coding] : "?";
}

static void add_entry(struct table *t, const struct region *r, const uint64_t h[2], const struct cache_meta *m, size_t bytes)
{
	uint64_t now = clock_boot_ms();
	char hex[33];

	snprintf(hex, sizeof(hex), "%016llx%016llx", (unsigned long long)h[0], (unsigned long long)h[1]);
	table_text(t, hex);
	table_text(t, endpoint_name(r, m->endpoint));
	table_num(t, m->status);
	table_num(t, bytes);
	table_num(t, (now > m->created_ms ? now - m->created_ms : 0) * CLOCK_MS);
	if (m->soft_ms > now)
		table_num(t, (m->soft_ms - now) * CLOCK_MS);
	else
		table_null(t);
	table_num(t, m->delta_us * 1000ull);
	table_num(t, m->stamps.n);
	table_text(t, coding_name(m->coding));
}

int cmd_cache_endpoint(struct call *c, struct slice id, unsigned *ret)
{
	const struct endpoints *eps = &c->w->gen->s.endpoints;

	for (unsigned i = 0; i < eps->n; i++)
		if (slice_eq(id, slice_str(eps->v[i]->id))) {
			*ret = eps->v[i]->metric;
			return 0;
		}
	c->severity = CTL_FAILED;
	snprintf(c->text, sizeof(c->text), "no endpoint is called %.*s; weirctl endpoints names them", SLICE_ARG(id));
	return -1;
}

/* ---- an endpoint's, in a thread ---- */

struct listing {
	uv_work_t work;
	struct call call;		/* of its own: the client may be gone when it is done */
	struct region region;		/* mapped once more: weird may end before the thread does */
	struct cache cache;
	struct table t;
	unsigned endpoint, n;
};

static int is_listing;	/* one at a time: who asks again and again gets no more threads for it */

static int visit(void *arg, const struct cache_key *key, const struct cache_meta *m, size_t bytes)
{
	struct listing *l = arg;

	if (__atomic_load_n(&l->call.w->stopping, __ATOMIC_RELAXED) != STOP_NO)
		return 0;
	if (m->endpoint != l->endpoint)
		return 1;
	add_entry(&l->t, &l->region, key->h, m, bytes);
	return ++l->n < KEYS_MAX;
}

static void on_list(uv_work_t *work)
{
	struct listing *l = CONTAINER_OF(work, struct listing, work);

	for (int z = 0; z < CACHE_ZONES && l->n < KEYS_MAX; z++)
		cache_each(&l->cache, (enum cache_zone)z, visit, l);
}

static void on_listed(uv_work_t *work, int status)
{
	struct listing *l = CONTAINER_OF(work, struct listing, work);
	struct call *c = &l->call;

	(void)status;
	is_listing = 0;
	snprintf(c->text, sizeof(c->text), "ok");
	if (l->n == KEYS_MAX)
		snprintf(c->text, sizeof(c->text), "the first %u entries", KEYS_MAX);
	call_table(c, &l->t, "entries");
	control_answer(c->w, &c->asker, c->severity, c->text, buf_slice(&c->body));
	buf_done(&c->body);
	cache_detach(&l->cache);
	region_close(&l->region);
	free(l);
}

static int begin_listing(struct call *c, struct listing *l)
{
	int fd = dup(c->w->region.fd);
	struct err e = {0};

	if (fd < 0 || region_attach(&l->region, fd, &e)) {
		if (fd >= 0)
			close(fd);
		c->severity = CTL_FAILED;
		snprintf(c->text, sizeof(c->text), "the shared memory cannot be looked at: %.200s", fd < 0 ? "too many files" : e.text);
		return -1;
	}
	if (cmd_cache_open(c, &l->region, &l->cache) == 0)
		return 0;
	region_close(&l->region);
	return -1;
}

void cmd_cache_keys(struct call *c)
{
	struct listing *l;
	unsigned row;

	if (cmd_cache_endpoint(c, c->cmd->words[2], &row))
		return;
	if (is_listing) {
		c->severity = CTL_FAILED;
		snprintf(c->text, sizeof(c->text), "another client has entries listed just now; try again");
		return;
	}
	l = calloc(1, sizeof(*l));
	check(l);
	if (begin_listing(c, l)) {
		free(l);
		return;
	}
	l->endpoint = row;
	l->call = (struct call){.w = c->w, .asker = c->asker, .severity = CTL_DONE};
	buf_init(&l->call.body, 0);
	table_init(&l->t, key_cols, ARRAY_LEN(key_cols));
	check(uv_queue_work(c->w->loop, &l->work, on_list, on_listed) == 0);
	is_listing = 1;
	c->is_async = 1;
}

/* ---- one ---- */

static int parse_key(struct call *c, struct slice hex, uint64_t h[2])
{
	h[0] = h[1] = 0;
	for (unsigned i = 0; i < 32 && hex.n == 32; i++) {
		const char *digits = "0123456789abcdef", *d = memchr(digits, hex.p[i], 16);

		if (!d)
			hex.n = 0;
		else
			h[i / 16] = h[i / 16] << 4 | (uint64_t)(d - digits);
	}
	if (hex.n == 32)
		return 0;
	c->severity = CTL_FAILED;
	snprintf(c->text, sizeof(c->text), "'%.*s' is no key; expected 32 digits, as weirctl cache keys lists them",
		 SLICE_ARG(hex));
	return -1;
}

static void not_there(struct call *c, struct slice hex)
{
	c->severity = CTL_FAILED;
	snprintf(c->text, sizeof(c->text), "no entry has the key %.*s; weirctl cache keys ENDPOINT lists them", SLICE_ARG(hex));
}

static void show_entry(struct call *c, const struct table *t, const struct cache_meta *meta, struct slice head, struct slice body)
{
	struct jw w;

	if (c->asker.wants_json) {
		jw_init(&w, &c->body);
		jw_object(&w);
		jw_key(&w, "entry");
		table_to_object(t, &w);
		jw_key(&w, "content");
		if (meta->coding)
			jw_null(&w);	/* no text */
		else
			jw_slice(&w, body);
		jw_key(&w, "headers");
		jw_slice(&w, head);
		jw_object_end(&w);
	} else {
		table_to_list(t, &c->body);
		for (size_t i = 0; i < head.n; i++)
			if (head.p[i] != '\r')
				buf_addc(&c->body, head.p[i]);
		if (meta->coding)
			buf_addf(&c->body, "(%zu bytes of %s)", body.n, coding_name(meta->coding));
		else
			buf_add(&c->body, body.p, body.n);
	}
	buf_addc(&c->body, '\n');
}

void cmd_cache_get(struct call *c, struct cache *cache)
{
	struct cache_key key = {.place = 0};
	struct cache_meta meta;
	int zone = CACHE_DATA;
	AUTO(buf) struct buf text;
	AUTO(buf) struct buf out;
	struct table t;
	size_t bytes;

	buf_init(&text, 0);
	buf_init(&out, 0);
	memset(&meta, 0, sizeof(meta));
	if (parse_key(c, c->cmd->words[2], key.h))
		return;
	while (zone < CACHE_ZONES && cache_find_hash(cache, (enum cache_zone)zone, key.h, &text, &meta, &bytes) == CACHE_MISS)
		zone++;
	if (zone == CACHE_ZONES) {
		not_there(c, c->cmd->words[2]);
		return;
	}
	key.text = buf_slice(&text);
	(void)cache_get(cache, (enum cache_zone)zone, &key, clock_boot_ms(), &meta, &out);
	table_init(&t, key_cols, ARRAY_LEN(key_cols));
	add_entry(&t, &c->w->region, key.h, &meta, bytes);
	meta.head_n = meta.head_n <= out.n ? meta.head_n : (uint32_t)out.n;
	show_entry(c, &t, &meta, slice_of(out.n ? out.p : "", meta.head_n),
		   slice_of(out.n ? out.p + meta.head_n : "", out.n - meta.head_n));
	table_done(&t);
}

/* A worker may be about to put into memcached what was read before: with such a snapshot it is not believed here. */
static void mark(const struct region *r, struct cache *cache, const uint64_t h[2])
{
	struct cache_meta m = {.created_ms = clock_boot_ms()};
	char text[CACHE_MARK_KEY];
	struct cache_key key;

	for (unsigned i = 0; i < r->plan.n_databases; i++) {
		uint64_t xmin = atomic_load(&region_db(r, i)->tier_xmin);

		m.xmin = xmin > m.xmin ? xmin : m.xmin;
	}
	m.soft_ms = m.hard_ms = m.created_ms + MARK_MS;
	m.endpoint = UINT32_MAX;
	cache_mark_key(cache, h, text, &key);
	(void)cache_put(cache, CACHE_NEGATIVE, &key, &m, NULL, 0, m.created_ms);
}

void cmd_cache_drop(struct call *c, struct cache *cache)
{
	struct purge_queue *q = &region_tier(&c->w->region)->purges;
	int has_tier = c->w->gen->s.options.cache.servers.n > 0, is_there = 0;
	AUTO(buf) struct buf text;
	struct cache_meta meta;
	uint64_t h[2];
	size_t bytes;

	buf_init(&text, 0);
	if (parse_key(c, c->cmd->words[3], h))
		return;
	/* void here must not come back from the second tier: posted before it is done */
	if (has_tier && purge_post_key(q, h)) {
		c->severity = CTL_FAILED;
		snprintf(c->text, sizeof(c->text), "%u keys wait for memcached already; nothing was purged", PURGE_MAX_KEYS);
		return;
	}
	if (has_tier)
		mark(&c->w->region, cache, h);
	else
		cmd_cache_forget_tier(c);
	for (int z = 0; z < CACHE_ZONES; z++) {
		is_there |= cache_find_hash(cache, (enum cache_zone)z, h, &text, &meta, &bytes) == CACHE_FOUND;
		buf_clear(&text);
		/* what is being made of it just now is not to be kept, whether it is there or not */
		(void)cache_void(cache, (enum cache_zone)z, h, NULL);
	}
	/* it may be in memcached alone */
	if (!is_there && !has_tier)
		not_there(c, c->cmd->words[3]);
}
