"""/ready, /health, `weirctl database` and the log say what requests meet, whatever the sessions of weir-monitor meet."""

import os
import signal
import time

import pytest

from weirtest.base import wait_for
from weirtest.between import Narrow
from weirtest.fcgi import request

ENDPOINTS = {"get": "-- @route GET /get\n-- @returns value\nSELECT count(*) AS n FROM item"}
ONE = {"workers": {"min": 1, "max": 1}}
TWO = {"workers": {"min": 2, "max": 2}}
PATHS = {"main": {"connect_timeout": "500ms", "query_timeout": "500ms"}}


@pytest.fixture
def pg1(own_pg):
    """A cluster with role guest, whose password is asked for."""
    own_pg.sql("CREATE TABLE item (k serial); CREATE ROLE guest LOGIN PASSWORD 'first'; GRANT SELECT ON item TO guest;"
               "REVOKE CONNECT ON DATABASE test FROM PUBLIC; GRANT CONNECT ON DATABASE test TO guest")
    hba = own_pg.data / "pg_hba.conf"
    hba.write_text("local all guest scram-sha-256\n" + hba.read_text())
    own_pg.hba = hba
    own_pg.sql("SELECT pg_reload_conf()")
    own_pg.guest = own_pg.conninfo_for("test", user="guest", password="first")
    yield own_pg


def sessions(pg, monitors):
    return {r[0] for r in pg.sql("SELECT pid FROM pg_stat_activity WHERE usename = 'guest' AND "
                                 f"(application_name = 'weir-monitor') = {monitors}")}


def end_sessions(pg, monitors):
    pg.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'guest' AND "
           f"(application_name = 'weir-monitor') = {monitors}")


def ready(w):
    return request(w.status, "/ready").status


def health(w):
    return request(w.status, "/health").json


def told(w):
    """State and error as weirctl shows them."""
    row, = w.ctl("database", json=True).json["databases"]
    return row["state"], row["error"] or ""


def serves(w):
    return w.get("/get").status == 200 and ready(w) == 200 and health(w)["status"] == "ok" and told(w) == ("up", "")


def refuses(w, text):
    """All four agree."""
    state, error = told(w)
    return (w.get("/get").status == 503 and ready(w) == 503 and health(w)["status"] == "degraded" and
            health(w)["databases"] == {"main": "down"} and state == "down" and text in error and text in w.log_text())


def hba_to(pg, text):
    pg.hba.write_text(text)
    pg.sql("SELECT pg_reload_conf()")


# how new sessions are refused, how no more, what is said of it
REFUSALS = {
    "password": (lambda pg: pg.sql("ALTER ROLE guest PASSWORD 'second'"), lambda pg: pg.sql("ALTER ROLE guest PASSWORD 'first'"),
                 "password authentication failed"),
    "connect": (lambda pg: pg.sql("REVOKE CONNECT ON DATABASE test FROM guest"),
                lambda pg: pg.sql("GRANT CONNECT ON DATABASE test TO guest"), "permission denied for database"),
    "nologin": (lambda pg: pg.sql("ALTER ROLE guest NOLOGIN"), lambda pg: pg.sql("ALTER ROLE guest LOGIN"), "not permitted to log in"),
    "hba": (lambda pg: hba_to(pg, "local all guest reject\n" + pg.hba.read_text()),
            lambda pg: hba_to(pg, pg.hba.read_text().split("\n", 1)[1]), "pg_hba.conf rejects connection"),
    "limit": (lambda pg: pg.sql("ALTER DATABASE test CONNECTION LIMIT 0"), lambda pg: pg.sql("ALTER DATABASE test CONNECTION LIMIT -1"),
              "too many connections"),
}


