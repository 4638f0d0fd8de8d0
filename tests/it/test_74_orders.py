"""Any order given in any phase of any other ends as the later one says; deaths are replaced as promised."""

import os
import random
import signal
import socket
import time
from pathlib import Path

import pytest

from weirtest.base import PATIENCE, built, children_of, temp_dir, wait_for
from weirtest.fcgi import Connection
from weirtest.weir import Site, Weird, wait_gone

ENDPOINTS = {"one": "-- @route GET /one\n-- @returns value\nSELECT 1 AS n\n",
             "nap": "-- @route GET /nap\n-- @returns value\n-- @timeout 10s\nSELECT pg_sleep(1.5)::text AS n\n",
             "long": "-- @route GET /long\n-- @returns value\n-- @timeout 10s\nSELECT pg_sleep(6)::text AS n\n"}
TWO = {"workers": {"min": 2, "max": 2}}


def ready(w, n):
    return wait_for(lambda: len(w.workers("ready")) == n and w.workers("ready"), 15, f"{n} workers to be ready")


def fake_libexec(worker):
    d = temp_dir("libexec")
    (d / "weir-worker").write_text("#!/bin/sh\n" + worker)
    (d / "weir-worker").chmod(0o755)
    (d / "weir-monitor").symlink_to(built("workers/weir-monitor"))
    return d


def order(w, what):
    if isinstance(what, signal.Signals):
        os.kill(w.pid, what)
        return
    s = socket.socket(socket.AF_UNIX)
    s.connect(str(w.control))
    s.sendall(what.encode() + b"\n")
    w.clients.append(s)


def later(seconds):
    until = time.monotonic() + seconds
    wait_for(lambda: time.monotonic() >= until, seconds + 1, interval=min(0.001, seconds or 0.001))


STOPS = [signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, "stop", "stop fast"]


@pytest.mark.parametrize("first", [signal.SIGHUP, "reload", "two reloads"])
def test_a_stop_in_any_phase_of_a_reload_is_obeyed(weir, first):
    """7.39: TERM, INT, QUIT or stop 0-120 ms behind a reload: all gone within the grace, status 0, nobody started."""
    dice = random.Random(739)
    w = weir(endpoints=ENDPOINTS, options={**TWO, "log": {"level": "debug"}})
    for n in range(10):
        if n:
            w.start()
        w.clients = []
        ready(w, 2)
        mark = len(w.log_text())
        for what in ["reload", "reload"] if first == "two reloads" else [first]:
            order(w, what)
        later(dice.random() * 0.12)
        seen = set(children_of(w.pid))
        stop = STOPS[n % len(STOPS)]
        begin = time.monotonic()
        order(w, stop)
        assert w.proc.popen.wait(20 * PATIENCE) == 0, w.log_text()[mark:]
        assert time.monotonic() - begin < 4 * PATIENCE, w.log_text()[mark:]
        said = w.log_text()[mark:]
        assert "SIGKILL" not in said and "left unasked" not in said
        assert " started, pid " not in said.partition("stopping")[2], said
        wait_gone(seen, 1)
        for c in w.clients:
            c.settimeout(5)
            assert c.recv(4096)[:1] in (b"3", b"4", b"6", b""), "each asker is answered"
            c.close()


@pytest.mark.parametrize("first, second", [
    (signal.SIGTERM, signal.SIGHUP), ("stop", "reload"), (signal.SIGTERM, signal.SIGUSR1), (signal.SIGQUIT, signal.SIGTERM),
    (signal.SIGTERM, "stop"), ("stop", "stop fast"), (signal.SIGINT, signal.SIGTERM), (signal.SIGQUIT, "log level debug"),
    (signal.SIGUSR2, signal.SIGTERM), ("check offline", signal.SIGTERM)])
def test_an_order_during_a_stop(weir, first, second):
    """7.39: weird goes on leaving whatever is asked of it; a harder stop makes it faster."""
    w = weir(endpoints=ENDPOINTS, options=TWO)
    w.clients = []
    ready(w, 2)
    seen = set(children_of(w.pid))
    order(w, first)
    later(0.003)
    try:
        order(w, second)
    except (OSError, ProcessLookupError):
        pass
    assert w.proc.popen.wait(20 * PATIENCE) == 0, w.log_text()
    wait_gone(seen, 2)
    for c in w.clients:
        c.close()


