/* directive_param: @param and @choice. */
#include "config.h"

#include <stdlib.h>

#include "lib/base/utf8.h"
#include "lib/conf/directive.h"
#include "lib/conf/near.h"

#define MAX_CHOICES 64
#define MAX_LENGTH (16u * 1024 * 1024)

/* A parameter under construction; the columns say where to complain. */
struct attrs {
	struct param *p;
	unsigned name_col;
	/* columns of the attributes, 0 when absent */
	unsigned from, required, optional, def, range, minlen, maxlen, choice;
};

/* default V: a word, or text in '…' or "…" with the quote doubled inside. */
static int value(struct dir *d, struct dir_word *ret)
{
	struct dir_word w;
	char *out, quote;
	size_t n = 0, i;

	while (d->rest.n && (d->rest.p[0] == ' ' || d->rest.p[0] == '\t')) {
		d->rest.p++;
		d->rest.n--;
		d->col++;
	}
	if (!d->rest.n || (d->rest.p[0] != '\'' && d->rest.p[0] != '"'))
		return dir_need(d, ret, "a value after 'default'");
	quote = d->rest.p[0];
	out = arena_alloc(d->arena, d->rest.n + 1);
	for (i = 1; i < d->rest.n; i++) {
		if (d->rest.p[i] == quote && i + 1 < d->rest.n && d->rest.p[i + 1] == quote)
			i++;
		else if (d->rest.p[i] == quote)
			break;
		out[n++] = d->rest.p[i];
	}
	if (i == d->rest.n) {
		dir_error(d, d->col, "value without a closing %c", quote);
		return 0;
	}
	*ret = (struct dir_word){slice_of(out, n), d->col};
	d->col += (unsigned)utf8_length(slice_of(d->rest.p, i + 1));
	d->rest.p += i + 1;
	d->rest.n -= i + 1;
	if (d->rest.n && d->rest.p[0] != ' ' && d->rest.p[0] != '\t' && d->rest.p[0] != '\r') {
		dir_next(d, &w);
		dir_error(d, w.col, "unexpected '%.*s' after the value", SLICE_ARG(w.text));
		return 0;
	}
	return 1;
}

/* "X-Tenant" → "HTTP_X_TENANT", the form in which web servers pass it. */
static const char *cgi_name(struct dir *d, struct slice s)
{
	char *out = arena_alloc(d->arena, s.n + 6);

	memcpy(out, "HTTP_", 5);
	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i];

		out[5 + i] = c == '-' ? '_' : c >= 'a' && c <= 'z' ? (char)(c - 'a' + 'A') : c;
	}
	out[5 + s.n] = 0;
	return out;
}

static int header_is_readable(struct slice s)
{
	for (size_t i = 0; i < s.n; i++)
		if (!((s.p[i] >= 'a' && s.p[i] <= 'z') || (s.p[i] >= 'A' && s.p[i] <= 'Z') ||
		      (s.p[i] >= '0' && s.p[i] <= '9') || s.p[i] == '-'))
			return 0; /* '_' and others are dropped or mixed up by web servers */
	return s.n > 0 && s.n <= 100;
}

