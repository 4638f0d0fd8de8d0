/* handover: connections of a child that leaves or was killed go to the ready worker that has fewest.
 * A connection that no worker's channel takes at this moment, or while none is ready, waits here; while many wait, the
 * leaving child's channel is not read, so it keeps the rest itself. What a child that has ended left in its channel, it or
 * its keeper (workers/keeper.h), is passed on like the rest. */
#include "config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/check.h"
#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/ctl/heritage.h"
#include "supervisor/weird.h"

#define WAITING_MAX 256u
#define PAUSE_AT 128u

#define WAITING_NS (10 * CLOCK_S)	/* a worker starts within ready_timeout or hardly at all */

struct waiting {
	int fd;
	char *bytes;	/* of a request; or NULL */
	size_t n;
	uint64_t until_ns;
};
static struct waiting waiting[WAITING_MAX];
static unsigned n_waiting;

static uint64_t load_of(const struct child *c)
{
	return (uint64_t)atomic_load(&child_row(c)->conns_open) + c->given;
}

/* 0 given, -EAGAIN all channels are full, -ENOENT nobody is ready. */
static int give(struct weird *w, const struct child *from, int fd, struct slice read)
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
		if (heritage_send_bytes(best->channel->fd, read.p, read.n, fd) == 0) {
			best->given++;
			return 0;
		}
		result = -EAGAIN;
	}
	return result;
}

static void end(struct waiting *x)
{
	close(x->fd);
	free(x->bytes);
}

void handover_take(struct weird *w, struct child *from, int fd, struct slice read)
{
	int r = n_waiting ? -EAGAIN : give(w, from, fd, read);
	struct waiting *x = &waiting[n_waiting];

	if (r == 0 || w->stopping || n_waiting == WAITING_MAX) {
		if (r && !w->stopping)
			log_warn("a connection found no worker with room, closing it");
		close(fd);
		return;
	}
	*x = (struct waiting){.fd = fd, .until_ns = clock_mono_ns() + WAITING_NS};
	if (read.n) {
		x->bytes = malloc(read.n);
		check(x->bytes);
		memcpy(x->bytes, read.p, read.n);
		x->n = read.n;
	}
	n_waiting++;
	if (n_waiting >= PAUSE_AT)
		children_pause_leaving(w, 1);
}

void handover_tick(struct weird *w)
{
	uint64_t now;
	unsigned left = 0;
	int is_full = 0;

	if (!n_waiting)
		return;
	now = clock_mono_ns();
	for (unsigned i = 0; i < n_waiting; i++) {
		struct waiting *x = &waiting[i];

		is_full = is_full || give(w, NULL, x->fd, slice_of(x->bytes, x->n)) != 0;
		if (is_full && now < x->until_ns)
			waiting[left++] = *x;
		else
			end(x);
	}
	n_waiting = left;
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
		end(&waiting[--n_waiting]);
}
