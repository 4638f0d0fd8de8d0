"""Requests that are conditional on an entity tag: If-Match, and If-None-Match of writes."""

import os
import random
import re
import signal
import threading
import time

import pytest

from weirtest.base import wait_for
from weirtest.fcgi import Closed, Connection
from weirtest.weir import Site, Weird

from test_61_cache import SETUP, expect_queries, is_hit, set_value

ENDPOINTS = {
    "get": "-- @route GET /item/{id}\n-- @returns row\n-- @param lang default en\n-- @cache 60s tags item:{id}\n"
           "SELECT id, v, :lang::text AS lang FROM item WHERE id = :id::int",
    "set": "-- @route POST /item/{id}\n-- @returns none\n-- @param v\n-- @invalidates item:{id}\n"
           "UPDATE item SET v = :v::int WHERE id = :id::int",
    "make": "-- @route PUT /item/{id}\n-- @returns none\n-- @param v\n-- @invalidates item:{id}\n"
            "INSERT INTO item VALUES (:id::int, :v::int) ON CONFLICT (id) DO UPDATE SET v = EXCLUDED.v",
    "mine": "-- @route GET /mine\n-- @auth user\n-- @cache 60s per user\n-- @returns value\n"
            "SELECT sum(v) FROM item WHERE owner = current_setting('request.user')",
    "setmine": "-- @route POST /mine\n-- @auth user\n-- @returns none\n"
               "UPDATE item SET v = v + 1 WHERE owner = current_setting('request.user')",
    "plain": "-- @route GET /plain/{id}\n-- @returns row\nSELECT id, v FROM item WHERE id = :id::int",
    "setplain": "-- @route DELETE /plain/{id}\n-- @returns none\nDELETE FROM item WHERE id = :id::int",
    "admins": "-- @route GET /admins\n-- @returns value\n-- @auth role admin\n-- @cache 60s public\nSELECT 1",
    "setadmins": "-- @route POST /admins\n-- @returns none\nUPDATE item SET v = v + 1 WHERE id = 20",
    "only": "-- @route POST /only\n-- @returns none\nUPDATE item SET v = v + 1 WHERE id = 21",
    "page": "-- @route GET /page/{id}\n-- @cache 60s\n-- @include item = GET /item/{id}\n",
    "setpage": "-- @route POST /page/{id}\n-- @returns none\n-- @invalidates item:{id}\nUPDATE item SET v = v + 1 WHERE id = :id::int",
    "slow": "-- @route GET /slow\n-- @returns value\n-- @timeout 20s\n-- @cache 60s\nSELECT pg_sleep(5)::text",
    "setslow": "-- @route POST /slow\n-- @returns none\n-- @timeout 500ms\nUPDATE item SET v = v + 1 WHERE id = 22",
    "setslower": "-- @route PUT /slow\n-- @returns none\n-- @timeout 20s\nUPDATE item SET v = v + 1 WHERE id = 22",
}


@pytest.fixture
def weird(db):
    db.sql(SETUP)
    running = Weird(Site(db.conninfo, ENDPOINTS, {"workers": {"min": 2, "max": 2}, "auth": {"roles_param": "ROLES"}})
                    ).wait_listening()
    yield running
    running.stop()


def ask(weird, path, method="GET", body=b"", **conditions):
    headers = [(k.replace("_", "-"), v) for k, v in conditions.items() if k[0] == "i"]
    if body:
        headers.append(("Content-Type", "application/json"))
    return weird.get(path, method, body=body, headers=headers, **{k: v for k, v in conditions.items() if k[0] != "i"})


def value_of(db, item):
    return db.value(f"SELECT (SELECT v FROM item WHERE id = {item})")


def test_a_read_is_refused_when_its_answer_is_none_of_those_named(weird):
    tag = weird.get("/item/1").header("etag")
    for method in ("GET", "HEAD"):
        for value, status in ((tag, 200), ("*", 200), (f'"x", {tag}', 200), (tag[:-1] + '-gzip"', 200), ("W/" + tag, 412),
                              ('"x"', 412), ("garbage", 412)):
            reply = ask(weird, "/item/1", method, if_match=value)
            assert reply.status == status, (method, value)
            assert status == 200 or method == "HEAD" or reply.code == "precondition_failed"
    assert ask(weird, "/item/1", if_match=tag, if_none_match=tag).status == 304
    assert ask(weird, "/item/1", if_match='"x"', if_none_match=tag).status == 412
    expect_queries(weird, "get", 1)
    # a miss is judged as well; another answer than 2xx stays what it is
    assert ask(weird, "/item/2", if_match=tag).status == 412
    assert ask(weird, "/item/3", if_match="*").status == 200
    assert ask(weird, "/item/5000", if_match="*").status == 404
    # without @cache there are no tags
    assert ask(weird, "/plain/1", if_match=tag).status == 412
    assert ask(weird, "/plain/1", if_match="*").status == 200


