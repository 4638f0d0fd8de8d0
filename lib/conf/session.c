/* session: see session.h. A statement is read as PostgreSQL's lexer would (lex.h) and then looked at as a row of
 * tokens without blanks and comments. What is refused here is refused whether or not the session would be reset
 * behind it: it can have no use, or only for somebody else. */
#include "config.h"

#include "lib/conf/session.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/base/check.h"
#include "lib/conf/lex.h"

#define MAX_NAME 63u	/* bytes of an identifier that the server keeps */
#define MAX_OPERATOR 12u

struct tokens {
	struct lex_tok *v;
	size_t n, cap;
	int is_whole;	/* 0: the lexer gave up before the end */
};

static void read_tokens(struct slice text, struct tokens *all)
{
	struct lex lex;
	struct lex_tok t;

	*all = (struct tokens){0};
	lex_init(&lex, text);
	lex.is_numbered = 1;
	for (lex_next(&lex, &t); t.kind != LEX_END && t.kind != LEX_ERROR; lex_next(&lex, &t)) {
		if (t.kind == LEX_SPACE || t.kind == LEX_LINE_COMMENT || t.kind == LEX_BLOCK_COMMENT)
			continue;
		if (all->n == all->cap) {
			all->cap = all->cap ? all->cap * 2 : 256;
			all->v = realloc(all->v, all->cap * sizeof(*all->v));
			check(all->v);
		}
		all->v[all->n++] = t;
	}
	all->is_whole = t.kind == LEX_END;
}

static int is_any(struct slice w, const char *const *words)
{
	for (size_t i = 0; words[i]; i++)
		if (slice_ieq(w, slice_str(words[i])))
			return 1;
	return 0;
}

static int is_word(const struct tokens *all, size_t i, const char *word)
{
	return i < all->n && all->v[i].kind == LEX_WORD && slice_ieq(all->v[i].text, slice_str(word));
}

static int is_words(const struct tokens *all, size_t i, const char *const *words)
{
	return i < all->n && all->v[i].kind == LEX_WORD && is_any(all->v[i].text, words);
}

static int is_sign(const struct tokens *all, size_t i, const char *sign)
{
	return i < all->n && all->v[i].kind == LEX_OTHER && slice_eq(all->v[i].text, slice_str(sign));
}

/* A name as the server has it: folded, or without its quotes. 0 when it is none, or one of U&"…". */
static size_t name_of(const struct lex_tok *t, char out[MAX_NAME + 1])
{
	size_t n = 0;

	if (t->kind == LEX_WORD) {
		for (size_t i = 0; i < t->text.n && n < MAX_NAME; i++) {
			char c = t->text.p[i];

			out[n++] = (char)(c >= 'A' && c <= 'Z' ? c | 0x20 : c);
		}
	} else if (t->kind == LEX_QUOTED && t->text.p[0] == '"') {
		for (size_t i = 1; i + 1 < t->text.n && n < MAX_NAME; i++) {
			out[n++] = t->text.p[i];
			i += t->text.p[i] == '"';
		}
	}
	out[n] = 0;
	return n;
}

static int starts(const char *name, const char *prefix)
{
	return strncmp(name, prefix, strlen(prefix)) == 0;
}

static int say(struct session_fault *f, unsigned line, const char *fmt, ...) PRINTF(3, 4);
static int say(struct session_fault *f, unsigned line, const char *fmt, ...)
{
	va_list ap;

	f->line = line;
	va_start(ap, fmt);
	vsnprintf(f->text, sizeof(f->text), fmt, ap);
	va_end(ap);
	return 1;
}

/* The parenthesis that closes the one at i, or n. */
static size_t closing(const struct tokens *all, size_t i)
{
	unsigned depth = 0;

	for (; i < all->n; i++) {
		if (is_sign(all, i, "(") || is_sign(all, i, "["))
			depth++;
		else if ((is_sign(all, i, ")") || is_sign(all, i, "]")) && --depth == 0)
			break;
	}
	return i;
}

