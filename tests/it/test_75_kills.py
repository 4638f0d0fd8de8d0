"""7.40: a worker that is killed from outside is invisible to GET: its connections live on, what it was running is run by
another. Behind each web server, with counts."""

import ctypes
import os
import re
import signal
import threading
import time
from pathlib import Path

import pytest

from weirtest.base import PATIENCE, children_of, free_port, wait_for
from weirtest.fcgi import Closed, Connection
from weirtest.servers import FRONTS
from weirtest.weir import wait_gone

ENDPOINTS = {"one": "-- @route GET /api/one\n-- @param n default 0\n-- @returns value\nSELECT :n::int AS n\n",
             "nap": "-- @route GET /api/nap\n-- @returns value\n-- @timeout 10s\nSELECT pg_sleep(1.0)::text || 'x' AS n\n",
             "post": "-- @route POST /api/nap\n-- @returns value\n-- @timeout 10s\nSELECT pg_sleep(1.0)::text || 'x' AS n\n"}
TWO = {"workers": {"min": 2, "max": 2}}
ONE = {"workers": {"min": 1, "max": 1}}


def kill_one(w):
    row = max(w.workers("ready"), key=lambda r: r["connections"])
    os.kill(row["pid"], signal.SIGKILL)
    wait_for(lambda: row["pid"] not in [r["pid"] for r in w.workers("ready")], 5)


@pytest.mark.parametrize("options", [ONE, TWO], ids=["one", "two"])
def test_parked_connections_outlive_their_worker(weir, options):
    """7.40: POST too: nothing of it was sent yet."""
    w = weir(endpoints=ENDPOINTS, options=options)
    conns = [Connection(w.listen, timeout=15) for _ in range(60)]
    for _ in range(3):
        for c in conns:
            c.send_request("/api/one?n=5")
            reply = c.read_reply()
            assert reply.status == 200 and reply.body == b"5", w.log_text()[-2000:]
        kill_one(w)
    for c in conns[:1]:
        c.send_request("/api/nap", method="POST")
        assert c.read_reply().status == 200
    for c in conns:
        c.close()
    wait_for(lambda: sum(r["connections"] for r in w.workers()) == 0, 5, "every connection to be let go")


def test_many_connections_wait_for_the_next_worker(weir):
    """7.40: more than weird and the channel hold, while the only worker may not start yet; on a TCP listener."""
    w = weir(endpoints=ENDPOINTS, options={**ONE, "listen": f"tcp:127.0.0.1:{free_port()}",
                                            "limits": {"queue": 1000}})
    for _ in range(6):
        kill_one(w)
        wait_for(lambda: w.workers("ready"), 10)
    conns = [Connection(w.listen, timeout=20) for _ in range(500)]
    for c in conns:
        c.send_request("/api/one?n=1")
        assert c.read_reply().status == 200
    kill_one(w)
    for c in conns:
        c.send_request("/api/one?n=4", method="GET")
    for c in conns:
        assert c.read_reply().body == b"4"
        c.close()


@pytest.mark.parametrize("kept", [True, False], ids=["kept", "closed"])
def test_a_request_under_way_is_run_by_another(weir, kept):
    """7.40: GET only, and once."""
    w = weir(endpoints=ENDPOINTS, options=ONE)

    def under_way(method, whole=True):
        c = Connection(w.listen, timeout=15)
        c.send_request("/api/nap", method=method, keep=kept)
        wait_for(lambda: any(r["in_flight"] for r in w.workers()), 5)
        return c
    c = under_way("GET")
    kill_one(w)
    assert c.read_reply().status == 200
    c = under_way("POST")
    kill_one(w)
    with pytest.raises((Closed, OSError)):
        c.read_reply()
    c = under_way("GET")
    kill_one(w)
    wait_for(lambda: any(r["in_flight"] for r in w.workers("ready")), 5)
    kill_one(w)
    with pytest.raises((Closed, OSError)):
        c.read_reply()
    assert w.get("/api/one").status == 200


