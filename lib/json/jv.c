#include "config.h"

#include "lib/json/jv.h"

#include <ctype.h>

#include "lib/base/base.h"
#include "lib/json/jw.h"

enum state {
	VALUE, FIRST_ELEMENT, FIRST_KEY, KEY, COLON, BEHIND,	/* what is due; BEHIND: behind a value */
	IN_KEY, IN_STRING, KEY_ESCAPE, STRING_ESCAPE, KEY_HEX, STRING_HEX, IN_WORD,
	MINUS, ZERO, INTEGER, POINT, FRACTION, EXPONENT, SIGN, POWER
};

void jv_init(struct jv *v)
{
	v->state = VALUE;
	v->depth = 0;
}

static int is_blank(char c)
{
	return c == ' ' || c == '\n' || c == '\t' || c == '\r';
}

static int is_digit(char c)
{
	return (unsigned)(c - '0') <= 9;
}

static int open_bracket(struct jv *v, int is_object)
{
	uint64_t *bits = &v->objects[v->depth % JV_LEVELS / 64], bit = 1ull << (v->depth % 64);

	if (v->depth < JV_LEVELS)
		*bits = is_object ? *bits | bit : *bits & ~bit;
	v->depth++;
	v->state = is_object ? FIRST_KEY : FIRST_ELEMENT;
	return 0;
}

/* Of the innermost bracket: -1 there is none, else whether it is an object; of those too deep, what is asked for. */
static int is_object(const struct jv *v, int asked)
{
	size_t level = v->depth - 1;

	if (v->depth == 0)
		return -1;
	return level < JV_LEVELS ? (int)(v->objects[level / 64] >> (level % 64) & 1) : asked;
}

static int close_bracket(struct jv *v, int object)
{
	if (is_object(v, object) != object)
		return -1;
	v->depth--;
	v->state = BEHIND;
	return 0;
}

static int begin_word(struct jv *v, const char *rest)
{
	v->word = rest;
	v->state = IN_WORD;
	return 0;
}

static int begin_value(struct jv *v, char c)
{
	switch (c) {
	case '"':
		v->state = IN_STRING;
		return 0;
	case '{':
	case '[':
		return open_bracket(v, c == '{');
	case 't':
		return begin_word(v, "rue");
	case 'f':
		return begin_word(v, "alse");
	case 'n':
		return begin_word(v, "ull");
	case '-':
		v->state = MINUS;
		return 0;
	default:
		v->state = c == '0' ? ZERO : INTEGER;
		return is_digit(c) ? 0 : -1;
	}
}

/* Too deep, it is not known whose comma it is, and then a name is taken for an element until its colon comes. */
static int behind_value(struct jv *v, char c)
{
	switch (c) {
	case ',':
		v->state = is_object(v, 0) == 1 ? KEY : VALUE;
		return v->depth ? 0 : -1;
	case '}':
	case ']':
		return close_bracket(v, c == '}');
	case ':':
		v->state = VALUE;
		return v->depth > JV_LEVELS ? 0 : -1;
	default:
		return is_blank(c) ? 0 : -1;
	}
}

/* The state behind one more byte of a number; BEHIND: it is over, and the byte is not of it. -1 none. */
static int number_on(int state, char c)
{
	switch (state) {
	case MINUS:
		return c == '0' ? ZERO : is_digit(c) ? INTEGER : -1;
	case ZERO:
	case INTEGER:
		if (is_digit(c))
			return state == INTEGER ? INTEGER : -1;
		return c == '.' ? POINT : c == 'e' || c == 'E' ? EXPONENT : BEHIND;
	case POINT:
		return is_digit(c) ? FRACTION : -1;
	case FRACTION:
		return is_digit(c) ? FRACTION : c == 'e' || c == 'E' ? EXPONENT : BEHIND;
	case EXPONENT:
		return is_digit(c) ? POWER : c == '+' || c == '-' ? SIGN : -1;
	case SIGN:
		return is_digit(c) ? POWER : -1;
	default:
		return is_digit(c) ? POWER : BEHIND;
	}
}

static int ends_number(int state)
{
	return state == ZERO || state == INTEGER || state == FRACTION || state == POWER;
}

int jv_is_number(const char *p, size_t n)
{
	int state = MINUS;
	size_t i = n && p[0] == '-';

	for (; i < n && state != BEHIND && state >= 0; i++)
		state = number_on(state, p[i]);
	return i == n && ends_number(state);
}

static int escape(struct jv *v, char c)
{
	int is_key = v->state == KEY_ESCAPE;

	if (c == 'u') {
		v->digits = 0;
		v->state = is_key ? KEY_HEX : STRING_HEX;
		return 0;
	}
	v->state = is_key ? IN_KEY : IN_STRING;
	return c && strchr("\"\\/bfnrt", c) ? 0 : -1;
}

/* A byte outside of the inside of strings. 1: it is to be looked at once more, a number has ended in front of it. */
static int one(struct jv *v, char c)
{
	int next;

	switch (v->state) {
	case VALUE:
		return is_blank(c) ? 0 : begin_value(v, c);
	case FIRST_ELEMENT:
		return is_blank(c) ? 0 : c == ']' ? close_bracket(v, 0) : begin_value(v, c);
	case FIRST_KEY:
	case KEY:
		if (c == '"')
			v->state = IN_KEY;
		else if (c == '}' && v->state == FIRST_KEY)
			return close_bracket(v, 1);
		else
			return is_blank(c) ? 0 : -1;
		return 0;
	case COLON:
		if (c == ':')
			v->state = VALUE;
		else
			return is_blank(c) ? 0 : -1;
		return 0;
	case BEHIND:
		return behind_value(v, c);
	case KEY_ESCAPE:
	case STRING_ESCAPE:
		return escape(v, c);
	case KEY_HEX:
	case STRING_HEX:
		if (++v->digits == 4)
			v->state = v->state == KEY_HEX ? IN_KEY : IN_STRING;
		return isxdigit((unsigned char)c) ? 0 : -1;
	case IN_WORD:
		if (*v->word++ != c)
			return -1;
		if (!*v->word)
			v->state = BEHIND;
		return 0;
	default:
		next = number_on(v->state, c);
		if (next < 0)
			return -1;
		v->state = (unsigned char)next;
		return next == BEHIND;
	}
}

int jv_feed(struct jv *v, const char *p, size_t n)
{
	const char *end = p + n;

	while (p < end) {
		int rc;

		if (v->state == IN_STRING || v->state == IN_KEY) {
			p += jw_plain(p, (size_t)(end - p));
			if (p == end)
				return 0;
			if (*p == '"')
				v->state = v->state == IN_KEY ? COLON : BEHIND;
			else if (*p == '\\')
				v->state = v->state == IN_KEY ? KEY_ESCAPE : STRING_ESCAPE;
			else
				return -1;
			p++;
			continue;
		}
		rc = one(v, *p);
		if (rc < 0)
			return -1;
		p += !rc;
	}
	return 0;
}

int jv_is_whole(const struct jv *v)
{
	return v->depth == 0 && (v->state == BEHIND || ends_number(v->state));
}

int jv_is_json(const char *p, size_t n)
{
	struct jv v;

	jv_init(&v);
	return jv_feed(&v, p, n) == 0 && jv_is_whole(&v);
}
