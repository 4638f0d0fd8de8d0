#include "config.h"

#include "workers/handler.h"
#include "workers/reqid.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/check.h"
#include "lib/base/log.h"
#include "lib/fcgi/response.h"
#include "lib/http/http_fields.h"
#include "lib/weir.h"
#include "workers/worker.h"

struct handler {
	void *library;
	const struct weir_module *module;
	void *state;
};

struct field {
	const char *name, *value;
};

struct weir_request {
	struct req *r;			/* NULL: nobody waits for the answer */
	struct worker *w;
	const struct endpoint *ep;
	struct arena arena;		/* the loop's thread only */
	const char *method, *path, *query, *user;
	const char **path_values;	/* by parameter index */
	struct field *fields;
	unsigned n_fields;
	struct buf body;
	/* the answer */
	int status, is_done;
	struct buf head, out;
	/* the job */
	uv_work_t job;
	int is_working;
	void (*work)(struct weir_request *r, void *arg);
	void (*after)(struct weir_request *r, void *arg);
	void *arg;
	struct handler_cache cache;
};

struct handler *handler_open(const struct endpoint *ep, const char *folder, struct err *e)
{
	struct handler *h = calloc(1, sizeof(*h));
	AUTO(buf) struct buf path;

	if (!h)
		abort();
	buf_init(&path, 0);
	if (ep->handler[0] == '/')
		buf_adds(&path, ep->handler);
	else
		buf_addf(&path, "%s/%s", folder, ep->handler);
	h->library = dlopen(buf_str(&path), RTLD_NOW | RTLD_LOCAL);
	if (!h->library) {
		err_set_at(e, E_endpoint_file, ep->file, 0, 0, "@handler: %s", dlerror());
		handler_close(&h);
		return NULL;
	}
	h->module = dlsym(h->library, "weir_module");
	if (!h->module || h->module->api != WEIR_API || !h->module->handle)
		err_set_at(e, E_endpoint_file, ep->file, 0, 0, "@handler: %s has no weir_module of version %d", buf_str(&path), WEIR_API);
	else if (h->module->init && h->module->init(ep->handler_argument, &h->state))
		err_set_at(e, E_endpoint_file, ep->file, 0, 0, "@handler: %s refused to start", buf_str(&path));
	else
		return h;
	h->module = NULL;
	handler_close(&h);
	return NULL;
}

void handler_close(struct handler **h)
{
	if (!*h)
		return;
	if ((*h)->module && (*h)->module->done)
		(*h)->module->done((*h)->state);
	/* not dlclose: a library may have left threads or clean-ups behind, and the process ends */
	free(*h);
	*h = NULL;
}

/* "HTTP_IF_NONE_MATCH" → "If-None-Match"; NULL: no header. */
static const char *field_name(struct arena *a, struct slice cgi)
{
	struct slice prefix = SLICE("HTTP_");
	char *name;

	if (slice_eq(cgi, SLICE("CONTENT_TYPE")) || slice_eq(cgi, SLICE("CONTENT_LENGTH")))
		;
	else if (slice_starts(cgi, prefix) && cgi.n > prefix.n)
		cgi = slice_of(cgi.p + prefix.n, cgi.n - prefix.n);
	else
		return NULL;
	name = arena_strn(a, cgi.p, cgi.n);
	for (size_t i = 0; i < cgi.n; i++)
		if (name[i] == '_')
			name[i] = '-';
		else if (i && name[i - 1] != '-' && name[i] >= 'A' && name[i] <= 'Z')
			name[i] = (char)(name[i] + 32);
	return name;
}

static const char *copy(struct arena *a, struct slice s)
{
	return s.p ? arena_strn(a, s.p, s.n) : NULL;
}

static struct weir_request *request_new(struct req *r)
{
	struct weir_request *x = calloc(1, sizeof(*x));

