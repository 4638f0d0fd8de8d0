/* The I/O thread. Order: calls go out as they came in, but stores wait for the gets beside them, which
 * somebody waits for; deletes and adds do not pass anything. What is answered goes back node by node. */
#include "config.h"

#include "lib/mc/mc_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "lib/base/check.h"
#include "lib/base/clock.h"

#define ADD(io, what, v) \
	((void)atomic_fetch_add_explicit(&(io)->o.counters->what, (uint64_t)(v), memory_order_relaxed))

static void signal_fd(int fd)
{
	uint64_t one = 1;

	/* EAGAIN: the counter is full, so it is readable. */
	while (write(fd, &one, sizeof(one)) < 0 && errno == EINTR)
		;
}

void mc_io_wake(const struct mc_io *io)
{
	signal_fd(io->wake_fd);
}

static uint64_t now_ms(void)
{
	return clock_mono_ns() / CLOCK_MS;
}

static void give_back(struct mc_io *io, struct mc_list *l)
{
	int was_empty;

	if (!l->first)
		return;
	pthread_mutex_lock(&io->lock);
	was_empty = !io->done.first;
	mc_list_join(&io->done, l);
	pthread_mutex_unlock(&io->lock);
	if (was_empty)
		signal_fd(io->done_fd);
}

static void answer(struct mc_io *io, struct mc_op *op, enum mc_result r)
{
	struct mc_list l;

	op->result = r;
	mc_list_init(&l);
	mc_list_add(&l, op);
	give_back(io, &l);
}

static void begin_call(struct mc_io *io, unsigned node)
{
	atomic_store_explicit(&io->busy_node, node, memory_order_relaxed);
	atomic_store_explicit(&io->busy_since_ns, clock_mono_ns(), memory_order_release);
}

static void end_call(struct mc_io *io)
{
	atomic_store_explicit(&io->busy_since_ns, 0, memory_order_release);
}

static unsigned node_of(const struct mc_io *io, const struct mc_key *key)
{
	unsigned n = memcached_generate_hash(io->ring, key->text, MC_KEY_LEN);

	return n < io->o.n_servers ? n : 0;
}

/* ---- gets */

/* The gets of a batch, by node. */
struct gets {
	struct mc_list of_node[MC_MAX_NODES];
	unsigned n;
};

/* What one mget asked for. */
struct flight {
	struct mc_op *ops[MC_BATCH];
	unsigned count;
};

static void count_get(struct mc_io *io, enum mc_result r)
{
	switch (r) {
	case MC_OK:
		ADD(io, hits, 1);
		break;
	case MC_MISS:
		ADD(io, misses, 1);
		break;
	case MC_OFF:
		ADD(io, off, 1);
		break;
	case MC_LATE:
		ADD(io, late, 1);
		break;
	case MC_TIMEOUT:
		ADD(io, timeouts, 1);
		break;
	case MC_ERROR:
		ADD(io, errors, 1);
		break;
	}
}

/* Answers whatever has no value yet with r. */
static void land(struct mc_io *io, struct flight *f, enum mc_result r)
{
	struct mc_list l;

	mc_list_init(&l);
	for (unsigned i = 0; i < f->count; i++) {
		struct mc_op *op = f->ops[i];

		op->result = op->value ? MC_OK : r;
		count_get(io, op->result);
		mc_list_add(&l, op);
	}
	f->count = 0;
	give_back(io, &l);
}

/* Up to 100 of a node's gets that somebody still waits for. */
static void fill(struct mc_io *io, struct mc_list *from, struct flight *f)
{
	uint64_t now = clock_mono_ns();
	struct mc_list not_sent;

	mc_list_init(&not_sent);
	while (from->first && f->count < MC_BATCH) {
		struct mc_op *op = from->first;

		from->first = op->next;
		if (!from->first)
			from->last = &from->first;
		if (atomic_load_explicit(&op->is_cancelled, memory_order_relaxed) ||
		    (op->deadline_ns && now >= op->deadline_ns)) {
			op->result = MC_LATE;
			if (!atomic_load_explicit(&op->is_cancelled, memory_order_relaxed))
				ADD(io, late, 1);
			mc_list_add(&not_sent, op);
			continue;
		}
		f->ops[f->count++] = op;
	}
	give_back(io, &not_sent);
}

