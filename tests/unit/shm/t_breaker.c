#include "config.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/shm/breaker.h"

#define T0 1000000ull

static struct breaker *shared(void)
{
	struct breaker *b = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	cr_assert(b != MAP_FAILED);
	return b;
}

static uint64_t trip(struct breaker *b, uint64_t now)
{
	cr_assert_eq(breaker_record(b, 0, now), 0);
	cr_assert_eq(breaker_record(b, 0, now), 0);
	cr_assert_eq(breaker_record(b, 0, now), 1);
	return breaker_open_until_ms(b);
}

/* Probe as soon as it may be; until when it is open then. */
static uint64_t probe(struct breaker *b, enum breaker_probe result)
{
	uint64_t now = breaker_open_until_ms(b);
	struct breaker_lease l;

	cr_assert_eq(breaker_probe_begin(b, 1, 1, now, 100, &l), 1);
	cr_assert_eq(breaker_state(b, now), BREAKER_HALF_OPEN);
	cr_assert(!breaker_may(b), "half-open lets no call through");
	cr_assert_eq(breaker_probe_end(b, &l, result, now), result == BREAKER_PROBE_OK);
	return breaker_open_until_ms(b) ? breaker_open_until_ms(b) - now : 0;
}

Test(breaker, zeroed_memory_is_closed)
{
	struct breaker b = {0};

	cr_expect(breaker_may(&b));
	cr_expect_eq(breaker_state(&b, T0), BREAKER_CLOSED);
	cr_expect_eq(breaker_next_probe_ms(&b, T0), UINT64_MAX);
}

Test(breaker, the_third_failure_in_a_row_opens_for_about_a_second)
{
	struct breaker b = {0};
	uint64_t until;

	(void)breaker_record(&b, 0, T0);
	(void)breaker_record(&b, 0, T0);
	(void)breaker_record(&b, 1, T0);
	until = trip(&b, T0);
	cr_expect(until >= T0 + 800 && until <= T0 + 1200, "%lu", (unsigned long)(until - T0));
	cr_expect(!breaker_may(&b));
	cr_expect_eq(breaker_next_probe_ms(&b, T0), until);
	cr_expect_eq(breaker_record(&b, 0, T0), 0, "what was under way does not open it again");
	cr_expect_eq(atomic_load(&b.opened), 1);
}

Test(breaker, more_than_half_of_twenty_opens)
{
	struct breaker b = {0};
	unsigned opened = 0;

	/* Two of four fail: half, never three in a row. */
	for (unsigned i = 0; i < 100; i++)
		opened += (unsigned)breaker_record(&b, i % 4 < 2, T0);
	cr_expect_eq(opened, 0);
	/* Two of three. */
	for (unsigned i = 0; i < 20 && !opened; i++)
		opened += (unsigned)breaker_record(&b, i % 3 == 0, T0);
	cr_expect_eq(opened, 1);
}

Test(breaker, failed_probes_double_up_to_thirty_seconds_refused_ones_do_not)
{
	const uint64_t want[] = {2000, 4000, 8000, 16000, 30000, 30000};
	struct breaker b = {0};
	uint64_t ms;

	(void)trip(&b, T0);
	for (unsigned i = 0; i < ARRAY_LEN(want); i++) {
		ms = probe(&b, BREAKER_PROBE_FAILED);
		cr_expect(ms >= want[i] * 8 / 10 && ms <= want[i] * 12 / 10, "%u: %lu", i, (unsigned long)ms);
	}
	ms = probe(&b, BREAKER_PROBE_REFUSED);
	cr_expect(ms >= 800 && ms <= 1200, "refused: %lu", (unsigned long)ms);
	cr_expect_eq(probe(&b, BREAKER_PROBE_OK), 0);
	cr_expect(breaker_may(&b));
}

Test(breaker, one_that_opens_again_soon_is_open_longer_until_it_is_forgiven)
{
	struct breaker b = {0};
	uint64_t now, ms;

	now = trip(&b, T0);
	(void)probe(&b, BREAKER_PROBE_OK);
	ms = trip(&b, now) - now;
	cr_expect(ms >= 1600 && ms <= 2400, "%lu", (unsigned long)ms);
	now += ms;
	(void)probe(&b, BREAKER_PROBE_OK);
	for (unsigned i = 0; i < BREAKER_WINDOW; i++)
		(void)breaker_record(&b, 1, now);
	ms = trip(&b, now) - now;
	cr_expect(ms >= 800 && ms <= 1200, "%lu", (unsigned long)ms);
}

