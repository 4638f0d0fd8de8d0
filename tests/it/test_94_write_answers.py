"""A client is never told that a write failed when it was committed: the answer is made before the COMMIT, and what cannot
be answered is rolled back."""

import json
import os
import signal
import threading

import pytest

from weirtest.base import Failure, wait_for
from weirtest.between import PgBouncer
from weirtest.fcgi import Connection
from weirtest.weir import LoneWorker, Site

SCHEMA = """
CREATE TABLE item (k int PRIMARY KEY, t text);
CREATE TABLE late (k int, UNIQUE (k) DEFERRABLE INITIALLY DEFERRED);
CREATE TABLE parent (k int PRIMARY KEY);
CREATE FUNCTION adds(k int) RETURNS int LANGUAGE sql AS $$ INSERT INTO item VALUES (k, '') RETURNING k $$;
CREATE PROCEDURE half(k int, INOUT t text) LANGUAGE plpgsql AS $$
BEGIN INSERT INTO item VALUES (k, 'first'); COMMIT; INSERT INTO item VALUES (-k, 'second'); END $$;
CREATE PROCEDURE fails(k int, how text) LANGUAGE plpgsql AS $$
BEGIN INSERT INTO item VALUES (k, ''); COMMIT;
IF how = 'late' THEN INSERT INTO late VALUES (7); ELSIF how = 'full' THEN RAISE 'full' USING ERRCODE = '53100';
ELSE RAISE EXCEPTION '%', how; END IF; END $$;
"""
ADD = "INSERT INTO item VALUES (:k::int, :t)"
PARAMS = "-- @param k\n-- @param t default 'x'\n".replace("'x'", "x")


def write(name, sql, extra="-- @returns row\n", method="POST", params=PARAMS):
    return f"-- @route {method} /{name}\n{params}{extra}{sql}"


ENDPOINTS = {
    "add": write("add", f"{ADD} RETURNING k", "-- @returns row\n-- @status 201\n-- @header Location: /item/{k}\n"),
    "plain": write("plain", ADD, "-- @returns none\n"),
    "header": write("header", f"{ADD} RETURNING k, t", "-- @returns row\n-- @header X-T: {t}\n"),
    "location": write("location", f"{ADD} RETURNING k, t", "-- @returns row\n-- @status 201\n-- @header Location: /i/{t}\n"),
    "none_header": write("none_header", f"{ADD} RETURNING t", "-- @returns none\n-- @header X-T: {t}\n"),
    "large": write("large", f"{ADD} RETURNING k, repeat(t, 1000) AS r"),
    "large_rows": write("large_rows", f"{ADD} RETURNING k, repeat(t, 1000) AS r", "-- @returns rows\n"),
    "large_value": write("large_value", f"{ADD} RETURNING repeat(t, 1000)", "-- @returns value\n"),
    "many": write("many", "INSERT INTO item SELECT n, 'x' FROM generate_series(:k::int, :k::int + 4999) n RETURNING k, "
                  "repeat('y', 100) AS r", "-- @returns rows\n", params="-- @param k\n"),
    "huge": write("huge", f"{ADD} RETURNING repeat(t, 5000000) AS r"),
    "cte": write("cte", f"WITH w AS ({ADD} RETURNING k) SELECT k FROM w WHERE k < 0"),
    "cte_value": write("cte_value", f"WITH w AS ({ADD} RETURNING k) SELECT k FROM w WHERE k < 0", "-- @returns value\n"),
    "patch": write("patch", "UPDATE item SET t = :t WHERE k = :k RETURNING k", method="PATCH"),
    "late": write("late", "INSERT INTO late VALUES (:k::int) RETURNING k", params="-- @param k\n"),
    "get_adds": write("get_adds", "WITH w AS (INSERT INTO item VALUES (:k::int) RETURNING k) SELECT k, repeat('y', :n::int) AS r FROM w", method="GET",
                      params="-- @param k\n-- @param n default 1\n"),
    "half": write("half", "CALL half(:k, :t)", "-- @returns row\n-- @header X-T: {t}\n"),
    "fails": write("fails", "CALL fails(:k, :t)", "-- @returns none\n"),
    "do_commits": write("do_commits", "DO $$ BEGIN INSERT INTO item VALUES (901, ''); COMMIT; RAISE EXCEPTION 'no'; END $$",
                        "-- @returns none\n", params=""),
    "do_fails": write("do_fails", "DO $$ BEGIN INSERT INTO item VALUES (902, ''); RAISE EXCEPTION 'no'; END $$",
                      "-- @returns none\n", params=""),
    "slow": write("slow", f"WITH s AS (SELECT pg_sleep(:s::float)), w AS ({ADD} RETURNING k) SELECT k FROM w, s",
                  "-- @returns row\n-- @timeout 500ms\n", params=PARAMS + "-- @param s default 0\n"),
    "stop": write("stop", f"WITH w AS ({ADD} RETURNING k), s AS (SELECT pg_sleep(:s::float)) SELECT k FROM w, s",
                  "-- @returns row\n-- @timeout 10s\n", params=PARAMS + "-- @param s default 0\n"),
    "names": "-- @route GET /names\n-- @returns row\nSELECT pg_backend_pid() AS pid",
}
OPTIONS = {"limits": {"response": "64KiB"}, "database": {"main": {"pool_min": 2, "pool_max": 8}}}


