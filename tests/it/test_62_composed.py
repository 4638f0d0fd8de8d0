"""Composed endpoints: parts cached apart, those that miss fetched together, the whole void with any part."""

import json
from concurrent.futures import ThreadPoolExecutor

import pytest

from weirtest.base import wait_for
from weirtest.fcgi import Connection
from weirtest.weir import LoneWorker, Site, Weird

from test_61_cache import expect_queries, is_hit, queries, status_of

SETUP = """
CREATE TABLE person (id int PRIMARY KEY, name text NOT NULL);
CREATE TABLE image (id int PRIMARY KEY, person int NOT NULL, title text NOT NULL);
INSERT INTO person SELECT i, 'p' || i FROM generate_series(1, 50) i;
INSERT INTO image SELECT i, 1 + i % 50, 'i' || i FROM generate_series(1, 200) i;
"""

ENDPOINTS = {
    "person": "-- @route GET /person/{id}\n-- @returns row\n-- @cache 60s tags person:{id}\n"
              "SELECT id, name FROM person WHERE id = :id::int",
    "images": "-- @route GET /person/{id}/images\n-- @param limit default 3\n-- @cache 60s tags images:{id}\n"
              "SELECT id, title FROM image WHERE person = :id::int ORDER BY id LIMIT :limit::int",
    "count": "-- @route GET /count\n-- @returns value\n-- @param person\nSELECT count(*) FROM image WHERE person = :person::int",
    "page": "-- @route GET /page/{id}\n-- @returns row\n-- @cache 60s tags page\n"
            "-- @include images = GET /person/{id}/images?limit=2\n-- @include self = GET /person/{id}\n"
            "SELECT id, name AS \"the name\" FROM person WHERE id = :id::int",
    "bare": "-- @route GET /bare/{id}\n-- @include person = GET /person/{id}\n-- @include n = GET /count?person={id}\n",
    "bad": "-- @route GET /bad\n-- @param q\n-- @include person = GET /person/{q}\n",
    "rename": "-- @route PUT /person/{id}\n-- @returns none\n-- @param name\n-- @invalidates person:{id}\n"
              "UPDATE person SET name = :name WHERE id = :id::int",
    "many": "-- @route GET /many\n" + "".join(f"-- @include p{i} = GET /person/{i}\n" for i in range(1, 21)),
}


@pytest.fixture
def weird(db):
    db.sql(SETUP)
    running = Weird(Site(db.conninfo, ENDPOINTS, {"workers": {"min": 2, "max": 2}})).wait_listening()
    yield running
    running.stop()


def test_parts_become_members_behind_the_own_row(weird):
    reply = weird.get("/page/1")
    assert reply.status == 200
    assert reply.body == (b'{"id":1,"the name":"p1","images":[{"id":50,"title":"i50"},{"id":100,"title":"i100"}],'
                          b'"self":{"id":1,"name":"p1"}}')
    assert weird.get("/bare/2").body == b'{"person":{"id":2,"name":"p2"},"n":4}'
    many = weird.get("/many")
    assert many.json == {f"p{i}": {"id": i, "name": f"p{i}"} for i in range(1, 21)}
    assert list(many.json) == [f"p{i}" for i in range(1, 21)]


def test_parts_are_cached_apart_and_the_whole_for_itself(weird):
    weird.get("/person/1")
    expect_queries(weird, "person", 1)
    first = weird.get("/page/1")
    assert status_of(first) == "weir; fwd=uri-miss; stored"
    expect_queries(weird, "person", 1)
    expect_queries(weird, "images", 1)
    for _ in range(10):
        again = weird.get("/page/1")
        assert is_hit(again) and again.body == first.body
    expect_queries(weird, "page", 1)
    assert is_hit(weird.get("/person/1/images", QUERY_STRING="limit=2", REQUEST_URI="/person/1/images?limit=2"))


