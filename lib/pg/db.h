/* db: PostgreSQL for one worker: a pool of connections in two lanes, used without blocking.
 *
 * Express lane: a few pipelined, read-only connections onto which many requests' short statements
 * are put back to back, each with its own Sync. Exclusive lane: one request per connection; writes
 * and whatever is slow. The pool takes its connections out of the instance's budget (lib/shm/slots).
 *
 * Nothing here blocks but db_job_run, which the program runs in a thread. The program watches
 * descriptors for the pool (struct db_ops) and calls db_conn_step, db_pool_flush once per loop turn
 * and db_pool_tick; finished queries come out of db_pool_next_done. No callback runs a request.
 *
 * Owner: the worker. Threads: one, except db_job_run, which touches its job only.
 * Layer: lib/pg, the only user of libpq. */
#ifndef WEIR_PG_DB_H
#define WEIR_PG_DB_H

#include <stdint.h>

#include "lib/base/arena.h"
#include "lib/base/err.h"
#include "lib/base/list.h"
#include "lib/conf/errs.h"
#include "lib/conf/session.h"
#include "lib/json/jv.h"
#include "lib/pg/db_type.h"
#include "lib/shm/slots.h"

struct db_pool;
struct endpoint;
struct db_conn;
struct db_job;
struct metric_row;
struct pg_result;	/* libpq's PGresult */
struct opts_database;
struct region;
struct sqlstate_row;

enum db_render {
	DB_RENDER_TEXT,		/* quoted and escaped */
	DB_RENDER_PLAIN,	/* quoted; holds nothing to escape */
	DB_RENDER_INT,		/* as is */
	DB_RENDER_NUMBER,	/* as is; NaN and infinities quoted */
	DB_RENDER_BOOL,
	DB_RENDER_JSON,		/* bytes as they are */
	DB_RENDER_TIMESTAMP	/* blank becomes T, offset gets its minutes */
};

/* As a statement is prepared (db_wrap.c): as it is; to find out in time that its columns are others; with to_json of some; the
 * whole row as one json, and columns for headers beside. */
enum db_wrap { DB_WRAP_NOT, DB_WRAP_GUARD, DB_WRAP_NAMES, DB_WRAP_ROW };

struct db_column {
	const char *name;
	uint32_t type;		/* of the statement's own column */
	uint32_t sent;		/* of the column as it comes: json, where to_json makes it; 0: it does not come by itself */
	enum db_render render;
	int is_json;		/* declared json or jsonb, or wrapped by to_json */
	const char *prefix;	/* {"name": or ,"name": */
	size_t prefix_n;
};

/* What the server said of a statement. Immutable; replaced as a whole, counted because results in
 * flight still need the one they were made by. */
struct db_desc {
	unsigned refs;
	uint32_t id;		/* no other has it in this process; never 0 */
	unsigned char wrap;	/* enum db_wrap */
	uint64_t shape;		/* of names and types of columns and parameters, the same in every process */
	uint64_t takes;		/* of the parameters' types alone; never 0 */
	unsigned n_params;
	struct db_type *params;
	uint32_t *oids;		/* of the parameters as the server says them; said to it when the statement is prepared, so
				 * that values that were made for these types are not read as others */
	unsigned n_columns;
	struct db_column *columns;
	const char *sql;	/* as it is prepared: arrays and composites wrapped with to_json */
	unsigned n_warnings;	/* of what is valid and most likely not meant */
	const char *warnings[3];
	struct arena arena;
	struct arena_pool pool;
};

