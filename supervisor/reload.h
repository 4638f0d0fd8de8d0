/* reload: a new generation, candidate first, then row by row, back to the old one on any failure.
 * One at a time; whoever asks meanwhile is answered by one following run.
 * Layer: supervisor. */
#ifndef WEIR_SUPERVISOR_RELOAD_H
#define WEIR_SUPERVISOR_RELOAD_H

#include "supervisor/control.h"
#include "supervisor/weird.h"

void reload_init(struct weird *w);
/* asker NULL: nobody waits (SIGHUP, NOTIFY). */
void reload_request(struct weird *w, const struct asker *asker);
/* Between the first look at the files and the answer. */
int reload_is_active(const struct weird *w);
/* The worker that tries the new generation; it does not count as one of the old. */
/* The worker that is started now decides over a new configuration: one statement that is refused ends it. */
int reload_is_strict(const struct weird *w);
const struct child *reload_candidate(const struct weird *w);
const char *reload_phase(const struct weird *w);
/* weird stops: everybody who waits is told. */
void reload_abort(struct weird *w);

#endif
