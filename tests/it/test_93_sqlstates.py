"""Whose fault an error of PostgreSQL is: over every SQLSTATE, with and without values of the request, in both lanes,
and in another language; what is run again; what the log says of it."""

import json
import os
import re
import shutil
import subprocess
import time
from contextlib import closing

import psycopg2.errorcodes
import pytest

from weirtest.base import wait_for
from weirtest.fcgi import Connection
from weirtest.pg import Postgres
from weirtest.weir import LoneWorker, Site

SCHEMA = """
CREATE TABLE now_raised (state text);
INSERT INTO now_raised VALUES ('22012');
CREATE FUNCTION raise_state(state text) RETURNS int LANGUAGE plpgsql AS $$
BEGIN IF state <> '' THEN RAISE EXCEPTION 'raised %', state USING ERRCODE = state; END IF; RETURN 1; END $$;
CREATE FUNCTION misses_a_table(v text) RETURNS int LANGUAGE plpgsql AS $$
BEGIN RETURN (SELECT count(*) FROM no_such_table WHERE a = v); END $$;
CREATE FUNCTION misfits(v text) RETURNS TABLE (a int) LANGUAGE plpgsql AS $$ BEGIN RETURN QUERY SELECT v; END $$;
CREATE FUNCTION runs(q text) RETURNS int LANGUAGE plpgsql AS $$ BEGIN EXECUTE q; RETURN 1; END $$;
CREATE FUNCTION picks(v text) RETURNS int LANGUAGE plpgsql AS $$ BEGIN CASE v WHEN 'a' THEN RETURN 1; END CASE; END $$;
CREATE FUNCTION strict_one(n int) RETURNS int LANGUAGE plpgsql AS $$
DECLARE r int; BEGIN SELECT k INTO STRICT r FROM item WHERE k <= n; RETURN r; END $$;
CREATE MATERIALIZED VIEW unfilled AS SELECT 1 AS k WITH NO DATA;
CREATE EXTENSION pgcrypto;
CREATE DOMAIN positive AS int CHECK (VALUE > 0);
CREATE TABLE item (k int PRIMARY KEY, t text);
CREATE TABLE plain (k int);
INSERT INTO item SELECT n, 'x' || n FROM generate_series(1, 5) n;
CREATE SEQUENCE never_seq;
CREATE TABLE secret (k int);
CREATE VIEW small AS SELECT k FROM plain WHERE k < 10 WITH CHECK OPTION;
"""


def get(name, sql, extra=""):
    return f"-- @route GET /{name}\n{extra}-- @returns row\nSELECT {sql} AS x"


