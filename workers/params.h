/* params: a request's parameters gathered, checked by the declaration and by the statement's types,
 * and laid out as the statement's values. Every fault is reported, not the first.
 * Layer: workers. */
#ifndef WEIR_WORKERS_PARAMS_H
#define WEIR_WORKERS_PARAMS_H

struct req;

/* Fills r->values and r->variant, or leaves faults. */
void params_bind(struct req *r);

#endif
