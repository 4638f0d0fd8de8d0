"""The machine around weird: limits, memory, places that are not free, what a killed weird leaves."""

import os
import re
import resource
import shutil
import signal
import subprocess
import threading
import time
from pathlib import Path

import pytest

from weirtest.base import PATIENCE, Proc, built, free_port, rss_bytes, temp_dir, wait_for
from weirtest.weir import Site, Weird

ENDPOINTS = {"one": "-- @route GET /one\n-- @returns value\nSELECT 1 AS n\n",
             "nap": "-- @route GET /nap\n-- @returns value\n-- @timeout 20s\nSELECT pg_sleep(8)::text AS n\n"}


def weird_under(site, limit=None, user=None, programs=None, timeout=20):
    """weird with a limit, to its end or until it has been refused."""
    folder = programs or Path(built("supervisor/weird")).parent
    env = {**os.environ, **({"WEIR_LIBEXEC": str(programs)} if programs else {})}
    return subprocess.Popen([folder / "weird", "-c", site.conf], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                            stderr=subprocess.STDOUT, text=True, env=env, user=user,
                            preexec_fn=lambda: resource.setrlimit(*limit) if limit else None)


@pytest.mark.parametrize("options", [{}, {"workers": {"min": 1, "max": 8}, "database": {"main": {"pool_max": 20}}}], ids=["small", "large"])
def test_too_few_descriptors(pg, options):
    """7.44: alive and never serving: refused with the number that is needed, and with that number it serves."""
    site = Site(pg.conninfo, ENDPOINTS, options)
    p = weird_under(site, (resource.RLIMIT_NOFILE, (64, 64)))
    out = p.communicate(timeout=20 * PATIENCE)[0]
    assert p.returncode == 78 and "open files" in out, out
    need = int(out.split("needs ")[1].split()[0])
    assert subprocess.run([built("supervisor/weird"), "-t", "--offline", "-c", site.conf], text=True, capture_output=True,
                          preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (need - 1, need - 1))).returncode == 78
    w = Weird(site, wait=False)
    w.stop()
    w.proc = Proc(["/bin/sh", "-c", f"ulimit -n {need}; exec {built('supervisor/weird')} -c {site.conf}"], site.dir / "log")
    w.wait_ready()
    for _ in range(3):
        assert w.reload().severity != 3
    assert w.get("/one").status == 200
    assert "leave a worker room for" in w.log_text()
    assert w.stop() == 0
    site.remove()


def test_too_few_processes(pg):
    """7.44: nproc = 2 ended it without a word."""
    if os.geteuid():
        pytest.skip("the limit is of a user; only root can become one that has nothing running")
    site = Site(pg.conninfo, ENDPOINTS)
    programs = temp_dir("programs")
    for name in ("supervisor/weird", "workers/weir-worker", "workers/weir-monitor"):
        shutil.copy(built(name), programs)
    for path in (site.dir, site.endpoints, site.conf, programs):
        shutil.chown(path, "www-data", "www-data")
    p = weird_under(site, (resource.RLIMIT_NPROC, (2, 2)), "www-data", programs)
    out = p.communicate(timeout=20 * PATIENCE)[0]
    assert p.returncode == 78 and "threads and processes" in out and "ulimit -u" in out, (p.returncode, out)
    site.remove()


def test_the_next_weird_takes_over_from_a_killed_one(weir):
    """7.44: a request is open when weird is killed; its worker keeps the socket no longer than it must."""
    w = weir(endpoints=ENDPOINTS, options={"workers": {"min": 2, "max": 2}})
    got = []

    def nap():
        try:
            got.append(w.get("/nap", timeout=20).status)
        except Exception as e:
            got.append(type(e).__name__)
    t = threading.Thread(target=nap)
    t.start()
    wait_for(lambda: any(r["in_flight"] for r in w.workers()), 5)
    workers = w.worker_pids()
    os.kill(w.pid, signal.SIGKILL)
    w.proc.popen.wait()
    begin = time.monotonic()
    w.start()
    assert w.get("/one").status == 200
    assert time.monotonic() - begin < 3 * PATIENCE
    assert any(Path(f"/proc/{p}").exists() for p in workers) or got, "the open request was let be"
    t.join()
    # one that cannot let go: it is waited for
    pid = w.worker_pids()[0]
    os.kill(pid, signal.SIGSTOP)
    os.kill(w.pid, signal.SIGKILL)
    w.proc.popen.wait()
    threading.Timer(1.0, lambda: os.kill(pid, signal.SIGKILL)).start()
    w.start()
    assert w.get("/one").status == 200


