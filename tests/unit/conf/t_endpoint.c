#include "config.h"

#include "lib/conf/tag.h"
#include "tests/unit/conf/conf_test.h"

static struct options opts;

static void begin(struct endpoints *set, const char *conf)
{
	struct errs errs;

	errs_init(&errs);
	options_parse(&opts, "w.conf", slice_str(conf), &errs);
	same_errors(conf, &errs, "");
	endpoints_init(set);
}

static void end(struct endpoints *set)
{
	endpoints_done(set);
	options_done(&opts);
}

static struct endpoint *accept(struct endpoints *set, const char *file, const char *text)
{
	struct errs errs;
	unsigned n = set->n;

	errs_init(&errs);
	cr_expect_eq(endpoints_parse(set, &opts, file, slice_str(text), &errs), 0);
	same_errors(text, &errs, "");
	cr_assert_eq(set->n, n + 1);
	return set->v[n];
}

Test(endpoint, the_design_s_example_is_read_whole)
{
	struct endpoints set;
	struct endpoint *e;

	begin(&set, MAIN_DB);
	e = accept(&set, "models/list.sql",
		   "-- @route   GET /api/models\n"
		   "-- Models, newest first, optionally of one category.\n"
		   "--\n"
		   "-- @param   category  optional  maxlen 64\n"
		   "--   Second paragraph.\n"
		   "-- @param   limit     default 20  range 1..100\n"
		   "-- @cache   60s  stale 5m  stale-if-error 1h  tags models\n"
		   "-- @limit   100/s burst 200 per user\n"
		   "SELECT id, name, category, featured, created_at\n"
		   "  FROM ai_models  -- all of them\n"
		   " WHERE (:category::text IS NULL OR category = :category)\n"
		   " ORDER BY created_at DESC\n"
		   " LIMIT :limit;\n");
	cr_expect_str_eq(e->id, "models.list");
	cr_expect_str_eq(e->file, "models/list.sql");
	cr_expect_str_eq(e->path, "/api/models");
	cr_expect_eq(e->method, HTTP_GET);
	cr_expect_str_eq(e->description, "Models, newest first, optionally of one category.\n\n  Second paragraph.");
	cr_expect_eq(e->n_segments, 2u);
	cr_expect_eq(e->n_params, 2u);
	cr_expect_eq(e->n_bound, 2u);
	cr_expect_str_eq(e->params[0].name, "category");
	cr_expect_eq(e->params[0].flags, PARAM_DECLARED);
	cr_expect_eq(e->params[0].maxlen, 64u);
	cr_expect_eq(e->params[0].number, 1u);
	cr_expect_eq(e->params[0].source, SOURCE_QUERY);
	cr_expect_str_eq(e->params[1].def, "20");
	cr_expect_str_eq(e->params[1].range_max, "100");
	cr_expect_eq(e->params[1].flags, PARAM_HAS_DEFAULT | PARAM_HAS_MIN | PARAM_HAS_MAX | PARAM_DECLARED);
	cr_expect_eq(e->n_kept, 1u);
	cr_expect(e->cache.is_on && e->cache.ttl_ms == 60000 && e->cache.stale_ms == 300000 && e->cache.error_ms == 3600000);
	cr_assert_eq(e->cache.n_tags, 1u);
	cr_expect_str_eq(e->cache.tags[0].text, "models");
	cr_expect_eq(e->returns, RETURNS_ROWS);
	cr_expect_eq(e->n_variants, 1u);
	cr_expect_str_eq(e->variants[0].sql,
			 "SELECT id, name, category, featured, created_at\n"
			 "  FROM ai_models  \n"
			 " WHERE ($1::text IS NULL OR category = $1)\n"
			 " ORDER BY created_at DESC\n"
			 " LIMIT $2");
	cr_expect_eq(e->variants[0].line, 9u);
	cr_expect_eq(e->may_express, 1);
	cr_expect_str_eq(e->lane_reason, "");
	cr_expect_eq(e->needs_body, 0);
	end(&set);
}

