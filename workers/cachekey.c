#include "config.h"

#include "workers/cachekey.h"

#include <ctype.h>
#include <string.h>
#include <sys/stat.h>

#include "lib/base/check.h"
#include "lib/conf/depends.h"
#include "lib/pg/db.h"
#include "lib/pg/db_canon.h"
#include "lib/shm/digest.h"
#include "workers/worker.h"

#define KEY_FORMAT "weir 2"	/* of the key and of what is stored; another one finds nothing of this */

static void put_str(struct buf *b, const char *s)
{
	buf_add(b, s ? s : "", s ? strlen(s) + 1 : 1);
}

uint64_t cachekey_build(void)
{
	return digest_64(SLICE(KEY_FORMAT " " PACKAGE_VERSION), 0);
}

/* A module that was built anew may answer otherwise. */
static void put_handler(const struct options *o, const struct endpoint *ep, struct buf *b)
{
	AUTO(buf) struct buf path;
	struct stat st;

	buf_init(&path, 0);
	if (!ep->handler)
		return;
	buf_addf(&path, "%s%s%s", ep->handler[0] == '/' ? "" : o->endpoints, ep->handler[0] == '/' ? "" : "/", ep->handler);
	if (stat(buf_str(&path), &st) == 0)
		buf_addf(b, "%llu %lld.%09ld", (unsigned long long)st.st_size, (long long)st.st_mtim.tv_sec, st.st_mtim.tv_nsec);
}

uint64_t cachekey_place(const struct options *o, unsigned database)
{
	AUTO(buf) struct buf where;
	AUTO(buf) struct buf rest;

	buf_init(&where, 0);
	buf_init(&rest, 0);
	db_conninfo_key(&o->databases[database], &where, &rest);
	return digest_64(buf_slice(&where), 0);
}

static void put_database(const struct options *o, unsigned database, struct buf *b)
{
	AUTO(buf) struct buf where;

	buf_init(&where, 0);
	db_conninfo_key(&o->databases[database], &where, b);
}

void cachekey_of_endpoint(const struct options *o, const struct endpoint *ep, uint8_t out[16], uint64_t *ret_place)
{
	AUTO(buf) struct buf b;

	buf_init(&b, 0);
	*ret_place = ep->has_sql ? cachekey_place(o, ep->database) : 0;
	put_str(&b, KEY_FORMAT " " PACKAGE_VERSION);
	put_str(&b, ep->shape);
	for (unsigned i = 0; i < ep->n_variants; i++)
		put_str(&b, ep->variants[i].sql);
	put_handler(o, ep, &b);
	if (ep->has_sql)
		put_database(o, ep->database, &b);
	depends_put(o, ep->has_sql ? ep->database : o->n_databases, &b);
	/* of a whole this may be a part's doing */
	buf_addf(&b, "%d", reply_is_private(ep));
	for (unsigned i = 0; ep->cache.is_on && i < ep->n_includes; i++) {
		uint8_t part[16];
		uint64_t place;

		cachekey_of_endpoint(o, ep->includes[i].target, part, &place);	/* a part has none itself */
		buf_add(&b, part, sizeof(part));
		*ret_place = digest_64(slice_of((const char *)&place, sizeof(place)), *ret_place);
	}
	digest_128(buf_slice(&b), out);
}

static void put_value(struct buf *b, const char *s, size_t n)
{
	uint32_t head = s ? (uint32_t)n : UINT32_MAX;

	buf_add(b, &head, sizeof(head));
	if (s)
		buf_add(b, s, n);
}

/* The value of a header by the name that a browser gives it; p == NULL when absent. */
static struct slice header_of(const struct req *r, const char *name)
{
	size_t n = strlen(name);

	for (unsigned i = 0; i < r->n_params; i++) {
		struct slice have = r->params[i].name;
		size_t k;

		if (have.n != n + 5 || memcmp(have.p, "HTTP_", 5) != 0)
			continue;
		for (k = 0; k < n; k++)
			if (have.p[5 + k] != (name[k] == '-' ? '_' : toupper((unsigned char)name[k])))
				break;
		if (k == n)
			return r->params[i].value;
	}
	return (struct slice){NULL, 0};
}

/* What its columns and parameters are now, and how its sessions read dates. */
static uint64_t shape_of(const struct req *r, const struct endpoint *ep)
{
	const struct db_pool *p = ep->has_sql ? r->w->pools[ep->database] : NULL;

	return p ? atomic_load_explicit(&region_endpoint(&r->w->region, ep->metric)->shape.sum, memory_order_relaxed) +
			   db_pool_dates(p)
		 : 0;
}

static void put_shape(struct buf *b, const struct req *r)
{
	const struct endpoint *ep = r->run->ep;
	uint64_t sum = shape_of(r, ep);

	for (unsigned i = 0; i < ep->n_includes; i++)
		sum = sum * 31 + shape_of(r, ep->includes[i].target);
	buf_add(b, &sum, sizeof(sum));
}