/* TRUE, 'true' and its like, with a cast to boolean or without. */
static int is_true(const struct tokens *all, size_t from, size_t to)
{
	static const char *const type[] = {"bool", "boolean", NULL};
	static const char *const strings[] = {"'true'", "'tru'", "'tr'", "'t'", "'yes'", "'ye'", "'y'", "'on'", "'1'", NULL};

	if (to == from + 3 && is_sign(all, from + 1, "::") && is_words(all, from + 2, type))
		to = from + 1;
	else if (to == from + 2 && is_words(all, from, type))
		from++;
	if (to != from + 1)
		return 0;
	return is_word(all, from, "true") || (all->v[from].kind == LEX_STRING && is_any(all->v[from].text, strings));
}

/* set_config's third argument, or the one that is named is_local; open is its parenthesis. */
static int is_local(const struct tokens *all, size_t open)
{
	size_t end = closing(all, open), from = open + 1, number = 1;

	for (size_t i = from; i <= end && i < all->n; i++) {
		char name[MAX_NAME + 1];
		int is_named;

		if (is_sign(all, i, "(") || is_sign(all, i, "["))
			i = closing(all, i);
		else if (!(is_sign(all, i, ",") || i == end))
			continue;
		if (i < end && !is_sign(all, i, ","))
			continue;
		/* "=>" comes as two signs */
		is_named = from + 2 < i && name_of(&all->v[from], name) &&
			   (is_sign(all, from + 1, ":=") || is_sign(all, from + 1, "=>") ||
			    (is_sign(all, from + 1, "=") && is_sign(all, from + 2, ">")));
		if (is_named && strcmp(name, "is_local") == 0)
			return is_true(all, from + (is_sign(all, from + 1, "=") ? 3 : 2), i);
		if (!is_named && number == 3)
			return is_true(all, from, i);
		number++;
		from = i + 1;
	}
	return 0;
}

static int is_session_lock(const char *name)
{
	return starts(name, "pg_advisory_lock") || starts(name, "pg_advisory_unlock") ||
	       strcmp(name, "pg_try_advisory_lock") == 0 || strcmp(name, "pg_try_advisory_lock_shared") == 0;
}

static int refuses_call(const struct tokens *all, size_t i, struct session_fault *ret)
{
	char name[MAX_NAME + 1];
	unsigned line = all->v[i].line;

	if (!is_sign(all, i + 1, "(") || !name_of(&all->v[i], name))
		return 0;
	if (strcmp(name, "set_config") == 0 && !is_local(all, i + 1))
		return say(ret, line, "set_config stays beyond the request, and the connection is somebody else's next; "
				      "expected a constant true as its third argument");
	if (is_session_lock(name))
		return say(ret, line, "%s is the session's and not the request's; use %s, which ends with it", name,
			   strstr(name, "try") ? "pg_try_advisory_xact_lock" : "pg_advisory_xact_lock");
	if (starts(name, "dblink_connect") || starts(name, "dblink_disconnect"))
		return say(ret, line, "%s is the session's and not the request's; give dblink its connection string", name);
	if (starts(name, "pg_replication_origin_session") || starts(name, "pg_backup_st") || starts(name, "pg_start_backup"))
		return say(ret, line, "%s is the session's and not the request's", name);
	return 0;
}

