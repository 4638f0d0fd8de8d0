/* cache: L1, answers in shared memory, shared by the workers of a host.
 *
 * Two zones, `data` and `negative`, so that 404s never evict answers. A zone has shards by the high
 * bits of the key's hash; each has a robust mutex, an index, an arena of 512-byte blocks chained by
 * entry, S3-FIFO queues and a version that only grows. Whoever gets EOWNERDEAD empties that shard: no
 * repair (it was tried: it tears). A lock holder that is stopped costs a counted miss, and this process
 * leaves the shard alone for 100 ms. What is read from shared memory is never trusted to be in bounds; a
 * shard that contradicts itself is emptied too.
 *
 * The cache knows keys, bytes and times, not HTTP. It compares no stamps by itself: the caller does,
 * with the set that the entry carries, and calls cache_drop for an entry that no longer holds.
 * Times are milliseconds of CLOCK_BOOTTIME (clock_boot_ms): wall clock steps change nothing.
 *
 * Who writes: any process that attached; one struct cache per process and thread. Nothing here
 * allocates, logs or calls a library under a lock.
 * Layer: lib/shm. */
#ifndef WEIR_SHM_CACHE_H
#define WEIR_SHM_CACHE_H

#include <stdint.h>

#include "lib/base/buf.h"
#include "lib/base/slice.h"
#include "lib/shm/stamps.h"

#define CACHE_MIN_BYTES (1ull << 20)
#define CACHE_MAX_BYTES (1ull << 40)
#define CACHE_MAX_VALUE 1000000u	/* bytes of one entry, key and header included; as in memcached */
#define CACHE_MAX_KEY 8192u
#define CACHE_CODINGS 3u		/* of one answer */
#define CACHE_MAX_SHARDS 128u
#define CACHE_SECRET_BYTES 192u
#define CACHE_LANES 256u	/* of endpoints, by their rows: whose share of a zone is counted together */
#define CACHE_SHARE 25u		/* percent that a lane has where nobody says otherwise */
#define CACHE_LAYOUT_VERSION 2u		/* of what lies in shared memory; raised when it changes */

enum cache_zone { CACHE_DATA, CACHE_NEGATIVE, CACHE_ZONES };

struct cache_key {
	uint64_t h[2];			/* XXH3-128 with the secret; h[1] is of the place, too */
	struct slice text;		/* the whole key; compared always */
	uint64_t place;			/* which of several that know the same text; 0: there is one */
};

/* What an entry carries besides key and body. Written once, with the entry. */
struct cache_meta {
	uint64_t created_ms;		/* boot clock */
	uint64_t soft_ms, hard_ms;	/* fresh until; may be served stale until */
	uint64_t error_ms;		/* may be served on errors until; ≥ hard_ms or 0 */
	uint64_t created_wall_us;	/* for Date and Age */
	uint64_t xmin;			/* of the snapshot it was read in; 0 = not known */
	uint8_t etag[16];		/* of the identity body */
	uint32_t delta_us;		/* what making it cost */
	uint16_t status;
	uint8_t coding;			/* of the body: the caller's numbers */
	uint8_t flags;			/* the caller's */
	uint32_t endpoint;		/* metric row, for figures */
	uint32_t head_n;		/* the body begins with so many bytes of header lines */
	struct stamp_set stamps;	/* last: an entry keeps only what is used of it */
};

/* Counters of this process since cache_attach; the caller maps them to metrics. One writer. hits + misses
 * are the looks; a look at a shard that is busy is a miss too. */
struct cache_counts {
	uint64_t hits, misses, stores, replaced, too_big, evicted, expired, dropped, busy, wiped;
};

/* A zone's layout, computed from the size alone: private memory. */
struct cache_layout {
	size_t off, shard_bytes;	/* shard i begins at off + i × shard_bytes */
	unsigned n_shards, shift;	/* h[0] >> shift = the shard */
	uint32_t n_blocks, n_slots, n_ghosts;	/* of a shard */
	uint32_t max_blocks;		/* of an entry */
	size_t off_slots, off_next, off_ghosts, off_epochs, off_blocks;	/* in the shard; the tags follow its head */
};

struct cache {
	unsigned char *mem;
	size_t size;
	struct cache_layout zone[CACHE_ZONES];
	int lock_kind;
	struct cache_counts counts;
	uint64_t leave_until_ms[CACHE_ZONES][CACHE_MAX_SHARDS];	/* boot clock; 0: not left alone */
	uint64_t sweep_at[CACHE_ZONES];	/* shard × n_slots + slot */
	uint8_t share[CACHE_LANES];	/* percent; cache_share */
	unsigned char secret[CACHE_SECRET_BYTES];
};

/* Bytes of shared memory that a budget of `memory` gives: whole pages, never more. Both zones (the
 * negative one is 1/17 of it) and all heads are inside. 0: too small (CACHE_MIN_BYTES) or too large. */
size_t cache_size(uint64_t memory);
/* Lay it out in zeroed, page-aligned shared memory of cache_size bytes; once, before anybody attaches. */
void cache_format(void *mem, size_t size);
/* secret: seed of the hash, the same on all hosts that share an L2; any length. 0, or -1: the header is not
 * that of a cache of this size (untrusted memory). */
