/* conf_file: the words of a configuration file, with their places. Knows no option.
 * libconfuse 3.3 parses the grammar; this takes the lexing from it, because its lexer counts lines
 * wrongly after comments, expands environment variables (a child would then read another
 * configuration than the one that was validated) and, after an unterminated string or a bad escape,
 * stays inside that string for every later parse of the process.
 * Owner: conf_file_done. Not shared. Layer: lib/conf. */
#ifndef WEIR_CONF_CONF_FILE_H
#define WEIR_CONF_CONF_FILE_H

#include "lib/base/arena.h"
#include "lib/base/buf.h"
#include "lib/conf/errs.h"

struct conf_tok {
	char kind; /* 'w' word or string, else the character itself; '+' is "+=" */
	char is_dropped;
	unsigned line, col;
	struct slice text; /* decoded; NUL-terminated */
};

struct conf_file {
	const char *name;
	struct conf_tok *v;
	size_t n, cap;
	struct arena arena;
	struct arena_pool pool;
};

/* The number of errors added to errs; f must be freed in either case. */
int conf_file_parse(struct conf_file *f, const char *name, struct slice text, struct errs *errs);
void conf_file_done(struct conf_file *f);
/* Text for libconfuse: one word a line, so that the line it reports is the word's number + 1. */
void conf_file_emit(const struct conf_file *f, struct buf *out);
/* Take the statement that begins at word i out: key, value or block. */
void conf_file_drop(struct conf_file *f, size_t i);

#endif
