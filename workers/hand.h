/* hand: an answer that is true and not to be kept, from the owner of a flight to those who wait for it. It lies in the cache for a
 * second, under the flight's name, where nobody else looks. Of a failure the flight keeps the number, and its words lie there, too.
 * Layer: workers. */
#ifndef WEIR_WORKERS_HAND_H
#define WEIR_WORKERS_HAND_H

#include "lib/base/err.h"
#include "lib/base/slice.h"

struct req;

/* The owner's, of r->meta and what cache_store would keep. 1: it is there, the flight ends as HANDED; 0: nobody waits, or there is no
 * room. */
int hand_over(struct req *r, const struct slice pieces[2]);
/* A follower's, when its flight has ended or another one is in its place: 1: r has the answer, a 404 as an error. */
int hand_take(struct req *r);

#define HAND_WHY 0x10000	/* beside a flight's error: there are words to it */
/* The owner's, of the detail and the faults of r->error: HAND_WHY, 0: there are none, or -1: no room, so nobody is to be told of the
 * error. */
int hand_over_why(struct req *r);
/* Of who is told of r->flight's error: 1: r has failed in these words; 0: they are gone. */
int hand_take_why(struct req *r, enum err_id error);

#endif
