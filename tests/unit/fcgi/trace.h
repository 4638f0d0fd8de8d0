/* trace: what the gate says about a stream of bytes, as one line of text per word, for any way of
 * cutting the stream; and what it ought to say, from a reader that has the whole stream before it
 * and was written apart from the gate. Pieces of a body are put together, because only their sum
 * is the same for every cut. For t_gate and fuzz_gate. */
#ifndef WEIR_TESTS_FCGI_TRACE_H
#define WEIR_TESTS_FCGI_TRACE_H

#include <stdlib.h>

#include "lib/base/check.h"
#include "lib/fcgi/gate.h"

#define TRACE_CONNS 1000u

struct trace {
	struct buf text; /* HEAD id keep params; BODY bytes; END; … each with its bytes in hex */
	struct buf body; /* not yet told */
	struct buf words; /* the same in short: "H B3 E", for tables */
	/* called for each HEAD if set */
	void (*on_head)(void *arg, uint16_t id, struct slice params);
	void *arg;
	int is_over;
};

static inline void trace_init(struct trace *t)
{
	memset(t, 0, sizeof(*t));
	buf_init(&t->text, 0);
	buf_init(&t->body, 0);
	buf_init(&t->words, 0);
}

static inline void trace_done(struct trace *t)
{
	buf_done(&t->text);
	buf_done(&t->body);
	buf_done(&t->words);
}

static inline void trace_hex(struct trace *t, const void *bytes, size_t n)
{
	static const char digits[] = "0123456789abcdef";
	const unsigned char *p = bytes;

	for (size_t i = 0; i < n; i++) {
		buf_addc(&t->text, digits[p[i] >> 4]);
		buf_addc(&t->text, digits[p[i] & 15]);
	}
	buf_addc(&t->text, '\n');
}

static inline void trace_flush(struct trace *t)
{
	if (!t->body.n)
		return;
	buf_adds(&t->text, "BODY ");
	trace_hex(t, t->body.p, t->body.n);
	buf_addf(&t->words, "B%zu ", t->body.n);
	buf_clear(&t->body);
}

static inline void trace_head(struct trace *t, uint16_t id, int keep, struct slice params)
{
	buf_addf(&t->text, "HEAD %u %d ", (unsigned)id, keep != 0);
	trace_hex(t, params.p, params.n);
	buf_adds(&t->words, "H ");
	if (t->on_head)
		t->on_head(t->arg, id, params);
}

static inline void trace_end(struct trace *t)
{
	trace_flush(t);
	buf_adds(&t->text, "END\n");
	buf_adds(&t->words, "E ");
}

static inline void trace_own(struct trace *t, const unsigned char *reply, size_t n)
{
	buf_adds(&t->text, "OWN ");
	trace_hex(t, reply, n);
	buf_addf(&t->words, "O%u ", (unsigned)reply[1]);
}

static inline void trace_refuse(struct trace *t, enum err_id error, uint16_t id,
				const unsigned char *reply, size_t n)
{
	trace_flush(t);
	buf_addf(&t->text, "REFUSE %d %u ", err_row(error)->status, (unsigned)id);
	trace_hex(t, reply, n);
	buf_addf(&t->words, n ? "R%d! " : "R%d ", err_row(error)->status);
	t->is_over = 1;
}

static inline void trace_abort(struct trace *t, const unsigned char *reply, size_t n)
{
	trace_flush(t);
	buf_adds(&t->text, "ABORT ");
	trace_hex(t, reply, n);
	buf_adds(&t->words, "A ");
	t->is_over = 1;
}

static inline void trace_close(struct trace *t)
{
	trace_flush(t);
	buf_adds(&t->text, "CLOSE\n");
	buf_adds(&t->words, "C ");
	t->is_over = 1;
}

/* One word of the gate. */
static inline void trace_word(struct trace *t, enum gate_word word, const struct gate_out *out)
{
	switch (word) {
	case GATE_HEAD:
		trace_head(t, out->id, out->keep_conn, out->params);
		break;
	case GATE_BODY:
		check(out->body.n > 0);
		buf_add(&t->body, out->body.p, out->body.n);
		break;
	case GATE_END:
		trace_end(t);
		break;
	case GATE_OWN:
		trace_own(t, out->reply, out->reply_n);
		break;
	case GATE_REFUSE:
		trace_refuse(t, out->error, out->id, out->reply, out->reply_n);
		break;
	case GATE_ABORT:
		check(out->must_close);
		trace_abort(t, out->reply, out->reply_n);
		break;
	case GATE_CLOSE:
		trace_close(t);
		break;
	case GATE_NEED:
		break;
	}
}

