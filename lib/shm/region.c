/* The layout follows from the plan alone, so a region that is attached is checked by computing it
 * again and comparing: nothing that the header says is used as an offset. */
#include "config.h"

#include "lib/shm/region.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/check.h"
#include "lib/base/clock.h"
#include "lib/base/fdio.h"
#include "lib/shm/cache.h"
#include "lib/shm/layout_id.h"

#define HEADER_SIZE 4096u
#define PAGE 4096u
#define MAX_SLOTS 1000u
#define MAX_FLIGHTS (1u << 20)
#define SEALS (F_SEAL_SHRINK | F_SEAL_GROW)

_Static_assert(sizeof(struct region_header) <= HEADER_SIZE, "the header has one page");
_Static_assert(sizeof(struct slot) == WEIR_CACHE_LINE, "a slot is one line");
_Static_assert(BOARD_MAX_NUMBERS + 1 <= 255, "owner of a slot is 8 bits");
_Static_assert(ATOMIC_LLONG_LOCK_FREE == 2, "a lock inside an atomic would outlive its holder");

static uint64_t hash_text(uint64_t h, const char *s)
{
	do {
		h = (h ^ (unsigned char)*s) * 0x100000001b3ull;
	} while (*s++); /* the NUL too: it separates */
	return h;
}

/* Of everything that gives a byte its meaning: another build must not read this one's memory. */
static uint64_t layout_hash(void)
{
	static const size_t sizes[] = {
	    sizeof(struct region_header), sizeof(struct region_endpoint), sizeof(struct express),
	    sizeof(struct board_row),	  sizeof(struct metric_row),	  sizeof(struct metric_endpoint),
	    sizeof(struct db_state),	  sizeof(struct slot),		  HISTO_BINS,
	    sizeof(struct stamp),	  sizeof(struct flight),	  CACHE_LAYOUT_VERSION,
	    sizeof(struct region_tier),	  sizeof(struct sick),
	};
	uint64_t h = 0xcbf29ce484222325ull ^ LAYOUT_ID;	/* sizes alone do not see two fields swapped */

	for (size_t i = 0; i < ARRAY_LEN(sizes); i++)
		h = (h ^ sizes[i]) * 0x100000001b3ull;
	for (size_t i = 0; i < metrics_table_n; i++) {
		h = hash_text(h, metrics_table[i].id);
		h = (h ^ metrics_table[i].offset) * 0x100000001b3ull;
	}
	for (int i = 0; i < STATE_COUNT; i++)
		h = hash_text(h, board_state_name(i));
	for (int i = 0; i < STEP_COUNT; i++)
		h = hash_text(h, board_step_name(i));
	return h;
}

static void *at_offset(const struct region *r, size_t off)
{
	return (char *)r->h + off;
}

static size_t place(size_t *at, size_t n)
{
	size_t here = *at;

	*at = (here + n + WEIR_CACHE_LINE - 1) & ~(size_t)(WEIR_CACHE_LINE - 1);
	return here;
}

