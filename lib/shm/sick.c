#include "config.h"

#include "lib/shm/sick.h"

#include <string.h>

#include "lib/base/check.h"
#include "lib/shm/board.h"

static void put_why(struct sick *s, const char *why)
{
	size_t len = strnlen(why, SICK_WHY - 1);

	for (size_t i = 0; i < SICK_WHY; i++)
		__atomic_store_n(&s->why[i], i < len ? why[i] : 0, __ATOMIC_RELAXED);
}

void sick_why(const struct sick *s, char out[SICK_WHY])
{
	for (size_t i = 0; i < SICK_WHY; i++)
		out[i] = __atomic_load_n(&s->why[i], __ATOMIC_RELAXED);
	out[SICK_WHY - 1] = 0;
}

int sick_is(const struct sick *s)
{
	return atomic_load(&s->who[0]) || atomic_load(&s->who[1]);
}

int sick_begin(struct sick *s, unsigned number, const char *why)
{
	char was[SICK_WHY];
	int is_new;

	check(number < BOARD_MAX_NUMBERS);
	sick_why(s, was);
	is_new = strncmp(was, why, SICK_WHY - 1) != 0;
	if (is_new)
		put_why(s, why);
	atomic_fetch_or(&s->who[number / 64], 1ull << number % 64);
	return is_new;
}

void sick_release(struct sick *s, unsigned number)
{
	check(number < BOARD_MAX_NUMBERS);
	atomic_fetch_and(&s->who[number / 64], ~(1ull << number % 64));
}

int sick_end(struct sick *s, unsigned number)
{
	sick_release(s, number);
	if (__atomic_load_n(&s->why[0], __ATOMIC_RELAXED) == 0)
		return 0;
	atomic_fetch_add(&s->healed, 1);
	if (sick_is(s))
		return 0;
	put_why(s, "");
	return 1;
}

int sick_may_try(struct sick *s, uint64_t now_ms, uint64_t every_ms)
{
	uint64_t last = atomic_load(&s->tried_ms);

	return now_ms >= last + every_ms && atomic_compare_exchange_strong(&s->tried_ms, &last, now_ms);
}
