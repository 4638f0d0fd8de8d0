/* jansson checks the grammar and decodes the strings; the texts of all other values are cut out of the
 * bytes as they were sent. Three things are done before it sees them: a NUL byte is refused (jansson 2.14
 * forgets one behind a number or a word: "[1\0,2]" passes), nesting is bounded at 64, and long numbers,
 * whose grammar is checked here, are blanked to 0 in a copy, because jansson refuses integers beyond
 * 64 bits and reals beyond double, while PostgreSQL's numeric takes both. A blanked number leaves a
 * token at its place, so what stood wrongly beside it still does. */
#include "config.h"

#include "lib/json/jr.h"

#include <ctype.h>
#include <jansson.h>
#include <stdlib.h>

#include "lib/base/check.h"
#include "lib/base/utf8.h"

#define MAX_DEPTH 64
#define SHORT_NUMBER 15u	/* jansson reads these exactly enough to accept them */

static size_t number_end(const char *p, size_t n)
{
	size_t i = 0, from;

	if (i < n && p[i] == '-')
		i++;
	if (i < n && p[i] == '0') {
		i++;
	} else {
		from = i;
		while (i < n && isdigit((unsigned char)p[i]))
			i++;
		if (i == from)
			return 0;
	}
	if (i < n && p[i] == '.') {
		from = ++i;
		while (i < n && isdigit((unsigned char)p[i]))
			i++;
		if (i == from)
			return 0;
	}
	if (i < n && (p[i] == 'e' || p[i] == 'E')) {
		i++;
		if (i < n && (p[i] == '+' || p[i] == '-'))
			i++;
		from = i;
		while (i < n && isdigit((unsigned char)p[i]))
			i++;
		if (i == from)
			return 0;
	}
	return i;
}

/* Behind the closing quote of the string that begins at i. */
static size_t string_end(const char *p, size_t n, size_t i)
{
	for (i++; i < n && p[i] != '"'; i++)
		if (p[i] == '\\')
			i++;
	return i + 1 < n ? i + 1 : n;
}

/* The error at byte i of the text; columns are counted in bytes. */
static int err_at(struct err *e, const char *p, size_t i, const char *sentence)
{
	unsigned line = 1, col = 1;

	for (size_t k = 0; k < i; k++) {
		col = p[k] == '\n' ? 1 : col + 1;
		line += p[k] == '\n';
	}
	return err_set_at(e, E_bad_json, NULL, line, col, "line %u, column %u: %s", line, col, sentence);
}

/* Bound the depth, blank long numbers. 0 or an error. */
static int prepare(char *p, size_t n, struct err *e)
{
	const char *nul = n ? memchr(p, 0, n) : NULL;
	unsigned depth = 0;

	if (nul)
		return err_at(e, p, (size_t)(nul - p), "a NUL byte");
	for (size_t i = 0; i < n;) {
		char c = p[i];

		if (c == '"') {
			i = string_end(p, n, i);
		} else if (c == '{' || c == '[') {
			if (++depth > MAX_DEPTH)
				return err_at(e, p, i, "nested deeper than " STRINGIFY(MAX_DEPTH));
			i++;
		} else if (c == '}' || c == ']') {
			depth -= depth > 0;
			i++;
		} else if (c == '-' || isdigit((unsigned char)c)) {
			size_t len = number_end(p + i, n - i);

			if (len == 0)
				return err_at(e, p, i, "a number is malformed");
			if (len > SHORT_NUMBER || memchr(p + i, 'e', len) || memchr(p + i, 'E', len)) {
				p[i] = '0';
				memset(p + i + 1, ' ', len - 1);
			}
			i += len;
		} else {
			i++;
		}
	}
	return 0;
}

static json_t *load(struct slice text, struct err *e)
{
	json_error_t je;
	json_t *root;
	char *copy = malloc(text.n + 1);

	check(copy != NULL);
	if (text.n)
		memcpy(copy, text.p, text.n);
	if (prepare(copy, text.n, e)) {
		free(copy);
		return NULL;
	}
	root = json_loadb(copy, text.n, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &je);
	free(copy);
	if (!root) {
		/* The quoted bytes may be what is wrong: the sentence goes into a UTF-8 document. */
		char *quoted = strstr(je.text, " near '");

		if (quoted && !utf8_is_valid(slice_str(je.text)))
			*quoted = 0;
		err_set_at(e, E_bad_json, NULL, (unsigned)je.line, (unsigned)je.column, "line %d, column %d: %s", je.line,
			   je.column, je.text);
	}
	return root;
}

