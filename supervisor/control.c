/* The control socket: lines in, replies out, on the loop. At most 64 clients, the one that is idle longest makes
 * room; a reader that never reads is cut at 1 MiB. A long command answers when it is done, others go on. */
#include "config.h"
#include "supervisor/weird.h"

#include <grp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/base/check.h"
#include "lib/base/clock.h"
#include "lib/base/list.h"
#include "lib/base/log.h"
#include "lib/ctl/dispatch.h"
#include "lib/ctl/frame.h"
#include "lib/json/jw.h"

#define MAX_CLIENTS 64u
#define IDLE_NS (60 * CLOCK_S)
#define MAX_UNREAD (1u << 20)
#define OPERATORS "weir-adm"

struct control {
	struct weird *w;
	uv_pipe_t server;
	struct list clients;	/* longest idle first */
	unsigned n;
};

struct client {
	uv_pipe_t pipe;
	struct list node;
	struct control *ctl;
	enum ctl_role role;
	uid_t uid;
	uint64_t active_ns;
	char line[CTL_LINE_MAX + 1], rest[CTL_LINE_MAX + 1];
	size_t n, rest_n;	/* rest: commands behind one that is not answered yet */
	size_t unread;
	int is_waiting, wants_json, is_closing, ends;
	struct buf out;
};

struct sent {
	uv_write_t req;
	struct client *c;
	char *p;
	size_t n;
};

static void on_closed(uv_handle_t *h)
{
	struct client *c = h->data;

	buf_done(&c->out);
	free(c);
}

static void client_close(struct client *c)
{
	if (c->is_closing)
		return;
	c->is_closing = 1;
	reload_forget(c->ctl->w, c);
	check_forget(c);
	list_del(&c->node);
	c->ctl->n--;
	uv_close((uv_handle_t *)&c->pipe, on_closed);
}

static void on_sent(uv_write_t *req, int status)
{
	struct sent *s = req->data;
	struct client *c = s->c;

	c->unread -= s->n;
	free(s->p);
	free(s);
	if (status < 0 || (c->ends && c->unread == 0 && !c->is_waiting))
		client_close(c);
}

static void flush(struct client *c)
{
	struct sent *s;
	uv_buf_t b;

	if (!c->out.n || c->is_closing)
		return;
	s = calloc(1, sizeof(*s));
	check(s);
	s->c = c;
	s->p = buf_take(&c->out, &s->n);
	s->req.data = s;
	c->unread += s->n;
	b = uv_buf_init(s->p, (unsigned)s->n);
	if (uv_write(&s->req, (uv_stream_t *)&c->pipe, &b, 1, on_sent)) {
		c->unread -= s->n;
		free(s->p);
		free(s);
		client_close(c);
		return;
	}
	if (c->unread > MAX_UNREAD)
		client_close(c);
}

static void run_lines(struct client *c, struct slice rest);

static void reply(struct client *c, int severity, const char *text, struct slice body)
{
	if (c->wants_json && (body.n == 0 || body.p[0] != '{')) {
		AUTO(buf) struct buf b;
		struct jw w;

		/* a command whose answer is lines: as a document */
		buf_init(&b, 0);
		jw_init(&w, &b);
		jw_object(&w);
		jw_key(&w, "severity");
		jw_i64(&w, severity);
		jw_key(&w, "text");
		jw_str(&w, text);
		jw_key(&w, "lines");
		jw_array(&w);
		while (body.p) {
			struct slice line = slice_cut(&body, '\n');

			if (line.n)
				jw_slice(&w, line);
		}
		jw_array_end(&w);
		jw_object_end(&w);
		ctl_reply(&c->out, (enum ctl_severity)severity, text, buf_slice(&b));
	} else {
		ctl_reply(&c->out, (enum ctl_severity)severity, text, body);
	}
}

/* A long command is done. */
static void on_answer(void *arg, int severity, const char *text, struct slice body)
{
	struct client *c = arg;

	c->is_waiting = 0;
	c->active_ns = clock_mono_ns();
	reply(c, severity, text, body);
	run_lines(c, slice_of(c->rest, c->rest_n));
	flush(c);
}

static void audit(const struct client *c, const struct ctl_command *cmd, int id)
{
	if (cmd_table[id].role != ROLE_user)
		log_info("control: uid %u: %.*s%s%.*s", (unsigned)c->uid, SLICE_ARG(cmd->words[0]),
			 cmd->n_words > 1 ? " " : "", cmd->n_words > 1 ? (int)cmd->words[1].n : 0,
			 cmd->n_words > 1 ? cmd->words[1].p : "");
}

static void run_one(struct client *c, const struct ctl_command *cmd)
{
	struct weird *w = c->ctl->w;
	AUTO(buf) struct buf body, text;
	int id, severity;

	buf_init(&body, 0);
	buf_init(&text, 0);
	c->wants_json = cmd->wants_json;
	id = dispatch(cmd, c->role, &text);
	if (id < 0) {
		reply(c, CTL_FAILED, buf_str(&text), (struct slice){NULL, 0});
		return;
	}
	audit(c, cmd, id);
	if (id == CMD_reload) {
		c->is_waiting = 1;
		reload_ask(w, on_answer, c);
		return;
	}
	if (id == CMD_check) {
		int offline = cmd->n_words > 1 && slice_eq(cmd->words[1], SLICE("offline"));

		if (cmd->n_words > 1 && !offline) {
			reply(c, CTL_FAILED, CTL_SAYS_USAGE "check [offline]", (struct slice){NULL, 0});
			return;
		}
		c->is_waiting = 1;
		check_ask(w, offline, on_answer, c);
		return;
	}
	severity = cmd_run(w, cmd, id, &body, &text);
	reply(c, severity, buf_str(&text), buf_slice(&body));
}