	if (!x)
		abort();
	x->r = r;
	x->w = r->w;
	x->ep = r->run->ep;
	x->status = 200;
	arena_init(&x->arena, &r->w->arenas);
	x->method = copy(&x->arena, r->method_text);
	x->path = copy(&x->arena, r->path);
	/* an empty QUERY_STRING says nothing of a question mark */
	x->query = r->query.n || (r->uri.n && memchr(r->uri.p, '?', r->uri.n)) ? copy(&x->arena, r->query) : NULL;
	x->user = copy(&x->arena, slice_str(r->user));
	x->path_values = arena_zalloc(&x->arena, sizeof(*x->path_values) * (x->ep->n_params + 1));
	for (unsigned i = 0; i < x->ep->n_params; i++)
		x->path_values[i] = copy(&x->arena, r->path_values[i]);
	x->fields = arena_alloc(&x->arena, sizeof(*x->fields) * (r->n_params + 1));
	for (unsigned i = 0; i < r->n_params; i++) {
		const char *name = field_name(&x->arena, r->params[i].name);

		/* an empty CONTENT_TYPE is how web servers say that there is none */
		if (name && (r->params[i].name.p[0] == 'H' || r->params[i].value.n))
			x->fields[x->n_fields++] = (struct field){name, copy(&x->arena, r->params[i].value)};
	}
	x->body = r->body;	/* taken */
	r->w->bodies_bytes -= r->body.n;
	buf_init(&r->body, 0);
	buf_init(&x->head, RESPONSE_MAX_HEAD);
	buf_init(&x->out, r->w->snapshot.options.limits.response);
	x->cache = (struct handler_cache){.w = r->w, .endpoint = x->ep->id, .id = r->run->cache_id, .metric = x->ep->metric};
	buf_init(&x->cache.key, 0);
	buf_init(&x->cache.value, 0);
	return x;
}

struct handler_cache *handler_cache_of(struct weir_request *r)
{
	return &r->cache;
}

static void request_free(struct weir_request *x)
{
	arena_done(&x->arena);
	buf_done(&x->body);
	buf_done(&x->head);
	buf_done(&x->out);
	buf_done(&x->cache.key);
	buf_done(&x->cache.value);
	free(x);
}

/* The module said weir_done, or forgot to: back to the steps. */
static void finish(struct weir_request *x)
{
	struct req *r = x->r;

	if (!r) {
		request_free(x);
		return;
	}
	req_run(r);
}

void handler_abandon(struct req *r)
{
	struct weir_request *x = r->handling;

	if (!x)
		return;
	r->handling = NULL;
	x->r = NULL;
	if (!x->is_working)
		request_free(x);
}

/* From the module's answer to the request's. */
static enum step_result take_answer(struct req *r)
{
	struct weir_request *x = r->handling;
	enum step_result rc = STEP_DONE;
	char id[REQID_ROOM];

	wheel_stop(&r->w->wheel, &r->timer);
	r->handling = NULL;
	if (!x->is_done) {
		log_error("request %s: handler %s returned without an answer, %s %s", reqid_text(r, id), x->ep->handler, x->method, x->path);
		rc = req_fail(r, E_internal, NULL);
	} else {
		r->status = x->status;
		r->out = x->out;
		r->handler_head = x->head;
		buf_init(&x->out, 0);
		buf_init(&x->head, 0);
		r->out.limit = SIZE_MAX;
	}
	request_free(x);
	return rc;
}

enum step_result step_handle(struct req *r)
{
	struct handler *h = r->run->handler;
	struct weir_request *x = r->handling;

	if (!h)
		return STEP_NEXT;
	if (x)
		return x->is_done || !x->is_working ? take_answer(r) : STEP_WAIT;
	if (r->w->front.now_ns >= r->deadline_ns)
		return req_fail(r, E_timeout, NULL);
	x = r->handling = request_new(r);
	h->module->handle(x, h->state);
	if (x->is_done || !x->is_working)
		return take_answer(r);
	wheel_start(&r->w->wheel, &r->timer, r->deadline_ns);
	return STEP_WAIT;
}

