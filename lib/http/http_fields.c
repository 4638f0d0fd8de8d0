#include "config.h"

#include "lib/http/http_fields.h"

#include "lib/http/http_cc.h"

struct slice http_field_next(const struct http_fields *f, struct slice name, unsigned *at)
{
	while (*at < f->n) {
		const struct http_field *x = &f->v[(*at)++];

		if (slice_ieq(x->name, name))
			return x->value.p ? x->value : SLICE("");
	}
	return (struct slice){NULL, 0};
}

struct slice http_field_find(const struct http_fields *f, struct slice name)
{
	unsigned at = 0;

	return http_field_next(f, name, &at);
}

static int is_one_of(struct slice name, const char *const *names, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (slice_ieq(name, slice_str(names[i])))
			return 1;
	return 0;
}

int http_field_is_hop(struct slice name)
{
	static const char *const hop[] = {
	    "connection", "keep-alive", "proxy-authenticate", "proxy-authentication-info", "proxy-authorization", "proxy-connection",
	    "te", "trailer", "transfer-encoding", "upgrade"};

	return is_one_of(name, hop, ARRAY_LEN(hop));
}

/* Does a line of list field `field` name `name`? */
static int is_listed(const struct http_fields *f, struct slice field, struct slice name)
{
	struct slice line;
	unsigned at = 0;

	while ((line = http_field_next(f, field, &at)).p)
		if (http_list_has(line, name))
			return 1;
	return 0;
}

void http_fields_clean(struct http_fields *f)
{
	struct slice line, name;
	struct http_cc cc;
	unsigned at = 0, n = 0;

	http_cc_init(&cc);
	while ((line = http_field_next(f, SLICE("Cache-Control"), &at)).p)
		http_cc_parse(&cc, line);
	/* What stays is marked first: Connection is itself among what goes. */
	for (unsigned i = 0; i < f->n; i++) {
		name = f->v[i].name;
		if (!http_field_is_hop(name) &&
		    (is_listed(f, SLICE("Connection"), name) || http_list_has(cc.no_cache_fields, name) ||
		     http_list_has(cc.private_fields, name)))
			f->v[i].name = SLICE("");
	}
	for (unsigned i = 0; i < f->n; i++)
		if (f->v[i].name.n && !http_field_is_hop(f->v[i].name))
			f->v[n++] = f->v[i];
	f->n = n;
}

static struct slice strong_part(struct slice etag)
{
	return slice_starts(etag, SLICE("W/")) ? slice_of(etag.p + 2, etag.n - 2) : etag;
}

int http_fields_match_304(const struct http_fields *stored, const struct http_fields *fresh)
{
	struct slice theirs = http_field_find(fresh, SLICE("ETag")), ours = http_field_find(stored, SLICE("ETag"));
	struct slice modified = http_field_find(fresh, SLICE("Last-Modified"));

	if (theirs.p && !slice_starts(theirs, SLICE("W/")))
		return ours.p && slice_eq(ours, theirs);
	if (theirs.p)
		return ours.p && slice_eq(strong_part(ours), strong_part(theirs));
	if (modified.p)
		return slice_eq(http_field_find(stored, SLICE("Last-Modified")), modified);
	return 1;
}

void http_fields_update_304(struct http_fields *stored, const struct http_fields *fresh)
{
	static const char *const kept[] = {"content-encoding", "content-length", "content-md5", "content-range", "etag"};
	unsigned n = 0;

	for (unsigned i = 0; i < stored->n; i++) {
		struct slice name = stored->v[i].name;

		if (is_one_of(name, kept, ARRAY_LEN(kept)) || !http_field_find(fresh, name).p)
			stored->v[n++] = stored->v[i];
	}
	for (unsigned i = 0; i < fresh->n; i++)
		if (!is_one_of(fresh->v[i].name, kept, ARRAY_LEN(kept)))
			stored->v[n++] = fresh->v[i];
	stored->n = n;
}
