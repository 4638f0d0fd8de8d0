/* Parked connections of a worker that leaves go to the ready worker that has the fewest. Without one they
 * are closed: they are idle, and the web server opens another. */
#include "config.h"
#include "supervisor/weird.h"

#include <unistd.h>

#include "lib/ctl/heritage.h"

static struct child *fewest(struct weird *w, const struct child *not_this)
{
	struct child *best = NULL;
	unsigned least = 0;

	for (unsigned i = 0; i < w->n_numbers; i++) {
		struct child *c = &w->children[i];
		unsigned n = atomic_load(&child_row(c)->conns_open) + c->given;

		if (c == not_this || c->state != STATE_ready || !c->channel)
			continue;
		if (!best || n < least) {
			best = c;
			least = n;
		}
	}
	return best;
}

void handover_take(struct weird *w, struct child *from, int fd)
{
	struct child *to = fewest(w, from);

	if (to && heritage_send(to->channel->fd, HERITAGE_CONNECTION, 0, NULL, fd) == 0)
		to->given++;
	close(fd);
}
