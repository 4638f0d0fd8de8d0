"""Lanes and pool against a real PostgreSQL that is slow, stopped, killed, or changed under the worker."""

import json
import os
import signal
import threading
import time

import pytest

from weirtest import neighbours
from weirtest.base import PATIENCE, wait_for
from weirtest.fcgi import Closed, Connection
from weirtest.weir import LoneWorker, Site

ENDPOINTS = {
    "lane": "-- @route GET /lane\n-- @returns value\nSELECT current_setting('default_transaction_read_only') AS ro",
    "nap": """-- @route GET /nap
-- @param ms default 0
-- @param nonce optional
-- @timeout 5s
-- @returns row
SELECT :nonce::text AS nonce, pg_sleep(:ms::int / 1000.0)::text AS slept""",
    **neighbours.ENDPOINTS,
    "short": "-- @route GET /short\n-- @timeout 300ms\n-- @returns value\nSELECT pg_sleep(5)::text AS s",
    "add": "-- @route POST /add\n-- @param k\n-- @returns row\n-- @status 201\n"
           "INSERT INTO item (k) VALUES (:k::int) RETURNING k",
    "slowadd": "-- @route POST /slowadd\n-- @param k\n-- @timeout 10s\n-- @returns row\n"
               "INSERT INTO item (k) SELECT :k::int FROM pg_sleep(1) RETURNING k",
    "late": "-- @route POST /late\n-- @param k\n-- @returns none\nINSERT INTO late (k) VALUES (:k::int)",
    "raise": "-- @route GET /raise\n-- @session clean\n-- @returns value\nSELECT refuse() AS x",
    "items": "-- @route GET /items\nSELECT * FROM item ORDER BY k",
    "sneaky": "-- @route GET /sneaky\n-- @session clean\n-- @returns value\nSELECT sneaky() AS x",
}

SCHEMA = """
CREATE TABLE item (k int PRIMARY KEY CHECK (k >= 0));
CREATE TABLE late (k int, UNIQUE (k) DEFERRABLE INITIALLY DEFERRED);
CREATE TABLE sneaked (at timestamptz);
CREATE FUNCTION refuse() RETURNS int LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'not today'; END $$;
CREATE FUNCTION sneaky() RETURNS int LANGUAGE plpgsql AS $$ BEGIN
  IF current_setting('weir.test_write', true) IS NULL AND (SELECT count(*) FROM late) > 0 THEN
    INSERT INTO sneaked VALUES (now()); END IF; RETURN 1; END $$;
"""

OPTIONS = {"database": {"main": {"pool_min": 2, "pool_max": 8, "query_timeout": "2s"}}}


@pytest.fixture
def server(own_pg):
    own_pg.sql(SCHEMA)
    return own_pg


@pytest.fixture
def worker(server):
    w = LoneWorker(Site(server.conninfo_for("test", user="postgres"), ENDPOINTS, OPTIONS))
    yield w
    w.stop()


def post(worker, path, doc):
    return worker.get(path, method="POST", body=json.dumps(doc).encode(), headers={"Content-Type": "application/json"})


def earn(worker, path="/lane", **params):
    """Ask until the endpoint has earned the express lane: 32 fast runs and the next tick."""
    with Connection(worker.listen) as c:
        def express():
            for _ in range(40):
                c.send_request(path, **params)
                assert c.read_reply().status == 200
            c.send_request("/lane")
            return c.read_reply().body == b'"on"'
        if path == "/lane":
            wait_for(express, 10, "the endpoint to run on the express lane")
        else:
            until = time.monotonic() + 3
            while time.monotonic() < until:
                express()


def sessions(server):
    return [r[0] for r in server.sql("SELECT pid FROM pg_stat_activity WHERE application_name = 'weir'", dbname="test")]


