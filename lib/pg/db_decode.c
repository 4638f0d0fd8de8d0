/* An old row is told as far as the table's REPLICA IDENTITY goes: columns that are no part of it read as NULL, and a
 * row whose identity did not change comes without its old image. So a template is known in the old row only if all
 * its columns belong to the identity; else the change is told as "all". A partition is told under its root's name and
 * identity, and may have a smaller one itself: a root whose identity is FULL is taken at its word only by whole old rows. */
#include "config.h"

#include "lib/pg/db_decode.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/buf.h"
#include "lib/base/check.h"
#include "lib/pg/db_canon.h"

#define MAX_COLUMNS 1664u
#define MAX_PARTS 33u
#define EPOCH_US 946684800000000ull	/* 2000-01-01 */
#define MAX_TAG 1000u			/* as in sql/weir/events.sql */

struct part {
	struct slice text;
	enum db_canon canon;	/* of the column */
	int col;		/* index; -1: text; -2: there is no such column */
};

struct tag {
	char *template;
	struct part parts[MAX_PARTS];
	unsigned n_parts;
	int in_identity;	/* all of its columns */
	int has_columns;
};

struct rel {
	uint32_t oid;
	int is_known;		/* its columns were told */
	int is_full;		/* REPLICA IDENTITY FULL */
	struct tag *tags;
	unsigned n_tags;
};

struct type {
	uint32_t oid;
	enum db_canon canon;
};

struct db_decode {
	struct type *types;
	unsigned n_types;
	struct db_decode_ops ops;
	void *ctx;
	struct rel *rels;
	unsigned n_rels;
	int is_inside;
	uint32_t xid;
	struct buf tag;
};

struct value {
	char kind;		/* 'n', 'u', 't', 'b' */
	struct slice text;
};

/* ---- reading ---- */

struct in {
	const unsigned char *p;
	size_t n;
	int is_short;
};

static const unsigned char *take(struct in *in, size_t n)
{
	const unsigned char *p = in->p;

	if (in->is_short || in->n < n) {
		in->is_short = 1;
		return NULL;
	}
	in->p += n;
	in->n -= n;
	return p;
}

static uint64_t number(struct in *in, unsigned bytes)
{
	const unsigned char *p = take(in, bytes);
	uint64_t v = 0;

	for (unsigned i = 0; p && i < bytes; i++)
		v = v << 8 | p[i];
	return v;
}

static struct slice text(struct in *in)
{
	const unsigned char *end = in->is_short || !in->n ? NULL : memchr(in->p, 0, in->n);
	struct slice s = {(const char *)in->p, 0};

	if (!end) {
		in->is_short = 1;
		return (struct slice){NULL, 0};
	}
	s.n = (size_t)(end - in->p);
	(void)take(in, s.n + 1);
	return s;
}

/* Columns of a row into v[MAX_COLUMNS]; how many. */
static unsigned tuple(struct in *in, struct value *v)
{
	unsigned n = (unsigned)number(in, 2);

	if (n > MAX_COLUMNS)
		in->is_short = 1;
	for (unsigned i = 0; i < n && !in->is_short; i++) {
		v[i] = (struct value){.kind = (char)number(in, 1)};
		if (v[i].kind == 't' || v[i].kind == 'b') {
			size_t len = number(in, 4);
			const unsigned char *p = take(in, len);

			v[i].text = slice_of((const char *)p, p ? len : 0);
		} else if (v[i].kind != 'n' && v[i].kind != 'u') {
			in->is_short = 1;
		}
	}
	return n;
}

/* ---- tables ---- */

static struct rel *find(const struct db_decode *d, uint32_t oid)
{
	for (unsigned i = 0; i < d->n_rels; i++)
		if (d->rels[i].oid == oid)
			return &d->rels[i];
	return NULL;
}

static void split(struct tag *t)
{
	struct slice rest = slice_str(t->template);

	t->n_parts = 0;
	while (rest.n && t->n_parts + 2 <= MAX_PARTS) {
		struct slice s = slice_cut(&rest, '{');

		if (s.n)
			t->parts[t->n_parts++] = (struct part){.text = s, .col = -1};
		if (rest.p) {
			t->parts[t->n_parts++] = (struct part){.text = slice_cut(&rest, '}'), .col = -2};
			t->has_columns = 1;
		}
	}
	if (rest.n)	/* not cut short: better "all" than a tag that nobody has */
		t->parts[0] = (struct part){.text = slice_str(t->template), .col = -2};
}

