/* libfcgi reads from one memfd what the gate admits: the same lists, longer and shorter ones after
 * each other, and nothing is written; a list that it does not read as we do is refused, and the
 * next one is read well. */
#include "config.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <fastcgi.h>
#include <stdio.h>
#include <unistd.h>

#include "lib/fcgi/encode.h"
#include "lib/fcgi/fcgi_req.h"
#include "lib/fcgi/gate.h"

static struct fcgi_req *parser;
static struct arena_pool pool;
static uint32_t seed = 4711;

static uint32_t random_to(uint32_t n)
{
	seed ^= seed << 13;
	seed ^= seed >> 17;
	seed ^= seed << 5;
	return seed % n;
}

static void set_up(void)
{
	struct err e;

	parser = fcgi_req_new(&e);
	cr_assert(parser, "%s", e.text);
	fcgi_req_check_all(parser);
	arena_pool_init(&pool, 8);
}

static void tear_down(void)
{
	fcgi_req_free(&parser);
	cr_assert_null(parser);
	arena_pool_done(&pool);
}

/* The parser's memfd, found by its name; -1 when there is none. */
static int memfd(void)
{
	int found = -1;

	for (int fd = 0; fd < 256; fd++) {
		char path[64], name[64];
		ssize_t n;

		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		n = readlink(path, name, sizeof(name) - 1);
		if (n <= 0)
			continue;
		name[n] = '\0';
		if (strstr(name, "memfd:weir-request")) {
			cr_assert_eq(found, -1, "two of them");
			found = fd;
		}
	}
	return found;
}