def many(worker, paths, params=None):
    """All at once, a connection each: replies in order, None for a connection that closed."""
    out = [None] * len(paths)

    def one(i):
        with Connection(worker.listen, timeout=30) as c:
            c.send_request(paths[i], **(params[i] if params else {}))
            try:
                out[i] = c.read_reply()
            except Closed:
                pass
    threads = [threading.Thread(target=one, args=(i,)) for i in range(len(paths))]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    return out


def test_a_fast_endpoint_earns_the_express_lane(worker):
    assert worker.get("/lane").body == b'"off"'
    earn(worker)


def test_a_statement_that_turns_slow_is_run_again_and_harms_nobody(worker):
    earn(worker, "/nap")
    paths = ["/nap?ms=120&nonce=slow"] + [f"/nap?nonce={i}" for i in range(40)]
    start = time.monotonic()
    replies = many(worker, paths)
    assert [r.status for r in replies] == [200] * 41
    assert [r.json["nonce"] for r in replies] == ["slow"] + [str(i) for i in range(40)]
    assert time.monotonic() - start < 2 * PATIENCE


def test_neighbours_never_see_each_other(worker):
    earn(worker, "/who?nonce=x", REMOTE_USER="warm")
    assert not neighbours.mixed_up(worker.listen, 16)


def test_reads_in_flight_survive_the_loss_of_their_connections(worker, server):
    earn(worker, "/nap")
    for how in ("kill", "terminate"):
        done = threading.Event()

        def breaker():
            while not done.is_set():
                if how == "kill":
                    server.kill_backends("postgres")
                else:
                    try:
                        server.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                                   "WHERE application_name = 'weir'", dbname="test")
                    except Exception:
                        pass
                done.wait(0.4)
        t = threading.Thread(target=breaker)
        if how == "kill":
            # one backend killed makes the server restart all: once is enough
            many(worker, ["/nap?ms=5"] * 8)
            server.restart("immediate")
            wait_for(lambda: worker.get("/nap").status == 200, 5)
            continue
        t.start()
        try:
            replies = [r for _ in range(15) for r in many(worker, [f"/nap?ms=3&nonce={i}" for i in range(16)])]
        finally:
            done.set()
            t.join()
        statuses = [r.status for r in replies]
        # a second loss of the same request is the one thing that is told: never a hang, never a wrong row
        assert set(statuses) <= {200, 503} and statuses.count(200) > len(statuses) * 0.9


def test_a_write_is_a_transaction_and_errors_have_their_status(worker, server):
    assert post(worker, "/add", {"k": 1}).status == 201
    assert post(worker, "/add", {"k": 1}).json["code"] == "conflict"
    assert post(worker, "/add", {"k": -1}).json["code"] == "unprocessable"
    assert post(worker, "/late", {"k": 1}).status == 204
    late = post(worker, "/late", {"k": 1})
    assert late.status == 409, late          # a deferred constraint fails at commit
    assert server.value("SELECT count(*) FROM late", dbname="test") == 1
    got = worker.get("/raise")
    assert got.status == 422 and got.json["detail"] == "not today"


def test_no_sql_reaches_the_client(worker, server):
    server.sql("DROP TABLE late", dbname="test")
    got = post(worker, "/late", {"k": 5})
    assert got.status == 500
    assert b"late" not in got.body and b"INSERT" not in got.body and b"/" not in got.body.replace(b"urn:", b"")


def test_a_deadline_is_504_and_the_query_is_gone(worker, server):
    start = time.monotonic()
    got = worker.get("/short")
    assert got.status == 504 and 0.2 < time.monotonic() - start < 1.5 * PATIENCE
    wait_for(lambda: not running(server, "pg_sleep(5)"), 2, "the query to be cancelled")


def running(server, text):
    return server.value("SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE %s "
                        "AND pid <> pg_backend_pid()", ("%" + text + "%",), dbname="test")


