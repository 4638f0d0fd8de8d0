#include "config.h"

#include "workers/reqid.h"

#include "workers/worker.h"

static int is_id(struct slice s)
{
	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i];

		if (!((c | 0x20) >= 'a' && (c | 0x20) <= 'z') && !(c >= '0' && c <= '9') && (!c || !strchr("-._~:/+=@", c)))
			return 0;
	}
	return s.n && s.n <= REQID_MAX;
}

/* So many lower-case hexadecimal digits at s.p[from], and not only zeros. */
static int is_hex(struct slice s, size_t from, size_t n, int may_be_zero)
{
	int is_zero = 1;

	for (size_t i = from; i < from + n; i++) {
		char c = s.p[i];

		if (!(c >= '0' && c <= '9') && !(c >= 'a' && c <= 'f'))
			return 0;
		is_zero &= c == '0';
	}
	return !is_zero || may_be_zero;
}

/* version "-" trace-id "-" parent-id "-" flags; a later version may have more behind another "-". */
static int is_traceparent(struct slice s)
{
	return s.n >= 55 && s.p[2] == '-' && s.p[35] == '-' && s.p[52] == '-' && is_hex(s, 0, 2, 1) &&
	       !(s.p[0] == 'f' && s.p[1] == 'f') && is_hex(s, 3, 32, 0) && is_hex(s, 36, 16, 0) && is_hex(s, 53, 2, 1) &&
	       (s.n == 55 || (s.p[55] == '-' && !(s.p[0] == '0' && s.p[1] == '0')));
}

void reqid_take(struct req *r, struct slice request_id, struct slice traceparent)
{
	if (traceparent.n && is_traceparent(traceparent))
		r->trace_id = slice_of(traceparent.p + 3, 32);
	r->request_id = is_id(request_id) ? request_id : r->trace_id;
}

size_t reqid_put(const struct req *r, char out[REQID_ROOM])
{
	static const char digits[] = "0123456789abcdef";
	uint64_t v = r->number;
	size_t n = sizeof(r->w->id_prefix);
	unsigned len = (67 - (unsigned)__builtin_clzll(v | 1)) / 4;

	if (r->request_id.n) {
		memcpy(out, r->request_id.p, r->request_id.n);
		return r->request_id.n;
	}
	memcpy(out, r->w->id_prefix, n);
	for (unsigned i = len; i-- > 0;)
		out[n++] = digits[v >> 4 * i & 15];
	return n;
}

const char *reqid_text(const struct req *r, char out[REQID_ROOM])
{
	out[reqid_put(r, out)] = 0;
	return out;
}
