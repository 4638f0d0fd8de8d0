/* trap: see trap.h. */
#include "config.h"

#include "lib/conf/trap.h"

#include <ctype.h>
#include <stdlib.h>

#include "lib/base/check.h"
#include "lib/conf/directive.h"
#include "lib/conf/near.h"
#include "lib/conf/tag.h"

static int is_one_of(struct slice w, const char *const *words)
{
	for (size_t i = 0; words[i]; i++)
		if (slice_ieq(w, slice_str(words[i])))
			return 1;
	return 0;
}

static struct trap *keep(struct trap_scan *s, struct trap t)
{
	if (s->n == TRAP_MAX)
		return NULL;
	s->found[s->n] = t;
	return &s->found[s->n++];
}

/* ---- a parameter as the whole of an item ---- */

static void end_item(struct trap_scan *s, struct trap_level *l)
{
	if (l->alone.kind)
		(void)keep(s, l->alone);
	l->alone.kind = TRAP_NONE;
}

static void end_list(struct trap_scan *s)
{
	struct trap_level *l = &s->levels[s->depth];

	end_item(s, l);
	l->list = TRAP_NONE;
	l->is_fresh = 0;
}

static int was(const struct trap_scan *s, const char *word)
{
	return strcmp(s->before, word) == 0;
}

static void word(struct trap_scan *s, const struct lex_tok *t)
{
	/* what may stand behind a lone parameter and leave it alone, and what ends its list */
	static const char *const trailing[] = {"asc",	 "desc",      "nulls",	"first",	"last",	   "collate", "using",
					       "with", "without", "time", "zone", "precision", "varying", NULL};
	static const char *const ending[] = {"limit",  "offset", "fetch",  "for",    "union",  "intersect", "except", "having",
					     "window", "rows",	 "range",  "groups", "order",  "returning", "where",  "on", NULL};
	struct trap_level *l = &s->levels[s->depth];
	enum trap_kind list = was(s, "order") ? TRAP_ORDER : was(s, "group") ? TRAP_GROUP : was(s, "partition") ? TRAP_PARTITION
												      : TRAP_NONE;

	if (slice_ieq(t->text, SLICE("by")) && list) {
		end_list(s);
		l->list = list;
		l->is_fresh = 1;
		return;
	}
	if (!l->list || s->is_type)
		return;
	if (slice_ieq(t->text, SLICE("select")))
		l->list = l->alone.kind = TRAP_NONE;
	else if (is_one_of(t->text, ending))
		end_list(s);
	else if (!is_one_of(t->text, trailing) && !was(s, "collate"))
		l->alone.kind = TRAP_NONE;
	l->is_fresh = 0;
}

static void parameter(struct trap_scan *s, const struct lex_tok *t)
{
	struct trap_level *l = &s->levels[s->depth];

	l->alone.kind = TRAP_NONE;
	if (l->list && l->is_fresh)
		l->alone = (struct trap){l->list, slice_of(t->text.p + 1, t->text.n - 1), t->line, t->col, 0};
	l->is_fresh = 0;
}

static int is_text_function(const char *name)
{
	static const char *const words[] = {"replace",	       "regexp_replace", "regexp_split_to_table", "regexp_split_to_array",
					    "translate",       "split_part",	 "string_to_array",	  "string_to_table",
					    "array_to_string", "string_agg",	 "concat",		  "concat_ws",
					    "strpos",	       "position",	 "starts_with",		  "to_char",
					    "format",	       "overlay",	 "trim",		  "btrim",
					    "ltrim",	       "rtrim",		 "substring",		  NULL};

	return name[0] && is_one_of(slice_str(name), words);
}

