"""The cache: answers in shared memory, found by every worker, made void by writes before their reply leaves."""

import os
import random
import re
import signal
import threading
import time

import pytest

from weirtest.base import wait_for
from weirtest.fcgi import Connection
from weirtest.weir import LoneWorker, Site, Weird

SETUP = """
CREATE TABLE item (id int PRIMARY KEY, v int NOT NULL CHECK (v >= 0), owner text NOT NULL DEFAULT 'ann');
INSERT INTO item SELECT i, 0 FROM generate_series(1, 1000) i;
CREATE FUNCTION fails() RETURNS int LANGUAGE plpgsql AS $$
BEGIN PERFORM pg_sleep(0.5); RAISE 'broken' USING ERRCODE = '58000'; END $$;
"""

ENDPOINTS = {
    "get": "-- @route GET /item/{id}\n-- @returns row\n-- @cache 60s stale-if-error 1h negative 5s tags item:{id}\n"
           "-- @header X-Value: {v}\nSELECT id, v FROM item WHERE id = :id::int",
    "list": "-- @route GET /items\n-- @cache 60s tags items\nSELECT id, v FROM item WHERE id <= 3 ORDER BY id",
    "none": "-- @route GET /nothing\n-- @cache 60s negative 5s\nSELECT id FROM item WHERE id < 0",
    "short": "-- @route GET /short\n-- @returns value\n-- @cache 300ms stale 30s\nSELECT sum(v) FROM item",
    "slow": "-- @route GET /slow/{id}\n-- @returns row\n-- @cache 60s tags item:{id}\n-- @timeout 10s\n"
            "SELECT id, v, pg_sleep(0.5)::text AS s FROM item WHERE id = :id::int",
    "mine": "-- @route GET /mine\n-- @auth user\n-- @cache 60s per user tags user:{user}\n"
            "SELECT id FROM item WHERE owner = current_setting('request.user') AND id <= 3",
    "vary": "-- @route GET /vary\n-- @returns value\n-- @param lang from header X-Lang default en\n-- @cache 60s\n"
            "SELECT :lang::text",
    "plain": "-- @route GET /plain\n-- @returns value\nSELECT 1",
    "fails": "-- @route GET /fails\n-- @returns value\n-- @timeout 9s\n-- @cache 200ms stale-if-error 1h\n"
             "SELECT CASE WHEN v = 0 THEN 1 ELSE fails() END FROM item WHERE id = 20",
    "set": "-- @route POST /item/{id}\n-- @returns none\n-- @param v\n-- @invalidates item:{id} items\n"
           "UPDATE item SET v = :v::int WHERE id = :id::int",
    # a dead worker's statement may run when a later write is done already: the value must not fall by that
    "raise": "-- @route PATCH /item/{id}\n-- @returns none\n-- @param v\n-- @invalidates item:{id}\n"
             "UPDATE item SET v = greatest(v, :v::int) WHERE id = :id::int",
    "slowset": "-- @route PUT /item/{id}\n-- @returns none\n-- @timeout 10s\n-- @invalidates item:{id}\n"
               "UPDATE item SET v = v + 1 WHERE id = :id::int AND pg_sleep(1.5) IS NOT NULL",
}


def status_of(reply):
    return reply.header("cache-status", "")


def is_hit(reply):
    return status_of(reply).startswith("weir; hit")


def set_value(weird, item, v):
    reply = weird.get(f"/item/{item}", "POST", body=f'{{"v": {v}}}'.encode(),
                      headers=[("Content-Type", "application/json")])
    assert reply.status == 204, reply
    return reply


def queries(weird, endpoint):
    found = weird.metrics()
    return sum(v for k, v in found.items() if k.startswith("weir_db_queries_total") and f'endpoint="{endpoint}"' in k)


def expect_queries(weird, endpoint, n):
    """So many, once they are counted: a worker does that when the reply is out."""
    wait_for(lambda: queries(weird, endpoint) >= n, 5, f"{n} queries to be counted")
    assert queries(weird, endpoint) == n


