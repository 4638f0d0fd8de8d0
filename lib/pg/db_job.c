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
	job->why = why;
	if (job->becomes_exclusive && db_become_exclusive(job->pg, db_connect_deadline(job->opts), job->error)) {
		PQfinish(job->pg);
		job->pg = NULL;
	}
	if (job->pg && job->n_describe &&
	    ((!job->is_reach && db_describe(job->pg, job->opts, job->describe, job->n_describe,
			db_describe_deadline(job->opts, job->n_describe), job->error)) ||
	     db_reach(job->pg, job->opts, job->describe, job->n_describe, &job->mark, job->error))) {
		PQfinish(job->pg);
		job->pg = NULL;
	}
	if (job->pg && job->wants_watched)
		db_watched_ask(job->pg, db_describe_deadline(job->opts, 1), &job->watched, &job->n_watched);
	job->failed = job->pg == NULL;
	job->took_ns = clock_mono_ns() - job->started_ns;
}
