/* libmemcached, and nothing but it. One handle per node and one that only hashes, because
 *  - the answers of several nodes are then read one by one, and whose failure it was is certain (a
 *    handle with several servers reports a timeout of two of them as "not found");
 *  - the ring can be told aliases, which are no addresses.
 * The only answers that the library is let to read are those of mget, into a result of ours; all else is sent
 * with NOREPLY and, where it must be acknowledged (add, delete), followed by an mget of its key. Its other
 * readers assert what a peer may break (the success of another command), or write over the handle. */
#include "config.h"

#include "lib/mc/mc_priv.h"

#include <stdlib.h>

#include "lib/base/check.h"
#include "lib/base/clock.h"

/* What the library believes of a peer (1.1.4), and what keeps it from harm:
 *  - any length of a value: it asks for so much memory, or, where "length + 2" wraps, for none and writes up to
 *    two bytes before the block. A node's result has a buffer of ours, with room in front, large enough for
 *    every value that can be; realloc refuses more.
 *  - any length of a key: it writes up to 350 bytes into 251, over the flag that says who frees the result.
 *    The result has room behind it, is never freed, and is made anew after such a key. */
#define FRONT_ROOM 64u
#define BUFFER_BYTES (MC_MAX_BYTES + 4096u)

static void *lib_malloc(const memcached_st *h, const size_t n, void *context)
{
	(void)h;
	(void)context;
	return n > BUFFER_BYTES ? NULL : malloc(n);
}

static void *lib_realloc(const memcached_st *h, void *p, const size_t n, void *context)
{
	(void)h;
	(void)context;
	return n > BUFFER_BYTES ? NULL : realloc(p, n);
}

static void *lib_calloc(const memcached_st *h, size_t count, const size_t n, void *context)
{
	(void)h;
	(void)context;
	return calloc(count, n);
}

static void lib_free(const memcached_st *h, void *p, void *context)
{
	const struct mc_node *n = context;

	(void)h;
	if (p != &n->result)
		free(p);
}

static int apply_settings(memcached_st *h, const struct mc_options *o)
{
	const struct {
		memcached_behavior_t what;
		uint64_t value;
	} settings[] = {
		{MEMCACHED_BEHAVIOR_KETAMA_WEIGHTED, 1},
		{MEMCACHED_BEHAVIOR_POLL_TIMEOUT, o->poll_timeout_ms},
		{MEMCACHED_BEHAVIOR_CONNECT_TIMEOUT, o->connect_timeout_ms},
		{MEMCACHED_BEHAVIOR_RETRY_TIMEOUT, o->retry_timeout_s},
		{MEMCACHED_BEHAVIOR_TCP_NODELAY, 1},
		{MEMCACHED_BEHAVIOR_TCP_KEEPALIVE, 1},
		{MEMCACHED_BEHAVIOR_NO_BLOCK, 1},
		{MEMCACHED_BEHAVIOR_VERIFY_KEY, 1},
		{MEMCACHED_BEHAVIOR_AUTO_EJECT_HOSTS, 0},
		{MEMCACHED_BEHAVIOR_REMOVE_FAILED_SERVERS, 0},
		{MEMCACHED_BEHAVIOR_NUMBER_OF_REPLICAS, 0},
		{MEMCACHED_BEHAVIOR_BUFFER_REQUESTS, 0},
		{MEMCACHED_BEHAVIOR_BINARY_PROTOCOL, 0},
		{MEMCACHED_BEHAVIOR_NOREPLY, 0},
	};

	for (unsigned i = 0; i < ARRAY_LEN(settings); i++) {
		if (memcached_behavior_set(h, settings[i].what, settings[i].value) != MEMCACHED_SUCCESS)
			return -1;
	}
	return 0;
}

static memcached_return_t add_server(memcached_st *h, const struct cache_server *s, int by_alias)
{
	if (by_alias && s->alias[0])
		return memcached_server_add_with_weight(h, s->alias, MEMCACHED_DEFAULT_PORT, s->weight);
	if (!s->port)
		return memcached_server_add_unix_socket_with_weight(h, s->host, s->weight);
	return memcached_server_add_with_weight(h, s->host, s->port, s->weight);
}

