/* ceiling: the most that an FastCGI application over libpq can do behind the same web server.
 * Fixed SQL, fixed rendering, one epoll loop a process, pipelined libpq connections. It checks, limits,
 * times and caches nothing, and trusts its web server: a yardstick for tests/bench/run, never a server.
 * Routes: /null (204), /hit and /hit50 (constants of 27 bytes, of 8.8 KB), /row?id=N, /rows12, /rows50?grp=N, /q20?id=N (20 queries in one request).
 * Nothing is shared between its processes but the listener. */
#include "config.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fastcgi.h>
#include <fcntl.h>
#include <libpq-fe.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
	IN_MAX = 16384,      /* a whole request must fit */
	HEAD_MAX = 128,      /* room before the body: record header and response header */
	BODY_MAX = FCGI_MAX_LENGTH - HEAD_MAX, /* one STDOUT record */
	OUT_MAX = 2 * FCGI_MAX_LENGTH,
	EVENTS = 256,
	CONNS_MAX = 8,
	FIFO = 65536,        /* statements in flight on one connection, a power of two */
	Q20 = 20,
	Q20_STEP = 479,      /* the peers step through world in the same way */
	WORLD = 10000,
};

enum sync_mode { SYNC_OWN, SYNC_REQUEST, SYNC_TURN };
enum route { R_NULL, R_ROW, R_ROWS12, R_ROWS50, R_Q20, R_NONE };
enum kind { K_NUMBER, K_TEXT, K_BOOL };

struct column {
	const char *prefix;
	size_t len;
	enum kind kind;
};

#define COLUMN(text, kind) { text, sizeof(text) - 1, kind }
static const struct column world_columns[] = {
	COLUMN("{\"id\":", K_NUMBER),
	COLUMN(",\"randomnumber\":", K_NUMBER),
};
static const struct column fortune_columns[] = {
	COLUMN("{\"id\":", K_NUMBER),
	COLUMN(",\"message\":", K_TEXT),
};
static const struct column item_columns[] = {
	COLUMN("{\"id\":", K_NUMBER),
	COLUMN(",\"name\":", K_TEXT),
	COLUMN(",\"category\":", K_TEXT),
	COLUMN(",\"price\":", K_NUMBER),
	COLUMN(",\"featured\":", K_BOOL),
	COLUMN(",\"description\":", K_TEXT),
};

static const struct stmt {
	const char *name, *sql;
	int params;
	const struct column *columns;
	int n_columns;
} stmts[] = {
	[R_ROW] = { "row", "SELECT id, randomnumber FROM world WHERE id = $1", 1, world_columns, 2 },
	[R_ROWS12] = { "rows12", "SELECT id, message FROM fortune ORDER BY id", 0, fortune_columns, 2 },
	[R_ROWS50] = { "rows50",
		"SELECT id, name, category, price, featured, description FROM item WHERE grp = $1 ORDER BY id",
		1, item_columns, 6 },
};

/* One connection of the web server, with at most one request in flight. */
struct client {
	int fd;
	uint16_t id;         /* FastCGI's request id */
	bool keep, busy, gone;
	enum route route;
	int waiting;         /* statements not yet answered */
	bool failed;
	size_t in_len;
	char *pending;       /* what the socket did not take */
	size_t pending_len, pending_at;
	char *parts;         /* body of /q20 as it grows */
	size_t parts_len;
	struct client *next_free;
	char in[IN_MAX];
};

/* What the server owes on a connection, in order. A client of NULL is a Sync. */
struct conn {
	PGconn *pg;
	int fd;
	struct client *fifo[FIFO];
	unsigned head, tail;
	bool answered;       /* the statement's result was seen, its closing NULL not yet */
	bool dirty;          /* wants a Sync or a flush when the turn ends */
	bool want_write;
};

static enum sync_mode sync_mode = SYNC_OWN;
static int ep;
static struct conn *conns;
static int n_conns = 1;
static struct client *free_clients;
static char out[OUT_MAX];

static void die(const char *what, const char *why)
{
	fprintf(stderr, "ceiling: %s: %s\n", what, why);
	exit(1);
}

/* ---- JSON ---- */

static char *put(char *o, const char *s, size_t n)
{
	memcpy(o, s, n);
	return o + n;
}

