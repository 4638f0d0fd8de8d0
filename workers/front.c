/* The tricky part is who may free a connection when: ops may end a request, and with it the
 * connection, while the pump that called them is still on the stack. So closing only marks it
 * FRONT_CLOSED and lets libuv call back; the pump looks at the state after every call. */
#include "config.h"

#include "workers/front.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/base/check.h"
#include "lib/base/clock.h"
#include "lib/base/net.h"
#include "lib/shm/metrics.h"
#include "workers/keeper.h"

#define DROP_NS (5 * CLOCK_S)
#define LINGER_MAX (256u * 1024)
#define LINGER_NS CLOCK_S
#define MAX_FREE_BUFFERS 256u

static void pump(struct front_conn *c);
static void on_event(uv_poll_t *h, int status, int events);

static void buffer_take(struct front_conn *c)
{
	struct front *f = c->front;
	struct list *l = list_first(&f->free_buffers);

	if (l) {
		list_del(l);
		f->n_free--;
		c->buf = (char *)l;
	} else if (!(c->buf = malloc(FRONT_BUFFER))) {
		abort();
	}
	c->cap = FRONT_BUFFER;
}

static void buffer_give(struct front_conn *c)
{
	struct front *f = c->front;

	if (!c->buf)
		return;
	if (c->cap == FRONT_BUFFER && f->n_free < MAX_FREE_BUFFERS) {
		list_add_head(&f->free_buffers, (struct list *)(void *)c->buf);
		f->n_free++;
	} else {
		free(c->buf);
	}
	c->buf = NULL;
	c->cap = c->n = 0;
}

/* Only while a head is incomplete, up to its cap and one record of slack. */
static int buffer_grow(struct front_conn *c)
{
	size_t max = c->front->limits.max_params + FRONT_BUFFER;
	size_t cap = c->cap * 2 < max ? c->cap * 2 : max;
	char *p;

	if (c->cap >= max || !(p = realloc(c->buf, cap)))
		return -1;
	c->buf = p;
	c->cap = cap;
	return 0;
}

/* ---- for the case that this process is killed ---- */

void front_once(struct front_conn *c)
{
	c->is_kept = 0;
	if (c->front->keeper)
		keeper_forget(c->front->keeper, c->fd);
}

static void keep_parked(struct front_conn *c)
{
	if (!c->front->keeper)
		return;
	c->is_kept = 1;
	keeper_park(c->front->keeper, c->fd);
}

static ssize_t read_some(struct front_conn *c)
{
	ssize_t r = -2;

	if (c->is_kept)
		r = keeper_recv(c->front->keeper, c->fd, c->buf + c->n, c->cap - c->n);
	if (r == -2) {
		c->is_kept = 0;
		r = recv(c->fd, c->buf + c->n, c->cap - c->n, MSG_DONTWAIT);
	}
	return r;
}

static void want(struct front_conn *c, int events)
{
	if (c->events == events || c->state == FRONT_CLOSED)
		return;
	c->events = events;
	check(uv_poll_start(&c->poll, events, on_event) == 0);
}

static void want_read(struct front_conn *c, int on)
{
	want(c, (on ? UV_READABLE : 0) | UV_DISCONNECT | (c->is_sending ? UV_WRITABLE : 0));
}

static void on_closed(uv_handle_t *h)
{
	struct front_conn *c = h->data;

	close(c->fd);
	if (c->front->keeper)
		keeper_closed(c->front->keeper, c->fd);
	free(c);
}

void front_close(struct front_conn *c)
{
	struct front *f = c->front;

	if (c->state == FRONT_CLOSED)
		return;
	if (c->state == FRONT_IDLE)
		f->n_parked--;
	front_once(c);
	c->state = FRONT_CLOSED;
	f->n_open--;
	list_del(&c->node);
	wheel_stop(f->wheel, &c->timer);
	buffer_give(c);
	uv_poll_stop(&c->poll);
	uv_close((uv_handle_t *)&c->poll, on_closed);
}

/* The peer is gone or broke the rules. */
static void gone(struct front_conn *c)
{
	if (c->req)
		c->front->ops->on_gone(c, E_ok);
	check(c->req == NULL);
	front_close(c);
}

