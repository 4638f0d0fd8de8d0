/* http_rules: lib/http's word on cases that come as lines, for the comparison with another implementation of RFC 9111.
 * In: method, status, request fields, response fields, fields of a later request, seconds in between; tabs between, fields as
 * "name: value" with | between. Out: "stored lifetime reuse", or "0". The clock stands at 1794787200. */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/http/http_store.h"

#define NOW 1794787200u

static struct http_fields fields(struct slice text, struct http_field *room)
{
	struct http_fields f = {room, 0};

	while (text.n && f.n < 16) {
		struct slice line = slice_cut(&text, '|'), name = slice_cut(&line, ':');

		room[f.n++] = (struct http_field){slice_trim(name), slice_trim(line)};
	}
	return f;
}

int main(void)
{
	static const char *const reuse[] = {"fresh", "stale", "refresh", "validate"};
	char line[8192];

	while (fgets(line, sizeof(line), stdin)) {
		struct slice rest = slice_of(line, strcspn(line, "\n")), method = slice_cut(&rest, '\t'), status = slice_cut(&rest, '\t');
		struct http_field a[16], b[16], c[16];
		struct http_fields req = fields(slice_cut(&rest, '\t'), a), resp = fields(slice_cut(&rest, '\t'), b),
				   again = fields(slice_cut(&rest, '\t'), c);
		struct http_policy p;

		if (!http_policy_make(&(struct http_exchange){method, &req, (int)strtol(status.p, NULL, 10), &resp, NOW, NOW}, &p))
			puts("0");
		else
			printf("1 %lld %s\n", (long long)p.lifetime,
			       reuse[http_policy_reuse(&p, &again, 1, strtoll(rest.p, NULL, 10))]);
	}
	return 0;
}