static int from(struct dir *d, struct param *p)
{
	static const char *const words[] = {"path",   "query", "json", "header",
					    "cookie", "user",  "claim", "body", NULL};
	static const enum param_source sources[] = {SOURCE_PATH,   SOURCE_QUERY,  SOURCE_JSON,
						    SOURCE_HEADER, SOURCE_COOKIE, SOURCE_USER,
						    SOURCE_CLAIM,  SOURCE_BODY};
	struct dir_word w;
	int i;

	if (!dir_need(d, &w, "a source after 'from'"))
		return 0;
	i = dir_one_of(d, &w, "source", words);
	if (i < 0)
		return 0;
	p->source = sources[i];
	if (p->source == SOURCE_HEADER) {
		if (!dir_need(d, &w, "the header's name"))
			return 0;
		if (!header_is_readable(w.text)) {
			dir_error(d, w.col,
				  "bad header name '%.*s'; expected letters, digits and -",
				  SLICE_ARG(w.text));
			return 0;
		}
		p->from_name = cgi_name(d, w.text);
	} else if (p->source == SOURCE_COOKIE) {
		if (!dir_need(d, &w, "the cookie's name"))
			return 0;
		if (!dir_is_token(w.text)) {
			dir_error(d, w.col, "bad cookie name '%.*s'", SLICE_ARG(w.text));
			return 0;
		}
		p->from_name = dir_str(d, w.text);
	} else if (p->source == SOURCE_CLAIM) {
		if (!dir_need(d, &w, "the claim's name or path, such as sub or realm_access.roles"))
			return 0;
		if (!dir_is_claim(w.text)) {
			dir_error(d, w.col, "bad claim '%.*s'; expected a name or a path such as realm_access.roles", SLICE_ARG(w.text));
			return 0;
		}
		p->from_name = dir_str(d, w.text);
	}
	return 1;
}

static int number(const char *s, double *ret)
{
	char *end;

	*ret = strtod(s, &end);
	return end != s && *end == 0;
}

/* A..B, one side may be open. */
static int range(struct dir *d, struct param *p)
{
	struct dir_word w;
	const char *dots;
	struct slice a, b;
	double min, max;

	if (!dir_need(d, &w, "A..B after 'range'"))
		return 0;
	dots = memmem(w.text.p, w.text.n, "..", 2);
	if (!dots) {
		dir_error(d, w.col, "bad range '%.*s'; expected A..B, A.. or ..B",
			  SLICE_ARG(w.text));
		return 0;
	}
	a = slice_of(w.text.p, (size_t)(dots - w.text.p));
	b = slice_of(dots + 2, (size_t)(w.text.p + w.text.n - dots - 2));
	if ((a.n == 0 && b.n == 0) || (b.n && memmem(b.p, b.n, "..", 2)) ||
	    (b.n && b.p[0] == '.')) {
		dir_error(d, w.col, "bad range '%.*s'; expected A..B, A.. or ..B",
			  SLICE_ARG(w.text));
		return 0;
	}
	if (a.n) {
		p->range_min = dir_str(d, a);
		p->flags |= PARAM_HAS_MIN;
	}
	if (b.n) {
		p->range_max = dir_str(d, b);
		p->flags |= PARAM_HAS_MAX;
	}
	if (a.n && b.n && number(p->range_min, &min) && number(p->range_max, &max) && min > max) {
		dir_error(d, w.col, "bad range '%.*s'; its beginning is larger than its end",
			  SLICE_ARG(w.text));
		return 0;
	}
	return 1;
}

static int length(struct dir *d, unsigned *ret)
{
	struct dir_word w;
	uint64_t v;

	if (!dir_need(d, &w, "a number of characters") || dir_uint(d, &w, 1, MAX_LENGTH, &v))
		return 0;
	*ret = (unsigned)v;
	return 1;
}

/* A|B|C; is_spliced: into SQL, so identifiers with :asc or :desc only. */
static int choices(struct dir *d, struct param *p, int is_spliced)
{
	struct dir_word w;
	struct slice rest;
	unsigned col;

	if (!dir_need(d, &w, "alternatives, A|B|C"))
		return 0;
	if (!is_spliced)
		dir_warn_commas(d, w.text, w.col);
	p->choices = arena_alloc(d->arena, MAX_CHOICES * sizeof(*p->choices));
	col = w.col;
	for (rest = w.text; rest.p;) {
		struct slice s = slice_cut(&rest, '|'), name = s;

		if (p->n_choices == MAX_CHOICES) {
			dir_error(d, col, "too many alternatives; expected at most %d",
				  MAX_CHOICES);
			return 0;
		}
		if (is_spliced) {
			struct slice suffix = s;

			name = slice_cut(&suffix, ':');
			if (suffix.p && !slice_eq(suffix, SLICE("asc")) &&
			    !slice_eq(suffix, SLICE("desc")))
				name.n = 0;
			for (size_t i = 0; i < name.n; i++)
				if (name.p[i] != '.' && !dir_is_name(slice_of(name.p + i, 1)) &&
				    !(i && name.p[i] >= '0' && name.p[i] <= '9'))
					name.n = 0;
			if (name.n == 0 || name.p[0] == '.' || name.p[name.n - 1] == '.') {
				dir_error(d, col,
					  "bad alternative '%.*s'; expected an identifier, or one "
					  "with :asc or :desc",
					  SLICE_ARG(s));
				return 0;
			}
		}
		if (s.n == 0) {
			dir_error(d, col, "empty alternative; expected A|B|C");
			return 0;
		}
		for (unsigned i = 0; i < p->n_choices; i++)
			if (slice_eq(slice_str(p->choices[i]), s)) {
				dir_error(d, col, "alternative '%.*s' stands twice", SLICE_ARG(s));
				return 0;
			}
		p->choices[p->n_choices++] = dir_str(d, s);
		col += (unsigned)utf8_length(s) + 1;
	}
	return 1;
}

