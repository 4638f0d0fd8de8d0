/* shm_kill: workers take and give slots and count, and are killed at any instruction; the parent
 * reaps, releases and starts others, as weird does. What must hold at every moment:
 * no slot has an owner that was reaped; a slot that a worker believes to be its own is nobody else's;
 * sums of metrics never fall and end at what the workers were told to count.
 * What must hold when all is quiet: the table is whole, and each live worker gets its rights. */
#include "config.h"

#include <errno.h>
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
#include "lib/shm/region.h"

#define N_WORKERS 4u
#define N_NUMBERS (2 * N_WORKERS)
#define N_SLOTS (2 * N_WORKERS + 4)
#define RUN_NS (2 * CLOCK_S)

/* What the workers note besides the region, to judge it by. */
struct witness {
	_Atomic uint32_t holder[N_SLOTS];	/* number + 1 of who believes to own the slot */
	_Atomic uint64_t violations;
	_Atomic uint64_t takes, refusals;
	_Atomic uint64_t counted[N_NUMBERS];	/* raised after the metric: never ahead of it */
};

static struct region region;
static struct witness *witness;
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

static void count_one(unsigned number)
{
	struct metric_row *m = region_row(&region, number);

	metric_add(&m->endpoint[0].status_2xx, 1);
	histo_add(&m->endpoint[0].duration, 1000000);
	atomic_fetch_add(&witness->counted[number], 1);
}

static void claim(unsigned number, unsigned slot)
{
	uint32_t before = atomic_exchange(&witness->holder[slot], number + 1);

	if (before)
		atomic_fetch_add(&witness->violations, 1);
}

/* Nobody else may have written the witness while the slot was ours. */
static void give(unsigned number, unsigned slot, enum slot_use use)
{
	uint32_t mine = number + 1;

	if (!atomic_compare_exchange_strong(&witness->holder[slot], &mine, 0))
		atomic_fetch_add(&witness->violations, 1);
	slots_set(&region, 0, slot, use);
}

static void work(unsigned number, uint64_t seed)
{
	int mine[N_SLOTS];
	unsigned n = 0, has_express = 0;

	for (;;) {
		uint64_t dice = next(&seed) % 16;

		if (dice < 6 && n < N_SLOTS) {
			enum slot_lane lane = has_express ? LANE_EXCLUSIVE : LANE_EXPRESS;
			int slot = slots_take(&region, 0, number, lane, 0);

			if (slot < 0) {
				atomic_fetch_add(&witness->refusals, 1);
				continue;
			}
			atomic_fetch_add(&witness->takes, 1);
			claim(number, (unsigned)slot);
			has_express |= lane == LANE_EXPRESS;
			mine[n++] = slot;
		} else if (dice < 9 && n) {
			unsigned slot = (unsigned)mine[next(&seed) % n];

			slots_set(&region, 0, slot, SLOT_BUSY);
			slots_set(&region, 0, slot, SLOT_IDLE);
		} else if (dice < 13 && n) {
			unsigned at = (unsigned)(next(&seed) % n), slot = (unsigned)mine[at];

			if (SLOT_LANE(atomic_load(&region_slot(&region, 0, slot)->ctl)) == LANE_EXPRESS)
				has_express = 0;
			mine[at] = mine[--n];
			give(number, slot, dice == 12 ? SLOT_ZOMBIE : SLOT_FREE);
		} else {
			count_one(number);
		}
	}
}

static pid_t start(unsigned number)
{
	pid_t parent = getpid(), pid;

	atomic_store(&region_board(&region, number)->state, STATE_ready);
	fflush(stdout);
	pid = fork();
	if (pid < 0)
		abort();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() != parent)
			_exit(1);
		work(number, clock_mono_ns() * 2654435761u + number + 1);
	}
	return pid;
}

/* As weird does at waitpid. The witness belongs to the test, so it forgets the dead here. */
static void reap(unsigned number)
{
	for (unsigned i = 0; i < N_SLOTS; i++) {
		uint32_t mine = number + 1;

		atomic_compare_exchange_strong(&witness->holder[i], &mine, 0);
	}
	slots_release_dead(&region, number, 0); /* released long ago: the sweep frees it at once */
	board_clear(region_board(&region, number));
	atomic_store(&region_board(&region, number)->state, STATE_empty);
}

static uint64_t sum_of(const char *id, unsigned endpoint)
{
	for (size_t i = 0; i < metrics_table_n; i++) {
		struct histo_sum s;

		if (strcmp(metrics_table[i].id, id) != 0)
			continue;
		if (metrics_table[i].kind != METRIC_histogram)
			return metrics_sum(&region, &metrics_table[i], endpoint);
		metrics_sum_histo(&region, &metrics_table[i], endpoint, &s);
		return s.count;
	}
	abort();
}

