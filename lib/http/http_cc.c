#include "config.h"

#include "lib/http/http_cc.h"

#include "lib/base/num.h"

struct word {
	const char *name;
	unsigned flag, fields_flag;	/* flag 0: a number */
	size_t value;			/* offset of its int64_t, or of the slice of its fields */
};

/* The order in which http_cc_format writes them. */
static const struct word words[] = {
    {"private", HTTP_CC_PRIVATE, HTTP_CC_PRIVATE_FIELDS, offsetof(struct http_cc, private_fields)},
    {"public", HTTP_CC_PUBLIC, 0, 0},
    {"no-store", HTTP_CC_NO_STORE, 0, 0},
    {"no-cache", HTTP_CC_NO_CACHE, HTTP_CC_NO_CACHE_FIELDS, offsetof(struct http_cc, no_cache_fields)},
    {"max-age", 0, 0, offsetof(struct http_cc, max_age)},
    {"s-maxage", 0, 0, offsetof(struct http_cc, s_maxage)},
    {"must-revalidate", HTTP_CC_MUST_REVALIDATE, 0, 0},
    {"proxy-revalidate", HTTP_CC_PROXY_REVALIDATE, 0, 0},
    {"must-understand", HTTP_CC_MUST_UNDERSTAND, 0, 0},
    {"no-transform", HTTP_CC_NO_TRANSFORM, 0, 0},
    {"immutable", HTTP_CC_IMMUTABLE, 0, 0},
    {"stale-while-revalidate", 0, 0, offsetof(struct http_cc, stale_while_revalidate)},
    {"stale-if-error", 0, 0, offsetof(struct http_cc, stale_if_error)},
    {"only-if-cached", HTTP_CC_ONLY_IF_CACHED, 0, 0},
    {"max-stale", 0, HTTP_CC_ANY_STALE, offsetof(struct http_cc, max_stale)},
    {"min-fresh", 0, 0, offsetof(struct http_cc, min_fresh)},
};

static int64_t *number_of(struct http_cc *cc, const struct word *w)
{
	return (int64_t *)(void *)((char *)cc + w->value);
}

void http_cc_init(struct http_cc *cc)
{
	*cc = (struct http_cc){.max_age = HTTP_CC_ABSENT,
			       .s_maxage = HTTP_CC_ABSENT,
			       .stale_while_revalidate = HTTP_CC_ABSENT,
			       .stale_if_error = HTTP_CC_ABSENT,
			       .max_stale = HTTP_CC_ABSENT,
			       .min_fresh = HTTP_CC_ABSENT};
}

/* Digits only; what is larger than the limit is the limit. -1: no number. */
static int64_t delta(struct slice v)
{
	int64_t n = 0;

	if (!v.n)
		return -1;
	for (size_t i = 0; i < v.n; i++) {
		if (v.p[i] < '0' || v.p[i] > '9')
			return -1;
		n = n * 10 + (v.p[i] - '0');
		if (n > HTTP_DELTA_MAX)
			n = HTTP_DELTA_MAX;
	}
	return n;
}

static void take(struct http_cc *cc, const struct word *w, struct slice value)
{
	int64_t *n;

	if (w->flag) {
		struct slice *fields = (struct slice *)(void *)((char *)cc + w->value);

		if (!w->fields_flag || !slice_trim(value).n) {
			cc->flags |= w->flag;
		} else if (!(cc->flags & w->fields_flag)) {
			cc->flags |= w->fields_flag;
			*fields = value;
		} else {
			/* a second list: two slices do not make one, and the whole message is the safe reading */
			cc->flags |= w->flag;
		}
		return;
	}
	n = number_of(cc, w);
	if (*n != HTTP_CC_ABSENT || (cc->flags & w->fields_flag))
		return;
	*n = delta(value);
	if (*n < 0 && (n == &cc->max_age || n == &cc->s_maxage))
		*n = 0;
	else if (*n < 0 && !value.p)
		cc->flags |= w->fields_flag;
}

/* The next directive: its name, and its value without quotes (p == NULL without "="). 0 at the end. */
static int next(struct slice *rest, struct slice *name, struct slice *value)
{
	const char *p = rest->p, *end = p ? p + rest->n : p, *start;

	while (p < end && (*p == ' ' || *p == '\t' || *p == ','))
		p++;
	if (p == end)
		return 0;
	for (start = p; p < end && *p != '=' && *p != ','; p++)
		;
	*name = slice_of(start, (size_t)(p - start));
	*value = (struct slice){NULL, 0};
	if (p < end && *p == '=') {
		start = ++p;
		if (p < end && *p == '"') {
			for (start = ++p; p < end && *p != '"'; p++)
				if (*p == '\\' && end - p > 1)
					p++;
			*value = slice_of(start, (size_t)(p - start));
			/* what follows the quote belongs to no directive */
			while (p < end && *p != ',')
				p++;
		} else {
			while (p < end && *p != ',')
				p++;
			*value = slice_of(start, (size_t)(p - start));
			while (value->n && (value->p[value->n - 1] == ' ' || value->p[value->n - 1] == '\t'))
				value->n--;
		}
	} else {
		*name = slice_trim(*name);
	}
	*rest = slice_of(p, (size_t)(end - p));
	return 1;
}

void http_cc_parse(struct http_cc *cc, struct slice line)
{
	struct slice name, value;

	while (next(&line, &name, &value))
		for (size_t i = 0; i < ARRAY_LEN(words); i++)
			if (slice_ieq(name, slice_str(words[i].name))) {
				take(cc, &words[i], value);
				break;
			}
}

size_t http_cc_format(const struct http_cc *cc, char out[HTTP_CC_ROOM])
{
	char *at = out;

	for (size_t i = 0; i < ARRAY_LEN(words); i++) {
		const struct word *w = &words[i];
		int64_t n = w->flag ? HTTP_CC_ABSENT : *(const int64_t *)(const void *)((const char *)cc + w->value);
		size_t len = strlen(w->name);

		if (!(cc->flags & (w->flag ? w->flag : w->fields_flag)) && n == HTTP_CC_ABSENT)
			continue;
		if (at != out) {
			*at++ = ',';
			*at++ = ' ';
		}
		memcpy(at, w->name, len);
		at += len;
		if (n != HTTP_CC_ABSENT) {
			*at++ = '=';
			at += num_put_u64(at, (uint64_t)(n < 0 ? 0 : n < HTTP_DELTA_MAX ? n : HTTP_DELTA_MAX));
		}
	}
	*at = '\0';
	return (size_t)(at - out);
}

int http_list_has(struct slice list, struct slice name)
{
	while (list.p)
		if (slice_ieq(slice_trim(slice_cut(&list, ',')), name))
			return 1;
	return 0;
}
