/* utf8: is this text fit for PostgreSQL? (RFC 3629, no NUL)
 * Pure. Layer: lib/base. */
#ifndef WEIR_BASE_UTF8_H
#define WEIR_BASE_UTF8_H

#include <stdint.h>

#include "lib/base/buf.h"

/* 1 when s is valid UTF-8 without NUL, surrogates and overlong forms. ASCII is scanned by words. */
int utf8_is_valid(struct slice s);
/* s at the end of out, which has no limit, with U+FFFD for each byte of what is not valid. */
void utf8_replace(struct buf *out, struct slice s);
/* The character at the front of s, which is not empty: its length; 0: none. */
size_t utf8_decode(struct slice s, uint32_t *ret);
/* Characters in valid UTF-8. */
size_t utf8_length(struct slice s);

#endif