def test_changing_a_part_makes_the_whole_void(weird):
    weird.get("/page/1")
    weird.get("/page/2")
    reply = weird.get("/person/1", "PUT", body=json.dumps({"name": "new"}), headers=[("Content-Type", "application/json")])
    assert reply.status == 204
    whole = weird.get("/page/1")
    assert not is_hit(whole) and whole.json["self"]["name"] == "new" and whole.json["the name"] == "new"
    assert is_hit(weird.get("/page/2"))
    expect_queries(weird, "images", 2)     # the other part stayed


def test_a_part_without_a_row_is_null_and_a_fault_of_a_part_is_the_whole_s(weird):
    assert weird.get("/bare/99").body == b'{"person":null,"n":0}'
    assert weird.get("/page/99").status == 404
    reply = weird.get("/bad", QUERY_STRING="q=x%2Fy", REQUEST_URI="/bad?q=x%2Fy")
    assert reply.status == 400 and b"x/y" not in reply.body
    assert weird.get("/bad", QUERY_STRING="q=3", REQUEST_URI="/bad?q=3").json == {"person": {"id": 3, "name": "p3"}}


@pytest.mark.parametrize("files, want", [
    ({"x": "-- @route GET /x\n-- @include a = GET /nowhere\n"}, "no endpoint answers GET there"),
    ({"x": "-- @route GET /x\n-- @include a = GET /x\n"}, "a part cannot have parts"),
    ({"x": "-- @route GET /x\n-- @include a = GET /y\n-- @include a = GET /y\n", "y": "-- @route GET /y\nSELECT 1 AS n"},
     "included twice"),
    ({"x": "-- @route GET /x\n-- @include a = GET /y/{z}\n", "y": "-- @route GET /y/{id}\nSELECT :id::int AS n"},
     "expected a parameter"),
    ({"x": "-- @route GET /x\n-- @cache 1s\n-- @include a = GET /y\n", "y": "-- @route GET /y\nSELECT 1 AS n"},
     "the part is not cached"),
    ({"x": "-- @route GET /x\n-- @cache 1s\n-- @include a = GET /y\n",
      "y": "-- @route GET /y\n-- @auth user\n-- @cache 1s per user\nSELECT 1 AS n"}, "depends on who asks"),
    ({"x": "-- @route GET /x\n-- @cache 1s\n-- @include a = GET /y\n",
      "y": "-- @route GET /y\n-- @cache 1s per user\n-- @param u optional from user\nSELECT :u::text AS n"}, "say per user"),
    ({"x": "-- @route GET /x\n-- @cache 1s per claim org\n-- @include a = GET /y\n",
      "y": "-- @route GET /y\n-- @cache 1s per claim org\n-- @param u optional from user\nSELECT :u::text AS n"}, "say per user"),
    ({"x": "-- @route GET /x\n-- @cache 1s per user\n-- @include a = GET /y\n",
      "y": "-- @route GET /y\n-- @cache 1s per user\n-- @param o optional from claim org.id\nSELECT :o::text AS n"},
     "say per claim org.id"),
    ({"x": "-- @route GET /x\n-- @cache 1s per user\n-- @include a = GET /y\n",
      "y": "-- @route GET /y\n-- @cache 1s per claim tenant\nSELECT 1 AS n"}, "say per claim tenant"),
    ({"x": "-- @route GET /x\n-- @cache 1s\n-- @include a = GET /y\n",
      "y": "-- @route GET /y\n-- @cache 1s\n-- @param l optional from header X-Lang\nSELECT :l::text AS n"}, "reads a header"),
    ({"x": "-- @route GET /x\n-- @cache 1s\n-- @include a = GET /y\n",
      "y": "-- @route GET /y\n-- @cache 1s per header X-Lang\nSELECT 1 AS n"}, "depends on a header"),
    ({"x": "-- @route GET /x\n-- @cache 1s\n-- @include a = GET /y\n",
      "y": "-- @route GET /y\n-- @cache 1s\n-- @param s optional from cookie s\nSELECT :s::text AS n"}, "depends on a cookie"),
    ({"x": "-- @route GET /x\n-- @cache 1s\n-- @include a = GET /y/{user}\n",
      "y": "-- @route GET /y/{id}\n-- @cache 1s\nSELECT :id::text AS n"}, "say per user"),
    ({"x": "-- @route GET /x\n-- @cache 1s per user\n-- @include a = GET /y/{claim.org}\n",
      "y": "-- @route GET /y/{id}\n-- @cache 1s\nSELECT :id::text AS n"}, "say per claim org"),
    ({"x": "-- @route POST /x\n-- @include a = GET /y\n", "y": "-- @route GET /y\nSELECT 1 AS n"}, "stands on a GET"),
])
def test_what_cannot_be_composed_is_refused_at_load(db, files, want):
    found = Site(db.conninfo, files).weird("-t", "--offline")
    assert found.returncode == 78 and want in found.stderr + found.stdout, found


