"""What trials of the cache from outside found (issue 7): each kind with a test of its own."""

import threading
import time

import psycopg2
import pytest

from weirtest.base import wait_for
from weirtest.fcgi import Connection
from weirtest.weir import Site, Weird

from test_61_cache import is_hit, queries, status_of

JSON = [("Content-Type", "application/json")]


@pytest.fixture
def start():
    """Factory of running weirds on a site: start(conninfo, endpoints, options, listening=True)."""
    running = []

    def make(conninfo, endpoints, options=None, listening=True):
        site = Site(conninfo, endpoints, {"workers": {"min": 1, "max": 2}, **(options or {})})
        running.append(Weird(site))
        return running[-1].wait_listening() if listening else running[-1]
    yield make
    for w in running:
        w.stop()
        w.site.remove()


def reload(weird, options=None, **files):
    for name, text in files.items():
        weird.site.write_endpoint(name, text)
    weird.site.write_conf(options)
    done = weird.reload()
    assert done.severity in (4, 6), done
    return done


# ---- 7: what an answer depends on is in its key ----

SHAPED = {
    "when": "-- @route GET /when\n-- @returns value\n-- @cache 1h\nSELECT timestamptz '2026-01-01 12:00+00'",
    "who": "-- @route GET /who\n-- @returns value\n-- @cache 1h\nSELECT current_database()",
    "path": "-- @route GET /path\n-- @returns value\n-- @cache 1h\nSELECT current_setting('search_path')",
    "par": "-- @route GET /par\n-- @returns value\n-- @param x default 5\n-- @cache 1h\nSELECT :x::int",
    "ttl": "-- @route GET /ttl\n-- @returns value\n-- @cache 1h\nSELECT random()",
    "whole": "-- @route GET /whole\n-- @cache 1h\n-- @include when = GET /when",
}


def test_a_reload_that_changes_what_shapes_an_answer_finds_no_old_one(start, db, pg):
    """7.7: conninfo, timezone and whatever else shapes an answer is in the key, without a tag, too; what does not is not."""
    other = f"{db.name}_other"
    pg.create_database(other)
    try:
        weird = start(db.conninfo, SHAPED)

        def fresh(path, want):
            for hit in (False, True):
                reply = weird.get(path)
                assert reply.body == want and is_hit(reply) == hit, (path, reply)
        fresh("/when", b'"2026-01-01T12:00:00+00:00"')
        fresh("/whole", b'{"when":"2026-01-01T12:00:00+00:00"}')
        reload(weird, {"database": {"main": {"timezone": "Asia/Tokyo"}}})
        fresh("/when", b'"2026-01-01T21:00:00+09:00"')
        fresh("/whole", b'{"when":"2026-01-01T21:00:00+09:00"}')
        fresh("/path", b'"\\"$user\\", public"')
        reload(weird, {"database": {"main": {"conninfo": db.conninfo + " options='-c search_path=public'"}}})
        fresh("/path", b'"public"')
        fresh("/who", b'"%s"' % db.name.encode())
        # how the server is reached is not: nothing is lost by a new password
        reload(weird, {"database": {"main": {"conninfo": db.conninfo + " options='-c search_path=public' password=x connect_timeout=9"}},
                       "limits": {"uri": "4KiB"}})
        assert is_hit(weird.get("/path")) and is_hit(weird.get("/who"))
        reload(weird, {"database": {"main": {"conninfo": pg.conninfo_for(other)}}})
        fresh("/who", b'"%s"' % other.encode())
        fresh("/par", b"5")
        reload(weird, par=SHAPED["par"].replace("default 5", "default 6"))
        fresh("/par", b"6")
        first = weird.get("/ttl").body
        reload(weird, ttl=SHAPED["ttl"].replace("@cache 1h", "@cache 1s"))
        assert weird.get("/ttl").body != first      # kept for a second, from now on
    finally:
        weird.stop()
        pg.sql(f'DROP DATABASE "{other}" WITH (FORCE)', dbname="postgres")


def test_an_entry_is_looked_up_by_its_key_without_a_look_at_the_others(start, db):
    """7.22: cache get and purge key find by hash, in every coding; cache keys goes over the memory in a thread."""
    db.sql("CREATE TABLE big AS SELECT i AS id FROM generate_series(1, 500) i")
    weird = start(db.conninfo, {"get": "-- @route GET /n/{id}\n-- @returns row\n-- @cache 1h\nSELECT id FROM big WHERE id = :id::int",
                                "large": "-- @route GET /large\n-- @cache 1h\nSELECT id, 'x' AS x FROM big"})
    for i in (1, 2):
        weird.get(f"/n/{i}")
    keys = [e["key"] for e in weird.ctl("cache keys get", json=True).json["entries"]]
    assert len(keys) == 2
    for key in keys:
        assert weird.ctl("cache get " + key, json=True).json["content"] in ('{"id":1}', '{"id":2}')
    assert weird.ctl("cache purge key " + keys[0]).ok
    assert weird.ctl("cache get " + keys[0]).severity == 3 and weird.ctl("cache purge key " + keys[0]).severity == 3
    assert sorted(is_hit(weird.get(f"/n/{i}")) for i in (1, 2)) == [False, True]
    # a compressed copy goes with the answer
    zip = [("Accept-Encoding", "gzip")]

    def compressed():
        return weird.get("/large", headers=zip).header("content-encoding") == "gzip"
    wait_for(compressed, 5, "a compressed copy")
    entries = {e["coding"]: e["key"] for e in weird.ctl("cache keys large", json=True).json["entries"]}
    assert set(entries) == {"identity", "gzip"}
    assert weird.ctl("cache purge key " + entries["identity"]).ok
    assert weird.ctl("cache get " + entries["gzip"]).severity == 3
    assert not is_hit(weird.get("/large", headers=zip))
