#include "config.h"

#include "lib/conf/cache_server.h"

#include <stdio.h>
#include <string.h>

#include "lib/base/num.h"

static int put_text(char *out, size_t room, struct slice s)
{
	if (!s.n || s.n >= room)
		return -1;
	memcpy(out, s.p, s.n);
	out[s.n] = '\0';
	return 0;
}

static int parse_address(struct slice s, struct cache_server *r)
{
	const char *colon;
	uint64_t port;

	if (slice_starts(s, SLICE("unix:"))) {
		s = slice_of(s.p + 5, s.n - 5);
		/* sun_path */
		return s.n && s.p[0] == '/' && s.n < 108 ? put_text(r->host, sizeof(r->host), s) : -1;
	}
	colon = s.n ? memrchr(s.p, ':', s.n) : NULL;
	if (!colon || num_u64(slice_of(colon + 1, (size_t)(s.p + s.n - colon - 1)), &port) < 0 || !port || port > 65535)
		return -1;
	r->port = (uint16_t)port;
	s.n = (size_t)(colon - s.p);
	if (s.n > 2 && s.p[0] == '[' && s.p[s.n - 1] == ']')
		s = slice_of(s.p + 1, s.n - 2);
	else if (s.n && memchr(s.p, ':', s.n))
		return -1;
	return put_text(r->host, sizeof(r->host), s);
}

static struct slice next_word(struct slice *rest)
{
	struct slice w;

	*rest = slice_trim(*rest);
	w = slice_cut(rest, ' ');
	return w;
}

int cache_server_parse(struct slice text, struct cache_server *ret, struct err *e)
{
	struct cache_server r = {.weight = 1};
	struct slice rest = text, word = next_word(&rest);
	uint64_t weight;

	if (parse_address(word, &r) < 0)
		return err_set(e, E_config, "\"%.*s\" is no server: HOST:PORT, [ADDRESS]:PORT or unix:/PATH",
			       SLICE_ARG(word));
	while ((word = next_word(&rest)).n) {
		struct slice value = next_word(&rest);

		if (slice_eq(word, SLICE("as"))) {
			if (put_text(r.alias, sizeof(r.alias), value) < 0)
				return err_set(e, E_config, "an alias of 1 to 63 bytes is wanted after \"as\"");
		} else if (slice_eq(word, SLICE("weight"))) {
			if (num_u64(value, &weight) < 0 || weight < 1 || weight > 100)
				return err_set(e, E_config, "a weight is a number from 1 to 100");
			r.weight = (unsigned)weight;
		} else {
			return err_set(e, E_config, "\"%.*s\": \"as ALIAS\" or \"weight N\" is wanted here",
				       SLICE_ARG(word));
		}
	}
	*ret = r;
	return 0;
}

void cache_server_name(struct slice text, char out[CACHE_SERVER_NAME])
{
	struct cache_server s;
	struct err e = {0};
	struct slice rest = text, address = next_word(&rest);

	if (cache_server_parse(text, &s, &e) == 0 && s.alias[0])
		snprintf(out, CACHE_SERVER_NAME, "%s", s.alias);
	else
		snprintf(out, CACHE_SERVER_NAME, "%.*s", SLICE_ARG(address));
}
