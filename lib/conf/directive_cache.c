/* directive_cache: @cache, @compress and @invalidates: for how long, for whom, under which tags. What the names in
 * a tag's braces mean is known when the whole file has been read: endpoint_cache_finish. */
#include "config.h"

#include <ctype.h>
#include <strings.h>

#include "lib/base/num.h"
#include "lib/conf/directive.h"

#define DAY (24ull * 3600 * 1000)

enum attr { A_STALE, A_ERROR, A_NEGATIVE, A_TAGS, A_PER, A_AT_MOST, A_PUBLIC, A_PRIVATE };
static const char *const attrs[] = {"stale", "stale-if-error", "negative", "tags", "per", "at-most", "public", "private", NULL};

static int attr_of(const struct dir_word *w)
{
	for (int i = 0; attrs[i]; i++)
		if (slice_eq(w->text, slice_str(attrs[i])))
			return i;
	return -1;
}

static int is_tag(struct slice s)
{
	int depth = 0;

	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i];

		if (c == '{' || c == '}') {
			depth += c == '{' ? 1 : -1;
			if (depth < 0 || depth > 1)
				return 0;
		} else if (!isalnum((unsigned char)c) && !strchr("_.:-", c)) {
			return 0;
		}
	}
	return s.n > 0 && s.n <= 128 && depth == 0;
}

static void add_tag(struct dir *d, const struct dir_word *w, struct tag_template **tags, unsigned *n)
{
	if (!is_tag(w->text)) {
		dir_error(d, w->col, "bad tag '%.*s'; expected letters, digits, _.:- and {parameter}",
			  SLICE_ARG(w->text));
		return;
	}
	if (!*tags)
		*tags = arena_zalloc(d->arena, ENDPOINT_MAX_TAGS * sizeof(**tags));
	if (*n == ENDPOINT_MAX_TAGS) {
		dir_error(d, w->col, "too many tags; expected at most %d", ENDPOINT_MAX_TAGS);
		return;
	}
	(*tags)[(*n)++] = (struct tag_template){.text = dir_str(d, w->text), .line = d->line, .col = w->col};
}

/* user, claim NAME or header NAME behind "per". */
static int per(struct dir *d, const struct dir_word *what)
{
	struct cache_policy *c = &d->e->cache;
	struct dir_word w;

	if (slice_eq(what->text, SLICE("user"))) {
		c->is_per_user = 1;
		return 0;
	}
	if (slice_eq(what->text, SLICE("claim"))) {
		if (!dir_need(d, &w, "the claim's name"))
			return -1;
		if (c->n_per_claims < ENDPOINT_MAX_TAGS)
			c->per_claims[c->n_per_claims++] = dir_str(d, w.text);
		return 0;
	}
	if (slice_eq(what->text, SLICE("header"))) {
		if (!dir_need(d, &w, "the header's name"))
			return -1;
		if (!dir_is_token(w.text)) {
			dir_error(d, w.col, "bad header name '%.*s'", SLICE_ARG(w.text));
			return -1;
		}
		if (c->n_per_headers < ENDPOINT_MAX_TAGS)
			c->per_headers[c->n_per_headers++] = dir_str(d, w.text);
		return 0;
	}
	dir_error(d, what->col, "bad word '%.*s' after per; expected user, claim NAME or header NAME",
		  SLICE_ARG(what->text));
	return -1;
}

/* 25% */
static int percent(struct dir *d, unsigned *ret)
{
	struct dir_word w;
	uint64_t n;

	if (!dir_need(d, &w, "a share, such as 25%"))
		return -1;
	if (!w.text.n || w.text.p[w.text.n - 1] != '%' || num_u64(slice_of(w.text.p, w.text.n - 1), &n) || !n || n > 100) {
		dir_error(d, w.col, "bad share '%.*s'; expected 1%% to 100%%", SLICE_ARG(w.text));
		return -1;
	}
	*ret = (unsigned)n;
	return 0;
}

