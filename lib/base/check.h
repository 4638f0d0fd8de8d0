/* check: assertions that stay on in production, for programmers' mistakes only.
 * A failed check writes file, line and expression to fd 2 and into the note buffer (the board slot
 * of the process, given once at start), then aborts.
 * Threads and processes: the note buffer is per process, set before threads start.
 * Layer: lib/base. */
#ifndef WEIR_BASE_CHECK_H
#define WEIR_BASE_CHECK_H

#include "lib/base/base.h"

#define check(cond) \
	(likely(cond) ? (void)0 : check_failed(#cond, __FILE__, __LINE__, __func__))

/* Where a failed check leaves its sentence besides fd 2; n bytes with the final NUL. */
void check_note_into(char *buf, size_t n);
void check_failed(const char *expr, const char *file, int line, const char *func) NORETURN;

#endif
