/* fuzz_decode: a stream of pgoutput messages, each behind its length in two bytes. Whatever they are, no tag is longer
 * than promised and a commit comes only after its begin. */
#include "config.h"

#include "lib/base/check.h"
#include "lib/pg/db_decode.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct db_decode *d;

static void on_tag(void *ctx, struct slice tag)
{
	(void)ctx;
	check(tag.n && tag.n <= 1000 && db_decode_is_inside(d));
}

static void on_all(void *ctx, const char *why)
{
	(void)ctx;
	(void)why;
	check(db_decode_is_inside(d));
}

static void on_message(void *ctx, struct slice payload)
{
	volatile char sum = 0;

	(void)ctx;
	for (size_t i = 0; i < payload.n; i++)
		sum = (char)(sum ^ payload.p[i]);
}

static void on_commit(void *ctx, uint32_t xid, uint64_t end_lsn, uint64_t wall_us)
{
	(void)ctx;
	(void)xid;
	(void)end_lsn;
	(void)wall_us;
	check(!db_decode_is_inside(d));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct db_decode_ops ops = {on_tag, on_all, on_message, on_commit};
	struct err e = {0};

	d = db_decode_new(&ops, NULL);
	db_decode_watch(d, 16384, SLICE("items"));
	db_decode_watch(d, 16384, SLICE("owner:{owner}:items"));
	db_decode_watch(d, 16385, SLICE("notes"));
	while (size > 2) {
		size_t n = (size_t)data[0] << 8 | data[1];

		data += 2;
		size -= 2;
		n = n < size ? n : size;
		if (db_decode_feed(d, slice_of((const char *)data, n), &e)) {
			check(e.id == E_db_down && e.text[0]);
			break;
		}
		data += n;
		size -= n;
	}
	db_decode_free(&d);
	return 0;
}
