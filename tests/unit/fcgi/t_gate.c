/* The gate's words for whole streams (a table), for every cut of them, and against a reader that
 * has all bytes at hand. D1 to D13 are the defects of libfcgi that the gate fences. */
#include "config.h"

#include <criterion/criterion.h>
#include <fastcgi.h>
#include <stdio.h>

#include "lib/fcgi/encode.h"
#include "tests/unit/fcgi/trace.h"

#define LIMIT GATE_MAX_PARAMS

/* A stream in a notation that a table can hold; blanks separate.
 *   b1 b1k b2:3   BEGIN of id 1, with KEEP_CONN, of id 2 with role 3
 *   p:A=x,B=y     PARAMS with these pairs;  p  the empty record;  P:A=x  both
 *   s:text s      STDIN, its end;  S:text  both
 *   a a7          ABORT_REQUEST, of id 7
 *   v:NAME,NAME   GET_VALUES
 *   t12:text      type 12, id 0;  T12  type 12 of the request's id
 *   x:0a0b…       bytes, in hex
 * A digit behind '+' pads the record: p+5:A=x. '@7' changes its id: p@7:A=x. */
struct making {
	struct buf *out;
	unsigned id;
};

static void add_pairs(struct buf *list, const char *s)
{
	while (*s) {
		size_t n = strcspn(s, ","), name = strcspn(s, "=,");
		struct slice value = {s + n, 0};

		if (name < n)
			value = slice_of(s + name + 1, n - name - 1);
		encode_pair(list, slice_of(s, name), value);
		s += n + (s[n] == ',');
	}
}

static void add_word(struct making *m, const char *word)
{
	const char *text = strchr(word, ':') ? strchr(word, ':') + 1 : NULL;
	const char *plus = strchr(word, '+'), *at = strchr(word, '@');
	unsigned pad = plus && (!text || plus < text) ? (unsigned)atoi(plus + 1) : 0;
	uint16_t id = (uint16_t)(at && (!text || at < text) ? atoi(at + 1) : (int)m->id);
	struct slice content = slice_str(text ? text : "");
	AUTO(buf) struct buf list;
	char kind = *word;

	buf_init(&list, 0);
	if (kind == 'b') {
		unsigned n = (unsigned)atoi(word + 1);
		char body[8] = {0, (char)(text ? atoi(text) : FCGI_RESPONDER), 0};

		body[2] = strchr(word, 'k') ? 1 : 0;
		m->id = n;
		encode_record(m->out, FCGI_BEGIN_REQUEST, (uint16_t)n, slice_of(body, 8), pad);
	} else if (kind == 'p' || kind == 'P' || kind == 'v') {
		add_pairs(&list, content.p);
		if (kind == 'v')
			encode_record(m->out, FCGI_GET_VALUES, 0, buf_slice(&list), pad);
		else
			encode_record(m->out, FCGI_PARAMS, id, buf_slice(&list), pad);
		if (kind == 'P')
			encode_record(m->out, FCGI_PARAMS, id, slice_of(NULL, 0), pad);
	} else if (kind == 's' || kind == 'S') {
		encode_record(m->out, FCGI_STDIN, id, content, pad);
		if (kind == 'S')
			encode_record(m->out, FCGI_STDIN, id, slice_of(NULL, 0), pad);
	} else if (kind == 'a') {
		encode_record(m->out, FCGI_ABORT_REQUEST,
			      word[1] >= '0' ? (uint16_t)atoi(word + 1) : (uint16_t)m->id,
			      slice_of(NULL, 0), pad);
	} else if (kind == 't' || kind == 'T') {
		encode_record(m->out, (unsigned)atoi(word + 1), kind == 't' ? 0 : id, content, pad);
	} else {
		cr_assert_eq(kind, 'x', "%s", word);
		for (unsigned b; sscanf(text, "%2x", &b) == 1; text += 2)
			buf_addc(m->out, (char)b);
	}
}

static void make(struct buf *out, const char *notation)
{
	struct making m = {out, 1};
	char word[512];
	int n;

	while (sscanf(notation, "%511s%n", word, &n) == 1) {
		add_word(&m, word);
		notation += n;
	}
}

