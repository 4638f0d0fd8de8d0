#include "config.h"

#include "lib/http/target.h"

#include <string.h>

static int is_alpha(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* Length of "scheme://" at the front; 0: none. */
static size_t scheme(struct slice s)
{
	size_t i = 0;

	if (!s.n || !is_alpha(s.p[0]))
		return 0;
	while (i < s.n && (is_alpha(s.p[i]) || (s.p[i] >= '0' && s.p[i] <= '9') || s.p[i] == '+' || s.p[i] == '-' ||
			   s.p[i] == '.'))
		i++;
	return s.n - i >= 3 && memcmp(s.p + i, "://", 3) == 0 ? i + 3 : 0;
}

static int has_fragment(struct err *e)
{
	return err_set(e, E_bad_request, "The request target holds a fragment.");
}

/* Behind the authority of an absolute form, which ends at the first of "/?" (a '#' was refused before). */
static struct slice behind_authority(struct slice uri)
{
	size_t i = scheme(uri);

	while (i && i < uri.n && uri.p[i] != '/' && uri.p[i] != '?')
		i++;
	return slice_of(uri.p + i, uri.n - i);
}

int http_target(const struct http_target_in *in, struct arena *a, struct http_target *ret, struct err *e)
{
	struct slice rest = in->uri;

	ret->uri = in->uri;
	ret->query = in->query;
	if (unlikely(!in->uri.n)) {
		/* decoded by the server: a '?' in it is the path's */
		const char *text = arena_fmt(a, "%.*s%.*s", SLICE_ARG(in->script), SLICE_ARG(in->info));

		ret->uri = ret->path = slice_str(text);
		return ret->path.n && memchr(ret->path.p, '#', ret->path.n) ? has_fragment(e) : 0;
	}
	if (memchr(rest.p, '#', rest.n))
		return has_fragment(e);
	if (unlikely(rest.p[0] != '/'))
		rest = behind_authority(rest);
	ret->path = slice_cut(&rest, '?');
	if (!ret->path.n && in->uri.p[0] != '?')
		ret->path = SLICE("/");
	if (rest.p)
		ret->query = rest;
	return 0;
}
