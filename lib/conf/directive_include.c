/* directive_include: @include: which endpoint makes a part of this one. */
#include "config.h"

#include <ctype.h>
#include <stdio.h>
#include <strings.h>

#include "lib/conf/directive.h"

void dir_include(struct dir *d)
{
	static const char *const equals[] = {"=", NULL}, *const get[] = {"GET", NULL};
	struct endpoint *e = d->e;
	struct dir_word name, w;

	if (!dir_need(d, &name, "NAME = GET PATH"))
		return;
	if (!dir_is_name(name.text)) {
		dir_error(d, name.col, "bad name '%.*s'; expected letters, digits and _", SLICE_ARG(name.text));
		return;
	}
	if (!dir_need(d, &w, "'= GET PATH' after the name") || dir_one_of(d, &w, "word", equals) < 0 ||
	    !dir_need(d, &w, "GET") || dir_one_of(d, &w, "method", get) < 0 ||
	    !dir_need(d, &w, "a path that begins with '/'"))
		return;
	if (w.text.p[0] != '/') {
		dir_error(d, w.col, "bad path '%.*s'; expected a path that begins with '/'", SLICE_ARG(w.text));
		return;
	}
	if (!e->includes)
		e->includes = arena_zalloc(d->arena, ENDPOINT_MAX_INCLUDES * sizeof(*e->includes));
	for (unsigned i = 0; i < e->n_includes; i++)
		if (slice_eq(name.text, slice_str(e->includes[i].name))) {
			dir_error(d, name.col, "%s is included twice", e->includes[i].name);
			return;
		}
	if (e->n_includes == ENDPOINT_MAX_INCLUDES) {
		dir_error(d, name.col, "too many parts; expected at most %d", ENDPOINT_MAX_INCLUDES);
		return;
	}
	e->includes[e->n_includes++] = (struct include){
	    .name = dir_str(d, name.text),
	    .path = {.text = dir_str(d, w.text), .line = d->line, .col = w.col},
	};
	dir_end(d);
}

/* Does the template's path lead to e? 0 no; else higher the more of it is literal. */
static unsigned fits(const struct tag_template *t, const struct endpoint *e)
{
	struct slice rest = slice_str(t->text), path = slice_cut(&rest, '?');
	unsigned score = 1, i = 0;

	path.p++;
	path.n--;
	while (path.p) {
		struct slice piece = slice_cut(&path, '/');
		const struct segment *s = &e->segments[i];

		if (i++ == e->n_segments)
			return 0;
		if (s->param >= 0)
			continue;
		if (!slice_eq(piece, s->text))
			return 0;
		score += 1u << (ENDPOINT_MAX_SEGMENTS - i);
	}
	return i == e->n_segments ? score : 0;
}

static void wrong(const struct endpoint *e, const struct include *inc, struct errs *errs, const char *what)
{
	(void)errs_add(errs, E_endpoint_file, e->file, inc->path.line, inc->path.col, "@include: %s: %s", inc->name, what);
}

static int lacks(const char *const *names, unsigned n, const char *name)
{
	while (n--)
		if (strcasecmp(names[n], name) == 0)
			return 0;
	return 1;
}

/* X-Tenant is HTTP_X_TENANT in the CGI form. */
static int lacks_header(const struct cache_policy *c, const char *cgi)
{
	for (unsigned i = 0; i < c->n_per_headers; i++) {
		const char *a = c->per_headers[i], *b = cgi + strlen("HTTP_");

		while (*a && (*a == '-' ? *b == '_' : toupper((unsigned char)*a) == *b))
			a++, b++;
		if (!*a && !*b)
			return 0;
	}
	return 1;
}

static int lacks_claim(const struct endpoint *e, const struct include *inc, struct errs *errs, const char *claim)
{
	const struct cache_policy *c = &e->cache;
	char text[160];

	if (!lacks(c->per_claims, c->n_per_claims, claim))
		return 0;
	snprintf(text, sizeof(text), "the part depends on a claim; say per claim %.100s in @cache", claim);
	wrong(e, inc, errs, text);
	return 1;
}

