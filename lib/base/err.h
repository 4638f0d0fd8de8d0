/* err: what went wrong, for people: an id of lib/tbl/errors.h, a place and a sentence.
 * Filled by code that reads configuration, endpoint files, SQL or a client's input. The ids carry
 * HTTP status, stable code word and log level, generated from the one list.
 * Owner: the caller's storage, no allocation. Not shared.
 * Layer: lib/base. */
#ifndef WEIR_BASE_ERR_H
#define WEIR_BASE_ERR_H

#include "lib/base/base.h"

enum err_id {
	E_ok = 0,
#define ERR(id, status, level, retryable, title) E_##id,
#include "lib/tbl/errors.h"
	E_count
};

struct err_row {
	const char *code;	/* the stable word, e.g. "bad_parameter" */
	const char *title;	/* the sentence a client sees */
	int status;		/* HTTP status */
	int level;		/* enum log_level */
	int is_retryable;
};

struct err {
	enum err_id id;
	unsigned line, col;	/* 1-based; 0 = not known */
	char file[256];
	char text[512];
};

/* The row of an id; never NULL for 0 < id < E_count. */
const struct err_row *err_row(enum err_id id);
/* Fill e and return -id, so that "return err_set(...)" reads well. Truncates, never fails. */
int err_set(struct err *e, enum err_id id, const char *fmt, ...) PRINTF(3, 4);
int err_set_at(struct err *e, enum err_id id, const char *file, unsigned line, unsigned col,
	       const char *fmt, ...) PRINTF(6, 7);
/* "file:line:col: text" (parts that are not known left out) into out; returns out. */
const char *err_format(const struct err *e, char *out, size_t n);

#endif
