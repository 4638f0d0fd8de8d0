#include "config.h"

#include <criterion/criterion.h>

#include <stdio.h>
#include <string.h>

#include "lib/base/buf.h"
#include "lib/conf/session.h"

/* 7.2, 7.3, 7.16: what the text shows is refused. */
Test(session, what_the_text_shows_is_refused)
{
	static const char *const bad[] = {
	    "BEGIN", "begin work", "/* x */ START TRANSACTION READ ONLY", "Commit", "END", "ROLLBACK", "abort", "SAVEPOINT a",
	    "RELEASE a", "ROLLBACK TO a", "PREPARE TRANSACTION 'x'", "COMMIT PREPARED 'x'", "ROLLBACK PREPARED 'x'",
	    "COMMIT AND CHAIN", "-- c\n BEGIN", "/* a /* b */ c */BEGIN",
	    "SET a.b = '1'", "set local x to 1", "SET ROLE weir", "SET SESSION AUTHORIZATION x", "SET TRANSACTION READ ONLY",
	    "SET CONSTRAINTS ALL DEFERRED", "SET TIME ZONE 'UTC'", "RESET ALL", "RESET ROLE", "LISTEN a", "UNLISTEN *",
	    "DECLARE c CURSOR WITH HOLD FOR SELECT 1", "FETCH c", "MOVE c", "CLOSE ALL", "PREPARE p AS SELECT 1",
	    "EXECUTE p", "DEALLOCATE ALL", "DISCARD ALL", "DISCARD TEMP", "LOAD 'x'",
	    "CREATE TEMP TABLE a (b int)", "create temporary table a as select 1", "CREATE LOCAL TEMP TABLE a (b int)",
	    "CREATE OR REPLACE TEMP VIEW a AS SELECT 1", "CREATE TEMP SEQUENCE s", "CREATE TABLE pg_temp.a (b int)",
	    "CREATE TABLE a AS EXECUTE p", "SELECT 1 INTO TEMP t", "SELECT 1 AS x INTO LOCAL TEMPORARY t",
	    "WITH a AS (SELECT 1) SELECT * INTO temp TABLE t FROM a", "INSERT INTO pg_temp.a VALUES (1)",
	    "INSERT INTO \"pg_temp\".a VALUES (1)", "SELECT pg_temp_3.f()",
	    "EXPLAIN ANALYZE EXECUTE p", "EXPLAIN (ANALYZE, COSTS OFF) CREATE TEMP TABLE a AS SELECT 1", "EXPLAIN verbose DECLARE c CURSOR FOR SELECT 1",
	    "COPY t FROM STDIN", "copy (select 1) to stdout", "COPY t TO PROGRAM 'x'",
	    "SELECT set_config('a.b', $1, false)", "SELECT set_config('a.b', $1, $2)", "SELECT Set_Config ('a', 'b', 'f')",
	    "SELECT \"set_config\"('a','b',false)", "SELECT pg_catalog.set_config('a','b', NOT true)", "SELECT set_config('a','b', 1=1)",
	    "SELECT set_config(is_local => false, setting_name => 'a', new_value => 'b')", "SELECT set_config(VARIADIC x)",
	    "SELECT set_config('a', 'b', true), set_config('a', 'b', false)", "SELECT set_config('a', (SELECT f(1, true)), false)",
	    "SELECT set_config('a', set_config('b', 'c', false), true)", "SELECT set_config('a', 'b', 'false'::bool)",
	    "INSERT INTO t SELECT set_config('a', 'b', x) FROM t", "SELECT * FROM set_config('a', 'b', false)",
	    "UPDATE pg_settings SET setting = 'x' WHERE name = 'y'", "WITH a AS (UPDATE ONLY pg_catalog.pg_settings SET setting = 'x' RETURNING 1) SELECT 1",
	    "SELECT pg_advisory_lock(1)", "SELECT pg_try_advisory_lock_shared(1)", "SELECT PG_ADVISORY_UNLOCK_ALL()", "SELECT \"pg_advisory_lock\"(1)",
	    "SELECT pg_advisory_lock_shared(1, 2)", "SELECT dblink_connect('a', 'b')", "SELECT pg_replication_origin_session_setup('x')",
	    "DO $$ BEGIN PERFORM set_config('a', 'b', false); END $$", "DO $x$ BEGIN SET a.b = 1; END $x$", "DO 'begin perform pg_advisory_lock(1); end'",
	    "VACUUM", "vacuum (analyze) t", "VACUUM FULL t", "CREATE INDEX CONCURRENTLY i ON t (a)", "CREATE UNIQUE INDEX CONCURRENTLY ON t (a)",
	    "DROP INDEX CONCURRENTLY IF EXISTS i", "REINDEX TABLE CONCURRENTLY t", "REINDEX (VERBOSE, CONCURRENTLY) INDEX i",
	    "REINDEX (concurrently true) TABLE t", "REINDEX DATABASE d", "REINDEX (VERBOSE) SCHEMA s", "REINDEX SYSTEM d", "reindex database concurrently d",
	    "CREATE DATABASE d", "DROP DATABASE IF EXISTS d", "ALTER DATABASE d SET TABLESPACE x", "CREATE TABLESPACE x LOCATION '/x'",
	    "DROP TABLESPACE x", "ALTER SYSTEM SET work_mem = '1MB'", "alter system reset all", "CLUSTER", "CLUSTER VERBOSE", "CLUSTER (VERBOSE)",
	    "ALTER TABLE t DETACH PARTITION p CONCURRENTLY", "CREATE SUBSCRIPTION s CONNECTION 'x' PUBLICATION p",
	    "CREATE SUBSCRIPTION s CONNECTION 'x' PUBLICATION p WITH (copy_data = false)", "ALTER SUBSCRIPTION s REFRESH PUBLICATION",
	    "ALTER SUBSCRIPTION s SET PUBLICATION a, b", "ALTER SUBSCRIPTION s ADD PUBLICATION a WITH (refresh = true)",
	    "LOCK TABLE t", "lock t IN SHARE MODE", "DO $$ BEGIN VACUUM t; END $$", "DO $$ BEGIN IF a THEN REINDEX TABLE CONCURRENTLY t; END IF; END $$",
	    "(((SELECT set_config('a', 'b', false))))", "VALUES (set_config('a', 'b', false))", "/*+ hint */", "",
	};
	static const char *const good[] = {
	    "SELECT 1", "SELECT set_config('a.b', $1, true)", "SELECT set_config('a', f(1, 2), TRUE)", "SELECT set_config('a', 'b', 't')",
	    "SELECT set_config('a', 'b', 'true'::boolean)", "SELECT set_config('a', 'b', bool 'on')", "SELECT set_config('a', x[1:2], true)",
	    "SELECT set_config(is_local => true, setting_name => 'a', new_value => 'b')", "SELECT set_config('a', 'b', is_local := true)",
	    "SELECT pg_advisory_xact_lock(1)", "SELECT pg_try_advisory_xact_lock_shared(1)", "SELECT nextval('s')", "NOTIFY x, 'y'",
	    "SELECT set_config FROM t", "SELECT 'BEGIN; set_config(1,2,false)'", "SELECT 1 -- set_config('a', 'b', false)",
	    "INSERT INTO temp VALUES (1)", "SELECT begin, \"end\", set, copy FROM listen", "CALL p($1)", "UPDATE t SET a = 1",
	    "WITH s AS (UPDATE t SET a = 1 RETURNING a) SELECT * FROM s", "SELECT 1 INTO t", "CREATE TABLE temp (a int)",
	    "CREATE FUNCTION f() RETURNS int LANGUAGE sql SET search_path = a, pg_temp AS 'SELECT 1'", "SELECT case when a then 1 end FROM t",
	    "CREATE TRIGGER a BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION f()", "DO $$ BEGIN UPDATE t SET a = 1; COMMIT; END $$",
	    "DO $$ BEGIN SET LOCAL a.b = 1; END $$", "DO LANGUAGE plpgsql $$ BEGIN CREATE TEMP TABLE x (a int) ON COMMIT DROP; END $$",
	    "EXPLAIN SELECT 1", "SELECT pg_settings.name FROM pg_settings", "ALTER TABLE t SET (fillfactor = 50)", "SELECT a[$1:$2] FROM t",
	    "ANALYZE", "CREATE INDEX i ON t (a)", "CREATE INDEX concurrently_i ON t (a)", "DROP INDEX i", "REINDEX TABLE t",
	    "REINDEX (CONCURRENTLY false) INDEX i", "ALTER DATABASE d SET work_mem = '1MB'", "ALTER DATABASE d RENAME TO tablespace", "CLUSTER t",
	    "CLUSTER VERBOSE t USING i", "CLUSTER (VERBOSE) t", "ALTER TABLE t DETACH PARTITION p", "CREATE TABLE vacuum (lock int)",
	    "SELECT vacuum, lock, cluster FROM reindex", "CREATE SUBSCRIPTION s CONNECTION 'x' PUBLICATION p WITH (connect = false)",
	    "CREATE SUBSCRIPTION s CONNECTION 'x' PUBLICATION p WITH (slot_name = NONE, create_slot = off)", "ALTER SUBSCRIPTION s DISABLE",
	    "ALTER SUBSCRIPTION s SET PUBLICATION a WITH (refresh = false)", "DO $$ BEGIN LOCK TABLE t; UPDATE t SET a = 1; END $$",
	    "DO $$ DECLARE vacuum int; BEGIN vacuum := 1; END $$",
	    "SELECT extract(epoch FROM now()), $1::int", "SHOW timezone",
	};
	struct session_fault f;

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		cr_expect(session_refuses(bad[i], &f), "is let pass: %s", bad[i]);
	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++)
		cr_expect(!session_refuses(good[i], &f), "is refused: %s: %s", good[i], f.text);
	cr_expect(session_refuses("SELECT 1,\n  set_config('a',\n 'b', false)", &f) && f.line == 2);
	cr_expect(session_refuses("DO $$\nBEGIN\n  PERFORM pg_advisory_lock(1); END $$", &f) && f.line == 3);
}

