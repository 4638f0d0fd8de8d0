/* The codes of problem documents, and what leads to those of the database, for the manual. */
#include "config.h"

#include "lib/conf/errors_fmt.h"

#include "lib/base/base.h"
#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/base/log.h"
#include "lib/base/sqlstate.h"
#include "lib/conf/options_row.h"

static const enum err_id of_clients[] = {
#define ERR(id, ...) E_##id,
#define ERR_OWN(...)
#include "lib/tbl/errors.h"
};

static void item(struct buf *out, const struct err_row *row)
{
	buf_addf(out, ".It Li %s Pq %d", row->code, row->status);
	buf_adds(out, row->is_retryable ? " , retryable\n" : "\n");
	options_mdoc_text(out, row->title);
}

void errors_mdoc(struct buf *out)
{
	buf_adds(out, ".Bl -tag -width Ds\n");
	for (int status = 400; status < 600; status++)
		for (size_t i = 0; i < ARRAY_LEN(of_clients); i++)
			if (err_row(of_clients[i])->status == status)
				item(out, err_row(of_clients[i]));
	buf_adds(out, ".El\n");
}

/* The condition of a row as the table says it. */
static const char *condition(enum sqlstate_when when)
{
	switch (when) {
	case SQLSTATE_ANY:
		return "any";
	case SQLSTATE_BIND:
		return "bind";
	case SQLSTATE_VALUE:
		return "value";
	case SQLSTATE_CANCEL:
		return "cancel";
	}
	return "";
}

void sqlstates_mdoc(struct buf *out)
{
	size_t n;
	const struct sqlstate_row *rows = sqlstate_rows(&n);

	buf_adds(out, ".Bl -tag -width Ds\n");
	for (size_t i = 0; i < n; i++) {
		const struct sqlstate_row *r = &rows[i];

		buf_addf(out, ".It Li %s%s , Em %s : %d Li %s\n", r->prefix, strlen(r->prefix) < 5 ? "*" : "",
			 condition(r->when), err_row(r->error)->status, err_row(r->error)->code);
		options_mdoc_text(out, r->sentence);
		buf_addf(out, "%s; %s%s.\n", r->is_neutral ? "Neutral" : "Counts",
			 r->level == LOG_ERROR ? "logged as an error" : "logged as a warning",
			 r->is_again ? "; run once more" : "");
	}
	buf_adds(out, ".El\n");
}
