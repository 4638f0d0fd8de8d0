"""The link to PostgreSQL falls silent: packets are acknowledged, nothing arrives, nobody closes."""

import threading
import time

import pytest

from weirtest.base import PATIENCE, wait_for
from weirtest.between import Relay
from weirtest.fcgi import Connection

DEADLINE = 2.0
ENDPOINTS = {
    "lane": "-- @route GET /lane\n-- @returns value\nSELECT current_setting('default_transaction_read_only') AS ro",
    "cold": "-- @route GET /cold\n-- @param k default 1\n-- @returns value\nSELECT pg_sleep(0.012)::text || :k::text AS s",
    "add": "-- @route POST /add\n-- @returns none\nINSERT INTO item DEFAULT VALUES",
}
OPTIONS = {"workers": {"min": 1, "max": 1},
           "database": {"main": {"pool_min": 6, "pool_max": 12, "query_timeout": f"{DEADLINE:g}s"}}}


@pytest.fixture
def relay(own_pg):
    own_pg.sql("CREATE TABLE item (k serial)", dbname="test")
    made = Relay(own_pg.port)
    yield made
    made.close()


class Load:
    """Keep-alive clients; (sent at, took, status, path) of each."""

    def __init__(self, w, clients):
        self.w, self.done, self.replies = w, threading.Event(), []
        self.threads = [threading.Thread(target=self.client, args=c) for c in clients]
        for t in self.threads:
            t.start()

    def client(self, path, method="GET"):
        with Connection(self.w.listen, timeout=30) as c:
            while not self.done.is_set():
                start = time.monotonic()
                c.send_request(path, method=method)
                status = c.read_reply().status
                self.replies.append((start, time.monotonic() - start, status, path))

    def end(self):
        self.done.set()
        for t in self.threads:
            t.join()
        return self.replies


def test_a_silent_link(weir, relay):
    w = weir(conninfo=f"host=127.0.0.1 port={relay.port} dbname=test user=postgres", endpoints=ENDPOINTS,
             options=OPTIONS)

    def express():
        with Connection(w.listen) as c:
            for _ in range(40):
                c.send_request("/lane")
                reply = c.read_reply()
        return reply.body == b'"on"'
    wait_for(express, 10, "the express lane")
    load = Load(w, [("/lane",), ("/lane",), ("/cold",), ("/cold",), ("/add", "POST")])
    try:
        for _ in range(2):
            wait_for(lambda: {p for _, _, s, p in load.replies[-200:] if s in (200, 204)} == {"/lane", "/cold", "/add"},
                     10, "all endpoints to answer")
            relay.pause()
            paused = time.monotonic()
            # what was in flight has its deadline; nothing that is sent later may wait for one more
            wait_for(lambda: time.monotonic() > paused + DEADLINE + 1 * PATIENCE, 20)
            refused = [w.get(path).status for path in ("/lane", "/cold", "/lane", "/cold")]
            relay.resume()
            wait_for(lambda: w.get("/lane").status == 200 and w.get("/cold").status == 200, 1.5,
                     "service after the link is back")
            assert refused == [503] * 4, w.log_text()[-3000:]
    finally:
        relay.resume()
        replies = load.end()
    assert {r[2] for r in replies} <= {200, 204, 503, 504}
    late = [r for r in replies if r[1] > DEADLINE + 0.3 * PATIENCE]
    assert not late


def test_the_silence_of_one_connection_condemns_the_idle_ones(weir, relay, own_pg):
    """Else each of them would cost a request its deadline."""
    w = weir(conninfo=f"host=127.0.0.1 port={relay.port} dbname=test user=postgres", endpoints=ENDPOINTS,
             options={**OPTIONS, "database": {"main": {**OPTIONS["database"]["main"], "express": 0}}})
    wait_for(lambda: len(own_pg.backends("postgres")) >= 7, 10, "the warm connections")
    assert w.get("/cold").status == 200
    relay.pause()
    # the second may be sent while the first one's cancel has its grace
    statuses = [w.get("/cold").status for _ in range(4)]
    assert statuses[0] == 504 and statuses[2:] == [503, 503], statuses
    relay.resume()
    wait_for(lambda: w.get("/cold").status == 200, 1.5, "service after the link is back")
