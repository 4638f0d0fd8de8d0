#include "config.h"

#include "tests/unit/mc/mc_rig.h"

#include <criterion/criterion.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "lib/base/clock.h"

static struct sockaddr_un address(const struct rig *r, unsigned i)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};

	snprintf(a.sun_path, sizeof(a.sun_path), "%s/%u", r->dir, i);
	return a;
}

static void await_socket(const struct rig *r, unsigned i)
{
	struct sockaddr_un a = address(r, i);
	uint64_t until = clock_mono_ns() + 10 * CLOCK_S;
	int rc, fd;

	do {
		fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
		rc = connect(fd, (struct sockaddr *)&a, sizeof(a));
		close(fd);
		if (rc < 0)
			nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
	} while (rc < 0 && clock_mono_ns() < until);
	cr_assert_eq(rc, 0, "no server at %s", a.sun_path);
}

void rig_node_start(struct rig *r, unsigned i)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/%u", r->dir, i);
	unlink(path);
	r->pid[i] = fork();
	if (r->pid[i] == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		execlp("memcached", "memcached", "-u", "root", "-s", path, "-t", "1", "-m", "32", "-U", "0", (char *)NULL);
		_exit(127);
	}
	await_socket(r, i);
}

void rig_fake_start(struct rig *r, unsigned i, void (*serve)(int fd))
{
	struct sockaddr_un a = address(r, i);
	int s = socket(AF_UNIX, SOCK_STREAM, 0);

	rig_node_kill(r, i);
	unlink(a.sun_path);
	cr_assert(bind(s, (struct sockaddr *)&a, sizeof(a)) == 0 && listen(s, 64) == 0);
	r->pid[i] = fork();
	if (r->pid[i] == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		signal(SIGCHLD, SIG_IGN);
		signal(SIGPIPE, SIG_IGN);
		for (;;) {
			int fd = accept(s, NULL, NULL);

			if (fork() == 0) {
				prctl(PR_SET_PDEATHSIG, SIGKILL);
				serve(fd);
				_exit(0);
			}
			close(fd);
		}
	}
	close(s);
}

void rig_node_kill(struct rig *r, unsigned i)
{
	if (r->pid[i] > 0) {
		kill(r->pid[i], SIGKILL);
		waitpid(r->pid[i], NULL, 0);
	}
	r->pid[i] = 0;
}

void rig_node_signal(struct rig *r, unsigned i, int sig)
{
	int status;

	kill(r->pid[i], sig);
	if (sig == SIGSTOP)
		waitpid(r->pid[i], &status, WUNTRACED);
}

void rig_start(struct rig *r, unsigned n)
{
	memset(r, 0, sizeof(*r));
	snprintf(r->dir, sizeof(r->dir), "/tmp/weir-mc-XXXXXX");
	cr_assert(mkdtemp(r->dir));
	r->n = n;
	r->breakers = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	r->o = (struct mc_options){.n_servers = n, .breakers = r->breakers, .number = 1, .incarnation = 1};
	for (unsigned i = 0; i < n; i++) {
		rig_node_start(r, i);
		snprintf(r->o.servers[i].host, sizeof(r->o.servers[i].host), "%s/%u", r->dir, i);
		r->o.servers[i].weight = 1;
		snprintf(r->o.servers[i].alias, sizeof(r->o.servers[i].alias), "node%u", i);
	}
}

void rig_open(struct rig *r)
{
	struct err e;

	r->o.counters = &r->counters;
	cr_assert_eq(mc_open(&r->m, &r->o, &e), 0);
}

void rig_stop(struct rig *r)
{
	char path[128];

	mc_close(&r->m);
	for (unsigned i = 0; i < r->n; i++) {
		rig_node_kill(r, i);
		snprintf(path, sizeof(path), "%s/%u", r->dir, i);
		unlink(path);
	}
	rmdir(r->dir);
	munmap(r->breakers, 4096);
}

struct mc_key rig_key(struct rig *r, unsigned node, unsigned k)
{
	for (uint64_t i = 0;; i++) {
		struct mc_key key = mc_key_of(i * 0x9e3779b97f4a7c15ull, i);

		if (mc_node_of_key(r->m, &key) == node && k-- == 0)
			return key;
	}
}

void rig_done(void *arg, enum mc_result result, struct slice value)
{
	struct got *g = arg;

	cr_assert(!g->is_done && value.n <= sizeof(g->value));
	g->is_done = 1;
	g->result = result;
	g->n = value.n;
	memcpy(g->value, value.p, value.n);
}

static unsigned count_done(const struct got *got, unsigned n)
{
	unsigned done = 0;

	for (unsigned i = 0; i < n; i++)
		done += (unsigned)got[i].is_done;
	return done;
}

int rig_wait(struct rig *r, struct got *got, unsigned n)
{
	struct pollfd p = {.fd = mc_fd(r->m), .events = POLLIN};
	uint64_t until = clock_mono_ns() + 10 * CLOCK_S;

	mc_flush(r->m);
	while (count_done(got, n) < n) {
		if (clock_mono_ns() > until)
			return 0;
		(void)poll(&p, 1, 50);
		(void)mc_poll(r->m);
		mc_flush(r->m);
	}
	return 1;
}

struct got rig_get(struct rig *r, const struct mc_key *key)
{
	struct got g = {0};

	(void)mc_get(r->m, key, 0, rig_done, &g);
	cr_assert(rig_wait(r, &g, 1), "a get is never answered");
	return g;
}

struct got rig_add(struct rig *r, const struct mc_key *key, const char *token)
{
	struct got g = {0};

	mc_add(r->m, key, slice_str(token), 10, rig_done, &g);
	cr_assert(rig_wait(r, &g, 1), "an add is never answered");
	return g;
}

struct got rig_delete(struct rig *r, const struct mc_key *key)
{
	struct got g = {0};

	mc_delete(r->m, key, rig_done, &g);
	cr_assert(rig_wait(r, &g, 1), "a delete is never answered");
	return g;
}

int rig_set(struct rig *r, const struct mc_key *key, const char *value)
{
	uint64_t until = clock_mono_ns() + 10 * CLOCK_S;
	struct got g;

	do {	/* on a busy machine a server that has just started may need more than the 20 ms it has */
		if (mc_set(r->m, key, slice_str(value), 60) < 0)
			return 0;
		/* The flush of the get sends the set behind it: the second get sees it. */
		(void)rig_get(r, key);
		g = rig_get(r, key);
	} while (!(g.result == MC_OK && slice_eq(slice_of(g.value, g.n), slice_str(value))) && clock_mono_ns() < until);
	return g.result == MC_OK && slice_eq(slice_of(g.value, g.n), slice_str(value));
}
