/* options: weir.conf through libconfuse. libconfuse stops at the first unknown key; because every
 * fault is to be reported, the statement that it stopped at is taken out of the text and the rest
 * is parsed again. Values are judged at the end, on what the last pass collected. */
#include "config.h"

#include "lib/conf/options.h"

#include <confuse.h>
#include <stdio.h>
#include <stdlib.h>

#include "lib/base/check.h"
#include "lib/conf/conf_file.h"
#include "lib/conf/near.h"
#include "lib/conf/options_row.h"

#define MAX_PASSES 60
#define MAX_KEYS 32 /* of one section, in libconfuse's table */

/* One value as libconfuse handed it over; text lies in the words of the file. */
struct found {
	int row;
	unsigned database; /* 0-based number of the block in the file */
	int is_bad;
	size_t word;
};

struct parse {
	struct options *o;
	struct errs *errs;
	struct conf_file file;
	struct found *found;
	size_t n_found, cap_found;
	const char *titles[OPTIONS_MAX_DATABASES];
	size_t title_words[OPTIONS_MAX_DATABASES];
	unsigned n_titles;
	/* of the pass that failed */
	size_t word;
	char message[256];
	int is_unknown, is_duplicate;
	char section[16];
};

/* libconfuse's callbacks carry no pointer of ours. Set for the length of options_parse. */
static __thread struct parse *current;

static void on_error(cfg_t *cfg, const char *fmt, va_list ap)
{
	struct parse *p = current;

	if (p->message[0])
		return;
	p->word = cfg->line > 0 ? (size_t)cfg->line - 1 : 0;
	p->is_unknown = strncmp(fmt, "no such option", 14) == 0;
	p->is_duplicate = strncmp(fmt, "found duplicate title", 21) == 0;
	vsnprintf(p->message, sizeof(p->message), fmt, ap);
	snprintf(p->section, sizeof(p->section), "%s",
		 strcmp(cfg->name, "root") == 0 ? "" : cfg->name);
}

/* n_titles when there is no such block. */
static unsigned title_number(const struct parse *p, const char *title)
{
	for (unsigned i = 0; i < p->n_titles; i++)
		if (strcmp(p->titles[i], title) == 0)
			return i;
	return p->n_titles;
}

static int on_value(cfg_t *cfg, cfg_opt_t *opt, const char *value, void *ret)
{
	struct parse *p = current;
	const char *section = strcmp(cfg->name, "root") == 0 ? "" : cfg->name;
	struct found f = {.row = options_find(section, slice_str(opt->name)),
			  .word = (size_t)cfg->line - 1};

	*(const char **)ret = value;
	check(f.row >= 0 && f.word < p->file.n);
	if (cfg->title)
		f.database = title_number(p, cfg->title);
	if (f.database > 0 && f.database >= p->n_titles)
		return 0;
	if (p->n_found == p->cap_found) {
		p->cap_found = p->cap_found ? p->cap_found * 2 : 64;
		p->found = realloc(p->found, p->cap_found * sizeof(*p->found));
		check(p->found);
	}
	p->found[p->n_found++] = f;
	return 0;
}

/* libconfuse's own table, made of ours. */
struct tables {
	cfg_opt_t top[MAX_KEYS], sub[OPTIONS_SECTIONS][MAX_KEYS];
};

static void fill(cfg_opt_t *out, const char *section)
{
	size_t n = 0;

	for (size_t i = 0; i < options_table_n; i++) {
		const struct opt_desc *d = &options_table[i];
		cfg_opt_t one = CFG_STR_CB(d->key, NULL, CFGF_NODEFAULT, on_value);
		cfg_opt_t many = CFG_STR_LIST_CB(d->key, NULL, CFGF_NODEFAULT, on_value);

		if (strcmp(d->section, section) != 0)
			continue;
		check(n + OPTIONS_SECTIONS < MAX_KEYS);
		out[n++] = strcmp(d->type, "list") == 0 ? many : one;
	}
	if (!section[0]) {
		for (size_t s = 1; s < OPTIONS_SECTIONS; s++) {
			struct tables *t = CONTAINER_OF(out, struct tables, top);
			cfg_flag_t flags = strcmp(options_sections[s], "database") == 0
					       ? CFGF_MULTI | CFGF_TITLE | CFGF_NO_TITLE_DUPES
					       : CFGF_NONE;
			cfg_opt_t sec = CFG_SEC(options_sections[s], t->sub[s], flags);

			out[n++] = sec;
		}
	}
	out[n] = (cfg_opt_t)CFG_END();
}