def test_a_write_happens_only_to_what_the_client_has_seen(weird, db):
    tag = weird.get("/item/1").header("etag")
    for value in ('"x"', "W/" + tag, "garbage", '"x", "y"'):
        reply = ask(weird, "/item/1", "POST", b'{"v": 9}', if_match=value)
        assert reply.status == 412 and reply.code == "precondition_failed", value
        assert reply.header("cache-group-invalidation") is None
    assert value_of(db, 1) == 0
    assert is_hit(weird.get("/item/1"))     # nothing was made void
    for value in (f'"x", {tag}', "*"):
        assert ask(weird, "/item/1", "POST", b'{"v": 1}', if_match=value).status == 204
    assert ask(weird, "/item/1", "POST", b'{"v": 2}', if_match=tag).status == 412
    assert value_of(db, 1) == 1
    new = weird.get("/item/1").header("etag")
    assert new != tag and ask(weird, "/item/1", "POST", b'{"v": 3}', if_match=new[:-1] + '-br"').status == 204
    # a bad request is told as such, before any condition
    assert ask(weird, "/item/1", "POST", b'{"w": 3}', if_match='"x"').status == 400


def test_the_database_is_asked_and_not_the_cache(weird, db):
    old = weird.get("/item/1").header("etag")
    db.sql("UPDATE item SET v = 5 WHERE id = 1")     # unseen: nobody watches the table
    assert is_hit(weird.get("/item/1")) and weird.get("/item/1").header("etag") == old
    assert ask(weird, "/item/1", "POST", b'{"v": 6}', if_match=old).status == 412
    assert value_of(db, 1) == 5
    # what was read for the condition is in the cache now
    reply = weird.get("/item/1")
    assert is_hit(reply) and reply.json["v"] == 5


def test_something_is_made_only_where_nothing_was(weird, db):
    assert ask(weird, "/item/2000", "PUT", b'{"v": 1}', if_match="*").status == 412
    assert ask(weird, "/item/2000", "PUT", b'{"v": 1}', if_match='"x"').status == 412
    assert value_of(db, 2000) is None
    assert ask(weird, "/item/2000", "PUT", b'{"v": 1}', if_none_match="*").status == 204
    reply = ask(weird, "/item/2000", "PUT", b'{"v": 2}', if_none_match="*")
    assert reply.code == "precondition_failed" and value_of(db, 2000) == 1
    tag = weird.get("/item/2000").header("etag")
    assert ask(weird, "/item/2000", "PUT", b'{"v": 2}', if_none_match="W/" + tag).status == 412
    assert ask(weird, "/item/2000", "PUT", b'{"v": 2}', if_match=tag, if_none_match=tag).status == 412
    assert ask(weird, "/item/2000", "PUT", b'{"v": 2}', if_match=tag, if_none_match='"x"').status == 204


def test_the_answer_is_that_of_the_same_query_and_the_same_caller(weird, db):
    en, de = (weird.get(f"/item/4?lang={x}").header("etag") for x in ("en", "de"))
    # v is the write's parameter, lang the read's: each gets its own
    assert ask(weird, "/item/4?lang=de&v=1", "POST", if_match=de).status == 400     # the write knows no lang
    assert ask(weird, "/item/4?v=1", "POST", if_match=de).status == 412
    assert ask(weird, "/item/4?v=1", "POST", if_match=en).status == 204
    assert value_of(db, 4) == 1
    db.sql("UPDATE item SET owner = 'bob' WHERE id <= 3")
    ann = weird.get("/mine", REMOTE_USER="ann").header("etag")
    assert ask(weird, "/mine", "POST", if_match=ann, REMOTE_USER="bob").status == 412
    assert ask(weird, "/mine", "POST", if_match=ann, REMOTE_USER="ann").status == 204
    assert ask(weird, "/mine", "POST", if_match=ann, REMOTE_USER="ann").status == 412


def test_a_whole_is_judged_with_its_parts(weird, db):
    tag = weird.get("/page/6").header("etag")
    set_value(weird, 6, 3)
    assert ask(weird, "/page/6", "POST", if_match=tag).status == 412
    tag = weird.get("/page/6").header("etag")
    assert ask(weird, "/page/6", "POST", if_match=tag).status == 204
    assert value_of(db, 6) == 4


