#include "config.h"

#include "lib/shm/said.h"

/* The kind's place; another that has long been silent makes room. */
static struct said *place(struct said said[SAID_KINDS], uint64_t kind, uint64_t now_ms)
{
	for (unsigned i = 0; i + 1 < SAID_KINDS; i++) {
		uint64_t has = atomic_load(&said[i].kind);

		if (has == kind || (has == 0 && atomic_compare_exchange_strong(&said[i].kind, &has, kind)) || has == kind)
			return &said[i];
	}
	for (unsigned i = 0; i + 1 < SAID_KINDS; i++) {
		uint64_t has = atomic_load(&said[i].kind);

		if (now_ms - atomic_load(&said[i].at_ms) >= SAID_EVERY_MS && !atomic_load(&said[i].unsaid) &&
		    atomic_compare_exchange_strong(&said[i].kind, &has, kind))
			return &said[i];
	}
	return &said[SAID_KINDS - 1];
}

int said_may(struct said said[SAID_KINDS], const char *kind, uint64_t now_ms, uint64_t *ret_unsaid)
{
	uint64_t key = 0, at;
	struct said *s;

	for (unsigned i = 0; i < 7 && kind[i]; i++)
		key = key << 8 | (unsigned char)kind[i];
	s = place(said, key | 1ull << 56, now_ms);
	at = atomic_load(&s->at_ms);
	if ((!at || now_ms - at >= SAID_EVERY_MS) && atomic_compare_exchange_strong(&s->at_ms, &at, now_ms)) {
		*ret_unsaid = atomic_exchange(&s->unsaid, 0);
		return 1;
	}
	atomic_fetch_add(&s->unsaid, 1);
	return 0;
}
