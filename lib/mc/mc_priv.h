/* mc_priv: what the files of lib/mc share.
 * Layer: lib/mc. */
#ifndef WEIR_MC_MC_PRIV_H
#define WEIR_MC_MC_PRIV_H

#include <libmemcached/memcached.h>
#include <pthread.h>

#include "lib/mc/mc.h"
#include "lib/shm/breaker.h"

enum mc_kind { MC_GET, MC_SET, MC_ADD, MC_DELETE };

/* One call. It belongs to the loop's thread until mc_flush, then to the I/O thread, then, answered, to
 * the loop's again, which frees it. done and arg are touched by the loop's thread alone. */
struct mc_op {
	struct mc_op *next;
	enum mc_kind kind;
	enum mc_result result;
	_Atomic int is_cancelled;	/* spares the I/O thread a key; delivery looks at done */
	unsigned ttl_s;
	uint64_t deadline_ns;
	mc_done_f *done;
	void *arg;
	char *value;			/* malloc: to store, or what was read */
	size_t n;
	struct mc_key key;
};

struct mc_list {
	struct mc_op *first, **last;
};
static inline void mc_list_init(struct mc_list *l)
{
	l->first = NULL;
	l->last = &l->first;
}
static inline void mc_list_add(struct mc_list *l, struct mc_op *op)
{
	op->next = NULL;
	*l->last = op;
	l->last = &op->next;
}
static inline void mc_list_join(struct mc_list *to, struct mc_list *from)
{
	if (!from->first)
		return;
	*to->last = from->first;
	to->last = from->last;
	mc_list_init(from);
}
void mc_op_free(struct mc_op *op);

/* ---- mc_node.c: the libmemcached handles. One thread. */

/* The ring (server < 0: all of them, by alias, never connected) or the connection to one server, with
 * all settings of the design. NULL when libmemcached refuses. */
memcached_st *mc_handle_new(const struct mc_options *o, int server);

struct mc_node {
	memcached_st *wire;
	memcached_result_st result;
	char behind[512];	/* the library writes past result when a peer's key is long: mc_node.c */
	char *buffer;		/* result's */
	struct breaker *breaker;
	uint64_t opened_seen;	/* breaker->opened when the wire was last used */
};

int mc_node_init(struct mc_node *n, const struct mc_options *o, unsigned server) MUST_USE;
void mc_node_done(struct mc_node *n);
/* The breaker lets calls through; a wire that stood aside for a node that was down comes back with it. */
int mc_node_may(struct mc_node *n);
/* Each answers how it went and records it in the breaker. count ≤ MC_BATCH. */
enum mc_result mc_node_send(struct mc_node *n, const struct mc_op *const *ops, unsigned count);
/* One value of what was sent: MC_OK, and ret_op (NULL: a key that was not asked for); MC_MISS: that was
 * all. from is kept between the calls, 0 at first. */
enum mc_result mc_node_fetch(struct mc_node *n, struct mc_op **ops, unsigned count, unsigned *from,
			     struct mc_op **ret_op);
enum mc_result mc_node_set(struct mc_node *n, const struct mc_op *op);
enum mc_result mc_node_add(struct mc_node *n, const struct mc_op *op);
enum mc_result mc_node_delete(struct mc_node *n, const struct mc_op *op);

/* ---- mc_probe.c: asks a node for its version, without blocking. One thread. */

struct mc_probe {
	int fd;			/* -1: none under way */
	int is_sent;
	uint64_t deadline_ms;
	struct breaker_lease lease;
	unsigned n;
	char answer[64];
};

#define MC_PROBE_MS 100u

/* Each: 0 under way, 1 it is over and *ret says how. */
int mc_probe_start(struct mc_probe *p, const struct cache_server *s, uint64_t now_ms, enum breaker_probe *ret);
int mc_probe_step(struct mc_probe *p, uint64_t now_ms, enum breaker_probe *ret);
void mc_probe_stop(struct mc_probe *p);
/* For poll. */
short mc_probe_events(const struct mc_probe *p);

/* ---- mc_io.c: the thread. */

struct mc_io {
	/* Set before it starts. */
	struct mc_options o;
	int wake_fd;		/* the loop has put something into todo, or is_stopping */
	int done_fd;		/* a dup: it outlives the mc if the thread does */
	pthread_t thread;

	pthread_mutex_t lock;	/* todo, done; held for moves of a list, never for a call */
	struct mc_list todo, done;

	_Atomic int is_stopping, is_finished;
	_Atomic uint64_t busy_since_ns;	/* the call on the wire began; 0 = none */
	_Atomic unsigned busy_node;
	_Atomic uint64_t set_bytes;	/* of sets between mc_set and the wire */

	/* The thread's own. */
	memcached_st *ring;
	struct mc_node nodes[MC_MAX_NODES];
	struct mc_probe probes[MC_MAX_NODES];
};

/* Start one; done_fd is dup'ed. NULL: no memory, no descriptor, or libmemcached refuses. */
struct mc_io *mc_io_start(const struct mc_options *o, int done_fd);
/* Ask it to end; it ends when its call on the wire does. */
void mc_io_stop(struct mc_io *io);
/* After is_finished. */
void mc_io_free(struct mc_io *io);
void mc_io_wake(const struct mc_io *io);

#endif
