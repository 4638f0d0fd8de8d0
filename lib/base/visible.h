/* visible: text of others as a log or a terminal may show it. What steers a terminal (C0, DEL, C1), turns the direction
 * of writing, breaks a line where '\n' does not, cannot be seen, or is no UTF-8, is not shown as it is.
 * Pure functions. Layer: lib/base. */
#ifndef WEIR_BASE_VISIBLE_H
#define WEIR_BASE_VISIBLE_H

#include <stdint.h>

#include "lib/base/buf.h"

#define VISIBLE_NO_UTF8 UINT32_MAX

/* Bytes at the front of s that are shown as they are. */
size_t visible_run(struct slice s);
/* What stands behind such a run: its length, and the character, or VISIBLE_NO_UTF8 and length 1. s is not empty. */
size_t visible_odd(struct slice s, uint32_t *ret);
/* s at out, each byte that is not shown as \xHH; the length, ≤ room: no escape is cut in two. */
size_t visible_put(char *out, size_t room, struct slice s);
/* The same at the end of b, which has no limit; keep_newlines: lines stay lines. */
void visible_add(struct buf *b, struct slice s, int keep_newlines);

#endif
