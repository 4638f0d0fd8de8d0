/* errs: a growing list of errors, because every fault of a configuration is reported, not the first.
 * Owner: whoever called errs_init. Layer: lib/conf. */
#ifndef WEIR_CONF_ERRS_H
#define WEIR_CONF_ERRS_H

#include "lib/base/err.h"
#include "lib/base/buf.h"

struct errs {
	struct err *v;
	size_t n, cap;		/* at most 200 are kept, n_all counts on */
	size_t n_all;
};

void errs_init(struct errs *e);
void errs_done(struct errs *e);
/* Returns -id. */
int errs_add(struct errs *e, enum err_id id, const char *file, unsigned line, unsigned col,
	     const char *fmt, ...) PRINTF(6, 7);
/* One line each: "file:line:col: text". */
void errs_to_text(const struct errs *e, struct buf *out);

#endif