/* The stream through the gate, in pieces: the first of `first` bytes (0: none such), then of `step`
 * bytes, through a buffer that is not larger than it must be. */
static inline void trace_run(struct trace *t, struct slice stream, size_t first, size_t step,
			     uint32_t max_params)
{
	size_t cap = max_params + GATE_SLACK, n = 0;
	char *p = malloc(cap);
	struct gate_out out;
	struct gate g;

	check(p && step);
	gate_init(&g, max_params, TRACE_CONNS);
	while (!t->is_over) {
		size_t k = first ? first : step;
		enum gate_word word;

		check(n < cap); /* NEED never leaves a full buffer */
		k = k < cap - n ? k : cap - n;
		k = k < stream.n ? k : stream.n;
		if (!k)
			break;
		memcpy(p + n, stream.p, k);
		n += k;
		stream.p += k;
		stream.n -= k;
		first -= first < k ? first : k;
		do {
			size_t before = n;

			word = gate_step(&g, p, &n, &out);
			check(n <= before);
			trace_word(t, word, &out);
			if (word == GATE_END && n == 0)
				check(gate_is_idle(&g, n) || g.pad_left);
		} while (word != GATE_NEED && !t->is_over);
	}
	if (t->is_over)
		check(gate_step(&g, p, &n, &out) == GATE_CLOSE);
	trace_flush(t);
	free(p);
}

