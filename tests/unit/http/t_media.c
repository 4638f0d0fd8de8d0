#include "config.h"

#include <criterion/criterion.h>

#include "lib/http/http.h"

Test(media, knows_json_bodies)
{
	static const struct {
		const char *type;
		int is_json;
	} rows[] = {
	    {"application/json", 1}, {"Application/JSON", 1}, {" application/json ", 1}, {"application/json;charset=utf-8", 1},
	    {"application/json; charset=UTF-8", 1}, {"application/json; charset=\"utf-8\"", 1},
	    {"application/json ; foo=bar; Charset=utf-8", 1}, {"application/json;", 1}, {"application/json; foo", 1},
	    {"application/problem+json", 1}, {"application/vnd.api+JSON; v=1", 1}, {"application/merge-patch+json", 1},
	    {"", 0}, {"application/json; charset=latin1", 0}, {"application/json; charset=", 0}, {"application/json; charset=utf-16", 0},
	    {"application/jsonp", 0}, {"text/json", 0}, {"text/plain", 0}, {"application/x-www-form-urlencoded", 0},
	    {"application/+json", 0}, {"application/json+xml", 0}, {"text/x+json", 0}, {"json", 0}, {"application/json, text/plain", 0},
	    {"multipart/form-data; boundary=application/json", 0},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		cr_expect_eq(http_not_json(slice_str(rows[i].type)) == NULL, rows[i].is_json, "%s", rows[i].type);
	cr_expect(http_not_json((struct slice){NULL, 0}) != NULL);
	cr_expect(strstr(http_not_json(SLICE("application/json;charset=utf8")), "charset=utf-8") != NULL);
	cr_expect(strstr(http_not_json(SLICE("text/json;charset=utf8")), "application/json") != NULL);
}

Test(media, knows_who_accepts_json)
{
	static const struct {
		const char *accept;
		int accepts;
	} rows[] = {
	    {"", 1}, {" ", 1}, {"*/*", 1}, {"application/json", 1}, {"APPLICATION/JSON", 1}, {"application/*", 1},
	    {"text/html, application/json", 1}, {"text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", 1},
	    {"text/html", 0}, {"text/*", 0}, {"image/png, text/html;q=0.1", 0}, {"application/xml", 0}, {"application/jsonp", 0},
	    {"application/json;q=0", 0}, {"application/json;q=0.0", 0}, {"application/json;q=0.000", 0},
	    {"application/json;q=0.001", 1}, {"application/json; q=1.000", 1}, {"application/json ; Q=0.5", 1},
	    {"application/json;q=0, */*", 0}, {"*/*, application/json;q=0", 0}, {"*/*;q=0, application/json", 1},
	    {"application/*;q=0, */*", 0}, {"application/*;q=0, application/json;q=0.1", 1}, {"text/html, */*;q=0", 0},
	    /* malformed weights count as 1 */
	    {"application/json;q=", 1}, {"application/json;q=nan", 1}, {"application/json;q=1e99", 1}, {"application/json;q=-1", 1},
	    {"application/json;q=00", 1}, {"application/json;q=0x0", 1}, {"application/json;q=0.0000", 1}, {"application/json;q=.0", 1},
	    {"application/json;q=0,0", 0}, {"application/json;q", 1}, {"application/json;q=inf", 1}, {"application/json;q=0.", 0},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		cr_expect_eq(http_accepts_json(slice_str(rows[i].accept)), rows[i].accepts, "%s", rows[i].accept);
	cr_expect_eq(http_accepts_json((struct slice){NULL, 0}), 1);
}

Test(media, lets_no_header_be_split)
{
	for (int c = 0; c < 256; c++) {
		char text[3] = {'a', (char)c, 'b'};
		int is_safe = (c >= 0x20 || c == '\t') && c != 0x7f;

		cr_expect_eq(http_value_is_safe(slice_of(text, 3)), is_safe, "byte %d", c);
		cr_expect_eq(http_value_is_safe(slice_of(text + 1, 1)), is_safe, "byte %d", c);
	}
	cr_expect(http_value_is_safe(SLICE("")));
}
