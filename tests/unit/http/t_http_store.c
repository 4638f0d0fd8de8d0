#include "config.h"

#include <criterion/criterion.h>

#include <stdio.h>

#include "lib/http/http.h"
#include "lib/http/http_store.h"

#define NOW 1794787200u

/* "Name: value" lines, '|' between. */
static struct http_fields fields(const char *text, struct http_field *room)
{
	struct http_fields f = {room, 0};

	for (struct slice rest = slice_str(text); rest.n;) {
		struct slice line = slice_cut(&rest, '|'), name = slice_cut(&line, ':');

		room[f.n++] = (struct http_field){slice_trim(name), slice_trim(line)};
	}
	return f;
}

static int make(int status, const char *request, const char *response, struct http_policy *p)
{
	struct http_field a[40], b[40];
	struct http_fields req = fields(request, a), resp = fields(response, b);

	return http_policy_make(&(struct http_exchange){.method = SLICE("GET"), .request = &req, .status = status, .response = &resp,
							.request_wall = NOW, .response_wall = NOW}, p);
}

Test(store, keeps_what_it_may)
{
	static const struct {
		int status;
		const char *request, *response;
		int is_stored;
	} rows[] = {
	    {200, "", "", 1}, {200, "", "Cache-Control: max-age=5", 1}, {200, "", "ETag: \"a\"", 1}, {404, "", "", 1}, {301, "", "", 1},
	    {302, "", "", 0}, {302, "", "Cache-Control: max-age=5", 1}, {302, "", "Expires: 0", 1}, {500, "", "Cache-Control: public", 1},
	    {299, "", "Cache-Control: s-maxage=5", 1}, {201, "", "Last-Modified: Sun, 06 Nov 1994 08:49:37 GMT", 0},
	    {206, "", "Cache-Control: max-age=5", 0}, {304, "", "Cache-Control: max-age=5", 0}, {100, "", "Cache-Control: max-age=5", 0},
	    {200, "", "Cache-Control: no-store", 0}, {200, "", "Cache-Control: max-age=9|Cache-Control: No-Store", 0},
	    {200, "", "Cache-Control: private, max-age=9", 0}, {200, "", "Cache-Control: private=\"x\", max-age=9", 1},
	    {200, "Cache-Control: no-store", "Cache-Control: max-age=9", 0}, {200, "Cache-Control: no-cache", "Cache-Control: max-age=9", 1},
	    {200, "Authorization: x", "Cache-Control: max-age=9", 0}, {200, "authorization: x", "Cache-Control: max-age=9, public", 1},
	    {200, "Authorization: x", "Cache-Control: max-age=9, must-revalidate", 1}, {200, "Authorization: x", "Cache-Control: s-maxage=9", 1},
	    {200, "Authorization: x", "Cache-Control: max-age=9, proxy-revalidate", 0},
	    {200, "", "Set-Cookie: a=b|Cache-Control: max-age=9, public", 0}, {200, "", "Vary: *", 0}, {200, "", "Vary: a|Vary: b, *", 0},
	    {200, "", "Cache-Control: must-understand, no-store, max-age=9", 1}, {599, "", "Cache-Control: must-understand, max-age=9", 0},
	};
	struct http_policy p;
	struct http_field a[4], b[4];
	struct http_fields req = fields("", a), resp = fields("Cache-Control: max-age=60", b);

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		cr_expect_eq(make(rows[i].status, rows[i].request, rows[i].response, &p), rows[i].is_stored, "%d %s / %s", rows[i].status,
			     rows[i].request, rows[i].response);
	for (unsigned i = 0; i < 3; i++)
		cr_expect_eq(http_policy_make(&(struct http_exchange){.method = slice_str((const char *[]){"POST", "HEAD", "get"}[i]),
								      .request = &req, .status = 200, .response = &resp}, &p), 0);
}