void db_decode_type(struct db_decode *d, uint32_t oid, uint32_t base, int is_enum)
{
	d->types = realloc(d->types, (d->n_types + 1) * sizeof(*d->types));
	check(d->types);
	d->types[d->n_types++] = (struct type){oid, db_canon_of(base, is_enum)};
}

static enum db_canon canon_of(const struct db_decode *d, uint32_t oid)
{
	for (unsigned i = 0; i < d->n_types; i++)
		if (d->types[i].oid == oid)
			return d->types[i].canon;
	return db_canon_of(oid, 0);
}

void db_decode_watch(struct db_decode *d, uint32_t relid, struct slice tag)
{
	struct rel *r = find(d, relid);
	struct tag *t;

	if (!r) {
		d->rels = realloc(d->rels, (d->n_rels + 1) * sizeof(*d->rels));
		check(d->rels);
		r = &d->rels[d->n_rels++];
		*r = (struct rel){.oid = relid};
	}
	r->tags = realloc(r->tags, (r->n_tags + 1) * sizeof(*r->tags));
	check(r->tags);
	t = &r->tags[r->n_tags++];
	*t = (struct tag){.template = strndup(tag.p, tag.n)};
	check(t->template);
	split(t);
}

static void name_column(struct rel *r, int col, struct slice name, int is_identity, enum db_canon canon)
{
	for (unsigned i = 0; i < r->n_tags; i++)
		for (unsigned k = 0; k < r->tags[i].n_parts; k++) {
			struct part *p = &r->tags[i].parts[k];

			if (p->col == -1 || !slice_eq(p->text, name))
				continue;
			p->col = col;
			p->canon = canon;
			r->tags[i].in_identity &= is_identity;
		}
}

static void relation(struct db_decode *d, struct in *in)
{
	struct rel *r = find(d, (uint32_t)number(in, 4));
	char identity;
	unsigned n;

	(void)text(in);
	(void)text(in);
	identity = (char)number(in, 1);
	if (r)
		r->is_full = identity == 'f';
	n = (unsigned)number(in, 2);
	if (n > MAX_COLUMNS)
		in->is_short = 1;
	for (unsigned i = 0; r && i < r->n_tags; i++) {
		r->tags[i].in_identity = 1;
		for (unsigned k = 0; k < r->tags[i].n_parts; k++)
			if (r->tags[i].parts[k].col >= 0)
				r->tags[i].parts[k].col = -2;
	}
	for (unsigned i = 0; i < n && !in->is_short; i++) {
		int is_identity = (int)number(in, 1) & 1;
		struct slice name = text(in);

		uint32_t type = (uint32_t)number(in, 4);

		(void)number(in, 4);
		if (r && !in->is_short)
			name_column(r, (int)i, name, is_identity, canon_of(d, type));
	}
	if (r)
		r->is_known = !in->is_short;
}

/* ---- rows ---- */

/* 0, or -1: the row does not say. */
static int make(struct db_decode *d, const struct tag *t, const struct value *v, unsigned n)
{
	buf_clear(&d->tag);
	for (unsigned i = 0; i < t->n_parts; i++) {
		const struct part *p = &t->parts[i];

		if (p->col == -1) {
			buf_add(&d->tag, p->text.p, p->text.n);
			continue;
		}
		if (p->col < 0 || (unsigned)p->col >= n || v[p->col].kind == 'u' || v[p->col].kind == 'b' ||
		    v[p->col].text.n > MAX_TAG)
			return -1;
		if (v[p->col].text.n && db_canon_put(p->canon, v[p->col].text, &d->tag))
			return -1;
	}
	return d->tag.n <= MAX_TAG ? 0 : -1;
}

/* Does an old row of this image ('K', 'O'; 'N': none came, so its identity did not change) say t's columns? */
static int is_told(const struct rel *r, const struct tag *t, char image)
{
	return !t->has_columns || (t->in_identity && (!r->is_full || image == 'O'));
}

/* image: the old row's, of which only what the identity covers is there; 'N': a new row. */
static void tell(struct db_decode *d, const struct rel *r, const struct value *v, unsigned n, char image)
{
	for (unsigned i = 0; i < r->n_tags; i++) {
		const struct tag *t = &r->tags[i];

		if ((image == 'N' || is_told(r, t, image)) && make(d, t, v, n) == 0)
			d->ops.on_tag(d->ctx, buf_slice(&d->tag));
		else
			d->ops.on_all(d->ctx, t->template);
	}
}

