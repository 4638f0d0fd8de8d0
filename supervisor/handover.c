/* handover: parked connections of a child that leaves go to the ready worker that has fewest.
 * A connection that no worker's channel takes at this moment waits here; while many wait, the leaving
 * child's channel is not read, so it keeps the rest itself. What a child that has ended left in its channel is
 * passed on like the rest. */
#include "config.h"

#include <errno.h>
#include <unistd.h>

#include "lib/base/log.h"
#include "lib/ctl/heritage.h"
#include "supervisor/weird.h"

#define WAITING_MAX 256u
#define PAUSE_AT 128u

static int waiting[WAITING_MAX];
static unsigned n_waiting;

static uint64_t load_of(const struct child *c)
{
	return (uint64_t)atomic_load(&child_row(c)->conns_open) + c->given;
}

/* 0 given, -EAGAIN all channels are full, -ENOENT nobody is ready. */
static int give(struct weird *w, const struct child *from, int fd)
{
	uint64_t above = 0;
	int result = -ENOENT;

	/* The ready ones in order of load, until one takes it. */
	for (unsigned tries = 0; tries < w->n_numbers; tries++) {
		struct child *best = NULL;

		for (unsigned i = 0; i < w->n_numbers; i++) {
			struct child *c = &w->children[i];
			uint64_t key = load_of(c) << 8 | i;

			if (c->state == STATE_ready && c->channel && c != from && key >= above &&
			    (!best || key < (load_of(best) << 8 | best->number)))
				best = c;
		}
		if (!best)
			break;
		above = (load_of(best) << 8 | best->number) + 1;
		if (heritage_send(best->channel->fd, HERITAGE_CONNECTION, 0, NULL, fd) == 0) {
			best->given++;
			return 0;
		}
		result = -EAGAIN;
	}
	return result;
}

void handover_take(struct weird *w, struct child *from, int fd)
{
	int r = n_waiting ? -EAGAIN : give(w, from, fd);

	if (r == -EAGAIN && n_waiting < WAITING_MAX) {
		waiting[n_waiting++] = fd;
		if (n_waiting >= PAUSE_AT)
			children_pause_leaving(w, 1);
		return;
	}
	if (r == -EAGAIN)
		log_warn("a parked connection found no worker with room, closing it");
	close(fd);
}

void handover_tick(struct weird *w)
{
	unsigned i = 0;

	if (!n_waiting)
		return;
	for (; i < n_waiting; i++) {
		if (give(w, NULL, waiting[i]) == -EAGAIN)
			break;
		close(waiting[i]);
	}
	for (unsigned k = i; k < n_waiting; k++)
		waiting[k - i] = waiting[k];
	n_waiting -= i;
	if (n_waiting < PAUSE_AT)
		children_pause_leaving(w, 0);
}

int handover_is_waiting(void)
{
	return n_waiting != 0;
}

void handover_done(struct weird *w)
{
	(void)w;
	while (n_waiting)
		close(waiting[--n_waiting]);
}