def wait_expired(weird, *endpoints):
    """Until the time to live of all that is kept of them is over."""
    for e in endpoints:
        wait_for(lambda e=e: not [x for x in weird.ctl("cache", "keys", e, json=True).json["entries"] if x["fresh_s"] is not None],
                 5, f"the time to live of {e} to be over")


@pytest.fixture
def site(db):
    db.sql(SETUP)
    return Site(db.conninfo, ENDPOINTS, {"workers": {"min": 2, "max": 2}})


@pytest.fixture
def weird(site):
    running = Weird(site).wait_listening()
    yield running
    running.stop()


def test_a_second_read_is_answered_from_memory_with_everything_a_client_needs(weird):
    first = weird.get("/item/7")
    assert first.status == 200 and first.body == b'{"id":7,"v":0}'
    assert status_of(first) == "weir; fwd=uri-miss; stored"
    tag = first.header("etag")
    assert re.fullmatch(r'"[A-Za-z0-9_-]{22}"', tag)
    assert re.fullmatch(r"public, max-age=(5[4-9]|6[0-6]), stale-if-error=3600", first.header("cache-control"))
    assert first.header("x-accel-expires") == "0"
    assert first.header("x-value") == "0"
    for _ in range(20):     # whichever worker answers
        again = weird.get("/item/7")
        assert again.body == first.body and is_hit(again) and again.header("etag") == tag
        assert re.fullmatch(r"weir; hit; ttl=\d+; detail=L1", status_of(again))
        assert again.header("x-value") == "0" and int(again.header("age")) <= 5
        assert again.header("content-length") == str(len(first.body))
    expect_queries(weird, "get", 1)
    head = weird.get("/item/7", "HEAD")
    assert head.status == 200 and head.body == b"" and is_hit(head) and head.header("etag") == tag
    expect_queries(weird, "get", 1)
    assert weird.get("/plain").header("cache-status") is None


def test_an_entity_tag_spares_the_body(weird):
    tag = weird.get("/item/8").header("etag")
    for value, status in ((tag, 304), ("W/" + tag, 304), ("*", 304), (f'"x", {tag}', 304), ('"x"', 200),
                          (tag[:-1] + '-gzip"', 304), ("garbage", 200)):
        reply = weird.get("/item/8", headers=[("If-None-Match", value)])
        assert reply.status == status, value
        # a 304 is about the copy that the client named
        assert reply.header("etag") == (value if value.endswith('-gzip"') else tag) and is_hit(reply)
        assert reply.header("cache-control").startswith("public")
        assert (reply.body == b"") == (status == 304)
    expect_queries(weird, "get", 1)
    set_value(weird, 8, 1)
    reply = weird.get("/item/8", headers=[("If-None-Match", tag)])
    assert reply.status == 200 and reply.body == b'{"id":8,"v":1}' and reply.header("etag") != tag
    # a miss may be a 304 as well
    set_value(weird, 8, 0)
    assert weird.get("/item/8", headers=[("If-None-Match", tag)]).status == 304


def test_a_write_makes_void_what_it_touches_and_nothing_else(weird):
    for path in ("/item/1", "/item/2", "/items"):
        weird.get(path)
    set_value(weird, 1, 5)
    for path, want, hit in (("/item/1", b'{"id":1,"v":5}', False), ("/item/2", b'{"id":2,"v":0}', True),
                            ("/items", b'[{"id":1,"v":5},{"id":2,"v":0},{"id":3,"v":0}]', False)):
        reply = weird.get(path)
        assert reply.body == want and is_hit(reply) == hit, (path, reply)
    assert status_of(weird.get("/item/1")).startswith("weir; hit")


def test_a_write_that_fails_leaves_the_cache_usable(weird):
    weird.get("/item/1")
    reply = weird.get("/item/1", "POST", body=b'{"v": -1}', headers=[("Content-Type", "application/json")])
    assert reply.status in (409, 422)
    assert weird.get("/item/1").body == b'{"id":1,"v":0}'
    assert is_hit(weird.get("/item/1"))