/* Anywhere in the text. */
static int refuses_token(const struct tokens *all, size_t i, struct session_fault *ret)
{
	static const char *const temp[] = {"temp", "temporary", NULL}, *const scope[] = {"local", "global", NULL},
				*const before[] = {"insert", "merge", NULL};
	const struct lex_tok *t = &all->v[i];
	char name[MAX_NAME + 1];
	size_t k = i + 1;

	if (refuses_call(all, i, ret))
		return 1;
	if (is_sign(all, i + 1, ".") && name_of(t, name) && (strcmp(name, "pg_temp") == 0 || starts(name, "pg_temp_")))
		return say(ret, t->line, "%s holds what is the session's and not the request's", name);
	if (is_word(all, i, "into") && !(i && is_words(all, i - 1, before))) {
		k += is_words(all, k, scope) ? 1u : 0u;
		if (is_words(all, k, temp))
			return say(ret, t->line, "INTO %.*s makes a table that is the session's and not the request's",
				   SLICE_ARG(all->v[k].text));
	}
	if (is_word(all, i, "update")) {
		k += is_word(all, k, "only") ? 1u : 0u;
		k += is_word(all, k, "pg_catalog") && is_sign(all, k + 1, ".") ? 2u : 0u;
		if (k < all->n && name_of(&all->v[k], name) && strcmp(name, "pg_settings") == 0)
			return say(ret, t->line, "UPDATE of pg_settings stays beyond the request; use set_config(…, …, true)");
	}
	return 0;
}

static int refuses_create(const struct tokens *all, size_t i, struct session_fault *ret)
{
	static const char *const skipped[] = {"or", "replace", "local", "global", NULL},
				*const temp[] = {"temp", "temporary", NULL};
	size_t k = i + 1;

	while (is_words(all, k, skipped))
		k++;
	if (is_words(all, k, temp))
		return say(ret, all->v[k].line, "CREATE %.*s makes something that is the session's and not the request's",
			   SLICE_ARG(all->v[k].text));
	for (; k + 1 < all->n; k++)
		if (is_word(all, k, "as") && is_word(all, k + 1, "execute"))
			return say(ret, all->v[k].line, "EXECUTE runs what the session has prepared; write the statement itself");
	return 0;
}

/* Is option set in a list at open, "(" option [value], … ")"? -1: it is not there. */
static int option_of(const struct tokens *all, size_t open, const char *option)
{
	static const char *const off[] = {"false", "off", NULL};
	size_t end = closing(all, open);

	for (size_t i = open + 1; i < end; i++)
		if (is_word(all, i, option) && !is_sign(all, i - 1, "=")) {
			i += is_sign(all, i + 1, "=") ? 2u : 1u;
			return !(is_words(all, i, off) || (i < end && slice_eq(all->v[i].text, slice_str("0"))));
		}
	return -1;
}

/* Does word stand in the text, outside of parentheses, from i on? Where, or 0. */
static size_t find(const struct tokens *all, size_t i, const char *word)
{
	for (; i < all->n && all->v[i].kind != LEX_SEMICOLON; i++) {
		if (is_word(all, i, word))
			return i;
		if (is_sign(all, i, "("))
			i = closing(all, i);
	}
	return 0;
}

/* Does it need to be outside of any transaction because of CONCURRENTLY, or of what REINDEX works on? */
static int is_concurrent(const struct tokens *all, size_t i)
{
	static const char *const many[] = {"database", "system", "schema", NULL};
	size_t k = i + 1;

	if (is_word(all, i, "reindex")) {
		if (is_sign(all, k, "(")) {
			if (option_of(all, k, "concurrently") == 1)
				return 1;
			k = closing(all, k) + 1;
		}
		return is_words(all, k, many) || is_word(all, k + 1, "concurrently");
	}
	if (is_word(all, i, "create") || is_word(all, i, "drop")) {
		k += is_word(all, k, "unique") ? 1u : 0u;
		return is_word(all, k, "index") && is_word(all, k + 1, "concurrently");
	}
	return is_word(all, i, "alter") && is_word(all, k, "table") && (k = find(all, k, "detach")) && find(all, k, "concurrently");
}

/* A subscription's publisher is talked to: not to be rolled back. */
static int is_remote(const struct tokens *all, size_t i)
{
	size_t with = find(all, i, "with"), open = with && is_sign(all, with + 1, "(") ? with + 1 : 0;

	if (!is_word(all, i + 1, "subscription"))
		return 0;
	if (is_word(all, i, "create"))
		return !open || (option_of(all, open, "connect") != 0 && option_of(all, open, "create_slot") != 0);
	if (!is_word(all, i, "alter"))
		return 0;
	return is_word(all, i + 3, "refresh") ||
	       (is_word(all, i + 4, "publication") && (!open || option_of(all, open, "refresh") != 0));
}

