/* fdio: descriptors: flags, passing, whole writes.
 * Layer: lib/base. */
#ifndef WEIR_BASE_FDIO_H
#define WEIR_BASE_FDIO_H

#include <sys/types.h>

#include "lib/base/buf.h"

/* Each: 0 or -errno. */
int fdio_nonblock(int fd, int on);
int fdio_cloexec(int fd, int on);
/* One message of n bytes and n_fds (at most 16, and none without a byte) descriptors over a unix socket, without blocking.
 * Bytes sent/received, 0 at end of file, or -errno (-EAGAIN included). Received descriptors are
 * CLOEXEC; *n_fds goes in as room, comes out as count. */
ssize_t fdio_send(int sock, const void *p, size_t n, const int *fds, unsigned n_fds);
ssize_t fdio_recv(int sock, void *p, size_t n, int *fds, unsigned *n_fds);
/* The whole file at path, refused past limit bytes. 0 or -errno (-EFBIG past the limit). */
int fdio_read_file(const char *path, size_t limit, struct buf *out);
/* Write everything (blocking descriptors and files). 0 or -errno. */
int fdio_write_all(int fd, const void *p, size_t n);

#endif