Test(store, knows_how_long)
{
	static const struct {
		const char *response;
		int status;
		int64_t lifetime, age;
	} rows[] = {
	    {"Cache-Control: max-age=60", 200, 60, 0}, {"Cache-Control: s-maxage=5, max-age=60", 200, 5, 0},
	    {"Cache-Control: max-age=60|Cache-Control: s-maxage=70", 200, 70, 0}, {"Cache-Control: max-age=60, no-cache", 200, 0, 0},
	    {"Expires: Mon, 16 Nov 2026 00:01:00 GMT|Cache-Control: max-age=5", 200, 5, 0},
	    {"Expires: Mon, 16 Nov 2026 20:02:00 GMT", 200, 72120, 0}, {"Expires: Mon, 16 Nov 2026 20:02:00 GMT|Date: Mon, 16 Nov 2026 20:01:00 GMT", 200, 60, 0},
	    {"Expires: 0", 200, 0, 0}, {"Expires: Mon, 16 Nov 1926 20:02:00 GMT", 200, 0, 0}, {"Expires: tomorrow|Last-Modified: Sun, 06 Nov 1994 08:49:37 GMT", 200, 0, 0},
	    {"Last-Modified: Sun, 15 Nov 2026 00:00:00 GMT", 200, 8640, 0}, {"Last-Modified: Sun, 15 Nov 2026 00:00:00 GMT", 201, 0, 0},
	    {"Last-Modified: Sun, 06 Nov 1994 08:49:37 GMT", 404, 86400, 0}, {"Last-Modified: Sun, 06 Nov 2094 08:49:37 GMT", 200, 0, 0},
	    {"Last-Modified: Sun, 15 Nov 2026 00:00:00 GMT|Cache-Control: public", 503, 8640, 0},
	    {"Last-Modified: Sun, 15 Nov 2026 00:00:00 GMT|Cache-Control: public", 599, 0, 0},
	    {"", 200, 0, 0}, {"Pragma: no-cache|Expires: Mon, 16 Nov 2026 20:02:00 GMT", 200, 0, 0},
	    {"Age: 7|Cache-Control: max-age=60", 200, 60, 7}, {"Age: 7, 9|Cache-Control: max-age=60", 200, 60, 7}, {"Age: x|Cache-Control: max-age=60", 200, 60, 2147483648},
	    {"Age: -1|Cache-Control: max-age=60", 200, 60, 2147483648},
	    {"Age:|Cache-Control: max-age=60", 200, 60, 2147483648}, {"Age: 5;x=1|Cache-Control: max-age=60", 200, 60, 2147483648}, {"Age: 99999999999999999999|Cache-Control: max-age=60", 200, 60, 2147483648},
	    {"Date: Sun, 15 Nov 2026 23:59:30 GMT|Cache-Control: max-age=60", 200, 60, 30},
	    {"Date: Sun, 15 Nov 2026 23:59:30 GMT|Age: 50|Cache-Control: max-age=60", 200, 60, 50},
	    {"Date: Mon, 16 Nov 2026 00:10:00 GMT|Cache-Control: max-age=60", 200, 60, 0},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char text[256];
		struct http_policy p = {.lifetime = -1};

		/* any explicit status is stored for this table */
		snprintf(text, sizeof(text), "%s%s", rows[i].response, rows[i].status == 201 ? "|Cache-Control: public" : "");
		cr_assert_eq(make(rows[i].status, "", text, &p), 1, "%s", text);
		cr_expect_eq(p.lifetime, rows[i].lifetime, "%s: %lld", text, (long long)p.lifetime);
		cr_expect_eq(p.initial_age, rows[i].age, "%s: %lld", text, (long long)p.initial_age);
	}
}