int jr_validate(struct slice text, struct err *e)
{
	json_t *root = load(text, e);

	if (!root)
		return -E_bad_json;
	json_decref(root);
	return 0;
}

static size_t skip_blank(struct slice t, size_t i)
{
	while (i < t.n && (t.p[i] == ' ' || t.p[i] == '\t' || t.p[i] == '\n' || t.p[i] == '\r'))
		i++;
	return i;
}

/* Behind the value that begins at i; the text is known to be valid. */
static size_t value_end(struct slice t, size_t i)
{
	unsigned depth = 0;

	do {
		char c = t.p[i];

		if (c == '"') {
			i = string_end(t.p, t.n, i);
		} else if (c == '{' || c == '[') {
			depth++;
			i++;
		} else if (c == '}' || c == ']') {
			depth--;
			i++;
		} else if (depth) {
			i++;
		} else {
			while (i < t.n && !strchr(",]} \t\r\n", t.p[i]))
				i++;
		}
	} while (depth && i < t.n);
	return i;
}

static enum jr_type type_of(const json_t *v)
{
	switch (json_typeof(v)) {
	case JSON_OBJECT:
		return JR_OBJECT;
	case JSON_ARRAY:
		return JR_ARRAY;
	case JSON_STRING:
		return JR_STRING;
	case JSON_INTEGER:
	case JSON_REAL:
		return JR_NUMBER;
	case JSON_TRUE:
	case JSON_FALSE:
		return JR_BOOL;
	case JSON_NULL:
		break;
	}
	return JR_NULL;
}

static void fill(struct jr_member *m, const json_t *v, struct slice raw, struct arena *a)
{
	m->type = type_of(v);
	m->text = raw;
	if (m->type == JR_STRING) {
		size_t n = json_string_length(v);

		m->text = slice_of(arena_strn(a, json_string_value(v), n), n);
	}
}

/* The next value's bytes; *i goes behind it and the separator. */
static struct slice next_raw(struct slice t, size_t *i)
{
	size_t from = skip_blank(t, *i), to = value_end(t, from);

	*i = skip_blank(t, to) + 1;	/* ',' or the end */
	return slice_of(t.p + from, to - from);
}

static void *room(struct arena *a, size_t n)
{
	return arena_alloc(a, (n ? n : 1) * sizeof(struct jr_member));
}

int jr_object(struct slice text, struct arena *a, unsigned max, struct jr_member **ret, unsigned *ret_n,
	      struct err *e)
{
	json_t *root = load(text, e), *v;
	struct jr_member *m;
	const char *key;
	size_t i, n;
	unsigned k = 0;

	if (!root)
		return -E_bad_json;
	n = json_is_object(root) ? json_object_size(root) : 0;
	if (!json_is_object(root) || n > max) {
		json_decref(root);
		return n > max ? err_set(e, E_bad_json, "more than %u members", max)
			       : err_set(e, E_bad_json, "an object is expected");
	}
	m = room(a, n);
	i = skip_blank(text, 0) + 1;
	/* jansson keeps the members in the order they came */
	json_object_foreach(root, key, v) {
		i = skip_blank(text, i);
		i = string_end(text.p, text.n, i);
		i = skip_blank(text, i) + 1;	/* ':' */
		m[k].name = slice_of(arena_strn(a, key, strlen(key)), strlen(key));
		fill(&m[k], v, next_raw(text, &i), a);
		k++;
	}
	json_decref(root);
	*ret = m;
	*ret_n = k;
	return 0;
}

int jr_array(struct slice text, struct arena *a, unsigned max, struct jr_member **ret, unsigned *ret_n,
	     struct err *e)
{
	json_t *root = load(text, e);
	struct jr_member *m;
	size_t i, n;

	if (!root)
		return -E_bad_json;
	n = json_is_array(root) ? json_array_size(root) : 0;
	if (!json_is_array(root) || n > max) {
		json_decref(root);
		return n > max ? err_set(e, E_bad_json, "more than %u elements", max)
			       : err_set(e, E_bad_json, "an array is expected");
	}
	m = room(a, n);
	i = skip_blank(text, 0) + 1;
	for (size_t k = 0; k < n; k++) {
		m[k].name = (struct slice){NULL, 0};
		fill(&m[k], json_array_get(root, k), next_raw(text, &i), a);
	}
	json_decref(root);
	*ret = m;
	*ret_n = (unsigned)n;
	return 0;
}

const char *jr_library_version(void)
{
	return JANSSON_VERSION;
}
