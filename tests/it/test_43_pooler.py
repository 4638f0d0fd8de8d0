"""pooler = yes, through a real PgBouncer in transaction mode: every statement may meet another server session."""

import signal
import threading
import time

import psycopg2
import pytest

from weirtest import neighbours
from weirtest.base import PATIENCE, wait_for
from weirtest.between import PgBouncer
from weirtest.fcgi import Connection
from weirtest.weir import LoneWorker, Site

from test_61_cache import is_hit

ENDPOINTS = {
    **neighbours.ENDPOINTS,
    "lane": "-- @route GET /lane\n-- @returns value\nSELECT current_setting('transaction_read_only') AS ro",
    "when": "-- @route GET /when\n-- @returns row\nSELECT timestamptz '2024-06-01 12:00Z' AS t, interval '1 day 2:03' AS i",
    "nap": "-- @route GET /nap\n-- @param ms default 0\n-- @returns value\nSELECT pg_sleep(:ms::int / 1000.0)::text AS s",
    "add": "-- @route POST /add\n-- @param k\n-- @returns none\nINSERT INTO item (k) VALUES (:k::int)",
    "items": "-- @route GET /items\nSELECT k FROM item ORDER BY k",
}
OPTIONS = {"database": {"main": {"pool_min": 3, "pool_max": 10, "query_timeout": "2s", "pooler": True,
                                 "timezone": "Asia/Tokyo"}}}


@pytest.fixture
def bouncer(own_pg):
    own_pg.sql("CREATE TABLE item (k int PRIMARY KEY)", dbname="test")
    # what a session setting would have to hold against
    own_pg.sql("ALTER ROLE postgres SET datestyle = 'German'", dbname="test")
    own_pg.sql("ALTER ROLE postgres SET intervalstyle = 'iso_8601'", dbname="test")
    made = PgBouncer(own_pg).start()
    yield made
    made.close()


@pytest.fixture
def worker(bouncer):
    w = LoneWorker(Site(bouncer.conninfo("test"), ENDPOINTS, OPTIONS))
    yield w
    w.stop()


def warm(worker):
    """As often as would earn the express lane without a pooler. There is none: PgBouncer gives what is under way on one
    connection to another when a statement fails (pgbouncer/pgbouncer#759)."""
    with Connection(worker.listen) as c:
        for _ in range(100):
            for path, user in (("/lane", {}), ("/who?nonce=x", {"REMOTE_USER": "warm"})):
                c.send_request(path, **user)
                reply = c.read_reply()
                assert reply.status == 200 and (path != "/lane" or reply.body == b'"off"')


def foreign_sessions(bouncer):
    """(timeout, user, read-only) as another client of the same server sessions sees them."""
    conn = psycopg2.connect(bouncer.conninfo("test"))
    conn.autocommit = True
    with conn.cursor() as cur:
        cur.execute("SELECT current_setting('statement_timeout'), coalesce(current_setting('request.user', true), ''), "
                    "current_setting('transaction_read_only'), current_setting('timezone') <> 'Asia/Tokyo', "
                    "(SELECT count(*) FROM pg_prepared_statements), (SELECT count(*) FROM pg_listening_channels())")
        row = cur.fetchone()
    conn.close()
    return row


def test_output_does_not_depend_on_the_servers_settings(worker):
    want = {"t": "2024-06-01T21:00:00+09:00", "i": "1 day 02:03:00"}
    assert worker.get("/when").json == want
    warm(worker)
    assert worker.get("/when").json == want


def test_writes_and_errors(worker, bouncer):
    assert worker.get("/lane").body == b'"off"'
    warm(worker)
    for k in (1, 2):
        assert worker.get("/add", method="POST", body=b'{"k":%d}' % k,
                          headers={"Content-Type": "application/json"}).status == 204
    assert worker.get("/add", method="POST", body=b'{"k":1}',
                      headers={"Content-Type": "application/json"}).status == 409
    assert worker.get("/items").json == [{"k": 1}, {"k": 2}]
    start = time.monotonic()
    assert worker.get("/nap?ms=9000").status == 504
    assert time.monotonic() - start < 3 * PATIENCE
    for _ in range(8):
        assert foreign_sessions(bouncer) == ("0", "", "off", True, 0, 0)


def test_neighbours_never_see_each_other(worker, bouncer):
    warm(worker)
    wrong, done = [], threading.Event()

    def stranger():
        while not done.is_set():
            row = foreign_sessions(bouncer)
            if row != ("0", "", "off", True, 0, 0):
                wrong.append(row)

    other = threading.Thread(target=stranger)
    other.start()
    mixed = neighbours.mixed_up(worker.listen, 12)
    done.set()
    other.join()
    assert not mixed and not wrong


