/* The framed stream, byte for byte, against lib/fcgi/decode and against a plain construction; sent
 * through sockets that take only a little at a time. */
#include "config.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fastcgi.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/fcgi/decode.h"
#include "lib/fcgi/encode.h"
#include "lib/fcgi/response.h"

#define CONTENT 65528u

static char *noise(size_t n)
{
	char *p = malloc(n + 1);
	uint32_t x = 7;

	for (size_t i = 0; i < n; i++) {
		x = x * 1664525u + 1013904223u;
		p[i] = (char)(x >> 24);
	}
	return p;
}

/* The same stream, built the plain way. */
static void expect(struct buf *out, uint16_t id, struct slice head, struct slice body)
{
	AUTO(buf) struct buf all;

	buf_init(&all, 0);
	buf_add(&all, head.p, head.n);
	buf_add(&all, body.p, body.n);
	encode_stream(out, FCGI_STDOUT, id, buf_slice(&all), CONTENT, 0);
	encode_record(out, FCGI_END_REQUEST, id, slice_of("\0\0\0\0\0\0\0\0", 8), 0);
}

static const char head_text[] = "Status: 200 OK\r\nContent-Type: application/json\r\n\r\n";
static const size_t sizes[] = {0,
			       1,
			       2,
			       7,
			       100,
			       4096,
			       CONTENT - sizeof(head_text),
			       CONTENT - sizeof(head_text) + 1,
			       CONTENT - sizeof(head_text) + 2,
			       CONTENT,
			       2 * CONTENT - sizeof(head_text) + 1,
			       1 << 20,
			       40 * CONTENT + 3};

Test(response, is_byte_for_byte_what_the_protocol_says)
{
	struct slice head = slice_str(head_text);

	for (unsigned i = 0; i < ARRAY_LEN(sizes); i++) {
		char *p = noise(sizes[i]);
		AUTO(buf) struct buf plain, made;
		struct slice got_head, got_body;
		struct response r;
		struct decode d;

		buf_init(&plain, 0);
		buf_init(&made, 0);
		expect(&plain, 513, head, slice_of(p, sizes[i]));
		response_init(&r, 513, head, slice_of(p, sizes[i]));
		response_to_buf(&r, &made);
		cr_assert_eq(r.total, plain.n);
		cr_assert(slice_eq(buf_slice(&plain), buf_slice(&made)), "body of %zu", sizes[i]);
		for (size_t piece = 1; piece <= made.n; piece = piece * 31 + 6) {
			decode_init(&d, 513, 0);
			for (size_t at = 0; at < made.n; at += piece) {
				size_t n = piece < made.n - at ? piece : made.n - at;

				cr_assert_eq(decode_feed(&d, made.p + at, n), (ssize_t)n);
			}
			cr_assert(d.is_ended && d.is_stdout_closed && d.app_status == 0);
			cr_assert_eq(d.protocol_status, FCGI_REQUEST_COMPLETE);
			cr_assert_eq(decode_head(&d, &got_head, &got_body), 200);
			cr_assert(slice_eq(got_body, slice_of(p, sizes[i])));
			decode_done(&d);
			if (made.n > 200000 && piece < 100)
				piece = 1000;
		}
		free(p);
	}
}

Test(response, may_be_empty)
{
	AUTO(buf) struct buf made;
	struct response r;

	buf_init(&made, 0);
	response_init(&r, 1, SLICE(""), SLICE(""));
	response_to_buf(&r, &made);
	cr_assert_eq(made.n, 24);
	cr_assert_eq(made.p[1], FCGI_STDOUT);
	cr_assert_eq(made.p[9], FCGI_END_REQUEST);
}

Test(response, takes_a_head_of_4088_bytes_and_aborts_on_more, .signal = SIGABRT)
{
	char head[RESPONSE_MAX_HEAD + 1] = {0};
	struct response r;

	response_init(&r, 1, slice_of(head, RESPONSE_MAX_HEAD), SLICE(""));
	cr_assert_eq(r.total, RESPONSE_MAX_HEAD + 8 + 24);
	response_init(&r, 1, slice_of(head, RESPONSE_MAX_HEAD + 1), SLICE(""));
}

static void read_some(int fd, struct buf *into, size_t most)
{
	char some[8192];
	ssize_t n = recv(fd, some, most < sizeof(some) ? most : sizeof(some), MSG_DONTWAIT);

	if (n > 0)
		buf_add(into, some, (size_t)n);
}

