"""One statement that the database refuses: reload and weird -t are strict, a start, a respawn and a reboot serve all others."""

import os
import signal

import pytest

from weirtest.base import wait_for
from weirtest.fcgi import request

SCHEMA = """
CREATE TABLE item (k int PRIMARY KEY, name text, spare text);
CREATE TABLE other (k int);
INSERT INTO item VALUES (1, 'one', 'x'); INSERT INTO other VALUES (1);
GRANT ALL ON ALL TABLES IN SCHEMA public TO weir;
"""
ENDPOINTS = {
    "spare": "-- @route GET /spare\n-- @returns row\nSELECT k,\n       spare FROM item",
    "name": "-- @route GET /name\n-- @returns row\nSELECT k, name FROM item",
    "sorted": "-- @route GET /sorted\n-- @choice by name|spare\nSELECT k FROM item ORDER BY :by",
    "put": "-- @route PUT /put\n-- @returns none\nUPDATE item SET spare = 'y'",
    "add": "-- @route POST /add\n-- @returns none\nINSERT INTO other VALUES (2)",
    "whole": "-- @route GET /whole\n-- @include good = GET /name\n-- @include bad = GET /spare\n-- @returns row\nSELECT 1 AS one",
}
DROP = "ALTER TABLE item DROP COLUMN spare"
BACK = "ALTER TABLE item ADD COLUMN spare text DEFAULT 'z'"


@pytest.fixture
def base(db):
    db.sql(SCHEMA)
    return db


def kill_all(w):
    before = w.worker_pids()
    for pid in before:
        os.kill(pid, signal.SIGKILL)
    wait_for(lambda: len(w.workers("ready")) == len(before) and not set(before) & set(w.worker_pids()), 8,
             "the workers after the crash")


def status(w, path):
    return request(w.status, path)


def sick(w):
    return sorted(e["id"] for e in w.ctl("endpoints", json=True).json["endpoints"] if e["sick"])


def assert_sick_alone(w):
    for path, method in (("/spare", "GET"), ("/put", "PUT"), ("/sorted?by=spare", "GET"), ("/whole", "GET")):
        reply = w.get(path, method)
        assert (reply.status, reply.code) == (500, "sql"), path
    assert w.get("/name").json == {"k": 1, "name": "one"}
    assert w.get("/sorted?by=name").status == 200
    assert w.get("/add", "POST").status == 204


def test_a_crash_after_drop_column(weir, base):
    """7.15: a respawn serves what prepares; what does not is named once, shown everywhere, and tried again by itself."""
    w = weir(endpoints=ENDPOINTS, conninfo=base.conninfo, options={"workers": {"min": 2, "max": 2}})
    assert sick(w) == []
    base.sql(DROP)
    for _ in range(2):
        kill_all(w)
        assert_sick_alone(w)
    assert sick(w) == ["put", "sorted", "spare"]
    shown = w.ctl("endpoints")
    assert shown.severity == 4 and "3 of 6 endpoints" in shown.text
    assert "spare.sql:4:8" in shown.body and 'column "spare" does not exist' in shown.body
    health = status(w, "/health")
    assert health.status == 200 and health.json["status"] == "degraded"
    assert sorted(health.json["sick_endpoints"]) == ["put", "sorted", "spare"]
    assert status(w, "/ready").status == 200
    assert w.metrics()['weir_endpoint_sick{endpoint="spare"}'] == 1
    assert w.metrics()['weir_endpoint_sick{endpoint="name"}'] == 0
    said = [line for line in w.log_text().splitlines() if "not served until" in line]
    assert len(said) == 3, said
    assert any(f"{w.site.endpoints}/spare.sql:4:8: " in line for line in said)
    # by itself: nobody asks for it meanwhile
    base.sql(BACK)
    wait_for(lambda: sick(w) == [], 12, "all endpoints to be well")
    for path in ("/spare", "/sorted?by=spare", "/whole"):
        for _ in range(4):
            assert w.get(path).status == 200, path
    assert status(w, "/health").json["status"] == "ok"
    assert w.log_text().count("is served again") == 3


def test_a_request_brings_it_back_sooner(weir, base):
    """7.15: while it is asked for it is tried every second, and what one worker finds the other one follows."""
    w = weir(endpoints=ENDPOINTS, conninfo=base.conninfo, options={"workers": {"min": 2, "max": 2}})
    base.sql(DROP)
    kill_all(w)
    wait_for(lambda: {w.get("/spare").status for _ in range(8)} == {500}, 3)
    base.sql(BACK)
    wait_for(lambda: {w.get("/spare").status for _ in range(8)} == {200}, 3.5, "both workers")


