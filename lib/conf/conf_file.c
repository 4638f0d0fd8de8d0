/* conf_file: see conf_file.h. Strings are "…" with the escapes \n \r \t \e \a \b \f \v \\ \" \ooo
 * \xhh and '…' with \\ and \'; comments are #, // and C's; all as libconfuse documents them. */
#include "config.h"

#include "lib/conf/conf_file.h"

#include <stdlib.h>

#include "lib/base/check.h"
#include "lib/base/utf8.h"

#define MAX_WORDS 4000
#define MAX_DEPTH 16

struct scan {
	struct conf_file *f;
	struct errs *errs;
	const char *p, *end, *line_start;
	unsigned line;
	int n_errors;
};

static unsigned col_of(const struct scan *s, const char *at)
{
	unsigned col = 1;

	for (const char *p = s->line_start; p < at; p++)
		if (((unsigned char)*p & 0xc0) != 0x80)
			col++;
	return col;
}

#define complain(s, line, col, ...)                                                                \
	((s)->n_errors++, (void)errs_add((s)->errs, E_config, (s)->f->name, line, col, __VA_ARGS__))

static void add(struct scan *s, char kind, unsigned line, unsigned col, struct slice text)
{
	struct conf_file *f = s->f;

	if (f->n == f->cap) {
		f->cap = f->cap ? f->cap * 2 : 256;
		f->v = realloc(f->v, f->cap * sizeof(*f->v));
		check(f->v);
	}
	f->v[f->n++] = (struct conf_tok){
	    .kind = kind,
	    .line = line,
	    .col = col,
	    .text = {arena_strn(&f->arena, text.n ? text.p : "", text.n), text.n},
	};
}

static void newline(struct scan *s)
{
	s->line++;
	s->line_start = s->p + 1;
}

static void skip_line(struct scan *s)
{
	while (s->p < s->end && *s->p != '\n')
		s->p++;
}

static void skip_block(struct scan *s)
{
	unsigned line = s->line, col = col_of(s, s->p);

	for (s->p += 2; s->p < s->end; s->p++) {
		if (*s->p == '\n')
			newline(s);
		if (*s->p == '*' && s->p + 1 < s->end && s->p[1] == '/') {
			s->p += 2;
			return;
		}
	}
	complain(s, line, col, "comment without end; expected */");
}

static int digit(char c, unsigned base)
{
	int d = c >= '0' && c <= '9'   ? c - '0'
		: c >= 'a' && c <= 'f' ? c - 'a' + 10
		: c >= 'A' && c <= 'F' ? c - 'A' + 10
				       : 99;

	return d < (int)base ? d : -1;
}

/* The number after a backslash, of at most max digits; p stands on the first and moves on. */
static unsigned escape_number(struct scan *s, unsigned base, unsigned max)
{
	unsigned v = 0;

	for (unsigned i = 0; i < max && s->p < s->end && digit(*s->p, base) >= 0; i++)
		v = v * base + (unsigned)digit(*s->p++, base);
	return v;
}

/* p stands behind a backslash inside "…". */
static void escape(struct scan *s, struct buf *out)
{
	static const char letters[] = "nrtabfve", values[] = "\n\r\t\a\b\f\v\033";
	const char *start = s->p;
	const char *l = memchr(letters, *s->p, sizeof(letters) - 1);
	unsigned v;

	if (l) {
		buf_addc(out, values[l - letters]);
		s->p++;
	} else if (*s->p == '\n') { /* the string goes on in the next line */
		newline(s);
		s->p++;
	} else if (*s->p == 'x' && s->p + 1 < s->end && digit(s->p[1], 16) >= 0) {
		s->p++;
		v = escape_number(s, 16, 2);
		buf_addc(out, (char)v);
	} else if (*s->p >= '0' && *s->p <= '9') {
		v = escape_number(s, 8, 3);
		if (s->p == start || v > 255)
			complain(s, s->line, col_of(s, start - 1),
				 "bad escape; expected \\ooo up to \\377");
		if (s->p == start)
			s->p++;
		buf_addc(out, (char)v);
	} else {
		buf_addc(out, *s->p++);
	}
}

static void string(struct scan *s)
{
	unsigned line = s->line, col = col_of(s, s->p);
	char quote = *s->p++;
	struct buf b;

	buf_init(&b, 0);
	while (s->p < s->end && *s->p != quote) {
		if (*s->p == '\n')
			newline(s);
		if (*s->p != '\\' || s->p + 1 == s->end) {
			buf_addc(&b, *s->p++);
			continue;
		}
		s->p++;
		if (quote == '"') {
			escape(s, &b);
		} else if (*s->p == '\n') {
			newline(s);
			s->p++;
		} else {
			if (*s->p != '\\' && *s->p != '\'')
				buf_addc(&b, '\\');
			buf_addc(&b, *s->p++);
		}
	}
	if (s->p == s->end)
		complain(s, line, col, "string without end; expected a closing %c", quote);
	else
		s->p++;
	if (utf8_is_valid(buf_slice(&b))) {
		add(s, 'w', line, col, buf_slice(&b));
	} else {
		complain(s, line, col, "string is not valid UTF-8, or holds a NUL");
		add(s, 'w', line, col, SLICE("?"));
	}
	buf_done(&b);
}

