/* heritage: what a child of weird is born with: descriptors by number, its arguments, the messages of
 * the command channel and the exit codes. Parent and children are written against this file alone.
 *
 *   weir-worker  --number N --parent PID --listeners K [--strict]
 *   weir-monitor --number N --parent PID
 *   weir-worker  -t                       only HERITAGE_SNAPSHOT is open besides 0, 1 and 2
 *
 * Layer: lib/ctl. */
#ifndef WEIR_CTL_HERITAGE_H
#define WEIR_CTL_HERITAGE_H

#include <stdint.h>
#include <sys/types.h>

#include "lib/base/base.h"

/* Descriptors. 1 and 2 are the log pipe, its write end O_NONBLOCK: drop a line rather than wait. */
enum heritage_fd {
	HERITAGE_LISTENER = 0,		/* first of `listen`; monitor: the status listener, or /dev/null */
	HERITAGE_SHM = 3,		/* memfd of lib/shm/region.h */
	HERITAGE_SNAPSHOT = 4,		/* sealed memfd of lib/conf/snapshot.h */
	HERITAGE_CHANNEL = 5,		/* SOCK_SEQPACKET; end of file means that weird is dead */
	HERITAGE_EVENT_MONITOR = 6,	/* eventfd that wakes weir-monitor */
	HERITAGE_EVENT_WORKER = 7	/* + n: eventfd that wakes worker number n, n < plan.n_numbers */
};
/* A worker's OOM score is so much worse than weird's: it is replaced, weird is not. */
#define HERITAGE_OOM_SCORE 100

/* First of the K - 1 further listeners (--listeners K counts descriptor 0 too). */
#define HERITAGE_MORE_LISTENERS(n_numbers) (HERITAGE_EVENT_WORKER + (int)(n_numbers))

enum heritage_type {
	/* down, to the child */
	HERITAGE_DRAIN = 1,	/* stop accepting, finish, hand parked connections over, exit 0 */
	HERITAGE_STOP = 2,	/* at once: close what is open, exit 0 */
	HERITAGE_LOGLEVEL = 3,	/* arg: enum log_level */
	HERITAGE_REOPEN = 8,	/* open the access log again (logrotate) */
	HERITAGE_CONFIGURE = 9,	/* weir-monitor, with one descriptor: the snapshot to go on with; it says READY again */
	/* both ways, with one descriptor: a FastCGI connection, and in `text` the n bytes that were read of a request
	 * on it (0: parked). Nothing is owed. Up: give it to another worker. Down: it is yours. */
	HERITAGE_CONNECTION = 4,
	/* up, to weird */
	HERITAGE_READY = 5,	/* arg: 0, or 1 = degraded: ready, but a database is not reachable */
	HERITAGE_FAILED = 6,	/* text: why the child will exit now; arg: its exit code */
	HERITAGE_RELOAD = 7,	/* weir-monitor saw NOTIFY weir_reload */
	HERITAGE_WARNED = 10,	/* before READY: what the server's word on a statement makes worth a warning. arg: the line in
				 * its file; text: the file, a newline, the sentence */
	HERITAGE_FAULT = 11	/* before FAILED: a statement that the server refuses. arg: the line; text: the file, the column, the
				 * sentence, a newline between them */
};

#define HERITAGE_TEXT 1024
#define HERITAGE_BYTES 8192u

struct heritage_msg {
	uint32_t type;
	uint32_t arg;
	char text[HERITAGE_BYTES + 1];	/* NUL-terminated, "" if none */
	unsigned n;			/* not sent: bytes in text, without the NUL */
};

/* Neither blocks. On the wire a message ends behind its text's NUL.
 * send: text may be NULL, fd -1 for none (the caller keeps its fd and closes it). 0 or -errno;
 * -EAGAIN: the other side does not read, try when the channel is writable.
 * recv: 1 a message (*ret_fd the descriptor that came with it, CLOEXEC and the caller's, or -1),
 * 0 end of file, -errno. */
int heritage_send(int channel, enum heritage_type type, uint32_t arg, const char *text, int fd) MUST_USE;
/* HERITAGE_CONNECTION with n <= HERITAGE_BYTES bytes of anything. */
int heritage_send_bytes(int channel, const char *p, size_t n, int fd) MUST_USE;
int heritage_recv(int channel, struct heritage_msg *ret, int *ret_fd) MUST_USE;

/* Exit codes. */
enum heritage_exit {
	EXIT_OK = 0,
	EXIT_FAIL = 1,		/* generic; another weird is running */
	EXIT_USAGE = 64,
	EXIT_UNREACHABLE = 69,	/* weirctl: no weird */
	EXIT_INTERNAL = 70,	/* a failed check */
	EXIT_TEMPFAIL = 75,	/* weirctl --wait ran out; weir-worker -t: no database reachable */
	EXIT_NOT_ALLOWED = 77,
	EXIT_CONFIG = 78,
	EXIT_DRAIN_LATE = 80,	/* child: gave up before its drain was finished */
	EXIT_HERITAGE = 81	/* child: could not start: descriptors, memory header, permissions */
};

#endif
