/* control: the server side of the control socket.
 * Bounds: 64 clients, the oldest idle one leaves for a newcomer; a line ≤ 4096 bytes; 60 s without a command; a client
 * whose last reply is unread gets no further command run, so what waits is one reply, and a
 * reader that takes nothing for 10 s while more than 1 MiB waits, or for 60 s at all, is cut. */
#include "config.h"
#include "supervisor/control.h"

#include <errno.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/base/check.h"
#include "lib/base/clock.h"
#include "lib/base/list.h"
#include "lib/base/log.h"
#include "lib/base/visible.h"
#include "lib/json/jw.h"
#include "supervisor/table.h"
#include "supervisor/weird.h"

#define CLIENTS_MAX 64u
#define IDLE_NS (60 * CLOCK_S)
#define STUCK_NS (10 * CLOCK_S)
#define UNREAD_MAX (1u << 20)
#define REPLY_MAX (64u << 20)

struct client {
	struct list all;
	uv_poll_t poll;
	struct weird *w;
	int fd;
	int events;
	uint64_t id;
	uid_t uid;
	pid_t pid;
	enum ctl_role role;
	uint64_t active_ns;	/* last command or last byte taken */
	char in[CTL_LINE_MAX + 2];
	size_t n_in;
	char line[CTL_LINE_MAX + 1];	/* the line being carried out */
	struct slice rest;	/* of it */
	struct buf out;
	size_t out_at;
	int is_busy;		/* an asynchronous command is under way */
	int is_eof, is_closing;
};

struct control {
	uv_poll_t poll;
	struct listener listener;
	struct list clients;	/* oldest activity first is found by looking */
	unsigned n;
	uint64_t next_id;
	gid_t operators;	/* (gid_t)-1: no such group */
};

static const cmd_f handlers[CMD_COUNT] = {
#define CMD(id, ...) [CMD_##id] = cmd_##id,
#include "lib/tbl/commands.h"
};

static void on_client(uv_poll_t *poll, int status, int events);

static void on_closed(uv_handle_t *h)
{
	struct client *c = CONTAINER_OF((uv_poll_t *)(void *)h, struct client, poll);

	close(c->fd);
	buf_done(&c->out);
	free(c);
}

static void drop(struct client *c)
{
	if (c->is_closing)
		return;
	c->is_closing = 1;
	list_del(&c->all);
	c->w->control->n--;
	uv_close((uv_handle_t *)&c->poll, on_closed);
}

static size_t unread(const struct client *c)
{
	return c->out.n - c->out_at;
}

/* Read while there is room for a line and nothing is under way; write while something waits. */
static void want(struct client *c)
{
	int events = 0;

	if (c->is_closing)
		return;
	if (!c->is_eof && c->n_in < sizeof(c->in))
		events |= UV_READABLE;
	if (unread(c))
		events |= UV_WRITABLE;
	if (events == c->events)
		return;
	c->events = events;
	if (events)
		uv_poll_start(&c->poll, events, on_client);
	else
		uv_poll_stop(&c->poll);
}

static void flush(struct client *c)
{
	while (unread(c)) {
		ssize_t r = send(c->fd, c->out.p + c->out_at, unread(c), MSG_NOSIGNAL | MSG_DONTWAIT);

		if (r < 0) {
			if (errno != EAGAIN && errno != EINTR)
				drop(c);
			return;
		}
		c->out_at += (size_t)r;
		c->active_ns = clock_mono_ns();
	}
	buf_clear(&c->out);
	c->out_at = 0;
}

/* A reply that can be shown on any terminal, whatever the data hold. */
static void say(struct client *c, enum ctl_severity sev, const char *text, struct slice body, int is_json)
{
	AUTO(buf) struct buf first;
	AUTO(buf) struct buf rest;

	buf_init(&first, 0);
	buf_init(&rest, 0);
	visible_add(&first, slice_str(text), 1);
	if (is_json && body.n && (body.p[0] == '{' || body.p[0] == '['))
		jw_shown(&rest, body);
	else
		visible_add(&rest, body, 1);
	ctl_reply(&c->out, sev, buf_str(&first), buf_slice(&rest));
}

/* ---- commands ---- */

static int changes_something(enum cmd_id id)
{
	return cmd_table[id].role > ROLE_user;
}

