#include "config.h"

#include "workers/connects.h"

#include <stdio.h>

#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "workers/worker.h"

static void say(struct worker *w, unsigned db, uint64_t now_ns)
{
	struct db_state *s = region_db(&w->region, db);
	char kind[8], more[64] = "";
	unsigned n = db_pool_n_failed(w->pools[db], kind);
	uint64_t unsaid = 0;

	if (n == w->connects_told[db])
		return;
	w->connects_told[db] = n;
	refused_set(&w->region, &s->refused, w->number, db_pool_why(w->pools[db]));
	if (!said_may(s->said, kind, now_ns / CLOCK_MS, &unsaid))
		return;
	if (unsaid)
		snprintf(more, sizeof(more), " (and %llu more since the last such line)", (unsigned long long)unsaid);
	log_warn("database %s: worker %u cannot connect%s: %s", w->snapshot.options.databases[db].name, w->number, more,
		 db_pool_why(w->pools[db]));
	w->connects_said |= 1u << db;
}

void connects_tell(struct worker *w, uint64_t now_ns)
{
	uint32_t failing = 0, cut = 0, heard = 0;

	for (unsigned i = 0; i < w->snapshot.options.n_databases; i++) {
		unsigned link = w->pools[i] ? db_pool_link(w->pools[i], now_ns) : 0;

		if (w->pools[i])
			say(w, i, now_ns);
		failing |= (link & DB_LINK_FAILING ? 1u : 0) << i;
		cut |= (link & DB_LINK_CUT ? 1u : 0) << i;
		heard |= (link & DB_LINK_HEARD ? 1u : 0) << i;
	}
	atomic_store(&w->board->db_heard, heard);
	atomic_store(&w->board->db_failing, failing);
	atomic_store(&w->board->db_cut, cut);
}
