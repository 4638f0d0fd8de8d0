/* What is warned of, and, as long, what is not: a false alarm teaches people to read none. 7.37. */
#include "config.h"

#include "tests/unit/conf/conf_test.h"

#define ORDER(name, at)                                                                                              \
	"warning: f.sql:" at ": ORDER BY :" name " orders by one value, the same for all rows, and so not at all; to choose a " \
	"column write @choice " name " a|b:desc\n"
#define GROUP(what, name, at)                                                                                        \
	"warning: f.sql:" at ": " what " :" name " puts all rows into one group, whatever its value; to choose a column "  \
	"write @choice " name " a|b\n"
#define IN(name, at)                                                                                                 \
	"warning: f.sql:" at ": IN (:" name ") compares with one value; for several write = ANY (:" name ")\n"
#define QUOTED(name, at)                                                                                             \
	"warning: f.sql:" at ": within quotes :" name " is no parameter but text; write :" name " without quotes"

static const struct {
	const char *sql;	/* from the second line on */
	const char *want;
} sqls[] = {
    {"SELECT a FROM t ORDER BY :sort", ORDER("sort", "2:26")},
    {"SELECT a FROM t ORDER BY a, :sort DESC NULLS LAST LIMIT 5", ORDER("sort", "2:29")},
    {"SELECT a FROM t ORDER BY :x::text COLLATE \"C\", b", ORDER("x", "2:26")},
    {"SELECT a FROM t ORDER BY (:x), b", ORDER("x", "2:27")},
    {"SELECT (SELECT a FROM t ORDER BY :x LIMIT 1) AS b", ORDER("x", "2:34")},
    {"SELECT rank() OVER (PARTITION BY :p ORDER BY :x) FROM t", GROUP("PARTITION BY", "p", "2:34") ORDER("x", "2:46")},
    {"SELECT count(*) FROM t GROUP BY :g HAVING true", GROUP("GROUP BY", "g", "2:33")},
    {"SELECT DISTINCT ON (:d) a FROM t", GROUP("DISTINCT ON", "d", "2:21")},
    {"SELECT array_agg(a ORDER BY :x) FROM t", ORDER("x", "2:29")},
    {"SELECT a FROM t WHERE id IN (:ids)", IN("ids", "2:30")},
    {"SELECT a FROM t WHERE id NOT IN (:ids::int) AND b", IN("ids", "2:34")},
    {"SELECT a FROM t WHERE title = ':title'", QUOTED("title", "2:31") "\n"},
    {"SELECT a FROM t WHERE title LIKE '%:q%'", QUOTED("q", "2:34") ", and || or format() around it\n"},
    {"SELECT a FROM t LIMIT ':n'::int", QUOTED("n", "2:23") "\n"},
    {"SELECT a FROM t WHERE a = lower(':q') OR a LIKE :q || ':q'",
     QUOTED("q", "2:33") "\n" QUOTED("q", "2:55") "\n"},
    {"SELECT E':x' AS a, \":y\" FROM t", QUOTED("x", "2:8") "\n" QUOTED("y", "2:20") "\n"},
    {"SELECT :n::int + extract(day FROM interval ':n days')", QUOTED("n", "2:44") ", and || or format() around it\n"},
    {"SELECT :id::int, '{\"id\": :id}'::jsonb, $$ where :id $$",
     QUOTED("id", "2:18") ", and || or format() around it\n" QUOTED("id", "2:40") ", and || or format() around it\n"},
    {"SELECT 1 AS a -- @cache 60s",
     "warning: f.sql:2:15: @cache behind something else in its line is a comment; a directive begins its line\n"},
    {"/*\n * @cache 60s\n */ SELECT 1 AS a", "warning: f.sql:2:1: @cache in a block comment is no directive; write -- @cache\n"},
    /* and none of these */
    {"-- @choice sort a|b:desc\nSELECT a FROM t ORDER BY :sort", ""},
    {"-- @choice g a|b\nSELECT count(*) FROM t GROUP BY :g, :g ORDER BY :g", ""},
    {"SELECT a FROM t ORDER BY v <-> :q::vector, :q <-> v, (:q) <-> v, abs(a - :q), CASE WHEN :s = 'a' THEN a END", ""},
    {"SELECT a FROM t ORDER BY a DESC LIMIT :n OFFSET :o", ""},
    {"SELECT a FROM t ORDER BY a FETCH FIRST :n ROWS ONLY", ""},
    {"SELECT a FROM t ORDER BY (SELECT b, :x FROM u), a", ""},
    {"SELECT a FROM t ORDER BY :lat - lat, :x || a, f(:x), a[:i]", ""},
    {"SELECT \"order\" by, :x::int FROM t", ""},
    {"SELECT a FROM t GROUP BY date_trunc(:unit, a), b", ""},
    {"SELECT a FROM t WHERE id IN (:a, :b) OR id IN (:a, 1) OR id IN (1, :a) OR id IN (SELECT :a::int)", ""},
    {"SELECT a FROM t WHERE id = ANY (:ids) OR position(:s IN b) > 0 OR id IN (:a + 1)", ""},
    {"SELECT to_char(now(), 'HH24:MI:SS'), to_char(now(), ':MI'), 'at 10:30', 'a:b', 'user:id', '::1', :id::int, :b::int", ""},
    {"SELECT ' ~ ^(?:a)[:alpha:][[:digit:]]'::text, ':smile:', 'x : y', ':', ':-)', '\"a\":true', 'note :that', :a::int", ""},
    {"SELECT :id::text || ':thumb', ':x' || :id, replace(a, ':name', b), split_part(a, ':x', 1), concat(a, ':b') FROM t", ""},
    {"SELECT position(:id::text IN (:q)), POSITION (a || b IN (:q::text)), a AS \":id\" FROM t", ""},
    {"SELECT overlay(t PLACING ':x' FROM :id), trim(BOTH ':x' FROM t), btrim(t, ':x'), substring(t FROM ':x') FROM t", ""},
    {"SELECT position('a' IN b) FROM t WHERE id IN (:ids)", IN("ids", "2:47")},
    {"SELECT position(CASE WHEN (a IN (:q)) THEN 'a' END IN b) FROM t", IN("q", "2:34")},
    {"SELECT 1 AS a -- see @cache, or me@cache.org", ""},
    {"SELECT 1 AS a /* @see @cache */", ""},
    {"-- @param d default 'null' optional\nSELECT :d::text", ""},
};