static char *put_escaped(char *o, unsigned char c)
{
	static const char hex[] = "0123456789abcdef";
	const char *short_form = "\bb\ff\nn\rr\tt\"\"\\\\";

	for (const char *p = short_form; *p; p += 2) {
		if ((unsigned char)*p == c) {
			*o++ = '\\';
			*o++ = p[1];
			return o;
		}
	}
	o = put(o, "\\u00", 4);
	*o++ = hex[c >> 4];
	*o++ = hex[c & 15];
	return o;
}

/* Eight bytes at a time; the rare word with something to escape goes byte by byte. */
static char *put_text(char *o, const char *s, size_t n)
{
	const uint64_t ones = 0x0101010101010101u, high = 0x8080808080808080u;

	*o++ = '"';
	while (n > 0) {
		size_t step = n < 8 ? n : 8;

		if (step == 8) {
			uint64_t v, quote, slash;

			memcpy(&v, s, 8);
			quote = v ^ (ones * '"');
			slash = v ^ (ones * '\\');
			if (((((v - ones * 0x20) & ~v) | ((quote - ones) & ~quote) | ((slash - ones) & ~slash)) & high) == 0) {
				memcpy(o, &v, 8);
				o += 8;
				s += 8;
				n -= 8;
				continue;
			}
		}
		for (size_t i = 0; i < step; i++) {
			unsigned char c = (unsigned char)s[i];

			if (c < 0x20 || c == '"' || c == '\\')
				o = put_escaped(o, c);
			else
				*o++ = s[i];
		}
		s += step;
		n -= step;
	}
	*o++ = '"';
	return o;
}

/* One row. NULL when it might not fit before `end`. */
static char *put_row(char *o, const char *end, const PGresult *res, int row, const struct stmt *st)
{
	size_t len[8], need = 2;

	for (int i = 0; i < st->n_columns; i++) {
		len[i] = (size_t)PQgetlength(res, row, i);
		need += st->columns[i].len + 6 * len[i] + 8;
	}
	if ((size_t)(end - o) < need)
		return NULL;
	for (int i = 0; i < st->n_columns; i++) {
		const struct column *c = &st->columns[i];
		const char *v = PQgetvalue(res, row, i);

		o = put(o, c->prefix, c->len);
		if (c->kind == K_TEXT)
			o = put_text(o, v, len[i]);
		else if (c->kind == K_NUMBER)
			o = put(o, v, len[i]);
		else if (*v == 't')
			o = put(o, "true", 4);
		else
			o = put(o, "false", 5);
	}
	*o++ = '}';
	return o;
}

static char *put_rows(char *o, const char *end, const PGresult *res, const struct stmt *st)
{
	int rows = PQntuples(res);

	*o++ = '[';
	for (int i = 0; i < rows; i++) {
		if (i > 0)
			*o++ = ',';
		o = put_row(o, end, res, i, st);
		if (!o)
			return NULL;
	}
	*o++ = ']';
	return o;
}

/* ---- FastCGI, out ---- */

static char *put_record(char *o, unsigned type, unsigned id, size_t len)
{
	const unsigned char h[FCGI_HEADER_LEN] = { FCGI_VERSION_1, (unsigned char)type, (unsigned char)(id >> 8),
		(unsigned char)id, (unsigned char)(len >> 8), (unsigned char)len, 0, 0 };

	return put(o, (const char *)h, sizeof h);
}

static void watch(struct client *c, uint32_t events)
{
	struct epoll_event ev = { .events = events, .data.ptr = c };

	epoll_ctl(ep, EPOLL_CTL_MOD, c->fd, &ev);
}

static void client_drop(struct client *c)
{
	if (c->fd >= 0)
		close(c->fd);
	c->fd = -1;
	c->gone = true;
	if (c->waiting > 0)      /* the answers still name it */
		return;
	free(c->pending);
	free(c->parts);
	c->pending = c->parts = NULL;
	c->next_free = free_clients;
	free_clients = c;
}

static void client_send(struct client *c, const char *p, size_t n)
{
	ssize_t sent = send(c->fd, p, n, MSG_NOSIGNAL);

	c->busy = false;
	if (sent == (ssize_t)n) {
		if (!c->keep)
			client_drop(c);
		return;
	}
	if (sent < 0 && errno != EAGAIN) {
		client_drop(c);
		return;
	}
	if (sent < 0)
		sent = 0;
	c->pending_len = n - (size_t)sent;
	c->pending_at = 0;
	c->pending = malloc(c->pending_len);
	if (!c->pending)
		die("memory", "none left");
	memcpy(c->pending, p + sent, c->pending_len);
	watch(c, EPOLLOUT);
}