static int is_word_char(char c)
{
	return (unsigned char)c > ' ' && c != 0x7f && !strchr("#\"'={}()+,*", c);
}

static void word(struct scan *s)
{
	const char *start = s->p;
	struct slice w;

	while (s->p < s->end && is_word_char(*s->p))
		s->p++;
	if (s->p == start + 1 && *start == '$' && s->p < s->end && *s->p == '{')
		complain(s, s->line, col_of(s, start), "environment variables are not expanded");
	w = slice_of(start, (size_t)(s->p - start));
	if (!utf8_is_valid(w)) {
		complain(s, s->line, col_of(s, start), "not valid UTF-8");
		w = SLICE("?");
	}
	add(s, 'w', s->line, col_of(s, start), w);
}

static void one(struct scan *s)
{
	char c = *s->p, next = s->p + 1 < s->end ? s->p[1] : 0;

	if (c == '\n') {
		newline(s);
		s->p++;
	} else if (c == ' ' || c == '\t' || c == '\r') {
		s->p++;
	} else if (c == '#' || (c == '/' && next == '/')) {
		skip_line(s);
	} else if (c == '/' && next == '*') {
		skip_block(s);
	} else if (c == '"' || c == '\'') {
		string(s);
	} else if (c == '+' && next == '=') {
		add(s, '+', s->line, col_of(s, s->p), slice_of("+=", 2));
		s->p += 2;
	} else if (strchr("{}()=,", c)) {
		add(s, c, s->line, col_of(s, s->p), slice_of(s->p, 1));
		s->p++;
	} else if (is_word_char(c)) {
		word(s);
	} else {
		if ((unsigned char)c > ' ' && c != 0x7f)
			complain(s, s->line, col_of(s, s->p), "unexpected '%c'", c);
		else
			complain(s, s->line, col_of(s, s->p), "unexpected control character");
		s->p++;
	}
}

/* libconfuse takes the end of the file for the end of an open block. */
static void check_braces(struct scan *s)
{
	size_t open[MAX_DEPTH], depth = 0;

	for (size_t i = 0; i < s->f->n; i++) {
		const struct conf_tok *t = &s->f->v[i];

		if (t->kind == '{' && depth == MAX_DEPTH) {
			complain(s, t->line, t->col, "nested too deeply");
			return;
		}
		if (t->kind == '{')
			open[depth++] = i;
		else if (t->kind == '}' && depth)
			depth--;
	}
	if (depth)
		complain(s, s->f->v[open[depth - 1]].line, s->f->v[open[depth - 1]].col,
			 "'{' without '}'");
}

int conf_file_parse(struct conf_file *f, const char *name, struct slice text, struct errs *errs)
{
	struct scan s = {.f = f, .errs = errs, .line = 1};

	*f = (struct conf_file){.name = name};
	arena_pool_init(&f->pool, 0);
	arena_init(&f->arena, &f->pool);
	if (text.n >= 3 && memcmp(text.p, "\xef\xbb\xbf", 3) == 0)
		text.p += 3, text.n -= 3;
	s.p = s.line_start = text.p;
	s.end = text.p + text.n;
	while (s.p < s.end) {
		one(&s);
		if (f->n > MAX_WORDS || s.n_errors >= 50) {
			complain(&s, s.line, 0, "gave up reading here");
			break;
		}
	}
	check_braces(&s);
	return s.n_errors;
}

void conf_file_done(struct conf_file *f)
{
	free(f->v);
	arena_done(&f->arena);
	arena_pool_done(&f->pool);
	*f = (struct conf_file){0};
}

void conf_file_emit(const struct conf_file *f, struct buf *out)
{
	for (size_t i = 0; i < f->n; i++) {
		const struct conf_tok *t = &f->v[i];

		if (t->is_dropped) {
			;
		} else if (t->kind != 'w') {
			buf_add(out, t->text.p, t->text.n);
		} else {
			buf_addc(out, '"');
			for (size_t j = 0; j < t->text.n; j++) {
				char c = t->text.p[j];

				if (c == '"' || c == '\\' || c == '$')
					buf_addc(out, '\\');
				if (c == '\n')
					buf_adds(out, "\\n");
				else
					buf_addc(out, c);
			}
			buf_addc(out, '"');
		}
		buf_addc(out, '\n');
	}
}

void conf_file_drop(struct conf_file *f, size_t i)
{
	size_t depth = 0, start = i;
	int has_equals = 0;

	for (; i < f->n; i++) {
		struct conf_tok *t = &f->v[i];

		if (t->kind == '}' && depth == 0)
			return; /* the enclosing block ends */
		/* two words in a row without '=': a title only when '{' follows */
		if (t->kind == 'w' && depth == 0 && i > start && !has_equals &&
		    !(i == start + 1 && i + 1 < f->n && f->v[i + 1].kind == '{'))
			return;
		t->is_dropped = 1;
		if (t->kind == '=' || t->kind == '+')
			has_equals = depth == 0 ? 1 : has_equals;
		else if (t->kind == '{')
			depth++;
		else if (t->kind == '}' && --depth == 0)
			return;
		else if (t->kind == 'w' && depth == 0 && has_equals)
			return;
	}
}
