/* options_fmt: options as text: effective configuration as JSON, example file, manual page. */
#include "config.h"

#include "lib/conf/conninfo.h"
#include "lib/conf/options_row.h"

static void show_conninfo(const char *conninfo, struct buf *out)
{
	AUTO(buf) struct buf b;

	buf_init(&b, 0);
	conninfo_show(conninfo, &b);
	options_json_string(buf_slice(&b), out);
}

/* Whether there is one, and no more. */
static void show_secret(const void *s, size_t row, struct buf *out)
{
	AUTO(buf) struct buf b;

	buf_init(&b, 0);
	options_rows[row].show(s, &options_table[row], &b);
	buf_adds(out, slice_eq(buf_slice(&b), SLICE("\"\"")) ? "\"\"" : "\"(set)\"");
	if (b.n)
		explicit_bzero(b.p, b.n);
}

static void show_section(const void *s, const char *section, struct buf *out)
{
	char sep = 0;

	for (size_t i = 0; i < options_table_n; i++) {
		const struct opt_desc *d = &options_table[i];

		if (strcmp(d->section, section) != 0)
			continue;
		if (sep)
			buf_addc(out, sep);
		sep = ',';
		buf_addf(out, "\"%s\":", d->key);
		if (!(d->flags & OPT_F_SECRET))
			options_rows[i].show(s, d, out);
		else if (strcmp(d->key, "conninfo") == 0)
			show_conninfo(((const struct opts_database *)s)->conninfo, out);
		else
			show_secret(s, i, out);
	}
}

void options_to_json(const struct options *o, struct buf *out)
{
	buf_addc(out, '{');
	show_section(o, "", out);
	buf_adds(out, ",\"workers\":{");
	show_section(&o->workers, "workers", out);
	buf_adds(out, "},\"databases\":[");
	for (unsigned i = 0; i < o->n_databases; i++) {
		buf_adds(out, i ? ",{\"name\":" : "{\"name\":");
		options_json_string(slice_str(o->databases[i].name), out);
		buf_addc(out, ',');
		show_section(&o->databases[i], "database", out);
		buf_addc(out, '}');
	}
	buf_adds(out, "],\"limits\":{");
	show_section(&o->limits, "limits", out);
	buf_adds(out, "},\"cache\":{");
	show_section(&o->cache, "cache", out);
	buf_adds(out, "},\"auth\":{");
	show_section(&o->auth, "auth", out);
	buf_adds(out, "},\"log\":{");
	show_section(&o->log, "log", out);
	buf_adds(out, "}}");
}

static void name_key(struct buf *out, const char *section, const char *name, const char *key)
{
	buf_addf(out, "%s%s%s%s%s%s", out->n ? ", " : "", section, section[0] ? "." : "", name,
		 name[0] ? "." : "", key);
}

int options_same_database(const struct options *a, const struct options *b, unsigned i)
{
	struct options *x = (struct options *)(uintptr_t)a, *y = (struct options *)(uintptr_t)b;

	for (size_t k = 0; k < options_table_n; k++)
		if (strcmp(options_table[k].section, "database") == 0 &&
		    !options_rows[k].is_same(options_section(x, "database", i), options_section(y, "database", i)))
			return 0;
	return 1;
}

int options_need_restart(const struct options *a, const struct options *b, struct buf *ret_keys)
{
	struct options *x = (struct options *)(uintptr_t)a, *y = (struct options *)(uintptr_t)b;
	size_t before = ret_keys->n;
	int is_same_set = a->n_databases == b->n_databases;

	for (unsigned i = 0; is_same_set && i < a->n_databases; i++)
		is_same_set = strcmp(a->databases[i].name, b->databases[i].name) == 0;
	for (size_t i = 0; i < options_table_n; i++) {
		const struct opt_desc *d = &options_table[i];
		int is_database = strcmp(d->section, "database") == 0;

		if (!(d->flags & OPT_F_RESTART) || (is_database && !is_same_set))
			continue;
		for (unsigned j = 0; j < (is_database ? a->n_databases : 1); j++)
			if (!options_rows[i].is_same(options_section(x, d->section, j),
						     options_section(y, d->section, j)))
				name_key(ret_keys, d->section,
					 is_database ? a->databases[j].name : "", d->key);
	}
	/* shared memory holds the pools' slots by number of the database */
	if (!is_same_set)
		name_key(ret_keys, "", "", "database");
	return ret_keys->n > before;
}

/* Words folded at 96 columns behind "# ". */
static void comment(struct buf *out, const char *indent, const char *text)
{
	struct slice rest = slice_str(text);
	size_t col = 0;

	while (rest.p) {
		struct slice w = slice_cut(&rest, ' ');

		if (col == 0 || col + 1 + w.n > 96) {
			buf_addf(out, "%s%s#", col ? "\n" : "", indent);
			col = 2;
		}
		buf_addc(out, ' ');
		buf_add(out, w.p, w.n);
		col += 1 + w.n;
	}
	buf_addc(out, '\n');
}

