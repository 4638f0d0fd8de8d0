/* weird: the supervisor's own state. One process, one loop, no threads but libuv's pool (log writes,
 * reading configuration). Everything here belongs to the main thread.
 * Layer: supervisor. */
#ifndef WEIR_SUPERVISOR_WEIRD_H
#define WEIR_SUPERVISOR_WEIRD_H

#include <limits.h>
#include <stdint.h>
#include <sys/types.h>
#include <uv.h>

#include "lib/base/buf.h"
#include "lib/base/list.h"
#include "lib/conf/snapshot.h"
#include "lib/shm/region.h"
#include "supervisor/listen.h"
#include "supervisor/reap.h"

struct logs;
struct log_source;
struct control;
struct reload;
struct asker;

/* One validated configuration. Children that were started on it hold a reference. */
struct generation {
	struct snapshot s;
	int memfd;
	uint32_t number;
	unsigned refs;
	pid_t told_by;		/* the worker whose warnings are said; 0: none has any so far */
};

/* weird's end of a child's command channel; lives until libuv has closed its handle. */
struct channel {
	uv_poll_t poll;
	struct weird *w;
	struct list node;	/* in w->channels */
	struct child *child;	/* NULL once the child is reaped: what it had handed over is still read */
	int fd;
	int is_over;		/* read to its end */
	int is_paused;		/* not read: the connections it hands over have no place yet */
	int was_killed;		/* from outside: what it was running is not to blame and may be run again */
	unsigned number;	/* whose it was */
	pid_t keeper;		/* child is NULL: who gives what the dead one had */
	uint64_t keeper_until_ns;	/* for its next word */
	unsigned n_kept, n_again;	/* connections that its keeper gave back, parked and with a request */
};

/* Which file a path leads to, so that a newer one in its place is told from it. */
struct file_id {
	uint64_t dev, ino, changed_ns;
};

/* One number of the board and who holds it. */
struct child {
	struct weird *w;
	unsigned number;	/* w->n_numbers: weir-monitor */
	enum slot_state state;
	pid_t pid;
	struct generation *gen;	/* while there is a process or it waits for one */
	struct channel *channel;
	struct log_source *log;
	uv_timer_t timer;
	uint64_t started_ns;
	unsigned given;		/* connections given since the last heartbeat round */
	int is_degraded;
	int is_wanted;		/* DUMPING or KILLING: starts again in this number, nobody has taken its place */
	int was_ready;
	int was_idle;		/* it hung as it left, and no request was running */
	int is_counted;		/* its death is: as a hang */
	uint64_t wait_ms;	/* until it starts again */
	int waits_for_trial;	/* BACKOFF: only because another one is being tried */
	int has_termed;		/* DRAINING: SIGTERM was sent */
	int is_trial;		/* the one child tried while the pool's breaker is open */
	int exit_code;		/* announced by HERITAGE_FAILED, for the log */
	struct file_id program;	/* that it runs */
	struct buf captured;	/* its log until it is ready, for the reply of reload */
};

enum stopping { STOP_NO, STOP_PATIENT, STOP_GRACEFUL, STOP_FAST };

struct weird {
	uv_loop_t *loop;
	char *conf_path;
	struct region region;
	unsigned n_numbers;	/* workers; the monitor's number is n_numbers */
	unsigned max_workers;	/* of the first generation: shared memory was laid out for them */
	struct child *children;	/* n_numbers + 1 */
	struct list channels;	/* of children, and of dead ones that are not read to their end */
	int *events;		/* eventfds: [0] the monitor's, [1 + n] worker n's */
	unsigned n_listeners;
	struct listener listeners[OPTIONS_MAX_LISTEN];
	struct listener status;	/* fd -1: none */
	int null_fd;
	char worker_path[PATH_MAX], monitor_path[PATH_MAX];
	int has_monitor;

	struct generation *gen;		/* what runs */
	struct generation *spawn_gen;	/* what a child that starts gets: gen, or the next during a roll */
	struct reload *reload;
	int is_unsettled, is_unclean;	/* settle.c: since a reload that changed tags; one of its workers did not end well */
	struct control *control;
	struct logs *logs;
	int log_level_override;		/* by `log level`, -1 none */

	struct reap_pool pool, monitor_pool;
	uv_timer_t tick;
	uint64_t ticks, last_tick_ns, no_judging_until_ns;
	uv_signal_t signals[8];
	unsigned n_signals;
	uv_work_t warm;

	enum stopping stopping;
	uv_timer_t stop_timer;
	unsigned stop_stage;
	int was_killed;		/* the one before: its control socket is there and nobody behind it */
	int is_announced;		/* READY=1 was said */
	int exit_code;
	uint64_t started_ns;
};

