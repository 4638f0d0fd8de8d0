#include "config.h"

#include "lib/base/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>

#include "lib/base/clock.h"

#define LINE_MAX_BYTES 4096

static const char *const names[LOG_LEVELS] = {"error", "warning", "info", "debug"};

static const char *program = "weir";
static int out_fd = 2;
static _Atomic int current = LOG_INFO;
static _Atomic uint64_t dropped;

void log_init(const char *name, int fd, enum log_level level)
{
	program = name;
	out_fd = fd;
	log_set_level(level);
}

void log_set_level(enum log_level level)
{
	if (level < LOG_LEVELS)
		atomic_store_explicit(&current, (int)level, memory_order_relaxed);
}

enum log_level log_level(void)
{
	return (enum log_level)atomic_load_explicit(&current, memory_order_relaxed);
}

void log_set_fd(int fd)
{
	out_fd = fd;
}

uint64_t log_dropped(void)
{
	return atomic_load_explicit(&dropped, memory_order_relaxed);
}

const char *log_level_name(enum log_level level)
{
	return level < LOG_LEVELS ? names[level] : "?";
}

int log_parse_level(struct slice s, enum log_level *ret)
{
	for (unsigned i = 0; i < LOG_LEVELS; i++)
		if (slice_eq(s, slice_str(names[i]))) {
			*ret = (enum log_level)i;
			return 0;
		}
	return -1;
}

/* Copy text, control characters as \xNN, as much as there is room for; the length. */
static size_t put_text(char *out, size_t room, const char *text)
{
	static const char hex[] = "0123456789abcdef";
	size_t n = 0;

	for (; *text && n + 4 < room; text++) {
		unsigned char c = (unsigned char)*text;

		if (c >= 0x20 && c != 0x7f) {
			out[n++] = *text;
			continue;
		}
		out[n++] = '\\';
		out[n++] = 'x';
		out[n++] = hex[c >> 4];
		out[n++] = hex[c & 15];
	}
	return n;
}

void log_at(enum log_level level, const char *fmt, ...)
{
	char text[LINE_MAX_BYTES], line[LINE_MAX_BYTES], when[32];
	int saved = errno, n;
	size_t at;
	va_list ap;

	if (level > log_level())
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	clock_format_wall(clock_wall_us(), when);
	n = snprintf(line, sizeof(line), "%s %s[%d] %s: ", when, program, (int)getpid(), log_level_name(level));
	at = n > 0 ? (size_t)n : 0;
	at += put_text(line + at, sizeof(line) - at - 1, text);
	line[at++] = '\n';
	if (write(out_fd, line, at) != (ssize_t)at)
		atomic_fetch_add_explicit(&dropped, 1, memory_order_relaxed);
	errno = saved;
}
