/* hash: map from byte strings to pointers, for tables built at load and read often.
 * Keys are borrowed and must outlive the table. Open addressing, FNV-1a; no deletion.
 * Owner: whoever called hash_init. Not shared.
 * Layer: lib/base. */
#ifndef WEIR_BASE_HASH_H
#define WEIR_BASE_HASH_H

#include <stdint.h>

#include "lib/base/slice.h"

struct hash_entry {
	struct slice key;
	void *value;
	uint32_t h;
};
struct hash {
	struct hash_entry *entries;
	size_t n, cap;
};

void hash_init(struct hash *t);
void hash_done(struct hash *t);
/* 0, or -1 when the key is there already (table unchanged). value must not be NULL. */
int hash_add(struct hash *t, struct slice key, void *value) MUST_USE;
/* NULL when absent. */
void *hash_find(const struct hash *t, struct slice key);
uint32_t hash_bytes(const void *p, size_t n);

#endif
