/* db_priv: what the files of lib/pg share. Included by them alone.
 * Layer: lib/pg. */
#ifndef WEIR_PG_DB_PRIV_H
#define WEIR_PG_DB_PRIV_H

#include <libpq-fe.h>

#include "lib/base/sqlstate.h"
#include "lib/pg/db.h"
#include "lib/shm/metrics.h"

#define DB_MARGIN_NS (20 * 1000000ull)		/* taken off a deadline before the server gets it */
#define DB_EXPRESS_WINDOW 64u			/* Syncs in flight on one connection */
#define DB_EXPRESS_STATEMENTS 256u		/* and statements, where several share one */
#define DB_EXPRESS_WINDOW_NEW 4u
#define DB_LANE_WORK_US 5000u			/* estimated work put onto one express connection */
#define DB_HEAD_SLOW_NS (5 * 1000000ull)
#define DB_CANCEL_GRACE_NS (500 * 1000000ull)
#define DB_MONITOR_GRACE_NS (100 * 1000000ull)
#define DB_MAX_FAREWELLS 3u			/* runs of a query that a server's shutdown may cost for free */

/* A session's settings that requests change, and the statement that changes them for one transaction. */
#define DB_CONFIG_STMT "w_config"
#define DB_USER_STMT "w_user"
#define DB_CLAIMS_STMT "w_claims"
/* The transaction of a write, asked in the write's own; NULL when it wrote nothing. */
#define DB_XID_STMT "w_xid"
/* No transaction that this session has committed by now, or that anybody told it of, is above: a procedure may have
 * committed one of its own before this one. */
#define DB_XID_SQL \
	"SELECT greatest(txid_current_if_assigned(), txid_snapshot_xmax(txid_current_snapshot()) - 1)"
#define DB_CONFIG_SQL \
	"SELECT set_config('statement_timeout', $1, true), set_config('request.user', $2, true), " \
	"set_config('request.jwt.claims', $3, true)"
#define DB_USER_SQL "SELECT set_config('request.user', $1, true)"
#define DB_CLAIMS_SQL "SELECT set_config('request.user', $1, true), set_config('request.jwt.claims', $2, true)"
/* Of DateStyle only how dates are written is ours; in what order they are read is the database's and the role's.
 * Through a pooler, where no session setting may be made: what would be the session's, too. */
#define DB_POOLER_SQL \
	"SELECT set_config('statement_timeout', $1, true), set_config('request.user', $2, true), " \
	"set_config('request.jwt.claims', $3, true), " \
	"set_config('TimeZone', $4, true), set_config('DateStyle', 'ISO', true), " \
	"set_config('IntervalStyle', 'postgres', true), set_config('bytea_output', 'hex', true), " \
	"set_config('extra_float_digits', '1', true)"

enum db_conn_state { DB_C_CONNECTING, DB_C_OPEN, DB_C_CANCELLING, DB_C_CLOSING };

/* One group on the wire, or one statement of a group that shares its Sync. */
struct db_entry {
	struct list node;
	struct db_query *q;		/* NULL: orphan, the result is dropped */
	unsigned stmt;
	unsigned char kind;		/* enum db_entry_kind */
	unsigned char n_before;		/* statements of the group in front of the query */
	unsigned char seen;		/* statements whose end (NULL) was seen */
	unsigned char has_sync;		/* the entry ends with a Sync of its own */
	unsigned char holds;		/* db_hold.c: a Sync will follow, when the answer is made */
	unsigned char is_held;		/* and now it waits for that */
	unsigned char gives_up;		/* an orphan that is to be rolled back */
	unsigned char fate;		/* enum db_fate */
	unsigned char n_behind;		/* statements that were sent after that */
	unsigned char is_parse;		/* it failed when its text was prepared */
	unsigned char failed, aborted, is_write, is_shared;
	unsigned char was_good;		/* a result came before the error: perhaps after the COMMIT */
	uint64_t sent_ns;
	struct db_desc *desc;		/* counted */
	PGresult *result;		/* kept until the entry is settled */
	void *intent;			/* of an abandoned write */
	unsigned char is_settled;
	unsigned char n_reset, is_whole_reset;	/* of DB_E_RESET: its statements; it is all of it */
	unsigned char wants_xid;	/* a statement behind the query tells the transaction */
	uint64_t xid;
};
enum db_fate { DB_FATE_NONE, DB_FATE_COMMIT, DB_FATE_ROLLBACK };
/* DB_E_CLOSE: a prepared name goes; DB_E_VERIFY: the statement is parsed and described, and not run; DB_E_RESET: what may
 * be left of others is put back; DB_E_MARK: the catalogs' mark; DB_E_PING: is anybody there? */
