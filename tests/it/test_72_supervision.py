"""What weird does with its children: what they inherit, how they die, how it ends, how it comes back."""

import os
import re
import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest

from weirtest.base import PATIENCE, built, children_of, open_fds, temp_dir, wait_for
from weirtest.fcgi import Closed, Connection, request
from weirtest.weir import Site, wait_gone

ENDPOINTS = {"one": "-- @route GET /one\n-- @returns value\nSELECT 1 AS n\n",
             "nap": "-- @route GET /nap\n-- @returns value\n-- @timeout 10s\nSELECT pg_sleep(1.5)::text AS n\n"}
TWO = {"workers": {"min": 2, "max": 2}}


def ready(w, n):
    return wait_for(lambda: len(w.workers("ready")) == n and w.workers("ready"), 15, f"{n} workers to be ready")


def is_nonblocking(pid, fd):
    text = Path(f"/proc/{pid}/fdinfo/{fd}").read_text()
    return bool(int(re.search(r"flags:\s+(\d+)", text).group(1), 8) & os.O_NONBLOCK)


def sizes(w):
    return 2 * w.site.settings["workers"]["max"]


# ---- what a child inherits ----

@pytest.mark.parametrize("kind", ["worker", "monitor"])
def test_a_child_gets_exactly_its_descriptors(weir, kind):
    w = weir(endpoints=ENDPOINTS, options=TWO)
    pid = w.worker_pids()[0] if kind == "worker" else wait_for(w.monitor_pid, 5)
    table, numbers = open_fds(pid), sizes(w)
    assert table[0].startswith("socket:")
    assert table[1] == table[2] and table[1].startswith("pipe:")
    assert table[3].startswith("/memfd:") and table[4].startswith("/memfd:") and table[3] != table[4]
    assert table[5].startswith("socket:")
    for i in range(6, 7 + numbers):
        assert table[i] == "anon_inode:[eventfd]", i
    assert is_nonblocking(pid, 0) and is_nonblocking(pid, 1)
    # whatever else is open, weird has not passed it on: nothing of the control socket, nobody else's channel or log
    own = open_fds(w.pid)
    shared = {v for v in own.values() if v.startswith(("socket:", "pipe:"))}
    passed = {table[0], table[1], table[5]}
    more = {v for k, v in table.items() if k >= 7 + numbers and v in shared}
    assert more <= passed


def test_workers_share_one_set_of_eventfds(weir):
    w = weir(endpoints=ENDPOINTS, options=TWO)
    pids = ready(w, 2)
    # an eventfd's identity shows in its count id only, so compare the numbers of descriptors
    counts = {len([1 for v in open_fds(r["pid"]).values() if v == "anon_inode:[eventfd]"]) >= 1 + sizes(w) for r in pids}
    assert counts == {True}


def test_the_listener_stays_nonblocking_over_many_spawns(weir):
    w = weir(endpoints=ENDPOINTS)
    for _ in range(10):
        assert w.reload().severity != 3
    pid = ready(w, 1)[0]["pid"]
    assert is_nonblocking(pid, 0)
    assert is_nonblocking(pid, 1)


# ---- death ----

def test_a_killed_worker_is_replaced(weir):
    w = weir(endpoints=ENDPOINTS, options=TWO)
    before = {r["pid"] for r in ready(w, 2)}
    victim = min(before)
    begin = time.monotonic()
    os.kill(victim, signal.SIGKILL)
    wait_for(lambda: len({r["pid"] for r in w.workers("ready")} - {victim}) == 2, 5, "a replacement")
    assert time.monotonic() - begin < 2 * PATIENCE
    assert w.get("/one").status == 200
    assert str(victim) in w.log_text()
    assert victim not in w.worker_pids()


def test_a_killed_monitor_is_replaced(weir):
    w = weir(endpoints=ENDPOINTS)
    victim = wait_for(w.monitor_pid, 5)
    os.kill(victim, signal.SIGKILL)
    wait_for(lambda: w.monitor_pid() not in (None, victim), 5, "another monitor")
    wait_for(lambda: request(w.status, "/health").status == 200, 5, "status to be answered")


