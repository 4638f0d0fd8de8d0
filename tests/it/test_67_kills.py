"""Workers killed in every phase of a write, under HTTP load: nobody sees older than acknowledged nor than was seen, no
body is torn, nobody waits for the dead, and what they were writing is served again once its end is known."""

import hashlib
import os
import random
import re
import signal
import threading
import time

import pytest

from weirtest.base import PATIENCE, wait_for
from weirtest.fcgi import Connection
from weirtest.http import RawHTTP, encode
from weirtest.weir import Site

from test_61_cache import is_hit

DOCS = (1, 2, 3)
PIECES = {1: 1, 2: 60, 3: 4000}     # of 32 bytes: one block, four, and more than is copied under one lock
SETTLED = 5     # seconds

SETUP = """
CREATE TABLE doc (id int PRIMARY KEY, n bigint NOT NULL, pad text NOT NULL);
INSERT INTO doc VALUES (1, 0, ''), (2, 0, ''), (3, 0, '');
CREATE FUNCTION write(which int, upto bigint, pieces int) RETURNS void LANGUAGE sql AS
$$ UPDATE doc SET n = upto, pad = repeat(md5(which || ':' || upto), pieces) WHERE id = which AND n < upto $$;
SELECT write(1, 1, 1), write(2, 1, 60), write(3, 1, 4000);
CREATE FUNCTION gate() RETURNS void LANGUAGE sql AS $$ SELECT pg_advisory_xact_lock_shared(1) $$;
"""

WRITE = "-- @returns none\n-- @timeout 5s\n-- @param n\n-- @param pieces\n-- @invalidates doc:{id}\n"
ENDPOINTS = {
    "get": "-- @route GET /api/doc/{id}\n-- @returns row\n-- @cache 60s tags doc:{id}\nSELECT id, n, pad FROM doc WHERE id = :id::int",
    "set": "-- @route POST /api/doc/{id}\n" + WRITE + "SELECT write(:id::int, :n::bigint, :pieces::int), pg_sleep(0.02)",
    # who holds the gate decides when it ends
    "gated": "-- @route PUT /api/doc/{id}\n" + WRITE + "SELECT gate(), write(:id::int, :n::bigint, :pieces::int)",
}


def write_request(doc, n, method="POST"):
    return encode(method, f"/api/doc/{doc}", [("Content-Type", "application/json")],
                  b'{"n": %d, "pieces": %d}' % (n, PIECES[doc]), keep=True)


class Watch:
    """Readers through nginx, and what they and the writers know: the highest number of each document that was acknowledged
    or seen."""

    def __init__(self, port, readers=4):
        self.port, self.known, self.lock = port, dict.fromkeys(DOCS, 1), threading.Lock()
        self.faults, self.reads, self.hits, self.failed = [], 0, 0, 0
        self.over, self.may_write = threading.Event(), threading.Event()
        self.may_write.set()
        self.threads = [threading.Thread(target=self.client, args=(self.read,)) for _ in range(readers)]

    def __enter__(self):
        for t in self.threads:
            t.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        for t in self.threads:
            t.join()

    def write_for(self, writers, pause):
        """So many writers more, of one document each."""
        more = [threading.Thread(target=self.client, args=(lambda c, d=DOCS[i % 3]: self.write(c, d, pause),))
                for i in range(writers)]
        self.threads += more
        for t in more:
            t.start()

    def client(self, work):
        conn = None
        while not self.over.is_set():
            try:
                conn = conn or RawHTTP(self.port, 10)
                work(conn)
            except (ConnectionError, TimeoutError) as e:
                if isinstance(e, TimeoutError):
                    self.faults.append(("stuck", repr(e)))
                conn = conn and conn.close()
        if conn:
            conn.close()

    def read(self, conn):
        doc = random.choice(DOCS)
        with self.lock:
            least = self.known[doc]
        conn.send(encode("GET", f"/api/doc/{doc}", keep=True))
        reply = conn.read_response()
        if reply.status != 200:
            assert reply.status in (502, 503, 504), reply
            self.failed += 1
            return
        self.reads += 1
        self.hits += is_hit(reply)
        self.judge(doc, reply, least)

    def judge(self, doc, reply, least):
        try:
            got = reply.json
        except ValueError:
            self.faults.append(("torn", reply.body[:200]))
            return
        if got["id"] != doc or got["pad"] != hashlib.md5(b"%d:%d" % (doc, got["n"])).hexdigest() * PIECES[doc]:
            self.faults.append(("torn", doc, got["id"], got["n"], len(got["pad"])))
        if got["n"] < least:
            self.faults.append(("older", doc, got["n"], least, reply.header("cache-status")))
        with self.lock:
            self.known[doc] = max(self.known[doc], got["n"])

    def write(self, conn, doc, pause):
        with self.lock:
            n = self.known[doc] + 1
        conn.send(write_request(doc, n))
        reply = conn.read_response("POST")
        if reply.status == 204:
            with self.lock:
                self.known[doc] = max(self.known[doc], n)
        self.over.wait(pause * random.random())     # others' turn
        while not self.may_write.wait(0.05) and not self.over.is_set():
            pass