enum db_entry_kind { DB_E_PREPARE, DB_E_CLOSE, DB_E_QUERY, DB_E_VERIFY, DB_E_RESET, DB_E_MARK, DB_E_PING };

struct db_conn {
	struct list node;		/* in pool->conns */
	struct db_pool *pool;
	PGconn *pg;
	enum db_conn_state state;
	enum slot_lane lane;
	unsigned slot;
	struct list fifo;		/* entries in flight, oldest first */
	unsigned n_fifo, n_syncs;	/* entries; those that end with a Sync */
	unsigned window, answered;
	uint64_t work_us;		/* estimated work in flight */
	uint64_t opened_ns, expires_ns, idle_ns, last_sync_ns, progress_ns, cancel_ns;
	uint32_t generation;
	unsigned guard_hits;		/* among what was in flight at the first hit */
	unsigned guard_left;		/* entries still to be answered of those */
	unsigned *prepared;		/* by statement: serial it is prepared as, 0 = not */
	uint32_t *fits;			/* by statement: id of the description that its results here are known to fit */
	PGresult *prep_error;		/* of the prepare group just in front of a query */
	unsigned prep_error_stmt;
	uint64_t partial_bytes;		/* of a result that did not come at once */
	uint64_t noticed;		/* bytes of notices since then, roughly */
	int was_large;			/* it was so large that libpq's buffers may be: not kept */
	int is_partial;			/* there is one: what is read is counted */
	unsigned quiet;			/* reads in a row that ended no statement */
	/* A statement may have touched the session; nobody is let on before its reset; sequences may have been used. */
	unsigned char is_touched, needs_reset, has_sequences;
	unsigned char is_reset_ready;	/* its statements are prepared */
	unsigned n_reset;
	int is_read;			/* the last db_conn_step left complete results */
	int is_standby;			/* as it said when it was opened */
	uint64_t tier_id;		/* db_state's when it was opened, or the first one since: the server it is of */
	int is_moved;			/* and the database is another server's by now */
	int is_converting;		/* db_scarce.c: it is to change its lane */
	int is_strange;			/* libpq has taken offence at what came */
	uint64_t unasked;		/* bytes that have come since it was last asked something */
	int want_write, is_admin_shutdown, is_draining, min_rtt_us;
	void *watch;
	struct db_job *job;		/* while connecting */
};

/* Why there is no session: what is configured cannot lead to one; or the server has no connection left for us. */
enum db_refusal {
	DB_REFUSED_NOT, DB_REFUSED_CONFIG, DB_REFUSED_FULL,
	/* the server is there; weird -t says what to mend */
	DB_REFUSED_PASSWORD, DB_REFUSED_ROLE, DB_REFUSED_DATABASE, DB_REFUSED_PRIVILEGE, DB_REFUSED_OPTIONS,
	DB_REFUSED_UNFINISHED		/* not even that: the session was not set up, or not all was described */
};

struct db_pool {
	struct db_pool_conf conf;
	struct db_stmt *stmts;
	unsigned n_stmts, cap_stmts;
	struct list conns;
	unsigned n_conns, n_connecting, n_express, n_exclusive;
	struct list q_express, q_exclusive, q_check, done;
	unsigned n_waiting, n_counted;	/* statements; requests, for queue_limit */
	uint64_t last_group;		/* whose first statement was counted last */
	struct list free_entries;
	/* db_mark.c */
	uint64_t mark;			/* of the catalogs when all statements were looked up in them last */
	uint64_t mark_every_ns, reach_next_ns;
	uint64_t n_sent, n_sent_marked;	/* statements; when the mark was looked at last */
	int wants_reach;
	unsigned n_resets;		/* connections that wait for theirs to be sent */
	int is_cancelling, wants_cancel;	/* a job is at it; something was asked since */
	int is_described, is_draining, is_describing;
	int wants_describe;		/* statements are stale; 2: somebody waits for one */
	uint64_t describe_ns;		/* not before that */
	unsigned n_described;
	struct db_watched *watched;
	unsigned n_watched;
	enum db_dates dates;		/* of the latest session; all have it */
	unsigned n_verify;		/* statements that are to be looked at */
	uint64_t now_ns;
	uint64_t since_ns;		/* what is read now was not there before */
	uint64_t retry_ns;		/* no connect before that */
	/* db_scarce.c: when the server last had no connection left, how often in a row; since when this worker has none; since
	 * when the budget has no slot */
	uint64_t full_ns, starved_ns, slotless_ns, owed_until_ns;
	uint32_t owed;			/* whose turn it is by then: number + 1 */
	unsigned refusals;
	unsigned failures;		/* connects in a row */
	unsigned n_failed;		/* and in all; the last one */
	uint64_t failed_ns, pinged_ns;
	enum db_refusal refusal;
	int is_doubted;			/* a connection was lost under its statements: the next one proves itself */
	uint64_t express_off_until_ns, given_up_ns;
	uint64_t read_only_ns;		/* when sessions were last replaced, since they take no writes */
	uint64_t heard_ns;		/* last byte from any connection */
	uint64_t partial;		/* bytes of results that are not whole, of all connections */
	char why[256];
	uint32_t rng;
};

