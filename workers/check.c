/* weir-worker -t: every statement of the snapshot prepared and described over a real connection. */
#include "config.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/ctl/heritage.h"
#include "workers/worker.h"

/* As the faults show that weird finds itself. */
static void show_whole_paths(struct errs *errs, const char *folder)
{
	for (size_t i = 0; i < errs->n; i++) {
		struct err *e = &errs->v[i];
		char full[sizeof(e->file) + PATH_MAX];

		if (!e->file[0] || e->file[0] == '/' || e->id == E_config)
			continue;
		snprintf(full, sizeof(full), "%s/%s", folder, e->file);
		snprintf(e->file, sizeof(e->file), "%.*s", (int)sizeof(e->file) - 1, full);
	}
}

int worker_check(struct snapshot *s)
{
	struct worker *w = calloc(1, sizeof(*w));
	struct errs errs;
	struct err e = {0};
	AUTO(buf) struct buf why;
	int rc = 0;

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
		if (!w->pools[i])
			continue;
		buf_clear(&why);
		if (db_conninfo_check(&s->options.databases[i], &why)) {
			(void)errs_add(&errs, E_config, s->conf_path, 0, 0, "database %s: conninfo: %s",
				       s->options.databases[i].name, buf_str(&why));
			continue;
		}
		if (db_check(w->pools[i], &errs, &why) < 0) {
			printf("database %s: not reachable: %s\n", s->options.databases[i].name, buf_str(&why));
			rc = EXIT_TEMPFAIL;
		}
	}
	show_whole_paths(&errs, s->options.endpoints);
	if (errs.n) {
		AUTO(buf) struct buf text;

		buf_init(&text, 0);
		errs_to_text(&errs, &text);
		fwrite(text.p, 1, text.n, stdout);
		rc = EXIT_CONFIG;
	}
	for (unsigned i = 0; i < s->options.n_databases; i++)
		db_pool_free(&w->pools[i]);
	worker_teardown(w);
	free(w);
	errs_done(&errs);
	return rc;
}
