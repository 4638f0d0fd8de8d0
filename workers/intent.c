#include "config.h"

#include "workers/intent.h"

#include <stdlib.h>

#include "workers/worker.h"

struct intent {
	struct worker *w;
	int is_begun;
	struct stamp_set set;
};

struct intent *intent_new(struct worker *w, const struct stamp_set *set)
{
	struct intent *i = malloc(sizeof(*i));

	if (!i)
		abort();
	*i = (struct intent){.w = w, .set = *set};
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

void intent_end(struct intent **ip, int is_known, uint64_t xid)
{
	struct intent *i = *ip;

	*ip = NULL;
	if (!i)
		return;
	if (i->is_begun && is_known) {
		stamps_end(&i->w->writer, &i->set, xid);
	} else if (i->is_begun) {
		atomic_fetch_add(&i->w->region.h->orphan_epoch, 1);
		stamps_give_up(&i->w->writer, &i->set);
	}
	free(i);
}
