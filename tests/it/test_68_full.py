"""Shared memory that is full: the smallest cache with far more than fits, values too big for it, a table of flights without
a free place. Nothing fails, nothing grows, other entries make room."""

import hashlib
import os
import random
import threading
import time

import pytest

from weirtest.base import open_fds, wait_for
from weirtest.fcgi import Connection
from weirtest.http import RawHTTP, encode
from weirtest.weir import Site

from test_61_cache import is_hit, status_of

MEMORY = 4 << 20    # the least that is taken
ROWS = 4000

SETUP = """
CREATE FUNCTION sized(id int) RETURNS int LANGUAGE sql IMMUTABLE AS $$ SELECT 1 + id * 97 % 701 $$;
CREATE FUNCTION gate() RETURNS int LANGUAGE sql AS $$ SELECT pg_advisory_xact_lock_shared(1); SELECT 1 $$;
"""

ENDPOINTS = {
    # 56 bytes to 22 KB: 44 MB in all
    "some": f"-- @route GET /api/some/{{id}}\n-- @returns row\n-- @cache 1h negative 1h tags some:{{id}}\nSELECT :id::int AS id, "
            f"repeat(md5(:id::text), sized(:id::int)) AS pad WHERE :id::int <= {ROWS}",
    "big": "-- @route GET /api/big/{kb}\n-- @returns row\n-- @timeout 20s\n-- @cache 1h\n"
           "SELECT :kb::int AS kb, repeat(md5(:kb::text), :kb::int * 32) AS pad",
    "gated": "-- @route GET /gated/{id}\n-- @returns row\n-- @timeout 60s\n-- @cache 1h\nSELECT :id::int AS id, gate() AS g",
    "touch": "-- @route POST /api/some/{id}\n-- @returns none\n-- @invalidates some:{id}\nSELECT :id::int",
}


def body_of(i, pieces=None):
    return b'{"id":%d,"pad":"%s"}' % (i, hashlib.md5(b"%d" % i).hexdigest().encode() * (pieces or 1 + i * 97 % 701))


@pytest.fixture
def weird(db, weir):
    db.sql(SETUP)
    site = Site(db.conninfo, ENDPOINTS, {
        "workers": {"min": 2, "max": 2}, "cache": {"memory": str(MEMORY)}, "limits": {"queue": 65535},
        "database": {"main": {"pool_min": 2, "pool_max": 8, "query_timeout": "20s"}}, "log": {"level": "warning"}})
    yield weir(site=site)
    site.remove()


def zones(weird):
    return {z["zone"]: z for z in weird.ctl("cache", json=True).json["zones"]}


def region_bytes(weird):
    """Size, and what is in memory of it."""
    fds = [n for n, target in open_fds(weird.pid).items() if target.startswith("/memfd:weir ")]
    assert len(fds) == 1
    found = os.stat(f"/proc/{weird.pid}/fd/{fds[0]}")
    return found.st_size, found.st_blocks * 512


def test_far_more_than_fits_under_load(weird, front):
    nginx = front("nginx", weird)
    size, stop = region_bytes(weird), time.monotonic() + 4
    bad, counts = [], {"hit": 0, "miss": 0, "touch": 0}

    def client(seed):
        dice = random.Random(seed)
        with RawHTTP(nginx.port) as c:
            for _ in range(900):    # nginx closes at 1,000
                if time.monotonic() > stop:
                    break
                i = min(int(dice.paretovariate(0.25)), ROWS) if dice.random() < 0.7 else dice.randint(1, ROWS + 500)
                if dice.random() < 0.05:
                    c.send(encode("POST", f"/api/some/{i}", keep=True))
                    if c.read_response("POST").status != 204:
                        bad.append((i, "write"))
                    counts["touch"] += 1
                    continue
                c.send(encode("GET", f"/api/some/{i}", keep=True))
                reply = c.read_response()
                if reply.status != (200 if i <= ROWS else 404) or (i <= ROWS and reply.body != body_of(i)):
                    bad.append((i, reply))
                counts["hit" if is_hit(reply) else "miss"] += 1
    while time.monotonic() < stop:
        threads = [threading.Thread(target=client, args=(n,)) for n in range(6)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
    assert not bad, bad[:3]
    assert counts["hit"] > 300 and counts["miss"] > 300 and counts["touch"] > 20, counts
    z = zones(weird)
    assert z["data"]["evicted"] > 100 and z["data"]["wiped"] == z["negative"]["wiped"] == 0
    assert sum(x["bytes_total"] for x in z.values()) <= MEMORY
    assert all(0 < x["bytes_used"] <= x["bytes_total"] for x in z.values())
    assert z["data"]["bytes_used"] > 0.8 * z["data"]["bytes_total"]
    assert weird.metrics()['weir_cache_evicted_total{zone="data"}'] == zones(weird)["data"]["evicted"]
    assert region_bytes(weird) == size, "the region is made once"


def test_answers_that_are_not_evict_no_answers(weird):
    with Connection(weird.listen, 30) as c:
        def get(i):
            c.send_request(f"/api/some/{i}")
            return c.read_reply()
        for _ in range(3):
            for i in range(1, 21):
                assert get(i).body == body_of(i)
        before = zones(weird)
        for i in range(ROWS + 1, ROWS + 2001):
            assert get(i).status == 404
        z = zones(weird)
        assert z["negative"]["evicted"] > 1000 and z["data"]["evicted"] == before["data"]["evicted"] == 0
        assert all(is_hit(get(i)) for i in range(1, 21)), "they are all there"


def test_values_too_big_are_answered_and_not_kept(weird, front):
    nginx = front("nginx", weird)
    for _ in range(2):
        for kb in (1, 200, 900, 1500):
            reply = nginx.get(f"/api/big/{kb}")
            assert reply.status == 200
            assert reply.json == {"kb": kb, "pad": hashlib.md5(b"%d" % kb).hexdigest() * 32 * kb}
            assert is_hit(reply) or "stored" not in status_of(reply) or kb == 1, reply.headers
    assert is_hit(nginx.get("/api/big/1")) and not is_hit(nginx.get("/api/big/200"))
    assert zones(weird)["data"]["entries"] == 1
    # those who ask for such a thing at the same time wait for one query, not for one after the other
    replies = []
    threads = [threading.Thread(target=lambda: replies.append(nginx.get("/api/big/1501"))) for _ in range(12)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert {(r.status, len(r.body)) for r in replies} == {(200, len(replies[0].body))} and len(replies) == 12


def test_more_flights_than_there_is_room_for(weird, db):
    """4,096 places: 4,800 keys are asked for at a time, by two clients each of some."""
    keys, twice = 4800, 400
    conn = db.connect()
    conn.cursor().execute("SELECT pg_advisory_lock(1)")
    asked = [*range(1, keys + 1), *range(1, twice + 1)]
    clients = []
    try:
        for i in asked:
            clients.append(wait_for(lambda: Connection(weird.listen, 60), 10, "room in the accept queue", 0.001))
            clients[-1].send_request(f"/gated/{i}")
        wait_for(lambda: sum(r["in_flight"] for r in weird.workers()) == len(asked), 20, "all to be in flight")
        conn.close()
        for i, c in zip(asked, clients):
            reply = c.read_reply()
            assert reply.status == 200 and reply.json == {"id": i, "g": 1}, reply
    finally:
        for c in clients:
            c.close()
    assert region_bytes(weird)[0] >= MEMORY
    # and then flights are as before
    sums = {k: v for k, v in weird.metrics().items() if k.startswith("weir_cache_collapsed_total")}
    assert sums['weir_cache_collapsed_total{endpoint="gated"}'] > twice / 2