@pytest.mark.parametrize("how", REFUSALS)
def test_no_worker_is_let_in(weir, pg1, how):
    """7.42: the workers' sessions are lost and new ones refused, while weir-monitor's old ones go on: /ready is 503 for as long,
    with the reason in weirctl and, once, in the log."""
    refuse, admit, text = REFUSALS[how]
    w = weir(endpoints=ENDPOINTS, conninfo=pg1.guest, options={**ONE, "database": PATHS})
    wait_for(lambda: serves(w), 5)
    monitors = sessions(pg1, True)
    refuse(pg1)
    end_sessions(pg1, False)
    wait_for(lambda: refuses(w, text), 8)
    assert how == "limit" or monitors == sessions(pg1, True), "its sessions are the old ones"
    failed = 'weir_db_connects_total{result="error"}'
    before = w.metrics()[failed]
    wait_for(lambda: w.metrics()[failed] >= before + 3, 5)
    assert refuses(w, text)
    assert w.log_text().count("cannot connect") == 1
    admit(pg1)
    wait_for(lambda: serves(w), 8)


@pytest.mark.parametrize("lanes", [{}, {"express": 0}, {"express": 0, "pool_min": 1}], ids=["both", "exclusive", "one"])
def test_a_new_password_and_a_short_life(weir, pg1, lanes):
    """7.42: sessions are replaced at their age, and cannot be: the last one of a worker is kept, and serves both lanes. The log and
    weirctl know why; when it is lost, too, all of it says so."""
    w = weir(endpoints=ENDPOINTS, conninfo=pg1.guest,
             options={**ONE, "database": {"main": {**PATHS["main"], **lanes, "max_lifetime": "1s"}}})
    wait_for(lambda: serves(w), 5)
    first = sessions(pg1, False)
    wait_for(lambda: not first & sessions(pg1, False) and serves(w), 5, "all of them to be replaced")
    pg1.sql("ALTER ROLE guest PASSWORD 'second'")
    text = "password authentication failed"
    wait_for(lambda: len(sessions(pg1, False)) == 1 and text in told(w)[1] and text in w.log_text(), 5)
    for _ in range(20):
        assert w.get("/get").status == 200 and ready(w) == 200
    assert health(w)["status"] == "degraded" and health(w)["databases"] == {"main": "degraded"}
    assert told(w)[0] == "up" and w.ctl("database").severity == 4
    end_sessions(pg1, False)
    wait_for(lambda: refuses(w, text), 8)
    pg1.sql("ALTER ROLE guest PASSWORD 'first'")
    wait_for(lambda: serves(w), 8)


def test_a_postmaster_that_is_stopped(weir, pg1):
    """7.42: SIGSTOP of the postmaster leaves old sessions as they are: one of two workers is killed, and the other serves; then both."""
    w = weir(endpoints=ENDPOINTS, conninfo=pg1.guest, options={**TWO, "database": PATHS})
    wait_for(lambda: serves(w), 5)
    watch = pg1.connect("test")
    try:
        os.kill(pg1.proc.pid, signal.SIGSTOP)
        os.kill(w.workers("ready")[0]["pid"], signal.SIGKILL)
        wait_for(lambda: len(w.workers("ready")) == 2 and "1 of 2 workers cannot connect" in told(w)[1], 10)
        assert ready(w) == 200 and told(w)[0] == "up" and health(w)["databases"] == {"main": "degraded"}
        for row in w.workers("ready"):
            os.kill(row["pid"], signal.SIGKILL)
        wait_for(lambda: len(w.workers("ready")) == 2 and refuses(w, "no answer within connect_timeout"), 10)
        with watch.cursor() as cur:
            cur.execute("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'weir-monitor'")
            assert cur.fetchone()[0] >= 1, "its old session goes on"
    finally:
        os.kill(pg1.proc.pid, signal.SIGCONT)
        watch.close()
    wait_for(lambda: serves(w), 8)