Test(endpoint, parameters_come_from_path_query_and_body)
{
	struct endpoints set;
	struct endpoint *e;

	begin(&set, MAIN_DB);
	e = accept(&set, "a.sql", "-- @route PUT /u/{id}/x/{k}\n-- @param k\n-- @param t from header X-Tenant\n"
				  "-- @param who from user optional\n-- @param q from query\n"
				  "UPDATE t SET a = :a, b = :t, c = :who, d = :q WHERE id = :id AND k = :k AND a <> :a");
	cr_expect_eq(e->n_params, 6u);
	cr_expect_eq(e->n_bound, 6u);
	cr_expect_str_eq(e->params[0].name, "k");
	cr_expect_eq(e->params[0].source, SOURCE_PATH);
	cr_expect_eq(e->params[0].number, 6u);
	cr_expect_str_eq(e->params[1].from_name, "HTTP_X_TENANT");
	cr_expect_eq(e->params[2].source, SOURCE_USER);
	cr_expect_eq(e->params[3].source, SOURCE_QUERY);
	cr_expect_str_eq(e->params[4].name, "id");
	cr_expect_eq(e->params[4].source, SOURCE_PATH);
	cr_expect_eq(e->params[4].flags, PARAM_REQUIRED);
	cr_expect_str_eq(e->params[5].name, "a");
	cr_expect_eq(e->params[5].source, SOURCE_AUTO);
	cr_expect_eq(e->params[5].number, 1u);
	cr_expect_eq(e->segments[1].param, 4);
	cr_expect_eq(e->segments[3].param, 0);
	cr_expect_eq(e->segments[2].param, -1);
	cr_expect(slice_eq(e->segments[2].text, SLICE("x")));
	cr_expect_eq(e->needs_body, 1);
	cr_expect_str_eq(e->variants[0].sql,
			 "UPDATE t SET a = $1, b = $2, c = $3, d = $4 WHERE id = $5 AND k = $6 AND a <> $1");
	cr_expect_str_eq(e->lane_reason, "it answers PUT");
	e = accept(&set, "b.sql", "-- @route DELETE /u/{id}\nDELETE FROM t WHERE id = :id AND v = :v");
	cr_expect_eq(e->params[1].source, SOURCE_QUERY);
	cr_expect_eq(e->needs_body, 0);
	e = accept(&set, "c.sql", "-- @route POST /u\n-- @param doc from body\nSELECT :doc::jsonb");
	cr_expect_eq(e->needs_body, 1);
	e = accept(&set, "d.sql", "-- @route POST /v\n-- @param d from query\nSELECT :d");
	cr_expect_eq(e->needs_body, 0);
	end(&set);
}

Test(endpoint, choices_become_variants)
{
	struct endpoints set;
	struct endpoint *e;
	unsigned picks[ENDPOINT_MAX_PARAMS] = {0};

	begin(&set, MAIN_DB);
	e = accept(&set, "a.sql", "-- @route GET /a\n-- @choice s price:desc|name default name\n"
				  "-- @param n default 3\n-- @choice t x|y|u.z\n"
				  "SELECT :t FROM u ORDER BY :s LIMIT :n");
	cr_assert_eq(e->n_variants, 6u);
	cr_expect_eq(e->n_bound, 1u);
	cr_expect_eq(e->params[0].number, 0u);
	cr_expect_eq(e->params[0].flags, PARAM_CHOICE | PARAM_DECLARED | PARAM_HAS_DEFAULT);
	cr_expect_eq(e->params[2].flags, PARAM_CHOICE | PARAM_DECLARED | PARAM_REQUIRED);
	cr_expect_str_eq(e->params[0].choices[0], "price:desc");
	cr_expect_str_eq(e->variants[0].sql, "SELECT x FROM u ORDER BY price desc LIMIT $1");
	cr_expect_str_eq(e->variants[5].sql, "SELECT u.z FROM u ORDER BY name LIMIT $1");
	picks[0] = 0;
	picks[2] = 2;
	cr_expect_str_eq(e->variants[endpoint_variant(e, picks)].sql,
			 "SELECT u.z FROM u ORDER BY price desc LIMIT $1");
	picks[0] = 1;
	picks[2] = 0;
	cr_expect_str_eq(e->variants[endpoint_variant(e, picks)].sql, "SELECT x FROM u ORDER BY name LIMIT $1");
	end(&set);
}

