"""What `weird -t` finds of a role that may not do what the endpoints need, and of a connection that the server refuses."""

import pytest

from weirtest.between import PgBouncer
from weirtest.pg import Postgres

SCHEMA = """
CREATE ROLE small LOGIN;
CREATE TABLE seen (a int, b int, c int DEFAULT 0);
CREATE TABLE unseen (a int);
CREATE TABLE numbered (id serial PRIMARY KEY, a int);
CREATE TABLE numbered_ok (id serial PRIMARY KEY, a int);
CREATE TABLE identity_ok (id int GENERATED ALWAYS AS IDENTITY, a int);
CREATE SEQUENCE "Odd 'name'";
CREATE SCHEMA closed;
CREATE TABLE closed.t (a int);
CREATE FUNCTION forbidden(a int) RETURNS int LANGUAGE plpgsql VOLATILE AS $$ BEGIN RAISE EXCEPTION 'it was run'; END $$;
CREATE FUNCTION allowed(a int) RETURNS int LANGUAGE plpgsql VOLATILE AS $$ BEGIN RAISE EXCEPTION 'it was run'; END $$;
CREATE PROCEDURE forbidden_p(a int) LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'it was run'; END $$;
CREATE PROCEDURE allowed_p(a int) LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'it was run'; END $$;
CREATE AGGREGATE forbidden_sum(int) (SFUNC = int4pl, STYPE = int);
REVOKE ALL ON FUNCTION forbidden(int), forbidden_sum(int) FROM PUBLIC;
REVOKE ALL ON PROCEDURE forbidden_p(int) FROM PUBLIC;
GRANT SELECT (a), INSERT (a), UPDATE (a) ON seen TO small;
GRANT SELECT, INSERT ON numbered, numbered_ok, identity_ok TO small;
GRANT USAGE ON SEQUENCE numbered_ok_id_seq TO small;
CREATE VIEW over_unseen AS SELECT a FROM unseen;
GRANT SELECT ON over_unseen TO small;
CREATE TABLE emptied (a int);
GRANT SELECT, TRUNCATE ON emptied TO small;
CREATE TABLE inserted (a int);
GRANT INSERT ON inserted TO small;
CREATE MATERIALIZED VIEW made AS SELECT 1 AS a;
CREATE SCHEMA own AUTHORIZATION small;
CREATE TABLE own.t (a int);
CREATE VIEW hidden AS SELECT a FROM seen;
"""

GET = "-- @route GET /x\n{}-- @returns rows\n{}"
POST = "-- @route POST /x\n{}-- @returns none\n{}"
K = "-- @param k optional\n"

