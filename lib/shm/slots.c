/* The budget of connections. Ownership is one word, so a worker that dies anywhere leaves either a
 * free slot or one that carries its number, and nothing else has to be repaired. */
#include "config.h"

#include "lib/shm/slots.h"

#include <string.h>

#include "lib/base/check.h"
#include "lib/base/clock.h"
#include "lib/shm/region.h"

#define ZOMBIE_NS CLOCK_S

static uint64_t word(unsigned owner, enum slot_use use, enum slot_lane lane, uint32_t gen)
{
	return (uint64_t)owner << 56 | (uint64_t)use << 48 | (uint64_t)lane << 40 | gen;
}

static uint32_t next_gen(uint64_t ctl)
{
	uint32_t gen = (SLOT_GEN(ctl) + 1) & SLOT_GEN_MASK;

	return gen ? gen : 1;
}

/* What the budget's rules look at. */
struct census {
	unsigned free;		/* slots */
	unsigned kept;		/* of them, for a worker that is starting */
	unsigned owed;		/* rights not used yet: of other live workers, the asker's to its other lane */
	int has_right;		/* the asker has nothing of this lane yet */
};

static void count(const struct region *r, unsigned db, unsigned number, enum slot_lane lane,
		  const struct slot *except, struct census *c)
{
	unsigned char has[BOARD_MAX_NUMBERS][2] = {0};
	int is_served = 0; /* a worker that is starting has its slot already */

	*c = (struct census){0};
	for (unsigned i = 0; i < r->plan.n_slots[db]; i++) {
		const struct slot *s = region_slot(r, db, i);
		uint64_t ctl = atomic_load(&s->ctl);
		unsigned owner = SLOT_OWNER(ctl);

		c->free += SLOT_USE(ctl) == SLOT_FREE;
		if (s != except && owner && owner <= BOARD_MAX_NUMBERS)
			has[owner - 1][SLOT_LANE(ctl) == LANE_EXCLUSIVE] = 1;
	}
	for (unsigned n = 0; n < r->plan.n_numbers; n++) {
		const struct board_row *row = region_board(r, n);

		if (n == number || !board_is_live(row))
			continue;
		c->owed += (unsigned)(!has[n][0] + !has[n][1]);
		if (atomic_load_explicit(&row->state, memory_order_relaxed) == STATE_starting)
			is_served |= has[n][0] | has[n][1];
	}
	c->has_right = !has[number][lane == LANE_EXCLUSIVE];
	/* Else it would make up for its greed in one lane with the others' slots in the other one. */
	if (r->plan.n_numbers > 1)
		c->owed += !has[number][lane != LANE_EXCLUSIVE];
	/* A worker that runs alone has no successor inside this budget. */
	c->kept = r->plan.n_numbers > 1 && !is_served;
}

static int has_room(const struct census *c, unsigned n_wanted, int is_starting)
{
	unsigned needs = n_wanted;

	if (!is_starting)
		needs += c->kept;
	if (!c->has_right)
		needs += c->owed;
	return c->free >= needs;
}

int slots_take(const struct region *r, unsigned db, unsigned number, enum slot_lane lane, int is_starting)
{
	struct census c;

	check(number < r->plan.n_numbers);
	count(r, db, number, lane, NULL, &c);
	if (!has_room(&c, 1, is_starting))
		return -1;
	for (unsigned i = 0; i < r->plan.n_slots[db]; i++) {
		struct slot *s = region_slot(r, db, i);
		uint64_t ctl = atomic_load(&s->ctl), mine;

		if (SLOT_USE(ctl) != SLOT_FREE)
			continue;
		mine = word(number + 1, SLOT_CONNECTING, lane, next_gen(ctl));
		if (!atomic_compare_exchange_strong(&s->ctl, &ctl, mine))
			continue;
		/* All CAS are in one total order, so of several that raced the last one sees the others'. */
		count(r, db, number, lane, s, &c);
		if (!has_room(&c, 0, is_starting)) {
			slots_set(r, db, i, SLOT_FREE);
			return -1;
		}
		atomic_store_explicit(&s->backend_pid, 0, memory_order_relaxed);
		atomic_store_explicit(&s->cancel_gen, 0, memory_order_relaxed);
		atomic_store_explicit(&s->queries, 0, memory_order_relaxed);
		atomic_store_explicit(&s->since_ns, clock_mono_ns(), memory_order_relaxed);
		return (int)i;
	}
	return -1;
}