Test(endpoint, comments_hints_and_late_directives_keep_their_place)
{
	struct endpoints set;
	struct endpoint *e;

	begin(&set, MAIN_DB);
	e = accept(&set, "a.sql",
		   "\xef\xbb\xbf/* licence */\r\n-- What it is.\r\n\r\n/*+ SeqScan(t) */\r\nSELECT '-- @no', $$\n-- @neither\n$$,\r\n"
		   "  /* kept */ 1 -- @nor this\r\n-- @route GET /a\r\n  FROM t ; ; \r\n-- @slow 1s\r\n-- bye\r\n");
	cr_expect_str_eq(e->description, "What it is.");
	cr_expect_eq(e->slow_ms, 1000u);
	cr_expect_str_eq(e->variants[0].sql, "/*+ SeqScan(t) */\r\nSELECT '-- @no', $$\n-- @neither\n$$,\r\n"
					     "  /* kept */ 1 \n\n  FROM t");
	cr_expect_eq(e->variants[0].line, 4u);
	cr_expect_eq(e->may_express, 1);
	end(&set);
}

Test(endpoint, what_replaces_a_parameter_stays_a_token_of_its_own)
{
	struct endpoints set;
	struct endpoint *e;

	begin(&set, MAIN_DB);
	e = accept(&set, "a.sql", "-- @route GET /a\n-- @choice c e|t.x:desc\n"
				  "SELECT:a:b,'x':a\"y\",t.:c'z'ORDER BY:c,:a::int LIMIT:a");
	cr_expect_str_eq(e->variants[0].sql,
			 "SELECT $1 $2,'x'$1 \"y\",t.e 'z'ORDER BY e,$1::int LIMIT $1");
	cr_expect_str_eq(e->variants[1].sql,
			 "SELECT $1 $2,'x'$1 \"y\",t.t.x desc 'z'ORDER BY t.x desc,$1::int LIMIT $1");
	end(&set);
}

Test(endpoint, the_manual_names_every_directive)
{
	struct buf b;

	buf_init(&b, 0);
	endpoints_mdoc(&b);
	cr_expect(strstr(buf_str(&b), ".It Ic @route Ar METHOD PATH\\-TEMPLATE\n"), "%s", buf_str(&b));
	cr_expect(strstr(buf_str(&b), ".It Ic @rls\n"));
	buf_done(&b);
}

Test(endpoint, without_sql_it_answers_nothing)
{
	struct endpoints set;
	struct endpoint *e;

	begin(&set, "");
	e = accept(&set, "a.sql", "-- @route GET /ping\n-- @returns none\n-- @header X-A: b\n");
	cr_expect_eq(e->has_sql, 0);
	cr_expect_eq(e->n_variants, 0u);
	cr_expect_eq(e->may_express, 0);
	end(&set);
}

Test(endpoint, may_be_a_handlers)
{
	struct endpoints set;
	struct endpoint *e;

	begin(&set, "");
	e = accept(&set, "a.sql", "-- @route ANY /files/{a}/{rest...}\n-- @handler files.so  /srv and more \n");
	cr_expect_eq(e->method, HTTP_OTHER);
	cr_expect_str_eq(e->handler, "files.so");
	cr_expect_str_eq(e->handler_argument, "/srv and more");
	cr_expect_eq(e->takes_rest, 1);
	cr_expect_eq(e->n_params, 2u);
	cr_expect_str_eq(e->params[1].name, "rest");
	cr_expect_eq(e->needs_body, 1);
	cr_expect_eq(e->has_sql, 0);
	end(&set);
}

struct bad {
	const char *file, *text, *errors;
};

