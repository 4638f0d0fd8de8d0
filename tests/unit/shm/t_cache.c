#include "config.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "lib/shm/cache_priv.h"

#define MIB (1ull << 20)

struct here {
	struct cache c;
	void *mem;
	size_t size;
	struct buf out;
	struct cache_meta meta;
};

static void open_cache(struct here *h, uint64_t memory)
{
	h->size = cache_size(memory);
	h->mem = mmap(NULL, h->size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	cr_assert(h->mem != MAP_FAILED);
	cache_format(h->mem, h->size);
	cr_assert(cache_attach(&h->c, h->mem, h->size, SLICE("s")) == 0);
	buf_init(&h->out, 0);
}

static void close_cache(struct here *h)
{
	cache_detach(&h->c);
	buf_done(&h->out);
	munmap(h->mem, h->size);
}

static struct cache_key key_of(const struct here *h, const char *text)
{
	struct cache_key k = {.text = slice_str(text)};

	cache_hash(&h->c, &k);
	return k;
}

static int put(struct here *h, enum cache_zone zone, const char *key, struct slice body, uint64_t created, uint64_t hard)
{
	struct cache_key k = key_of(h, key);
	struct cache_meta m = {.created_ms = created, .soft_ms = hard, .hard_ms = hard, .status = 200};

	return cache_put(&h->c, zone, &k, &m, &body, 1, created);
}

static enum cache_found get(struct here *h, enum cache_zone zone, const char *key, uint64_t now)
{
	struct cache_key k = key_of(h, key);

	buf_clear(&h->out);
	return cache_get(&h->c, zone, &k, now, &h->meta, &h->out);
}

Test(cache, an_entry_comes_back_as_it_was_put)
{
	struct here h;
	struct cache_key k;
	struct cache_meta m = {.created_ms = 5, .soft_ms = 10, .hard_ms = 20, .error_ms = 30, .created_wall_us = 77,
			       .xmin = 9, .etag = "0123456789abcde", .delta_us = 3, .status = 201, .coding = 2,
			       .flags = 4, .endpoint = 6, .head_n = 5,
			       .stamps = {.n = 16}};
	struct slice pieces[3] = {SLICE("head\n"), SLICE(""), SLICE("body")};
	char text[3000];

	open_cache(&h, 4 * MIB);
	for (uint32_t i = 0; i < 16; i++) {
		m.stamps.slot[i] = i * 3;
		m.stamps.gen[i] = 1ull << (2 * i);
	}
	for (size_t n = 1; n < sizeof(text); n += 97) {
		memset(text, 'k', n);
		text[n] = 0;
		k = key_of(&h, text);
		cr_assert(cache_put(&h.c, CACHE_DATA, &k, &m, pieces, 3, 6) == 0);
		buf_clear(&h.out);
		buf_adds(&h.out, "before ");
		memset(&h.meta, 0xff, sizeof(h.meta));
		cr_assert(cache_get(&h.c, CACHE_DATA, &k, 7, &h.meta, &h.out) == CACHE_FOUND);
		cr_expect_str_eq(buf_str(&h.out), "before head\nbody");
		cr_expect(memcmp(&h.meta, &m, offsetof(struct cache_meta, stamps)) == 0);
		cr_expect(h.meta.stamps.n == 16 && h.meta.stamps.slot[15] == 45 && h.meta.stamps.gen[15] == 1ull << 30);
		cr_expect(cache_get(&h.c, CACHE_NEGATIVE, &k, 7, &h.meta, &h.out) == CACHE_MISS, "a zone of its own");
		cr_expect(cache_get(&h.c, CACHE_DATA, &k, 7, &h.meta, NULL) == CACHE_FOUND, "meta alone");
	}
	close_cache(&h);
}

Test(cache, all_sizes_and_both_copies_agree)
{
	struct here h;
	char *body = malloc(CACHE_MAX_VALUE + 1);
	static const size_t sizes[] = {0, 1, 300, 388, 389, 511, 512, 513, 4096, 65535, 65536, 65537, 131072, 200000, 999000};

	open_cache(&h, 256 * MIB);
	for (size_t i = 0; i <= CACHE_MAX_VALUE; i++)
		body[i] = (char)(i * 31 + (i >> 8));
	for (unsigned round = 0; round < 3; round++)
		for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
			char key[16];

			snprintf(key, sizeof(key), "k%zu", i);
			if (sizes[i] > h.c.zone[CACHE_DATA].max_blocks * CACHE_BLOCK - 1000)
				continue;
			cr_assert(put(&h, CACHE_DATA, key, slice_of(body + round, sizes[i]), 1, 100) == 0, "%zu", sizes[i]);
			cr_assert(get(&h, CACHE_DATA, key, 2) == CACHE_FOUND);
			cr_assert(h.out.n == sizes[i] && (!sizes[i] || memcmp(h.out.p, body + round, sizes[i]) == 0), "%zu", sizes[i]);
		}
	cr_expect(h.c.counts.replaced > 20);
	free(body);
	close_cache(&h);
}