memcached_st *mc_handle_new(const struct mc_options *o, int server)
{
	memcached_st *h = memcached_create(NULL);
	int is_bad;

	if (!h)
		return NULL;
	is_bad = apply_settings(h, o) < 0;
	for (unsigned i = 0; i < o->n_servers && !is_bad; i++) {
		if (server < 0 || i == (unsigned)server)
			is_bad = add_server(h, &o->servers[i], server < 0) != MEMCACHED_SUCCESS;
	}
	if (is_bad) {
		memcached_free(h);
		return NULL;
	}
	return h;
}

static void make_result(struct mc_node *n)
{
	check(memcached_result_create(n->wire, &n->result));
	n->result.value.string = n->result.value.end = n->buffer + FRONT_ROOM;
	n->result.value.current_size = BUFFER_BYTES;
}

int mc_node_init(struct mc_node *n, const struct mc_options *o, unsigned server)
{
	*n = (struct mc_node){.breaker = &o->breakers[server]};
	n->opened_seen = atomic_load(&n->breaker->opened);
	n->wire = mc_handle_new(o, (int)server);
	if (!n->wire ||
	    memcached_set_memory_allocators(n->wire, lib_malloc, lib_free, lib_realloc, lib_calloc, n) != MEMCACHED_SUCCESS)
		return -1;
	n->buffer = malloc(FRONT_ROOM + BUFFER_BYTES);
	check(n->buffer);
	make_result(n);
	return 0;
}

void mc_node_done(struct mc_node *n)
{
	if (n->wire)
		memcached_free(n->wire);
	free(n->buffer);
	*n = (struct mc_node){0};
}

int mc_node_may(struct mc_node *n)
{
	uint64_t opened;

	if (!breaker_may(n->breaker))
		return 0;
	opened = atomic_load_explicit(&n->breaker->opened, memory_order_relaxed);
	if (opened != n->opened_seen) {
		/* It was open and a probe was answered: the wire's own waiting time is over too. */
		memcached_instance_next_retry(memcached_server_instance_by_position(n->wire, 0), 0);
		n->opened_seen = opened;
	}
	return 1;
}

static void record(struct mc_node *n, int is_ok)
{
	(void)breaker_record(n->breaker, is_ok, clock_mono_ns() / CLOCK_MS);
}

/* Whatever is still on its way belongs to nobody: the connection goes. */
static enum mc_result fail(struct mc_node *n, memcached_return_t rc)
{
	record(n, 0);
	memcached_quit(n->wire);
	make_result(n);
	return rc == MEMCACHED_TIMEOUT || rc == MEMCACHED_IN_PROGRESS ? MC_TIMEOUT : MC_ERROR;
}

enum mc_result mc_node_send(struct mc_node *n, const struct mc_op *const *ops, unsigned count)
{
	const char *keys[MC_BATCH];
	size_t lens[MC_BATCH];
	memcached_return_t rc;

	check(count && count <= MC_BATCH);
	for (unsigned i = 0; i < count; i++) {
		keys[i] = ops[i]->key.text;
		lens[i] = MC_KEY_LEN;
	}
	rc = memcached_mget(n->wire, keys, lens, count);
	return rc == MEMCACHED_SUCCESS ? MC_OK : fail(n, rc);
}

/* The library waits for more of an answer that should be whole: it took it for another command's. */
static int has_more(const struct mc_node *n)
{
	return memcached_server_response_count(memcached_server_instance_by_position(n->wire, 0)) != 0;
}

/* Values come in the order of the keys; the search goes on where it found the last one. */
static struct mc_op *match(struct mc_op **ops, unsigned count, unsigned *from, const char *key, size_t n)
{
	for (unsigned i = 0; i < count && n == MC_KEY_LEN; i++) {
		unsigned at = (*from + i) % count;

		if (memcmp(ops[at]->key.text, key, MC_KEY_LEN) == 0) {
			*from = at + 1;
			return ops[at];
		}
	}
	return NULL;
}

