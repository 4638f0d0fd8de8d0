/* err: rows of the error list and sentences for people. */
#include "config.h"

#include "lib/base/err.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/check.h"
#include "lib/base/log.h"

static const struct err_row rows[E_count] = {
#define ERR(id, status, level, retryable, title)                                                   \
	[E_##id] = {#id, title, status, level, retryable},
#include "lib/tbl/errors.h"
};

const struct err_row *err_row(enum err_id id)
{
	check(id > E_ok && id < E_count);
	return &rows[id];
}

/* The sentence is made aside first: the arguments may be e's own old text or file. */
static void set_text(struct err *e, enum err_id id, const char *fmt, va_list ap) PRINTF(3, 0);
static void set_text(struct err *e, enum err_id id, const char *fmt, va_list ap)
{
	char text[sizeof(e->text)];
	int n = vsnprintf(text, sizeof(text), fmt, ap);

	if (n < 0)
		text[0] = '\0';
	if (n >= (int)sizeof(text)) {
		/* A sentence that is cut must not end in half a character. */
		size_t at = sizeof(text) - 1;

		while (at && ((unsigned char)text[at - 1] & 0xC0) == 0x80)
			at--;
		if (at && ((unsigned char)text[at - 1] & 0xC0) == 0xC0)
			at--;
		text[at] = '\0';
	}
	e->id = id;
	memcpy(e->text, text, strlen(text) + 1);
}

int err_set(struct err *e, enum err_id id, const char *fmt, ...)
{
	va_list ap;

	check(id > E_ok && id < E_count);
	if (!e)
		return -(int)id;
	va_start(ap, fmt);
	set_text(e, id, fmt, ap);
	va_end(ap);
	e->line = e->col = 0;
	e->file[0] = '\0';
	return -(int)id;
}

int err_set_at(struct err *e, enum err_id id, const char *file, unsigned line, unsigned col,
	       const char *fmt, ...)
{
	size_t n = file ? strnlen(file, sizeof(e->file) - 1) : 0;
	va_list ap;

	check(id > E_ok && id < E_count);
	if (!e)
		return -(int)id;
	va_start(ap, fmt);
	set_text(e, id, fmt, ap);
	va_end(ap);
	e->line = line;
	e->col = col;
	if (n)
		memmove(e->file, file, n); /* file may be e->file */
	e->file[n] = '\0';
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
