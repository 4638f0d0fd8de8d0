/* weir-worker -t: every statement of the snapshot prepared and described over a real connection. */
#include "config.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/ctl/heritage.h"
#include "lib/pg/db_listen.h"
#include "workers/tagtypes.h"
#include "workers/worker.h"

/* As the faults show that weird finds itself. */
static void show_whole_paths(struct err *v, size_t n, const char *folder)
{
	for (struct err *e = v; e < v + n; e++) {
		char full[sizeof(e->file) + PATH_MAX];

		if (!e->file[0] || e->file[0] == '/' || e->id == E_config)
			continue;
		snprintf(full, sizeof(full), "%s/%s", folder, e->file);
		snprintf(e->file, sizeof(e->file), "%.*s", (int)sizeof(e->file) - 1, full);
	}
}

/* Blocks of one server share its connections. */
static void check_sums(const struct db_budget *b, unsigned n, const char *conf, struct errs *errs)
{
	for (unsigned i = 0; i < n; i++) {
		unsigned wants = 0, blocks = 0, limit = 0;

		for (unsigned j = 0; b[i].is_known && j < n; j++) {
			if (!b[j].is_known || strcmp(b[i].server, b[j].server) != 0)
				continue;
			if (j < i)
				break; /* was said */
			blocks++;
			wants += b[j].pool + b[j].monitor;
			limit = b[j].max_connections;
		}
		if (blocks > 1 && wants > limit)
			(void)errs_add(errs, E_config, conf, 0, 0,
				       "%u databases of %s: up to %u connections together, and max_connections is %u; "
				       "lower their pool_max", blocks, b[i].server, wants, limit);
	}
}

/* Each way of events_conninfo: is it one, and can be listened there? That it cannot now is only said: the service starts. */
static void check_events(const struct opts_database *o, const char *conf, struct errs *errs)
{
	AUTO(buf) struct buf why;

	buf_init(&why, 0);
	for (unsigned i = 0; i < o->events_conninfo.n && o->events != EVENTS_OFF; i++) {
		struct opts_database way = *o;
		struct db_listen l = {.opts = &way, .conn = NULL};

		way.conninfo = o->events_conninfo.v[i];
		way.pooler = 0;
		buf_clear(&why);
		if (db_conninfo_check(&way, &why))
			(void)errs_add(errs, E_config, conf, 0, 0, "database %s: events_conninfo %u: %s", o->name, i + 1,
				       buf_str(&why));
		else if (db_listen_open(&l))
			printf("warning: database %s: no events are heard through events_conninfo %u: %s\n", o->name, i + 1,
			       l.error);
		db_listen_close(&l);
	}
}

/* A trigger of before knows no spellings: what it tells of 1.50 is not what the tag of 1.5 is called. */
static void check_watched(const struct db_pool *p, const char *name)
{
	unsigned n = 0;
	const struct db_watched *v = p ? db_pool_watched(p, &n) : NULL;

	for (unsigned i = 0; i < n; i++)
		if (v[i].is_told_otherwise) {
			printf("warning: database %s: the triggers of %s are of an earlier version; run sql/weir/events.sql again\n",
			       name, v[i].table);
			return;
		}
}

int worker_check(struct snapshot *s)
{
	struct worker *w = calloc(1, sizeof(*w));
	struct errs errs;
	struct err e = {0};
	struct db_budget budgets[OPTIONS_MAX_DATABASES];
	enum db_budget_fit fit;
	AUTO(buf) struct buf why;
	int rc = 0, found;

	if (!w)
		abort();
	buf_init(&why, 0);
	errs_init(&errs);
	w->snapshot = *s;
	w->is_alone = 1;
	w->auth = auth_new(&s->options.auth, &s->auth, &errs);
	auth_free(&w->auth);
	if (worker_setup(w, &e))
		(void)errs_add(&errs, e.id, e.file, e.line, e.col, "%s", e.text);
	for (unsigned i = 0; i < s->options.n_databases; i++) {
		struct db_budget *b = &budgets[i];

		db_budget_init(b, &s->options.databases[i], s->options.cache.memory != 0);
		if (!w->pools[i])
			continue;
		buf_clear(&why);
		if (db_conninfo_check(&s->options.databases[i], &why)) {
			(void)errs_add(&errs, E_config, s->conf_path, 0, 0, "database %s: conninfo: %s",
				       s->options.databases[i].name, buf_str(&why));
			continue;
		}
		check_events(&s->options.databases[i], s->conf_path, &errs);
		found = db_check(w->pools[i], b, &errs, &why);
		if (found == -2)
			(void)errs_add(&errs, E_config, s->conf_path, 0, 0, "database %s: %s", s->options.databases[i].name,
				       buf_str(&why));
		else if (found < 0)
			printf("database %s: not reachable: %s\n", s->options.databases[i].name, buf_str(&why));
		if (found < 0) {
			rc = EXIT_TEMPFAIL;
			continue;
		}
		if (b->is_between)
			printf("warning: database %s: a pooler stands before the server; unless it is one that pools sessions, "
			       "set pooler = \"transaction\"\n", b->name);
		buf_clear(&why);
		fit = db_budget_say(b, &why);
		if (fit == DB_BUDGET_OVER)
			(void)errs_add(&errs, E_config, s->conf_path, 0, 0, "%s", buf_str(&why));
		else if (why.n)
			printf("%s%s\n", fit == DB_BUDGET_TIGHT ? "warning: " : "", buf_str(&why));
	}
	for (unsigned i = 0; i < s->options.n_databases; i++)
		check_watched(w->pools[i], s->options.databases[i].name);
	tagtypes_look(w, &errs);
	check_sums(budgets, s->options.n_databases, s->conf_path, &errs);
	show_whole_paths(errs.v, errs.n, s->options.endpoints);
	show_whole_paths(errs.warnings.v, errs.warnings.n, s->options.endpoints);
	buf_clear(&why);
	errs_warnings_to_text(&errs, &why);
	errs_to_text(&errs, &why);
	fwrite(why.n ? why.p : "", 1, why.n, stdout);
	if (errs.n)
		rc = EXIT_CONFIG;
	for (unsigned i = 0; i < s->options.n_databases; i++)
		db_pool_free(&w->pools[i]);
	worker_teardown(w);
	free(w);
	errs_done(&errs);
	return rc;
}
