/* weird -t, as a command line and as a child for the control socket: nothing of it runs in the supervisor, which
 * must not block and has no libpq. */
#include "config.h"
#include "supervisor/weird.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/base/check.h"
#include "lib/ctl/frame.h"
#include "lib/ctl/heritage.h"
#include "supervisor/logs.h"
#include "supervisor/spawn.h"

struct check {
	struct check *next;
	pid_t pid;
	weird_answer_f fn;
	void *arg;
	struct log_source *source;
	struct buf out;
};

static struct check *running;

static void on_line(void *arg, struct slice line)
{
	struct check *c = arg;

	if (c->out.n > 256u * 1024)
		return;
	buf_add(&c->out, line.p, line.n);
	buf_addc(&c->out, '\n');
}

void check_ask(struct weird *w, int offline, weird_answer_f fn, void *arg)
{
	struct check *c = calloc(1, sizeof(*c));
	char self[PATH_MAX];
	char *argv[] = {strdup("weird"), strdup("-t"), strdup("-c"), strdup(w->conf_path),
			offline ? strdup("--offline") : NULL, NULL};
	struct spawn s = {.argv = argv, .n_fds = 3};
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	int fd = -1;

	check(c && n > 0);
	self[n] = 0;
	s.path = self;
	buf_init(&c->out, 0);
	c->fn = fn;
	c->arg = arg;
	c->source = logs_source_new(w->logs, on_line, c, &fd);
	s.fds[0] = w->null_fd;
	s.fds[1] = s.fds[2] = fd;
	c->pid = c->source ? spawn_child(&s) : -1;
	if (fd >= 0)
		close(fd);
	for (unsigned i = 0; argv[i]; i++)
		free(argv[i]);
	c->next = running;
	running = c;
	if (c->pid < 0)
		check_reap(w);
}

void check_forget(const void *arg)
{
	for (struct check *c = running; c; c = c->next)
		if (c->arg == arg)
			c->fn = NULL;
}

static void finish(struct check *c, int status)
{
	int code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;

	logs_source_end(&c->source);
	if (c->fn)
		c->fn(c->arg, code == 0 ? CTL_DONE : CTL_FAILED,
		      code == 0	  ? "the configuration is good"
		      : code > 0 ? "configuration refused"
				  : "the check could not be run",
		      buf_slice(&c->out));
	buf_done(&c->out);
	free(c);
}

void check_reap(struct weird *w)
{
	(void)w;
	for (struct check **at = &running; *at;) {
		struct check *c = *at;
		int status = -1;

		if (c->pid > 0 && waitpid(c->pid, &status, WNOHANG) != c->pid) {
			at = &c->next;
			continue;
		}
		*at = c->next;
		finish(c, status);
	}
}

/* weir-worker -t on the snapshot; its exit code, or -1. */
static int ask_worker(const struct snapshot *s)
{
	char path[PATH_MAX];
	char *argv[] = {strdup("weir-worker"), strdup("-t"), NULL};
	int null_fd = open("/dev/null", O_RDWR | O_CLOEXEC), memfd = snapshot_memfd(s), status;
	struct spawn sp = {.path = path, .argv = argv, .n_fds = 5, .fds = {null_fd, 1, 2, -1, memfd}};
	pid_t pid;

	if (memfd < 0 || null_fd < 0 || spawn_find("weir-worker", path, sizeof(path))) {
		fprintf(stderr, "weird: weir-worker was not found (%s)\n", path);
		return -1;
	}
	fflush(NULL);
	pid = spawn_child(&sp);
	free(argv[0]);
	free(argv[1]);
	close(memfd);
	close(null_fd);
	if (pid < 0)
		return -1;
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

int check_run(const char *path, int offline)
{
	struct snapshot s;
	struct errs errs;
	AUTO(buf) struct buf text;
	int rc = EXIT_OK, needs_db = 0;

	buf_init(&text, 0);
	errs_init(&errs);
	if (snapshot_load(&s, path, &errs)) {
		errs_to_text(&errs, &text);
		fwrite(text.p, 1, text.n, stderr);
		fprintf(stderr, "weird: %s: %zu error%s\n", path, errs.n_all, errs.n_all == 1 ? "" : "s");
		rc = EXIT_CONFIG;
	} else {
		snapshot_notes(&s, &text);
		if (text.n)
			fwrite(text.p, 1, text.n, stdout);
		for (unsigned i = 0; i < s.endpoints.n; i++)
			needs_db |= s.endpoints.v[i]->has_sql;
		if (!offline && needs_db) {
			int code = ask_worker(&s);

			if (code == EXIT_TEMPFAIL)
				printf("statements were not tested: no database was reachable\n");
			else if (code)
				rc = code == EXIT_CONFIG ? EXIT_CONFIG : EXIT_FAIL;
		}
		if (rc == EXIT_OK)
			printf("%s: good, %u endpoints, %u database%s\n", path, s.endpoints.n, s.options.n_databases,
			       s.options.n_databases == 1 ? "" : "s");
	}
	snapshot_done(&s);
	errs_done(&errs);
	return rc;
}