static void run_command(struct client *c, const struct ctl_command *cmd)
{
	struct call call = {.w = c->w,
			    .cmd = cmd,
			    .asker = {.client = c->id, .wants_json = cmd->wants_json},
			    .role = c->role,
			    .severity = CTL_DONE,
			    .text = "ok"};
	AUTO(buf) struct buf why;
	int id;

	buf_init(&why, 0);
	buf_init(&call.body, REPLY_MAX);
	table_set_width(cmd->width);
	id = dispatch(cmd, c->role, &why);
	if (id < 0) {
		say(c, CTL_FAILED, buf_str(&why), (struct slice){0}, 0);
	} else {
		if (changes_something((enum cmd_id)id)) {
			log_info("control: uid %u pid %d: %.*s", (unsigned)c->uid, (int)c->pid, SLICE_ARG(cmd->source));
		}
		/* Busy first: an asynchronous command may be answered before its handler returns. */
		c->is_busy = 1;
		handlers[id](&call);
		if (!call.is_async) {
			c->is_busy = 0;
			say(c, call.severity, call.text, buf_slice(&call.body), cmd->wants_json);
		}
	}
	buf_done(&call.body);
}

/* Take the next whole line out of c->in. 1 a line, 0 none. */
static int take_line(struct client *c)
{
	const char *nl = memchr(c->in, '\n', c->n_in);
	size_t n;

	if (!nl) {
		if (c->n_in > CTL_LINE_MAX) {
			char why[80];

			snprintf(why, sizeof(why), CTL_SAYS_USAGE "a line is longer than %u bytes", CTL_LINE_MAX);
			ctl_reply(&c->out, CTL_FAILED, why, (struct slice){0});
			c->is_eof = 1;
			c->n_in = 0;
		}
		return 0;
	}
	n = (size_t)(nl - c->in);
	if (n > CTL_LINE_MAX)
		n = CTL_LINE_MAX;
	memcpy(c->line, c->in, n);
	if (n && c->line[n - 1] == '\r')
		n--;
	c->rest = slice_of(c->line, n);
	n = (size_t)(nl - c->in) + 1;
	memmove(c->in, c->in + n, c->n_in - n);
	c->n_in -= n;
	return 1;
}

/* Carry out what is there until something must be waited for. */
static void proceed(struct client *c)
{
	while (!c->is_closing && !c->is_busy && unread(c) == 0) {
		struct ctl_command cmd;
		int r = ctl_parse(&c->rest, &cmd);

		if (r == 0) {
			if (take_line(c))
				continue;
			if (unread(c) == 0) {
				if (c->is_eof)
					drop(c);
				break;
			}
		} else if (r < 0) {
			ctl_reply(&c->out, CTL_FAILED,
				  CTL_SAYS_USAGE "too many words, an open quote, or bytes that are no UTF-8 text",
				  (struct slice){0});
		} else {
			c->active_ns = clock_mono_ns();
			run_command(c, &cmd);
		}
		flush(c);
	}
	want(c);
}

static void on_client(uv_poll_t *poll, int status, int events)
{
	struct client *c = CONTAINER_OF(poll, struct client, poll);
	ssize_t r;

	if (status < 0) {
		drop(c);
		return;
	}
	if (events & UV_WRITABLE)
		flush(c);
	if (!c->is_closing && (events & UV_READABLE) && c->n_in < sizeof(c->in)) {
		r = recv(c->fd, c->in + c->n_in, sizeof(c->in) - c->n_in, MSG_DONTWAIT);
		if (r > 0)
			c->n_in += (size_t)r;
		else if (r == 0)
			c->is_eof = 1;
		else if (errno != EAGAIN && errno != EINTR)
			drop(c);
	}
	if (!c->is_closing)
		proceed(c);
}

void control_answer(struct weird *w, const struct asker *a, enum ctl_severity sev, const char *text,
		    struct slice body)
{
	if (!a->client || !w->control)
		return;
	LIST_FOR(it, &w->control->clients) {
		struct client *c = LIST_ENTRY(it, struct client, all);

		if (c->id != a->client)
			continue;
		say(c, sev, text, body, a->wants_json);
		c->is_busy = 0;
		c->active_ns = clock_mono_ns();
		flush(c);
		if (!c->is_closing)
			proceed(c);
		return;
	}
}

/* ---- clients ---- */

