/* logfile: see its header. Own descriptors are opened anew where that is possible: O_NONBLOCK belongs to the open file
 * description, and the one of our stderr may be that of somebody's shell. */
#include "config.h"

#include "lib/base/logfile.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/num.h"

#define HOW (O_WRONLY | O_APPEND | O_CLOEXEC | O_NOCTTY | O_NONBLOCK)

/* Descriptor n when the path is a name of it, else -1. */
static int own_fd(const char *path)
{
	static const char *const folders[] = {"/dev/fd/", "/proc/self/fd/"};
	uint64_t n;

	if (strcmp(path, "stderr") == 0 || strcmp(path, "/dev/stderr") == 0)
		return 2;
	if (strcmp(path, "/dev/stdout") == 0)
		return 1;
	for (size_t i = 0; i < ARRAY_LEN(folders); i++) {
		size_t len = strlen(folders[i]);

		if (strncmp(path, folders[i], len) == 0 && num_u64(slice_str(path + len), &n) == 0 && n <= INT_MAX)
			return (int)n;
	}
	return -1;
}

static int open_own(int n)
{
	char path[32];
	struct stat st;
	int fd = -1;

	if (fstat(n, &st))
		return -1;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", n);
	if (S_ISFIFO(st.st_mode) || S_ISCHR(st.st_mode))
		fd = open(path, HOW);
	return fd >= 0 ? fd : fcntl(n, F_DUPFD_CLOEXEC, 3);
}

static int open_path(const char *path, int *ret_unread)
{
	struct stat st;
	int fd = open(path, HOW | O_CREAT, 0640);

	if (fd >= 0 || errno != ENXIO || stat(path, &st) || !S_ISFIFO(st.st_mode))
		return fd;
	/* A pipe that nobody reads. With a reading end of our own it holds the first lines for whoever comes. */
	*ret_unread = 1;
	return open(path, (HOW & ~O_WRONLY) | O_RDWR);
}

int logfile_open(struct logfile *f, const char *path)
{
	struct logfile new = LOGFILE_NONE;
	struct stat st;
	int own = own_fd(path);

	new.fd = own >= 0 ? open_own(own) : open_path(path, &new.is_unread);
	if (new.fd < 0)
		return -errno;
	new.is_file = fstat(new.fd, &st) == 0 && S_ISREG(st.st_mode);
	if (f->fd >= 0) {
		dup3(new.fd, f->fd, O_CLOEXEC);
		close(new.fd);
		new.fd = f->fd;
	}
	*f = new;
	return 0;
}

void logfile_close(struct logfile *f)
{
	if (f->fd >= 0)
		close(f->fd);
	f->fd = -1;
}

/* Of anything but a file: no more than goes in one piece, and whole lines if there is a whole one. A terminal or a pipe that
 * says it is writable takes so much. */
static size_t piece(const char *p, size_t n)
{
	const char *end;

	if (n <= PIPE_BUF)
		return n;
	end = memrchr(p, '\n', PIPE_BUF);
	return end ? (size_t)(end - p) + 1 : PIPE_BUF;
}

static ssize_t write_some(const struct logfile *f, const char *p, size_t n, int patience_ms)
{
	struct pollfd pf = {.fd = f->fd, .events = POLLOUT};
	ssize_t r;

	if (f->is_file)
		return write(f->fd, p, n);
	/* The description may be somebody else's, and block. */
	if (poll(&pf, 1, patience_ms) == 0) {
		errno = EAGAIN;
		return -1;
	}
	r = send(f->fd, p, n, MSG_DONTWAIT | MSG_NOSIGNAL);
	return r < 0 && errno == ENOTSOCK ? write(f->fd, p, n) : r;
}

/* Take back the n bytes that were written last, if nobody has written behind them. */
static int take_back(const struct logfile *f, size_t n)
{
	off_t at = lseek(f->fd, 0, SEEK_CUR);
	struct stat st;

	return f->is_file && at >= (off_t)n && fstat(f->fd, &st) == 0 && st.st_size == at &&
		       ftruncate(f->fd, at - (off_t)n) == 0
		   ? 0
		   : -1;
}

static size_t count_lines(const char *p, size_t n)
{
	size_t lines = 0;

	for (const char *end = p + n; (p = memchr(p, '\n', (size_t)(end - p))) != NULL; p++)
		lines++;
	return lines;
}

size_t logfile_write(struct logfile *f, const char *p, size_t n, int patience_ms)
{
	size_t at = 0, whole;
	const char *end;
	ssize_t r;

	if (f->is_torn && write_some(f, "\n", 1, patience_ms) == 1)
		f->is_torn = 0;
	while (at < n) {
		r = write_some(f, p + at, f->is_file ? n - at : piece(p + at, n - at), patience_ms);
		if (r > 0) {
			at += (size_t)r;
			continue;
		}
		if (r < 0 && errno == EINTR)
			continue;
		if (r < 0 && errno == EAGAIN && patience_ms && !f->is_file) {
			struct pollfd pf = {.fd = f->fd, .events = POLLOUT};

			if (poll(&pf, 1, patience_ms) > 0)
				continue;
		}
		f->why = r < 0 ? errno : EIO;
		break;
	}
	if (at == n)
		return 0;
	end = memrchr(p, '\n', at);
	whole = end ? (size_t)(end - p) + 1 : 0;
	if (at > whole && take_back(f, at - whole))
		f->is_torn = 1;
	return count_lines(p + whole, n - whole);
}