def test_descriptions_are_good_while_others_use_the_unnamed_statement(own_pg, site):
    """One server session for all: what is not in one group can be cut in two by anybody."""
    bouncer = PgBouncer(own_pg, pool_size=1).start()
    own_pg.sql("CREATE TABLE item (k int PRIMARY KEY)", dbname="test")
    done = threading.Event()

    def hammer():
        conn = psycopg2.connect(bouncer.conninfo("test"))
        conn.autocommit = True
        with conn.cursor() as cur:
            while not done.is_set():
                cur.execute("SELECT 1")  # a simple query drops the unnamed statement
        conn.close()
    threads = [threading.Thread(target=hammer) for _ in range(3)]
    for t in threads:
        t.start()
    try:
        s = site(bouncer.conninfo("test"), ENDPOINTS, OPTIONS)
        for _ in range(5):
            got = s.weird("-t")
            assert got.returncode == 0, got.stderr
    finally:
        done.set()
        for t in threads:
            t.join()
        bouncer.close()


def test_what_cannot_be_reset_needs_its_authors_word(own_pg, bouncer, site):
    """7.3: a SET that hides in a function would reach the pooler's next client."""
    own_pg.sql("CREATE FUNCTION hidden() RETURNS int LANGUAGE sql AS 'SELECT 1'; CREATE VIEW behind AS SELECT hidden() AS h", dbname="test")
    texts = {"calls": "SELECT hidden() AS x", "reads": "SELECT h AS x FROM behind", "call": "SELECT 1 AS x"}
    got = site(bouncer.conninfo("test"), {k: f"-- @route GET /{k}\n{v}" for k, v in texts.items()}, OPTIONS).weird("-t")
    said = got.stdout + got.stderr
    assert got.returncode != 0 and "calls.sql:2: it calls public.hidden(), and" in said and "say @session clean" in said
    assert "reads.sql:2: what it reaches calls public.hidden()" in said and "call.sql" not in said
    got = site(bouncer.conninfo("test"), {k: f"-- @route GET /{k}\n-- @session clean\n{v}" for k, v in texts.items()}, OPTIONS).weird("-t")
    assert got.returncode == 0, got.stderr


@pytest.mark.parametrize("sig", [signal.SIGTERM, signal.SIGKILL])
def test_the_pooler_is_restarted_under_load(worker, bouncer, sig):
    warm(worker)
    done, bad = threading.Event(), []

    def client():
        with Connection(worker.listen, timeout=30) as c:
            while not done.is_set():
                c.send_request("/lane")
                status = c.read_reply().status
                if status != 200:
                    bad.append(status)
    threads = [threading.Thread(target=client) for _ in range(4)]
    for t in threads:
        t.start()
    for _ in range(2):
        bouncer.stop(sig)
        wait_for(lambda: worker.get("/lane").status == 503, 5, "503 without the pooler")
        bouncer.start()
        wait_for(lambda: worker.get("/lane").status == 200, 1.5, "service after the pooler is back")
    done.set()
    for t in threads:
        t.join()
    assert set(bad) <= {503}


def test_the_server_behind_the_pooler_is_restarted(worker, bouncer):
    assert worker.get("/lane").status == 200
    bouncer.server.restart("fast")
    wait_for(lambda: worker.get("/lane").status == 200, 3, "service after the server is back")


TAGGED = {"book": "-- @route GET /book/{id}\n-- @returns row\n-- @cache 60s tags book:{id}\nSELECT :id::int AS id"}


@pytest.mark.parametrize("events", ["off", "conninfo"])
def test_tags_are_kept_after_a_restart(own_pg, bouncer, weir, events):
    """7, trial: PgBouncer's sessions outlive weird, and its process ids are any 32 bits: what was asked with them in it failed
    for ever, and nothing under tags was kept. With 8 of them one is above 2^31, nearly always."""
    more = {"events": "off"} if events == "off" else {"events_conninfo": own_pg.conninfo_for("test")}
    options = {"database": {"main": {"pool_min": 8, "pool_max": 10, "pooler": "transaction", **more}}, "workers": {"min": 2, "max": 2}}
    s = Site(bouncer.conninfo("test"), TAGGED, options)
    try:
        for _ in range(2):
            w = weir(site=s)
            wait_for(lambda: is_hit(w.get("/book/1")), 4, "a hit")
            assert set(w.metrics()[k] for k in w.metrics() if k.startswith("weir_cache_unsettled")) == {0.0}
            w.stop()
    finally:
        s.remove()


def test_a_pooler_that_nobody_was_told_of(own_pg, bouncer, site, weir):
    """7.12: weird -t sees that the session's backend is not the one that it was told of; and where sessions are given from one to
    another, the log says what to set."""
    ends = {"one": "-- @route GET /one\n-- @returns value\nSELECT 1 AS n"}
    said = "set pooler = "
    assert said not in site(own_pg.conninfo_for("test", user="postgres"), ends).weird("-t").stdout
    w = weir(endpoints=ends, conninfo=bouncer.conninfo("test"), options={"workers": {"min": 2, "max": 2},
                                                                         "database": {"main": {"pool_min": 4, "pool_max": 10}}})
    wait_for(lambda: said in w.log_text(), 20, "the cause")
    w.stop()
    assert said in site(bouncer.conninfo("test"), ends).weird("-t").stdout
    assert said not in site(bouncer.conninfo("test"), ends, OPTIONS).weird("-t").stdout
