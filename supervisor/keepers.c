/* keepers: what a dead worker's keeper (workers/keeper.h) holds, a web server waits for: it gives it back soon, or is
 * ended. By its worker's death it has become weird's child. */
#include "config.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "supervisor/weird.h"

#define REAPS 20
#define SILENT_NS (2 * CLOCK_S)

/* A number that is no child's may be anybody's by now. */
static int is_ours(pid_t pid)
{
	siginfo_t si = {0};

	return pid > 0 && waitid(P_PID, (id_t)pid, &si, WEXITED | WNOHANG | WNOWAIT) == 0;
}

void keepers_gave(struct channel *ch)
{
	ch->keeper_until_ns = clock_mono_ns() + SILENT_NS;
}

void keepers_wake(struct channel *ch, pid_t keeper)
{
	ch->keeper = is_ours(keeper) ? keeper : 0;
	if (ch->keeper)
		kill(ch->keeper, SIGCONT);
	keepers_gave(ch);
}

static void end(struct channel *ch)
{
	if (is_ours(ch->keeper))
		kill(ch->keeper, SIGKILL);
	ch->keeper = 0;
}

void keepers_tick(struct weird *w, uint64_t now_ns)
{
	LIST_FOR(l, &w->channels)
	{
		struct channel *ch = LIST_ENTRY(l, struct channel, node);

		if (ch->is_paused || now_ns < w->no_judging_until_ns)
			keepers_gave(ch);
		if (!ch->keeper || ch->is_over || now_ns < ch->keeper_until_ns)
			continue;
		log_error("the weir-keeper (pid %d) of worker %u, which is dead, does not answer: SIGKILL; what it holds is closed",
			  (int)ch->keeper, ch->number);
		end(ch);
	}
}

void keepers_end(struct weird *w)
{
	LIST_FOR(l, &w->channels)
	{
		struct channel *ch = LIST_ENTRY(l, struct channel, node);
		pid_t keeper = ch->keeper;

		end(ch);
		/* Process 1 may be no reaper. A debugger may hold it, which is not waited for. */
		for (int i = 0; keeper && i < REAPS && waitpid(keeper, NULL, WNOHANG) == 0; i++)
			usleep(5000);
	}
}
