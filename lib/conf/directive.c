/* directive: dispatch, the argument cursor, and the directives that concern the endpoint as a
 * whole. Parameters are in directive_param.c; those that this build only keeps in directive_kept.c.
 */
#include "config.h"

#include "lib/conf/directive.h"

#include <stdarg.h>
#include <stdio.h>

#include "lib/base/num.h"
#include "lib/conf/depends.h"
#include "lib/conf/near.h"
#include "lib/conf/options_row.h"

#define MAX_HEADERS 32
#define MAX_KEPT 64
#define HOUR (3600u * 1000u)

const struct dir_desc dir_table[] = {
#define DIR(id, word, arguments, many, acts, sentence) {word, arguments, sentence, many, acts},
#include "lib/tbl/directives.h"
};
const size_t dir_table_n = ARRAY_LEN(dir_table);

static void (*const handlers[])(struct dir *d) = {
#define DIR(id, ...) dir_##id,
#include "lib/tbl/directives.h"
};

static void mdoc_item(struct buf *out, const struct dir_desc *d)
{
	buf_addf(out, ".It Ic @%s", d->word);
	if (d->arguments[0]) {
		buf_adds(out, " Ar ");
		for (const char *p = d->arguments; *p; p++)
			buf_addf(out, *p == '-' ? "\\%c" : "%c", *p);
	}
	buf_addc(out, '\n');
	options_mdoc_text(out, d->sentence);
	if (d->may_repeat)
		buf_adds(out, "May stand more than once.\n");
	if (!d->is_acted_on)
		buf_adds(out, "This version checks and keeps it, and does not act on it yet.\n");
}

void endpoints_mdoc(struct buf *out)
{
	buf_adds(out, ".Bl -tag -width Ds\n");
	for (size_t i = 0; i < dir_table_n; i++)
		mdoc_item(out, &dir_table[i]);
	buf_adds(out, ".El\n");
}

static unsigned n_chars(const char *p, size_t n)
{
	unsigned chars = 0;

	for (size_t i = 0; i < n; i++)
		chars += ((unsigned char)p[i] & 0xc0) != 0x80;
	return chars;
}

void dir_error(struct dir *d, unsigned col, const char *fmt, ...)
{
	char text[400];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	d->n_errors++;
	if (d->desc)
		(void)errs_add(d->errs, E_endpoint_file, d->file, d->line, col, "@%s: %s",
			       d->desc->word, text);
	else
		(void)errs_add(d->errs, E_endpoint_file, d->file, d->line, col, "%s", text);
}

void dir_warn(struct dir *d, unsigned col, const char *fmt, ...)
{
	char text[400];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	errs_warn(d->errs, d->file, d->line, col, "%s%s%s%s", d->desc ? "@" : "", d->desc ? d->desc->word : "",
		  d->desc ? ": " : "", text);
}

void dir_warn_commas(struct dir *d, struct slice text, unsigned col)
{
	struct slice rest = text, first = slice_cut(&rest, ','), second;

	if (!rest.n || !first.n || memchr(text.p, '|', text.n))
		return;
	second = slice_cut(&rest, ',');
	dir_warn(d, col, "'%.*s' is one value with a comma in it; alternatives are written %.*s|%.*s", SLICE_ARG(text),
		 SLICE_ARG(first), SLICE_ARG(second));
}

static int is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

static void advance(struct dir *d, size_t n)
{
	d->col += n_chars(d->rest.p, n);
	d->rest.p += n;
	d->rest.n -= n;
}

static void skip_blanks(struct dir *d)
{
	size_t n = 0;

	while (n < d->rest.n && is_blank(d->rest.p[n]))
		n++;
	advance(d, n);
}

int dir_next(struct dir *d, struct dir_word *ret)
{
	size_t n = 0;

	skip_blanks(d);
	while (n < d->rest.n && !is_blank(d->rest.p[n]))
		n++;
	*ret = (struct dir_word){slice_of(d->rest.p, n), d->col};
	advance(d, n);
	return n > 0;
}

