#include "config.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/shm/region.h"
#include "lib/shm/stamps.h"

static struct stamps make(uint32_t n)
{
	struct stamps s = {mmap(NULL, n * sizeof(struct stamp), PROT_READ | PROT_WRITE,
				MAP_SHARED | MAP_ANONYMOUS, -1, 0), n};

	cr_assert(s.v != MAP_FAILED);
	return s;
}

static struct stamp_set set_of(const struct stamps *s, const char *tag)
{
	struct stamp_set set = {.n = 0};

	cr_assert(stamps_add(s, &set, slice_str(tag)) == 0);
	return set;
}

Test(stamps, a_tag_has_one_slot_and_a_set_has_an_end)
{
	struct stamps s = make(STAMPS_MIN);
	struct stamp_set set = set_of(&s, "images");
	char tag[16];
	int rc = 0;

	cr_expect(stamps_add(&s, &set, SLICE("images")) == 0);
	cr_expect(set.n == 1);
	for (int i = 0; i < 64 && rc == 0; i++) {
		snprintf(tag, sizeof(tag), "t%d", i);
		rc = stamps_add(&s, &set, slice_str(tag));
	}
	cr_expect(rc == -1);
	cr_expect(set.n == STAMPS_MAX_TAGS);
}

Test(stamps, a_write_hides_the_tag_while_it_is_open_and_moves_it)
{
	struct stamps s = make(STAMPS_MIN);
	struct stamp_set set = set_of(&s, "user:9"), w = set;
	struct stamps_writer writer;
	uint64_t digest;

	stamps_writer_init(&writer, &s, 5);
	cr_expect(stamps_load(&s, &set) == 1);
	digest = stamps_digest(&set);
	cr_expect(stamps_hold(&s, &set) == 1);
	stamps_begin(&writer, &w);
	cr_expect(stamps_hold(&s, &set) == 0);
	cr_expect(stamps_load(&s, &set) == 0, "an open write is not quiet");
	stamps_end(&writer, &w, 77);
	cr_expect(stamps_hold(&s, &set) == 0, "what was loaded during the write is void");
	cr_expect(stamps_load(&s, &set) == 1);
	cr_expect(stamps_digest(&set) != digest);
	cr_expect(stamps_seen(&s, &set, 78) == 1);
	cr_expect(stamps_seen(&s, &set, 77) == 0);
	stamps_writer_done(&writer);
}

Test(stamps, two_writes_of_one_worker_clear_the_bit_with_the_last)
{
	struct stamps s = make(STAMPS_MIN);
	struct stamp_set set = set_of(&s, "a"), look = set;
	struct stamps_writer writer;

	for (unsigned number = 0; number < 127; number++) {
		stamps_writer_init(&writer, &s, number);
		stamps_begin(&writer, &set);
		stamps_begin(&writer, &set);
		stamps_end(&writer, &set, 0);
		cr_expect(stamps_load(&s, &look) == 0, "number %u", number);
		stamps_end(&writer, &set, 0);
		cr_expect(stamps_load(&s, &look) == 1, "number %u", number);
		stamps_writer_done(&writer);
	}
	cr_expect(stamps_orphans(&s) == 0);
}

Test(stamps, of_two_who_saw_the_same_one_writes_alone)
{
	struct stamps s = make(STAMPS_MIN);
	struct stamp_set set = set_of(&s, "user:9"), seen = set, seen_too = set;
	unsigned numbers[3][2] = {{3, 4}, {3, 100}, {100, 101}};

	for (int i = 0; i < 3; i++) {
		struct stamps_writer a, b;

		stamps_writer_init(&a, &s, numbers[i][0]);
		stamps_writer_init(&b, &s, numbers[i][1]);
		(void)stamps_load(&s, &seen);
		(void)stamps_load(&s, &seen_too);
		stamps_begin(&a, &set);
		cr_expect(stamps_alone(&a, &seen));
		stamps_begin(&b, &set);
		cr_expect(!stamps_alone(&b, &seen_too), "the first is at it");
		stamps_end(&b, &set, 0);
		stamps_end(&a, &set, 7);
		stamps_begin(&b, &set);
		cr_expect(!stamps_alone(&b, &seen_too), "the first has written");
		stamps_end(&b, &set, 0);
		(void)stamps_load(&s, &seen_too);
		stamps_begin(&b, &set);
		cr_expect(stamps_alone(&b, &seen_too));
		stamps_begin(&b, &set);
		cr_expect(!stamps_alone(&b, &seen_too), "its own second one");
		stamps_end(&b, &set, 0);
		stamps_end(&b, &set, 0);
		/* loaded while another one was open */
		stamps_begin(&a, &set);
		(void)stamps_load(&s, &seen_too);
		stamps_begin(&b, &set);
		cr_expect(!stamps_alone(&b, &seen_too));
		stamps_end(&b, &set, 0);
		stamps_end(&a, &set, 0);
		(void)stamps_load(&s, &seen_too);
		stamps_bump(&s, &set, 0);
		stamps_begin(&b, &set);
		cr_expect(!stamps_alone(&b, &seen_too), "an event came");
		stamps_end(&b, &set, 0);
		stamps_writer_done(&a);
		stamps_writer_done(&b);
	}
}