void dir_cache(struct dir *d)
{
	struct cache_policy *c = &d->e->cache;
	uint64_t *times[] = {[A_STALE] = &c->stale_ms, [A_ERROR] = &c->error_ms, [A_NEGATIVE] = &c->negative_ms};
	unsigned seen = 0, n = 0;
	int open = -1;	/* A_TAGS or A_PER, which take words until the next attribute */
	struct dir_word w;

	if (!dir_need(d, &w, "how long, such as 60s") || dir_msec(d, &w, 1, 365 * DAY, &c->ttl_ms))
		return;
	while (dir_next(d, &w)) {
		int i = attr_of(&w);

		if (i < 0 && open < 0) {
			dir_one_of(d, &w, "attribute", attrs);
			return;
		}
		if (i < 0) {
			n++;
			if (open == A_TAGS)
				add_tag(d, &w, &c->tags, &c->n_tags);
			else if (per(d, &w))
				return;
			continue;
		}
		if (open >= 0 && n == 0)
			break;
		if (seen & 1u << i || (i >= A_PUBLIC && seen & 3u << A_PUBLIC)) {
			dir_error(d, w.col, "%s is given twice, or public beside private", attrs[i]);
			return;
		}
		seen |= 1u << i;
		open = i == A_TAGS || i == A_PER ? i : -1;
		n = 0;
		if (i == A_AT_MOST && percent(d, &c->at_most))
			return;
		if (i <= A_NEGATIVE && (!dir_need(d, &w, "a duration") || dir_msec(d, &w, 0, 365 * DAY, times[i])))
			return;
	}
	if (open >= 0 && n == 0) {
		dir_error(d, w.col, "expected a word after '%s'", attrs[open]);
		return;
	}
	c->is_on = 1;
	c->is_public = !!(seen & 1u << A_PUBLIC);
	c->is_private = !!(seen & 1u << A_PRIVATE);
}

void dir_compress(struct dir *d)
{
	static const char *const words[] = {"on", "off", NULL};
	struct dir_word w;
	int i;

	if (!dir_need(d, &w, "on or off") || (i = dir_one_of(d, &w, "word", words)) < 0)
		return;
	d->e->compress = i == 0 ? COMPRESS_YES : COMPRESS_NO;
	dir_end(d);
}

void dir_invalidates(struct dir *d)
{
	struct dir_word w;

	if (!dir_need(d, &w, "a tag"))
		return;
	do {
		add_tag(d, &w, &d->e->invalidates, &d->e->n_invalidates);
	} while (dir_next(d, &w));
}

/* ---- when the file has been read ---- */

/* A directive whose line was read before. */
static void about(struct dir *d, enum dir_id id, unsigned line)
{
	d->desc = &dir_table[id];
	d->line = line ? line : d->seen[id];
}

static void complain(struct dir *d, const struct tag_template *t, const char *what, struct slice name)
{
	d->desc = NULL;
	d->line = t->line;
	dir_error(d, t->col, "%s: %s '%.*s'", t->text, what, SLICE_ARG(name));
}

static int resolve_name(struct dir *d, const struct tag_template *t, struct slice name, struct tag_part *part)
{
	struct param *param = dir_find_param(d->e, name);

	if (param && (param->number || param->source == SOURCE_PATH)) {
		*part = (struct tag_part){.kind = TAG_PARAM, .param = (unsigned)(param - d->e->params)};
	} else if (param) {
		complain(d, t, "the statement does not use", name);
		return -1;
	} else if (slice_eq(name, SLICE("user"))) {
		*part = (struct tag_part){.kind = TAG_USER};
	} else if (slice_starts(name, SLICE("claim.")) && name.n > 6) {
		const char *claim = dir_str(d, slice_of(name.p + 6, name.n - 6));

		*part = (struct tag_part){.kind = TAG_CLAIM, .text = slice_str(claim)};
	} else {
		complain(d, t, "expected a parameter, user or claim.NAME in place of", name);
		return -1;
	}
	return 0;
}

/* "user:id" beside a parameter id. */
static void warn_tag(struct dir *d, const struct tag_template *t)
{
	struct slice rest = slice_str(t->text);

	for (slice_cut(&rest, ':'); rest.p;) {
		struct slice word = slice_cut(&rest, ':');
		const struct param *param = word.n ? dir_find_param(d->e, word) : NULL;

		if (!param)
			continue;
		d->desc = NULL;
		d->line = t->line;
		dir_warn(d, t->col, "tag %s: '%s' is literal text; the parameter's value is written {%s}", t->text, param->name,
			 param->name);
	}
}

