/* front: the side that faces web servers: FastCGI listeners and connections on one loop.
 * A kept-alive connection that is idle has a descriptor and this struct, nothing else: its buffer is
 * given back when it is empty. The gate frames what arrives; whole heads, body pieces and ends are
 * handed to the owner's ops; libfcgi and requests are the owner's business.
 *
 * Used by weir-worker for requests and by weir-monitor for the status socket.
 * Owner: the program; connections belong to the front. One thread.
 * Layer: workers. */
#ifndef WEIR_WORKERS_FRONT_H
#define WEIR_WORKERS_FRONT_H

#include <stdint.h>
#include <uv.h>

#include "lib/fcgi/gate.h"
#include "lib/fcgi/response.h"
#include "workers/peers.h"
#include "workers/wheel.h"

#define FRONT_BUFFER 16384u
#define FRONT_MAX_LISTENERS 8u
/* Of a body that nobody wants this much is read and dropped; it costs no memory. mod_fcgid and HAProxy send all
 * of a body before they look at an answer: cut off, one asks again with an empty body, the other hangs. */
#define FRONT_DROP_MAX (16u << 20)

struct front;

enum front_state {
	FRONT_IDLE,	/* between requests */
	FRONT_HEAD,	/* part of a head is here */
	FRONT_BODY,	/* head handed on, body not at its end */
	FRONT_RUN,	/* whole request handed on, reply not out */
	FRONT_LINGER,	/* reply out, write side shut, waiting for the peer's end */
	FRONT_CLOSED	/* waiting for libuv to let go */
};

struct front_conn {
	uv_poll_t poll;
	struct list node;
	struct front *front;
	void *req;		/* the owner's; NULL when no request is open */
	char *buf;
	size_t n, cap;
	struct gate gate;
	struct response response;
	struct wheel_timer timer;
	uint64_t begin_ns;	/* first byte of the request */
	uint32_t dropped;	/* body bytes thrown away behind an early reply */
	int fd, events;
	enum front_state state;
	unsigned char keep, is_sending, in_pump, is_tcp, close_after_reply;
	unsigned char is_kept;	/* the keeper has every byte since it was parked last */
};

struct front_ops {
	/* A whole head: set c->req. The slices in out live until the call returns. */
	void (*on_head)(struct front_conn *c, const struct gate_out *out);
	void (*on_body)(struct front_conn *c, struct slice piece);
	void (*on_end)(struct front_conn *c);
	/* The peer left, or took too long with its body (reason E_request_timeout: a reply may still be
	 * sent), or aborted. With reason E_ok c->req must be given up before this returns. */
	void (*on_gone)(struct front_conn *c, enum err_id reason);
	/* The response is out. The owner ends the request and calls front_finish. */
	void (*on_sent)(struct front_conn *c);
	/* Refused by the gate: answer with error's status (front_send), the connection closes behind it. */
	void (*on_refuse)(struct front_conn *c, enum err_id error);
	/* Draining: give the parked descriptor away. 0 taken (the front only closes its copy), -1 no. */
	int (*on_park)(struct front_conn *c);
};

struct front_limits {
	uint32_t max_params, max_conns;
	uint64_t header_ns, body_ns, write_ns, idle_ns;
};

struct front_listener {
	uv_poll_t poll;
	struct front *front;
	int fd, is_tcp, is_polled;
	int is_outward;			/* TCP, not on loopback: `peers` says who may connect */
};

struct metric_row;
struct front {
	uv_loop_t *loop;
	struct wheel *wheel;
	const struct front_ops *ops;
	struct front_limits limits;
	struct metric_row *metrics;
	struct peers peers;
	void *ctx;
	struct keeper *keeper;		/* of connections, for the case that this process is killed; or NULL */
	uint64_t now_ns;		/* of this turn of the loop */
	int now_is_stale;		/* set by the program before it polls */
	struct list conns;
	unsigned n_open, n_parked, n_listeners, n_free;
	struct front_listener listeners[FRONT_MAX_LISTENERS];
	struct list free_buffers;
	int reserve_fd, is_accepting, is_draining;
	uint64_t paused_until_ns;
};

/* The time of this turn: read once after each poll. */
uint64_t front_now(struct front *f);
int front_init(struct front *f, uv_loop_t *loop, struct wheel *wheel);
int front_listen(struct front *f, int fd);
/* Is a listener open to other hosts, and nobody there allowed? */
int front_is_forbidden(const struct front *f);
/* For good: a listener that nobody else has refuses connections from now on. */
void front_unlisten(struct front *f);
/* Poll the listeners, or leave new connections to others. */
void front_accept(struct front *f, int on);
/* Take over a connected descriptor of which these bytes of a request were read by another process; none: it is idle. */
void front_adopt(struct front *f, int fd, struct slice read);
/* c's request is one that must not be run a second time. */
void front_once(struct front_conn *c);
/* Send the response of c's request: head (CGI lines) and body must live until on_sent or on_gone.
 * 1: all out already (on_sent is not called), 0: on its way, -1: the peer is gone (on_gone is not
 * called; the owner gives the request up and calls front_finish). */
int front_send(struct front_conn *c, struct slice head, struct slice body);
/* The request is over: go on with what is in the buffer, park, or close. */
void front_finish(struct front_conn *c);
/* No new connections; parked ones are given away or closed; others when their reply is out. */
void front_drain(struct front *f);
void front_close(struct front_conn *c);
/* As if the peer had left: on_gone, then closed. Not from within ops. */
void front_abort(struct front_conn *c);

#endif