static const struct {
	const char *what, *stream, *words;
} cases[] = {
    {"nothing", "", ""},
    {"a GET", "b1 P:REQUEST_METHOD=GET,HTTP_HOST=a s", "H E "},
    {"kept", "b1k P:A=x s b2k P:A=y s", "H E H E "},
    {"no params", "b1 p s", "H E "},
    {"a body", "b1 P:A=x s:hello s", "H B5 E "},
    {"a body in pieces", "b1 P:A=x s:h s:el s+7:lo s", "H B5 E "},
    {"params in pieces", "b1 p:A=x p+3:B=y p:C= P:D=z s", "H E "},
    {"id 65535", "b65535 P:A=x s", "H E "},
    {"padding everywhere", "b1+1 p+255:A=x p+9 s+3:abc s+8 b1 P:A=x s", "H B3 E H E "},
    {"only a head", "b1 P:A=x", "H "},
    {"only begin", "b1", ""},
    {"body not ended", "b1 P:A=x s:abc", "H B3 "},
    /* roles and framing */
    {"authorizer", "b1:2 P:A=x s", "R400! "},
    {"filter", "b1:3 P:A=x s", "R400! "},
    {"version 0", "x:0001000100080000", "C "},
    {"version 2", "x:0201000100080000", "C "},
    {"begin of 7 bytes", "x:0101000100070000", "C "},
    {"begin of 9 bytes", "x:0101000100090000", "C "},
    {"params first", "P:A=x", "C "},
    {"stdin first", "s:abc", "C "},
    {"end request from a server", "b1 T3", "C "},
    {"stdout from a server", "b1 T6:x", "C "},
    {"data", "b1 P:A=x T8:x", "H C "},
    {"unknown type in a request", "b1 T12:x", "C "},
    {"stdin before the params end", "b1 p:A=x s:abc", "C "},
    {"params after their end", "b1 P:A=x p:B=y", "H R400 "},
    {"params after part of the body", "b1 P:A=x s:abc p:B=y", "H B3 R400 "},
    {"params of another id", "b1 p@2:A=x", "C "},
    {"stdin of another id", "b1 P:A=x s@2:abc", "H C "},
    {"an http request", "x:474554202f20485454502f312e310d0a", "C "},
    /* D2, D9, D13 */
    {"D2 a request inside a body", "b1k P:A=x s:\1\1\1 s b1k P:A=y s", "H B3 E H E "},
    {"D9 three in one read", "b1k P:A=x s b1k P:A=y S:abc b1k P:A=z s", "H E H B3 E H E "},
    {"D13 padding on the last record", "b1k P:A=x s:abc s+8 b1k P:A=x s+255", "H B3 E H E "},
    /* D3, D4, D10 */
    {"D4 get values", "v:FCGI_MAX_CONNS,FCGI_MAX_REQS,FCGI_MPXS_CONNS b1 P:A=x s", "O10 H E "},
    {"D3 one name again and again",
     "v:FCGI_MPXS_CONNS,FCGI_MPXS_CONNS,FCGI_MPXS_CONNS,FCGI_MPXS_CONNS,FCGI_MPXS_CONNS", "O10 "},
    {"an unknown value", "v:FCGI_WHAT b1 P:A=x s", "O10 H E "},
    {"nothing asked", "v", "O10 "},
    {"get values malformed",
     "t9:\x05\x05"
     "A",
     "C "},
    {"D10 unknown management", "t12:abc t255 t0+5:x b1 P:A=x s", "O11 O11 O11 H E "},
    {"D10 begin of id 0", "t1:12345678 b1 P:A=x s", "O11 H E "},
    {"management inside a request", "b1 t12:abc", "C "},
    {"get values inside a request", "b1 P:A=x v:FCGI_MAX_CONNS", "H C "},
    /* D5, D6 */
    {"D5 lengths that sum over 2^31", "b1 x:0104000100080000fffffffeffffffff p", "R400 "},
    {"D5 both 0x7ffffffe", "b1 x:0104000100080000fffffffefffffffe p s", "R400 "},
    {"D6 a gigabyte announced", "b1 x:0104000100080000bfffffffbfffffff p", "R400 "},
    {"length cut short", "b1 x:01040001000200008000 p", "R400 "},
    {"name longer than the rest", "b1 x:0104000100030000050141 p", "R400 "},
    {"no value length", "b1 x:010400010001000005 p", "R400 "},
    /* D11, D12 */
    {"D11 abort after begin", "b1 a", "A "},
    {"D11 abort in params", "b1 p:A=x a", "A "},
    {"D11 abort before the body", "b1 P:A=x a", "H A "},
    {"D11 abort in the body", "b1 P:A=x s:abc a", "H B3 A "},
    {"D11 abort after the end", "b1 P:A=x s a b1 P:A=x s", "H E H E "},
    {"abort of nothing", "a a7 b1 P:A=x s", "H E "},
    {"abort of another id", "b1 a7", "C "},
    {"D12 a second begin", "b1 b2 P:A=x s", "C "},
    {"D12 a second begin of the same id", "b1 b1 P:A=x s", "C "},
    {"D12 a begin in the body", "b1 P:A=x s:a b2 P:A=x s", "H B1 C "},
    /* names and values */
    {"empty value", "b1 P:A=,B s", "H E "},
    {"empty name", "b1 P:=x", "R400 "},
    {"small letters", "b1 P:a=x", "R400 "},
    {"dash", "b1 P:A-B=x", "R400 "},
    {"blank in a name", "b1 x:0104000100060000030141204278 p", "R400 "},
    {"equals sign in a name", "b1 x:01040001000600000301413d4278 p", "R400 "},
    {"NUL in a name", "b1 x:0104000100060000030141004278 p", "R400 "},
    {"NUL in a value", "b1 x:01040001000500000102410078 p", "R400 "},
    {"NUL ends a value", "b1 x:010400010005000001024178 x:00 p", "R400 "},
    {"high byte in a name", "b1 x:0104000100060000030141c34278 p", "R400 "},
    {"bytes above 127 in a value", "b1 x:010400010005000001024180ff p s", "H E "},
    /* twice */
    {"REMOTE_USER twice", "b1 P:REMOTE_USER=a,REMOTE_USER=b", "R400 "},
    {"the same twice", "b1 P:A=a,A=a", "R400 "},
    {"a header twice", "b1 P:HTTP_X=a,HTTP_X=b,HTTP_COOKIE=a,HTTP_COOKIE=b", "H "},
    {"authorization twice", "b1 P:HTTP_AUTHORIZATION=a,B=,HTTP_AUTHORIZATION=b", "R400 "},
    {"content length twice", "b1 P:CONTENT_LENGTH=1,CONTENT_LENGTH=2", "R400 "},
    {"content type header twice", "b1 P:HTTP_CONTENT_TYPE=1,HTTP_CONTENT_TYPE=2", "R400 "},
    {"host twice", "b1 P:HTTP_HOST=1,HTTP_HOST=2", "R400 "},
};