static void send_flight(struct mc_io *io, unsigned node, struct flight *f)
{
	enum mc_result r;

	if (!f->count)
		return;
	if (!mc_node_may(&io->nodes[node])) {
		land(io, f, MC_OFF);
		return;
	}
	ADD(io, batches, 1);
	ADD(io, keys, f->count);
	begin_call(io, node);
	r = mc_node_send(&io->nodes[node], (const struct mc_op *const *)f->ops, f->count);
	end_call(io);
	if (r != MC_OK)
		land(io, f, r);
}

static void fetch_flight(struct mc_io *io, unsigned node, struct flight *f)
{
	struct mc_op *op = NULL;
	enum mc_result r;
	unsigned from = 0;

	if (!f->count)
		return;
	begin_call(io, node);
	do {
		r = mc_node_fetch(&io->nodes[node], f->ops, f->count, &from, &op);
		if (r == MC_OK && !op)
			ADD(io, corrupt, 1);
	} while (r == MC_OK);
	end_call(io);
	land(io, f, r);
}

/* Sent to all nodes first, so that they work at the same time. */
static void run_gets(struct mc_io *io, struct gets *g, struct flight *flights)
{
	while (g->n) {
		g->n = 0;
		for (unsigned i = 0; i < io->o.n_servers; i++) {
			fill(io, &g->of_node[i], &flights[i]);
			g->n += g->of_node[i].first != NULL;
			send_flight(io, i, &flights[i]);
		}
		for (unsigned i = 0; i < io->o.n_servers; i++)
			fetch_flight(io, i, &flights[i]);
	}
}

/* ---- the others */

static void run_sets(struct mc_io *io, struct mc_list *sets)
{
	struct mc_list all = *sets;

	if (!all.first)
		return;
	for (struct mc_op *op = all.first, *next; op; op = next) {
		unsigned node = node_of(io, &op->key);
		enum mc_result r = MC_OFF;

		next = op->next;
		if (mc_node_may(&io->nodes[node])) {
			begin_call(io, node);
			r = mc_node_set(&io->nodes[node], op);
			end_call(io);
		}
		if (r == MC_OK)
			ADD(io, sets, 1);
		else
			ADD(io, sets_dropped, 1);
		atomic_fetch_sub(&io->set_bytes, op->n);
		mc_op_free(op);
	}
	mc_list_init(sets);
}

static void run_one(struct mc_io *io, struct mc_op *op)
{
	unsigned node = node_of(io, &op->key);
	enum mc_result r = MC_OFF;

	if (mc_node_may(&io->nodes[node])) {
		begin_call(io, node);
		r = op->kind == MC_ADD ? mc_node_add(&io->nodes[node], op) : mc_node_delete(&io->nodes[node], op);
		end_call(io);
	}
	if (op->kind == MC_ADD)
		ADD(io, adds, 1);
	else if (r == MC_OK)
		ADD(io, deletes, 1);
	else
		ADD(io, deletes_failed, 1);
	answer(io, op, r);
}

static void run_batch(struct mc_io *io, struct mc_list *todo, struct flight *flights)
{
	struct mc_op *next;
	struct mc_list sets;
	struct gets g = {.n = 0};

	mc_list_init(&sets);
	for (unsigned i = 0; i < io->o.n_servers; i++)
		mc_list_init(&g.of_node[i]);
	for (struct mc_op *op = todo->first; op; op = next) {
		next = op->next;
		switch (op->kind) {
		case MC_GET:
			mc_list_add(&g.of_node[node_of(io, &op->key)], op);
			g.n++;
			break;
		case MC_SET:
			mc_list_add(&sets, op);
			break;
		case MC_ADD:
		case MC_DELETE:
			run_gets(io, &g, flights);
			run_sets(io, &sets);
			run_one(io, op);
			break;
		}
	}
	run_gets(io, &g, flights);
	run_sets(io, &sets);
}

/* ---- probes */

static void end_probe(struct mc_io *io, unsigned node, enum breaker_probe how)
{
	(void)breaker_probe_end(&io->o.breakers[node], &io->probes[node].lease, how, now_ms());
}

static void run_probes(struct mc_io *io)
{
	enum breaker_probe how;
	uint64_t now = now_ms();

	for (unsigned i = 0; i < io->o.n_servers; i++) {
		struct mc_probe *p = &io->probes[i];
		int is_over = 0;

		if (p->fd >= 0) {
			is_over = mc_probe_step(p, now, &how);
		} else if (breaker_probe_begin(&io->o.breakers[i], io->o.number, io->o.incarnation, now,
					       2 * MC_PROBE_MS, &p->lease)) {
			ADD(io, probes, 1);
			begin_call(io, i);
			is_over = mc_probe_start(p, &io->o.servers[i], now, &how);
			end_call(io);
		}
		if (is_over)
			end_probe(io, i, how);
	}
}