enum db_job_kind { DB_J_CONNECT, DB_J_CANCEL };
struct db_job {
	enum db_job_kind kind;
	struct db_pool *pool;		/* the job's thread reads conf.opts only */
	struct db_conn *conn;
	const struct opts_database *opts;
	enum slot_lane lane;
	/* statements to describe first (their sql is immutable); 0 = none */
	unsigned n_describe;
	struct db_stmt *describe;	/* copies */
	unsigned *numbers;
	int wants_watched;
	/* out */
	struct db_watched *watched;
	unsigned n_watched;
	PGconn *pg;
	int is_reach;			/* what is described is only looked up */
	uint64_t mark;
	int is_lent;			/* pg is a connection of the pool, not a new one */
	int failed;			/* not connected */
	int becomes_exclusive;		/* is_lent, of the express lane until now */
	int has_no_guard;		/* no request comes to this session */
	int proves;			/* that large packets pass, too */
	int is_touched;			/* out: Parse may have run in it what leaves something */
	enum db_refusal why;
	char error[256];
	uint64_t took_ns;
	uint64_t started_ns;
};

/* db_job.c: carry out what the slots ask for; one job at a time, so that a server that is silent holds no more threads. */
void db_job_cancel(struct db_pool *p);
/* db_hide.c: text, in place, without the values that may not be shown, or pieces of them. all: what is connected by;
 * NULL, or without a value, if libpq did not come as far. */
void db_hide(const struct opts_database *o, const PQconninfoOption *all, char *text, size_t room);
/* db_connect.c: blocks until the deadline at most: name look-up, TLS, authentication, session settings. A usable
 * session for the lane, non-blocking, or NULL with error. It has no guard yet: that is for what requests run. */
PGconn *db_connect(const struct opts_database *o, enum slot_lane lane, uint64_t deadline_ns, char error[256],
		   enum db_refusal *ret_why);
/* The same for the replication protocol, without any session setting. */
PGconn *db_connect_replication(const struct opts_database *o, uint64_t deadline_ns, char error[256],
			       enum db_refusal *ret_why);
/* When an attempt that begins now is to be over. */
uint64_t db_connect_deadline(const struct opts_database *o);
/* db_within.c: libpq's blocking calls, but with an end. pg is non-blocking. */
/* Until PQgetResult does not block. 0, or -1: not by then, or the connection is lost. */
int db_wait(PGconn *pg, uint64_t deadline_ns) MUST_USE;
/* The last result of what was sent; NULL: none by then, or the connection is lost or of no use any more. */
PGresult *db_result(PGconn *pg, uint64_t deadline_ns);
/* PQexecParams. */
PGresult *db_exec_until(PGconn *pg, const char *sql, const char *const *values, int n, uint64_t deadline_ns);
PGresult *db_exec_within(PGconn *pg, const char *sql, const char *const *values, int n, int timeout_ms);
/* Why it is not what was wanted. */
void db_say(PGconn *pg, const PGresult *res, char *error, size_t n);
/* PQconnectPoll until it is connected. 0, or -1 with error, and its SQLSTATE if the server gave one. */
int db_drive(PGconn *pg, uint64_t deadline_ns, char error[256], char ret_sqlstate[6]) MUST_USE;
/* db_connect.c: how long a statement may take from here on, 0: for ever. One that waits for a core may meet the guard that
 * is being lifted: tried until the deadline. 0, or -1 with error. */