static void row(struct db_decode *d, struct in *in, char kind)
{
	struct rel *r = find(d, (uint32_t)number(in, 4));
	struct value v[MAX_COLUMNS];
	char image = (char)number(in, 1);
	int had_old = 0;
	unsigned n;

	if (kind != 'I' && (image == 'K' || image == 'O')) {
		n = tuple(in, v);
		had_old = 1;
		if (!in->is_short && r && r->is_known)
			tell(d, r, v, n, image);
		if (kind == 'D')
			return;
		image = (char)number(in, 1);
	}
	if (image != 'N' || kind == 'D') {
		in->is_short = 1;
		return;
	}
	n = tuple(in, v);
	if (in->is_short || !r || !r->is_known)
		return;
	tell(d, r, v, n, 'N');
	for (unsigned i = 0; kind == 'U' && !had_old && i < r->n_tags; i++)
		if (!is_told(r, &r->tags[i], 'N'))
			d->ops.on_all(d->ctx, r->tags[i].template);
}

static void truncate(struct db_decode *d, struct in *in)
{
	uint64_t n = number(in, 4);

	(void)number(in, 1);
	for (uint64_t i = 0; i < n && !in->is_short; i++) {
		const struct rel *r = find(d, (uint32_t)number(in, 4));

		if (in->is_short || !r)
			continue;
		d->ops.on_tag(d->ctx, slice_str(r->tags[0].template));
		if (r->n_tags > 1)
			d->ops.on_all(d->ctx, NULL);
	}
}

static void message(struct db_decode *d, struct in *in)
{
	struct slice prefix;
	size_t len;
	const unsigned char *p;

	(void)number(in, 1);
	(void)number(in, 8);
	prefix = text(in);
	len = number(in, 4);
	p = take(in, len);
	if (!in->is_short && slice_eq(prefix, SLICE("weir")))
		d->ops.on_message(d->ctx, slice_of((const char *)p, len));
}

static void commit(struct db_decode *d, struct in *in)
{
	uint64_t end_lsn, at;

	(void)number(in, 1);
	(void)number(in, 8);
	end_lsn = number(in, 8);
	at = number(in, 8);
	if (in->is_short)
		return;
	d->is_inside = 0;
	d->ops.on_commit(d->ctx, d->xid, end_lsn, at + EPOCH_US);
}

int db_decode_feed(struct db_decode *d, struct slice msg, struct err *e)
{
	struct in in = {(const unsigned char *)msg.p, msg.n, 0};
	char kind = (char)number(&in, 1);
	int is_change = kind == 'I' || kind == 'U' || kind == 'D' || kind == 'T';

	if ((is_change && !d->is_inside) || (kind == 'B' && d->is_inside) || (kind == 'C' && !d->is_inside))
		return err_set(e, E_db_down, "the slot's message '%c' is out of place", kind);
	if (kind == 'B') {
		(void)number(&in, 8);
		(void)number(&in, 8);
		d->xid = (uint32_t)number(&in, 4);
		d->is_inside = !in.is_short;
	} else if (kind == 'C') {
		commit(d, &in);
	} else if (kind == 'R') {
		relation(d, &in);
	} else if (kind == 'T') {
		truncate(d, &in);
	} else if (kind == 'M') {
		message(d, &in);
	} else if (is_change) {
		row(d, &in, kind);
	} else if (kind != 'O' && kind != 'Y') {
		return err_set(e, E_db_down, "the slot sent a message of type %d", (int)(unsigned char)kind);
	}
	return in.is_short ? err_set(e, E_db_down, "the slot's message '%c' is malformed", kind) : 0;
}

int db_decode_is_inside(const struct db_decode *d)
{
	return d->is_inside;
}

struct db_decode *db_decode_new(const struct db_decode_ops *ops, void *ctx)
{
	struct db_decode *d = calloc(1, sizeof(*d));

	check(d);
	d->ops = *ops;
	d->ctx = ctx;
	buf_init(&d->tag, 0);
	return d;
}

void db_decode_free(struct db_decode **dp)
{
	struct db_decode *d = *dp;

	*dp = NULL;
	if (!d)
		return;
	for (unsigned i = 0; i < d->n_rels; i++) {
		for (unsigned k = 0; k < d->rels[i].n_tags; k++)
			free(d->rels[i].tags[k].template);
		free(d->rels[i].tags);
	}
	free(d->rels);
	free(d->types);
	buf_done(&d->tag);
	free(d);
}