static int is_bare(const struct opt_desc *d)
{
	return strcmp(d->type, "uint") == 0 || strcmp(d->type, "bool") == 0;
}

static void example_section(struct buf *out, const char *section, const char *indent)
{
	const char *gap = "";

	for (size_t i = 0; i < options_table_n; i++) {
		const struct opt_desc *d = &options_table[i];
		const char *q = is_bare(d) ? "" : "\"";

		if (strcmp(d->section, section) != 0)
			continue;
		buf_adds(out, gap);
		gap = "\n";
		comment(out, indent, d->help);
		if (strcmp(d->type, "enum") == 0)
			buf_addf(out, "%s# One of %s.\n", indent, d->min);
		else if (d->min[0] && d->max[0])
			buf_addf(out, "%s# From %s to %s.\n", indent, d->min, d->max);
		if (d->flags & OPT_F_RESTART)
			buf_addf(out, "%s# A change needs a restart.\n", indent);
		if (strcmp(d->key, "conninfo") == 0)
			buf_addf(out, "%sconninfo = \"service=app\"\n", indent);
		else
			buf_addf(out, "%s#%s = %s%s%s\n", indent, d->key, q, d->def, q);
	}
}

void options_example(struct buf *out)
{
	buf_adds(out,
		 "# weir.conf: configuration of weird(8), described in weir.conf(5).\n"
		 "# Every key stands here, commented out, at its default; only conninfo has none.\n"
		 "# Durations carry a unit (ms, s, min, h, d), sizes may (KiB, MiB, GiB).\n"
		 "# Test a change with \"weird -t\", make it live with \"weirctl reload\".\n\n");
	example_section(out, "", "");
	for (size_t s = 1; s < OPTIONS_SECTIONS; s++) {
		int is_database = strcmp(options_sections[s], "database") == 0;

		if (is_database)
			buf_adds(out, "\n# One block for each database; the first one is the "
				      "default of endpoints.");
		buf_addf(out, "\n%s%s {\n", options_sections[s], is_database ? " main" : "");
		example_section(out, options_sections[s], "\t");
		buf_adds(out, "}\n");
	}
}

/* Words folded at 78 columns; a backslash or a hyphen is an mdoc character of its own, a line must
 * not begin with '.' or ' and a sentence ends its line. */
void options_mdoc_text(struct buf *out, const char *text)
{
	struct slice rest = slice_str(text);
	size_t col = 0;

	while (rest.p) {
		struct slice w = slice_cut(&rest, ' ');

		if (col && col + 1 + w.n > 78) {
			buf_addc(out, '\n');
			col = 0;
		}
		if (col)
			buf_addc(out, ' ');
		else if (w.n && (w.p[0] == '.' || w.p[0] == '\''))
			buf_adds(out, "\\&");
		col += w.n + 1;
		for (size_t i = 0; i < w.n; i++) {
			if (w.p[i] == '\\')
				buf_adds(out, "\\e");
			else if (w.p[i] == '-')
				buf_adds(out, "\\-");
			else
				buf_addc(out, w.p[i]);
		}
		if (w.n && w.p[w.n - 1] == '.') {
			buf_addc(out, '\n');
			col = 0;
		}
	}
	if (col)
		buf_addc(out, '\n');
}

void options_mdoc(struct buf *out)
{
	static const struct {
		const char *type, *arg;
	} names[] = {{"str", "text"},      {"list", "text | { text, ... }"},
		     {"uint", "number"},   {"size", "size"},
		     {"msec", "duration"}, {"bool", "yes | no"},
		     {"enum", "word"}};

	for (size_t s = 0; s < OPTIONS_SECTIONS; s++) {
		const char *section = options_sections[s];

		if (!section[0])
			buf_adds(out, ".Ss Top level\n");
		else
			buf_addf(out, ".Ss %s%s { ... }\n", section,
				 strcmp(section, "database") == 0 ? " NAME" : "");
		buf_adds(out, ".Bl -tag -width Ds\n");
		for (size_t i = 0; i < options_table_n; i++) {
			const struct opt_desc *d = &options_table[i];
			const char *arg = "text";

			if (strcmp(d->section, section) != 0)
				continue;
			for (size_t j = 0; j < ARRAY_LEN(names); j++)
				if (strcmp(names[j].type, d->type) == 0)
					arg = names[j].arg;
			if (strcmp(d->type, "enum") == 0)
				arg = d->min;
			buf_addf(out, ".It Ic %s No = Ar %s\n", d->key, arg);
			options_mdoc_text(out, d->help);
			if (d->min[0] && d->max[0] && strcmp(d->type, "enum") != 0)
				buf_addf(out, "From %s to %s.\n", d->min, d->max);
			if (d->def[0])
				buf_addf(out, "Default: %s.\n", d->def);
			if (d->flags & OPT_F_RESTART)
				buf_adds(out, "A change needs a restart.\n");
		}
		buf_adds(out, ".El\n");
	}
}