Test(cache, what_has_expired_is_missed_and_freed)
{
	struct here h;
	struct cache_stat s;
	struct cache_key k;
	struct cache_meta m = {.created_ms = 1, .soft_ms = 10, .hard_ms = 20, .error_ms = 50};
	struct slice body = SLICE("x");

	open_cache(&h, MIB);
	cr_assert(put(&h, CACHE_DATA, "a", body, 1, 20) == 0);
	cr_expect(get(&h, CACHE_DATA, "a", 19) == CACHE_FOUND);
	cr_expect(get(&h, CACHE_DATA, "a", 20) == CACHE_MISS);
	cr_expect(get(&h, CACHE_DATA, "a", 5) == CACHE_MISS, "gone for good");
	k = key_of(&h, "b");
	cr_assert(cache_put(&h.c, CACHE_DATA, &k, &m, &body, 1, 1) == 0);
	cr_expect(get(&h, CACHE_DATA, "b", 49) == CACHE_FOUND, "kept for errors");
	cr_expect(get(&h, CACHE_DATA, "b", 50) == CACHE_MISS);
	cache_stat(&h.c, CACHE_DATA, &s);
	cr_expect(s.entries == 0 && s.bytes_used == 0 && s.expired == 2);
	cr_expect(h.c.counts.expired == 2);
	close_cache(&h);
}

Test(cache, drop_spares_an_entry_that_is_newer)
{
	struct here h;
	struct cache_key k;
	struct cache_meta old;

	open_cache(&h, MIB);
	k = key_of(&h, "a");
	cr_assert(put(&h, CACHE_DATA, "a", SLICE("1"), 1, 100) == 0);
	cr_assert(get(&h, CACHE_DATA, "a", 2) == CACHE_FOUND);
	old = h.meta;
	cr_assert(put(&h, CACHE_DATA, "a", SLICE("2"), 3, 100) == 0);
	cache_drop(&h.c, CACHE_DATA, &k, &old);
	cr_expect(get(&h, CACHE_DATA, "a", 4) == CACHE_FOUND);
	cr_expect_str_eq(buf_str(&h.out), "2");
	cache_drop(&h.c, CACHE_DATA, &k, &h.meta);
	cr_expect(get(&h, CACHE_DATA, "a", 4) == CACHE_MISS);
	cr_expect(h.c.counts.dropped == 1);
	close_cache(&h);
}

