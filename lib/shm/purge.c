#include "config.h"

#include "lib/shm/purge.h"

#include <string.h>

int purge_post(struct purge_queue *q, const struct purge *p)
{
	uint32_t at = atomic_load(&q->posted);

	if (at - atomic_load(&q->ended) >= PURGE_MAX)
		return -1;
	q->v[at % PURGE_MAX] = *p;
	atomic_store_explicit(&q->posted, at + 1, memory_order_release);
	return 0;
}

int purge_first(struct purge_queue *q, struct purge *ret)
{
	uint32_t at = atomic_load(&q->ended);

	if (!purge_waits(q))
		return 0;
	*ret = q->v[at % PURGE_MAX];
	ret->text[PURGE_MAX_TEXT] = 0;
	return 1;
}

void purge_end(struct purge_queue *q)
{
	atomic_fetch_add(&q->ended, 1);
}

int purge_post_key(struct purge_queue *q, const uint64_t h[2])
{
	if (purge_waits_key(q, h))
		return 0;
	for (unsigned i = 0; i < PURGE_MAX_KEYS; i++) {
		if (atomic_load(&q->keys[i][1]))
			continue;
		atomic_store(&q->keys[i][0], h[0]);
		atomic_store(&q->keys[i][1], h[1]);
		return 0;
	}
	return -1;
}

int purge_key_at(const struct purge_queue *q, unsigned i, uint64_t ret[2])
{
	ret[1] = atomic_load_explicit(&q->keys[i][1], memory_order_acquire);
	ret[0] = atomic_load_explicit(&q->keys[i][0], memory_order_relaxed);
	return ret[1] != 0;
}

void purge_key_end(struct purge_queue *q, unsigned i, const uint64_t h[2])
{
	uint64_t low = h[1];

	if (atomic_load(&q->keys[i][0]) == h[0])
		atomic_compare_exchange_strong(&q->keys[i][1], &low, 0);
}

int purge_waits_key(const struct purge_queue *q, const uint64_t h[2])
{
	for (unsigned i = 0; i < PURGE_MAX_KEYS; i++)
		if (atomic_load_explicit(&q->keys[i][1], memory_order_acquire) == h[1] &&
		    atomic_load_explicit(&q->keys[i][0], memory_order_relaxed) == h[0])
			return h[1] != 0;
	return 0;
}
