"""A database server, or who stands before it, that sends without end: what libpq would read of it is bounded, at every stage
of a session, and who asks another database meanwhile has nothing of it."""

import subprocess
import time

import pytest

from weirtest.base import PATIENCE, SANITIZED, TOP, built, children_of, wait_for
from weirtest.flood import STAGES, Flood, FloodBetween

MB = 1 << 20
GOOD = "-- @route GET /good\n-- @returns value\nSELECT 1 AS n"
BAD = "-- @route GET /bad\n-- @database bad\n-- @returns value\nSELECT 'flood' AS n"
MOST = (96 if not SANITIZED else 600) * MB     # some 16 of it are there before


def peak(pid):
    return next(int(line.split()[1]) for line in open(f"/proc/{pid}/status") if line.startswith("VmHWM")) * 1024


def peaks(w):
    """The largest that each process of w, other than weird, has been."""
    found = {}
    for row in w.processes():
        try:
            found[row["pid"]] = peak(row["pid"])
        except OSError:
            pass
    return found


@pytest.fixture
def flood():
    made = []

    def make(stage, kind=Flood, **more):
        made.append(kind(stage, **more))
        return made[-1]
    yield make
    for server in made:
        server.close()


def bear(weir, pg, server, conninfo):
    """Ask a good database and the flooded one for a while: how the latter answered."""
    w = weir(endpoints={"good": GOOD, "bad": BAD}, conninfo=pg.conninfo_for("postgres"),
             options={"workers": {"min": 1, "max": 1}, "limits": {"response": "1MiB", "responses": "16MiB"},
                      "database": {"main": {"pool_min": 1, "pool_max": 4},
                                   "bad": {"conninfo": conninfo, "pool_min": 1, "pool_max": 4, "connect_timeout": "1s",
                                           "query_timeout": "1s"}}})
    worker, = w.worker_pids()
    slowest, replies, end = 0.0, [], time.monotonic() + 2.5
    while time.monotonic() < end or not server.sent:
        replies.append(w.get("/bad"))
        start = time.monotonic()
        assert w.get("/good").status == 200
        slowest = max(slowest, time.monotonic() - start)
        assert time.monotonic() < end + 10 * PATIENCE, "it was never asked"
    for pid, size in peaks(w).items():
        assert size < MOST, (pid, size // MB)
    assert w.worker_pids() == [worker], "the worker was ended"
    assert slowest < 0.25 * PATIENCE
    codes = {(r.status, r.code) for r in replies if r.status != 200}
    assert codes <= {(503, "db_down"), (504, "timeout"), (500, "internal"), (503, "unavailable")}, codes
    return codes


@pytest.mark.parametrize("stage", STAGES)
def test_a_server_that_sends_without_end(weir, pg, flood, stage):
    """7.17, 7.18: a message of a gigabyte, notices, parameters: while it connects, is set up, is idle, answers."""
    server = flood(stage)
    codes = bear(weir, pg, server, server.conninfo)
    if stage != "in_flight":
        assert (500, "internal") not in codes, codes


@pytest.mark.parametrize("stage", ["idle", "in_flight"])
def test_through_tls(weir, pg, flood, stage, tmp_path):
    """7.17, 7.18: the same, where OpenSSL stands between libpq and the socket."""
    key, crt = tmp_path / "key", tmp_path / "crt"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                    "-keyout", key, "-out", crt, "-subj", "/CN=x"], check=True, capture_output=True)
    server = flood(stage, certificate=(crt, key))
    bear(weir, pg, server, server.conninfo.replace("sslmode=disable", "sslmode=require"))


def test_a_session_that_listens(weir, pg, db, flood):
    """7.17: weir-monitor's, behind a link that sends without end: closed, said, and tried again."""
    db.pg.psql(file=TOP / "sql/weir/events.sql", dbname=db.name)
    server = flood(db.pg.port, FloodBetween)
    w = weir(endpoints={"good": GOOD}, conninfo=db.pg.conninfo_for(db.name, user="postgres"),
             options={"database": {"main": {"events_conninfo": f"host=127.0.0.1 port={server.port} dbname={db.name} user=postgres "
                                                               "sslmode=disable gssencmode=disable"}}})
    listening = 'weir_cache_invalidation_listening{database="main"}'
    wait_for(lambda: w.metrics()[listening] == 1, 15, "it to listen")
    server.is_flooding = True
    wait_for(lambda: "came through it without a notification" in w.log_text(), 15, "the session to be closed")
    for pid, size in peaks(w).items():
        assert size < MOST, (pid, size // MB)
    server.is_flooding = False
    wait_for(lambda: w.metrics()[listening] == 1, 15, "it to listen again")


@pytest.mark.parametrize("stage", ["connecting", "setting_up"])
def test_the_check_is_bounded(site, flood, stage):
    """7.17: weird -t of such a server ends, and small."""
    server = flood(stage)
    s = site(endpoints={"bad": BAD}, options={"database": {"main": None, "bad": {"conninfo": server.conninfo, "connect_timeout": "1s"}}})
    s.settings["database"].pop("main", None)
    s.write_conf()
    child = subprocess.Popen([built("supervisor/weird"), "-t", "-c", s.conf], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    largest = 0     # wait4's maximum is that of the process that it was forked from, too
    while child.poll() is None:
        for pid in children_of(child.pid):
            try:
                largest = max(largest, peak(pid))
            except (OSError, StopIteration):
                pass
        time.sleep(0.01)
    assert b"bad" in child.stdout.read() and server.sent
    assert largest < MOST, largest // MB
