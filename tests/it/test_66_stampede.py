"""Many clients, one key: the database is asked exactly once, by its own count (pg_stat_statements)."""

import os
import signal

import pytest

from weirtest.base import wait_for
from weirtest.fcgi import Connection
from weirtest.weir import Site, Weird

from test_61_cache import is_hit, set_value, status_of, wait_expired

CLIENTS = 200

SETUP = """
CREATE EXTENSION pg_stat_statements;
CREATE TABLE plain AS SELECT i AS id, 0 AS v FROM generate_series(1, 1000) i;
ALTER TABLE plain ADD PRIMARY KEY (id);
CREATE TABLE stale (LIKE plain INCLUDING ALL);
INSERT INTO stale TABLE plain;
CREATE TABLE quick (LIKE plain INCLUDING ALL);
INSERT INTO quick TABLE plain;
CREATE TABLE gate ();
"""

# Who holds the table `gate` decides how long a query takes.
ENDPOINTS = {
    "plain": "-- @route GET /plain/{id}\n-- @returns row\n-- @timeout 20s\n-- @cache 1s tags item:{id}\n"
             "SELECT id, v FROM plain LEFT JOIN gate ON true WHERE id = :id::int",
    "stale": "-- @route GET /stale/{id}\n-- @returns row\n-- @timeout 20s\n-- @cache 1s stale 1m tags item:{id}\n"
             "SELECT id, v FROM stale LEFT JOIN gate ON true WHERE id = :id::int",
    # more than a socket takes of it
    "large": "-- @route GET /large\n-- @returns row\n-- @cache 1s stale 1m\nSELECT v, repeat('x', 400000) AS pad FROM plain WHERE id = 9",
    "quick": "-- @route GET /quick/{id}\n-- @returns row\n-- @cache 1h tags item:{id}\n"
             "SELECT id, v FROM quick WHERE id = :id::int",
    "set": "-- @route POST /item/{id}\n-- @returns none\n-- @param v\n-- @invalidates item:{id}\n"
           "UPDATE plain SET v = :v::int WHERE id = :id::int",
}


@pytest.fixture
def weird(db):
    db.sql(SETUP)
    running = Weird(Site(db.conninfo, ENDPOINTS, {"workers": {"min": 2, "max": 2}, "cache": {"memory": "15MiB"}}))
    yield running
    running.stop()


@pytest.fixture
def clients(weird):
    """Keep-alive connections, one half at each worker: while they are made, the other worker is stopped."""
    made = []
    first, second = weird.workers("ready")
    for other in (first, second):
        os.kill(other["pid"], signal.SIGSTOP)
        made += [Connection(weird.listen, 30) for _ in range(CLIENTS // 2)]
        burst(made[-CLIENTS // 2:], "/nowhere")
        os.kill(other["pid"], signal.SIGCONT)
    wait_for(lambda: [row["connections"] for row in weird.workers("ready")] == [CLIENTS // 2] * 2, 5, "equal shares")
    yield made[::2] + made[1::2]
    for c in made:
        c.close()


def send(clients, path):
    for c in clients:
        c.send_request(path)


def receive(clients):
    return [c.read_reply() for c in clients]


def burst(clients, path):
    send(clients, path)
    return receive(clients)


def calls(db, table):
    """How often the statement about the table was run. It is counted when its portal closes, behind the last row."""
    wait_for(lambda: not db.value("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND "
                                  "state <> 'idle' AND pid <> pg_backend_pid()"), 5, "the database to be done")
    return int(db.value("SELECT coalesce(sum(calls), 0) FROM pg_stat_statements WHERE query LIKE %s AND dbid = "
                        "(SELECT oid FROM pg_database WHERE datname = current_database())", (f"%FROM {table}%",)))


def running(db):
    return db.value("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'")


class Gate:
    """Held: no query of the endpoints that look at it ends."""

    def __init__(self, db):
        self.conn = db.connect()
        self.conn.autocommit = False

    def __enter__(self):
        self.conn.cursor().execute("LOCK gate")
        return self

    def open(self):
        self.conn.rollback()

    def __exit__(self, *_):
        self.conn.close()


def in_flight(weird):
    return sum(row["in_flight"] for row in weird.workers())


def all_wait_for_one_query(weird, db, clients, path):
    with Gate(db) as gate:
        send(clients, path)
        wait_for(lambda: in_flight(weird) == CLIENTS, 10, "every client to be waiting")
        wait_for(lambda: running(db) == 1, 5, "its query to be waiting too")
        gate.open()
        return receive(clients)


def test_one_query_for_all_at_the_first_miss_and_again_at_expiry_and_after_a_write(weird, db, clients):
    for n, before in enumerate([lambda: None, lambda: wait_expired(weird, "plain"), lambda: set_value(weird, 7, 2)], 1):
        before()
        replies = all_wait_for_one_query(weird, db, clients, "/plain/7")
        assert {r.status for r in replies} == {200}
        assert {r.body for r in replies} == {b'{"id":7,"v":%d}' % (2 if n == 3 else 0)}
        assert calls(db, "plain") == n
        assert sum("stored" in status_of(r) and "collapsed" not in status_of(r) for r in replies) == 1
    assert db.value("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'") == 0


def test_at_expiry_all_are_answered_at_once_while_one_query_makes_it_anew(weird, db, clients):
    replies = all_wait_for_one_query(weird, db, clients, "/stale/7")
    assert {r.status for r in replies} == {200} and calls(db, "stale") == 1
    wait_expired(weird, "stale")
    db.sql("UPDATE stale SET v = 5 WHERE id = 7")
    with Gate(db) as gate:
        for _ in range(3):
            replies = burst(clients, "/stale/7")    # nobody waits
            assert {r.body for r in replies} == {b'{"id":7,"v":0}'}
            assert all(is_hit(r) and "ttl=-" in status_of(r) for r in replies)
        wait_for(lambda: running(db) == 1, 5, "the refresh to run")
        gate.open()
        assert calls(db, "stale") == 2
    wait_for(lambda: weird.get("/stale/7").body == b'{"id":7,"v":5}', 5, "what it made")
    assert calls(db, "stale") <= 3      # the third: ahead of the next expiry, one query again


def test_queries_that_end_while_others_ask_are_not_asked_twice(weird, db, clients):
    """Quick queries: clients arrive before, at and after the moment when the answer enters the cache."""
    few, keys = clients[:16], 400
    for i in range(1, keys + 1):
        replies = burst(few, f"/quick/{i}")
        assert {r.body for r in replies} == {b'{"id":%d,"v":0}' % i}
    assert calls(db, "quick") == keys


def test_who_reads_slowly_keeps_nobody_from_the_refresh(weird, db):
    weird.get("/large")
    assert is_hit(weird.get("/large"))
    wait_expired(weird, "large")
    db.sql("UPDATE plain SET v = 3 WHERE id = 9")
    with Connection(weird.listen) as slow:
        slow.send_request("/large")
        wait_for(lambda: in_flight(weird) == 1, 5, "its reply to be under way")
        wait_for(lambda: weird.get("/large").json["v"] == 3, 2, "the refresh")
        assert in_flight(weird) == 1
        assert slow.read_reply().json == {"v": 0, "pad": "x" * 400000}
