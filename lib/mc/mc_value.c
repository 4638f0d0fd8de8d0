/* Layout: a fixed head, then key, tags (a length byte before each) and body, end to end. The checksum
 * stands first and covers all that follows, so nothing is believed before it holds; it is no proof against
 * somebody who can write to memcached, so every length is checked all the same. */
#include "config.h"

#include "lib/mc/mc_value.h"

#include <endian.h>

#include "lib/base/check.h"
#include "lib/base/err.h"
#include "lib/shm/digest.h"

#define MAGIC 0x314c5657u	/* "WVL1" */
#define FORMAT 1u

/* 104 bytes, no holes. */
struct head {
	uint64_t sum;
	uint32_t magic;
	uint16_t format;
	uint16_t status;
	uint64_t build, schema;
	uint64_t created_wall_us;
	uint64_t xmin;
	uint32_t soft_ms, hard_ms, error_ms, delta_us;
	uint8_t etag[16];
	uint32_t key_n, tags_n, head_n, body_n;
	uint8_t n_tags, coding, flags, zero[5];
};
_Static_assert(sizeof(struct head) == 104, "the wire format");

int mc_value_encode(struct buf *out, const struct mc_value *v, uint64_t seed)
{
	struct head h;
	size_t at = out->n, tags_n = 0;
	uint64_t sum;

	check(v->n_tags <= MC_VALUE_MAX_TAGS && v->head_n <= v->body.n);
	for (unsigned i = 0; i < v->n_tags; i++) {
		if (v->tags[i].n > MC_VALUE_MAX_TAG)
			return -E_too_large;
		tags_n += 1 + v->tags[i].n;
	}
	if (v->key.n > MC_VALUE_MAX_KEY || v->body.n > MC_VALUE_MAX ||
	    sizeof(h) + v->key.n + tags_n + v->body.n > MC_VALUE_MAX)
		return -E_too_large;
	if (buf_reserve(out, sizeof(h) + v->key.n + tags_n + v->body.n) < 0)
		return -E_too_large;
	h = (struct head){
	    .magic = htole32(MAGIC),
	    .format = htole16(FORMAT),
	    .status = htole16(v->status),
	    .build = htole64(v->build),
	    .schema = htole64(v->schema),
	    .created_wall_us = htole64(v->created_wall_us),
	    .xmin = htole64(v->xmin),
	    .soft_ms = htole32(v->soft_ms),
	    .hard_ms = htole32(v->hard_ms),
	    .error_ms = htole32(v->error_ms),
	    .delta_us = htole32(v->delta_us),
	    .key_n = htole32((uint32_t)v->key.n),
	    .tags_n = htole32((uint32_t)tags_n),
	    .head_n = htole32(v->head_n),
	    .body_n = htole32((uint32_t)v->body.n),
	    .n_tags = (uint8_t)v->n_tags,
	    .coding = v->coding,
	    .flags = v->flags,
	};
	memcpy(h.etag, v->etag, sizeof(h.etag));
	buf_add(out, &h, sizeof(h));
	buf_add(out, v->key.p, v->key.n);
	for (unsigned i = 0; i < v->n_tags; i++) {
		buf_addc(out, (char)(unsigned char)v->tags[i].n);
		buf_add(out, v->tags[i].p, v->tags[i].n);
	}
	buf_add(out, v->body.p, v->body.n);
	sum = htole64(digest_64(slice_of(out->p + at + sizeof(sum), out->n - at - sizeof(sum)), seed));
	memcpy(out->p + at, &sum, sizeof(sum));
	return 0;
}

/* The tags fill their part exactly. */
static int cut_tags(struct slice s, unsigned n, struct slice *tags)
{
	for (unsigned i = 0; i < n; i++) {
		size_t len = s.n ? (unsigned char)s.p[0] : 0;

		if (s.n < 1 + len)
			return -1;
		tags[i] = slice_of(s.p + 1, len);
		s = slice_of(s.p + 1 + len, s.n - 1 - len);
	}
	return s.n ? -1 : 0;
}

enum mc_value_fault mc_value_decode(struct slice s, uint64_t build, uint64_t schema, struct slice key,
				    uint64_t seed, struct mc_value *ret)
{
	struct mc_value v = {0};
	struct head h;
	uint64_t key_n, tags_n, body_n;

	if (s.n < sizeof(h) || s.n > MC_VALUE_MAX)
		return MC_VALUE_BROKEN;
	memcpy(&h, s.p, sizeof(h));
	if (le32toh(h.magic) != MAGIC || le16toh(h.format) != FORMAT)
		return MC_VALUE_BROKEN;
	if (le64toh(h.sum) != digest_64(slice_of(s.p + sizeof(h.sum), s.n - sizeof(h.sum)), seed))
		return MC_VALUE_BROKEN;
	key_n = le32toh(h.key_n);
	tags_n = le32toh(h.tags_n);
	body_n = le32toh(h.body_n);
	if (sizeof(h) + key_n + tags_n + body_n != s.n || le32toh(h.head_n) > body_n ||
	    h.n_tags > MC_VALUE_MAX_TAGS)
		return MC_VALUE_BROKEN;
	if (cut_tags(slice_of(s.p + sizeof(h) + key_n, tags_n), h.n_tags, v.tags) < 0)
		return MC_VALUE_BROKEN;
	v.key = slice_of(s.p + sizeof(h), key_n);
	v.build = le64toh(h.build);
	v.schema = le64toh(h.schema);
	if (!slice_eq(v.key, key) || v.build != build || v.schema != schema)
		return MC_VALUE_FOREIGN;
	v.status = le16toh(h.status);
	v.created_wall_us = le64toh(h.created_wall_us);
	v.xmin = le64toh(h.xmin);
	v.soft_ms = le32toh(h.soft_ms);
	v.hard_ms = le32toh(h.hard_ms);
	v.error_ms = le32toh(h.error_ms);
	v.delta_us = le32toh(h.delta_us);
	memcpy(v.etag, h.etag, sizeof(v.etag));
	v.coding = h.coding;
	v.flags = h.flags;
	v.head_n = le32toh(h.head_n);
	v.n_tags = h.n_tags;
	v.body = slice_of(s.p + sizeof(h) + key_n + tags_n, body_n);
	*ret = v;
	return MC_VALUE_OK;
}

uint32_t mc_value_left_ms(const struct mc_value *v, uint32_t lifetime_ms, uint64_t now_wall_us)
{
	uint64_t age_ms;

	if (now_wall_us <= v->created_wall_us)
		return lifetime_ms;
	age_ms = (now_wall_us - v->created_wall_us) / 1000;
	return age_ms >= lifetime_ms ? 0 : lifetime_ms - (uint32_t)age_ms;
}