static int is_in_group(int fd, const struct ucred *cred, gid_t group)
{
	gid_t groups[256];
	socklen_t len = sizeof(groups);

	if (group == (gid_t)-1)
		return 0;
	if (cred->gid == group)
		return 1;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &len))
		return 0;
	for (size_t i = 0; i < len / sizeof(*groups); i++)
		if (groups[i] == group)
			return 1;
	return 0;
}

static int make_room(struct control *k)
{
	struct client *oldest = NULL;

	if (k->n < CLIENTS_MAX)
		return 1;
	LIST_FOR(it, &k->clients) {
		struct client *c = LIST_ENTRY(it, struct client, all);

		if (!c->is_busy && (!oldest || c->active_ns < oldest->active_ns))
			oldest = c;
	}
	if (!oldest)
		return 0;
	drop(oldest);
	return 1;
}

static void on_connect(uv_poll_t *poll, int status, int events)
{
	struct control *k = CONTAINER_OF(poll, struct control, poll);
	struct weird *w = poll->data;
	struct ucred cred = {0};
	socklen_t len = sizeof(cred);
	struct client *c;
	int fd;

	(void)events;
	if (status < 0)
		return;
	fd = accept4(k->listener.fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (fd < 0)
		return;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) || !make_room(k)) {
		close(fd);
		return;
	}
	c = calloc(1, sizeof(*c));
	check(c);
	c->w = w;
	c->fd = fd;
	c->id = ++k->next_id;
	c->uid = cred.uid;
	c->pid = cred.pid;
	c->active_ns = clock_mono_ns();
	c->role = cred.uid == 0 || cred.uid == geteuid()   ? ROLE_admin
		  : is_in_group(fd, &cred, k->operators) ? ROLE_operator
							 : ROLE_user;
	buf_init(&c->out, 0);
	if (uv_poll_init(w->loop, &c->poll, fd)) {
		close(fd);
		free(c);
		return;
	}
	list_add_tail(&k->clients, &c->all);
	k->n++;
	want(c);
}

void control_tick(struct weird *w)
{
	uint64_t now = clock_mono_ns();

	if (!w->control)
		return;
	LIST_FOR_SAFE(it, next, &w->control->clients) {
		struct client *c = LIST_ENTRY(it, struct client, all);
		uint64_t age = now - c->active_ns;

		if ((!c->is_busy && age > IDLE_NS) || (unread(c) > UNREAD_MAX && age > STUCK_NS))
			drop(c);
	}
}

unsigned control_clients(const struct weird *w)
{
	return w->control ? w->control->n : 0;
}

/* May this process give a file to the group? */
static int is_ours(gid_t group)
{
	gid_t groups[256];
	int n = getgroups((int)ARRAY_LEN(groups), groups);

	if (geteuid() == 0 || getegid() == group)
		return 1;
	for (int i = 0; i < n; i++)
		if (groups[i] == group)
			return 1;
	return 0;
}

int control_open(struct weird *w, struct err *e)
{
	const struct options *o = &w->gen->s.options;
	const struct group *gr = o->control_group[0] ? getgrnam(o->control_group) : NULL;
	struct listen_how how = {.mode = o->control_mode, .backlog = 128};
	struct control *k = calloc(1, sizeof(*k));
	int r;

	check(k);
	list_init(&k->clients);
	k->operators = gr ? gr->gr_gid : (gid_t)-1;
	/* Without it they may not even connect. The default group need not be there, or be ours to give. */
	if (gr && is_ours(gr->gr_gid))
		how.group = o->control_group;
	else if (gr)
		log_warn("control socket: only root and the user of weird reach it: that user is not in the group %s (control_group)",
			 o->control_group);
	r = listen_open(&k->listener, o->control, &how, e);
	if (r) {
		free(k);
		return r;
	}
	if (uv_poll_init(w->loop, &k->poll, k->listener.fd))
		return err_set(e, E_io, "control socket: cannot be polled");
	k->poll.data = w;
	uv_poll_start(&k->poll, UV_READABLE, on_connect);
	w->control = k;
	return 0;
}

void control_close(struct weird *w)
{
	struct control *k = w->control;

	if (!k)
		return;
	LIST_FOR_SAFE(it, next, &k->clients) {
		struct client *c = LIST_ENTRY(it, struct client, all);

		flush(c);
		drop(c);
	}
	uv_poll_stop(&k->poll);
	uv_close((uv_handle_t *)&k->poll, NULL);
	listen_close(&k->listener, 1);
}
