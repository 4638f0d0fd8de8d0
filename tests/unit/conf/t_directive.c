#include "config.h"

#include "tests/unit/conf/conf_test.h"

#include "lib/conf/directive.h"

struct line {
	const char *text;	/* second line of a file */
	const char *errors;	/* "" when it is fine */
};

/* Each line alone, above SQL that uses every parameter it may declare. */
static void check_lines(const struct line *v, size_t n, const char *sql)
{
	for (size_t i = 0; i < n; i++) {
		struct endpoints set;
		struct options o;
		struct errs errs;
		char text[4000];

		errs_init(&errs);
		options_parse(&o, "w.conf", SLICE(MAIN_DB "database reports { conninfo = y }\n"), &errs);
		endpoints_init(&set);
		snprintf(text, sizeof(text), "-- @route GET /x\n%s\n%s", v[i].text, sql);
		endpoints_parse(&set, &o, "f.sql", slice_str(text), &errs);
		cr_expect_eq(set.n, v[i].errors[0] ? 0u : 1u, "%s", v[i].text);
		same_errors(text, &errs, v[i].errors);
		endpoints_done(&set);
		options_done(&o);
	}
}

Test(directive, every_row_is_complete)
{
	for (size_t i = 0; i < dir_table_n; i++) {
		size_t n = strlen(dir_table[i].sentence);

		cr_expect(n > 10 && dir_table[i].sentence[n - 1] == '.', "%s", dir_table[i].word);
		for (size_t j = 0; j < i; j++)
			cr_expect(strcmp(dir_table[i].word, dir_table[j].word) != 0);
	}
	cr_expect_eq(dir_table_n, (size_t)DIR_count);
}

Test(directive, unknown_words_are_named_with_the_nearest)
{
	static const struct line v[] = {
	    {"-- @rout GET /y", "f.sql:2:5: unknown directive @rout (did you mean 'route'?)\n"},
	    {"  --  @timout 1s", "f.sql:2:8: unknown directive @timout (did you mean 'timeout'?)\n"},
	    {"--@zzz", "f.sql:2:4: unknown directive @zzz\n"},
	    {"-- @ no directive", ""},
	    {"-- mail a@b.c", ""},
	    {"-- @timeout 1s\n-- @timeout 2s", "f.sql:3:5: @timeout: given twice, first on line 2\n"},
	    {"-- @route GET /y", "f.sql:2:5: @route: given twice, first on line 1\n"},
	};

	check_lines(v, ARRAY_LEN(v), "SELECT 1");
}

