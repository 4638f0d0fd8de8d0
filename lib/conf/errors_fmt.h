/* errors_fmt: lib/tbl/errors.h and sqlstates.h as tables of weir-endpoint(7).
 * Layer: lib/conf. */
#ifndef WEIR_CONF_ERRORS_FMT_H
#define WEIR_CONF_ERRORS_FMT_H

struct buf;

/* mdoc list of the codes that a client can see, by status. */
void errors_mdoc(struct buf *out);
/* mdoc list of lib/tbl/sqlstates.h. */
void sqlstates_mdoc(struct buf *out);

#endif