Test(stamps, the_highest_transaction_stays)
{
	struct stamps s = make(STAMPS_MIN);
	struct stamp_set set = set_of(&s, "a");

	stamps_bump(&s, &set, 10);
	stamps_bump(&s, &set, 9);
	stamps_bump(&s, &set, 0);
	cr_expect(stamps_seen(&s, &set, 10) == 0);
	cr_expect(stamps_seen(&s, &set, 11) == 1);
}

/* A process that is killed with writes open: its bits become orphans, and nothing is served until settled. */
Test(stamps, a_dead_writer_leaves_orphans)
{
	for (unsigned number = 3; number < 127; number += 60) {
		struct stamps s = make(STAMPS_MIN);
		struct stamp_set a = set_of(&s, "a"), b = set_of(&s, "b"), other = set_of(&s, "c");
		_Atomic uint64_t epoch = 0;
		int status;
		pid_t pid = fork();

		if (pid == 0) {
			struct stamps_writer w;

			stamps_writer_init(&w, &s, number);
			stamps_begin(&w, &a);
			stamps_begin(&w, &b);
			abort();
		}
		cr_assert(waitpid(pid, &status, 0) == pid);
		cr_expect(stamps_orphan(&s, number) == 2);
		cr_expect(stamps_orphan(&s, number) == 0, "once is enough");
		cr_expect(stamps_orphans(&s) == 2);
		cr_expect(stamps_load(&s, &a) == 0);
		cr_expect(stamps_load(&s, &other) == 1);
		cr_expect(stamps_settle_orphans(&s, &epoch, 1, 50) == 0, "the epoch has moved: nothing");
		cr_expect(stamps_orphans(&s) == 2);
		cr_expect(stamps_settle_orphans(&s, &epoch, 0, 50) == 2);
		cr_expect(stamps_load(&s, &a) == 1);
		cr_expect(stamps_seen(&s, &a, 50) == 0);
		cr_expect(stamps_settle_orphans(&s, &epoch, 0, 50) == 0);
	}
}

Test(stamps, a_write_of_unknown_outcome_is_an_orphan_too)
{
	struct stamps s = make(STAMPS_MIN);
	struct stamp_set a = set_of(&s, "a");
	struct stamps_writer w;
	_Atomic uint64_t epoch = 0;

	stamps_writer_init(&w, &s, 1);
	stamps_begin(&w, &a);
	stamps_give_up(&w, &a);
	cr_expect(stamps_orphans(&s) == 1);
	cr_expect(stamps_load(&s, &a) == 0);
	cr_expect(stamps_settle_orphans(&s, &epoch, 0, 9) == 1);
	cr_expect(stamps_load(&s, &a) == 1);
	stamps_writer_done(&w);
}

Test(stamps, the_region_has_room_for_them)
{
	struct region_plan plan = {.n_numbers = 2, .n_stamps = STAMPS_MIN};
	struct region r;
	struct err e = {0};

	cr_assert(region_create(&r, &plan, &e) == 0, "%s", e.text);
	cr_expect(region_stamps(&r).n == STAMPS_MIN);
	cr_expect((char *)(region_stamps(&r).v + STAMPS_MIN) <= (char *)r.h + r.size);
	region_close(&r);
	plan.n_stamps = STAMPS_MIN + 1;
	cr_expect(region_size(&plan) == 0);
}
