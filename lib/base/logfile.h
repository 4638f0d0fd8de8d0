/* logfile: where lines go: a file, a pipe, a terminal, a socket, and each of them by its name or as an own descriptor.
 * Opening never waits for a reader; writing waits no longer than it is told. A file never keeps half a line: what a full
 * disk cut is taken back, and so are the lines behind it, which the caller is told to count as lost.
 * One process may write a file that others append to. One thread. Layer: lib/base. */
#ifndef WEIR_BASE_LOGFILE_H
#define WEIR_BASE_LOGFILE_H

#include <stddef.h>
#include <stdint.h>

#include "lib/base/base.h"

struct logfile {
	int fd;			/* -1 none */
	int is_file;		/* a regular one */
	int is_torn;		/* half a line is out that cannot be taken back */
	int is_unread;		/* a pipe that nobody read when it was opened: its first lines wait in it */
	int why;		/* errno of the last loss */
};

#define LOGFILE_NONE {.fd = -1}

/* "stderr", a path, or a name of an own descriptor (/dev/stderr, /dev/fd/2). One that is open already is replaced under its
 * number, so that a write under way in a thread is not torn; it stays when the new one cannot be opened. 0 or -errno. */
int logfile_open(struct logfile *f, const char *path) MUST_USE;
void logfile_close(struct logfile *f);
/* p[0..n) ends with a newline. Waits at most patience_ms each time for a reader; 0: not at all. Returns the lines that are lost. */
size_t logfile_write(struct logfile *f, const char *p, size_t n, int patience_ms);

#endif
