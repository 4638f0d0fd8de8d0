/* cache_kill: processes that attached the memory by descriptor, each at another address, put, get and drop
 * in the cache and are killed at any instruction, or stopped first. What must hold: no value is torn (every
 * byte of it follows from its head), nobody is stuck, every shard can be locked at the end. Shards must
 * have been found with a dead holder, or nothing was tested. Then a holder that is stopped: others lose 2 ms
 * once, not more.
 *   cache_kill [--seconds N]      10 by default */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "lib/base/base.h"
#include "lib/base/clock.h"
#include "lib/shm/cache_priv.h"
#include "lib/shm/region.h"

#define N_CHILDREN 4u
#define N_THREADS 2u
#define N_KEYS 600u
#define MAX_BODY 200000u
#define MEMORY (6u << 20)
#define STUCK_NS (5 * CLOCK_S)

struct witness {
	_Atomic uint64_t torn, hits, misses, puts, busy;
	_Atomic uint64_t ops[N_CHILDREN][N_THREADS];
	_Atomic uint32_t held;		/* the holder has the lock */
	uint32_t shard;
};

static struct region region;
static struct witness *witness;
static int witness_fd;
static unsigned test_no, failed;

static void ok(int is_ok, const char *what)
{
	printf("%sok %u - %s\n", is_ok ? "" : "not ", ++test_no, what);
	failed += !is_ok;
}

static uint64_t next(uint64_t *x)
{
	*x ^= *x << 13;
	*x ^= *x >> 7;
	*x ^= *x << 17;
	return *x;
}

/* ---- children ---- */

struct value_head {
	uint64_t id, n, seed;
};

static size_t make_value(unsigned char *to, uint64_t id, uint64_t *x)
{
	struct value_head h = {id, 0, next(x) | 1};
	uint64_t s = h.seed;
	unsigned dice = (unsigned)(next(x) % 16);
	uint64_t n = next(x) % (dice == 0 ? MAX_BODY : dice < 6 ? 20000 : 1000);

	h.n = n;
	memcpy(to, &h, sizeof(h));
	for (uint64_t i = 0; i < n; i += 8) {
		uint64_t word = next(&s);

		memcpy(to + sizeof(h) + i, &word, 8);
	}
	return sizeof(h) + n;
}

static int is_whole(const struct buf *b, uint64_t id, const struct cache_meta *m)
{
	struct value_head h;
	uint64_t s;

	if (b->n < sizeof(h))
		return 0;
	memcpy(&h, b->p, sizeof(h));
	if (h.id != id || h.n != b->n - sizeof(h) || m->created_wall_us != h.seed || m->stamps.n != 2 ||
	    m->stamps.gen[1] != h.seed || m->stamps.slot[0] != (uint32_t)h.n)
		return 0;
	s = h.seed;
	for (uint64_t i = 0; i < h.n; i += 8) {
		uint64_t word = next(&s);

		if (memcmp(b->p + sizeof(h) + i, &word, h.n - i < 8 ? h.n - i : 8) != 0)
			return 0;
	}
	return 1;
}

struct thread {
	pthread_t id;
	unsigned child, index;
	uint64_t seed;
};

static void put_one(struct cache *c, const struct cache_key *key, uint64_t id, unsigned char *scratch, uint64_t *x)
{
	struct value_head h;
	struct slice body = {(char *)scratch, make_value(scratch, id, x)};
	struct slice pieces[2];
	struct cache_meta m = {.created_ms = next(x), .soft_ms = 1000, .hard_ms = next(x) % 32 ? 1000 : 5};

	memcpy(&h, scratch, sizeof(h));
	m.created_wall_us = h.seed;
	m.stamps = (struct stamp_set){.n = 2, .slot = {(uint32_t)h.n}, .gen = {0, h.seed}};
	pieces[0] = slice_of(body.p, body.n / 3);
	pieces[1] = slice_of(body.p + body.n / 3, body.n - body.n / 3);
	atomic_fetch_add(&witness->puts, cache_put(c, CACHE_DATA, key, &m, pieces, 2, 1) == 0);
}

static void *work(void *arg)
{
	struct thread *t = arg;
	struct cache *c = malloc(sizeof(*c));
	unsigned char *scratch = malloc(sizeof(struct value_head) + MAX_BODY + 8);
	struct buf out;
	size_t size;
	void *mem = region_cache(&region, &size);

	if (!c || !scratch || cache_attach(c, mem, size, SLICE("storm")))
		abort();
	buf_init(&out, 0);
	for (;;) {
		uint64_t id = next(&t->seed) % N_KEYS, dice = next(&t->seed) % 64, busy = c->counts.busy;
		struct cache_key key = {.text = slice_of((const char *)&id, sizeof(id))};
		struct cache_meta m;

		cache_hash(c, &key);
		buf_clear(&out);
		if (dice < 20) {
			put_one(c, &key, id, scratch, &t->seed);
		} else if (dice == 20) {
			cache_drop(c, CACHE_DATA, &key, NULL);
		} else if (dice == 21) {
			cache_sweep(c, 6, NULL, NULL);
		} else if (cache_get(c, CACHE_DATA, &key, 6, &m, &out) == CACHE_FOUND) {
			atomic_fetch_add(&witness->hits, 1);
			if (!is_whole(&out, id, &m))
				atomic_fetch_add(&witness->torn, 1);
		} else {
			atomic_fetch_add(&witness->misses, 1);
		}
		atomic_fetch_add(&witness->busy, c->counts.busy - busy);
		if (c->counts.busy != busy)	/* nothing is left alone here */
			memset(c->leave_until_ms, 0, sizeof(c->leave_until_ms));
		atomic_fetch_add(&witness->ops[t->child][t->index], 1);
	}
	return NULL;
}

