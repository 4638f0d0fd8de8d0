/* refused: why a worker could not connect to a database, as the latest of them was told. Written by any worker that
 * comes first; who finds another one writing leaves it to the next failure, which is not far. A writer that died in the
 * middle is followed by whoever fails next. Read by weir-monitor.
 * Layer: lib/shm. */
#ifndef WEIR_SHM_REFUSED_H
#define WEIR_SHM_REFUSED_H

#include <stdatomic.h>
#include <stdint.h>

#define REFUSED_TEXT 200u

struct region;

struct refused {
	_Atomic uint32_t writer;	/* number + 1; 0: nobody */
	_Atomic uint32_t seq;		/* odd while it is written */
	char text[REFUSED_TEXT];	/* one line, no secrets */
};

void refused_set(const struct region *r, struct refused *f, unsigned number, const char *text);
/* 0, or -1: it is just being written (out is empty then). */
int refused_get(const struct refused *f, char out[REFUSED_TEXT]);

#endif
