#include "config.h"

#include "lib/auth/identity.h"

#include <stdlib.h>

#include "lib/base/check.h"
#include "lib/json/jw.h"

#define MAX_ROLES 128u
#define MAX_MEMBERS 256u

/* Entries under construction. */
struct flat {
	struct arena *a;
	struct identity_entry *v;
	unsigned n;
	const char *wrong;
};

static void put(struct flat *f, struct slice path, const struct jr_member *m, int is_item)
{
	if (f->n == IDENTITY_MAX_ENTRIES) {
		f->wrong = "it has too many claims";
		return;
	}
	f->v[f->n++] = (struct identity_entry){
	    .path = path,
	    .text = m->type == JR_STRING ? m->text : slice_of(arena_strn(f->a, m->text.p, m->text.n), m->text.n),
	    .type = m->type,
	    .is_item = is_item};
}

static void flatten_array(struct flat *f, struct slice path, struct slice text)
{
	struct jr_member *m;
	struct err e;
	unsigned n;

	if (jr_array(text, f->a, MAX_MEMBERS, &m, &n, &e)) {
		f->wrong = "a claim's array is too long";
		return;
	}
	for (unsigned i = 0; i < n && !f->wrong; i++)
		if (m[i].type == JR_STRING || m[i].type == JR_NUMBER || m[i].type == JR_BOOL)
			put(f, path, &m[i], 1);
}

static void flatten(struct flat *f, struct slice prefix, struct slice text, unsigned depth)
{
	struct jr_member *m;
	struct err e;
	unsigned n;

	if (jr_object(text, f->a, MAX_MEMBERS, &m, &n, &e)) {
		f->wrong = "its claims are not a JSON object";
		return;
	}
	for (unsigned i = 0; i < n && !f->wrong; i++) {
		struct slice path = m[i].name;

		if (m[i].type == JR_NULL)
			continue;
		if (prefix.n)
			path = slice_str(arena_fmt(f->a, "%.*s.%.*s", SLICE_ARG(prefix), SLICE_ARG(m[i].name)));
		put(f, path, &m[i], 0);
		if (m[i].type == JR_ARRAY && !f->wrong)
			flatten_array(f, path, m[i].text);
	}
	/* behind all of this level, so that a name with dots comes before a path of the same text */
	for (unsigned i = 0; i < n && !f->wrong; i++) {
		struct slice path = m[i].name;

		if (m[i].type != JR_OBJECT || depth + 1 >= IDENTITY_MAX_DEPTH)
			continue;
		if (prefix.n)
			path = slice_str(arena_fmt(f->a, "%.*s.%.*s", SLICE_ARG(prefix), SLICE_ARG(m[i].name)));
		flatten(f, path, m[i].text, depth + 1);
	}
}

static unsigned split_roles(struct slice text, struct slice *roles, unsigned n, struct arena *a)
{
	size_t i = 0;

	while (i < text.n) {
		size_t from;

		while (i < text.n && (text.p[i] == ' ' || text.p[i] == ',' || text.p[i] == '\t'))
			i++;
		from = i;
		while (i < text.n && text.p[i] != ' ' && text.p[i] != ',' && text.p[i] != '\t')
			i++;
		if (i > from && n < MAX_ROLES)
			roles[n++] = slice_of(arena_strn(a, text.p + from, i - from), i - from);
	}
	return n;
}

static void find_roles(struct identity *id, const char *claim, struct arena *a)
{
	const struct identity_entry *e = claim[0] ? identity_entry(id, slice_str(claim)) : NULL;
	struct slice *roles;
	unsigned n = 0;

	if (!e || (e->type != JR_STRING && e->type != JR_ARRAY))
		return;
	roles = arena_alloc(a, MAX_ROLES * sizeof(*roles));
	if (e->type == JR_STRING)
		n = split_roles(e->text, roles, 0, a);
	for (unsigned i = 0; i < id->n_entries && e->type == JR_ARRAY && n < MAX_ROLES; i++)
		if (id->entries[i].is_item && id->entries[i].type == JR_STRING && slice_eq(id->entries[i].path, e->path))
			roles[n++] = id->entries[i].text;
	id->roles = roles;
	id->n_roles = n;
}

const char *identity_read(struct identity *id, struct slice json, const char *user_claim,
			  const char *roles_claim, struct arena *a)
{
	struct flat f = {.a = a, .v = arena_alloc(a, IDENTITY_MAX_ENTRIES * sizeof(*f.v))};
	const struct identity_entry *user;

	flatten(&f, (struct slice){NULL, 0}, json, 0);
	if (f.wrong)
		return f.wrong;
	id->entries = f.v;
	id->n_entries = f.n;
	id->json = json;
	user = identity_entry(id, slice_str(user_claim));
	if (user && (user->type == JR_STRING || user->type == JR_NUMBER) && user->text.n)
		id->user = user->text.p;
	find_roles(id, roles_claim, a);
	return NULL;
}

struct identity *identity_asserted(enum identity_kind kind, struct slice user, struct slice roles, struct arena *a)
{
	struct identity *id = arena_zalloc(a, sizeof(*id));
	struct identity_entry *v;
	struct slice *words = NULL;

