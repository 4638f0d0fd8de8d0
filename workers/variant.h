/* variant: a kept answer in a coding that clients accept (gzip, br), compressed once and kept beside the answer itself, under its key with
 * the coding behind it and with its times and stamps. The first client that accepts the coding gets the identity body, and when its
 * reply is out a thread of the pool compresses it; later ones get the variant, from whichever worker.
 * What depends on the caller is not compressed unless the endpoint says so: an attacker who can have text of his own put beside a
 * secret in one body, and sees the length of what it is compressed to, finds the secret out (BREACH).
 * Layer: workers. */
#ifndef WEIR_WORKERS_VARIANT_H
#define WEIR_WORKERS_VARIANT_H

struct endpoint_run;
struct opts_cache;
struct req;

/* Which codings the endpoint's answers may have; behind run->is_private. */
void variant_prepare(struct endpoint_run *run, const struct opts_cache *o);
/* Look for the variant that this client takes. 1: it is in r->meta and r->out, fresh, and r->coding says which. */
int variant_find(struct req *r);
/* The answer is ready to be sent: is it to be compressed behind the reply? */
void variant_consider(struct req *r);
/* The reply is out, r->wants_variant: takes r->out. */
void variant_make(struct req *r);

#endif
