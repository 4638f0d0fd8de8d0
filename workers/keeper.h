/* keeper: what becomes of a worker's connections when it is killed (kill -9, the OOM killer).
 *
 * A process that shares the worker's descriptors and one table with it, and no other memory; it sleeps until the
 * worker is dead. Then it gives to weird, by the channel that it shares too, what nobody has to lose: parked
 * connections, and those whose request may be run by somebody else (nothing of an answer was sent, and it is not
 * known to be anything but a GET), with the bytes that had been read of it. weird passes them to other workers, and
 * the web server sees a slow answer at most. All else is closed with the worker.
 *
 * The table is right at every moment: a row is taken back before the worker does what makes it untrue, and the kernel
 * itself writes how much was read and sent (msg_len of recvmmsg and sendmmsg lies in the row), so no kill finds bytes
 * that are nowhere, or an answer of which it is not known whether it left.
 * A keeper that dies before its worker is replaced, by a copy of what the worker is then: descriptors and table are
 * shared with that as with the first one.
 * One thread of the worker writes, the keeper reads when that is dead. Layer: workers. */
#ifndef WEIR_WORKERS_KEEPER_H
#define WEIR_WORKERS_KEEPER_H

#include <stdatomic.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>

#include "lib/ctl/heritage.h"

#define KEEPER_FDS 16384u	/* a connection with a higher descriptor is not kept */
#define KEEPER_SLOTS 256u	/* requests under way whose bytes are; more are not kept */
#define KEEPER_BYTES HERITAGE_BYTES

/* Whatever is accepted and not spoken of is parked. */
enum keeper_state { KEEPER_PARKED, KEEPER_READ, KEEPER_ANSWER, KEEPER_NOT };

struct keeper_row {
	/* msg_len: what the last read brought, or how much of the answer is out; the word behind it: what was read before */
	struct mmsghdr m;
	struct iovec iov;
	_Atomic uint32_t state;
	uint32_t slot;		/* where the bytes are, counted from 1; 0 none */
	uint64_t all;		/* KEEPER_ANSWER: so many sent, and nothing is owed; UINT64_MAX: not even then */
};

struct keeper_table {
	struct keeper_row rows[KEEPER_FDS];
	char bytes[KEEPER_SLOTS + 1][KEEPER_BYTES];
};

struct keeper {
	struct keeper_table *t;	/* NULL: there never was one */
	pid_t pid;		/* 0: it is dead */
	int channel, worker_fd;	/* worker_fd: a pidfd */
	uint64_t next_ns;	/* not started again before */
	int has_failed;		/* to start: said already */
	unsigned n_free;
	uint32_t free[KEEPER_SLOTS];
};

/* Before there is a thread. Without a keeper everything works but this; *why says what was missing. 0 or -errno. */
int keeper_start(struct keeper *k, int channel, const char **why);
/* Several times a second: one that died is reaped, and another one started, at most one a second. */
enum keeper_news { KEEPER_SAME, KEEPER_REPLACED, KEEPER_FAILED };	/* FAILED: to start, once; errno */
enum keeper_news keeper_tend(struct keeper *k, uint64_t now_ns);
/* The worker ends by itself and needs none any more. */
void keeper_stop(struct keeper *k);

/* Nothing of a request was read and nothing is owed. */
void keeper_park(struct keeper *k, int fd);
/* recv(2) of at most n bytes of a request that began when the connection was parked. -2: it cannot be kept and nothing
 * was read; else as recv. */
ssize_t keeper_recv(struct keeper *k, int fd, char *to, size_t n);
/* An answer is about to be sent, by what is returned (or NULL); after `all` bytes of it the connection is as good as parked. */
struct mmsghdr *keeper_answer(struct keeper *k, int fd, int is_kept, uint64_t all);
/* Not to be run by anybody else, or about to be closed or given away. */
void keeper_forget(struct keeper *k, int fd);
/* fd is closed, its number is free. */
void keeper_closed(struct keeper *k, int fd);

#endif