Test(breaker, one_lease_at_a_time_and_a_late_answer_changes_nothing)
{
	struct breaker b = {0};
	struct breaker_lease first, second;
	uint64_t now = trip(&b, T0);

	cr_expect_eq(breaker_probe_begin(&b, 1, 1, now - 1, 100, &first), 0, "not before its time");
	cr_assert_eq(breaker_probe_begin(&b, 1, 1, now, 100, &first), 1);
	cr_expect_eq(breaker_probe_begin(&b, 2, 1, now + 99, 100, &second), 0);
	cr_expect_eq(breaker_next_probe_ms(&b, now), now + 100);
	cr_assert_eq(breaker_probe_begin(&b, 2, 1, now + 100, 100, &second), 1);
	cr_expect_eq(breaker_probe_end(&b, &first, BREAKER_PROBE_OK, now + 101), 0);
	cr_expect(!breaker_may(&b), "the lease was lost");
	cr_expect_eq(breaker_probe_end(&b, &second, BREAKER_PROBE_OK, now + 102), 1);
	cr_expect_eq(breaker_probe_end(&b, &second, BREAKER_PROBE_FAILED, now + 103), 0);
	cr_expect(breaker_may(&b));
}

Test(breaker, an_operator_overrides_it)
{
	struct breaker b = {0};
	struct breaker_lease l;

	breaker_set_force(&b, BREAKER_FORCED_OPEN, T0);
	cr_expect(!breaker_may(&b));
	cr_expect_eq(breaker_next_probe_ms(&b, T0), UINT64_MAX);
	cr_expect_eq(breaker_probe_begin(&b, 1, 1, T0 + 100000, 100, &l), 0);
	breaker_set_force(&b, BREAKER_FORCED_CLOSED, T0);
	for (unsigned i = 0; i < 50; i++)
		cr_expect_eq(breaker_record(&b, 0, T0), 0);
	cr_expect(breaker_may(&b));
	breaker_set_force(&b, BREAKER_FORCED_OPEN, T0);
	breaker_set_force(&b, BREAKER_AUTO, T0);
	cr_expect_eq(breaker_probe_begin(&b, 1, 1, T0, 100, &l), 1, "left alone again, it is probed at once");
}

/* Each process counts failures as fast as it can, many rounds: one of them opens it, once per round. */
Test(breaker, of_racing_processes_one_opens_it_and_one_probes)
{
	enum { PROCESSES = 4, ROUNDS = 300 };
	struct breaker *b = shared();
	_Atomic uint32_t *gate = (void *)(b + 60), *opened = gate + 1, *leased = gate + 2;
	unsigned n_opened = 0, n_leased = 0;

	for (unsigned round = 0; round < ROUNDS; round++) {
		struct breaker *cell = &b[round % 50];

		memset(cell, 0, sizeof(*cell));
		atomic_store(gate, 0);
		for (unsigned p = 0; p < PROCESSES; p++) {
			if (fork() == 0) {
				struct breaker_lease l;

				atomic_fetch_add(gate, 1);
				while (atomic_load(gate) < PROCESSES)
					;
				for (unsigned i = 0; i < 3; i++)
					atomic_fetch_add(opened, (uint32_t)breaker_record(cell, 0, T0));
				atomic_fetch_add(leased, (uint32_t)breaker_probe_begin(cell, p, 1, T0 + 1300, 100, &l));
				_exit(0);
			}
		}
		for (unsigned p = 0; p < PROCESSES; p++)
			cr_assert(wait(NULL) > 0);
		n_opened = atomic_load(opened);
		n_leased = atomic_load(leased);
		cr_assert(n_opened == round + 1 && n_leased == round + 1, "round %u: opened %u, leased %u", round, n_opened,
			  n_leased);
	}
	munmap(b, 4096);
}

Test(breaker, the_lease_of_a_killed_process_is_void_when_it_is_reaped)
{
	struct breaker *b = shared();
	struct breaker_lease l;
	uint64_t now = trip(b, T0);
	int pipe_fd[2], status;
	char c;
	pid_t pid;

	cr_assert_eq(pipe(pipe_fd), 0);
	pid = fork();
	if (pid == 0) {
		c = (char)breaker_probe_begin(b, 7, 3, now, 60000, &l);
		(void)!write(pipe_fd[1], &c, 1);
		pause();
		_exit(0);
	}
	cr_assert(read(pipe_fd[0], &c, 1) == 1 && c == 1);
	kill(pid, SIGKILL);
	cr_assert_eq(waitpid(pid, &status, 0), pid);
	cr_expect_eq(breaker_probe_begin(b, 8, 1, now + 1, 100, &l), 0, "it looks alive until then");
	cr_expect_eq(breaker_void_leases(b, 4, 8), 0);
	cr_expect_eq(breaker_void_leases(b, 4, 7), 1);
	cr_expect_eq(breaker_probe_begin(b, 8, 1, now + 1, 100, &l), 1);
	munmap(b, 4096);
}
