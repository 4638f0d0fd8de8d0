"""What trials of the cache from outside found (issue 7): each kind with a test of its own."""

import datetime
import json
import os
import signal
import threading
import time

import pytest

from weirtest.base import wait_for
from weirtest.fcgi import Closed, Connection
from weirtest.memcached import Memcached
from weirtest.weir import Site, Weird

from test_61_cache import is_hit, queries, status_of

JSON = [("Content-Type", "application/json")]


@pytest.fixture
def nodes():
    made = [Memcached()]
    yield made
    for m in made:
        m.close()


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


# ---- 6: an error is an answer ----

ERRORS = """
CREATE TABLE item (id int PRIMARY KEY, v int NOT NULL);
INSERT INTO item SELECT i, 0 FROM generate_series(1, 100) i;
CREATE FUNCTION judge(v int) RETURNS int LANGUAGE plpgsql AS $$
BEGIN
  PERFORM pg_advisory_xact_lock_shared(1);
  IF v = -1 THEN RAISE 'refused' USING ERRCODE = 'P0001'; END IF;
  IF v = -2 THEN RAISE 'not yours' USING ERRCODE = '42501'; END IF;
  IF v = -3 THEN RAISE 'conflict' USING ERRCODE = '23505'; END IF;
  IF v = -4 THEN RAISE 'broken' USING ERRCODE = '58000'; END IF;
  IF v = -5 THEN RAISE 'odd' USING ERRCODE = 'XX000'; END IF;
  RETURN v;
END $$;
"""

ERROR_ENDPOINTS = {
    "get": "-- @route GET /item/{id}\n-- @returns row\n-- @cache 1h tags item:{id}\n-- @timeout 9s\n"
           "SELECT id, judge(v) AS v FROM item WHERE id = :id::int AND v > -9",
    "negative": "-- @route GET /negative/{id}\n-- @returns row\n-- @cache 1h negative 1h tags item:{id}\n-- @timeout 9s\n"
                "SELECT id, judge(v) AS v FROM item WHERE id = :id::int AND v > -9",
    "set": "-- @route PATCH /item/{id}\n-- @returns none\n-- @param v\n-- @invalidates item:{id}\n"
           "UPDATE item SET v = :v::int WHERE id = :id::int",
    "hold": "-- @route POST /item/{id}\n-- @returns none\n-- @invalidates item:{id}\n-- @timeout 9s\n"
            "SELECT judge(0) FROM item WHERE id = :id::int FOR UPDATE",
}


def patch(weird, item, v):
    reply = weird.get(f"/item/{item}", "PATCH", headers=JSON, body=b'{"v": %d}' % v)
    assert reply.status == 204, reply


@pytest.mark.parametrize("kind", ["get", "negative"])
def test_an_error_obeys_the_tags_like_any_answer(start, db, kind):
    """7.6: 4xx, 404 and 5xx that a flight shares or keeps are void once a write has been acknowledged."""
    db.sql(ERRORS)
    weird = start(db.conninfo, ERROR_ENDPOINTS)
    path = "/negative" if kind == "negative" else "/item"
    for item, (v, status) in enumerate([(-1, 422), (-2, 403), (-3, 409), (-4, 503), (-5, 500), (-9, 404)], 1):
        for _ in range(3):
            patch(weird, item, v)
            before = queries(weird, kind)
            assert [weird.get(f"{path}/{item}").status for _ in range(4)] == [status] * 4
            patch(weird, item, 7)
            reply = weird.get(f"{path}/{item}")
            assert reply.status == 200 and reply.body == b'{"id":%d,"v":7}' % item, (v, reply)
            # it is still shared: who fails is not asked again and again
            if v != -9 or kind == "negative":
                wait_for(lambda b=before: queries(weird, kind) >= b + 2, 5, "queries to be counted")
                assert queries(weird, kind) == before + 2, v


class Held:
    """While it is held, judge() does not end: the statement has its snapshot, and waits."""

    def __init__(self, db):
        self.db = db

    def __enter__(self):
        self.conn = self.db.connect()
        self.conn.cursor().execute("SELECT pg_advisory_lock(1)")
        return self

    def waiting(self):
        return int(self.db.value("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted AND database = "
                                 "(SELECT oid FROM pg_database WHERE datname = current_database())"))

    def wait_for(self, n, what="queries to be held"):
        wait_for(lambda: self.waiting() >= n, 10, what)

    def open(self):
        self.conn.close()

    def __exit__(self, *_):
        self.conn.close()


