/* cache_priv: what lies in a shard, for cache*.c alone.
 *
 *   head (mutex, version, queues, free list) · tags · slots · next · ghosts · epochs · blocks
 *
 * An epoch is the number of voids of the keys that share it, as many as slots; raised with or without the lock, never set back.
 *
 * An entry is a slot of the index and a chain of blocks; slot numbers never change while it lives. The first
 * block begins with struct cache_entry and the stamps, then come key and body without a gap. Links are
 * number + 1, 0 is none: zeroed memory is an empty shard. Everything is written under the shard's lock, by
 * whoever has it; figures are atomics so that cache_stat can read them without. A holder that is
 * killed leaves a shard of which nothing is believed but its version.
 * Layer: lib/shm. */
#ifndef WEIR_SHM_CACHE_PRIV_H
#define WEIR_SHM_CACHE_PRIV_H

#include <pthread.h>
#include <stdatomic.h>

#include "lib/shm/cache.h"

#define CACHE_MAGIC 0x5745495243414331ull	/* "WEIRCAC1" */
#define CACHE_BLOCK 512u
#define CACHE_WINDOW 32u	/* slots that a key may be in, from its home on */
#define CACHE_GHOST_WAYS 4u
#define CACHE_HEAD 4096u

enum cache_queue_id { CACHE_SMALL, CACHE_MAIN, CACHE_QUEUES };

struct cache_head {
	uint64_t magic, size;
	uint64_t shard_bytes[CACHE_ZONES];
	uint32_t n_shards[CACHE_ZONES];
};

struct cache_slot {
	uint32_t first;			/* block + 1 */
	uint32_t prev, next;		/* slot + 1; prev is nearer to the head, where entries come in */
	uint16_t n_blocks;
	uint8_t freq;			/* 0–3 */
	uint8_t queue;
};

/* Whom the small queue has let go, by the low bits of its hash. */
struct cache_ghost {
	uint32_t print;			/* 0: none */
	uint32_t at;			/* the shard's ghost clock then */
};

struct cache_queue {
	uint32_t head, tail;		/* slot + 1 */
	uint32_t n, n_blocks;
};

struct cache_shard {
	pthread_mutex_t lock;
	uint64_t version;		/* of the entry written last; wiping raises it too */
	struct cache_queue queue[CACHE_QUEUES];
	uint32_t free;			/* block + 1: chain of the free ones … */
	uint32_t fresh;			/* … besides all from this number on */
	uint32_t n_used;		/* blocks */
	uint32_t ghost_clock;
	_Atomic uint64_t blocks_used, entries, small_entries, oldest_created_ms;
	_Atomic uint64_t evicted, expired, wiped;
	uint32_t lane_blocks[CACHE_LANES];	/* by the endpoint of the entry, modulo */
};

struct cache_entry {
	uint64_t h[2];
	uint64_t version;
	uint32_t key_n, body_n;
	uint64_t created_ms, soft_ms, hard_ms, error_ms, created_wall_us, xmin;
	uint8_t etag[16];
	uint32_t delta_us;
	uint16_t status;
	uint8_t coding, flags;
	uint32_t endpoint, head_n;
	uint32_t n_stamps, spare;
	/* then generations (u64), slots (u32), key, body */
};
#define CACHE_STAMP_BYTES 12u
_Static_assert(sizeof(struct cache_entry) + STAMPS_MAX_TAGS * CACHE_STAMP_BYTES <= CACHE_BLOCK,
	       "header and stamps are in the first block");
_Static_assert(CACHE_MAX_VALUE / CACHE_BLOCK < UINT16_MAX, "an entry's blocks are 16 bits");

/* A locked shard, its parts as pointers. */
struct cache_view {
	struct cache *c;
	const struct cache_layout *l;
	struct cache_shard *s;
	uint32_t *tags;			/* by slot; 0: free */
	struct cache_slot *slots;
	uint32_t *next;			/* by block; block + 1 */
	struct cache_ghost *ghosts;
	unsigned char *blocks;
	enum cache_zone zone;
	unsigned index;
};

