/* settle: whose writes may be under way that do not make void what is being kept now? Until that is known nothing of it is believed
 * (REGION_UNSETTLED): at the start everything under tags, since an instance before this one may have left a COMMIT waiting; while
 * a reload rolls, the endpoints whose tags it changes, since workers of two generations make void by two lists.
 * Layer: supervisor. */
#ifndef WEIR_SUPERVISOR_SETTLE_H
#define WEIR_SUPERVISOR_SETTLE_H

#include <stdint.h>

struct generation;
struct region;
struct weird;

/* Nothing under tags is believed until weir-monitor has seen that no backend is left of those that are there now. */
void settle_unknown(struct weird *w);
/* Before the first worker of next starts. */
void settle_begin(struct weird *w, const struct generation *old, const struct generation *next);
/* A worker has ended; is_clean: by itself, after all it had. And whenever a reload has ended. */
void settle_ended(struct weird *w, int is_clean);
void settle_check(struct weird *w);
/* Later than whatever was made by now: in the millisecond of a purge, entries are dated behind it. */
uint64_t settle_purge_time(const struct region *r);
/* Purge a row until then, unless nothing of it is believed anyhow. */
void settle_purge_row(struct region *r, unsigned row, uint64_t ms);

#endif