@pytest.mark.parametrize("sig", [signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2, signal.SIGTERM, signal.SIGINT, signal.SIGQUIT])
def test_signals_while_it_starts(pg, sig):
    """7.39, 7.43: HUP and USR1 do not kill a weird that starts, a stop is obeyed with status 0; sockets go with it."""
    site = Site(pg.conninfo, ENDPOINTS, {"cache": {"memory": "64MiB"}})
    dice = random.Random(743)
    for n in range(6):
        w = Weird(site, wait=False)
        later(0.01 + dice.random() * 0.05)
        os.kill(w.pid, sig)
        if sig in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT):
            assert w.proc.popen.wait(15 * PATIENCE) == 0, w.log_text()[-2000:]
        else:
            w.wait_ready()
            w.clients = []
            order(w, "stop")
            assert w.proc.popen.wait(15 * PATIENCE) == 0, w.log_text()[-2000:]
        assert not list(site.dir.glob("*.sock*"))
    site.remove()


def test_a_worker_that_does_not_listen_while_it_starts_does_not_hold_a_stop_up(weir):
    """7.39: it has nothing to finish."""
    d = fake_libexec("trap '' TERM\nwhile :; do sleep 1; done\n")
    w = weir(endpoints=ENDPOINTS, env={"WEIR_LIBEXEC": str(d)}, wait=False)
    wait_for(lambda: w.worker_pids(), 5)
    begin = time.monotonic()
    os.kill(w.pid, signal.SIGTERM)
    w.proc.popen.wait(20 * PATIENCE)
    assert time.monotonic() - begin < 8 * PATIENCE


# ---- deaths ----

def without_worker(w, kills, gap):
    """Kill the only worker again and again; the longest time that nobody was ready for, by weird's own log."""
    for _ in range(kills):
        rows = wait_for(lambda: w.workers("ready"), 10, "a worker")
        os.kill(rows[0]["pid"], signal.SIGKILL)
        wait_for(lambda: rows[0]["pid"] not in [r["pid"] for r in w.workers("ready")], 5)
        later(gap)
    wait_for(lambda: w.workers("ready"), 10, "a worker")


def test_seven_deaths_of_a_worker_that_served(weir):
    """7.40: five within 30 s are replaced at once, further ones after 100 and 200 ms."""
    w = weir(endpoints=ENDPOINTS, options={"workers": {"min": 1, "max": 1}})
    without_worker(w, 7, 0.05)
    waits = [int(line.split(" in ")[1].split()[0]) for line in w.log_text().splitlines() if "starts again in" in line]
    assert len(waits) == 2 and 80 <= waits[0] <= 100 and 160 <= waits[1] <= 200, waits
    assert w.metrics()['weir_worker_restarts_total{worker="0"}'] == 7


def test_who_waits_for_a_trial_is_woken(weir):
    """7.40: with two workers killed over and over, both are back as soon as their own waits are over."""
    w = weir(endpoints=ENDPOINTS, options=TWO)
    for _ in range(4):
        pids = [row["pid"] for row in ready(w, 2)]
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        wait_gone(pids, 5)
        wait_for(lambda: not {r["pid"] for r in w.workers("ready")} & set(pids), 5)
    begin = time.monotonic()
    ready(w, 2)
    assert time.monotonic() - begin < 2 * PATIENCE
    assert "one after the other" in w.log_text()


def test_a_hang_is_a_death(weir):
    """7.19: it is counted as a restart, and a worker that hangs again and again is started again ever more slowly."""
    w = weir(endpoints=ENDPOINTS, options={"workers": {"min": 1, "max": 2, "hang_timeout": "500ms"}})
    for n in range(7):
        pid = wait_for(lambda: w.workers("ready"), 10, "a worker")[0]["pid"]
        os.kill(pid, signal.SIGSTOP)
        wait_for(lambda: w.log_text().count(" hangs: ") == n + 1, 5)
        wait_gone([pid], 6)
    wait_for(lambda: w.workers("ready"), 10, "a worker")
    assert w.log_text().count("died by signal 6") == 7
    restarts = sum(v for k, v in w.metrics().items() if k.startswith("weir_worker_restarts_total"))
    assert restarts == 7
    waits = [int(line.split(" in ")[1].split()[0]) for line in w.log_text().splitlines() if "starts again in" in line]
    assert len(waits) == 2 and waits[0] <= 100 and 160 <= waits[1] <= 200, waits


def open_nap(w, n=1, path="/nap"):
    made = []
    for _ in range(n):
        made.append(Connection(w.listen, timeout=15))
        made[-1].send_request(path)
    wait_for(lambda: sum(r["in_flight"] for r in w.workers()) == n, 5)
    return made