@pytest.mark.parametrize("kind", ["unix", "tcp"])
def test_an_orphan_that_cannot_leave_is_ended(weir, kind):
    """7.44: a stopped worker, and its keeper, of a weird that was killed; nobody makes them go on."""
    w = weir(endpoints=ENDPOINTS, options={"listen": f"tcp:127.0.0.1:{free_port()}"} if kind == "tcp" else {})
    pid = w.worker_pids()[0]
    os.kill(pid, signal.SIGSTOP)
    os.kill(w.pid, signal.SIGKILL)
    w.proc.popen.wait()
    w.start()
    assert w.get("/one").status == 200
    # nobody here reaps it
    assert not Path(f"/proc/{pid}").exists() or Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "ZX"


def test_a_stranger_in_the_place_is_refused_at_once(pg):
    import socket
    site = Site(pg.conninfo, ENDPOINTS)
    with socket.socket(socket.AF_UNIX) as s:
        s.bind(site.listen.removeprefix("unix:"))
        s.listen()
        begin = time.monotonic()
        p = weird_under(site)
        out = p.communicate(timeout=20)[0]
        assert p.returncode == 78 and f"another process is listening there (python3, pid {os.getpid()})" in out
        assert time.monotonic() - begin < 3 * PATIENCE
    site.remove()


@pytest.mark.parametrize("key", ["listen", "control", "status"])
@pytest.mark.parametrize("what", ["file", "folder is a file", "not writable"])
def test_the_test_says_what_the_start_would(pg, key, what):
    """7.44: -t said valid where a socket's path is a file or its folder is not writable."""
    site = Site(pg.conninfo, ENDPOINTS)
    d = temp_dir("place")
    place = d / "sock"
    if what == "file":
        place.write_text("x")
    elif what == "folder is a file":
        (d / "f").write_text("x")
        place = d / "f" / "sock"
    else:
        d.chmod(0o555)
    site.write_conf({key: f"unix:{place}"})
    programs = temp_dir("programs")
    for name in ("supervisor/weird", "workers/weir-worker", "workers/weir-monitor"):
        shutil.copy(built(name), programs)
    user = "www-data" if what == "not writable" and os.geteuid() == 0 else None
    for path in (site.dir, site.endpoints, site.conf):
        shutil.chown(path, user or os.geteuid())
    test = subprocess.run([programs / "weird", "-t", "--offline", "-c", site.conf], capture_output=True, text=True, user=user)
    p = weird_under(site, user=user, programs=programs)
    out = p.communicate(timeout=20)[0]
    assert p.returncode in (1, 78) and test.returncode == 78, (p.returncode, out, test)
    assert str(place) in test.stderr and str(place) in out
    site.remove()


def test_the_memory_is_not_weirds_account(weir):
    """7.41: what a process has mapped the OOM killer counts as its own; a cache of any size must not make weird the
    first to go."""
    w = weir(endpoints=ENDPOINTS, options={"cache": {"memory": "256MiB"}})
    assert w.get("/one").status == 200
    assert rss_bytes(w.pid) < 64 << 20
    score = {p: int(Path(f"/proc/{p}/oom_score").read_text()) for p in (w.pid, w.worker_pids()[0])}
    assert score[w.pid] < score[w.worker_pids()[0]], score
    held = sum(int(line.split()[1]) for line in Path("/proc/meminfo").read_text().splitlines() if line.startswith("Shmem:"))
    assert held > 256 << 10, "and it is all there"
    assert re.search(r"shared memory: 2\d\d\.\d MiB, taken in \d+ ms", w.log_text())