/* The body lies at out + HEAD_MAX; what comes before it is put before it. */
static void client_reply(struct client *c, const char *status, char *body_end)
{
	char head[HEAD_MAX], *body = out + HEAD_MAX, *start, *o = body_end;
	size_t body_len = (size_t)(body_end - body), head_len;

	if (status)
		head_len = (size_t)snprintf(head, sizeof head, "Status: %s\r\n\r\n", status);
	else
		head_len = (size_t)snprintf(head, sizeof head,
			"Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n", body_len);
	start = body - head_len - FCGI_HEADER_LEN;
	put_record(start, FCGI_STDOUT, c->id, head_len + body_len);
	memcpy(start + FCGI_HEADER_LEN, head, head_len);
	o = put_record(o, FCGI_STDOUT, c->id, 0);
	o = put_record(o, FCGI_END_REQUEST, c->id, 8);
	memset(o, 0, 8);
	client_send(c, start, (size_t)(o + 8 - start));
}

static void client_status(struct client *c, const char *status)
{
	client_reply(c, status, out + HEAD_MAX);
}

/* ---- database ---- */

static void conn_push(struct conn *n, struct client *c)
{
	n->fifo[n->tail++ % FIFO] = c;
	if (n->tail - n->head > FIFO)
		die("statements in flight", "too many");
}

static void conn_sync(struct conn *n)
{
#ifdef HAVE_PQSENDPIPELINESYNC
	int ok = PQsendPipelineSync(n->pg);
#else
	int ok = PQpipelineSync(n->pg);
#endif
	if (!ok)
		die("sync", PQerrorMessage(n->pg));
	conn_push(n, NULL);
}

static void conn_query(struct conn *n, struct client *c, enum route r, uint32_t arg)
{
	const struct stmt *st = &stmts[r];
	uint32_t net = htonl(arg);
	const char *values[1] = { (const char *)&net };
	const int lengths[1] = { sizeof net }, formats[1] = { 1 };

	if (!PQsendQueryPrepared(n->pg, st->name, st->params, values, lengths, formats, 0))
		die("send", PQerrorMessage(n->pg));
	conn_push(n, c);
	c->waiting++;
	n->dirty = true;
	if (sync_mode == SYNC_OWN)
		conn_sync(n);
}

static void conn_interest(struct conn *n, bool write)
{
	struct epoll_event ev = { .events = EPOLLIN | (write ? (uint32_t)EPOLLOUT : 0), .data.ptr = n };

	if (write == n->want_write)
		return;
	n->want_write = write;
	epoll_ctl(ep, EPOLL_CTL_MOD, n->fd, &ev);
}

static void conn_flush(struct conn *n)
{
	int left = PQflush(n->pg);

	if (left < 0)
		die("flush", PQerrorMessage(n->pg));
	conn_interest(n, left > 0);
}

/* The least loaded connection; with one it is that one. */
static struct conn *conn_pick(void)
{
	struct conn *best = &conns[0];

	for (int i = 1; i < n_conns; i++)
		if (conns[i].tail - conns[i].head < best->tail - best->head)
			best = &conns[i];
	return best;
}

static void answer_part(struct client *c, const PGresult *res)
{
	char *o;

	if (!c->parts) {
		c->parts = malloc(BODY_MAX);
		if (!c->parts)
			die("memory", "none left");
		c->parts[0] = '[';
		c->parts_len = 1;
	} else {
		c->parts[c->parts_len++] = ',';
	}
	o = PQntuples(res) ? put_row(c->parts + c->parts_len, c->parts + BODY_MAX - 2, res, 0, &stmts[R_ROW]) : NULL;
	if (!o) {
		c->failed = true;
		return;
	}
	c->parts_len = (size_t)(o - c->parts);
	if (c->waiting == 0)
		c->parts[c->parts_len++] = ']';
}

static void client_step(struct client *c);

static void answer(struct client *c, const PGresult *res)
{
	char *o = out + HEAD_MAX, *end = o + BODY_MAX;

	c->waiting--;
	if (c->gone) {
		if (c->waiting == 0)
			client_drop(c);
		return;
	}
	if (PQresultStatus(res) != PGRES_TUPLES_OK) {
		fprintf(stderr, "ceiling: %s", PQresultErrorMessage(res));
		c->failed = true;
	} else if (c->route == R_Q20) {
		answer_part(c, res);
	}
	if (c->waiting > 0)
		return;
	if (c->failed) {
		client_status(c, "500 Internal Server Error");
	} else if (c->route == R_Q20) {
		o = put(o, c->parts, c->parts_len);
		client_reply(c, NULL, o);
	} else if (c->route == R_ROW && PQntuples(res) == 0) {
		client_status(c, "404 Not Found");
	} else {
		if (c->route == R_ROW)
			o = put_row(o, end, res, 0, &stmts[R_ROW]);
		else
			o = put_rows(o, end, res, &stmts[c->route]);
		if (!o)
			client_status(c, "500 Internal Server Error");
		else
			client_reply(c, NULL, o);
	}
	free(c->parts);
	c->parts = NULL;
	if (!c->gone && c->in_len > 0 && !c->pending)
		client_step(c);
}

