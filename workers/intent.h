/* intent: an open write and the tags that it makes void (lib/shm/stamps.h has the protocol).
 * Made before the statement is submitted, begun when it is sent, ended when its outcome is known and before
 * its reply leaves. A write whose request has gone lives on in the pool until then.
 * Owner: the request; the pool once it was abandoned. One thread. Layer: workers. */
#ifndef WEIR_WORKERS_INTENT_H
#define WEIR_WORKERS_INTENT_H

#include "lib/shm/stamps.h"

struct worker;
struct intent;

/* sql: the statement; one that calls a procedure may have committed when it fails. */
struct intent *intent_new(struct worker *w, const struct stamp_set *set, const char *sql);
void intent_begin(struct intent *i);
/* Begun: is nobody else writing, nor has anybody since these of its slots were loaded? stamps_alone */
int intent_is_alone(const struct intent *i, const struct stamp_set *loaded);
/* Frees it. is_known 0: whether it was committed is for weir-monitor to find out. xid: no
 * transaction of it is above; 0 = not asked, or it was rolled back. */
void intent_end(struct intent **i, int is_known, uint64_t xid);

#endif