static void resolve(struct dir *d, struct tag_template *t)
{
	struct slice rest = slice_str(t->text);

	t->parts = arena_zalloc(d->arena, ENDPOINT_MAX_TAG_PARTS * sizeof(*t->parts));
	while (rest.n) {
		struct slice text = slice_cut(&rest, '{'), name;

		if (t->n_parts + 2 > ENDPOINT_MAX_TAG_PARTS) {
			complain(d, t, "too many parts at", text);
			return;
		}
		if (text.n)
			t->parts[t->n_parts++] = (struct tag_part){.kind = TAG_TEXT, .text = text};
		if (!rest.p)
			return;
		name = slice_cut(&rest, '}');
		if (resolve_name(d, t, name, &t->parts[t->n_parts]))
			return;
		t->n_parts++;
	}
}

static void note_params(struct endpoint *e, const struct tag_template *tags, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		for (unsigned k = 0; k < tags[i].n_parts; k++)
			if (tags[i].parts[k].kind == TAG_PARAM)
				e->params[tags[i].parts[k].param].flags |= PARAM_TAG;
}

/* Does the answer depend on who asks, as far as can be seen without reading the SQL? */
static int reads_identity(const struct endpoint *e)
{
	for (unsigned i = 0; i < e->n_params; i++)
		if (e->params[i].source == SOURCE_USER)
			return 1;
	return e->n_identity_claims > 0 || e->identity_rls;
}

static void check_cache(struct dir *d)
{
	const struct endpoint *e = d->e;
	const struct cache_policy *c = &e->cache;
	int has_per = c->is_per_user || c->n_per_claims;

	about(d, DIR_cache, 0);
	if (e->method != HTTP_GET)
		dir_error(d, 0, "it stands on a GET only");
	if (e->identity_rls && !has_per)
		dir_error(d, 0, "@rls makes the answer depend on who asks: say per user, so that nobody is answered with what "
			  "was made for another");
	else if (reads_identity(e) && !has_per)
		dir_error(d, 0, "a parameter comes from the caller's identity: say per user or per claim NAME, so that nobody is "
			  "answered with what was made for another");
	else if (e->identity_user && !has_per && !c->is_public)
		dir_error(d, 0, "@auth asks for an identity that the statement can read: say per user, per claim NAME, or "
			  "public if the answer is the same for everybody");
	if (e->identity_rls && !c->is_per_user && has_per)
		dir_error(d, 0, "@rls passes every claim: say per user");
	if (c->is_public && has_per)
		dir_error(d, 0, "public contradicts per user and per claim: the answer is one person's");
	if (c->is_public && reads_identity(e))
		dir_error(d, 0, "public, but a parameter comes from the caller's identity");
	for (unsigned i = 0; i < e->n_headers; i++)
		if (strcasecmp(e->headers[i].name, "Set-Cookie") == 0)
			dir_error(d, 0, "an answer with Set-Cookie cannot be cached");
		else if (strcasecmp(e->headers[i].name, "Cache-Control") == 0)
			dir_error(d, 0, "the header Cache-Control follows from it; remove the line with @header");
}

void dir_cache_finish(struct dir *d)
{
	struct endpoint *e = d->e;

	for (unsigned i = 0; i < e->cache.n_tags; i++) {
		resolve(d, &e->cache.tags[i]);
		warn_tag(d, &e->cache.tags[i]);
	}
	for (unsigned i = 0; i < e->n_invalidates; i++) {
		resolve(d, &e->invalidates[i]);
		warn_tag(d, &e->invalidates[i]);
	}
	note_params(e, e->cache.tags, e->cache.n_tags);
	note_params(e, e->invalidates, e->n_invalidates);
	for (unsigned i = 0; i < e->n_includes; i++)
		resolve(d, &e->includes[i].path);
	if (e->n_includes && (e->method != HTTP_GET || (e->has_sql && e->returns != RETURNS_ROW))) {
		about(d, DIR_include, 0);
		dir_error(d, 0, "it stands on a GET whose own statement, if any, @returns row");
	}
	if (e->cache.is_on)
		check_cache(d);
	if (e->compress == COMPRESS_YES && !e->cache.is_on) {
		about(d, DIR_compress, 0);
		dir_error(d, 0, "only answers that are kept are compressed: it needs @cache");
	}
	if (e->n_invalidates && e->method == HTTP_GET) {
		about(d, DIR_invalidates, 0);
		dir_error(d, 0, "it stands on a POST, PUT, PATCH or DELETE");
	}
}
