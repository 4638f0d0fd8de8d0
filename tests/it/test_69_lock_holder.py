"""A worker is stopped while it holds the lock of a shard, under HTTP load: the others answer, what is in that shard is asked
for again, the worker is replaced and the shard emptied. Whether it holds one is read from the mutexes in the shared memory."""

import hashlib
import mmap
import multiprocessing
import os
import re
import signal
import struct
import threading
import time
from pathlib import Path

import pytest

from weirtest.base import PATIENCE, open_fds, wait_for
from weirtest.fcgi import END, Closed, cgi_params, encode_request
from weirtest.http import RawHTTP, encode
from weirtest.weir import Site

from test_61_cache import is_hit
from test_67_kills import connected
from test_68_full import zones

KEYS = 40
PIECES = 1900       # 61 KB: copied under one lock
ROBUST_SHARED = 16 | 128    # glibc's kind of such a mutex
ENDPOINTS = {
    "one": "-- @route GET /api/one/{id}\n-- @returns value\n-- @cache 1h\n"
           f"SELECT repeat(md5(:id::text), {PIECES})",
    # twenty looks a request, and hardly a system call: what stops a worker meets it inside a look
    "many": "-- @route GET /api/many\n" + "".join(f"-- @include p{i} = GET /api/one/{i}\n" for i in range(1, 21)),
}


def body_of(i):
    return b'"%s"' % (hashlib.md5(b"%d" % i).hexdigest().encode() * PIECES)


class Locks:
    """The mutexes of weird's shared memory, looked at from outside."""

    def __init__(self, weird, least):
        fd = next(n for n, target in open_fds(weird.pid).items() if target.startswith("/memfd:weir "))
        with open(f"/proc/{weird.pid}/fd/{fd}", "rb") as f:
            self.mem = mmap.mmap(f.fileno(), 0, prot=mmap.PROT_READ)
        self.at = []
        kind = struct.pack("i", ROBUST_SHARED)
        at, copy = -1, self.mem[:]      # mmap.find reads a byte behind its end, which is that of a page
        while (at := copy.find(kind, at + 1)) >= 0:
            if at % 8 == 0 and at >= 16:
                self.at.append(at - 16)
        assert len(self.at) >= least

    def held_by(self, pid):
        for at in self.at:
            lock, _, owner = struct.unpack_from("iii", self.mem, at)
            if owner == pid and lock & 0x3fffffff == pid:
                return True
        return False


def is_stopped(pid):
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"


def stop_in_lock(locks, pid):
    """Stop it again and again until it is stopped inside; how many times it took."""
    for n in range(1, 5001):
        os.kill(pid, signal.SIGSTOP)
        while not is_stopped(pid):
            pass
        if locks.held_by(pid):
            return n
        os.kill(pid, signal.SIGCONT)
        time.sleep(0.0005)      # it is to run for a moment: the subject
    raise AssertionError("never met inside a lock")


class Load:
    """Clients through nginx; those whose worker stands still wait for its end."""

    def __init__(self, port, clients=2):
        self.port, self.over, self.bad, self.done, self.failed = port, threading.Event(), [], 0, 0
        self.threads = [threading.Thread(target=self.client, args=(n,)) for n in range(clients)]

    def __enter__(self):
        for t in self.threads:
            t.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        for t in self.threads:
            t.join()

    def client(self, n):
        conn, i = None, n
        while not self.over.is_set():
            i = i % KEYS + 1
            try:
                conn = conn or RawHTTP(self.port, 10)
                conn.send(encode("GET", f"/api/one/{i}", keep=True))
                reply = conn.read_response()
            except ConnectionError:
                conn = None
                continue
            except TimeoutError:
                self.bad.append("stuck")
                return
            if reply.status == 200 and reply.body != body_of(i):
                self.bad.append((i, len(reply.body)))
            self.failed += reply.status != 200
            self.done += 1


def hammer(conn):
    """In a process of its own: keeps the worker that has the connection inside the cache."""
    request = encode_request(cgi_params("/api/many", "HEAD"), keep=True)
    try:
        while True:
            conn.send(request)
            while conn.read_record()[0] != END:
                pass
    except (Closed, OSError, TypeError):
        pass        # killed


@pytest.fixture
def hammers():
    """hammers(weird, pid, n): so many of them at a worker."""
    made = []

    def make(weird, pid, n):
        for _ in range(n):
            made.append(multiprocessing.get_context("fork").Process(target=hammer, args=(connected(weird, pid),), daemon=True))
            made[-1].start()
    yield make
    for p in made:
        p.terminate()
        p.join()


@pytest.fixture
def made(db, weir, front):
    site = Site(db.conninfo, ENDPOINTS, {"workers": {"min": 2, "max": 2, "hang_timeout": "2s"}, "cache": {"memory": "16MiB"}})
    weird = weir(site=site)
    yield weird, front("nginx", site)
    site.remove()


def ask_all(conn):
    """Every key, of the worker that has this connection: how many from memory, the longest wait in s."""
    hits, longest = 0, 0
    for i in range(1, KEYS + 1):
        began = time.monotonic()
        conn.send_request(f"/api/one/{i}")
        reply = conn.read_reply()
        longest = max(longest, time.monotonic() - began)
        assert reply.status == 200 and reply.body == body_of(i)
        hits += is_hit(reply)
    return hits, longest


# Who wants what the stopped one was about to store waits for it, half of its deadline of 2 s; nobody waits longer.
LONGEST = 1.5 * PATIENCE


def test_a_worker_that_is_stopped_inside_a_lock(made, hammers):
    weird, front = made
    victim, other = weird.worker_pids()
    locks = Locks(weird, sum(z["shards"] for z in zones(weird).values()))
    conn = connected(weird, other)
    with Load(front.port) as load:
        wait_for(lambda: ask_all(conn)[0] == KEYS, 10, "all to be in memory")
        hammers(weird, victim, 2)
        # for a moment: who waits does so for 2 ms, then leaves the shard alone
        tries = stop_in_lock(locks, victim)
        hits, longest = ask_all(conn)
        held = locks.held_by(victim)
        os.kill(victim, signal.SIGCONT)
        assert held and 0 < hits < KEYS and longest < LONGEST, (hits, longest, tries)
        wait_for(lambda: ask_all(conn)[0] == KEYS, 5, "all to be served from memory again")
        assert zones(weird)["data"]["wiped"] == 0 and victim in weird.worker_pids()
        # for good
        tries += stop_in_lock(locks, victim)
        began = time.monotonic()
        while victim in weird.worker_pids():
            hits, longest = ask_all(conn)
            assert longest < LONGEST
        assert time.monotonic() - began < 5 * PATIENCE, "it is known to hang, and ended"
        wait_for(lambda: ask_all(conn)[0] == KEYS, 5, "all to be served from memory again")
        wait_for(lambda: len(weird.workers("ready")) == 2, 10, "another worker")
    assert zones(weird)["data"]["wiped"] == 1
    assert re.search(rf"\(pid {victim}\)", weird.log_text())
    assert not load.bad and load.done > 100, (load.bad, load.done, load.failed)
