"""Logs whose disk is full, whose reader has stopped or is not there; what they say first and last."""

import fcntl
import json
import os
import resource
import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest

from weirtest.base import PATIENCE, Proc, built, temp_dir, wait_for
from weirtest.weir import Site, Weird

ENDPOINTS = {"one": "-- @route GET /one\n-- @returns value\nSELECT 1 AS n\n"}


def ready(site):
    w = Weird.__new__(Weird)
    w.site, w.control = site, site.control
    return [r for r in w.workers("ready")]


def weird_with(site, **popen):
    return subprocess.Popen([built("supervisor/weird"), "-c", site.conf], stdin=subprocess.DEVNULL, **popen)


@pytest.mark.parametrize("kind", ["pipe", "socket"])
def test_a_reader_that_has_stopped_does_not_hold_a_stop_up(pg, kind):
    """7.43: standard error is full when weird stops."""
    site = Site(pg.conninfo, ENDPOINTS, {"log": {"level": "debug"}})
    if kind == "pipe":
        r, end = os.pipe()
        fcntl.fcntl(end, 1031, 4096)    # F_SETPIPE_SZ
    else:
        a, b = socket.socketpair()
        a.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        r, end = b.fileno(), a.fileno()
    p = weird_with(site, stdout=end, stderr=end)
    try:
        wait_for(lambda: ready(site), 15)
        fcntl.fcntl(end, fcntl.F_SETFL, os.O_NONBLOCK)
        try:
            while True:
                os.write(end, b"x" * 64 + b"\n")
        except BlockingIOError:
            pass
        fcntl.fcntl(end, fcntl.F_SETFL, 0)      # as weird found it
        for _ in range(3):
            os.kill(p.pid, signal.SIGHUP)
        assert ready(site), "it serves and answers meanwhile"
        begin = time.monotonic()
        p.terminate()
        assert p.wait(20 * PATIENCE) == 0
        assert time.monotonic() - begin < 6 * PATIENCE
        assert not fcntl.fcntl(end, fcntl.F_GETFL) & os.O_NONBLOCK, "whose description it is may want it to block"
    finally:
        p.kill()
        p.wait()
        site.remove()


@pytest.mark.parametrize("key", ["file", "access"])
def test_a_pipe_that_nobody_reads(weir, key):
    """7.43: the start does not wait for a reader, says so, and who comes later gets the lines."""
    d = temp_dir("log")
    os.mkfifo(d / "pipe")
    w = weir(endpoints=ENDPOINTS, options={"log": {key: str(d / "pipe")}})
    assert w.get("/one").status == 200
    assert "nobody reads" in w.log_text()
    w.ctl("log", "level", "debug")
    with open(d / "pipe", "rb") as f:
        fcntl.fcntl(f.fileno(), fcntl.F_SETFL, os.O_NONBLOCK)
        wait_for(lambda: b"/one" in (f.read() or b"") if key == "access" else b"is ready" in (f.read() or b""), 5)
    assert w.stop() == 0


@pytest.mark.parametrize("name", ["stderr", "/dev/stderr", "/dev/fd/2"])
def test_standard_error_may_be_a_socket(pg, name):
    """7.43, 7.35: as under systemd, where open(2) refuses it; the journal gets priorities, nobody else does."""
    site = Site(pg.conninfo, ENDPOINTS, {"log": {"file": name}, "backlog": 3000})
    a, b = socket.socketpair()
    st = os.fstat(a.fileno())
    for is_journal in (False, True):
        env = {**os.environ, "JOURNAL_STREAM": f"{st.st_dev}:{st.st_ino if is_journal else st.st_ino + 1}"}
        p = weird_with(site, stdout=a, stderr=a, env=env)
        try:
            wait_for(lambda: ready(site), 15)
            os.kill(wait_for(lambda: ready(site), 5)[0]["pid"], signal.SIGKILL)
            wait_for(lambda: ready(site), 15)
            p.terminate()
            assert p.wait(20 * PATIENCE) == 0
        finally:
            p.kill()
            p.wait()
        b.settimeout(5)
        text = b.recv(1 << 20).decode()
        lines = text.splitlines()
        assert "weird ends" in lines[-1]
        assert any("weir-worker[" in x for x in lines)
        if is_journal:
            assert all(x[0] == "<" and x[2] == ">" for x in lines), text
            assert all((x[1] == "3") == ("] error: " in x) and (x[1] == "6") == ("] info: " in x) for x in lines), text
            assert "<3>" in text and "<6>" in text and "><" not in text
        else:
            assert not any(x.startswith("<") for x in lines), text
    bad = Site(pg.conninfo, {"one": "-- @rout GET /one\nSELECT 1\n"}, {"log": {"file": name}})
    p = weird_with(bad, stdout=a, stderr=a, env=env)
    assert p.wait(20 * PATIENCE) == 78
    assert "<3>weird: " in b.recv(1 << 20).decode()
    site.remove()
    bad.remove()