void slots_set(const struct region *r, unsigned db, unsigned slot, enum slot_use use)
{
	struct slot *s = region_slot(r, db, slot);
	uint64_t ctl = atomic_load(&s->ctl);
	unsigned owner = SLOT_OWNER(ctl);
	uint32_t gen = use == SLOT_CANCELLING ? SLOT_GEN(ctl) : next_gen(ctl);

	check(owner);
	if (SLOT_USE(ctl) == use)
		return;
	if (use == SLOT_FREE || use == SLOT_ZOMBIE)
		owner = 0;
	if (use == SLOT_FREE)
		atomic_store_explicit(&s->backend_pid, 0, memory_order_relaxed);
	if (use == SLOT_BUSY)
		atomic_store_explicit(&s->queries,
				      atomic_load_explicit(&s->queries, memory_order_relaxed) + 1,
				      memory_order_relaxed);
	/* Before the word: the sweep reads it after. */
	atomic_store_explicit(&s->since_ns, clock_mono_ns(), memory_order_relaxed);
	atomic_store(&s->ctl, word(owner, use, SLOT_LANE(ctl), gen));
}

void slots_set_lane(const struct region *r, unsigned db, unsigned slot, enum slot_lane lane)
{
	struct slot *s = region_slot(r, db, slot);
	uint64_t ctl = atomic_load(&s->ctl);

	check(SLOT_OWNER(ctl));
	atomic_store(&s->ctl, word(SLOT_OWNER(ctl), SLOT_USE(ctl), lane, SLOT_GEN(ctl)));
}

unsigned slots_open(const struct region *r, unsigned db)
{
	unsigned counts[7][2];

	slots_count(r, db, counts);
	return counts[SLOT_IDLE][0] + counts[SLOT_IDLE][1] + counts[SLOT_BUSY][0] + counts[SLOT_BUSY][1];
}

void slots_set_backend(const struct region *r, unsigned db, unsigned slot, uint32_t pid)
{
	atomic_store_explicit(&region_slot(r, db, slot)->backend_pid, pid, memory_order_release);
}

void slots_cancel(const struct region *r, unsigned db, unsigned slot)
{
	struct slot *s = region_slot(r, db, slot);

	slots_set(r, db, slot, SLOT_CANCELLING);
	atomic_store(&s->cancel_gen, SLOT_GEN(atomic_load(&s->ctl)) & SLOT_GEN_MASK);
}

uint32_t slots_cancel_claim(const struct region *r, unsigned db, unsigned slot, uint32_t *ret_gen)
{
	struct slot *s = region_slot(r, db, slot);
	uint32_t gen = atomic_load(&s->cancel_gen), pid;
	uint64_t ctl;

	if (!gen || gen & SLOT_CANCEL_CLAIMED)
		return 0;
	if (!atomic_compare_exchange_strong(&s->cancel_gen, &gen, gen | SLOT_CANCEL_CLAIMED))
		return 0;
	/* Claimed, so the owner waits for the end of it and the pid stays this one's. */
	ctl = atomic_load(&s->ctl);
	pid = atomic_load_explicit(&s->backend_pid, memory_order_acquire);
	if (!pid || SLOT_USE(ctl) != SLOT_CANCELLING || (SLOT_GEN(ctl) & SLOT_GEN_MASK) != gen) {
		slots_cancel_done(r, db, slot, gen);
		return 0;
	}
	*ret_gen = gen;
	return pid;
}

void slots_cancel_done(const struct region *r, unsigned db, unsigned slot, uint32_t gen)
{
	uint32_t claimed = gen | SLOT_CANCEL_CLAIMED;

	/* By CAS: the slot may have got another owner and another request meanwhile. */
	(void)atomic_compare_exchange_strong(&region_slot(r, db, slot)->cancel_gen, &claimed, 0);
}

unsigned slots_release_dead(const struct region *r, unsigned number, uint64_t now_ns)
{
	unsigned n = 0;

	for (unsigned db = 0; db < r->plan.n_databases; db++)
		for (unsigned i = 0; i < r->plan.n_slots[db]; i++) {
			struct slot *s = region_slot(r, db, i);
			uint64_t ctl = atomic_load(&s->ctl);

			if (SLOT_OWNER(ctl) != number + 1)
				continue;
			atomic_store_explicit(&s->since_ns, now_ns, memory_order_relaxed);
			atomic_store_explicit(&s->cancel_gen, 0, memory_order_relaxed);
			atomic_store(&s->ctl, word(0, SLOT_ZOMBIE, SLOT_LANE(ctl), next_gen(ctl)));
			n++;
		}
	return n;
}

