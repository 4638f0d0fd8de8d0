/* Tags are held against each other by their literal text, placeholder by placeholder: "c:{id}" against "c:{key}", not against
 * "c:{a}:{b}". A statement that is not described, or has no such parameter, says nothing. */
#include "config.h"

#include "workers/tagtypes.h"

#include <stdlib.h>

#include "lib/pg/db_canon.h"
#include "workers/worker.h"

/* A placeholder whose type is known: of an endpoint, or of a watched column. */
struct known {
	struct slice shape;		/* the tag's literal text, '*' for each placeholder */
	unsigned place;			/* which of them */
	enum db_canon canon;
	const struct endpoint *ep;	/* NULL: watched */
	const struct tag_template *tag;
	const struct tag_part *part;
	unsigned variant;
	const struct db_watched *column;
};

struct list_of {
	struct known *v;
	unsigned n, cap;
	struct arena *arena;
	struct list_of *untold;		/* places that a statement will say more of, once it is described */
	int awaits_watched;		/* as may a database that was not asked yet what is watched there */
};

static void add(struct list_of *l, const struct known *k)
{
	if (l->n == l->cap) {
		l->cap = l->cap ? l->cap * 2 : 64;
		l->v = realloc(l->v, l->cap * sizeof(*l->v));
		if (!l->v)
			abort();
	}
	l->v[l->n++] = *k;
}

/* The template with '*', which no tag holds, for each placeholder. */
static struct slice shape_of(const char *text, struct arena *a)
{
	struct slice rest = slice_str(text);
	AUTO(buf) struct buf b;

	buf_init(&b, 0);
	while (rest.n) {
		struct slice s = slice_cut(&rest, '{');

		buf_add(&b, s.p, s.n);
		if (!rest.p)
			break;
		buf_addc(&b, '*');
		(void)slice_cut(&rest, '}');
	}
	return slice_of(arena_strn(a, b.p ? b.p : "", b.n), b.n);
}

/* How a part is filled by this variant's statement; DB_CANON_NONE: nobody says. */
static enum db_canon canon_of(const struct endpoint_run *run, const struct tag_part *part, unsigned variant)
{
	const struct db_stmt *s;
	unsigned number = part->kind == TAG_PARAM ? run->ep->params[part->param].number : 0;

	if (!number || number > run->ep->n_bound || !run->pool)
		return DB_CANON_NONE;
	s = db_pool_stmt(run->pool, run->first_stmt + variant);
	return s->desc && number <= s->desc->n_params ? (enum db_canon)s->desc->params[number - 1].canon : DB_CANON_NONE;
}

/* It has the part as a parameter, and is not described yet. */
static int is_untold(const struct endpoint_run *run, const struct tag_part *part, unsigned variant)
{
	unsigned number = part->kind == TAG_PARAM ? run->ep->params[part->param].number : 0;

	return number && number <= run->ep->n_bound && run->pool && !db_pool_stmt(run->pool, run->first_stmt + variant)->desc;
}

static const char *column_of(const struct known *k, struct arena *a)
{
	return arena_fmt(a, "column %s of the watched table %s", k->column->column, k->column->table);
}

static void complain(struct worker *w, const struct known *k, const struct known *other, struct errs *errs, struct arena *a)
{
	struct err e = {0};

	err_set_at(&e, E_sql, k->ep->file, k->tag->line, k->tag->col,
		   "tag %s: {%s} is %s here and %s in %s, and what is equal there is not told by one text; give both one type, "
		   "as in :%s::%s", k->tag->text, k->ep->params[k->part->param].name, db_canon_name(k->canon),
		   db_canon_name(other->canon), other->ep ? other->ep->file : column_of(other, a),
		   k->ep->params[k->part->param].name, other->canon == DB_CANON_NUMBER ? "int" : db_canon_name(other->canon));
	if (errs) {
		(void)errs_add(errs, e.id, e.file, e.line, e.col, "%s", e.text);
		return;
	}
	for (unsigned i = 0; i < w->snapshot.endpoints.n; i++)
		if (w->runs[i].ep == k->ep && !db_pool_stmt(w->runs[i].pool, w->runs[i].first_stmt + k->variant)->failed.id)
			db_pool_refuse(w->runs[i].pool, w->runs[i].first_stmt + k->variant, &e);
}

