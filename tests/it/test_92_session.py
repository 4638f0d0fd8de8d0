"""What a statement leaves behind on a connection that the next request gets: transactions, settings, locks, and answers
that are none (issue 7: 2, 3, 16)."""

import json
import os
import time

import pytest

from weirtest.base import PATIENCE
from weirtest.hostile import TRICKS, Hostile
from weirtest.weir import LoneWorker, Site


def post(worker, path, doc=None):
    return worker.get(path, method="POST", body=json.dumps(doc or {}).encode(), headers={"Content-Type": "application/json"})


# ---- answers that are none ----

@pytest.fixture(scope="module")
def hostile():
    server = Hostile()
    endpoints = {f"read_{t}": f"-- @route GET /read/{t}\n-- @returns value\nSELECT '{t}' AS x" for t in TRICKS}
    endpoints |= {f"write_{t}": f"-- @route POST /write/{t}\n-- @status 201\n-- @returns value\n"
                                f"INSERT INTO t VALUES ('{t}') RETURNING x" for t in TRICKS}
    endpoints["good"] = "-- @route GET /good\n-- @returns value\nSELECT 'good' AS x"
    w = LoneWorker(Site(server.conninfo, endpoints, {"status": None, "database": {"main": {"pool_min": 2, "pool_max": 60}}}))
    w.server = server
    yield w
    w.stop()
    server.close()


def cpu_seconds(pid):
    fields = open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@pytest.mark.parametrize("trick", TRICKS)
@pytest.mark.parametrize("kind", ["read", "write"])
def test_an_answer_that_is_none_ends_its_connection(hostile, kind, trick):
    """7.16, 7.2: every status that libpq can give and an open transaction: told truthfully, at once, and nothing spins."""
    before, start = cpu_seconds(hostile.pid), time.monotonic()
    got = hostile.get(f"/read/{trick}") if kind == "read" else post(hostile, f"/write/{trick}")
    assert got.status in (500, 503), got
    assert time.monotonic() - start < 1.9 * PATIENCE, "it is told at once and not at its deadline"
    if trick.startswith("left_"):
        assert got.status == 500 and "left its transaction open" in hostile.log_text()
    elif kind == "write":
        assert got.json["code"] == "outcome_unknown", got
    for _ in range(3):
        assert hostile.get("/good").json == "ok"
    # the rest of half a second is idle
    time.sleep(0.1)
    assert cpu_seconds(hostile.pid) - before < 0.3 * PATIENCE


# ---- transactions ----

PROCEDURES = """
CREATE TABLE done (k int);
CREATE TABLE kept (k int PRIMARY KEY, v text DEFAULT '');
CREATE PROCEDURE halves(k int, how text) LANGUAGE plpgsql AS $$ BEGIN
  INSERT INTO done VALUES (k); COMMIT;
  INSERT INTO done VALUES (-k);
  IF how = 'raise' THEN RAISE EXCEPTION 'not today'; END IF;
  IF how = 'serialization' THEN RAISE EXCEPTION 'again' USING ERRCODE = '40001'; END IF;
  IF how = 'undefined' THEN EXECUTE 'SELECT * FROM nowhere'; END IF;
  IF how = 'killed' THEN PERFORM pg_terminate_backend(pg_backend_pid()); END IF;
  IF how = 'rollback' THEN ROLLBACK; END IF;
  IF how = 'chain' THEN COMMIT AND CHAIN; END IF;
END $$;
"""
CALLS = {
    "halves": "-- @route POST /halves\n-- @param k\n-- @param how default ''\n-- @returns none\n"
              "CALL halves(:k::int, :how::text)",
    "tagged": "-- @route POST /tagged\n-- @param k\n-- @param how default ''\n-- @returns none\n-- @invalidates done\n"
              "CALL halves(:k::int, :how::text)",
    "done": "-- @route GET /done\n-- @cache 1h tags done\n-- @returns value\nSELECT array_agg(k ORDER BY k) AS ks FROM done",
    "block": "-- @route POST /block\n-- @returns none\nDO $$ BEGIN INSERT INTO done VALUES (77); COMMIT; INSERT INTO done VALUES (78); END $$",
    "put": "-- @route POST /put\n-- @param k\n-- @status 201\n-- @returns none\nINSERT INTO kept VALUES (:k::int)",
}


