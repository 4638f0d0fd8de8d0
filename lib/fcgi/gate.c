/* See gate.h. The tricky thing is where the bytes lie. In the buffer p[0..n):
 *
 *   while PARAMS come in, between calls:  [params gathered so far][not looked at yet]
 *   otherwise, between calls:             [drop: seen by the caller][not looked at yet]
 *
 * Within one call nothing is moved until the call ends: the usual request, whole in one read, gets
 * its parameters out of the place where recv put them, and only what follows the request is moved
 * down. Contents of further PARAMS records are moved behind the first one's, so each byte moves a
 * bounded number of times and a buffer of max_params + GATE_SLACK bytes never fills up with NEED.
 */
#include "config.h"

#include "lib/fcgi/gate.h"

#include "lib/base/check.h"
#include "lib/base/num.h"
#include "lib/fcgi/nameset.h"
#include "lib/fcgi/record.h"

enum phase {
	PHASE_IDLE, /* between requests; management records live here */
	PHASE_PARAMS, /* BEGIN seen */
	PHASE_BODY, /* HEAD given */
	PHASE_DEAD /* refused, aborted or closed */
};

/* What the parts of gate_step answer when there is no word for the caller yet. */
#define GO_ON ((enum gate_word) - 1)

/* One call's view of the buffer. */
struct view {
	char *p;
	size_t n, at; /* at: the first byte not looked at */
	size_t params; /* where the gathered PARAMS begin */
};

_Static_assert(GATE_MAX_PAIRS <= NAMESET_MAX, "every name of a request fits the set");

void gate_init(struct gate *g, uint32_t max_params, uint32_t max_conns)
{
	memset(g, 0, sizeof(*g));
	g->max_params = max_params < GATE_MAX_PARAMS ? max_params : GATE_MAX_PARAMS;
	g->max_conns = max_conns;
}

int gate_is_idle(const struct gate *g, size_t n)
{
	return g->phase == PHASE_IDLE && g->content_left == 0 && g->pad_left == 0 && n == g->drop;
}

#define EACH(c) (0x0101010101010101u * (c))

/* The top bit of each byte from lo to hi, for bytes below 0x80: their sums do not carry into the next. */
static inline uint64_t within(uint64_t w, unsigned char lo, unsigned char hi)
{
	return (w + EACH(0x80u - lo)) & ~(w + EACH(0x7fu - hi));
}

/* Eight of [A-Z0-9_]? A byte from 0x80 upward spoils what is found of its neighbours, and is wrong itself. */
static inline int are_good(const char *p)
{
	uint64_t w;

	memcpy(&w, p, 8);
	return ((w | ~(within(w, 'A', 'Z') | within(w, '0', '9') | within(w, '_', '_'))) & EACH(0x80u)) == 0;
}

/* [A-Z0-9_]+ */
static int is_name(struct slice s)
{
	char few[8] = "________";
	size_t i;

	if (s.n < 8) {
		for (i = 0; i < s.n; i++)
			few[i] = s.p[i];
		return s.n && are_good(few);
	}
	for (i = 0; i + 8 < s.n; i += 8)
		if (!are_good(s.p + i))
			return 0;
	return are_good(s.p + s.n - 8);
}

/* May a client's header arrive twice? Whatever else says who asks, or frames the request, may not.
 */
static int may_repeat(struct slice name)
{
	return slice_starts(name, SLICE("HTTP_")) && !slice_eq(name, SLICE("HTTP_AUTHORIZATION")) &&
	       !slice_eq(name, SLICE("HTTP_PROXY_AUTHORIZATION")) &&
	       !slice_eq(name, SLICE("HTTP_HOST")) && !slice_starts(name, SLICE("HTTP_CONTENT_"));
}

/* The whole list; libfcgi makes C strings of names and values, so neither may hold a NUL. */
static enum err_id check_params(struct slice list, uint16_t *ret_n)
{
	struct slice name, value;
	struct nameset seen;
	unsigned n = 0;
	int rc;

