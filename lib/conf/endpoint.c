/* endpoint: one file's text → struct endpoint. Directives are read where they stand; parameters are
 * resolved when the whole file is known, because directives may follow the SQL. */
#include "config.h"

#include "lib/conf/endpoint.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "lib/base/check.h"
#include "lib/base/hash.h"
#include "lib/base/utf8.h"
#include "lib/conf/directive.h"
#include "lib/conf/lane.h"
#include "lib/conf/options.h"
#include "lib/conf/session.h"
#include "lib/conf/trap.h"

#define MAX_FILE (2u * ENDPOINT_MAX_SQL)
#define MAX_SQL_PARAMS 4000

/* A run of SQL, then a parameter (name.p == NULL: none, the last one). */
struct piece {
	struct slice text, name;
	unsigned line, col;
	int param;
};

struct parser {
	struct dir d;
	struct lane lane;
	struct trap_scan traps;
	struct piece *pieces;
	size_t n_pieces, cap_pieces;
	struct buf description, text; /* text: SQL of the piece under construction */
	struct buf sql; /* all runs one after the other; pieces point in at the end */
	unsigned sql_line; /* 0 until the SQL begins */
	int is_over; /* a semicolon was seen */
};

static const char *const method_names[] = {"GET",   "HEAD",   "POST",    "PUT",
					   "PATCH", "DELETE", "OPTIONS", "ANY"};

const char *http_method_name(enum http_method m)
{
	return method_names[m];
}

enum http_method http_method_parse(struct slice s)
{
	for (int i = 0; i < HTTP_OTHER; i++)
		if (slice_eq(s, slice_str(method_names[i])))
			return (enum http_method)i;
	return HTTP_OTHER;
}

int endpoint_has_part(const struct endpoint *e, unsigned metric)
{
	for (unsigned i = 0; i < e->n_includes; i++)
		if (e->includes[i].target && e->includes[i].target->metric == metric)
			return 1;
	return 0;
}

unsigned endpoint_variant(const struct endpoint *e, const unsigned *picks)
{
	unsigned v = 0;

	for (unsigned i = 0; i < e->n_params; i++)
		if (e->params[i].flags & PARAM_CHOICE)
			v = v * e->params[i].n_choices + picks[i];
	return v;
}

static void complain(struct parser *p, unsigned line, unsigned col, const char *fmt, ...)
    PRINTF(4, 5);
static void complain(struct parser *p, unsigned line, unsigned col, const char *fmt, ...)
{
	char text[400];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	p->d.n_errors++;
	(void)errs_add(p->d.errs, E_endpoint_file, p->d.file, line, col, "%s", text);
}