/* 0, or -1 when the plan is out of bounds. The bounds keep every sum far from overflow. */
static int lay_out(struct region *r, const struct region_plan *plan)
{
	size_t at = HEADER_SIZE, n_slots = 0;

	if (!plan->n_numbers || plan->n_numbers > BOARD_MAX_NUMBERS ||
	    plan->n_endpoints > REGION_MAX_ENDPOINTS || plan->n_databases > REGION_MAX_DATABASES)
		return -1;
	r->plan = *plan;
	for (unsigned i = 0; i < plan->n_databases; i++) {
		if (!plan->n_slots[i] || plan->n_slots[i] > MAX_SLOTS)
			return -1;
		r->slot_first[i] = (unsigned)n_slots;
		n_slots += plan->n_slots[i];
	}
	if (plan->n_stamps && (plan->n_stamps < STAMPS_MIN || plan->n_stamps > STAMPS_MAX ||
			       (plan->n_stamps & (plan->n_stamps - 1))))
		return -1;
	if (plan->n_flights && (plan->n_flights < 8 || plan->n_flights > MAX_FLIGHTS ||
				(plan->n_flights & (plan->n_flights - 1))))
		return -1;
	if (plan->cache_bytes && !cache_size(plan->cache_bytes))
		return -1;
	r->row_size = 0;
	place(&r->row_size, sizeof(struct metric_row) + plan->n_endpoints * sizeof(struct metric_endpoint));
	r->off_endpoints = place(&at, plan->n_endpoints * sizeof(struct region_endpoint));
	r->off_board = place(&at, (plan->n_numbers + 1) * sizeof(struct board_row));
	r->off_rows = place(&at, plan->n_numbers * r->row_size);
	r->off_dbs = place(&at, plan->n_databases * sizeof(struct db_state));
	r->off_slots = place(&at, n_slots * sizeof(struct slot));
	r->off_stamps = place(&at, plan->n_stamps * sizeof(struct stamp));
	r->off_flights = place(&at, flights_size((uint32_t)plan->n_flights));
	r->off_tier = place(&at, sizeof(struct region_tier));
	r->off_cache = at;
	if (plan->cache_bytes) {
		r->off_cache = at = (at + PAGE - 1) & ~(size_t)(PAGE - 1);
		at += cache_size(plan->cache_bytes);
	}
	r->size = at;
	return 0;
}

size_t region_size(const struct region_plan *plan)
{
	struct region r;

	return lay_out(&r, plan) ? 0 : r.size;
}

static void fill_header(struct region *r)
{
	struct region_header *h = r->h;
	AUTO(buf) struct buf id;

	h->layout_hash = layout_hash();
	h->size = r->size;
	h->started_wall_us = clock_wall_us();
	h->plan = r->plan;
	h->off_endpoints = r->off_endpoints;
	h->off_board = r->off_board;
	h->off_rows = r->off_rows;
	h->off_dbs = r->off_dbs;
	h->off_slots = r->off_slots;
	h->off_stamps = r->off_stamps;
	h->off_flights = r->off_flights;
	h->off_tier = r->off_tier;
	h->off_cache = r->off_cache;
	h->row_size = r->row_size;
	buf_init(&id, 0);
	if (fdio_read_file("/proc/sys/kernel/random/boot_id", 64, &id) == 0 && id.n)
		snprintf(h->boot_id, sizeof(h->boot_id), "%.36s", buf_str(&id));
	atomic_store_explicit(&h->log_level, 2, memory_order_relaxed); /* LOG_INFO, until weird says */
	for (unsigned i = 0; i <= r->plan.n_numbers; i++)
		board_clear(region_board(r, i));
	for (unsigned i = 0; i < r->plan.n_databases; i++) {
		region_db(r, i)->n_slots = r->plan.n_slots[i];
		atomic_store_explicit(&region_db(r, i)->lag_ms, UINT64_MAX, memory_order_relaxed);
	}
	h->magic = REGION_MAGIC;
}

/* 0 or -1. */
static int make_cache(struct region *r)
{
	unsigned char *secret = r->h->cache_secret;
	size_t size;
	void *mem = region_cache(r, &size);

	if (!mem)
		return 0;
	madvise(mem, size, MADV_HUGEPAGE); /* advice: it is right without */
	cache_format(mem, size);
	madvise(mem, size, MADV_DONTNEED);	/* out of the map again, not out of the memfd */
	return getrandom(secret, sizeof(r->h->cache_secret), 0) == sizeof(r->h->cache_secret) ? 0 : -1;
}