@pytest.fixture
def worker(db):
    db.sql(SCHEMA)
    w = LoneWorker(Site(db.pg.conninfo_for(db.name, user="postgres"), ENDPOINTS, OPTIONS))
    w.db = db
    yield w
    w.stop()
    w.site.remove()


def send(w, name, doc, method="POST", timeout=30):
    with Connection(w.listen, timeout=timeout) as c:
        c.send_request(f"/{name}", method=method, body=json.dumps(doc).encode(), headers={"Content-Type": "application/json"})
        return c.read_reply()


def stored(w, k):
    return w.db.value("SELECT count(*) FROM item WHERE k = %s", (k,))


UNANSWERABLE = [
    ("header", "a\nb"), ("header", "x" * 5000), ("none_header", "a\x7fb"), ("none_header", "y" * 5000), ("location", "z" * 5000),
    ("large", "x" * 100), ("large_rows", "x" * 100), ("large_value", "x" * 100), ("huge", "x"),
]


def test_no_answer_no_commit(worker):
    """7.5: header, size, row: 500 and nothing was done; the connection is as good as before."""
    for k, (name, t) in enumerate(UNANSWERABLE, 1):
        for _ in range(2):
            reply = send(worker, name, {"k": k, "t": t})
            assert (reply.status, reply.json["code"], stored(worker, k)) == (500, "internal", 0), (name, reply)
            assert "outcome" not in reply.json
        reply = send(worker, "add", {"k": k})
        assert (reply.status, stored(worker, k)) == (201, 1), (name, reply)
        assert send(worker, name, {"k": k}).status == 409
    reply = send(worker, "many", {"k": 1000})
    assert (reply.status, worker.db.value("SELECT count(*) FROM item WHERE k >= 1000")) == (500, 0)
    assert "no transaction in progress" not in worker.db.pg.proc.log_text()


def test_no_row_is_nothing_done(worker):
    """7.5: a 404 of a write means that nothing was done."""
    for name in ("cte", "cte_value"):
        reply = send(worker, name, {"k": 1})
        assert (reply.status, reply.json["code"], stored(worker, 1)) == (404, "no_row", 0)
    assert send(worker, "patch", {"k": 1, "t": "y"}, "PATCH").status == 404
    assert send(worker, "add", {"k": 1}).status == 201
    assert send(worker, "patch", {"k": 1, "t": "y"}, "PATCH").status == 200
    assert worker.db.value("SELECT t FROM item WHERE k = 1") == "y"


def test_a_get_that_writes(worker):
    """7.5: also where the method is GET; limits.response."""
    assert worker.get("/get_adds?k=1&n=100000").status == 500 and stored(worker, 1) == 0
    assert worker.get("/get_adds?k=1").status == 200 and stored(worker, 1) == 1


def test_a_large_answer_is_whole_before_the_commit(db):
    """7.5: what is else rendered in slices of a turn is made at once while a transaction waits for it."""
    db.sql(SCHEMA)
    w = LoneWorker(Site(db.pg.conninfo_for(db.name, user="postgres"), ENDPOINTS, {"limits": {"response": "8MiB"}}))
    try:
        reply = w.get("/get_adds?k=1&n=3000000")
        assert reply.status == 200 and reply.json == {"k": 1, "r": "y" * 3000000}
        reply = send(w, "large", {"k": 2, "t": "x" * 3000})
        assert reply.status == 200 and reply.json == {"k": 2, "r": "x" * 3000000}
        assert db.value("SELECT count(*) FROM item") == 2
        assert w.get("/get_adds?k=3&n=9000000").status == 500
        assert db.value("SELECT count(*) FROM item") == 2
    finally:
        w.stop()
        w.site.remove()


