/* The codes of problem documents for the manual. */
#include "config.h"

#include "lib/conf/errors_fmt.h"

#include "lib/base/base.h"
#include "lib/base/buf.h"
#include "lib/base/err.h"
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
