/* reqid: what one request is called, in its answer (X-Request-Id, and the instance of a problem document), its line of the
 * access log, and every line of the log that is about it: the client's X-Request-Id or the trace-id of its traceparent
 * where they are well-formed, else one of our own.
 * Layer: workers. */
#ifndef WEIR_WORKERS_REQID_H
#define WEIR_WORKERS_REQID_H

#include <stddef.h>

#include "lib/base/slice.h"

#define REQID_MAX 128u		/* bytes of a client's */
#define REQID_ROOM (REQID_MAX + 1)

struct req;

/* Take what the client says, if it is fit to be repeated: 1 to REQID_MAX letters, digits and "-._~:/+=@"; a traceparent as
 * W3C Trace Context 3.2.2 has it. */
void reqid_take(struct req *r, struct slice request_id, struct slice traceparent);
/* The id at out, not terminated; its length. */
size_t reqid_put(const struct req *r, char out[REQID_ROOM]);
/* The same as a string. */
const char *reqid_text(const struct req *r, char out[REQID_ROOM]);

#endif
