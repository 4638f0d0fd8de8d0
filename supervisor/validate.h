/* validate: what weird does instead of running: -t, -T, -V, -x.
 * Layer: supervisor. */
#ifndef WEIR_SUPERVISOR_VALIDATE_H
#define WEIR_SUPERVISOR_VALIDATE_H

/* Each returns the exit code. */
int validate_test(const char *conf_path, int is_offline);
int validate_print(const char *conf_path);
int validate_version(void);
int validate_describe(const char *what);

#endif
