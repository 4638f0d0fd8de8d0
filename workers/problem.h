/* problem: an error as the client sees it: an RFC 9457 document. Never SQL, a path or a stack.
 * Layer: workers. */
#ifndef WEIR_WORKERS_PROBLEM_H
#define WEIR_WORKERS_PROBLEM_H

struct req;
struct buf;

/* Append the document for r->error. */
void problem_write(const struct req *r, struct buf *out);

#endif
