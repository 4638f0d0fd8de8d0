/* sqlstate: what an SQLSTATE means, out of lib/tbl/sqlstates.h.
 * Pure. Layer: lib/base. */
#ifndef WEIR_BASE_SQLSTATE_H
#define WEIR_BASE_SQLSTATE_H

#include "lib/base/err.h"

/* What is known besides the five characters; bits. */
enum sqlstate_when { SQLSTATE_ANY = 0, SQLSTATE_BIND = 1, SQLSTATE_VALUE = 2, SQLSTATE_CANCEL = 4 };

struct sqlstate_row {
	const char *prefix;
	enum sqlstate_when when;
	enum err_id error;		/* what the client is told */
	int level;			/* enum log_level */
	int is_neutral;			/* it says nothing against the endpoint */
	int is_again;			/* the statement is run once more by itself, where that is safe */
	const char *sentence;
};

/* The row that counts; never NULL. holds: bits of enum sqlstate_when. */
const struct sqlstate_row *sqlstate_row(const char *state, unsigned holds);
/* All rows, in their order. */
const struct sqlstate_row *sqlstate_rows(size_t *ret_n);

#endif