def test_slots_of_a_dead_worker_are_freed(weir):
    w = weir(endpoints=ENDPOINTS, options=TWO)
    for _ in range(6):
        rows = ready(w, 2)
        for _ in range(4):
            assert w.get("/one").status == 200
        os.kill(rows[0]["pid"], signal.SIGKILL)
        wait_for(lambda: rows[0]["pid"] not in [r["pid"] for r in w.workers("ready")] and len(w.workers("ready")) == 2,
                 15, "the replacement")

    def sane():
        d = w.ctl("database", json=True).json["databases"][0]
        return d["busy"] == 0 and d["express"] + d["exclusive"] <= d["pool_max"]
    wait_for(sane, 5, "the budget to be whole")
    assert all(w.get("/one").status == 200 for _ in range(20))


def test_a_hung_worker_is_replaced_within_seconds(weir):
    w = weir(endpoints=ENDPOINTS, options=TWO)
    victim = ready(w, 2)[0]["pid"]
    begin = time.monotonic()
    os.kill(victim, signal.SIGSTOP)
    wait_gone([victim], 6)
    assert time.monotonic() - begin < 5 * PATIENCE
    ready(w, 2)
    assert w.get("/one").status == 200


def test_who_overslept_judges_nobody(weir):
    """As after a suspended machine: all were stopped, weird wakes first and finds every heartbeat old."""
    w = weir(endpoints=ENDPOINTS, options={"workers": {"min": 2, "max": 2, "hang_timeout": "1s"}})
    one, two = [r["pid"] for r in ready(w, 2)]
    for pid in (w.pid, one, two):
        os.kill(pid, signal.SIGSTOP)
    until = time.monotonic() + 2.5      # longer than hang_timeout and than weird may sleep
    wait_for(lambda: time.monotonic() > until, 5)
    os.kill(w.pid, signal.SIGCONT)
    wait_for(lambda: "nobody is judged" in w.log_text(), 5, "weird to notice that it slept")
    for pid in (one, two):
        os.kill(pid, signal.SIGCONT)
    assert w.get("/one").status == 200
    # it judges again, and only who hangs
    os.kill(one, signal.SIGSTOP)
    wait_gone([one], 10)
    assert two in w.worker_pids() and w.log_text().count(" hangs: ") == 1


def test_without_weird_nobody_stays(weir):
    w = weir(endpoints=ENDPOINTS, options=TWO)
    children = [*[r["pid"] for r in ready(w, 2)], wait_for(w.monitor_pid, 5)]
    os.kill(w.pid, signal.SIGKILL)
    w.proc.popen.wait()
    wait_gone(children, 10)
    # and its sockets, which nobody serves, are taken over
    w.start()
    assert w.get("/one").status == 200


def fake_libexec(worker):
    """A directory with this script as weir-worker and the real monitor, for $WEIR_LIBEXEC."""
    d = temp_dir("libexec")
    (d / "weir-worker").write_text("#!/bin/sh\n" + worker)
    (d / "weir-worker").chmod(0o755)
    (d / "weir-monitor").symlink_to(built("workers/weir-monitor"))
    return d


def run_times(libexec):
    return [float(x) for x in (libexec / "weir-worker.runs").read_text().split()]


def test_crash_at_boot_backs_off_and_recovers(weir):
    d = fake_libexec(f'date +%s.%N >> "$0.runs"\nif test -e "$0.good"; then exec {built("workers/weir-worker")} "$@"; fi\n'
                     "echo no luck today >&2\nexit 3\n")
    w = weir(endpoints=ENDPOINTS, env={"WEIR_LIBEXEC": str(d)}, wait=False)
    wait_for(lambda: "no luck today" in w.log_text(), 10, "the first crash")
    runs = wait_for(lambda: len(run_times(d)) >= 10 and run_times(d), 15, "ten tries")
    gaps = [b - a for a, b in zip(runs, runs[1:])]
    # five at once, then 100, 200, 400, 800 ms, each less at most a fifth
    assert all(gap > 0.8 * want for gap, want in zip(gaps, (0, 0, 0, 0, 0, 0.1, 0.2, 0.4, 0.8))), gaps
    assert w.proc.alive()
    assert w.ctl("info").severity == 6
    usage = sum(map(int, Path(f"/proc/{w.pid}/stat").read_text().rpartition(")")[2].split()[11:13]))
    assert usage < 50 * PATIENCE            # ticks of 10 ms
    (d / "weir-worker.good").touch()
    wait_for(lambda: len(w.workers("ready")) == 1, 15, "the worker that got well")
    assert w.get("/one").status == 200


