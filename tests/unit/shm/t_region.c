#include "config.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib/shm/cache.h"
#include "lib/shm/region.h"

static const struct region_plan PLAN = {.n_numbers = 4, .n_endpoints = 3, .n_databases = 2, .n_slots = {5, 7}};

static struct region make(void)
{
	struct region r;
	struct err e = {0};

	cr_assert(region_create(&r, &PLAN, &e) == 0, "%s", e.text);
	return r;
}

Test(region, parts_are_aligned_apart_and_inside)
{
	struct region r = make();

	cr_expect(r.size == region_size(&PLAN));
	cr_expect(r.off_endpoints >= 4096 && r.off_board >= r.off_endpoints + 3 * sizeof(struct region_endpoint));
	cr_expect(r.off_rows >= r.off_board + 5 * sizeof(struct board_row));
	cr_expect(r.off_dbs >= r.off_rows + 4 * r.row_size);
	cr_expect(r.off_slots >= r.off_dbs + 2 * sizeof(struct db_state));
	cr_expect(r.size >= r.off_slots + 12 * sizeof(struct slot));
	cr_expect((uintptr_t)region_slot(&r, 1, 6) % 64 == 0);
	cr_expect((char *)region_slot(&r, 1, 0) == (char *)region_slot(&r, 0, 4) + 64);
	cr_expect((char *)(region_slot(&r, 1, 6) + 1) <= (char *)r.h + r.size);
	cr_expect((char *)&region_row(&r, 3)->endpoint[3] <= (char *)region_db(&r, 0));
	cr_expect(region_db(&r, 1)->n_slots == 7);
	cr_expect(atomic_load(&region_board(&r, 4)->running_endpoint) == UINT32_MAX);
	region_close(&r);
	region_close(&r);
	cr_expect(r.fd == -1);
}

Test(region, refuses_a_plan_out_of_bounds)
{
	struct region_plan bad[] = {PLAN, PLAN, PLAN, PLAN, PLAN, PLAN};
	struct region r;
	struct err e = {0};

	bad[0].n_numbers = 0;
	bad[1].n_numbers = BOARD_MAX_NUMBERS + 1;
	bad[2].n_endpoints = REGION_MAX_ENDPOINTS + 1;
	bad[3].n_databases = REGION_MAX_DATABASES + 1;
	bad[4].n_slots[1] = 0;
	bad[5].n_slots[0] = UINT32_MAX;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		cr_expect(region_create(&r, &bad[i], &e) == -E_config, "plan %zu", i);
		cr_expect(r.h == NULL && region_size(&bad[i]) == 0);
		region_close(&r);
	}
}

Test(region, is_sealed_and_wholly_allocated)
{
	struct region r = make();

	cr_expect((fcntl(r.fd, F_GET_SEALS) & (F_SEAL_SHRINK | F_SEAL_GROW)) == (F_SEAL_SHRINK | F_SEAL_GROW));
	cr_expect(ftruncate(r.fd, 4096) == -1);
	cr_expect(ftruncate(r.fd, (off_t)r.size * 2) == -1);
	cr_expect(fcntl(r.fd, F_GETFD) & FD_CLOEXEC);
	region_close(&r);
}

Test(region, a_second_mapping_sees_the_same)
{
	struct region r = make(), s;
	struct err e = {0};

	cr_assert(region_attach(&s, dup(r.fd), &e) == 0, "%s", e.text);
	metric_add(&region_row(&r, 2)->endpoint[1].rows, 41);
	metric_add(&region_row(&s, 2)->endpoint[1].rows, 1);
	cr_expect(atomic_load(&region_row(&r, 2)->endpoint[1].rows) == 42);
	cr_expect(memcmp(&s.plan, &PLAN, sizeof(PLAN)) == 0);
	region_close(&s);
	region_close(&r);
}