def test_what_was_passed_on_to_a_dead_worker_is_passed_on_again(weir):
    """7.40: it lies in the channel of one that is killed before it has looked there."""
    w = weir(endpoints=ENDPOINTS, options=TWO)
    idle, busy = w.worker_pids()
    os.kill(idle, signal.SIGSTOP)
    conns = [Connection(w.listen, timeout=15) for _ in range(3)]
    for c in conns:
        c.send_request("/api/nap")
    wait_for(lambda: sum(r["in_flight"] for r in w.workers() if r["pid"] == busy) == 3, 5)
    os.kill(busy, signal.SIGKILL)
    wait_for(lambda: "3 requests run again" in w.log_text(), 5)
    os.kill(idle, signal.SIGKILL)
    assert [c.read_reply().status for c in conns] == [200] * 3


def test_what_may_be_to_blame_is_not_run_again(weir):
    """7.40: a crash and a hang close what was under way, the parked ones live on."""
    w = weir(endpoints=ENDPOINTS, options=ONE)
    for sig in (signal.SIGABRT, signal.SIGSTOP):
        parked, busy = Connection(w.listen, timeout=15), Connection(w.listen, timeout=15)
        parked.send_request("/api/one")
        assert parked.read_reply().status == 200
        busy.send_request("/api/nap")
        wait_for(lambda: any(r["in_flight"] for r in w.workers()), 5)
        os.kill(w.workers()[0]["pid"], sig)
        with pytest.raises((Closed, OSError)):
            busy.read_reply()
        parked.send_request("/api/one?n=3")
        assert parked.read_reply().body == b"3"


def test_no_keeper_stays(weir):
    w = weir(endpoints=ENDPOINTS, options=TWO)
    keepers = [k for p in w.worker_pids() for k in children_of(p)]
    assert len(keepers) == 2 and Path(f"/proc/{keepers[0]}/comm").read_text() == "weir-keeper\n"
    os.kill(w.worker_pids()[0], signal.SIGKILL)
    wait_for(lambda: len(w.workers("ready")) == 2, 5)
    keepers += [k for p in w.worker_pids() for k in children_of(p)]
    assert w.stop() == 0
    wait_gone(keepers, 1)


def keepers_of(pid):
    return [k for k in children_of(pid) if Path(f"/proc/{k}/comm").read_text() == "weir-keeper\n"]


def test_a_keeper_that_is_killed_is_replaced(weir):
    """7.40: it stayed a zombie under its worker, unsaid, and the worker's connections died with that."""
    w = weir(endpoints=ENDPOINTS, options=ONE)
    parked, busy = Connection(w.listen, timeout=15), Connection(w.listen, timeout=15)
    parked.send_request("/api/one")
    assert parked.read_reply().status == 200
    worker, = w.worker_pids()
    for n in range(2):
        first, = keepers_of(worker)
        os.kill(first, signal.SIGKILL)
        wait_for(lambda: keepers_of(worker) not in ([], [first]), 5, "another keeper")
        wait_gone([first], 1)
        assert w.log_text().count("weir-keeper of worker 0 has died") == n + 1
    keeper, = keepers_of(worker)
    score = [int(Path(f"/proc/{p}/oom_score_adj").read_text()) for p in (keeper, worker)]
    assert score[0] < score[1], "the worker is to go first"
    busy.send_request("/api/nap")
    wait_for(lambda: any(r["in_flight"] for r in w.workers()), 5)
    os.kill(worker, signal.SIGKILL)
    assert busy.read_reply().status == 200
    parked.send_request("/api/one?n=3")
    assert parked.read_reply().body == b"3"
    wait_gone([keeper], 2)