Test(directive, endpoint_words_are_checked)
{
	static const struct line v[] = {
	    {"-- @returns row", ""},
	    {"-- @returns", "f.sql:2:12: @returns: expected rows, row, value, none or json\n"},
	    {"-- @returns rowz",
	     "f.sql:2:13: @returns: unknown shape 'rowz'; expected rows, row, value, none, json (did you mean 'rows'?)\n"},
	    {"-- @returns row x",
	     "f.sql:2:17: @returns: unexpected 'x'; expected @returns rows|row|value|none|json\n"},
	    {"-- @timeout 250ms\r", ""},
	    {"-- @timeout 250",
	     "f.sql:2:13: @timeout: bad duration '250'; expected a number with a unit (ms, s, min, h, d), from 1ms to 1h\n"},
	    {"-- @timeout 0",
	     "f.sql:2:13: @timeout: bad duration '0'; expected a number with a unit (ms, s, min, h, d), from 1ms to 1h\n"},
	    {"-- @timeout", "f.sql:2:12: @timeout: expected a duration, such as 500ms\n"},
	    {"-- @slow 2h",
	     "f.sql:2:10: @slow: bad duration '2h'; expected a number with a unit (ms, s, min, h, d), from 1ms to 1h\n"},
	    {"-- @database reports", ""},
	    {"-- @database report",
	     "f.sql:2:14: @database: unknown database 'report'; expected main, reports (did you mean 'reports'?)\n"},
	    {"-- @status 201", ""},
	    {"-- @status 404", "f.sql:2:12: @status: bad number '404'; expected a whole number from 200 to 299\n"},
	    {"-- @status 204", "f.sql:2: @status 204 has no body; expected @returns none with it\n"},
	    {"-- @status 204\n-- @returns none", ""},
	    {"-- @auth user", ""},
	    {"-- @auth nobody", "f.sql:2:10: @auth: unknown access 'nobody'; expected none, user, role, claim\n"},
	    {"-- @auth none", ""},
	    {"-- @auth user role admin|staff claim tenant.plan=gold|silver", ""},
	    {"-- @auth user\n-- @auth role admin", ""},
	    {"-- @auth", "f.sql:2:9: @auth: expected none, user, role A|B or claim PATH=VALUE\n"},
	    {"-- @auth role", "f.sql:2:14: @auth: expected a role, or A|B, after 'role'\n"},
	    {"-- @auth role a||b", "f.sql:2:15: @auth: bad value 'a||b'; expected one word, or A|B of at most 32\n"},
	    {"-- @auth claim plan", "f.sql:2:16: @auth: bad condition 'plan'; expected PATH=VALUE, such as tenant.plan=gold\n"},
	    {"-- @auth claim plan=", "f.sql:2:21: @auth: bad value ''; expected one word, or A|B of at most 32\n"},
	    {"-- @auth user none", "f.sql:2: @auth none beside a condition of another @auth\n"},
	    {"-- @auth none\n-- @auth user", "f.sql:2: @auth none beside a condition of another @auth\n"},
	    {"-- @header X-Total: {total} of {n}\n-- @header Link: </x>; rel=\"next\"", ""},
	    {"-- @header X-Total", "f.sql:2:12: @header: expected NAME: VALUE\n"},
	    {"-- @header X Y: 1", "f.sql:2:12: @header: expected NAME: VALUE\n"},
	    {"-- @header content-length: 1", "f.sql:2:12: @header: header content-length is set by weir\n"},
	    {"-- @header X-T: {a", "f.sql:2:17: @header: bad braces in the value; expected {column}\n"},
	    {"-- @header X-T: a}", "f.sql:2:17: @header: bad braces in the value; expected {column}\n"},
	    {"-- @header X-T: \x01", "f.sql:2:12: @header: control character in the value\n"},
	};

	check_lines(v, ARRAY_LEN(v), "SELECT 1");
}

