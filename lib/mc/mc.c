/* The loop's side: calls become ops, ops go over in one list, answers come back in another. */
#include "config.h"

#include "lib/mc/mc.h"

#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "lib/base/check.h"
#include "lib/base/clock.h"
#include "lib/mc/mc_priv.h"

#define ADD(m, what) ((void)atomic_fetch_add_explicit(&(m)->o.counters->what, 1, memory_order_relaxed))

struct mc {
	struct mc_options o;
	int done_fd;
	memcached_st *ring;		/* for mc_node_of_key */
	struct mc_io *io;		/* NULL: all threads are stuck */
	struct mc_io *stuck[MC_MAX_STUCK];
	unsigned n_stuck;
	struct mc_list calls;		/* since the last mc_flush */
	struct mc_list refused;		/* answered without a thread */
};

struct mc_key mc_key_of(uint64_t high, uint64_t low)
{
	static const char hex[] = "0123456789abcdef";
	struct mc_key k = {.text = "w1:"};

	for (unsigned i = 0; i < 16; i++) {
		k.text[3 + i] = hex[high >> (60 - 4 * i) & 15];
		k.text[19 + i] = hex[low >> (60 - 4 * i) & 15];
	}
	return k;
}

/* ---- opening and closing */

void mc_op_free(struct mc_op *op)
{
	free(op->value);
	free(op);
}

int mc_open(struct mc **ret, const struct mc_options *o, struct err *e)
{
	struct mc *m;

	check(o->n_servers && o->n_servers <= MC_MAX_NODES && o->breakers && o->counters);
	m = calloc(1, sizeof(*m));
	check(m);
	m->o = *o;
	m->o.poll_timeout_ms = o->poll_timeout_ms ? o->poll_timeout_ms : 20;
	m->o.connect_timeout_ms = o->connect_timeout_ms ? o->connect_timeout_ms : 50;
	m->o.retry_timeout_s = o->retry_timeout_s ? o->retry_timeout_s : 1;
	mc_list_init(&m->calls);
	mc_list_init(&m->refused);
	m->done_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	m->ring = mc_handle_new(&m->o, -1);
	m->io = m->done_fd >= 0 && m->ring ? mc_io_start(&m->o, m->done_fd) : NULL;
	if (!m->io) {
		mc_close(&m);
		return err_set(e, E_unavailable, "memcached's thread cannot be started");
	}
	*ret = m;
	return 0;
}

/* Those that do not end in time are left to the end of the process, with what they hold. */
static void stop_io(struct mc_io *io, uint64_t until_ns)
{
	const struct timespec pause = {.tv_nsec = 200000};

	mc_io_stop(io);
	while (!atomic_load(&io->is_finished) && clock_mono_ns() < until_ns)
		nanosleep(&pause, NULL);
	if (atomic_load(&io->is_finished))
		mc_io_free(io);
}

void mc_close(struct mc **pm)
{
	struct mc *m = *pm;
	uint64_t until = clock_mono_ns() + CLOCK_S;

	if (!m)
		return;
	*pm = NULL;
	mc_list_join(&m->calls, &m->refused);
	for (struct mc_op *op = m->calls.first, *next; op; op = next) {
		next = op->next;
		mc_op_free(op);
	}
	if (m->io)
		stop_io(m->io, until);
	for (unsigned i = 0; i < m->n_stuck; i++)
		stop_io(m->stuck[i], until);
	if (m->ring)
		memcached_free(m->ring);
	if (m->done_fd >= 0)
		close(m->done_fd);
	free(m);
}

int mc_fd(const struct mc *m)
{
	return m->done_fd;
}

unsigned mc_node_of_key(const struct mc *m, const struct mc_key *key)
{
	unsigned n = memcached_generate_hash(m->ring, key->text, MC_KEY_LEN);

	return n < m->o.n_servers ? n : 0;
}

/* ---- calls */

static struct mc_op *new_op(struct mc *m, enum mc_kind kind, const struct mc_key *key, mc_done_f *done, void *arg)
{
	struct mc_op *op = calloc(1, sizeof(*op));

	check(op);
	op->kind = kind;
	op->key = *key;
	op->done = done;
	op->arg = arg;
	mc_list_add(&m->calls, op);
	return op;
}

static void copy_value(struct mc_op *op, struct slice value, unsigned ttl_s)
{
	op->value = malloc(value.n);
	check(op->value);
	memcpy(op->value, value.p, value.n);
	op->n = value.n;
	op->ttl_s = ttl_s < 1 ? 1 : ttl_s > MC_MAX_TTL_S ? MC_MAX_TTL_S : ttl_s;
}

struct mc_op *mc_get(struct mc *m, const struct mc_key *key, uint64_t deadline_ns, mc_done_f *done, void *arg)
{
	struct mc_op *op = new_op(m, MC_GET, key, done, arg);

	check(done);
	op->deadline_ns = deadline_ns;
	return op;
}

void mc_cancel(struct mc *m, struct mc_op *op)
{
	op->done = NULL;
	atomic_store_explicit(&op->is_cancelled, 1, memory_order_relaxed);
	ADD(m, cancelled);
}

