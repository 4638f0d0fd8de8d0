/* b64: base64url without padding (RFC 4648 section 5, as RFC 7515 uses it), strict: no blanks, no
 * padding, and the unused bits of the last character are zero, so that each value has one spelling.
 * Pure. Layer: lib/base. */
#ifndef WEIR_BASE_B64_H
#define WEIR_BASE_B64_H

#include "lib/base/slice.h"

/* Bytes that n characters decode to at most. */
#define B64_ROOM(n) ((n) / 4 * 3 + 2)

/* out has room for B64_ROOM(in.n) bytes. 0, or -1 (out undefined). */
int b64url_decode(struct slice in, char *out, size_t *ret_n) MUST_USE;

#endif