Test(store, knows_when_to_ask_again)
{
	static const struct {
		const char *response, *request;
		int64_t resident;
		enum http_reuse obeying, not_obeying;
	} rows[] = {
	    {"max-age=60", "", 0, HTTP_REUSE_FRESH, HTTP_REUSE_FRESH}, {"max-age=60", "", 59, HTTP_REUSE_FRESH, HTTP_REUSE_FRESH},
	    {"max-age=60", "", 60, HTTP_REUSE_VALIDATE, HTTP_REUSE_VALIDATE}, {"max-age=60", "", -100, HTTP_REUSE_FRESH, HTTP_REUSE_FRESH},
	    {"max-age=0", "", 0, HTTP_REUSE_VALIDATE, HTTP_REUSE_VALIDATE}, {"no-cache, max-age=60", "max-stale", 0, HTTP_REUSE_VALIDATE, HTTP_REUSE_VALIDATE},
	    {"max-age=60", "no-cache", 0, HTTP_REUSE_VALIDATE, HTTP_REUSE_FRESH}, {"max-age=60", "max-age=0", 0, HTTP_REUSE_FRESH, HTTP_REUSE_FRESH},
	    {"max-age=60", "max-age=0", 1, HTTP_REUSE_VALIDATE, HTTP_REUSE_FRESH}, {"max-age=60", "min-fresh=30", 30, HTTP_REUSE_FRESH, HTTP_REUSE_FRESH},
	    {"max-age=60", "min-fresh=30", 31, HTTP_REUSE_VALIDATE, HTTP_REUSE_FRESH}, {"max-age=60", "max-stale", 9999, HTTP_REUSE_STALE, HTTP_REUSE_VALIDATE},
	    {"max-age=60", "max-stale=10", 70, HTTP_REUSE_STALE, HTTP_REUSE_VALIDATE}, {"max-age=60", "max-stale=10", 71, HTTP_REUSE_VALIDATE, HTTP_REUSE_VALIDATE},
	    {"max-age=60, must-revalidate", "max-stale", 61, HTTP_REUSE_VALIDATE, HTTP_REUSE_VALIDATE},
	    {"max-age=60, proxy-revalidate", "max-stale", 61, HTTP_REUSE_VALIDATE, HTTP_REUSE_VALIDATE},
	    {"s-maxage=60", "max-stale", 61, HTTP_REUSE_VALIDATE, HTTP_REUSE_VALIDATE}, {"max-age=60, must-revalidate", "", 1, HTTP_REUSE_FRESH, HTTP_REUSE_FRESH},
	    {"max-age=60, stale-while-revalidate=30", "", 60, HTTP_REUSE_REFRESH, HTTP_REUSE_REFRESH},
	    {"max-age=60, stale-while-revalidate=30", "", 90, HTTP_REUSE_VALIDATE, HTTP_REUSE_VALIDATE},
	    {"max-age=60, stale-while-revalidate=30, must-revalidate", "", 60, HTTP_REUSE_VALIDATE, HTTP_REUSE_VALIDATE},
	};
	struct http_policy p;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char text[128], asked[64];
		struct http_field room[4];
		struct http_fields req;

		snprintf(text, sizeof(text), "Cache-Control: %s", rows[i].response);
		snprintf(asked, sizeof(asked), "%s%s", rows[i].request[0] ? "Cache-Control: " : "", rows[i].request);
		req = fields(asked, room);
		cr_assert_eq(make(200, "", text, &p), 1);
		cr_expect_eq(http_policy_reuse(&p, &req, 1, rows[i].resident), rows[i].obeying, "%s / %s after %d", text, asked, (int)rows[i].resident);
		cr_expect_eq(http_policy_reuse(&p, &req, 0, rows[i].resident), rows[i].not_obeying, "%s / %s after %d", text, asked, (int)rows[i].resident);
	}
	/* an error */
	cr_assert(make(200, "", "Cache-Control: max-age=60, stale-if-error=30", &p));
	cr_expect(http_policy_on_error(&p, 89, 0));
	cr_expect_not(http_policy_on_error(&p, 90, 500));
	cr_assert(make(200, "", "Cache-Control: max-age=60", &p));
	cr_expect(http_policy_on_error(&p, 59, 0));
	cr_expect_not(http_policy_on_error(&p, 60, 0));
	cr_expect(http_policy_on_error(&p, 69, 10));
	cr_assert(make(200, "", "Cache-Control: max-age=60, stale-if-error=30, must-revalidate", &p));
	cr_expect_not(http_policy_on_error(&p, 61, 30));
	/* the two Pragmas */
	{
		struct http_field room[4];
		struct http_fields req = fields("Pragma: no-cache", room);

		cr_assert(make(200, "", "Cache-Control: max-age=60", &p));
		cr_expect_eq(http_policy_reuse(&p, &req, 1, 0), HTTP_REUSE_VALIDATE);
		req = fields("Pragma: no-cache|Cache-Control: x", room);
		cr_expect_eq(http_policy_reuse(&p, &req, 1, 0), HTTP_REUSE_FRESH);
	}
}

