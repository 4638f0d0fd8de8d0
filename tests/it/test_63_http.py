"""The cache as HTTP knows it: what a request may ask of it, and what other caches are told."""

import pytest

from weirtest.weir import Site, Weird

from test_61_cache import SETUP, expect_queries, is_hit, set_value, status_of

ENDPOINTS = {
    "get": "-- @route GET /item/{id}\n-- @returns row\n-- @cache 60s negative 5s tags item:{id}\n"
           "SELECT id, v FROM item WHERE id = :id::int",
    "plain": "-- @route GET /plain\n-- @returns value\nSELECT 1",
    "set": "-- @route POST /item/{id}\n-- @returns none\n-- @param v\n-- @invalidates item:{id}\n"
           "UPDATE item SET v = :v::int WHERE id = :id::int",
}


def start(db, endpoints=ENDPOINTS, **cache):
    return Weird(Site(db.conninfo, endpoints, {"workers": {"min": 2, "max": 2}, "cache": cache})).wait_listening()


@pytest.fixture
def weird(db):
    db.sql(SETUP)
    running = start(db)
    yield running
    running.stop()


def asking(weird, path, value, **more):
    return weird.get(path, headers=[("Cache-Control", value)], **more)


def test_only_if_cached_never_asks_the_database(weird):
    for method in ("GET", "HEAD"):
        reply = asking(weird, "/item/1", "only-if-cached", method=method)
        assert reply.status == 504 and reply.header("cache-control") == "no-store"
        assert method == "HEAD" or reply.code == "not_cached"
        assert reply.header("cache-status") is None
    expect_queries(weird, "get", 0)
    weird.get("/item/1")
    for value in ("only-if-cached", "max-stale, ONLY-IF-CACHED", "only-if-cached, no-cache"):
        reply = asking(weird, "/item/1", value)
        assert reply.status == 200 and is_hit(reply), value
    # a 404 that is kept is an answer, too
    weird.get("/item/5000")
    assert asking(weird, "/item/5000", "only-if-cached").code == "no_row"
    set_value(weird, 1, 2)
    assert asking(weird, "/item/1", "only-if-cached").code == "not_cached"
    assert weird.get("/item/1").body == b'{"id":1,"v":2}'
    # what is not cached is no cache's business
    assert asking(weird, "/plain", "only-if-cached").status == 200
    assert asking(weird, "/item/x", "only-if-cached").status == 400


@pytest.mark.parametrize("value", ["no-cache", "max-age=0", "no-store", "min-fresh=3600"])
def test_a_client_cannot_turn_the_cache_off(weird, value):
    weird.get("/item/1")
    assert is_hit(asking(weird, "/item/1", value))
    expect_queries(weird, "get", 1)


def test_an_operator_can_ask_past_the_cache_where_that_is_allowed(db):
    db.sql(SETUP)
    weird = start(db, obey_no_cache="yes")
    try:
        weird.get("/item/1")
        db.sql("UPDATE item SET v = 3 WHERE id = 1")    # unseen: nobody watches the table
        assert weird.get("/item/1").body == b'{"id":1,"v":0}'
        assert asking(weird, "/item/1", "max-age=1").body == b'{"id":1,"v":0}'
        assert asking(weird, "/item/1", "no-cache, only-if-cached").code == "not_cached"
        reply = asking(weird, "/item/1", "max-age=0")
        assert reply.body == b'{"id":1,"v":3}' and status_of(reply) == "weir; fwd=request; stored"
        for _ in range(10):
            reply = weird.get("/item/1")
            assert reply.body == b'{"id":1,"v":3}' and is_hit(reply)
        db.sql("UPDATE item SET v = 4 WHERE id = 1")
        assert asking(weird, "/item/1", "no-cache").body == b'{"id":1,"v":4}'
        expect_queries(weird, "get", 3)
    finally:
        weird.stop()


