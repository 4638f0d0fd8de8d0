#include "config.h"

#include <criterion/criterion.h>
#include <stdio.h>

#include "lib/base/hash.h"

Test(hash, finds_nothing_in_an_empty_table)
{
	struct hash t;

	hash_init(&t);
	cr_expect(hash_find(&t, SLICE("a")) == NULL);
	hash_done(&t);
	hash_done(&t);
}

Test(hash, finds_what_was_added_and_nothing_else)
{
	static char keys[5000][8];
	struct hash t;

	hash_init(&t);
	for (int i = 0; i < 5000; i++) {
		snprintf(keys[i], sizeof(keys[i]), "k%d", i);
		cr_assert(hash_add(&t, slice_str(keys[i]), keys[i]) == 0);
	}
	cr_expect(t.n == 5000);
	for (int i = 0; i < 5000; i++)
		cr_assert(hash_find(&t, slice_str(keys[i])) == keys[i]);
	cr_expect(hash_find(&t, SLICE("k5000")) == NULL);
	cr_expect(hash_find(&t, SLICE("k")) == NULL);
	hash_done(&t);
}

Test(hash, refuses_a_key_twice_and_keeps_the_first)
{
	struct hash t;
	int one, two;

	hash_init(&t);
	cr_expect(hash_add(&t, SLICE("key"), &one) == 0);
	cr_expect(hash_add(&t, SLICE("key"), &two) == -1);
	cr_expect(hash_find(&t, SLICE("key")) == &one && t.n == 1);
	hash_done(&t);
}

Test(hash, takes_keys_with_nul_and_the_empty_one)
{
	struct hash t;
	int a, b, c;

	hash_init(&t);
	cr_expect(hash_add(&t, SLICE(""), &a) == 0);
	cr_expect(hash_add(&t, SLICE("x\0y"), &b) == 0);
	cr_expect(hash_add(&t, SLICE("x\0z"), &c) == 0);
	cr_expect(hash_find(&t, (struct slice){NULL, 0}) == &a);
	cr_expect(hash_find(&t, SLICE("x\0y")) == &b);
	cr_expect(hash_find(&t, SLICE("x\0z")) == &c);
	cr_expect(hash_find(&t, SLICE("x")) == NULL);
	hash_done(&t);
}

Test(hash, is_fnv_1a)
{
	cr_expect(hash_bytes("", 0) == 0x811c9dc5u);
	cr_expect(hash_bytes("a", 1) == 0xe40c292cu);
	cr_expect(hash_bytes("foobar", 6) == 0xbf9cf968u);
}
