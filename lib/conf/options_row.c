/* options_row: the types of options (parse, show, compare, free) and the tables made of the list.
 * A type is added by its four functions here and its typedef in options.h. */
#include "config.h"

#include "lib/conf/options_row.h"

#include <stdio.h>
#include <stdlib.h>

#include "lib/base/check.h"
#include "lib/base/num.h"

static char *dup_slice(struct slice s)
{
	char *p = malloc(s.n + 1);

	check(p);
	if (s.n)
		memcpy(p, s.p, s.n);
	p[s.n] = 0;
	return p;
}

static int say(char why[OPT_WHY], const struct opt_desc *d, const char *what)
{
	if (d->min[0] && d->max[0])
		snprintf(why, OPT_WHY, "expected %s from %s to %s", what, d->min, d->max);
	else
		snprintf(why, OPT_WHY, "expected %s", what);
	return -1;
}

static int opt_parse_str(opt_str_t *f, const struct opt_desc *d, struct slice v, char why[OPT_WHY])
{
	for (size_t i = 0; i < v.n; i++)
		if ((unsigned char)v.p[i] < ' ' || v.p[i] == 0x7f)
			return say(why, d, "text without control characters");
	free(*f);
	*f = dup_slice(v);
	return 0;
}

static void opt_done_str(opt_str_t *f)
{
	free(*f);
	*f = NULL;
}

static int opt_parse_list(opt_list_t *f, const struct opt_desc *d, struct slice v,
			  char why[OPT_WHY])
{
	if (v.n == 0 && d->def[0] == 0)
		return 0; /* the default: an empty list */
	if (f->n == ARRAY_LEN(f->v)) {
		snprintf(why, OPT_WHY, "expected at most %zu values", ARRAY_LEN(f->v));
		return -1;
	}
	f->v[f->n] = NULL;
	if (opt_parse_str(&f->v[f->n], d, v, why))
		return -1;
	f->n++;
	return 0;
}

static void opt_done_list(opt_list_t *f)
{
	while (f->n)
		opt_done_str(&f->v[--f->n]);
}

static int opt_parse_uint(opt_uint_t *f, const struct opt_desc *d, struct slice v,
			  char why[OPT_WHY])
{
	uint64_t n, min = 0, max = UINT32_MAX;

	check(!d->min[0] || num_u64(slice_str(d->min), &min) == 0);
	check(!d->max[0] || num_u64(slice_str(d->max), &max) == 0);
	if (num_u64(v, &n) || n < min || n > max)
		return say(why, d, "a whole number");
	*f = (unsigned)n;
	return 0;
}

/* One byte more than the most is taken as the most, so that a limit of 65535 may be said "64KiB".
 */
static int opt_parse_size(opt_size_t *f, const struct opt_desc *d, struct slice v,
			  char why[OPT_WHY])
{
	uint64_t n, min = 0, max = UINT64_MAX;

	check(!d->min[0] || num_size(slice_str(d->min), &min) == 0);
	check(!d->max[0] || num_size(slice_str(d->max), &max) == 0);
	if (num_size(v, &n) == 0 && n && n - 1 == max)
		n = max;
	else if (num_size(v, &n) || n < min || n > max)
		return say(why, d, "a size such as 512, 64KiB or 1MiB,");
	*f = n;
	return 0;
}

static int opt_parse_msec(opt_msec_t *f, const struct opt_desc *d, struct slice v,
			  char why[OPT_WHY])
{
	uint64_t n, min = 0, max = UINT64_MAX;

	check(!d->min[0] || num_msec(slice_str(d->min), &min) == 0);
	check(!d->max[0] || num_msec(slice_str(d->max), &max) == 0);
	if (num_msec(v, &n) || n < min || n > max)
		return say(why, d, "a duration with its unit (ms, s, min, h, d)");
	*f = n;
	return 0;
}

static int opt_parse_bool(opt_bool_t *f, const struct opt_desc *d, struct slice v,
			  char why[OPT_WHY])
{
	return num_bool(v, f) ? say(why, d, "yes or no") : 0;
}

static int opt_parse_enum(opt_enum_t *f, const struct opt_desc *d, struct slice v,
			  char why[OPT_WHY])
{
	struct slice words = slice_str(d->min), others = slice_str(d->max);

	for (int i = 0; words.p; i++) {
		struct slice other = others.n ? slice_cut(&others, '|') : slice_of(NULL, 0);

		if (slice_eq(slice_cut(&words, '|'), v) || (other.n && slice_eq(other, v))) {
			*f = i;
			return 0;
		}
	}
	snprintf(why, OPT_WHY, "expected one of %s", d->min);
	return -1;
}