def test_a_keeper_that_is_stopped_holds_nobody_up(weir):
    """7.40: it is made to go on when its worker is dead; and it is gone after a stop."""
    w = weir(endpoints=ENDPOINTS, options=ONE)
    worker, = w.worker_pids()
    keeper, = keepers_of(worker)
    busy = [Connection(w.listen, timeout=15) for _ in range(3)]
    for c in busy:
        c.send_request("/api/nap")
    wait_for(lambda: sum(r["in_flight"] for r in w.workers()) == 3, 5)
    os.kill(keeper, signal.SIGSTOP)
    os.kill(worker, signal.SIGKILL)
    assert [c.read_reply().status for c in busy] == [200] * 3
    wait_gone([keeper], 2)
    keeper, = keepers_of(wait_for(lambda: w.workers("ready"), 5)[0]["pid"])
    os.kill(keeper, signal.SIGSTOP)
    assert w.stop() == 0
    wait_gone([keeper], 1)


@pytest.mark.parametrize("end", ["waited for", "stop"])
def test_a_keeper_that_does_not_go_on_is_ended(weir, end):
    """7.40: one that nothing can make go on (here: held by a debugger)."""
    libc, seize, interrupt = ctypes.CDLL(None, use_errno=True), 0x4206, 0x4207
    w = weir(endpoints=ENDPOINTS, options=ONE)
    worker, = w.worker_pids()
    keeper, = keepers_of(worker)
    busy = Connection(w.listen, timeout=15)
    busy.send_request("/api/nap")
    wait_for(lambda: any(r["in_flight"] for r in w.workers()), 5)
    if libc.ptrace(seize, keeper, None, None) or libc.ptrace(interrupt, keeper, None, None):
        pytest.skip("no ptrace here")
    os.waitpid(keeper, 0x40000000)
    os.kill(worker, signal.SIGKILL)
    if end == "stop":
        wait_for(lambda: worker not in w.worker_pids(), 5)
        assert w.stop() == 0
    with pytest.raises((Closed, OSError)):
        busy.read_reply()
    assert os.waitpid(keeper, 0x40000000)[1] == signal.SIGKILL
    wait_gone([keeper], 2)
    assert end == "stop" or f"weir-keeper (pid {keeper}) of worker 0" in w.log_text()


SERVERS = ["nginx", "nginx-no-keep", "apache-proxy", "apache-proxy-no-reuse", "lighttpd", "haproxy"]


@pytest.mark.parametrize("name, options", [(name, ONE) for name in SERVERS] + [("nginx", TWO), ("apache-proxy", TWO)],
                         ids=lambda x: x if isinstance(x, str) else str(x["workers"]["max"]))
def test_gets_are_lossless_behind(weir, name, options, capsys):
    """7.40: workers killed over and over under load: no GET is answered but by 200."""
    w = weir(endpoints=ENDPOINTS, options=options)
    server = FRONTS[name](w.site)
    counts, lost, stop = [0] * 6, [], threading.Event()
    lock = threading.Lock()

    def client(i):
        n = 0
        while not stop.is_set():
            n += 1
            try:
                reply = server.get(f"/api/one?n={n}", timeout=15)
                ok = reply.status == 200 and reply.body == b"%d" % n
                what = (reply.status, reply.body[:80])
            except Exception as e:  # what the client sees of a lost one
                ok, what = False, repr(e)
            with lock:
                counts[i] += 1
                if not ok:
                    lost.append(what)
    threads = [threading.Thread(target=client, args=(i,)) for i in range(6)]
    try:
        for t in threads:
            t.start()
        for _ in range(4):
            wait_for(lambda: len(w.workers("ready")) == options["workers"]["min"], 15)
            # what has met one death is not run again after a second one: everybody has an answer to what he asked behind the last
            before = list(counts)
            wait_for(lambda: sum(counts) > sum(before) + 40 and all(n > was + 1 for n, was in zip(counts, before)), 15)
            kill_one(w)
        wait_for(lambda: w.workers("ready"), 15)
        stop.set()
        for t in threads:
            t.join()
        again = sum(int(x) for x in re.findall(r"live on, (\d+) requests run again", w.log_text()))
        with capsys.disabled():
            print(f"  {name}: {sum(counts)} GETs over 4 kills, {again} run again, {len(lost)} lost")
        assert not lost, (lost, w.log_text()[-1500:], server.log_text()[-1500:])
    finally:
        stop.set()
        server.close()
