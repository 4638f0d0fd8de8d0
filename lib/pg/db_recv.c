/* How much libpq reads. It reads on as long as its buffer has room, and makes room for as much as the next message says that it
 * has: a server, or who stands in front of it, that says "a gigabyte" and sends as fast as we read, is read until memory
 * ends, in one call. And it does not say how much it has read. So its recv is this one: a shared library's call is bound to
 * the program's symbol of that name, for which it is visible, and after so many bytes it finds the socket empty. Those who
 * poll for what there is are woken again at once.
 * libpq is who reads without flags; sockets of ours are read with MSG_DONTWAIT, and those of a library that blocks with others. */
#include "config.h"

#include "lib/pg/db_priv.h"

#include <errno.h>
#include <sys/socket.h>

static _Thread_local struct {
	size_t left;
	uint64_t taken;
} reading = {.left = DB_READ_MOST};

ssize_t recv(int fd, void *p, size_t n, int flags) __attribute__((visibility("default")));

ssize_t recv(int fd, void *p, size_t n, int flags)
{
	ssize_t got;

	if (flags)
		return recvfrom(fd, p, n, flags, NULL, NULL);
	if (n && !reading.left) {
		reading.left = DB_READ_MOST;
		errno = EAGAIN;
		return -1;
	}
	got = recvfrom(fd, p, n < reading.left ? n : reading.left, 0, NULL, NULL);
	if (got > 0) {
		reading.left -= (size_t)got;
		reading.taken += (uint64_t)got;
	} else {
		reading.left = DB_READ_MOST;
	}
	return got;
}

uint64_t db_taken(void)
{
	uint64_t n = reading.taken;

	reading.taken = 0;
	return n;
}

int db_consume(PGconn *pg, size_t most, uint64_t *ret_n)
{
	int ok;

	reading.left = most;
	(void)db_taken();
	ok = PQconsumeInput(pg);
	reading.left = DB_READ_MOST;
	*ret_n += db_taken();
	return ok;
}
