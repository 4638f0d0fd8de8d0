/* upstream: a handler for tests alone: it fetches from an HTTP/1.1 server and keeps what RFC 9111 lets a shared cache keep, in the
 * cache that the workers share. http-cache-tests judge lib/http through it.
 *
 * Two entries for a target: the first, under "p" + target, has a random id and the names of its Vary; the answers are under
 * "v" + id + the request's values of these names. Whoever drops the first one makes all of them unreachable.
 * @handler upstream.so PORT */
#include "config.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "lib/base/arena.h"
#include "lib/base/buf.h"
#include "lib/http/http_date.h"
#include "lib/http/http_etag.h"
#include "lib/http/http_store.h"
#include "lib/http/http_vary.h"
#include "lib/weir.h"

#define MAX_FIELDS 256u
#define GRACE_S 60
#define KEEP_STALE_S 3600
#define MAX_ANSWER (8u << 20)

struct upstream {
	struct sockaddr_in to;
};

/* The head of a stored answer; then n_fields times "name\0value\0", then the body. */
struct stored {
	struct http_policy policy;
	int status;
	unsigned n_fields;
	size_t head_n;
};

struct answer {
	struct http_policy policy;
	int status;
	struct http_fields fields;
	struct http_field room[2 * MAX_FIELDS];
	struct slice body;
	int64_t resident;
};

struct visit {
	struct upstream *up;
	struct arena_pool pool;
	struct arena arena;
	struct slice method, target;
	struct http_fields request;
	struct http_field room[MAX_FIELDS];
	char id[16];
	int has_first, has_old;		/* a first entry; a stored answer, to be validated */
	struct slice vary_names;
	struct buf key, old_value, out, in;
	struct answer old;
	uint64_t asked_wall;
	int failed;
};

static void visit_free(struct visit *v)
{
	buf_done(&v->key);
	buf_done(&v->old_value);
	buf_done(&v->out);
	buf_done(&v->in);
	arena_done(&v->arena);
	arena_pool_done(&v->pool);
	free(v);
}

static struct slice text(const char *s)
{
	return slice_str(s);
}

static struct visit *visit_new(struct weir_request *r, struct upstream *up)
{
	struct visit *v = calloc(1, sizeof(*v));
	const char *name, *value;

	if (!v)
		abort();
	v->up = up;
	arena_pool_init(&v->pool, 1);
	arena_init(&v->arena, &v->pool);
	buf_init(&v->key, 0);
	buf_init(&v->old_value, 0);
	buf_init(&v->out, 0);
	buf_init(&v->in, MAX_ANSWER);
	v->method = text(weir_method(r));
	v->target = weir_query(r) ? text(arena_fmt(&v->arena, "%s?%s", weir_path(r), weir_query(r))) : text(weir_path(r));
	v->request.v = v->room;
	for (unsigned i = 0; v->request.n < MAX_FIELDS && weir_header_at(r, i, &name, &value) == 0; i++)
		if (!http_field_is_hop(text(name)) && strcasecmp(name, "Content-Length") != 0)
			v->request.v[v->request.n++] = (struct http_field){text(name), slice_trim(text(value))};
	return v;
}

static struct slice first_key(struct visit *v, struct slice target)
{
	buf_clear(&v->key);
	buf_addc(&v->key, 'p');
	buf_add(&v->key, target.p, target.n);
	return buf_slice(&v->key);
}

static struct slice answer_key(struct visit *v)
{
	buf_clear(&v->key);
	buf_addc(&v->key, 'v');
	buf_add(&v->key, v->id, sizeof(v->id));
	http_vary_key(v->vary_names, &v->request, &v->key);
	return buf_slice(&v->key);
}

static int read_stored(struct slice value, struct answer *a)
{
	struct stored head;
	const char *p, *end;

	if (value.n < sizeof(head))
		return -1;
	memcpy(&head, value.p, sizeof(head));
	if (head.head_n > value.n || head.head_n < sizeof(head) || head.n_fields > ARRAY_LEN(a->room))
		return -1;
	a->policy = head.policy;
	a->status = head.status;
	a->fields = (struct http_fields){a->room, 0};
	p = value.p + sizeof(head);
	end = value.p + head.head_n;
	while (a->fields.n < head.n_fields && p < end) {
		struct slice name = text(p), val = text(p + name.n + 1);

		a->room[a->fields.n++] = (struct http_field){name, val};
		p = val.p + val.n + 1;
	}
	a->body = slice_of(end, value.n - head.head_n);
	return 0;
}

