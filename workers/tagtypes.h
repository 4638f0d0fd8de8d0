/* tagtypes: what fills a tag's {placeholder} here and there has to be told by the same texts, or a write would not meet
 * what it makes void: 01 and 1 are one value of an integer and two of a text.
 * Owner: the worker. One thread. Layer: workers. */
#ifndef WEIR_WORKERS_TAGTYPES_H
#define WEIR_WORKERS_TAGTYPES_H

struct errs;
struct worker;

/* After statements were described: endpoints that fill a tag in another way than an earlier one, or than a watched column, are
 * refused; what has no type of its own (the user, a claim, a path's segment that no statement reads) takes that of the
 * others. errs: the faults go there and nothing is refused; NULL: they are the statements'. */
void tagtypes_look(struct worker *w, struct errs *errs);

#endif