def test_what_cannot_be_judged_is_not_done(weird, db):
    for path, caller in (("/only", {}), ("/admins", {}), ("/admins", {"REMOTE_USER": "bob", "ROLES": "guest"})):
        for condition in ({"if_match": '"x"'}, {"if_match": "*"}, {"if_none_match": "*"}):
            reply = ask(weird, path, "POST", **condition, **caller)
            assert reply.code == "precondition_failed" and "judged" in reply.json["detail"], (path, condition)
        # nobody has a tag of it
        assert ask(weird, path, "POST", if_none_match='"x"', **caller).status == 204
    assert value_of(db, 20) == 2 and value_of(db, 21) == 1
    # GET answers, but without a tag
    assert ask(weird, "/plain/9", "DELETE", if_match='"x"').status == 412
    assert ask(weird, "/plain/9", "DELETE", if_match="*").status == 204
    assert ask(weird, "/plain/9", "DELETE", if_match="*").status == 412
    assert value_of(db, 9) is None


def test_a_condition_has_the_deadline_of_its_write(weird, db):
    reply = ask(weird, "/slow", "POST", if_match="*")
    assert reply.code == "timeout"
    assert value_of(db, 22) == 0


def test_a_client_that_leaves_meanwhile_leaves_nothing_done(weird, db):
    running = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(5)%' AND state = 'active' AND pid <> pg_backend_pid()"
    with Connection(weird.listen) as c:
        c.send_request("/slow", "PUT", headers=[("If-Match", "*")])
        wait_for(lambda: db.value(running) == 1, 10, "the condition's query to run")
    wait_for(lambda: sum(r["in_flight"] for r in weird.workers()) <= 1, 5, "the write to be gone")
    wait_for(lambda: db.value(running) == 0, 15, "the condition's query to end")
    # the worker lives on, and what was read for nobody's sake is in the cache
    wait_for(lambda: re.match("weir; hit", weird.get("/slow").header("cache-status", "")), 10, "the answer to be kept")
    assert value_of(db, 22) == 0


def test_of_two_who_saw_the_same_state_one_writes(weird, db):
    """Counters raised by readers who write what they read, plus one: whoever is told 204 has raised one, over all
    workers; and none stays behind for ever."""
    items, done, refused, faults = (1, 2), [[], []], [], []

    def client(which):
        item = items[which % 2]
        for _ in range(15):
            while True:
                seen = weird.get(f"/item/{item}")
                reply = ask(weird, f"/item/{item}", "POST", b'{"v": %d}' % (seen.json["v"] + 1),
                            if_match=seen.header("etag"))
                if reply.status == 204:
                    done[which % 2].append(which)
                    break
                refused.append(which)
                if reply.code not in ("precondition_failed", "serialization"):
                    faults.append(reply)
                    return

    threads = [threading.Thread(target=client, args=(i,)) for i in range(8)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not faults
    assert [len(x) for x in done] == [60, 60] == [value_of(db, i) for i in items]
    assert refused
    # nothing is held for ever
    wait_for(lambda: is_hit(weird.get("/item/1")), 5, "the tag to be served again")


def test_nor_do_two_write_when_workers_are_killed(weird):
    """A write whose worker is dead may be committed yet: until that is known nobody else's condition is found to hold."""
    stop = time.monotonic() + 8
    written, odd = [], []

    def client():
        while time.monotonic() < stop:
            try:
                seen = weird.get("/item/1")
                if seen.status != 200:
                    continue
                v = seen.json["v"] + 1
                reply = ask(weird, "/item/1", "POST", b'{"v": %d}' % v, if_match=seen.header("etag"))
            except (OSError, Closed):
                continue        # killed: whether v was written is not known
            if reply.status == 204:
                written.append(v)
            elif reply.status not in (409, 412, 503, 504):
                odd.append(reply)

    threads = [threading.Thread(target=client) for _ in range(8)]
    for t in threads:
        t.start()
    killed = 0
    while time.monotonic() < stop - 1:
        pids = weird.worker_pids()
        if len(pids) == 2:
            os.kill(random.choice(pids), signal.SIGKILL)
            killed += 1
        time.sleep(1)
    for t in threads:
        t.join()
    assert not odd and killed >= 3
    assert len(written) > 50 and len(set(written)) == len(written), sorted(v for v in written if written.count(v) > 1)


def test_of_many_who_make_the_same_thing_one_does(weird, db):
    for item in range(3000, 3010):
        replies, barrier = [], threading.Barrier(6)

        def client():
            barrier.wait()
            replies.append(ask(weird, f"/item/{item}", "PUT", b'{"v": 1}', if_none_match="*"))

        threads = [threading.Thread(target=client) for _ in range(6)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        assert sorted(r.status for r in replies) == [204] + [412] * 5, replies