/* What the server runs outside of a transaction only; a statement here is one. */
static int refuses_within(const struct tokens *all, size_t i, struct session_fault *ret)
{
	static const char *const makes[] = {"create", "drop", NULL}, *const wholes[] = {"database", "tablespace", NULL};
	unsigned line = i < all->n ? all->v[i].line : 0;
	const char *what = NULL;
	size_t k = i + 1;

	if (is_word(all, i, "vacuum"))
		return say(ret, line, "VACUUM cannot run inside a transaction, and a statement is one here; leave it to autovacuum, or "
				      "run it by psql or vacuumdb (ANALYZE may be used)");
	if (is_concurrent(all, i))
		return say(ret, line, "%.*s of this kind cannot run inside a transaction, and a statement is one here; write it "
				      "without CONCURRENTLY and for one table or index, or run it by psql", SLICE_ARG(all->v[i].text));
	if (is_words(all, i, makes) && is_words(all, k, wholes))
		what = is_word(all, k, "database") ? "DATABASE" : "TABLESPACE";
	else if (is_word(all, i, "alter") && is_word(all, k, "system"))
		what = "SYSTEM";
	else if (is_word(all, i, "alter") && is_word(all, k, "database") && is_word(all, k + 2, "set") && is_word(all, k + 3, "tablespace"))
		what = "DATABASE … SET TABLESPACE";
	else if (is_remote(all, i))
		what = "SUBSCRIPTION";
	if (what)
		return say(ret, line, "%.*s %s cannot run inside a transaction, and a statement is one here; run it by psql",
			   SLICE_ARG(all->v[i].text), what);
	if (!is_word(all, i, "cluster"))
		return 0;
	if (is_sign(all, k, "("))
		k = closing(all, k) + 1;
	else if (is_word(all, k, "verbose"))
		k++;
	if (k < all->n && all->v[k].kind != LEX_SEMICOLON)
		return 0;
	return say(ret, line, "CLUSTER of all tables cannot run inside a transaction, and a statement is one here; name one table");
}

/* By the word that it begins with, at i. */
static int refuses_first(const struct tokens *all, size_t i, struct session_fault *ret)
{
	static const char *const transaction[] = {"begin", "start", "commit", "end", "rollback", "abort", "savepoint",
						  "release", NULL};
	static const char *const settings[] = {"set", "reset", NULL}, *const ears[] = {"listen", "unlisten", NULL};
	static const char *const cursors[] = {"declare", "fetch", "move", "close", NULL};
	static const char *const prepared[] = {"execute", "deallocate", NULL};
	static const char *const rest[] = {"discard", "load", NULL};
	static const char *const options[] = {"analyze", "analyse", "verbose", NULL};
	struct slice w;
	unsigned line;

	while (is_sign(all, i, "("))
		i++;
	if (i >= all->n || all->v[i].kind != LEX_WORD)
		return 0;
	w = all->v[i].text;
	line = all->v[i].line;
	if (is_any(w, transaction) || (is_word(all, i, "prepare") && is_word(all, i + 1, "transaction")))
		return say(ret, line, "%.*s controls the transaction, and that is weir's: a statement is one, committed before "
				      "its answer leaves; a procedure may commit by itself", SLICE_ARG(w));
	if (is_any(w, settings))
		return say(ret, line, "%.*s stays beyond the request, and the connection is somebody else's next; use "
				      "set_config(…, …, true) beside what needs it, or ALTER ROLE or FUNCTION … SET", SLICE_ARG(w));
	if (is_any(w, ears))
		return say(ret, line, "%.*s is the session's and not the request's, and nobody hears for it", SLICE_ARG(w));
	if (is_any(w, cursors))
		return say(ret, line, "%.*s works with a cursor, which is the session's and not the request's", SLICE_ARG(w));
	if (is_any(w, prepared) || is_word(all, i, "prepare"))
		return say(ret, line, "%.*s works with a prepared statement of the session; weir prepares each by itself",
			   SLICE_ARG(w));
	if (is_any(w, rest))
		return say(ret, line, "%.*s changes the session for whoever comes next", SLICE_ARG(w));
	if (refuses_within(all, i, ret))
		return 1;
	if (is_word(all, i, "lock"))
		return say(ret, line, "LOCK holds until its transaction ends, and that is this statement alone; use SELECT … FOR UPDATE "
				      "in what needs it, pg_advisory_xact_lock, or LOCK in a DO or a function that does the rest, too");
	if (is_word(all, i, "copy"))
		return say(ret, line, "COPY moves its data by a protocol of its own; use SELECT or INSERT");
	if (is_word(all, i, "create"))
		return refuses_create(all, i, ret);
	if (is_word(all, i, "explain")) {
		i++;
		if (is_sign(all, i, "("))
			i = closing(all, i) + 1;
		while (is_words(all, i, options))
			i++;
		return refuses_first(all, i, ret);
	}
	return 0;
}

