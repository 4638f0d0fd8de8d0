/* errs: a growing list of errors, because every fault of a configuration is reported, not the first; and one of
 * warnings beside it: what is valid and most likely not what was meant. A warning refuses nothing. weird -t, a start
 * and a reload all say them.
 * Owner: whoever called errs_init. Layer: lib/conf. */
#ifndef WEIR_CONF_ERRS_H
#define WEIR_CONF_ERRS_H

#include "lib/base/err.h"
#include "lib/base/buf.h"

/* At most 200 are kept, n_all counts on. */
struct err_list {
	struct err *v;
	size_t n, cap;
	size_t n_all;
};

struct errs {
	struct err *v;		/* the errors, as in struct err_list */
	size_t n, cap;
	size_t n_all;
	struct err_list warnings;
};

void errs_init(struct errs *e);
void errs_done(struct errs *e);
/* Returns -id. */
int errs_add(struct errs *e, enum err_id id, const char *file, unsigned line, unsigned col,
	     const char *fmt, ...) PRINTF(6, 7);
/* file is NULL, line and col 0 where there is no such place. */
void errs_warn(struct errs *e, const char *file, unsigned line, unsigned col, const char *fmt, ...) PRINTF(5, 6);
/* One line each: "file:line:col: text". */
void errs_to_text(const struct errs *e, struct buf *out);
/* The warnings likewise, "warning: " before each. */
void errs_warnings_to_text(const struct errs *e, struct buf *out);

#endif
