/* hand: an answer that is true and not to be kept, from the owner of a flight to those who wait for it. It lies in the cache for a
 * second, under the flight's name, where nobody else looks.
 * Layer: workers. */
#ifndef WEIR_WORKERS_HAND_H
#define WEIR_WORKERS_HAND_H

#include "lib/base/slice.h"

struct req;

/* The owner's, of r->meta and what cache_store would keep. 1: it is there, the flight ends as HANDED; 0: nobody waits, or there is no
 * room. */
int hand_over(struct req *r, const struct slice pieces[2]);
/* A follower's, when its flight has ended or another one is in its place: 1: r has the answer. */
int hand_take(struct req *r);

#endif
