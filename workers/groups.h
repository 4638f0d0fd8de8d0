/* groups: tags as caches outside are told of them (RFC 9875): Cache-Groups on answers that anybody may keep, and
 * Cache-Group-Invalidation on writes.
 * A private answer shows no tag, nor is one shown that is made from the caller's identity; a write names only tags that a public
 * answer may have. What does not fit is left out, which costs such a cache its time to live, not ours.
 * Layer: workers. */
#ifndef WEIR_WORKERS_GROUPS_H
#define WEIR_WORKERS_GROUPS_H

#include "lib/base/buf.h"
#include "lib/http/http_cache_status.h"

#define GROUPS_MAX_LINE 1024u	/* bytes of a line's value: the head of an answer has one page (RESPONSE_MAX_HEAD) */

struct endpoint_run;
struct req;

/* The groups of one answer; room for those of a whole's parts. */
struct groups {
	unsigned n;
	struct slice v[HTTP_GROUPS_MAX];
};

/* Decide for each endpoint which of its tags are shown; when all have been prepared (reply_prepare). */
void groups_prepare(struct endpoint_run *runs, unsigned n);
/* Add what a part's answer shows to its whole's groups, in the whole's arena. part->has_key. */
void groups_of_part(struct req *part, struct req *whole);
/* Append the line Cache-Groups of a cached answer (r->has_key), if it has any. */
void groups_line(struct req *r, struct buf *out);
/* Append the line Cache-Group-Invalidation of a write that was done. */
void groups_invalidation(struct req *r, struct buf *out);

#endif
