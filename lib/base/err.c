#include "config.h"

#include "lib/base/err.h"

#include <stdarg.h>
#include <stdio.h>

#include "lib/base/check.h"
#include "lib/base/log.h"

static const struct err_row rows[E_count] = {
#define ERR(id, status, level, retryable, title) [E_##id] = {#id, title, status, level, retryable},
#include "lib/tbl/errors.h"
};

const struct err_row *err_row(enum err_id id)
{
	check(id > 0 && id < E_count);
	return &rows[id];
}

static void fill(struct err *e, enum err_id id, const char *file, unsigned line, unsigned col)
{
	e->id = id;
	e->line = line;
	e->col = col;
	snprintf(e->file, sizeof(e->file), "%s", file);
}

int err_set(struct err *e, enum err_id id, const char *fmt, ...)
{
	va_list ap;

	if (!e)
		return -(int)id;
	fill(e, id, "", 0, 0);
	va_start(ap, fmt);
	vsnprintf(e->text, sizeof(e->text), fmt, ap);
	va_end(ap);
	return -(int)id;
}

int err_set_at(struct err *e, enum err_id id, const char *file, unsigned line, unsigned col, const char *fmt,
	       ...)
{
	va_list ap;

	if (!e)
		return -(int)id;
	fill(e, id, file ? file : "", line, col);
	va_start(ap, fmt);
	vsnprintf(e->text, sizeof(e->text), fmt, ap);
	va_end(ap);
	return -(int)id;
}

const char *err_format(const struct err *e, char *out, size_t n)
{
	if (!e->file[0])
		snprintf(out, n, "%s", e->text);
	else if (!e->line)
		snprintf(out, n, "%s: %s", e->file, e->text);
	else if (!e->col)
		snprintf(out, n, "%s:%u: %s", e->file, e->line, e->text);
	else
		snprintf(out, n, "%s:%u:%u: %s", e->file, e->line, e->col, e->text);
	return out;
}
