/* cachekey: what a cached answer is found by, and the tags it depends on.
 * The key holds everything that reaches the statement: whatever shapes the endpoint's answers (lib/tbl/depends.h is the
 * list), the variant, every value, and the caller's identity as far as the endpoint is declared to depend on it. What is
 * not in the key does not reach the query.
 * Layer: workers. */
#ifndef WEIR_WORKERS_CACHEKEY_H
#define WEIR_WORKERS_CACHEKEY_H

#include "lib/base/buf.h"
#include "lib/conf/endpoint.h"
#include "lib/shm/stamps.h"

struct req;

/* Of this build, as far as what is stored goes. */
uint64_t cachekey_build(void);
/* 16 bytes that change whenever the endpoint's answer could by an edit of its file, of a part's, or of weir.conf; and which
 * servers it and its parts ask: apart, because memcached knows them by what they are and not by how this host finds them. */
void cachekey_of_endpoint(const struct options *o, const struct endpoint *ep, uint8_t out[16], uint64_t *ret_place);
/* How the database block says where its server is. */
uint64_t cachekey_place(const struct options *o, unsigned database);
/* Fill r->key, text and hash; after params_bind. 0, or -1: the key would be too long. */
int cachekey_make(struct req *r);
/* What stands in place of one part of a template, as it was given; empty for NULL. */
struct slice cachekey_value(const struct req *r, const struct tag_part *part);
/* f, which does not touch the worker's scratch, gets the tag with the values of this request, one text for all that are equal;
 * several, if it is not known yet by which type they are. 0, or -1 as soon as f says so. */
typedef int cachekey_tag_f(void *ctx, struct slice tag);
int cachekey_tag(struct req *r, const struct tag_template *tag, cachekey_tag_f *f, void *ctx);
/* The slots of tags into set, whatever is in it, values of this request filled in. 0; -1: there is no room for all, which
 * happens only where types are not known. */
int cachekey_tags(struct req *r, const struct tag_template *tags, unsigned n, struct stamp_set *set) MUST_USE;

#endif