/* Take a shard's lock and stop, until killed. */
static void hold(void)
{
	static struct cache c;
	struct cache_view v;
	size_t size;
	void *mem = region_cache(&region, &size);

	if (cache_attach(&c, mem, size, SLICE("storm")) || cache_lock(&c, CACHE_DATA, witness->shard, &v))
		abort();
	atomic_store(&witness->held, 1);
	raise(SIGSTOP);
	abort();
}

static int child_main(char **argv)
{
	unsigned child = (unsigned)atoi(argv[2]);
	uint64_t seed = strtoull(argv[3], NULL, 10);
	struct thread threads[N_THREADS];
	struct err e;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != atoi(argv[6]))
		return 1;
	/* the region lies elsewhere in each */
	if (mmap(NULL, (seed % 1000 + 1) << 16, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED)
		abort();
	witness = mmap(NULL, sizeof(*witness), PROT_READ | PROT_WRITE, MAP_SHARED, atoi(argv[5]), 0);
	if (witness == MAP_FAILED || region_attach(&region, atoi(argv[4]), &e))
		abort();
	if (child == N_CHILDREN)
		hold();
	for (unsigned i = 0; i < N_THREADS; i++) {
		threads[i] = (struct thread){.child = child, .index = i, .seed = (seed + i) * 0x9e3779b97f4a7c15ull | 1};
		if (pthread_create(&threads[i].id, NULL, work, &threads[i]))
			abort();
	}
	pause();
	return 0;
}

/* ---- the parent ---- */

static pid_t start(unsigned child, uint64_t seed)
{
	char number[16], text[24], shm[16], wit[16], parent[16];
	char *argv[] = {(char[]){"cache_kill"}, (char[]){"--child"}, number, text, shm, wit, parent, NULL};
	pid_t pid;

	snprintf(number, sizeof(number), "%u", child);
	snprintf(text, sizeof(text), "%llu", (unsigned long long)seed);
	snprintf(shm, sizeof(shm), "%d", region.fd);
	snprintf(wit, sizeof(wit), "%d", witness_fd);
	snprintf(parent, sizeof(parent), "%d", (int)getpid());
	fflush(stdout);
	pid = fork();
	if (pid < 0)
		abort();
	if (pid == 0) {
		execv("/proc/self/exe", argv);
		_exit(127);
	}
	return pid;
}

static void end(pid_t pid)
{
	kill(pid, SIGKILL);
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
}

struct progress {
	uint64_t ops[N_THREADS], at_ns;
};

/* Somebody has done nothing for long. */
static int is_stuck(unsigned child, struct progress *p, uint64_t now)
{
	int has_moved = 1;

	for (unsigned i = 0; i < N_THREADS; i++) {
		uint64_t ops = atomic_load(&witness->ops[child][i]);

		has_moved &= ops != p->ops[i];
	}
	if (has_moved) {
		for (unsigned i = 0; i < N_THREADS; i++)
			p->ops[i] = atomic_load(&witness->ops[child][i]);
		p->at_ns = now;
	}
	return now - p->at_ns > STUCK_NS;
}

static void storm(struct cache *c, uint64_t seconds)
{
	pid_t pids[N_CHILDREN];
	struct progress progress[N_CHILDREN];
	uint64_t seed = clock_mono_ns() | 1, start_ns = clock_mono_ns(), wiped;
	unsigned kills = 0, stuck = 0, busy = 0;
	struct cache_stat s;

	printf("# seed %llu\n", (unsigned long long)seed);
	for (unsigned i = 0; i < N_CHILDREN; i++) {
		pids[i] = start(i, next(&seed));
		progress[i] = (struct progress){.at_ns = clock_mono_ns()};
	}
	while (clock_mono_ns() - start_ns < seconds * CLOCK_S) {
		struct timespec pause = {0, (long)(next(&seed) % 4000000)};
		unsigned victim = (unsigned)(next(&seed) % N_CHILDREN);

		nanosleep(&pause, NULL);
		for (unsigned i = 0; i < N_CHILDREN; i++)
			stuck += (unsigned)is_stuck(i, &progress[i], clock_mono_ns());
		if (next(&seed) % 16 == 0) {
			kill(pids[victim], SIGSTOP);
			nanosleep(&pause, NULL);
		}
		end(pids[victim]);
		kills++;
		pids[victim] = start(victim, next(&seed));
		progress[victim] = (struct progress){.at_ns = clock_mono_ns()};
	}
	for (unsigned i = 0; i < N_CHILDREN; i++)
		end(pids[i]);
	for (unsigned z = 0; z < CACHE_ZONES; z++)
		for (unsigned i = 0; i < c->zone[z].n_shards; i++) {
			struct cache_view v;

			if (cache_lock(c, z, i, &v))
				busy++;
			else
				cache_unlock(&v);
		}
	cache_stat(c, CACHE_DATA, &s);
	wiped = s.wiped;
	printf("# %u kills, %llu shards wiped, %llu hits, %llu misses, %llu puts, %llu busy, %llu evicted, %llu expired\n", kills,
	       (unsigned long long)wiped, (unsigned long long)atomic_load(&witness->hits),
	       (unsigned long long)atomic_load(&witness->misses), (unsigned long long)atomic_load(&witness->puts),
	       (unsigned long long)atomic_load(&witness->busy), (unsigned long long)s.evicted,
	       (unsigned long long)s.expired);
	ok(kills > 10 * seconds && atomic_load(&witness->hits) > 1000 && s.evicted > 100, "there was something to see");
	ok(wiped > 0, "holders died with the lock");
	ok(atomic_load(&witness->torn) == 0, "no value is torn");
	ok(stuck == 0, "nobody is stuck");
	ok(busy == 0, "every shard can be locked when all are dead");
}

