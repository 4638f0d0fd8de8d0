#include "config.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/fdio.h"

static unsigned count_fds(void)
{
	DIR *d = opendir("/proc/self/fd");
	unsigned n = 0;

	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

Test(fdio, sets_flags_and_takes_them_back)
{
	int p[2];

	cr_assert(pipe(p) == 0);
	cr_expect(fdio_nonblock(p[0], 1) == 0 && fcntl(p[0], F_GETFL) & O_NONBLOCK);
	cr_expect(fdio_nonblock(p[0], 1) == 0 && fcntl(p[0], F_GETFL) & O_NONBLOCK);
	cr_expect(fdio_nonblock(p[0], 0) == 0 && !(fcntl(p[0], F_GETFL) & O_NONBLOCK));
	cr_expect(fdio_cloexec(p[0], 1) == 0 && fcntl(p[0], F_GETFD) & FD_CLOEXEC);
	cr_expect(fdio_cloexec(p[0], 0) == 0 && !(fcntl(p[0], F_GETFD) & FD_CLOEXEC));
	close(p[0]);
	close(p[1]);
	cr_expect(fdio_nonblock(p[0], 1) == -EBADF);
	cr_expect(fdio_cloexec(p[0], 1) == -EBADF);
}

Test(fdio, passes_bytes_and_descriptors)
{
	int s[2], p[2], got[4] = {-1, -1, -1, -1};
	unsigned n = 4;
	char text[16];

	cr_assert(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, s) == 0 && pipe(p) == 0);
	cr_expect(fdio_recv(s[1], text, sizeof(text), got, &n) == -EAGAIN);
	cr_expect(fdio_send(s[0], "hello", 5, p, 2) == 5);
	n = 4;
	cr_expect(fdio_recv(s[1], text, sizeof(text), got, &n) == 5 && memcmp(text, "hello", 5) == 0);
	cr_assert(n == 2);
	cr_expect(fcntl(got[0], F_GETFD) & FD_CLOEXEC);
	cr_expect(write(got[1], "x", 1) == 1 && read(p[0], text, 1) == 1);
	cr_expect(fdio_send(s[0], "plain", 5, NULL, 0) == 5);
	n = 4;
	cr_expect(fdio_recv(s[1], text, sizeof(text), got + 2, &n) == 5 && n == 0);
	close(s[0]);
	cr_expect(fdio_recv(s[1], text, sizeof(text), NULL, NULL) == 0);
	cr_expect(fdio_send(s[1], "x", 1, NULL, 0) == -EPIPE);
	close(s[1]);
	for (int i = 0; i < 2; i++) {
		close(p[i]);
		close(got[i]);
	}
}

Test(fdio, lets_no_peer_leak_descriptors_into_it)
{
	int s[2], fds[12], got[2];
	unsigned n = 2, before;
	char c;

	cr_assert(socketpair(AF_UNIX, SOCK_STREAM, 0, s) == 0);
	for (int i = 0; i < 12; i++)
		fds[i] = s[0];
	before = count_fds();
	cr_expect(fdio_send(s[0], "x", 1, fds, 12) == 1);
	cr_expect(fdio_recv(s[1], &c, 1, got, &n) == 1 && n == 2);
	cr_expect(count_fds() == before + 2);
	cr_expect(fdio_send(s[0], "x", 1, fds, 3) == 1);
	cr_expect(fdio_recv(s[1], &c, 1, NULL, NULL) == 1);
	cr_expect(count_fds() == before + 2);
	cr_expect(fdio_send(s[0], "", 0, fds, 1) == -EINVAL);
	cr_expect(fdio_send(s[0], "x", 1, fds, 17) == -EINVAL);
	for (int i = 0; i < 2; i++) {
		close(s[i]);
		close(got[i]);
	}
}

Test(fdio, does_not_block_when_a_peer_does_not_read)
{
	static char bytes[65536];
	int s[2];
	ssize_t n;

	cr_assert(socketpair(AF_UNIX, SOCK_STREAM, 0, s) == 0);
	for (int i = 0; (n = fdio_send(s[0], bytes, sizeof(bytes), NULL, 0)) > 0; i++)
		cr_assert(i < 1000);
	cr_expect(n == -EAGAIN);
	close(s[0]);
	close(s[1]);
}

Test(fdio, writes_and_reads_whole_files_up_to_a_limit)
{
	static const size_t sizes[] = {0, 1, 4095, 65536, 65537, 300000};
	char path[] = "/tmp/t_fdioXXXXXX", *bytes = malloc(300000);
	int fd = mkstemp(path);

	cr_assert(fd >= 0);
	for (size_t i = 0; i < 300000; i++)
		bytes[i] = (char)(i * 7 >> 3);
	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		size_t n = sizes[i];
		struct buf b;

		cr_assert(ftruncate(fd, 0) == 0 && lseek(fd, 0, SEEK_SET) == 0);
		cr_expect(fdio_write_all(fd, bytes, n) == 0);
		buf_init(&b, 0);
		buf_adds(&b, "before");
		cr_expect(fdio_read_file(path, n, &b) == 0, "%zu", n);
		cr_expect(b.n == 6 + n && memcmp(b.p, "before", 6) == 0);
		cr_expect(n == 0 || memcmp(b.p + 6, bytes, n) == 0);
		if (n)
			cr_expect(fdio_read_file(path, n - 1, &b) == -EFBIG);
		cr_expect(b.n == 6 + n, "unchanged on failure");
		cr_expect(fdio_read_file(path, SIZE_MAX, &b) == 0 && b.n == 6 + n + n);
		buf_done(&b);
		if (n > 1) {
			buf_init(&b, n / 2);
			cr_expect(fdio_read_file(path, SIZE_MAX, &b) == -EFBIG && b.n == 0);
			buf_done(&b);
		}
	}
	close(fd);
	unlink(path);
	free(bytes);
}

Test(fdio, reads_files_whose_size_is_not_known)
{
	struct buf b;

	buf_init(&b, 0);
	cr_expect(fdio_read_file("/proc/self/status", 1 << 20, &b) == 0 && b.n > 100);
	buf_clear(&b);
	cr_expect(fdio_read_file("/proc/self/status", 10, &b) == -EFBIG && b.n == 0);
	cr_expect(fdio_read_file("/dev/zero", 100000, &b) == -EFBIG && b.n == 0);
	buf_done(&b);
}

Test(fdio, says_why_it_could_not)
{
	struct buf b;

	buf_init(&b, 0);
	cr_expect(fdio_read_file("/nonexistent", 10, &b) == -ENOENT);
	cr_expect(fdio_read_file("/", 10, &b) == -EISDIR);
	cr_expect(fdio_write_all(-1, "x", 1) == -EBADF);
	cr_expect(fdio_write_all(-1, "", 0) == 0);
	buf_done(&b);
}
