/* directive_kept: directives that are checked for form and kept; nothing acts on them yet. */
#include "config.h"

#include "lib/base/num.h"
#include "lib/conf/directive.h"

#define DAY (24ull * 3600 * 1000)

static int is_tag(struct slice s)
{
	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i];

		if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
		      (c && strchr("_.:-{}", c))))
			return 0;
	}
	return s.n > 0 && s.n <= 128;
}

/* The index of w in words, or -1. */
static int find(const struct dir_word *w, const char *const *words)
{
	for (int i = 0; words[i]; i++)
		if (slice_eq(w->text, slice_str(words[i])))
			return i;
	return -1;
}

void dir_cache(struct dir *d)
{
	static const char *const words[] = {"stale", "stale-if-error", "negative", "tags",
					    "per",   "public",         "private",  NULL};
	unsigned seen = 0;
	struct dir_word w;
	uint64_t ms;
	int is_open = -1; /* tags or per, which take words until the next keyword */
	int n = 0;

	if (!dir_need(d, &w, "how long, such as 60s") || dir_msec(d, &w, 0, 365 * DAY, &ms))
		return;
	while (dir_next(d, &w)) {
		int i = find(&w, words);

		if (i < 0 && is_open >= 0 && is_tag(w.text)) {
			n++;
			continue;
		}
		if (i < 0) {
			dir_one_of(d, &w, "attribute", words);
			return;
		}
		if (is_open >= 0 && n == 0)
			break;
		if (seen & (1u << i) || (i >= 5 && seen & (3u << 5))) {
			dir_error(d, w.col, "%s is given twice, or public beside private",
				  words[i]);
			return;
		}
		seen |= 1u << i;
		is_open = i == 3 || i == 4 ? i : -1;
		n = 0;
		if (i < 3 && (!dir_need(d, &w, "a duration") || dir_msec(d, &w, 0, 365 * DAY, &ms)))
			return;
	}
	if (is_open >= 0 && n == 0)
		dir_error(d, w.col, "expected a word after '%s'", words[is_open]);
}

void dir_invalidates(struct dir *d)
{
	struct dir_word w;

	if (!dir_need(d, &w, "a tag"))
		return;
	do {
		if (!is_tag(w.text)) {
			dir_error(d, w.col, "bad tag '%.*s'; expected letters, digits and _.:-{}",
				  SLICE_ARG(w.text));
			return;
		}
	} while (dir_next(d, &w));
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

void dir_compress(struct dir *d)
{
	static const char *const words[] = {"on", "off", NULL};

	one_word(d, "on or off", words);
}

void dir_stream(struct dir *d)
{
	dir_end(d);
}

void dir_include(struct dir *d)
{
	static const char *const equals[] = {"=", NULL}, *const get[] = {"GET", NULL};
	struct dir_word w;

	if (!dir_need(d, &w, "NAME = GET PATH"))
		return;
	if (!dir_is_name(w.text)) {
		dir_error(d, w.col, "bad name '%.*s'; expected letters, digits and _",
			  SLICE_ARG(w.text));
		return;
	}
	if (!dir_need(d, &w, "'= GET PATH' after the name") ||
	    dir_one_of(d, &w, "word", equals) < 0 || !dir_need(d, &w, "GET") ||
	    dir_one_of(d, &w, "method", get) < 0 || !dir_need(d, &w, "a path that begins with '/'"))
		return;
	if (w.text.p[0] != '/')
		dir_error(d, w.col, "bad path '%.*s'; expected a path that begins with '/'",
			  SLICE_ARG(w.text));
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
