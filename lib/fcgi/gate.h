/* gate: frames what a web server sent, before libfcgi sees any of it.
 * A pure function over the connection's buffer: no I/O, no clock, the same words for every way of
 * splitting the same bytes. What passes is a whole, capped, well-formed request head, then its
 * body's bytes as they come. GET_VALUES and unknown management records are answered from here.
 * Owner: struct gate is part of the connection. Layer: lib/fcgi. */
#ifndef WEIR_FCGI_GATE_H
#define WEIR_FCGI_GATE_H

#include <stdint.h>

#include "lib/base/buf.h"
#include "lib/base/err.h"

#define GATE_MAX_PARAMS 65535u
#define GATE_MAX_PAIRS 256u
/* A buffer of max_params + GATE_SLACK bytes is never full when the word is NEED. */
#define GATE_SLACK 16u

enum gate_word {
	GATE_NEED, /* more bytes are wanted */
	GATE_OWN, /* a management record; out->reply holds the answer to send */
	GATE_REFUSE, /* out->error says why; answer and close. out->reply holds an END_REQUEST if
			that is the answer */
	GATE_CLOSE, /* close without a word */
	GATE_HEAD, /* BEGIN and PARAMS whole and checked: out->params */
	GATE_BODY, /* out->body: content of STDIN, never empty */
	GATE_END, /* the request is whole */
	GATE_ABORT /* ABORT_REQUEST of this request; out->must_close if the body had not ended */
};

struct gate {
	/* limits, set by gate_init */
	uint32_t max_params;
	uint32_t max_conns; /* answered to GET_VALUES */
	/* state */
	uint8_t phase;
	uint8_t keep_conn;
	uint16_t id; /* request id of BEGIN */
	uint32_t params_n; /* bytes of PARAMS gathered at the front of the buffer */
	uint32_t content_left; /* of the record being read */
	uint8_t pad_left;
	uint32_t drop; /* bytes at the front that the caller has seen and the next call drops */
	uint16_t n_pairs;
};

struct gate_out {
	struct slice params; /* the de-framed name-value list, valid until the next gate_step */
	struct slice body; /* valid until the next gate_step */
	enum err_id error;
	uint16_t id;
	int keep_conn;
	int must_close;
	unsigned char reply[512];
	size_t reply_n;
};

void gate_init(struct gate *g, uint32_t max_params, uint32_t max_conns);
/* Look at the n bytes of the connection's buffer p; what is used up is dropped by moving the rest
 * down, and *n shrinks. Call again until NEED. After HEAD the same call goes on with the body. */
enum gate_word gate_step(struct gate *g, char *p, size_t *n, struct gate_out *out);
/* While a request runs (its END was given, its reply is not out) call this instead of gate_step: 1
 * when the peer has sent ABORT_REQUEST for it; out->reply then holds the END_REQUEST to send in
 * place of a reply, and the record is used up. Whatever else arrived early stays where it is. */
int gate_take_abort(struct gate *g, char *p, size_t *n, struct gate_out *out);
/* No request is open and nothing is half read. */
int gate_is_idle(const struct gate *g, size_t n);

/* The rules of a name-value list: lengths within it, names of [A-Z0-9_]+, no NUL, at most
 * GATE_MAX_PAIRS . A name may come twice only if it is a client's header (HTTP_...), and then not
 * Authorization, Host or Content-*: fcgi_req_parse joins those that may. */
/* A length of a name-value list: one byte, or four with the top bit set. */
static inline int gate_take_length(struct slice *rest, size_t *ret)
{
	const unsigned char *p = (const unsigned char *)rest->p;

	if (rest->n == 0)
		return -1;
	if (likely(p[0] < 0x80)) {
		*ret = p[0];
		rest->p += 1, rest->n -= 1;
		return 0;
	}
	if (rest->n < 4)
		return -1;
	*ret = (size_t)(p[0] & 0x7f) << 24 | (size_t)p[1] << 16 | (size_t)p[2] << 8 | p[3];
	rest->p += 4, rest->n -= 4;
	return 0;
}

/* Walk a checked name-value list: 1 and a pair, 0 at the end, -1 malformed. Here, because each request is walked three
 * times. */
static inline int gate_next_pair(struct slice *rest, struct slice *name, struct slice *value)
{
	size_t name_n, value_n;

	if (rest->n == 0)
		return 0;
	if (gate_take_length(rest, &name_n) || gate_take_length(rest, &value_n))
		return -1;
	if (name_n > rest->n || value_n > rest->n - name_n)
		return -1;
	*name = slice_of(rest->p, name_n);
	*value = slice_of(rest->p + name_n, value_n);
	rest->p += name_n + value_n;
	rest->n -= name_n + value_n;
	return 1;
}

#endif