Test(session, a_first_word_says_what_kind_it_is)
{
	static const struct {
		const char *sql;
		enum session_use use;
		int may_commit;
	} v[] = {
	    {"SELECT 1", SESSION_ASK, 0}, {"(VALUES (1))", SESSION_ASK, 0}, {"TABLE t", SESSION_ASK, 0}, {"with a as (select 1) table a", SESSION_ASK, 0},
	    {"insert into t values (1)", SESSION_ASK, 0}, {"MERGE INTO t USING s ON true WHEN MATCHED THEN DELETE", SESSION_ASK, 0},
	    {"SHOW timezone", SESSION_CLEAN, 0}, {"NOTIFY a", SESSION_CLEAN, 0}, {"CALL p()", SESSION_TOUCHES, 1},
	    {"/* a */ DO $$BEGIN Commit; END$$", SESSION_TOUCHES, 1}, {"DO $$BEGIN CALL p(); END$$", SESSION_TOUCHES, 1},
	    {"DO $$BEGIN EXECUTE 'x'; END$$", SESSION_TOUCHES, 1}, {"DO U&'BEGIN \\0043OMMIT; END'", SESSION_TOUCHES, 1},
	    {"/* a */ DO $$BEGIN PERFORM f(); END$$", SESSION_TOUCHES, 0}, {"EXPLAIN SELECT 1", SESSION_TOUCHES, 0}, {"DROP TABLE t", SESSION_TOUCHES, 0},
	};

	for (size_t i = 0; i < sizeof(v) / sizeof(*v); i++) {
		int may_commit = -1;

		cr_expect_eq(session_use_of(v[i].sql, &may_commit), v[i].use, "%s", v[i].sql);
		cr_expect_eq(may_commit, v[i].may_commit, "%s", v[i].sql);
	}
}

