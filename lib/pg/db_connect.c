/* A session, made by a thread that may block until its deadline: name look-up, TLS, authentication, session settings.
 * PQconnectPoll is driven by our own timer because libpq's connect_timeout is in whole seconds and not applied by
 * PQconnectPoll at all. Of several hosts or addresses each gets its share of the time, or the first one that is silent
 * would take all of it: so they are tried here, one by one, and libpq is given an address. */
#include "config.h"

#include "lib/pg/db_priv.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/clock.h"
#include "lib/base/num.h"
#include "lib/conf/conninfo.h"
#include "lib/conf/options.h"
#include "lib/pg/db_lookup.h"

void db_one_line(char *out, size_t n, const char *text)
{
	size_t i = 0;

	while (text && *text && i + 1 < n) {
		char ch = *text++;

		if (ch == '\n' || ch == '\r' || ch == '\t')
			ch = ' ';
		if (ch == ' ' && (i == 0 || out[i - 1] == ' '))
			continue;
		out[i++] = ch;
	}
	while (i && out[i - 1] == ' ')
		i--;
	out[i] = 0;
}

static const char *option(const PQconninfoOption *all, const char *key)
{
	for (const PQconninfoOption *o = all; o && o->keyword; o++)
		if (strcmp(o->keyword, key) == 0)
			return o->val ? o->val : "";
	return "";
}

static int is_loopback(const char *host)
{
	return !*host || *host == '/' || *host == '@' || strcmp(host, "localhost") == 0 ||
	       strncmp(host, "127.", 4) == 0 || strcmp(host, "::1") == 0;
}

/* Every host of a list is on this machine. */
static int all_loopback(const char *hosts)
{
	struct slice rest = slice_str(hosts);

	do {
		struct slice one = slice_cut(&rest, ',');
		char host[256];

		snprintf(host, sizeof(host), "%.*s", SLICE_ARG(one));
		if (!is_loopback(host))
			return 0;
	} while (rest.p);
	return 1;
}

/* Where to, of what the conninfo says; NULL: as it says. */
struct place {
	const char *host, *hostaddr, *port;
	const char *attrs;	/* target_session_attrs */
};

static void drop_notice(void *arg, const PGresult *res)
{
	(void)arg;
	(void)res;
}

static PGconn *start(const struct opts_database *o, const char *sslmode, int is_replication, const struct place *at)
{
	/* in front of dbname, so that the conninfo overrides them */
	const char *keys[20], *values[20];
	PGconn *pg;
	int n = 0;

#define ADD(k, v) (keys[n] = (k), values[n] = (v), n++)
	ADD("keepalives", "1");
	ADD("keepalives_idle", "2");
	ADD("keepalives_interval", "1");
	ADD("keepalives_count", "3");
	ADD("tcp_user_timeout", "3000");
	ADD("gssencmode", "disable");
	ADD("ssl_min_protocol_version", "TLSv1.2");
	ADD("fallback_application_name", "weir");
	ADD("dbname", o->conninfo);
	ADD("client_encoding", "UTF8");
	if (sslmode)
		ADD("sslmode", sslmode);
	if (is_replication)
		ADD("replication", "database");
	if (at->host)
		ADD("host", at->host);
	if (at->hostaddr)
		ADD("hostaddr", at->hostaddr);
	if (at->port)
		ADD("port", at->port);
	if (at->attrs)
		ADD("target_session_attrs", at->attrs);
#undef ADD
	keys[n] = values[n] = NULL;
	pg = PQconnectStartParams(keys, values, 1);
	if (pg)
		PQsetNoticeReceiver(pg, drop_notice, NULL);
	return pg;
}

/* What libpq would connect by, with a service file's and the environment's words. Only a start reads those, and this
 * one cannot be meant: it fails before a name is looked up or a socket is made. */
static PQconninfoOption *options_of(const struct opts_database *o)
{
	const char *keys[] = {"dbname", "ssl_max_protocol_version", NULL}, *values[] = {o->conninfo, "none", NULL};
	PGconn *pg = PQconnectStartParams(keys, values, 1);
	PQconninfoOption *all = pg ? PQconninfo(pg) : NULL;

	if (pg)
		PQfinish(pg);
	return all;
}