/* The database blocks in the file, in order; more than fit are refused. */
static void find_titles(struct parse *p)
{
	struct conf_tok *v = p->file.v;
	size_t depth = 0;

	p->n_titles = 0;
	for (size_t i = 0; i + 2 < p->file.n; i++) {
		if (v[i].is_dropped)
			continue;
		if (v[i].kind == '{')
			depth++;
		else if (v[i].kind == '}' && depth)
			depth--;
		if (depth || v[i].kind != 'w' || !slice_eq(v[i].text, SLICE("database")) ||
		    v[i + 1].kind != 'w' || v[i + 2].kind != '{' ||
		    title_number(p, v[i + 1].text.p) < p->n_titles)
			continue;
		if (p->n_titles == OPTIONS_MAX_DATABASES) {
			errs_add(p->errs, E_config, p->file.name, v[i].line, v[i].col,
				 "too many databases; expected at most %d", OPTIONS_MAX_DATABASES);
			conf_file_drop(&p->file, i);
			continue;
		}
		p->title_words[p->n_titles] = i + 1;
		p->titles[p->n_titles++] = v[i + 1].text.p;
	}
}

/* What has nothing behind it that a key has may be the rest of a value whose quotes are wrong: a password. */
static int is_used_as_key(const struct parse *p, const struct conf_tok *t)
{
	const struct conf_tok *next = t + 1, *end = p->file.v + p->file.n;

	if (next + 1 < end && next->kind == 'w' && next[1].kind == '{')
		return 1;	/* a section with its name */
	return next < end && next->kind != 'w' && strchr("={+(", next->kind) != NULL;
}

/* "workers|min" would make libconfuse set a key of another section. */
static void refuse_paths(struct parse *p)
{
	struct conf_tok *v = p->file.v;

	for (size_t i = 0; i < p->file.n; i++) {
		int is_value =
		    i && (v[i - 1].kind == '=' || v[i - 1].kind == '+' || v[i - 1].kind == ',');

		if (v[i].is_dropped || v[i].kind != 'w' || is_value)
			continue;
		if (i && v[i - 1].kind == '{' && i > 1 &&
		    (v[i - 2].kind == '=' || v[i - 2].kind == '+'))
			continue;
		if (v[i].text.n && !memchr(v[i].text.p, '|', v[i].text.n))
			continue;
		errs_add(p->errs, E_config, p->file.name, v[i].line, v[i].col,
			 is_used_as_key(p, &v[i]) ? "'%.*s' is no key, section or name" : "this is no key, section or name",
			 SLICE_ARG(v[i].text));
		conf_file_drop(&p->file, i);
	}
}

static void report_unknown(struct parse *p, const struct conf_tok *t)
{
	const char *words[64], *elsewhere = NULL;
	size_t n = 0;
	char hint[96], list[OPT_WHY * 2] = "";

	for (size_t i = 0; i < options_table_n; i++)
		if (strcmp(options_table[i].section, p->section) == 0)
			words[n++] = options_table[i].key;
	for (size_t s = 1; s < OPTIONS_SECTIONS && !p->section[0]; s++)
		words[n++] = options_sections[s];
	for (size_t s = 0; s < OPTIONS_SECTIONS; s++)
		if (options_find(options_sections[s], t->text) >= 0 ||
		    (s == 0 && strcmp(t->text.p, "database") == 0))
			elsewhere = options_sections[s];
	if (!is_used_as_key(p, t)) {
		errs_add(p->errs, E_config, p->file.name, t->line, t->col, "expected a key%s%s with '=' behind it, or quotes around the value "
			 "in front", p->section[0] ? " of " : "", p->section);
		return;
	}
	near_hint(t->text, words, n, hint);
	if (elsewhere && !hint[0]) {
		snprintf(hint, sizeof(hint), "; it belongs %s%s%s",
			 elsewhere[0] ? "in " : "to the top level", elsewhere,
			 strcmp(elsewhere, "database") == 0 ? " NAME { }" : "");
	} else if (!hint[0]) {
		for (size_t i = 0, at = 0; i < n && at < sizeof(list); i++)
			at += (size_t)snprintf(list + at, sizeof(list) - at, "%s%s",
					       i ? ", " : "; expected one of ", words[i]);
	}
	errs_add(p->errs, E_config, p->file.name, t->line, t->col, "unknown key '%s'%s%s%s%s",
		 t->text.p, p->section[0] ? " in " : "", p->section, hint, list);
}

static void refuse_empty_lists(struct parse *p)
{
	const struct conf_tok *v = p->file.v;

	for (size_t i = 0; i + 2 < p->file.n; i++)
		if (v[i].kind == '=' && v[i + 1].kind == '{' && v[i + 2].kind == '}')
			errs_add(p->errs, E_config, p->file.name, v[i + 1].line, v[i + 1].col,
				 "empty list; expected a value");
}

/* 1: something was taken out, parse again. 0: the structure is lost. */
static int mend(struct parse *p)
{
	struct conf_tok *t;
	char text[64];

	if (p->file.n == 0)
		return 0;
	if (p->word >= p->file.n)
		p->word = p->file.n - 1;
	t = &p->file.v[p->word];
	if (p->is_unknown && t->kind == 'w') {
		report_unknown(p, t);
		conf_file_drop(&p->file, p->word);
		return 1;
	}
	if (p->is_duplicate && p->word >= 2) {
		errs_add(p->errs, E_config, p->file.name, t[-2].line, t[-2].col,
			 "database %s is given twice", t[-1].text.p);
		conf_file_drop(&p->file, p->word - 2);
		return 1;
	}
	snprintf(text, sizeof(text), "unexpected '%.40s'", t->text.p);
	errs_add(p->errs, E_config, p->file.name, t->line, t->col, "%s",
		 p->message[0] ? p->message : text);
	return 0;
}

