/* Messages as PostgreSQL 15 sends them, written by hand after its manual; real ones are in tests/it/test_60_events.py. */
#include "config.h"

#include <criterion/criterion.h>
#include <stdio.h>

#include "lib/base/buf.h"
#include "lib/pg/db_decode.h"

static struct buf told, msg;
static struct db_decode *d;

static void on_tag(void *ctx, struct slice tag)
{
	(void)ctx;
	buf_addf(&told, "%.*s ", SLICE_ARG(tag));
}

static void on_all(void *ctx, const char *why)
{
	(void)ctx;
	buf_addf(&told, "ALL(%s) ", why ? why : "");
}

static void on_message(void *ctx, struct slice payload)
{
	(void)ctx;
	buf_addf(&told, "<%.*s> ", SLICE_ARG(payload));
}

static void on_commit(void *ctx, uint32_t xid, uint64_t end_lsn, uint64_t wall_us)
{
	(void)ctx;
	buf_addf(&told, "commit %u %llu %llu ", xid, (unsigned long long)end_lsn, (unsigned long long)wall_us);
}

static void begin(void)
{
	static const struct db_decode_ops ops = {on_tag, on_all, on_message, on_commit};

	buf_init(&told, 0);
	buf_init(&msg, 0);
	d = db_decode_new(&ops, NULL);
	db_decode_watch(d, 7, SLICE("items"));
	db_decode_watch(d, 7, SLICE("owner:{owner}:items"));
}

static void end(void)
{
	db_decode_free(&d);
	buf_done(&told);
	buf_done(&msg);
}

TestSuite(db_decode, .init = begin, .fini = end);

static void put(uint64_t v, int bytes)
{
	for (int i = bytes - 1; i >= 0; i--)
		buf_addc(&msg, (char)(v >> (8 * i)));
}

static void put_value(const char *v)
{
	if (!v || v == (const char *)1) {
		buf_addc(&msg, v ? 'u' : 'n');
		return;
	}
	buf_addc(&msg, 't');
	put(strlen(v), 4);
	buf_adds(&msg, v);
}

#define TOAST ((const char *)1)

static void put_row(char image, const char *id, const char *owner)
{
	buf_addc(&msg, image);
	put(2, 2);
	put_value(id);
	put_value(owner);
}

static int feed(void)
{
	struct err e;
	int rc = db_decode_feed(d, buf_slice(&msg), &e);

	buf_clear(&msg);
	return rc;
}

static void start_as(char identity, int owner_is_identity)
{
	buf_addc(&msg, 'B');
	put(100, 8);
	put(0, 8);
	put(4000000000u, 4);
	cr_assert(feed() == 0);
	buf_addc(&msg, 'R');
	put(7, 4);
	buf_add(&msg, "public\0item\0", 12);
	buf_addc(&msg, identity);
	put(2, 2);
	buf_add(&msg, "\1id\0", 4);
	put(23, 4);
	put(0, 4);
	put((unsigned)owner_is_identity, 1);
	buf_add(&msg, "owner\0", 6);
	put(25, 4);
	put(0, 4);
	cr_assert(feed() == 0);
}

static void start(int owner_is_identity)
{
	start_as('d', owner_is_identity);
}

static void row(char kind, uint32_t relid)
{
	buf_addc(&msg, kind);
	put(relid, 4);
}

static void says(const char *text)
{
	cr_expect_str_eq(buf_str(&told), text);
	buf_clear(&told);
}

Test(db_decode, an_insert_has_the_tags_of_its_row)
{
	start(0);
	row('I', 7);
	put_row('N', "1", "ann");
	cr_assert(feed() == 0);
	says("items owner:ann:items ");
	row('I', 7);
	put_row('N', "1", NULL);
	cr_assert(feed() == 0);
	says("items owner::items ");
	row('I', 8);
	put_row('N', "1", "ann");
	cr_assert(feed() == 0);
	says("");
}

Test(db_decode, an_update_has_those_of_both_rows)
{
	start(1);
	row('U', 7);
	put_row('O', "1", "ann");
	put_row('N', "1", "bob");
	cr_assert(feed() == 0);
	says("items owner:ann:items items owner:bob:items ");
	row('U', 7);
	put_row('N', "1", "bob");	/* the identity is as it was */
	cr_assert(feed() == 0);
	says("items owner:bob:items ");
}

Test(db_decode, what_the_identity_does_not_cover_is_all)
{
	start(0);
	row('U', 7);
	put_row('N', "1", "bob");
	cr_assert(feed() == 0);
	says("items owner:bob:items ALL(owner:{owner}:items) ");
	row('D', 7);
	put_row('K', "1", NULL);
	cr_assert(feed() == 0);
	says("items ALL(owner:{owner}:items) ");
}

/* 7.9: the root is FULL, the partition has its key only. */
Test(db_decode, a_partition_with_a_smaller_identity_than_its_root_is_all)
{
	start_as('f', 1);
	row('U', 7);
	put_row('N', "1", "bob");
	cr_assert(feed() == 0);
	says("items owner:bob:items ALL(owner:{owner}:items) ");
	row('D', 7);
	put_row('K', "1", NULL);
	cr_assert(feed() == 0);
	says("items ALL(owner:{owner}:items) ");
	row('D', 7);
	put_row('O', "1", "bob");
	cr_assert(feed() == 0);
	says("items owner:bob:items ");
}

Test(db_decode, a_value_that_is_not_sent_or_too_long_is_all)
{
	char longer[1100];

	start(1);
	row('I', 7);
	put_row('N', "1", TOAST);
	cr_assert(feed() == 0);
	says("items ALL(owner:{owner}:items) ");
	memset(longer, 'x', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = 0;
	row('I', 7);
	put_row('N', "1", longer);
	cr_assert(feed() == 0);
	says("items ALL(owner:{owner}:items) ");
}

Test(db_decode, truncate_messages_and_commit)
{
	start(1);
	buf_addc(&msg, 'T');
	put(2, 4);
	put(0, 1);
	put(8, 4);
	put(7, 4);
	cr_assert(feed() == 0);
	says("items ALL() ");
	for (int i = 0; i < 2; i++) {
		buf_addc(&msg, 'M');
		put(1, 1);
		put(5, 8);
		buf_add(&msg, i ? "other\0" : "weir\0\0", i ? 6 : 5);
		put(2, 4);
		buf_adds(&msg, "{}");
		cr_assert(feed() == 0);
	}
	says("<{}> ");
	buf_addc(&msg, 'C');
	put(0, 1);
	put(100, 8);
	put(120, 8);
	put(5, 8);
	cr_assert(feed() == 0);
	says("commit 4000000000 120 946684800000005 ");
}

Test(db_decode, what_is_malformed_ends_it)
{
	row('I', 7);
	put_row('N', "1", "ann");
	cr_expect(feed() == -E_db_down, "a row outside a transaction");
	start(1);
	row('I', 7);
	buf_addc(&msg, 'N');
	put(2, 2);
	buf_addc(&msg, 't');
	put(UINT32_MAX, 4);
	cr_expect(feed() == -E_db_down, "a value longer than its message");
	row('I', 7);
	buf_addc(&msg, 'N');
	put(UINT16_MAX, 2);
	cr_expect(feed() == -E_db_down, "more columns than a table has");
	cr_expect(feed() == -E_db_down, "nothing at all");
	buf_addc(&msg, 'Z');
	cr_expect(feed() == -E_db_down, "a message of another version");
}