def test_exit_78_is_not_respawned_hot(weir):
    d = fake_libexec('date +%s.%N >> "$0.runs"\nexit 78\n')
    w = weir(endpoints=ENDPOINTS, env={"WEIR_LIBEXEC": str(d)}, wait=False)
    first, second = wait_for(lambda: len(run_times(d)) >= 2 and run_times(d)[:2], 20, "the second try")
    assert second - first > 4.9
    assert w.proc.alive()


def test_a_worker_that_never_gets_ready_is_killed(weir):
    d = fake_libexec('echo x >> "$0.runs"\nexec sleep 100\n')
    w = weir(endpoints=ENDPOINTS, env={"WEIR_LIBEXEC": str(d)}, options={"workers": {"ready_timeout": "500ms"}},
             wait=False)
    wait_for(lambda: len((d / "weir-worker.runs").read_text().splitlines()) >= 3, 15, "further tries")
    w.stop(signal.SIGINT)


# ---- reload ----

def test_reload_replaces_every_worker_and_keeps_counters(weir):
    w = weir(endpoints=ENDPOINTS, options=TWO)
    before = {r["pid"] for r in ready(w, 2)}
    monitor = wait_for(w.monitor_pid, 5)
    for _ in range(10):
        assert w.get("/one").status == 200

    def total():
        return sum(v for k, v in w.metrics().items() if k.startswith("weir_http_requests_total") and '"2xx"' in k)
    seen = wait_for(lambda: total() >= 10 and total(), 5, "all to be counted")
    assert w.reload().severity != 3
    assert not before & {r["pid"] for r in ready(w, 2)}
    # weir-monitor goes on with the new snapshot, so that what it hears has no gap
    assert w.monitor_pid() == monitor
    wait_for(lambda: {r["generation"] for r in w.processes() if r.get("pid")} == {2}, 5, "all to be of the new generation")
    assert total() >= seen


def test_a_refused_configuration_changes_nothing(weir):
    w = weir(endpoints=ENDPOINTS, options=TWO)
    before = {r["pid"] for r in ready(w, 2)}
    w.site.conf.write_text(w.site.conf.read_text() + "wrokers { }\n")
    r = w.reload()
    assert r.severity == 3
    assert "weir.conf:" in r.body and "wrokers" in r.body
    assert {r["pid"] for r in w.workers("ready")} == before
    info = w.ctl("info", json=True).json
    assert info["generation"] == 1 and info["reloads_failed"] == 1
    w.site.write_conf()
    assert w.reload().severity != 3


def test_a_statement_that_does_not_prepare_is_refused_by_the_candidate(weir):
    w = weir(endpoints=ENDPOINTS, options=TWO)
    before = {r["pid"] for r in ready(w, 2)}
    w.site.write_endpoint("bad", "-- @route GET /bad\nSELECT no_such_column FROM pg_class\n")
    r = w.reload()
    assert r.severity == 3
    assert "bad.sql:2" in r.body and "no_such_column" in r.body
    assert {r["pid"] for r in w.workers("ready")} == before
    wait_for(lambda: len(w.worker_pids()) == 2, 5, "the candidate to be gone")
    w.site.remove_endpoint("bad")
    assert w.reload().severity != 3
    ready(w, 2)


def test_a_failure_in_the_middle_of_the_roll_goes_back(weir):
    d = fake_libexec(f'if test -e "$0.armed"; then\n  echo x >> "$0.runs"\n'
                     '  test "$(wc -l < "$0.runs")" = 2 && rm "$0.armed" && exit 3\nfi\n'
                     f'exec {built("workers/weir-worker")} "$@"\n')
    w = weir(endpoints=ENDPOINTS, options=TWO, env={"WEIR_LIBEXEC": str(d)})
    ready(w, 2)
    w.site.write_endpoint("two", "-- @route GET /two\n-- @returns value\nSELECT 2 AS n\n")
    (d / "weir-worker.armed").touch()
    assert w.reload().severity == 3
    rows = ready(w, 2)
    wait_for(lambda: {r["generation"] for r in w.workers("ready")} == {1} and len(w.worker_pids()) == 2, 10,
             f"generation 1 to be whole again, was {rows}")
    assert w.get("/two").status == 404
    assert w.get("/one").status == 200
    assert w.reload().severity != 3
    assert w.get("/two").status == 200