void front_abort(struct front_conn *c)
{
	gone(c);
}

/* shutdown, then wait for the peer's end: closing with unread bytes resets the connection, and the
 * web server would lose a reply it has not read yet. */
static void linger(struct front_conn *c)
{
	if (c->state == FRONT_IDLE)
		c->front->n_parked--;
	front_once(c);
	c->state = FRONT_LINGER;
	c->n = 0;
	c->dropped = 0;
	shutdown(c->fd, SHUT_WR);
	want_read(c, 1);
	wheel_start(c->front->wheel, &c->timer, c->front->now_ns + LINGER_NS);
}

static void park(struct front_conn *c)
{
	struct front *f = c->front;

	buffer_give(c);
	if (c->state != FRONT_IDLE) {
		c->state = FRONT_IDLE;
		f->n_parked++;
	}
	if (f->is_draining) {
		uv_poll_stop(&c->poll);	/* epoll's registration lives on in the other process otherwise */
		c->events = 0;
		front_once(c);		/* or two would have it */
		if (f->ops->on_park(c) != -EAGAIN) {
			front_close(c);
			return;
		}
		/* weird reads slower than we send: it stays ours, and is offered again in the next turn */
	}
	keep_parked(c);
	want_read(c, 1);
	wheel_start(f->wheel, &c->timer, f->now_ns + f->limits.idle_ns);
}

static void on_timer(struct wheel_timer *t)
{
	struct front_conn *c = CONTAINER_OF(t, struct front_conn, timer);
	struct front *f = c->front;

	switch (c->state) {
	case FRONT_HEAD:
		metric_add(&f->metrics->proto_timeout, 1);
		front_close(c);
		break;
	case FRONT_BODY:
		if (c->req && !c->is_sending) {
			c->close_after_reply = 1;
			f->ops->on_gone(c, E_request_timeout);
			break;
		}
		gone(c);
		break;
	case FRONT_RUN:		/* a reader that takes nothing */
		gone(c);
		break;
	case FRONT_IDLE:
	case FRONT_LINGER:
		front_close(c);
		break;
	case FRONT_CLOSED:
		break;
	}
}

static struct front_conn *conn_new(struct front *f, int fd, int is_tcp)
{
	struct front_conn *c = calloc(1, sizeof(*c));

	if (!c)
		abort();
	c->front = f;
	c->fd = fd;
	c->is_tcp = (unsigned char)is_tcp;
	gate_init(&c->gate, f->limits.max_params, f->limits.max_conns);
	wheel_timer_init(&c->timer, on_timer);
	if (uv_poll_init(f->loop, &c->poll, fd)) {
		close(fd);
		free(c);
		return NULL;
	}
	c->poll.data = c;
	list_add_tail(&f->conns, &c->node);
	f->n_open++;
	f->n_parked++;
	c->state = FRONT_IDLE;
	keep_parked(c);
	return c;
}

/* The response is out. */
static void sent(struct front_conn *c)
{
	c->is_sending = 0;
	wheel_stop(c->front->wheel, &c->timer);
}

int front_send(struct front_conn *c, struct slice head, struct slice body)
{
	int rc;

	response_init(&c->response, c->gate.id, head, body);
	if (c->front->keeper) {
		int is_last = c->state == FRONT_RUN && c->keep && !c->n && !c->close_after_reply;

		c->response.by = keeper_answer(c->front->keeper, c->fd, c->is_kept, is_last ? c->response.total : UINT64_MAX);
		c->is_kept = 0;
	}
	rc = response_send(&c->response, c->fd);
	if (rc < 0) {
		c->close_after_reply = 1;
		return -1;
	}
	if (rc > 0)
		return 1;
	c->is_sending = 1;
	want(c, c->events | UV_WRITABLE);
	wheel_start(c->front->wheel, &c->timer, c->front->now_ns + c->front->limits.write_ns);
	return 0;
}

