/* weir.h: an endpoint written in C. The only header that a handler needs, and the only promise that is made to it.
 *
 * A handler is a shared object that defines `weir_module`. An endpoint file names it:
 *
 *	-- @route   ANY /files/{rest...}
 *	-- @handler files.so /srv/files
 *
 * and the same steps stand around it as around SQL: framing, limits, @auth, the deadline, headers, metrics, the log. It runs in the
 * worker's process and on its loop: it must not block. What takes long goes to a thread by weir_work(). A crash in a handler is the
 * worker's crash: weird starts another one.
 *
 * Lifetime: a struct weir_request lives until weir_done() was called, also when its client has left meanwhile (the answer is then
 * dropped), but not past the module's return from handle() or after() in which it was called. Strings end with NUL and live as long.
 * Threads: handle() and after() run on the loop, work() on another thread. A request is used by one of them at a time; what may be
 * called from work() is said below.
 * Layer: lib (no other header of Weir is needed). */
#ifndef WEIR_H
#define WEIR_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define WEIR_API 1

struct weir_request;

struct weir_module {
	uint32_t api;			/* WEIR_API */
	/* Once for each endpoint that names the module, before the first request; argument: what stands behind the file in
	 * @handler, "" if nothing. 0, or -1: the worker then does not start (write the reason to stderr). May be NULL. */
	int (*init)(const char *argument, void **state);
	/* Answer the request: now, by weir_done() before this returns, or later, after weir_work(). */
	void (*handle)(struct weir_request *r, void *state);
	/* When the worker ends. May be NULL. */
	void (*done)(void *state);
};
extern const struct weir_module weir_module;

/* The request. May be called from work(). */
const char *weir_method(const struct weir_request *r);
const char *weir_path(const struct weir_request *r);	/* as the client sent it, still percent-encoded */
const char *weir_query(const struct weir_request *r);	/* behind the '?'; NULL when there was none */
const char *weir_param(const struct weir_request *r, const char *name);	/* of the path, decoded; NULL when unknown */
const char *weir_user(const struct weir_request *r);	/* NULL: not identified */
/* The header field of that name, any case; lines that came repeatedly are joined by ", ". NULL when absent. */
const char *weir_header(const struct weir_request *r, const char *name);
/* Field i of weir_header_count(): 0, or -1 past the end. Names as the web server's parameters tell them: "If-None-Match". */
unsigned weir_header_count(const struct weir_request *r);
int weir_header_at(const struct weir_request *r, unsigned i, const char **name, const char **value);
const void *weir_body(const struct weir_request *r, size_t *n);

/* The answer: 200 without a body unless something else is said. May be called from work(). */
void weir_status(struct weir_request *r, int status);	/* 200 … 999 */
/* One header line. 0; -1: not a field name, a value with control characters, one that the server writes itself (Content-Length,
 * Connection and its kin, Status), or more header than a web server reads (4 KB in all). */
int weir_add_header(struct weir_request *r, const char *name, const char *value);
/* More of the body. 0, or -1: larger than limits.response. */
int weir_write(struct weir_request *r, const void *p, size_t n);
/* Take back all that was said of the answer. */
void weir_reset(struct weir_request *r);
/* The answer is complete. On the loop only. */
void weir_done(struct weir_request *r);

/* Run work(r, arg) on a thread of the worker's pool (UV_THREADPOOL_SIZE, 4 by default), then after(r, arg) on the loop. On the loop only. */
void weir_work(struct weir_request *r, void (*work)(struct weir_request *r, void *arg),
	       void (*after)(struct weir_request *r, void *arg), void *arg);

/* The cache that the workers of this host share (weir.conf: cache.memory), in a space of this endpoint's own. It forgets when it
 * needs room. On the loop only. */
/* 1 and the value, which lives as long as r or until the next weir_cache_get, and the seconds since its maker first
 * asked for the key; 0: not there. */
int weir_cache_get(struct weir_request *r, const void *key, size_t key_n, const void **value, size_t *n, double *age);
/* Keep it for at most ttl seconds. 0, or -1: too large (about 1 MB with its key, or an eighth of a shard), or there is no cache. */
int weir_cache_put(struct weir_request *r, const void *key, size_t key_n, const void *value, size_t n, double ttl);
void weir_cache_drop(struct weir_request *r, const void *key, size_t key_n);

#ifdef __cplusplus
}
#endif

#endif