def test_a_client_that_leaves_has_its_query_cancelled(worker, server):
    for _ in range(5):
        c = Connection(worker.listen)
        c.send_request("/nap?ms=4000")
        wait_for(lambda: running(server, "pg_sleep"), 3, "the query to run")
        c.close()
        wait_for(lambda: not running(server, "pg_sleep"), 2, "the query to be cancelled")
    assert worker.get("/nap").status == 200


def test_an_abort_record_cancels_too(worker, server):
    with Connection(worker.listen) as c:
        c.send_request("/nap?ms=4000")
        wait_for(lambda: running(server, "pg_sleep"), 3)
        c.send(b"\x01\x02\x00\x01\x00\x00\x00\x00")
        kind, request_id, _ = c.read_record()
        assert (kind, request_id) == (3, 1)
        wait_for(lambda: not running(server, "pg_sleep"), 2)
        c.send_request("/nap")
        assert c.read_reply().status == 200


def test_away_at_start_then_there_then_restarted(own_pg):
    own_pg.sql(SCHEMA)
    conninfo = own_pg.conninfo_for("test", user="postgres")
    own_pg.stop()
    w = LoneWorker(Site(conninfo, ENDPOINTS, OPTIONS))
    try:
        start = time.monotonic()
        got = w.get("/lane")
        assert got.status == 503 and got.json["code"] == "db_down" and got.json["retryable"]
        assert int(got.header("retry-after")) >= 0
        assert time.monotonic() - start < 0.5 * PATIENCE
        own_pg.start()
        wait_for(lambda: w.get("/lane").status == 200, 1, "service within a second of the database")
        for mode in ("fast", "immediate"):
            own_pg.restart(mode)
            wait_for(lambda: w.get("/lane").status == 200, 1, f"service after a {mode} restart")
    finally:
        w.stop()


def test_a_stopped_server_costs_the_deadline_and_recovers(worker, server):
    assert worker.get("/nap").status == 200
    server.pause()
    try:
        start = time.monotonic()
        assert worker.get("/short").status in (503, 504)
        assert time.monotonic() - start < 1.5 * PATIENCE
    finally:
        server.resume()
    wait_for(lambda: worker.get("/nap").status == 200, 3)


def test_ddl_under_load_is_healed(worker, server):
    earn(worker, "/items")
    stop, statuses = threading.Event(), []

    def reader():
        with Connection(worker.listen, timeout=20) as c:
            while not stop.is_set():
                c.send_request("/items")
                statuses.append(c.read_reply().status)
    threads = [threading.Thread(target=reader) for _ in range(4)]
    for t in threads:
        t.start()
    for i in range(6):
        kind = "int[] DEFAULT '{1}'" if i == 5 else "int DEFAULT 1"
        server.sql(f"ALTER TABLE item ADD COLUMN c{i} {kind}", dbname="test")
        seen = len(statuses)
        wait_for(lambda: len(statuses) > seen + 40, 10)
    # the statement is wrapped by now: a column less is another error of the server's
    server.sql("ALTER TABLE item DROP COLUMN c0", dbname="test")
    seen = len(statuses)
    wait_for(lambda: len(statuses) > seen + 40, 10)
    stop.set()
    for t in threads:
        t.join()
    assert set(statuses) == {200}, worker.log_text()[-2000:]
    post(worker, "/add", {"k": 3})
    assert worker.get("/items").json == [{"k": 3, "c1": 1, "c2": 1, "c3": 1, "c4": 1, "c5": [1]}]


def test_deallocate_is_healed(worker, server):
    """Somebody's DISCARD ALL on the pooled session, here through a function the endpoint itself calls."""
    server.sql("CREATE FUNCTION forget() RETURNS int LANGUAGE plpgsql AS "
               "$$ BEGIN EXECUTE 'DEALLOCATE ALL'; RETURN 1; END $$", dbname="test")
    worker.site.write_endpoint("forget", "-- @route GET /forget\n-- @returns value\nSELECT forget() AS x")
    other = LoneWorker(Site(server.conninfo_for("test", user="postgres"),
                            {**ENDPOINTS, "forget": "-- @route GET /forget\n-- @returns value\nSELECT forget() AS x"}, OPTIONS))
    try:
        for _ in range(10):
            assert other.get("/forget").status == 200
            assert other.get("/nap").status == 200
            assert other.get("/lane").status == 200
    finally:
        other.stop()


