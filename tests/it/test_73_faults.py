"""Under load: workers, database and supervisor killed, stopped and reloaded; nothing is lost but what was in flight at
the victim, and no acknowledged write is missing."""

import os
import signal
import threading
import time

import pytest

from weirtest.base import PATIENCE, wait_for
from weirtest.fcgi import Closed, Connection, request

ENDPOINTS = {
    "one": "-- @route GET /one\n-- @returns value\nSELECT 1 AS n",
    "nap": "-- @route GET /nap\n-- @param ms default 0\n-- @timeout 10s\n-- @returns row\nSELECT pg_sleep(:ms::int / 1000.0)::text AS s",
    "put": "-- @route POST /put\n-- @param k\n-- @returns none\nINSERT INTO kept (k) VALUES (:k::bigint)",
}


@pytest.fixture
def site_options(db):
    db.sql("CREATE TABLE kept (k bigint PRIMARY KEY)")
    return {"workers": {"min": 2, "max": 2}, "database": {"main": {"pool_min": 2, "pool_max": 12}}}


@pytest.fixture
def w(weir, db, site_options):
    return weir(conninfo=db.pg.conninfo_for(db.name, user="postgres"), endpoints=ENDPOINTS, options=site_options)


class Load:
    """Keep-alive clients, as a web server that retries GET on another connection and never a POST."""

    def __init__(self, w, clients=4, posts=True):
        self.w, self.stop = w, threading.Event()
        self.gets = self.lost_gets = self.posts = self.failed_posts = 0
        self.acknowledged = []
        self.bad = []
        self.lock = threading.Lock()
        self.threads = [threading.Thread(target=self.client, args=(i, posts and i == 0)) for i in range(clients)]
        for t in self.threads:
            t.start()

    def client(self, number, posts):
        n, conn = 0, None
        while not self.stop.is_set():
            n += 1
            for attempt in range(3):
                try:
                    if conn is None:
                        conn = Connection(self.w.listen, timeout=15)
                    if posts:
                        key = number * 10**9 + n
                        conn.send_request("/put", method="POST", body=b'{"k":%d}' % key,
                                          headers={"Content-Type": "application/json"})
                    else:
                        conn.send_request("/one")
                    reply = conn.read_reply()
                    with self.lock:
                        if posts and reply.status == 204:
                            self.acknowledged.append(key)
                        elif reply.status not in (200, 204):
                            self.bad.append(reply.status)
                        self.gets += not posts
                        self.posts += posts
                    break
                except (Closed, OSError):
                    if conn:
                        conn.close()
                    conn = None
                    if posts:
                        self.failed_posts += 1
                        break
                    if attempt == 2:
                        self.lost_gets += 1
        if conn:
            conn.close()

    def end(self):
        self.stop.set()
        for t in self.threads:
            t.join()
        return self


def kept(db):
    return {r[0] for r in db.sql("SELECT k FROM kept")}


def test_a_killed_worker_is_replaced_and_loses_only_what_it_had(w, db):
    load = Load(w)
    for _ in range(5):
        victim = w.worker_pids()[0]
        os.kill(victim, signal.SIGKILL)
        wait_for(lambda: victim not in w.worker_pids() and len(w.workers("ready")) == 2, 10, "a replacement")
    load.end()
    assert load.lost_gets == 0 and load.gets > 100
    assert set(load.bad) <= {503}
    assert set(load.acknowledged) <= kept(db)
    assert load.failed_posts <= 5


def test_the_database_killed_under_load(weir, own_pg):
    own_pg.sql("CREATE TABLE kept (k bigint PRIMARY KEY)")
    w = weir(conninfo=own_pg.conninfo_for("test", user="postgres"), endpoints=ENDPOINTS,
             options={"workers": {"min": 2, "max": 2}})
    pids = w.worker_pids()
    load = Load(w)
    for mode in ("fast", "immediate"):
        own_pg.restart(mode)
        wait_for(lambda: w.get("/one").status == 200, 2, f"service after a {mode} restart")
    load.end()
    assert load.lost_gets == 0
    slow = [x for x in w.log_text().splitlines() if ": 504 " in x]
    assert set(load.bad) <= {503}, slow
    stored = {r[0] for r in own_pg.sql("SELECT k FROM kept", dbname="test")}
    assert set(load.acknowledged) <= stored
    assert w.worker_pids() == pids, "no worker restarts because of the database"