/* Every u64 of the header's fixed part, one after the other, set to values that would lead astray. */
Test(region, attach_refuses_every_damaged_header)
{
	static const uint64_t values[] = {0, 1, 63, 4096, 1u << 31, UINT64_MAX, 1ull << 63, UINT64_MAX - 63};
	struct region r = make(), s;
	struct err e = {0};
	size_t end = offsetof(struct region_header, weird_heartbeat_ns);
	size_t harmless_from = offsetof(struct region_header, started_wall_us);
	size_t harmless_to = offsetof(struct region_header, plan);
	size_t tail = offsetof(struct region_header, plan.n_slots[2]);
	int fd = dup(r.fd);

	for (size_t at = 0; at + 8 <= end; at += 4) {
		if (at + 8 > harmless_from && at < harmless_to)
			continue;
		if (at + 8 > tail && at < offsetof(struct region_header, off_endpoints))
			continue; /* slots of databases that the plan does not have */
		for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
			uint64_t saved;

			memcpy(&saved, (char *)r.h + at, 8);
			if (saved == values[i])
				continue;
			memcpy((char *)r.h + at, &values[i], 8);
			if (memcmp((char *)r.h + at, &saved, 8) == 0)
				continue;
			cr_expect(region_attach(&s, fd, &e) < 0, "offset %zu value %llx", at,
				  (unsigned long long)values[i]);
			cr_expect(s.h == NULL && e.text[0]);
			memcpy((char *)r.h + at, &saved, 8);
		}
	}
	cr_expect(region_attach(&s, fd, &e) == 0);
	region_close(&s);
	region_close(&r);
}

Test(region, attach_refuses_what_could_shrink_or_is_no_memory)
{
	struct region r = make(), s;
	struct err e = {0};
	int fd = memfd_create("t", MFD_CLOEXEC | MFD_ALLOW_SEALING), p[2];

	cr_assert(write(fd, r.h, r.size) == (ssize_t)r.size);
	cr_expect(region_attach(&s, fd, &e) < 0, "not sealed");
	cr_assert(ftruncate(fd, 4096) == 0);
	cr_assert(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW) == 0);
	cr_expect(region_attach(&s, fd, &e) < 0, "shorter than it says");
	cr_assert(pipe(p) == 0);
	cr_expect(region_attach(&s, p[0], &e) < 0);
	cr_expect(region_attach(&s, -1, &e) < 0);
	close(fd);
	region_close(&r);
}

Test(region, a_header_that_is_damaged_later_leads_nobody_astray)
{
	struct region r = make();
	char *board = (char *)region_board(&r, 1);

	memset(&r.h->plan, 0xff, sizeof(r.h->plan));
	r.h->off_board = r.h->off_rows = r.h->row_size = UINT64_MAX;
	atomic_store(&r.h->n_endpoints_used, UINT32_MAX);
	cr_expect((char *)region_board(&r, 1) == board);
	cr_expect(region_endpoints_used(&r) == 3);
	region_close(&r);
}

Test(region, a_row_belongs_to_its_route_for_good)
{
	struct region r = make();
	char long_a[300], long_b[300];

	cr_expect(region_endpoint_find_or_add(&r, "GET /a", "a", 0) == 0);
	cr_expect(region_endpoint_find_or_add(&r, "GET /b", "b", 1) == 1);
	cr_expect(region_endpoint_find_or_add(&r, "GET /a", "a2", 0) == 0);
	cr_expect_str_eq(region_endpoint(&r, 0)->id, "a2");
	cr_expect(region_endpoints_used(&r) == 2);
	express_bar(&region_endpoint(&r, 1)->express);
	atomic_store(&region_endpoint(&r, 1)->state, 2);
	memset(long_a, 'x', 299);
	long_a[299] = 0;
	strcpy(long_b, long_a);
	long_b[298] = 'y';
	cr_expect(region_endpoint_find_or_add(&r, long_a, "l", 0) == 2);
	cr_expect(region_endpoint_find_or_add(&r, long_b, "m", 0) == -1, "full, and not the row of long_a");
	cr_expect(region_endpoint_find_or_add(&r, long_a, "l", 0) == 2);
	cr_expect(region_endpoint_find_or_add(&r, "GET /b", "b", 1) == 1, "a removed row comes back");
	cr_expect(atomic_load(&region_endpoint(&r, 1)->state) == 1);
	cr_expect(EXPRESS_STATE(atomic_load(&region_endpoint(&r, 1)->express.ctl)) == EXPRESS_COLD);
	cr_expect(strlen(region_endpoint(&r, 2)->route) == sizeof(region_endpoint(&r, 2)->route) - 1);
	region_close(&r);
}