struct db_stmt {
	const char *sql, *file;
	unsigned line;
	struct db_desc *desc;	/* NULL until described */
	unsigned serial;	/* raised when the description changes; part of the prepared name */
#define DB_STMT_NAME 24u
	char name[DB_STMT_NAME];	/* "w4095_4294967295" */
	int is_stale;		/* waits for a new description (2: even behind the one under way) */
	int may_express;	/* statically */
	int may_write;		/* not run again when its connection is lost */
	int may_commit;		/* CALL, DO: a part of it may be committed although it failed */
	int may_ever_express;		/* may_express, but for what it reaches */
	char touches[128];		/* why its session must be reset behind it; "": it need not be */
	char *session_why;		/* touches, for whoever wants to see it; NULL: nobody */
	int is_unread;			/* its text is not understood, so nothing is looked up */
	int reads_settings;		/* it may: then every run of it says whose it is, nobody's, too */
	enum session_use session;	/* SESSION_ASK: what it reaches is looked up when it is described */
	int is_time_bound;	/* names now() and kin: never shares a Sync */
	struct shape *shared;	/* what the instance knows of the endpoint's statements; NULL: nothing */
	uint32_t epoch;		/* of shared, when the description was begun */
	int wants_verify, is_verifying;	/* db_verify.c */
	uint64_t verified_ns;	/* when that was last begun, here or by another worker */
	uint64_t doubts_ns;	/* doubts that may be had: one for each DOUBT_NS since, BURST at most */
	const struct endpoint *endpoint;	/* what its file says is held against the description; NULL: nothing */
	struct express *express;
	struct err failed;	/* id != 0: not served. E_sql: the server refuses it; E_unavailable: it could not say */
	int is_missed;		/* it was asked for since */
	uint64_t mean_us;	/* moving mean of service time; 0: not known yet */
	uint64_t failed_ns;	/* last SQL error, for batch sharing */
	unsigned runs;
	uint64_t heal_ns;	/* since when heals counts */
	unsigned heals;
	uint64_t alone_ns;	/* when a run of a group was last measured alone */
};

/* HELD and LOOKED: a write that has its result and is not committed yet; before db_pool_next_done, and after. */
enum db_query_state { DB_Q_NEW, DB_Q_QUEUED, DB_Q_SENT, DB_Q_DONE, DB_Q_HELD, DB_Q_LOOKED };

struct db_query {
	/* set by the caller; must live until done or abandoned */
	unsigned stmt;
	unsigned n_values;
	const char *const *values;	/* text form; NULL = SQL NULL */
	const char *user;		/* becomes request.user in the statement's transaction; NULL = none */
	const char *claims;		/* becomes request.jwt.claims, JSON text; NULL = none */
	uint64_t deadline_ns;
	int is_write;
	int is_looked_at;		/* of its answer not all is sure: a write is not committed before db_decide */
	int is_late;			/* db_abandon: its client is told that it was not done in time */
	uint64_t group;			/* queries of one request: they may share a Sync; 0 = of none */
	void *owner;
	/* What the write makes void, for db_ops.intent_*; NULL: nothing. The pool takes it over when a query that
	 * was sent is abandoned (and sets NULL); else it stays the caller's. */
	void *intent;
	int is_check;			/* nothing is run: it ends when the description has been looked at */
	uint64_t takes;			/* of the description that the values were made for; 0: there was none */
	int wants_xid;			/* a write's transaction is told: xid here, or to db_ops.intent_over */
	/* result */
	uint64_t xid;			/* 0: not asked, not known, or nothing was written */
	enum err_id error;		/* E_ok, or what the client is told */
	char sqlstate[6];
	const struct sqlstate_row *row;	/* what it means; NULL: the error is not of the server */
	unsigned bad_param;		/* 1-based number of the parameter the server refused, 0 = none */
	int is_half_done;		/* it failed, and what it committed by itself before stays, if it did: CALL, DO */
	int is_outdated;		/* nothing was run: the parameters have other types now, and takes is theirs */
	int is_odd;			/* a value of it is none of its column's type (db_render_*) */
	struct pg_result *result;
	struct db_desc *desc;		/* of the result */
	uint64_t queued_ns, sent_ns, done_ns;
	enum slot_lane lane;
	int is_from_standby;
	uint64_t tier_id;		/* of the server that answered (db_state.tier_id); 0: not known, as through a pooler */
	/* the pool's */
	struct list node;
	struct db_conn *conn;
	struct db_entry *entry;
	enum db_query_state state;
	unsigned char reran, farewells, wants_exclusive, wants_own_sync, is_counted;
	/* result: strings, at the end, so that a query is made ready without zeroing all of them */
	char constraint[64];		/* its name, for the log */
	char text[256];			/* server's primary message, for the log (never for the client) */
	char client_text[256];		/* P0001 and kin: what the author raised for the client; else "" */
};

