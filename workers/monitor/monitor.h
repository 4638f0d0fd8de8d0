/* monitor: weir-monitor, the process that watches: it probes the databases, cancels queries for the
 * workers and answers the status socket. It works when every worker is stopped or dead.
 * Owner: main. One thread, but the jobs of the thread pool. Layer: workers. */
#ifndef WEIR_WORKERS_MONITOR_MONITOR_H
#define WEIR_WORKERS_MONITOR_MONITOR_H

#include <uv.h>

#include "lib/conf/snapshot.h"
#include "lib/fcgi/fcgi_req.h"
#include "lib/pg/db.h"
#include "lib/shm/region.h"
#include "workers/front.h"
#include "workers/wheel.h"

struct monitor;

/* One database: two sessions, so that a probe that hangs does not hold a cancel up. While is_probing or
 * is_cancelling the matching half belongs to the thread pool. */
struct monitor_db {
	struct monitor *m;
	unsigned db;
	uv_work_t probe_work, cancel_work;
	struct db_probe probe, cancel;
	int is_probing, is_cancelling;
	uint64_t next_probe_ns;
	unsigned n_cancels;
	unsigned cancels[64];	/* slots */
};

struct monitor {
	uv_loop_t loop;
	uv_timer_t timer;
	uv_poll_t channel, event;
	uv_prepare_t prepare;
	uv_signal_t sigterm;
	struct wheel wheel;
	struct front front;
	struct snapshot snapshot;
	struct region region;
	struct board_row *board;
	struct fcgi_req *fcgi;
	struct arena_pool arenas;
	struct monitor_db dbs[OPTIONS_MAX_DATABASES];
	unsigned number;
};

/* status.c: the ops of the status socket. */
extern const struct front_ops status_ops;
/* watch.c: probes and cancels. */
void watch_tick(struct monitor *m, uint64_t now_ns);
void watch_cancels(struct monitor *m);
/* main.c */
void monitor_wants_reload(struct monitor *m);

#endif