static const struct known *find(const struct list_of *l, struct slice shape, unsigned place)
{
	for (unsigned i = 0; i < l->n; i++)
		if (l->v[i].place == place && slice_eq(l->v[i].shape, shape))
			return &l->v[i];
	return NULL;
}

static void watched(struct worker *w, struct list_of *l)
{
	for (unsigned i = 0; i < w->snapshot.options.n_databases; i++) {
		const struct db_watched *v;
		unsigned n = 0;

		v = w->pools[i] ? db_pool_watched(w->pools[i], &n) : NULL;
		l->awaits_watched |= w->pools[i] && !db_pool_described(w->pools[i]) && w->snapshot.options.databases[i].events != EVENTS_OFF;
		for (unsigned k = 0; k < n; k++) {
			struct slice rest = slice_str(v[k].tag);
			struct known one = {.shape = shape_of(v[k].tag, l->arena), .canon = (enum db_canon)v[k].canon,
					    .column = &v[k]};

			for (;; one.place++) {
				(void)slice_cut(&rest, '{');
				if (!rest.p)
					break;
				if (slice_eq(slice_cut(&rest, '}'), slice_str(v[k].column)) && one.canon != DB_CANON_NONE)
					add(l, &one);
			}
		}
	}
}

typedef void tag_f(struct worker *w, struct endpoint_run *run, struct tag_template *t, struct list_of *l, struct errs *errs);

/* Each tag that acts. */
static void each(struct worker *w, struct list_of *l, struct errs *errs, tag_f *f)
{
	for (unsigned i = 0; i < w->snapshot.endpoints.n; i++) {
		struct endpoint_run *run = &w->runs[i];

		for (unsigned k = 0; run->ep->cache.is_on && k < run->ep->cache.n_tags; k++)
			f(w, run, &run->ep->cache.tags[k], l, errs);
		for (unsigned k = 0; k < run->ep->n_invalidates; k++)
			f(w, run, &run->ep->invalidates[k], l, errs);
	}
}

static void compare(struct worker *w, struct endpoint_run *run, struct tag_template *t, struct list_of *l, struct errs *errs)
{
	struct known one = {.shape = shape_of(t->text, l->arena), .ep = run->ep, .tag = t};

	for (unsigned k = 0; k < t->n_parts; k++) {
		one.part = &t->parts[k];
		for (one.variant = 0; one.variant < run->ep->n_variants; one.variant++) {
			const struct known *other;

			one.canon = canon_of(run, one.part, one.variant);
			if (one.canon == DB_CANON_NONE) {
				if (is_untold(run, one.part, one.variant))
					add(l->untold, &one);
				continue;
			}
			other = find(l, one.shape, one.place);
			if (!other)
				add(l, &one);
			else if (!db_canon_meet(one.canon, other->canon))
				complain(w, &one, other, errs, l->arena);
		}
		one.place += t->parts[k].kind != TAG_TEXT;
	}
}

static void adopt(struct worker *w, struct endpoint_run *run, struct tag_template *t, struct list_of *l, struct errs *errs)
{
	struct slice shape = shape_of(t->text, l->arena);
	unsigned place = 0;

	(void)w;
	(void)errs;
	(void)run;
	for (unsigned k = 0; k < t->n_parts; k++) {
		const struct known *other;

		if (t->parts[k].kind == TAG_TEXT)
			continue;
		other = find(l, shape, place);
		t->parts[k].as = (unsigned char)(other ? other->canon : DB_CANON_TEXT);
		t->parts[k].is_told = other || !(l->awaits_watched || find(l->untold, shape, place));
		place++;
	}
}

void tagtypes_look(struct worker *w, struct errs *errs)
{
	struct list_of untold = {0}, l = {.untold = &untold};
	struct arena arena;
	struct arena_pool pool;

	arena_pool_init(&pool, 4);
	arena_init(&arena, &pool);
	l.arena = &arena;
	watched(w, &l);
	each(w, &l, errs, compare);
	each(w, &l, errs, adopt);
	free(l.v);
	free(untold.v);
	arena_done(&arena);
	arena_pool_done(&pool);
}