static void agrees(const char *what, struct slice stream, size_t first, size_t step, uint32_t limit,
		   const struct buf *expected)
{
	struct trace t;

	trace_init(&t);
	trace_run(&t, stream, first, step, limit);
	cr_assert(slice_eq(buf_slice(&t.text), buf_slice(expected)),
		  "%s, first %zu, then by %zu:\n%.2000s\nnot\n%.2000s", what, first, step,
		  buf_str(&t.text), expected->n ? expected->p : "");
	trace_done(&t);
}

/* The words; the model's; the same for every cut in two and for steps of 1 to 9 bytes. */
static void judge(const char *what, struct slice stream, const char *words)
{
	struct trace model;

	trace_init(&model);
	model_run(&model, stream, LIMIT);
	if (words)
		cr_assert_str_eq(buf_str(&model.words), words, "the model says %s of: %s",
				 buf_str(&model.words), what);
	buf_str(&model.text);
	for (size_t i = 0; i <= stream.n; i++)
		agrees(what, stream, i, stream.n + 1, LIMIT, &model.text);
	for (size_t step = 1; step < 10; step++)
		agrees(what, stream, 0, step, LIMIT, &model.text);
	trace_done(&model);
}

Test(gate, says_the_words_of_the_table_for_every_cut)
{
	for (unsigned i = 0; i < ARRAY_LEN(cases); i++) {
		AUTO(buf) struct buf b;

		buf_init(&b, 0);
		make(&b, cases[i].stream);
		judge(cases[i].what, buf_slice(&b), cases[i].words);
	}
}

