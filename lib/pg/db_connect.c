/* A session, made by a thread that may block: name look-up, TLS, authentication, session settings.
 * PQconnectPoll is driven by our own timer because libpq's connect_timeout is in whole seconds and not
 * applied by PQconnectPoll at all. */
#include "config.h"

#include "lib/pg/db_priv.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/clock.h"
#include "lib/base/num.h"
#include "lib/conf/options.h"

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

static PGconn *start(const struct opts_database *o, const char *sslmode, int is_replication)
{
	/* in front of dbname, so that the conninfo overrides them */
	const char *keys[16], *values[16];
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
#undef ADD
	keys[n] = values[n] = NULL;
	return PQconnectStartParams(keys, values, 1);
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

/* The rule over what the conninfo itself says: before a name is looked up or a packet sent. What a service file
 * adds is known only once libpq has started. */
static int rule_of_text(const struct opts_database *o, char error[256])
{
	PQconninfoOption *all = PQconninfoParse(o->conninfo, NULL);
	int rc = all ? tls_rule(all, o, error) : 1;

	PQconninfoFree(all);
	return rc;
}

int db_conninfo_check(const struct opts_database *o, struct buf *ret_why)
{
	char error[256] = "", *said = NULL;
	PQconninfoOption *all = PQconninfoParse(o->conninfo, &said);
	int rc = !all || tls_rule(all, o, error) < 0 ? -1 : 0;

	if (!all)
		db_one_line(error, sizeof(error), said ? said : "not understood");
	PQfreemem(said);
	PQconninfoFree(all);
	buf_adds(ret_why, error);
	return rc;
}

static int rule_of_started(PGconn *pg, const struct opts_database *o, char error[256])
{
	PQconninfoOption *all = PQconninfo(pg);
	int rc = tls_rule(all, o, error);

	PQconninfoFree(all);
	return rc;
}

int db_wait_readable(int fd, uint64_t deadline_ns)
{
	for (;;) {
		uint64_t now = clock_mono_ns();
		struct pollfd pfd = {.fd = fd, .events = POLLIN};
		int n;

		if (now >= deadline_ns)
			return -1;
		n = poll(&pfd, 1, (int)((deadline_ns - now) / CLOCK_MS) + 1);
		if (n > 0)
			return 0;
		if (n < 0 && errno != EINTR)
			return -1;
	}
}

static int drive(PGconn *pg, uint64_t deadline_ns, char error[256])
{
	PostgresPollingStatusType want = PGRES_POLLING_WRITING;

	while (want != PGRES_POLLING_OK) {
		uint64_t now = clock_mono_ns();
		struct pollfd pfd = {.fd = PQsocket(pg)};

		if (want == PGRES_POLLING_FAILED || PQstatus(pg) == CONNECTION_BAD) {
			db_one_line(error, 256, PQerrorMessage(pg));
			return -1;
		}
		if (now >= deadline_ns) {
			snprintf(error, 256, "no answer within connect_timeout");
			return -1;
		}
		pfd.events = want == PGRES_POLLING_READING ? POLLIN : POLLOUT;
		if (poll(&pfd, 1, (int)((deadline_ns - now) / CLOCK_MS) + 1) > 0)
			want = PQconnectPoll(pg);
	}
	return 0;
}

static int run(PGconn *pg, const char *sql, char error[256])
{
	PGresult *res = PQexec(pg, sql);
	ExecStatusType st = PQresultStatus(res);

	if (st != PGRES_COMMAND_OK && st != PGRES_TUPLES_OK)
		db_one_line(error, 256, PQresultErrorMessage(res));
	PQclear(res);
	return st == PGRES_COMMAND_OK || st == PGRES_TUPLES_OK ? 0 : -1;
}

static int prepare(PGconn *pg, const char *name, const char *sql, char error[256])
{
	PGresult *res = PQprepare(pg, name, sql, 0, NULL);
	int ok = PQresultStatus(res) == PGRES_COMMAND_OK;

	if (!ok)
		db_one_line(error, 256, PQresultErrorMessage(res));
	PQclear(res);
	return ok ? 0 : -1;
}

/* The session's constants. claims read '' from the start, not NULL. */
static int setup(PGconn *pg, const struct opts_database *o, enum slot_lane lane, char error[256])
{
	struct buf sql;
	char *zone;
	int rc = -1;

	if (o->pooler)
		return 0;
	zone = PQescapeLiteral(pg, o->timezone, strlen(o->timezone));
	if (!zone)
		return -1;
	buf_init(&sql, 0);
	buf_addf(&sql, "SET DateStyle = 'ISO, YMD'; SET IntervalStyle = 'postgres'; SET TimeZone = %s;"
		       "SET bytea_output = 'hex'; SET extra_float_digits = 1;"
		       "SET idle_in_transaction_session_timeout = '10s';"
		       "SELECT set_config('request.user', '', false), set_config('request.jwt.claims', '', false);",
		 zone);
	if (PQserverVersion(pg) >= 140000)
		buf_adds(&sql, "SET client_connection_check_interval = '500ms';");
	if (lane == LANE_EXPRESS)
		buf_addf(&sql, "SET default_transaction_read_only = on; SET statement_timeout = %llu;",
			 (unsigned long long)o->express_guard);
	PQfreemem(zone);
	if (run(pg, buf_str(&sql), error) == 0 && prepare(pg, DB_CONFIG_STMT, DB_CONFIG_SQL, error) == 0 &&
	    prepare(pg, DB_USER_STMT, DB_USER_SQL, error) == 0 && prepare(pg, DB_CLAIMS_STMT, DB_CLAIMS_SQL, error) == 0 &&
	    prepare(pg, DB_XID_STMT, DB_XID_SQL, error) == 0)
		rc = 0;
	buf_done(&sql);
	return rc;
}

static PGconn *reach(const struct opts_database *o, int is_replication, int timeout_ms, char error[256],
		     int *ret_is_config_error)
{
	uint64_t deadline = clock_mono_ns() + (uint64_t)(unsigned)timeout_ms * CLOCK_MS;
	PGconn *pg;
	int rule;

	error[0] = 0;
	*ret_is_config_error = 0;
	rule = rule_of_text(o, error);
	if (rule < 0) {
		*ret_is_config_error = 1;
		return NULL;
	}
	pg = start(o, rule == 0 ? "verify-full" : NULL, is_replication);
	if (!pg) {
		snprintf(error, 256, "out of memory");
		return NULL;
	}
	/* of a service file's words, too: the socket's connect has begun, nothing is sent yet */
	rule = PQstatus(pg) == CONNECTION_BAD ? 1 : rule_of_started(pg, o, error);
	if (rule == 0) {
		PQfinish(pg);
		pg = start(o, "verify-full", is_replication);
	}
	if (rule < 0 || !pg || drive(pg, deadline, error) != 0) {
		*ret_is_config_error = rule < 0;
		PQfinish(pg);
		return NULL;
	}
	return pg;
}

PGconn *db_connect(const struct opts_database *o, enum slot_lane lane, int timeout_ms, char error[256],
		   int *ret_is_config_error)
{
	PGconn *pg = reach(o, 0, timeout_ms, error, ret_is_config_error);

	if (pg && setup(pg, o, lane, error) != 0) {
		PQfinish(pg);
		return NULL;
	}
	return pg;
}

PGconn *db_connect_replication(const struct opts_database *o, int timeout_ms, char error[256], int *ret_is_config_error)
{
	return reach(o, 1, timeout_ms, error, ret_is_config_error);
}