def test_negative_answers_are_kept_for_their_own_time_and_under_the_same_tags(weird, db):
    assert weird.get("/item/5000").status == 404
    reply = weird.get("/item/5000")
    assert reply.status == 404 and is_hit(reply) and b"no_row" in reply.body
    expect_queries(weird, "get", 1)
    db.sql("INSERT INTO item VALUES (5000, 1)")
    set_value(weird, 5000, 2)
    assert weird.get("/item/5000").body == b'{"id":5000,"v":2}'
    assert weird.get("/nothing").body == b"[]"
    reply = weird.get("/nothing")
    assert reply.body == b"[]" and is_hit(reply)
    assert int(re.search(r"ttl=(-?\d+)", status_of(reply))[1]) <= 6


def test_one_user_never_sees_what_was_made_for_another(weird, db):
    db.sql("UPDATE item SET owner = 'bob' WHERE id = 2")
    ann, bob = b'[{"id":1},{"id":3}]', b'[{"id":2}]'
    for _ in range(5):
        for user, want in (("ann", ann), ("bob", bob), ("Ann", b"[]")):
            reply = weird.get("/mine", REMOTE_USER=user)
            assert reply.body == want and reply.header("cache-control").startswith("private")
    expect_queries(weird, "mine", 3)
    assert weird.get("/mine").status == 401


def test_a_header_that_the_statement_reads_is_in_the_key_and_in_vary(weird):
    for _ in range(2):
        for lang in ("en", "fr", "de"):
            reply = weird.get("/vary", headers=[("X-Lang", lang)])
            assert reply.body == b'"%s"' % lang.encode() and reply.header("vary") == "X-LANG, Accept-Encoding"
    assert is_hit(weird.get("/vary"))      # the default is "en"
    expect_queries(weird, "vary", 3)


@pytest.mark.parametrize("text, want", [
    ("-- @auth user\n-- @cache 60s\nSELECT 1", "say per user"),
    ("-- @param u from user\n-- @cache 60s\nSELECT :u::text", "say per user"),
    ("-- @param u from user\n-- @cache 60s public\nSELECT :u::text", "identity"),
    ("-- @auth user\n-- @cache 60s per user public\nSELECT 1", "public contradicts"),
    ("-- @cache 60s tags a:{nope}\nSELECT 1", "nope"),
    ("-- @header Set-Cookie: a=b\n-- @cache 60s\nSELECT 1", "Set-Cookie"),
    ("-- @invalidates a\nSELECT 1", "@invalidates: it stands on"),
    ("-- @cache 60s per shoe\nSELECT 1", "shoe"),
])
def test_a_policy_that_could_leak_or_means_nothing_is_refused_at_load(db, text, want):
    site = Site(db.conninfo, {"x": "-- @route GET /x\n" + text})
    found = site.weird("-t", "--offline")
    assert found.returncode == 78 and want in found.stderr + found.stdout, found


def test_a_stale_answer_is_served_at_once_and_refreshed_behind_it(weird, db):
    assert weird.get("/short").body == b"0"
    db.sql("UPDATE item SET v = 1 WHERE id = 1")
    wait_expired(weird, "short")
    stale = weird.get("/short")
    assert stale.body == b"0" and re.match(r"weir; hit; ttl=-\d", status_of(stale))
    wait_for(lambda: weird.get("/short").body == b"1", 5, "the refreshed answer")
    assert sum(v for k, v in weird.metrics().items() if k.startswith("weir_cache_refreshes_total")) >= 1