/* Every word is one that the protocol can leave; owners are numbers that are alive. */
static unsigned bad_words(const int *is_alive)
{
	unsigned bad = 0;

	for (unsigned i = 0; i < N_SLOTS; i++) {
		uint64_t ctl = atomic_load(&region_slot(&region, 0, i)->ctl);
		unsigned owner = SLOT_OWNER(ctl);
		int is_owned = SLOT_USE(ctl) != SLOT_FREE && SLOT_USE(ctl) != SLOT_ZOMBIE;

		bad += is_owned != (owner != 0) || owner > N_NUMBERS || (owner && !is_alive[owner - 1]);
	}
	return bad;
}

static void run(void)
{
	pid_t pids[N_NUMBERS] = {0};
	int is_alive[N_NUMBERS] = {0};
	uint64_t end = clock_mono_ns() + RUN_NS, seed = clock_mono_ns() | 1, last[2] = {0};
	unsigned kills = 0, falls = 0, bad = 0, lag = 0;

	for (unsigned i = 0; i < N_WORKERS; i++) {
		is_alive[i] = 1;
		pids[i] = start(i);
	}
	while (clock_mono_ns() < end) {
		struct timespec pause = {0, (long)(next(&seed) % 2000000)};
		unsigned victim = (unsigned)(next(&seed) % N_NUMBERS), spare;
		uint64_t told = 0, sums[2];

		nanosleep(&pause, NULL);
		for (unsigned i = 0; i < N_NUMBERS; i++)
			told += atomic_load(&witness->counted[i]);
		sums[0] = sum_of("status_2xx", 0);
		sums[1] = sum_of("duration", 0);
		for (unsigned i = 0; i < 2; i++) {
			falls += sums[i] < last[i];
			lag += sums[i] < told;
			last[i] = sums[i];
		}
		if (!pids[victim])
			continue;
		kill(pids[victim], SIGKILL);
		while (waitpid(pids[victim], NULL, 0) < 0 && errno == EINTR)
			;
		pids[victim] = 0;
		kills++;
		reap(victim);
		is_alive[victim] = 0;
		/* Ahead of time: there are no backends, and zombies would soon hold every slot. */
		slots_sweep(&region, clock_mono_ns() + 2 * CLOCK_S);
		bad += bad_words(is_alive);
		do
			spare = (unsigned)(next(&seed) % N_NUMBERS);
		while (pids[spare]);
		is_alive[spare] = 1;
		pids[spare] = start(spare);
	}
	for (unsigned i = 0; i < N_NUMBERS; i++) {
		if (!pids[i])
			continue;
		kill(pids[i], SIGKILL);
		waitpid(pids[i], NULL, 0);
		reap(i);
	}
	printf("# %u kills, %llu slots taken, %llu refused, %llu events\n", kills,
	       (unsigned long long)atomic_load(&witness->takes),
	       (unsigned long long)atomic_load(&witness->refusals), (unsigned long long)last[0]);
	ok(kills > 50 && atomic_load(&witness->takes) > 1000, "there was something to see");
	ok(atomic_load(&witness->violations) == 0, "a slot has one owner at a time");
	ok(bad == 0, "no slot belongs to a dead worker once it is reaped");
	ok(falls == 0, "sums of metrics never fall");
	ok(lag == 0, "nothing that was counted before a kill is lost");
}

static void settle(void)
{
	unsigned counts[7][2], refused = 0;

	slots_sweep(&region, clock_mono_ns() + 2 * CLOCK_S);
	slots_count(&region, 0, counts);
	ok(counts[SLOT_FREE][0] + counts[SLOT_FREE][1] == N_SLOTS, "all slots come back");
	for (unsigned i = 0; i < N_WORKERS; i++)
		atomic_store(&region_board(&region, i)->state, STATE_ready);
	while (slots_take(&region, 0, 0, LANE_EXCLUSIVE, 0) >= 0)
		;
	for (unsigned i = 0; i < N_WORKERS; i++) {
		refused += slots_take(&region, 0, i, LANE_EXPRESS, 0) < 0;
		refused += i && slots_take(&region, 0, i, LANE_EXCLUSIVE, 0) < 0;
	}
	ok(refused == 0, "each worker gets its rights after a greedy one");
	slots_count(&region, 0, counts);
	ok(counts[SLOT_FREE][0] + counts[SLOT_FREE][1] == 1, "one slot is kept for a worker that is starting");
}

int main(void)
{
	struct region_plan plan = {
	    .n_numbers = N_NUMBERS, .n_endpoints = 1, .n_databases = 1, .n_slots = {N_SLOTS}};
	struct err e;

	if (region_create(&region, &plan, &e)) {
		printf("Bail out! %s\n", e.text);
		return 1;
	}
	if (region_endpoint_find_or_add(&region, "GET /a", "a", 0) != 0)
		abort();
	witness = mmap(NULL, sizeof(*witness), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (witness == MAP_FAILED)
		abort();
	printf("1..8\n");
	run();
	settle();
	munmap(witness, sizeof(*witness));
	region_close(&region);
	return failed != 0;
}