static void conn_read(struct conn *n)
{
	if (!PQconsumeInput(n->pg))
		die("read", PQerrorMessage(n->pg));
	while (n->head != n->tail && !PQisBusy(n->pg)) {
		PGresult *res = PQgetResult(n->pg);
		struct client *c = n->fifo[n->head % FIFO];

		if (!res) {      /* closes one statement's results */
			if (!n->answered)
				die("pipeline", "a result without its statement");
			n->answered = false;
			n->head++;
			continue;
		}
		if (PQresultStatus(res) == PGRES_PIPELINE_SYNC) {
			if (c)
				die("pipeline", "an early Sync");
			n->head++;
		} else {
			if (!c)
				die("pipeline", "a result in place of a Sync");
			n->answered = true;
			answer(c, res);
		}
		PQclear(res);
	}
}

static void conn_open(struct conn *n, const char *conninfo)
{
	struct epoll_event ev = { .events = EPOLLIN, .data.ptr = n };

	n->pg = PQconnectdb(conninfo);
	if (PQstatus(n->pg) != CONNECTION_OK)
		die("connect", PQerrorMessage(n->pg));
	for (enum route r = R_ROW; r <= R_ROWS50; r++) {
		PGresult *res = PQprepare(n->pg, stmts[r].name, stmts[r].sql, 0, NULL);

		if (PQresultStatus(res) != PGRES_COMMAND_OK)
			die(stmts[r].name, PQerrorMessage(n->pg));
		PQclear(res);
	}
	if (PQsetnonblocking(n->pg, 1) != 0 || !PQenterPipelineMode(n->pg))
		die("pipeline", PQerrorMessage(n->pg));
	n->fd = PQsocket(n->pg);
	epoll_ctl(ep, EPOLL_CTL_ADD, n->fd, &ev);
}

/* ---- FastCGI, in ---- */

static uint32_t number_of(const char *s, const char *end, const char *name)
{
	size_t len = strlen(name);
	uint32_t v = 0;

	for (; end - s > (ptrdiff_t)len; s++) {
		if (memcmp(s, name, len) == 0) {
			for (s += len; s < end && *s >= '0' && *s <= '9'; s++)
				v = v * 10 + (uint32_t)(*s - '0');
			return v;
		}
	}
	return 0;
}

enum { HIT_BODY = 27, HIT50_BODY = 8800 };

static bool starts(const char *s, size_t n, const char *word)
{
	size_t len = strlen(word);

	return n >= len && memcmp(s, word, len) == 0 && (n == len || s[len] == '?');
}

static size_t param_length(const unsigned char **p, const unsigned char *end)
{
	size_t n;

	if (*p < end && !(**p & 0x80))
		return *(*p)++;
	if (end - *p < 4)
		return SIZE_MAX / 4;
	n = ((size_t)((*p)[0] & 0x7f) << 24) | (size_t)(*p)[1] << 16 | (size_t)(*p)[2] << 8 | (*p)[3];
	*p += 4;
	return n;
}

/* The one parameter that matters here. */
static const char *find_uri(const unsigned char *p, const unsigned char *end, size_t *ret_len)
{
	while (p < end) {
		size_t name = param_length(&p, end), value = param_length(&p, end);

		if (name + value > (size_t)(end - p))
			return NULL;
		if (name == 11 && memcmp(p, "REQUEST_URI", 11) == 0) {
			*ret_len = value;
			return (const char *)p + 11;
		}
		p += name + value;
	}
	return NULL;
}