void front_finish(struct front_conn *c)
{
	struct front *f = c->front;

	c->req = NULL;
	if (c->state == FRONT_CLOSED)
		return;
	if (c->close_after_reply || (c->state == FRONT_RUN && !c->keep)) {
		linger(c);
		return;
	}
	if (c->state == FRONT_BODY) {
		/* an early reply: drop the rest of the body within bounds, then keep the connection */
		c->dropped = 0;
		wheel_start(f->wheel, &c->timer, f->now_ns + DROP_NS);
		want_read(c, 1);
		return;
	}
	c->state = FRONT_HEAD;	/* so that pump decides */
	if (!c->in_pump)
		pump(c);
}

static void need(struct front_conn *c)
{
	struct front *f = c->front;

	if (c->n == 0 && gate_is_idle(&c->gate, 0)) {
		park(c);
		return;
	}
	if (c->state == FRONT_IDLE || c->state == FRONT_HEAD) {
		if (c->state == FRONT_IDLE)
			f->n_parked--;
		c->state = FRONT_HEAD;
		if (c->begin_ns == 0)
			c->begin_ns = f->now_ns;
		if (!c->timer.due_ns)
			wheel_start(f->wheel, &c->timer, c->begin_ns + f->limits.header_ns);
	}
	want_read(c, 1);
}

static void refuse(struct front_conn *c, const struct gate_out *out)
{
	struct front *f = c->front;

	front_once(c);
	metric_add(&f->metrics->proto_refused, 1);
	if (out->reply_n) {
		(void)!send(c->fd, out->reply, out->reply_n, MSG_DONTWAIT | MSG_NOSIGNAL);
		linger(c);
		return;
	}
	if (c->req) {
		f->ops->on_gone(c, E_ok);
		front_close(c);
		return;
	}
	c->close_after_reply = 1;
	if (c->state == FRONT_IDLE)
		f->n_parked--;
	c->state = FRONT_RUN;
	c->gate.id = out->id;
	f->ops->on_refuse(c, out->error);
}

