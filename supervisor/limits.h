/* limits: does what the configuration asks for fit into what this process may have?
 * Layer: supervisor. */
#ifndef WEIR_SUPERVISOR_LIMITS_H
#define WEIR_SUPERVISOR_LIMITS_H

#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/conf/options.h"

/* Descriptors, by the plan of this configuration: 0, or -E_config with e that says how many are needed. */
int limits_check_files(const struct options *o, struct err *e) MUST_USE;
/* Threads and processes: as many as there will be are made and ended. */
int limits_check_threads(const struct options *o, struct err *e) MUST_USE;
/* What starts, but not as it is meant; each line ends with a newline. shared: bytes of shared memory. */
void limits_warn(const struct options *o, uint64_t shared, struct buf *out);

/* The least memory limit of this process's control group and those above it, v1 and v2; UINT64_MAX: none. The text of
 * /proc/self/cgroup, and where the file systems are mounted. */
uint64_t limits_group_memory(struct slice proc_cgroup, const char *mounted);

#endif