def test_who_may_not_see_a_part_does_not_get_it_in_a_whole_that_is_cached(db):
    """The whole is open to all and found in the cache; its part is for admins, and the same for each of them."""
    weird = Weird(Site(db.conninfo, {
        "secret": "-- @route GET /secret\n-- @returns value\n-- @auth role admin\n-- @cache 60s public\nSELECT 42",
        "whole": "-- @route GET /whole\n-- @cache 60s\n-- @include n = GET /secret\n"},
        {"auth": {"roles_param": "ROLES"}})).wait_listening()
    try:
        for _ in range(2):
            assert weird.get("/whole", REMOTE_USER="ann", ROLES="admin").json == {"n": 42}
            assert weird.get("/whole").status == 401
            assert weird.get("/whole", REMOTE_USER="bob", ROLES="guest").status == 403
        reply = weird.get("/whole", REMOTE_USER="ann", ROLES="admin")
        assert is_hit(reply) and reply.header("cache-control").startswith("private")
    finally:
        weird.stop()


def test_a_whole_of_what_depends_on_the_caller_is_kept_for_each(db):
    weird = Weird(Site(db.conninfo, {
        "me": "-- @route GET /me\n-- @returns value\n-- @param u optional from user\n-- @param l optional from header X-Lang\n"
              "-- @cache 60s per user\nSELECT concat(:u::text, '-', :l::text)",
        "whole": "-- @route GET /whole\n-- @cache 60s per user header x-lang\n-- @include me = GET /me\n"})).wait_listening()
    try:
        for _ in range(2):
            for user in ("ann", "bob", None):
                for lang in ("en", None):
                    reply = weird.get("/whole", REMOTE_USER=user, HTTP_X_LANG=lang)
                    assert reply.json == {"me": f"{user or ''}-{lang or ''}"}
                    assert reply.header("cache-control").startswith("private") and reply.header("vary") == "x-lang"
        assert is_hit(reply)
    finally:
        weird.stop()


def test_a_reload_with_another_part_finds_no_whole_of_the_old_one(db):
    site = Site(db.conninfo, {"part": "-- @route GET /part\n-- @returns value\n-- @cache 60s\nSELECT 1",
                              "whole": "-- @route GET /whole\n-- @cache 60s\n-- @include n = GET /part\n"})
    weird = Weird(site).wait_listening()
    try:
        assert weird.get("/whole").json == {"n": 1} and is_hit(weird.get("/whole"))
        site.write_endpoint("part", "-- @route GET /part\n-- @returns value\n-- @cache 60s\nSELECT 2")
        assert weird.reload().ok
        wait_for(lambda: weird.get("/whole").json == {"n": 2}, 10, "the new part")
        site.write_endpoint("whole", "-- @route GET /whole\n-- @cache 60s\n-- @include m = GET /part\n")
        assert weird.reload().ok
        wait_for(lambda: weird.get("/whole").json == {"m": 2}, 10, "the new whole")
    finally:
        weird.stop()


