#include "config.h"

#include "lib/base/sqlstate.h"

#include <string.h>

#include "lib/base/log.h"

enum { NEUTRAL = 1, COUNTS = 0, ONCE = 1, NEVER = 0 };

static const struct sqlstate_row rows[] = {
#define SQLSTATE(prefix, when, error, level, record, again, sentence)                              \
	{prefix, SQLSTATE_##when, E_##error, level, record, again, sentence},
#include "lib/tbl/sqlstates.h"
};

const struct sqlstate_row *sqlstate_row(const char *state, unsigned holds)
{
	size_t i = 0;

	/* the last one fits all */
	while (i + 1 < ARRAY_LEN(rows) && (strncmp(state, rows[i].prefix, strlen(rows[i].prefix)) != 0 ||
					   (rows[i].when & holds) != rows[i].when))
		i++;
	return &rows[i];
}

const struct sqlstate_row *sqlstate_rows(size_t *ret_n)
{
	*ret_n = ARRAY_LEN(rows);
	return rows;
}
