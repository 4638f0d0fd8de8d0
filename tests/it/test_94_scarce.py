"""A server that grants few connections: whatever it grants serves, reads and writes, and /ready says what requests meet."""

import threading
import time

import pytest

from weirtest.base import PATIENCE, wait_for
from weirtest.fcgi import Connection, request

ENDPOINTS = {
    "get": "-- @route GET /get\n-- @returns row\nSELECT count(*) AS n, current_setting('transaction_read_only') AS ro FROM item",
    "put": "-- @route POST /put\n-- @returns none\nINSERT INTO item DEFAULT VALUES",
}


@pytest.fixture
def role(db):
    """A role of its own; limit(n) sets how many connections it has."""
    db.sql("CREATE TABLE item (k serial); CREATE ROLE few LOGIN; GRANT ALL ON ALL TABLES IN SCHEMA public TO few;"
           "GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO few")

    def limit(n):
        db.sql(f"ALTER ROLE few CONNECTION LIMIT {n}")
    limit.sessions = lambda: db.value("SELECT count(*) FROM pg_stat_activity WHERE usename = 'few'")
    limit.end_all = lambda: db.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'few'")
    limit.conninfo = db.pg.conninfo_for(db.name, user="few")
    yield limit
    db.sql("DROP OWNED BY few; DROP ROLE few")


def ready(w):
    return request(w.status, "/ready").status


class Load:
    def __init__(self, w, n=4):
        self.w, self.over, self.got = w, threading.Event(), []
        self.threads = [threading.Thread(target=self.run, args=(i,)) for i in range(n)]
        for t in self.threads:
            t.start()

    def run(self, i):
        path, method = (("/get", "GET"), ("/put", "POST"))[i % 2]
        with Connection(self.w.listen, timeout=20) as c:
            while not self.over.is_set():
                start = time.monotonic()
                c.send_request(path, method)
                self.got.append((c.read_reply().status, method, time.monotonic() - start))

    def end(self):
        self.over.set()
        for t in self.threads:
            t.join()
        return self.got


@pytest.mark.parametrize("n", [1, 2, 3, 5])
def test_few_connections(weir, role, n):
    """7.42: with 1 to 5 connections for two workers all requests are answered, reads and writes; the monitor yields."""
    role(n)
    w = weir(endpoints=ENDPOINTS, conninfo=role.conninfo, options={"workers": {"min": 2, "max": 2}})
    wait_for(lambda: w.get("/get").status == 200 and w.get("/put", "POST").status == 204, 6)
    load = Load(w)
    end = time.monotonic() + 1.2
    while time.monotonic() < end:
        assert ready(w) == 200
        time.sleep(0.05)
    got = load.end()
    bad = [g for g in got if g[0] not in (200, 204)]
    assert not bad, (bad[:5], len(bad), len(got), w.log_text()[-3000:])
    assert {g[1] for g in got} == {"GET", "POST"} and len(got) > 40
    assert max(g[2] for g in got) < 1.5 * PATIENCE
    assert role.sessions() <= n


def test_a_limit_that_comes_and_goes(weir, role):
    """7.42: the limit falls while all is running, and is lifted again."""
    w = weir(endpoints=ENDPOINTS, conninfo=role.conninfo, options={"workers": {"min": 2, "max": 2}})
    role(1)
    role.end_all()
    wait_for(lambda: all(w.get("/get").status == 200 and w.get("/put", "POST").status == 204 for _ in range(4)), 6)
    assert ready(w) == 200
    role(-1)
    wait_for(lambda: role.sessions() > 5, 15, "the lanes to be as they were")


def test_nothing_is_granted(weir, role):
    """7.42: the other way round: a server that gives its last connections to others: 503 at once, and /ready says so."""
    role(0)
    w = weir(endpoints=ENDPOINTS, conninfo=role.conninfo, options={"database": {"main": {"connect_timeout": "500ms"}}})
    wait_for(lambda: ready(w) == 503, 5)
    start = time.monotonic()
    assert w.get("/get").code == "db_down"
    assert time.monotonic() - start < 0.3 * PATIENCE
    role(1)
    wait_for(lambda: w.get("/get").status == 200 and w.get("/put", "POST").status == 204, 6)
    wait_for(lambda: ready(w) == 200, 4)


def test_max_connections(weir, own_pg):
    """7.42: others hold all of max_connections but two."""
    pg = own_pg
    pg.sql("CREATE TABLE item (k serial); GRANT ALL ON ALL TABLES IN SCHEMA public TO weir;"
           "GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO weir")
    held = []
    try:
        while True:
            try:
                held.append(pg.connect("test", user="weir"))
            except Exception:
                break
        for c in held[-2:]:
            c.close()
        w = weir(endpoints=ENDPOINTS, conninfo=pg.conninfo_for("test"))
        wait_for(lambda: w.get("/get").status == 200, 5)
        for _ in range(20):
            assert w.get("/get").status == 200 and w.get("/put", "POST").status == 204
        assert ready(w) == 200
    finally:
        for c in held:
            c.close()


def test_alone(lone_worker, role):
    """7.42: a worker without weird."""
    role(1)
    w = lone_worker(endpoints=ENDPOINTS, conninfo=role.conninfo)
    for _ in range(20):
        assert w.get("/put", "POST").status == 204
        assert w.get("/get").json["ro"] == "off"


def test_a_reload_does_not_stall(weir, db):
    """7.38: with pool_max = 8 and two workers a request during a reload waits for no slot of a connection that is closed already."""
    db.sql("CREATE TABLE item (k serial); GRANT ALL ON ALL TABLES IN SCHEMA public TO weir; GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO weir")
    w = weir(endpoints=ENDPOINTS, conninfo=db.conninfo,
             options={"workers": {"min": 2, "max": 2}, "database": {"main": {"pool_min": 5, "pool_max": 8}}})
    load = Load(w, 8)
    wait_for(lambda: len(load.got) > 200, 5)
    for _ in range(3):
        wait_for(lambda: len(w.worker_pids()) == 2, 10, "the old workers to leave")
        assert w.reload().ok
    got = load.end()
    assert {g[0] for g in got} == {200, 204}
    assert max(g[2] for g in got) < 0.4 * PATIENCE, sorted(g[2] for g in got)[-5:]
