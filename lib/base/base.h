/* base: the few macros that every file of Weir shares.
 * Layer: lib/base. */
#ifndef WEIR_BASE_BASE_H
#define WEIR_BASE_BASE_H

#include <stddef.h>

#define MUST_USE __attribute__((warn_unused_result))
#define PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))
#define NORETURN __attribute__((noreturn))
#define UNUSED __attribute__((unused))
#define likely(x) __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))
#define CONTAINER_OF(ptr, type, member) ((type *)(void *)((char *)(ptr) - offsetof(type, member)))
#define STRINGIFY_(x) #x
#define STRINGIFY(x) STRINGIFY_(x)

/* AUTO(buf) struct buf b: x_done(&b) runs when the scope ends. */
#define AUTO(type) __attribute__((cleanup(type##_done)))

#define WEIR_CACHE_LINE 64

#endif