Test(directive, parameters_are_checked)
{
	static const struct line v[] = {
	    {"-- @param a", ""},
	    {"-- @param *\n-- @param a", ""},
	    {"-- @param a optional maxlen 64 minlen 1", ""},
	    {"-- @param a default 20 range 1..100", ""},
	    {"-- @param a range ..2000-01-01", ""},
	    {"-- @param a range -1.5..", ""},
	    {"-- @param a default 'it''s ä' maxlen 6", ""},
	    {"-- @param a default \"\"", ""},
	    {"-- @param a choice x|y|z default y", ""},
	    {"-- @param a from header X-Tenant", ""},
	    {"-- @param a from cookie sid optional", ""},
	    {"-- @param a from user", ""},
	    {"-- @param a from query required", ""},
	    {"-- @param", "f.sql:2:10: @param: expected a parameter's name, or * for unknown ones\n"},
	    {"-- @param 1a",
	     "f.sql:2:11: @param: bad name '1a'; expected a letter or _, then letters, digits and _, at most 63\n"},
	    {"-- @param a\n-- @param a", "f.sql:3:11: @param: parameter a is declared twice, first on line 2\n"},
	    {"-- @param a optinal",
	     "f.sql:2:13: @param: unknown attribute 'optinal'; expected from, required, optional, default, range, minlen, "
	     "maxlen, choice (did you mean 'optional'?)\n"},
	    {"-- @param a optional optional", "f.sql:2:22: @param: optional is given twice\n"},
	    {"-- @param a required optional", "f.sql:2:22: @param: required and optional exclude each other\n"},
	    {"-- @param a default 1 required", "f.sql:2:23: @param: a required parameter has no default\n"},
	    {"-- @param a default", "f.sql:2:20: @param: expected a value after 'default'\n"},
	    {"-- @param a default 'x", "f.sql:2:21: @param: value without a closing '\n"},
	    {"-- @param a default 'x'y", "f.sql:2:24: @param: unexpected 'y' after the value\n"},
	    {"-- @param a range 5", "f.sql:2:19: @param: bad range '5'; expected A..B, A.. or ..B\n"},
	    {"-- @param a range ..", "f.sql:2:19: @param: bad range '..'; expected A..B, A.. or ..B\n"},
	    {"-- @param a range 1...2", "f.sql:2:19: @param: bad range '1...2'; expected A..B, A.. or ..B\n"},
	    {"-- @param a range 9..1",
	     "f.sql:2:19: @param: bad range '9..1'; its beginning is larger than its end\n"},
	    {"-- @param a range 1..9 default 10", "f.sql:2:32: @param: default 10 is outside of the range 1..9\n"},
	    {"-- @param a range 1.. default 0", "f.sql:2:31: @param: default 0 is outside of the range 1..\n"},
	    {"-- @param a minlen 0", "f.sql:2:20: @param: bad number '0'; expected a whole number from 1 to 16777216\n"},
	    {"-- @param a minlen 5 maxlen 4", "f.sql:2:22: @param: minlen is larger than maxlen\n"},
	    {"-- @param a maxlen 2 default abc",
	     "f.sql:2:30: @param: the default's length is outside of minlen and maxlen\n"},
	    {"-- @param a choice x|x", "f.sql:2:22: @param: alternative 'x' stands twice\n"},
	    {"-- @param a choice x||y", "f.sql:2:22: @param: empty alternative; expected A|B|C\n"},
	    {"-- @param a choice x|y range 1..2",
	     "f.sql:2:13: @param: choice excludes range, minlen and maxlen\n"},
	    {"-- @param a choice x|y default z", "f.sql:2:32: @param: default 'z' is none of the alternatives\n"},
	    {"-- @param a from headr X",
	     "f.sql:2:18: @param: unknown source 'headr'; expected path, query, json, header, cookie, user, claim, body "
	     "(did you mean 'header'?)\n"},
	    {"-- @param a from header X_Y",
	     "f.sql:2:25: @param: bad header name 'X_Y'; expected letters, digits and -\n"},
	    {"-- @param a from header", "f.sql:2:24: @param: expected the header's name\n"},
	    {"-- @param a from cookie a=b", "f.sql:2:25: @param: bad cookie name 'a=b'\n"},
	    {"-- @param a from user maxlen 3",
	     "f.sql:2:23: @param: a value from user has neither default nor bounds\n"},
	    {"-- @param a from path", "f.sql:2:11: @param a comes from the path; expected {a} in /x\n"},
	    {"-- @param a from body", "f.sql:2:11: @param a comes from the body, but GET has none\n"},
	    {"-- @param a from json", "f.sql:2:11: @param a comes from the body, but GET has none\n"},
	    {"-- @param a\n-- @param b", "f.sql:3:11: parameter b is not used; expected :name in the SQL\n"},
	};

	check_lines(v, ARRAY_LEN(v), "SELECT :a");
}

