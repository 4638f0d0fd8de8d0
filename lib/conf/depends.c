/* The enumerators below are what checks the list: an option or a directive without a row in lib/tbl/depends.h names one that
 * is not declared, and a row of what is gone names a field that is not there. */
#include "config.h"

#include "lib/conf/depends.h"

#include "lib/base/check.h"
#include "lib/conf/options_row.h"

enum {
#define DEP_OPT(section, field, how) add_a_row_to_depends_h_for_option_##section##_##field = DEPENDS_##how,
#define DEP_DIR(id, how) add_a_row_to_depends_h_for_directive_##id = DEPENDS_##how,
#include "lib/tbl/depends.h"
};

#define opts_top options
#define DEP_OPT(section, field, how) \
	_Static_assert(sizeof(((struct opts_##section *)NULL)->field) > 0, "a row of an option that there is not");
#define DEP_DIR(id, how) _Static_assert((int)DIR_##id >= 0, "a row of a directive that there is not");
#include "lib/tbl/depends.h"

static const unsigned char options_how[] = {
#define ROW(section, type, field, ...) add_a_row_to_depends_h_for_option_##section##_##field,
#define OPT_top(...) ROW(top, __VA_ARGS__)
#define OPT_workers(...) ROW(workers, __VA_ARGS__)
#define OPT_database(...) ROW(database, __VA_ARGS__)
#define OPT_limits(...) ROW(limits, __VA_ARGS__)
#define OPT_cache(...) ROW(cache, __VA_ARGS__)
#define OPT_auth(...) ROW(auth, __VA_ARGS__)
#define OPT_log(...) ROW(log, __VA_ARGS__)
#include "lib/tbl/options.h"
};

static const unsigned char directives_how[] = {
#define DIR(id, ...) add_a_row_to_depends_h_for_directive_##id,
#include "lib/tbl/directives.h"
};

enum depends depends_option(size_t row)
{
	check(row < ARRAY_LEN(options_how) && options_table_n == ARRAY_LEN(options_how));
	return (enum depends)options_how[row];
}

enum depends depends_directive(enum dir_id id)
{
	return (enum depends)directives_how[id];
}

void depends_put(const struct options *o, unsigned database, struct buf *out)
{
	struct options *rw = (struct options *)(uintptr_t)o;	/* options_section hands out what may be written */

	for (size_t i = 0; i < options_table_n; i++) {
		const struct opt_desc *d = &options_table[i];
		int is_database = strcmp(d->section, "database") == 0;

		if (depends_option(i) != DEPENDS_SHAPES || (is_database && database >= o->n_databases))
			continue;
		buf_addf(out, "%s.%s=", d->section, d->key);
		options_rows[i].show(options_section(rw, d->section, database), d, out);
		buf_addc(out, '\n');
	}
}

void depends_note(struct dir *d, enum dir_id id, struct slice text)
{
	if (depends_directive(id) != DEPENDS_SHAPES)
		return;
	d->e->shape = arena_fmt(d->arena, "%s%.*s\n", d->e->shape ? d->e->shape : "", SLICE_ARG(text));
}