	nameset_init(&seen);
	while ((rc = gate_next_pair(&list, &name, &value)) > 0) {
		if (unlikely(++n > GATE_MAX_PAIRS))
			return E_headers_too_large;
		if (unlikely(!is_name(name) || (value.n && memchr(value.p, 0, value.n))))
			return E_bad_request;
		if (unlikely(nameset_add(&seen, name) >= 0 && !may_repeat(name)))
			return E_bad_request;
	}
	*ret_n = (uint16_t)n;
	return rc ? E_bad_request : E_ok;
}

/* Everything before v->at is used up and nobody looks at it any more. */
static enum gate_word settle(struct gate *g, struct view *v, size_t *n, enum gate_word word)
{
	size_t kept = 0;

	if (g->phase == PHASE_PARAMS && g->params_n) {
		kept = g->params_n;
		if (v->params)
			memmove(v->p, v->p + v->params, kept);
	}
	if (v->at != kept && v->n > v->at)
		memmove(v->p + kept, v->p + v->at, v->n - v->at);
	*n = kept + (v->n - v->at);
	g->drop = 0;
	return word;
}

/* The caller may look at bytes before v->at until the next call. */
static enum gate_word lend(struct gate *g, const struct view *v, enum gate_word word)
{
	g->drop = (uint32_t)v->at;
	return word;
}

/* Nothing that comes after this word is looked at. */
static enum gate_word die(struct gate *g, size_t *n, enum gate_word word)
{
	g->phase = PHASE_DEAD;
	g->content_left = g->pad_left = 0;
	g->drop = 0;
	*n = 0;
	return word;
}

static enum gate_word refuse(struct gate *g, size_t *n, struct gate_out *out, enum err_id error)
{
	out->error = error;
	return die(g, n, GATE_REFUSE);
}

static void skip_padding(struct gate *g, struct view *v)
{
	size_t k = v->n - v->at < g->pad_left ? v->n - v->at : g->pad_left;

	v->at += k;
	g->pad_left = (uint8_t)(g->pad_left - k);
}

static void reply_pair(struct gate_out *out, struct slice name, struct slice value)
{
	unsigned char *p = out->reply + out->reply_n;

	check(out->reply_n + 2 + name.n + value.n <= sizeof(out->reply));
	p[0] = (unsigned char)name.n;
	p[1] = (unsigned char)value.n;
	memcpy(p + 2, name.p, name.n);
	memcpy(p + 2 + name.n, value.p, value.n);
	out->reply_n += 2 + name.n + value.n;
}

/* The answer to GET_VALUES; -1 for a malformed list. Each name once, however often it is asked. */
static int answer_values(const struct gate *g, struct slice list, struct gate_out *out)
{
	static const struct slice names[] = {{FCGI_MAX_CONNS, sizeof(FCGI_MAX_CONNS) - 1},
					     {FCGI_MAX_REQS, sizeof(FCGI_MAX_REQS) - 1},
					     {FCGI_MPXS_CONNS, sizeof(FCGI_MPXS_CONNS) - 1}};
	struct slice name, value;
	unsigned asked = 0;
	char digits[20];
	int rc;

	while ((rc = gate_next_pair(&list, &name, &value)) > 0)
		for (unsigned i = 0; i < ARRAY_LEN(names); i++)
			if (slice_eq(name, names[i]))
				asked |= 1u << i;
	if (rc)
		return -1;
	out->reply_n = RECORD_HEADER;
	value = slice_of(digits, num_put_u64(digits, g->max_conns));
	for (unsigned i = 0; i < ARRAY_LEN(names); i++)
		if (asked & 1u << i)
			reply_pair(out, names[i], i == 2 ? SLICE("0") : value);
	record_put(out->reply, FCGI_GET_VALUES_RESULT, 0, out->reply_n - RECORD_HEADER);
	return 0;
}