/* TCP beyond this machine must verify the server. 1 as it is · 0 with verify-full · -1 refuse. An sslmode that
 * was not given is libpq's "prefer" in a started connection and empty in a parsed text. */
static int tls_rule(const PQconninfoOption *all, const struct opts_database *o, char error[256])
{
	const char *mode = option(all, "sslmode");
	const char *addr = option(all, "hostaddr");
	int rc = 1;

	if (!o->insecure_tls && !all_loopback(*addr ? addr : option(all, "host")) &&
	    strcmp(mode, "verify-full") != 0) {
		rc = !*mode || strcmp(mode, "prefer") == 0 ? 0 : -1;
		if (rc < 0)
			snprintf(error, 256,
				 "sslmode=%s does not verify the server; use verify-full, or insecure_tls = yes",
				 mode);
	}
	return rc;
}

/* What the conninfo itself says, before a name is looked up or a packet sent: can it be read, does it lead anywhere, and
 * the rule. What a service file adds is known only once libpq has started. */
static int judge_text(const struct opts_database *o, char error[256])
{
	PQconninfoOption *all = PQconninfoParse(o->conninfo, NULL);	/* its own words would quote a password */
	AUTO(buf) struct buf why;
	enum conninfo_fault fault;
	int rc = -1;

	buf_init(&why, 0);
	fault = conninfo_fault(o->conninfo, &why);
	if (all && fault != CONNINFO_NO_PLACE) {
		rc = tls_rule(all, o, error);
		db_hide(o, all, error, 256);
	} else {
		snprintf(error, 256, "%s", why.n ? buf_str(&why) : "libpq cannot read it");
	}
	PQconninfoFree(all);
	return rc;
}

int db_conninfo_check(const struct opts_database *o, struct buf *ret_why)
{
	char error[256] = "";
	int rc = judge_text(o, error) < 0 ? -1 : 0;

	buf_adds(ret_why, error);
	return rc;
}

/* A session that is new has no statement but those that it was given; and they stay. */
static void say_setup(PGconn *pg, const PGresult *res, char error[256])
{
	const char *state = res ? db_sqlstate(res) : "";

	if (strcmp(state, "42P05") == 0 || strcmp(state, "26000") == 0)
		snprintf(error, 256, "a prepared statement is another session's (%s): a pooler stands before the server and pools "
			 "transactions; set pooler = \"transaction\"", state);
	else
		db_say(pg, res, error, 256);
}

static int run(PGconn *pg, const char *sql, uint64_t deadline_ns, char error[256])
{
	PGresult *res = PQsendQuery(pg, sql) ? db_result(pg, deadline_ns) : NULL;
	ExecStatusType st = PQresultStatus(res);
	int ok = st == PGRES_COMMAND_OK || st == PGRES_TUPLES_OK;

	if (!ok)
		db_say(pg, res, error, 256);
	PQclear(res);
	return ok ? 0 : -1;
}

static int prepare(PGconn *pg, const char *name, const char *sql, uint64_t deadline_ns, char error[256])
{
	PGresult *res = PQsendPrepare(pg, name, sql, 0, NULL) ? db_result(pg, deadline_ns) : NULL;
	int ok = PQresultStatus(res) == PGRES_COMMAND_OK;

	if (!ok)
		say_setup(pg, res, error);
	PQclear(res);
	return ok ? 0 : -1;
}

static int setup(PGconn *pg, const struct opts_database *o, enum slot_lane lane, uint64_t deadline_ns, char error[256])
{
	struct buf sql;
	int rc = -1;

	if (o->pooler)
		return 0;
	buf_init(&sql, 0);
	/* a guard is for what requests run: the last thing of all, behind the descriptions (db_job.c) */
	db_session_settings(o, pg, lane, 0, &sql);
	if (run(pg, buf_str(&sql), deadline_ns, error) == 0 &&
	    prepare(pg, DB_CONFIG_STMT, DB_CONFIG_SQL, deadline_ns, error) == 0 &&
	    prepare(pg, DB_USER_STMT, DB_USER_SQL, deadline_ns, error) == 0 &&
	    prepare(pg, DB_CLAIMS_STMT, DB_CLAIMS_SQL, deadline_ns, error) == 0 &&
	    prepare(pg, DB_XID_STMT, DB_XID_SQL, deadline_ns, error) == 0)
		rc = 0;
	buf_done(&sql);
	return rc;
}

