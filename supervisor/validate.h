/* validate: what weird does instead of running: -t, -T, -V, -x.
 * Layer: supervisor. */
#ifndef WEIR_SUPERVISOR_VALIDATE_H
#define WEIR_SUPERVISOR_VALIDATE_H

struct errs;
struct snapshot;

/* snapshot_load, and what a child of weird must not judge by itself: the same files, looked at later, may be gone. */
int validate_load(struct snapshot *s, const char *conf_path, struct errs *errs);
/* Each returns the exit code. */
int validate_test(const char *conf_path, int is_offline);
int validate_print(const char *conf_path);
int validate_version(void);
int validate_describe(const char *what);

#endif
