/* responses: the memory that large results and answers take in this worker, all together: bounded by limits.responses.
 * What leaves at once is not counted: there is one at a time.
 * Owner: the worker. One thread. Layer: workers. */
#ifndef WEIR_WORKERS_RESPONSES_H
#define WEIR_WORKERS_RESPONSES_H

#include "workers/req.h"

#define RESPONSES_SLICE_FROM (1024u * 1024)	/* a result beyond it is rendered in slices */

/* Count what r holds now, or again. */
void responses_hold(struct req *r);
void responses_release(struct req *r);
/* Its rendering waits for the next turn. */
void responses_wait(struct req *r);
/* Once a turn: go on rendering, then close what is too much. */
void responses_turn(struct worker *w);
/* Is there something to render? Then the loop does not wait. */
int responses_are_waiting(const struct worker *w);

#endif
