"""What an operator does to the database meanwhile: it takes no writes for a while, a statement is cancelled."""

import json
import threading

import pytest

from weirtest.base import wait_for
from weirtest.weir import LoneWorker, Site

ENDPOINTS = {
    "add": "-- @route POST /add\n-- @param k\n-- @returns row\n-- @status 201\nINSERT INTO item VALUES (:k::int) RETURNING k",
    "plain": "-- @route POST /plain\n-- @param k\n-- @returns none\nINSERT INTO item VALUES (:k::int)",
    "items": "-- @route GET /items\n-- @returns row\nSELECT count(*) AS n FROM item",
    "nap": "-- @route GET /nap\n-- @param s\n-- @timeout 8s\n-- @returns row\nSELECT pg_sleep(:s::float)::text AS s",
    "slow_add": "-- @route POST /slow_add\n-- @param k\n-- @timeout 8s\n-- @returns none\n"
                "INSERT INTO item SELECT :k::int FROM pg_sleep(3)",
    "short": "-- @route GET /short\n-- @timeout 300ms\n-- @returns row\nSELECT pg_sleep(3)::text AS s",
}


@pytest.fixture
def worker(db):
    db.sql("CREATE TABLE item (k int PRIMARY KEY)")
    w = LoneWorker(Site(db.pg.conninfo_for(db.name, user="postgres"), ENDPOINTS,
                        {"database": {"main": {"pool_min": 2, "pool_max": 8}}}))
    w.db = db
    yield w
    w.stop()
    w.site.remove()


def post(w, name, k):
    return w.get(f"/{name}", method="POST", body=json.dumps({"k": k}).encode(), headers={"Content-Type": "application/json"})


def sessions(w, more=""):
    return [r[0] for r in w.db.sql("SELECT pid FROM pg_stat_activity WHERE application_name = 'weir' AND "
                                   f"datname = current_database() {more}")]


def test_a_database_that_is_read_only_for_a_while(worker):
    """7.44: 503 with the reason, not 500; and writes come back with it, in sessions that began meanwhile, too."""
    name, keys = worker.db.name, iter(range(1, 1000))
    assert post(worker, "add", next(keys)).status == 201
    worker.db.pg.sql(f"ALTER DATABASE {name} SET default_transaction_read_only = on", dbname="postgres")
    for pid in sessions(worker):
        worker.db.pg.sql("SELECT pg_terminate_backend(%s)", (pid,), "postgres")
    before = worker.get("/items").json["n"]
    for endpoint in ("add", "plain"):
        reply = wait_for(lambda: (r := post(worker, endpoint, next(keys))).status == 503 and r, 5, "the writes to be refused")
        assert reply.json["code"] == "read_only" and reply.json["retryable"] and "outcome" not in reply.json
        assert int(reply.header("retry-after")) >= 0
    pids = set()
    for _ in range(100):
        assert post(worker, "add", next(keys)).json["code"] == "read_only"
        pids |= set(sessions(worker))
    assert len(pids) < 30, "sessions are not made anew for each write"
    assert worker.get("/items").json["n"] == before
    log = worker.log_text()
    assert "warning: request" in log and "503 read_only sqlstate=25006 endpoint=add at add.sql:5" in log
    worker.db.pg.sql(f"ALTER DATABASE {name} RESET default_transaction_read_only", dbname="postgres")
    wait_for(lambda: post(worker, "add", next(keys)).status == 201, 3, "writes to be taken again")
    for _ in range(20):
        assert post(worker, "add", next(keys)).status == 201
        assert post(worker, "plain", next(keys)).status == 204


def test_a_server_that_is_read_only_for_a_while(own_pg):
    """7.44: the same by ALTER SYSTEM."""
    own_pg.sql("CREATE TABLE item (k int PRIMARY KEY)", dbname="test")
    w = LoneWorker(Site(own_pg.conninfo_for("test", user="postgres"), ENDPOINTS, {"database": {"main": {"pool_max": 8}}}))
    keys = iter(range(1, 1000))
    try:
        assert post(w, "add", next(keys)).status == 201
        for setting, status in (("on", 503), ("off", 201)):
            own_pg.psql(f"ALTER SYSTEM SET default_transaction_read_only = {setting}; SELECT pg_reload_conf()"
                        if setting == "on" else
                        f"SET default_transaction_read_only = off; ALTER SYSTEM SET default_transaction_read_only = {setting};"
                        " SELECT pg_reload_conf()", dbname="test")
            wait_for(lambda: post(w, "add", next(keys)).status == status, 5, f"the setting {setting}")
            assert w.get("/items").status == 200
    finally:
        w.stop()
        w.site.remove()


def cancelled(w, text, times, ask):
    """ask(), while what holds text is cancelled so many times; the answer."""
    out = {}
    t = threading.Thread(target=lambda: out.update(r=ask()))
    t.start()
    last = None
    for _ in range(times):
        def another():
            found = w.db.sql("SELECT pid, query_start FROM pg_stat_activity WHERE state = 'active' AND query LIKE %s "
                             "AND pid <> pg_backend_pid()", (f"%{text}%",))
            return found[0] if found and found[0] != last else None
        last = wait_for(another, 5, "the statement to run")
        w.db.sql("SELECT pg_cancel_backend(%s)", (last[0],))
    t.join()
    return out["r"]


def test_a_statement_that_an_operator_cancels(worker):
    """7.44: a read is run once more, then it is 503; a write was not done; a deadline is still a 504."""
    assert cancelled(worker, "pg_sleep", 1, lambda: worker.get("/nap?s=0.5")).status == 200
    reply = cancelled(worker, "pg_sleep", 2, lambda: worker.get("/nap?s=4"))
    assert reply.status == 503 and reply.json["code"] == "cancelled" and reply.json["retryable"]
    reply = cancelled(worker, "INSERT INTO item", 1, lambda: post(worker, "slow_add", 1))
    assert reply.status == 503 and reply.json["code"] == "cancelled" and "outcome" not in reply.json
    assert worker.db.value("SELECT count(*) FROM item") == 0
    assert worker.log_text().count("503 cancelled sqlstate=57014") == 2
    assert worker.get("/short").json["code"] == "timeout"
    assert worker.get("/nap?s=0").status == 200