class Asked:
    """Requests under way, each in a thread of its own."""

    def __init__(self, weird, path, n=1, **more):
        self.replies = []
        self.threads = [threading.Thread(target=lambda: self.replies.append(weird.get(path, **more))) for _ in range(n)]
        for t in self.threads:
            t.start()

    def wait(self):
        for t in self.threads:
            t.join()
        return self.replies


def in_flight(weird):
    return sum(row["in_flight"] for row in weird.workers())


def test_who_comes_behind_a_write_is_not_told_of_an_error_before_it(start, db):
    """7.6: a query under way that will fail has no follower who came behind the write."""
    db.sql(ERRORS)
    weird = start(db.conninfo, ERROR_ENDPOINTS)
    db.sql("UPDATE item SET v = -1 WHERE id = 1")
    with Held(db) as held:
        old = Asked(weird, "/item/1")
        held.wait_for(1)
        patch(weird, 1, 7)
        new = Asked(weird, "/item/1", 3)
        held.wait_for(2, "a query of its own for those who came later")
        held.open()
        assert [r.body for r in new.wait()] == [b'{"id":1,"v":7}'] * 3
        assert [r.status for r in old.wait()] == [422]


# ---- 10: a newer answer that is not kept leaves no older one ----

OLDER = ERRORS + """
CREATE TABLE pad (id int PRIMARY KEY, n int);
INSERT INTO pad VALUES (1, 10);
"""

OLDER_ENDPOINTS = {
    "stale": "-- @route GET /stale/{id}\n-- @returns row\n-- @cache 200ms stale 1h stale-if-error 1h\n"
             "SELECT id, judge(v) AS v FROM item WHERE id = :id::int",
    "error": "-- @route GET /error/{id}\n-- @returns row\n-- @cache 200ms stale-if-error 1h\n"
             "SELECT id, judge(v) AS v FROM item WHERE id = :id::int",
    "negative": "-- @route GET /negative/{id}\n-- @returns row\n-- @cache 1s stale 1h stale-if-error 1h negative 200ms\n"
                "SELECT id, judge(v) AS v FROM item WHERE id = :id::int",
    "long": "-- @route GET /long/{id}\n-- @returns row\n-- @cache 1h\nSELECT id, judge(v) AS v FROM item WHERE id = :id::int",
    "pad": "-- @route GET /pad\n-- @returns row\n-- @cache 200ms stale 1h stale-if-error 1h\n"
           "SELECT n, repeat('x', n) AS x FROM pad WHERE id = 1",
}
NOW = [("Cache-Control", "no-cache")]


def test_a_row_that_is_gone_stays_gone(start, db):
    """7.10: after a 404 neither stale nor stale-if-error brings the old row back; after a 5xx it does."""
    db.sql(OLDER)
    weird = start(db.conninfo, OLDER_ENDPOINTS, {"cache": {"obey_no_cache": True}})
    for kind in ("stale", "error", "negative"):
        for v, status in ((-9, 404), (-1, 422), (-2, 403)):
            db.sql("DELETE FROM item; INSERT INTO item SELECT i, 0 FROM generate_series(1, 100) i")
            path = f"/{kind}/{-v}"
            wait_for(lambda p=path: weird.get(p, headers=NOW).status == 200 and weird.get(p).status == 200, 5, "a first answer")
            if v == -9:
                db.sql("DELETE FROM item WHERE id = 9")
            else:
                db.sql("UPDATE item SET v = %s", (v,))
            wait_for(lambda p=path, s=status: weird.get(p).status == s, 5, f"{status} to be seen on {path}")
            assert [weird.get(path).status for _ in range(3)] == [status] * 3, path
            db.sql("INSERT INTO item VALUES (9, -4) ON CONFLICT DO NOTHING; UPDATE item SET v = -4")
            # what was seen last is gone, too: nothing stands in for it
            wait_for(lambda p=path: weird.get(p).status == 503, 5, "the database's failure")
            assert [weird.get(path).status for _ in range(3)] == [503] * 3, path
    db.sql("UPDATE item SET v = 0")
    assert weird.get("/error/50").status == 200
    db.sql("UPDATE item SET v = -4")
    wait_for(lambda: "fwd=stale" in status_of(weird.get("/error/50")), 5, "the old answer to stand in")
    assert weird.get("/error/50").status == 200


