#include "config.h"

#include "lib/pg/db_event.h"

#include <string.h>

#include "lib/base/num.h"
#include "lib/json/jr.h"

#define MAX_MEMBERS 16u

static int number(const struct jr_member *m, uint64_t *ret, struct err *e)
{
	if (m->type != JR_NUMBER || num_u64(m->text, ret))
		return err_set(e, E_bad_json, "\"%.*s\" is no 64-bit number", SLICE_ARG(m->name));
	return 0;
}

static int tags(struct slice text, struct arena *a, struct db_event *ret, struct err *e)
{
	struct jr_member *m;
	struct slice *v;
	unsigned n;

	if (jr_array(text, a, DB_EVENT_MAX_TAGS, &m, &n, e))
		return -E_bad_json;
	v = arena_zalloc(a, (n ? n : 1) * sizeof(*v));
	for (unsigned i = 0; i < n; i++) {
		if (m[i].type != JR_STRING)
			return err_set(e, E_bad_json, "tag %u is no string", i + 1);
		v[i] = m[i].text;
	}
	ret->tags = v;
	ret->n_tags = n;
	return 0;
}

int db_event_parse(struct slice payload, struct arena *a, struct db_event *ret, struct err *e)
{
	struct jr_member *m;
	unsigned n;
	int rc = 0;

	memset(ret, 0, sizeof(*ret));
	if (jr_object(payload, a, MAX_MEMBERS, &m, &n, e))
		return -E_bad_json;
	for (unsigned i = 0; i < n && rc == 0; i++) {
		if (slice_eq(m[i].name, SLICE("x")))
			rc = number(&m[i], &ret->xid, e);
		else if (slice_eq(m[i].name, SLICE("n")))
			rc = number(&m[i], &ret->nonce, e);
		else if (slice_eq(m[i].name, SLICE("all")))
			ret->is_all = slice_eq(m[i].text, SLICE("true"));
		else if (slice_eq(m[i].name, SLICE("watch")))
			ret->is_watch = slice_eq(m[i].text, SLICE("true"));
		else if (slice_eq(m[i].name, SLICE("why")) && m[i].type == JR_STRING)
			ret->why = m[i].text;
		else if (slice_eq(m[i].name, SLICE("t")))
			rc = m[i].type == JR_ARRAY ? tags(m[i].text, a, ret, e)
						   : err_set(e, E_bad_json, "\"t\" is no array");
	}
	return rc;
}