/* Fill v->old with what is stored for this request. */
static void look_up(struct weir_request *r, struct visit *v)
{
	const void *p;
	double age;
	struct slice k = first_key(v, v->target);
	size_t n;

	if (!weir_cache_get(r, k.p, k.n, &p, &n, NULL) || n < sizeof(v->id))
		return;
	v->has_first = 1;
	memcpy(v->id, p, sizeof(v->id));
	v->vary_names = text(arena_strn(&v->arena, (const char *)p + sizeof(v->id), n - sizeof(v->id)));
	k = answer_key(v);
	if (!weir_cache_get(r, k.p, k.n, &p, &n, &age))
		return;
	buf_add(&v->old_value, p, n);
	v->has_old = read_stored(buf_slice(&v->old_value), &v->old) == 0;
	v->old.resident = (int64_t)age;
}

static void keep(struct weir_request *r, struct visit *v, const struct answer *a)
{
	AUTO(buf) struct buf value, names;
	struct stored head = {.policy = a->policy, .status = a->status, .n_fields = a->fields.n};
	struct slice k;
	double ttl = (double)(a->policy.lifetime - a->policy.initial_age) + KEEP_STALE_S;

	buf_init(&value, 0);
	buf_init(&names, 0);
	if (http_vary_names(&a->fields, &names))
		return;
	if (!v->has_first || !slice_eq(v->vary_names, buf_slice(&names))) {
		if (getrandom(v->id, sizeof(v->id), 0) != sizeof(v->id))
			return;
		v->vary_names = text(arena_strn(&v->arena, names.n ? names.p : "", names.n));
		buf_add(&value, v->id, sizeof(v->id));
		buf_add(&value, v->vary_names.p, v->vary_names.n);
		k = first_key(v, v->target);
		if (weir_cache_put(r, k.p, k.n, value.p, value.n, 86400))
			return;
		buf_clear(&value);
	}
	buf_add(&value, (const char *)&head, sizeof(head));
	for (unsigned i = 0; i < a->fields.n; i++) {
		buf_add(&value, a->fields.v[i].name.p, a->fields.v[i].name.n);
		buf_addc(&value, '\0');
		buf_add(&value, a->fields.v[i].value.p, a->fields.v[i].value.n);
		buf_addc(&value, '\0');
	}
	head.head_n = value.n;
	memcpy(value.p, &head, sizeof(head));
	buf_add(&value, a->body.p, a->body.n);
	k = answer_key(v);
	(void)weir_cache_put(r, k.p, k.n, value.p, value.n, ttl > 1 ? ttl : 1);
}

/* RFC 9110 13.2.2: is the client's copy this one? */
static int is_not_modified(const struct visit *v, const struct answer *a)
{
	struct slice inm = http_field_find(&v->request, SLICE("If-None-Match"));
	struct slice ims = http_field_find(&v->request, SLICE("If-Modified-Since"));
	struct slice etag = http_field_find(&a->fields, SLICE("ETag")), lm = http_field_find(&a->fields, SLICE("Last-Modified"));
	uint64_t since, modified, now = (uint64_t)time(NULL);

	if (a->status != 200)
		return 0;
	if (inm.p)
		return http_if_none_match(inm, etag);
	return ims.p && lm.p && http_date_parse(ims, now, &since) == 0 && http_date_parse(lm, now, &modified) == 0 && modified <= since;
}

static void send_answer(struct weir_request *r, struct visit *v, const struct answer *a, const char *cache_status, int is_stored)
{
	int status = is_stored && is_not_modified(v, a) ? 304 : a->status;

	weir_status(r, status < 200 || status > 999 ? 502 : status);
	for (unsigned i = 0; i < a->fields.n; i++) {
		const struct http_field *f = &a->fields.v[i];

		if (is_stored && slice_ieq(f->name, SLICE("Age")))
			continue;
		(void)weir_add_header(r, arena_strn(&v->arena, f->name.p, f->name.n), arena_strn(&v->arena, f->value.p, f->value.n));
	}
	if (is_stored)
		(void)weir_add_header(r, "Age", arena_fmt(&v->arena, "%lld", (long long)http_policy_age(&a->policy, a->resident)));
	(void)weir_add_header(r, "Cache-Status", cache_status);
	if (status != 304)
		(void)weir_write(r, a->body.p, a->body.n);
	visit_free(v);
	weir_done(r);
}

static void send_error(struct weir_request *r, struct visit *v, int status)
{
	weir_status(r, status);
	(void)weir_add_header(r, "Cache-Status", "weir; fwd=miss; detail=error");
	visit_free(v);
	weir_done(r);
}

