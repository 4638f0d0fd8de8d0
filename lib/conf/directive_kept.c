/* directive_kept: directives that are checked for form and kept; nothing acts on them yet. */
#include "config.h"

#include "lib/base/num.h"
#include "lib/conf/directive.h"

#define DAY (24ull * 3600 * 1000)

/* The index of w in words, or -1. */
static int find(const struct dir_word *w, const char *const *words)
{
	for (int i = 0; words[i]; i++)
		if (slice_eq(w->text, slice_str(words[i])))
			return i;
	return -1;
}

/* N/s, N/min, N/h, N/d */
static int rate(struct dir *d, const struct dir_word *w)
{
	static const char *const units[] = {"s", "min", "m", "h", "d", NULL};
	struct slice unit = w->text, count = slice_cut(&unit, '/');
	struct dir_word u = {unit, 0};
	uint64_t v;

	if (num_u64(count, &v) == 0 && v > 0 && v <= 1000000000 && unit.p && find(&u, units) >= 0)
		return 0;
	dir_error(d, w->col, "bad rate '%.*s'; expected a number per s, min, h or d, such as 100/s",
		  SLICE_ARG(w->text));
	return -1;
}

void dir_limit(struct dir *d)
{
	static const char *const words[] = {"burst", "per", NULL};
	static const char *const whom[] = {"address", "user", "key", "endpoint", NULL};
	struct dir_word w, v;
	uint64_t n;

	if (!dir_need(d, &w, "a rate, such as 100/s") || rate(d, &w))
		return;
	while (dir_next(d, &w)) {
		int i = dir_one_of(d, &w, "attribute", words);

		if (i < 0)
			return;
		if (!dir_need(d, &v, i == 0 ? "a number" : "address, user, key or endpoint"))
			return;
		if (i == 0 ? dir_uint(d, &v, 1, 1000000000, &n) != 0
			   : dir_one_of(d, &v, "subject", whom) < 0)
			return;
	}
}

void dir_replica(struct dir *d)
{
	static const char *const words[] = {"lag", NULL};
	struct dir_word w;
	uint64_t ms;

	if (!dir_next(d, &w))
		return;
	if (dir_one_of(d, &w, "attribute", words) < 0 || !dir_need(d, &w, "a duration") ||
	    dir_msec(d, &w, 1, DAY, &ms))
		return;
	dir_end(d);
}

static void one_word(struct dir *d, const char *what, const char *const *words)
{
	struct dir_word w;

	if (!dir_need(d, &w, what) || dir_one_of(d, &w, "word", words) < 0)
		return;
	dir_end(d);
}

void dir_priority(struct dir *d)
{
	static const char *const words[] = {"interactive", "default", "batch", NULL};

	one_word(d, "interactive, default or batch", words);
}

void dir_stream(struct dir *d)
{
	dir_end(d);
}

void dir_idempotent(struct dir *d)
{
	static const char *const words[] = {"key", "for", NULL};
	struct dir_word w, v;
	uint64_t ms;

	while (dir_next(d, &w)) {
		int i = dir_one_of(d, &w, "attribute", words);

		if (i < 0 || !dir_need(d, &v, i == 0 ? "a header's name" : "a duration"))
			return;
		if (i == 1 && dir_msec(d, &v, 1000, 365 * DAY, &ms))
			return;
		if (i == 0 && !dir_is_token(v.text)) {
			dir_error(d, v.col, "bad header name '%.*s'", SLICE_ARG(v.text));
			return;
		}
	}
}

void dir_audit(struct dir *d)
{
	struct dir_word w;

	while (dir_next(d, &w))
		if (!dir_is_name(w.text)) {
			dir_error(d, w.col, "bad field '%.*s'; expected letters, digits and _",
				  SLICE_ARG(w.text));
			return;
		}
}

void dir_set(struct dir *d)
{
	struct dir_word w;
	struct slice rest;

	if (!dir_need(d, &w, "a setting and its value"))
		return;
	for (rest = w.text; rest.p;)
		if (!dir_is_name(slice_cut(&rest, '.'))) {
			dir_error(d, w.col, "bad setting '%.*s'; expected a name such as work_mem",
				  SLICE_ARG(w.text));
			return;
		}
	if (dir_rest(d).text.n == 0)
		dir_error(d, d->col, "expected a value after the setting");
}
