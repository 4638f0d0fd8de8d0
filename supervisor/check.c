/* check: the command `check` runs `weird -t` as a child, so that neither disk nor database makes
 * weird wait. */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/base/check.h"
#include "lib/base/fdio.h"
#include "lib/base/list.h"
#include "lib/ctl/heritage.h"
#include "lib/json/jw.h"
#include "supervisor/control.h"
#include "supervisor/spawn.h"
#include "supervisor/weird.h"

#define OUTPUT_MAX (256u * 1024)
#define RUNS_MAX 4u

struct check_run {
	struct list all;
	uv_poll_t poll;
	struct weird *w;
	struct asker asker;
	pid_t pid;
	int fd;
	struct buf out;
};

static struct list runs = LIST_INIT(runs);
static unsigned n_runs;

/* 0 nothing more now, -1 end. Output past the limit is read and thrown away. */
static int read_output(struct check_run *r)
{
	char p[4096];
	ssize_t n;

	for (;;) {
		n = read(r->fd, p, sizeof(p));
		if (n <= 0)
			return n < 0 && errno == EAGAIN ? 0 : -1;
		if (r->out.n + (size_t)n <= OUTPUT_MAX)
			buf_add(&r->out, p, (size_t)n);
	}
}

static void on_output(uv_poll_t *poll, int status, int events)
{
	struct check_run *r = CONTAINER_OF(poll, struct check_run, poll);

	(void)events;
	if (status < 0 || read_output(r) < 0)
		uv_poll_stop(poll);
}

static void on_closed(uv_handle_t *h)
{
	struct check_run *r = CONTAINER_OF((uv_poll_t *)(void *)h, struct check_run, poll);

	close(r->fd);
	buf_done(&r->out);
	free(r);
}

static void answer(struct check_run *r, int status)
{
	int code = WIFEXITED(status) ? WEXITSTATUS(status) : EXIT_INTERNAL;
	AUTO(buf) struct buf json;
	const char *text = code == EXIT_OK	   ? "the configuration is valid"
			   : code == EXIT_CONFIG ? CTL_SAYS_CONFIG
						 : "the check itself failed";

	buf_init(&json, 0);
	if (r->asker.wants_json) {
		struct jw j;

		jw_init(&j, &json);
		jw_object(&j);
		jw_key(&j, "valid");
		jw_bool(&j, code == EXIT_OK);
		jw_key(&j, "exit_code");
		jw_i64(&j, code);
		jw_key(&j, "lines");
		jw_array(&j);
		for (struct slice rest = buf_slice(&r->out); rest.n;)
			jw_slice(&j, slice_cut(&rest, '\n'));
		jw_array_end(&j);
		jw_object_end(&j);
		buf_addc(&json, '\n');
	}
	control_answer(r->w, &r->asker, code == EXIT_OK ? CTL_DONE : CTL_FAILED, text,
		       buf_slice(r->asker.wants_json ? &json : &r->out));
}

void check_reap(struct weird *w)
{
	int status;

	(void)w;
	LIST_FOR_SAFE(it, next, &runs) {
		struct check_run *r = LIST_ENTRY(it, struct check_run, all);

		if (waitpid(r->pid, &status, WNOHANG) != r->pid)
			continue;
		read_output(r);
		answer(r, status);
		list_del(&r->all);
		n_runs--;
		uv_close((uv_handle_t *)&r->poll, on_closed);
	}
}

int check_is_child(pid_t pid)
{
	LIST_FOR(it, &runs)
		if (LIST_ENTRY(it, struct check_run, all)->pid == pid)
			return 1;
	return 0;
}

void check_stop(void)
{
	LIST_FOR(it, &runs)
		kill(LIST_ENTRY(it, struct check_run, all)->pid, SIGKILL);
}

void cmd_check(struct call *c)
{
	int is_offline = c->cmd->n_words > 1 && slice_eq(c->cmd->words[1], SLICE("offline"));
	char *argv[] = {(char[]){"weird"}, (char[]){"-t"}, (char[]){"-c"}, c->w->conf_path,
			is_offline ? (char[]){"--offline"} : NULL, NULL};
	struct spawn s = {.path = "/proc/self/exe", .argv = argv, .n_fds = 3};
	struct check_run *r;
	int p[2];

	c->severity = CTL_FAILED;
	if (c->cmd->n_words > 1 && !is_offline) {
		snprintf(c->text, sizeof(c->text), CTL_SAYS_USAGE "check [offline]");
		return;
	}
	if (n_runs >= RUNS_MAX) {
		snprintf(c->text, sizeof(c->text), "%u checks are running already", n_runs);
		return;
	}
	if (pipe2(p, O_CLOEXEC)) {
		snprintf(c->text, sizeof(c->text), "no pipe: %s", strerror(errno));
		return;
	}
	r = calloc(1, sizeof(*r));
	check(r);
	fdio_nonblock(p[0], 1);
	s.fds[0] = c->w->null_fd;
	s.fds[1] = s.fds[2] = p[1];
	r->w = c->w;
	r->asker = c->asker;
	r->fd = p[0];
	buf_init(&r->out, 0);
	r->pid = spawn_child(&s);
	close(p[1]);
	if (r->pid < 0 || uv_poll_init(c->w->loop, &r->poll, r->fd)) {
		close(p[0]);
		free(r);
		snprintf(c->text, sizeof(c->text), "the check could not be started");
		return;
	}
	uv_poll_start(&r->poll, UV_READABLE, on_output);
	list_add_tail(&runs, &r->all);
	n_runs++;
	c->is_async = 1;
}
