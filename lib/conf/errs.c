/* errs: see errs.h. Kept errors are capped so that a binary file taken for a configuration cannot
 * fill memory with complaints; the count goes on. */
#include "config.h"

#include "lib/conf/errs.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "lib/base/check.h"

#define MAX_KEPT 200

void errs_init(struct errs *e)
{
	*e = (struct errs){0};
}

void errs_done(struct errs *e)
{
	free(e->v);
	errs_init(e);
}

int errs_add(struct errs *e, enum err_id id, const char *file, unsigned line, unsigned col,
	     const char *fmt, ...)
{
	char text[sizeof(((struct err *)0)->text)];
	va_list ap;

	e->n_all++;
	if (e->n == MAX_KEPT)
		return -(int)id;
	if (e->n == e->cap) {
		e->cap = e->cap ? e->cap * 2 : 8;
		e->v = realloc(e->v, e->cap * sizeof(*e->v));
		check(e->v);
	}
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	return err_set_at(&e->v[e->n++], id, file, line, col, "%s", text);
}

void errs_to_text(const struct errs *e, struct buf *out)
{
	char line[1024];

	for (size_t i = 0; i < e->n; i++) {
		buf_adds(out, err_format(&e->v[i], line, sizeof(line)));
		buf_addc(out, '\n');
	}
	if (e->n_all > e->n)
		buf_addf(out, "… and %zu more\n", e->n_all - e->n);
}
