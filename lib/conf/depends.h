/* depends: which options and directives shape an answer (lib/tbl/depends.h), and what they say, as text for a key.
 * Layer: lib/conf. */
#ifndef WEIR_CONF_DEPENDS_H
#define WEIR_CONF_DEPENDS_H

#include "lib/base/buf.h"
#include "lib/conf/directive.h"
#include "lib/conf/options.h"

enum depends { DEPENDS_APART, DEPENDS_SHAPES, DEPENDS_SERVER };

/* By the row's place in options_table. */
enum depends depends_option(size_t row);
enum depends depends_directive(enum dir_id id);
/* Append what shapes the answers of an endpoint on this database block, besides what is SERVER. */
void depends_put(const struct options *o, unsigned database, struct buf *out);
/* The directive as it is written, if it shapes the endpoint's answers, into its e->shape. */
void depends_note(struct dir *d, enum dir_id id, struct slice text);

#endif
