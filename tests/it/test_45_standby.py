"""A streaming standby: its role and lag as weir-monitor sees them, reads from it, and a failover to it."""

import pytest

from weirtest.base import wait_for
from weirtest.pg import Standby

ENDPOINTS = {
    "here": "-- @route GET /here\n-- @returns value\nSELECT count(*) FROM item",
    "put": "-- @route POST /put\n-- @returns none\nINSERT INTO item DEFAULT VALUES",
    "there": "-- @route GET /there\n-- @database replica\n-- @returns value\nSELECT count(*) FROM item",
    "wrong": "-- @route POST /wrong\n-- @database replica\n-- @returns none\nINSERT INTO item DEFAULT VALUES",
}


@pytest.fixture
def standby(own_pg):
    own_pg.sql("CREATE TABLE item (k serial)", dbname="test")
    made = Standby(own_pg)
    try:
        yield made.start()
    finally:
        made.close()


def database(w, name):
    return next(d for d in w.ctl("database", json=True).json["databases"] if d["name"] == name)


def test_role_and_lag(weir, own_pg, standby):
    w = weir(conninfo=own_pg.conninfo_for("test", user="postgres"), endpoints=ENDPOINTS,
             options={"database": {"replica": {"conninfo": standby.conninfo_for("test", user="postgres"),
                                               "pool_min": 2, "pool_max": 8}}})
    wait_for(lambda: database(w, "main")["role"] == "primary" and database(w, "replica")["role"] == "standby", 5,
             "both roles")
    wait_for(lambda: database(w, "replica")["lag_ms"] == 0, 5, "no lag")
    assert database(w, "main")["lag_ms"] is None
    assert w.get("/put", method="POST").status == 204
    wait_for(lambda: w.get("/there").body == b"1", 5, "the row on the standby")

    standby.sql("SELECT pg_wal_replay_pause()")
    assert w.get("/put", method="POST").status == 204
    wait_for(lambda: database(w, "replica")["lag_ms"] > 500, 10, "the lag to grow")
    assert w.get("/there").body == b"1" and w.get("/here").body == b"2"
    standby.sql("SELECT pg_wal_replay_resume()")
    wait_for(lambda: database(w, "replica")["lag_ms"] == 0, 10, "the lag to be gone")
    assert w.get("/there").body == b"2"

    assert w.get("/wrong", method="POST").status == 503
    for _ in range(80):  # both lanes
        assert w.get("/there").status == 200

    standby.promote()
    wait_for(lambda: database(w, "replica")["role"] == "primary", 3, "the new role to be seen")
    wait_for(lambda: w.get("/wrong", method="POST").status == 204, 3, "writes")
    own_pg.stop("immediate")
    wait_for(lambda: database(w, "main")["state"] == "down", 5, "the loss to be seen")
    assert w.get("/there").body == b"3" and w.get("/here").status == 503


def test_failover_between_two_hosts(weir, own_pg, standby):
    both = (f"host={own_pg.dir},{standby.dir} port={own_pg.port},{standby.port} dbname=test user=postgres "
            "target_session_attrs=read-write")
    w = weir(conninfo=both, endpoints={k: v for k, v in ENDPOINTS.items() if "replica" not in v})
    assert w.get("/put", method="POST").status == 204
    wait_for(lambda: standby.value("SELECT count(*) FROM item") == 1, 5, "the row on the standby")
    own_pg.stop("immediate")
    wait_for(lambda: w.get("/put", method="POST").status == 503, 5, "no primary")
    standby.promote()
    wait_for(lambda: w.get("/put", method="POST").status == 204, 5, "writes on the new primary")
    assert w.get("/here").json >= 2
    wait_for(lambda: database(w, "main")["where"].startswith(str(standby.dir)), 5, "the monitor to follow")