	if (roles.n) {
		words = arena_alloc(a, MAX_ROLES * sizeof(*words));
		id->n_roles = split_roles(roles, words, 0, a);
	}
	v = arena_alloc(a, (2 + id->n_roles) * sizeof(*v));
	v[id->n_entries++] = (struct identity_entry){SLICE("sub"), user, JR_STRING, 0};
	if (id->n_roles) {
		struct buf b;
		struct jw w;

		buf_init(&b, 0);
		jw_init(&w, &b);
		jw_array(&w);
		for (unsigned i = 0; i < id->n_roles; i++)
			jw_slice(&w, words[i]);
		jw_array_end(&w);
		v[id->n_entries++] = (struct identity_entry){SLICE("roles"), slice_of(arena_strn(a, b.p, b.n), b.n), JR_ARRAY, 0};
		buf_done(&b);
		for (unsigned i = 0; i < id->n_roles; i++)
			v[id->n_entries++] = (struct identity_entry){SLICE("roles"), words[i], JR_STRING, 1};
	}
	id->kind = kind;
	id->user = user.p;
	id->roles = words;
	id->entries = v;
	id->not_before = INT64_MIN;
	id->expires = INT64_MAX;
	return id;
}

const char *identity_json(const struct identity *id, struct arena *a)
{
	const char *out;
	struct buf b;
	struct jw w;

	if (id->json.p)
		return id->json.p;
	buf_init(&b, 0);
	jw_init(&w, &b);
	jw_object(&w);
	for (unsigned i = 0; i < id->n_entries; i++) {
		if (id->entries[i].is_item)
			continue;
		jw_key(&w, id->entries[i].path.p);
		if (id->entries[i].type == JR_STRING)
			jw_slice(&w, id->entries[i].text);
		else
			jw_raw(&w, id->entries[i].text);
	}
	jw_object_end(&w);
	out = arena_strn(a, b.p, b.n);
	buf_done(&b);
	return out;
}

/* s behind *at, with its NUL; *at goes behind that. */
static struct slice pack(char **at, struct slice s)
{
	char *p = *at;

	if (s.n)
		memcpy(p, s.p, s.n);
	p[s.n] = 0;
	*at += s.n + 1;
	return slice_of(p, s.n);
}

struct identity *identity_pack(const struct identity *id)
{
	size_t size = sizeof(*id) + id->n_entries * sizeof(*id->entries) + id->n_roles * sizeof(*id->roles);
	struct slice user = slice_str(id->user ? id->user : ""), *roles;
	struct identity_entry *entries;
	struct identity *out;
	char *at;

	size += id->json.n + 1 + user.n + 1;
	for (unsigned i = 0; i < id->n_entries; i++)
		size += id->entries[i].path.n + id->entries[i].text.n + 2;
	for (unsigned i = 0; i < id->n_roles; i++)
		size += id->roles[i].n + 1;
	out = malloc(size);
	check(out);
	*out = *id;
	out->refs = 1;
	out->size = size;
	entries = (struct identity_entry *)(void *)(out + 1);
	roles = (struct slice *)(void *)(entries + id->n_entries);
	at = (char *)(roles + id->n_roles);
	out->entries = entries;
	out->roles = roles;
	out->json = pack(&at, id->json);
	user = pack(&at, user);
	out->user = id->user ? user.p : NULL;
	for (unsigned i = 0; i < id->n_entries; i++) {
		entries[i] = id->entries[i];
		entries[i].path = pack(&at, id->entries[i].path);
		entries[i].text = pack(&at, id->entries[i].text);
	}
	for (unsigned i = 0; i < id->n_roles; i++)
		roles[i] = pack(&at, id->roles[i]);
	check(at == (char *)out + size);
	return out;
}

struct identity *identity_ref(struct identity *id)
{
	id->refs += id->refs > 0;
	return id;
}

void identity_unref(struct identity *id)
{
	if (!id || !id->refs || --id->refs)
		return;
	explicit_bzero(id, id->size);
	free(id);
}

const struct identity_entry *identity_entry(const struct identity *id, struct slice path)
{
	for (unsigned i = 0; i < id->n_entries; i++)
		if (!id->entries[i].is_item && slice_eq(id->entries[i].path, path))
			return &id->entries[i];
	return NULL;
}

const char *identity_claim(const struct identity *id, const char *path)
{
	const struct identity_entry *e = identity_entry(id, slice_str(path));

	return e ? e->text.p : NULL;
}

int identity_claim_is(const struct identity *id, const char *path, const char *value)
{
	const struct identity_entry *e = identity_entry(id, slice_str(path));

	if (!e)
		return 0;
	if (e->type != JR_ARRAY)
		return e->type != JR_OBJECT && slice_eq(e->text, slice_str(value));
	for (unsigned i = 0; i < id->n_entries; i++)
		if (id->entries[i].is_item && slice_eq(id->entries[i].path, e->path) &&
		    slice_eq(id->entries[i].text, slice_str(value)))
			return 1;
	return 0;
}

int identity_has_role(const struct identity *id, const char *role)
{
	for (unsigned i = 0; i < id->n_roles; i++)
		if (slice_eq(id->roles[i], slice_str(role)))
			return 1;
	return 0;
}