int db_guard_set(PGconn *pg, uint64_t ms, uint64_t deadline_ns, char error[256]) MUST_USE;
/* db_connect.c: a session of the express lane, as one of the exclusive lane is. 0, or -1 with error. */
int db_become_exclusive(PGconn *pg, uint64_t deadline_ns, char error[256]) MUST_USE;
/* db_recv.c: bounds what libpq reads at once; what it leaves is found by the next call. */
#define DB_READ_MOST (1u << 20)		/* bytes, by any call of it */
#define DB_READ_IDLE (64u << 10)	/* of a session that was asked nothing, until it is asked something */
/* PQconsumeInput, of at most so many bytes; those that came are added. */
int db_consume(PGconn *pg, size_t most, uint64_t *ret_n);
/* Bytes that libpq has read since the last call, in this thread. */
uint64_t db_taken(void);
/* A session of weir-monitor's: told apart from workers' in pg_stat_activity. */
void db_name_monitor(PGconn *pg);
/* Names, settings: what libpq would print, on one line, without its trailing newline. */
void db_one_line(char *out, size_t n, const char *text);
/* db_watched.c: blocking. */
void db_watched_ask(PGconn *pg, uint64_t deadline_ns, struct db_watched **ret, unsigned *ret_n);
void db_watched_free(struct db_watched **w, unsigned n);
struct db_budget;
/* db_budget.c: blocking. */
void db_budget_ask(struct db_budget *b, PGconn *pg, int timeout_ms);
/* db_shape.c. Sets s->failed when the description does not give what the endpoint's file says, else its warnings. */
void db_shape_check(struct db_stmt *s);
/* A message of the server with :name in place of $n. */
void db_shape_names(const struct db_stmt *s, const char *text, struct buf *out);
/* db_privilege.c: blocking. Sets stmts[].failed where the role may not do what the statement needs. */
void db_privileges(PGconn *pg, struct db_stmt *stmts, unsigned n);
/* db_connect.c: does libpq take the options, with those of a service file? */
int db_conninfo_is_whole(const struct opts_database *o);
/* db_describe.c: blocking, before pipeline mode. Fills s->desc or s->failed (E_unavailable: the server cannot say it
 * now, as when the table is locked). -1 when the connection died or the answers are not there by the deadline. */
int db_describe(PGconn *pg, const struct opts_database *o, struct db_stmt *stmts, unsigned n, uint64_t deadline_ns,
		char error[256]);
/* So long may it take. */
uint64_t db_describe_deadline(const struct opts_database *o, unsigned n);
void db_desc_free(struct db_desc **d);	/* drops one reference */
enum db_render db_render_of(uint32_t oid);
/* The columns and types of a result whose description is not known: a description of its own. */
struct db_desc *db_desc_of_result(const PGresult *res);
/* db_wrap.c */
typedef int db_needs_json_f(const void *ctx, Oid type);
/* DB_WRAP_GUARD may be left, if the server refuses it. */
enum db_wrap db_wrap_of(const struct db_stmt *s, const PGresult *described, db_needs_json_f needs, const void *ctx);
/* The statement as it is to be prepared. */
void db_wrap(struct buf *b, enum db_wrap how, const struct db_stmt *s, const PGresult *described, db_needs_json_f needs,
	     const void *ctx);
uint64_t db_desc_shape(const PGresult *described);
uint64_t db_desc_takes(const PGresult *described);
/* Has res the columns that d says? */
int db_desc_fits(const struct db_desc *d, const PGresult *res);
/* db_verify.c: is what we know of a statement still so? A look costs the server a parse: one a second for an endpoint
 * in use, by one of the workers. */
/* s is being sent. */
void db_verify_want(struct db_pool *p, struct db_stmt *s, uint64_t now_ns);
/* Somebody has found that it is not so: everybody describes it again. */
void db_verify_tell(struct db_pool *p, unsigned stmt);
/* Has somebody else found that? Then it is stale from here on. */
void db_verify_hear(struct db_pool *p, unsigned stmt);
/* Send what is wanted; behind the queries of this turn. */
void db_verify_flush(struct db_pool *p, uint64_t now_ns);
/* The answer to it; NULL: it was not had. */
void db_verify_over(struct db_pool *p, unsigned stmt, const PGresult *res, uint64_t now_ns);
/* A good result: 1 when it is q's, with the description it fits; 0: q is to run again. */
int db_verify_result(struct db_conn *c, struct db_entry *e, struct db_query *q);
/* Statements have been described: what the instance knows of them. */
void db_verify_publish(struct db_pool *p);
/* db_error.c */
/* What the client is told. is_parse: the statement could not be prepared; is_cancel: 57014, and nobody of ours asked. */
void db_error_from(const struct db_pool *p, struct db_query *q, const PGresult *res, int is_parse, int is_cancel);
/* The statement was good when it was described, and its text no longer is. */
int db_error_is_stale(const PGresult *res);
int db_error_class(const PGresult *res, const char *class2);
const char *db_sqlstate(const PGresult *res);
/* Of the parameter that the server could not read; 0: another error. */
unsigned db_error_parameter(const struct db_query *q, const PGresult *res);

