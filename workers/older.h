/* older: an answer that is newer than what is kept, and is not kept itself, leaves nothing older behind: nobody who saw it, or was
 * told of it, is to be answered with what was before. In shared memory it is made void at once; in memcached it is deleted, and
 * until that is done a mark in shared memory keeps this host from believing it.
 * Layer: workers. */
#ifndef WEIR_WORKERS_OLDER_H
#define WEIR_WORKERS_OLDER_H

#include <stdint.h>

#include "lib/base/err.h"

struct req;
struct mc_value;

/* Is the error an answer about the data, as a 404 is, and no failure to answer? */
int older_is_answer(enum err_id id);
/* Before r's reply leaves. etag: what is kept of just this answer may stay; NULL: nothing. */
void older_void(struct req *r, const uint8_t *etag);
/* The answer is kept in one zone of shared memory: the other zone's is older. */
void older_void_other(struct req *r, int is_negative);
/* Does nothing that was seen on this host since speak against a value with this xmin? */
int older_allows(const struct req *r, uint64_t xmin);

#endif
