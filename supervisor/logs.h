/* logs: what the children and weird itself say, line by line into log.file.
 * Sources are pipes read in the loop; the file is written in libuv's thread pool, because a disk can block. What does
 * not fit 1 MiB of waiting text, or is not taken for a second, is lost and counted.
 * Layer: supervisor. */
#ifndef WEIR_SUPERVISOR_LOGS_H
#define WEIR_SUPERVISOR_LOGS_H

#include <stdint.h>
#include <uv.h>

#include "lib/base/buf.h"
#include "lib/base/err.h"

struct logs;
struct log_source;

/* One whole line without its newline, before it is written. */
typedef void (*logs_line_f)(void *arg, struct slice line);

struct logs *logs_new(uv_loop_t *loop);
/* Could that be written to, here and now? For weird and its children, who are the same user. 0, or -E_config with e. */
int logs_check(const char *path, struct err *e) MUST_USE;
/* "stderr" or a path. 0 or -E_io with e; the old file stays then. */
int logs_open(struct logs *l, const char *file, struct err *e) MUST_USE;
/* The same file again, after it was moved away. */
int logs_reopen(struct logs *l, struct err *e) MUST_USE;
/* weird's own log_* lines take the same way from now on. */
int logs_adopt_self(struct logs *l);
/* Writes what waits, and gives weird's own lines to this descriptor. -1: a thread still hangs in a write, only _exit helps. */
int logs_close(struct logs *l, int next_fd) MUST_USE;
uint64_t logs_dropped(const struct logs *l);

/* A pipe; *ret_write_end (O_NONBLOCK, CLOEXEC) is for the child. NULL with errno. */
struct log_source *logs_source_new(struct logs *l, logs_line_f on_line, void *arg,
				   int *ret_write_end);
/* Read what is left, end the last line, close. */
void logs_source_end(struct log_source **s);

#endif
