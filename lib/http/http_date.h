/* http_date: dates as HTTP writes them, and the three forms in which it must read them (RFC 9110 5.6.7).
 * Pure; seconds since 1970 in UTC. The writer http_date() is declared in http.h; callers keep its text for a second.
 * Layer: lib/http. */
#ifndef WEIR_HTTP_HTTP_DATE_H
#define WEIR_HTTP_HTTP_DATE_H

#include <stdint.h>

#include "lib/base/slice.h"

/* IMF-fixdate, RFC 850's form (its two-digit year is the one within 50 years of now) or asctime's. Names of days and months in any
 * case; a name of a day that is not that date's is let pass, anything else must be exact. What is before 1970 reads as 0.
 * 0, or -1 (*ret untouched): no date. */
int http_date_parse(struct slice text, uint64_t now, uint64_t *ret) MUST_USE;

#endif
