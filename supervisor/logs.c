/* logs: one writer for all lines, so that no line is torn and rotation concerns one process. */
#include "config.h"
#include "supervisor/logs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/check.h"
#include "lib/base/fdio.h"
#include "lib/base/log.h"
#include "lib/base/logfile.h"
#include "supervisor/listen.h"

#define LINE_MAX_BYTES 4096u
#define WAITING_MAX (1u << 20)
#define PATIENCE_MS 1000	/* of the writing thread with a descriptor that takes nothing */
#define END_MS 2500		/* of logs_close, with a write that does not come back */

struct logs {
	uv_loop_t *loop;
	char *file;
	struct logfile to;
	struct logfile thread_to;	/* the thread's copy while it writes */
	int has_priorities;		/* it is the journal */
	struct buf waiting, writing;
	uv_work_t work;
	int is_writing;
	int is_closed;
	uint64_t dropped;		/* lines */
	size_t thread_lost, lost;	/* by the write under way; since one has worked again */
	struct log_source *self;
	int self_fd;
};

struct log_source {
	uv_poll_t poll;
	struct logs *logs;
	int fd;
	logs_line_f on_line;
	void *arg;
	size_t n;
	char line[LINE_MAX_BYTES];
};

/* In a thread of the pool. */
static void on_work(uv_work_t *work)
{
	struct logs *l = CONTAINER_OF(work, struct logs, work);

	l->thread_lost = logfile_write(&l->thread_to, l->writing.p, l->writing.n, PATIENCE_MS);
	l->writing.n = 0;
}

static void flush(struct logs *l);

static void written(struct logs *l)
{
	size_t told = l->lost;

	l->is_writing = 0;
	if (l->to.fd == l->thread_to.fd && l->to.is_file == l->thread_to.is_file)
		l->to = l->thread_to;
	l->dropped += l->thread_lost;
	l->lost += l->thread_lost;
	if (l->thread_lost || !told)
		return;
	l->lost = 0;
	log_warn("%zu log lines were lost: %s", told, strerror(l->to.why == EAGAIN ? ETIMEDOUT : l->to.why));
}

static void on_work_done(uv_work_t *work, int status)
{
	struct logs *l = CONTAINER_OF(work, struct logs, work);

	(void)status;
	written(l);
	flush(l);
}

static void flush(struct logs *l)
{
	struct buf b;

	if (l->is_writing || !l->waiting.n || l->is_closed)
		return;
	b = l->writing;
	l->writing = l->waiting;
	l->waiting = b;
	l->is_writing = 1;
	l->thread_to = l->to;
	if (uv_queue_work(l->loop, &l->work, on_work, on_work_done)) {
		on_work(&l->work);
		written(l);
	}
}

static void add_line(struct logs *l, struct slice line)
{
	if (buf_reserve(&l->waiting, line.n + 4)) {
		l->dropped++;
		return;
	}
	if (l->has_priorities) {
		char head[3] = {'<', log_priority(line), '>'};

		buf_add(&l->waiting, head, sizeof(head));
	}
	buf_add(&l->waiting, line.p, line.n);
	buf_addc(&l->waiting, '\n');
}

struct logs *logs_new(uv_loop_t *loop)
{
	struct logs *l = calloc(1, sizeof(*l));

	check(l);
	l->loop = loop;
	l->to.fd = -1;
	l->self_fd = -1;
	buf_init(&l->waiting, WAITING_MAX);
	buf_init(&l->writing, WAITING_MAX);
	return l;
}

int logs_check(const char *path, struct err *e)
{
	struct stat st;

	if (path[0] != '/' || strncmp(path, "/dev/", 5) == 0)
		return 0;
	if (stat(path, &st))
		return errno == ENOENT ? listen_check_folder(path, 1, e) : err_set(e, E_config, "%s: %s", path, strerror(errno));
	if (S_ISDIR(st.st_mode))
		return err_set(e, E_config, "%s: it is a folder", path);
	if (!S_ISSOCK(st.st_mode) && access(path, W_OK))
		return err_set(e, E_config, "%s: %s", path, strerror(errno));
	return 0;
}

int logs_open(struct logs *l, const char *file, struct err *e)
{
	char *copy;
	int rc = logfile_open(&l->to, file);

	if (rc)
		return err_set(e, E_io, "log.file: cannot open %s: %s", file,
			       rc == -ENXIO ? "it is a socket" : strerror(-rc));
	if (l->to.is_unread)
		log_warn("log.file: nobody reads the pipe %s yet; what does not fit into it is lost", file);
	l->has_priorities = log_is_journal(l->to.fd);
	copy = strdup(file);
	free(l->file);
	l->file = copy;
	return 0;
}