/* "models/list.sql" → "models.list", which is a label and must stay one. */
static void make_id(struct parser *p)
{
	struct slice f = slice_str(p->d.file);
	char *id;

	if (f.n > 4 && memcmp(f.p + f.n - 4, ".sql", 4) == 0)
		f.n -= 4;
	id = arena_strn(p->d.arena, f.p, f.n);
	for (char *c = id; *c; c++) {
		int is_fine = (*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') ||
			      (*c >= '0' && *c <= '9') || strchr("_-./", *c);

		if (!is_fine) {
			complain(p, 0, 0,
				 "bad file name; expected letters, digits, _ - and . only");
			break;
		}
		if (*c == '/')
			*c = '.';
	}
	p->d.e->id = id;
}

/* 0 when the text cannot be read at all. */
static int check_text(struct parser *p, struct slice text)
{
	unsigned line = 1;

	if (text.n > MAX_FILE) {
		complain(p, 0, 0, "file is too large; expected at most %u bytes", MAX_FILE);
		return 0;
	}
	for (struct slice rest = text; rest.p; line++) {
		if (!utf8_is_valid(slice_cut(&rest, '\n'))) {
			complain(p, line, 1, "line is not valid UTF-8, or holds a NUL");
			return 0;
		}
	}
	return 1;
}

static void describe(struct parser *p, struct slice comment)
{
	struct slice s = slice_of(comment.p + 2, comment.n - 2);

	if (s.n && s.p[0] == ' ')
		s.p++, s.n--;
	while (s.n && strchr(" \t\r", s.p[s.n - 1]))
		s.n--;
	if (s.n == 0 && p->description.n == 0)
		return;
	buf_add(&p->description, s.p, s.n);
	buf_addc(&p->description, '\n');
}

static void end_piece(struct parser *p, const struct lex_tok *t)
{
	struct piece *piece;

	if (p->n_pieces == p->cap_pieces) {
		p->cap_pieces = p->cap_pieces ? p->cap_pieces * 2 : 16;
		p->pieces = realloc(p->pieces, p->cap_pieces * sizeof(*p->pieces));
		check(p->pieces);
	}
	piece = &p->pieces[p->n_pieces++];
	*piece = (struct piece){.text = {NULL, p->text.n}, .param = -1};
	buf_add(&p->sql, p->text.p, p->text.n);
	buf_clear(&p->text);
	if (!t)
		return;
	piece->name = slice_of(t->text.p + 1, t->text.n - 1);
	piece->line = t->line;
	piece->col = t->col;
}

static void sql_token(struct parser *p, const struct lex_tok *t)
{
	if (t->kind == LEX_SEMICOLON) {
		if (!p->sql_line)
			complain(p, t->line, t->col, "';' before the statement");
		p->is_over = 1;
		return;
	}
	if (p->is_over) {
		if (p->is_over == 1)
			complain(p, t->line, t->col,
				 "a second statement; expected one statement in a file");
		p->is_over = 2;
		return;
	}
	if (!p->sql_line)
		p->sql_line = t->line;
	lane_token(&p->lane, t);
	if (t->kind != LEX_BLOCK_COMMENT)
		trap_token(&p->traps, t);
	if (t->kind == LEX_PARAM && p->n_pieces < MAX_SQL_PARAMS)
		end_piece(p, t);
	else if (t->kind == LEX_PARAM)
		complain(p, t->line, t->col, "too many parameters in the SQL");
	else
		buf_add(&p->text, t->text.p, t->text.n);
}

/* Comments in front of the SQL stay out of it, but hints to the planner are for the server. */
static void token(struct parser *p, const struct lex_tok *t)
{
	if (t->kind == LEX_LINE_COMMENT || t->kind == LEX_BLOCK_COMMENT)
		trap_token(&p->traps, t);
	switch (t->kind) {
	case LEX_LINE_COMMENT:
		if (t->is_first && dir_is(t->text))
			dir_line(&p->d, t->text, t->line, t->col);
		else if (!p->sql_line)
			describe(p, t->text);
		break;
	case LEX_SPACE:
		if (p->sql_line && !p->is_over)
			buf_add(&p->text, t->text.p, t->text.n);
		break;
	case LEX_BLOCK_COMMENT:
		if (p->sql_line ? !p->is_over : slice_starts(t->text, SLICE("/*+")))
			sql_token(p, t);
		break;
	case LEX_ERROR:
	case LEX_END:
	case LEX_WORD:
	case LEX_QUOTED:
	case LEX_STRING:
	case LEX_NUMBER:
	case LEX_PARAM:
	case LEX_SEMICOLON:
	case LEX_OTHER:
	default:
		sql_token(p, t);
	}
}

static void read_tokens(struct parser *p, struct slice text)
{
	struct lex lex;
	struct lex_tok t;

	lex_init(&lex, text);
	for (lex_next(&lex, &t); t.kind != LEX_END; lex_next(&lex, &t)) {
		if (t.kind == LEX_ERROR) {
			complain(p, t.line, t.col, "%s", lex.error);
			break;
		}
		token(p, &t);
	}
	while (p->text.n && strchr(" \t\r\n\f\v", p->text.p[p->text.n - 1]))
		p->text.n--;
	end_piece(p, NULL);
	/* the buffer does not move any more */
	for (size_t i = 0, at = 0; i < p->n_pieces; i++) {
		p->pieces[i].text.p = p->sql.n ? p->sql.p + at : "";
		at += p->pieces[i].text.n;
	}
}

static unsigned index_of(const struct endpoint *e, const struct param *param)
{
	return (unsigned)(param - e->params);
}

static void resolve_path(struct parser *p)
{
	struct endpoint *e = p->d.e;

	for (unsigned i = 0; i < e->n_segments; i++) {
		struct segment *seg = &e->segments[i];
		struct param *param;

		if (seg->param < 0)
			continue;
		param = dir_find_param(e, seg->text);
		if (!param)
			param = dir_add_param(&p->d, seg->text, p->d.seen[DIR_route], 0);
		if (!param)
			return;
		seg->param = (int)index_of(e, param);
		if (param->flags & PARAM_CHOICE)
			complain(p, param->line, p->d.param_col[seg->param],
				 "@choice %s stands in the path; expected a query parameter",
				 param->name);
		else if (param->source != SOURCE_AUTO && param->source != SOURCE_PATH)
			complain(p, param->line, p->d.param_col[seg->param],
				 "@param %s comes from the path %s; expected no other source",
				 param->name, e->path);
		else if (!(param->flags & PARAM_REQUIRED))
			complain(p, param->line, p->d.param_col[seg->param],
				 "@param %s stands in the path and is always there; expected "
				 "neither optional nor default",
				 param->name);
		param->source = SOURCE_PATH;
	}
	for (unsigned i = 0; i < e->n_params && e->path; i++) {
		int is_there = 0;

		for (unsigned s = 0; s < e->n_segments; s++)
			is_there |= e->segments[s].param == (int)i;
		if (e->params[i].source == SOURCE_PATH && !is_there)
			complain(p, e->params[i].line, p->d.param_col[i],
				 "@param %s comes from the path; expected {%s} in %s",
				 e->params[i].name, e->params[i].name, e->path);
	}
}

/* Parameters that a part's path names. */
static void mark_names(struct endpoint *e, const char *path, unsigned char *used)
{
	struct slice rest = slice_str(path);

	for (;;) {
		struct param *param;

		slice_cut(&rest, '{');
		if (!rest.p)
			return;
		param = dir_find_param(e, slice_cut(&rest, '}'));
		if (!param || param->flags & PARAM_CHOICE)
			continue;
		used[index_of(e, param)] = 1;
		if (!param->number)
			param->number = ++e->n_values;
	}
}

/* What only parts are given has no type here that would tell how a range compares: as numbers, if those are its bounds. */
static void check_part_range(struct parser *p, const struct param *param)
{
	const char *bounds[] = {param->range_min, param->range_max};

	for (int i = 0; i < 2 && param->number > p->d.e->n_bound; i++) {
		char *end;

		if (bounds[i] && (!isfinite(strtod(bounds[i], &end)) || *end || strspn(bounds[i], "+-.0123456789eE") < strlen(bounds[i])))
			complain(p, param->line, p->d.param_col[index_of(p->d.e, param)],
				 "parameter %s: bound '%s' is no number; expected one, since only parts are given the parameter",
				 param->name, bounds[i]);
	}
}

/* Numbers in order of first appearance. */
static void resolve_sql(struct parser *p)
{
	struct endpoint *e = p->d.e;
	unsigned char used[ENDPOINT_MAX_PARAMS] = {0};

	for (size_t i = 0; i < p->n_pieces; i++) {
		struct piece *piece = &p->pieces[i];
		struct param *param;

		if (!piece->name.p)
			continue;
		param = dir_find_param(e, piece->name);
		if (!param && piece->name.n > 63) {
			complain(p, piece->line, piece->col,
				 "parameter name is too long; expected at most 63 characters");
			return;
		}
		if (!param)
			param = dir_add_param(&p->d, piece->name, piece->line, piece->col);
		if (!param)
			return;
		piece->param = (int)index_of(e, param);
		used[piece->param] = 1;
		if (!param->number && !(param->flags & PARAM_CHOICE))
			param->number = ++e->n_bound;
	}
	e->n_values = e->n_bound;
	for (unsigned i = 0; i < e->n_includes; i++)
		mark_names(e, e->includes[i].path.text, used);
	for (unsigned i = 0; i < e->n_params; i++) {
		const struct param *param = &e->params[i];

		check_part_range(p, param);
		if (used[i] || (e->handler && param->source == SOURCE_PATH))
			continue;
		if (param->flags & PARAM_DECLARED)
			complain(p, param->line, p->d.param_col[i], "parameter %s is not used%s",
				 param->name,
				 e->has_sql ? "; expected :name in the SQL" : ", there is no SQL");
		else
			complain(p, param->line, 0, "path parameter {%s} is not used%s",
				 param->name,
				 e->has_sql ? "; expected it in the SQL" : ", there is no SQL");
	}
}

static void resolve_sources(struct parser *p)
{
	struct endpoint *e = p->d.e;
	int has_body = e->method == HTTP_POST || e->method == HTTP_PUT || e->method == HTTP_PATCH;

	e->needs_body = e->handler != NULL;
	for (unsigned i = 0; i < e->n_params; i++) {
		struct param *param = &e->params[i];

		if (param->source == SOURCE_AUTO && !has_body)
			param->source = SOURCE_QUERY;
		if (param->source != SOURCE_AUTO && param->source != SOURCE_JSON &&
		    param->source != SOURCE_BODY)
			continue;
		e->needs_body = 1;
		if (e->method == HTTP_GET)
			complain(p, param->line, p->d.param_col[i],
				 "@param %s comes from the body, but GET has none", param->name);
	}
}

static void check_answer(struct parser *p)
{
	struct endpoint *e = p->d.e;
	unsigned at = p->d.seen[DIR_status] ? p->d.seen[DIR_status] : p->d.seen[DIR_returns];

	if (e->handler) {
		if (e->has_sql)
			complain(p, p->sql_line, 0, "SQL beside @handler; expected one of them");
		if (p->d.seen[DIR_returns] || p->d.seen[DIR_status])
			complain(p, at, 0, "@%s beside @handler, which says so itself",
				 p->d.seen[DIR_status] ? "status" : "returns");
		if (e->cache.is_on || e->n_invalidates || e->n_includes)
			complain(p, p->d.seen[DIR_handler], 0,
				 "@%s beside @handler, which keeps its answers itself",
				 e->cache.is_on ? "cache" : e->n_includes ? "include" : "invalidates");
		return;
	}
	if (!e->has_sql && e->n_includes)
		e->returns = RETURNS_ROW;
	else if (!e->has_sql && e->returns != RETURNS_NONE)
		complain(p, 0, 0, "no SQL; expected a statement, @handler, or @returns none");
	if (e->returns != RETURNS_NONE && (e->status == 204 || e->status == 205))
		complain(p, at, 0, "@status %d has no body; expected @returns none with it",
			 e->status);
	for (unsigned i = 0; i < e->n_headers && !e->has_sql; i++)
		if (strchr(e->headers[i].value, '{'))
			complain(p, p->d.seen[DIR_header], 0,
				 "@header %s names a column, but there is no SQL",
				 e->headers[i].name);
}

/* The choices of variant v, first choice most significant. */
static void splice(const struct endpoint *e, unsigned v, unsigned *picks)
{
	for (unsigned i = e->n_params; i-- > 0;) {
		if (!(e->params[i].flags & PARAM_CHOICE))
			continue;
		picks[i] = v % e->params[i].n_choices;
		v /= e->params[i].n_choices;
	}
}

/* Put text where a parameter stood, so that it stays a token of its own: "LIMIT:n" must not become
 * the identifier LIMIT$1, nor a choice before a quote its prefix. */
static void put_apart(struct buf *out, struct slice text, char next)
{
	char prev = out->n ? out->p[out->n - 1] : ' ';

	if ((prev & 0x80) || prev == '_' || prev == '$' || (prev >= '0' && prev <= '9') ||
	    (prev >= 'A' && prev <= 'Z') || (prev >= 'a' && prev <= 'z'))
		buf_addc(out, ' ');
	buf_add(out, text.p, text.n);
	if (next == '\'' || next == '"' || next == '$' || next == '&')
		buf_addc(out, ' ');
}

static void put_param(struct buf *out, const struct param *param, unsigned pick, char next)
{
	char text[16];

	if (!(param->flags & PARAM_CHOICE)) {
		snprintf(text, sizeof(text), "$%u", param->number);
		put_apart(out, slice_str(text), next);
	} else {
		struct slice suffix = slice_str(param->choices[pick]),
			     name = slice_cut(&suffix, ':');

		put_apart(out, name, suffix.p ? ' ' : next);
		if (suffix.p) {
			buf_addc(out, ' ');
			put_apart(out, suffix, next);
		}
	}
}

static int make_variant(struct parser *p, unsigned v)
{
	struct endpoint *e = p->d.e;
	unsigned picks[ENDPOINT_MAX_PARAMS] = {0};
	struct buf out;

	splice(e, v, picks);
	buf_init(&out, 0);
	for (size_t i = 0; i < p->n_pieces; i++) {
		const struct piece *piece = &p->pieces[i];
		struct slice next = i + 1 < p->n_pieces ? p->pieces[i + 1].text : SLICE("");

		buf_add(&out, piece->text.p, piece->text.n);
		if (piece->param >= 0)
			put_param(&out, &e->params[piece->param], picks[piece->param],
				  next.n ? next.p[0] : ' ');
	}
	e->variants[v] =
	    (struct variant){arena_strn(p->d.arena, out.n ? out.p : "", out.n), p->sql_line};
	buf_done(&out);
	if (strlen(e->variants[v].sql) <= ENDPOINT_MAX_SQL)
		return 0;
	complain(p, p->sql_line, 0, "SQL is too long; expected at most %u bytes", ENDPOINT_MAX_SQL);
	return -1;
}

static void make_variants(struct parser *p)
{
	struct endpoint *e = p->d.e;

	e->n_variants = e->has_sql ? p->d.n_variants : 0;
	e->variants = arena_zalloc(p->d.arena, (e->n_variants + 1) * sizeof(*e->variants));
	for (unsigned v = 0; v < e->n_variants; v++)
		if (make_variant(p, v))
			return;
}

/* Once: what one variant may not do, all others mostly may not either. */
static void check_session(struct parser *p)
{
	const struct endpoint *e = p->d.e;
	struct session_fault fault;

	if (e->is_session_clean && !e->has_sql)
		complain(p, p->d.seen[DIR_session], 0, "@session without SQL");
	for (unsigned v = 0; v < e->n_variants; v++)
		if (e->variants[v].sql && session_refuses(e->variants[v].sql, &fault)) {
			complain(p, e->variants[v].line + fault.line - 1, 0, "%s", fault.text);
			return;
		}
}

static void choose_lane(struct parser *p)
{
	struct endpoint *e = p->d.e;
	const struct opts_database *db =
	    p->d.o && e->database < p->d.o->n_databases ? &p->d.o->databases[e->database] : NULL;
	uint64_t timeout = e->timeout_ms;
	char reason[128];

	if (!timeout && db)
		timeout = db->query_timeout;
	lane_reason(&p->lane, reason);
	if (!e->has_sql)
		snprintf(reason, sizeof(reason), "it has no SQL");
	else if (e->method != HTTP_GET)
		snprintf(reason, sizeof(reason), "it answers %s", http_method_name(e->method));
	else if (!reason[0] && p->d.seen[DIR_stream])
		snprintf(reason, sizeof(reason), "it streams");
	else if (!reason[0] && db && (db->express == 0 || db->pooler))
		snprintf(reason, sizeof(reason), "its database has no express lane");
	else if (!reason[0] && db && timeout < 2 * db->express_guard)
		snprintf(reason, sizeof(reason), "its deadline is below twice the guard of %llu ms",
			 (unsigned long long)db->express_guard);
	e->lane_reason = arena_strn(p->d.arena, reason, strlen(reason));
	e->may_express = reason[0] == 0;
	e->may_write = e->has_sql && (e->method != HTTP_GET || lane_may_write(&p->lane));
	if (e->has_sql && e->method == HTTP_GET && lane_is_write(&p->lane))
		complain(p, p->sql_line, 0,
			 "a GET must not write, and the statement begins with %.*s; use @route POST, PUT, PATCH or DELETE",
			 SLICE_ARG(p->lane.first));
}

/* What the answer may depend on; see endpoint.h. */
static void collect_identity(struct endpoint *e)
{
	for (unsigned i = 0; i < e->n_auth_rules; i++)
		e->identity_user |= e->auth_rules[i].kind == AUTH_RULE_USER;
	e->identity_user |= e->identity_rls;
	for (unsigned i = 0; i < e->n_params; i++) {
		const char *claim = e->params[i].from_name;
		unsigned k = 0;

		e->identity_user |= e->params[i].source == SOURCE_USER;
		if (e->params[i].source != SOURCE_CLAIM)
			continue;
		while (k < e->n_identity_claims && strcmp(e->identity_claims[k], claim) != 0)
			k++;
		e->identity_claims[k] = claim;
		e->n_identity_claims += k == e->n_identity_claims;
	}
}

static void finish(struct parser *p)
{
	struct endpoint *e = p->d.e;
	struct buf *text = &p->description;

	e->has_sql = p->sql_line > 0;
	while (text->n && text->p[text->n - 1] == '\n')
		text->n--;
	e->description = arena_strn(p->d.arena, text->n ? text->p : "", text->n);
	if (!p->d.seen[DIR_route])
		complain(p, 1, 0, "no @route; expected a line such as -- @route GET /api/models");
	if (p->d.public_line && e->n_auth_rules)
		complain(p, p->d.public_line, 0, "@auth none beside a condition of another @auth");
	if (!e->handler && e->method == HTTP_OTHER)
		complain(p, p->d.seen[DIR_route], 0, "@route ANY needs a @handler");
	if (!e->handler && e->takes_rest)
		complain(p, p->d.seen[DIR_route], 0, "@route with {name...} needs a @handler");
	/* what follows from a faulty declaration is not worth saying */
	if (p->d.n_errors)
		return;
	resolve_path(p);
	resolve_sql(p);
	if (p->d.n_errors)
		return;
	resolve_sources(p);
	collect_identity(e);
	dir_cache_finish(&p->d);
	check_answer(p);
	make_variants(p);
	check_session(p);
	choose_lane(p);
	trap_finish(&p->traps, &p->d);
}

static void add_endpoint(struct endpoints *set, struct endpoint *e)
{
	/* doubles when n is a power of two */
	if ((set->n & (set->n - 1)) == 0) {
		set->v = realloc(set->v, (set->n ? set->n * 2u : 1u) * sizeof(*set->v));
		check(set->v);
	}
	set->v[set->n++] = e;
}

int endpoints_parse(struct endpoints *set, const struct options *o, const char *file,
		    struct slice text, struct errs *errs)
{
	struct parser p = {.d = {.arena = &set->arena, .o = o, .errs = errs, .n_variants = 1}};

	p.d.file = arena_strn(&set->arena, file, strlen(file));
	p.d.e = arena_zalloc(&set->arena, sizeof(*p.d.e));
	p.d.e->file = p.d.file;
	buf_init(&p.description, 0);
	buf_init(&p.text, 0);
	buf_init(&p.sql, 0);
	make_id(&p);
	if (text.n >= 3 && memcmp(text.p, "\xef\xbb\xbf", 3) == 0)
		text.p += 3, text.n -= 3;
	if (check_text(&p, text)) {
		read_tokens(&p, text);
		finish(&p);
	}
	if (p.d.n_errors == 0)
		add_endpoint(set, p.d.e);
	free(p.pieces);
	buf_done(&p.description);
	buf_done(&p.text);
	buf_done(&p.sql);
	return p.d.n_errors;
}

void endpoints_init(struct endpoints *set)
{
	*set = (struct endpoints){0};
	arena_pool_init(&set->pool, 0);
	arena_init(&set->arena, &set->pool);
}

void endpoints_done(struct endpoints *set)
{
	free(set->v);
	arena_done(&set->arena);
	arena_pool_done(&set->pool);
	set->v = NULL;
	set->n = 0;
}

static int by_file(const void *a, const void *b)
{
	return strcmp((*(struct endpoint *const *)a)->file, (*(struct endpoint *const *)b)->file);
}

/* "GET /a/{}": what the router tells apart. */
static struct slice shape(struct arena *arena, const struct endpoint *e)
{
	struct buf b;
	struct slice s;

	buf_init(&b, 0);
	buf_adds(&b, http_method_name(e->method));
	for (unsigned i = 0; i < e->n_segments; i++) {
		buf_addc(&b, '/');
		if (e->takes_rest && i + 1 == e->n_segments)
			buf_adds(&b, "{...}");
		else if (e->segments[i].param >= 0)
			buf_adds(&b, "{}");
		else
			buf_add(&b, e->segments[i].text.p, e->segments[i].text.n);
	}
	s = slice_of(arena_strn(arena, b.p, b.n), b.n);
	buf_done(&b);
	return s;
}

int endpoints_finish(struct endpoints *set, struct errs *errs)
{
	struct hash shapes, ids;
	int n = 0;

	if (set->n)
		qsort(set->v, set->n, sizeof(*set->v), by_file);
	hash_init(&shapes);
	hash_init(&ids);
	for (unsigned i = 0; i < set->n; i++) {
		struct endpoint *e = set->v[i], *other;
		struct slice s = shape(&set->arena, e), id = slice_str(e->id);

		if (hash_add(&shapes, s, e)) {
			other = hash_find(&shapes, s);
			n++;
			(void)errs_add(errs, E_endpoint_file, e->file, 0, 0,
				       strcmp(e->path, other->path) == 0
					   ? "%s %s is answered by %s already%.0s"
					   : "%s %s cannot be told apart from %s, which answers %s",
				       http_method_name(e->method), e->path, other->file,
				       other->path);
		}
		if (hash_add(&ids, id, e)) {
			other = hash_find(&ids, id);
			n++;
			(void)errs_add(errs, E_endpoint_file, e->file, 0, 0,
				       "its name %s is that of %s already", e->id, other->file);
		}
	}
	hash_done(&shapes);
	hash_done(&ids);
	n += dir_include_finish(set, errs);
	/* an endpoint that is missing here for its faults may have the tag */
	if (!errs->n_all)
		trap_tags(set, errs);
	return n;
}