/* One attempt after another, until one is good or the time is up. */
struct attempt {
	const struct opts_database *o;
	const char *sslmode;		/* NULL: the conninfo's */
	int is_replication;
	uint64_t deadline_ns;
	char *error;			/* [256]; of all that failed, as far as there is room */
	enum db_refusal *why;
};

static void add_error(const struct attempt *a, const char *text)
{
	size_t n = strlen(a->error);

	if (strstr(a->error, text) == NULL)
		snprintf(a->error + n, 256 - n, "%s%s", n ? "; " : "", text);
}

/* A share of what is left, when so many are still to be tried. */
static uint64_t share_of(const struct attempt *a, unsigned n_left)
{
	uint64_t now = clock_mono_ns();

	return now >= a->deadline_ns ? now : now + (a->deadline_ns - now) / n_left;
}

/* Of a server that answered; without an SQLSTATE it wanted a password and there was none. */
static enum db_refusal refusal_of(const char *sqlstate)
{
	static const struct {
		const char *state;
		enum db_refusal why;
	} known[] = {{"53300", DB_REFUSED_FULL},      {"", DB_REFUSED_PASSWORD},	{"28P01", DB_REFUSED_PASSWORD},
		     {"28000", DB_REFUSED_ROLE},      {"3D000", DB_REFUSED_DATABASE},	{"55000", DB_REFUSED_DATABASE},
		     {"42501", DB_REFUSED_PRIVILEGE}};

	for (size_t i = 0; i < ARRAY_LEN(known); i++)
		if (strcmp(sqlstate, known[i].state) == 0)
			return known[i].why;
	return DB_REFUSED_NOT;
}

static PGconn *try_place(const struct attempt *a, const struct place *at, unsigned n_left)
{
	PGconn *pg = start(a->o, a->sslmode, a->is_replication, at);
	char error[256] = "", sqlstate[6] = "";

	if (pg && db_drive(pg, share_of(a, n_left), error, sqlstate) == 0)
		return pg;
	if (*sqlstate || (pg && PQconnectionNeedsPassword(pg)))
		*a->why = refusal_of(sqlstate);
	add_error(a, pg ? error : "out of memory");
	PQfinish(pg);
	return NULL;
}

/* n_after: hosts behind this one. */
static PGconn *try_host(const struct attempt *a, struct place *at, unsigned n_after)
{
	struct db_addresses found;
	char error[256] = "";
	PGconn *pg = NULL;

	if (at->hostaddr || !at->host || at->host[0] == '/' || at->host[0] == '@')
		return try_place(a, at, n_after + 1);
	if (db_lookup(at->host, share_of(a, n_after + 1), &found, error)) {
		add_error(a, error);
		return NULL;
	}
	for (unsigned i = 0; !pg && i < found.n; i++) {
		at->hostaddr = found.text[i];
		pg = try_place(a, at, n_after + found.n - i);
	}
	return pg;
}

static unsigned count_of(const char *list)
{
	unsigned n = 1;

	for (; *list; list++)
		n += *list == ',';
	return n;
}

/* Element i of a list, in out; NULL: it is empty. */
static const char *element(const char *list, unsigned i, char out[256])
{
	struct slice rest = slice_str(list), one = slice_cut(&rest, ',');

	while (i--)
		one = slice_cut(&rest, ',');
	snprintf(out, 256, "%.*s", SLICE_ARG(one));
	return *out ? out : NULL;
}

