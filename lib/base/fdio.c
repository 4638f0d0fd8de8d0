/* fdio: descriptors. */
#include "config.h"

#include "lib/base/fdio.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#define MAX_FDS 16u	/* in one message */
#define PIECE 65536u	/* a read when the size is not known */

static int set_flag(int fd, int get, int set, int flag, int on)
{
	int flags = fcntl(fd, get), wanted;

	if (flags < 0)
		return -errno;
	wanted = on ? flags | flag : flags & ~flag;
	if (wanted != flags && fcntl(fd, set, wanted) < 0)
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
	char room[CMSG_SPACE(sizeof(int) * MAX_FDS)];
	struct cmsghdr align;
};

ssize_t fdio_send(int sock, const void *p, size_t n, const int *fds, unsigned n_fds)
{
	union {
		const void *in;
		void *out;
	} bytes = {.in = p}; /* iovec has no const */
	struct iovec iov = {.iov_base = bytes.out, .iov_len = n};
	union control control;
	struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1};
	ssize_t sent;

	if (n_fds > MAX_FDS || (n == 0 && n_fds))
		return -EINVAL;
	if (n_fds) {
		struct cmsghdr *c;

		memset(&control, 0, sizeof(control));
		m.msg_control = control.room;
		m.msg_controllen = CMSG_SPACE(sizeof(int) * n_fds);
		c = CMSG_FIRSTHDR(&m);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int) * n_fds);
		memcpy(CMSG_DATA(c), fds, sizeof(int) * n_fds);
	}
	do
		sent = sendmsg(sock, &m, MSG_DONTWAIT | MSG_NOSIGNAL);
	while (sent < 0 && errno == EINTR);
	return sent < 0 ? -errno : sent;
}

/* Descriptors beyond the caller's room are closed: a peer must not be able to leak them into us. */
static void keep_fds(struct msghdr *m, int *fds, unsigned room, unsigned *got)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
		size_t count;

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (size_t i = 0; i < count; i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(int));
			if (*got < room)
				fds[(*got)++] = fd;
			else
				close(fd);
		}
	}
}

ssize_t fdio_recv(int sock, void *p, size_t n, int *fds, unsigned *n_fds)
{
	struct iovec iov = {.iov_base = p, .iov_len = n};
	union control control;
	struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1};
	unsigned room = n_fds ? *n_fds : 0, got = 0;
	ssize_t received;

	m.msg_control = control.room;
	m.msg_controllen = sizeof(control.room);
	do
		received = recvmsg(sock, &m, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	while (received < 0 && errno == EINTR);
	if (n_fds)
		*n_fds = 0;
	if (received < 0)
		return -errno;
	keep_fds(&m, fds, room, &got);
	if (n_fds)
		*n_fds = got;
	return received;
}

static int read_all(int fd, size_t limit, struct buf *out)
{
	const size_t start = out->n;
	size_t want = PIECE;
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -errno;
	if (S_ISDIR(st.st_mode))
		return -EISDIR;
	if (S_ISREG(st.st_mode)) {
		if ((uint64_t)st.st_size > limit)
			return -EFBIG;
		if (st.st_size)		/* those of /proc say 0, and give what they have to the first read alone */
			want = (size_t)st.st_size + 1;
	}
	for (;;) {
		size_t left = limit - (out->n - start);
		ssize_t n;

		/* One byte past the limit is asked for, to tell "full" from "too long". */
		if (left < want)
			want = left + 1;
		if (buf_reserve(out, want))
			return -EFBIG;
		n = read(fd, out->p + out->n, want);
		if (n < 0) {
			if (errno == EINTR)
				continue;
			return -errno;
		}
		if (n == 0)
			return 0;
		if ((size_t)n > left)
			return -EFBIG;
		out->n += (size_t)n;
		want = PIECE;
	}
}

int fdio_read_file(const char *path, size_t limit, struct buf *out)
{
	/* To open a pipe that nobody writes must not wait; to read from one that somebody does may. */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK), rc;
	size_t start = out->n;

	if (fd < 0)
		return -errno;
	fdio_nonblock(fd, 0);
	rc = read_all(fd, limit, out);
	close(fd);
	if (rc)
		out->n = start;
	return rc;
}

int fdio_write_all(int fd, const void *p, size_t n)
{
	const char *at = p;

	while (n) {
		ssize_t done = write(fd, at, n);

		if (done < 0) {
			if (errno == EINTR)
				continue;
			return -errno;
		}
		at += done;
		n -= (size_t)done;
	}
	return 0;
}