def test_an_answer_that_outgrows_the_cache_takes_the_old_one_along(start, db):
    """7.10: the same where the newer answer is too large to be kept."""
    db.sql(OLDER)
    weird = start(db.conninfo, OLDER_ENDPOINTS, {"cache": {"memory": "4MiB"}})
    assert weird.get("/pad").body.startswith(b'{"n":10,')
    db.sql("UPDATE pad SET n = 600000")
    wait_for(lambda: len(weird.get("/pad").body) > 600000, 5, "the large answer")
    assert [len(weird.get("/pad").body) > 600000 for _ in range(3)] == [True] * 3
    db.sql("ALTER TABLE pad RENAME TO gone")
    assert [weird.get("/pad").status for _ in range(3)] == [500] * 3


def test_who_was_told_the_truth_on_demand_is_not_told_less_later(start, db):
    """7.10: no-cache where it is obeyed: what it saw others see, too, kept or not."""
    db.sql(OLDER)
    weird = start(db.conninfo, OLDER_ENDPOINTS, {"cache": {"obey_no_cache": True}})
    for v, status in ((5, 200), (-1, 422), (-9, 404)):
        db.sql("DELETE FROM item; INSERT INTO item SELECT i, 0 FROM generate_series(1, 100) i")
        assert weird.get("/long/1", headers=NOW).body == b'{"id":1,"v":0}'
        assert weird.get("/long/1").body == b'{"id":1,"v":0}'
        db.sql("DELETE FROM item" if v == -9 else f"UPDATE item SET v = {v}")
        assert weird.get("/long/1").body == b'{"id":1,"v":0}'
        seen = weird.get("/long/1", headers=NOW)
        assert seen.status == status
        assert weird.get("/long/1").status == status
        # also one that was being made meanwhile, and read less
        db.sql("DELETE FROM item; INSERT INTO item SELECT i, 0 FROM generate_series(1, 100) i")
        if v != -9:
            continue
        with Held(db) as held:
            old = Asked(weird, "/long/2")
            held.wait_for(1)
            db.sql("DELETE FROM item")
            assert weird.get("/long/2", headers=NOW).status == 404
            held.open()
            assert old.wait()[0].status == 200
        assert weird.get("/long/2").status == 404


def test_memcached_does_not_bring_back_what_is_gone(db, nodes, start):
    """7.10: the second tier is not believed when a newer answer was seen, whether its deletion has arrived or not."""
    db.sql(OLDER)
    weird = start(db.conninfo, OLDER_ENDPOINTS, {"cache": {"obey_no_cache": True, "servers": [m.server for m in nodes],
                                                            "secret": "a secret of some length"}}, listening=False)
    wait_for(lambda: weird.ctl("cache", json=True).json["l2"]["databases"] == 1, 10, "weir-monitor's first look")

    for gone in (True, False):      # is memcached there when the newer answer comes?
        db.sql("DELETE FROM item; INSERT INTO item SELECT i, 0 FROM generate_series(1, 100) i")
        nodes[0].flush()
        wait_for(lambda: weird.get("/long/1", headers=NOW).status == 200 and nodes[0].keys(), 10, "the answer in memcached")
        old = {k: nodes[0].get(k) for k in nodes[0].keys()}
        db.sql("DELETE FROM item")
        assert weird.get("/long/1", headers=NOW).status == 404
        if gone:
            wait_for(lambda: not nodes[0].keys(), 5, "it to be deleted")
        else:
            for key, value in old.items():      # as if the deletion had not arrived
                nodes[0].set(key, value)
        assert [weird.get("/long/1").status for _ in range(5)] == [404] * 5


# ---- 11: a purge and what was begun before it ----