Test(gate, refuses_every_byte_but_letters_digits_and_underscore_in_a_name)
{
	for (unsigned n = 1; n < 20; n++)
		for (unsigned i = 0; i < n * 256; i++) {
			unsigned c = i % 256;
			int good = (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
			char name[20] = "HTTP_AZ_09_KLMNOPQR";
			AUTO(buf) struct buf list, b;

			buf_init(&list, 0);
			buf_init(&b, 0);
			name[i / 256] = (char)c;
			encode_pair(&list, slice_of(name, n), SLICE("x"));
			encode_request(&b, 1, 0, buf_slice(&list), SLICE(""));
			judge("a byte in a name", buf_slice(&b), good ? "H E " : "R400 ");
		}
}

static void pairs_of(struct buf *list, unsigned n, size_t value_n)
{
	char name[32], *value = malloc(value_n + 1);

	memset(value, 'v', value_n);
	for (unsigned i = 0; i < n; i++) {
		snprintf(name, sizeof(name), "HTTP_X%u", i);
		encode_pair(list, slice_str(name), slice_of(value, value_n));
	}
	free(value);
}

Test(gate, admits_256_pairs_and_not_257)
{
	for (unsigned n = 254; n < 260; n++) {
		AUTO(buf) struct buf list, b;

		buf_init(&list, 0);
		buf_init(&b, 0);
		pairs_of(&list, n, 3);
		encode_request(&b, 1, 0, buf_slice(&list), SLICE(""));
		judge("many pairs", buf_slice(&b), n <= 256 ? "H E " : "R431 ");
	}
}

/* A list of exactly n bytes. */
static void list_of(struct buf *list, size_t n)
{
	static char value[70000];

	memset(value, 'v', sizeof(value));
	encode_pair(list, SLICE("A"), slice_of(value, n - 6));
	cr_assert_eq(list->n, n);
}

Test(gate, admits_as_many_bytes_as_the_limit_says)
{
	static const uint32_t limits[] = {1024, 8192, 16384, 65535};

	for (unsigned i = 0; i < ARRAY_LEN(limits); i++)
		for (size_t n = limits[i] - 2; n <= limits[i] + 2; n++)
			for (size_t piece = 1; piece <= 65535; piece = piece * 40 + 17) {
				AUTO(buf) struct buf list, b;
				struct trace model;

				buf_init(&list, 0);
				buf_init(&b, 0);
				list_of(&list, n);
				encode_begin(&b, 9, FCGI_RESPONDER, 1);
				encode_stream(&b, FCGI_PARAMS, 9, buf_slice(&list), piece, 1);
				encode_stream(&b, FCGI_STDIN, 9, buf_slice(&list), 0, 1);
				trace_init(&model);
				model_run(&model, buf_slice(&b), limits[i]);
				cr_assert_eq(model.words.p[0], n <= limits[i] ? 'H' : 'R');
				buf_str(&model.text);
				agrees("limit", buf_slice(&b), 0, 16384, limits[i], &model.text);
				agrees("limit", buf_slice(&b), 0, 999, limits[i], &model.text);
				agrees("limit", buf_slice(&b), 0, b.n, limits[i], &model.text);
				trace_done(&model);
			}
}

Test(gate, leaves_a_whole_request_where_recv_put_it)
{
	AUTO(buf) struct buf b;
	struct gate_out out;
	struct gate g;
	size_t n;

	buf_init(&b, 0);
	make(&b, "b1k P:REQUEST_METHOD=GET,REQUEST_URI=/ s");
	n = b.n;
	gate_init(&g, LIMIT, TRACE_CONNS);
	cr_assert_eq(gate_step(&g, b.p, &n, &out), GATE_HEAD);
	cr_assert_eq(out.params.p, b.p + 24);
	cr_assert_eq(out.id, 1);
	cr_assert_eq(out.keep_conn, 1);
	cr_assert_eq(g.n_pairs, 2);
	cr_assert_not(gate_is_idle(&g, n));
	cr_assert_eq(gate_step(&g, b.p, &n, &out), GATE_END);
	cr_assert_eq(n, 0);
	cr_assert(gate_is_idle(&g, n));
	cr_assert_eq(gate_step(&g, b.p, &n, &out), GATE_NEED);
}

Test(gate, is_idle_only_between_requests)
{
	AUTO(buf) struct buf b;
	struct gate_out out;
	struct gate g;
	char p[256];
	size_t n = 0;

	buf_init(&b, 0);
	make(&b, "b1k+3 p+5:A=x p s:abc s+8");
	gate_init(&g, LIMIT, TRACE_CONNS);
	cr_assert(gate_is_idle(&g, 0));
	for (size_t i = 0; i < b.n; i++) {
		p[n++] = b.p[i];
		while (gate_step(&g, p, &n, &out) != GATE_NEED)
			;
		cr_assert_eq(gate_is_idle(&g, n), i + 1 == b.n, "after byte %zu of %zu", i, b.n);
	}
}

Test(gate, takes_an_abort_of_the_running_request_only)
{
	static const struct {
		const char *stream;
		int found;
		size_t left;
	} tails[] = {
	    {"", 0, 0},   {"a", 1, 0},     {"a b2", 1, 16},  {"a+7", 1, 0},
	    {"a9", 0, 8}, {"b2 a", 0, 24}, {"x:0102", 0, 2}, {"t2", 0, 8},
	};

	for (unsigned i = 0; i < ARRAY_LEN(tails); i++)
		for (int padded = 0; padded < 2; padded++) {
			AUTO(buf) struct buf b, tail;
			struct gate_out out;
			struct gate g;
			size_t n;

			buf_init(&b, 0);
			buf_init(&tail, 0);
			make(&b, padded ? "b1k P:A=x s:abc s+9" : "b1k P:A=x s:abc s");
			make(&tail, tails[i].stream);
			n = b.n;
			gate_init(&g, LIMIT, TRACE_CONNS);
			while (gate_step(&g, b.p, &n, &out) != GATE_END)
				;
			if (tail.n)
				memcpy(b.p + n, tail.p, tail.n);
			n += tail.n;
			cr_assert_eq(gate_take_abort(&g, b.p, &n, &out), tails[i].found, "%s",
				     tails[i].stream);
			cr_assert_eq(g.drop, 0);
			if (tails[i].found) {
				cr_assert_eq(out.reply_n, 16);
				cr_assert_eq(out.reply[1], FCGI_END_REQUEST);
				cr_assert_eq(out.must_close, 0);
				cr_assert_eq(gate_take_abort(&g, b.p, &n, &out), 0);
			}
			/* what is not an ABORT of it stays, byte for byte */
			cr_assert_eq(n, tails[i].left);
			if (n)
				cr_assert_eq(memcmp(b.p, tail.p + (tail.n - n), n), 0);
		}
}

Test(gate, names_each_value_once)
{
	AUTO(buf) struct buf list, b;
	struct gate_out out;
	struct gate g;
	size_t n;

	buf_init(&list, 0);
	buf_init(&b, 0);
	for (unsigned i = 0; i < 100; i++) {
		encode_pair(&list, SLICE("FCGI_MAX_CONNS"), SLICE(""));
		encode_pair(&list, SLICE("FCGI_MPXS_CONNS"), SLICE("1"));
	}
	encode_record(&b, FCGI_GET_VALUES, 0, buf_slice(&list), 0);
	n = b.n;
	gate_init(&g, LIMIT, 4294967295u);
	cr_assert_eq(gate_step(&g, b.p, &n, &out), GATE_OWN);
	cr_assert_eq(out.reply_n, 8 + (2 + 14 + 10) + (2 + 15 + 1));
	cr_assert_eq(memcmp(out.reply + 8, "\16\12FCGI_MAX_CONNS4294967295\17\1FCGI_MPXS_CONNS0",
			    out.reply_n - 8),
		     0);
}

Test(gate, agrees_with_the_model_on_damaged_streams)
{
	uint32_t seed = 12345;

	for (unsigned round = 0; round < 20000; round++) {
		AUTO(buf) struct buf b;
		struct trace model;

		buf_init(&b, 0);
		seed = seed * 1664525u + 1013904223u;
		make(&b, cases[(seed >> 8) % ARRAY_LEN(cases)].stream);
		make(&b, cases[(seed >> 16) % ARRAY_LEN(cases)].stream);
		for (unsigned i = 0; b.n && i < (seed >> 28) % 4; i++) {
			seed = seed * 1664525u + 1013904223u;
			b.p[(seed >> 8) % b.n] = (char)(seed >> 24);
		}
		trace_init(&model);
		model_run(&model, buf_slice(&b), LIMIT);
		buf_str(&model.text);
		agrees("damaged", buf_slice(&b), b.n ? seed % b.n : 0, 1 + seed % 23, LIMIT,
		       &model.text);
		agrees("damaged", buf_slice(&b), 0, b.n + 1, LIMIT, &model.text);
		trace_done(&model);
	}
}