/* A record of id 0 between requests. v->at is on its header. */
static enum gate_word management(struct gate *g, struct view *v, const struct record *r, size_t *n,
				 struct gate_out *out)
{
	if (r->type == FCGI_GET_VALUES) {
		if (r->content > g->max_params)
			return die(g, n, GATE_CLOSE);
		if (v->n - v->at < RECORD_HEADER + (size_t)r->content)
			return settle(g, v, n, GATE_NEED);
		if (answer_values(g, slice_of(v->p + v->at + RECORD_HEADER, r->content), out))
			return die(g, n, GATE_CLOSE);
		v->at += RECORD_HEADER + (size_t)r->content;
	} else {
		record_put(out->reply, FCGI_UNKNOWN_TYPE, 0, 8);
		memset(out->reply + RECORD_HEADER, 0, 8);
		out->reply[RECORD_HEADER] = r->type;
		out->reply_n = RECORD_HEADER + 8;
		v->at += RECORD_HEADER;
		g->content_left = r->content;
	}
	g->pad_left = r->padding;
	if (g->content_left == 0)
		skip_padding(g, v);
	return lend(g, v, GATE_OWN);
}

/* BEGIN_REQUEST with its content in the buffer, or NEED. */
static enum gate_word begin(struct gate *g, struct view *v, const struct record *r, size_t *n,
			    struct gate_out *out)
{
	const char *body = v->p + v->at + RECORD_HEADER;

	if (r->content != sizeof(FCGI_BeginRequestBody))
		return die(g, n, GATE_CLOSE);
	if (v->n - v->at < RECORD_HEADER + sizeof(FCGI_BeginRequestBody))
		return settle(g, v, n, GATE_NEED);
	g->id = r->id;
	g->keep_conn = (uint8_t)(body[2] & FCGI_KEEP_CONN);
	g->params_n = 0;
	g->n_pairs = 0;
	out->id = g->id;
	out->keep_conn = g->keep_conn;
	if (record_u16(body) != FCGI_RESPONDER) {
		record_put_end(out->reply, g->id, 0, FCGI_UNKNOWN_ROLE);
		out->reply_n = RECORD_END;
		return refuse(g, n, out, E_bad_request);
	}
	g->phase = PHASE_PARAMS;
	g->pad_left = r->padding;
	v->at += RECORD_HEADER + sizeof(FCGI_BeginRequestBody);
	return GO_ON;
}

/* The empty PARAMS record: the list is whole. v->at is behind its header. */
static enum gate_word end_params(struct gate *g, struct view *v, size_t *n, struct gate_out *out)
{
	struct slice list = slice_of(v->p + v->params, g->params_n);
	enum err_id error = check_params(list, &g->n_pairs);

	if (error)
		return refuse(g, n, out, error);
	out->params = list;
	g->phase = PHASE_BODY;
	g->params_n = 0;
	skip_padding(g, v);
	return lend(g, v, GATE_HEAD);
}

/* ABORT_REQUEST inside a request, whose body had not ended then. */
static enum gate_word aborted(struct gate *g, size_t *n, struct gate_out *out)
{
	record_put_end(out->reply, g->id, 0, FCGI_REQUEST_COMPLETE);
	out->reply_n = RECORD_END;
	out->must_close = 1;
	return die(g, n, GATE_ABORT);
}

/* A whole header at v->at. */
static enum gate_word header(struct gate *g, struct view *v, size_t *n, struct gate_out *out)
{
	struct record r;

