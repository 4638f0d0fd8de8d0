/* condition: what a request is conditional on (RFC 9110 13), but for If-None-Match of a GET, which is the cache's (cache_settle).
 * Layer: workers. */
#ifndef WEIR_WORKERS_CONDITION_H
#define WEIR_WORKERS_CONDITION_H

struct req;

/* If-Match of a GET or HEAD, when its answer is known: an error is set when the answer is none of those named. */
void condition_of_get(struct req *r);

#endif
