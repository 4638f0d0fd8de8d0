/* tier: the cache's second tier, memcached shared by hosts, as a worker uses it: the owner of a flight asks it before
 * it asks the database, and what the database answered is left there for others.
 *
 * What comes back is believed only when nothing that this host knows of speaks against it: it is whole and of this key
 * and server; it was read by a snapshot that saw every write under its tags (lib/shm/stamps.h) and every purge; and
 * nobody writes under them now.
 * Owner: the worker. One thread; memcached's own is inside lib/mc. Layer: workers. */
#ifndef WEIR_WORKERS_TIER_H
#define WEIR_WORKERS_TIER_H

#include "lib/base/err.h"
#include "lib/base/slice.h"

struct req;
struct tier;
struct worker;

/* w->tier, or NULL when no server is configured. 0, or -id with e. */
int tier_open(struct worker *w, struct err *e) MUST_USE;
void tier_close(struct worker *w);
/* Once per turn, behind everything that asks. */
void tier_flush(struct worker *w);
/* At each heartbeat: counters, keys that are to be deleted. is_first: this worker is the one that does what one does. */
void tier_beat(struct worker *w, int is_first);

/* Before a query of r is sent: what will make its answer comparable. */
void tier_mark(struct req *r);
/* 1: asked; r waits, and runs again when there is an answer or no more time for one. 0: there is nobody to ask. */
int tier_ask(struct req *r);
/* No more time: r goes on without. */
void tier_late(struct req *r);
void tier_forget(struct req *r);
/* What is there of r's key is older than r's answer. */
void tier_delete(struct req *r);
/* The answer of r->meta in pieces, headers first. */
void tier_fill(struct req *r, const struct slice pieces[2]);

#endif
