/* The keeper's half runs in a copy of the worker's memory, made by a plain clone(2): system calls and the table,
 * no allocation, no stdio, no lock. One made later leaves the pages that the worker had then to be copied
 * as that changes them, which is the price of a keeper that was killed. */
#include "config.h"
#include "workers/keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define LISTENERS 16u	/* listeners: more than there can be */
#define PACE_NS 1000000000ull
#define GIVE_MS 10000	/* weird reads, or has no worker that takes more; so long the next one may take */

_Static_assert(offsetof(struct mmsghdr, msg_len) % 8 == 0 && sizeof(struct mmsghdr) == offsetof(struct mmsghdr, msg_len) + 8,
	       "a word of ours lies behind msg_len, and one store sets both");

/* Both counts of a row, as one. */
static _Atomic uint64_t *counts_of(struct keeper_row *row)
{
	return (_Atomic uint64_t *)(void *)&row->m.msg_len;
}

static uint32_t sum(uint64_t counts)
{
	return (uint32_t)(counts >> 32) + (uint32_t)counts;
}

/* ---- in the keeper ---- */

static int is_listening(int fd)
{
	int on = 0;
	socklen_t n = sizeof(on);

	return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &on, &n) == 0 && on;
}

struct name {
	struct sockaddr_storage a;
	socklen_t n;
};

static int name_of(int fd, struct name *ret)
{
	memset(ret, 0, sizeof(*ret));
	ret->n = sizeof(ret->a);
	return getsockname(fd, (struct sockaddr *)&ret->a, &ret->n);
}

static unsigned listeners(uint32_t n_fds, struct name out[LISTENERS])
{
	unsigned n = 0;

	for (uint32_t fd = 0; fd < n_fds && n < LISTENERS; fd++)
		if (is_listening((int)fd) && name_of((int)fd, &out[n]) == 0)
			n++;
	return n;
}

/* A listener may be bound to any address: of TCP the port counts. */
static int is_same(const struct name *a, const struct name *b)
{
	if (a->a.ss_family != b->a.ss_family || a->n != b->n)
		return 0;
	if (a->a.ss_family == AF_INET || a->a.ss_family == AF_INET6)
		return memcmp((const char *)&a->a + 2, (const char *)&b->a + 2, 2) == 0;
	return memcmp(&a->a, &b->a, a->n) == 0;
}

/* Accepted from one of our listeners: its own name is theirs, as that of no other socket. */
static int is_accepted(int fd, const struct name *names, unsigned n)
{
	struct name own;

	if (name_of(fd, &own) || is_listening(fd))
		return 0;
	for (unsigned i = 0; i < n; i++)
		if (is_same(&names[i], &own))
			return 1;
	return 0;
}

/* Bytes of a request that somebody else may run, 0: parked, -1: neither. */
static int64_t what_is(struct keeper_row *row)
{
	uint32_t state = atomic_load_explicit(&row->state, memory_order_acquire);
	uint64_t counts = atomic_load(counts_of(row)), n;

	if (state == KEEPER_PARKED)
		return 0;
	if (state == KEEPER_ANSWER && (uint32_t)counts)
		return (uint32_t)counts == row->all ? 0 : -1;
	if (state == KEEPER_NOT || !row->slot || row->slot > KEEPER_SLOTS)
		return -1;
	n = sum(counts);
	return n <= KEEPER_BYTES ? (int64_t)n : -1;
}

static int give(int channel, int fd, const char *bytes, size_t n)
{
	int rc;

	for (;;) {
		struct pollfd p = {.fd = channel, .events = POLLOUT};

		rc = heritage_send_bytes(channel, bytes, n, fd);
		if (rc != -EAGAIN)
			return rc;
		rc = poll(&p, 1, GIVE_MS);
		if (rc == 0)
			return -EAGAIN;
	}
}

/* What nobody else may have ends at once, as it would have with the worker: connections to PostgreSQL, too. */
static void close_rest(struct keeper_table *t, int channel)
{
	struct name names[LISTENERS];
	unsigned n = listeners(KEEPER_FDS, names);

	for (int fd = 0; fd < (int)KEEPER_FDS; fd++)
		if (fd != channel && (what_is(&t->rows[fd]) < 0 || !is_accepted(fd, names, n)))
			close(fd);
}