Test(endpoint, faults_are_refused_with_their_place)
{
	static const struct bad v[] = {
	    {"a.sql", "-- @route GET /a\nDELETE FROM t RETURNING 1",
	     "a.sql:2: a GET must not write, and the statement begins with DELETE; use @route POST, PUT, PATCH or DELETE\n"},
	    {"a.sql", "-- @route ANY /a\nSELECT 1", "a.sql:1: @route ANY needs a @handler\n"},
	    {"a.sql", "-- @route GET /a/{b...}\nSELECT :b", "a.sql:1: @route with {name...} needs a @handler\n"},
	    {"a.sql", "-- @route GET /a/{b...}/c\n-- @handler x.so",
	     "a.sql:1:18: @route: bad parameter '{b...}'; expected {name} of letters, digits and _\n"},
	    {"a.sql", "-- @route GET /a\n-- @handler x.so\nSELECT 1", "a.sql:3: SQL beside @handler; expected one of them\n"},
	    {"a.sql", "-- @route GET /a\n-- @handler x.so\n-- @returns row", "a.sql:3: @returns beside @handler, which says so itself\n"},
	    {"a.sql", "-- @route GET /a\n-- @handler x.so\n-- @cache 5s",
	     "a.sql:2: @cache beside @handler, which keeps its answers itself\n"},
	    {"a.sql", "-- @route GET /a\n-- @handler", "a.sql:2:12: @handler: expected a shared object, such as files.so\n"},
	    {"a.sql", "SELECT 1", "a.sql:1: no @route; expected a line such as -- @route GET /api/models\n"},
	    {"a.sql", "-- @route GET /a\n", "a.sql: no SQL; expected a statement, @handler, or @returns none\n"},
	    {"a.sql", "", "a.sql:1: no @route; expected a line such as -- @route GET /api/models\n"},
	    {"a.sql", "-- @route GET /a/{id}\nSELECT 1",
	     "a.sql:1: path parameter {id} is not used; expected it in the SQL\n"},
	    {"a.sql", "-- @route GET /a/{id}\n-- @returns none",
	     "a.sql:1: path parameter {id} is not used, there is no SQL\n"},
	    {"a.sql", "-- @route GET /a\n-- @param x\n-- @returns none",
	     "a.sql:2:11: parameter x is not used, there is no SQL\n"},
	    {"a.sql", "-- @route GET /a/{id}\n-- @param id from query\nSELECT :id",
	     "a.sql:2:11: @param id comes from the path /a/{id}; expected no other source\n"},
	    {"a.sql", "-- @route GET /a/{id}\n-- @param id optional\nSELECT :id",
	     "a.sql:2:11: @param id stands in the path and is always there; expected neither optional nor default\n"},
	    {"a.sql", "-- @route GET /a/{id}\n-- @choice id a|b\nSELECT :id",
	     "a.sql:2:12: @choice id stands in the path; expected a query parameter\n"},
	    {"a.sql", "-- @route GET /a\nSELECT 1;\n SELECT 2",
	     "a.sql:3:2: a second statement; expected one statement in a file\n"},
	    {"a.sql", "-- @route GET /a\n; SELECT 2", "a.sql:2:1: ';' before the statement\n"
						       "a.sql:2:3: a second statement; expected one statement in a file\n"},
	    {"a.sql", "-- @route GET /a\nSELECT $1",
	     "a.sql:2:8: write :name instead of $1; parameters are numbered by weir\n"},
	    {"a.sql", "-- @route GET /a\nSELECT 'x", "a.sql:2:8: string without end; expected a closing '\n"},
	    {"a.sql", "-- @route GET /a\n\\set x 1\n", "a.sql:2:1: unexpected '\\'; psql's commands are not known here\n"},
	    {"a.sql", "-- @route GET /a\nSELECT '\xff'", "a.sql:2:1: line is not valid UTF-8, or holds a NUL\n"},
	    {"a b.sql", "-- @route GET /a\nSELECT 1",
	     "a b.sql: bad file name; expected letters, digits, _ - and . only\n"},
	    {"a.sql", "-- @rout GET /a\n-- @timeout x\nSELECT 1",
	     "a.sql:1:5: unknown directive @rout (did you mean 'route'?)\n"
	     "a.sql:2:13: @timeout: bad duration 'x'; expected a number with a unit (ms, s, min, h, d), from 1ms to 1h\n"
	     "a.sql:1: no @route; expected a line such as -- @route GET /api/models\n"},
	    {"a.sql", "-- @route POST /a\n-- @returns none\n-- @header Location: /{id}\n",
	     "a.sql:3: @header Location names a column, but there is no SQL\n"},
	};
	struct endpoints set;

	begin(&set, MAIN_DB);
	for (size_t i = 0; i < ARRAY_LEN(v); i++) {
		struct errs errs;

		errs_init(&errs);
		endpoints_parse(&set, &opts, v[i].file, slice_str(v[i].text), &errs);
		same_errors(v[i].text, &errs, v[i].errors);
		cr_expect_eq(set.n, 0u);
	}
	end(&set);
}

