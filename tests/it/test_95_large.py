"""Large values and slow readers: a worker's memory is bounded, and nobody else waits."""

import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from weirtest.base import PATIENCE, SANITIZED, wait_for
from weirtest.fcgi import Closed, Connection

MB = 1 << 20
ENDPOINTS = {
    "small": "-- @route GET /small\n-- @returns row\nSELECT 1 AS n",
    "value": "-- @route GET /value\n-- @param mb\n-- @timeout 20s\n-- @returns value\nSELECT repeat('x', :mb::int * 1048576) AS v",
    "text": "-- @route GET /text\n-- @param mb\n-- @timeout 20s\n-- @returns row\n"
            "SELECT 1 AS a, repeat(E'\\u00e4\"\\n', :mb::int * 262144) AS v, true AS b, NULL AS c, ARRAY[1] AS d",
    "rows": "-- @route GET /rows\n-- @param n\n-- @timeout 20s\nSELECT i, repeat('y', 1000) AS v, 1.5 AS f, now() AS t "
            "FROM generate_series(1, :n::int) i",
    "json": "-- @route GET /json\n-- @param mb\n-- @timeout 20s\n-- @returns json\nSELECT to_json(repeat('j', :mb::int * 1048576))",
    "write": "-- @route POST /write\n-- @param mb\n-- @timeout 20s\n-- @returns row\n"
             "INSERT INTO item (v) VALUES ('w') RETURNING repeat('x', :mb::int * 1048576) AS v",
    "whole": "-- @route GET /whole\n-- @timeout 20s\n-- @include a = GET /text?mb=2\n-- @include b = GET /rows?n=3000",
}


@pytest.fixture
def base(db):
    db.sql("CREATE TABLE item (k serial, v text); GRANT ALL ON ALL TABLES IN SCHEMA public TO weir;"
           "GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO weir")
    return db


def rss(w, what="VmRSS"):
    pid, = w.worker_pids()
    return next(int(line.split()[1]) for line in open(f"/proc/{pid}/status") if line.startswith(what)) * 1024


def figure(w, name):
    return sum(v for k, v in w.metrics().items() if k.startswith(name))


class Good:
    """A client that asks for little all the time."""

    def __init__(self, w, path="/small", status=200):
        self.path, self.status = path, status
        self.over, self.took = threading.Event(), []
        self.w, self.bad = w, []
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self):
        with Connection(self.w.listen, timeout=30) as c:
            while not self.over.is_set():
                start = time.monotonic()
                c.send_request(self.path)
                reply = c.read_reply()
                self.took.append(time.monotonic() - start)
                if reply.status != self.status:
                    self.bad.append(reply)
                time.sleep(0.002)

    def end(self):
        self.over.set()
        self.thread.join()
        assert not self.bad, self.bad[0]
        return sorted(self.took)[int(len(self.took) * 0.99)]


def start(weir, base, responses, response, **more):
    return weir(endpoints=ENDPOINTS, conninfo=base.conninfo,
                options={"workers": {"min": 1, "max": 1}, "limits": {"responses": responses, "response": response, **more},
                         "database": {"main": {"pool_max": 12, "query_timeout": "20s"}}})


def test_large_answers_are_what_they_were(weir, base):
    """7.18: rendered in slices they are byte for byte the same."""
    w = start(weir, base, "256MiB", "64MiB")
    for mb in (1, 2, 9):
        assert w.get(f"/value?mb={mb}", timeout=30).body == b'"' + b"x" * (mb * MB) + b'"'
        assert w.get(f"/json?mb={mb}", timeout=30).body == b'"' + b"j" * (mb * MB) + b'"'
        got = w.get(f"/text?mb={mb}", timeout=30)
        assert got.json == {"a": 1, "v": "\u00e4\"\n" * (mb * 262144), "b": True, "c": None, "d": [1]}
    for n in (900, 1100, 20000):
        got = w.get(f"/rows?n={n}", timeout=30).json
        assert len(got) == n and got[-1]["i"] == n and {r["v"] for r in got} == {"y" * 1000} and got[0]["f"] == 1.5
    got = w.get("/whole", timeout=30).json
    assert len(got["a"]["v"]) == 3 * 524288 and len(got["b"]) == 3000