/* What weird had passed on to the worker, and it had not taken up: nobody has run any of it. 0 or -errno. */
static int give_back(int channel)
{
	struct heritage_msg m;
	int fd = -1, rc = 0;

	while (!rc && heritage_recv(channel, &m, &fd) > 0) {
		if (fd < 0)
			continue;
		if (m.type == HERITAGE_CONNECTION)
			rc = give(channel, fd, m.text, m.n);
		close(fd);
	}
	return rc;
}

/* Highest descriptors included: one may have been accepted this moment. What is left is what may be given. */
static void give_all(struct keeper_table *t, int channel)
{
	close_rest(t, channel);
	if (give_back(channel))
		return;
	/* What is under way first. */
	for (int is_parked = 0; is_parked <= 1; is_parked++)
		for (int fd = 0; fd < (int)KEEPER_FDS; fd++) {
			int64_t is = what_is(&t->rows[fd]);

			if (fd == channel || is < 0 || (is == 0) != is_parked || fcntl(fd, F_GETFD) < 0)
				continue;
			if (give(channel, fd, is ? t->bytes[t->rows[fd].slot] : "", (size_t)is))
				return;
			close(fd);
		}
}

static void run(struct keeper_table *t, int channel, int worker) NORETURN;
static void run(struct keeper_table *t, int channel, int worker)
{
	struct pollfd p = {.fd = worker, .events = POLLIN};
	sigset_t all;

	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
	prctl(PR_SET_NAME, "weir-keeper");
	while (poll(&p, 1, -1) < 0 && errno == EINTR)
		;
	if (p.revents & POLLIN)
		give_all(t, channel);
	_exit(0);
}

/* ---- in the worker ---- */

/* The kernel takes workers first: who is left gives back what they had. */
static void spare(pid_t pid)
{
	char path[48], text[16];
	int fd = open("/proc/self/oom_score_adj", O_RDONLY | O_CLOEXEC), n;
	ssize_t r = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);

	if (fd >= 0)
		close(fd);
	if (r <= 0)
		return;
	text[r] = '\0';
	n = snprintf(text, sizeof(text), "%ld", strtol(text, NULL, 10) - HERITAGE_OOM_SCORE);
	snprintf(path, sizeof(path), "/proc/%d/oom_score_adj", (int)pid);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	(void)!write(fd, text, (size_t)n);
	close(fd);
}

/* No signal to the worker at its end, and of the worker's things the descriptors alone. 0 or -1 with errno. */
static int make(struct keeper *k)
{
	sigset_t all, old;
	pid_t pid;
	int err;

	/* A signal that it takes before it has closed its ears would be taken for the worker's. */
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, &old);
	pid = (pid_t)syscall(SYS_clone, CLONE_FILES, 0, 0, 0, 0);
	err = errno;
	if (pid == 0)
		run(k->t, k->channel, k->worker_fd);
	sigprocmask(SIG_SETMASK, &old, NULL);
	k->pid = pid > 0 ? pid : 0;
	if (pid > 0)
		spare(pid);
	errno = err;
	return pid > 0 ? 0 : -1;
}