static void dispatch(struct client *c, const char *uri, size_t len)
{
	struct conn *n = conn_pick();
	const char *end = uri + len;

	c->busy = true;
	c->failed = false;
	if (starts(uri, len, "/null")) {
		client_status(c, "204 No Content");
		return;
	}
	if (starts(uri, len, "/hit") || starts(uri, len, "/hit50")) {
		/* a constant of the size of Weir's cached answer: the null responder with a body */
		size_t size = starts(uri, len, "/hit") ? HIT_BODY : HIT50_BODY;

		memset(out + HEAD_MAX, '0', size);
		client_reply(c, NULL, out + HEAD_MAX + size);
		return;
	}
	if (starts(uri, len, "/row")) {
		c->route = R_ROW;
		conn_query(n, c, R_ROW, number_of(uri, end, "id="));
	} else if (starts(uri, len, "/rows12")) {
		c->route = R_ROWS12;
		conn_query(n, c, R_ROWS12, 0);
	} else if (starts(uri, len, "/rows50")) {
		c->route = R_ROWS50;
		conn_query(n, c, R_ROWS50, number_of(uri, end, "grp="));
	} else if (starts(uri, len, "/q20")) {
		uint32_t id = number_of(uri, end, "id=");

		c->route = R_Q20;
		for (uint32_t i = 0; i < Q20; i++)
			conn_query(n, c, R_ROW, (id + WORLD - 1 + i * Q20_STEP) % WORLD + 1);
	} else {
		client_status(c, "404 Not Found");
		return;
	}
	if (sync_mode == SYNC_REQUEST)
		conn_sync(n);
}

/* Frames as much as is there. A request must lie whole in the buffer, with its parameters in one record,
 * as every web server sends them that has less than 64 KiB of them. */
static void client_step(struct client *c)
{
	const char *uri = NULL;
	size_t uri_len = 0, at = 0;

	while (!c->gone && !c->busy && !c->pending) {
		const unsigned char *h = (const unsigned char *)c->in + at;
		size_t len, whole;

		if (c->in_len - at < FCGI_HEADER_LEN)
			break;
		len = (size_t)h[4] << 8 | h[5];
		whole = FCGI_HEADER_LEN + len + h[6];
		if (c->in_len - at < whole)
			break;
		at += whole;
		if (h[1] == FCGI_BEGIN_REQUEST) {
			c->id = (uint16_t)(h[2] << 8 | h[3]);
			c->keep = h[10] & FCGI_KEEP_CONN;
		} else if (h[1] == FCGI_PARAMS && len > 0) {
			uri = find_uri(h + FCGI_HEADER_LEN, h + FCGI_HEADER_LEN + len, &uri_len);
		} else if (h[1] == FCGI_STDIN && len == 0) {
			struct client *self = c;

			if (!uri) {
				client_drop(c);
				return;
			}
			/* uri points into the buffer: dispatch copies what it needs before the rest is moved */
			dispatch(self, uri, uri_len);
			if (c->gone)
				return;
			c->in_len -= at;
			memmove(c->in, c->in + at, c->in_len);
			at = 0;
			uri = NULL;
		}
	}
	if (c->in_len - at == IN_MAX)
		client_drop(c);
}

static void client_read(struct client *c)
{
	ssize_t n = recv(c->fd, c->in + c->in_len, IN_MAX - c->in_len, 0);

	if (n <= 0) {
		if (n == 0 || errno != EAGAIN)
			client_drop(c);
		return;
	}
	c->in_len += (size_t)n;
	if (!c->busy)
		client_step(c);
}

static void client_write(struct client *c)
{
	ssize_t n = send(c->fd, c->pending + c->pending_at, c->pending_len - c->pending_at, MSG_NOSIGNAL);

	if (n < 0) {
		if (errno != EAGAIN)
			client_drop(c);
		return;
	}
	c->pending_at += (size_t)n;
	if (c->pending_at < c->pending_len)
		return;
	free(c->pending);
	c->pending = NULL;
	if (!c->keep) {
		client_drop(c);
		return;
	}
	watch(c, EPOLLIN);
	client_step(c);
}

/* One accept a wake-up: the other processes get their share of a burst. */
static void client_accept(int listener)
{
	int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	struct client *c = free_clients;
	struct epoll_event ev = { .events = EPOLLIN };

	if (fd < 0)
		return;
	if (c)
		free_clients = c->next_free;
	else
		c = malloc(sizeof *c);
	if (!c)
		die("memory", "none left");
	memset(c, 0, offsetof(struct client, in));
	c->fd = fd;
	ev.data.ptr = c;
	epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev);
}

static bool is_conn(const void *p)
{
	return (const struct conn *)p >= conns && (const struct conn *)p < conns + n_conns;
}