def test_a_hang_of_one_that_leaves_is_noticed(weir):
    """7.19: at a reload: it is ended like any other, and its connections and unanswered GETs live on. Who merely finishes
    a long request is not hanging."""
    w = weir(endpoints=ENDPOINTS, options={"workers": {"min": 1, "max": 1, "hang_timeout": "1s"}})
    made, parked = open_nap(w, 3), Connection(w.listen, timeout=15)
    parked.send_request("/one")
    assert parked.read_reply().status == 200
    pid = w.workers("ready")[0]["pid"]
    os.kill(w.pid, signal.SIGHUP)
    wait_for(lambda: [r["pid"] for r in w.workers("draining")] == [pid], 5)
    assert [c.read_reply().status for c in made] == [200] * 3    # it took longer than hang_timeout
    wait_gone([pid], 5)
    assert " hangs" not in w.log_text()
    made, begin = open_nap(w, 3), time.monotonic()
    pid = w.workers("ready")[0]["pid"]
    os.kill(w.pid, signal.SIGHUP)
    wait_for(lambda: [r["pid"] for r in w.workers("draining")] == [pid], 5)
    os.kill(pid, signal.SIGSTOP)
    assert [c.read_reply().status for c in made] == [200] * 3
    assert time.monotonic() - begin < 8 * PATIENCE
    parked.send_request("/one")
    assert parked.read_reply().status == 200
    wait_gone([pid], 5)
    text = w.log_text()
    assert f"(pid {pid}) hangs as it leaves" in text and f"(pid {pid}) died by signal 6" in text, text[-2000:]
    assert sum(v for k, v in w.metrics().items() if k.startswith("weir_worker_crashes_total")) == 1


@pytest.mark.parametrize("order", ["before", "behind"])
def test_a_hang_does_not_hold_a_stop_up(weir, order):
    """7.39: a worker that stops turning around a stop: it ends within hang_timeout, with status 0."""
    w = weir(endpoints=ENDPOINTS, options={"workers": {"min": 2, "max": 2, "hang_timeout": "1s"}})
    open_nap(w, path="/long")
    pid = max(w.workers("ready"), key=lambda r: r["in_flight"])["pid"]
    begin = time.monotonic()
    for what in ((pid, signal.SIGSTOP), (w.pid, signal.SIGTERM))[::1 if order == "before" else -1]:
        os.kill(*what)
    assert w.proc.popen.wait(40) == 0, w.log_text()[-2000:]
    assert time.monotonic() - begin < 5 * PATIENCE and " hangs as it leaves" in w.log_text()


def test_as_process_1_it_reaps_what_is_left_to_it(weir):
    """7.43: orphans that a container leaves to process 1 do not stay zombies. (weird is a subreaper, which inherits as
    process 1 does.)"""
    d = fake_libexec(f'test "$1" = -t && exec sleep 0.5\nexec {built("workers/weir-worker")} "$@"\n')
    w = weir(endpoints=ENDPOINTS, env={"WEIR_LIBEXEC": str(d)})
    wait_for(w.monitor_pid, 5)
    before = set(children_of(w.pid))
    w.clients = []
    for n in range(3):
        order(w, "check")
        middle = wait_for(lambda: set(children_of(w.pid)) - before, 5).pop()    # weird -t
        orphan = wait_for(lambda: children_of(middle), 5).popitem()[0]          # its weir-worker -t
        os.kill(middle, signal.SIGKILL)
        wait_for(lambda: orphan in children_of(w.pid), 5, "weird to inherit it")
        wait_for(lambda: not Path(f"/proc/{orphan}").exists(), 5, "it to be reaped")
        assert w.clients[-1].recv(100)[:1] == b"3"
    wait_for(lambda: set(children_of(w.pid)) == before, 5)


def test_what_is_sent_to_the_whole_group_is_weirds(weir):
    """7.39: `kill -HUP -PGID` reloads, and ends no child on the way, whatever that is doing."""
    w = weir(endpoints=ENDPOINTS, options=TWO)
    ready(w, 2)
    for sig in (signal.SIGUSR1, signal.SIGUSR2, signal.SIGHUP, signal.SIGHUP, signal.SIGUSR1):
        os.killpg(w.pid, sig)
        later(0.02)
    wait_for(lambda: w.ctl("info", json=True).json["reloads_ok"] >= 1, 15)
    ready(w, 2)
    assert w.metrics()['weir_worker_crashes_total{worker="0"}'] == 0 and "died by" not in w.log_text()
    os.killpg(w.pid, signal.SIGINT)
    assert w.proc.popen.wait(20 * PATIENCE) == 0 and "died by" not in w.log_text()
