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
struct configuration;

/* What nonce.c knows of a session that must hear. */
struct hearing {
	uint64_t opened_ns;		/* 0: it is closed */
	uint64_t heard, heard_ns;	/* the last nonce */
};

/* A session that hears NOTIFY, by conninfo or by one of events_conninfo. The thread pool's while is_connecting. */
struct listener {
	struct monitor_db *d;
	struct opts_database opts;	/* the database's, but for the way there; strings are not its own */
	struct db_listen listen;
	uv_work_t work;
	uv_poll_t *poll;		/* while it listens */
	int is_connecting, has_failed;
	unsigned failures;
	uint64_t next_ns;		/* no attempt before */
	struct hearing hearing;
};

/* nonce.c: a number that is told through conninfo must be heard by every session that listens. */
struct nonce {
	uint64_t value;			/* 0: none is under way */
	int is_told;
	uint64_t sent_ns, next_ns;
	uint64_t sure_ns;		/* when all had heard one last; 0: not since a session was lost */
	int has_warned;
};

enum seen_state { SEEN_NOT_YET, SEEN_UP, SEEN_DOWN };

/* One database: two sessions, so that a probe that hangs does not hold a cancel up. While is_probing or
 * is_cancelling the matching half belongs to the thread pool. */
struct monitor_db {
	struct monitor *m;
	unsigned db;
	uv_work_t probe_work, cancel_work;
	struct db_probe probe, cancel;
	int is_probing, is_cancelling;
	uint64_t next_probe_ns;
	/* scarce.c: without sessions until then, how often in a row */
	struct {
		uint64_t until_ns;
		unsigned n;
	} scarce;
	/* connects.c: what the last probe met, and since when */
	struct {
		enum seen_state state;
		uint64_t since_ns;
		unsigned server_version;
		int is_standby, has_said;
		char error[256], where[120];
	} seen;
	uint64_t served_ns;		/* a worker was last not cut off from it */
	int is_weak;			/* it serves, but not all who should can connect */
	const struct opts_database *opts;	/* of held; the sessions' own settings */
	struct configuration *held;	/* configure.c */
	struct listener listeners[OPTIONS_MAX_LIST];
	unsigned n_listeners;
	struct nonce nonce;
	struct slot_reader *slot;	/* slot.c; NULL unless events = slot */
	int orphans_gone;		/* in this round */
	int has_waited;			/* somebody of before the start was committing */
	uint64_t unasked_ns;		/* said that it cannot be found out */
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
	struct snapshot snapshot;	/* the newest; its memory is a struct configuration's */
	struct list configurations;
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
		int is_open, is_start;		/* is_start: of those who were there before unsettled_ns */
		unsigned round;
		uint64_t epoch, epoch_seen, since_ns, moved_ns, looked_ns, next_ns;
	} orphans;
};

/* status.c: the ops of the status socket. */
extern const struct front_ops status_ops;
/* scarce.c: the server has no connection left. Before the other ticks. */
void scarce_tick(struct monitor *m, uint64_t now_ns);
void scarce_refused(struct monitor_db *d, uint64_t now_ns);
int scarce_is(const struct monitor_db *d, uint64_t now_ns);
/* connects.c: what is known of a database, by the probe that is just over (connects_seen) and by the workers. */
void connects_seen(struct monitor_db *d, int is_up, uint64_t now_ns);
void connects_judge(struct monitor_db *d, uint64_t now_ns);
void connects_tick(struct monitor *m, uint64_t now_ns);
int connects_is_ready(const struct monitor *m, const struct board_row *row);
/* watch.c: probes and cancels. */
void watch_tick(struct monitor *m, uint64_t now_ns);
void watch_cancels(struct monitor *m);
/* events.c: what others write. */
void events_tick(struct monitor *m, uint64_t now_ns);
/* What was made until then under tags, and what was read by a snapshot below xid, is distrusted. */
void events_distrust(struct monitor_db *d, uint64_t boot_ms, uint64_t xid);
void events_lag(struct monitor_db *d, uint64_t ns);
/* A notification's payload, as it came through l. */
void events_hear(struct listener *l, struct slice payload);
/* listener.c: the sessions. */
void listeners_init(struct monitor_db *d);
void listeners_tick(struct monitor_db *d, uint64_t now_ns);
int listeners_are_idle(const struct monitor_db *d);	/* none is with the thread pool */
void listener_lose(struct listener *l, const char *why);
void listeners_close(struct monitor_db *d);
/* nonce.c. Around a probe, at each tick, and when one comes. */
void nonce_ask(struct monitor_db *d, uint64_t now_ns);
void nonce_answer(struct monitor_db *d, uint64_t now_ns);
void nonce_tick(struct monitor_db *d, uint64_t now_ns);
void nonce_heard(struct monitor_db *d, struct hearing *h, uint64_t value);
/* A session is new. */
void nonce_soon(struct monitor_db *d);
/* A session that must hear is gone: nobody says that all is heard until the next nonce. */
void nonce_unsure(struct monitor_db *d);
/* configure.c: goes on with another snapshot. 0, or -1 with the log. */
int configure_first(struct monitor *m, int fd);
int configure_take(struct monitor *m, int fd);
void configure_tick(struct monitor *m);
/* slot.c: the same over a logical slot. */
void slot_tick(struct monitor_db *d, uint64_t now_ns);
/* What is watched has changed: read it again. */
void slot_reread(struct monitor_db *d);
struct hearing *slot_hearing(struct monitor_db *d);
void slot_lose(struct monitor_db *d, const char *why);
int slot_is_idle(const struct monitor_db *d);
void slot_close(struct monitor_db *d);
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