/* A DO has its statements in a string. Those that its text shows there are judged, too; but for COMMIT and ROLLBACK,
 * which are its own. */
static int refuses_body(const struct tokens *all, unsigned line, struct session_fault *ret)
{
	static const char *const heads[] = {"begin", "then", "else", "loop", NULL};
	static const char *const words[] = {"set", "reset", "listen", "unlisten", "discard", "load", "deallocate", "prepare", NULL};
	int rc = 0;

	for (size_t i = 0; i < all->n && !rc; i++) {
		int is_first = i == 0 || all->v[i - 1].kind == LEX_SEMICOLON || is_words(all, i - 1, heads);

		if (is_first && is_words(all, i, words) && !is_word(all, i + 1, "local"))
			rc = refuses_first(all, i, ret);
		else if (is_first && !is_sign(all, i + 1, ":=") && !is_sign(all, i + 1, "="))
			rc = refuses_within(all, i, ret);
		if (!rc)
			rc = refuses_token(all, i, ret);
	}
	if (rc)
		ret->line += line - 1;
	return rc;
}

static int refuses_do(const struct tokens *all, struct session_fault *ret)
{
	for (size_t i = 1; i < all->n; i++) {
		struct slice s = all->v[i].text;
		const char *open = s.n && s.p[0] == '$' ? memchr(s.p + 1, '$', s.n - 1) : NULL;
		size_t tag = open ? (size_t)(open - s.p) + 1 : 1;
		struct tokens body;
		int rc;

		if (all->v[i].kind != LEX_STRING || s.n < 2 * tag)
			continue;
		read_tokens(slice_of(s.p + tag, s.n - 2 * tag), &body);
		rc = refuses_body(&body, all->v[i].line, ret);
		free(body.v);
		if (rc)
			return 1;
	}
	return 0;
}

int session_refuses(const char *sql, struct session_fault *ret)
{
	struct tokens all;
	int rc;

	read_tokens(slice_str(sql), &all);
	if (all.n == 0)
		rc = say(ret, 1, "there is no statement, only a comment");
	else
		rc = refuses_first(&all, 0, ret);
	for (size_t i = 0; i < all.n && !rc; i++)
		rc = refuses_token(&all, i, ret);
	if (!rc && is_word(&all, 0, "do"))
		rc = refuses_do(&all, ret);
	free(all.v);
	return rc;
}

static int has_word(const char *text, const char *word)
{
	size_t n = strlen(word);

	for (; *text; text++)
		if (strncasecmp(text, word, n) == 0)
			return 1;
	return 0;
}

/* A DO shows what it does, in whatever language: without one of these it is one transaction. */
static int do_may_commit(const char *sql)
{
	return has_word(sql, "commit") || has_word(sql, "call") || has_word(sql, "execute") || strchr(sql, '\\') != NULL;
}

enum session_use session_use_of(const char *sql, int *ret_may_commit)
{
	static const char *const asks[] = {"select", "values", "table", "with", "insert", "update", "delete", "merge", NULL};
	static const char *const clean[] = {"show", "notify", NULL};
	enum session_use use = SESSION_TOUCHES;
	struct tokens all;
	size_t i = 0;

