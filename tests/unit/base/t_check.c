#include "config.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/base/check.h"
#include "lib/base/clock.h"
#include "lib/base/list.h"
#include "lib/base/slice.h"

Test(check, lets_the_truth_pass)
{
	int n = 0;

	check(++n == 1);
	cr_expect(n == 1, "the condition runs once");
}

Test(check, says_where_on_fd_2_and_in_the_note_and_aborts)
{
	char *note = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	char said[1024] = "", want[128];
	int p[2], status, line;
	size_t n = 0;
	ssize_t got;
	pid_t pid;

	cr_assert(note != MAP_FAILED && pipe(p) == 0);
	line = __LINE__ + 5;
	pid = fork();
	if (pid == 0) {
		dup2(p[1], 2);
		check_note_into(note, 64);
		check(1 + 1 == 3 && "a long expression that will not fit the note");
		_exit(0);
	}
	close(p[1]);
	while ((got = read(p[0], said + n, sizeof(said) - 1 - n)) > 0)
		n += (size_t)got;
	close(p[0]);
	cr_assert(waitpid(pid, &status, 0) == pid);
	cr_expect(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
	snprintf(want, sizeof(want), "t_check.c:%d in ", line);
	cr_expect(strncmp(said, "check failed: 1 + 1 == 3", 24) == 0, "%s", said);
	cr_expect(strstr(said, want) != NULL, "%s", said);
	cr_expect(said[strlen(said) - 1] == '\n');
	cr_expect(strlen(note) == 63 && strncmp(said, note, 63) == 0, "%s", note);
	munmap(note, 4096);
}

Test(clock, formats_wall_time)
{
	char out[32];

	clock_format_wall(0, out);
	cr_expect_str_eq(out, "1970-01-01T00:00:00.000Z");
	clock_format_wall(1764000000123999ull, out);
	cr_expect_str_eq(out, "2025-11-24T16:00:00.123Z");
	clock_format_wall(951782400000000ull, out);
	cr_expect_str_eq(out, "2000-02-29T00:00:00.000Z");
	clock_format_wall(UINT64_MAX, out);
	cr_expect(strlen(out) < sizeof(out));
}

Test(clock, goes_on)
{
	uint64_t a = clock_mono_ns(), b = clock_mono_ns();

	cr_expect(a > 0 && b >= a);
	cr_expect(clock_wall_us() > 1700000000000000ull);
}

struct item {
	int v;
	struct list node;
};

Test(list, keeps_order_and_lets_go)
{
	struct list head = LIST_INIT(head);
	struct item items[4] = {{.v = 1}, {.v = 2}, {.v = 3}, {.v = 0}};
	int sum = 0;

	cr_expect(list_is_empty(&head) && list_first(&head) == NULL);
	for (int i = 0; i < 3; i++)
		list_add_tail(&head, &items[i].node);
	list_add_head(&head, &items[3].node);
	LIST_FOR(it, &head)
		sum = sum * 10 + LIST_ENTRY(it, struct item, node)->v;
	cr_expect_eq(sum, 123);
	cr_expect(list_first(&head) == &items[3].node);
	list_del(&items[1].node);
	list_del(&items[1].node);
	sum = 0;
	LIST_FOR_SAFE(it, next, &head) {
		sum = sum * 10 + LIST_ENTRY(it, struct item, node)->v;
		list_del(it);
	}
	cr_expect_eq(sum, 13);
	cr_expect(list_is_empty(&head));
}

Test(slice, compares_trims_and_cuts)
{
	struct slice rest = SLICE("a, b,,c"), none = {NULL, 0};

	cr_expect(slice_eq(none, SLICE("")) && slice_eq(slice_str(NULL), none));
	cr_expect(!slice_eq(SLICE("a"), SLICE("b")) && !slice_eq(SLICE("a"), SLICE("ab")));
	cr_expect(slice_ieq(SLICE("Content-Type"), SLICE("content-type")));
	cr_expect(slice_starts(SLICE("abc"), SLICE("ab")) && !slice_starts(SLICE("a"), SLICE("ab")));
	cr_expect(slice_eq(slice_trim(SLICE(" \t a b \t")), SLICE("a b")));
	cr_expect(slice_trim(SLICE("  ")).n == 0);
	cr_expect(slice_eq(slice_cut(&rest, ','), SLICE("a")));
	cr_expect(slice_eq(slice_cut(&rest, ','), SLICE(" b")));
	cr_expect(slice_eq(slice_cut(&rest, ','), SLICE("")) && rest.p);
	cr_expect(slice_eq(slice_cut(&rest, ','), SLICE("c")) && !rest.p);
	rest = SLICE("a,");
	slice_cut(&rest, ',');
	cr_expect(rest.p && rest.n == 0, "an empty last piece is a piece");
}