def test_the_first_and_the_last_lines(pg):
    """7.35: the first line was a false alarm (somaxconn = 4), the last ones were missing in 3 of 12."""
    site = Site(pg.conninfo, ENDPOINTS)
    for n in range(12):
        w = Weird(site)
        assert w.stop((signal.SIGTERM, signal.SIGINT)[n % 2]) == 0
        last = w.log_text().splitlines()[-3:]
        assert last[-1].endswith("weird ends") and "weir-monitor" in last[-2], w.log_text()[-1500:]
    somaxconn = int(Path("/proc/sys/net/core/somaxconn").read_text())
    assert ("somaxconn" in w.log_text()) == (somaxconn < 1024)
    site.remove()


def test_a_full_disk_leaves_whole_lines(weir):
    """7.44: a torn line spoils the next good one no more, and what is lost is counted. (A limit on the file's size cuts a
    write as a full disk does.)"""
    d = temp_dir("log")
    log = d / "access.log"
    w = weir(endpoints=ENDPOINTS, options={"log": {"access": str(log)}})
    pid = w.worker_pids()[0]
    for _ in range(20):
        assert w.get("/one").status == 200
    wait_for(lambda: log.read_text().count("\n") == 20, 5)
    for room in (1, 37, 300):
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (log.stat().st_size + room, resource.RLIM_INFINITY))
        for _ in range(20):
            assert w.get("/one").status == 200
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        for _ in range(3):
            assert w.get("/one").status == 200
    wait_for(lambda: json.loads(log.read_text().splitlines()[-1])["uri"] == "/one", 5)

    def adds_up():
        lost = sum(v for k, v in w.metrics().items() if k.startswith("weir_log_dropped_total"))
        return lost > 40 and lost + len(log.read_text().splitlines()) == 20 + 3 * 23
    wait_for(adds_up, 5, "all lines to be written or counted")
    assert [json.loads(x) for x in log.read_text().splitlines()]
    assert "lines are lost" in w.log_text()


def test_a_full_disk_under_weirds_own_log(weir):
    """7.44: the same for log.file, and weird says afterwards how many."""
    d = temp_dir("log")
    log = d / "weir.log"
    w = weir(endpoints=ENDPOINTS, options={"log": {"file": str(log)}})
    wait_for(lambda: "is ready" in log.read_text(), 5)
    resource.prlimit(w.pid, resource.RLIMIT_FSIZE, (log.stat().st_size + 30, resource.RLIM_INFINITY))
    for _ in range(3):
        w.ctl("log", "level", "debug")
        w.ctl("log", "level", "info")
    wait_for(lambda: w.ctl("info", json=True).json["log_dropped"] >= 6, 5)
    resource.prlimit(w.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    w.ctl("log", "level", "info")
    wait_for(lambda: "log lines were lost: File too large" in log.read_text(), 5)
    assert all(x.startswith("20") and x.count("T") for x in log.read_text().splitlines())


@pytest.mark.parametrize("key", ["file", "access"])
@pytest.mark.parametrize("what", ["missing folder", "a folder", "not a folder"])
def test_a_log_that_cannot_be_written_is_refused(weir, site, key, what):
    """7.44: -t and a start say so, and a reload goes on with the configuration that it has."""
    d = temp_dir("logs")
    (d / "f").write_text("")
    path = {"missing folder": d / "none" / "log", "a folder": d, "not a folder": d / "f" / "log"}[what]
    bad = {"log": {key: str(path)}}
    s = site(endpoints=ENDPOINTS, options=bad)
    done = s.weird("-t", "--offline")
    assert done.returncode == 78 and f"weir.conf: log.{key}: {path}: " in done.stderr, done
    w = weir(endpoints=ENDPOINTS)
    w.site.write_conf(bad)
    refused = w.ctl("reload")
    assert not refused.ok and f"log.{key}: {path}: " in refused.text + refused.body
    assert w.get("/one").status == 200
