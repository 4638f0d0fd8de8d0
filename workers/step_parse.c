/* parse: what the web server said in its parameters. The path is REQUEST_URI's, never a decoded one:
 * web servers decode, merge slashes and resolve dots differently. */
#include "config.h"

#include "workers/worker.h"

#include "lib/base/num.h"

enum wanted { W_PATH_INFO, W_URI, W_ADDR, W_ACCEPT, W_COOKIE, W_SCRIPT, W_QUERY, W_TYPE, W_IF_MATCH, W_METHOD, W_LENGTH,
	      W_REQUEST_ID, W_IF_NONE_MATCH, W_CACHE_CONTROL, W_ACCEPT_ENCODING, W_COUNT };

/* By length, so that most of the parameters that nobody wants cost one look into `first`. */
static const struct slice names[W_COUNT] = {
    [W_PATH_INFO] = {"PATH_INFO", 9},
    [W_URI] = {"REQUEST_URI", 11},
    [W_ADDR] = {"REMOTE_ADDR", 11},
    [W_ACCEPT] = {"HTTP_ACCEPT", 11},
    [W_COOKIE] = {"HTTP_COOKIE", 11},
    [W_SCRIPT] = {"SCRIPT_NAME", 11},
    [W_QUERY] = {"QUERY_STRING", 12},
    [W_TYPE] = {"CONTENT_TYPE", 12},
    [W_IF_MATCH] = {"HTTP_IF_MATCH", 13},
    [W_METHOD] = {"REQUEST_METHOD", 14},
    [W_LENGTH] = {"CONTENT_LENGTH", 14},
    [W_REQUEST_ID] = {"HTTP_X_REQUEST_ID", 17},
    [W_IF_NONE_MATCH] = {"HTTP_IF_NONE_MATCH", 18},
    [W_CACHE_CONTROL] = {"HTTP_CACHE_CONTROL", 18},
    [W_ACCEPT_ENCODING] = {"HTTP_ACCEPT_ENCODING", 20}};

/* By length of a name: the first of that length, or W_COUNT. */
#define LONGEST 20u
static const unsigned char first[LONGEST + 1] = {
    W_COUNT, W_COUNT, W_COUNT,	W_COUNT, W_COUNT,  W_COUNT, W_COUNT, W_COUNT,	   W_COUNT,	   W_PATH_INFO,
    W_COUNT, W_URI,   W_QUERY, W_IF_MATCH, W_METHOD, W_COUNT, W_COUNT, W_REQUEST_ID, W_IF_NONE_MATCH, W_COUNT,
    W_ACCEPT_ENCODING};

/* Scheme and authority of an absolute-form target. */
static struct slice origin_form(struct slice uri)
{
	const char *p;

	if (uri.n == 0 || uri.p[0] == '/' || uri.p[0] == '*')
		return uri;
	for (size_t i = 0; i + 2 < uri.n; i++)
		if (uri.p[i] == ':' && uri.p[i + 1] == '/' && uri.p[i + 2] == '/') {
			p = memchr(uri.p + i + 3, '/', uri.n - i - 3);
			return p ? slice_of(p, uri.n - (size_t)(p - uri.p)) : SLICE("/");
		}
	return uri;
}

enum step_result step_parse(struct req *r)
{
	const struct opts_limits *limits = &r->w->snapshot.options.limits;
	struct slice got[W_COUNT] = {{NULL, 0}};
	struct slice uri;
	struct err e;

	for (unsigned i = 0; i < r->n_params; i++) {
		const struct fcgi_param *p = &r->params[i];

		if (p->name.n > LONGEST)
			continue;
		for (unsigned k = first[p->name.n]; k < W_COUNT && names[k].n == p->name.n; k++)
			if (memcmp(p->name.p, names[k].p, p->name.n) == 0) {
				got[k] = p->value;
				break;
			}
	}
	r->method_text = got[W_METHOD];
	r->method = http_method_parse(got[W_METHOD]);
	r->is_head = r->method == HTTP_HEAD;
	r->content_type = got[W_TYPE];
	r->remote_addr = got[W_ADDR];
	r->accept = got[W_ACCEPT];
	r->accept_encoding = got[W_ACCEPT_ENCODING];
	r->cookie = got[W_COOKIE];
	r->if_none_match = got[W_IF_NONE_MATCH];
	r->if_match = got[W_IF_MATCH];
	r->cache_control = got[W_CACHE_CONTROL];
	r->request_id = got[W_REQUEST_ID];
	if (!got[W_METHOD].n)
		return req_fail(r, E_bad_request, "REQUEST_METHOD is missing.");
	uri = got[W_URI];
	if (!uri.n) {
		const char *text = arena_fmt(&r->arena, "%.*s%.*s", SLICE_ARG(got[W_SCRIPT]),
					     SLICE_ARG(got[W_PATH_INFO]));

		uri = slice_str(text);
	}
	if (uri.n > limits->uri)
		return req_fail(r, E_uri_too_long, NULL);
	r->uri = uri;
	uri = origin_form(uri);
	r->path = slice_cut(&uri, '?');
	r->query = uri.p ? uri : got[W_QUERY];
	if (r->path.n && memchr(r->path.p, '#', r->path.n))
		return req_fail(r, E_bad_request, "The request target holds a fragment.");
	if (got[W_LENGTH].n) {
		uint64_t n;

		if (num_u64(got[W_LENGTH], &n) || n > INT64_MAX)
			return req_fail(r, E_bad_request, "CONTENT_LENGTH is not a number.");
		r->content_length = (int64_t)n;
	}
	if (r->query.n &&
	    http_query_parse(r->query, &r->arena, REQ_MAX_PAIRS, &r->pairs, &r->n_pairs, &e))
		return req_fail(r, e.id, arena_strn(&r->arena, e.text, strlen(e.text)));
	return STEP_NEXT;
}