Test(endpoint, too_many_parameters_are_refused)
{
	struct endpoints set;
	struct errs errs;
	struct buf b;

	begin(&set, MAIN_DB);
	errs_init(&errs);
	buf_init(&b, 0);
	buf_adds(&b, "-- @route GET /a\nSELECT 1");
	for (int i = 0; i < ENDPOINT_MAX_PARAMS + 1; i++)
		buf_addf(&b, "\n, :p%d", i);
	endpoints_parse(&set, &opts, "a.sql", buf_slice(&b), &errs);
	same_errors("many", &errs, "a.sql:67:3: too many parameters; expected at most 64\n");
	buf_done(&b);
	end(&set);
}

Test(endpoint, routes_are_told_apart)
{
	struct endpoints set;
	struct errs errs;

	begin(&set, MAIN_DB);
	accept(&set, "z.sql", "-- @route GET /a/{x}\nSELECT :x");
	accept(&set, "b.sql", "-- @route GET /a/b\nSELECT 1");
	accept(&set, "c.sql", "-- @route PUT /a/{y}\nSELECT :y");
	accept(&set, "a.sql", "-- @route GET /\nSELECT 1");
	errs_init(&errs);
	cr_expect_eq(endpoints_finish(&set, &errs), 0);
	same_errors("apart", &errs, "");
	cr_expect_str_eq(set.v[0]->file, "a.sql");
	cr_expect_str_eq(set.v[3]->file, "z.sql");
	accept(&set, "d.sql", "-- @route GET /a/{y}\nSELECT :y");
	accept(&set, "e.sql", "-- @route GET /a/b\nSELECT 1");
	accept(&set, "f/g.sql", "-- @route GET /f\nSELECT 1");
	accept(&set, "f.g.sql", "-- @route GET /g\nSELECT 1");
	errs_init(&errs);
	cr_expect_eq(endpoints_finish(&set, &errs), 3);
	same_errors("same", &errs,
		    "e.sql: GET /a/b is answered by b.sql already\n"
		    "f/g.sql: its name f.g is that of f.g.sql already\n"
		    "z.sql: GET /a/{x} cannot be told apart from d.sql, which answers /a/{y}\n");
	end(&set);
}

Test(endpoint, the_lane_is_chosen_by_what_the_text_says)
{
	static const struct {
		const char *directives, *sql, *reason;
	} v[] = {
	    {"", "VALUES (1)", ""},
	    {"", "TABLE t", ""},
	    {"", "(SELECT 1) UNION SELECT 2", ""},
	    {"", "with a as (select 1) select * from a", ""},
	    {"", "WITH a AS (INSERT INTO t VALUES (1) RETURNING *) SELECT * FROM a", "it holds the word INSERT"},
	    {"", "WITH a AS (SELECT 'delete' AS x, $$ update $$) SELECT * FROM a -- merge", ""},
	    {"", "SELECT \"update\" FROM t WHERE update > 1", ""},
	    {"", "SELECT 1 INTO t", "it holds the word INTO"},
	    {"", "CALL p()", "it begins with CALL"},
	    {"", "SELECT * FROM t FOR UPDATE", "it locks rows"},
	    {"", "SELECT * FROM t FOR NO KEY UPDATE", "it locks rows"},
	    {"", "SELECT * FROM t for key share", "it locks rows"},
	    {"", "WITH a AS (SELECT 1 FROM t FOR UPDATE) SELECT * FROM a", "it locks rows"},
	    {"", "SELECT substring(a FOR 3), share FROM t", ""},
	    {"", "SELECT pg_advisory_xact_lock(1)", ""},
	    {"", "SELECT pg_catalog.SET_CONFIG('a','b',true)", "it names SET_CONFIG"},
	    {"", "SELECT \"nextval\"('s')", "it names nextval"},
	    {"", "SELECT * FROM dblink_exec('x')", "it names dblink_exec"},
	    {"", "SELECT lo_unlink(1)", "it names lo_unlink"},
	    {"", "SELECT 'nextval'", ""},
	    {"-- @stream\n", "SELECT 1", "it streams"},
	    {"-- @timeout 99ms\n", "SELECT 1", "its deadline is below twice the guard of 50 ms"},
	    {"-- @timeout 100ms\n", "SELECT 1", ""},
	    {"-- @database slow\n", "SELECT 1", "its database has no express lane"},
	};
	struct endpoints set;

	begin(&set, MAIN_DB "database slow { conninfo = x express = 0 }\n");
	for (size_t i = 0; i < ARRAY_LEN(v); i++) {
		char text[500], name[20];
		struct endpoint *e;

		snprintf(text, sizeof(text), "-- @route GET /r%zu\n%s%s", i, v[i].directives, v[i].sql);
		snprintf(name, sizeof(name), "f%zu.sql", i);
		e = accept(&set, name, text);
		same_text(text, e->lane_reason, v[i].reason);
		cr_expect_eq(e->may_express, v[i].reason[0] == 0);
	}
	end(&set);
}