Test(cache, an_entry_takes_an_eighth_of_its_shard_at_most)
{
	struct here h;
	char *body = calloc(1, 2 * CACHE_MAX_VALUE);
	size_t most;

	open_cache(&h, 8 * MIB);
	most = h.c.zone[CACHE_DATA].max_blocks * CACHE_BLOCK - sizeof(struct cache_entry) - 1;
	cr_expect(most < 8 * MIB / h.c.zone[CACHE_DATA].n_shards / 8);
	cr_expect(put(&h, CACHE_DATA, "a", slice_of(body, most), 1, 9) == 0);
	cr_expect(put(&h, CACHE_DATA, "b", slice_of(body, most + 1), 1, 9) == -1);
	cr_expect(put(&h, CACHE_DATA, "b", slice_of(body, SIZE_MAX / 2), 1, 9) == -1);
	cr_expect(h.c.counts.too_big == 2 && h.c.counts.stores == 1);
	close_cache(&h);
	open_cache(&h, 2048 * MIB);
	cr_expect(put(&h, CACHE_DATA, "a", slice_of(body, CACHE_MAX_VALUE - sizeof(struct cache_entry) - 1), 1, 9) == 0);
	cr_expect(put(&h, CACHE_DATA, "a", slice_of(body, CACHE_MAX_VALUE - sizeof(struct cache_entry)), 1, 9) == -1);
	cr_expect(get(&h, CACHE_DATA, "a", 2) == CACHE_FOUND && h.out.n > 999000);
	free(body);
	close_cache(&h);
}

Test(cache, memory_is_cut_to_the_budget)
{
	static const uint64_t budgets[] = {MIB, MIB + 1, 3 * MIB, 64 * MIB, 300 * MIB + 4095, 1024 * MIB};

	cr_expect(cache_size(MIB - 1) == 0 && cache_size(UINT64_MAX) == 0);
	for (size_t i = 0; i < ARRAY_LEN(budgets); i++) {
		struct here h;
		struct cache_stat d, n;

		cr_expect(cache_size(budgets[i]) <= budgets[i] && cache_size(budgets[i]) % 4096 == 0);
		open_cache(&h, budgets[i]);
		for (unsigned z = 0; z < CACHE_ZONES; z++) {
			const struct cache_layout *l = &h.c.zone[z];

			cr_expect(l->off + l->n_shards * l->shard_bytes <= h.size);
			cr_expect(l->off_blocks + (size_t)l->n_blocks * CACHE_BLOCK <= l->shard_bytes);
			cr_expect(l->shard_bytes - (size_t)l->n_blocks * CACHE_BLOCK < l->shard_bytes / 8 + sizeof(struct cache_shard), "overhead");
		}
		cache_stat(&h.c, CACHE_DATA, &d);
		cache_stat(&h.c, CACHE_NEGATIVE, &n);
		cr_expect(d.bytes_total > 14 * n.bytes_total && d.bytes_total < 18 * n.bytes_total);
		cr_expect(d.n_shards >= 4 && d.n_shards <= 128 && (d.n_shards & (d.n_shards - 1)) == 0);
		close_cache(&h);
	}
}

