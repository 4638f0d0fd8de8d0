"""The wall clock is stepped by an hour, there and back: lifetimes, deadlines and ages do not notice; a token's times do, as
they must."""

import re
import threading
import time

import pytest

from weirtest.base import wait_for
from weirtest.fcgi import request
from weirtest.jose import Key, bearer, key_set
from weirtest.memcached import Memcached
from weirtest.wall import Wall
from weirtest.weir import Site

from test_61_cache import is_hit, set_value, status_of
from test_65_memcached import shared, stored

HOUR = 3600

ENDPOINTS = {
    "get": "-- @route GET /item/{id}\n-- @returns row\n-- @cache 60s negative 60s tags item:{id}\nSELECT id, v FROM item WHERE id = :id::int",
    "short": "-- @route GET /short/{id}\n-- @returns row\n-- @cache 1s\nSELECT id, v FROM item WHERE id = :id::int",
    "stale": "-- @route GET /stale/{id}\n-- @returns row\n-- @cache 1s stale 60s\nSELECT id, v FROM item WHERE id = :id::int",
    "mine": "-- @route GET /mine\n-- @auth user\n-- @cache 60s per user\n-- @returns value\nSELECT current_setting('request.user')",
    "nap": "-- @route GET /nap\n-- @timeout 2s\n-- @returns value\nSELECT pg_sleep(0.7)::text",
    "set": "-- @route POST /item/{id}\n-- @returns none\n-- @param v\n-- @invalidates item:{id}\n"
           "UPDATE item SET v = :v::int WHERE id = :id::int",
}


@pytest.fixture
def key():
    return Key("ES256", kid="a")


@pytest.fixture
def wall():
    return Wall()


@pytest.fixture
def weird(db, weir, wall, key):
    db.sql("CREATE TABLE item (id int PRIMARY KEY, v int NOT NULL); INSERT INTO item SELECT i, 0 FROM generate_series(1, 100) i")
    site = Site(db.conninfo, ENDPOINTS, {"workers": {"min": 2, "max": 2}, "auth": {"jwks": "jwks.json", "leeway": "60s"}})
    (site.dir / "jwks.json").write_text(key_set(key))
    running = weir(site=site, env=wall.env)
    pids = running.worker_pids()
    yield running
    wall.step(0)
    assert running.worker_pids() == pids, "nobody was ended for a clock"
    assert request(running.status, "/ready").status == 200
    site.remove()


def numbers(reply):
    """ttl and age of a hit."""
    assert is_hit(reply), reply
    return int(re.search(r"ttl=(-?\d+)", status_of(reply))[1]), int(reply.header("age"))


def hour_of(weird):
    """Of the day, as weir-monitor takes it."""
    return int(re.search(r'"generated_at":"[^"]*T(\d\d):', request(weird.status, "/api/performance").body.decode())[1])


@pytest.mark.parametrize("hours", [1, -1])
def test_what_is_kept_lives_as_long_as_it_was_to(weird, wall, hours):
    paths = ["/item/1", "/item/5000", "/stale/1"]
    for path in paths:
        weird.get(path)
    first = numbers(weird.get("/item/1"))
    hour = hour_of(weird)
    for step in (hours * HOUR, 0, -hours * HOUR, 0, hours * HOUR):
        wall.step(step)
        for path in paths[:2]:
            ttl, age = numbers(weird.get(path))
            assert first[0] - 10 <= ttl <= first[0] + 12 and 0 <= age <= 10, (path, step, ttl, age)
    assert hour_of(weird) in ((hour + hours) % 24, (hour + hours + 1) % 24), "the step is seen at all"
    # what is to end ends, whatever the clock says
    assert weird.get("/short/1").status == 200 and is_hit(weird.get("/short/1"))
    wall.step(-hours * HOUR)
    assert is_hit(weird.get("/short/1"))
    wait_for(lambda: not is_hit(weird.get("/short/1")), 3, "the end of a second")
    # and is refreshed
    wait_for(lambda: "ttl=-" in status_of(weird.get("/stale/1")), 3, "the end of a second")
    wait_for(lambda: numbers(weird.get("/stale/1"))[0] >= 0, 3, "the refresh")
    # writes are seen
    set_value(weird, 1, 7)
    wall.step(hours * HOUR)
    assert weird.get("/item/1").body == b'{"id":1,"v":7}'
    assert is_hit(weird.get("/item/1"))


def test_deadlines_do_not_notice(weird, wall):
    replies = []
    threads = [threading.Thread(target=lambda: replies.append(weird.get("/nap"))) for _ in range(4)]
    for t in threads:
        t.start()
    wait_for(lambda: sum(r["in_flight"] for r in weird.workers()) == 4, 5, "all to be on their way")
    for step in (HOUR, -HOUR, 24 * HOUR):
        wall.step(step)
        assert weird.get("/item/2").status == 200
    for t in threads:
        t.join()
    assert [r.status for r in replies] == [200] * 4


def test_tokens_go_by_the_wall(weird, wall, key):
    """Verified, then remembered: the times count each time. Answers kept for a user are of no use to who has become nobody."""
    now = int(time.time())
    token = key.token({"sub": "ann", "iat": now - 10, "nbf": now - 10, "exp": now + 600})

    def status():
        """At both workers, most likely."""
        found = {weird.get("/mine", headers=bearer(token)).status for _ in range(6)}
        assert len(found) == 1, found
        return found.pop()
    for step, want in ((0, 200), (HOUR, 401), (0, 200), (-HOUR, 401), (0, 200), (590, 200), (640, 200), (680, 401), (-60, 200),
                       (-90, 401), (0, 200)):
        wall.step(step)
        assert status() == want, step
    assert weird.get("/mine", headers=bearer(token)).json == "ann" and is_hit(weird.get("/mine", headers=bearer(token)))


def test_hosts_whose_clocks_differ_share_what_they_can(db, weir):
    """An answer in memcached says when it was made by the clock of its maker: it lives no longer than it was to, and from the
    view of a host that is far ahead it is over."""
    db.sql("CREATE TABLE item (id int PRIMARY KEY, v int NOT NULL); INSERT INTO item SELECT i, 0 FROM generate_series(1, 100) i")
    node, walls = Memcached(), (Wall(), Wall())
    text = {"free": "-- @route GET /free/{id}\n-- @returns value\n-- @cache 1h\nSELECT v FROM item WHERE id = :id::int"}
    sites = [Site(db.conninfo, text, {"cache": {"servers": [node.server], "secret": "a secret that both hosts know"}}) for _ in walls]
    try:
        a, b = (weir(site=s, env=w.env) for s, w in zip(sites, walls))
        paths = iter(f"/free/{i}" for i in range(1, 100))
        for ahead, least, most in ((-HOUR // 2, 3200, 4000), (HOUR // 2, 1400, 2200)):
            walls[1].step(ahead)
            _, _, reply = shared(a, b, node, paths)
            ttl, age = numbers(reply)
            max_age = int(re.search(r"max-age=(\d+)", reply.header("cache-control"))[1])
            assert least <= ttl <= most and 0 <= max_age - age - ttl <= 1, (ahead, reply)
        walls[1].step(2 * HOUR)
        path = next(paths)
        stored(a, path, node)
        reply = b.get(path)
        assert reply.status == 200 and reply.body == b"0" and not is_hit(reply), reply
    finally:
        node.close()
        for s in sites:
            s.remove()
