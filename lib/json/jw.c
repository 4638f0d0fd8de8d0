#include "config.h"

#include "lib/json/jw.h"

#include <stdio.h>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "lib/base/check.h"
#include "lib/base/num.h"
#include "lib/base/visible.h"

/* 0: as it is; else the letter behind the backslash, 'u' for \u00XX. */
static const char escapes[256] = {
    [0] = 'u',	  [1] = 'u',	[2] = 'u',    [3] = 'u',    [4] = 'u',	  [5] = 'u',	[6] = 'u',
    [7] = 'u',	  ['\b'] = 'b', ['\t'] = 't', ['\n'] = 'n', [11] = 'u',	  ['\f'] = 'f', ['\r'] = 'r',
    [14] = 'u',	  [15] = 'u',	[16] = 'u',   [17] = 'u',   [18] = 'u',	  [19] = 'u',	[20] = 'u',
    [21] = 'u',	  [22] = 'u',	[23] = 'u',   [24] = 'u',   [25] = 'u',	  [26] = 'u',	[27] = 'u',
    [28] = 'u',	  [29] = 'u',	[30] = 'u',   [31] = 'u',   ['"'] = '"',  ['\\'] = '\\'};

#define EACH(byte) (0x0101010101010101ull * (byte))

/* Is one of eight bytes a control character, '"' or '\\'? Each term is (x - low) & ~x & 0x80 of a
 * byte; its borrow can only come from a byte that is one already. */
static int any_of_eight(uint64_t w)
{
	uint64_t quote = w ^ EACH('"'), slash = w ^ EACH('\\');

	return (((w - EACH(0x20)) & ~w) | ((quote - EACH(1)) & ~quote) | ((slash - EACH(1)) & ~slash)) & EACH(0x80)
		   ? 1
		   : 0;
}

static inline size_t plain_run(const char *p, size_t n)
{
	size_t i = 0;

#ifdef __SSE2__
	const __m128i quote = _mm_set1_epi8('"'), slash = _mm_set1_epi8('\\'), limit = _mm_set1_epi8(0x1f);

	for (; i + 16 <= n; i += 16) {
		__m128i v = _mm_loadu_si128((const __m128i *)(const void *)(p + i));
		__m128i bad = _mm_or_si128(_mm_or_si128(_mm_cmpeq_epi8(v, quote), _mm_cmpeq_epi8(v, slash)),
					   _mm_cmpeq_epi8(_mm_min_epu8(v, limit), v));
		int mask = _mm_movemask_epi8(bad);

		if (mask)
			return i + (size_t)__builtin_ctz((unsigned)mask);
	}
#endif
	for (; i + 8 <= n; i += 8) {
		uint64_t w;

		memcpy(&w, p + i, 8);
		if (any_of_eight(w))
			break;
	}
	while (i < n && !escapes[(unsigned char)p[i]])
		i++;
	return i;
}

size_t jw_plain(const char *p, size_t n)
{
	return plain_run(p, n);
}

void jw_escaped(struct buf *b, const char *p, size_t n)
{
	static const char hex[] = "0123456789abcdef";

	check(buf_reserve(b, n + 1) == 0);
	for (;;) {
		size_t run = plain_run(p, n);
		unsigned char c;
		char *out;

		if (run) {
			memcpy(b->p + b->n, p, run);
			b->n += run;
		}
		if (run == n)
			return;
		c = (unsigned char)p[run];
		p += run + 1;
		n -= run + 1;
		check(buf_reserve(b, n + 7) == 0);
		out = b->p + b->n;
		*out++ = '\\';
		*out++ = escapes[c];
		if (escapes[c] == 'u') {
			*out++ = '0';
			*out++ = '0';
			*out++ = hex[c >> 4];
			*out++ = hex[c & 15];
		}
		b->n = (size_t)(out - b->p);
	}
}

void jw_string(struct buf *b, struct slice s)
{
	buf_addc(b, '"');
	jw_escaped(b, s.p, s.n);
	buf_addc(b, '"');
}

void jw_init(struct jw *w, struct buf *b)
{
	*w = (struct jw){.b = b};
}

