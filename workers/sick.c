/* Endpoints that the database refuses. A start serves what prepares: one statement that a migration has broken must
 * not keep all others from coming back after a crash or a reboot. Reload and weird -t are strict: there somebody
 * looks. */
#include "config.h"

#include "workers/sick.h"

#include <limits.h>
#include <stdio.h>

#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "workers/worker.h"

#define EVERY_MS 1000u		/* while it is asked for, or the server could only not say it now */
#define EVERY_MOST_MS 8000u	/* a refusal is a line in the server's log, too */

static const struct db_stmt *refused(const struct endpoint_run *run)
{
	for (unsigned v = 0; run->pool && v < run->ep->n_variants; v++) {
		const struct db_stmt *s = db_pool_stmt(run->pool, run->first_stmt + v);

		if (s->failed.id)
			return s;
	}
	return NULL;
}

void sick_where(const struct worker *w, const struct err *e, char *out, size_t n)
{
	int folder = snprintf(out, n, "%s/", w->snapshot.options.endpoints);

	if (folder > 0 && (size_t)folder < n)
		err_format(e, out + folder, n - (size_t)folder);
}

static void look(struct worker *w, struct endpoint_run *run)
{
	const struct db_stmt *s = refused(run);
	struct sick *shared = &run->shared->sick;
	char where[1000 + PATH_MAX], why[1000];

	if (!s) {
		/* what somebody who has died said counts, too */
		if ((run->is_sick || sick_is(shared) || shared->why[0]) && sick_end(shared, w->number))
			log_info("endpoint %s is served again", run->ep->id);
		w->n_sick -= run->is_sick;
		run->is_sick = 0;
		return;
	}
	if (!run->is_sick) {
		w->n_sick++;
		run->is_sick = 1;
		run->sick_tries = 0;
	}
	run->healed = atomic_load(&shared->healed);
	if (!sick_begin(shared, w->number, err_format(&s->failed, why, sizeof(why))))
		return;
	sick_where(w, &s->failed, where, sizeof(where));
	if (s->failed.id == E_sql)
		log_error("endpoint %s is not served until its statement is right again: %s", run->ep->id, where);
	else
		log_warn("endpoint %s is not served yet: %s", run->ep->id, where);
}

void sick_look(struct worker *w)
{
	unsigned changes = 0;

	for (unsigned i = 0; i < w->snapshot.options.n_databases; i++)
		changes += w->pools[i] ? db_pool_described(w->pools[i]) : 0;
	if (changes == w->descriptions)
		return;
	w->descriptions = changes;
	for (unsigned i = 0; i < w->snapshot.endpoints.n; i++)
		if (w->runs[i].pool && db_pool_described(w->runs[i].pool))
			look(w, &w->runs[i]);
}

static void try_again(struct endpoint_run *run, uint64_t now_ms)
{
	struct sick *shared = &run->shared->sick;
	uint64_t every = EVERY_MS << (run->sick_tries < 4 ? run->sick_tries : 4);
	int is_due = 0;

	for (unsigned v = 0; v < run->ep->n_variants; v++) {
		const struct db_stmt *s = db_pool_stmt(run->pool, run->first_stmt + v);

		if (s->failed.id && (s->is_missed || s->failed.id != E_sql))
			every = EVERY_MS;
	}
	if (every > EVERY_MOST_MS)
		every = EVERY_MOST_MS;
	/* another worker has it already */
	is_due = atomic_load(&shared->healed) != run->healed;
	if (!is_due && !sick_may_try(shared, now_ms, every))
		return;
	run->sick_tries++;
	run->healed = atomic_load(&shared->healed);
	for (unsigned v = 0; v < run->ep->n_variants; v++)
		if (db_pool_stmt(run->pool, run->first_stmt + v)->failed.id)
			db_pool_describe(run->pool, run->first_stmt + v);
}

void sick_tick(struct worker *w, uint64_t now_ns)
{
	for (unsigned i = 0; w->n_sick && i < w->snapshot.endpoints.n; i++)
		if (w->runs[i].is_sick)
			try_again(&w->runs[i], now_ns / CLOCK_MS);
}