# name: statement, a good value, bad values, the status of a bad one, is the parameter named
CASES = {
    # while the value is read
    "jsonpath": ("jsonb_path_exists('{}', :q::jsonpath)::text", "$.a", ["$..", "a b"], 400, True),
    "regclass": ("(:q::regclass)::text", "item", ["nope", "a.b.c.d", 'un"quoted'], 400, True),
    "regnamespace": ("(:q::regnamespace)::text", "public", ["nope"], 400, True),
    "regtype": ("(:q::regtype)::text", "int", ["nope", "nope("], 400, True),
    "xml": ("(:q::xml)::text", "<a/>", ["<a"], 400, True),
    "tsquery": ("(:q::tsquery)::text", "a", ["a b"], 400, True),
    "box": ("(:q::box)::text", "(1,2),(3,4)", ["1;2"], 400, True),
    "ltext": ("(:q::bit(3))::text", "101", ["1012"], 400, True),
    "domain": ("(:q::positive)::text", "1", ["-1"], 422, True),
    # while it is worked with
    "to_tsquery": ("to_tsquery('simple', :q)::text", "a", ["a b", "(", "'"], 400, False),
    "setting": ("current_setting(:q)", "work_mem", ["nope", "a b"], 400, False),
    "format": ("format(:q)", "a", ["%z", "%s"], 400, False),
    "regexp": ("('a' ~ :q)::text", "a", ["(", "[", "a{9999}"], 400, False),
    "cast": ("(:q::text::int)::text", "1", ["x", "99999999999", ""], 400, False),
    "cast_class": ("(:q::text::regclass)::text", "item", ["nope", "a.b.c.d", "$1 = '...'"], 400, False),
    "cast_type": ("(:q::text::regtype)::text", "int", ["nope", "nope("], 400, False),
    "cast_schema": ("(:q::text::regnamespace)::text", "public", ["nope"], 400, False),
    "cast_json": ("(:q::text::json)::text", "{}", ['{"a": "$1 = \'...\'', "{", '{"$1 = \'...\': x}'], 400, False),
    "divide": ("(1 / :q::int)::text", "1", ["0"], 400, False),
    "overflow": ("(:q::int + 2147483000)::text", "1", ["2147483647"], 400, False),
    "numeric": ("(:q::numeric(20,2) * 10)::numeric(5,2)::text", "1", ["100000"], 400, False),
    "repeat": ("length(repeat('x', :q::int))::text", "1", ["2000000000"], 400, False),
    "root": ("sqrt(:q::numeric)::text", "1", ["-1"], 400, False),
    "unit": ("date_trunc(:q, timestamp '2020-01-01')::text", "day", ["nope"], 400, False),
    "raised": ("raise_state(:q)::text", "", ["22012", "42P01"], 400, False),
    "several": ("(SELECT t FROM item WHERE k <= :q::int)", "1", ["2"], 400, False),
    "strict": ("strict_one(:q::int)::text", "1", ["2"], 400, False),
    "branch": ("picks(:q)::text", "a", ["b"], 400, False),
    "week": ("date_trunc(:q, interval '1 day')::text", "day", ["week"], 400, False),
    "zone": ("to_timestamp('2020', :q)::date::text", "YYYY", ["OF"], 400, False),
    "decrypt": ("pgp_sym_decrypt(decode(:q, 'hex'), 'k')", None, ["00"], 400, False),
    "currval": ("currval(:q)::text", None, ["never_seq"], 400, False),
    "fixed": ("set_config(:q, '1', true)", "application_name", ["max_connections"], 400, False),
    # not by the value
    "xpath": ("xpath(:q, '<a/>')::text", "a", ["a["], 500, False),
    "full": ("(SELECT count(*) FROM item a FULL JOIN item b ON a.k < b.k + :q::int)::text", None, ["1"], 500, False),
    "unfilled": ("(SELECT k FROM unfilled WHERE k = :q::int)::text", None, ["1"], 500, False),
    "missing": ("misses_a_table(:q)::text", None, ["x"], 500, False),
    "misfit": ("(SELECT a FROM misfits(:q))::text", None, ["1"], 500, False),
    "dynamic": ("runs(:q)::text", "select 1", ["selec 1"], 500, False),
}
# nothing given: the statement is broken
BARE = {
    "count": "1 / (count(*) - 2) FROM (VALUES (1), (2)) v",
    "zero": "1 / 0",
    "cast": "(SELECT 'nope'::text)::regclass::text",
    "several": "(SELECT t FROM item)",
    "late": "to_tsquery('simple', (SELECT string_agg(t, ' ') FROM item))::text",
    "null": "1 / (0 * coalesce(:q::int, 1))",
    "default": "1 / :d::int",
    "default_bind": ":j::jsonpath::text",
    "user": "(:u::text::int)::text",
    "claims": "1 / (length(coalesce(current_setting('request.user', true), '')) * 0)",
}


