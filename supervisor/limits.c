#include "config.h"
#include "supervisor/limits.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "lib/base/fdio.h"
#include "lib/base/num.h"
#include "lib/ctl/heritage.h"
#include "lib/shm/board.h"
#include "supervisor/spawn.h"

#define LEAST_CONNECTIONS 16u	/* of a worker that is of any use */
#define FEW_CONNECTIONS 512u	/* that is worth a word */
#define POOL 4u			/* threads of libuv */
#define JOBS 4u			/* more of them for each database (workers/threads.c) */

/* ---- descriptors ---- */

static unsigned numbers_of(const struct options *o)
{
	unsigned n = 2 * (unsigned)o->workers.max;

	return n > BOARD_MAX_NUMBERS ? BOARD_MAX_NUMBERS : n;
}

/* Of a worker without its connections. */
static uint64_t fixed_files(const struct options *o)
{
	uint64_t n = (uint64_t)HERITAGE_MORE_LISTENERS(numbers_of(o)) + o->listen.n + 16;

	for (unsigned i = 0; i < o->n_databases; i++)
		n += o->databases[i].pool_max + 2;
	return n + o->cache.servers.n;
}

static uint64_t needed_files(const struct options *o)
{
	uint64_t numbers = numbers_of(o), worker = fixed_files(o) + LEAST_CONNECTIONS;
	/* weird: an eventfd, a log pipe and a channel each, clients, connections that are handed over; and what a child is born
	 * with stands above SPAWN_FDS_MAX for a moment. */
	uint64_t weird = 3 * (numbers + 1) + o->listen.n + 64 + 32;
	uint64_t born = SPAWN_FDS_MAX + (uint64_t)HERITAGE_MORE_LISTENERS(numbers) + o->listen.n + 8;

	if (weird > SPAWN_FDS_MAX)
		born += weird - SPAWN_FDS_MAX;
	return worker > born ? worker : born;
}

int limits_check_files(const struct options *o, struct err *e)
{
	uint64_t need = needed_files(o);
	struct rlimit l;

	if (getrlimit(RLIMIT_NOFILE, &l) || l.rlim_max >= need)
		return 0;
	return err_set(e, E_config, "at most %llu open files are allowed (ulimit -n, LimitNOFILE), and this configuration needs %llu",
		       (unsigned long long)l.rlim_max, (unsigned long long)need);
}

/* ---- threads ---- */

static void *wait_there(void *arg)
{
	while (sem_wait(arg) && errno == EINTR)
		;
	return NULL;
}

int limits_check_threads(const struct options *o, struct err *e)
{
	/* workers, one more during a reload, the monitor: each with its pool and a keeper */
	unsigned n = POOL + ((unsigned)o->workers.min + 2) * (POOL + JOBS * o->n_databases + 2), i = 0;
	pthread_t *made = calloc(n, sizeof(*made));
	pthread_attr_t attr;
	struct rlimit l = {0};
	sem_t go;
	int rc = 0;

	if (!made || pthread_attr_init(&attr) || sem_init(&go, 0, 0)) {
		free(made);
		return err_set(e, E_no_memory, "no memory for threads");
	}
	(void)!pthread_attr_setstacksize(&attr, 64 * 1024);
	for (; i < n && !rc; i++)
		rc = pthread_create(&made[i], &attr, wait_there, &go);
	if (rc)
		i--;
	for (unsigned k = 0; k < i; k++)
		sem_post(&go);
	for (unsigned k = 0; k < i; k++)
		pthread_join(made[k], NULL);
	sem_destroy(&go);
	pthread_attr_destroy(&attr);
	free(made);
	if (!rc)
		return 0;
	(void)getrlimit(RLIMIT_NPROC, &l);
	return err_set(e, E_config, "only %u of the %u threads and processes of this configuration can be started: %s (ulimit -u, LimitNPROC: "
		       "%lld for all of this user; TasksMax of the control group)", i, n, strerror(rc),
		       l.rlim_cur == RLIM_INFINITY ? -1LL : (long long)l.rlim_cur);
}

/* ---- memory ---- */

static void take_least(const char *path, uint64_t *least)
{
	AUTO(buf) struct buf text;
	uint64_t v;

	buf_init(&text, 0);
	if (fdio_read_file(path, 64, &text))
		return;
	while (text.n && (text.p[text.n - 1] == '\n' || text.p[text.n - 1] == ' '))
		text.n--;
	if (num_u64(buf_slice(&text), &v) == 0 && v < *least)	/* "max" is no number */
		*least = v;
}

/* The group's own limit, and those of all above it. */
static void climb(const char *mounted, const char *under, struct slice group, const char *file, uint64_t *least)
{
	char path[PATH_MAX];

	for (;;) {
		if (snprintf(path, sizeof(path), "%s%s%.*s/%s", mounted, under, SLICE_ARG(group), file) < (int)sizeof(path))
			take_least(path, least);
		while (group.n && group.p[group.n - 1] != '/')
			group.n--;
		if (!group.n)
			return;
		group.n--;
	}
}

uint64_t limits_group_memory(struct slice proc_cgroup, const char *mounted)
{
	uint64_t least = UINT64_MAX;

	/* "0::/PATH" is v2; "N:memory:/PATH", perhaps with more controllers, v1. */
	while (proc_cgroup.n) {
		struct slice line = slice_cut(&proc_cgroup, '\n'), number = slice_cut(&line, ':'), which = slice_cut(&line, ':');

		if (slice_eq(line, SLICE("/")))
			line.n = 0;
		if (slice_eq(number, SLICE("0")) && !which.n) {
			climb(mounted, "", line, "memory.max", &least);
			climb(mounted, "/unified", line, "memory.max", &least);
		}
		while (which.n)
			if (slice_eq(slice_cut(&which, ','), SLICE("memory")))
				climb(mounted, "/memory", line, "memory.limit_in_bytes", &least);
	}
	return least;
}

void limits_warn(const struct options *o, uint64_t shared, struct buf *out)
{
	AUTO(buf) struct buf text;
	uint64_t memory, fixed = fixed_files(o);
	struct rlimit l;

	buf_init(&text, 0);
	if (fdio_read_file("/proc/self/cgroup", 1 << 16, &text) == 0) {
		memory = limits_group_memory(buf_slice(&text), "/sys/fs/cgroup");
		if (shared > memory)
			buf_addf(out, "shared memory of %.1f MiB, all taken at the start, exceeds the %.1f MiB of this control group (memory.max): "
				 "the kernel will kill what is in it\n", (double)shared / (1 << 20), (double)memory / (1 << 20));
		else if (memory != UINT64_MAX && shared > memory / 4 * 3)
			buf_addf(out, "shared memory of %.1f MiB leaves less than a quarter of the %.1f MiB of this control group (memory.max) to "
				 "the processes\n", (double)shared / (1 << 20), (double)memory / (1 << 20));
	}
	if (getrlimit(RLIMIT_NOFILE, &l) == 0 && l.rlim_max < fixed + FEW_CONNECTIONS && l.rlim_max < fixed + o->workers.max_connections)
		buf_addf(out, "%llu open files (ulimit -n, LimitNOFILE) leave a worker room for %lld of the %u connections of workers { "
			 "max_connections }\n", (unsigned long long)l.rlim_max,
			 (long long)l.rlim_max > (long long)fixed ? (long long)(l.rlim_max - fixed) : 0LL,
			 (unsigned)o->workers.max_connections);
}
