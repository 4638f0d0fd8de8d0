/* sick: endpoints whose statements the database refuses: named once, tried again.
 * Owner: the worker. One thread. Layer: workers. */
#ifndef WEIR_WORKERS_SICK_H
#define WEIR_WORKERS_SICK_H

#include <stddef.h>
#include <stdint.h>

struct err;
struct worker;

/* After statements may have been described: tell shared memory and the log what has changed. */
void sick_look(struct worker *w);
/* At each beat: ask again where it is time. */
void sick_tick(struct worker *w, uint64_t now_ns);
/* The fault with the whole path of its file. */
void sick_where(const struct worker *w, const struct err *e, char *out, size_t n);

#endif