int keeper_start(struct keeper *k, int channel, const char **why)
{
	void *at;
	int worker;

	*k = (struct keeper){.channel = channel};
	*why = "pidfd_open";
	worker = (int)syscall(SYS_pidfd_open, getpid(), 0);
	if (worker < 0)
		return -errno;
	*why = "memory";
	at = mmap(NULL, sizeof(*k->t), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (at == MAP_FAILED) {
		int err = errno;

		close(worker);
		return -err;
	}
	*why = "clone";
	k->worker_fd = worker;
	k->t = at;
	if (make(k)) {
		int err = errno;

		munmap(at, sizeof(*k->t));
		close(worker);
		k->t = NULL;
		return -err;
	}
	for (unsigned i = KEEPER_SLOTS; i; i--)
		k->free[k->n_free++] = i;
	return 0;
}

enum keeper_news keeper_tend(struct keeper *k, uint64_t now_ns)
{
	if (!k->t)
		return KEEPER_SAME;
	if (k->pid) {
		pid_t gone = waitpid(k->pid, NULL, (int)__WCLONE | WNOHANG);

		if (gone == 0 || (gone < 0 && errno == EINTR))
			return KEEPER_SAME;
		k->pid = 0;
	}
	if (now_ns < k->next_ns)
		return KEEPER_SAME;
	k->next_ns = now_ns + PACE_NS;
	if (make(k) == 0) {
		k->has_failed = 0;
		return KEEPER_REPLACED;
	}
	if (k->has_failed++)
		return KEEPER_SAME;
	return KEEPER_FAILED;
}

void keeper_stop(struct keeper *k)
{
	if (!k->t)
		return;
	if (k->pid)
		kill(k->pid, SIGKILL);
	while (k->pid && waitpid(k->pid, NULL, (int)__WCLONE) < 0 && errno == EINTR)
		;
	k->t = NULL;
}

static struct keeper_row *row_of(const struct keeper *k, int fd)
{
	return k->t && (unsigned)fd < KEEPER_FDS ? &k->t->rows[fd] : NULL;
}

static void give_slot_back(struct keeper *k, struct keeper_row *row)
{
	if (row->slot)
		k->free[k->n_free++] = row->slot;
	row->slot = 0;
}

void keeper_park(struct keeper *k, int fd)
{
	struct keeper_row *row = row_of(k, fd);

	if (!row)
		return;
	atomic_store_explicit(&row->state, KEEPER_PARKED, memory_order_release);
	give_slot_back(k, row);
}

ssize_t keeper_recv(struct keeper *k, int fd, char *to, size_t n)
{
	struct keeper_row *row = row_of(k, fd);
	uint32_t had;
	int rc;

	if (!row || (!row->slot && !k->n_free))
		goto cannot;
	had = row->slot ? sum(atomic_load_explicit(counts_of(row), memory_order_relaxed)) : 0;
	if (had >= KEEPER_BYTES)
		goto cannot;
	if (!row->slot)
		row->slot = k->free[--k->n_free];
	row->iov = (struct iovec){k->t->bytes[row->slot] + had, n < KEEPER_BYTES - had ? n : KEEPER_BYTES - had};
	row->m.msg_hdr = (struct msghdr){.msg_iov = &row->iov, .msg_iovlen = 1};
	atomic_store_explicit(counts_of(row), (uint64_t)had << 32, memory_order_release);
	atomic_store_explicit(&row->state, KEEPER_READ, memory_order_release);
	rc = recvmmsg(fd, &row->m, 1, MSG_DONTWAIT, NULL);
	if (rc <= 0)
		return -1;
	memcpy(to, k->t->bytes[row->slot] + had, row->m.msg_len);
	return row->m.msg_len;
cannot:
	keeper_forget(k, fd);
	return -2;
}

struct mmsghdr *keeper_answer(struct keeper *k, int fd, int is_kept, uint64_t all)
{
	struct keeper_row *row = row_of(k, fd);
	uint64_t had;

	if (!row)
		return NULL;
	had = is_kept && row->slot ? sum(atomic_load_explicit(counts_of(row), memory_order_relaxed)) : 0;
	if (!had)
		keeper_forget(k, fd);
	row->all = all;
	atomic_store_explicit(counts_of(row), had << 32, memory_order_release);
	atomic_store_explicit(&row->state, KEEPER_ANSWER, memory_order_release);
	return &row->m;
}

void keeper_forget(struct keeper *k, int fd)
{
	struct keeper_row *row = row_of(k, fd);

	if (!row)
		return;
	atomic_store_explicit(&row->state, KEEPER_NOT, memory_order_release);
	give_slot_back(k, row);
}

void keeper_closed(struct keeper *k, int fd)
{
	struct keeper_row *row = row_of(k, fd);

	if (row)
		atomic_store_explicit(&row->state, KEEPER_PARKED, memory_order_release);
}