enum mc_result mc_node_fetch(struct mc_node *n, struct mc_op **ops, unsigned count, unsigned *from,
			     struct mc_op **ret_op)
{
	memcached_return_t rc = MEMCACHED_FAILURE;
	struct mc_op *op;
	size_t len;

	if (!memcached_fetch_result(n->wire, &n->result, &rc)) {
		if (rc != MEMCACHED_END && rc != MEMCACHED_NOTFOUND && rc != MEMCACHED_SUCCESS)
			return fail(n, rc);
		if (has_more(n))
			return fail(n, MEMCACHED_PROTOCOL_ERROR);
		record(n, 1);
		return MC_MISS;
	}
	if (rc != MEMCACHED_SUCCESS)
		return fail(n, rc);
	len = memcached_result_length(&n->result);
	if (len > MC_MAX_BYTES || memcached_result_key_length(&n->result) > MC_KEY_LEN)
		return fail(n, MEMCACHED_PROTOCOL_ERROR);
	op = match(ops, count, from, memcached_result_key_value(&n->result), memcached_result_key_length(&n->result));
	if (op && !op->value) {
		op->n = len;
		op->value = malloc(len + 1);
		check(op->value);
		memcpy(op->value, memcached_result_value(&n->result), len);
	}
	*ret_op = op;
	return MC_OK;
}

/* Asks for one key, which also acknowledges what was sent before it: a connection's commands are run in their
 * order. MC_OK: probe->value is what is there; MC_MISS: nothing is. */
static enum mc_result read_back(struct mc_node *n, struct mc_op *probe)
{
	struct mc_op *asked[1] = {probe}, *got;
	const struct mc_op *ops[1] = {probe};
	enum mc_result r = mc_node_send(n, ops, 1);
	unsigned from = 0;

	while (r == MC_OK)
		r = mc_node_fetch(n, asked, 1, &from, &got);
	return r == MC_MISS && probe->value ? MC_OK : r;
}

/* That an unacknowledged command was written says nothing about the node: only failures are recorded. */
static enum mc_result unanswered(struct mc_node *n, const struct mc_op *op)
{
	memcached_return_t rc = MEMCACHED_FAILURE;

	memcached_behavior_set(n->wire, MEMCACHED_BEHAVIOR_NOREPLY, 1);
	switch (op->kind) {
	case MC_SET:
		rc = memcached_set(n->wire, op->key.text, MC_KEY_LEN, op->value, op->n, (time_t)op->ttl_s, 0);
		break;
	case MC_ADD:
		rc = memcached_add(n->wire, op->key.text, MC_KEY_LEN, op->value, op->n, (time_t)op->ttl_s, 0);
		break;
	case MC_DELETE:
		rc = memcached_delete(n->wire, op->key.text, MC_KEY_LEN, 0);
		break;
	case MC_GET:
		break;
	}
	memcached_behavior_set(n->wire, MEMCACHED_BEHAVIOR_NOREPLY, 0);
	return rc == MEMCACHED_SUCCESS ? MC_OK : fail(n, rc);
}

enum mc_result mc_node_set(struct mc_node *n, const struct mc_op *op)
{
	return unanswered(n, op);
}

enum mc_result mc_node_add(struct mc_node *n, const struct mc_op *op)
{
	struct mc_op probe = {.key = op->key};
	enum mc_result r = unanswered(n, op);

	if (r == MC_OK)
		r = read_back(n, &probe);
	if (r == MC_OK && (probe.n != op->n || memcmp(probe.value, op->value, op->n) != 0))
		r = MC_MISS;
	/* Nothing is there: it was evicted at once, or it did not fit. Nobody has the lease. */
	free(probe.value);
	return r;
}

enum mc_result mc_node_delete(struct mc_node *n, const struct mc_op *op)
{
	struct mc_op probe = {.key = op->key};
	enum mc_result r = unanswered(n, op);

	if (r == MC_OK)
		r = read_back(n, &probe);
	free(probe.value);
	/* What is there now was stored after. */
	return r == MC_MISS ? MC_OK : r;
}

const char *mc_library_version(void)
{
	return memcached_lib_version();
}
