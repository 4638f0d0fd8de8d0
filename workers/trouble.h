/* trouble: what went wrong with a request, for the log.
 * Layer: workers. */
#ifndef WEIR_WORKERS_TROUBLE_H
#define WEIR_WORKERS_TROUBLE_H

#include <stdint.h>

struct req;

/* A line for an error of ours, and for what the database refused: with what it said, which a client never sees. Of each
 * endpoint and SQLSTATE one a minute. And one for what took longer than @slow. */
void trouble_log(const struct req *r, uint64_t now_ns);

#endif