static void opened(struct trap_scan *s)
{
	struct trap_level *l = &s->levels[s->depth];
	int begins = l->is_fresh;

	if (!s->is_type)
		l->alone.kind = TRAP_NONE;
	l->is_fresh = 0;
	if (s->depth == LEX_MAX_DEPTH)
		return;
	s->levels[++s->depth] = (struct trap_level){0};
	if (was(s, "in") && l->is_position)
		return;		/* position(a IN (b)) */
	if (was(s, "in") || was(s, "distinct on"))
		s->levels[s->depth] = (struct trap_level){.list = was(s, "in") ? TRAP_IN : TRAP_DISTINCT, .is_fresh = 1};
	else if (is_text_function(s->before))
		s->levels[s->depth] = (struct trap_level){.is_text_call = 1, .is_position = was(s, "position")};
	else if (begins)	/* (:x) is :x */
		s->levels[s->depth] = (struct trap_level){.list = l->list, .is_fresh = 1, .is_inner = 1};
}

static void closed(struct trap_scan *s)
{
	struct trap_level *l = &s->levels[s->depth];

	if (s->depth == 0)
		return;
	s->depth--;
	if (l->is_inner)
		s->levels[s->depth].alone = l->alone;
	else
		end_item(s, l);
}

static void other(struct trap_scan *s, const struct lex_tok *t)
{
	struct trap_level *l = &s->levels[s->depth];
	char c = t->text.n == 1 ? t->text.p[0] : 0;

	if (c == '(') {
		opened(s);
	} else if (c == ')') {
		closed(s);
	} else if (c == ',') {
		if (l->list == TRAP_IN)
			l->list = l->alone.kind = TRAP_NONE;	/* several are a list */
		end_item(s, l);
		l->is_fresh = l->list != TRAP_NONE;
	} else if (c != '[' && c != ']' && !slice_eq(t->text, SLICE("::"))) {
		l->alone.kind = TRAP_NONE;
		l->is_fresh = 0;
	}
}

/* ---- a parameter's name in quotes ---- */

static size_t name_length(struct slice s, size_t at)
{
	size_t n = 0;

	while (at + n < s.n && (isalnum((unsigned char)s.p[at + n]) || s.p[at + n] == '_'))
		n++;
	return n && !isdigit((unsigned char)s.p[at]) ? n : 0;
}

/* The next :name in a string, from *at on; p NULL: none. */
static struct slice next_name(struct slice s, size_t *at)
{
	for (; *at < s.n; (*at)++) {
		size_t i = *at, n = s.p[i] == ':' ? name_length(s, i + 1) : 0;
		char before = i ? s.p[i - 1] : ' ';

		if (!n || isalnum((unsigned char)before) || strchr("_:?", before) || (i + 1 + n < s.n && s.p[i + 1 + n] == ':'))
			continue;
		*at += n + 1;
		return slice_of(s.p + i + 1, n);
	}
	return (struct slice){NULL, 0};
}

/* ':title', '%:q%': it can hardly be meant as text, whether there is such a parameter or not. */
static int is_all(struct slice s, struct slice name)
{
	size_t before = (size_t)(name.p - 1 - s.p), letters = 0;

	for (size_t i = 0; i < name.n; i++)
		letters += (name.p[i] >= 'a' && name.p[i] <= 'z') || name.p[i] == '_';
	for (size_t i = 0; i < s.n; i++)
		if ((i < before || i > before + name.n) && !strchr("%_ \"'", s.p[i]))
			return 0;
	return letters > 0;
}

static void string(struct trap_scan *s, const struct lex_tok *t)
{
	/* AS ":x" is a name that somebody has thought of */
	if (t->kind == LEX_QUOTED && was(s, "as"))
		return;
	if (memchr(t->text.p, ':', t->text.n))
		s->string = keep(s, (struct trap){t->kind == LEX_QUOTED ? TRAP_IDENTIFIER : TRAP_STRING, t->text, t->line, t->col,
						  s->is_joining || s->levels[s->depth].is_text_call});
}

/* The text between the quotes, of whatever kind they are. */
static struct slice inside(struct slice s)
{
	const char *quote = memchr(s.p, s.p[s.n - 1], s.n);
	size_t n;

	if (s.p[0] == '$') {
		n = (size_t)((const char *)memchr(s.p + 1, '$', s.n - 1) - s.p) + 1;
		return slice_of(s.p + n, s.n - 2 * n);
	}
	return slice_of(quote + 1, (size_t)(s.p + s.n - 1 - quote) - 1);
}