struct db_ops {
	/* Watch fd for reading (and writing when want_write); called again when that changes. */
	void (*watch)(void *ctx, struct db_conn *c, int fd, int want_write);
	void (*unwatch)(void *ctx, struct db_conn *c);
	/* Run db_job_run(job) in a thread, then db_job_done(job) in the loop's. */
	void (*run)(void *ctx, struct db_job *job);
	/* Tell weir-monitor to look at the slots' cancel words. */
	void (*wake_monitor)(void *ctx);
	/* Just before a write with an intent is sent, each time. */
	void (*intent_begin)(void *ctx, void *intent);
	/* Of a statement that failed: did the request give its parameter this value, rather than the endpoint's default?
	 * number 0: any of its parameters a value that is its caller's to choose, not of the caller's identity. */
	int (*is_given)(void *ctx, const struct db_query *q, unsigned number);
	/* An abandoned write has ended; is_known: by the server's word, else its connection was lost. xid: its
	 * transaction when that was asked and is known. */
	void (*intent_over)(void *ctx, void *intent, int is_known, uint64_t xid);
};

/* A column that fills a tag of a watched table: tag is the template, as weir.watch was given it. */
struct db_watched {
	char *table, *tag, *column;
	unsigned char canon;		/* enum db_canon of its type */
	int is_told_otherwise;		/* by triggers of an earlier sql/weir/events.sql, value by spelling */
};

struct db_pool_conf {
	const struct opts_database *opts;
	const struct region *region;
	struct metric_row *metrics;
	unsigned db, number;
	unsigned n_workers;	/* that share the warm connections */
	unsigned queue_limit;	/* requests that may wait; those of one group count as one */
	size_t max_response;	/* a read whose result is far beyond it is stopped while it arrives; 0 = never */
	int has_monitor;	/* weir-monitor cancels for us; else a thread of our own does */
	const struct db_ops *ops;
	void *ctx;
};

struct db_pool *db_pool_new(const struct db_pool_conf *conf);
/* Closes every connection; queries that are not done are forgotten. */
void db_pool_free(struct db_pool **p);
/* Before db_pool_start. The statement's number. */
unsigned db_pool_add_stmt(struct db_pool *p, const struct db_stmt *proto);
const struct db_stmt *db_pool_stmt(const struct db_pool *p, unsigned stmt);
/* What was watched when the worker first described its statements. */
const struct db_watched *db_pool_watched(const struct db_pool *p, unsigned *ret_n);
/* The statement is not served, for a reason that is not its own: at says where in its file. Until it is described again. */
void db_pool_refuse(struct db_pool *p, unsigned stmt, const struct err *why);
unsigned db_pool_n_stmts(const struct db_pool *p);
void db_pool_start(struct db_pool *p);

/* 1 described and connected · 0 not yet · -1 the database cannot be reached (error text in db_pool_why) */
int db_pool_ready(const struct db_pool *p);
/* Statements that cannot be served (struct db_stmt.failed). */
unsigned db_pool_n_refused(const struct db_pool *p);
/* How often descriptions were taken; 0: none yet. */
unsigned db_pool_described(const struct db_pool *p);
/* Ask the server about a statement once more, as soon as a connection is idle. */
void db_pool_describe(struct db_pool *p, unsigned stmt);
/* The order in which the sessions read dates; DB_DATES_UNKNOWN before the first one. */
enum db_dates db_pool_dates(const struct db_pool *p);
const char *db_pool_why(const struct db_pool *p);
/* How it stands with its database. FAILING: no further connection is to be had. CUT: there is none either, so that
 * requests are refused. HEARD: it has answered within the last second. That a server gives turns when it has few
 * connections (db_scarce.c) is no failure. */
enum db_link { DB_LINK_FAILING = 1, DB_LINK_CUT = 2, DB_LINK_HEARD = 4 };
unsigned db_pool_link(const struct db_pool *p, uint64_t now_ns);
/* Attempts to connect that failed, and which kind of error the last one had (why: db_pool_why). */
unsigned db_pool_n_failed(const struct db_pool *p, char ret_kind[8]);

/* A value was refused by the types of stmt's description. 1: these may be old, and are being looked at: a query with
 * is_check ends when that is done. Not too often; only_if_spare: nor if a connection had to be waited for. */