int region_create(struct region *r, const struct region_plan *plan, struct err *e)
{
	int rc;
	void *at;

	*r = (struct region){.fd = -1};
	if (lay_out(r, plan))
		return err_set(e, E_config, "shared memory cannot be laid out for %u worker numbers, "
			       "%u endpoints and %u databases", plan->n_numbers, plan->n_endpoints,
			       plan->n_databases);
	r->fd = memfd_create("weir", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (r->fd < 0)
		return err_set(e, E_io, "memfd_create: %s", strerror(errno));
	/* All pages now: memory that is short later would be a SIGBUS in the middle of a request. They are the memfd's and not
	 * mapped: what a process has mapped the OOM killer counts as its own, and weird is to be the last it takes. */
	do {
		rc = fallocate(r->fd, 0, 0, (off_t)r->size);
	} while (rc && errno == EINTR);
	if (rc) {
		rc = err_set(e, E_no_memory, "%zu bytes of shared memory: %s", r->size, strerror(errno));
		goto out;
	}
	if (fcntl(r->fd, F_ADD_SEALS, SEALS)) {
		rc = err_set(e, E_io, "sealing shared memory: %s", strerror(errno));
		goto out;
	}
	at = mmap(NULL, r->size, PROT_READ | PROT_WRITE, MAP_SHARED, r->fd, 0);
	if (at == MAP_FAILED) {
		rc = err_set(e, E_no_memory, "mapping %zu bytes of shared memory: %s", r->size,
			     strerror(errno));
		goto out;
	}
	r->h = at;
	fill_header(r);
	if (make_cache(r) == 0)
		return 0;
	rc = err_set(e, E_io, "no random bytes for the cache: %s", strerror(errno));
	munmap(at, r->size);
	r->h = NULL;
out:
	close(r->fd);
	r->fd = -1;
	return rc;
}

static int header_agrees(const struct region *r, const struct region_header *h)
{
	return h->size == r->size && h->off_endpoints == r->off_endpoints &&
	       h->off_board == r->off_board && h->off_rows == r->off_rows &&
	       h->off_dbs == r->off_dbs && h->off_slots == r->off_slots &&
	       h->off_stamps == r->off_stamps && h->off_flights == r->off_flights &&
	       h->off_tier == r->off_tier && h->off_cache == r->off_cache && h->row_size == r->row_size;
}

int region_attach(struct region *r, int fd, struct err *e)
{
	struct region_header *h;
	struct region_plan plan;
	struct stat st;
	int seals = fcntl(fd, F_GET_SEALS);
	void *at;

	*r = (struct region){.fd = -1};
	if (seals < 0 || (seals & SEALS) != SEALS)
		return err_set(e, E_config, "descriptor %d is not sealed shared memory", fd);
	if (fstat(fd, &st) || st.st_size < (off_t)HEADER_SIZE)
		return err_set(e, E_config, "shared memory is too small");
	at = mmap(NULL, (size_t)st.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (at == MAP_FAILED)
		return err_set(e, E_io, "mapping shared memory: %s", strerror(errno));
	h = at;
	plan = h->plan; /* one copy, judged and then used */
	if (h->magic != REGION_MAGIC || h->layout_hash != layout_hash()) {
		err_set(e, E_config, "shared memory is of another build of weir");
	} else if (lay_out(r, &plan) || r->size != (size_t)st.st_size || !header_agrees(r, h)) {
		err_set(e, E_config, "shared memory has a damaged header");
	} else {
		r->h = h;
		r->fd = fd;
		if (plan.cache_bytes)
			madvise(at_offset(r, r->off_cache), cache_size(plan.cache_bytes), MADV_HUGEPAGE);
		return 0;
	}
	munmap(at, (size_t)st.st_size);
	*r = (struct region){.fd = -1};
	return -E_config;
}

void region_close(struct region *r)
{
	if (r->h) {
		munmap(r->h, r->size);
		close(r->fd);
	}
	*r = (struct region){.fd = -1};
}

struct region_endpoint *region_endpoint(const struct region *r, unsigned i)
{
	check(i < r->plan.n_endpoints);
	return at_offset(r, r->off_endpoints + i * sizeof(struct region_endpoint));
}

unsigned region_endpoints_used(const struct region *r)
{
	unsigned n = atomic_load_explicit(&r->h->n_endpoints_used, memory_order_acquire);

	return n < r->plan.n_endpoints ? n : r->plan.n_endpoints;
}

static void set_text(char *to, size_t n, const char *from)
{
	size_t len = strnlen(from, n - 1);

	/* Readers may be looking: bytes one by one, and the end stays an end. */
	for (size_t i = 0; i < n; i++)
		__atomic_store_n(&to[i], i < len ? from[i] : 0, __ATOMIC_RELAXED);
}

int region_endpoint_find_or_add(struct region *r, const char *route, const char *id, unsigned database)
{
	uint64_t guid = hash_text(0xcbf29ce484222325ull, route);
	unsigned used = region_endpoints_used(r), i;
	struct region_endpoint *x;

	for (i = 0; i < used; i++) {
		x = region_endpoint(r, i);
		if (x->guid == guid && strncmp(x->route, route, sizeof(x->route) - 1) == 0)
			break;
	}
	if (i == r->plan.n_endpoints)
		return -1;
	x = region_endpoint(r, i);
	if (i == used) {
		x->guid = guid;
		set_text(x->route, sizeof(x->route), route);
	}
	if (strncmp(x->id, id, sizeof(x->id) - 1) != 0)
		set_text(x->id, sizeof(x->id), id);
	if (atomic_load(&x->state) == 2 || x->database != database)
		express_reset(&x->express);
	x->database = database;
	atomic_store_explicit(&x->state, 1, memory_order_release);
	if (i == used)
		atomic_store_explicit(&r->h->n_endpoints_used, used + 1, memory_order_release);
	return (int)i;
}

struct board_row *region_board(const struct region *r, unsigned number)
{
	check(number <= r->plan.n_numbers);
	return at_offset(r, r->off_board + number * sizeof(struct board_row));
}

struct metric_row *region_row(const struct region *r, unsigned number)
{
	check(number < r->plan.n_numbers);
	return at_offset(r, r->off_rows + number * r->row_size);
}

struct db_state *region_db(const struct region *r, unsigned db)
{
	check(db < r->plan.n_databases);
	return at_offset(r, r->off_dbs + db * sizeof(struct db_state));
}

struct slot *region_slot(const struct region *r, unsigned db, unsigned i)
{
	check(db < r->plan.n_databases && i < r->plan.n_slots[db]);
	return at_offset(r, r->off_slots + (r->slot_first[db] + i) * sizeof(struct slot));
}

struct stamps region_stamps(const struct region *r)
{
	return (struct stamps){at_offset(r, r->off_stamps), r->plan.n_stamps};
}

struct flights region_flights(const struct region *r)
{
	return (struct flights){.v = at_offset(r, r->off_flights), .n = (uint32_t)r->plan.n_flights};
}

struct region_tier *region_tier(const struct region *r)
{
	return at_offset(r, r->off_tier);
}

unsigned region_nodes(const struct region *r)
{
	unsigned n = atomic_load_explicit(&region_tier(r)->n_nodes, memory_order_acquire);

	return n < REGION_MAX_NODES ? n : REGION_MAX_NODES;
}

void region_set_node(const struct region *r, unsigned i, const char *name)
{
	struct region_tier *t = region_tier(r);

	check(i < REGION_MAX_NODES);
	if (strncmp(t->names[i], name, sizeof(t->names[i]) - 1) == 0)
		return;
	set_text(t->names[i], sizeof(t->names[i]), name);
	breaker_set_force(&t->breakers[i], BREAKER_AUTO, clock_mono_ns() / CLOCK_MS);
}

void region_set_nodes(const struct region *r, unsigned n)
{
	atomic_store_explicit(&region_tier(r)->n_nodes, n, memory_order_release);
}

void *region_cache(const struct region *r, size_t *ret_size)
{
	*ret_size = r->plan.cache_bytes ? cache_size(r->plan.cache_bytes) : 0;
	return *ret_size ? at_offset(r, r->off_cache) : NULL;
}