def test_a_commit_that_fails_is_told(worker):
    """7.5: what is deferred is judged by the COMMIT, behind the answer's making."""
    assert send(worker, "late", {"k": 1}).status == 200
    reply = send(worker, "late", {"k": 1})
    assert reply.status == 409 and reply.json["code"] == "conflict" and "k" not in reply.json
    assert send(worker, "late", {"k": 2}).json == {"k": 2}
    assert worker.db.value("SELECT count(*) FROM late") == 2


def test_a_location_is_a_uri_reference(worker):
    """7.5: percent-encoded; valid escapes stay."""
    reply = send(worker, "location", {"k": 1, "t": "a b\r\nX: é/%41%?q=ü#f"})
    assert reply.status == 201 and reply.header("location") == "/i/a%20b%0D%0AX:%20%C3%A9/%41%25?q=%C3%BC#f"
    assert stored(worker, 1) == 1
    reply = send(worker, "header", {"k": 2, "t": "é \t ok"})
    assert reply.status == 200 and stored(worker, 2) == 1


def test_what_a_procedure_committed_stays_and_is_said(worker):
    """7.5: only what came behind its last COMMIT can be rolled back: the outcome is unknown."""
    assert send(worker, "half", {"k": 1, "t": "ok"}).status == 200
    assert (stored(worker, 1), stored(worker, -1)) == (1, 1)
    reply = send(worker, "half", {"k": 2, "t": "a\nb"})
    assert reply.status == 500 and reply.json["outcome"] == "unknown"
    assert (stored(worker, 2), stored(worker, -2)) == (1, 0)


def test_what_fails_behind_its_own_commit_says_so(worker):
    """7.5: RAISE, a deferred constraint at the end, a full disk: unknown, whatever the status; not where nothing of it ran."""
    worker.db.sql("INSERT INTO late VALUES (7)")
    for k, (how, status) in enumerate((("no", 422), ("late", 409), ("full", 503)), 1):
        reply = send(worker, "fails", {"k": k, "t": how})
        assert (reply.status, reply.json.get("outcome"), stored(worker, k)) == (status, "unknown", 1), reply
        assert reply.json["retryable"] is False
    reply = send(worker, "fails", {"k": "99999999999"})
    assert reply.status == 400 and "outcome" not in reply.json
    reply = send(worker, "do_commits", {})
    assert (reply.status, reply.json["outcome"], stored(worker, 901)) == (422, "unknown", 1)
    reply = send(worker, "do_fails", {})
    assert (reply.status, stored(worker, 902)) == (422, 0) and "outcome" not in reply.json


def silence(db):
    """Let no session begin on db, and stop those of Weir that are there. Their pids."""
    db.pg.sql(f"ALTER DATABASE {db.name} ALLOW_CONNECTIONS false")
    stopped = set()

    def is_all():
        pids = {row[0] for row in db.pg.sql("SELECT pid FROM pg_stat_activity WHERE application_name = 'weir' AND datname = %s",
                                            (db.name,))}
        for pid in pids - stopped:
            os.kill(pid, signal.SIGSTOP)
        was = set(stopped)
        stopped.update(pids)
        return pids <= was
    wait_for(is_all, 10, "no new session to come up")
    return stopped


def test_too_late_is_not_done(worker):
    """7.5: a write that meets its deadline is not committed, and that is certain."""
    reply = send(worker, "slow", {"k": 1, "s": 3})
    assert reply.status == 504 and "outcome" not in reply.json
    # the server is silent: nobody but the worker can say it
    pids = silence(worker.db)
    try:
        reply = send(worker, "slow", {"k": 2})
        assert reply.status in (503, 504) and "outcome" not in reply.json, reply
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)
        worker.db.pg.sql(f"ALTER DATABASE {worker.db.name} ALLOW_CONNECTIONS true")
    wait_for(lambda: send(worker, "add", {"k": 3}).status in (201, 409), 10)
    busy = []

    def are_idle():
        # of this database: other servers of this run may have sessions in the same cluster
        busy[:] = worker.db.sql("SELECT pid, state, wait_event, xact_start, state_change, query FROM pg_stat_activity WHERE "
                                "application_name = 'weir' AND datname = current_database() AND state <> 'idle'")
        return not busy
    try:
        wait_for(are_idle, 10, "the sessions to be idle")
    except Failure as e:
        raise Failure(f"{e}: {busy}") from None
    assert stored(worker, 1) == 0 and stored(worker, 2) == 0


