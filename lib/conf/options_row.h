/* options_row: what can be done with one row of lib/tbl/options.h, typed by the compiler: every
 * function below is generated with the address of its own field.
 * Layer: lib/conf, private to it. */
#ifndef WEIR_CONF_OPTIONS_ROW_H
#define WEIR_CONF_OPTIONS_ROW_H

#include "lib/conf/errs.h"
#include "lib/conf/options.h"

#define OPT_WHY 200 /* bytes of the sentence that says what was expected */

/* s is the row's section: struct options, opts_workers, opts_database, opts_limits, opts_cache,
 * opts_auth or opts_log. */
struct opt_row {
	/* 0 or -1 with why. A list grows by one. */
	int (*set)(void *s, const struct opt_desc *d, struct slice v, char why[OPT_WHY]);
	void (*done)(void *s);
	/* as JSON */
	void (*show)(const void *s, const struct opt_desc *d, struct buf *out);
	int (*is_same)(const void *a, const void *b);
};
/* In the order of options_table. */
extern const struct opt_row options_rows[];

/* The sections in order: "", "workers", "database", "limits", "cache", "auth", "log". */
#define OPTIONS_SECTIONS 7
extern const char *const options_sections[OPTIONS_SECTIONS];
/* The struct that rows of this section work on; i is the number of the database. */
void *options_section(struct options *o, const char *section, unsigned i);
/* Every default set; databases are added by options_add_database. */
void options_defaults(struct options *o);
/* NULL when there is no room. */
struct opts_database *options_add_database(struct options *o, const char *name);
/* Row of a key, or -1. */
int options_find(const char *section, struct slice key);
/* Sentences as mdoc lines. */
void options_mdoc_text(struct buf *out, const char *text);
void options_json_string(struct slice s, struct buf *out);

/* The rules that concern more than one key. line_of gives the place of a key in the
 * file; of the database block when the key is not there, 0 when that is neither. */
struct opt_place {
	unsigned line, col;
	int is_bad; /* its value was refused; the default stands instead */
};
typedef struct opt_place (*opt_place_f)(void *arg, const char *section, const char *title,
					const char *key);
void options_check(const struct options *o, const char *file, opt_place_f place_of, void *arg,
		   struct errs *errs);

#endif