MISSING = [
    (GET.format("", "SELECT a FROM unseen"), "table unseen"),
    (GET.format("", "SELECT b FROM seen"), "table seen"),
    (GET.format("", "SELECT a FROM hidden"), "view hidden"),
    (GET.format("", "SELECT a FROM closed.t"), "schema closed"),
    (GET.format(K, "SELECT forbidden(:k::int)"), "function forbidden"),
    (GET.format("", "SELECT a FROM seen WHERE a = forbidden(a)"), "function forbidden"),
    (GET.format("", "SELECT forbidden_sum(a) AS s FROM seen"), "forbidden_sum"),
    (GET.format(K, "SELECT a FROM seen WHERE a IN (SELECT a FROM unseen WHERE a = :k)"), "table unseen"),
    (POST.format(K, "INSERT INTO seen (b) VALUES (:k)"), "table seen"),
    (POST.format(K, "UPDATE seen SET a = :k WHERE b = 1"), "table seen"),
    (POST.format(K, "DELETE FROM seen WHERE a = :k"), "table seen"),
    (POST.format(K, "INSERT INTO numbered (a) VALUES (:k)"), "sequence numbered_id_seq"),
    (POST.format(K, "WITH i AS (INSERT INTO numbered (a) VALUES (:k) RETURNING id) SELECT id FROM i"), "sequence numbered_id_seq"),
    (POST.format("", "SELECT nextval('\"Odd ''name''\"')"), "sequence \"Odd 'name'\""),
    (POST.format("", "CREATE TABLE own.q AS SELECT a FROM unseen"), "denied for table unseen"),
    (POST.format("", "CREATE TABLE public.q (a int)"), "denied for the schema of public.q"),
    (POST.format("", "CREATE TABLE IF NOT EXISTS q AS SELECT 1 AS a"), "denied for the schema of q"),
    (POST.format("", "CREATE OR REPLACE VIEW closed.v AS SELECT 1 AS a"), "denied for the schema of closed.v"),
    (POST.format("", "CREATE INDEX ON seen (a)"), "must be owner of seen"),
    (GET.format("", "EXPLAIN SELECT a FROM unseen"), "denied for table unseen"),
    (GET.format("", "EXPLAIN (COSTS off, FORMAT text) SELECT a FROM closed.t"), "denied for schema closed"),
    (POST.format("", "/* x */ TRUNCATE emptied, seen"), "denied for table seen"),
    (POST.format("", "TRUNCATE TABLE ONLY \"unseen\" CASCADE"), "denied for table \"unseen\""),
    (POST.format("", "TRUNCATE closed.t"), "denied for schema closed"),
    (POST.format("", "ALTER TABLE IF EXISTS ONLY seen ADD x int"), "must be owner of seen (42501); each request would be a 403: GRANT its owner to \"small\""),
    (POST.format("", "DROP TABLE IF EXISTS own.t, seen"), "must be owner of seen"),
    (POST.format("", "REFRESH MATERIALIZED VIEW made"), "must be owner of made"),
    (POST.format(K, "CALL forbidden_p(:k)"), "procedure forbidden_p"),
    (POST.format(K, "CALL public.forbidden_p(:k)"), "procedure public.forbidden_p"),
]
ENOUGH = [
    GET.format("", "SELECT a FROM seen"), GET.format("", "SELECT a FROM over_unseen"),
    GET.format(K, "SELECT allowed(:k::int)"), POST.format(K, "INSERT INTO seen (a) VALUES (:k)"),
    POST.format(K, "UPDATE seen SET a = :k WHERE a = 1"), POST.format(K, "INSERT INTO numbered_ok (a) VALUES (:k)"),
    POST.format(K, "INSERT INTO identity_ok (a) VALUES (:k)"), POST.format(K, "CALL allowed_p(:k)"),
    POST.format("", "CREATE TABLE own.q AS SELECT a FROM seen"), POST.format("", "CREATE TABLE own.q (a int)"),
    POST.format("", "CREATE VIEW own.v AS SELECT a FROM unseen"), GET.format("", "EXPLAIN ANALYZE VERBOSE SELECT a FROM seen"),
    POST.format("", "TRUNCATE emptied"),
    POST.format("", "DROP TABLE own.t"),
    POST.format("", "DROP TABLE IF EXISTS none_such"), POST.format("", "CREATE INDEX x ON own.q (a)"),
    GET.format(K, "SELECT array_agg(a) AS l, 'nextval(''x'')' AS t FROM seen WHERE a = ANY (:k::int[])"),
    GET.format(K, "SELECT 1 / :k::int AS x"), GET.format("", "SELECT 1 / (count(*) - 2) AS x FROM (VALUES (1), (2)) v"),
]


def said(done):
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def server():
    own = Postgres()
    try:
        own.start()
        own.create_database("test")
        own.sql(SCHEMA, dbname="test")
        yield own
    finally:
        own.close()


def files(texts):
    return {f"e{i:02}": t.replace("/x\n", f"/x{i}\n", 1) for i, t in enumerate(texts)}


def test_missing_privileges_are_faults_with_their_place(server, site):
    """7.31: tables, columns, functions, aggregates, schemas, sequences, procedures; nothing is run."""
    made = files([t for t, _ in MISSING])
    done = site(server.conninfo_for("test", user="small"), made).weird("-t")
    assert done.returncode == 78, said(done)
    lines = said(done).splitlines()
    for i, (text, what) in enumerate(MISSING):
        mine = [line for line in lines if f"e{i:02}.sql:" in line]
        assert len(mine) == 1 and "(42501)" in mine[0] and what in mine[0], (text, mine, said(done))
    assert "it was run" not in said(done) + server.proc.log_text()
    assert server.value("SELECT last_value || is_called::text FROM numbered_id_seq", dbname="test") == "1false"


