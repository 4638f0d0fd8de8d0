/* options: the values of weir.conf as typed structs, generated from lib/tbl/options.h.
 * Owner: options_done frees. Read-only once loaded.
 * Layer: lib/conf. */
#ifndef WEIR_CONF_OPTIONS_H
#define WEIR_CONF_OPTIONS_H

#include <stdint.h>

#include "lib/base/err.h"
#include "lib/base/buf.h"

#define OPT_F_RELOAD 1u
#define OPT_F_RESTART 2u
#define OPT_F_SECRET 4u

#define OPTIONS_MAX_DATABASES 8
#define OPTIONS_MAX_LISTEN 8
#define OPTIONS_MAX_LIST 16
#define OPTIONS_MIN_CACHE (4ull << 20)	/* bytes of cache.memory, unless 0 */

/* database { events } */
enum { EVENTS_NOTIFY, EVENTS_SLOT, EVENTS_OFF };

struct opt_strings {
	unsigned n;
	char *v[OPTIONS_MAX_LIST];
};

typedef char *opt_str_t;
typedef struct opt_strings opt_list_t;
typedef unsigned opt_uint_t;
typedef uint64_t opt_size_t;	/* bytes */
typedef uint64_t opt_msec_t;	/* milliseconds */
typedef int opt_bool_t;
enum { COMPRESS_OFF, COMPRESS_GZIP, COMPRESS_BR };	/* cache { compress } */

typedef int opt_enum_t;		/* index of the word in the row's list */

#define OPT(type, field, ...) opt_##type##_t field;
struct opts_workers {
#define OPT_workers OPT
#include "lib/tbl/options.h"
};
struct opts_database {
	char *name;
#define OPT_database OPT
#include "lib/tbl/options.h"
};
struct opts_limits {
#define OPT_limits OPT
#include "lib/tbl/options.h"
};
struct opts_cache {
#define OPT_cache OPT
#include "lib/tbl/options.h"
};
struct opts_auth {
#define OPT_auth OPT
#include "lib/tbl/options.h"
};
struct opts_log {
#define OPT_log OPT
#include "lib/tbl/options.h"
};
struct options {
#define OPT_top OPT
#include "lib/tbl/options.h"
	struct opts_workers workers;
	struct opts_limits limits;
	struct opts_cache cache;
	struct opts_auth auth;
	struct opts_log log;
	unsigned n_databases;		/* the first one is the default */
	struct opts_database databases[OPTIONS_MAX_DATABASES];
};
#undef OPT

/* One row as data, for help, man page, defaults and the dump. */
struct opt_desc {
	const char *section, *type, *key, *def, *min, *max, *help;
	unsigned flags;
};
extern const struct opt_desc options_table[];
extern const size_t options_table_n;

struct errs;	/* lib/conf/errs.h: a list of struct err, so that every fault is reported */

/* Parse text (the bytes of a configuration file called name). The number of errors put into errs;
 * o is complete and must be freed with options_done even then. */
int options_parse(struct options *o, const char *name, struct slice text, struct errs *errs);
void options_done(struct options *o);
/* The effective configuration as one JSON object; secrets are shown as "(set)", of a conninfo what
 * conninfo_show shows. */
void options_to_json(const struct options *o, struct buf *out);
/* Keys that differ and cannot change live, as "section.key" words separated by ", ". 1 if any. */
int options_need_restart(const struct options *a, const struct options *b, struct buf *ret_keys);
/* 1 when every key of database block i has the same value in both. */
int options_same_database(const struct options *a, const struct options *b, unsigned i);
/* A commented example configuration, every key at its default. */
void options_example(struct buf *out);
/* "3.3": of libconfuse. */
const char *options_library_version(void);
/* mdoc list of the keys of weir.conf(5). */
void options_mdoc(struct buf *out);

#endif
