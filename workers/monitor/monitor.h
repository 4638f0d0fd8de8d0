/* monitor: weir-monitor, the process that watches: it probes the databases, cancels queries for the
 * workers and answers the status socket. It works when every worker is stopped or dead.
 * Owner: main. One thread, but the jobs of the thread pool. Layer: workers. */
#ifndef WEIR_WORKERS_MONITOR_MONITOR_H
#define WEIR_WORKERS_MONITOR_MONITOR_H

#include <uv.h>

#include "lib/conf/snapshot.h"
#include "lib/fcgi/fcgi_req.h"
#include "lib/pg/db.h"
#include "lib/pg/db_listen.h"
#include "lib/pg/db_slot.h"
#include "lib/shm/region.h"
#include "workers/front.h"
#include "workers/wheel.h"

struct monitor;
struct slot_reader;

/* One database: two sessions, so that a probe that hangs does not hold a cancel up. While is_probing or
 * is_cancelling the matching half belongs to the thread pool. */
struct monitor_db {
	struct monitor *m;
	unsigned db;
	uv_work_t probe_work, cancel_work;
	struct db_probe probe, cancel;
	int is_probing, is_cancelling;
	uint64_t next_probe_ns;
	/* events.c: a third session, for events; the thread pool's while is_connecting. */
	uv_work_t listen_work;
	struct db_listen listen;
	uv_poll_t *listen_poll;		/* while it listens */
	int is_connecting, listen_failed;
	unsigned listen_failures;
	uint64_t next_listen_ns;
	struct slot_reader *slot;	/* slot.c; NULL unless events = slot */
	int orphans_gone;		/* in this round */
	int is_purged;			/* the order in hand is done here */
	int has_tier_failed, has_purge_failed;	/* said so */
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
	uint64_t weighed_ns;	/* its memory and CPU time were published */
	struct fcgi_req *fcgi;
	struct arena_pool arenas;
	struct monitor_db dbs[OPTIONS_MAX_DATABASES];
	unsigned number;
	int has_warned_untold;
	/* orphans.c: a round ends when every database has answered, or when somebody else dies. */
	struct {
		int is_open;
		unsigned round;
		uint64_t epoch, epoch_seen, since_ns, moved_ns, looked_ns, next_ns;
	} orphans;
};

/* status.c: the ops of the status socket. */
extern const struct front_ops status_ops;
/* watch.c: probes and cancels. */
void watch_tick(struct monitor *m, uint64_t now_ns);
void watch_cancels(struct monitor *m);
/* events.c: what others write. */
void events_tick(struct monitor *m, uint64_t now_ns);
/* What was made until then under tags, and what was read by a snapshot below xid, is distrusted. */
void events_distrust(struct monitor_db *d, uint64_t boot_ms, uint64_t xid);
void events_lag(struct monitor_db *d, uint64_t wall_us);
/* slot.c: the same over a logical slot. */
void slot_tick(struct monitor_db *d, uint64_t now_ns);
/* What is watched has changed: read it again. */
void slot_reread(struct monitor_db *d);
/* A probe has brought a snapshot; is one waited for? */
void slot_seen(struct monitor_db *d);
int slot_waits(const struct monitor_db *d);
/* orphans.c: writes with an unknown end. Around a probe: what it is to ask, and what it was told. */
void orphans_tick(struct monitor *m, uint64_t now_ns);
void orphans_ask(struct monitor_db *d, uint64_t now_ns);
void orphans_answer(struct monitor_db *d);
/* tier.c: what the second tier of the cache needs to know, and the purges that it follows. Around a probe, too. */
int tier_is_on(const struct monitor *m);
/* Before anything of a database is known. */
void tier_begin(struct monitor *m);
void tier_ask(struct monitor_db *d);
void tier_answer(struct monitor_db *d);
/* Purges by other hosts come as tags. */
void tier_hear(struct monitor_db *d, struct slice tag, uint64_t xid);
/* main.c */
void monitor_wants_reload(struct monitor *m);

#endif
