/* spawn: fork and exec of a child with an exact set of descriptors.
 * Not uv_spawn: that clears O_NONBLOCK on the child's descriptors 0–2, which is a property of the shared open
 * file, so every spawn would make the listener blocking for all running workers.
 * Layer: supervisor. */
#ifndef WEIR_SUPERVISOR_SPAWN_H
#define WEIR_SUPERVISOR_SPAWN_H

#include <sys/types.h>

#include "lib/base/base.h"

/* Most descriptors one child may get: 7 + 126 eventfds + 7 further listeners. */
#define SPAWN_FDS_MAX 160

struct spawn {
	const char *path;
	char *const *argv;
	unsigned n_fds;
	int fds[SPAWN_FDS_MAX];	/* fds[i] becomes descriptor i; -1 leaves i closed */
	int oom_score_adj;	/* added to what weird has; 0 leaves it */
	int is_deaf;		/* to the signals that a terminal or an operator sends to a whole group */
};

/* The pid or -errno. When exec fails the child says so on its descriptor 2 and exits 81. */
pid_t spawn_child(const struct spawn *s) MUST_USE;
/* Where a program of ours lies: $WEIR_LIBEXEC, beside weird, ../workers in a build tree, the configured
 * sbindir. 0 and the path, or -1 (path is then the last place looked at). */
int spawn_find(const char *name, char *path, size_t n) MUST_USE;

#endif