void options_json_string(struct slice s, struct buf *out)
{
	buf_addc(out, '"');
	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];

		if (c == '"' || c == '\\')
			buf_addf(out, "\\%c", c);
		else if (c < ' ' || c == 0x7f)
			buf_addf(out, "\\u%04x", c);
		else
			buf_addc(out, (char)c);
	}
	buf_addc(out, '"');
}

static void opt_show_str(const opt_str_t *f, const struct opt_desc *d, struct buf *out)
{
	(void)d;
	options_json_string(slice_str(*f), out);
}

static void opt_show_list(const opt_list_t *f, const struct opt_desc *d, struct buf *out)
{
	buf_addc(out, '[');
	for (unsigned i = 0; i < f->n; i++) {
		if (i)
			buf_addc(out, ',');
		opt_show_str(&f->v[i], d, out);
	}
	buf_addc(out, ']');
}

static void opt_show_uint(const opt_uint_t *f, const struct opt_desc *d, struct buf *out)
{
	(void)d;
	buf_addf(out, "%u", *f);
}

static void opt_show_size(const opt_size_t *f, const struct opt_desc *d, struct buf *out)
{
	char text[32];

	(void)d;
	buf_addf(out, "\"%s\"", num_format_size(*f, text, sizeof(text)));
}

static void opt_show_msec(const opt_msec_t *f, const struct opt_desc *d, struct buf *out)
{
	char text[32];

	(void)d;
	buf_addf(out, "\"%s\"", num_format_msec(*f, text, sizeof(text)));
}

static void opt_show_bool(const opt_bool_t *f, const struct opt_desc *d, struct buf *out)
{
	(void)d;
	buf_adds(out, *f ? "true" : "false");
}

static void opt_show_enum(const opt_enum_t *f, const struct opt_desc *d, struct buf *out)
{
	struct slice words = slice_str(d->min), w = {0};

	for (int i = 0; i <= *f; i++)
		w = slice_cut(&words, '|');
	options_json_string(w, out);
}

static int opt_same_str(const opt_str_t *a, const opt_str_t *b)
{
	return slice_eq(slice_str(*a), slice_str(*b));
}

static int opt_same_list(const opt_list_t *a, const opt_list_t *b)
{
	for (unsigned i = 0; i < a->n && i < b->n; i++)
		if (!opt_same_str(&a->v[i], &b->v[i]))
			return 0;
	return a->n == b->n;
}

#define PLAIN(type)                                                                                \
	static void opt_done_##type(opt_##type##_t *f)                                             \
	{                                                                                          \
		*f = 0;                                                                            \
	}                                                                                          \
	static int opt_same_##type(const opt_##type##_t *a, const opt_##type##_t *b)               \
	{                                                                                          \
		return *a == *b;                                                                   \
	}
PLAIN(uint)
PLAIN(size)
PLAIN(msec)
PLAIN(bool)
PLAIN(enum)

/* One set of typed functions for each row. */
#define ROW(sec, stype, type, field)                                                               \
	static int set_##sec##_##field(void *s, const struct opt_desc *d, struct slice v,          \
				       char why[OPT_WHY])                                          \
	{                                                                                          \
		return opt_parse_##type(&((stype *)s)->field, d, v, why);                          \
	}                                                                                          \
	static void done_##sec##_##field(void *s)                                                  \
	{                                                                                          \
		opt_done_##type(&((stype *)s)->field);                                             \
	}                                                                                          \
	static void show_##sec##_##field(const void *s, const struct opt_desc *d, struct buf *out) \
	{                                                                                          \
		opt_show_##type(&((const stype *)s)->field, d, out);                               \
	}                                                                                          \
	static int same_##sec##_##field(const void *a, const void *b)                              \
	{                                                                                          \
		return opt_same_##type(&((const stype *)a)->field, &((const stype *)b)->field);    \
	}