static int is_choice(const struct param *p, const char *v)
{
	for (unsigned i = 0; i < p->n_choices; i++)
		if (strcmp(p->choices[i], v) == 0)
			return 1;
	return 0;
}

/* A new, declared parameter; NULL with an error. */
static struct param *declare(struct dir *d, const struct dir_word *w)
{
	struct param *old = dir_find_param(d->e, w->text), *p;

	if (!dir_is_name(w->text)) {
		dir_error(d, w->col,
			  "bad name '%.*s'; expected a letter or _, then letters, digits and _, at "
			  "most 63",
			  SLICE_ARG(w->text));
		return NULL;
	}
	if (old) {
		dir_error(d, w->col, "parameter %s is declared twice, first on line %u", old->name,
			  old->line);
		return NULL;
	}
	p = dir_add_param(d, w->text, d->line, w->col);
	if (p)
		p->flags |= PARAM_DECLARED;
	return p;
}

static void check_default(struct dir *d, const struct attrs *a)
{
	const struct param *p = a->p;
	double v, bound;

	/* of an array, if the server says that it is one: then its elements are checked, else it is as it stands */
	if (p->def[0] == '{' || p->def[0] == '[')
		return;
	if (p->n_choices && !is_choice(p, p->def))
		dir_error(d, a->def, "default '%s' is none of the alternatives", p->def);
	if ((p->range_min && number(p->range_min, &bound) && number(p->def, &v) && v < bound) ||
	    (p->range_max && number(p->range_max, &bound) && number(p->def, &v) && v > bound))
		dir_error(d, a->def, "default %s is outside of the range %s..%s", p->def,
			  p->range_min ? p->range_min : "", p->range_max ? p->range_max : "");
	if ((p->minlen && utf8_length(slice_str(p->def)) < p->minlen) ||
	    (p->maxlen && utf8_length(slice_str(p->def)) > p->maxlen))
		dir_error(d, a->def, "the default's length is outside of minlen and maxlen");
}

static void check_attrs(struct dir *d, const struct attrs *a)
{
	const struct param *p = a->p;
	unsigned any_bound = a->range    ? a->range
			     : a->minlen ? a->minlen
			     : a->maxlen ? a->maxlen
					 : a->choice;

	if (a->required && a->optional)
		dir_error(d, a->optional > a->required ? a->optional : a->required,
			  "required and optional exclude each other");
	if (a->required && a->def)
		dir_error(d, a->def > a->required ? a->def : a->required,
			  "a required parameter has no default");
	if (a->choice && (a->range || a->minlen || a->maxlen))
		dir_error(d, a->choice, "choice excludes range, minlen and maxlen");
	if (a->minlen && a->maxlen && p->minlen > p->maxlen)
		dir_error(d, a->maxlen, "minlen is larger than maxlen");
	if (p->source == SOURCE_PATH && (a->optional || a->def))
		dir_error(
		    d, a->optional ? a->optional : a->def,
		    "a path parameter is always there; expected neither optional nor default");
	if (p->source == SOURCE_USER && (a->def || any_bound))
		dir_error(d, a->def ? a->def : any_bound,
			  "a value from user has neither default nor bounds");
	if (p->source == SOURCE_BODY && (a->def || any_bound))
		dir_error(d, a->def ? a->def : any_bound,
			  "the whole body has neither default nor bounds");
	if (a->def)
		check_default(d, a);
}

