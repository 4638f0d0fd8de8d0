/* stamps: generation counters of cache tags in shared memory, and the protocol by which writes
 * invalidate what was cached under a tag.
 *
 * A tag (text) hashes to a slot; tags that share a slot only invalidate each other needlessly.
 *   look-up  a hit only if no intent bit is set and every generation equals the entry's
 *   fill     stamps_load before the statement is sent; store only if stamps_hold then
 *   write    stamps_begin (intent bit, generation + 1) → COMMIT → stamps_end (generation + 1, bit
 *            cleared) → reply. The same end after a rollback.
 * The simpler orders were model-checked and fail; tests/unit/shm/t_stamps_model.c is that model. A bit
 * stands for a worker number; one worker with several writes open on a slot counts them privately
 * and clears the bit with the last one.
 *
 * Who writes: workers (their own bit), weird (stamps_orphan, for a dead number before it is used
 * again), weir-monitor (stamps_bump for events, stamps_settle_orphans). No locks: read-modify-writes only.
 * Layer: lib/shm. */
#ifndef WEIR_SHM_STAMPS_H
#define WEIR_SHM_STAMPS_H

#include <stdatomic.h>
#include <stdint.h>

#include "lib/base/base.h"
#include "lib/base/slice.h"

#define STAMPS_MIN (1u << 12)
#define STAMPS_MAX (1u << 20)
#define STAMPS_MAX_TAGS 16u	/* of one entry, of one write */
#define STAMPS_ORPHAN 63u	/* bit of intent[0]: a dead worker's write whose outcome is not known */

struct stamp {
	_Atomic uint64_t gen;
	_Atomic uint64_t intent[2];	/* numbers 0–62 in [0], 63–126 in [1]; bit 63 of [0]: orphan */
	_Atomic uint64_t last_xid;	/* highest transaction known to have written under the tag */
};

/* A view of the slots; n is a power of two. */
struct stamps {
	struct stamp *v;
	uint32_t n;
};

/* The slots that an entry or a write depends on, and their generations as loaded. Slots are
 * different from each other. */
struct stamp_set {
	uint32_t n;
	uint32_t slot[STAMPS_MAX_TAGS];
	uint64_t gen[STAMPS_MAX_TAGS];
};

/* Add the slot of a tag. 0, or -1: the set is full. */
int stamps_add(const struct stamps *s, struct stamp_set *set, struct slice tag) MUST_USE;
/* Load every generation. 1 if no intent was set: only then may an entry be stored or served by it. */
int stamps_load(const struct stamps *s, struct stamp_set *set);
/* 1 if no intent is set and no generation has moved since stamps_load. */
int stamps_hold(const struct stamps *s, const struct stamp_set *set);
/* 1 if every last_xid is below xmin: a snapshot with that xmin has seen every write under the tags that
 * this host knows of. For entries that were filled elsewhere. */
int stamps_seen(const struct stamps *s, const struct stamp_set *set, uint64_t xmin);
/* A digest of slots and generations: equal digests, equal stamps. */
uint64_t stamps_digest(const struct stamp_set *set);

/* One worker's open writes. */
struct stamps_writer {
	struct stamps s;
	unsigned number;	/* < 127 */
	uint16_t *open;		/* by slot: writes of this worker that are open */
};

void stamps_writer_init(struct stamps_writer *w, const struct stamps *s, unsigned number);
void stamps_writer_done(struct stamps_writer *w);
/* All bits and bumps; before the flight that may commit leaves. */
void stamps_begin(struct stamps_writer *w, const struct stamp_set *set);
/* After COMMIT or ROLLBACK was seen, before the reply. xid: of the transaction, 0 = unknown or none. */
void stamps_end(struct stamps_writer *w, const struct stamp_set *set, uint64_t xid);
/* After stamps_begin, of slots that are in its set and were loaded before it: did nobody else begin, end or bump since they were loaded,
 * and is nobody else's write open? Of several writers that ask this of one slot and of one generation at most one is told 1. A
 * write that begins later is not seen. */
int stamps_alone(const struct stamps_writer *w, const struct stamp_set *loaded);
/* The outcome is not known (the connection died in COMMIT): the slots become orphans, which weir-monitor
 * settles. */
void stamps_give_up(struct stamps_writer *w, const struct stamp_set *set);

/* A write that is committed already, seen from outside; or a purge (xid 0). */
void stamps_bump(const struct stamps *s, const struct stamp_set *set, uint64_t xid);
/* weird's: the number's bits become orphan bits. How many slots. Idempotent. */
unsigned stamps_orphan(const struct stamps *s, unsigned number);
/* How many slots have the orphan bit. */
unsigned stamps_orphans(const struct stamps *s);
/* weir-monitor's: nothing of a dead worker runs any more; xid: the highest that may have written. epoch
 * is a counter that whoever makes orphans raises *before* it does; pass its value from before the check.
 * When it has moved, a slot may have been orphaned again behind the check: it stays one. How many were
 * settled. */
unsigned stamps_settle_orphans(const struct stamps *s, const _Atomic uint64_t *epoch, uint64_t epoch_then,
			       uint64_t xid);

#endif
