/* lane: see lane.h. Words are compared outside of strings and comments only; a column with the name
 * of a writing keyword makes a WITH query exclusive, which costs speed and never safety. */
#include "config.h"

#include "lib/conf/lane.h"

#include <stdio.h>

static int is_any(struct slice w, const char *const *words)
{
	for (size_t i = 0; words[i]; i++)
		if (slice_ieq(w, slice_str(words[i])))
			return 1;
	return 0;
}

static int starts(struct slice w, const char *prefix)
{
	struct slice p = slice_str(prefix);

	return w.n >= p.n && slice_ieq(slice_of(w.p, p.n), p);
}

/* Functions that change the session, or the world past our transaction. */
static int is_stateful(struct slice w)
{
	static const char *const exact[] = {"set_config", "pg_notify", "nextval", "setval", NULL};

	if (is_any(w, exact) || starts(w, "dblink") || starts(w, "lo_"))
		return 1;
	if (starts(w, "pg_advisory_") || starts(w, "pg_try_advisory_"))
		return !memmem(w.p, w.n, "_xact", 5) && !memmem(w.p, w.n, "_XACT", 5);
	return 0;
}

static void follow_for(struct lane *l, struct slice w)
{
	static const char *const lock[] = {"update", "share", NULL}, *const between[] = {
									 "no", "key", NULL};

	if (slice_ieq(w, SLICE("for")))
		l->after_for = 1;
	else if (l->after_for && is_any(w, lock))
		l->locks_rows = 1;
	else if (!l->after_for || !is_any(w, between))
		l->after_for = 0;
}

void lane_token(struct lane *l, const struct lex_tok *t)
{
	static const char *const writing[] = {"insert", "update", "delete", "merge", "into", NULL};
	struct slice w = t->text;
	int follows_for;

	if (t->kind == LEX_SPACE || t->kind == LEX_LINE_COMMENT || t->kind == LEX_BLOCK_COMMENT)
		return;
	if (t->kind == LEX_QUOTED && w.n > 2)
		w = slice_of(w.p + 1, w.n - 2);
	else if (t->kind != LEX_WORD) {
		l->after_for = 0;
		return;
	}
	if (l->first.n == 0)
		l->first = w;
	if (l->calls.n == 0 && is_stateful(w))
		l->calls = w;
	if (t->kind != LEX_WORD)
		return;
	follows_for = l->after_for;
	follow_for(l, w);
	if (l->writes.n == 0 && is_any(w, writing) && !follows_for)
		l->writes = w;
}

const char *lane_reason(const struct lane *l, char out[128])
{
	static const char *const reads[] = {"select", "values", "table", "with", NULL};
	int is_with = slice_ieq(l->first, SLICE("with"));

	out[0] = 0;
	if (!is_any(l->first, reads))
		snprintf(out, 128, "it begins with %.*s", l->first.n > 40 ? 40 : (int)l->first.n,
			 l->first.p ? l->first.p : "");
	else if (l->writes.n && (is_with || slice_ieq(l->writes, SLICE("into"))))
		snprintf(out, 128, "it holds the word %.*s", SLICE_ARG(l->writes));
	else if (l->locks_rows)
		snprintf(out, 128, "it locks rows");
	else if (l->calls.n)
		snprintf(out, 128, "it names %.*s", l->calls.n > 60 ? 60 : (int)l->calls.n,
			 l->calls.p);
	return out;
}

int lane_is_write(const struct lane *l)
{
	static const char *const words[] = {"insert", "update", "delete", "merge", NULL};

	return is_any(l->first, words);
}

int lane_may_write(const struct lane *l)
{
	static const char *const reads[] = {"select", "values", "table", NULL};

	return !is_any(l->first, reads) ? l->writes.n > 0 || !slice_ieq(l->first, SLICE("with"))
					: l->calls.n > 0;
}