Test(trap, statements)
{
	for (size_t i = 0; i < ARRAY_LEN(sqls); i++) {
		char text[2000];

		snprintf(text, sizeof(text), "-- @route GET /x\n%s\n", sqls[i].sql);
		check_warnings(text, sqls[i].want);
	}
}

static const struct {
	const char *line, *want;	/* above SQL that uses id, sort and s */
} lines[] = {
    {"-- @auth role admin,ops", "warning: f.sql:2:15: @auth: 'admin,ops' is one value with a comma in it; alternatives are written "
				"admin|ops\n"},
    {"-- @auth claim plan=gold,silver,x", "warning: f.sql:2:21: @auth: 'gold,silver,x' is one value with a comma in it; alternatives "
					  "are written gold|silver\n"},
    {"-- @param s choice open,closed", "warning: f.sql:2:20: @param: 'open,closed' is one value with a comma in it; alternatives are "
				       "written open|closed\n"},
    {"-- @param s default NULL", "warning: f.sql:2:21: @param: default NULL is a text of four letters; optional makes an absent "
				 "value NULL\n"},
    {"-- @header Location: /x/:id", "warning: f.sql:2:25: @header: ':id' is literal text; a column's value is written {id}\n"},
    {"-- @header X: :id", "warning: f.sql:2:15: @header: ':id' is literal text; a column's value is written {id}\n"},
    {"-- @header Link: <x?a=:id>", "warning: f.sql:2:23: @header: ':id' is literal text; a column's value is written {id}\n"},
    {"-- @header X: a :b:; urn:id, 10:30", ""},
    {"-- @cache 60s tags x x:id", "warning: f.sql:2:22: tag x:id: 'id' is literal text; the parameter's value is written {id}\n"},
    {"-- @cache 60s tags x::id", "warning: f.sql:2:20: tag x::id: 'id' is literal text; the parameter's value is written {id}\n"},
    {"-- @auth role admin|ops", ""},
    {"-- @auth role admin", ""},
    {"-- @auth role a,b|c", ""},	/* who writes | knows it */
    {"-- @param s choice 'a'|b", ""},
    {"-- @param s default 'NULL'", ""},
    {"-- @param s default nullable", ""},
    {"-- @cache 60s tags x:{id} id sort", ""},
    {"-- @header Link: <http://[::1]:80/a:b>; rel=x", ""},
};

Test(trap, directives)
{
	for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
		char text[2000];

		snprintf(text, sizeof(text), "-- @route GET /x/{id}\n%s\nSELECT :id::int AS id, :s::text AS s\n", lines[i].line);
		check_warnings(text, lines[i].want);
	}
}

static void check_set(const char *write, const char *want)
{
	struct endpoints set;
	struct errs errs;
	struct buf b;
	char text[1000];

	errs_init(&errs);
	buf_init(&b, 0);
	endpoints_init(&set);
	snprintf(text, sizeof(text), "-- @route POST /w/{id}\n-- @invalidates %s\nSELECT :id::int", write);
	endpoints_parse(&set, NULL, "w.sql", slice_str(text), &errs);
	endpoints_parse(&set, NULL, "r.sql", SLICE("-- @route GET /r/{key}\n-- @cache 1m tags images user:{key}:images\nSELECT :key::int"),
			&errs);
	endpoints_finish(&set, &errs);
	errs_warnings_to_text(&errs, &b);
	same_text(write, buf_str(&b), want);
	buf_done(&b);
	same_errors(write, &errs, "");
	endpoints_done(&set);
}

Test(trap, tags_that_nothing_has)
{
	check_set("images", "");
	check_set("user:{id}:images", "");
	check_set("user:7:images", "");
	check_set("image", "warning: w.sql:2:17: @invalidates: no endpoint's @cache has the tag image (did you mean 'images'?)\n");
	check_set("images user:{id}", "warning: w.sql:2:24: @invalidates: no endpoint's @cache has the tag user:{id}\n");
	check_set("{id}", "");
}
