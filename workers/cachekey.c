#include "config.h"

#include "workers/cachekey.h"

#include <ctype.h>
#include <string.h>

#include "lib/base/check.h"
#include "lib/shm/digest.h"
#include "workers/worker.h"

#define KEY_FORMAT "weir 1"	/* of the key and of what is stored; another one finds nothing of this */

static void put_str(struct buf *b, const char *s)
{
	buf_add(b, s ? s : "", s ? strlen(s) + 1 : 1);
}

uint64_t cachekey_build(void)
{
	return digest_64(SLICE(KEY_FORMAT " " PACKAGE_VERSION), 0);
}

void cachekey_of_endpoint(const struct endpoint *ep, uint8_t out[16])
{
	AUTO(buf) struct buf b;

	buf_init(&b, 0);
	put_str(&b, KEY_FORMAT " " PACKAGE_VERSION);
	put_str(&b, http_method_name(ep->method));
	put_str(&b, ep->path);
	buf_addf(&b, "%d %u %d %d %d", (int)ep->returns, ep->database, ep->status, (int)ep->auth, ep->cache.is_per_user);
	for (unsigned i = 0; i < ep->n_variants; i++)
		put_str(&b, ep->variants[i].sql);
	for (unsigned i = 0; i < ep->n_params; i++)
		put_str(&b, ep->params[i].name);
	for (unsigned i = 0; i < ep->n_headers; i++) {
		put_str(&b, ep->headers[i].name);
		put_str(&b, ep->headers[i].value);
	}
	for (unsigned i = 0; i < ep->cache.n_tags; i++)
		put_str(&b, ep->cache.tags[i].text);
	for (unsigned i = 0; i < ep->cache.n_per_claims; i++)
		put_str(&b, ep->cache.per_claims[i]);
	for (unsigned i = 0; i < ep->cache.n_per_headers; i++)
		put_str(&b, ep->cache.per_headers[i]);
	buf_addf(&b, "%d %d", ep->identity_rls, reply_is_private(ep));
	for (unsigned i = 0; ep->cache.is_on && i < ep->n_includes; i++) {
		const struct include *inc = &ep->includes[i];
		uint8_t part[16];

		put_str(&b, inc->name);
		put_str(&b, inc->path.text);
		cachekey_of_endpoint(inc->target, part);	/* a part has none itself */
		buf_add(&b, part, sizeof(part));
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

int cachekey_make(struct req *r)
{
	const struct endpoint *ep = r->run->ep;
	const struct cache_policy *c = &ep->cache;
	uint16_t variant = (uint16_t)r->variant;
	struct buf *b = &r->w->scratch;

	buf_clear(b);
	buf_add(b, r->run->cache_id, sizeof(r->run->cache_id));
	buf_add(b, &variant, sizeof(variant));
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

void cachekey_tag(const struct req *r, const struct tag_template *tag, struct buf *b)
{
	buf_clear(b);
	for (unsigned k = 0; k < tag->n_parts; k++) {
		struct slice v = cachekey_value(r, &tag->parts[k]);

		buf_add(b, v.p, v.n);
	}
}

void cachekey_tags(struct req *r, const struct tag_template *tags, unsigned n, struct stamp_set *set)
{
	struct stamps s = r->w->stamps;
	struct buf *b = &r->w->scratch;

	set->n = 0;
	for (unsigned i = 0; i < n; i++) {
		cachekey_tag(r, &tags[i], b);
		/* as many as ENDPOINT_MAX_TAGS fit */
		check(stamps_add(&s, set, buf_slice(b)) == 0);
	}
}