	if (record_parse(v->p + v->at, &r))
		return die(g, n, GATE_CLOSE);
	if (g->phase == PHASE_IDLE) {
		if (r.id == 0)
			return management(g, v, &r, n, out);
		if (r.type == FCGI_BEGIN_REQUEST)
			return begin(g, v, &r, n, out);
		/* A late ABORT of a request that has been answered is no fault of the peer. */
		if (r.type != FCGI_ABORT_REQUEST)
			return die(g, n, GATE_CLOSE);
	} else if (r.id != g->id) {
		return die(g, n, GATE_CLOSE);
	} else if (r.type == FCGI_ABORT_REQUEST) {
		return aborted(g, n, out);
	} else if (g->phase == PHASE_PARAMS) {
		if (r.type != FCGI_PARAMS)
			return die(g, n, GATE_CLOSE);
		if (g->params_n + (size_t)r.content > g->max_params)
			return refuse(g, n, out, E_headers_too_large);
	} else if (r.type == FCGI_PARAMS) {
		return refuse(g, n, out, E_bad_request);
	} else if (r.type != FCGI_STDIN) {
		return die(g, n, GATE_CLOSE);
	}

	v->at += RECORD_HEADER;
	g->content_left = r.content;
	g->pad_left = r.padding;
	if (r.content || g->phase == PHASE_IDLE)
		return GO_ON;
	if (g->phase == PHASE_PARAMS)
		return end_params(g, v, n, out);
	g->phase = PHASE_IDLE;
	skip_padding(g, v);
	return settle(g, v, n, GATE_END);
}

/* Bytes of the record being read, at least one. */
static enum gate_word content(struct gate *g, struct view *v, struct gate_out *out)
{
	size_t have = v->n - v->at, k = have < g->content_left ? have : g->content_left;

	if (g->phase == PHASE_PARAMS) {
		if (g->params_n == 0)
			v->params = v->at;
		else if (v->params + g->params_n != v->at)
			memmove(v->p + v->params + g->params_n, v->p + v->at, k);
		g->params_n += (uint32_t)k;
	} else if (g->phase == PHASE_BODY) {
		out->body = slice_of(v->p + v->at, k);
	}
	v->at += k;
	g->content_left -= (uint32_t)k;
	if (g->phase != PHASE_BODY)
		return GO_ON;
	if (g->content_left == 0)
		skip_padding(g, v);
	return lend(g, v, GATE_BODY);
}

enum gate_word gate_step(struct gate *g, char *p, size_t *n, struct gate_out *out)
{
	struct view v = {p, *n, g->drop, 0};
	enum gate_word word;

	out->params = out->body = slice_of(NULL, 0);
	out->error = E_ok;
	out->id = g->id;
	out->keep_conn = g->keep_conn;
	out->must_close = 0;
	out->reply_n = 0;
	check(g->drop <= *n);
	if (g->phase == PHASE_DEAD)
		return die(g, n, GATE_CLOSE);
	if (g->phase == PHASE_PARAMS)
		v.at = g->params_n;
	do {
		if (g->content_left == 0)
			skip_padding(g, &v);
		if (v.n - v.at < (g->content_left ? 1 : RECORD_HEADER))
			return settle(g, &v, n, GATE_NEED);
		word = g->content_left ? content(g, &v, out) : header(g, &v, n, out);
	} while (word == GO_ON);
	return word;
}

int gate_take_abort(struct gate *g, char *p, size_t *n, struct gate_out *out)
{
	struct view v = {p, *n, g->drop, 0};
	struct record r;

	if (g->phase != PHASE_IDLE || g->content_left)
		return 0;
	skip_padding(g, &v);
	if (v.n - v.at < RECORD_HEADER || record_parse(p + v.at, &r) ||
	    r.type != FCGI_ABORT_REQUEST || r.id != g->id) {
		settle(g, &v, n, GATE_NEED);
		return 0;
	}
	v.at += RECORD_HEADER;
	g->content_left = r.content;
	g->pad_left = r.padding;
	settle(g, &v, n, GATE_ABORT);
	memset(out, 0, offsetof(struct gate_out, reply));
	out->id = g->id;
	out->keep_conn = g->keep_conn;
	record_put_end(out->reply, g->id, 0, FCGI_REQUEST_COMPLETE);
	out->reply_n = RECORD_END;
	return 1;
}