/* Starting at every byte of the stream, as after a short write there. */
Test(response, goes_on_at_every_offset)
{
	size_t body_n = 2 * CONTENT + 99;
	char *p = noise(body_n);
	struct slice head = slice_str(head_text), body = slice_of(p, body_n);
	AUTO(buf) struct buf plain, got;
	struct response r;
	int pair[2], big = 1 << 20;

	buf_init(&plain, 0);
	buf_init(&got, 0);
	expect(&plain, 1, head, body);
	cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	setsockopt(pair[0], SOL_SOCKET, SO_SNDBUF, &big, sizeof(big));
	for (uint64_t at = 0; at < plain.n; at++) {
		/* all of the first and last bytes and those around each header; a sample of the
		 * rest */
		if (at > 300 && at + 300 < plain.n && at % 65536 > 100 && at % 65536 < 65436 &&
		    at % 613)
			continue;
		response_init(&r, 1, head, body);
		r.sent = at;
		buf_clear(&got);
		while (response_send(&r, pair[0]) == 0)
			read_some(pair[1], &got, SIZE_MAX);
		while (got.n < plain.n - at)
			read_some(pair[1], &got, SIZE_MAX);
		cr_assert_eq(got.n, plain.n - at);
		cr_assert_eq(memcmp(got.p, plain.p + at, got.n), 0, "from %d", (int)at);
		cr_assert_eq(response_send(&r, pair[0]), 1);
	}
	close(pair[0]);
	close(pair[1]);
	free(p);
}

static void through(int type, int family, size_t body_n, int sndbuf, size_t read_n)
{
	char *p = noise(body_n);
	struct slice head = slice_str(head_text), body = slice_of(p, body_n);
	AUTO(buf) struct buf plain, got;
	struct response r;
	int pair[2], rc, full = 0;

	buf_init(&plain, 0);
	buf_init(&got, 0);
	expect(&plain, 1, head, body);
	cr_assert_eq(socketpair(family, type, 0, pair), 0);
	setsockopt(pair[0], SOL_SOCKET, SO_SNDBUF, &sndbuf, sizeof(sndbuf));
	response_init(&r, 1, head, body);
	while ((rc = response_send(&r, pair[0])) == 0) {
		full++;
		read_some(pair[1], &got, 1 + (size_t)full * 7919 % read_n);
	}
	cr_assert_eq(rc, 1);
	cr_assert(full > 1, "the socket was never full");
	while (got.n < plain.n)
		read_some(pair[1], &got, SIZE_MAX);
	cr_assert(slice_eq(buf_slice(&plain), buf_slice(&got)));
	close(pair[0]);
	close(pair[1]);
	free(p);
}

Test(response, passes_a_socket_that_takes_little, .timeout = 60)
{
	through(SOCK_STREAM, AF_UNIX, 1 << 20, 1, 8192);
	through(SOCK_STREAM, AF_UNIX, 1 << 18, 4608, 700);
	through(SOCK_STREAM, AF_UNIX, 8 << 20, 65536, 8192);
}

Test(response, says_that_the_peer_is_gone_without_a_signal)
{
	struct response r;
	int pair[2];

	signal(SIGPIPE, SIG_DFL);
	cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	close(pair[1]);
	response_init(&r, 1, slice_str(head_text), SLICE("x"));
	cr_assert_eq(response_send(&r, pair[0]), -1);
	cr_assert_eq(errno, EPIPE);
	close(pair[0]);
}

Test(decode, refuses_what_is_no_response)
{
	static const struct {
		const char *bytes;
		size_t n;
	} wrong[] = {
	    {"\2\6\0\1\0\0\0\0", 8},
	    {"\1\6\0\2\0\0\0\0", 8},
	    {"\1\5\0\1\0\0\0\0", 8},
	    {"\1\3\0\1\0\7\0\0", 8},
	    {"\1\6\0\1\0\0\0\0\1\6\0\1\0\1\0\0x", 17},
	    {"HTTP/1.1 200 OK", 15},
	};

	for (unsigned i = 0; i < ARRAY_LEN(wrong); i++) {
		struct decode d;

		decode_init(&d, 1, 0);
		cr_assert_eq(decode_feed(&d, wrong[i].bytes, wrong[i].n), -1, "row %u", i);
		decode_done(&d);
	}
}

Test(decode, stops_behind_the_end_of_a_response)
{
	AUTO(buf) struct buf b;
	struct slice head, body;
	struct response r;
	struct decode d;
	size_t one;

	buf_init(&b, 0);
	response_init(&r, 1, SLICE("Status: 404 Not Found\r\nX-A:  b \r\n\r\n"), SLICE("gone"));
	response_to_buf(&r, &b);
	one = b.n;
	response_init(&r, 1, SLICE("X-A: c\r\n\r\n"), SLICE(""));
	response_to_buf(&r, &b);
	decode_init(&d, 1, 0);
	cr_assert_eq(decode_feed(&d, b.p, b.n), (ssize_t)one);
	cr_assert_eq(decode_head(&d, &head, &body), 404);
	cr_assert(slice_eq(decode_header(head, SLICE("x-a")), SLICE("b")));
	cr_assert_null(decode_header(head, SLICE("X")).p);
	cr_assert(slice_eq(body, SLICE("gone")));
	decode_clear(&d);
	cr_assert_eq(decode_feed(&d, b.p + one, b.n - one), (ssize_t)(b.n - one));
	cr_assert_eq(decode_head(&d, &head, &body), 200);
	decode_done(&d);
}
