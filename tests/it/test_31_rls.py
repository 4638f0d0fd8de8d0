"""Row-level security in a real PostgreSQL: the claims of one request are its own, on connections that many share."""

import json
import random
import threading

import pytest

from weirtest.fcgi import Connection
from weirtest.jose import Key, bearer, key_set
from weirtest.weir import Site

SCHEMA = """
CREATE TABLE note (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, owner text NOT NULL, tenant int NOT NULL, body text);
INSERT INTO note (owner, tenant, body) SELECT 'u' || g % 50, g % 10, 'note ' || g FROM generate_series(0, 499) g;
ALTER TABLE note ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON note USING (owner = nullif(current_setting('request.user', true), ''))
  WITH CHECK (owner = nullif(current_setting('request.user', true), ''));
CREATE TABLE doc (id int PRIMARY KEY, tenant int NOT NULL);
INSERT INTO doc SELECT g, g % 10 FROM generate_series(0, 99) g;
ALTER TABLE doc ENABLE ROW LEVEL SECURITY;
CREATE POLICY tenant ON doc USING
  (tenant = (nullif(current_setting('request.jwt.claims', true), '')::json ->> 'tenant')::int);
GRANT SELECT, INSERT, UPDATE, DELETE ON note, doc TO weir;
"""
ENDPOINTS = {
    "notes": "-- @route GET /notes\n-- @auth user\nSELECT DISTINCT owner FROM note ORDER BY 1",
    "docs": "-- @route GET /docs\n-- @rls\nSELECT DISTINCT tenant FROM doc ORDER BY 1",
    "open": "-- @route GET /open\n-- @returns row\nSELECT (SELECT count(*) FROM note) AS notes, (SELECT count(*) FROM doc) AS docs,"
            " current_setting('request.user', true) AS u, current_setting('request.jwt.claims', true) AS c",
    "slow": "-- @route GET /slow\n-- @rls\n-- @timeout 5s\n-- @returns row\n"
            "SELECT current_setting('request.user', true) AS u, (SELECT min(tenant) FROM doc) AS t, pg_sleep(0.08)::text AS s",
    "fail": "-- @route GET /fail\n-- @rls\n-- @param n\n-- @returns value\nSELECT 1 / (:n::int - :n::int)",
    "add": "-- @route POST /notes\n-- @auth user\n-- @rls\n-- @param owner\n-- @returns row\n-- @status 201\n"
           "INSERT INTO note (owner, tenant, body) VALUES (:owner, 0, '') RETURNING owner",
    "both": "-- @route GET /both\n-- @rls\n-- @returns row\n"
            "SELECT current_setting('request.user', true) AS u, current_setting('request.jwt.claims', true) AS c",
}


@pytest.fixture(scope="module")
def key():
    return Key("HS256")


@pytest.fixture(params=["one express connection", "no express lane", "batch"])
def w(request, db, weir, key):
    db.sql(SCHEMA.replace("TO weir", f"TO {role_of(db.conninfo)}"))
    lanes = {"one express connection": {}, "no express lane": {"express": 0}, "batch": {"batch": "turn"}}[request.param]
    site = Site(db.conninfo, ENDPOINTS, {"workers": {"min": 1, "max": 1}, "database": {"main": {"pool_min": 2, "pool_max": 3, **lanes}}})
    (site.dir / "jwks.json").write_text(key_set(key))
    site.write_conf({"auth": {"jwks": "jwks.json"}})
    yield weir(site=site)
    site.remove()


def role_of(conninfo):
    return dict(p.split("=", 1) for p in conninfo.split())["user"]


def as_user(key, n, **more):
    return bearer(key.token({"sub": f"u{n}", "tenant": n % 10, **more}))


@pytest.mark.san
def test_policies_hold(w, key):
    assert w.get("/notes", headers=as_user(key, 7)).json == [{"owner": "u7"}]
    assert w.get("/docs", headers=as_user(key, 7)).json == [{"tenant": 7}]
    assert w.get("/docs").json == []
    assert w.get("/docs", headers=bearer(key.token({"tenant": None}))).json == []
    assert w.get("/docs", REMOTE_USER="u1").json == []
    assert w.get("/open", headers=as_user(key, 7)).json == {"notes": 0, "docs": 0, "u": "", "c": ""}


def test_writes_are_checked(w, key):
    def add(owner):
        return w.get("/notes", "POST", headers={**as_user(key, 3), "Content-Type": "application/json"},
                     body=json.dumps({"owner": owner}).encode())
    assert add("u3").status == 201
    assert (add("u4").status, add("u4").code) == (403, "forbidden")
    assert w.get("/notes", headers=as_user(key, 3)).json == [{"owner": "u3"}]


def test_no_value_reaches_the_next_request(w, key):
    """Users, strangers, failing and slow statements at once, over few connections: everybody sees his own rows only."""
    wrong = []
    tokens = [as_user(key, n) for n in range(50)]

    def client(seed):
        rnd = random.Random(seed)
        with Connection(w.listen) as c:
            for _ in range(120):
                n, kind = rnd.randrange(50), rnd.choice(["docs", "docs", "open", "notes", "both", "fail", "slow", "nobody"])
                headers = tokens[n]
                if kind == "nobody":
                    c.send_request(rnd.choice(["/both", "/docs"]), headers={})
                    got = c.read_reply().json
                    ok = got in ([], {"u": "", "c": ""})
                elif kind == "fail":
                    c.send_request(f"/fail?n={n}", headers=headers)
                    got = c.read_reply().code
                    ok = got == "bad_parameter"
                else:
                    c.send_request("/" + kind, headers=headers)
                    got = c.read_reply().json
                    ok = {"docs": lambda: got == [{"tenant": n % 10}],
                          "notes": lambda: got == [{"owner": f"u{n}"}],
                          "open": lambda: got == {"notes": 0, "docs": 0, "u": "", "c": ""},
                          "both": lambda: got["u"] == f"u{n}" and json.loads(got["c"])["sub"] == f"u{n}",
                          "slow": lambda: got["u"] == f"u{n}" and got["t"] == n % 10}[kind]()
                if not ok:
                    wrong.append((kind, n, got))
    threads = [threading.Thread(target=client, args=(s,)) for s in range(8)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not wrong, wrong[:5]
    lanes = w.metrics()
    shared = sum(v for k, v in lanes.items() if k.startswith("weir_db_queries_total") and 'lane="express"' in k)
    assert (shared > 200) == (w.site.settings["database"]["main"].get("express") != 0), lanes
    for _ in range(20):
        assert w.get("/open").json == {"notes": 0, "docs": 0, "u": "", "c": ""}


def test_claims_are_data(w, key):
    """Quotes, backslashes, and everything else that is text stays text."""
    for text in ("o'neill", '"; DROP TABLE note; --', "\\'", "a\tb\nc", "\u2028é😀", "$1 %s {}", "x" * 2000):
        got = w.get("/both", headers=bearer(key.token({"sub": text, "note": {"deep": [text]}}))).json
        assert got["u"] == text
        assert json.loads(got["c"])["note"] == {"deep": [text]}
