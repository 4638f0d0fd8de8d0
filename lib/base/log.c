/* log: one line an event, in one write, so that the lines of several processes on one descriptor
 * do not mix (O_APPEND files and pipes up to PIPE_BUF, which is the 4096 of a line). */
#include "config.h"

#include "lib/base/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/check.h"
#include "lib/base/clock.h"
#include "lib/base/visible.h"

#define LINE 4096u

static const char *const names[LOG_LEVELS] = {"error", "warning", "info", "debug"};

/* Written by the main thread, read by all. */
static char log_name[32] = "weir";
static int log_fd = STDERR_FILENO;
static int max_level = LOG_INFO;
static int with_priorities;
static uint64_t n_dropped;

/* syslog's, of the levels above */
static const char digits[LOG_LEVELS] = {'3', '4', '6', '7'};

void log_init(const char *name, int fd, enum log_level level)
{
	snprintf(log_name, sizeof(log_name), "%s", name);
	log_set_fd(fd);
	log_set_priorities(log_is_journal(fd));
	log_set_level(level);
}

void log_set_level(enum log_level level)
{
	check(level < LOG_LEVELS);
	__atomic_store_n(&max_level, (int)level, __ATOMIC_RELAXED);
}

enum log_level log_level(void)
{
	return (enum log_level)__atomic_load_n(&max_level, __ATOMIC_RELAXED);
}

void log_set_fd(int fd)
{
	__atomic_store_n(&log_fd, fd, __ATOMIC_RELAXED);
}

uint64_t log_dropped(void)
{
	return __atomic_load_n(&n_dropped, __ATOMIC_RELAXED);
}

static void write_line(const char *line, size_t n)
{
	int fd = __atomic_load_n(&log_fd, __ATOMIC_RELAXED);
	ssize_t done;

	if (fd < 0)
		return;
	do
		done = write(fd, line, n);
	while (done < 0 && errno == EINTR);
	if (done < 0)
		__atomic_fetch_add(&n_dropped, 1, __ATOMIC_RELAXED);
}

void log_at(enum log_level level, const char *fmt, ...)
{
	char text[LINE], line[LINE], now[32];
	int saved = errno, n;
	size_t at;
	va_list ap;

	if ((int)level > __atomic_load_n(&max_level, __ATOMIC_RELAXED))
		return;
	check(level < LOG_LEVELS);
	va_start(ap, fmt);
	n = vsnprintf(text, sizeof(text), fmt, ap); /* %m sees the caller's errno */
	va_end(ap);
	if (n < 0)
		n = 0;
	if ((size_t)n >= sizeof(text))
		n = (int)sizeof(text) - 1;
	clock_format_wall(clock_wall_us(), now);
	at = (size_t)snprintf(line, sizeof(line), "%.3s%s %s[%d] %s: ",
			      with_priorities ? (char[]){'<', digits[level], '>', '\0'} : "", now, log_name, (int)getpid(),
			      names[level]);
	at += visible_put(line + at, sizeof(line) - 1 - at, slice_of(text, (size_t)n));
	line[at++] = '\n';
	write_line(line, at);
	errno = saved;
}

int log_is_journal(int fd)
{
	const char *stream = getenv("JOURNAL_STREAM");
	unsigned long dev, ino;
	struct stat st;

	return stream && sscanf(stream, "%lu:%lu", &dev, &ino) == 2 && fstat(fd, &st) == 0 && st.st_dev == (dev_t)dev &&
	       st.st_ino == (ino_t)ino;
}

void log_set_priorities(int on)
{
	with_priorities = on;
}

char log_priority(struct slice line)
{
	struct slice rest = line, level;

	(void)slice_cut(&rest, ' ');
	(void)slice_cut(&rest, ' ');
	level = slice_cut(&rest, ':');
	for (int i = 0; i < LOG_LEVELS; i++)
		if (slice_eq(level, slice_str(names[i])))
			return digits[i];
	return '4';
}

int log_parse_level(struct slice s, enum log_level *ret)
{
	for (int i = 0; i < LOG_LEVELS; i++)
		if (slice_eq(s, slice_str(names[i]))) {
			*ret = (enum log_level)i;
			return 0;
		}
	return -1;
}

const char *log_level_name(enum log_level level)
{
	check(level < LOG_LEVELS);
	return names[level];
}