int db_doubt(struct db_pool *p, unsigned stmt, int only_if_spare, uint64_t now_ns);
/* Put q into its lane's queue. 0, or -E_overloaded, -E_db_down, or what its statement failed with (nothing queued then). */
int db_submit(struct db_pool *p, struct db_query *q) MUST_USE;
/* The caller no longer wants q (deadline or client gone): it leaves the queue, or its result will be
 * dropped; in the exclusive lane a read is cancelled. q is the caller's again at once. */
void db_abandon(struct db_pool *p, struct db_query *q);
/* q was handed out with its result and is DB_Q_LOOKED: commit it, or (is_good 0) roll it back. It is handed out once more when
 * that is done, with the error of a COMMIT that failed; or it runs again (its connection was lost), and all begins anew. */
void db_decide(struct db_pool *p, struct db_query *q, int is_good);
/* Can q, which was sent, have changed something for good by now? */
int db_may_be_done(const struct db_pool *p, const struct db_query *q);
/* Next finished query, NULL when none; or one that is held. */
struct db_query *db_pool_next_done(struct db_pool *p);
/* Send what waits; once per loop turn, which began at now_ns. */
void db_pool_flush(struct db_pool *p, uint64_t now_ns);
/* Timers: call every 10 ms while db_pool_is_active, every 250 ms else. */
void db_pool_tick(struct db_pool *p, uint64_t now_ns);
int db_pool_is_active(const struct db_pool *p);
/* Close idle connections and open no more than needed; for a worker that leaves. */
void db_pool_drain(struct db_pool *p);
/* Bytes of results that are still arriving: of all, of the largest. */
uint64_t db_pool_partial(const struct db_pool *p);
uint64_t db_pool_partial_most(const struct db_pool *p);
/* Give the largest of them up: its connection is closed, its query is E_overloaded. The endpoint. */
const char *db_pool_shed(struct db_pool *p, uint64_t now_ns);
unsigned db_pool_waiting(const struct db_pool *p);

/* The descriptor is ready, and may have been since since_ns, before now_ns, when the program was busy: what came is
 * not held against the server for longer. is_broken: the socket is in error and the loop has stopped watching it, so this is the
 * last call: what was received is used, then the connection is closed.
 * 1: that was not all; call again with the same arguments when db_pool_next_done has nothing more. */
int db_conn_step(struct db_conn *c, int readable, int writable, int is_broken, uint64_t since_ns, uint64_t now_ns);
void **db_conn_watch(struct db_conn *c);	/* the program's handle for this connection */

/* Of a pool at a time: so many connect, and one cancels. */
#define DB_MAX_CONNECTING 2u
#define DB_MAX_JOBS (DB_MAX_CONNECTING + 1)
void db_job_run(struct db_job *job);
void db_job_done(struct db_job *job, uint64_t now_ns);

/* Results. Rows as JSON straight from libpq's buffers; -E_too_large when out grows past limit. A value that no server sends
 * for its type is a string there, so that out is JSON, and q is_odd. */
unsigned db_rows(const struct db_query *q);
int db_render_rows(struct db_query *q, size_t limit, struct buf *out) MUST_USE;
void db_render_row(struct db_query *q, unsigned row, struct buf *out);
/* The first column of the first row as a JSON value ("null" without rows). */
void db_render_value(struct db_query *q, struct buf *out);
/* What libpq holds of the result. */
size_t db_result_bytes(const struct db_query *q);
enum db_whole { DB_ROWS, DB_ROW, DB_VALUE };
struct db_slice {
	unsigned row, column;
	size_t at;		/* bytes of the value that are out */
	struct jv json;		/* what they are so far */
};
/* On from where s stands (row, column and at are zero at first), about so many bytes. 1 done, 0 there is more, -E_too_large past the
 * limit. DB_ROW and DB_VALUE: there is a first row, and its value is not NULL. Once q is odd, out need not be JSON. */
int db_render_slice(struct db_query *q, enum db_whole what, struct db_slice *s, size_t bytes, size_t limit,
		    struct buf *out) MUST_USE;
/* Is the first value of the first row there, and not NULL? */
int db_has_value(const struct db_query *q);
/* Text of a column of the first row by name; p == NULL if there is none or it is NULL. */
struct slice db_text(const struct db_query *q, struct slice column);
void db_query_clear(struct db_query *q);

/* Can the connection string ever lead to a connection? 0, or -1 and why: libpq does not understand it, or it must not be
 * used over a network. Nothing is looked up, no service file either. */
