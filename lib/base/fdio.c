#include "config.h"

#include "lib/base/fdio.h"


#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/base/check.h"

#define MAX_FDS 8u

static int set_flag(int fd, int get, int set, int flag, int on)
{
	int flags = fcntl(fd, get);
	int want = on ? flags | flag : flags & ~flag;

	if (flags < 0 || (want != flags && fcntl(fd, set, want) < 0))
		return -errno;
	return 0;
}

int fdio_nonblock(int fd, int on)
{
	return set_flag(fd, F_GETFL, F_SETFL, O_NONBLOCK, on);
}

int fdio_cloexec(int fd, int on)
{
	return set_flag(fd, F_GETFD, F_SETFD, FD_CLOEXEC, on);
}

union control {
	char bytes[CMSG_SPACE(sizeof(int) * MAX_FDS)];
	struct cmsghdr align;
};

ssize_t fdio_send(int sock, const void *p, size_t n, const int *fds, unsigned n_fds)
{
	union {
		const void *in;
		void *out;
	} bytes = {.in = p};
	struct iovec iov = {.iov_base = bytes.out, .iov_len = n};
	struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1};
	union control control;
	ssize_t rc;

	if (n_fds > MAX_FDS)
		return -EINVAL;
	if (n_fds) {
		struct cmsghdr *c;

		memset(&control, 0, sizeof(control));
		m.msg_control = control.bytes;
		m.msg_controllen = CMSG_SPACE(sizeof(int) * n_fds);
		c = CMSG_FIRSTHDR(&m);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int) * n_fds);
		memcpy(CMSG_DATA(c), fds, sizeof(int) * n_fds);
	}
	do
		rc = sendmsg(sock, &m, MSG_DONTWAIT | MSG_NOSIGNAL);
	while (rc < 0 && errno == EINTR);
	return rc < 0 ? -errno : rc;
}

ssize_t fdio_recv(int sock, void *p, size_t n, int *fds, unsigned *n_fds)
{
	struct iovec iov = {.iov_base = p, .iov_len = n};
	union control control;
	struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control.bytes,
			   .msg_controllen = sizeof(control.bytes)};
	unsigned room = n_fds ? *n_fds : 0, got = 0;
	ssize_t rc;

	do
		rc = recvmsg(sock, &m, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	while (rc < 0 && errno == EINTR);
	if (rc < 0)
		return -errno;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&m); c; c = CMSG_NXTHDR(&m, c)) {
		size_t count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t i = 0; i < count; i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(int));
			if (got < room)
				fds[got++] = fd;
			else
				close(fd);	/* nobody asked for it */
		}
	}
	if (n_fds)
		*n_fds = got;
	return rc;
}

int fdio_read_file(const char *path, size_t limit, struct buf *out)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t before = out->n;
	int rc = 0;

	if (fd < 0)
		return -errno;
	for (;;) {
		ssize_t n;

		check(buf_reserve(out, 65536) == 0);
		n = read(fd, out->p + out->n, 65536);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			rc = n < 0 ? -errno : 0;
			break;
		}
		out->n += (size_t)n;
		if (out->n - before > limit) {
			rc = -EFBIG;
			break;
		}
	}
	close(fd);
	if (rc)
		out->n = before;
	return rc;
}

int fdio_write_all(int fd, const void *p, size_t n)
{
	const char *at = p;

	while (n) {
		ssize_t w = write(fd, at, n);

		if (w < 0 && errno == EINTR)
			continue;
		if (w < 0)
			return -errno;
		at += w;
		n -= (size_t)w;
	}
	return 0;
}