/* db_result.c */
/* PQgetvalue of an answer to a question of ours; "" also where the server has sent fewer rows or columns than were asked for. */
const char *db_cell(const PGresult *res, int row, int column);
enum db_result_kind { DB_R_RESULT, DB_R_ERROR, DB_R_ABORTED, DB_R_SYNC, DB_R_STRANGE };
enum db_result_kind db_result_kind(const PGresult *res);

/* db_reach.c: blocking. Sets touches and reads_settings of what is described. -1: the connection is of no use any more. */
int db_reach(PGconn *pg, const struct opts_database *o, struct db_stmt *stmts, unsigned n, uint64_t *ret_mark, char error[256]);
/* db_mark.c */
extern const char db_mark_sql[];
uint64_t db_mark_of(const PGresult *res);	/* 0: none */
void db_mark_tick(struct db_pool *p, uint64_t now_ns);
void db_mark_settle(struct db_pool *p, const struct db_entry *e, uint64_t now_ns);
/* All that is described, to be looked up; and what was found. */
void db_mark_into(struct db_pool *p, struct db_job *job);
void db_mark_reached(struct db_pool *p, const struct db_job *job, uint64_t now_ns);
/* What ran before it was known what it reaches may have left something, anywhere. */
void db_distrust(struct db_pool *p);
void db_mark_set(struct db_pool *p, const struct db_job *job, uint64_t now_ns);
void db_stmt_reaches(struct db_stmt *to, const struct db_stmt *from);
/* db_reset.c */
/* One SELECT that makes the session's constants; request.user and request.jwt.claims read '' from the start, not NULL. */
void db_session_settings(const struct opts_database *o, PGconn *pg, enum slot_lane lane, uint64_t guard_ms, struct buf *out);
void db_reset_want(struct db_conn *c);
void db_reset_forget(struct db_conn *c);
/* In front of a statement that may ask for the session's sequences. 0, or -1: the connection is unusable. */
int db_reset_sequences(struct db_conn *c, uint64_t now_ns);
/* Send what is wanted, once per loop turn: behind the answers. */
void db_reset_flush(struct db_pool *p, uint64_t now_ns);
/* 1: the connection must be closed. */
int db_reset_settle(struct db_conn *c, const struct db_entry *e, uint64_t now_ns);
/* Forget notifications that came; 1 when there were any: somebody left a LISTEN. */
int db_reset_hears(struct db_conn *c);

/* db_conn.c */
/* An entry that is a group of its own, with a Sync that the caller sends. */
struct db_entry *db_entry_alone(struct db_conn *c, enum db_entry_kind kind, unsigned stmt, uint64_t now_ns);
struct db_conn *db_conn_new(struct db_pool *p, enum slot_lane lane, unsigned slot);
/* Which server it is of, once weir-monitor knows; when that is another one by now it is to be replaced. */
void db_conn_place(struct db_conn *c, uint64_t now_ns);
void db_conn_opened(struct db_conn *c, PGconn *pg, uint64_t now_ns);
void db_conn_close(struct db_conn *c, uint64_t now_ns);	/* requeues or settles what was on it; frees c */
int db_conn_is_idle(const struct db_conn *c);
/* Of an idle one, after PQconsumeInput: the server has not said goodbye, nor closed. */
int db_conn_is_sound(struct db_conn *c);
/* n bytes have come: 1 when nobody had asked, and it is too much to be a notice. */
int db_conn_is_babbling(struct db_conn *c, uint64_t n);
int db_conn_send(struct db_conn *c, struct db_query *q, uint64_t now_ns, int with_sync, int is_shared);
int db_conn_sync(struct db_conn *c);
int db_conn_flush(struct db_conn *c);
/* Look at a statement: DB_E_VERIFY. 0, or -1: the connection is unusable. */
int db_conn_verify(struct db_conn *c, unsigned stmt, uint64_t now_ns);
void db_conn_cancel(struct db_conn *c, uint64_t now_ns);
void db_conn_tick(struct db_conn *c, uint64_t now_ns);

