/* holders: which processes have a socket that listens: those that keep a weird out of its place are named, and those that a killed
 * weird left behind and that cannot leave by themselves (they are stopped) are ended. Reads /proc; what this user may not
 * look at is not found. Layer: supervisor. */
#ifndef WEIR_SUPERVISOR_HOLDERS_H
#define WEIR_SUPERVISOR_HOLDERS_H

#include "lib/base/buf.h"

/* address: as in `listen`. Appends " (weir-worker, pid 12, stopped; …)", or nothing where none is found. */
void holders_say(const char *address, struct buf *out);
/* Of our programs, stopped, whose weird is dead: SIGKILL. How many. Never one of another pid namespace. */
unsigned holders_end_orphans(const char *address);

#endif
