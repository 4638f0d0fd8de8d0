/* fuzz_gate: any bytes as what a web server sends. The gate says the same words for every cut of
 * them, they are those of a reader that has all bytes at hand, and libfcgi reads the lists that are
 * admitted as we do. */
#include "config.h"

#include "lib/fcgi/fcgi_req.h"
#include "tests/unit/fcgi/trace.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Long enough for every rule, short enough that a fuzzer meets the limit. */
#define SHORT_LIMIT 300u

struct reader {
	struct fcgi_req *req;
	struct arena_pool pool;
};

static struct reader *reader(void)
{
	static struct reader r;
	struct err e;

	if (!r.req) {
		arena_pool_init(&r.pool, 8);
		r.req = fcgi_req_new(&e);
		check(r.req);
		fcgi_req_check_all(r.req);
	}
	return &r;
}

/* The list as fcgi_req gives it: each name once, with the values that came for it in their order.
 */
static void on_head(void *arg, uint16_t id, struct slice params)
{
	struct reader *r = arg;
	struct fcgi_param *got;
	struct arena a;
	unsigned n, found = 0;

	arena_init(&a, &r->pool);
	check(fcgi_req_parse(r->req, id, params, &a, &got, &n) == 0);
	for (unsigned i = 0; i < n; i++) {
		const char *by = slice_eq(got[i].name, SLICE("HTTP_COOKIE")) ? "; " : ", ";
		struct slice rest = params, name, value, left = got[i].value;
		unsigned times = 0;

		check(got[i].name.p[got[i].name.n] == '\0' && got[i].value.p[left.n] == '\0');
		while (gate_next_pair(&rest, &name, &value) > 0) {
			if (!slice_eq(name, got[i].name))
				continue;
			if (times++) {
				check(slice_starts(left, slice_str(by)));
				left.p += 2, left.n -= 2;
			}
			check(slice_starts(left, value));
			left.p += value.n, left.n -= value.n;
		}
		check(times && left.n == 0);
		found += times;
	}
	/* nothing but HTTP_PROXY is left out */
	for (struct slice rest = params, name, value; gate_next_pair(&rest, &name, &value) > 0;)
		found -= !slice_eq(name, SLICE("HTTP_PROXY"));
	check(found == 0);
	arena_done(&a);
}

static void same(struct slice stream, size_t first, size_t step, uint32_t limit,
		 const struct trace *model)
{
	struct trace t;

	trace_init(&t);
	trace_run(&t, stream, first, step, limit);
	check(slice_eq(buf_slice(&t.text), buf_slice(&model->text)));
	trace_done(&t);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint32_t limits[] = {SHORT_LIMIT, GATE_MAX_PARAMS};
	struct slice stream = slice_of((const char *)data, size);

	for (unsigned i = 0; i < ARRAY_LEN(limits); i++) {
		struct trace model;

		trace_init(&model);
		model.on_head = on_head;
		model.arg = reader();
		model_run(&model, stream, limits[i]);
		same(stream, 0, size + 1, limits[i], &model);
		same(stream, 0, 1, limits[i], &model);
		same(stream, 0, 7, limits[i], &model);
		/* in two, at a place that the input chooses */
		if (size > 2)
			same(stream, 1 + (data[0] + data[size - 1] * 256u) % (unsigned)(size - 1),
			     size, limits[i], &model);
		for (size_t first = 1; size <= 256 && first < size; first++)
			same(stream, first, size, limits[i], &model);
		trace_done(&model);
	}
	return 0;
}
