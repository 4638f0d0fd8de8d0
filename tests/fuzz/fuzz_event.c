/* fuzz_event: any bytes as a notification. What is accepted has bounded tags that are valid UTF-8. */
#include "config.h"

#include <string.h>

#include "lib/base/check.h"
#include "lib/base/utf8.h"
#include "lib/pg/db_event.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena_pool pool;
	struct arena a;
	struct db_event ev;
	struct err e;

	arena_pool_init(&pool, 4);
	arena_init(&a, &pool);
	if (db_event_parse(slice_of((const char *)data, size), &a, &ev, &e) == 0) {
		check(ev.n_tags <= DB_EVENT_MAX_TAGS);
		for (unsigned i = 0; i < ev.n_tags; i++)
			check(ev.tags[i].n <= size && utf8_is_valid(ev.tags[i]));
		check(ev.why.n <= size && utf8_is_valid(ev.why));
	} else {
		check(e.id == E_bad_json && utf8_is_valid(slice_str(e.text)));
	}
	arena_done(&a);
	arena_pool_done(&pool);
	return 0;
}