def test_ready_workers_never_fall_below_the_wanted_number(weir):
    w = weir(endpoints=ENDPOINTS, options=TWO)
    ready(w, 2)
    with socket.socket(socket.AF_UNIX) as s:
        s.connect(str(w.control))
        s.sendall(b"reload\n")
        least = 9
        s.setblocking(False)
        data = b""
        while not data.endswith(b"\n\n"):
            least = min(least, len(w.workers("ready")))
            try:
                data += s.recv(65536)
            except BlockingIOError:
                pass
    assert data[:1] in b"64"
    assert least >= 2


def test_ten_reloads_at_once_are_each_answered(weir):
    w = weir(endpoints=ENDPOINTS, options=TWO)
    ready(w, 2)
    clients = []
    for _ in range(10):
        s = socket.socket(socket.AF_UNIX)
        s.settimeout(30 * PATIENCE)
        s.connect(str(w.control))
        s.sendall(b"reload\n")
        clients.append(s)
    for s in clients:
        assert s.recv(65536)[:1] in b"64"
        s.close()
    # the first one ran, and one more for all who came while it did
    assert w.ctl("info", json=True).json["generation"] <= 4
    ready(w, 2)


def test_thirty_reloads_leave_nothing_behind(weir):
    w = weir(endpoints=ENDPOINTS)
    for _ in range(3):
        w.reload()
    wait_for(lambda: len(w.worker_pids()) == 1, 10, "old workers to leave")    # or their descriptors are counted too
    before = len(open_fds(w.pid))
    for _ in range(30):
        assert w.reload().severity != 3
    wait_for(lambda: len(w.worker_pids()) == 1, 10, "old workers to leave")
    wait_for(lambda: len(open_fds(w.pid)) <= before + 2, 5, f"descriptors to be closed, there were {before}")


def test_sighup_reloads(weir):
    w = weir(endpoints=ENDPOINTS)
    os.kill(w.pid, signal.SIGHUP)
    wait_for(lambda: w.ctl("info", json=True).json["generation"] == 2, 10, "the new generation")


def test_requests_in_flight_finish_over_a_reload(weir):
    w = weir(endpoints=ENDPOINTS)
    import threading
    got = []
    t = threading.Thread(target=lambda: got.append(w.get("/nap", timeout=20)))
    t.start()
    wait_for(lambda: any(r["in_flight"] for r in w.workers()), 5, "the request to run")
    assert w.reload().severity != 3
    t.join()
    assert got and got[0].status == 200


def test_what_a_worker_handed_over_before_it_ended_is_passed_on(weir):
    """It was in the channel when weird, which was held up, heard of the end."""
    w = weir(endpoints=ENDPOINTS, options=TWO)
    ready(w, 2)
    conns = [Connection(w.listen) for _ in range(300)]
    for c in conns:
        c.send_request("/one")
        assert c.read_reply().status == 200
    victim = max(w.workers(), key=lambda r: r["connections_parked"])["pid"]
    os.kill(w.pid, signal.SIGSTOP)
    try:
        os.kill(victim, signal.SIGTERM)
        wait_for(lambda: Path(f"/proc/{victim}/stat").read_text().rpartition(")")[2].split()[0] == "Z", 10, "it to end")
    finally:
        os.kill(w.pid, signal.SIGCONT)
    for c in conns:
        c.send_request("/one")
        assert c.read_reply().status == 200
        c.close()


def test_parked_connections_live_over_reloads(weir):
    """What nginx keeps alive moves to the new workers: the next request on it is answered; a POST could not be
    sent again."""
    w = weir(endpoints=ENDPOINTS, options=TWO)
    ready(w, 2)
    conns = [Connection(w.listen) for _ in range(700)]    # more than the channel to weird holds at once

    def lost():
        found = []
        for c in conns:
            try:
                c.send_request("/one")
                reply = c.read_reply()
                if reply.status != 200:
                    found.append(reply)
            except (OSError, Closed) as e:
                found.append(e)
        return found
    assert not lost()
    for _ in range(3):
        assert w.reload().severity != 3
        assert not lost(), w.log_text()[-2500:]
    for c in conns:
        c.close()


# ---- logs ----

def test_usr1_opens_the_log_again(weir):
    d = temp_dir("log")
    w = weir(endpoints=ENDPOINTS, options={"log": {"file": str(d / "weir.log")}})
    wait_for(lambda: "ready" in (d / "weir.log").read_text(), 5, "lines in the file")
    (d / "weir.log").rename(d / "old.log")
    os.kill(w.pid, signal.SIGUSR1)
    wait_for((d / "weir.log").exists, 5, "the new file")
    w.reload()
    wait_for(lambda: "generation 2" in (d / "weir.log").read_text(), 5, "lines in the new file")