/* Until the next probe is due, or one that is under way times out; at most a second, for breakers that
 * another process opens. */
static int sleep_ms(const struct mc_io *io)
{
	uint64_t now = now_ms(), until = now + 1000;

	for (unsigned i = 0; i < io->o.n_servers; i++) {
		uint64_t at = io->probes[i].fd >= 0 ? io->probes[i].deadline_ms :
						      breaker_next_probe_ms(&io->o.breakers[i], now);

		if (at < until)
			until = at;
	}
	return until > now ? (int)(until - now) : 0;
}

static void wait_for_work(struct mc_io *io)
{
	struct pollfd fds[1 + MC_MAX_NODES] = {{.fd = io->wake_fd, .events = POLLIN}};
	nfds_t n = 1;
	uint64_t count;

	for (unsigned i = 0; i < io->o.n_servers; i++) {
		if (io->probes[i].fd >= 0)
			fds[n++] = (struct pollfd){.fd = io->probes[i].fd, .events = mc_probe_events(&io->probes[i])};
	}
	if (poll(fds, n, sleep_ms(io)) > 0 && fds[0].revents)
		(void)!read(io->wake_fd, &count, sizeof(count));
}

static void *run(void *arg)
{
	struct mc_io *io = arg;
	struct flight *flights = calloc(io->o.n_servers, sizeof(*flights));
	struct mc_list todo;

	check(flights);
	while (!atomic_load(&io->is_stopping)) {
		wait_for_work(io);
		run_probes(io);
		mc_list_init(&todo);
		pthread_mutex_lock(&io->lock);
		mc_list_join(&todo, &io->todo);
		pthread_mutex_unlock(&io->lock);
		run_batch(io, &todo, flights);
	}
	free(flights);
	for (unsigned i = 0; i < io->o.n_servers; i++)
		mc_probe_stop(&io->probes[i]);
	atomic_store(&io->is_finished, 1);
	signal_fd(io->done_fd);
	return NULL;
}

/* The process's signals are for its loop. */
static int start_thread(struct mc_io *io)
{
	sigset_t all, before;
	int rc;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	rc = pthread_create(&io->thread, NULL, run, io);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return rc;
}

static void drop(struct mc_list *l)
{
	for (struct mc_op *op = l->first, *next; op; op = next) {
		next = op->next;
		mc_op_free(op);
	}
	mc_list_init(l);
}

/* What a started or half-started one holds, without the thread. */
static void release(struct mc_io *io)
{
	drop(&io->todo);
	drop(&io->done);
	for (unsigned i = 0; i < io->o.n_servers; i++)
		mc_node_done(&io->nodes[i]);
	if (io->ring)
		memcached_free(io->ring);
	if (io->wake_fd >= 0)
		close(io->wake_fd);
	if (io->done_fd >= 0)
		close(io->done_fd);
	pthread_mutex_destroy(&io->lock);
	free(io);
}

struct mc_io *mc_io_start(const struct mc_options *o, int done_fd)
{
	struct mc_io *io = calloc(1, sizeof(*io));
	int is_bad;

	check(io);
	io->o = *o;
	pthread_mutex_init(&io->lock, NULL);
	mc_list_init(&io->todo);
	mc_list_init(&io->done);
	io->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	io->done_fd = fcntl(done_fd, F_DUPFD_CLOEXEC, 0);
	io->ring = mc_handle_new(o, -1);
	is_bad = io->wake_fd < 0 || io->done_fd < 0 || !io->ring;
	for (unsigned i = 0; i < o->n_servers; i++) {
		io->probes[i].fd = -1;
		is_bad |= mc_node_init(&io->nodes[i], o, i) < 0;
	}
	if (is_bad || start_thread(io) != 0) {
		release(io);
		return NULL;
	}
	return io;
}

void mc_io_stop(struct mc_io *io)
{
	atomic_store(&io->is_stopping, 1);
	mc_io_wake(io);
}

void mc_io_free(struct mc_io *io)
{
	check(atomic_load(&io->is_finished));
	pthread_join(io->thread, NULL);
	release(io);
}
