/* The blocking work of a pool: connecting with its descriptions, and cancelling where there is no
 * weir-monitor. db_job_run touches the job alone; db_job_done is back in the loop's thread. */
#include "config.h"

#include "lib/pg/db_priv.h"

#include <stdio.h>
#include <stdlib.h>

#include "lib/base/clock.h"
#include "lib/conf/options.h"

/* Over a connection of its own with the same encryption; PQcancel of libpq 15 would go in plaintext. */
static void run_cancel(struct db_job *job)
{
	const struct db_pool_conf *conf = &job->pool->conf;	/* does not change */
	struct db_probe probe = {.opts = job->opts};
	uint32_t gen, pid = slots_cancel_claim(conf->region, conf->db, job->slot, &gen);

	if (!pid)
		return;
	(void)db_probe_cancel(&probe, pid);
	slots_cancel_done(conf->region, conf->db, job->slot, gen);
	db_probe_close(&probe);
}

void db_job_run(struct db_job *job)
{
	int is_config_error = 0;

	if (job->kind == DB_J_CANCEL) {
		run_cancel(job);
		return;
	}
	job->started_ns = clock_mono_ns();
	if (job->is_lent)
		(void)!(PQexitPipelineMode(job->pg) && PQsetnonblocking(job->pg, 0) == 0);
	else
		job->pg = db_connect(job->opts, job->lane, (int)job->opts->connect_timeout, job->error,
				     &is_config_error);
	job->is_config_error = is_config_error;
	if (job->pg && job->n_describe && db_describe(job->pg, job->describe, job->n_describe, job->error)) {
		PQfinish(job->pg);
		job->pg = NULL;
	}
	job->failed = job->pg == NULL;
	job->took_ns = clock_mono_ns() - job->started_ns;
}