@pytest.fixture
def made(request, db, weir, front):
    """weird, nginx before it, the database. Parameter: how many workers, and the most connections of them all."""
    workers, pool_max = getattr(request, "param", (2, 8))
    db.sql(SETUP)
    site = Site(db.conninfo, ENDPOINTS, {"workers": {"min": workers, "max": workers},
                                         "database": {"main": {"pool_min": 2, "pool_max": pool_max}}})
    weird = weir(site=site)
    yield weird, front("nginx", site), db
    site.remove()


class Gate:
    """Held: no gated write ends."""

    def __init__(self, db):
        self.conn = db.connect()
        self.conn.autocommit = False
        self.conn.cursor().execute("SELECT pg_advisory_xact_lock(1)")

    def open(self):
        self.conn.rollback()
        self.conn.close()


def gated(db):
    """Backends that wait at the gate."""
    return [r[0] for r in db.sql("SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND "
                                 "wait_event_type = 'Lock'")]


def value(db, doc):
    return db.value("SELECT n FROM doc WHERE id = %s", (doc,))


def connected(weird, pid):
    """A connection that this worker has: the others are stopped while it is made."""
    others = [p for p in weird.worker_pids() if p != pid]
    for p in others:
        os.kill(p, signal.SIGSTOP)
    try:
        conn = Connection(weird.listen)
        conn.send_request("/nowhere")
        conn.read_reply()
    finally:
        for p in others:
            os.kill(p, signal.SIGCONT)
    return conn


def send_gated(conn, doc, n):
    conn.send_request(f"/api/doc/{doc}", "PUT", [("Content-Type", "application/json")],
                      b'{"n": %d, "pieces": %d}' % (n, PIECES[doc]))


def served_again(front, doc):
    """Within some seconds from memory; what it says."""
    def hit():
        reply = front.get(f"/api/doc/{doc}")
        return is_hit(reply) and reply.json["n"]
    return wait_for(hit, SETTLED, f"doc {doc} to be served from memory")


def kill(weird, pid):
    os.kill(pid, signal.SIGKILL)
    wait_for(lambda: pid not in weird.worker_pids() and len(weird.workers("ready")) == 2, 10, "another worker")


N = 1000    # what the write in question writes