Test(directive, choices_are_checked)
{
	static const struct line v[] = {
	    {"-- @choice s created_at|name|u.price", ""},
	    {"-- @choice s created_at:desc|name:asc|name default name", ""},
	    {"-- @choice s a|b;drop",
	     "f.sql:2:16: @choice: bad alternative 'b;drop'; expected an identifier, or one with :asc or :desc\n"},
	    {"-- @choice s a:up",
	     "f.sql:2:14: @choice: bad alternative 'a:up'; expected an identifier, or one with :asc or :desc\n"},
	    {"-- @choice s 1a",
	     "f.sql:2:14: @choice: bad alternative '1a'; expected an identifier, or one with :asc or :desc\n"},
	    {"-- @choice s a|", "f.sql:2:16: @choice: bad alternative ''; expected an identifier, or one with :asc or :desc\n"},
	    {"-- @choice s a default b", "f.sql:2:24: @choice: default 'b' is none of the alternatives\n"},
	    {"-- @choice s a|b deflt b",
	     "f.sql:2:18: @choice: unknown attribute 'deflt'; expected default (did you mean 'default'?)\n"},
	    {"-- @choice s a|b default b x",
	     "f.sql:2:28: @choice: unexpected 'x'; expected @choice NAME A|B|C [default A]\n"},
	    {"-- @choice s", "f.sql:2:13: @choice: expected alternatives, A|B|C\n"},
	    {"-- @param s\n-- @choice s a|b", "f.sql:3:12: @choice: parameter s is declared twice, first on line 2\n"},
	    {"-- @choice t a|b|c|d|e|f|g|h|i\n-- @choice s a|b|c|d|e|f|g|h",
	     "f.sql:3:12: @choice: too many variants of the SQL; expected at most 64 for all choices together\n"},
	};

	for (size_t i = 0; i < ARRAY_LEN(v); i++)
		check_lines(&v[i], 1, strstr(v[i].text, "choice t") ? "SELECT 1 ORDER BY :s, :t"
								     : "SELECT 1 ORDER BY :s");
}

Test(directive, those_not_acted_on_are_checked_and_kept)
{
	static const struct line v[] = {
	    {"-- @limit 100/s burst 200 per user\n-- @limit 5/min per address", ""},
	    {"-- @limit 100",
	     "f.sql:2:11: @limit: bad rate '100'; expected a number per s, min, h or d, such as 100/s\n"},
	    {"-- @limit 1/s per person",
	     "f.sql:2:19: @limit: unknown subject 'person'; expected address, user, key, endpoint\n"},
	    {"-- @replica", ""},
	    {"-- @replica lag 1s", ""},
	    {"-- @replica 1s", "f.sql:2:13: @replica: unknown attribute '1s'; expected lag\n"},
	    {"-- @priority batch", ""},
	    {"-- @priority bach",
	     "f.sql:2:14: @priority: unknown word 'bach'; expected interactive, default, batch (did you mean 'batch'?)\n"},
	    {"-- @compress off\n-- @stream\n-- @rls", ""},
	    {"-- @stream on", "f.sql:2:12: @stream: unexpected 'on'; expected @stream\n"},
	    {"-- @returns row\n-- @include images = GET /api/users/7/images", ""},
	    {"-- @include images /api",
	     "f.sql:2:20: @include: unknown word '/api'; expected =\n"},
	    {"-- @include images = POST /api",
	     "f.sql:2:22: @include: unknown method 'POST'; expected GET\n"},
	    {"-- @idempotent key Idempotency-Key for 24h", ""},
	    {"-- @idempotent", ""},
	    {"-- @idempotent for", "f.sql:2:19: @idempotent: expected a duration\n"},
	    {"-- @audit user_id amount", ""},
	    {"-- @audit a-b", "f.sql:2:11: @audit: bad field 'a-b'; expected letters, digits and _\n"},
	    {"-- @set work_mem 64MB\n-- @set weir.x y", ""},
	    {"-- @set work_mem", "f.sql:2:17: @set: expected a value after the setting\n"},
	    {"-- @set a;b c", "f.sql:2:9: @set: bad setting 'a;b'; expected a name such as work_mem\n"},
	};

	check_lines(v, ARRAY_LEN(v), "SELECT 1");
}

