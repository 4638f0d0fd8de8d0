/* The blocking work of a pool: connecting with its descriptions, and cancelling where there is no
 * weir-monitor. db_job_run touches the job alone; db_job_done is back in the loop's thread. */
#include "config.h"

#include "lib/pg/db_priv.h"

#include <stdio.h>
#include <stdlib.h>

#include "lib/base/clock.h"
#include "lib/conf/options.h"
#include "lib/shm/region.h"

/* What is asked by now, over one connection of its own with the same encryption; PQcancel of libpq 15 would go in
 * plaintext. */
static void run_cancel(struct db_job *job)
{
	const struct db_pool_conf *conf = &job->pool->conf;	/* does not change */
	struct db_probe probe = {.opts = job->opts};
	int rc = 0;

	for (unsigned i = 0; i < conf->region->plan.n_slots[conf->db]; i++) {
		uint32_t gen, pid = slots_cancel_claim(conf->region, conf->db, i, &gen);

		if (!pid)
			continue;
		if (rc == 0)	/* a server that did not take one takes none */
			rc = db_probe_cancel(&probe, pid);
		slots_cancel_done(conf->region, conf->db, i, gen);
	}
	db_probe_close(&probe);
}

void db_job_cancel(struct db_pool *p)
{
	struct db_job *job;

	if (p->is_cancelling) {
		p->wants_cancel = 1;
		return;
	}
	job = calloc(1, sizeof(*job));
	if (!job)
		abort();
	p->is_cancelling = 1;
	p->wants_cancel = 0;
	job->kind = DB_J_CANCEL;
	job->pool = p;
	job->opts = p->conf.opts;
	p->conf.ops->run(p->conf.ctx, job);
}

/* What describing has parsed, or tried to: constants of domains, ranges and composites run functions then. */
static int is_touched(const struct db_job *job)
{
	for (unsigned i = 0; i < job->n_describe; i++)
		if (job->describe[i].failed.id || job->describe[i].touches[0])
			return 1;
	return 0;
}

/* -1: the session is of no use any more. */
static int describe(struct db_job *job)
{
	if (!job->n_describe)
		return 0;
	if (!job->is_reach && db_describe(job->pg, job->opts, job->describe, job->n_describe,
					  db_describe_deadline(job->opts, job->n_describe), job->error))
		return -1;
	if (db_reach(job->pg, job->opts, job->describe, job->n_describe, &job->mark, job->error))
		return -1;
	job->is_touched = !job->is_reach && !job->opts->pooler && is_touched(job);
	return 0;
}

/* All that a session has to go through before requests come to it. The express lane's guard is off meanwhile: what is
 * asked here may have to wait for a core, and the database is there all the same. */
static int make_ready(struct db_job *job)
{
	int is_guarded = job->is_lent && (job->becomes_exclusive || job->lane == LANE_EXPRESS);

	if (is_guarded && db_guard_set(job->pg, 0, db_connect_deadline(job->opts), job->error))
		return -1;
	if (job->becomes_exclusive && db_become_exclusive(job->pg, db_connect_deadline(job->opts), job->error))
		return -1;
	if (describe(job))
		return -1;
	if (job->wants_watched)
		db_watched_ask(job->pg, db_describe_deadline(job->opts, 1), &job->watched, &job->n_watched);
	/* a reset (db_reset.c) sets it, too, and should not meet it */
	if (job->lane == LANE_EXPRESS && !job->opts->pooler && !job->has_no_guard && !job->is_touched)
		return db_guard_set(job->pg, job->opts->express_guard, db_connect_deadline(job->opts), job->error);
	return 0;
}

void db_job_run(struct db_job *job)
{
	enum db_refusal why = DB_REFUSED_NOT;

	if (job->kind == DB_J_CANCEL) {
		run_cancel(job);
		return;
	}
	job->started_ns = clock_mono_ns();
	if (job->is_lent)
		(void)!PQexitPipelineMode(job->pg);
	else
		job->pg = db_connect(job->opts, job->lane, db_connect_deadline(job->opts), job->error, &why);
	if (job->pg && ((job->proves && db_prove(job->pg, db_connect_deadline(job->opts), job->error)) || make_ready(job))) {
		/* a pooler lets in before it has a server */
		if (!job->opts->pooler || PQstatus(job->pg) == CONNECTION_OK)
			why = DB_REFUSED_UNFINISHED;
		PQfinish(job->pg);
		job->pg = NULL;
	}
	job->why = why;
	job->failed = job->pg == NULL;
	job->took_ns = clock_mono_ns() - job->started_ns;
}