static PGconn *try_hosts(const struct attempt *a, const PQconninfoOption *all, const char *attrs)
{
	const char *hosts = option(all, "host"), *addrs = option(all, "hostaddr"), *ports = option(all, "port");
	unsigned n = count_of(*addrs ? addrs : hosts), n_ports = count_of(ports);
	unsigned first = strcmp(option(all, "load_balance_hosts"), "random") == 0 ? (unsigned)clock_mono_ns() % n : 0;
	char host[256], addr[256], port[256];
	PGconn *pg = NULL;

	/* libpq says what is wrong with lists that do not match */
	if ((*addrs && *hosts && count_of(hosts) != n) || (n_ports > 1 && n_ports != n))
		return try_place(a, &(struct place){.attrs = attrs}, 1);
	for (unsigned k = 0; !pg && k < n; k++) {
		unsigned i = (first + k) % n;
		struct place at = {.host = element(hosts, i, host), .hostaddr = element(addrs, i, addr),
				   .port = element(ports, n_ports > 1 ? i : 0, port), .attrs = attrs};

		pg = try_host(a, &at, n - k - 1);
	}
	return pg;
}

int db_guard_set(PGconn *pg, uint64_t ms, uint64_t deadline_ns, char error[256])
{
	char sql[64];
	int rc = -1, is_cancelled = 1;

	snprintf(sql, sizeof(sql), "SET statement_timeout = %llu", (unsigned long long)ms);
	while (rc && is_cancelled) {
		PGresult *res = PQsendQuery(pg, sql) ? db_result(pg, deadline_ns) : NULL;

		rc = PQresultStatus(res) == PGRES_COMMAND_OK ? 0 : -1;
		is_cancelled = db_error_class(res, "57014") && clock_mono_ns() < deadline_ns;
		if (rc && !is_cancelled)
			db_say(pg, res, error, 256);
		PQclear(res);
	}
	return rc;
}

int db_become_exclusive(PGconn *pg, uint64_t deadline_ns, char error[256])
{
	return run(pg, "RESET default_transaction_read_only; RESET statement_timeout", deadline_ns, error);
}

static PGconn *reach(const struct opts_database *o, int is_replication, uint64_t deadline_ns, char error[256],
		     enum db_refusal *ret_why)
{
	struct attempt a = {.o = o, .is_replication = is_replication, .deadline_ns = deadline_ns, .error = error,
			    .why = ret_why};
	PQconninfoOption *all;
	PGconn *pg = NULL;
	int rule;

	error[0] = 0;
	rule = judge_text(o, error);
	all = rule < 0 ? NULL : options_of(o);
	if (all)	/* of a service file's words, too */
		rule = tls_rule(all, o, error);
	*ret_why = rule < 0 ? DB_REFUSED_CONFIG : DB_REFUSED_NOT;
	if (rule >= 0) {
		/* libpq prefers standbys among the hosts it was given, which are one at a time here */
		int prefers = strcmp(option(all, "target_session_attrs"), "prefer-standby") == 0;

		a.sslmode = rule == 0 ? "verify-full" : NULL;
		pg = try_hosts(&a, all, prefers ? "standby" : NULL);
		if (!pg && prefers)
			pg = try_hosts(&a, all, "any");
	}
	if (!pg)
		db_hide(o, all, error, 256);
	PQconninfoFree(all);
	return pg;
}

uint64_t db_connect_deadline(const struct opts_database *o)
{
	return clock_mono_ns() + o->connect_timeout * CLOCK_MS;
}

PGconn *db_connect(const struct opts_database *o, enum slot_lane lane, uint64_t deadline_ns, char error[256],
		   enum db_refusal *ret_why)
{
	PGconn *pg = reach(o, 0, deadline_ns, error, ret_why);

	if (pg)
		error[0] = 0;
	if (pg && setup(pg, o, lane, deadline_ns, error) != 0) {
		*ret_why = DB_REFUSED_UNFINISHED;
		PQfinish(pg);
		return NULL;
	}
	return pg;
}

PGconn *db_connect_replication(const struct opts_database *o, uint64_t deadline_ns, char error[256], enum db_refusal *ret_why)
{
	return reach(o, 1, deadline_ns, error, ret_why);
}

/* libpq tells only here whether it could make sense of all options; nothing is connected to. */
int db_conninfo_is_whole(const struct opts_database *o)
{
	const char *keys[] = {"dbname", "host", "hostaddr", "port", NULL};
	const char *values[] = {o->conninfo, "/nonexistent/weir", "", "", NULL};

	return PQpingParams(keys, values, 1) != PQPING_NO_ATTEMPT;
}