# ---- the end ----

@pytest.mark.parametrize("sig, limit", [(signal.SIGTERM, 5), (signal.SIGINT, 3), (signal.SIGQUIT, 5)])
def test_signals_stop_everything(weir, sig, limit):
    w = weir(endpoints=ENDPOINTS, options=TWO)
    children = [*[r["pid"] for r in ready(w, 2)], wait_for(w.monitor_pid, 5)]
    begin = time.monotonic()
    os.kill(w.pid, sig)
    assert w.proc.popen.wait(20 * PATIENCE) == 0
    assert time.monotonic() - begin < limit * PATIENCE
    assert not [p for p in children if os.path.exists(f"/proc/{p}")]
    assert "left unasked" not in w.log_text() and w.log_text().count("weir-monitor is ready") == 1
    for path in (w.control, w.listen.removeprefix("unix:"), w.status.removeprefix("unix:")):
        assert not os.path.exists(path)


def test_term_lets_requests_finish_and_twice_is_fast(weir):
    import threading
    w = weir(endpoints=ENDPOINTS)
    got = []

    def nap():
        try:
            got.append(w.get("/nap", timeout=20).status)
        except Exception as e:      # the second round cuts it off
            got.append(type(e).__name__)
    t = threading.Thread(target=nap)
    t.start()
    wait_for(lambda: any(r["in_flight"] for r in w.workers()), 5, "the request to run")
    os.kill(w.pid, signal.SIGTERM)
    t.join()
    assert w.proc.popen.wait(20 * PATIENCE) == 0
    assert got == [200]
    w.start()
    t = threading.Thread(target=nap)
    t.start()
    wait_for(lambda: any(r["in_flight"] for r in w.workers()), 5, "the request to run")
    begin = time.monotonic()
    os.kill(w.pid, signal.SIGTERM)
    wait_for(lambda: w.ctl("info", json=True).json["state"] == "stopping", 5, "the first signal to be taken")
    os.kill(w.pid, signal.SIGTERM)
    w.proc.popen.wait(20 * PATIENCE)
    assert time.monotonic() - begin < 1.3 * PATIENCE
    t.join()


# ---- sd_notify, LISTEN_FDS ----

def test_systemd_hears_ready_and_stopping(weir):
    d = temp_dir("sd")
    s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    s.bind(str(d / "notify"))
    s.settimeout(10 * PATIENCE)
    w = weir(endpoints=ENDPOINTS, env={"NOTIFY_SOCKET": str(d / "notify"), "WATCHDOG_USEC": "2000000"})

    def hear(word):
        while True:
            text = s.recv(4096).decode()
            if word in text.split("\n"):
                return text
    hear("READY=1")
    hear("WATCHDOG=1")
    w.reload()
    hear("RELOADING=1")
    hear("READY=1")
    os.kill(w.pid, signal.SIGTERM)
    hear("STOPPING=1")
    # no child speaks for weird
    assert w.proc.popen.wait(20 * PATIENCE) == 0


def test_an_inherited_listener_is_used_and_kept(pg):
    site = Site(pg.conninfo, ENDPOINTS)
    path = site.listen.removeprefix("unix:")
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen(64)
    inode = os.stat(path).st_ino
    os.set_inheritable(listener.fileno(), True)
    # LISTEN_PID must be weird's own pid: a shell says it and becomes weird (dash knows no descriptors above 9)
    p = subprocess.Popen(["/bin/bash", "-c", f'exec 3<&{listener.fileno()}; LISTEN_PID=$$ LISTEN_FDS=1 exec "$@"', "sh",
                          built("supervisor/weird"), "-c", site.conf], pass_fds=[listener.fileno()],
                         stdout=open(site.dir / "log", "ab"), stderr=subprocess.STDOUT)
    try:
        wait_for(lambda: request(site.listen, "/one", timeout=1).status == 200, 15,
                 "an answer")
        assert os.stat(path).st_ino == inode
        p.terminate()
        assert p.wait(20 * PATIENCE) == 0
        assert os.stat(path).st_ino == inode        # it is not ours to remove
    finally:
        p.kill()
        p.wait()
        listener.close()
        site.remove()