/* The request as it goes out: the client's fields, our validators in place of its own when a stored answer is asked about. */
static void write_request(struct weir_request *r, struct visit *v)
{
	struct http_fields *old = &v->old.fields;
	struct slice etag = http_field_find(old, SLICE("ETag")), lm = http_field_find(old, SLICE("Last-Modified"));
	enum http_coding coding = http_coding_choose(http_field_find(&v->request, SLICE("Accept-Encoding")), ~0u);
	size_t n;
	const void *body = weir_body(r, &n);

	buf_addf(&v->out, "%.*s %.*s HTTP/1.1\r\nConnection: close\r\n", SLICE_ARG(v->method), SLICE_ARG(v->target));
	for (unsigned i = 0; i < v->request.n; i++) {
		struct http_field f = v->request.v[i];

		if (v->has_old && (etag.p || lm.p) &&
		    (slice_ieq(f.name, SLICE("If-None-Match")) || slice_ieq(f.name, SLICE("If-Modified-Since"))))
			continue;
		if (slice_ieq(f.name, SLICE("Accept-Encoding")))
			f.value = text(http_coding_name(coding));
		buf_addf(&v->out, "%.*s: %.*s\r\n", SLICE_ARG(f.name), SLICE_ARG(f.value));
	}
	if (v->has_old && etag.p)
		buf_addf(&v->out, "If-None-Match: %.*s\r\n", SLICE_ARG(etag));
	if (v->has_old && lm.p)
		buf_addf(&v->out, "If-Modified-Since: %.*s\r\n", SLICE_ARG(lm));
	if (n || !http_method_is_safe(v->method))
		buf_addf(&v->out, "Content-Length: %zu\r\n", n);
	buf_adds(&v->out, "\r\n");
	buf_add(&v->out, body, n);
}

/* On a thread of the pool: one exchange, everything that comes until the end. */
static void fetch(struct weir_request *r, void *arg)
{
	struct visit *v = arg;
	struct timeval limit = {10, 0};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	size_t sent = 0;

	(void)r;
	v->failed = 1;
	if (fd < 0)
		return;
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	if (connect(fd, (const struct sockaddr *)&v->up->to, sizeof(v->up->to)) == 0) {
		ssize_t n = 0;

		while (sent < v->out.n && (n = send(fd, v->out.p + sent, v->out.n - sent, MSG_NOSIGNAL)) > 0)
			sent += (size_t)n;
		while (n > 0 && buf_reserve(&v->in, 65536) == 0 && (n = recv(fd, v->in.p + v->in.n, 65536, 0)) > 0)
			v->in.n += (size_t)n;
		v->failed = n != 0;
	}
	close(fd);
}

static int dechunk(struct slice in, struct arena *a, struct slice *ret)
{
	char *out = arena_alloc(a, in.n + 1);
	size_t n = 0;

	for (;;) {
		struct slice line = slice_cut(&in, '\n');
		unsigned long size = line.n ? strtoul(line.p, NULL, 16) : 0;

		if (!in.p || size > in.n)
			return size || !line.n ? -1 : (*ret = slice_of(out, n), 0);
		if (!size)
			break;
		memcpy(out + n, in.p, size);
		n += size;
		in = slice_of(in.p + size, in.n - size);
		(void)slice_cut(&in, '\n');
	}
	*ret = slice_of(out, n);
	return 0;
}

static int read_answer(struct visit *v, struct answer *a)
{
	struct slice in = buf_slice(&v->in), line = slice_cut(&in, '\n'), n;

	a->fields = (struct http_fields){a->room, 0};
	if (v->failed || !slice_starts(line, SLICE("HTTP/1.")) || line.n < 12)
		return -1;
	a->status = (line.p[9] - '0') * 100 + (line.p[10] - '0') * 10 + (line.p[11] - '0');
	for (;;) {
		struct slice name;

		if (!in.p)
			return -1;
		line = slice_cut(&in, '\n');
		if (line.n && line.p[line.n - 1] == '\r')
			line.n--;
		if (!line.n)
			break;
		name = slice_cut(&line, ':');
		if (a->fields.n < MAX_FIELDS)
			a->room[a->fields.n++] = (struct http_field){name, line.p ? slice_trim(line) : SLICE("")};
	}
	if (!in.p)
		in = SLICE("");
	a->body = in;
	n = http_field_find(&a->fields, SLICE("Content-Length"));
	if (http_list_has(http_field_find(&a->fields, SLICE("Transfer-Encoding")), SLICE("chunked")))
		return dechunk(in, &v->arena, &a->body);
	if (!n.p || a->status == 304 || a->status == 204 || slice_eq(v->method, SLICE("HEAD")))
		return 0;
	if (strtoul(n.p, NULL, 10) > in.n)
		return -1;
	a->body.n = strtoul(n.p, NULL, 10);
	return 0;
}