static void on_work(uv_work_t *job)
{
	struct weir_request *x = job->data;

	x->work(x, x->arg);
}

static void on_after(uv_work_t *job, int status)
{
	struct weir_request *x = job->data;

	(void)status;
	front_now(&x->w->front);
	x->w->n_jobs--;
	x->is_working = 0;
	x->after(x, x->arg);
	if (!x->is_working)
		finish(x);
}

void weir_work(struct weir_request *r, void (*work)(struct weir_request *r, void *arg),
	       void (*after)(struct weir_request *r, void *arg), void *arg)
{
	check(!r->is_working && !r->is_done && work && after);
	r->is_working = 1;
	r->work = work;
	r->after = after;
	r->arg = arg;
	r->job.data = r;
	r->w->n_jobs++;
	check(uv_queue_work(&r->w->loop, &r->job, on_work, on_after) == 0);
}

const char *weir_method(const struct weir_request *r)
{
	return r->method;
}

const char *weir_path(const struct weir_request *r)
{
	return r->path;
}

const char *weir_query(const struct weir_request *r)
{
	return r->query;
}

const char *weir_user(const struct weir_request *r)
{
	return r->user;
}

const char *weir_param(const struct weir_request *r, const char *name)
{
	for (unsigned i = 0; i < r->ep->n_params; i++)
		if (strcmp(r->ep->params[i].name, name) == 0)
			return r->path_values[i];
	return NULL;
}

const char *weir_header(const struct weir_request *r, const char *name)
{
	for (unsigned i = 0; i < r->n_fields; i++)
		if (strcasecmp(r->fields[i].name, name) == 0)
			return r->fields[i].value;
	return NULL;
}

unsigned weir_header_count(const struct weir_request *r)
{
	return r->n_fields;
}

int weir_header_at(const struct weir_request *r, unsigned i, const char **name, const char **value)
{
	if (i >= r->n_fields)
		return -1;
	*name = r->fields[i].name;
	*value = r->fields[i].value;
	return 0;
}

const void *weir_body(const struct weir_request *r, size_t *n)
{
	*n = r->body.n;
	return r->body.n ? r->body.p : "";
}

void weir_status(struct weir_request *r, int status)
{
	check(status >= 200 && status <= 999);
	r->status = status;
}

static int is_field_name(struct slice s)
{
	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i];

		if (!((c | 0x20) >= 'a' && (c | 0x20) <= 'z') && !(c >= '0' && c <= '9') && (!c || !strchr("!#$%&'*+-.^_`|~", c)))
			return 0;
	}
	return s.n > 0;
}

int weir_add_header(struct weir_request *r, const char *name, const char *value)
{
	struct slice n = slice_str(name), v = slice_trim(slice_str(value));

	if (!is_field_name(n) || !http_value_is_safe(v) || http_field_is_hop(n) || slice_ieq(n, SLICE("Content-Length")) ||
	    slice_ieq(n, SLICE("Status")))
		return -1;
	/* with room for Status, Content-Length, Cache-Control, X-Request-Id and the empty line */
	if (r->head.n + n.n + v.n + 4 + 384 > RESPONSE_MAX_HEAD)
		return -1;
	buf_add(&r->head, n.p, n.n);
	buf_adds(&r->head, ": ");
	buf_add(&r->head, v.p, v.n);
	buf_adds(&r->head, "\r\n");
	return 0;
}

int weir_write(struct weir_request *r, const void *p, size_t n)
{
	return buf_append(&r->out, p, n) ? -1 : 0;
}

void weir_reset(struct weir_request *r)
{
	r->status = 200;
	buf_clear(&r->head);
	buf_clear(&r->out);
}

void weir_done(struct weir_request *r)
{
	check(!r->is_done && !r->is_working);
	r->is_done = 1;
}
