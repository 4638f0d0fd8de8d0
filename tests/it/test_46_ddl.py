"""DDL under running workers: names and types are those of the statement as it runs now, whatever the lane."""

import json
import threading

import pytest

from weirtest.base import wait_for
from weirtest.fcgi import Connection
from weirtest.weir import LoneWorker, Site, Weird

SCHEMA = """
CREATE TYPE pair AS (a int, b text);
CREATE TABLE u (id int PRIMARY KEY, email text, name text, tags text[] DEFAULT '{x}', p pair DEFAULT (1, 'y'));
INSERT INTO u VALUES (1, 'e@x', 'Nam'), (2, 'f@x', 'Fay');
CREATE TABLE plain (id int PRIMARY KEY, email text, name text);
INSERT INTO plain VALUES (1, 'e@x', 'Nam'), (2, 'f@x', 'Fay');
CREATE VIEW v AS SELECT id, email, name, tags FROM u;
CREATE FUNCTION f() RETURNS TABLE (email text, name text, tags text[]) LANGUAGE sql AS
    $$ SELECT email, name, tags FROM u WHERE id = 1 $$;
CREATE TABLE n (id int PRIMARY KEY, t text);
INSERT INTO n VALUES (5, 'five');
CREATE TABLE doc (id int PRIMARY KEY, d text);
CREATE TABLE at (id int PRIMARY KEY, at timestamp);
INSERT INTO at VALUES (1, '2026-01-01 00:00');
"""

ENDPOINTS = {
    "star": "-- @route GET /u/{id}\n-- @returns row\nSELECT * FROM u WHERE id = :id",
    "all": "-- @route GET /u\nSELECT * FROM u ORDER BY id DESC",
    "kept": "-- @route GET /kept/{id}\n-- @returns row\n-- @cache 1h\nSELECT * FROM u WHERE id = :id",
    "plain": "-- @route GET /plain\nSELECT * FROM plain ORDER BY id",
    "view": "-- @route GET /view\nSELECT * FROM v ORDER BY id",
    "func": "-- @route GET /func\n-- @session clean\nSELECT * FROM f()",
    "put": "-- @route PUT /u/{id}\n-- @returns row\nUPDATE u SET id = id WHERE id = :id RETURNING *",
    "putplain": "-- @route PUT /plain/{id}\n-- @returns row\nUPDATE plain SET id = id WHERE id = :id RETURNING *",
    "twice": "-- @route GET /twice\n-- @header X-Id: {id}\n-- @returns row\nSELECT 1 AS a, email AS a, id, tags, p FROM u WHERE id = 1",
    "n": "-- @route GET /n/{id}\n-- @returns row\nSELECT * FROM n WHERE id = :id",
    "doc": "-- @route POST /doc/{id}\n-- @param d\n-- @returns none\n"
           "INSERT INTO doc VALUES (:id, :d) ON CONFLICT (id) DO UPDATE SET d = excluded.d",
    "at": "-- @route GET /at\n-- @param t\n-- @returns value\nSELECT count(*) FROM at WHERE at = :t",
}


@pytest.fixture(params=["weird", "alone", "pooler"])
def served(request, db):
    """Two workers with an express lane; one worker alone; and as behind a transaction pooler."""
    db.sql(SCHEMA)
    options = {"workers": {"min": 2, "max": 2}} if request.param == "weird" else {}
    if request.param == "pooler":
        options["database"] = {"main": {"pooler": "yes", "pool_min": 2, "pool_max": 6}}
    site = Site(db.conninfo, ENDPOINTS,
                options if request.param == "weird" else {**options, "status": None})
    running = Weird(site).wait_listening() if request.param == "weird" else LoneWorker(site)
    running.sql = db.sql
    yield running
    running.stop()
    log = running.log_text()
    site.remove()
    assert "Sanitizer" not in log and "runtime error" not in log, log