static int get(struct cache *c, const struct cache_key *key, uint64_t *ret_ns)
{
	struct cache_meta m;
	uint64_t from = clock_mono_ns();
	int found = cache_get(c, CACHE_DATA, key, 1, &m, NULL) == CACHE_FOUND;

	*ret_ns = clock_mono_ns() - from;
	return found;
}

static void stopped_holder(struct cache *c)
{
	const struct cache_meta meta = {.hard_ms = 1000};
	const struct slice body = SLICE("b");
	struct cache_key key = {.text = SLICE("key")};
	uint64_t ns, waits = 0, least = UINT64_MAX, fast = UINT64_MAX, busy, until, *leave;
	int status;
	pid_t pid;

	cache_hash(c, &key);
	witness->shard = (uint32_t)(key.h[0] >> c->zone[CACHE_DATA].shift);
	leave = &c->leave_until_ms[CACHE_DATA][witness->shard];
	*leave = 0;
	ok(cache_put(c, CACHE_DATA, &key, &meta, &body, 1, 1) == 0 && get(c, &key, &ns), "an entry is there");
	pid = start(N_CHILDREN, 1);
	while (waitpid(pid, &status, WUNTRACED) < 0 && errno == EINTR)
		;
	ok(WIFSTOPPED(status) && atomic_load(&witness->held), "its shard's holder is stopped");
	busy = c->counts.busy;
	until = clock_mono_ns() + CLOCK_S;
	while (clock_mono_ns() < until) {
		uint64_t before = *leave;

		if (get(c, &key, &ns))
			break;
		if (*leave != before) {
			waits++;
			least = ns < least ? ns : least;
		} else {
			fast = ns < fast ? ns : fast;
		}
	}
	printf("# waited %llu times, at least %llu us; left alone in %llu ns\n", (unsigned long long)waits,
	       (unsigned long long)(least / 1000), (unsigned long long)fast);
	ok(least >= 2 * CLOCK_MS && least < 4 * CLOCK_MS && waits >= 2, "who meets it waits 2 ms");
	ok(waits <= 12 && fast < CLOCK_MS, "and then leaves the shard alone for 100 ms");
	ok(c->counts.busy > busy + waits, "counted");
	end(pid);
	busy = c->counts.wiped;
	until = clock_mono_ns() + 5 * CLOCK_S;
	while (cache_put(c, CACHE_DATA, &key, &meta, &body, 1, 1) && clock_mono_ns() < until)
		;
	ok(get(c, &key, &ns) && c->counts.wiped == busy + 1, "killed, its shard is emptied and in use again");
}

int main(int argc, char **argv)
{
	struct region_plan plan = {.n_numbers = 1, .cache_bytes = MEMORY};
	static struct cache c;
	uint64_t seconds = 10;
	struct err e;
	size_t size;
	void *mem;

	if (argc == 7 && strcmp(argv[1], "--child") == 0)
		return child_main(argv);
	if (argc == 3 && strcmp(argv[1], "--seconds") == 0)
		seconds = strtoull(argv[2], NULL, 10);
	if (region_create(&region, &plan, &e)) {
		printf("Bail out! %s\n", e.text);
		return 1;
	}
	witness_fd = memfd_create("witness", 0);
	if (witness_fd < 0 || ftruncate(witness_fd, sizeof(*witness)) || fcntl(region.fd, F_SETFD, 0))
		abort();
	witness = mmap(NULL, sizeof(*witness), PROT_READ | PROT_WRITE, MAP_SHARED, witness_fd, 0);
	mem = region_cache(&region, &size);
	if (witness == MAP_FAILED || cache_attach(&c, mem, size, SLICE("storm")))
		abort();
	printf("1..11\n");
	storm(&c, seconds);
	stopped_holder(&c);
	munmap(witness, sizeof(*witness));
	region_close(&region);
	return failed != 0;
}