def test_through_a_pooler_that_logs_in_as_somebody_else(server, site):
    """7.31: nothing stays in the pooler's sessions, and the role is the server's word."""
    bouncer = PgBouncer(server, pool_size=1)
    bouncer.ini.write_text(bouncer.ini.read_text().replace("user=postgres", "user=small"))
    bouncer.start()
    try:
        for texts, code in (([t for t, _ in MISSING], 78), (ENOUGH, 0), ([t for t, _ in MISSING], 78)):
            texts = [t.replace("-- @returns", "-- @session clean\n-- @returns") for t in texts]
            done = site(bouncer.conninfo("test"), files(texts), {"database": {"main": {"pooler": True}}}).weird("-t")
            assert done.returncode == code, said(done)
            assert said(done).count(' to "small"') == (len(MISSING) - 2 if code else 0), said(done)
    finally:
        bouncer.close()


def test_enough_privileges_pass(server, site):
    """7.31: no false alarms, whatever a statement would do with nulls."""
    done = site(server.conninfo_for("test", user="small"), files(ENOUGH)).weird("-t")
    assert done.returncode == 0, said(done)
    assert "it was run" not in said(done) + server.proc.log_text()
    assert server.value("SELECT count(*) FROM pg_stat_activity WHERE usename = 'small'", dbname="test") == 0


def test_on_conflict_without_its_index(server, site):
    """7.31: what only a plan finds."""
    done = site(server.conninfo_for("test"), files([POST.format(K, "INSERT INTO unseen VALUES (:k) ON CONFLICT (a) DO NOTHING")]))
    server.sql("GRANT ALL ON unseen TO weir", dbname="test")
    done = done.weird("-t")
    assert done.returncode == 78 and "42P10" in said(done) and "e00.sql:" in said(done)


def test_a_connection_that_is_refused_is_a_fault(server, site, tmp_path):
    """7.31: wrong password, database, role, service: the server or libpq says so, and waiting mends nothing."""
    for statement in ("CREATE ROLE locked LOGIN PASSWORD 'right'", "CREATE ROLE nologin", "CREATE DATABASE nobodys",
                      "REVOKE CONNECT ON DATABASE nobodys FROM PUBLIC"):
        server.sql(statement)
    hba = server.data / "pg_hba.conf"
    hba.write_text("local all locked scram-sha-256\nlocal all banned reject\n" + hba.read_text())
    server.psql("SELECT pg_reload_conf()")
    host = f"host={server.dir} port={server.port}"
    cases = [
        (f"{host} dbname=test user=locked password=wrong", "password"),
        (f"{host} dbname=test user=locked", "password"),
        (f"{host} dbname=test user=nobody_such", "create the role"),
        (f"{host} dbname=test user=nologin", "create the role"),
        (f"{host} dbname=test user=banned", "pg_hba.conf"),
        (f"{host} dbname=none_such user=small", "create the database"),
        (f"{host} dbname=nobodys user=small", "GRANT CONNECT"),
        ("service=none_such user=small", "service file"),
        (f"{host} dbname=test user=small sslmode=nonsense", "sslmode"),
    ]
    env = {"PGPASSFILE": str(tmp_path / "none"), "PGSERVICEFILE": str(tmp_path / "none")}
    for conninfo, words in cases:
        done = site(conninfo, files(ENOUGH[:1])).weird("-t", env=env)
        assert done.returncode == 78, (conninfo, said(done))
        line = next((x for x in said(done).splitlines() if "database main: " in x), "")
        assert words in line and "not reachable" not in line and "wrong" not in line, (conninfo, said(done))
    # what may come back by itself is none
    for conninfo in (f"host={tmp_path} user=small", "host=127.0.0.1 port=1 user=small"):
        done = site(conninfo, files(ENOUGH[:1])).weird("-t", env=env)
        assert done.returncode == 0 and "not reachable" in said(done), said(done)