static void forget(struct weir_request *r, struct visit *v, struct slice target)
{
	struct slice k;

	if (!target.p)
		return;
	k = first_key(v, target);
	weir_cache_drop(r, k.p, k.n);
}

static void invalidate(struct weir_request *r, struct visit *v, const struct answer *a)
{
	struct slice host = http_field_find(&v->request, SLICE("Host"));

	forget(r, v, v->target);
	forget(r, v, http_same_origin(SLICE("http"), host, v->target, http_field_find(&a->fields, SLICE("Location")), &v->arena));
	forget(r, v, http_same_origin(SLICE("http"), host, v->target, http_field_find(&a->fields, SLICE("Content-Location")), &v->arena));
}

static int make_policy(struct visit *v, struct answer *a)
{
	return http_policy_make(&(struct http_exchange){.method = v->method, .request = &v->request, .status = a->status,
							.response = &a->fields, .request_wall = v->asked_wall,
							.response_wall = (uint64_t)time(NULL)}, &a->policy);
}

static void on_fetched(struct weir_request *r, void *arg)
{
	struct visit *v = arg;
	struct answer *a = arena_zalloc(&v->arena, sizeof(*a));
	int is_get = slice_eq(v->method, SLICE("GET"));

	if (read_answer(v, a)) {
		if (v->has_old && http_policy_on_error(&v->old.policy, v->old.resident, GRACE_S))
			send_answer(r, v, &v->old, "weir; hit; detail=error", 1);
		else
			send_error(r, v, 502);
		return;
	}
	if (http_invalidates(v->method, a->status))
		invalidate(r, v, a);
	if (v->has_old && a->status == 304 && http_fields_match_304(&v->old.fields, &a->fields)) {
		http_fields_clean(&a->fields);
		http_fields_update_304(&v->old.fields, &a->fields);
		v->old.resident = 0;
		/* HEAD may confirm what GET brought */
		v->method = SLICE("GET");
		if (make_policy(v, &v->old))
			keep(r, v, &v->old);
		send_answer(r, v, &v->old, "weir; fwd=stale; fwd-status=304; stored", 1);
		return;
	}
	if (v->has_old && a->status == 304) {
		/* about another representation than ours: ask again for the whole */
		v->has_old = 0;
		buf_clear(&v->out);
		buf_clear(&v->in);
		write_request(r, v);
		weir_work(r, fetch, on_fetched, v);
		return;
	}
	if (v->has_old && a->status >= 500 && http_policy_on_error(&v->old.policy, v->old.resident, 0)) {
		send_answer(r, v, &v->old, "weir; hit; detail=error", 1);
		return;
	}
	if (is_get && make_policy(v, a)) {
		http_fields_clean(&a->fields);
		keep(r, v, a);
		send_answer(r, v, a, "weir; fwd=uri-miss; stored", 0);
		return;
	}
	http_fields_clean(&a->fields);
	send_answer(r, v, a, "weir; fwd=miss", 0);
}

static void handle(struct weir_request *r, void *state)
{
	struct visit *v = visit_new(r, state);
	struct http_cc asked;

	http_cc_of(&v->request, &asked);
	if (slice_eq(v->method, SLICE("GET")) || slice_eq(v->method, SLICE("HEAD"))) {
		look_up(r, v);
		if (v->has_old) {
			enum http_reuse reuse = http_policy_reuse(&v->old.policy, &v->request, 1, v->old.resident);

			if (reuse == HTTP_REUSE_FRESH || reuse == HTTP_REUSE_STALE) {
				send_answer(r, v, &v->old, "weir; hit; detail=L1", 1);
				return;
			}
		}
		if (asked.flags & HTTP_CC_ONLY_IF_CACHED) {
			send_error(r, v, 504);
			return;
		}
	}
	write_request(r, v);
	v->asked_wall = (uint64_t)time(NULL);
	weir_work(r, fetch, on_fetched, v);
}

static int init(const char *argument, void **state)
{
	struct upstream *up = calloc(1, sizeof(*up));
	int port = atoi(argument);

	if (!up || port <= 0 || port > 65535) {
		fprintf(stderr, "upstream: expected a port, not '%s'\n", argument);
		free(up);
		return -1;
	}
	up->to = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons((uint16_t)port),
				      .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	*state = up;
	return 0;
}

const struct weir_module weir_module = {.api = WEIR_API, .init = init, .handle = handle, .done = free};