/* 0 when the rest of the line makes no sense any more. */
static int attribute(struct dir *d, struct attrs *a, const struct dir_word *w)
{
	static const char *const words[] = {"from",   "required", "optional", "default", "range",
					    "minlen", "maxlen",   "choice",   NULL};
	unsigned *cols[] = {&a->from,  &a->required, &a->optional, &a->def,
			    &a->range, &a->minlen,   &a->maxlen,   &a->choice};
	int i = dir_one_of(d, w, "attribute", words), is_quoted;
	struct dir_word v;

	if (i < 0)
		return 0;
	if (*cols[i]) {
		dir_error(d, w->col, "%s is given twice", words[i]);
		return 0;
	}
	*cols[i] = w->col;
	switch (words[i][0]) {
	case 'f':
		return from(d, a->p);
	case 'o':
		a->p->flags &= ~(unsigned)PARAM_REQUIRED;
		return 1;
	case 'd':
		is_quoted = slice_starts(slice_trim(d->rest), SLICE("'")) || slice_starts(slice_trim(d->rest), SLICE("\""));
		if (!value(d, &v))
			return 0;
		if (!is_quoted && slice_ieq(v.text, SLICE("null")))
			dir_warn(d, v.col, "default %.*s is a text of four letters; optional makes an absent value NULL",
				 SLICE_ARG(v.text));
		a->def = v.col;
		a->p->def = dir_str(d, v.text);
		a->p->flags = (a->p->flags & ~(unsigned)PARAM_REQUIRED) | PARAM_HAS_DEFAULT;
		return 1;
	case 'r':
		return words[i][1] == 'e' ? 1 : range(d, a->p);
	case 'm':
		return length(d, words[i][1] == 'i' ? &a->p->minlen : &a->p->maxlen);
	default:
		return choices(d, a->p, 0);
	}
}

void dir_param(struct dir *d)
{
	struct attrs a = {0};
	struct dir_word w;
	int before = d->n_errors;

	if (!dir_need(d, &w, "a parameter's name, or * for unknown ones"))
		return;
	if (slice_eq(w.text, SLICE("*"))) {
		d->e->admits_unknown = 1;
		dir_end(d);
		return;
	}
	a.name_col = w.col;
	a.p = declare(d, &w);
	if (!a.p)
		return;
	while (dir_next(d, &w))
		if (!attribute(d, &a, &w))
			return;
	if (d->n_errors == before)
		check_attrs(d, &a);
}

void dir_choice(struct dir *d)
{
	static const char *const words[] = {"default", NULL};
	struct dir_word w, v;
	struct param *p;

	if (!dir_need(d, &w, "a parameter's name and alternatives, NAME A|B|C"))
		return;
	p = declare(d, &w);
	if (!p)
		return;
	p->flags |= PARAM_CHOICE;
	if (!choices(d, p, 1))
		return;
	d->n_variants *= p->n_choices;
	if (d->n_variants > ENDPOINT_MAX_VARIANTS) {
		dir_error(
		    d, w.col,
		    "too many variants of the SQL; expected at most %d for all choices together",
		    ENDPOINT_MAX_VARIANTS);
		d->n_variants = 1;
		return;
	}
	if (!dir_next(d, &w))
		return;
	if (dir_one_of(d, &w, "attribute", words) < 0 ||
	    !dir_need(d, &v, "one of the alternatives"))
		return;
	p->def = dir_str(d, v.text);
	p->flags = (p->flags & ~(unsigned)PARAM_REQUIRED) | PARAM_HAS_DEFAULT;
	if (!is_choice(p, p->def))
		dir_error(d, v.col, "default '%s' is none of the alternatives", p->def);
	dir_end(d);
}