def test_a_refresh_under_way_does_not_store_what_was_read_before_a_purge(start, db):
    """7.11: purge key, endpoint and all; of what has a tag, purge tag: a query that was under way is not kept."""
    db.sql(ERRORS)
    weird = start(db.conninfo, {
        "get": "-- @route GET /item/{id}\n-- @returns row\n-- @cache 200ms stale 1h tags item:{id}\n-- @timeout 9s\n"
               "SELECT id, judge(v) AS v FROM item WHERE id = :id::int"})
    for n, what in enumerate(("key", "tag", "endpoint", "all", "key")):
        item, path = n + 1, f"/item/{n + 1}"
        assert weird.get(path).body == b'{"id":%d,"v":0}' % item
        words = {"key": lambda: weird.ctl("cache keys get", json=True).json["entries"], "tag": lambda: f"item:{item}",
                 "endpoint": lambda: "get", "all": lambda: ""}[what]()
        if what == "key":
            words = next(e["key"] for e in words if weird.ctl("cache get " + e["key"], json=True).json["content"].startswith('{"id":%d,' % item))
        wait_for(lambda p=path: "ttl=-" in status_of(weird.get(p)), 5, "it to be stale")
        wait_for(lambda: in_flight(weird) == 0, 5, "the refresh behind that to end")
        with Held(db) as held:
            assert wait_for(lambda p=path: weird.get(p).status == 200 and held.waiting(), 5, "a refresh under way")
            db.sql("UPDATE item SET v = 1 WHERE id = %s", (item,))
            assert weird.ctl(f"cache purge {what} {words}".strip()).ok
            held.open()
        seen = [weird.get(path).body for _ in range(6)]
        assert seen == [b'{"id":%d,"v":1}' % item] * 6, (what, seen)


# ---- 21: one flight for all, whoever leaves, whoever writes ----

