/* connects: what this worker meets when it connects to its databases, told to weir-monitor (board, struct refused) and to
 * the log: of each kind of error a line a minute, by whichever worker comes first.
 * Owner: the worker. One thread. Layer: workers. */
#ifndef WEIR_WORKERS_CONNECTS_H
#define WEIR_WORKERS_CONNECTS_H

#include <stdint.h>

struct worker;

/* Whenever it may have changed. */
void connects_tell(struct worker *w, uint64_t now_ns);

#endif
