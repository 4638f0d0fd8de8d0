/* worker: what one weir-worker process holds: loop, front, pools, routes, shared memory.
 * Owner: main. One thread, but the jobs of the thread pool. Layer: workers. */
#ifndef WEIR_WORKERS_WORKER_H
#define WEIR_WORKERS_WORKER_H

#include <uv.h>

#include "lib/auth/auth.h"
#include "lib/conf/snapshot.h"
#include "lib/fcgi/fcgi_req.h"
#include "lib/pg/db.h"
#include "lib/shm/cache.h"
#include "lib/shm/flight.h"
#include "lib/shm/region.h"
#include "lib/shm/stamps.h"
#include "lib/base/logfile.h"
#include "workers/front.h"
#include "workers/keeper.h"
#include "workers/req.h"
#include "workers/route.h"
#include "workers/tier.h"
#include "workers/wheel.h"

#define WORKER_MAX_FREE 1024u
#define WORKER_MAX_FOLLOWERS 4096u
#define WORKER_BUF_KEEP (64u * 1024)
#define WORKER_BUFS_KEEP (4u * 1024 * 1024)	/* of all that are kept */

struct worker {
	uv_loop_t loop;
	uv_prepare_t prepare;
	uv_check_t turn;
	uv_timer_t timer;
	uv_poll_t channel;
	uv_signal_t sigterm, sigint;
	struct wheel wheel;
	struct front front;
	struct keeper keeper;
	struct snapshot snapshot;
	struct region region;
	struct board_row *board;
	struct metric_row *metrics;
	struct route route;
	struct auth *auth;
	/* cache: stamps.n == 0: none */
	struct stamps stamps;
	struct stamps_writer writer;
	struct cache cache;
	struct flights flights;
	struct list followers;		/* requests that wait for somebody's query */
	struct list refreshes;		/* answered; they ask the database again in the next turn */
	unsigned n_followers;
	int has_woken;			/* a flight of this process ended */
	uint64_t boot_ms;		/* clock of the cache, as last read */
	uint32_t rng;
	struct tier *tier;		/* NULL: none */
	struct buf scratch;		/* of one function at a time */
	uv_poll_t event, tier_poll;
	struct endpoint_run *runs;
	struct db_pool *pools[OPTIONS_MAX_DATABASES];
	unsigned connects_told[OPTIONS_MAX_DATABASES];	/* connects.c: failures that were */
	uint32_t connects_said;		/* and databases of which one was logged, a bit each */
	struct fcgi_req *fcgi;
	struct arena_pool arenas;
	struct list reqs, free_reqs;
	unsigned tags_looked;		/* dbio.c: descriptions that tagtypes.c has seen */
	struct list holders, renders;		/* responses.c */
	uint64_t held, shed_said_ns;
	unsigned descriptions, n_sick;	/* sick.c: taken by all pools, as last looked at; endpoints */
	unsigned n_free_reqs, n_reqs, n_jobs, n_variants;	/* jobs in the thread pool; of these, compressing */
	struct buf free_bufs[1024];
	unsigned n_free_bufs;
	size_t free_bufs_bytes;
	uint64_t turn_ns, polled_ns;		/* when the last turn began and ended */
	uint64_t busy_ns, last_beat_ns, last_tick_ns, longest_turn_ns, timer_due_ns, bodies_bytes;
	uint64_t beat_busy_ns, told_busy;
	uint64_t requests;
	char id_prefix[17];		/* of request ids: drawn at the start, and a '-' */
	unsigned number;
	int is_alone;			/* no supervisor */
	int is_strict;			/* a reload's first: it ends when a statement is refused */
	int channel_fd, monitor_fd;
	int is_draining, said_ready, is_orphan, exit_code;
	uint64_t drain_until_ns;
	struct buf access;		/* log lines of this turn */
	struct logfile access_file;
	size_t access_lost;		/* lines, since it was last said */
	uint64_t access_told_ns;
};

/* A buffer with its old allocation, and back. */
struct buf worker_buf_take(struct worker *w);
void worker_buf_give(struct worker *w, struct buf *b);

/* Not for secrets. */
static inline uint32_t worker_random(struct worker *w)
{
	w->rng ^= w->rng << 13;
	w->rng ^= w->rng >> 17;
	w->rng ^= w->rng << 5;
	return w->rng;
}
/* Run the requests whose flight has ended, and the refreshes of this turn. 1: some have run, and may have queries to send. */
int cache_wake(struct worker *w);

/* dbio.c: the pools' descriptors and jobs on the loop. */
extern const struct db_ops dbio_ops;
void dbio_resume(struct worker *w);	/* run the requests whose queries are done */
/* loop.c */
int worker_loop_init(struct worker *w);
/* Until drained or stopped; the exit code. */
int worker_run(struct worker *w);
void worker_drain(struct worker *w);
/* access.c */
void access_line(struct worker *w, const struct req *r);
void access_flush(struct worker *w);
int access_open(struct worker *w);
/* setup.c: pools, statements, routes out of the snapshot. */
/* 0, or -1: a handler cannot be loaded (e; the last one). */
int worker_setup(struct worker *w, struct err *e) MUST_USE;
void worker_teardown(struct worker *w);
struct db_pool *worker_pool(struct worker *w, unsigned db, unsigned n_workers);
/* check.c: weir-worker -t: prepare every statement, print findings. The exit code. */
int worker_check(struct snapshot *s);

#endif