def test_those_who_leave_do_not_take_the_query_along(start, db):
    """7.21: six clients ask for a 0.8 s query and leave after 0.3 s, again and again: nobody else is the worse for it."""
    weird = start(db.conninfo, {"slow": "-- @route GET /slow\n-- @returns value\n-- @cache 1s\n-- @timeout 1500ms\n"
                                        "SELECT 1 FROM pg_sleep(0.8)"}, {"workers": {"min": 2, "max": 2}}, listening=False)
    until = time.monotonic() + 5
    seen = []

    def rude():
        while time.monotonic() < until:
            with Connection(weird.listen) as c:
                c.send_request("/slow")
                time.sleep(0.3)

    def honest():
        for _ in range(4):
            began = time.monotonic()
            reply = weird.get("/slow")
            seen.append((reply.status, time.monotonic() - began))
            time.sleep(0.2)
    threads = [threading.Thread(target=rude) for _ in range(6)] + [threading.Thread(target=honest) for _ in range(3)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert [status for status, _ in seen] == [200] * 12, seen


def test_a_query_that_nobody_waits_for_is_still_cancelled(start, db):
    """7.21: the other side of it: the last one who leaves takes it along."""
    weird = start(db.conninfo, {"slow": "-- @route GET /slow\n-- @returns value\n-- @cache 1s\n-- @timeout 9s\n"
                                        "SELECT 1 FROM pg_sleep(8)"}, listening=False)

    def running():
        return int(db.value("SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE '%pg_sleep(8)%' "
                            "AND pid <> pg_backend_pid()"))
    with Connection(weird.listen) as c:
        c.send_request("/slow")
        wait_for(lambda: running() == 1, 5, "the query to run")
    wait_for(lambda: running() == 0, 4, "it to be cancelled")


def test_while_a_write_is_open_its_readers_share_their_queries(start, db):
    """7.21: 40 clients under an open write cost a few queries, none of them older than what was there before it came."""
    db.sql(ERRORS)
    db.sql("ALTER TABLE item ADD n serial")
    weird = start(db.conninfo, {
        **ERROR_ENDPOINTS,
        "read": "-- @route GET /read/{id}\n-- @returns row\n-- @cache 1h tags item:{id}\n-- @timeout 9s\n"
                "SELECT id, v, clock_timestamp() AS at FROM item, pg_sleep(0.1) WHERE id = :id::int"}, {"workers": {"min": 2, "max": 2}})
    assert weird.get("/read/1").status == 200
    with Held(db) as held:
        write = Asked(weird, "/item/1", method="POST")
        held.wait_for(1, "the write to be open")
        before = queries(weird, "read")
        bad = []

        def client():
            for _ in range(3):
                now = db_now()
                reply = weird.get("/read/1")
                if reply.status != 200 or json.loads(reply.body)["at"] < now:
                    bad.append((now, reply))

        def db_now():
            return datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%f")
        threads = [threading.Thread(target=client) for _ in range(40)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        assert not bad, bad[:3]
        cost = queries(weird, "read") - before
        held.open()
        write.wait()
    assert cost <= 20, cost


# ---- 7: two generations, two lists of tags ----

GET = "-- @route GET /item/{id}\n-- @returns row\n%sSELECT id, v FROM item WHERE id = :id::int"
WRITE = ("-- @route PATCH /item/{id}\n-- @returns none\n-- @param v\n-- @timeout 9s\n%s"
         "UPDATE item SET v = :v::int WHERE id = :id::int AND judge(0) = 0")
TAGGED, OTHER, TELLS = "-- @cache 1h tags item:{id}\n", "-- @cache 1h tags other\n", "-- @invalidates item:{id}\n"


@pytest.mark.parametrize("before, after", [
    ((GET % "", WRITE % ""), (GET % TAGGED, WRITE % TELLS)),            # begins to cache
    ((GET % OTHER, WRITE % ""), (GET % TAGGED, WRITE % TELLS)),         # other tags
    ((GET % TAGGED, WRITE % ""), (GET % TAGGED, WRITE % TELLS)),        # the write tells what it did not
])
def test_a_write_under_way_in_an_old_worker_voids_what_a_new_one_keeps(start, db, before, after):
    """7.7: a reload that changes tags or begins to cache: until the old workers are gone nothing of it is kept."""
    db.sql(ERRORS)
    weird = start(db.conninfo, {"get": before[0], "set": before[1]})
    assert weird.get("/item/1").body == b'{"id":1,"v":0}'
    with Held(db) as held:
        write = Asked(weird, "/item/1", method="PATCH", headers=JSON, body=b'{"v": 1}')
        held.wait_for(1, "the write to be under way")
        reload(weird, get=after[0], set=after[1])
        for _ in range(4):
            reply = weird.get("/item/1")
            assert reply.body == b'{"id":1,"v":0}' and (before[0] == after[0] or not is_hit(reply)), reply
        held.open()
        assert [r.status for r in write.wait()] == [204]
        assert [weird.get("/item/1").body for _ in range(4)] == [b'{"id":1,"v":1}'] * 4
    # and then it is kept
    wait_for(lambda: is_hit(weird.get("/item/1")), 10, "the old worker's end")
    patch(weird, 1, 2)
    assert weird.get("/item/1").body == b'{"id":1,"v":2}'


def test_what_an_earlier_generation_kept_does_not_come_back_with_it(start, db):
    """7.7, 7.10: a definition that is taken back finds nothing that is older than what was answered meanwhile."""
    db.sql(ERRORS)
    weird = start(db.conninfo, {"get": GET % "-- @cache 1h\n"})
    assert weird.get("/item/1").body == b'{"id":1,"v":0}' and is_hit(weird.get("/item/1"))
    for meanwhile in (GET % "", GET % "-- @cache 2h\n", GET.replace("v FROM", "v + 0 AS v FROM") % "-- @cache 1h\n"):
        reload(weird, get=meanwhile)
        v = int(db.value("UPDATE item SET v = v + 1 WHERE id = 1 RETURNING v"))
        assert weird.get("/item/1").body == b'{"id":1,"v":%d}' % v
        reload(weird, get=GET % "-- @cache 1h\n")
        assert weird.get("/item/1").body == b'{"id":1,"v":%d}' % v, meanwhile
    # one that says the same loses nothing
    assert is_hit(weird.get("/item/1"))
    reload(weird, get="-- A comment.\n" + GET % "-- @cache 1h\n")
    assert is_hit(weird.get("/item/1"))


# ---- 8: what an instance before this one was committing ----

@pytest.mark.parametrize("tiers", [1, 2])
@pytest.mark.parametrize("how", ["kill", "fast"])
def test_a_commit_that_outlives_weird_is_waited_for_by_the_next_one(own_pg, nodes, how, tiers):
    """7.8: killed or stopped while a write waits for a standby in COMMIT: the next instance keeps nothing under tags until it has ended,
    and believes nothing of memcached that was read before."""
    own_pg.sql(ERRORS)
    endpoints = {"get": GET % TAGGED, "set": (WRITE % TELLS).replace(" AND judge(0) = 0", ""),
                 "free": "-- @route GET /free\n-- @returns value\n-- @cache 1h\nSELECT 1"}
    # no event: nothing else is committed meanwhile, so the write that waits is the xmin of what was read before, and the xmax of now
    more = {"cache": {"servers": [m.server for m in nodes], "secret": "a secret of some length"},
            "database": {"main": {"events": "off"}}} if tiers == 2 else {}
    site = Site(own_pg.conninfo, endpoints, {"workers": {"min": 1, "max": 2}, **more})

    def started():
        if tiers == 1:
            return Weird(site).wait_listening()
        weird = Weird(site)
        wait_for(lambda: weird.ctl("cache", json=True).json["l2"]["databases"] == 1, 10, "weir-monitor's first look")
        return weird
    first = started()

    def filled():
        item = next(ids)
        first.get(f"/item/{item}")
        return nodes[0].keys()

    def committing():
        return int(own_pg.value("SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'"))
    second = None
    try:
        ids = iter(range(2, 100))
        if tiers == 2:
            wait_for(filled, 10, "answers to go to memcached")
            nodes[0].flush()
        assert first.get("/item/1").body == b'{"id":1,"v":0}'
        if tiers == 2:
            wait_for(lambda: nodes[0].keys(), 5, "the answer in memcached")
        own_pg.sql("ALTER SYSTEM SET synchronous_standby_names = 'nobody'")
        own_pg.sql("SELECT pg_reload_conf()")
        wait_for(lambda: own_pg.value("SHOW synchronous_standby_names") == "nobody", 5, "the setting")

        def write():
            try:
                first.get("/item/1", "PATCH", headers=JSON, body=b'{"v": 1}')
            except (OSError, Closed):
                pass
        writer = threading.Thread(target=write)
        writer.start()
        wait_for(committing, 5, "the write to wait in COMMIT")
        if how == "kill":
            pids = [first.pid, *first.worker_pids(), first.monitor_pid()]
            first.stop(signal.SIGKILL)
            for pid in pids[1:]:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
        else:
            first.ctl("stop fast")
            first.stop()
        writer.join()
        second = started()
        assert committing() == 1
        until = time.monotonic() + 2
        while time.monotonic() < until:
            reply = second.get("/item/1")
            assert reply.body == b'{"id":1,"v":0}' and not is_hit(reply), reply
            time.sleep(0.05)
        second.get("/free")
        assert is_hit(second.get("/free"))      # what has no tag lives by its time
        own_pg.sql("ALTER SYSTEM RESET synchronous_standby_names")
        own_pg.sql("SELECT pg_reload_conf()")
        wait_for(lambda: not committing(), 5, "the write to be committed")
        assert [second.get("/item/1").body for _ in range(3)] == [b'{"id":1,"v":1}'] * 3
        wait_for(lambda: is_hit(second.get("/item/1")), 10, "tags to be served again")
        assert second.get("/item/1").body == b'{"id":1,"v":1}'
    finally:
        for w in (first, second):
            if w:
                w.stop(signal.SIGKILL)
        site.remove()


# ---- what those who share a query are told ----

@pytest.mark.parametrize("n_workers", [1, 2])
def test_who_waits_for_a_row_that_is_not_there_is_told_so(start, db, n_workers):
    """7.6: while a write is open, and behind a purge: a 404 that the flight's owner may not keep is a 404 for the others, too."""
    db.sql(ERRORS)
    weird = start(db.conninfo, {
        "gone": "-- @route GET /gone/{id}\n-- @returns row\n-- @cache 60s negative 5s tags item:{id}\n-- @timeout 9s\n"
                "SELECT id FROM item, LATERAL (SELECT judge(v) OFFSET 0) j WHERE id = :id::int AND judge < 0",
        "none": "-- @route GET /none/{id}\n-- @cache 60s negative 5s tags item:{id}\n-- @timeout 9s\n"
                "SELECT id FROM item, LATERAL (SELECT judge(v) OFFSET 0) j WHERE id = :id::int AND judge < 0",
        "set": WRITE.replace(" AND judge(0) = 0", "") % TELLS}, {"workers": {"min": n_workers, "max": n_workers}})

    def alike(path, status, body, cause):
        with Held(db) as held:
            first = Asked(weird, path)
            held.wait_for(1)
            others = Asked(weird, path, 5)
            head = Asked(weird, path, method="HEAD")
            wait_for(lambda: in_flight(weird) >= 7, 5, "those who wait")
            cause()
            held.open()
            for reply in first.wait() + others.wait() + head.wait():
                assert reply.status == status and (not reply.body or body in reply.body), reply
                assert reply.header("cache-control") in ("public, max-age=5", "public, max-age=4", None) or \
                    reply.header("cache-control").startswith("no-store"), reply
            assert all(body in r.body for r in first.wait() + others.wait()), [r.body for r in others.wait()]
    for path, status, body in (("/gone/1", 404, b"no_row"), ("/none/1", 200, b"[]")):
        alike(path, status, body, lambda: None)
        # what makes the answer one that is not to be kept: a write that comes while it is made
        weird.ctl("cache purge all")
        alike(path, status, body, lambda: patch(weird, 1, 0))
        weird.ctl("cache purge all")
        alike(path, status, body, lambda: weird.ctl("cache purge all"))


def test_an_error_that_is_shared_keeps_its_words(start, db):
    """7.6: the detail that an exception has for the client, and the parameter that the database refused, are told to all."""
    db.sql(ERRORS)
    weird = start(db.conninfo, {
        **ERROR_ENDPOINTS,
        "typed": "-- @route GET /typed/{x}\n-- @cache 1h tags item:{x}\nSELECT 1 AS one FROM item WHERE id = judge(0) + :x::int2"})
    db.sql("UPDATE item SET v = -1 WHERE id = 1")

    def words(reply):
        told = json.loads(reply.body)
        return reply.status, told.get("detail"), told.get("errors")
    before = queries(weird, "get")
    with Held(db) as held:
        first = Asked(weird, "/item/1")
        held.wait_for(1)
        others = Asked(weird, "/item/1", 4)
        wait_for(lambda: in_flight(weird) >= 5, 5, "those who wait")
        held.open()
        seen = [words(r) for r in first.wait() + others.wait()]
    seen += [words(weird.get("/item/1")) for _ in range(3)]
    assert seen == [(422, "refused", None)] * 8, seen
    wait_for(lambda: queries(weird, "get") > before, 5, "the query to be counted")
    assert queries(weird, "get") == before + 1
    seen = [words(weird.get("/typed/99999")) for _ in range(4)]
    assert seen[0][0] in (400, 422) and seen[0][2] and seen == [seen[0]] * 4, seen


# ---- hit-for-miss ----

def test_a_key_whose_answer_fits_again_is_refreshed(start, db):
    """7.10: an answer that did not fit does not keep a later, smaller one from being refreshed."""
    db.sql(OLDER)
    weird = start(db.conninfo, OLDER_ENDPOINTS, {"cache": {"memory": "4MiB"}})
    for purge in (True, False):
        db.sql("UPDATE pad SET n = 1000000")
        wait_for(lambda: len(weird.get("/pad").body) > 1000000, 5, "the large answer")
        for _ in range(4):
            weird.get("/pad")
        db.sql("UPDATE pad SET n = 10")
        if purge:
            assert weird.ctl("cache purge all").ok
        wait_for(lambda: is_hit(weird.get("/pad")), 5, "the small one to be kept")
        for n in (11, 12):
            db.sql("UPDATE pad SET n = %s", (n,))
            wait_for(lambda n=n: weird.get("/pad").body.startswith(b'{"n":%d,' % n), 3, "the new one")
    db.sql("DELETE FROM pad")
    wait_for(lambda: weird.get("/pad").status == 404, 3, "it to be gone")


@pytest.mark.parametrize("share", ["", " at-most 60%"])
def test_a_flood_of_keys_of_one_endpoint_costs_the_others_nothing(start, db, share):
    """7.21: a share that binds under pressure only: random parameters drive out their own endpoint's answers, and who is alone has all."""
    text = "-- @route GET /%s/{id}\n-- @returns value\n-- @cache 1h%s\nSELECT repeat('x', 3000) || :id::text"
    weird = start(db.conninfo, {"hot": text % ("hot", ""), "flood": text % ("flood", share)}, {"cache": {"memory": "4MiB"}}, listening=False)
    hot = [f"/hot/{i}" for i in range(60)]
    with Connection(weird.listen) as c:
        def ask(path):
            c.send_request(path)
            return c.read_reply()
        for path in hot:
            ask(path)
        for i in range(2500):
            ask(f"/flood/{i}")
        kept = sum(is_hit(ask(path)) for path in hot)
        assert kept >= 58, kept     # a window of the index may be full
    used = weird.ctl("cache", json=True).json["zones"][0]
    assert used["bytes_used"] > used["bytes_total"] * 0.9, used     # and nothing lies idle for that