/* 1 when the whole file was read. */
static int read_all(struct parse *p)
{
	struct tables t;

	for (size_t s = 1; s < OPTIONS_SECTIONS; s++)
		fill(t.sub[s], options_sections[s]);
	fill(t.top, "");
	for (int pass = 0; pass < MAX_PASSES; pass++) {
		cfg_t *cfg = cfg_init(t.top, CFGF_NONE);
		struct buf text;
		int rc;

		check(cfg);
		p->n_found = 0;
		p->message[0] = 0;
		p->word = SIZE_MAX;
		p->is_unknown = p->is_duplicate = 0;
		find_titles(p);
		buf_init(&text, 0);
		conf_file_emit(&p->file, &text);
		cfg_set_error_function(cfg, on_error);
		current = p;
		rc = cfg_parse_buf(cfg, buf_str(&text));
		current = NULL;
		buf_done(&text);
		cfg_free(cfg);
		if (rc == CFG_SUCCESS)
			return 1;
		if (!mend(p))
			return 0;
	}
	return 0;
}

static size_t key_word(const struct parse *p, const struct found *f)
{
	size_t i = f->word;

	while (i && !(p->file.v[i].kind == '=' || p->file.v[i].kind == '+'))
		i--;
	return i ? i - 1 : 0;
}

/* Set what was found. A key twice in one block is a mistake, but for "+=" and lists' elements. */
static void set_values(struct parse *p)
{
	for (size_t i = 0; i < p->n_found; i++) {
		struct found *f = &p->found[i];
		const struct conf_tok *t = &p->file.v[f->word];
		const struct opt_desc *d = &options_table[f->row];
		void *s = options_section(p->o, d->section, f->database);
		size_t key = key_word(p, f), first = SIZE_MAX;
		char why[OPT_WHY];
		int is_twice = 0;

		for (size_t j = 0; j < i && first == SIZE_MAX; j++)
			if (p->found[j].row == f->row && p->found[j].database == f->database)
				first = key_word(p, &p->found[j]);
		if (first == SIZE_MAX)
			options_rows[f->row].done(s);
		else
			is_twice = first != key && p->file.v[key + 1].kind == '=';
		if (is_twice)
			errs_add(p->errs, E_config, p->file.name, p->file.v[key].line,
				 p->file.v[key].col, "%s is given twice, first on line %u", d->key,
				 p->file.v[first].line);
		if (is_twice || options_rows[f->row].set(s, d, t->text, why) == 0)
			continue;
		f->is_bad = 1;
		errs_add(p->errs, E_config, p->file.name, t->line, t->col,
			 "bad value '%.80s' of %s; %s", d->flags & OPT_F_SECRET ? "…" : t->text.p,
			 d->key, why);
		if (first == SIZE_MAX)
			check(options_rows[f->row].set(s, d, slice_str(d->def), why) == 0);
	}
}

static struct opt_place place_of(void *arg, const char *section, const char *title, const char *key)
{
	const struct parse *p = arg;
	unsigned database = title ? title_number(p, title) : 0;
	const struct conf_tok *t = NULL;
	int is_bad = 0;

	for (size_t i = 0; i < p->n_found; i++) {
		const struct opt_desc *d = &options_table[p->found[i].row];

		if (strcmp(d->section, section) != 0 || strcmp(d->key, key) != 0 ||
		    p->found[i].database != database)
			continue;
		t = t ? t : &p->file.v[p->found[i].word];
		is_bad |= p->found[i].is_bad;
	}
	if (!t && title && database < p->n_titles)
		t = &p->file.v[p->title_words[database]];
	return t ? (struct opt_place){t->line, t->col, is_bad} : (struct opt_place){0};
}

static int by_place(const void *a, const void *b)
{
	const struct err *x = a, *y = b;

	if (x->line != y->line)
		return x->line < y->line ? -1 : 1;
	return x->col < y->col ? -1 : x->col > y->col;
}

int options_parse(struct options *o, const char *name, struct slice text, struct errs *errs)
{
	struct parse p = {.o = o, .errs = errs};
	size_t before = errs->n_all, kept = errs->n;
	int is_whole;

	options_defaults(o);
	conf_file_parse(&p.file, name, text, errs);
	refuse_paths(&p);
	refuse_empty_lists(&p);
	is_whole = read_all(&p);
	for (unsigned i = 0; i < p.n_titles; i++)
		check(options_add_database(o, p.titles[i]));
	set_values(&p);
	if (is_whole)
		options_check(o, name, place_of, &p, errs);
	if (errs->n > kept)
		qsort(errs->v + kept, errs->n - kept, sizeof(*errs->v), by_place);
	free(p.found);
	conf_file_done(&p.file);
	return (int)(errs->n_all - before);
}

const char *options_library_version(void)
{
	return confuse_version;
}