Test(directive, a_cache_policy_is_read_and_judged)
{
	static const struct line v[] = {
	    {"-- @cache 60s stale 5m stale-if-error 1h negative 5s tags models models:{id} per user private", ""},
	    {"-- @cache 60s tags a:{id}:b:{claim.org.id} {user}", ""},
	    {"-- @cache 60s per user claim org header Accept-Language tags x", ""},
	    {"-- @cache 1s negative 5s public", ""},
	    {"-- @cache 1s per user at-most 25% private", ""},
	    {"-- @cache 1s at-most 100% tags a", ""},
	    {"-- @cache 1s at-most", "f.sql:2:21: @cache: expected a share, such as 25%\n"},
	    {"-- @cache 1s at-most 25", "f.sql:2:22: @cache: bad share '25'; expected 1% to 100%\n"},
	    {"-- @cache 1s at-most 101%", "f.sql:2:22: @cache: bad share '101%'; expected 1% to 100%\n"},
	    {"-- @cache 1s at-most 0%", "f.sql:2:22: @cache: bad share '0%'; expected 1% to 100%\n"},
	    {"-- @cache", "f.sql:2:10: @cache: expected how long, such as 60s\n"},
	    {"-- @cache 60",
	     "f.sql:2:11: @cache: bad duration '60'; expected a number with a unit (ms, s, min, h, d), from 1ms to 365d\n"},
	    {"-- @cache 60s stael 5m",
	     "f.sql:2:15: @cache: unknown attribute 'stael'; expected stale, stale-if-error, negative, tags, per, at-most, "
	     "public, private (did you mean 'stale'?)\n"},
	    {"-- @cache 60s tags", "f.sql:2:19: @cache: expected a word after 'tags'\n"},
	    {"-- @cache 60s tags per user", "f.sql:2:20: @cache: expected a word after 'tags'\n"},
	    {"-- @cache 60s tags a{", "f.sql:2:20: @cache: bad tag 'a{'; expected letters, digits, _.:- and {parameter}\n"},
	    {"-- @cache 60s tags a:{nope}", "f.sql:2:20: a:{nope}: expected a parameter, user or claim.NAME in place of 'nope'\n"},
	    {"-- @cache 60s per shoe", "f.sql:2:19: @cache: bad word 'shoe' after per; expected user, claim NAME or header NAME\n"},
	    {"-- @cache 60s public private",
	     "f.sql:2:22: @cache: private is given twice, or public beside private\n"},
	    {"-- @cache 60s\n-- @header Cache-Control: no-store",
	     "f.sql:2: @cache: the header Cache-Control follows from it; remove the line with @header\n"},
	    {"-- @invalidates a;b", "f.sql:2:17: @invalidates: bad tag 'a;b'; expected letters, digits, _.:- and {parameter}\n"},
	    {"-- @invalidates a", "f.sql:2: @invalidates: it stands on a POST, PUT, PATCH or DELETE\n"},
	};

	check_lines(v, ARRAY_LEN(v), "SELECT :id::int");
}

Test(directive, what_is_kept_has_word_arguments_and_line)
{
	struct endpoints set;
	struct errs errs;

	errs_init(&errs);
	endpoints_init(&set);
	endpoints_parse(&set, NULL, "f.sql", SLICE("-- @route GET /\n-- @limit 100/s  burst 200 \n-- @stream\nSELECT 1"), &errs);
	same_errors("kept", &errs, "");
	cr_assert_eq(set.n, 1u);
	cr_assert_eq(set.v[0]->n_kept, 2u);
	cr_expect_str_eq(set.v[0]->kept[0].word, "limit");
	cr_expect_str_eq(set.v[0]->kept[0].args, "100/s  burst 200");
	cr_expect_eq(set.v[0]->kept[0].line, 2u);
	cr_expect_str_eq(set.v[0]->kept[1].args, "");
	endpoints_done(&set);
}