void slots_sweep(const struct region *r, uint64_t now_ns)
{
	for (unsigned db = 0; db < r->plan.n_databases; db++)
		for (unsigned i = 0; i < r->plan.n_slots[db]; i++) {
			struct slot *s = region_slot(r, db, i);
			uint64_t ctl = atomic_load(&s->ctl);
			uint64_t since = atomic_load_explicit(&s->since_ns, memory_order_relaxed);

			if (SLOT_USE(ctl) == SLOT_ZOMBIE && now_ns >= since + ZOMBIE_NS)
				(void)atomic_compare_exchange_strong(
				    &s->ctl, &ctl, word(0, SLOT_FREE, SLOT_LANE(ctl), next_gen(ctl)));
		}
}

void slots_count(const struct region *r, unsigned db, unsigned counts[7][2])
{
	memset(counts, 0, 7 * sizeof(counts[0]));
	for (unsigned i = 0; i < r->plan.n_slots[db]; i++) {
		uint64_t ctl = atomic_load_explicit(&region_slot(r, db, i)->ctl, memory_order_relaxed);

		if (SLOT_USE(ctl) <= SLOT_ZOMBIE)
			counts[SLOT_USE(ctl)][SLOT_LANE(ctl) == LANE_EXCLUSIVE]++;
	}
}

static void put_text(char *to, size_t n, const char *from)
{
	size_t len = from ? strnlen(from, n - 1) : 0;

	for (size_t i = 0; i < n; i++)
		__atomic_store_n(&to[i], i < len ? from[i] : 0, __ATOMIC_RELAXED);
}

/* A writer that died in the middle left the number odd; its successor goes on from there. */
static uint32_t write_begin(struct db_state *s)
{
	uint32_t odd = atomic_load_explicit(&s->seq, memory_order_relaxed) | 1;

	atomic_store_explicit(&s->seq, odd, memory_order_relaxed);
	atomic_thread_fence(memory_order_release);
	return odd;
}

static void write_end(struct db_state *s, uint32_t odd)
{
	atomic_store_explicit(&s->seq, odd + 1, memory_order_release);
}

void db_state_judge(struct db_state *s, int up, const char *error, uint64_t now_ns)
{
	uint32_t before = atomic_load_explicit(&s->up, memory_order_relaxed);
	uint32_t now = up ? 1 : 2;

	if (strncmp(s->error, error ? error : "", sizeof(s->error) - 1) != 0) {
		uint32_t odd = write_begin(s);

		put_text(s->error, sizeof(s->error), error);
		write_end(s, odd);
	}
	if (before == now)
		return;
	atomic_store_explicit(&s->changed_ns, now_ns, memory_order_relaxed);
	if (now == 2)
		atomic_store_explicit(&s->outages,
				      atomic_load_explicit(&s->outages, memory_order_relaxed) + 1,
				      memory_order_relaxed);
	atomic_store_explicit(&s->up, now, memory_order_release);
}

void db_state_set(struct db_state *s, int up, const char *error, uint64_t now_ns)
{
	atomic_store_explicit(&s->probed_ns, now_ns, memory_order_relaxed);
	db_state_judge(s, up, error, now_ns);
}

void db_state_set_where(struct db_state *s, const char *where)
{
	uint32_t odd = write_begin(s);

	put_text(s->where, sizeof(s->where), where);
	write_end(s, odd);
}

int db_state_texts(const struct db_state *s, char error[200], char where[120])
{
	for (int tries = 0; tries < 8; tries++) {
		uint32_t seq = atomic_load_explicit(&s->seq, memory_order_acquire);

		if (seq & 1)
			continue;
		for (size_t i = 0; i < sizeof(s->error); i++)
			error[i] = __atomic_load_n(&s->error[i], __ATOMIC_RELAXED);
		for (size_t i = 0; i < sizeof(s->where); i++)
			where[i] = __atomic_load_n(&s->where[i], __ATOMIC_RELAXED);
		atomic_thread_fence(memory_order_acquire);
		if (atomic_load_explicit(&s->seq, memory_order_relaxed) == seq) {
			error[sizeof(s->error) - 1] = where[sizeof(s->where) - 1] = 0;
			return 0;
		}
	}
	error[0] = where[0] = 0;
	return -1;
}

void db_state_mend(struct db_state *s)
{
	uint32_t seq = atomic_load_explicit(&s->seq, memory_order_relaxed);

	if (seq & 1)
		atomic_store_explicit(&s->seq, seq + 1, memory_order_release);
}
