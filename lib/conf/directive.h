/* directive: "-- @word arguments" lines of an endpoint file. One handler for each row of
 * lib/tbl/directives.h; a row without one does not link.
 * Owner: struct dir is the endpoint parser's, for one file. Not shared. Layer: lib/conf. */
#ifndef WEIR_CONF_DIRECTIVE_H
#define WEIR_CONF_DIRECTIVE_H

#include "lib/conf/endpoint.h"

enum dir_id {
#define DIR(id, word, arguments, many, acts, sentence) DIR_##id,
#include "lib/tbl/directives.h"
	DIR_count
};

/* A row as data, for messages, the reference page and weird -t. */
struct dir_desc {
	const char *word, *arguments, *sentence;
	int may_repeat, is_acted_on;
};
extern const struct dir_desc dir_table[];
extern const size_t dir_table_n;

/* What parsing one file needs; the handlers fill e. */
struct dir {
	struct arena *arena;
	const struct options *o; /* may be NULL */
	struct errs *errs;
	const char *file;
	struct endpoint *e;
	int n_errors;
	unsigned seen[DIR_count]; /* line of the first one */
	unsigned param_col[ENDPOINT_MAX_PARAMS];
	unsigned n_variants; /* product over the choices so far */
	unsigned public_line; /* of @auth none */
	/* the directive being read */
	const struct dir_desc *desc;
	struct slice rest;
	unsigned line, col; /* of rest */
};

/* One argument. */
struct dir_word {
	struct slice text;
	unsigned col;
};

/* Read the directive in a comment ("-- @word …", at line:col). */
void dir_line(struct dir *d, struct slice comment, unsigned line, unsigned col);
/* 1 when the comment is a directive. */
int dir_is(struct slice comment);

/* For handlers. */
void dir_error(struct dir *d, unsigned col, const char *fmt, ...) PRINTF(3, 4);
/* What is valid and most likely not what was meant. */
void dir_warn(struct dir *d, unsigned col, const char *fmt, ...) PRINTF(3, 4);
/* Words of A|B that hold commas are most likely meant as several. */
void dir_warn_commas(struct dir *d, struct slice text, unsigned col);
/* The next argument; 0 at the end. */
int dir_next(struct dir *d, struct dir_word *ret);
/* The next argument; 0 with an error that says what was expected. */
int dir_need(struct dir *d, struct dir_word *ret, const char *what);
/* Everything that is left, trimmed. */
struct dir_word dir_rest(struct dir *d);
/* An error if an argument is left. */
void dir_end(struct dir *d);
/* Index in words (NULL-terminated), or -1 with an error. */
int dir_one_of(struct dir *d, const struct dir_word *w, const char *what, const char *const *words);
/* 0, or -1 with an error; within [min, max] milliseconds. */
int dir_msec(struct dir *d, const struct dir_word *w, uint64_t min, uint64_t max, uint64_t *ret);
int dir_uint(struct dir *d, const struct dir_word *w, uint64_t min, uint64_t max, uint64_t *ret);
const char *dir_str(struct dir *d, struct slice s);
/* [A-Za-z_][A-Za-z0-9_]*, at most 63 bytes. */
int dir_is_name(struct slice s);
/* A claim's path: printable ASCII but '=', quotes and commas; at most 128 bytes. */
int dir_is_claim(struct slice s);
/* RFC 9110 token. */
int dir_is_token(struct slice s);
/* Find or add a parameter; NULL with an error when there are too many. */
struct param *dir_find_param(struct endpoint *e, struct slice name);
struct param *dir_add_param(struct dir *d, struct slice name, unsigned line, unsigned col);

/* directive_cache.c: the names in tags, and the rules of @cache; when the whole file has been read. */
void dir_cache_finish(struct dir *d);
/* directive_include.c: the endpoint of each part; when the whole set has been read. How many errors. */
int dir_include_finish(struct endpoints *set, struct errs *errs);

#define DIR(id, ...) void dir_##id(struct dir *d);
#include "lib/tbl/directives.h"

#endif
