/* db_event: what sql/weir/events.sql notifies: a transaction and the tags that it makes void.
 *   {"x": 741, "t": ["images", "user:2:images"], "all": true, "why": "..."}
 * or weir-monitor, to learn whether it hears: {"n": 8812039411}.
 * Any role of the database can notify anything, so the text is hostile input.
 * Owner: texts live in the arena given. Layer: lib/pg. */
#ifndef WEIR_PG_DB_EVENT_H
#define WEIR_PG_DB_EVENT_H

#include <stdint.h>

#include "lib/base/arena.h"
#include "lib/base/err.h"
#include "lib/base/slice.h"

#define DB_EVENT_CHANNEL "weir_invalidate"
#define DB_EVENT_MAX_TAGS 4096u	/* a notification has less than 8,000 bytes */

struct db_event {
	uint64_t xid;		/* 0: not said */
	uint64_t nonce;		/* 0: none */
	int is_all;		/* more is void than the tags say: distrust every tagged answer of the database */
	int is_watch;		/* what is watched has changed */
	struct slice why;
	unsigned n_tags;
	const struct slice *tags;
};

/* Members that are not known are passed over. 0 or -E_bad_json with a sentence; *ret is undefined then. */
int db_event_parse(struct slice payload, struct arena *a, struct db_event *ret, struct err *e) MUST_USE;

#endif