int db_conninfo_check(const struct opts_database *o, struct buf *ret_why);
/* What of the connection string a cached answer depends on: which server it names, and what shapes a session there. Neither
 * has secrets, nor what only says how to get there. Of one that libpq does not understand nothing. */
void db_conninfo_key(const struct opts_database *o, struct buf *place, struct buf *session);
struct db_budget;
/* weird -t: describe every statement over one blocking connection, and ask for the budget. The number of findings
 * put into errs, or -1 when the database cannot be reached, -2 when it is and refuses the session (why in ret_why, and what
 * to mend). */
int db_check(struct db_pool *p, struct db_budget *b, struct errs *errs, struct buf *ret_why);

/* The sessions of a database block against what the server has for its role. */
#define DB_BUDGET_SPARE 3u	/* that should be left for people and tools */
struct db_budget {
	const char *name;
	unsigned pool, monitor;		/* pool_max, and the most that weir-monitor has at a time */
	/* out, of a server that was asked */
	int is_known;
	unsigned limit;			/* sessions that this role can have: less what is reserved, or its own limit */
	unsigned max_connections;
	char server[120];		/* host:port */
	int is_between;			/* the session's backend is another one than it was told of: a pooler stands in between */
};
enum db_budget_fit { DB_BUDGET_FITS, DB_BUDGET_TIGHT, DB_BUDGET_OVER };
void db_budget_init(struct db_budget *b, const struct opts_database *o, int has_cache);
/* One sentence without its end, or nothing when no server was asked. */
enum db_budget_fit db_budget_say(const struct db_budget *b, struct buf *out);

/* Asked of a probe: which backends of our name may still be at work for a worker that is dead. */
struct db_orphans {
	int wanted, is_late;		/* is_late: idle ones count no more */
	unsigned round;			/* the asker's */
	uint64_t age_ms;		/* backends that began later are none */
	unsigned n_live;
	uint32_t live[1000];		/* pids of live workers' backends */
	/* out */
	int is_answered;
	char error[200];		/* why not; "": it was not asked */
	unsigned n_left;
	uint64_t xmax;			/* of a snapshot taken after none was left */
};

/* Asked of a probe for the second tier of the cache. */
struct db_tier {
	int wanted;
	/* out; id 0: not known (a standby, or error says why) */
	uint64_t id;		/* of the server, its timeline and the database */
	uint64_t xmin, xmax;	/* of a snapshot of it */
	char error[200];
};

/* Asked of a probe: a transaction that tells the other hosts of a tag. */
struct db_purge {
	int wanted;
	char tag[1024];
	/* out */
	int is_done, is_told;	/* is_told 0: sql/weir/events.sql is not there, or not for us, or the tag holds what no text of this
				 * database can, and nobody heard of it */
	uint64_t xid;
	char error[200];	/* why it is not done; "" when the connection was lost */
};

/* Asked of a probe: tell a number to whoever listens, by conninfo. */
struct db_nonce {
	int wanted, by_slot;		/* by_slot: to the readers of replication slots, too */
	uint64_t value;
	/* out */
	int is_told;
	uint64_t sent_ns;
	char error[200];		/* why not */
};

/* For weir-monitor: blocking, in a thread. */
struct db_probe {
	/* in */
	const struct opts_database *opts;
	/* out */
	int is_up, is_standby;
	int is_full;		/* the server has no connection left for this session */
	unsigned server_version, max_connections;
	uint64_t lag_ms, took_us;
	uint64_t xmax;		/* the next transaction's id, about */
	char snapshot[4096];	/* "xmin:xmax:xip,..."; empty: none */
	struct db_orphans orphans;
	struct db_tier tier;
	struct db_purge purge;
	struct db_nonce nonce;
	struct db_budget budget;	/* in: initialised; asked for each new connection */
	int wants_reload;	/* a NOTIFY weir_reload came since the last call */
	char error[256], where[120];
	char name[64];		/* application_name of the workers' sessions */
	void *conn;		/* kept between calls; db_probe_close */
};
void db_probe_run(struct db_probe *p);
void db_probe_close(struct db_probe *p);
/* pg_cancel_backend(pid) over the probe's connection. 0 or -1. */
int db_probe_cancel(struct db_probe *p, uint32_t pid);
int db_libpq_version(void);

#endif