def test_a_procedure_may_commit_and_what_it_committed_stays(own_pg):
    """7.2: CALL of a procedure that commits, and of one that then fails: answered as it is, never run twice, and the
    connection is as before."""
    own_pg.sql(PROCEDURES)
    w = LoneWorker(Site(own_pg.conninfo_for("test", user="postgres"), CALLS, {"database": {"main": {"pool_min": 2, "pool_max": 8}}}))
    try:
        def ks():
            return [r[0] for r in own_pg.sql("SELECT k FROM done ORDER BY k", dbname="test")]
        want = []
        for k, (how, status, stays) in enumerate([
                ("", 204, [1, -1]), ("chain", 204, [1, -1]), ("rollback", 204, [1]), ("raise", 422, [1]),
                ("serialization", 409, [1]), ("undefined", 500, [1]), ("killed", 503, [1])], 1):
            got = post(w, "/halves", {"k": k, "how": how})
            assert got.status == status, (how, got)
            if how == "killed":
                assert got.json["code"] == "outcome_unknown"
            want = sorted(want + [k * s for s in stays])
            assert ks() == want, how
            assert post(w, "/put", {"k": k}).status == 201
            assert own_pg.value("SELECT count(*) FROM kept", dbname="test") == k
        assert post(w, "/block").status == 204
        assert ks()[-2:] == [77, 78]
        # a failure does not hide what was committed from the cache
        assert w.get("/done").json == ks()
        assert post(w, "/tagged", {"k": 90, "how": "raise"}).status == 422
        assert w.get("/done").json == ks() and 90 in ks()
        assert own_pg.sql("SELECT 1 FROM pg_stat_activity WHERE state LIKE 'idle in transaction%%'", dbname="test") == []
    finally:
        w.stop()


REFUSED = {
    "BEGIN": "controls the transaction", "COMMIT": "controls the transaction", "PREPARE TRANSACTION 'x'": "controls the transaction",
    "SET search_path = a": "stays beyond the request", "RESET ALL": "stays beyond the request", "SET ROLE x": "stays beyond the request",
    "LISTEN x": "the session's and not the request's", "DECLARE c CURSOR WITH HOLD FOR SELECT 1": "cursor",
    "PREPARE p AS SELECT 1": "prepared statement", "DISCARD ALL": "changes the session", "CREATE TEMP TABLE t (a int)": "makes something",
    "SELECT 1 AS x INTO TEMP t": "makes a table", "SELECT set_config('request.user', 'x', false)": "constant true",
    "SELECT set_config('request.user', 'x', :v::bool)": "constant true", "SELECT pg_advisory_lock(1)": "pg_advisory_xact_lock",
    "COPY t TO STDOUT": "protocol of its own", "/*+ nothing */": "no statement",
    ":verb": "controls the transaction",
}


def test_what_the_text_shows_is_refused_with_file_and_line(site):
    """7.2, 7.3, 7.16: transaction control, what stays in the session and COPY do not load, each with its reason."""
    s = site(None, {f"e{i}": f"-- @route POST /e{i}\n-- @returns none\n-- @choice verb BEGIN|COMMIT\n{sql}" if sql == ":verb" else
                    f"-- @route POST /e{i}\n-- @returns none\n\n{sql}" for i, sql in enumerate(REFUSED)})
    got = s.weird("-t")
    assert got.returncode != 0
    for i, reason in enumerate(REFUSED.values()):
        said = [line for line in (got.stdout + got.stderr).splitlines() if f"/e{i}.sql:4:" in line]
        assert said and reason in said[0], (i, reason, said)