static unsigned n_fds(void)
{
	DIR *d = opendir("/proc/self/fd");
	unsigned n = 0;

	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

/* Every name of list without repetition: what is parsed is what was put in. */
static void reads_back(struct slice list)
{
	uint16_t id = (uint16_t)(1 + random_to(65535));
	struct slice rest = list, name, value;
	struct fcgi_param *got;
	struct arena a;
	unsigned n, i = 0;

	arena_init(&a, &pool);
	cr_assert_eq(fcgi_req_parse(parser, id, list, &a, &got, &n), 0);
	for (; gate_next_pair(&rest, &name, &value) > 0; i++) {
		cr_assert_lt(i, n);
		cr_assert(slice_eq(got[i].name, name));
		cr_assert(slice_eq(got[i].value, value));
		cr_assert_eq(got[i].name.p[name.n], '\0');
		cr_assert_eq(got[i].value.p[value.n], '\0');
		/* a copy, not a view */
		cr_assert(got[i].name.p < list.p || got[i].name.p >= list.p + list.n);
	}
	cr_assert_eq(i, n);
	arena_done(&a);
}

/* n pairs, together of about total bytes. */
static void make_list(struct buf *list, unsigned n, size_t total)
{
	static char value[70000];

	buf_clear(list);
	if (!value[0])
		for (size_t i = 0; i < sizeof(value); i++)
			value[i] = (char)(1 + i % 255);
	for (unsigned i = 0; i < n; i++) {
		size_t room = total > list->n ? total - list->n : 0, k;
		char name[64];
		int len = snprintf(name, sizeof(name), "HTTP_%0*u", 1 + (int)random_to(30), i);

		if (room < (size_t)len + 8)
			break;
		room -= (size_t)len + 8;
		k = i + 1 == n ? room : random_to((uint32_t)(2 * room / (n - i) + 1));
		k = k < room ? k : room;
		encode_pair(list, slice_of(name, (size_t)len),
			    slice_of(value + random_to((uint32_t)(sizeof(value) - k)), k));
	}
	cr_assert_leq(list->n, GATE_MAX_PARAMS);
}

TestSuite(fcgi_req, .init = set_up, .fini = tear_down);

Test(fcgi_req, reads_a_long_list_then_a_shorter_one)
{
	AUTO(buf) struct buf list;

	buf_init(&list, 0);
	for (size_t total = GATE_MAX_PARAMS; total > 20; total = total * 9 / 10) {
		make_list(&list, 40, total);
		reads_back(buf_slice(&list));
	}
	buf_clear(&list);
	reads_back(buf_slice(&list));
	encode_pair(&list, SLICE("A"), SLICE(""));
	reads_back(buf_slice(&list));
}

Test(fcgi_req, reads_lists_of_every_size_around_libfcgis_buffer)
{
	static const size_t middle[] = {8192, 16384, 24576, 65535};
	AUTO(buf) struct buf list;

	buf_init(&list, 0);
	for (unsigned i = 0; i < ARRAY_LEN(middle); i++)
		for (size_t n = middle[i] - 64; n <= middle[i] + 32 && n <= GATE_MAX_PARAMS; n++) {
			AUTO(buf) struct buf value;

			/* one pair of exactly n bytes */
			buf_init(&value, 0);
			for (size_t k = 0; k < n - 6; k++)
				buf_addc(&value, (char)('a' + k % 26));
			buf_clear(&list);
			encode_pair(&list, SLICE("A"), buf_slice(&value));
			cr_assert_eq(list.n, n);
			reads_back(buf_slice(&list));
			make_list(&list, 1 + random_to(30), n);
			reads_back(buf_slice(&list));
		}
}

Test(fcgi_req, reads_thousands_of_random_lists_and_writes_nothing, .timeout = 120)
{
	AUTO(buf) struct buf list, file, fed;
	unsigned before = n_fds();

	buf_init(&list, 0);
	buf_init(&file, 0);
	buf_init(&fed, 0);
	for (unsigned round = 0; round < 4000; round++) {
		static const uint32_t around[] = {300, 1200, 8192, 16384, 65500};
		uint32_t total = around[random_to(5)] / 2 + random_to(around[random_to(3)]);
		int fd;

		make_list(&list, random_to(GATE_MAX_PAIRS + 1),
			  total < GATE_MAX_PARAMS ? total : GATE_MAX_PARAMS);
		reads_back(buf_slice(&list));
		if (round % 50)
			continue;
		/* in the memfd is what we wrote, in front of the rest of longer ones, and no more
		 */
		fd = memfd();
		cr_assert_geq(fd, 0);
		buf_clear(&file);
		cr_assert_eq(buf_reserve(&file, 1 << 17), 0);
		file.n = (size_t)pread(fd, file.p, file.cap, 0);
		cr_assert_leq(file.n, 24 + GATE_MAX_PARAMS + 8);
		buf_clear(&fed);
		encode_begin(&fed,
			     (uint16_t)((unsigned char)file.p[2] << 8 | (unsigned char)file.p[3]),
			     FCGI_RESPONDER, 1);
		if (list.n)
			encode_stream(
			    &fed, FCGI_PARAMS,
			    (uint16_t)((unsigned char)fed.p[2] << 8 | (unsigned char)fed.p[3]),
			    buf_slice(&list), 0, 0);
		cr_assert_leq(fed.n, file.n);
		cr_assert_eq(memcmp(file.p, fed.p, fed.n), 0);
	}
	cr_assert_eq(n_fds(), before);
}

Test(fcgi_req, refuses_a_malformed_list_and_reads_the_next)
{
	static const struct slice wrong[] = {
	    {"\1", 1}, /* no value length */
	    {"\5\1AB", 4}, /* a name cut short */
	    {"\1\5Ax", 4}, /* a value cut short */
	    {"\200\0\0", 3}, /* a length cut short */
	    {"\377\377\377\376\1A", 6}, /* a length beyond all bounds that libfcgi can refuse */
	    {"\1\3A\0bc", 6}, /* NUL in a value: libfcgi's string ends there */
	    {"\3\1A\0Bx", 6}, /* NUL in a name */
	};
	unsigned before = n_fds();
	AUTO(buf) struct buf list;

	buf_init(&list, 0);
	for (unsigned i = 0; i < ARRAY_LEN(wrong); i++) {
		struct fcgi_param *got;
		struct arena a;
		unsigned n;

		/* a long one first, whose rest lies behind the end of the wrong one */
		make_list(&list, 200, 60000);
		reads_back(buf_slice(&list));
		arena_init(&a, &pool);
		if (i != 4)
			cr_assert_eq(fcgi_req_parse(parser, 1, wrong[i], &a, &got, &n),
				     -E_bad_request, "row %u", i);
		arena_done(&a);
		make_list(&list, 20, 700);
		reads_back(buf_slice(&list));
		cr_assert_eq(n_fds(), before, "row %u", i);
		cr_assert_geq(memfd(), 0);
	}
}

Test(fcgi_req, joins_repeated_headers_and_drops_proxy)
{
	AUTO(buf) struct buf list;
	const struct fcgi_param *p;
	struct fcgi_param *got;
	struct arena a;
	unsigned n;

	buf_init(&list, 0);
	encode_pair(&list, SLICE("HTTP_X"), SLICE("a"));
	encode_pair(&list, SLICE("HTTP_PROXY"), SLICE("http://evil/"));
	encode_pair(&list, SLICE("HTTP_COOKIE"), SLICE("a=1"));
	encode_pair(&list, SLICE("REMOTE_ADDR"), SLICE("::1"));
	encode_pair(&list, SLICE("HTTP_X"), SLICE(""));
	encode_pair(&list, SLICE("HTTP_COOKIE"), SLICE("b=2"));
	encode_pair(&list, SLICE("HTTP_PROXY"), SLICE("again"));
	encode_pair(&list, SLICE("HTTP_X"), SLICE("c"));
	arena_init(&a, &pool);
	cr_assert_eq(fcgi_req_parse(parser, 1, buf_slice(&list), &a, &got, &n), 0);
	cr_assert_eq(n, 3);
	cr_assert(slice_eq(got[0].name, SLICE("HTTP_X")));
	cr_assert_str_eq(got[0].value.p, "a, , c");
	cr_assert_eq(got[0].value.n, 6);
	cr_assert_str_eq(got[1].value.p, "a=1; b=2");
	p = fcgi_param_find(got, n, SLICE("REMOTE_ADDR"));
	cr_assert(p && slice_eq(p->value, SLICE("::1")));
	cr_assert_null(fcgi_param_find(got, n, SLICE("HTTP_PROXY")));
	arena_done(&a);
}

Test(fcgi_req, makes_a_new_memfd_when_its_own_is_lost)
{
	struct slice one = SLICE("\1\1AB");
	struct fcgi_param *got;
	struct arena a;
	unsigned n;

	reads_back(one);
	close(memfd());
	arena_init(&a, &pool);
	cr_assert_lt(fcgi_req_parse(parser, 1, one, &a, &got, &n), 0);
	arena_done(&a);
	reads_back(one);
}