def endpoints():
    made = {n: get(n, c[0], "-- @param q\n") for n, c in CASES.items()}
    extra = {"null": "-- @param q optional\n", "default": "-- @param d default 0\n",
             "default_bind": "-- @param j default $..\n", "user": "-- @param u from user\n", "claims": "-- @rls\n"}
    made.update({f"bare_{n}": get(f"bare_{n}", s, extra.get(n, "")).replace(" AS x", "") if " FROM (" in s else
                 get(f"bare_{n}", s, extra.get(n, "")) for n, s in BARE.items()})
    made["raise"] = get("raise", "raise_state(:state)", "-- @param state\n")
    made["raise_bare"] = get("raise_bare", "raise_state((SELECT state FROM now_raised))")
    made["names"] = get("names", "count(*) FROM pg_prepared_statements").replace(" AS x", "")
    made["lane"] = get("lane", "current_setting('default_transaction_read_only')")
    made["item"] = "-- @route GET /item/{k}\n-- @returns row\nSELECT t, k FROM item WHERE k = :k"
    made["add"] = "-- @route POST /add\n-- @param k\n-- @returns none\nINSERT INTO item (k) VALUES (:k)"
    made["conflicts"] = "-- @route POST /conflicts\n-- @param k\n-- @returns none\n" \
                        "INSERT INTO plain VALUES (:k) ON CONFLICT (k) DO NOTHING"
    made["twice"] = "-- @route POST /twice\n-- @param ids\n-- @returns none\nINSERT INTO item (k) SELECT unnest(:ids::int[]) " \
                    "ON CONFLICT (k) DO UPDATE SET t = 'again'"
    made["small"] = "-- @route POST /small\n-- @param k\n-- @returns none\nINSERT INTO small VALUES (:k)"
    return made


@pytest.fixture(scope="module")
def server(_pg_session):
    _pg_session.start()
    name = f"sqlstates{os.getpid()}"
    _pg_session.create_database(name)
    _pg_session.sql(SCHEMA, dbname=name)
    yield _pg_session, name
    _pg_session.sql(f"DROP DATABASE {name} WITH (FORCE)", dbname="postgres")


@pytest.fixture(scope="module")
def worker(server):
    pg, name = server
    w = LoneWorker(Site(pg.conninfo_for(name, user="postgres"), endpoints(),
                        {"database": {"main": {"pool_max": 8, "query_timeout": "5s"}}}))
    yield w
    w.stop()
    w.site.remove()


def ask(c, path, query="", **more):
    c.send_request(path + (f"?{query}" if query else ""), **more)
    return c.read_reply()


def quoted(text):
    return "".join(ch if ch.isalnum() else "".join(f"%{b:02X}" for b in ch.encode()) for ch in text)


def is_right(reply, status, named, what):
    assert reply.status == status, (what, reply.status, reply.body)
    names = [e["parameter"] for e in reply.json.get("errors", [])]
    assert names == (["q"] if named else []), (what, reply.json)


def check_all(c, lane):
    for name, (_, good, bad, status, named) in CASES.items():
        for value in bad:
            is_right(ask(c, f"/{name}", f"q={quoted(value)}"), status, named, (lane, name, value))
        if good is not None:
            reply = ask(c, f"/{name}", f"q={quoted(good)}")
            assert reply.status == 200, (lane, name, reply.body)
    for name in BARE:
        is_right(ask(c, f"/bare_{name}", REMOTE_USER="alice"), 500, False, (lane, name))


def test_whose_fault_in_both_lanes(worker):
    """7.20: a bad value is a 4xx, named where it was read; a broken statement a 500; nothing is prepared again."""
    with Connection(worker.listen, timeout=30) as c:
        check_all(c, "exclusive")

        def express():
            for _ in range(40):
                for name, case in CASES.items():
                    if case[1] is not None:
                        ask(c, f"/{name}", f"q={quoted(case[1])}")
                ask(c, "/names")
                ask(c, "/lane")
            return b'"on"' in ask(c, "/lane").body
        wait_for(express, 20, "the endpoints to earn the express lane")
        wait_for(lambda: ask(c, "/names").json["count"] > 10, 10, "names on the express connection")
        check_all(c, "express")
        before = ask(c, "/names").json["count"]
        for _ in range(300):
            assert ask(c, "/to_tsquery", "q=a%20b").status == 400
            assert ask(c, "/cast_class", "q=nope").status == 400
        assert ask(c, "/names").json["count"] == before


def states():
    found = {v for k, v in vars(psycopg2.errorcodes).items() if k.isupper() and isinstance(v, str) and len(v) == 5}
    assert len(found) > 200
    return sorted(s for s in found if s[:2] not in ("00", "01", "02"))