/* A place in a chain. */
struct cache_cursor {
	uint32_t block;			/* + 1; 0 past the end */
	uint32_t off;
};

#define CACHE_NO_SLOT UINT32_MAX

/* ---- cache_shard.c ---- */

/* 0 with the lock held and v filled; -1: busy, counted. A shard whose holder died comes empty. */
int cache_lock(struct cache *c, enum cache_zone zone, unsigned index, struct cache_view *v) MUST_USE;
void cache_unlock(struct cache_view *v);
/* Empty the shard; locked. */
void cache_wipe(struct cache_view *v);
/* The shard contradicts itself: wiped, counted. */
void cache_mend(struct cache_view *v);

static inline uint32_t cache_tag(const uint64_t h[2])
{
	return (uint32_t)h[1] ? (uint32_t)h[1] : 1;
}

static inline unsigned cache_shard_of(const struct cache *c, enum cache_zone zone, const uint64_t h[2])
{
	return (unsigned)(h[0] >> c->zone[zone].shift);
}
_Atomic uint32_t *cache_epoch_at(const struct cache *c, enum cache_zone zone, const uint64_t h[2]);
/* The hash of the key in another coding. */
void cache_variant_hash(const struct cache *c, const uint64_t h[2], unsigned coding, uint64_t ret[2]);
/* The slot of a hash, whatever its text, or CACHE_NO_SLOT; its header, checked, in e. */
uint32_t cache_find_h(struct cache_view *v, const uint64_t h[2], struct cache_entry *e);
/* The slot of a key, or CACHE_NO_SLOT; its header, checked, in e. */
uint32_t cache_find(struct cache_view *v, const struct cache_key *key, struct cache_entry *e);
/* Copy the header of a slot in use, and the stamps when set is given. 0, or -1: it makes no sense. */
int cache_entry_read(const struct cache_view *v, uint32_t slot, struct cache_entry *e, struct stamp_set *set) MUST_USE;
/* All of it but the stamps. */
void cache_meta_read(const struct cache_entry *e, struct cache_meta *m);
static inline size_t cache_entry_key_at(const struct cache_entry *e)
{
	return sizeof(*e) + e->n_stamps * CACHE_STAMP_BYTES;
}
/* Neither fresh, nor stale, nor kept for errors. */
static inline int cache_is_expired(const struct cache_entry *e, uint64_t now_ms)
{
	return now_ms >= e->hard_ms && now_ms >= e->error_ms;
}

/* n bytes on; 0, or -1: the chain ends before that. */
int cache_seek(const struct cache_view *v, struct cache_cursor *at, size_t n) MUST_USE;
int cache_read(const struct cache_view *v, struct cache_cursor *at, void *to, size_t n) MUST_USE;
int cache_write(const struct cache_view *v, struct cache_cursor *at, const void *from, size_t n) MUST_USE;

/* ---- cache_evict.c ---- */

/* Take an entry out of queue and index and free its blocks. */
void cache_remove(struct cache_view *v, uint32_t slot);
/* The same for one that will likely be asked for again: its key is remembered if it was of use. */
void cache_forget(struct cache_view *v, uint32_t slot, const uint64_t h[2]);
/* A slot in the window of h and a chain of n blocks, evicting what must go; both 0-based slot and first
 * block + 1. 0, or -1: it cannot be (and the shard was mended). */
int cache_make_room(struct cache_view *v, const uint64_t h[2], uint32_t n, uint64_t now_ms, uint32_t *ret_slot,
		    uint32_t *ret_first) MUST_USE;
/* Put a slot at its queue's head: main if it was let go lately or is_main says so. */
void cache_enqueue(struct cache_view *v, uint32_t slot, const uint64_t h[2], int is_main);
/* The older one of the queues' ends. */
uint64_t cache_oldest(const struct cache_view *v);

#endif
