#include "config.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/ctl/heritage.h"

static int sv[2];

static void begin(void)
{
	cr_assert_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, sv), 0);
}

static void end(void)
{
	close(sv[0]);
	close(sv[1]);
}

TestSuite(heritage, .init = begin, .fini = end);

Test(heritage, carries_type_argument_and_text)
{
	struct heritage_msg m;
	int fd;

	cr_expect_eq(heritage_recv(sv[1], &m, &fd), -EAGAIN);
	cr_assert_eq(heritage_send(sv[0], HERITAGE_READY, 1, NULL, -1), 0);
	cr_assert_eq(heritage_send(sv[0], HERITAGE_FAILED, 78, "a.sql:3:1: no such column", -1), 0);
	cr_assert_eq(heritage_recv(sv[1], &m, &fd), 1);
	cr_expect_eq(m.type, HERITAGE_READY);
	cr_expect_eq(m.arg, 1);
	cr_expect_str_eq(m.text, "");
	cr_expect_eq(fd, -1);
	cr_assert_eq(heritage_recv(sv[1], &m, &fd), 1);
	cr_expect_eq(m.arg, 78);
	cr_expect_str_eq(m.text, "a.sql:3:1: no such column");
}

Test(heritage, cuts_a_text_that_is_too_long)
{
	char text[3 * HERITAGE_TEXT];
	struct heritage_msg m;
	int fd;

	memset(text, 'x', sizeof(text));
	text[sizeof(text) - 1] = '\0';
	cr_assert_eq(heritage_send(sv[0], HERITAGE_FAILED, 0, text, -1), 0);
	cr_assert_eq(heritage_recv(sv[1], &m, &fd), 1);
	cr_expect_eq(strlen(m.text), HERITAGE_TEXT - 1);
}

Test(heritage, passes_a_descriptor)
{
	struct heritage_msg m;
	int p[2], fd = -1;
	char byte = 0;

	cr_assert_eq(pipe(p), 0);
	cr_assert_eq(heritage_send(sv[0], HERITAGE_CONNECTION, 0, NULL, p[1]), 0);
	close(p[1]);
	cr_assert_eq(heritage_recv(sv[1], &m, &fd), 1);
	cr_assert_geq(fd, 0);
	cr_expect(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	cr_expect_eq(write(fd, "!", 1), 1);
	cr_expect_eq(read(p[0], &byte, 1), 1);
	cr_expect_eq(byte, '!');
	close(fd);
	close(p[0]);
}

Test(heritage, tells_a_full_channel_from_a_closed_one)
{
	struct heritage_msg m;
	int fd, r = 0;

	for (int i = 0; i < 100000 && !r; i++)
		r = heritage_send(sv[0], HERITAGE_DRAIN, 0, NULL, -1);
	cr_expect_eq(r, -EAGAIN);
	while ((r = heritage_recv(sv[1], &m, &fd)) == 1)
		;
	cr_expect_eq(r, -EAGAIN);
	close(sv[0]);
	cr_expect_eq(heritage_recv(sv[1], &m, &fd), 0);
	sv[0] = dup(sv[1]);
}

Test(heritage, refuses_a_message_without_a_head)
{
	struct heritage_msg m;
	int fd;

	cr_assert_eq(send(sv[0], "abc", 3, 0), 3);
	cr_expect_eq(heritage_recv(sv[1], &m, &fd), -EPROTO);
	/* a text without its NUL ends where the message does */
	cr_assert_eq(send(sv[0], "\5\0\0\0\1\0\0\0abc", 11, 0), 11);
	cr_assert_eq(heritage_recv(sv[1], &m, &fd), 1);
	cr_expect_str_eq(m.text, "abc");
}