def test_killed_before_the_statement_was_sent(made):
    """It waits for a connection: all that there are wait at the gate."""
    weird, front, db = made
    victim, other = weird.worker_pids()

    def waiting():
        return next(r["waiting"] for r in weird.workers() if r["pid"] == victim)
    with Watch(front.port, 2) as watch:
        mine = connected(weird, victim)
        busy = {pid: [connected(weird, pid) for _ in range(8)] for pid in (victim, other)}
        gate = Gate(db)
        for c in busy[victim] + busy[other]:
            send_gated(c, 2, N)
        # until the pool has opened what it may: each connection more takes one of those that wait to the gate
        seen = [(0, 0)]

        def is_full():
            seen.append((len(gated(db)), waiting()))
            return seen[-1][1] and seen[-5:] == [seen[-1]] * 5
        wait_for(is_full, 5, "the pool to be empty")
        before = seen[-1][1]
        send_gated(mine, 1, N)
        wait_for(lambda: waiting() > before, 5, f"the write to wait, {before} did")
        kill(weird, victim)
        gate.open()
        assert {c.read_reply().status for c in busy[other]} == {204}
        assert served_again(front, 1) == value(db, 1) == 1, "it was never sent"
        assert served_again(front, 2) == value(db, 2) == N
    assert not watch.faults and watch.reads > 20, watch.faults[:3]


@pytest.mark.parametrize("commits", [True, False], ids=["it commits", "it does not"])
def test_killed_between_sending_and_the_answer(made, commits):
    weird, front, db = made
    victim, _ = weird.worker_pids()
    with Watch(front.port) as watch:
        watch.write_for(2, 0.05)
        served_again(front, 3)
        mine, gate = connected(weird, victim), Gate(db)
        send_gated(mine, 3, N)
        backend, = wait_for(lambda: gated(db), 5, "the write to be at the gate")
        assert not is_hit(front.get("/api/doc/3")), "its tag is not served meanwhile"
        os.kill(victim, signal.SIGKILL)
        if not commits:
            wait_for(lambda: backend not in gated(db), 5, "the server to notice")
        gate.open()
        wait_for(lambda: "had writes open" in weird.log_text(), 5, "weird to notice")
        assert served_again(front, 3) == value(db, 3) == (N if commits else 1)
        wait_for(lambda: len(weird.workers("ready")) == 2, 10, "another worker")
    assert not watch.faults and watch.reads > 20, watch.faults[:3]


def test_killed_between_the_answer_and_the_reply(made):
    """Stopped while the statement runs: committed, and its worker does not know."""
    weird, front, db = made
    victim, other = weird.worker_pids()
    with Watch(front.port) as watch:
        mine, others, gate = connected(weird, victim), connected(weird, other), Gate(db)
        send_gated(mine, 2, N)
        wait_for(lambda: gated(db), 5, "the write to be at the gate")
        os.kill(victim, signal.SIGSTOP)
        gate.open()
        wait_for(lambda: value(db, 2) == N, 5, "the commit")
        for _ in range(20):
            others.send_request("/api/doc/2")
            reply = others.read_reply()
            assert reply.json["n"] == N and not is_hit(reply), "who has seen it and who has not see the same"
        try:
            kill(weird, victim)
        except ProcessLookupError:      # on a busy machine it has been stopped for hang_timeout: weird was first
            pass
        assert served_again(front, 2) == N
    assert not watch.faults and watch.reads > 20, watch.faults[:3]


@pytest.mark.parametrize("made", [(6, 24)], indirect=True, ids=["6 workers"])
def test_killed_at_random(made):
    """Short lives of weird, since it does not replace workers hotly that die one after the other."""
    weird, front, db = made
    kills, dice = 0, random.Random(7)
    with Watch(front.port, 5) as watch:
        watch.write_for(6, 0.01)
        for _ in range(4):
            for pid in dice.sample(weird.worker_pids(), 5):
                time.sleep(dice.random() * 0.12)    # at a random moment: the subject
                os.kill(pid, signal.SIGKILL)
                kills += 1
            watch.may_write.clear()
            for doc in DOCS:
                assert served_again(front, doc)
            weird.stop()
            weird.start()
            watch.may_write.set()
    for doc in DOCS:
        assert served_again(front, doc) == value(db, doc) >= watch.known[doc]
    hit = weird.log_text().count("had writes open")
    assert not watch.faults, watch.faults[:3]
    assert kills == 20 and hit >= 5, f"{hit} of {kills} kills met a write"
    assert watch.reads > 500 and watch.hits > 50, (watch.reads, watch.hits, watch.failed)