static void aborted(struct front_conn *c, const struct gate_out *out)
{
	front_once(c);
	if (c->req)
		c->front->ops->on_gone(c, E_ok);
	if (out->reply_n)
		(void)!send(c->fd, out->reply, out->reply_n, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (out->must_close || !c->keep)
		linger(c);
	else
		c->state = FRONT_HEAD;
}

static void take_head(struct front_conn *c, const struct gate_out *out)
{
	struct front *f = c->front;

	if (c->state == FRONT_IDLE)
		f->n_parked--;
	c->state = FRONT_BODY;
	c->keep = out->keep_conn != 0;
	c->close_after_reply = 0;
	wheel_start(f->wheel, &c->timer, f->now_ns + f->limits.body_ns);
	f->ops->on_head(c, out);
}

static void take_body(struct front_conn *c, struct slice piece)
{
	if (c->req) {
		c->front->ops->on_body(c, piece);
		return;
	}
	c->dropped += (uint32_t)piece.n;
	if (c->dropped > FRONT_DROP_MAX)
		linger(c);
}

static void take_end(struct front_conn *c)
{
	if (!c->is_sending)
		wheel_stop(c->front->wheel, &c->timer);
	c->state = FRONT_RUN;
	c->begin_ns = 0;
	if (c->req)
		c->front->ops->on_end(c);
	else
		front_finish(c);	/* the reply left early */
}

/* Bytes that arrive while the request runs: an ABORT of it is acted on, all else waits. */
static void early_bytes(struct front_conn *c)
{
	struct gate_out out;

	if (gate_take_abort(&c->gate, c->buf, &c->n, &out)) {
		if (c->is_sending) {	/* half a reply is out: no record may stand in its middle */
			out.reply_n = 0;
			out.must_close = 1;
		}
		aborted(c, &out);
		if (c->state == FRONT_HEAD)
			pump(c);
		return;
	}
	if (c->n == c->cap)
		want_read(c, 0);
}

static void pump(struct front_conn *c)
{
	struct gate_out out;

	c->in_pump = 1;
	while (c->state <= FRONT_BODY) {
		enum gate_word word = gate_step(&c->gate, c->buf, &c->n, &out);

		if (word == GATE_NEED) {
			need(c);
			break;
		}
		switch (word) {
		case GATE_OWN:
			front_once(c);
			if (send(c->fd, out.reply, out.reply_n, MSG_DONTWAIT | MSG_NOSIGNAL) != (ssize_t)out.reply_n)
				gone(c);
			break;
		case GATE_REFUSE:
			refuse(c, &out);
			break;
		case GATE_CLOSE:
			metric_add(&c->front->metrics->proto_refused, 1);
			gone(c);
			break;
		case GATE_HEAD:
			take_head(c, &out);
			break;
		case GATE_BODY:
			take_body(c, out.body);
			break;
		case GATE_END:
			take_end(c);
			break;
		case GATE_ABORT:
			aborted(c, &out);
			break;
		case GATE_NEED:
			break;
		}
	}
	c->in_pump = 0;
	if (c->state == FRONT_RUN && c->n)
		early_bytes(c);		/* an ABORT may have come with the request */
}

static void lingering(struct front_conn *c)
{
	char sink[4096];
	ssize_t r = recv(c->fd, sink, sizeof(sink), MSG_DONTWAIT);

	if (r == 0 || (r < 0 && errno != EAGAIN && errno != EINTR)) {
		front_close(c);
		return;
	}
	if (r > 0 && (c->dropped += (uint32_t)r) > LINGER_MAX)
		front_close(c);
}

static void readable(struct front_conn *c)
{
	ssize_t r;

	if (c->state == FRONT_LINGER) {
		lingering(c);
		return;
	}
	if (!c->buf)
		buffer_take(c);
	if (c->n == c->cap && (c->state != FRONT_HEAD || buffer_grow(c))) {
		want_read(c, 0);
		return;
	}
	r = read_some(c);
	if (r < 0 && (errno == EAGAIN || errno == EINTR)) {
		if (c->n == 0 && c->state == FRONT_IDLE)
			buffer_give(c);
		return;
	}
	if (r <= 0) {
		gone(c);
		return;
	}
	c->n += (size_t)r;
	if (c->state == FRONT_IDLE) {
		wheel_stop(c->front->wheel, &c->timer);
		c->begin_ns = c->front->now_ns;
	}
	if (c->state == FRONT_RUN)
		early_bytes(c);
	else
		pump(c);
}

static void writable(struct front_conn *c)
{
	int rc = response_send(&c->response, c->fd);

	if (rc < 0) {
		gone(c);
		return;
	}
	if (rc == 0) {
		wheel_start(c->front->wheel, &c->timer, c->front->now_ns + c->front->limits.write_ns);
		return;
	}
	sent(c);
	want(c, c->events & ~UV_WRITABLE);
	c->front->ops->on_sent(c);
}

static void on_event(uv_poll_t *h, int status, int events)
{
	struct front_conn *c = h->data;

	front_now(c->front);
	if (status < 0) {
		gone(c);
		return;
	}
	if ((events & UV_WRITABLE) && c->is_sending)
		writable(c);
	if (c->state == FRONT_CLOSED)
		return;
	if (events & UV_READABLE)
		readable(c);
	else if (events & UV_DISCONNECT)
		gone(c);
}

static void pause_accepting(struct front_listener *l)
{
	struct front *f = l->front;

	metric_add(&f->metrics->accept_paused, 1);
	/* take one connection off the queue with the reserve descriptor, so that its peer learns */
	close(f->reserve_fd);
	f->reserve_fd = accept4(l->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (f->reserve_fd >= 0)
		close(f->reserve_fd);
	f->reserve_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	f->paused_until_ns = f->now_ns + 50 * CLOCK_MS;
	front_accept(f, 0);
}

static void on_accept(uv_poll_t *h, int status, int events)
{
	struct front_listener *l = h->data;
	struct front *f = l->front;
	struct sockaddr_storage peer = {0};
	socklen_t peer_n = sizeof(peer);
	int fd, one = 1;
	struct front_conn *c;

	(void)events;
	front_now(f);
	if (status < 0)
		return;
	fd = l->is_outward ? accept4(l->fd, (struct sockaddr *)&peer, &peer_n, SOCK_CLOEXEC | SOCK_NONBLOCK)
			   : accept4(l->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (fd < 0) {
		if (errno == EMFILE || errno == ENFILE)
			pause_accepting(l);
		return;
	}
	if (l->is_outward && !peers_admit(&f->peers, &peer, f->now_ns)) {
		close(fd);
		return;
	}
	metric_add(&f->metrics->accepted, 1);
	if (f->n_open >= f->limits.max_conns) {
		close(fd);
		return;
	}
	if (l->is_tcp)
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	c = conn_new(f, fd, l->is_tcp);
	if (c) {
		want(c, UV_READABLE | UV_DISCONNECT);
		wheel_start(f->wheel, &c->timer, f->now_ns + f->limits.idle_ns);
	}
}

uint64_t front_now(struct front *f)
{
	if (f->now_is_stale) {
		f->now_ns = clock_mono_ns();
		f->now_is_stale = 0;
	}
	return f->now_ns;
}

int front_init(struct front *f, uv_loop_t *loop, struct wheel *wheel)
{
	f->loop = loop;
	f->wheel = wheel;
	list_init(&f->conns);
	list_init(&f->free_buffers);
	f->reserve_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	return f->reserve_fd < 0 ? -errno : 0;
}

int front_listen(struct front *f, int fd)
{
	struct front_listener *l = &f->listeners[f->n_listeners];
	struct sockaddr_storage a;
	socklen_t n = sizeof(a);

	if (f->n_listeners == FRONT_MAX_LISTENERS)
		return -E_config;
	*l = (struct front_listener){.front = f, .fd = fd};
	if (getsockname(fd, (struct sockaddr *)&a, &n) == 0) {
		l->is_tcp = a.ss_family == AF_INET || a.ss_family == AF_INET6;
		l->is_outward = l->is_tcp && !net_is_loopback(&a);
	}
	if (uv_poll_init(f->loop, &l->poll, fd))
		return -E_io;
	l->poll.data = l;
	f->n_listeners++;
	return 0;
}

int front_is_forbidden(const struct front *f)
{
	int is_outward = 0;

	for (unsigned i = 0; i < f->n_listeners; i++)
		is_outward |= f->listeners[i].is_outward;
	return is_outward && !f->peers.n;
}

/* The number stays taken: descriptor 0 must not become something else. */
void front_unlisten(struct front *f)
{
	front_accept(f, 0);
	for (unsigned i = 0; i < f->n_listeners; i++)
		(void)!dup3(f->reserve_fd, f->listeners[i].fd, O_CLOEXEC);
	f->n_listeners = 0;
}

void front_accept(struct front *f, int on)
{
	if (on && (f->is_draining || f->now_ns < f->paused_until_ns))
		on = 0;
	f->is_accepting = on;
	for (unsigned i = 0; i < f->n_listeners; i++) {
		struct front_listener *l = &f->listeners[i];

		if (l->is_polled == on)
			continue;
		l->is_polled = on;
		if (on)
			uv_poll_start(&l->poll, UV_READABLE, on_accept);
		else
			uv_poll_stop(&l->poll);
	}
}

/* A request that has met one death already is not kept for another. */
static void go_on(struct front_conn *c, struct slice read)
{
	buffer_take(c);
	check(read.n <= c->cap);
	memcpy(c->buf, read.p, read.n);
	c->n = read.n;
	c->begin_ns = c->front->now_ns;
	front_once(c);
	want(c, UV_READABLE | UV_DISCONNECT);
	pump(c);
}

void front_adopt(struct front *f, int fd, struct slice read)
{
	struct front_conn *c = conn_new(f, fd, 0);

	if (!c)
		return;
	if (read.n) {
		go_on(c, read);
		return;
	}
	if (f->is_draining) {
		park(c);
		return;
	}
	want(c, UV_READABLE | UV_DISCONNECT);
	wheel_start(f->wheel, &c->timer, f->now_ns + f->limits.idle_ns);
}

void front_drain(struct front *f)
{
	f->is_draining = 1;
	front_accept(f, 0);
	LIST_FOR_SAFE(l, next, &f->conns)
	{
		struct front_conn *c = LIST_ENTRY(l, struct front_conn, node);

		if (c->state == FRONT_IDLE)
			park(c);
	}
}