/* Sizes at random, three times what fits: figures agree with the lists at the end, nothing beyond. */
Test(cache, a_full_cache_evicts_and_stays_whole)
{
	struct here h;
	char body[6000], key[32];
	struct cache_stat s;
	uint64_t seed = 7;

	open_cache(&h, 4 * MIB);
	memset(body, 'b', sizeof(body));
	for (unsigned i = 0; i < 20000; i++) {
		size_t n;

		seed = seed * 6364136223846793005ull + 1;
		n = (size_t)(seed >> 40) % sizeof(body);
		snprintf(key, sizeof(key), "key %u", (unsigned)(seed >> 33) % 9000);
		cr_assert(put(&h, CACHE_DATA, key, slice_of(body, n), i, i + 100000) == 0);
		cr_assert(get(&h, CACHE_DATA, key, i) == CACHE_FOUND && h.out.n == n);
		if (i % 7 == 0) {
			struct cache_key k = key_of(&h, key);

			cache_drop(&h.c, CACHE_DATA, &k, NULL);
		}
	}
	cache_stat(&h.c, CACHE_DATA, &s);
	cr_expect(s.bytes_used <= s.bytes_total && s.bytes_used > s.bytes_total * 9 / 10);
	cr_expect(s.evicted > 1000 && s.wiped == 0);
	for (unsigned i = 0; i < s.n_shards; i++) {
		struct cache_view v;
		uint64_t used = 0, entries = 0, chained = 0, n_free = 0;

		cr_assert(cache_lock(&h.c, CACHE_DATA, i, &v) == 0);
		for (uint32_t k = 0; k < v.l->n_slots; k++) {
			uint32_t n = 0;

			if (!v.tags[k])
				continue;
			entries++;
			used += v.slots[k].n_blocks;
			for (uint32_t b = v.slots[k].first; b; b = v.next[b - 1])
				n++;
			chained += n;
		}
		for (uint32_t b = v.s->free; b; b = v.next[b - 1])
			n_free++;
		cr_expect(used == v.s->n_used && used == v.s->blocks_used && entries == v.s->entries);
		cr_expect(entries == v.s->queue[0].n + v.s->queue[1].n);
		cr_expect(used == v.s->queue[0].n_blocks + v.s->queue[1].n_blocks);
		cr_expect(used + n_free + (v.l->n_blocks - v.s->fresh) == v.l->n_blocks);
		cr_expect(chained == used, "chains end where their entries do");
		cache_unlock(&v);
	}
	close_cache(&h);
}

Test(cache, a_404_evicts_no_answer)
{
	struct here h;
	struct cache_stat s;
	char key[32];

	open_cache(&h, 2 * MIB);
	for (unsigned i = 0; i < 500; i++) {
		snprintf(key, sizeof(key), "answer %u", i);
		cr_assert(put(&h, CACHE_DATA, key, SLICE("a"), 1, 1000) == 0);
	}
	for (unsigned i = 0; i < 50000; i++) {
		snprintf(key, sizeof(key), "no %u", i);
		cr_assert(put(&h, CACHE_NEGATIVE, key, SLICE(""), 1, 1000) == 0);
	}
	cache_stat(&h.c, CACHE_DATA, &s);
	cr_expect(s.entries == 500 && s.evicted == 0);
	cache_stat(&h.c, CACHE_NEGATIVE, &s);
	cr_expect(s.evicted > 40000);
	close_cache(&h);
}

/* Two shards full of small entries: what was asked for twice outlives a scan; a ghost returns to main. */
Test(cache, who_is_asked_for_outlives_a_scan)
{
	struct here h;
	struct cache_stat s;
	char key[32];
	unsigned kept = 0, n_hot = 300;

	open_cache(&h, MIB);
	for (unsigned i = 0; i < n_hot; i++) {
		snprintf(key, sizeof(key), "hot %u", i);
		cr_assert(put(&h, CACHE_DATA, key, SLICE("h"), 1, 1000) == 0);
		cr_expect(get(&h, CACHE_DATA, key, 2) == CACHE_FOUND && get(&h, CACHE_DATA, key, 2) == CACHE_FOUND);
	}
	for (unsigned i = 0; i < 20000; i++) {
		snprintf(key, sizeof(key), "scan %u", i);
		cr_assert(put(&h, CACHE_DATA, key, SLICE("s"), 1, 1000) == 0);
	}
	for (unsigned i = 0; i < n_hot; i++) {
		snprintf(key, sizeof(key), "hot %u", i);
		kept += get(&h, CACHE_DATA, key, 2) == CACHE_FOUND;
	}
	cr_expect(kept == n_hot, "%u of %u", kept, n_hot);
	cache_stat(&h.c, CACHE_DATA, &s);
	cr_expect(s.small_entries > 0 && s.entries > s.small_entries);
	/* the scan's last victims are remembered: they come back into main */
	snprintf(key, sizeof(key), "scan %u", 20000 - (unsigned)s.entries - 50);
	cr_expect(get(&h, CACHE_DATA, key, 2) == CACHE_MISS);
	cr_assert(put(&h, CACHE_DATA, key, SLICE("s"), 1, 1000) == 0);
	for (unsigned i = 0; i < 5000; i++) {
		char other[32];

		snprintf(other, sizeof(other), "more %u", i);
		cr_assert(put(&h, CACHE_DATA, other, SLICE("s"), 1, 1000) == 0);
	}
	cr_expect(get(&h, CACHE_DATA, key, 2) == CACHE_FOUND, "a ghost enters main");
	close_cache(&h);
}