/* generation.c */
struct generation *generation_new(void);
struct generation *generation_ref(struct generation *g);
void generation_unref(struct generation **g);
/* The shared memory that a weird on this configuration makes. */
void generation_plan(const struct snapshot *s, struct region_plan *plan);
/* Rows in the directory for its endpoints, number and memfd. 0, or -id with e. */
int generation_seal(struct generation *g, struct region *r, uint32_t number, struct err *e) MUST_USE;
/* Directory states follow this generation: live, or removed. */
void generation_publish(const struct generation *g, struct region *r);

/* children.c */
int children_init(struct weird *w);
void children_done(struct weird *w);
static inline int child_is_monitor(const struct child *c)
{
	return c->number == c->w->n_numbers;
}
static inline struct board_row *child_row(const struct child *c)
{
	return region_board(&c->w->region, c->number);
}
/* Start what is missing, end what is too much. Cheap; called after every change. */
void children_balance(struct weird *w);
/* A new worker on g in a spare number; NULL with the log when none can be started. */
struct child *children_start(struct weird *w, struct generation *g);
void child_ask(struct child *c);	/* to go, after what it has */
/* weir-monitor goes on with g, hearing events all the time. It says so through reload_child_ready. -1: a new process is
 * needed: it is not ready, its program was replaced, or it does not take orders. */
int child_configure(struct child *c, struct generation *g) MUST_USE;
/* HERITAGE_STOP to every worker; a signal to every child. */
void children_stop_now(struct weird *w);
void children_signal(struct weird *w, int sig);
void children_reap(struct weird *w);
void children_judge(struct weird *w, uint64_t now_ns);
/* One order to all. */
void children_tell(struct weird *w, unsigned type, uint32_t arg);
unsigned children_count(const struct weird *w, enum slot_state state);
unsigned children_alive(const struct weird *w);	/* processes, monitor included */
unsigned children_target(const struct weird *w);
/* The channels of who leaves or has left: are they read? (0: all are again) */
void children_pause_leaving(struct weird *w, int on);
void child_send(struct child *c, unsigned type, uint32_t arg);

/* The wait is over: by its timer, by a trial's end, by a reload that brought something new. */
void child_wake(struct child *c);

/* respawn.c: when what died is started again. */
/* It died or hangs: how long until it starts again, in ms. Counted once for a process. */
uint64_t respawn_wait_ms(struct child *c);
int respawn_may_start(const struct weird *w);
/* Who waits for a trial that is over, one way or the other, goes next. */
void respawn_wake(struct weird *w);
void respawn_judge_trial(struct child *c, uint64_t now_ns);
/* What runs now is not what died: nobody waits for what it did. */
void respawn_forget(struct weird *w);

/* keepers.c: the weir-keepers of dead workers, which are weird's children then. */
/* It is to give what it has; somebody may have stopped it. pid 0: there is none. */
void keepers_wake(struct channel *ch, pid_t keeper);
void keepers_gave(struct channel *ch);
/* Who gives nothing for too long is ended, and what it holds with it. */
void keepers_tick(struct weird *w, uint64_t now_ns);
void keepers_end(struct weird *w);

/* handover.c: parked connections of children that leave. */
/* With the bytes that were read of a request, or none. Takes fd. */
void handover_take(struct weird *w, struct child *from, int fd, struct slice read);
void handover_tick(struct weird *w);
int handover_is_waiting(void);
void handover_done(struct weird *w);

/* stop.c */
void weird_stop(struct weird *w, enum stopping how);
/* Called when a child is gone: is that all? */
void stop_check(struct weird *w);
/* Who asked on the control socket hears of the end. */
void stop_wait(struct weird *w, const struct asker *a);
void stop_answer(struct weird *w);

/* events of a child that reload.c waits for */
/* 1 when the answer to who asked for the reload will say it. */
int reload_child_warned(struct weird *w, const struct child *c, struct slice file, unsigned line, struct slice text);
/* A statement that the server refuses, of a reload's first worker: in its answer. Of others the log has it. */
void reload_child_fault(struct weird *w, const struct child *c, struct slice file, unsigned line, unsigned col, struct slice text);
void reload_child_ready(struct weird *w, struct child *c);
/* It died, or did not get ready in time, before it was ready. */
void reload_child_failed(struct weird *w, struct child *c, const char *why);
void reload_changed(struct weird *w);

/* check.c: `weird -t` as a child, for the control socket. */
void check_reap(struct weird *w);
int check_is_child(pid_t pid);
/* Ends those under way; nobody waits for them. */
void check_stop(void);

#endif