static void say_string(struct dir *d, const struct trap *t)
{
	struct slice s = inside(t->text), name;
	size_t at = 0;

	while ((name = next_name(s, &at)).p) {
		if (!dir_find_param(d->e, name) ? t->is_piece || !is_all(s, name) : t->kind == TRAP_IDENTIFIER && !is_all(s, name))
			continue;
		dir_warn(d, t->col, "within quotes :%.*s is no parameter but text; write :%.*s without quotes%s", SLICE_ARG(name),
			 SLICE_ARG(name), slice_eq(s, slice_of(name.p - 1, name.n + 1)) ? "" : ", and || or format() around it");
		return;
	}
}

/* ---- directives where none is read ---- */

static int is_directive(struct slice w)
{
	for (size_t i = 0; i < dir_table_n; i++)
		if (slice_eq(w, slice_str(dir_table[i].word)))
			return 1;
	return 0;
}

/* The known word behind an @ that begins a comment's text; p NULL: none. */
static struct slice directive_in(struct slice line)
{
	size_t n = 0;

	while (line.n && strchr(" \t*-/+", line.p[0]))
		line.p++, line.n--;
	if (!line.n || line.p[0] != '@')
		return (struct slice){NULL, 0};
	line.p++, line.n--;
	while (n < line.n && (islower((unsigned char)line.p[n])))
		n++;
	line.n = n;
	return is_directive(line) ? line : (struct slice){NULL, 0};
}

static void comment(struct trap_scan *s, const struct lex_tok *t)
{
	enum trap_kind kind = t->kind == LEX_BLOCK_COMMENT ? TRAP_BLOCK_DIRECTIVE : TRAP_LATE_DIRECTIVE;

	for (struct slice rest = t->text; rest.p;) {
		struct slice w = directive_in(slice_cut(&rest, '\n'));

		if (!w.p)
			continue;
		(void)keep(s, (struct trap){kind, w, t->line, t->col, 0});
		return;
	}
}

/* ---- all ---- */

static void remember(struct trap_scan *s, const struct lex_tok *t)
{
	size_t n = t->text.n;

	if (t->kind == LEX_WORD && was(s, "distinct") && slice_ieq(t->text, SLICE("on"))) {
		strcpy(s->before, "distinct on");
		return;
	}
	if (t->kind != LEX_WORD || n >= sizeof(s->before))
		n = 0;
	for (size_t i = 0; i < n; i++)
		s->before[i] = (char)tolower((unsigned char)t->text.p[i]);
	s->before[n] = 0;
}

void trap_token(struct trap_scan *s, const struct lex_tok *t)
{
	int is_bar = t->kind == LEX_OTHER && t->text.n == 1 && t->text.p[0] == '|';

	if (t->kind == LEX_LINE_COMMENT || t->kind == LEX_BLOCK_COMMENT) {
		if (t->kind == LEX_BLOCK_COMMENT || !t->is_first)
			comment(s, t);
		return;
	}
	if (s->string && is_bar)
		s->string->is_piece = 1;
	s->string = NULL;
	switch (t->kind) {
	case LEX_LINE_COMMENT:
	case LEX_BLOCK_COMMENT:
	case LEX_WORD:
		word(s, t);
		break;
	case LEX_PARAM:
		parameter(s, t);
		break;
	case LEX_STRING:
	case LEX_QUOTED:
		string(s, t);
		if (!s->is_type && !was(s, "collate"))
			s->levels[s->depth].alone.kind = TRAP_NONE;
		s->levels[s->depth].is_fresh = 0;
		break;
	case LEX_OTHER:
		other(s, t);
		break;
	case LEX_NUMBER:
		if (!s->is_type)
			s->levels[s->depth].alone.kind = TRAP_NONE;
		s->levels[s->depth].is_fresh = 0;
		break;
	case LEX_END:
	case LEX_SPACE:
	case LEX_SEMICOLON:
	case LEX_ERROR:
		return;
	}
	remember(s, t);
	s->is_joining = is_bar;
	s->is_type = t->kind == LEX_OTHER && slice_eq(t->text, SLICE("::"));
}