/* The comma in front of a value, if one is due. */
static void value(struct jw *w)
{
	if (w->after_key) {
		w->after_key = 0;
		return;
	}
	if (w->depth) {
		uint32_t bit = 1u << (w->depth - 1);

		if (w->has_items & bit)
			buf_addc(w->b, ',');
		w->has_items |= bit;
	}
}

static void open_with(struct jw *w, char c)
{
	value(w);
	check(w->depth < 32);
	buf_addc(w->b, c);
	w->has_items &= ~(1u << w->depth);
	w->depth++;
}

static void close_with(struct jw *w, char c)
{
	check(w->depth > 0 && !w->after_key);
	w->depth--;
	buf_addc(w->b, c);
}

void jw_object(struct jw *w)
{
	open_with(w, '{');
}

void jw_object_end(struct jw *w)
{
	close_with(w, '}');
}

void jw_array(struct jw *w)
{
	open_with(w, '[');
}

void jw_array_end(struct jw *w)
{
	close_with(w, ']');
}

void jw_key(struct jw *w, const char *key)
{
	check(w->depth > 0 && !w->after_key);
	value(w);
	jw_string(w->b, slice_str(key));
	buf_addc(w->b, ':');
	w->after_key = 1;
}

void jw_slice(struct jw *w, struct slice s)
{
	value(w);
	jw_string(w->b, s);
}

static void unicode(struct buf *b, uint32_t c)
{
	if (c >= 0x10000)
		buf_addf(b, "\\u%04x\\u%04x", 0xd800 + ((c - 0x10000) >> 10), 0xdc00 + ((c - 0x10000) & 0x3ff));
	else
		buf_addf(b, "\\u%04x", c);
}

void jw_visible(struct jw *w, struct slice s)
{
	uint32_t c;

	value(w);
	buf_addc(w->b, '"');
	for (;;) {
		size_t n = visible_run(s);

		jw_escaped(w->b, s.p, n);
		s = slice_of(s.p + n, s.n - n);
		if (likely(!s.n))
			break;
		n = visible_odd(s, &c);
		if (c == VISIBLE_NO_UTF8)
			buf_addf(w->b, "\\\\x%02x", (unsigned char)s.p[0]);
		else if (c < 0x20)
			jw_escaped(w->b, s.p, 1);
		else
			unicode(w->b, c);
		s = slice_of(s.p + n, s.n - n);
	}
	buf_addc(w->b, '"');
}

void jw_shown(struct buf *b, struct slice json)
{
	uint32_t c;

	while (json.n) {
		size_t n = visible_run(json);

		buf_add(b, json.p, n);
		json = slice_of(json.p + n, json.n - n);
		if (!json.n)
			break;
		n = visible_odd(json, &c);
		if (c < 0x20)
			buf_addc(b, (char)c);
		else
			unicode(b, c == VISIBLE_NO_UTF8 ? 0xfffd : c);
		json = slice_of(json.p + n, json.n - n);
	}
}

void jw_str(struct jw *w, const char *s)
{
	if (s)
		jw_slice(w, slice_str(s));
	else
		jw_null(w);
}

void jw_u64(struct jw *w, uint64_t v)
{
	char text[24];

	value(w);
	buf_add(w->b, text, num_put_u64(text, v));
}

void jw_i64(struct jw *w, int64_t v)
{
	char text[24];

	if (v >= 0) {
		jw_u64(w, (uint64_t)v);
		return;
	}
	value(w);
	text[0] = '-';
	buf_add(w->b, text, 1 + num_put_u64(text + 1, 0 - (uint64_t)v));
}

void jw_fixed(struct jw *w, double v, int decimals)
{
	/* JSON has no NaN and no infinity */
	if (v != v || v > 1e300 || v < -1e300) {
		jw_null(w);
		return;
	}
	value(w);
	buf_addf(w->b, "%.*f", decimals, v);
}

void jw_bool(struct jw *w, int v)
{
	value(w);
	buf_adds(w->b, v ? "true" : "false");
}

void jw_null(struct jw *w)
{
	value(w);
	buf_adds(w->b, "null");
}

void jw_raw(struct jw *w, struct slice s)
{
	value(w);
	buf_add(w->b, s.p, s.n);
}