int cachekey_make(struct req *r)
{
	const struct endpoint *ep = r->run->ep;
	const struct cache_policy *c = &ep->cache;
	uint16_t variant = (uint16_t)r->variant;
	struct buf *b = &r->w->scratch;

	buf_clear(b);
	buf_add(b, r->run->cache_id, sizeof(r->run->cache_id));
	buf_add(b, &variant, sizeof(variant));
	put_shape(b, r);
	for (unsigned i = 0; i < ep->n_values; i++)
		put_value(b, r->values[i], r->values[i] ? strlen(r->values[i]) : 0);
	if (c->is_per_user)
		put_value(b, r->user, r->user ? strlen(r->user) : 0);
	for (unsigned i = 0; i < c->n_per_claims; i++) {
		const char *v = r->id ? identity_claim(r->id, c->per_claims[i]) : NULL;

		put_value(b, v, v ? strlen(v) : 0);
	}
	if (ep->identity_rls) {
		const char *v = r->id ? identity_json(r->id, &r->arena) : NULL;

		put_value(b, v, v ? strlen(v) : 0);
	}
	for (unsigned i = 0; i < c->n_per_headers; i++) {
		struct slice v = header_of(r, c->per_headers[i]);

		put_value(b, v.p, v.n);
	}
	if (b->n > CACHE_MAX_KEY)
		return -1;
	r->key.text = slice_of(arena_strn(&r->arena, b->p, b->n), b->n);
	r->key.place = r->run->cache_place;
	cache_hash(&r->w->cache, &r->key);
	return 0;
}

struct slice cachekey_value(const struct req *r, const struct tag_part *part)
{
	const struct param *p;
	const char *v = NULL;

	switch (part->kind) {
	case TAG_TEXT:
		return part->text;
	case TAG_PARAM:
		p = &r->run->ep->params[part->param];
		if (!p->number)
			return r->path_values[part->param];
		v = r->values[p->number - 1];
		break;
	case TAG_USER:
		v = r->user;
		break;
	case TAG_CLAIM:
		v = r->id ? identity_claim(r->id, part->text.p) : NULL;
		break;
	}
	return v ? slice_str(v) : SLICE("");
}

/* Of the statement's own parameter its type is known; of what else fills a tag, the type of those that fill the same one
 * elsewhere (tagtypes.c). A value that is none of its type equals none, and stays as it is. -1: nobody has told yet. */
static int canon_of(const struct req *r, const struct tag_part *part)
{
	const struct endpoint *ep = r->run->ep;
	unsigned number = part->kind == TAG_PARAM ? ep->params[part->param].number : 0;
	const struct db_desc *d;

	if (!number || number > ep->n_bound || !r->run->pool)
		return part->is_told ? part->as : -1;
	d = db_pool_stmt(r->run->pool, r->run->first_stmt + r->variant)->desc;
	return !d ? -1 : number <= d->n_params ? d->params[number - 1].canon : DB_CANON_NONE;
}

static struct slice canonical(struct req *r, enum db_canon c, struct slice v)
{
	AUTO(buf) struct buf b = {0};

	if (db_canon_is_itself(c, v))
		return v;
	buf_init(&b, 0);
	if (db_canon_put(c, v, &b))
		return v;
	return slice_of(arena_strn(&r->arena, b.p ? b.p : "", b.n), b.n);
}

#define READINGS (DB_CANON_TIMESTAMPTZ + 1u)

/* The text that stands for the value in a tag. As long as nobody has told its type, each that another worker may have for it:
 * a read that depends on all of them is made void by a write that names one, and the reverse. */
static unsigned readings(struct req *r, const struct tag_part *part, struct slice out[READINGS])
{
	struct slice v = cachekey_value(r, part);
	int told = part->kind == TAG_TEXT || !v.n ? DB_CANON_NONE : canon_of(r, part);
	unsigned n = 1;

	out[0] = told > DB_CANON_NONE ? canonical(r, (enum db_canon)told, v) : v;
	for (unsigned c = DB_CANON_TEXT; told < 0 && c < READINGS; c++) {
		unsigned k = 0;

		out[n] = canonical(r, (enum db_canon)c, v);
		while (!slice_eq(out[k], out[n]))
			k++;
		n += k == n;
	}
	return n;
}

struct filling {
	struct req *r;
	const struct tag_template *tag;
	cachekey_tag_f *f;
	void *ctx;
};

static int fill(const struct filling *x, unsigned part)
{
	struct buf *b = &x->r->w->scratch;
	struct slice v[READINGS];
	size_t at = b->n;
	unsigned n;

	if (part == x->tag->n_parts)
		return x->f(x->ctx, buf_slice(b));
	n = readings(x->r, &x->tag->parts[part], v);
	for (unsigned i = 0; i < n; i++) {
		b->n = at;
		buf_add(b, v[i].p, v[i].n);
		if (fill(x, part + 1))
			return -1;
	}
	return 0;
}

int cachekey_tag(struct req *r, const struct tag_template *tag, cachekey_tag_f *f, void *ctx)
{
	struct filling x = {.r = r, .tag = tag, .f = f, .ctx = ctx};

	buf_clear(&r->w->scratch);
	return fill(&x, 0);
}

struct stamping {
	struct stamps s;
	struct stamp_set *set;
};

static int stamp(void *ctx, struct slice tag)
{
	struct stamping *x = ctx;

	return stamps_add(&x->s, x->set, tag);
}

int cachekey_tags(struct req *r, const struct tag_template *tags, unsigned n, struct stamp_set *set)
{
	struct stamping x = {.s = r->w->stamps, .set = set};

	set->n = 0;
	for (unsigned i = 0; i < n; i++)
		if (cachekey_tag(r, &tags[i], stamp, &x))
			return -1;
	return 0;
}