	read_tokens(slice_str(sql), &all);
	while (is_sign(&all, i, "("))
		i++;
	if (is_words(&all, i, asks))
		use = SESSION_ASK;
	else if (is_words(&all, i, clean))
		use = SESSION_CLEAN;
	*ret_may_commit = is_word(&all, i, "call") || (is_word(&all, i, "do") && do_may_commit(sql));
	free(all.v);
	return use;
}

int session_selects(const char *sql)
{
	static const char *const verbs[] = {"select", "insert", "update", "delete", "merge", NULL};
	struct tokens all;
	unsigned depth = 0;
	const struct lex_tok *verb = NULL;
	int rc = 0;

	read_tokens(slice_str(sql), &all);
	for (size_t i = 0; i < all.n; i++) {
		if (is_sign(&all, i, "("))
			depth++;
		else if (is_sign(&all, i, ")"))
			depth--;
		else if ((depth == 0 || depth == i) && !verb && is_words(&all, i, verbs))
			rc = is_word(&all, i, "select"), verb = &all.v[i];
		else if (depth == 0 && is_word(&all, i, "into"))
			rc = 0;
	}
	free(all.v);
	return rc;
}

static int is_operator_char(char c)
{
	return c && strchr("~!@#^&|`?+-*/%<>=", c) != NULL;
}

/* A run of operator characters that nothing separates. The server ends some of them earlier ("=-1"), so every part of
 * it may be one. */
static size_t operator_run(const struct tokens *all, size_t i, struct slice *ret)
{
	size_t from = i;
	const char *p = all->v[i].text.p, *end = p;

	for (; i < all->n && all->v[i].kind == LEX_OTHER && all->v[i].text.p == end; i++) {
		size_t n = 0;

		while (n < all->v[i].text.n && is_operator_char(end[n]))
			n++;
		if (n != all->v[i].text.n)
			break;
		end += n;
	}
	*ret = slice_of(p, (size_t)(end - p));
	return i - from;
}

void session_mentions(const char *sql, void (*put)(void *ctx, enum session_mention kind, struct slice name), void *ctx)
{
	static const char *const implied[] = {"=", "<>", "<", "<=", ">", ">=", "~", "~~", "!~~", "~~*", "!~~*", "-"};
	struct tokens all;
	struct slice run;

	read_tokens(slice_str(sql), &all);
	if (!all.is_whole)
		put(ctx, MENTION_UNKNOWN, SLICE(""));
	for (size_t i = 0; i < ARRAY_LEN(implied); i++)
		put(ctx, MENTION_OPERATOR, slice_str(implied[i]));
	for (size_t i = 0; i < all.n; i++) {
		const struct lex_tok *t = &all.v[i];
		char name[MAX_NAME + 1];
		size_t n = name_of(t, name), tokens;

		/* U&"…", and names that the server cuts, perhaps in the middle of a character */
		if ((t->kind == LEX_QUOTED && !n) || n == MAX_NAME)
			put(ctx, MENTION_UNKNOWN, t->text);
		if (n) {
			put(ctx, MENTION_NAME, slice_of(name, n));
			if (is_sign(&all, i + 1, "("))
				put(ctx, MENTION_CALL, slice_of(name, n));
			if (i && is_sign(&all, i - 1, "."))
				put(ctx, MENTION_FIELD, slice_of(name, n));
			continue;
		}
		if (t->kind != LEX_OTHER || !(tokens = operator_run(&all, i, &run)))
			continue;
		if (run.n > MAX_OPERATOR)
			put(ctx, MENTION_UNKNOWN, run);
		for (size_t from = 0; from < run.n && run.n <= MAX_OPERATOR; from++)
			for (size_t k = 1; k <= run.n - from; k++)
				put(ctx, MENTION_OPERATOR, slice_of(run.p + from, k));
		i += tokens - 1;
	}
	free(all.v);
}