/* Clients first, so that a turn's statements are on their way before its answers are rendered. */
static void turn(int listener, struct epoll_event *ev, int n)
{
	for (int i = 0; i < n; i++) {
		struct client *c = ev[i].data.ptr;

		if (!c)
			client_accept(listener);
		else if (is_conn(c))
			continue;
		else if (c->fd < 0)
			continue;
		else if (ev[i].events & EPOLLOUT)
			client_write(c);
		else
			client_read(c);
	}
	for (int i = 0; i < n_conns; i++) {
		struct conn *k = &conns[i];

		if (k->dirty && sync_mode == SYNC_TURN)
			conn_sync(k);
		if (k->dirty)
			conn_flush(k);
		k->dirty = false;
	}
	for (int i = 0; i < n; i++) {
		if (!ev[i].data.ptr || !is_conn(ev[i].data.ptr))
			continue;
		if (ev[i].events & EPOLLOUT)
			conn_flush(ev[i].data.ptr);
		if (ev[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR))
			conn_read(ev[i].data.ptr);
	}
}

/* Requests that lay behind an answer in the same turn are sent at its end too. */
static void turn_end(void)
{
	for (int i = 0; i < n_conns; i++) {
		struct conn *k = &conns[i];

		if (!k->dirty)
			continue;
		if (sync_mode == SYNC_TURN)
			conn_sync(k);
		conn_flush(k);
		k->dirty = false;
	}
}

static void serve(int listener, const char *conninfo)
{
	static struct epoll_event ev[EVENTS];
	struct epoll_event on_listener = { .events = EPOLLIN | EPOLLEXCLUSIVE };

	ep = epoll_create1(EPOLL_CLOEXEC);
	conns = calloc((size_t)n_conns, sizeof *conns);
	if (ep < 0 || !conns)
		die("start", strerror(errno));
	for (int i = 0; i < n_conns; i++)
		conn_open(&conns[i], conninfo);
	if (epoll_ctl(ep, EPOLL_CTL_ADD, listener, &on_listener) < 0)
		die("epoll", strerror(errno));
	for (;;) {
		int n = epoll_wait(ep, ev, EVENTS, -1);

		if (n < 0 && errno != EINTR)
			die("epoll", strerror(errno));
		if (n > 0) {
			turn(listener, ev, n);
			turn_end();
		}
	}
}

static int listen_on(const char *path)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (strlen(path) >= sizeof a.sun_path)
		die(path, "too long for a socket");
	memcpy(a.sun_path, path, strlen(path) + 1);
	unlink(path);
	if (fd < 0 || bind(fd, (struct sockaddr *)&a, sizeof a) < 0 || listen(fd, 1024) < 0)
		die(path, strerror(errno));
	return fd;
}

static int usage(void)
{
	fputs("usage: ceiling [-l SOCKET] [-d CONNINFO] [-w PROCESSES] [-c CONNECTIONS] [-s own|request|turn]\n"
	      "without -l, descriptor 0 is the listener, one process\n", stderr);
	return 2;
}

int main(int argc, char **argv)
{
	const char *path = NULL, *conninfo = "";
	int opt, workers = 1, listener = 0;

	while ((opt = getopt(argc, argv, "l:d:w:c:s:")) != -1) {
		switch (opt) {
		case 'l': path = optarg; break;
		case 'd': conninfo = optarg; break;
		case 'w': workers = (int)strtol(optarg, NULL, 10); break;
		case 'c': n_conns = (int)strtol(optarg, NULL, 10); break;
		case 's':
			if (strcmp(optarg, "own") == 0)
				sync_mode = SYNC_OWN;
			else if (strcmp(optarg, "request") == 0)
				sync_mode = SYNC_REQUEST;
			else if (strcmp(optarg, "turn") == 0)
				sync_mode = SYNC_TURN;
			else
				return usage();
			break;
		default:
			return usage();
		}
	}
	if (optind < argc || workers < 1 || workers > 64 || n_conns < 1 || n_conns > CONNS_MAX)
		return usage();
	if (path)
		listener = listen_on(path);
	else if (fcntl(0, F_SETFL, O_NONBLOCK) < 0)
		die("descriptor 0", strerror(errno));
	if (workers == 1)
		serve(listener, conninfo);
	for (int i = 0; i < workers; i++) {
		pid_t pid = fork();

		if (pid < 0)
			die("fork", strerror(errno));
		if (pid == 0) {
			prctl(PR_SET_PDEATHSIG, SIGTERM);
			serve(listener, conninfo);
		}
	}
	wait(NULL); /* none ends by itself but in error */
	return 1;
}