def test_a_read_that_writes_is_barred_and_writes_once(worker, server):
    earn(worker, "/sneaky")
    assert server.value("SELECT count(*) FROM sneaked", dbname="test") == 0
    server.sql("INSERT INTO late VALUES (1)", dbname="test")
    assert worker.get("/sneaky").status == 200
    assert server.value("SELECT count(*) FROM sneaked", dbname="test") == 1


def test_a_lost_write_is_of_unknown_outcome_and_never_run_twice(worker, server):
    result = {}

    def writer():
        result["reply"] = post(worker, "/slowadd", {"k": 77})
    t = threading.Thread(target=writer)
    t.start()
    wait_for(lambda: running(server, "INSERT INTO item"), 5)
    server.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'INSERT INTO item%%' "
               "AND state = 'active'", dbname="test")
    t.join()
    count = server.value("SELECT count(*) FROM item WHERE k = 77", dbname="test")
    reply = result["reply"]
    # terminated while it ran: the server said so (57P01), so the one second run is safe
    assert (reply.status, count) in ((200, 1), (503, 0)), (reply, count)
    assert count <= 1


def test_the_budget_holds(worker, server):
    many(worker, ["/nap?ms=30"] * 40)
    assert server.value("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'weir'", dbname="test") <= 8


@pytest.mark.parametrize("tcp", [False, True])
def test_a_backend_that_dies_with_the_statement_unread(server, tcp):
    """Its farewell is there and the socket is in error, because it was closed over unread data: the error comes once,
    together with the last bytes."""
    w = LoneWorker(Site(server.conninfo_for("test", user="postgres", tcp=tcp), ENDPOINTS, OPTIONS))
    wait_for(lambda: len(sessions(server)) >= 2, 5, "the warm connections")
    for _ in range(3):
        pids = sessions(server)
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        with Connection(w.listen, timeout=20) as c:
            start = time.monotonic()
            c.send_request("/nap?ms=0")
            for _ in range(2):  # answered in a later turn of the loop than the one that sent the statement
                assert w.get("/none").status == 404
            for pid in pids:
                os.kill(pid, signal.SIGTERM)
                os.kill(pid, signal.SIGCONT)
            reply = c.read_reply()
        assert reply.status == 200, w.log_text()
        assert time.monotonic() - start < 1 * PATIENCE
        wait_for(lambda: len(sessions(server)) >= 2, 5, "new warm connections")
    w.stop()


def in_one_turn(worker, conns, paths):
    """Everything is there when the worker looks: sent while it is stopped."""
    os.kill(worker.pid, signal.SIGSTOP)
    for c, path in zip(conns, paths):
        c.send_request(path)
    os.kill(worker.pid, signal.SIGCONT)


def lone(server, endpoints, **database):
    options = {"database": {"main": {**OPTIONS["database"]["main"], **database}}}
    return LoneWorker(Site(server.conninfo_for("test", user="postgres"), {**ENDPOINTS, **endpoints}, options))


def test_a_second_express_connection_only_while_the_first_is_at_work(server):
    w = lone(server, {"pid": "-- @route GET /pid\n-- @returns row\nSELECT pg_backend_pid() AS pid, "
                             "current_setting('default_transaction_read_only') AS ro"}, express=2)
    try:
        earn(w, "/nap")
        earn(w, "/pid")
        pids = set()
        for _ in range(50):
            reply = w.get("/pid").json
            assert reply["ro"] == "on"
            pids.add(reply["pid"])
        assert len(pids) == 1
        for _ in range(5):
            with Connection(w.listen) as c:
                c.send_request("/nap?ms=40")
                wait_for(lambda: server.value("SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%%pg_sleep%%' "
                                              "AND state = 'active' AND pid <> pg_backend_pid()", dbname="test"), 1,
                         "the nap", interval=0)
                reply = w.get("/pid").json
                assert reply["ro"] == "on"
                pids.add(reply["pid"])
                assert c.read_reply().status == 200
        assert len(pids) == 2
    finally:
        w.stop()