def uncached(db, limits):
    parts = "".join(f"-- @include p{i} = GET /part?n={i}\n" for i in range(5))
    return LoneWorker(Site(db.conninfo, {
        "part": "-- @route GET /part\n-- @param n\n-- @returns row\n"
                "SELECT :n::int AS n, current_setting('default_transaction_read_only') AS ro, xact_start::text AS began "
                "FROM pg_stat_activity WHERE pid = pg_backend_pid()",
        "all": "-- @route GET /all\n" + parts}, {"limits": limits}))


def test_the_parts_of_a_request_wait_as_one(db):
    w = uncached(db, {"queue": 1})
    try:
        reply = w.get("/all")
        assert reply.status == 200 and [p["n"] for p in reply.json.values()] == list(range(5))
    finally:
        w.stop()


def test_the_parts_of_a_request_share_a_sync(db):
    """And what is between two Syncs is one transaction. Now and then one part is sent alone, to be measured."""
    w = uncached(db, {})
    try:
        whole = []

        def ask():
            replies = clients.map(lambda _: w.get("/all").json.values(), range(64))
            whole.extend({p["began"] for p in parts} for parts in replies if all(p["ro"] == "on" for p in parts))
            return len(whole) >= 160
        with ThreadPoolExecutor(16) as clients:
            wait_for(ask, 30, "the express lane")
        assert sum(len(began) == 1 for began in whole) > len(whole) / 2, sorted(map(len, whole))
    finally:
        w.stop()


def test_parts_that_outlive_the_whole_keep_what_it_was_asked_with(db):
    """Those that run on when the client has left, and those that refresh their entries when the whole is answered."""
    weird = Weird(Site(db.conninfo, {
        "part": "-- @route GET /part/{id}\n-- @returns row\n-- @param lang from header X-Lang\n-- @param who from cookie who\n"
                "-- @cache 300ms stale 60s per header x-lang\n"
                "SELECT :id::int AS id, :lang::text AS lang, :who::text AS who, pg_sleep(0.05)::text AS s",
        "whole": "-- @route GET /whole/{id}\n-- @include a = GET /part/1\n-- @include b = GET /part/{id}\n"},
        {"workers": {"min": 1, "max": 1}})).wait_listening()

    def ask(path, lang):
        return weird.get(path, HTTP_X_LANG=lang, HTTP_COOKIE=f"who={lang}")

    def is_of(part, number, lang):
        return (part["id"], part["lang"], part["who"]) == (number, lang, lang)

    try:
        for i in range(10):
            with Connection(weird.listen) as c:
                c.send_request(f"/whole/{i + 2}", HTTP_X_LANG=f"gone{i}", HTTP_COOKIE=f"who=gone{i}")
        expect_queries(weird, "part", 20)
        for i in range(10):
            for number in (1, i + 2):
                reply = ask(f"/part/{number}", f"gone{i}")
                assert is_hit(reply) and is_of(reply.json, number, f"gone{i}"), reply

        langs = [f"language-{i}" * 20 for i in range(10)]
        with ThreadPoolExecutor(10) as clients:
            def refreshed():
                for lang, reply in zip(langs, clients.map(lambda lang: ask("/whole/7", lang), langs)):
                    assert is_of(reply.json["a"], 1, lang) and is_of(reply.json["b"], 7, lang), reply.json
                return queries(weird, "part") > 100
            wait_for(refreshed, 20, "the parts to be refreshed")
    finally:
        weird.stop()


def test_a_purged_part_is_in_no_whole(db, weird):
    """7.38: `cache purge endpoint` of a part makes the wholes void that hold its answers."""
    for _ in range(2):
        weird.get("/page/1")
    wait_for(lambda: is_hit(weird.get("/page/1")), 5, "the whole to be cached")
    db.sql("UPDATE person SET name = 'new' WHERE id = 1")
    assert weird.get("/page/1").json["self"]["name"] == "p1", "nobody was told"
    assert weird.ctl("cache purge endpoint person").ok
    assert weird.get("/page/1").json["self"]["name"] == "new"
