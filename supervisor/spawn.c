/* spawn: fork and exec; between the two only async-signal-safe calls, because libuv's pool has threads. */
#include "config.h"
#include "supervisor/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/check.h"
#include "lib/ctl/heritage.h"

extern char **environ;

static void say_and_exit(const char *what, const char *path) NORETURN;
static void say_and_exit(const char *what, const char *path)
{
	char line[PATH_MAX + 64];
	size_t n = 0;
	ssize_t r;

	for (const char *s = what; *s && n < sizeof(line) - 2; s++)
		line[n++] = *s;
	for (const char *s = path; *s && n < sizeof(line) - 2; s++)
		line[n++] = *s;
	line[n++] = '\n';
	r = write(2, line, n);
	(void)r;
	_exit(EXIT_HERITAGE);
}

/* OOM takes workers before weird: they are replaced, weird is not. */
static void set_oom_score(int add)
{
	char text[16];
	int fd = open("/proc/self/oom_score_adj", O_RDWR | O_CLOEXEC), v = 0, at = 0, neg = 0;
	ssize_t n;

	if (fd < 0)
		return;
	n = read(fd, text, sizeof(text) - 1);
	for (ssize_t i = 0; i < n; i++) {
		if (text[i] == '-')
			neg = 1;
		else if (text[i] >= '0' && text[i] <= '9')
			v = v * 10 + (text[i] - '0');
	}
	v = (neg ? -v : v) + add;
	if (v > 1000)
		v = 1000;
	if (v < 0)
		text[at++] = '-', v = -v;
	if (v >= 1000)
		text[at++] = '1', v -= 1000, text[at++] = '0', text[at++] = '0', text[at++] = '0';
	else {
		text[at++] = (char)('0' + v / 100);
		text[at++] = (char)('0' + v / 10 % 10);
		text[at++] = (char)('0' + v % 10);
	}
	n = write(fd, text, (size_t)at);
	close(fd);
}

static const int group_signals[] = {SIGHUP, SIGINT, SIGQUIT, SIGUSR1, SIGUSR2};

static void become_child(const struct spawn *s) NORETURN;
static void become_child(const struct spawn *s)
{
	int high[SPAWN_FDS_MAX];
	sigset_t none;

	for (int sig = 1; sig < NSIG; sig++)
		signal(sig, SIG_DFL);
	/* A terminal and `kill -HUP -PGID` mean the whole group; only weird acts on it. */
	if (s->is_deaf)
		for (size_t i = 0; i < ARRAY_LEN(group_signals); i++)
			signal(group_signals[i], SIG_IGN);
	/* First everything out of the way, then each to its place: no order can overwrite a source. */
	for (unsigned i = 0; i < s->n_fds; i++) {
		high[i] = s->fds[i] < 0 ? -1
					: fcntl(s->fds[i], F_DUPFD_CLOEXEC, SPAWN_FDS_MAX);
		if (s->fds[i] >= 0 && high[i] < 0)
			say_and_exit("out of descriptors for ", s->path);
	}
	for (unsigned i = 0; i < s->n_fds; i++) {
		if (high[i] < 0)
			close((int)i);
		else if (dup2(high[i], (int)i) < 0)
			say_and_exit("dup2 failed for ", s->path);
	}
	if (s->oom_score_adj)
		set_oom_score(s->oom_score_adj);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	execve(s->path, s->argv, environ);
	say_and_exit("cannot execute ", s->path);
}

pid_t spawn_child(const struct spawn *s)
{
	sigset_t all, old;
	pid_t pid;
	int err;

	check(s->n_fds <= SPAWN_FDS_MAX);
	/* A signal taken by the child before exec would be written into weird's own signal pipe. */
	sigfillset(&all);
	if (pthread_sigmask(SIG_SETMASK, &all, &old))
		return -EINVAL;
	pid = fork();
	err = errno;
	if (pid == 0)
		become_child(s);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return pid < 0 ? -err : pid;
}

static int try_path(char *path, size_t n, const char *dir, size_t dir_n, const char *middle,
		    const char *name)
{
	int r = snprintf(path, n, "%.*s%s/%s", (int)dir_n, dir, middle, name);

	return r > 0 && (size_t)r < n && access(path, X_OK) == 0 ? 0 : -1;
}

int spawn_find(const char *name, char *path, size_t n)
{
	static const char *const places[] = {"", "/../workers", "/../workers/monitor"};
	const char *env = getenv("WEIR_LIBEXEC"), *slash;
	char self[PATH_MAX];
	ssize_t len;

	if (env && *env)
		return try_path(path, n, env, strlen(env), "", name);
	len = readlink("/proc/self/exe", self, sizeof(self) - 1);
	if (len > 0) {
		self[len] = '\0';
		slash = strrchr(self, '/');
		for (size_t i = 0; slash && i < ARRAY_LEN(places); i++)
			if (try_path(path, n, self, (size_t)(slash - self), places[i], name) == 0)
				return 0;
	}
	return try_path(path, n, WEIR_SBINDIR, strlen(WEIR_SBINDIR), "", name);
}