/* The key of a cached whole holds its own values alone: whatever else a part is made from, it must declare, or one caller would be
 * answered with what was made for another. */
static int check_key(const struct endpoint *e, const struct include *inc, struct errs *errs)
{
	const struct endpoint *t = inc->target;
	const struct cache_policy *c = &e->cache;
	int n = 0, user = t->cache.is_per_user || t->identity_rls;

	for (unsigned i = 0; i < inc->path.n_parts; i++) {
		user |= inc->path.parts[i].kind == TAG_USER;
		if (inc->path.parts[i].kind == TAG_CLAIM)
			n += lacks_claim(e, inc, errs, inc->path.parts[i].text.p);
	}
	for (unsigned i = 0; i < t->cache.n_per_claims; i++)
		n += lacks_claim(e, inc, errs, t->cache.per_claims[i]);
	for (unsigned i = 0; i < t->n_identity_claims; i++)
		if (lacks(t->cache.per_claims, t->cache.n_per_claims, t->identity_claims[i]))
			n += lacks_claim(e, inc, errs, t->identity_claims[i]);
	for (unsigned i = 0; i < t->cache.n_per_headers; i++)
		if (lacks(c->per_headers, c->n_per_headers, t->cache.per_headers[i]))
			wrong(e, inc, errs, "the part depends on a header; say per header NAME in @cache, as the part does"), n++;
	for (unsigned i = 0; i < t->n_params; i++) {
		user |= t->params[i].source == SOURCE_USER;
		if (t->params[i].source == SOURCE_COOKIE)
			wrong(e, inc, errs, "the part depends on a cookie, so the whole cannot be cached; take @cache away here"), n++;
		else if (t->params[i].source == SOURCE_HEADER && lacks_header(c, t->params[i].from_name))
			wrong(e, inc, errs, "the part reads a header; say per header NAME in @cache"), n++;
	}
	if (user && !c->is_per_user)
		wrong(e, inc, errs, "the part depends on who asks; say per user in @cache"), n++;
	return n;
}

/* What the part depends on, the whole does. */
static int check_part(const struct endpoint *e, const struct include *inc, struct errs *errs)
{
	const struct endpoint *t = inc->target;
	const struct cache_policy *c = &e->cache;
	int n = 0;

	if (t->n_includes)
		wrong(e, inc, errs, "a part cannot have parts"), n++;
	if (t->handler)
		wrong(e, inc, errs, "a part cannot be a handler's"), n++;
	else if (t->returns == RETURNS_NONE)
		wrong(e, inc, errs, "the part answers without a document"), n++;
	if (c->is_on)
		n += check_key(e, inc, errs);
	if (c->is_on && !t->cache.is_on)
		wrong(e, inc, errs, "the part is not cached, so the whole cannot be; give it @cache, or take @cache away here"), n++;
	return n;
}

int dir_include_finish(struct endpoints *set, struct errs *errs)
{
	int n = 0;

	for (unsigned i = 0; i < set->n; i++) {
		struct endpoint *e = set->v[i];
		unsigned tags = e->cache.n_tags;

		for (unsigned k = 0; k < e->n_includes; k++) {
			struct include *inc = &e->includes[k];
			unsigned best = 0, score;

			for (unsigned j = 0; j < set->n; j++)
				if (set->v[j]->method == HTTP_GET && (score = fits(&inc->path, set->v[j])) > best) {
					best = score;
					inc->target = set->v[j];
				}
			if (!inc->target) {
				wrong(e, inc, errs, "no endpoint answers GET there");
				n++;
				continue;
			}
			n += check_part(e, inc, errs);
			tags += inc->target->cache.n_tags;
		}
		if (e->cache.is_on && tags > ENDPOINT_MAX_TAGS) {
			(void)errs_add(errs, E_endpoint_file, e->file, e->includes[0].path.line, 0,
				       "@include: the whole would have %u tags with those of its parts; expected at most %d: use coarser ones",
				       tags, ENDPOINT_MAX_TAGS);
			n++;
		}
	}
	return n;
}