def running(w, text):
    return w.db.sql("SELECT pid FROM pg_stat_activity WHERE state = 'active' AND query LIKE %s AND pid <> pg_backend_pid()",
                    (f"%{text}%",))


def test_a_connection_lost_before_the_commit_is_no_unknown_outcome(worker):
    """7.5: it may run again, and did so once: never twice, never a 503 of unknown outcome."""
    out = {}
    t = threading.Thread(target=lambda: out.update(r=send(worker, "stop", {"k": 1, "s": 0.7})))
    t.start()
    pid = wait_for(lambda: running(worker, "INSERT INTO item"), 5, "the write to run")[0][0]
    worker.db.sql("SELECT pg_terminate_backend(%s)", (pid,))
    t.join()
    assert out["r"].status == 200 and stored(worker, 1) == 1
    # killed without a word: the server restarts all of its backends
    t = threading.Thread(target=lambda: out.update(r=send(worker, "stop", {"k": 2, "s": 0.7})))
    t.start()
    pid = wait_for(lambda: running(worker, "INSERT INTO item"), 5, "the write to run")[0][0]
    os.kill(pid, signal.SIGKILL)
    t.join()
    reply = out["r"]
    assert (reply.status == 200 or reply.json["code"] == "db_down") and "outcome" not in (reply.json or {}), reply
    worker.db.pg.start()
    wait_for(lambda: worker.get("/names").status == 200, 10)
    assert stored(worker, 2) == (1 if reply.status == 200 else 0)


def test_a_client_that_leaves(worker):
    """7.5: its write ends as it would have, and the connection serves the next one."""
    with Connection(worker.listen, timeout=30) as c:
        c.send_request("/stop", method="POST", body=json.dumps({"k": 1, "s": 0.3}).encode(),
                       headers={"Content-Type": "application/json"})
        wait_for(lambda: running(worker, "INSERT INTO item"), 5, "the write to run")
    wait_for(lambda: stored(worker, 1) == 1, 5, "the write to be committed")
    for k in range(2, 30):
        assert send(worker, "add", {"k": k}).status == 201
    assert worker.db.value("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'weir'") <= 8


def test_through_a_pooler(own_pg):
    """7.5: the server session stays with a transaction that waits for its answer."""
    own_pg.sql(SCHEMA, dbname="test")
    bouncer = PgBouncer(own_pg).start()
    options = {**OPTIONS, "database": {"main": {**OPTIONS["database"]["main"], "pooler": True}}}
    w = LoneWorker(Site(bouncer.conninfo("test"), ENDPOINTS, options))
    try:
        for k, (name, t) in enumerate(UNANSWERABLE, 1):
            if name == "huge":
                continue
            assert send(w, name, {"k": k, "t": t}).status == 500, name
            assert send(w, "cte", {"k": k}).status == 404
            assert send(w, "add", {"k": k}).status == 201
            assert send(w, "add", {"k": k}).status == 409
        assert own_pg.value("SELECT count(*) FROM item", dbname="test") == len(UNANSWERABLE) - 1
    finally:
        w.stop()
        w.site.remove()
        bouncer.close()


def test_many_at_once(worker):
    """7.5: good and bad ones mixed, on few connections: what was told is what was done."""
    told = {}

    def client(n):
        with Connection(worker.listen, timeout=30) as c:
            for i in range(40):
                k = n * 1000 + i
                name, doc = [("add", {"k": k}), ("header", {"k": k, "t": "a\nb"}), ("cte", {"k": k}), ("plain", {"k": k}),
                             ("large", {"k": k, "t": "x" * 100})][i % 5]
                c.send_request(f"/{name}", method="POST", body=json.dumps(doc).encode(),
                               headers={"Content-Type": "application/json"})
                told[k] = c.read_reply().status
    threads = [threading.Thread(target=client, args=(n,)) for n in range(1, 9)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert len(told) == 320 and set(told.values()) == {201, 204, 404, 500}
    assert {k for k, s in told.items() if s < 300} == {r[0] for r in worker.db.sql("SELECT k FROM item")}