Test(cache, the_expired_go_before_anybody_else)
{
	struct here h;
	char key[32];
	unsigned kept = 0;

	open_cache(&h, MIB + MIB / 8);
	for (unsigned i = 0; i < 600; i++) {
		snprintf(key, sizeof(key), "old %u", i);
		cr_assert(put(&h, CACHE_DATA, key, SLICE("o"), 1, 10) == 0);
	}
	for (unsigned i = 0; i < 1400; i++) {
		snprintf(key, sizeof(key), "new %u", i);
		cr_assert(put(&h, CACHE_DATA, key, SLICE("n"), 20, 1000) == 0);
	}
	for (unsigned i = 0; i < 1400; i++) {
		snprintf(key, sizeof(key), "new %u", i);
		kept += get(&h, CACHE_DATA, key, 30) == CACHE_FOUND;
	}
	/* a full window of the index may cost a few */
	cr_expect(kept >= 1398 && h.c.counts.expired > 40 && h.c.counts.evicted < 5, "%u, %llu expired, %llu evicted",
		  kept, (unsigned long long)h.c.counts.expired, (unsigned long long)h.c.counts.evicted);
	close_cache(&h);
}

static int holds_even(void *arg, const struct stamp_set *set)
{
	(void)arg;
	return set->gen[0] % 2 == 0;
}

Test(cache, a_hundred_sweeps_go_over_everything)
{
	struct here h;
	struct cache_stat s;
	unsigned freed = 0;
	char key[32];

	open_cache(&h, 64 * MIB);
	for (unsigned i = 0; i < 3000; i++) {
		struct cache_meta m = {.created_ms = 1 + i, .hard_ms = i % 3 ? 1000000 : 10,
				       .stamps = {.n = 1, .gen = {i}}};
		struct slice body = SLICE("b");
		struct cache_key k;

		snprintf(key, sizeof(key), "k %u", i);
		k = key_of(&h, key);
		cr_assert(cache_put(&h.c, i % 2 ? CACHE_DATA : CACHE_NEGATIVE, &k, &m, &body, 1, 1) == 0);
	}
	for (unsigned i = 0; i < 101; i++)
		freed += cache_sweep(&h.c, 100, holds_even, NULL);
	cr_expect(freed == 2000, "%u", freed);	/* a third expired; half of the others do not hold */
	cache_stat(&h.c, CACHE_DATA, &s);
	cr_expect(s.entries == 0, "odd ones");
	cache_stat(&h.c, CACHE_NEGATIVE, &s);
	cr_expect(s.entries == 1000 && s.oldest_created_ms >= 1 && s.oldest_created_ms < 100);
	cache_clear(&h.c);
	cache_stat(&h.c, CACHE_NEGATIVE, &s);
	cr_expect(s.entries == 0 && s.bytes_used == 0);
	close_cache(&h);
}

static int count_key(void *arg, const struct cache_key *k, const struct cache_meta *meta, size_t bytes)
{
	unsigned *seen = arg;
	struct slice key = k->text;
	char text[32];
	unsigned i;

	cr_assert(key.n < sizeof(text));
	snprintf(text, sizeof(text), "%.*s", SLICE_ARG(key));
	cr_assert(sscanf(text, "k %u", &i) == 1 && i < 1000);
	cr_expect(meta->endpoint == i && bytes == key.n + 3);
	seen[i]++;
	return ++seen[1000] < seen[1001];
}