def warm(w, *paths):
    """Both workers have met it, and on the express lane, if there is one."""
    def ask():
        with Connection(w.listen) as c:
            for _ in range(30):
                for path in paths:
                    c.send_request(path)
                    assert c.read_reply().status == 200, path
    threads = [threading.Thread(target=ask) for _ in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()


def oracle(w, query):
    return [r[0] for r in w.sql(f"SELECT row_to_json(r)::text FROM ({query}) r")]


def send(w, method, path, doc=None):
    body = b"" if doc is None else json.dumps(doc).encode()
    return w.get(path, method, body=body, headers=[("Content-Type", "application/json")] if body else [])


CHANGES = [
    ("two columns of one type swapped",
     "ALTER TABLE {t} RENAME email TO x; ALTER TABLE {t} RENAME name TO email; ALTER TABLE {t} RENAME x TO name"),
    ("renamed", "ALTER TABLE {t} RENAME name TO nick"),
    ("renamed back", "ALTER TABLE {t} RENAME nick TO name"),
    ("added", "ALTER TABLE {t} ADD COLUMN age int; UPDATE {t} SET age = 7"),
    ("retyped", "ALTER TABLE {t} ALTER COLUMN age TYPE int[] USING ARRAY[age]"),
    ("retyped to a scalar", "ALTER TABLE {t} ALTER COLUMN age TYPE text USING age[1]::text"),
    ("dropped", "ALTER TABLE {t} DROP COLUMN age"),
    ("the table swapped by rename",
     "CREATE TABLE {t}2 AS SELECT id, name AS email, 'swapped'::text AS more, email AS name, ARRAY[id] AS ids FROM {t};"
     "ALTER TABLE {t} RENAME TO {t}_old; ALTER TABLE {t}2 RENAME TO {t}"),
]


def test_columns_are_those_of_now(served):
    """7.4: SELECT * of a table, wrapped for its arrays or not, through every DDL; reads and writes."""
    w = served
    for table in ("u", "plain"):
        paths = ["/u", "/u/1"] if table == "u" else ["/plain"]
        warm(w, *paths)
        for what, ddl in CHANGES:
            w.sql(ddl.format(t=table))
            # before anything has been learnt; then by every worker
            want = oracle(w, f"SELECT * FROM {table} WHERE id = 1")[0]
            reply = send(w, "PUT", f"/{table}/1")
            assert reply.status == 200, (what, reply)
            assert json.loads(reply.body) == json.loads(want), (what, reply.body)
            for path in paths * 6:
                reply = w.get(path)
                got = reply.json if path == "/u/1" else [x for x in reply.json if x["id"] == 1][0]
                assert reply.status == 200 and got == json.loads(want), (what, path, reply)
            wait_for(lambda: all(want.encode() in w.get(p).body for p in paths), 4,
                     f"{what}: the order of columns to be learnt, too")


def test_views_and_functions_that_are_made_again(served):
    """7.4: a view recreated, a function with other OUT columns."""
    w = served
    warm(w, "/view", "/func")
    w.sql("DROP VIEW v; CREATE VIEW v AS SELECT id, name AS email, email AS name, tags, p FROM u;"
          "DROP FUNCTION f(); CREATE FUNCTION f() RETURNS TABLE (name text, email text, more int, tags text[]) "
          "LANGUAGE sql AS $$ SELECT email, name, 3, tags FROM u WHERE id = 1 $$")
    for _ in range(10):
        assert w.get("/view").json[0] == {"id": 1, "email": "Nam", "name": "e@x", "tags": ["x"], "p": {"a": 1, "b": "y"}}
        assert w.get("/func").json == [{"name": "e@x", "email": "Nam", "more": 3, "tags": ["x"]}]


def test_two_columns_of_one_name_beside_an_array(served):
    """7.4: what a name cannot tell apart comes as row_to_json makes it; @header still finds its column."""
    reply = served.get("/twice")
    assert reply.body.decode() == oracle(served, "SELECT 1 AS a, email AS a, id, tags, p FROM u WHERE id = 1")[0]
    assert reply.header("x-id") == "1"
    served.sql("DROP VIEW v; ALTER TABLE u ALTER COLUMN id TYPE bigint")
    assert served.get("/twice").header("x-id") == "1"


def test_an_answer_that_was_kept_with_old_names_is_not_served_once_that_is_known(served):
    """7.4: a cached answer of before the DDL is not found once a worker has learnt of it."""
    w = served
    for _ in range(6):
        assert w.get("/kept/1").json["name"] == "Nam"
    w.sql("ALTER TABLE u RENAME name TO nick")
    assert w.get("/kept/2").json["nick"] == "Fay"
    for _ in range(6):
        assert w.get("/kept/1").json["nick"] == "Nam"


def test_parameters_have_the_types_of_now(served):
    """7.4: int becomes bigint, then uuid; what our own check refused by the old type is looked at again before it is a 400."""
    w = served
    warm(w, "/n/5")
    assert w.get("/n/3000000000").status == 400
    w.sql("ALTER TABLE n ALTER COLUMN id TYPE bigint; INSERT INTO n VALUES (3000000000, 'big')")
    for _ in range(6):
        assert w.get("/n/3000000000").json == {"id": 3000000000, "t": "big"}
    assert w.get("/n/x").status == 400
    w.sql("ALTER TABLE n ALTER COLUMN id TYPE uuid USING lpad(id::text, 32, '0')::uuid")
    for _ in range(6):
        assert w.get("/n/00000000-0000-0000-0000-000000000005").json["t"] == "five"
        assert w.get("/n/5").status == 400
    w.sql("ALTER TABLE n ALTER COLUMN id TYPE text")
    for _ in range(6):
        assert w.get("/n/nobody").status == 404
        assert w.get("/n/00000000-0000-0000-0000-000000000005").json["t"] == "five"


def test_text_becomes_jsonb(served):
    """7.4: values are made for the new type: a JSON string stays one."""
    w = served
    assert send(w, "POST", "/doc/1", {"d": "5"}).status == 204
    assert send(w, "POST", "/doc/1", {"d": {"a": 1}}).status == 400
    w.sql("ALTER TABLE doc ALTER COLUMN d TYPE jsonb USING to_jsonb(d)")
    for _ in range(6):
        assert send(w, "POST", "/doc/2", {"d": "5"}).status == 204
        assert send(w, "POST", "/doc/3", {"d": {"a": 1}}).status == 204
        assert w.sql("SELECT id, jsonb_typeof(d) FROM doc ORDER BY id") == [(1, "string"), (2, "string"), (3, "object")]


def test_a_type_that_can_be_compared_with_the_old_one_is_learnt_in_a_second(served):
    """7.4: timestamp becomes timestamptz: the old type would go on without an error, and its offset be ignored."""
    w = served
    warm(w, "/at?t=2026-01-01T00:00")
    w.sql("ALTER TABLE at ALTER COLUMN at TYPE timestamptz USING at AT TIME ZONE 'UTC'")
    wait_for(lambda: {w.get("/at?t=2026-01-01T05:00%2B05:00").body for _ in range(8)} == {b"1"}, 5,
             "the offset to count in every worker")
