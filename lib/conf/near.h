/* near: the known word that a mistyped one is closest to.
 * Pure. Layer: lib/conf. */
#ifndef WEIR_CONF_NEAR_H
#define WEIR_CONF_NEAR_H

#include "lib/base/slice.h"

/* NULL when none is near enough to be meant. words may hold NULLs, which are skipped. */
const char *near_word(struct slice word, const char *const *words, size_t n);
/* " (did you mean 'x'?)" or "" into out; returns out. */
const char *near_hint(struct slice word, const char *const *words, size_t n, char out[96]);

#endif