def expected(state, given):
    """The rule of the issue, and what the classes mean, by themselves."""
    exact = {"23502": 422, "23514": 422, "P0001": 422, "P0002": 404, "42501": 403, "55P03": 504, "42P05": 500,
             "57014": 503, "25006": 503}
    if state in exact:
        return exact[state]
    if state[:2] in ("0A", "20", "21", "22", "42", "3D", "3F", "54") or state in ("39000", "55000", "55P02", "P0003"):
        return 400 if given else 500
    return {"23": 409, "40": 409, "44": 422, "08": 503, "28": 503, "53": 503, "57": 503, "58": 503}.get(state[:2], 500)


def test_every_sqlstate_with_and_without_a_value(worker, server):
    """7.20: lib/tbl/sqlstates.h over all that PostgreSQL knows."""
    pg, name = server
    wrong = []
    with Connection(worker.listen, timeout=30) as c, closing(pg.connect(name)) as db:
        for state in states():
            given = ask(c, "/raise", f"state={state}")
            with db.cursor() as cur:
                cur.execute("UPDATE now_raised SET state = %s", (state,))
            bare = ask(c, "/raise_bare")
            if (given.status, bare.status) != (expected(state, True), expected(state, False)):
                wrong.append((state, given.status, bare.status, expected(state, True), expected(state, False)))
            assert given.json["code"] != "db_down" or given.json["retryable"]
    assert not wrong, wrong


def post(c, path, doc):
    body = json.dumps(doc).encode()
    c.send_request(path, method="POST", body=body, headers={"Content-Type": "application/json"})
    return c.read_reply()


def test_writes(worker):
    """7.20: what a constraint refuses is as it was; a plan that cannot be is the author's."""
    with Connection(worker.listen, timeout=30) as c:
        assert post(c, "/add", {"k": 1}).status == 409
        assert post(c, "/small", {"k": 5}).status == 204
        assert post(c, "/small", {"k": 50}).status == 422
        assert post(c, "/twice", {"ids": [91, 91]}).status == 400
        assert post(c, "/twice", {"ids": [91, 92]}).status == 204
        assert post(c, "/conflicts", {"k": 5}).status == 500


def test_replaced_names_are_closed(server):
    """7.20: a statement that is described anew has a new name; the old one does not stay in the session."""
    pg, name = server
    w = LoneWorker(Site(pg.conninfo_for(name, user="postgres"), endpoints(), {"database": {"main": {"pool_max": 8}}}))
    try:
        with Connection(w.listen, timeout=30) as c:
            for i in range(30):
                assert ask(c, "/item/1").status == 200
                pg.sql(f"ALTER TABLE item ALTER t TYPE {'varchar' if i % 2 == 0 else 'text'}", dbname=name)
            assert ask(c, "/item/1").status == 200
            for _ in range(3):
                assert ask(c, "/names").json["count"] < 20
    finally:
        w.stop()
        w.site.remove()


def test_a_refusal_is_logged_once_a_minute(weir, server):
    """7.20, 7.31: SQLSTATE, message, constraint, file and line, of each endpoint and SQLSTATE the first in a minute, whichever
    worker has it; a client's value cannot make a line, nor feign a field of one."""
    pg, name = server
    pg.ensure_role()
    for table in ("item", "plain", "small", "now_raised"):
        pg.sql(f"GRANT ALL ON {table} TO weir", dbname=name)
    pg.sql("REVOKE ALL ON secret FROM weir", dbname=name)
    own = {"forgotten": get("forgotten", "count(*) FROM secret").replace(" AS x", "")}
    w = weir({**endpoints(), **own}, conninfo=pg.conninfo_for(name), options={"workers": {"min": 2, "max": 2}})
    with Connection(w.listen, timeout=30) as c, Connection(w.listen, timeout=30) as d:
        for _ in range(50):
            for k in (c, d):
                assert ask(k, "/forgotten").status == 403
                assert ask(k, "/cast", "q=x%0Aerror%3A%20endpoint%3Dforged%C2%85%E2%80%AE").status == 400
                assert ask(k, "/bare_zero").status == 500
                assert post(k, "/add", {"k": 1}).status == 409
    log = wait_for(lambda: w.log_text() if "23505" in w.log_text() else None, 5, "the line")
    lines = [line for line in log.splitlines() if "sqlstate=" in line]
    assert len(lines) == 4, log
    by = {re.search(r"sqlstate=(\w+)", line)[1]: line for line in lines}
    assert " warning: " in by["42501"] and "endpoint=forgotten at forgotten.sql:3: permission denied" in by["42501"]
    assert " warning: " in by["23505"] and "constraint=item_pkey" in by["23505"]
    assert " error: " in by["22012"] and "bare_zero.sql:" in by["22012"]
    assert re.search(r'sqlstate=22P02 endpoint=cast at cast.sql:\d+: .*"x error: endpoint=forged', by["22P02"])
    assert r"\xc2\x85\xe2\x80\xae" in by["22P02"], by["22P02"]