def test_a_lane_that_meets_its_guard_twice_is_given_up(server):
    """Behind a lock every statement in flight would cost the ones behind it a guard."""
    guard, n = 0.3, 8
    w = lone(server, {"locked": "-- @route GET /locked\n-- @timeout 10s\n-- @returns row\nSELECT count(*) AS n, "
                                "current_setting('default_transaction_read_only') AS ro FROM item"},
             express_guard="300ms", pool_max=14)
    conns = [Connection(w.listen, timeout=30) for _ in range(2 * n)]
    paths = ["/locked"] * n + ["/lane"] * n
    holder = server.connect("test")
    try:
        earn(w, "/locked")
        assert w.get("/locked").json["ro"] == "on"
        for c in conns:
            c.send_request("/lane")
            assert c.read_reply().body == b'"on"'
        holder.autocommit = False
        with holder.cursor() as cur:
            cur.execute("LOCK TABLE item")
        start = time.monotonic()
        in_one_turn(w, conns, paths)
        for c in conns[n:]:
            assert c.read_reply().status == 200
        took = time.monotonic() - start
        holder.rollback()
        for c in conns[:n]:
            reply = c.read_reply()
            assert reply.status == 200 and reply.json["ro"] == "off"
        assert 2 * guard < took < 2 * guard + 0.4 * PATIENCE
        assert w.get("/locked").json["ro"] == "off"
        wait_for(lambda: w.get("/lane").body == b'"on"', 2, "the innocent endpoint to keep its lane")
    finally:
        holder.close()
        for c in conns:
            c.close()
        w.stop()


@pytest.mark.parametrize("pooler", [False, True])
def test_a_result_far_beyond_the_limit_is_not_collected_first(server, pooler):
    """400 MB would come; the limit is 64 KiB."""
    def peak():
        return next(int(line.split()[1]) for line in open(f"/proc/{w.pid}/status") if line.startswith("VmHWM")) // 1024
    big = "-- @route GET /big\n-- @timeout 10s\nSELECT repeat('x', 1000) AS x FROM generate_series(1, 400000)"
    w = LoneWorker(Site(server.conninfo_for("test", user="postgres"), {**ENDPOINTS, "big": big},
                        {"limits": {"response": "64KiB"}, "database": {"main": {**OPTIONS["database"]["main"],
                                                                               "pooler": pooler}}}))
    try:
        assert w.get("/nap").status == 200
        before = peak()
        for _ in range(5):
            reply = w.get("/big", timeout=20)
            assert reply.status == 500 and "larger than this server sends" in reply.json["detail"]
            assert w.get("/nap").status == 200
        assert peak() - before < 60 * PATIENCE
        wait_for(lambda: server.value("SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND "
                                      "query LIKE '%%generate_series%%' AND pid <> pg_backend_pid()", dbname="test") == 0,
                 2, "the statement to be stopped")
    finally:
        w.stop()


@pytest.mark.parametrize("tcp", [False, True])
def test_a_large_result_within_the_limit_arrives(server, tcp):
    """What waits at the socket is read in pieces, and none of it counted twice."""
    sizes = {"long": (1000, 7000), "short": (10, 300000)}
    w = LoneWorker(Site(server.conninfo_for("test", user="postgres", tcp=tcp),
                        {name: f"-- @route GET /{name}\n-- @timeout 20s\nSELECT repeat('x', {n}) AS x FROM generate_series(1, {k})"
                         for name, (n, k) in sizes.items()}, {"limits": {"response": "8MiB"}, **OPTIONS}))
    try:
        for name, (n, k) in sizes.items():
            for _ in range(3):
                reply = w.get("/" + name, timeout=30)
                assert reply.status == 200 and len(reply.body) == k * (n + 9) + 1
    finally:
        w.stop()