Test(session, a_select_has_rows_without_columns)
{
	static const char *const yes[] = {"SELECT FROM t", "((select from t))", "WITH a AS (DELETE FROM t RETURNING 1) SELECT FROM a",
					  "/* insert */ SELECT FROM t FOR UPDATE", "SELECT FROM (SELECT 1) into_it"};
	static const char *const no[] = {"DELETE FROM t", "INSERT INTO t SELECT FROM s", "SELECT INTO t FROM s", "TRUNCATE t",
					 "WITH a AS (SELECT 1) DELETE FROM t USING a"};

	for (size_t i = 0; i < sizeof(yes) / sizeof(*yes); i++)
		cr_expect(session_selects(yes[i]), "%s", yes[i]);
	for (size_t i = 0; i < sizeof(no) / sizeof(*no); i++)
		cr_expect(!session_selects(no[i]), "%s", no[i]);
}

static void put(void *ctx, enum session_mention kind, struct slice name)
{
	static const char letters[] = "ncf";

	if (kind == MENTION_UNKNOWN)
		buf_addf(ctx, "? ");
	else if (kind != MENTION_OPERATOR)
		buf_addf(ctx, "%c:%.*s ", letters[kind], SLICE_ARG(name));
	else if (name.n > 2)
		buf_addf(ctx, "o:%.*s ", SLICE_ARG(name));
}

Test(session, all_that_is_mentioned_is_told)
{
	static const struct {
		const char *sql, *want;
	} v[] = {
	    {"SELECT A.b, \"C\"\"d\" (1) FROM x", "n:select n:a n:b f:b n:C\"d c:C\"d n:from n:x "},
	    {"SELECT (t).f, s.g /* c */ ($1) WHERE a ==>= 1", "n:select c:select n:t n:f f:f n:s n:g c:g f:g n:where n:a o:==> o:==>= o:=>= "},
	    {"SELECT U&\"\\0061\"()", "n:select ? "},
	    {"SELECT 'f()' || $$g()$$ OPERATOR(s.+++) -1", "n:select n:operator c:operator n:s o:+++ "},
	};

	for (size_t i = 0; i < sizeof(v) / sizeof(*v); i++) {
		struct buf b;
		const char *rest;

		buf_init(&b, 0);
		session_mentions(v[i].sql, put, &b);
		/* the implied operators come first */
		rest = strstr(buf_str(&b), "n:select");
		cr_expect(rest && strcmp(rest, v[i].want) == 0, "%s: %s", v[i].sql, rest ? rest : "");
		buf_done(&b);
	}
}