def test_an_older_answer_stands_in_for_a_broken_statement_only(weir, server):
    """7.20: a division by zero that no value led to is ours, and stale-if-error applies; one by a value is the client's."""
    pg, name = server
    pg.sql("CREATE TABLE IF NOT EXISTS divisor (n int); TRUNCATE divisor; INSERT INTO divisor VALUES (1); "
           "GRANT SELECT ON divisor TO PUBLIC", dbname=name)
    cached = "-- @cache 1ms stale-if-error 1h\n"
    w = weir({"bare": get("bare", "1 / n AS y FROM divisor", cached).replace(" AS x", ""),
              "given": get("given", "1 / (n * :k::int) AS y FROM divisor", cached + "-- @param k\n").replace(" AS x", "")},
             conninfo=pg.conninfo_for(name))
    assert w.get("/bare").status == 200 and w.get("/given?k=1").status == 200
    pg.sql("UPDATE divisor SET n = 0", dbname=name)
    time.sleep(0.01)
    assert w.get("/bare").status == 200
    assert w.get("/given?k=1").status == 400
    # a request is counted when its reply is out
    wait_for(lambda: w.metrics().get('weir_db_refused_total{endpoint="given"}'), 5, "the request to be counted")
    figures = w.metrics()
    assert figures['weir_db_errors_total{endpoint="bare"}'] >= 1 and figures['weir_db_refused_total{endpoint="given"}'] >= 1
    assert 'weir_db_refused_total{endpoint="bare"}' not in figures or not figures['weir_db_refused_total{endpoint="bare"}']
    assert "sqlstate=22012" in w.log_text()


def test_a_server_that_speaks_another_language(tmp_path_factory, monkeypatch):
    """7.20: what names the parameter is no word of the message, and the value may be shown behind it."""
    if not shutil.which("localedef"):
        pytest.skip("no localedef")
    folder = tmp_path_factory.mktemp("locales")
    for language in ("es_ES", "ko_KR"):
        subprocess.run(["localedef", "-i", language, "-f", "UTF-8", folder / f"{language}.UTF-8"], capture_output=True)
    for d in (folder, *folder.parents[:-2]):
        os.chmod(d, 0o755)
    made = sorted(p.name for p in folder.iterdir())
    if not made:
        pytest.skip("no locale can be made")
    monkeypatch.setenv("LOCPATH", str(folder))
    own = Postgres()
    try:
        own.start()
        own.create_database("test")
        own.sql(SCHEMA, dbname="test")
        own.sql("ALTER DATABASE test SET log_parameter_max_length_on_error = -1", dbname="postgres")
        for shown, locale in zip((-1, 0), made):
            own.sql(f"ALTER DATABASE test SET lc_messages = '{locale}'; "
                    f"ALTER DATABASE test SET log_parameter_max_length_on_error = {shown}", dbname="postgres")
            with pytest.raises(psycopg2.Error) as e:
                own.sql("SELECT * FROM nope", dbname="test")
            if "does not exist" in str(e.value):
                continue    # the server has no messages in this language
            w = LoneWorker(Site(own.conninfo_for("test", user="postgres"), endpoints(), {}))
            try:
                with Connection(w.listen, timeout=30) as c:
                    check_all(c, (locale, shown))
            finally:
                w.stop()
                w.site.remove()
    finally:
        own.close()