GROUPS = {
    "get": ENDPOINTS["get"],
    "list": "-- @route GET /items\n-- @param owner default ann\n-- @cache 60s tags items owner:{owner}:items\n"
            "-- @header X-Own: yes\nSELECT id, v FROM item WHERE owner = :owner AND id <= 3 ORDER BY id",
    "mine": "-- @route GET /mine\n-- @auth user\n-- @cache 60s per user tags secret:{user} owner:{user}:items\n"
            "SELECT id FROM item WHERE owner = current_setting('request.user') AND id <= 3",
    "hidden": "-- @route GET /hidden\n-- @returns value\n-- @cache 60s private tags hidden items\nSELECT 1",
    "asker": "-- @route GET /asker\n-- @returns value\n-- @cache 60s tags asker:{user} items\nSELECT 1",
    "page": "-- @route GET /page/{id}\n-- @cache 60s tags page\n-- @include item = GET /item/{id}\n"
            "-- @include items = GET /items\n",
    "long": "-- @route GET /long/{a}\n-- @returns value\n-- @cache 60s tags a:{a} b\nSELECT :a::text",
    "set": "-- @route POST /item/{id}\n-- @returns none\n-- @auth user\n-- @param v\n"
           "-- @invalidates secret:{user} owner:{user}:items hidden asker:{user} item:{id} nobody\n"
           "UPDATE item SET v = :v::int WHERE id = :id::int",
    "plain": ENDPOINTS["plain"],
}


@pytest.fixture
def groups(db):
    db.sql(SETUP)
    running = start(db, GROUPS)
    yield running
    running.stop()


def test_public_answers_tell_their_tags_and_private_ones_do_not(groups):
    for hit in (False, True):
        for path, want in (("/item/1", '"item:1"'), ("/items", '"items", "owner:ann:items"'),
                           ("/items?owner=bob", '"items", "owner:bob:items"'), ("/item/5000", '"item:5000"'),
                           ("/asker", '"items"'), ("/hidden", None), ("/plain", None),
                           ("/page/1", '"page", "item:1", "items", "owner:ann:items"')):
            reply = groups.get(path)
            assert reply.header("cache-groups") == want, (path, reply)
            assert reply.header("cache-group-invalidation") is None
        reply = groups.get("/mine", REMOTE_USER="ann")
        assert reply.status == 200 and is_hit(reply) == hit and reply.header("cache-groups") is None
    assert groups.get("/items").header("x-own") == "yes"
    assert groups.get("/items", "HEAD").header("cache-groups") == '"items", "owner:ann:items"'


def test_a_tag_that_is_no_string_of_structured_fields_is_left_out(groups):
    for value, want in (("x" * 126, '"a:' + "x" * 126 + '", "b"'), ("x" * 127, '"b"'), ("%C3%A4", '"b"'),
                        ("%22%5C", r'"a:\"\\", "b"'), ("%0D%0Ax", '"b"')):
        for _ in range(2):
            reply = groups.get(f"/long/{value}")
            assert reply.status == 200 and reply.header("cache-groups") == want


def test_a_write_tells_the_tags_that_public_answers_may_have(groups):
    post = {"method": "POST", "headers": [("Content-Type", "application/json")], "REMOTE_USER": "ann"}
    reply = groups.get("/item/7", body=b'{"v": 1}', **post)
    assert reply.status == 204 and reply.header("cache-group-invalidation") == '"owner:ann:items", "item:7"'
    assert reply.header("cache-groups") is None
    for body in (b'{"v": -1}', b'{"v": "x"}'):
        reply = groups.get("/item/7", body=body, **post)
        assert reply.status >= 400 and reply.header("cache-group-invalidation") is None


def test_more_tags_than_a_page_holds_do_not_break_the_answer(db):
    tags = " ".join(f"{chr(97 + i)}:{{x}}" for i in range(16))
    weird = start(db, {"many": f"-- @route GET /many/{{x}}\n-- @returns value\n-- @cache 60s tags {tags}\nSELECT :x::text"})
    try:
        for _ in range(2):
            reply = weird.get("/many/" + "y" * 120)
            shown = reply.header("cache-groups")
            assert reply.status == 200 and 900 < len(shown) <= 1024 and shown.endswith('"')
    finally:
        weird.stop()