int mc_set(struct mc *m, const struct mc_key *key, struct slice value, unsigned ttl_s)
{
	if (!m->io || !value.n || value.n > MC_MAX_BYTES || atomic_load(&m->io->set_bytes) > MC_SET_QUEUE_BYTES) {
		ADD(m, sets_dropped);
		return -1;
	}
	copy_value(new_op(m, MC_SET, key, NULL, NULL), value, ttl_s);
	atomic_fetch_add(&m->io->set_bytes, value.n);
	return 0;
}

void mc_add(struct mc *m, const struct mc_key *key, struct slice token, unsigned ttl_s, mc_done_f *done, void *arg)
{
	check(token.n && token.n <= 256);
	copy_value(new_op(m, MC_ADD, key, done, arg), token, ttl_s);
}

void mc_delete(struct mc *m, const struct mc_key *key, mc_done_f *done, void *arg)
{
	(void)new_op(m, MC_DELETE, key, done, arg);
}

void mc_corrupt(struct mc *m, const struct mc_key *key)
{
	ADD(m, corrupt);
	mc_delete(m, key, NULL, NULL);
}

/* ---- hand-over */

/* The call on the wire takes too long: the node is not asked any more, and somebody else goes on. */
static void leave_behind(struct mc *m)
{
	struct mc_io *io = m->io;
	struct breaker *b = &m->o.breakers[atomic_load(&io->busy_node) % m->o.n_servers];
	struct mc_list todo;

	ADD(m, stuck);
	for (unsigned i = 0; i < BREAKER_IN_A_ROW; i++)
		(void)breaker_record(b, 0, clock_mono_ns() / CLOCK_MS);
	mc_io_stop(io);
	m->stuck[m->n_stuck++] = io;
	/* What it has not begun is the next one's. */
	mc_list_init(&todo);
	pthread_mutex_lock(&io->lock);
	mc_list_join(&todo, &io->todo);
	pthread_mutex_unlock(&io->lock);
	mc_list_join(&todo, &m->calls);
	mc_list_join(&m->calls, &todo);
	m->io = m->n_stuck < MC_MAX_STUCK ? mc_io_start(&m->o, m->done_fd) : NULL;
	for (struct mc_op *op = m->calls.first; m->io && op; op = op->next) {
		if (op->kind == MC_SET)
			atomic_fetch_add(&m->io->set_bytes, op->n);
	}
}

static int is_stuck(const struct mc_io *io)
{
	uint64_t since = atomic_load_explicit(&io->busy_since_ns, memory_order_acquire);

	return since && clock_mono_ns() > since + MC_STUCK_MS * CLOCK_MS;
}

static unsigned deliver(struct mc_list *l)
{
	unsigned n = 0;

	for (struct mc_op *op = l->first, *next; op; op = next) {
		next = op->next;
		if (op->done) {
			int has_value = op->kind == MC_GET && op->result == MC_OK;

			op->done(op->arg, op->result, has_value ? slice_of(op->value, op->n) : SLICE(""));
			n++;
		}
		mc_op_free(op);
	}
	return n;
}

/* There is no thread: everything is a miss, told by mc_poll as ever. */
static void refuse(struct mc *m)
{
	uint64_t one = 1;

	for (struct mc_op *op = m->calls.first; op; op = op->next) {
		op->result = MC_OFF;
		if (op->kind == MC_GET)
			ADD(m, off);
	}
	mc_list_join(&m->refused, &m->calls);
	(void)!write(m->done_fd, &one, sizeof(one));
}

void mc_flush(struct mc *m)
{
	int was_empty;

	if (m->io && is_stuck(m->io))
		leave_behind(m);
	if (!m->calls.first)
		return;
	if (!m->io) {
		refuse(m);
		return;
	}
	pthread_mutex_lock(&m->io->lock);
	was_empty = !m->io->todo.first;
	mc_list_join(&m->io->todo, &m->calls);
	pthread_mutex_unlock(&m->io->lock);
	if (was_empty)
		mc_io_wake(m->io);
}

static void collect(struct mc_io *io, struct mc_list *l)
{
	pthread_mutex_lock(&io->lock);
	mc_list_join(l, &io->done);
	pthread_mutex_unlock(&io->lock);
}

unsigned mc_poll(struct mc *m)
{
	struct mc_list l;
	uint64_t count;

	(void)!read(m->done_fd, &count, sizeof(count));
	mc_list_init(&l);
	mc_list_join(&l, &m->refused);
	if (m->io)
		collect(m->io, &l);
	for (unsigned i = 0; i < m->n_stuck;) {
		struct mc_io *io = m->stuck[i];
		int is_over = atomic_load(&io->is_finished);

		collect(io, &l);
		if (is_over) {
			m->stuck[i] = m->stuck[--m->n_stuck];
			mc_io_free(io);
		} else {
			i++;
		}
	}
	if (!m->io && m->n_stuck < MC_MAX_STUCK)
		m->io = mc_io_start(&m->o, m->done_fd);
	return deliver(&l);
}