Test(region, an_index_beyond_the_plan_aborts, .signal = SIGABRT)
{
	struct region r = make();

	region_slot(&r, 1, 7);
}

Test(region, clearing_a_row_keeps_what_belongs_to_weird)
{
	struct region r = make();
	struct board_row *row = region_board(&r, 2);

	atomic_store(&row->state, STATE_killing);
	atomic_store(&row->pid, 7);
	atomic_store(&row->in_flight, 3);
	atomic_store(&row->incarnation, 9);
	atomic_store(&row->crashes, 2);
	strcpy(row->note, "check failed");
	cr_expect(!board_is_live(row));
	board_clear(row);
	cr_expect(!atomic_load(&row->pid) && !atomic_load(&row->in_flight) && !row->note[0]);
	cr_expect(atomic_load(&row->running_step) == STEP_COUNT);
	cr_expect(atomic_load(&row->state) == STATE_killing && atomic_load(&row->incarnation) == 9);
	cr_expect(atomic_load(&row->crashes) == 2);
	atomic_store(&row->state, STATE_empty);
	cr_expect(!board_is_live(row));
	atomic_store(&row->pid, 7);
	cr_expect(board_is_live(row), "alone");
	atomic_store(&row->state, STATE_draining);
	cr_expect(board_is_live(row));
	cr_expect_str_eq(board_state_name(STATE_backoff), "backoff");
	cr_expect_str_eq(board_state_name(99), "unknown");
	cr_expect_str_eq(board_step_name(STEP_render), "render");
	cr_expect_str_eq(board_step_name(STEP_COUNT), "idle");
	region_close(&r);
}

Test(region, the_cache_has_pages_and_a_secret_of_its_own)
{
	struct region_plan plan = {.n_numbers = 2, .n_stamps = STAMPS_MIN, .cache_bytes = (2u << 20) + 5, .n_flights = 64};
	struct region r, s;
	struct err e = {0};
	struct cache c;
	static const unsigned char zero[32];
	size_t size, other;
	void *mem;

	cr_assert(region_create(&r, &plan, &e) == 0, "%s", e.text);
	mem = region_cache(&r, &size);
	cr_expect(size == 2u << 20 && (uintptr_t)mem % 4096 == 0);
	cr_expect((char *)mem + size <= (char *)r.h + r.size);
	cr_expect(region_flights(&r).n == 64 && (uintptr_t)region_flights(&r).v % 64 == 0);
	cr_expect((char *)(region_flights(&r).v + 64) <= (char *)mem);
	cr_expect((char *)(region_stamps(&r).v + STAMPS_MIN) <= (char *)region_flights(&r).v);
	cr_expect(memcmp(r.h->cache_secret, zero, 32) != 0);
	cr_assert(region_attach(&s, dup(r.fd), &e) == 0, "%s", e.text);
	mem = region_cache(&s, &other);
	cr_expect(other == size && cache_attach(&c, mem, other, SLICE("")) == 0);
	region_close(&s);
	region_close(&r);
	plan.cache_bytes = 4096;
	cr_expect(region_size(&plan) == 0);
	plan.cache_bytes = UINT64_MAX;
	cr_expect(region_size(&plan) == 0);
	plan.cache_bytes = 0;
	plan.n_flights = 63;
	cr_expect(region_size(&plan) == 0);
	plan.n_flights = 0;
	cr_assert(region_create(&r, &plan, &e) == 0, "%s", e.text);
	cr_expect(region_cache(&r, &size) == NULL && size == 0 && region_flights(&r).n == 0);
	region_close(&r);
}