int logs_reopen(struct logs *l, struct err *e)
{
	char *file = strdup(l->file ? l->file : "stderr");
	int r = logs_open(l, file, e);

	free(file);
	return r;
}

uint64_t logs_dropped(const struct logs *l)
{
	return l->dropped + log_dropped();
}

/* ---- sources ---- */

static void take_line(struct log_source *s, struct slice line)
{
	if (s->on_line)
		s->on_line(s->arg, line);
	add_line(s->logs, line);
}

/* Cut s->line[0..n) into lines; what has no newline yet moves to the front. */
static void cut_lines(struct log_source *s)
{
	size_t at = 0;
	const char *nl;

	while ((nl = memchr(s->line + at, '\n', s->n - at)) != NULL) {
		take_line(s, slice_of(s->line + at, (size_t)(nl - s->line) - at));
		at = (size_t)(nl - s->line) + 1;
	}
	if (at == 0 && s->n == sizeof(s->line)) {
		take_line(s, slice_of(s->line, s->n));
		at = s->n;
	}
	memmove(s->line, s->line + at, s->n - at);
	s->n -= at;
}

/* 1 something came, 0 nothing now, -1 end. */
static int read_some(struct log_source *s)
{
	ssize_t r = read(s->fd, s->line + s->n, sizeof(s->line) - s->n);

	if (r > 0) {
		s->n += (size_t)r;
		cut_lines(s);
		return 1;
	}
	return r < 0 && (errno == EAGAIN || errno == EINTR) ? 0 : -1;
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
	struct log_source *s = CONTAINER_OF(poll, struct log_source, poll);

	(void)events;
	/* At most 64 KiB a turn: a child that shouts must not starve the loop. */
	for (int i = 0; i < 16; i++) {
		int r = status < 0 ? -1 : read_some(s);

		if (r < 0)
			uv_poll_stop(&s->poll);
		if (r <= 0)
			break;
	}
	flush(s->logs);
}

struct log_source *logs_source_new(struct logs *l, logs_line_f on_line, void *arg, int *ret_write_end)
{
	struct log_source *s;
	int p[2];

	if (pipe2(p, O_CLOEXEC | O_NONBLOCK))
		return NULL;
	s = calloc(1, sizeof(*s));
	check(s);
	s->logs = l;
	s->fd = p[0];
	s->on_line = on_line;
	s->arg = arg;
	if (uv_poll_init(l->loop, &s->poll, s->fd)) {
		close(p[0]);
		close(p[1]);
		free(s);
		errno = EMFILE;
		return NULL;
	}
	uv_poll_start(&s->poll, UV_READABLE, on_readable);
	*ret_write_end = p[1];
	return s;
}

static void on_source_closed(uv_handle_t *h)
{
	struct log_source *s = CONTAINER_OF((uv_poll_t *)(void *)h, struct log_source, poll);

	close(s->fd);
	free(s);
}

void logs_source_end(struct log_source **sp)
{
	struct log_source *s = *sp;

	if (!s)
		return;
	*sp = NULL;
	for (int i = 0; i < 64 && read_some(s) > 0; i++)
		;
	if (s->n)
		take_line(s, slice_of(s->line, s->n));
	s->on_line = NULL;
	flush(s->logs);
	uv_close((uv_handle_t *)&s->poll, on_source_closed);
}

int logs_adopt_self(struct logs *l)
{
	l->self = logs_source_new(l, NULL, NULL, &l->self_fd);
	if (!l->self)
		return -errno;
	log_set_priorities(0);	/* they are set where the line goes out */
	log_set_fd(l->self_fd);
	return 0;
}

static void on_end(uv_timer_t *t)
{
	*(int *)t->data = 1;
}

int logs_close(struct logs *l, int next_fd)
{
	uv_timer_t end;
	int is_over = 0;

	log_set_fd(next_fd);
	log_set_priorities(log_is_journal(next_fd));
	if (l->self) {
		while (read_some(l->self) > 0)
			;
		logs_source_end(&l->self);
		close(l->self_fd);
	}
	l->is_closed = 1;
	uv_timer_init(l->loop, &end);
	end.data = &is_over;
	uv_timer_start(&end, on_end, END_MS, 0);
	while (l->is_writing && !is_over)
		uv_run(l->loop, UV_RUN_ONCE);
	uv_close((uv_handle_t *)&end, NULL);
	uv_run(l->loop, UV_RUN_NOWAIT);
	if (l->is_writing)
		return -1;	/* a disk that hangs: the thread has the buffers */
	if (l->waiting.n)
		logfile_write(&l->to, l->waiting.p, l->waiting.n, PATIENCE_MS);
	buf_done(&l->waiting);
	buf_done(&l->writing);
	logfile_close(&l->to);
	free(l->file);
	l->file = NULL;
	return 0;
}