def test_a_flood_in_the_express_lane_is_stopped(server):
    """The guard sees how long a statement takes and not how much it sends: half a second of it were some 500 MB."""
    def peak():
        return next(int(line.split()[1]) for line in open(f"/proc/{w.pid}/status") if line.startswith("VmHWM")) // 1024
    flood = ("-- @route GET /flood\n-- @param n default 1\n-- @timeout 10s\n"
             "SELECT repeat('x', 1000) AS x, current_setting('default_transaction_read_only') AS ro FROM generate_series(1, :n::int)")
    w = LoneWorker(Site(server.conninfo_for("test", user="postgres"), {**ENDPOINTS, "flood": flood},
                        {"limits": {"response": "64KiB"},
                         "database": {"main": {**OPTIONS["database"]["main"], "express_guard": "500ms"}}}))
    try:
        earn(w)
        wait_for(lambda: [w.get("/flood").json[0]["ro"] for _ in range(40)][-1] == "on", 10, "the lane to be earned")
        before = peak()
        conns = [Connection(w.listen, timeout=30) for _ in range(20)]
        for i, c in enumerate(conns):
            c.send_request("/flood?n=400000" if i == 3 else "/lane")
        replies = [c.read_reply() for c in conns]
        for c in conns:
            c.close()
        assert replies[3].status == 500 and "larger than this server sends" in replies[3].json["detail"]
        assert [r.status for i, r in enumerate(replies) if i != 3] == [200] * 19
        assert peak() - before < 60 * PATIENCE
        assert w.get("/flood").json[0]["ro"] == "off", "it is held"
        assert [w.get("/lane").status for _ in range(40)] == [200] * 40
    finally:
        w.stop()


def test_statements_that_share_a_sync_share_nothing_else(server):
    """batch = turn: an error takes the statements behind it with it; they run again by themselves."""
    w = lone(server, {"div": "-- @route GET /div\n-- @param k\n-- @param n default 1\n-- @returns row\n"
                             "SELECT :k::int AS k, 10 / :n::int AS q"}, batch="turn")
    conns = [Connection(w.listen, timeout=30) for _ in range(48)]
    try:
        earn(w, "/div?k=1")
        for turn in range(30):
            bad = {turn % 48, 40} if turn % 3 else set()
            in_one_turn(w, conns, [f"/div?k={i}&n={0 if i in bad else 1}" for i in range(48)])
            for i, c in enumerate(conns):
                reply = c.read_reply()
                if i in bad:
                    assert reply.status == 400
                else:
                    assert reply.status == 200 and reply.json == {"k": i, "q": 10}
    finally:
        for c in conns:
            c.close()
        w.stop()


def test_a_batch_is_lost_with_its_connection_and_run_again(server):
    w = lone(server, {}, batch="turn")
    conns = [Connection(w.listen, timeout=30) for _ in range(48)]
    try:
        earn(w)
        for _ in range(5):
            pids = sessions(server)
            for pid in pids:
                os.kill(pid, signal.SIGSTOP)
            in_one_turn(w, conns, ["/lane"] * 48)
            for _ in range(2):
                assert w.get("/none").status == 404
            for pid in pids:
                os.kill(pid, signal.SIGTERM)
                os.kill(pid, signal.SIGCONT)
            assert [c.read_reply().status for c in conns] == [200] * 48
            wait_for(lambda: len(sessions(server)) >= 2, 5, "new connections")
    finally:
        for c in conns:
            c.close()
        w.stop()