def test_reload_under_load_loses_nothing(w, db):
    load = Load(w, clients=6)
    for i in range(6):
        w.site.write_endpoint("extra", f"-- @route GET /extra\n-- @returns value\nSELECT {i} AS n")
        got = w.reload()
        assert got.ok, got
        assert w.get("/extra").body == b"%d" % i
    load.end()
    assert load.lost_gets == 0 and load.failed_posts == 0 and not load.bad
    assert set(load.acknowledged) == kept(db)
    wait_for(lambda: len(w.worker_pids()) == 2, 10, "old workers to leave")
    assert w.ctl("info", json=True).json["generation"] == 7


def test_a_request_in_flight_outlives_the_reload(w):
    result = {}

    def slow():
        result["reply"] = w.get("/nap?ms=1500", timeout=20)
    t = threading.Thread(target=slow)
    t.start()
    wait_for(lambda: any(r["in_flight"] for r in w.workers()), 5)
    assert w.reload().ok
    t.join()
    assert result["reply"].status == 200


@pytest.mark.parametrize("how", ["syntax", "sql", "conf"])
def test_a_broken_reload_changes_nothing(w, how):
    before = w.worker_pids()
    good = w.conf.read_text()
    if how == "conf":
        w.conf.write_text(good + "\nworkres { min = 3 }\n")
        expect = "workres"
    else:
        w.site.write_endpoint("broken", "-- @route GET /broken\n" +
                              ("-- @retruns row\nSELECT 1 AS n" if how == "syntax" else "SELECT nosuch FROM one"))
        expect = "broken.sql:2"
    got = w.reload()
    assert got.severity == 3 and expect in got.text + got.body, got
    assert w.get("/one").status == 200
    w.conf.write_text(good)
    if how != "conf":
        w.site.remove_endpoint("broken")
    wait_for(lambda: len(w.workers("ready")) == 2, 10)
    assert w.worker_pids() == before
    assert w.reload().ok


def test_notify_reloads(w, db):
    w.site.write_endpoint("new", "-- @route GET /new\n-- @returns value\nSELECT 5 AS n")
    wait_for(lambda: w.ctl("database", json=True).json["databases"][0]["state"] == "up", 5)
    db.sql("NOTIFY weir_reload")
    wait_for(lambda: w.get("/new").status == 200, 10)


def test_status_answers_when_every_worker_is_stopped(w):
    pids = w.worker_pids()
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    for path in ("/metrics", "/api/performance", "/health"):
        assert request(w.status, path).status in (200, 503)
    assert request(w.status, "/metrics").status == 200
    for pid in pids:
        try:
            os.kill(pid, signal.SIGCONT)
        except ProcessLookupError:
            pass


def test_weird_stopped_kills_nobody(w):
    pids = w.worker_pids()
    load = Load(w, posts=False)
    os.kill(w.pid, signal.SIGSTOP)
    until = time.monotonic() + 4
    wait_for(lambda: time.monotonic() > until, 10)
    os.kill(w.pid, signal.SIGCONT)
    assert w.ctl("ping").ok
    until = time.monotonic() + 3
    wait_for(lambda: time.monotonic() > until, 10)
    load.end()
    assert w.worker_pids() == pids and load.lost_gets == 0 and not load.bad


def test_the_monitor_killed_is_started_again(w):
    old = w.monitor_pid()
    os.kill(old, signal.SIGKILL)
    wait_for(lambda: w.monitor_pid() not in (None, old), 5)
    wait_for(lambda: request(w.status, "/ready").status == 200, 5)


def test_a_client_that_leaves_is_cancelled_by_the_monitor(w, db):
    def sleeping():
        return db.value("SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%%pg_sleep%%' AND state = 'active' "
                        "AND pid <> pg_backend_pid()")
    for _ in range(5):
        c = Connection(w.listen)
        c.send_request("/nap?ms=6000")
        wait_for(sleeping, 5)
        c.close()
        wait_for(lambda: not sleeping(), 2, "the query to be cancelled")
    metrics = w.metrics()
    assert metrics["weir_db_cancels_total"] >= 5


def test_counters_survive_the_workers_death(w):
    for _ in range(20):
        w.get("/one")
    key = 'weir_http_requests_total{code="2xx",endpoint="one"}'
    before = wait_for(lambda: w.metrics().get(key, 0) >= 20 and w.metrics()[key], 5, "all to be counted")
    for pid in w.worker_pids():
        os.kill(pid, signal.SIGKILL)
    wait_for(lambda: len(w.workers("ready")) == 2, 10)
    assert w.metrics()[key] >= before >= 20


def test_no_connection_waits_for_another(w):
    conns = [Connection(w.listen) for _ in range(40)]
    worst = 0
    for _ in range(3):
        for c in conns:
            start = time.monotonic()
            c.send_request("/one")
            assert c.read_reply().status == 200
            worst = max(worst, time.monotonic() - start)
    for c in conns:
        c.close()
    assert worst < 0.5 * PATIENCE
