/* http_store: what RFC 9111 lets a shared cache keep, for how long, and for which requests.
 * The caller owns the store and the clock: a policy is made when the response has come, kept beside it, and asked with the
 * seconds since. Stricter than the RFC: only answers to GET are kept, none with Set-Cookie, none with Vary: *, no 206.
 * An unreadable Age makes an answer stale.
 * Pure. Layer: lib/http. */
#ifndef WEIR_HTTP_HTTP_STORE_H
#define WEIR_HTTP_HTTP_STORE_H

#include <stdint.h>

#include "lib/http/http_cc.h"
#include "lib/http/http_fields.h"

#define HTTP_HEURISTIC_MAX 86400	/* longest lifetime that is only guessed */

struct http_exchange {
	struct slice method;
	const struct http_fields *request;
	int status;
	const struct http_fields *response;	/* before http_fields_clean */
	uint64_t request_wall, response_wall;	/* seconds since 1970 when it was asked and when the answer came */
};

/* Plain data, to be stored as it is. Seconds. */
struct http_policy {
	int64_t lifetime;		/* freshness lifetime; 0 with no-cache */
	int64_t initial_age;		/* corrected_initial_age (4.2.3) */
	int64_t stale_while_revalidate, stale_if_error;	/* 0: not allowed */
	uint32_t flags;			/* enum http_cc_flag of the response */
	uint32_t is_strict;		/* must not be used stale: must-revalidate, proxy-revalidate, s-maxage, no-cache */
};

enum http_reuse {
	HTTP_REUSE_FRESH,
	HTTP_REUSE_STALE,		/* stale, and the request takes it (max-stale) */
	HTTP_REUSE_REFRESH,		/* stale-while-revalidate: use it, and fetch a new one behind */
	HTTP_REUSE_VALIDATE		/* not before the origin was asked */
};

/* May this answer be stored (RFC 9111 3, 3.5)? 1 and *ret, or 0. A response without freshness but with a validator is stored
 * with a lifetime of 0. */
int http_policy_make(const struct http_exchange *x, struct http_policy *ret) MUST_USE;
/* Its age, resident seconds after it came; never negative (a clock that went back counts as none). */
int64_t http_policy_age(const struct http_policy *p, int64_t resident);
/* May it answer this GET or HEAD, whose Vary fields match? With obeys_request the request's Cache-Control and Pragma count; without,
 * they are not looked at, as RFC 9111 5.2.1 allows. */
enum http_reuse http_policy_reuse(const struct http_policy *p, const struct http_fields *request, int obeys_request,
				  int64_t resident);
/* May it be sent although the origin failed (RFC 5861 4)? grace: seconds allowed when the response says nothing. */
int http_policy_on_error(const struct http_policy *p, int64_t resident, int64_t grace);
/* Is the status one whose meaning is known here, and one that may be kept without being told so (RFC 9110 15.1)? */
int http_status_is_understood(int status);
int http_status_is_heuristic(int status);
/* A method that changes nothing, by the registry of RFC 9110 16.1.1; unknown ones do. */
int http_method_is_safe(struct slice method);
/* The Cache-Control of a message, all lines as one. */
void http_cc_of(const struct http_fields *f, struct http_cc *ret);

#endif
