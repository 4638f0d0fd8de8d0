/* fcgi_req: one complete, checked parameter list as names and values; libfcgi is asked for a second
 * opinion, from a memfd, for the first requests and for a sample of the others. The only user of
 * <fcgiapp.h>. libfcgi never sees a socket, an incomplete request or a body. Owner: one per worker;
 * results live in the request's arena. One thread. Layer: lib/fcgi. */
#ifndef WEIR_FCGI_FCGI_REQ_H
#define WEIR_FCGI_FCGI_REQ_H

#include <stdint.h>

#include "lib/base/arena.h"
#include "lib/base/err.h"

struct fcgi_req;

struct fcgi_param {
	struct slice name, value; /* NUL-terminated behind .n */
};

/* FCGX_Init and the memfd. Call it before installing signal handlers: libfcgi puts its own on
 * SIGPIPE, SIGUSR1 and SIGTERM wherever it finds SIG_DFL or SIG_IGN, so the program installs all
 * three of its own after. NULL with e. */
struct fcgi_req *fcgi_req_new(struct err *e);
void fcgi_req_free(struct fcgi_req **f);
/* libfcgi reads every request from now on, not a sample (tests, fuzzing). */
void fcgi_req_check_all(struct fcgi_req *f);
/* The list that GATE_HEAD gave, into one block of the arena: HTTP_PROXY left out, a repeated
 * header joined with ", " (cookies with "; ") at its first place. The arena holds no pointer into
 * params. 0; -E_bad_request: gate and libfcgi disagree (close the connection, count); -E_io: no
 * memfd. */
int fcgi_req_parse(struct fcgi_req *f, uint16_t id, struct slice params, struct arena *a,
		   struct fcgi_param **ret, unsigned *ret_n) MUST_USE;
/* NULL when absent. */
const struct fcgi_param *fcgi_param_find(const struct fcgi_param *list, unsigned n,
					 struct slice name);

#endif