int cache_attach(struct cache *c, void *mem, size_t size, struct slice secret) MUST_USE;
void cache_detach(struct cache *c);
/* What an endpoint may have of a zone when others want room: beyond it, its own entries go first. As long as nobody else wants it, it may
 * have everything. Of endpoints that share a lane the largest counts. */
void cache_share(struct cache *c, unsigned endpoint, unsigned percent);

/* Fill key->h from key->text and key->place. */
void cache_hash(const struct cache *c, struct cache_key *key);

/* The same answer in another coding (the caller's number, 1 … CACHE_CODINGS - 1) is an entry of its own: its key is the answer's with
 * that number behind it, in room (CACHE_MAX_KEY bytes); its hash follows from the answer's. 0, or -1: it would be too long. */
int cache_variant_key(const struct cache *c, const struct cache_key *key, unsigned coding, char *room,
		      struct cache_key *ret) MUST_USE;

/* When an answer began to be made: what is made void since, or stored by somebody else, is newer (cache_put_since). Voids are
 * counted, by counters that keys share: one that moves for another key costs a store. For each zone. */
struct cache_epoch {
	uint32_t of[CACHE_ZONES];		/* voids */
	uint64_t version[CACHE_ZONES];		/* of the shard's last entry */
};
struct cache_epoch cache_epoch_of(const struct cache *c, const uint64_t h[2]);
/* Forget what is kept under the hash in this zone, in every coding, and let nobody store there what he began to make before
 * now. but: an entity tag; an entry that has it stays. The epoch until then. */
uint32_t cache_void(struct cache *c, enum cache_zone zone, const uint64_t h[2], const uint8_t *but);
/* The key of a mark about what is kept elsewhere under the hash: an entry without a body in the negative zone, of use by its xmin. */
#define CACHE_MARK_KEY 24u
void cache_mark_key(const struct cache *c, const uint64_t h[2], char text[CACHE_MARK_KEY], struct cache_key *ret);
/* Of the answer's other codings alone. */
void cache_drop_variants(struct cache *c, const struct cache_key *key);

enum cache_found { CACHE_MISS, CACHE_FOUND };
/* The entry, whatever its age, but hard_ms and error_ms both past are a miss (and freed): meta, and the body
 * appended to out (NULL: meta only, e.g. for a conditional request); a miss leaves out->n alone. Raises its
 * frequency. */
enum cache_found cache_get(struct cache *c, enum cache_zone zone, const struct cache_key *key, uint64_t now_ms,
			   struct cache_meta *meta, struct buf *out);
/* Store or replace. 0; CACHE_TOO_BIG, CACHE_BUSY (the shard: only for a moment): not stored, counted. */
#define CACHE_TOO_BIG (-1)
#define CACHE_BUSY (-2)
int cache_put(struct cache *c, enum cache_zone zone, const struct cache_key *key, const struct cache_meta *meta,
	      const struct slice *pieces, unsigned n_pieces, uint64_t now_ms);
/* The same of what began to be made at that epoch; CACHE_LATE: the key was made void since, or somebody else's answer, which may
 * be newer, was stored; nothing was stored. */
#define CACHE_LATE (-3)
int cache_put_since(struct cache *c, enum cache_zone zone, const struct cache_key *key, const struct cache_meta *meta,
		    const struct slice *pieces, unsigned n_pieces, uint64_t now_ms, const struct cache_epoch *since);
/* Forget the entry if it is still the one with this created_ms and etag (meta; NULL: whichever it is). */
void cache_drop(struct cache *c, enum cache_zone zone, const struct cache_key *key, const struct cache_meta *meta);
/* Empty everything, shard by shard. */
void cache_clear(struct cache *c);
/* Sweep 1 % of the buckets of each zone: frees what has expired, and what holds(arg, stamps) denies (called
 * outside of locks; NULL: nothing). Called every 100 ms by one process. How many were freed. */
unsigned cache_sweep(struct cache *c, uint64_t now_ms, int (*holds)(void *arg, const struct stamp_set *set), void *arg);

/* Figures; no lock is taken, so weird may ask. */
struct cache_stat {
	uint64_t bytes_total, bytes_used, entries, small_entries;
	uint64_t oldest_created_ms;	/* of the queues' ends, as the sweep saw them last; 0: not known */
	uint64_t evicted, expired, wiped;	/* since the memory was made, all processes */
	unsigned n_shards;
};
void cache_stat(const struct cache *c, enum cache_zone zone, struct cache_stat *ret);
/* Visit entries of one zone: keys and meta copied under the lock, fn called outside of it; bytes: of key and
 * body. fn returns 0 to stop. For weirctl, in a thread: it goes over all of the memory. Entries that come or go meanwhile
 * may be missed. */
void cache_each(struct cache *c, enum cache_zone zone,
		int (*fn)(void *arg, const struct cache_key *key, const struct cache_meta *meta, size_t bytes), void *arg);
/* The entry by its hash alone: its key's text appended to text, its meta, the bytes of key and body. */
enum cache_found cache_find_hash(struct cache *c, enum cache_zone zone, const uint64_t h[2], struct buf *text,
				 struct cache_meta *meta, size_t *ret_bytes);

#endif