Test(endpoint, methods_have_names)
{
	for (int m = 0; m < HTTP_OTHER; m++)
		cr_expect_eq((int)http_method_parse(slice_str(http_method_name((enum http_method)m))), m);
	cr_expect_eq(http_method_parse(SLICE("get")), HTTP_OTHER);
	cr_expect_eq(http_method_parse(SLICE("")), HTTP_OTHER);
}

/* What cache keys are made of. */
Test(endpoint, says_what_of_the_identity_it_depends_on)
{
	static const struct {
		const char *text;
		unsigned user, rls;
		const char *claims;
	} v[] = {
	    {"SELECT 1", 0, 0, ""},
	    {"-- @auth user\nSELECT 1", 1, 0, ""}, /* request.user is set */
	    {"-- @auth role a claim b=c\nSELECT 1", 0, 0, ""}, /* who may call, not what the answer is */
	    {"-- @param x from user optional\nSELECT :x", 1, 0, ""},
	    {"-- @param x from claim a.b\n-- @param y from claim c\n-- @param z from claim a.b\nSELECT :x, :y, :z", 0, 0, "a.b c"},
	    {"-- @rls\nSELECT 1", 1, 1, ""},
	};

	for (size_t i = 0; i < ARRAY_LEN(v); i++) {
		struct endpoints set;
		struct errs errs;
		struct buf b;
		char claims[100] = "";
		const struct endpoint *e;

		errs_init(&errs);
		endpoints_init(&set);
		buf_init(&b, 0);
		buf_addf(&b, "-- @route GET /\n%s", v[i].text);
		cr_assert_eq(endpoints_parse(&set, NULL, "f.sql", buf_slice(&b), &errs), 0, "%s", v[i].text);
		e = set.v[0];
		for (unsigned k = 0; k < e->n_identity_claims; k++)
			snprintf(claims + strlen(claims), sizeof(claims) - strlen(claims), "%s%s", k ? " " : "", e->identity_claims[k]);
		cr_expect_eq(e->identity_user, v[i].user, "%s", v[i].text);
		cr_expect_eq(e->identity_rls, v[i].rls, "%s", v[i].text);
		cr_expect_str_eq(claims, v[i].claims);
		buf_done(&b);
		endpoints_done(&set);
		errs_done(&errs);
	}
}

static const struct tag_template *tags_of(struct endpoints *set, const char *tags)
{
	char text[512];

	snprintf(text, sizeof(text), "-- @route GET /t/{a}/{b}\n-- @cache 1s tags %s\nSELECT :a::text, :b::text", tags);
	return accept(set, "t.sql", text)->cache.tags;
}

Test(tag, meets_what_some_values_make_the_same)
{
	static const struct { const char *a, *b; int want; } cases[] = {
		{"images", "images", 1},	{"images", "image", 0},	    {"image", "images", 0},
		{"image:{a}", "image:7", 1},	{"image:{a}", "images", 0}, {"image:{a}", "image:{b}", 1},
		{"{a}", "anything", 1},		{"{a}:x", "y:{b}", 1},	    {"a:{a}:x", "a:{b}:y", 0},
		{"u:{a}:images", "u:7", 0},	{"u:{a}:images", "u:{b}", 1}, {"{a}{b}", "x", 1},
		{"a{a}b{b}c", "abc", 1},	{"a{a}b{b}c", "acb", 0},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct endpoints set;
		const struct tag_template *a, *b;

		begin(&set, MAIN_DB);
		a = tags_of(&set, cases[i].a);
		b = tags_of(&set, cases[i].b);
		cr_expect_eq(tag_meets(a, b), cases[i].want, "%s, %s", cases[i].a, cases[i].b);
		cr_expect_eq(tag_meets(b, a), cases[i].want, "%s, %s", cases[i].b, cases[i].a);
		end(&set);
	}
}