int dir_need(struct dir *d, struct dir_word *ret, const char *what)
{
	if (dir_next(d, ret))
		return 1;
	dir_error(d, d->col, "expected %s", what);
	return 0;
}

struct dir_word dir_rest(struct dir *d)
{
	struct dir_word w;

	skip_blanks(d);
	w = (struct dir_word){d->rest, d->col};
	while (w.text.n && is_blank(w.text.p[w.text.n - 1]))
		w.text.n--;
	advance(d, d->rest.n);
	return w;
}

void dir_end(struct dir *d)
{
	struct dir_word w;

	if (dir_next(d, &w))
		dir_error(d, w.col, "unexpected '%.*s'; expected @%s%s%s", SLICE_ARG(w.text),
			  d->desc->word, d->desc->arguments[0] ? " " : "", d->desc->arguments);
}

int dir_one_of(struct dir *d, const struct dir_word *w, const char *what, const char *const *words)
{
	char hint[96], list[200] = "";
	size_t n = 0, at = 0;

	for (; words[n]; n++) {
		if (slice_eq(w->text, slice_str(words[n])))
			return (int)n;
		if (at < sizeof(list))
			at += (size_t)snprintf(list + at, sizeof(list) - at, "%s%s", n ? ", " : "",
					       words[n]);
	}
	dir_error(d, w->col, "unknown %s '%.*s'; expected %s%s", what, SLICE_ARG(w->text), list,
		  near_hint(w->text, words, n, hint));
	return -1;
}

int dir_msec(struct dir *d, const struct dir_word *w, uint64_t min, uint64_t max, uint64_t *ret)
{
	char from[32], to[32];
	uint64_t v;

	if (num_msec(w->text, &v) || v < min || v > max) {
		dir_error(d, w->col,
			  "bad duration '%.*s'; expected a number with a unit (ms, s, min, h, d), "
			  "from %s to %s",
			  SLICE_ARG(w->text), num_format_msec(min, from, sizeof(from)),
			  num_format_msec(max, to, sizeof(to)));
		return -1;
	}
	*ret = v;
	return 0;
}

int dir_uint(struct dir *d, const struct dir_word *w, uint64_t min, uint64_t max, uint64_t *ret)
{
	uint64_t v;

	if (num_u64(w->text, &v) || v < min || v > max) {
		dir_error(d, w->col, "bad number '%.*s'; expected a whole number from %llu to %llu",
			  SLICE_ARG(w->text), (unsigned long long)min, (unsigned long long)max);
		return -1;
	}
	*ret = v;
	return 0;
}

const char *dir_str(struct dir *d, struct slice s)
{
	return arena_strn(d->arena, s.n ? s.p : "", s.n);
}

static int is_in(char c, const char *set)
{
	return c && strchr(set, c);
}

