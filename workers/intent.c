#include "config.h"

#include "workers/intent.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "workers/worker.h"

struct intent {
	struct worker *w;
	int is_begun, is_call;
	struct stamp_set set;
};

/* What a procedure commits stays when it fails. */
static int is_call(const char *sql)
{
	while (sql) {
		const char *end;

		sql += strspn(sql, " \t\r\n\f\v");
		if (strncmp(sql, "--", 2) == 0)
			end = strchr(sql, '\n');
		else if (strncmp(sql, "/*", 2) == 0)
			end = strstr(sql + 2, "*/");
		else
			return strncasecmp(sql, "call", 4) == 0 || strncasecmp(sql, "do", 2) == 0;
		sql = end ? end + (*end == '\n' ? 1 : 2) : NULL;
	}
	return 0;
}

struct intent *intent_new(struct worker *w, const struct stamp_set *set, const char *sql)
{
	struct intent *i = malloc(sizeof(*i));

	if (!i)
		abort();
	*i = (struct intent){.w = w, .is_call = is_call(sql), .set = *set};
	return i;
}

void intent_begin(struct intent *i)
{
	if (i->is_begun)
		return;		/* a second run of a statement that was rolled back */
	i->is_begun = 1;
	stamps_begin(&i->w->writer, &i->set);
}

int intent_is_alone(const struct intent *i, const struct stamp_set *loaded)
{
	return stamps_alone(&i->w->writer, loaded);
}

/* What was committed has a transaction that nobody asked for. Only the second tier wants one: of a worker that has none
 * while others have (they are of two generations), or of a procedure that failed. */
static int is_untold(const struct intent *i, uint64_t xid)
{
	const struct worker *w = i->w;

	return !xid && !w->is_alone && (!w->tier || i->is_call) && region_nodes(&w->region);
}

void intent_end(struct intent **ip, int is_known, uint64_t xid)
{
	struct intent *i = *ip;

	*ip = NULL;
	if (!i)
		return;
	if (i->is_begun && is_known && !is_untold(i, xid)) {
		stamps_end(&i->w->writer, &i->set, xid);
	} else if (i->is_begun) {
		atomic_fetch_add(&i->w->region.h->orphan_epoch, 1);
		stamps_give_up(&i->w->writer, &i->set);
	}
	free(i);
}
