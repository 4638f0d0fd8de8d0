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
    return Weird(Site(db.conninfo, endpoints, {"workers": {"min": 2, "max": 2}, "cache": cache}))


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
