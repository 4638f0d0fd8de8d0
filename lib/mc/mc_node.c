/* libmemcached, and nothing but it. One handle per node and one that only hashes, because
 *  - the answers of several nodes are then read one by one, and whose failure it was is certain (a
 *    handle with several servers reports a timeout of two of them as "not found");
 *  - the ring can be told aliases, which are no addresses.
 * NOREPLY is switched on for stores only: an acknowledged one ends in an assertion of the library when
 * the answer is a success of another command, and a peer must not be able to end this process. */
#include "config.h"

#include "lib/mc/mc_priv.h"

#include <stdlib.h>

#include "lib/base/check.h"
#include "lib/base/clock.h"

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

static memcached_return_t add_server(memcached_st *h, const struct mc_server *s, int by_alias)
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

int mc_node_init(struct mc_node *n, const struct mc_options *o, unsigned server)
{
	*n = (struct mc_node){.breaker = &o->breakers[server]};
	n->wire = mc_handle_new(o, (int)server);
	if (!n->wire)
		return -1;
	n->opened_seen = atomic_load(&n->breaker->opened);
	return memcached_result_create(n->wire, &n->result) ? 0 : -1;
}

void mc_node_done(struct mc_node *n)
{
	if (n->wire) {
		memcached_result_free(&n->result);
		memcached_free(n->wire);
	}
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

	if (!memcached_fetch_result(n->wire, &n->result, &rc)) {
		if (rc != MEMCACHED_END && rc != MEMCACHED_NOTFOUND && rc != MEMCACHED_SUCCESS)
			return fail(n, rc);
		if (memcached_server_response_count(memcached_server_instance_by_position(n->wire, 0)))
			return fail(n, MEMCACHED_PROTOCOL_ERROR);
		record(n, 1);
		return MC_MISS;
	}
	if (rc != MEMCACHED_SUCCESS)
		return fail(n, rc);
	op = match(ops, count, from, memcached_result_key_value(&n->result), memcached_result_key_length(&n->result));
	if (op && !op->value) {
		op->n = memcached_result_length(&n->result);
		op->value = memcached_result_take_value(&n->result);
	}
	*ret_op = op;
	return MC_OK;
}

/* That an unacknowledged store was written says nothing about the node: only failures are recorded. */
static enum mc_result store(struct mc_node *n, const struct mc_op *op,
			    memcached_return_t (*how)(memcached_st *, const char *, size_t, const char *,
						      size_t, time_t, uint32_t))
{
	memcached_return_t rc;

	memcached_behavior_set(n->wire, MEMCACHED_BEHAVIOR_NOREPLY, 1);
	rc = how(n->wire, op->key.text, MC_KEY_LEN, op->value, op->n, (time_t)op->ttl_s, 0);
	memcached_behavior_set(n->wire, MEMCACHED_BEHAVIOR_NOREPLY, 0);
	return rc == MEMCACHED_SUCCESS ? MC_OK : fail(n, rc);
}

enum mc_result mc_node_set(struct mc_node *n, const struct mc_op *op)
{
	return store(n, op, memcached_set);
}

enum mc_result mc_node_add(struct mc_node *n, const struct mc_op *op)
{
	const struct mc_op *ops[1] = {op};
	struct mc_op probe = {.key = op->key}, *asked[1] = {&probe}, *got = NULL;
	enum mc_result r = store(n, op, memcached_add);
	unsigned from = 0;
	int is_ours = 0;

	if (r == MC_OK)
		r = mc_node_send(n, ops, 1);
	while (r == MC_OK) {
		r = mc_node_fetch(n, asked, 1, &from, &got);
		if (r == MC_OK && got)
			is_ours = got->n == op->n && memcmp(got->value, op->value, op->n) == 0;
	}
	free(probe.value);
	return r != MC_MISS ? r : is_ours ? MC_OK : MC_MISS;
}

enum mc_result mc_node_delete(struct mc_node *n, const struct mc_op *op)
{
	memcached_return_t rc = memcached_delete(n->wire, op->key.text, MC_KEY_LEN, 0);

	if (rc != MEMCACHED_SUCCESS && rc != MEMCACHED_NOTFOUND)
		return fail(n, rc);
	record(n, 1);
	return MC_OK;
}