def test_a_path_that_swallows_what_is_long(weir, pg1):
    """7.42: handshakes pass and queries are lost: what lost its connection proves the next one by more than a handshake."""
    path = Narrow(pg1.port)
    hba_to(pg1, "host all guest 127.0.0.1/32 trust\n" + pg1.hba.read_text())
    try:
        w = weir(endpoints={"get": ENDPOINTS["get"] + " WHERE 'x' <> '" + "y" * 700 + "'"},
                 conninfo=f"host=127.0.0.1 port={path.port} dbname=test user=guest", options={**ONE, "database": PATHS})
        wait_for(lambda: serves(w), 5)
        path.narrow()
        end_sessions(pg1, False)
        wait_for(lambda: refuses(w, "do not arrive"), 15)
        # nobody asks any more, as behind a balancer: it is known all the same
        end = time.monotonic() + 1.5
        while time.monotonic() < end:
            assert ready(w) == 503
        path.widen()
        wait_for(lambda: ready(w) == 200, 8)
        assert w.get("/get").status == 200
    finally:
        path.close()


def test_only_the_monitor_is_refused(weir, pg1):
    """7.42: the reverse: weir-monitor's sessions are lost and not given again, while workers serve: /ready is 200 all the time, with
    and without requests; and 503 as soon as theirs are gone, too."""
    w = weir(endpoints=ENDPOINTS, conninfo=pg1.guest, options={**ONE, "database": PATHS})
    wait_for(lambda: serves(w), 5)
    pg1.sql("ALTER ROLE guest NOLOGIN")
    end_sessions(pg1, True)
    seen = []

    def degraded():
        seen.append(ready(w))
        return health(w)["status"] == "degraded" and "weir-monitor cannot connect" in told(w)[1]
    wait_for(degraded, 5)
    end = time.monotonic() + 2.5
    while time.monotonic() < end:
        seen.append(ready(w))
    assert set(seen) == {200}
    assert w.get("/get").status == 200
    end_sessions(pg1, False)
    wait_for(lambda: refuses(w, "not permitted to log in"), 8)
    pg1.sql("ALTER ROLE guest LOGIN")
    wait_for(lambda: serves(w), 8)


def test_no_blip(weir, pg1):
    """7.42: sessions that are ended and made anew, reloads and killed workers are no outage: /ready does not flap."""
    w = weir(endpoints=ENDPOINTS, conninfo=pg1.guest, options={**TWO, "database": PATHS})
    wait_for(lambda: serves(w), 5)
    before = w.metrics()['weir_db_outages_total{database="main"}']
    for i in range(6):
        if i % 3 == 0:
            end_sessions(pg1, False)
        elif i % 3 == 1:
            assert w.reload().ok
        else:
            os.kill(w.workers("ready")[0]["pid"], signal.SIGKILL)
        for _ in range(40):
            assert ready(w) == 200, w.log_text()[-3000:]
        wait_for(lambda: len(w.workers("ready")) == len(w.worker_pids()) == 2, 10)
    assert w.metrics()['weir_db_outages_total{database="main"}'] == before
    assert "is not reachable" not in w.log_text()


def test_a_restart_is_over_when_it_is_over(weir, pg1):
    """7.42: /ready is 200 again with the first request that is."""
    w = weir(endpoints=ENDPOINTS, conninfo=pg1.guest, options={**TWO, "database": PATHS})
    wait_for(lambda: serves(w), 5)
    pg1.stop("immediate")
    wait_for(lambda: w.get("/get").status == 503 and ready(w) == 503, 5)
    pg1.start()
    wait_for(lambda: all(w.get("/get").status == 200 for _ in range(8)), 5)
    wait_for(lambda: ready(w) == 200, 1)
    wait_for(lambda: serves(w), 5)


def test_a_database_that_no_endpoint_needs(weir, pg1):
    """7.42: /ready is of what requests need."""
    w = weir(endpoints=ENDPOINTS, conninfo=pg1.guest,
             options={**ONE, "database": {**PATHS, "spare": {"conninfo": f"host={pg1.dir} port=1 dbname=test user=guest"}}})
    wait_for(lambda: ready(w) == 200 and health(w)["databases"] == {"main": "up", "spare": "down"}, 5)
    assert health(w)["status"] == "degraded" and w.get("/get").status == 200