Test(cache, each_visits_every_entry_once)
{
	struct here h;
	unsigned seen[1002] = {[1001] = 2000};

	open_cache(&h, 4 * MIB);
	for (unsigned i = 0; i < 1000; i++) {
		struct cache_meta m = {.hard_ms = 9, .endpoint = i};
		struct slice body = SLICE("abc");
		struct cache_key k;
		char key[32];

		snprintf(key, sizeof(key), "k %u", i);
		k = key_of(&h, key);
		cr_assert(cache_put(&h.c, CACHE_DATA, &k, &m, &body, 1, 1) == 0);
	}
	cache_each(&h.c, CACHE_DATA, count_key, seen);
	for (unsigned i = 0; i < 1000; i++)
		cr_expect(seen[i] == 1);
	memset(seen, 0, sizeof(seen));
	seen[1001] = 7;
	cache_each(&h.c, CACHE_DATA, count_key, seen);
	cr_expect(seen[1000] == 7, "until it says stop");
	close_cache(&h);
}

Test(cache, attach_refuses_what_is_no_cache_of_that_size)
{
	struct here h;
	struct cache c;

	open_cache(&h, 2 * MIB);
	cr_expect(cache_attach(&c, h.mem, MIB, SLICE("")) == -1);
	cr_expect(cache_attach(&c, h.mem, 0, SLICE("")) == -1);
	for (size_t i = 0; i < sizeof(struct cache_head); i++) {
		((char *)h.mem)[i] ^= 1;
		cr_expect(cache_attach(&c, h.mem, h.size, SLICE("")) == -1);
		((char *)h.mem)[i] ^= 1;
	}
	cr_expect(cache_attach(&c, h.mem, h.size, SLICE("")) == 0);
	close_cache(&h);
}

Test(cache, the_secret_decides_the_hash)
{
	struct here h;
	struct cache other;
	struct cache_key a, b, same;

	open_cache(&h, MIB);
	a = key_of(&h, "key");
	same = key_of(&h, "key");
	cr_expect(a.h[0] == same.h[0] && a.h[1] == same.h[1]);
	cr_assert(cache_attach(&other, h.mem, h.size, SLICE("t")) == 0);
	b = a;
	cache_hash(&other, &b);
	cr_expect(a.h[0] != b.h[0] && a.h[1] != b.h[1]);
	close_cache(&h);
}

/* Random bytes over everything but the locks' kind, then reads and writes: nobody leaves the mapping (it ends
 * with the last shard and begins after a page that cannot be read), and the shard heals. */
Test(cache, hostile_memory_leads_nobody_astray, .timeout = 60)
{
	struct here h;
	uint64_t seed = 99;
	char body[3000], key[32];
	unsigned found = 0;

	open_cache(&h, MIB);
	memset(body, 'x', sizeof(body));
	for (unsigned round = 0; round < 300; round++) {
		for (unsigned i = 0; i < 200; i++) {
			snprintf(key, sizeof(key), "k %u", i);
			(void)put(&h, CACHE_DATA, key, slice_of(body, i * 13), round + 1, 1u << 30);
		}
		for (unsigned i = 0; i < 500; i++) {
			unsigned shard;
			size_t at, part;

			seed = seed * 6364136223846793005ull + 1442695040888963407ull;
			shard = (unsigned)(seed >> 60) % h.c.zone[CACHE_DATA].n_shards;
			part = round % 3 == 0 ? sizeof(struct cache_shard) - sizeof(pthread_mutex_t)
			       : round % 3 == 1 ? h.c.zone[CACHE_DATA].off_blocks - sizeof(pthread_mutex_t)
						: h.c.zone[CACHE_DATA].shard_bytes - sizeof(pthread_mutex_t);
			at = sizeof(pthread_mutex_t) + (size_t)(seed >> 20) % part;
			((unsigned char *)h.mem)[h.c.zone[CACHE_DATA].off + shard * h.c.zone[CACHE_DATA].shard_bytes + at] =
			    (unsigned char)(seed >> 50);
		}
		for (unsigned i = 0; i < 200; i++) {
			struct cache_key k;

			snprintf(key, sizeof(key), "k %u", i);
			found += get(&h, CACHE_DATA, key, round + 2) == CACHE_FOUND;
			k = key_of(&h, key);
			if (i % 5 == 0)
				cache_drop(&h.c, CACHE_DATA, &k, NULL);
		}
		(void)cache_sweep(&h.c, round, NULL, NULL);
	}
	cr_expect(found > 100 && h.c.counts.wiped > 10);
	close_cache(&h);
}