def test_a_reload_is_strict(weir, base):
    """7.15: a reload while an endpoint is sick says which and changes nothing, whether the fault is in the file or the database."""
    w = weir(endpoints=ENDPOINTS, conninfo=base.conninfo)
    base.sql(DROP)
    kill_all(w)
    w.site.write_endpoint("new", "-- @route GET /new\n-- @returns value\nSELECT 1")
    answer = w.reload()
    assert answer.severity == 3 and 'column "spare" does not exist' in answer.body
    assert w.get("/new").status == 404
    assert_sick_alone(w)
    checked = w.site.weird("-t")
    assert checked.returncode == 78 and 'column "spare" does not exist' in checked.stdout
    w.site.remove_endpoint("spare")
    w.site.remove_endpoint("put")
    w.site.remove_endpoint("whole")
    w.site.write_endpoint("sorted", "-- @route GET /sorted\n-- @choice by name|k\nSELECT k FROM item ORDER BY :by")
    assert w.reload().ok
    assert w.get("/new").status == 200 and w.get("/sorted?by=k").status == 200
    assert sick(w) == []


def test_a_reboot(weir, base):
    """7.15: a start serves what prepares, even when that is nothing."""
    w = weir(endpoints=ENDPOINTS, conninfo=base.conninfo)
    base.sql(DROP)
    w.stop()
    w.start()
    assert_sick_alone(w)
    base.sql("ALTER TABLE item RENAME TO gone; ALTER TABLE other RENAME TO gone2")
    w.stop()
    w.start()
    assert {w.get(p).status for p in ("/name", "/spare", "/sorted?by=name")} == {500}
    base.sql("ALTER TABLE gone RENAME TO item; ALTER TABLE gone2 RENAME TO other; " + BACK)
    wait_for(lambda: sick(w) == [], 12, "all endpoints to be well")


def test_alone(lone_worker, base):
    """7.15: a worker without weird, too."""
    base.sql(DROP)
    w = lone_worker(endpoints=ENDPOINTS, conninfo=base.conninfo)
    assert_sick_alone(w)
    assert w.log_text().count("not served until") == 3
    base.sql(BACK)
    wait_for(lambda: w.get("/spare").status == 200, 3)


def test_it_falls_sick_while_it_is_served(weir, base):
    """7.15: DROP COLUMN under a running worker: the same words, and the same way back."""
    w = weir(endpoints=ENDPOINTS, conninfo=base.conninfo)
    assert w.get("/spare").status == 200
    base.sql(DROP)
    wait_for(lambda: w.get("/spare").status == 500 and sick(w) == ["spare"], 3)
    base.sql(BACK)
    wait_for(lambda: w.get("/spare").status == 200 and sick(w) == [], 3)
    assert w.log_text().count("not served until") == 1


def test_an_older_answer_stands_in(weir, base):
    """7.15: stale-if-error covers an endpoint that is sick."""
    w = weir(endpoints={"spare": "-- @route GET /spare\n-- @cache 1s stale-if-error 1h\nSELECT spare FROM item"}, conninfo=base.conninfo)
    assert w.get("/spare").status == 200
    base.sql(DROP)
    kill_all(w)
    wait_for(lambda: "stale" in w.get("/spare").header("Cache-Status", "") or "fwd" in w.get("/spare").header("Cache-Status", ""), 3)
    assert w.get("/spare").json == [{"spare": "x"}]


def test_a_locked_table_holds_up_nobody_else(weir, db):
    """7.15, 7.17: a table under ALTER while a worker starts: its endpoints are served later, all others at once."""
    db.sql("CREATE TABLE item (k int); CREATE TABLE other (k int); GRANT ALL ON ALL TABLES IN SCHEMA public TO weir")
    endpoints = {f"item{i}": f"-- @route GET /item{i}\nSELECT k FROM item WHERE k > {i}" for i in range(40)}
    holder = db.connect()
    holder.autocommit = False
    holder.cursor().execute("LOCK TABLE item IN ACCESS EXCLUSIVE MODE")
    w = weir(endpoints={**endpoints, "other": "-- @route GET /other\nSELECT k FROM other"}, conninfo=db.conninfo)
    assert w.get("/other").status == 200
    reply = w.get("/item7")
    assert (reply.status, reply.code) == (503, "unavailable") and reply.header("Retry-After")
    holder.rollback()
    holder.close()
    wait_for(lambda: w.get("/item7").status == 200, 5, "the table after the lock")
