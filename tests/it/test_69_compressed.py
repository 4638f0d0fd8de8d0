"""Kept answers in the codings that clients accept: compressed once, behind a reply, and found by every worker."""

import gzip
import os
import re
import signal
import threading

import pytest

from weirtest.base import wait_for
from weirtest.fcgi import Closed
from weirtest.http import fetch
from weirtest.weir import LoneWorker, Site, Weird

from test_61_cache import expect_queries, is_hit

SETUP = """
CREATE TABLE doc (id int PRIMARY KEY, v int NOT NULL DEFAULT 0, text text NOT NULL);
INSERT INTO doc SELECT i, 0, repeat('all work and no play ' || i || ' ', 200) FROM generate_series(1, 20) i;
UPDATE doc SET text = (SELECT string_agg(chr(35 + (random() * 55)::int), '') FROM generate_series(1, 70)) WHERE id = 7;
"""

ENDPOINTS = {
    "doc": "-- @route GET /doc/{id}\n-- @returns row\n-- @cache 60s stale-if-error 1h tags doc:{id}\n-- @header X-Id: {id}\n"
           "SELECT id, v, text FROM doc WHERE id = :id::int",
    "large": "-- @route GET /large/{n}\n-- @returns value\n-- @timeout 20s\n-- @cache 60s\n"
             "SELECT string_agg(md5((i * :n::int)::text), ' ') FROM generate_series(1, 7000) i",
    "small": "-- @route GET /small\n-- @returns value\n-- @cache 60s\nSELECT 1",
    "short": "-- @route GET /short\n-- @returns value\n-- @cache 400ms stale 60s\nSELECT text || v FROM doc WHERE id = 1",
    "mine": "-- @route GET /mine\n-- @auth user\n-- @returns value\n-- @cache 60s per user\nSELECT text FROM doc WHERE id = 1",
    "minetoo": "-- @route GET /minetoo\n-- @auth user\n-- @returns value\n-- @compress on\n-- @cache 60s per user\n"
               "SELECT text || current_setting('request.user') FROM doc WHERE id = 1",
    "never": "-- @route GET /never\n-- @returns value\n-- @compress off\n-- @cache 60s\nSELECT text FROM doc WHERE id = 1",
    "plain": "-- @route GET /plain\n-- @returns value\nSELECT text FROM doc WHERE id = 1",
    "page": "-- @route GET /page/{id}\n-- @include doc = GET /doc/{id}\n",
    "set": "-- @route POST /doc/{id}\n-- @returns none\n-- @invalidates doc:{id}\nUPDATE doc SET v = v + 1 WHERE id = :id::int",
}
VARY = "Accept-Encoding"


def start(db, **cache):
    db.sql(SETUP)
    return Weird(Site(db.conninfo, ENDPOINTS, {"workers": {"min": 2, "max": 2}, "cache": cache})).wait_listening()


@pytest.fixture
def weird(db):
    running = start(db)
    yield running
    running.stop()


def get(weird, path, coding="gzip", **more):
    headers = [*more.pop("headers", []), *([("Accept-Encoding", coding)] if coding else [])]
    return weird.get(path, headers=headers, **more)


def compressed(weird, path, coding="gzip", **more):
    """The reply, once it comes in that coding."""
    def arrived():
        reply = get(weird, path, coding, **more)
        return reply.header("content-encoding") == coding and reply
    return wait_for(arrived, 10, f"{path} in {coding}")


def variants(weird):
    return sum(v for k, v in weird.metrics().items() if k.startswith("weir_cache_variants_total"))


def test_the_first_client_has_the_body_as_it_is_and_later_ones_the_variant(weird):
    first = get(weird, "/doc/1")
    assert first.header("content-encoding") is None and first.header("vary") == VARY
    reply = compressed(weird, "/doc/1")
    assert is_hit(reply) and gzip.decompress(reply.body) == first.body and len(reply.body) < len(first.body) / 10
    assert reply.header("content-length") == str(len(reply.body))
    assert reply.header("etag") == first.header("etag")[:-1] + '-gzip"'
    for name in ("vary", "cache-groups", "x-id", "content-type"):
        assert reply.header(name) == first.header(name)
    assert reply.header("cache-control") == first.header("cache-control")
    assert abs(int(re.search(r"ttl=(\d+)", reply.header("cache-status"))[1]) + int(reply.header("age"))
               - int(re.search(r"max-age=(\d+)", first.header("cache-control"))[1])) <= 2
    head = get(weird, "/doc/1", method="HEAD")
    assert head.body == b"" and head.header("content-encoding") == "gzip" and head.header("etag") == reply.header("etag")
    for coding in (None, "identity", "gzip;q=0", "zstd", "identity, gzip;q=0.5"):
        other = get(weird, "/doc/1", coding)
        assert other.body == first.body and other.header("etag") == first.header("etag"), coding
        assert other.header("vary") == VARY
    expect_queries(weird, "doc", 1)