static void is(const struct http_fields *f, const char *want)
{
	char got[1024] = "";
	size_t n = 0;

	for (unsigned i = 0; i < f->n; i++)
		n += (size_t)snprintf(got + n, sizeof(got) - n, "%s%.*s: %.*s", i ? "|" : "", SLICE_ARG(f->v[i].name), SLICE_ARG(f->v[i].value));
	cr_expect_str_eq(got, want);
}

Test(fields, leave_the_connections_behind)
{
	struct http_field room[20];
	struct http_fields f = fields("A: 1|Connection: close, x-a|X-A: 2|Keep-Alive: 5|Transfer-Encoding: chunked|B: 3|connection: c|C: 4|Te: x|"
				      "Cache-Control: no-cache=\"d\", private=\"E, f\"|D: 5|e: 6|F: 7|Proxy-Authenticate: x|A: 8|Upgrade: h2c", room);

	http_fields_clean(&f);
	is(&f, "A: 1|B: 3|Cache-Control: no-cache=\"d\", private=\"E, f\"|A: 8");
}

Test(fields, are_updated_by_a_304)
{
	struct http_field a[20], b[20];
	struct http_fields stored = fields("ETag: \"1\"|Content-Length: 9|X: old|Y: old|Content-Type: t|X: two", a);
	struct http_fields fresh = fields("ETag: \"2\"|Content-Length: 0|x: new|Content-Type: u|Z: z|Content-Encoding: gzip|Content-Range: r|Content-MD5: m", b);

	http_fields_update_304(&stored, &fresh);
	is(&stored, "ETag: \"1\"|Content-Length: 9|Y: old|x: new|Content-Type: u|Z: z");
}

Test(fields, match_a_304)
{
	static const struct {
		const char *stored, *fresh;
		int is_match;
	} rows[] = {
	    {"ETag: \"1\"", "ETag: \"1\"", 1}, {"ETag: \"1\"", "ETag: \"2\"", 0}, {"", "ETag: \"1\"", 0}, {"ETag: W/\"1\"", "ETag: \"1\"", 0},
	    {"ETag: \"1\"", "ETag: W/\"1\"", 1}, {"ETag: W/\"1\"", "ETag: W/\"1\"", 1}, {"ETag: \"1\"", "", 1}, {"", "", 1},
	    {"Last-Modified: x", "Last-Modified: x", 1}, {"Last-Modified: x", "Last-Modified: y", 0}, {"", "Last-Modified: y", 0},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct http_field a[4], b[4];
		struct http_fields s = fields(rows[i].stored, a), f = fields(rows[i].fresh, b);

		cr_expect_eq(http_fields_match_304(&s, &f), rows[i].is_match, "%s / %s", rows[i].stored, rows[i].fresh);
	}
}

Test(store, knows_safe_methods)
{
	cr_expect(http_method_is_safe(SLICE("GET")) && http_method_is_safe(SLICE("OPTIONS")));
	cr_expect_not(http_method_is_safe(SLICE("get")) || http_method_is_safe(SLICE("M-SEARCH")) || http_method_is_safe(SLICE("")));
}