def test_one_value_far_beyond_the_limit(weir, base):
    """7.18: it is stopped while it arrives; neither the worker nor a neighbour notices."""
    w = start(weir, base, "16MiB", "4MiB")
    pid = w.worker_pids()
    good = Good(w)
    for _ in range(2):
        got = w.get("/value?mb=120", timeout=40)
        assert got.status == 500 and "larger than this server sends" in got.json["detail"]
    before = base.value("SELECT count(*) FROM item")
    got = w.get("/write?mb=80", "POST", timeout=40)
    assert got.status in (500, 503)
    wait_for(lambda: base.value("SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND usename = 'weir'") == 0, 5)
    if got.status == 500:
        assert base.value("SELECT count(*) FROM item") == before, "told that it failed"
    else:
        assert got.code == "outcome_unknown"
    assert good.end() < 0.1 * PATIENCE
    assert w.worker_pids() == pid
    assert rss(w, "VmHWM") < 80 * MB * PATIENCE


def stuck(w, path):
    """A client that reads nothing."""
    c = Connection(w.listen, timeout=30)
    c.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    c.send_request(path, keep=False)
    return c


def test_forty_clients_that_do_not_read(weir, base):
    """7.18: what is held for them is bounded; a good client's p99 stays small, and large answers are to be had by who reads."""
    w = start(weir, base, "64MiB", "16MiB")
    loop, good = Good(w, "/none", 404), Good(w)
    conns = []
    try:
        for _ in range(40):
            conns.append(stuck(w, "/value?mb=12"))
        wait_for(lambda: figure(w, "weir_responses_shed_total") > 5, 20, "answers to be shed")
        # the server has its work behind it; what is left are the readers
        wait_for(lambda: base.value("SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND usename = 'weir' "
                                    "AND query LIKE '%%repeat%%'") == 0, 20)
        good.took.clear()
        most = 0
        end = time.monotonic() + 2
        while time.monotonic() < end:
            most = max(most, rss(w))
            assert figure(w, "weir_worker_response_bytes") < 120 * MB
            time.sleep(0.02)
        assert most < 260 * MB * PATIENCE, most / MB
        # who reads gets it although the others are still there
        wait_for(lambda: w.get("/value?mb=12", timeout=30).status == 200, 10, "a large answer for who reads")
        assert loop.end() < 0.1 * PATIENCE
        assert good.end() < 0.15 * PATIENCE
        assert "limits.responses" in w.log_text()
    finally:
        good.over.set()
        loop.over.set()
        for c in conns:
            c.close()
    wait_for(lambda: figure(w, "weir_worker_response_bytes") == 0, 5, "all to be given back")


def test_many_results_that_arrive_together(weir, base):
    """7.18: results are counted from their first byte: too many at once are 503 with Retry-After, the others whole."""
    def ask(_):
        try:
            return w.get("/value?mb=12", timeout=60)
        except Closed:      # twelve clients in Python are slow readers on a busy machine
            return None
    w = start(weir, base, "32MiB", "16MiB")
    with ThreadPoolExecutor(12) as clients:
        got = [r for r in clients.map(ask, range(12)) if r]
    assert {r.status for r in got} <= {200, 503} and any(r.status == 200 for r in got)
    for r in got:
        if r.status == 503:
            assert r.code == "overloaded" and r.header("Retry-After")
        else:
            assert len(r.body) == 12 * MB + 2
    assert rss(w, "VmHWM") < 300 * MB * PATIENCE
    wait_for(lambda: w.get("/value?mb=12", timeout=30).status == 200, 5)


@pytest.mark.skipif(SANITIZED, reason="what it measures is speed")
def test_a_large_answer_does_not_hold_the_loop(weir, base):
    """7.18: 100 MB of escapes are rendered in slices of a few ms."""
    w = start(weir, base, "1GiB", "256MiB")
    good = Good(w, "/none", 404)
    for _ in range(2):
        assert w.get("/text?mb=60", timeout=60).status == 200
    good.end()
    assert max(good.took) < 0.6    # it was 1.4 s; libpq itself copies a value of 90 MB in one go


def test_the_option(site):
    """7.18: responses holds a result and its answer."""
    s = site(endpoints={"small": ENDPOINTS["small"]}, options={"limits": {"responses": "64MiB", "response": "64MiB"}})
    done = s.weird("-t", "--offline")
    assert done.returncode == 78 and "less than twice response" in done.stderr
