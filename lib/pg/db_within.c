/* libpq without waiting for ever. Its own blocking calls wait in poll(-1): a server that has said who it is and then
 * says nothing would hold their thread for good. Here a connection is non-blocking from its start, and every answer
 * is awaited until a time that was fixed before the question, however slowly its bytes come. */
#include "config.h"

#include "lib/pg/db_priv.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/clock.h"

/* Nothing that is asked here has more to say; who is not known yet, in no answer. */
#define ANSWER_MAX (32u << 20)
#define GREETING_MAX (1u << 20)

/* 1 ready, 0 not in time, -1 never. */
static int await(int fd, short events, uint64_t deadline_ns)
{
	for (;;) {
		uint64_t now = clock_mono_ns();
		struct pollfd pfd = {.fd = fd, .events = events};
		int n;

		if (now >= deadline_ns)
			return 0;
		n = poll(&pfd, 1, (int)((deadline_ns - now) / CLOCK_MS) + 1);
		if (n > 0)
			return 1;
		if (n < 0 && errno != EINTR)
			return -1;
	}
}

int db_wait(PGconn *pg, uint64_t deadline_ns)
{
	uint64_t bytes = 0;

	while (PQisBusy(pg)) {
		int left = PQflush(pg);

		if (await(PQsocket(pg), (short)(left > 0 ? POLLIN | POLLOUT : POLLIN), deadline_ns) <= 0)
			return -1;
		if (!db_consume(pg, DB_READ_MOST, &bytes) || bytes > ANSWER_MAX)
			return -1;
	}
	return 0;
}

PGresult *db_result(PGconn *pg, uint64_t deadline_ns)
{
	PGresult *last = NULL, *res;

	for (;;) {
		if (db_wait(pg, deadline_ns)) {
			PQclear(last);
			return NULL;
		}
		res = PQgetResult(pg);
		if (!res)
			return last;
		PQclear(last);
		last = res;
		/* asked for more, libpq would say the same of a COPY for ever */
		if (PQresultStatus(res) == PGRES_COPY_BOTH)
			return res;
		if (PQresultStatus(res) == PGRES_COPY_IN || PQresultStatus(res) == PGRES_COPY_OUT) {
			PQclear(res);
			return NULL;
		}
	}
}

PGresult *db_exec_until(PGconn *pg, const char *sql, const char *const *values, int n, uint64_t deadline_ns)
{
	return PQsendQueryParams(pg, sql, n, NULL, values, NULL, NULL, 0) ? db_result(pg, deadline_ns) : NULL;
}

PGresult *db_exec_within(PGconn *pg, const char *sql, const char *const *values, int n, int timeout_ms)
{
	return db_exec_until(pg, sql, values, n, clock_mono_ns() + (uint64_t)(unsigned)timeout_ms * CLOCK_MS);
}

void db_say(PGconn *pg, const PGresult *res, char *error, size_t n)
{
	const char *text = res ? PQresultErrorMessage(res) : PQerrorMessage(pg);

	if (text && *text)
		db_one_line(error, n, text);
	else
		snprintf(error, n, "no answer within connect_timeout");
}

/* "… FATAL:  53300: sorry, …\nLOCATION:  InitProcess, proc.c:353": while a session is made, libpq shows an SQLSTATE only
 * in a text that was asked to be verbose. Code and place are taken out of it again. */
static void take_error(PGconn *pg, char error[256], char ret_sqlstate[6])
{
	char text[1024], *line, *code;

	snprintf(text, sizeof(text), "%s", PQerrorMessage(pg));
	while ((line = strrchr(text, '\n')) && (!line[1] || strstr(line, ".c:")))
		*line = 0;
	for (code = strstr(text, ":  "); code; code = strstr(code + 1, ":  ")) {
		size_t n = strspn(code + 3, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ");

		if (n != 5 || code[8] != ':')
			continue;
		memcpy(ret_sqlstate, code + 3, 5);
		ret_sqlstate[5] = 0;
		memmove(code + 2, code + 9, strlen(code + 9) + 1);
		break;
	}
	db_one_line(error, 256, text);
}

int db_drive(PGconn *pg, uint64_t deadline_ns, char error[256], char ret_sqlstate[6])
{
	PostgresPollingStatusType want = PGRES_POLLING_WRITING;
	uint64_t bytes = 0;

	PQsetErrorVerbosity(pg, PQERRORS_VERBOSE);
	while (want != PGRES_POLLING_OK) {
		if (want == PGRES_POLLING_FAILED || PQstatus(pg) == CONNECTION_BAD) {
			take_error(pg, error, ret_sqlstate);
			return -1;
		}
		if (await(PQsocket(pg), want == PGRES_POLLING_READING ? POLLIN : POLLOUT, deadline_ns) <= 0) {
			snprintf(error, 256, "no answer within connect_timeout");
			return -1;
		}
		(void)db_taken();
		want = PQconnectPoll(pg);
		bytes += db_taken();
		if (bytes > GREETING_MAX) {
			snprintf(error, 256, "it says more than a server does that is connected to");
			return -1;
		}
	}
	PQsetErrorVerbosity(pg, PQERRORS_DEFAULT);
	/* from here on nothing of it blocks, its goodbye neither */
	if (PQsetnonblocking(pg, 1) == 0)
		return 0;
	db_one_line(error, 256, PQerrorMessage(pg));
	return -1;
}
