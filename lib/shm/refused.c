#include "config.h"

#include "lib/shm/refused.h"

#include <string.h>

#include "lib/shm/region.h"

/* The dead writer of a number is its next holder's own past. */
static int is_mine(const struct region *r, struct refused *f, unsigned number)
{
	uint32_t who = atomic_load(&f->writer);

	if (who == number + 1)
		return 1;
	if (who && who <= r->plan.n_numbers && board_is_live(region_board(r, who - 1)))
		return 0;
	return atomic_compare_exchange_strong(&f->writer, &who, number + 1);
}

void refused_set(const struct region *r, struct refused *f, unsigned number, const char *text)
{
	size_t n = strnlen(text, sizeof(f->text) - 1);
	uint32_t odd;

	if (!is_mine(r, f, number))
		return;
	odd = atomic_load_explicit(&f->seq, memory_order_relaxed) | 1;
	atomic_store_explicit(&f->seq, odd, memory_order_relaxed);
	atomic_thread_fence(memory_order_release);
	for (size_t i = 0; i < sizeof(f->text); i++)
		__atomic_store_n(&f->text[i], i < n ? text[i] : 0, __ATOMIC_RELAXED);
	atomic_store_explicit(&f->seq, odd + 1, memory_order_release);
	atomic_store(&f->writer, 0);
}

int refused_get(const struct refused *f, char out[REFUSED_TEXT])
{
	for (int tries = 0; tries < 8; tries++) {
		uint32_t seq = atomic_load_explicit(&f->seq, memory_order_acquire);

		if (seq & 1)
			continue;
		for (size_t i = 0; i < sizeof(f->text); i++)
			out[i] = __atomic_load_n(&f->text[i], __ATOMIC_RELAXED);
		atomic_thread_fence(memory_order_acquire);
		if (atomic_load_explicit(&f->seq, memory_order_relaxed) == seq) {
			out[sizeof(f->text) - 1] = 0;
			return 0;
		}
	}
	out[0] = 0;
	return -1;
}
