/* parse: what the web server said in its parameters. The target is read by lib/http/target.h, as on the status socket. */
#include "config.h"

#include "workers/worker.h"

#include "lib/base/num.h"
#include "lib/http/target.h"
#include "workers/reqid.h"

enum wanted { W_PATH_INFO, W_URI, W_ADDR, W_ACCEPT, W_COOKIE, W_SCRIPT, W_QUERY, W_TYPE, W_IF_MATCH, W_METHOD, W_LENGTH,
	      W_TRACEPARENT, W_REQUEST_ID, W_IF_NONE_MATCH, W_CACHE_CONTROL, W_ACCEPT_ENCODING, W_COUNT };

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
    [W_TRACEPARENT] = {"HTTP_TRACEPARENT", 16},
    [W_REQUEST_ID] = {"HTTP_X_REQUEST_ID", 17},
    [W_IF_NONE_MATCH] = {"HTTP_IF_NONE_MATCH", 18},
    [W_CACHE_CONTROL] = {"HTTP_CACHE_CONTROL", 18},
    [W_ACCEPT_ENCODING] = {"HTTP_ACCEPT_ENCODING", 20}};

/* By length of a name: the first of that length, or W_COUNT. */
#define LONGEST 20u
static const unsigned char first[LONGEST + 1] = {
    W_COUNT, W_COUNT, W_COUNT,	W_COUNT, W_COUNT,  W_COUNT, W_COUNT, W_COUNT,	   W_COUNT,	   W_PATH_INFO,
    W_COUNT, W_URI,   W_QUERY, W_IF_MATCH, W_METHOD, W_COUNT, W_TRACEPARENT, W_REQUEST_ID, W_IF_NONE_MATCH, W_COUNT,
    W_ACCEPT_ENCODING};

enum step_result step_parse(struct req *r)
{
	const struct opts_limits *limits = &r->w->snapshot.options.limits;
	struct slice got[W_COUNT] = {{NULL, 0}};
	struct http_target target;
	struct err e;
	int rc;

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
	if (r->method != HTTP_GET && !r->is_head)
		front_once(r->conn);
	r->content_type = got[W_TYPE];
	r->remote_addr = got[W_ADDR];
	r->accept = got[W_ACCEPT];
	r->accept_encoding = got[W_ACCEPT_ENCODING];
	r->cookie = got[W_COOKIE];
	r->if_none_match = got[W_IF_NONE_MATCH];
	r->if_match = got[W_IF_MATCH];
	r->cache_control = got[W_CACHE_CONTROL];
	if (got[W_REQUEST_ID].n | got[W_TRACEPARENT].n)
		reqid_take(r, got[W_REQUEST_ID], got[W_TRACEPARENT]);
	if (!got[W_METHOD].n)
		return req_fail(r, E_bad_request, "REQUEST_METHOD is missing.");
	rc = http_target(&(struct http_target_in){.uri = got[W_URI], .script = got[W_SCRIPT], .info = got[W_PATH_INFO],
						  .query = got[W_QUERY]},
			 &r->arena, &target, &e);
	r->uri = target.uri;
	if (target.uri.n > limits->uri)
		return req_fail(r, E_uri_too_long, NULL);
	if (rc)
		return req_fail(r, e.id, arena_strn(&r->arena, e.text, strlen(e.text)));
	r->path = target.path;
	r->query = target.query;
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