/* db_hold.c. Where int is returned: -1: the connection is unusable. */
/* Is the write's Sync to wait for its answer? */
int db_hold_wanted(const struct db_conn *c, const struct db_query *q, const struct db_entry *e);
int db_hold_flush(struct db_conn *c);
/* All results of e are in, or an error: its request gets them, or what failed and what is nobody's ends. */
int db_hold_seen(struct db_conn *c, struct db_entry *e, uint64_t now_ns);
/* The Sync, in front of it a rollback. */
int db_hold_end(struct db_conn *c, struct db_entry *e, enum db_fate fate);
void db_hold_forget(struct db_query *q);
/* q, which is held, is abandoned. */
void db_hold_orphan(struct db_pool *p, struct db_query *q);

/* db_row.c: one value, whatever its size. */
void db_put_value(struct db_query *q, struct buf *out, enum db_render render, const char *p, size_t n);
/* db_settle.c */
/* A statement failed: q is finished or queued again. 1: the connection must be closed. */
int db_settle_error(struct db_conn *c, struct db_entry *e, struct db_query *q, const PGresult *res, uint64_t now_ns);
/* The lane met its guard. 1: it is given up. */
int db_guard_hit(struct db_conn *c, struct db_entry *e, uint64_t now_ns);
/* Run q once more, or fail it. */
void db_again(struct db_pool *p, struct db_query *q, int exclusive, enum err_id or_else, uint64_t now_ns);
/* It is draining, and nothing is under way on it. */
int db_conn_is_over(const struct db_conn *c);

/* db_alive.c */
int db_has_open(const struct db_pool *p);
int db_has_exclusive(const struct db_pool *p);
/* c is all there is, and another one comes first, or is not to be had: whatever its age, it serves. Not if the budget has no
 * slot for both. */
int db_is_last(const struct db_pool *p, const struct db_conn *c);
/* Requests are refused: there is no connection, and the last attempt to get one failed. */
int db_is_cut(const struct db_pool *p);
/* An attempt to connect failed. */
void db_alive_failed(struct db_pool *p, enum db_refusal why, uint64_t now_ns);
void db_alive_tick(struct db_pool *p, uint64_t now_ns);
/* Blocking: does more than a handshake pass, there and back? 0, or -1 with error. */
int db_prove(PGconn *pg, uint64_t deadline_ns, char error[256]) MUST_USE;

/* db_scarce.c */
/* An attempt to connect was refused for want of connections. */
void db_scarce_refused(struct db_pool *p, uint64_t now_ns);
/* There was none for so long that the database counts as away. */
int db_scarce_is_hopeless(const struct db_pool *p, uint64_t now_ns);
/* There is a connection. */
void db_scarce_over(struct db_pool *p);
/* A connection was given up for another worker, which does not have it yet. */
int db_scarce_owes(struct db_pool *p, uint64_t now_ns);
/* The budget had no slot. */
void db_scarce_slotless(struct db_pool *p, uint64_t now_ns);
/* An express connection that is to be lent to a job that makes it an exclusive one; NULL: none, or not needed. */
struct db_conn *db_scarce_convert(struct db_pool *p, uint64_t now_ns);
/* Connections that are this worker's part of the budget. */
unsigned db_scarce_share(const struct db_pool *p);
/* An exclusive one is closed when its request ends, for whoever waits for a slot. */
void db_scarce_leave_one(struct db_pool *p);
/* Give one up for a worker that has none. */
void db_scarce_yield(struct db_pool *p, uint64_t now_ns);

/* db_pool.c */
struct db_conn *db_pool_idle(struct db_pool *p);	/* of the exclusive lane; NULL: none */
/* For a look at s: where s may touch the session, nobody may be on it with it. NULL: none. */
struct db_conn *db_pool_spare_for(struct db_pool *p, const struct db_stmt *s, uint64_t now_ns);
void db_finish(struct db_pool *p, struct db_query *q, uint64_t now_ns);
void db_fail(struct db_pool *p, struct db_query *q, enum err_id id, const char *text, uint64_t now_ns);
void db_requeue(struct db_pool *p, struct db_query *q, int exclusive);
void db_stmt_stale(struct db_pool *p, unsigned stmt);
void db_stmt_name(char out[DB_STMT_NAME], unsigned stmt, unsigned serial);
/* Another serial, and name. */
void db_stmt_renew(struct db_stmt *s, unsigned stmt);
uint32_t db_random(struct db_pool *p);

#endif