/* The rules of a list, read by an index. 0, 400 or 431. */
static inline int model_list(const unsigned char *p, size_t n)
{
	struct {
		const unsigned char *p;
		size_t n;
	} names[256];
	size_t at = 0, len[2];
	unsigned pairs = 0;

	while (at < n) {
		for (int i = 0; i < 2; i++) {
			if (at >= n)
				return 400;
			len[i] = p[at];
			if (!(len[i] & 128)) {
				at++;
				continue;
			}
			if (at + 4 > n)
				return 400;
			len[i] = (len[i] & 127) * 16777216 + p[at + 1] * 65536u + p[at + 2] * 256u +
				 p[at + 3];
			at += 4;
		}
		if (at + len[0] + len[1] > n)
			return 400;
		if (pairs == 256)
			return 431;
		if (!len[0])
			return 400;
		for (size_t i = 0; i < len[0]; i++) {
			static const char good[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_";

			if (!p[at + i] || !strchr(good, p[at + i]))
				return 400;
		}
		for (size_t i = 0; i < len[1]; i++)
			if (!p[at + len[0] + i])
				return 400;
		for (unsigned i = 0; i < pairs; i++) {
			struct slice name = {(const char *)p + at, len[0]};

			if (names[i].n != len[0] || memcmp(names[i].p, p + at, len[0]) != 0)
				continue;
			if (!slice_starts(name, SLICE("HTTP_")) ||
			    slice_starts(name, SLICE("HTTP_CONTENT_")) ||
			    slice_eq(name, SLICE("HTTP_AUTHORIZATION")) ||
			    slice_eq(name, SLICE("HTTP_PROXY_AUTHORIZATION")) ||
			    slice_eq(name, SLICE("HTTP_HOST")))
				return 400;
		}
		names[pairs].p = p + at;
		names[pairs++].n = len[0];
		at += len[0] + len[1];
	}
	return 0;
}

/* The answer to GET_VALUES into reply; its size, or 0 for a malformed list. */
static inline size_t model_values(const unsigned char *p, size_t n, unsigned char reply[128])
{
	static const char *const names[] = {"FCGI_MAX_CONNS", "FCGI_MAX_REQS", "FCGI_MPXS_CONNS"};
	static const char *const values[] = {STRINGIFY(1000), STRINGIFY(1000), "0"};
	int asked[3] = {0};
	size_t at = 0, len[2], out = 8;

	while (at < n) {
		for (int i = 0; i < 2; i++) {
			if (at >= n)
				return 0;
			len[i] = p[at];
			if (!(len[i] & 128)) {
				at++;
				continue;
			}
			if (at + 4 > n)
				return 0;
			len[i] = (len[i] & 127) * 16777216 + p[at + 1] * 65536u + p[at + 2] * 256u +
				 p[at + 3];
			at += 4;
		}
		if (at + len[0] + len[1] > n)
			return 0;
		for (int i = 0; i < 3; i++)
			if (strlen(names[i]) == len[0] && !memcmp(names[i], p + at, len[0]))
				asked[i] = 1;
		at += len[0] + len[1];
	}
	memset(reply, 0, 128);
	for (int i = 0; i < 3; i++) {
		if (!asked[i])
			continue;
		reply[out++] = (unsigned char)strlen(names[i]);
		reply[out++] = (unsigned char)strlen(values[i]);
		memcpy(reply + out, names[i], strlen(names[i]));
		out += strlen(names[i]);
		memcpy(reply + out, values[i], strlen(values[i]));
		out += strlen(values[i]);
	}
	reply[0] = 1;
	reply[1] = 10;
	reply[5] = (unsigned char)(out - 8);
	return out;
}

/* What the gate ought to say about the stream: record by record, all bytes at hand. */
static inline void model_run(struct trace *t, struct slice stream, uint32_t max_params)
{
	const unsigned char *p = (const unsigned char *)stream.p;
	enum { IDLE, PARAMS, BODY } state = IDLE;
	unsigned char reply[128];
	struct buf params;
	unsigned id = 0, keep = 0;
	size_t at = 0;

	buf_init(&params, 0);
	while (!t->is_over && at + 8 <= stream.n) {
		unsigned type = p[at + 1], rid = p[at + 2] * 256u + p[at + 3];
		size_t len = p[at + 4] * 256u + p[at + 5], whole = 8 + len + p[at + 6];
		size_t have = stream.n - at - 8 < len ? stream.n - at - 8 : len;
		const unsigned char *content = p + at + 8;

		memset(reply, 0, sizeof(reply));
		if (p[at] != 1) {
			trace_close(t);
		} else if (state == IDLE && rid == 0 && type == 9) {
			size_t n;

			if (len > max_params) {
				trace_close(t);
				break;
			}
			if (have < len)
				break;
			n = model_values(content, len, reply);
			if (n)
				trace_own(t, reply, n);
			else
				trace_close(t);
		} else if (state == IDLE && rid == 0) {
			reply[0] = 1, reply[1] = 11, reply[5] = 8, reply[8] = (unsigned char)type;
			trace_own(t, reply, 16);
		} else if (state == IDLE && type == 1) {
			if (len != 8) {
				trace_close(t);
				break;
			}
			if (have < 8)
				break;
			id = rid;
			keep = content[2] & 1;
			state = PARAMS;
			buf_clear(&params);
			if (content[0] || content[1] != 1) {
				reply[0] = 1, reply[1] = 3, reply[5] = 8, reply[12] = 3;
				reply[2] = (unsigned char)(id >> 8), reply[3] = (unsigned char)id;
				trace_refuse(t, E_bad_request, (uint16_t)id, reply, 16);
			}
		} else if (state == IDLE && type == 2) {
			/* too late: ignored */
		} else if (state == IDLE || rid != id) {
			trace_close(t);
		} else if (type == 2) {
			reply[0] = 1, reply[1] = 3, reply[5] = 8;
			reply[2] = (unsigned char)(id >> 8), reply[3] = (unsigned char)id;
			trace_abort(t, reply, 16);
		} else if (state == PARAMS && type == 4) {
			if (params.n + len > max_params) {
				trace_refuse(t, E_headers_too_large, (uint16_t)id, reply, 0);
			} else if (len) {
				buf_add(&params, content, have);
			} else {
				int status = model_list((const unsigned char *)params.p, params.n);

				if (status)
					trace_refuse(
					    t, status == 431 ? E_headers_too_large : E_bad_request,
					    (uint16_t)id, reply, 0);
				else
					trace_head(t, (uint16_t)id, (int)keep, buf_slice(&params));
				state = BODY;
			}
		} else if (state == BODY && type == 4) {
			trace_refuse(t, E_bad_request, (uint16_t)id, reply, 0);
		} else if (state == BODY && type == 5) {
			if (have)
				buf_add(&t->body, content, have);
			if (len == 0) {
				trace_end(t);
				state = IDLE;
			}
		} else {
			trace_close(t);
		}
		at += whole < stream.n - at ? whole : stream.n - at;
	}
	trace_flush(t);
	buf_done(&params);
}

#endif
