/* See response.h. The framed stream is never built: from the number of bytes that are out follows
 * which record is due and how far into it we are, because every STDOUT record but the last has the
 * same length:
 *
 *   | 8 | 65528 of head+body | 8 | 65528 | … | 8 | rest | empty STDOUT, END_REQUEST: 24 |
 *
 * so a short write needs no bookkeeping and no copy; headers are made anew on the stack. */
#include "config.h"

#include "lib/fcgi/response.h"

#include "lib/base/buf.h"
#include "lib/base/check.h"
#include "lib/fcgi/record.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/uio.h>

#define CONTENT 65528u /* a multiple of 8: no padding, ever */
#define FRAMED (RECORD_HEADER + CONTENT)
#define TRAILER (RECORD_HEADER + RECORD_END)
#define BATCH 32u /* records of one sendmsg: 2 MiB */

/* What one sendmsg takes. */
struct batch {
	struct iovec iov[2 * BATCH + 2];
	unsigned n;
	unsigned char headers[BATCH][RECORD_HEADER];
	unsigned n_headers;
	unsigned char trailer[TRAILER];
};

static uint64_t n_content(const struct response *r)
{
	return (uint64_t)r->head.n + r->body.n;
}

void response_init(struct response *r, uint16_t id, struct slice head, struct slice body)
{
	check(head.n <= RESPONSE_MAX_HEAD && id != 0);
	*r = (struct response){.head = head, .body = body, .id = id};
	r->total = n_content(r) + (n_content(r) + CONTENT - 1) / CONTENT * RECORD_HEADER + TRAILER;
}

static void add(struct batch *b, const void *p, size_t n)
{
	union {
		const void *in;
		void *out;
	} from = {p};

	b->iov[b->n++] = (struct iovec){from.out, n};
}

/* n bytes of head and body from at on. */
static void add_content(struct batch *b, const struct response *r, uint64_t at, size_t n)
{
	size_t k = 0;

	if (at < r->head.n) {
		k = r->head.n - at < n ? (size_t)(r->head.n - at) : n;
		add(b, r->head.p + at, k);
	}
	if (n > k)
		add(b, r->body.p + (at + k - r->head.n), n - k);
}

/* The framed stream from byte at on, until its end or the batch is full. Returns where that is. */
static uint64_t fill(struct batch *b, const struct response *r, uint64_t at)
{
	uint64_t all = n_content(r), records = (all + CONTENT - 1) / CONTENT;

	b->n = b->n_headers = 0;
	for (; at < r->total - TRAILER; at = at - at % FRAMED + FRAMED) {
		uint64_t record = at / FRAMED;
		size_t skip = (size_t)(at % FRAMED);
		size_t n = record + 1 < records ? CONTENT : (size_t)(all - record * CONTENT);
		unsigned char *header;

		if (b->n_headers == BATCH)
			return at;
		header = b->headers[b->n_headers++];
		record_put(header, FCGI_STDOUT, r->id, n);
		if (skip < RECORD_HEADER) {
			add(b, header + skip, RECORD_HEADER - skip);
			skip = RECORD_HEADER;
		}
		skip -= RECORD_HEADER;
		add_content(b, r, record * CONTENT + skip, n - skip);
		if (record + 1 == records) {
			at = r->total - TRAILER;
			break;
		}
	}
	record_put(b->trailer, FCGI_STDOUT, r->id, 0);
	record_put_end(b->trailer + RECORD_HEADER, r->id, 0, FCGI_REQUEST_COMPLETE);
	add(b, b->trailer + (at - (r->total - TRAILER)), (size_t)(r->total - at));
	return r->total;
}

static ssize_t send_by(struct mmsghdr *by, const struct msghdr *m, int fd)
{
	by->msg_hdr = *m;
	return sendmmsg(fd, by, 1, MSG_DONTWAIT | MSG_NOSIGNAL) == 1 ? (ssize_t)by->msg_len : -1;
}

int response_send(struct response *r, int fd)
{
	struct batch b;
	struct msghdr m = {.msg_iov = b.iov};
	ssize_t n;

	if (r->sent == r->total)
		return 1;
	fill(&b, r, r->sent);
	m.msg_iovlen = b.n;
	do
		n = r->by ? send_by(r->by, &m, fd) : sendmsg(fd, &m, MSG_DONTWAIT | MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	r->by = NULL;
	if (n < 0)
		return errno == EAGAIN || errno == ENOBUFS ? 0 : -1;
	r->sent += (uint64_t)n;
	check(r->sent <= r->total);
	return r->sent == r->total;
}

void response_to_buf(const struct response *r, struct buf *out)
{
	struct batch b;

	for (uint64_t at = 0; at < r->total;) {
		at = fill(&b, r, at);
		for (unsigned i = 0; i < b.n; i++)
			buf_add(out, b.iov[i].iov_base, b.iov[i].iov_len);
	}
}
