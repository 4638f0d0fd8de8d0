/* errs: see errs.h. What is kept is capped so that a binary file taken for a configuration cannot
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
	free(e->warnings.v);
	errs_init(e);
}

/* Room for one more in *v; NULL when enough are kept. */
static struct err *grow(struct err **v, size_t *n, size_t *cap)
{
	if (*n == MAX_KEPT)
		return NULL;
	if (*n == *cap) {
		*cap = *cap ? *cap * 2 : 8;
		*v = realloc(*v, *cap * sizeof(**v));
		check(*v);
	}
	return &(*v)[(*n)++];
}

int errs_add(struct errs *e, enum err_id id, const char *file, unsigned line, unsigned col,
	     const char *fmt, ...)
{
	char text[sizeof(((struct err *)0)->text)];
	struct err *new;
	va_list ap;

	e->n_all++;
	new = grow(&e->v, &e->n, &e->cap);
	if (!new)
		return -(int)id;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	return err_set_at(new, id, file, line, col, "%s", text);
}

void errs_warn(struct errs *e, const char *file, unsigned line, unsigned col, const char *fmt, ...)
{
	struct err_list *w = &e->warnings;
	char text[sizeof(((struct err *)0)->text)];
	struct err *new;
	va_list ap;

	w->n_all++;
	new = grow(&w->v, &w->n, &w->cap);
	if (!new)
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	(void)err_set_at(new, E_endpoint_file, file, line, col, "%s", text);
}

static void to_text(const struct err *v, size_t n, size_t n_all, const char *prefix, struct buf *out)
{
	char line[1024];

	for (size_t i = 0; i < n; i++) {
		buf_adds(out, prefix);
		buf_adds(out, err_format(&v[i], line, sizeof(line)));
		buf_addc(out, '\n');
	}
	if (n_all > n)
		buf_addf(out, "%s… and %zu more\n", prefix, n_all - n);
}

void errs_to_text(const struct errs *e, struct buf *out)
{
	to_text(e->v, e->n, e->n_all, "", out);
}

void errs_warnings_to_text(const struct errs *e, struct buf *out)
{
	to_text(e->warnings.v, e->warnings.n, e->warnings.n_all, "warning: ", out);
}
