/* threads: how many libuv's pool has.
 * Owner: main, before the loop's first job. Layer: workers. */
#ifndef WEIR_WORKERS_THREADS_H
#define WEIR_WORKERS_THREADS_H

/* What may wait for a database does so until a deadline, and the next one must not wait behind it: room for as many
 * jobs of each database as there can be, and for other work beside them. */
void threads_plan(unsigned n_databases, unsigned jobs_each);

#endif