static void say(struct dir *d, const struct trap *t)
{
	const struct param *p = dir_find_param(d->e, t->text);
	const char *name = p ? p->name : "";

	switch (t->kind) {
	case TRAP_NONE:
		return;
	case TRAP_ORDER:
		dir_warn(d, t->col, "ORDER BY :%s orders by one value, the same for all rows, and so not at all; to choose a column "
			 "write @choice %s a|b:desc", name, name);
		return;
	case TRAP_GROUP:
	case TRAP_PARTITION:
	case TRAP_DISTINCT:
		dir_warn(d, t->col, "%s :%s puts all rows into one group, whatever its value; to choose a column write @choice %s a|b",
			 t->kind == TRAP_GROUP ? "GROUP BY" : t->kind == TRAP_PARTITION ? "PARTITION BY" : "DISTINCT ON", name, name);
		return;
	case TRAP_IN:
		dir_warn(d, t->col, "IN (:%s) compares with one value; for several write = ANY (:%s)", name, name);
		return;
	case TRAP_STRING:
	case TRAP_IDENTIFIER:
		say_string(d, t);
		return;
	case TRAP_LATE_DIRECTIVE:
		dir_warn(d, t->col, "@%.*s behind something else in its line is a comment; a directive begins its line",
			 SLICE_ARG(t->text));
		return;
	case TRAP_BLOCK_DIRECTIVE:
		dir_warn(d, t->col, "@%.*s in a block comment is no directive; write -- @%.*s", SLICE_ARG(t->text), SLICE_ARG(t->text));
		return;
	}
}

void trap_finish(struct trap_scan *s, struct dir *d)
{
	unsigned line = d->line;

	while (s->depth)
		closed(s);
	end_list(s);
	d->desc = NULL;
	for (unsigned i = 0; i < s->n; i++) {
		const struct trap *t = &s->found[i];
		const struct param *p = t->kind <= TRAP_IN ? dir_find_param(d->e, t->text) : NULL;

		/* @choice puts the words themselves there */
		if (p && p->flags & PARAM_CHOICE)
			continue;
		d->line = t->line;
		say(d, t);
	}
	d->line = line;
}

static unsigned n_colons(const char *text)
{
	unsigned n = 0;

	for (; *text; text++)
		n += *text == ':';
	return n;
}

/* user:{id} could be made user:7:images by a value, but hardly will; {tag} may be any. */
static int is_met(const struct endpoints *set, const struct tag_template *t)
{
	for (unsigned i = 0; i < set->n; i++)
		for (unsigned k = 0; k < set->v[i]->cache.n_tags; k++) {
			const struct tag_template *have = &set->v[i]->cache.tags[k];

			if (tag_meets(t, have) &&
			    (t->text[0] == '{' || have->text[0] == '{' || n_colons(t->text) == n_colons(have->text)))
				return 1;
		}
	return 0;
}

/* " (did you mean 'x'?)", of all tags that are made void or kept. */
static const char *near_tag(const struct endpoints *set, const struct tag_template *t, char out[96])
{
	const char *words[512];
	size_t n = 0;

	for (unsigned i = 0; i < set->n; i++)
		for (unsigned k = 0; k < set->v[i]->cache.n_tags && n < ARRAY_LEN(words); k++)
			words[n++] = set->v[i]->cache.tags[k].text;
	return near_hint(slice_str(t->text), words, n, out);
}

void trap_tags(const struct endpoints *set, struct errs *errs)
{
	char hint[96];

	for (unsigned i = 0; i < set->n; i++) {
		const struct endpoint *e = set->v[i];

		for (unsigned k = 0; k < e->n_invalidates; k++) {
			const struct tag_template *t = &e->invalidates[k];

			if (!is_met(set, t))
				errs_warn(errs, e->file, t->line, t->col, "@invalidates: no endpoint's @cache has the tag %s%s",
					  t->text, near_tag(set, t, hint));
		}
	}
}