Test(cache, a_lock_of_another_kind_is_not_taken)
{
	struct here h;
	struct cache_view v;

	open_cache(&h, MIB);
	for (unsigned i = 0; i < h.c.zone[CACHE_DATA].n_shards; i++) {
		struct cache_shard *s = (void *)((char *)h.mem + h.c.zone[CACHE_DATA].off + i * h.c.zone[CACHE_DATA].shard_bytes);

		memset(&s->lock, 0xa5, sizeof(s->lock));
		cr_expect(cache_lock(&h.c, CACHE_DATA, i, &v) == -1);
		cr_expect(cache_lock(&h.c, CACHE_DATA, i, &v) == -1);
	}
	cr_expect(h.c.counts.busy == 2 * h.c.zone[CACHE_DATA].n_shards);
	cr_expect(put(&h, CACHE_DATA, "a", SLICE("b"), 1, 9) == CACHE_BUSY);
	cr_expect(get(&h, CACHE_DATA, "a", 1) == CACHE_MISS);
	close_cache(&h);
}

Test(cache, an_answer_s_codings_are_entries_of_their_own)
{
	struct here h;
	struct cache_key k, other;
	struct cache_meta m = {.created_ms = 1, .soft_ms = 10, .hard_ms = 20};
	char room[CACHE_MAX_KEY], *longest = malloc(CACHE_MAX_KEY + 1);
	struct slice body = SLICE("x");

	open_cache(&h, 4 * MIB);
	k = key_of(&h, "a");
	for (unsigned coding = 1; coding < CACHE_CODINGS; coding++) {
		cr_assert(cache_variant_key(&h.c, &k, coding, room, &other) == 0);
		cr_expect(other.text.n == 2 && (other.h[0] != k.h[0] || other.h[1] != k.h[1]));
		m.coding = (uint8_t)coding;
		cr_assert(cache_put(&h.c, CACHE_DATA, &other, &m, &body, 1, 1) == 0);
	}
	cr_assert(put(&h, CACHE_DATA, "a", body, 1, 20) == 0);
	cr_assert(put(&h, CACHE_DATA, "b", body, 1, 20) == 0);
	cr_expect(cache_get(&h.c, CACHE_DATA, &other, 2, &h.meta, NULL) == CACHE_FOUND);
	cache_drop_variants(&h.c, &k);
	for (unsigned coding = 1; coding < CACHE_CODINGS; coding++) {
		cr_assert(cache_variant_key(&h.c, &k, coding, room, &other) == 0);
		cr_expect(cache_get(&h.c, CACHE_DATA, &other, 2, &h.meta, NULL) == CACHE_MISS);
	}
	cr_expect(get(&h, CACHE_DATA, "a", 2) == CACHE_FOUND && get(&h, CACHE_DATA, "b", 2) == CACHE_FOUND);
	memset(longest, 'k', CACHE_MAX_KEY);
	longest[CACHE_MAX_KEY] = 0;
	k = key_of(&h, longest);
	cr_expect(cache_variant_key(&h.c, &k, 1, room, &other) == -1, "no room for the coding");
	k.text.n--;
	cr_expect(cache_variant_key(&h.c, &k, 1, room, &other) == 0);
	free(longest);
	close_cache(&h);
}