def test_one_query_for_a_hundred_clients_of_two_workers(weird):
    replies = []
    barrier = threading.Barrier(100)

    def client():
        barrier.wait()
        replies.append(weird.get("/slow/1", timeout=20))

    threads = [threading.Thread(target=client) for _ in range(100)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert [r.status for r in replies] == [200] * 100
    assert len({r.body for r in replies}) == 1
    expect_queries(weird, "slow", 1)


def test_a_flight_whose_owner_is_killed_is_taken_over(weird):
    replies = []

    def client():
        try:
            replies.append(weird.get("/slow/2", timeout=20))
        except OSError:
            replies.append(None)    # it was at the victim
        except Exception as e:  # noqa: BLE001
            replies.append(e)

    threads = [threading.Thread(target=client) for _ in range(40)]
    for t in threads:
        t.start()
    wait_for(lambda: sum(r["in_flight"] for r in weird.workers()) >= 30, 5, "the clients to be waiting")
    busy = [r for r in weird.workers() if r["in_flight"]]
    os.kill(busy[0]["pid"], signal.SIGKILL)
    for t in threads:
        t.join()
    good = [r for r in replies if getattr(r, "status", 0) == 200]
    assert len({r.body for r in good}) <= 1
    assert not [r for r in replies if getattr(r, "status", 200) not in (200, 503)]
    wait_for(lambda: weird.get("/slow/2", timeout=20).status == 200, 10, "an answer")
    assert is_hit(weird.get("/slow/2"))


def test_an_older_answer_stands_in_while_the_database_is_away(own_pg):
    with own_pg.connect() as conn:
        conn.autocommit = True
        conn.cursor().execute(SETUP)
    site = Site(own_pg.conninfo, {
        "e": "-- @route GET /e\n-- @returns value\n-- @cache 200ms stale-if-error 1h\nSELECT sum(v) FROM item",
        "m": "-- @route GET /m\n-- @returns value\n-- @cache 200ms\nSELECT sum(v) FROM item"})
    weird = Weird(site)
    try:
        assert weird.get("/e").body == b"0" and weird.get("/m").body == b"0"
        own_pg.stop("immediate")
        wait_expired(weird, "e", "m")
        wait_for(lambda: weird.get("/m").status == 503, 10, "the outage to be seen")
        for _ in range(5):
            reply = weird.get("/e")
            assert reply.status == 200 and reply.body == b"0"
            assert status_of(reply) == "weir; fwd=stale; detail=error"
        own_pg.start()
        wait_for(lambda: weird.get("/e").header("cache-status", "").endswith("stored"), 10, "a new answer")
    finally:
        weird.stop()


def test_those_who_wait_for_a_query_that_fails_do_not_try_it_one_after_the_other(weird, db):
    assert weird.get("/fails").body == b"1"
    db.sql("UPDATE item SET v = 1 WHERE id = 20")
    wait_expired(weird, "fails")
    replies = []
    threads = [threading.Thread(target=lambda: replies.append(weird.get("/fails"))) for _ in range(12)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert [(r.status, r.body, status_of(r)) for r in replies] == [(200, b"1", "weir; fwd=stale; detail=error")] * 12
    expect_queries(weird, "fails", 2)


def test_a_write_whose_client_has_left_hides_its_tag_until_it_has_ended(weird):
    weird.get("/item/3")
    with Connection(weird.listen) as c:
        c.send_request("/item/3", "PUT", headers=[("Content-Type", "application/json")])
        wait_for(lambda: not is_hit(weird.get("/item/3")), 5, "the write to have begun")
        assert weird.get("/item/3").body == b'{"id":3,"v":0}'
    # nobody waits for the write any more, and it is not yet committed: an answer made now is not kept
    for _ in range(5):
        assert not is_hit(weird.get("/item/3"))

    def settled():
        return is_hit(weird.get("/item/3")) and weird.get("/item/3").body

    assert wait_for(settled, 10, "the tag to be served again") == b'{"id":3,"v":1}'


def test_a_reload_with_another_statement_finds_nothing_of_the_old_one(weird, site):
    assert weird.get("/items").status == 200 and is_hit(weird.get("/items"))
    site.write_endpoint("list", "-- @route GET /items\n-- @cache 60s tags items\nSELECT id FROM item WHERE id <= 2 ORDER BY id")
    assert weird.reload().ok
    wait_for(lambda: weird.get("/items").body == b'[{"id":1},{"id":2}]', 10, "the new statement's answer")


def test_memory_that_is_full_evicts_and_stays_right(db):
    db.sql("CREATE TABLE t AS SELECT i AS id, repeat(md5(i::text), 300) AS s FROM generate_series(1, 3000) i;"
           "ALTER TABLE t ADD PRIMARY KEY (id)")
    site = Site(db.conninfo, {"t": "-- @route GET /t/{id}\n-- @returns row\n-- @cache 1h\nSELECT id, s FROM t WHERE id = :id::int"},
                {"cache": {"memory": "4MiB"}, "workers": {"min": 2, "max": 2}})
    weird = Weird(site)
    try:
        want = {}
        dice = random.Random(5)
        for i in [*range(1, 1201), *(min(int(dice.paretovariate(0.8)), 3000) for _ in range(1500))]:
            body = weird.get(f"/t/{i}").body
            assert want.setdefault(i, body) == body and body.startswith(b'{"id":%d,' % i)
        hits = sum(v for k, v in weird.metrics().items() if k.startswith('weir_cache_requests_total') and '"hit"' in k)
        assert hits > 500
    finally:
        weird.stop()


def test_no_cache_at_all_when_it_is_turned_off(db):
    db.sql(SETUP)
    weird = Weird(Site(db.conninfo, ENDPOINTS, {"cache": {"memory": "0"}}))
    try:
        for _ in range(3):
            reply = weird.get("/item/1")
            assert reply.status == 200 and reply.header("cache-status") is None
        set_value(weird, 1, 3)
        assert weird.get("/item/1").body == b'{"id":1,"v":3}'
    finally:
        weird.stop()


def test_a_lone_worker_caches_too(db):
    db.sql(SETUP)
    worker = LoneWorker(Site(db.conninfo, ENDPOINTS))
    try:
        worker.get("/item/1")
        assert is_hit(worker.get("/item/1"))
        set_value(worker, 1, 9)
        assert worker.get("/item/1").body == b'{"id":1,"v":9}'
    finally:
        worker.stop()


@pytest.mark.parametrize("with_kills", [False, True], ids=["calm", "killing"])
def test_nobody_sees_older_than_acknowledged_nor_than_was_seen(weird, with_kills):
    """Writers raise numbers; readers on all workers compare with what was acknowledged before they began, and with
    the highest that anybody had seen before they began."""
    stop = time.monotonic() + 6
    items = (11, 12, 13)
    acknowledged, seen = dict.fromkeys(items, 0), dict.fromkeys(items, 0)
    lock = threading.Lock()
    faults, reads, hits, writes = [], [0], [0], [0]

    def writer(item):
        n = 0
        while time.monotonic() < stop:
            n += 1
            try:
                reply = weird.get(f"/item/{item}", "PATCH", body=b'{"v": %d}' % n,
                                  headers=[("Content-Type", "application/json")])
            except Exception:  # noqa: BLE001  killed: whether n was written is not known, the next one is higher
                continue
            if reply.status == 204:
                writes[0] += 1
                with lock:
                    acknowledged[item] = max(acknowledged[item], n)
            time.sleep(random.random() * 0.01)

    def reader():
        while time.monotonic() < stop:
            item = random.choice(items)
            with lock:
                least = max(acknowledged[item], seen[item])
            try:
                reply = weird.get(f"/item/{item}")
            except Exception:  # noqa: BLE001
                continue
            if reply.status != 200:
                continue
            v = int(re.search(rb'"v":(\d+)', reply.body)[1])
            reads[0] += 1
            hits[0] += is_hit(reply)
            if v < least:
                faults.append((item, v, least, status_of(reply)))
            with lock:
                seen[item] = max(seen[item], v)

    threads = [threading.Thread(target=writer, args=(i,)) for i in items] + [threading.Thread(target=reader) for _ in range(6)]
    for t in threads:
        t.start()
    killed = 0
    while with_kills and time.monotonic() < stop - 1 and killed < 4:
        before = reads[0]
        wait_for(lambda: reads[0] > before + 100 and len(weird.workers("ready")) == 2, 10, "both workers to be at work")
        os.kill(random.choice(weird.worker_pids()), signal.SIGKILL)
        killed += 1
    for t in threads:
        t.join()
    assert not faults, faults[:5]
    assert writes[0] > 50 and reads[0] > 200 and hits[0] > 20, (writes, reads, hits)