#define OPT_top(type, field, ...) ROW(top, struct options, type, field)
#define OPT_workers(type, field, ...) ROW(workers, struct opts_workers, type, field)
#define OPT_database(type, field, ...) ROW(database, struct opts_database, type, field)
#define OPT_limits(type, field, ...) ROW(limits, struct opts_limits, type, field)
#define OPT_cache(type, field, ...) ROW(cache, struct opts_cache, type, field)
#define OPT_auth(type, field, ...) ROW(auth, struct opts_auth, type, field)
#define OPT_log(type, field, ...) ROW(log, struct opts_log, type, field)
#include "lib/tbl/options.h"

const struct opt_row options_rows[] = {
#define ENTRY(sec, field)                                                                          \
	{set_##sec##_##field, done_##sec##_##field, show_##sec##_##field, same_##sec##_##field},
#define OPT_top(type, field, ...) ENTRY(top, field)
#define OPT_workers(type, field, ...) ENTRY(workers, field)
#define OPT_database(type, field, ...) ENTRY(database, field)
#define OPT_limits(type, field, ...) ENTRY(limits, field)
#define OPT_cache(type, field, ...) ENTRY(cache, field)
#define OPT_auth(type, field, ...) ENTRY(auth, field)
#define OPT_log(type, field, ...) ENTRY(log, field)
#include "lib/tbl/options.h"
};

const struct opt_desc options_table[] = {
#define DESC(sec, type, key, def, min, max, flags, help)                                           \
	{sec, #type, key, def, min, max, help, flags},
#define OPT_top(type, field, key, def, min, max, flags, help)                                      \
	DESC("", type, key, def, min, max, flags, help)
#define OPT_workers(type, field, key, def, min, max, flags, help)                                  \
	DESC("workers", type, key, def, min, max, flags, help)
#define OPT_database(type, field, key, def, min, max, flags, help)                                 \
	DESC("database", type, key, def, min, max, flags, help)
#define OPT_limits(type, field, key, def, min, max, flags, help)                                   \
	DESC("limits", type, key, def, min, max, flags, help)
#define OPT_cache(type, field, key, def, min, max, flags, help)                                    \
	DESC("cache", type, key, def, min, max, flags, help)
#define OPT_auth(type, field, key, def, min, max, flags, help)                                     \
	DESC("auth", type, key, def, min, max, flags, help)
#define OPT_log(type, field, key, def, min, max, flags, help)                                      \
	DESC("log", type, key, def, min, max, flags, help)
#include "lib/tbl/options.h"
};
const size_t options_table_n = ARRAY_LEN(options_table);

const char *const options_sections[OPTIONS_SECTIONS] = {"",      "workers", "database", "limits",
							   "cache", "auth",    "log"};

void *options_section(struct options *o, const char *section, unsigned i)
{
	switch (section[0]) {
	case 'w':
		return &o->workers;
	case 'c':
		return &o->cache;
	case 'd':
		return &o->databases[i];
	case 'a':
		return &o->auth;
	case 'l':
		return section[1] == 'i' ? (void *)&o->limits : (void *)&o->log;
	default:
		return o;
	}
}

static void set_default(void *s, size_t row)
{
	char why[OPT_WHY];

	check(options_rows[row].set(s, &options_table[row], slice_str(options_table[row].def),
				    why) == 0);
}

void options_defaults(struct options *o)
{
	*o = (struct options){0};
	for (size_t i = 0; i < options_table_n; i++)
		if (options_table[i].section[0] != 'd')
			set_default(options_section(o, options_table[i].section, 0), i);
}

struct opts_database *options_add_database(struct options *o, const char *name)
{
	struct opts_database *d;

	if (o->n_databases == ARRAY_LEN(o->databases))
		return NULL;
	d = &o->databases[o->n_databases++];
	d->name = dup_slice(slice_str(name));
	for (size_t i = 0; i < options_table_n; i++)
		if (options_table[i].section[0] == 'd')
			set_default(d, i);
	return d;
}

int options_find(const char *section, struct slice key)
{
	for (size_t i = 0; i < options_table_n; i++)
		if (strcmp(options_table[i].section, section) == 0 &&
		    slice_eq(slice_str(options_table[i].key), key))
			return (int)i;
	return -1;
}

void options_done(struct options *o)
{
	for (size_t i = 0; i < options_table_n; i++) {
		if (options_table[i].section[0] != 'd')
			options_rows[i].done(options_section(o, options_table[i].section, 0));
		else
			for (unsigned d = 0; d < o->n_databases; d++)
				options_rows[i].done(&o->databases[d]);
	}
	for (unsigned d = 0; d < o->n_databases; d++)
		free(o->databases[d].name);
	o->n_databases = 0;
}
