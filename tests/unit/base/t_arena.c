#include "config.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>

#include "lib/base/arena.h"

static struct arena_pool pool;
static struct arena arena;

static void begin(void)
{
	arena_pool_init(&pool, 2);
	arena_init(&arena, &pool);
}

static void end(void)
{
	arena_done(&arena);
	arena_pool_done(&pool);
}

TestSuite(arena, .init = begin, .fini = end);

Test(arena, gives_aligned_memory_that_does_not_overlap)
{
	struct {
		unsigned char *p;
		size_t n;
	} runs[500];

	srand(1);
	for (size_t i = 0; i < 500; i++) {
		runs[i].n = (size_t)rand() % (i % 50 ? 300 : 20000);
		runs[i].p = arena_alloc(&arena, runs[i].n);
		cr_assert(runs[i].p != NULL && (uintptr_t)runs[i].p % 16 == 0);
		memset(runs[i].p, (int)i, runs[i].n);
	}
	for (size_t i = 0; i < 500; i++)
		for (size_t k = 0; k < runs[i].n; k++)
			cr_assert(runs[i].p[k] == (unsigned char)i);
}

Test(arena, gives_memory_for_sizes_at_the_edges_of_a_block)
{
	for (size_t n = ARENA_BLOCK - 64; n < ARENA_BLOCK + 64; n++) {
		char *p = arena_alloc(&arena, n);

		memset(p, 'x', n);
		arena_done(&arena);
	}
}

Test(arena, gives_no_null_for_nothing)
{
	char *p = arena_alloc(&arena, 0), *q = arena_alloc(&arena, 0);

	cr_expect(p != NULL && q != NULL && p != q);
	cr_expect(arena_zalloc(&arena, 0) != NULL);
	cr_expect_str_eq(arena_strn(&arena, NULL, 0), "");
}

Test(arena, refuses_a_size_that_wraps_around, .signal = SIGABRT)
{
	arena_alloc(&arena, 16);
	arena_alloc(&arena, SIZE_MAX - 7);
}

Test(arena, takes_blocks_from_the_pool_and_gives_them_back)
{
	struct arena_block *block;

	arena_alloc(&arena, 1);
	block = arena.blocks;
	cr_expect(arena.total == ARENA_BLOCK);
	arena_done(&arena);
	cr_expect(pool.n_free == 1 && pool.free == block && arena.total == 0);
	arena_alloc(&arena, 1);
	cr_expect(pool.n_free == 0 && arena.blocks == block);
	for (int i = 0; i < 5; i++)
		arena_alloc(&arena, ARENA_BLOCK - 100);
	arena_alloc(&arena, 100000);
	arena_done(&arena);
	cr_expect(pool.n_free == 2, "no more than max_free are kept");
}

Test(arena, keeps_its_block_in_use_beside_a_large_one)
{
	char *p = arena_alloc(&arena, 16), *q;

	arena_alloc(&arena, 100000);
	q = arena_alloc(&arena, 16);
	cr_expect(q == p + 16);
}

Test(arena, works_without_a_pool)
{
	struct arena a;

	arena_init(&a, NULL);
	arena_alloc(&a, 100);
	arena_alloc(&a, 100000);
	arena_done(&a);
}

Test(arena, zeroes)
{
	char *p = arena_alloc(&arena, 1000);

	memset(p, 'x', 1000);
	arena_done(&arena);
	p = arena_zalloc(&arena, 1000);
	for (int i = 0; i < 1000; i++)
		cr_assert(p[i] == 0);
}

Test(arena, copies_and_formats)
{
	char *s = arena_strn(&arena, "abcdef", 3), *f = arena_fmt(&arena, "%s-%05d", s, 42), *l;

	cr_expect_str_eq(s, "abc");
	cr_expect_str_eq(f, "abc-00042");
	l = arena_fmt(&arena, "%20000d", 7);
	cr_expect(strlen(l) == 20000 && l[19999] == '7');
	cr_expect_str_eq(s, "abc");
}

static char order[16];
static char a[] = "a", b[] = "b", c[] = "c", z[] = "z";

static void note(void *arg)
{
	strncat(order, arg, sizeof(order) - strlen(order) - 1);
}

static void note_and_defer(void *arg)
{
	note(arg);
	arena_defer(&arena, note, z);
}

Test(arena, cleans_up_newest_first_and_once)
{
	order[0] = 0;
	arena_defer(&arena, note, a);
	arena_defer(&arena, note_and_defer, b);
	arena_defer(&arena, note, c);
	arena_done(&arena);
	cr_expect_str_eq(order, "cbza");
	arena_done(&arena);
	cr_expect_str_eq(order, "cbza");
}