def test_brotli_is_taken_before_gzip(weird):
    first = get(weird, "/doc/1", None)
    assert variants(weird) == 0     # for nobody
    browser = "gzip, deflate, br, zstd"
    reply = wait_for(lambda: (r := get(weird, "/doc/1", browser)).header("content-encoding") and r, 10, "a variant")
    assert reply.header("content-encoding") == "br" and len(reply.body) < len(first.body) / 10
    assert reply.header("etag") == first.header("etag")[:-1] + '-br"'
    assert gzip.decompress(compressed(weird, "/doc/1").body) == first.body
    assert get(weird, "/doc/1", "br;q=0.5, gzip").header("content-encoding") == "gzip"
    assert get(weird, "/doc/1", browser).header("content-encoding") == "br"


def test_a_body_is_compressed_once_for_all_workers(weird):
    get(weird, "/doc/2")
    threads = [threading.Thread(target=lambda: [get(weird, "/doc/2") for _ in range(20)]) for _ in range(10)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    for _ in range(20):     # whichever worker answers
        compressed(weird, "/doc/2")
    assert variants(weird) == 1


def test_an_entity_tag_of_any_coding_spares_the_body(weird):
    plain = get(weird, "/doc/3", None).header("etag")
    tags = {"gzip": compressed(weird, "/doc/3").header("etag"), "br": compressed(weird, "/doc/3", "br").header("etag"),
            None: plain}
    for have in tags.values():
        for coding in tags:
            reply = get(weird, "/doc/3", coding, headers=[("If-None-Match", have)])
            # it is about the copy that the client has
            assert reply.status == 304 and reply.header("etag") == have and reply.body == b""
            assert reply.header("content-encoding") is None and reply.header("vary") == VARY
    for coding, tag in tags.items():
        reply = get(weird, "/doc/3", coding, headers=[("If-None-Match", '"x"')])
        assert reply.status == 200 and reply.header("content-encoding") == coding and reply.header("etag") == tag
        assert get(weird, "/doc/3", coding, headers=[("If-Match", tag)]).status == 200


def test_a_write_makes_every_coding_void(weird):
    tag = {}
    for coding in ("gzip", "br"):
        tag[coding] = compressed(weird, "/doc/4", coding).header("etag")
    assert weird.get("/doc/4", "POST", headers=[("If-Match", tag["br"])]).status == 204
    for coding in ("gzip", "br", None):
        reply = get(weird, "/doc/4", coding)
        assert reply.json["v"] == 1 and reply.header("content-encoding") is None
    assert weird.get("/doc/4", "POST", headers=[("If-Match", tag["gzip"])]).status == 412
    reply = compressed(weird, "/doc/4")
    assert b'"v":1' in gzip.decompress(reply.body) and reply.header("etag") != tag["gzip"]
    # and an old tag is no 304 any more
    assert get(weird, "/doc/4", headers=[("If-None-Match", tag["gzip"])]).status == 200


def test_a_stale_variant_is_not_served_beside_a_newer_answer(weird, db):
    compressed(weird, "/short")
    db.sql("UPDATE doc SET v = 1 WHERE id = 1")

    def refreshed():
        return get(weird, "/short", None).body.endswith(b' 1"')

    wait_for(refreshed, 10, "the refreshed answer")
    for _ in range(20):
        reply = get(weird, "/short")
        body = gzip.decompress(reply.body) if reply.header("content-encoding") else reply.body
        assert body.endswith(b' 1"')


def test_what_is_small_stays_as_it_is(weird):
    for path in ("/small", "/doc/7"):
        first = get(weird, path)
        for _ in range(10):
            reply = get(weird, path)
            assert reply.body == first.body and reply.header("content-encoding") is None
    assert variants(weird) == 0


def test_what_does_not_shrink_is_tried_once(db):
    weird = start(db, compress_min=64)
    try:
        first = get(weird, "/doc/7")
        assert 64 <= len(first.body) < 150
        wait_for(lambda: variants(weird) == 1, 10, "the attempt")
        for _ in range(20):
            reply = get(weird, "/doc/7")
            assert reply.body == first.body and is_hit(reply) and reply.header("content-encoding") is None
            assert reply.header("x-id") == "7"
        assert variants(weird) == 1
    finally:
        weird.stop()


def test_what_depends_on_the_caller_is_compressed_only_where_the_endpoint_says_so(weird):
    for user in ("ann", "bob"):
        want = get(weird, "/minetoo", None, REMOTE_USER=user).body
        assert want.endswith(user.encode() + b'"')
        reply = compressed(weird, "/minetoo", REMOTE_USER=user)
        assert gzip.decompress(reply.body) == want and reply.header("cache-control").startswith("private")
    before = variants(weird)
    for path, more in (("/mine", {"REMOTE_USER": "ann"}), ("/never", {}), ("/plain", {})):
        for _ in range(5):
            reply = get(weird, path, **more)
            assert reply.status == 200 and reply.header("content-encoding") is None and reply.header("vary") is None
    assert variants(weird) == before


def test_a_worker_that_is_killed_while_it_compresses_leaves_it_to_others(weird):
    for n in range(1, 6):
        first = get(weird, f"/large/{n}", "br")
        assert first.header("content-encoding") is None and len(first.body) > 230000
        assert first.header("cache-status").endswith("stored")
        for pid in weird.worker_pids():
            os.kill(pid, signal.SIGKILL)

        def arrived():
            try:
                reply = get(weird, f"/large/{n}", "br")
            except Closed:
                return None
            return reply.header("content-encoding") == "br" and reply

        reply = wait_for(arrived, 20, "the variant")
        assert int(reply.header("content-length")) == len(reply.body) < len(first.body) * 0.9
        assert get(weird, f"/large/{n}", None).body == first.body


def test_a_part_is_put_into_its_whole_as_text(weird):
    compressed(weird, "/doc/5")
    assert get(weird, "/page/5").json["doc"]["id"] == 5


def test_weirctl_shows_the_codings_and_purges_them_together(weird):
    compressed(weird, "/doc/6")
    compressed(weird, "/doc/6", "br")
    rows = {r["coding"]: r for r in weird.ctl("cache", "keys", "doc", json=True).json["entries"]}
    assert set(rows) == {"identity", "gzip", "br"} and rows["br"]["bytes"] < rows["identity"]["bytes"]
    assert weird.ctl("cache", "get", rows["gzip"]["key"], json=True).json["content"] is None
    assert " bytes of gzip)" in weird.ctl("cache", "get", rows["gzip"]["key"]).body
    assert weird.ctl("cache", "purge", "key", rows["identity"]["key"]).ok
    assert weird.ctl("cache", "keys", "doc", json=True).json["entries"] == []
    assert not is_hit(get(weird, "/doc/6"))


@pytest.mark.parametrize("cache, want", [({"compress": "off"}, None), ({"compress": "gzip"}, "gzip"),
                                         ({"compress_min": "64KiB"}, None)])
def test_how_is_configured(db, cache, want):
    weird = start(db, **cache)
    try:
        if want:
            compressed(weird, "/doc/1", want)
        for _ in range(5):
            assert get(weird, "/doc/1", "br").header("content-encoding") is None
        assert get(weird, "/doc/1", "br, gzip").header("content-encoding") == want
        assert get(weird, "/doc/1", "br").header("vary") == (None if cache.get("compress") == "off" else VARY)
    finally:
        weird.stop()


def test_an_endpoint_that_is_not_cached_cannot_be_compressed(db):
    found = Site(db.conninfo, {"x": "-- @route GET /x\n-- @compress on\nSELECT 1"}).weird("-t", "--offline")
    assert found.returncode == 78 and "needs @cache" in found.stderr + found.stdout


def test_a_lone_worker_compresses_too(db):
    db.sql(SETUP)
    worker = LoneWorker(Site(db.conninfo, ENDPOINTS))
    try:
        assert b"all work" in gzip.decompress(compressed(worker, "/doc/1").body)
    finally:
        worker.stop()


@pytest.mark.parametrize("kind", ["nginx", "apache-proxy", "lighttpd", "haproxy"])
def test_a_web_server_in_front_leaves_coding_and_tag_alone(kind, front, db):
    db.sql(SETUP)
    site = Site(db.conninfo, {"doc": ENDPOINTS["doc"].replace("/doc/", "/api/doc/"),
                              "set": ENDPOINTS["set"].replace("/doc/", "/api/doc/")})
    weird = Weird(site).wait_listening()
    try:
        server = front(kind, weird)
        plain = fetch(server.port, "/api/doc/1")
        accept = ("Accept-Encoding", "gzip")
        reply = wait_for(lambda: (r := fetch(server.port, "/api/doc/1", headers=[accept])).header("content-encoding") and r,
                         10, "the variant")
        assert gzip.decompress(reply.body) == plain.body
        assert reply.header("etag") == plain.header("etag")[:-1] + '-gzip"'
        assert VARY in reply.header("vary")
        again = fetch(server.port, "/api/doc/1", headers=[accept, ("If-None-Match", reply.header("etag"))])
        assert again.status == 304 and again.header("etag") == reply.header("etag")
        assert fetch(server.port, "/api/doc/1", "POST", headers=[("If-Match", reply.header("etag"))]).status == 204
        assert fetch(server.port, "/api/doc/1", "POST", headers=[("If-Match", reply.header("etag"))]).status == 412
    finally:
        weird.stop()