/* 7.10, 7.11: what was begun before an answer was made void, or replaced, is not stored any more. */
Test(cache, what_was_begun_before_a_key_was_made_void_is_not_stored)
{
	struct here h;
	struct cache_key k, other;
	struct cache_meta m = {.created_ms = 1, .soft_ms = 10, .hard_ms = 20, .etag = "etag"}, found;
	struct cache_epoch then, first;
	char room[CACHE_MAX_KEY];
	struct slice body = SLICE("x");
	struct buf text;
	size_t bytes;

	open_cache(&h, 4 * MIB);
	buf_init(&text, 0);
	k = key_of(&h, "a");
	cr_assert(cache_variant_key(&h.c, &k, 1, room, &other) == 0);
	first = cache_epoch_of(&h.c, k.h);
	cr_assert(put(&h, CACHE_DATA, "another one", body, 1, 20) == 0);
	then = cache_epoch_of(&h.c, k.h);
	cr_expect(then.of[0] == first.of[0] && then.of[1] == first.of[1], "a store is no void");
	for (int z = 0; z < CACHE_ZONES; z++) {
		then = cache_epoch_of(&h.c, k.h);
		cr_expect(cache_put_since(&h.c, z, &k, &m, &body, 1, 1, &then) == 0);
		cr_expect(cache_put_since(&h.c, z, &k, &m, &body, 1, 1, &then) == CACHE_LATE, "another was stored meanwhile");
		then = cache_epoch_of(&h.c, k.h);
		cr_expect(cache_find_hash(&h.c, z, k.h, &text, &found, &bytes) == CACHE_FOUND && bytes == 2);
		cr_expect(slice_eq(buf_slice(&text), SLICE("a")) && found.soft_ms == 10);
		buf_clear(&text);
		cache_void(&h.c, z, k.h, m.etag);
		cr_expect(get(&h, z, "a", 2) == CACHE_FOUND, "it is the same answer");
		cache_void(&h.c, z, k.h, (const uint8_t *)"another etag....");
		cr_expect(get(&h, z, "a", 2) == CACHE_MISS);
		cr_expect(cache_put_since(&h.c, z, &k, &m, &body, 1, 1, &then) == CACHE_LATE);
		cr_expect(cache_find_hash(&h.c, z, k.h, &text, &found, &bytes) == CACHE_MISS);
	}
	then = cache_epoch_of(&h.c, other.h);
	cr_expect(cache_put_since(&h.c, CACHE_DATA, &other, &m, &body, 1, 1, &then) == 0);
	then = cache_epoch_of(&h.c, other.h);
	cache_void(&h.c, CACHE_DATA, k.h, NULL);
	cr_expect(cache_get(&h.c, CACHE_DATA, &other, 2, &h.meta, NULL) == CACHE_MISS, "the answer's copy goes with it");
	cr_expect(cache_put_since(&h.c, CACHE_DATA, &other, &m, &body, 1, 1, &then) == CACHE_LATE);
	buf_done(&text);
	close_cache(&h);
}

Test(cache, the_same_text_of_another_place_is_another_key)
{
	struct here h;
	struct cache_key a = {.text = SLICE("k")}, b = {.text = SLICE("k"), .place = 7};
	struct cache_meta m = {.created_ms = 1, .soft_ms = 10, .hard_ms = 20};
	struct slice body = SLICE("x");

	open_cache(&h, 4 * MIB);
	cache_hash(&h.c, &a);
	cache_hash(&h.c, &b);
	cr_expect(a.h[0] == b.h[0] && a.h[1] == (b.h[1] ^ 7));
	cr_assert(cache_put(&h.c, CACHE_DATA, &a, &m, &body, 1, 1) == 0);
	cr_expect(cache_get(&h.c, CACHE_DATA, &b, 2, &h.meta, NULL) == CACHE_MISS);
	cr_expect(cache_get(&h.c, CACHE_DATA, &a, 2, &h.meta, NULL) == CACHE_FOUND);
	close_cache(&h);
}