Test(directive, routes_are_checked)
{
	static const struct line v[] = {
	    {"GET /", ""},
	    {"GET /api/users/{id}/images", ""},
	    {"DELETE /a.b/~c/@x:y", ""},
	    {"", "f.sql:1:11: @route: expected a method and a path, such as GET /api/models\n"},
	    {"GET", "f.sql:1:14: @route: expected a path that begins with '/'\n"},
	    {"get /x", "f.sql:1:11: @route: unknown method 'get'; expected GET, POST, PUT, PATCH, DELETE, ANY (did you mean 'GET'?)\n"},
	    {"HEAD /x", "f.sql:1:11: @route: unknown method 'HEAD'; expected GET, POST, PUT, PATCH, DELETE, ANY\n"},
	    {"GET x", "f.sql:1:15: @route: bad path 'x'; expected a path that begins with '/'\n"},
	    {"GET /x/", "f.sql:1:18: @route: empty segment; expected no '//' and no '/' at the end\n"},
	    {"GET //x", "f.sql:1:16: @route: empty segment; expected no '//' and no '/' at the end\n"},
	    {"GET /x?y", "f.sql:1:16: @route: bad segment 'x?y'; expected literal text (no query, no %) or exactly {name}\n"},
	    {"GET /x%20", "f.sql:1:16: @route: bad segment 'x%20'; expected literal text (no query, no %) or exactly {name}\n"},
	    {"GET /a/x{id}", "f.sql:1:18: @route: bad segment 'x{id}'; expected literal text (no query, no %) or exactly {name}\n"},
	    {"GET /{id}/..", "f.sql:1:21: @route: bad segment '..'; expected literal text (no query, no %) or exactly {name}\n"},
	    {"GET /{1d}", "f.sql:1:16: @route: bad parameter '{1d}'; expected {name} of letters, digits and _\n"},
	    {"GET /{}", "f.sql:1:16: @route: bad parameter '{}'; expected {name} of letters, digits and _\n"},
	    {"GET /{id}/{id}", "f.sql:1:21: @route: parameter {id} stands twice in the path\n"},
	    {"GET /x y", "f.sql:1:18: @route: unexpected 'y'; expected @route METHOD PATH-TEMPLATE\n"},
	};

	for (size_t i = 0; i < ARRAY_LEN(v); i++) {
		struct endpoints set;
		struct errs errs;
		char text[300];

		errs_init(&errs);
		endpoints_init(&set);
		snprintf(text, sizeof(text), "-- @route %s\nSELECT %s", v[i].text,
			 strstr(v[i].text, "{id}") ? ":id" : "1");
		endpoints_parse(&set, NULL, "f.sql", slice_str(text), &errs);
		same_errors(text, &errs, v[i].errors);
		endpoints_done(&set);
	}
}

Test(directive, routes_in_another_dialect_are_warned_of)
{
	check_warnings("-- @route GET /a/:id/b\nSELECT 1 AS a",
		       "warning: f.sql:1:18: @route: ':id' is literal text; a parameter is written {id}\n");
	check_warnings("-- @route GET /a/*\nSELECT 1 AS a",
		       "warning: f.sql:1:18: @route: '*' is literal text; the rest of a path is written {name...}\n");
	check_warnings("-- @route GET /a/**/b\nSELECT 1 AS a",
		       "warning: f.sql:1:18: @route: '**' is literal text; a parameter is written {name}\n");
	check_warnings("-- @route GET /a/:id.json\nSELECT 1 AS a",
		       "warning: f.sql:1:18: @route: ':id.json' is literal text; a parameter is written {id} and is a whole segment\n");
	check_warnings("-- @route POST /a/x:cancel/:/:1\nSELECT 1 AS a", "");
	check_warnings("-- @route GET /a:b/x*/{c}\nSELECT :c::text AS a", "");
}

Test(directive, so_many_warnings_are_kept_and_all_counted)
{
	struct errs errs;
	struct buf b;

	errs_init(&errs);
	buf_init(&b, 0);
	for (int i = 0; i < 300; i++)
		errs_warn(&errs, i ? "f" : NULL, 0, 0, "w%d", i);
	cr_expect(errs.n == 0 && errs.n_all == 0 && errs.warnings.n == 200 && errs.warnings.n_all == 300);
	errs_warnings_to_text(&errs, &b);
	cr_expect(strncmp(buf_str(&b), "warning: w0\nwarning: f: w1\n", 27) == 0);
	cr_expect(strstr(buf_str(&b), "warning: … and 100 more\n") != NULL);
	buf_done(&b);
	errs_done(&errs);
}
