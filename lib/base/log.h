/* log: one line an event, to one descriptor: "TIME NAME[PID] LEVEL: text".
 * Programs log, libraries do not. errno is kept. A line is ≤ 4096 bytes and goes out in one write;
 * when a non-blocking descriptor is full the line is dropped and counted.
 * Threads and processes: level and fd are set by the main thread; log_at may be called from any.
 * Layer: lib/base. */
#ifndef WEIR_BASE_LOG_H
#define WEIR_BASE_LOG_H

#include <stdint.h>

#include "lib/base/slice.h"

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG, LOG_LEVELS };

void log_init(const char *name, int fd, enum log_level level);
void log_set_level(enum log_level level);
enum log_level log_level(void);
void log_set_fd(int fd);
uint64_t log_dropped(void);
/* Control characters in the text are written as \xNN, so one event is one line. */
void log_at(enum log_level level, const char *fmt, ...) PRINTF(2, 3);
/* Is this descriptor the journal that systemd names in JOURNAL_STREAM? It takes a priority before a line, "<3>". log_init asks
 * for its own and writes them. */
int log_is_journal(int fd);
void log_set_priorities(int on);
/* The digit for a line that log_at made; 4 (warning) for one of a library or a backtrace. */
char log_priority(struct slice line);
/* 0 or -1. "error", "warning", "info", "debug". */
int log_parse_level(struct slice s, enum log_level *ret) MUST_USE;
const char *log_level_name(enum log_level level);

#define log_error(...) log_at(LOG_ERROR, __VA_ARGS__)
#define log_warn(...) log_at(LOG_WARN, __VA_ARGS__)
#define log_info(...) log_at(LOG_INFO, __VA_ARGS__)
#define log_debug(...) log_at(LOG_DEBUG, __VA_ARGS__)

#endif