static void run_lines(struct client *c, struct slice rest)
{
	struct ctl_command cmd;
	char copy[CTL_LINE_MAX + 1];
	int rc;

	memcpy(copy, rest.p, rest.n);
	rest.p = copy;
	c->rest_n = 0;
	while ((rc = ctl_parse(&rest, &cmd)) != 0) {
		if (rc < 0) {
			reply(c, CTL_FAILED, "too many words, or a control character", (struct slice){NULL, 0});
			return;
		}
		run_one(c, &cmd);
		if (c->is_waiting) {
			if (rest.p && rest.n) {
				memcpy(c->rest, rest.p, rest.n);
				c->rest_n = rest.n;
			}
			return;
		}
	}
}

static void on_alloc(uv_handle_t *h, size_t suggested, uv_buf_t *b)
{
	struct client *c = h->data;

	(void)suggested;
	*b = uv_buf_init(c->line + c->n, (unsigned)(sizeof(c->line) - c->n));
}

static void take_lines(struct client *c)
{
	char *end;

	while (!c->is_waiting && !c->is_closing && (end = memchr(c->line, '\n', c->n))) {
		size_t used = (size_t)(end - c->line) + 1, n = used - 1;

		if (n && c->line[n - 1] == '\r')
			n--;
		memcpy(c->rest, c->line, n);
		memmove(c->line, c->line + used, c->n - used);
		c->n -= used;
		run_lines(c, slice_of(c->rest, n));
		flush(c);
	}
}

static void on_read(uv_stream_t *s, ssize_t n, const uv_buf_t *b)
{
	struct client *c = s->data;

	(void)b;
	if (n == UV_ENOBUFS) {
		reply(c, CTL_FAILED, "the line is longer than 4096 bytes", (struct slice){NULL, 0});
		uv_read_stop(s);
		c->ends = 1;
		flush(c);
		return;
	}
	if (n < 0) {
		/* the peer may have shut its side and still read an answer */
		c->ends = 1;
		uv_read_stop(s);
		if (!c->is_waiting && c->unread == 0)
			client_close(c);
		return;
	}
	c->n += (size_t)n;
	c->active_ns = clock_mono_ns();
	list_del(&c->node);
	list_add_tail(&c->ctl->clients, &c->node);
	take_lines(c);
}

static int is_in_group(int fd, gid_t gid)
{
	gid_t groups[256];
	socklen_t n = sizeof(groups);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &n))
		return 0;
	for (size_t i = 0; i < n / sizeof(gid_t); i++)
		if (groups[i] == gid)
			return 1;
	return 0;
}

static void set_role(struct client *c)
{
	struct ucred who;
	socklen_t n = sizeof(who);
	const struct group *g;
	int fd;

	c->role = ROLE_user;
	c->uid = (uid_t)-1;
	if (uv_fileno((uv_handle_t *)&c->pipe, &fd) || getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &n))
		return;
	c->uid = who.uid;
	g = getgrnam(OPERATORS);
	if (who.uid == 0 || who.uid == geteuid())
		c->role = ROLE_admin;
	else if (g && (who.gid == g->gr_gid || is_in_group(fd, g->gr_gid)))
		c->role = ROLE_operator;
}

static void on_connection(uv_stream_t *server, int status)
{
	struct control *ctl = server->data;
	struct list *first;
	struct client *c;

	if (status < 0)
		return;
	first = ctl->n >= MAX_CLIENTS ? list_first(&ctl->clients) : NULL;
	if (first)
		client_close(LIST_ENTRY(first, struct client, node));
	c = calloc(1, sizeof(*c));
	check(c);
	c->ctl = ctl;
	c->pipe.data = c;
	buf_init(&c->out, 0);
	c->active_ns = clock_mono_ns();
	uv_pipe_init(ctl->w->loop, &c->pipe, 0);
	list_add_tail(&ctl->clients, &c->node);
	ctl->n++;
	if (uv_accept(server, (uv_stream_t *)&c->pipe)) {
		client_close(c);
		return;
	}
	set_role(c);
	uv_read_start((uv_stream_t *)&c->pipe, on_alloc, on_read);
}

struct control *control_new(struct weird *w, struct listener *l)
{
	struct control *ctl = calloc(1, sizeof(*ctl));

	check(ctl);
	ctl->w = w;
	list_init(&ctl->clients);
	uv_pipe_init(w->loop, &ctl->server, 0);
	ctl->server.data = ctl;
	check(uv_pipe_open(&ctl->server, l->fd) == 0);
	check(uv_listen((uv_stream_t *)&ctl->server, (int)MAX_CLIENTS, on_connection) == 0);
	return ctl;
}

void control_tick(struct control *ctl)
{
	uint64_t now = clock_mono_ns();

	LIST_FOR_SAFE(l, next, &ctl->clients)
	{
		struct client *c = LIST_ENTRY(l, struct client, node);

		if (!c->is_waiting && now - c->active_ns > IDLE_NS)
			client_close(c);
	}
}

static void on_server_closed(uv_handle_t *h)
{
	free(h->data);
}

void control_free(struct control **p)
{
	struct control *ctl = *p;

	if (!ctl)
		return;
	*p = NULL;
	LIST_FOR_SAFE(l, next, &ctl->clients)
		client_close(LIST_ENTRY(l, struct client, node));
	uv_close((uv_handle_t *)&ctl->server, on_server_closed);
}
