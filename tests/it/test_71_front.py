"""Slow, silent and many peers: they cost memory, bounded, and nobody's turn."""

import os
import resource
import select
import socket
import subprocess
import threading
import time
from pathlib import Path

import pytest

from weirtest.base import PATIENCE, SANITIZED, wait_for
from weirtest.fcgi import Connection, begin, cgi_params, encode_request, pairs, record
from weirtest.weir import LoneWorker, Site

ENDPOINTS = {
    "ping": "-- @route GET /ping\n-- @returns none\n",
    "one": "-- @route GET /one\n-- @returns value\nSELECT 1 AS n",
    "big": "-- @route GET /big\n-- @param mb default 1\n-- @returns value\nSELECT repeat('x', :mb::int * 1048576) AS t",
    "echo": "-- @route POST /echo\n-- @param doc from body\n-- @returns json\nSELECT :doc::json AS doc",
}


@pytest.fixture
def make(_pg_session):
    started = []

    def start(**limits):
        w = LoneWorker(Site(_pg_session.conninfo, ENDPOINTS, {"limits": limits} if limits else None))
        started.append(w)
        return w
    yield start
    for w in started:
        w.stop()


def rss_kib(pid):
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * (resource.getpagesize() // 1024)


def cpu_seconds(pid):
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_thousands_of_idle_connections_cost_little(make):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 8192), hard))
    w = make()
    before, idle = rss_kib(w.pid), []
    try:
        for _ in range(3000):
            c = Connection(w.listen)
            c.send_request("/ping")
            idle.append(c)
            assert c.read_reply().status == 204
        if not SANITIZED:
            assert (rss_kib(w.pid) - before) / 3000 < 2, "KiB for each parked connection"
        used, start = cpu_seconds(w.pid), time.monotonic()
        assert w.get("/one").body == b"1"
        assert time.monotonic() - start < 0.5 * PATIENCE
        wait_for(lambda: time.monotonic() - start > 1, 3)
        assert cpu_seconds(w.pid) - used < 0.3 * PATIENCE
        for c in idle[::100]:
            c.send_request("/ping")
            assert c.read_reply().status == 204
    finally:
        for c in idle:
            c.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_a_head_in_single_bytes_is_answered(make):
    w = make()
    with Connection(w.listen) as c:
        for byte in encode_request(cgi_params("/ping"), keep=True):
            c.send(bytes([byte]))
        assert c.read_reply().status == 204


def test_an_unfinished_head_is_cut_off_and_an_idle_connection_is_not(make):
    w = make(header_timeout="300ms")
    idle = Connection(w.listen)
    idle.send_request("/ping")
    assert idle.read_reply().status == 204
    with Connection(w.listen) as c:
        start = time.monotonic()
        c.send(encode_request(cgi_params("/ping"))[:100])
        assert c.is_closed()
        assert 0.2 < time.monotonic() - start < 2 * PATIENCE
    idle.send_request("/ping")
    assert idle.read_reply().status == 204
    idle.close()


def test_a_body_that_stops_coming_is_408(make):
    w = make(body_timeout="400ms")
    with Connection(w.listen) as c:
        params = cgi_params("/echo", "POST", {"Content-Type": "application/json"}, b"x" * 100)
        c.send(begin(True) + record(4, pairs(params)) + record(4, b"") + record(5, b"x" * 50))
        reply = c.read_reply()
        assert reply.status == 408 and reply.json["code"] == "request_timeout"
        assert c.is_closed()


def test_slow_senders_hold_no_database_connection_and_nobody_up(make, _pg_session):
    w = make()
    slow = []
    for _ in range(50):
        c = Connection(w.listen)
        params = cgi_params("/echo", "POST", {"Content-Type": "application/json"}, b"[1]")
        c.send(begin(True) + record(4, pairs(params)) + record(4, b"") + record(5, b"["))
        slow.append(c)
    start = time.monotonic()
    assert [w.get("/one").body for _ in range(20)] == [b"1"] * 20
    assert time.monotonic() - start < 2 * PATIENCE
    for c in slow:
        c.send(record(5, b"1]") + record(5, b""))
    for c in slow:
        assert c.read_reply().body == b"[1]"
        c.close()


def test_a_reader_that_takes_nothing_is_cut_off_others_are_served(make):
    w = make(write_timeout="700ms")
    with Connection(w.listen) as stuck:
        stuck.send_request("/big?mb=16")
        assert [w.get("/one").body for _ in range(20)] == [b"1"] * 20
        wait_for(lambda: closed_by_peer(stuck), 10, "the stalled reader to be cut off")
    assert w.get("/big?mb=2").body == b'"' + b"x" * 2097152 + b'"'


def closed_by_peer(c):
    """Without reading what is there: the peer's half is shut."""
    poll = select.poll()
    poll.register(c.sock, select.POLLRDHUP)
    return bool(poll.poll(10))


def test_a_large_answer_reaches_a_slow_reader_whole(make):
    w = make()
    with Connection(w.listen, timeout=30) as c:
        c.send_request("/big?mb=8")
        done = threading.Event()

        def others():
            while not done.is_set():
                assert w.get("/one").body == b"1"
        t = threading.Thread(target=others)
        t.start()
        c.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        try:
            reply = c.read_reply()
        finally:
            done.set()
            t.join()
        assert len(reply.body) == 8 * 1048576 + 2


def test_two_requests_in_one_send_are_answered_in_order(make):
    w = make()
    with Connection(w.listen) as c:
        one = encode_request(cgi_params("/one"), keep=True)
        c.send(one * 5 + encode_request(cgi_params("/ping"), keep=True))
        assert [c.read_reply().status for _ in range(6)] == [200] * 5 + [204]


def test_no_descriptors_left_is_no_spin_and_recovers(make):
    w = make()
    assert w.get("/one").body == b"1"
    open_now = len(os.listdir(f"/proc/{w.pid}/fd"))
    subprocess.run(["prlimit", f"--pid={w.pid}", f"--nofile={open_now + 4}:"], check=True)
    held = []
    for _ in range(12):
        c = Connection(w.listen)
        held.append(c)
    used, start = cpu_seconds(w.pid), time.monotonic()
    wait_for(lambda: time.monotonic() - start > 1.5, 5)
    assert cpu_seconds(w.pid) - used < 0.4 * PATIENCE
    for c in held:
        c.close()
    subprocess.run(["prlimit", f"--pid={w.pid}", "--nofile=1024:"], check=True)
    wait_for(lambda: w.get("/one", timeout=1).body == b"1", 5, "service after descriptors came back")


def test_bodies_share_a_budget(make):
    w = make(bodies="1MiB", body="1MiB")
    held = []
    for _ in range(3):
        c = Connection(w.listen)
        params = cgi_params("/echo", "POST", {"Content-Type": "application/json"}, b"x" * 600000)
        c.send(begin(True) + record(4, pairs(params)) + record(4, b""))
        for _ in range(10):
            c.send(record(5, b"x" * 50000))
        held.append(c)
    # whose bytes were read when the budget was full: not always the last one's
    answered = select.select([c.sock for c in held], [], [], 10 * PATIENCE)[0]
    assert answered
    for c in held:
        if c.sock in answered:
            assert c.read_reply().status == 503
    for c in held:
        c.close()
    wait_for(lambda: w.get("/one").body == b"1", 5)