static int is_alnum(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

int dir_is_name(struct slice s)
{
	if (s.n == 0 || s.n > 63 || (s.p[0] >= '0' && s.p[0] <= '9'))
		return 0;
	for (size_t i = 0; i < s.n; i++)
		if (!is_alnum(s.p[i]) && s.p[i] != '_')
			return 0;
	return 1;
}

int dir_is_token(struct slice s)
{
	for (size_t i = 0; i < s.n; i++)
		if (!is_alnum(s.p[i]) && !is_in(s.p[i], "!#$%&'*+-.^_`|~"))
			return 0;
	return s.n > 0;
}

struct param *dir_find_param(struct endpoint *e, struct slice name)
{
	for (unsigned i = 0; i < e->n_params; i++)
		if (slice_eq(slice_str(e->params[i].name), name))
			return &e->params[i];
	return NULL;
}

struct param *dir_add_param(struct dir *d, struct slice name, unsigned line, unsigned col)
{
	struct param *p;

	if (d->e->n_params == ENDPOINT_MAX_PARAMS) {
		d->line = line;
		dir_error(d, col, "too many parameters; expected at most %d", ENDPOINT_MAX_PARAMS);
		return NULL;
	}
	d->param_col[d->e->n_params] = col;
	p = &d->e->params[d->e->n_params++];
	*p = (struct param){.name = dir_str(d, name), .flags = PARAM_REQUIRED, .line = line};
	return p;
}

int dir_is(struct slice c)
{
	size_t i = 2;

	while (i < c.n && (c.p[i] == ' ' || c.p[i] == '\t'))
		i++;
	return i + 1 < c.n && c.p[i] == '@' && is_alnum(c.p[i + 1]);
}

static void keep(struct dir *d, struct slice args)
{
	struct endpoint *e = d->e;

	while (args.n && is_blank(args.p[0]))
		args.p++, args.n--;
	while (args.n && is_blank(args.p[args.n - 1]))
		args.n--;
	if (!e->kept)
		e->kept = arena_zalloc(d->arena, MAX_KEPT * sizeof(*e->kept));
	if (e->n_kept == MAX_KEPT) {
		dir_error(d, d->col, "too many directives");
		return;
	}
	e->kept[e->n_kept++] = (struct kept_directive){d->desc->word, dir_str(d, args), d->line};
}

void dir_line(struct dir *d, struct slice comment, unsigned line, unsigned col)
{
	const char *words[DIR_count];
	struct dir_word w;
	struct slice args;
	char hint[96];
	int id = -1, before = d->n_errors;

	d->desc = NULL;
	d->line = line;
	d->col = col;
	d->rest = comment;
	advance(d, (size_t)((const char *)memchr(comment.p, '@', comment.n) - comment.p) + 1);
	dir_next(d, &w);
	for (int i = 0; i < DIR_count; i++) {
		words[i] = dir_table[i].word;
		if (slice_eq(w.text, slice_str(words[i])))
			id = i;
	}
	if (id < 0) {
		dir_error(d, w.col, "unknown directive @%.*s%s", SLICE_ARG(w.text),
			  near_hint(w.text, words, DIR_count, hint));
		return;
	}
	d->desc = &dir_table[id];
	args = d->rest;
	if (d->seen[id] && !d->desc->may_repeat) {
		dir_error(d, w.col, "given twice, first on line %u", d->seen[id]);
	} else {
		if (!d->seen[id])
			d->seen[id] = line;
		depends_note(d, (enum dir_id)id, comment);
		handlers[id](d);
		if (!d->desc->is_acted_on && d->n_errors == before)
			keep(d, args);
	}
	d->desc = NULL;
}

static int is_literal_segment(struct slice s)
{
	for (size_t i = 0; i < s.n; i++)
		if (!is_alnum(s.p[i]) && !is_in(s.p[i], "-._~!$&'()*+,;=:@"))
			return 0;
	return !slice_eq(s, SLICE(".")) && !slice_eq(s, SLICE(".."));
}

/* Other frameworks' ways to write a parameter or a wildcard, which are literal text here. */
static void warn_segment(struct dir *d, struct slice s, unsigned col, int is_last)
{
	size_t n = 0;

	while (s.p[0] == ':' && n + 1 < s.n && (is_alnum(s.p[n + 1]) || s.p[n + 1] == '_'))
		n++;
	if (dir_is_name(slice_of(s.p + 1, n)))
		dir_warn(d, col, "'%.*s' is literal text; a parameter is written {%.*s}%s", SLICE_ARG(s), (int)n, s.p + 1,
			 n + 1 < s.n ? " and is a whole segment" : "");
	else if (s.p[0] == '*')
		dir_warn(d, col, "'%.*s' is literal text; %s", SLICE_ARG(s),
			 is_last ? "the rest of a path is written {name...}" : "a parameter is written {name}");
}

static void route_segment(struct dir *d, struct slice s, unsigned col, int is_last)
{
	struct endpoint *e = d->e;
	struct segment *seg = &e->segments[e->n_segments];

	if (e->n_segments == ENDPOINT_MAX_SEGMENTS) {
		dir_error(d, col, "path is too long; expected at most %d segments",
			  ENDPOINT_MAX_SEGMENTS);
		return;
	}
	seg->text = s;
	seg->param = -1;
	if (s.n == 0) {
		dir_error(d, col, "empty segment; expected no '//' and no '/' at the end");
		return;
	}
	if (s.p[0] == '{' && s.p[s.n - 1] == '}') {
		seg->text = slice_of(s.p + 1, s.n - 2);
		if (is_last && seg->text.n > 3 && memcmp(seg->text.p + seg->text.n - 3, "...", 3) == 0) {
			seg->text.n -= 3;
			e->takes_rest = 1;
		}
		if (!dir_is_name(seg->text)) {
			dir_error(d, col,
				  "bad parameter '%.*s'; expected {name} of letters, digits and _",
				  SLICE_ARG(s));
			return;
		}
		for (unsigned i = 0; i < e->n_segments; i++)
			if (e->segments[i].param >= 0 && slice_eq(e->segments[i].text, seg->text)) {
				dir_error(d, col, "parameter %.*s stands twice in the path",
					  SLICE_ARG(s));
				return;
			}
		seg->param = 0; /* the index is known when the whole file is read */
	} else if (!is_literal_segment(s)) {
		dir_error(
		    d, col,
		    "bad segment '%.*s'; expected literal text (no query, no %%) or exactly {name}",
		    SLICE_ARG(s));
		return;
	} else {
		warn_segment(d, s, col, is_last);
	}
	e->n_segments++;
}

void dir_route(struct dir *d)
{
	static const char *const methods[] = {"GET", "POST", "PUT", "PATCH", "DELETE", "ANY", NULL};
	struct dir_word method, path;
	struct slice rest;
	unsigned col;
	int m;

	if (!dir_need(d, &method, "a method and a path, such as GET /api/models"))
		return;
	m = dir_one_of(d, &method, "method", methods);
	if (!dir_need(d, &path, "a path that begins with '/'"))
		return;
	if (m >= 0)
		d->e->method = http_method_parse(method.text);
	dir_end(d);
	if (path.text.p[0] != '/') {
		dir_error(d, path.col, "bad path '%.*s'; expected a path that begins with '/'",
			  SLICE_ARG(path.text));
		return;
	}
	d->e->path = dir_str(d, path.text);
	if (path.text.n == 1)
		return;
	rest = slice_of(d->e->path + 1, path.text.n - 1);
	col = path.col + 1;
	for (int n = d->n_errors; rest.p && d->n_errors == n;) {
		struct slice s = slice_cut(&rest, '/');

		route_segment(d, s, col, !rest.p);
		col += n_chars(s.p, s.n) + 1;
	}
}

void dir_handler(struct dir *d)
{
	struct dir_word file;

	if (!dir_need(d, &file, "a shared object, such as files.so"))
		return;
	d->e->handler = dir_str(d, file.text);
	d->e->handler_argument = dir_str(d, dir_rest(d).text);
}

void dir_returns(struct dir *d)
{
	static const char *const words[] = {"rows", "row", "value", "none", "json", NULL};
	struct dir_word w;
	int i;

	if (!dir_need(d, &w, "rows, row, value, none or json"))
		return;
	i = dir_one_of(d, &w, "shape", words);
	if (i >= 0)
		d->e->returns = (enum endpoint_returns)i;
	dir_end(d);
}

static void duration(struct dir *d, uint64_t *ret)
{
	struct dir_word w;

	if (!dir_need(d, &w, "a duration, such as 500ms") || dir_msec(d, &w, 1, HOUR, ret))
		return;
	dir_end(d);
}

void dir_timeout(struct dir *d)
{
	duration(d, &d->e->timeout_ms);
}

void dir_slow(struct dir *d)
{
	duration(d, &d->e->slow_ms);
}

void dir_session(struct dir *d)
{
	static const char *const words[] = {"clean", NULL};
	struct dir_word w;

	if (!dir_need(d, &w, "clean") || dir_one_of(d, &w, "word", words) < 0)
		return;
	d->e->is_session_clean = 1;
	dir_end(d);
}

void dir_database(struct dir *d)
{
	const char *names[OPTIONS_MAX_DATABASES + 1] = {NULL};
	struct dir_word w;
	int i;

	if (!dir_need(d, &w, "the name of a database block"))
		return;
	dir_end(d);
	if (!d->o)
		return;
	for (unsigned j = 0; j < d->o->n_databases; j++)
		names[j] = d->o->databases[j].name;
	i = dir_one_of(d, &w, "database", names);
	if (i >= 0)
		d->e->database = (unsigned)i;
}

/* Headers that frame the message or that Weir makes itself. */
static int is_own_header(struct slice s)
{
	static const char *const own[] = {"Status",     "Content-Length",  "Content-Type",
					  "Connection", "Keep-Alive",      "Transfer-Encoding",
					  "Trailer",    "Upgrade",         "TE",
					  "Date",       "Content-Encoding"};

	for (size_t i = 0; i < ARRAY_LEN(own); i++)
		if (slice_ieq(s, slice_str(own[i])))
			return 1;
	return 0;
}

/* 1 when the braces pair and name columns. */
static int is_template(struct slice s)
{
	const char *p = s.p, *end = s.p + s.n;

	for (; p < end; p++) {
		const char *close;

		if (*p == '}')
			return 0;
		if (*p != '{')
			continue;
		close = memchr(p, '}', (size_t)(end - p));
		if (!close || !dir_is_name(slice_of(p + 1, (size_t)(close - p - 1))))
			return 0;
		p = close;
	}
	return 1;
}

/* "/images/:id", ":id", "v=:id"; but no [::1], a:b, :smile: or "a: b". */
static void warn_header(struct dir *d, struct slice value, unsigned col)
{
	for (size_t i = 0; i + 1 < value.n; i++) {
		size_t n = 0;

		if (value.p[i] != ':' || (i && !strchr("/ \t\"'=,;(-?&", value.p[i - 1])))
			continue;
		while (i + 1 + n < value.n && (is_alnum(value.p[i + 1 + n]) || value.p[i + 1 + n] == '_'))
			n++;
		if (dir_is_name(slice_of(value.p + i + 1, n)) && (i + 1 + n == value.n || value.p[i + 1 + n] != ':'))
			dir_warn(d, col + (unsigned)i, "':%.*s' is literal text; a column's value is written {%.*s}", (int)n,
				 value.p + i + 1, (int)n, value.p + i + 1);
	}
}

void dir_header(struct dir *d)
{
	struct dir_word w = dir_rest(d);
	struct slice value = w.text, name = slice_cut(&value, ':');
	struct endpoint *e = d->e;

	if (!value.p || !dir_is_token(name)) {
		dir_error(d, w.col, "expected NAME: VALUE");
		return;
	}
	if (is_own_header(name)) {
		dir_error(d, w.col, "header %.*s is set by weir", SLICE_ARG(name));
		return;
	}
	value = slice_trim(value);
	warn_header(d, value, w.col + n_chars(name.p, (size_t)(value.p - name.p)));
	for (size_t i = 0; i < value.n; i++)
		if (((unsigned char)value.p[i] < ' ' && value.p[i] != '\t') || value.p[i] == 0x7f) {
			dir_error(d, w.col, "control character in the value");
			return;
		}
	if (!is_template(value)) {
		dir_error(d, w.col + n_chars(name.p, name.n) + 2,
			  "bad braces in the value; expected {column}");
		return;
	}
	if (!e->headers)
		e->headers = arena_zalloc(d->arena, MAX_HEADERS * sizeof(*e->headers));
	if (e->n_headers == MAX_HEADERS) {
		dir_error(d, w.col, "too many headers; expected at most %d", MAX_HEADERS);
		return;
	}
	e->headers[e->n_headers++] = (struct header_rule){dir_str(d, name), dir_str(d, value)};
}

void dir_status(struct dir *d)
{
	struct dir_word w;
	uint64_t v;

	if (!dir_need(d, &w, "a status from 200 to 299") || dir_uint(d, &w, 200, 299, &v))
		return;
	d->e->status = (int)v;
	dir_end(d);
}
