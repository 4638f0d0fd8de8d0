"""What `weird -t` says of faults that a first day brings: each names its place and what to do."""

import json
import os
import signal
import threading
import time

import pytest

from weirtest.weir import LoneWorker

SELECT = "-- @route GET /a\n{}SELECT id, email FROM users WHERE id = :id\n"


def said(done):
    return done.stdout + done.stderr


STATEMENTS = [
    # a default that the type of its column does not take: each request without the parameter would be a 400
    (SELECT.format("-- @param id default first\n"), "a.sql:2", ["parameter id", "'first'", "an integer"]),
    (SELECT.format("-- @param id choice 1|two\n"), "a.sql:2", ["parameter id", "choice 'two'"]),
    (SELECT.format("-- @param id range 1..many\n"), "a.sql:2", ["parameter id", "'many'"]),
    ("-- @route GET /a\n-- @param ids default 1\nSELECT id FROM users WHERE id = ANY (:ids)\n", "a.sql:2",
     ["parameter ids", "{a,b}"]),
    # a header that would always be empty
    (SELECT.format("-- @header X-Name: {name}\n"), "a.sql:3", ["@header X-Name", "no column name"]),
    # PostgreSQL counts parameters, people name them
    ("-- @route GET /a\n-- @param q optional\nSELECT id FROM users WHERE :q IS NULL OR email = :q\n", "a.sql:3:28",
     ["parameter :q", ":q::text"]),
]


@pytest.mark.parametrize("text, place, words", STATEMENTS, ids=[t[2][0] + str(i) for i, t in enumerate(STATEMENTS)])
def test_statement_that_does_not_fit_its_directives(pg, site, text, place, words):
    s = site(pg.conninfo, {"a": text})
    done = s.weird("-t")
    assert done.returncode == 78, said(done)
    assert f"{s.endpoints}/{place}" in said(done), said(done)
    for word in words:
        assert word in said(done), said(done)


def test_directives_that_fit_pass(pg, site):
    done = site(pg.conninfo, {"a": SELECT.format(
        "-- @param id default 7 range 1..99999999999\n-- @header X-Name: {email} of {id}\n"),
        "b": "-- @route GET /b\n-- @param ids default {}\nSELECT id FROM users WHERE id = ANY (:ids)\n"}).weird("-t")
    assert done.returncode == 0, said(done)


@pytest.mark.parametrize("conninfo, words", [
    ("hots=127.0.0.1 user=x", ["database main", "conninfo", '"hots"']),
    ("host=db.invalid user=x sslmode=require", ["database main", "sslmode=require", "verify-full"]),
])
def test_connection_string_that_never_connects_is_a_fault(site, conninfo, words):
    done = site(conninfo, {"a": SELECT.format("")}).weird("-t")
    assert done.returncode == 78, said(done)
    for word in words:
        assert word in said(done), said(done)


def test_database_that_is_away_is_no_fault(site):
    done = site("host=/nowhere user=x", {"a": SELECT.format("")}).weird("-t")
    assert done.returncode == 0 and "not reachable" in said(done), said(done)


def test_owner_and_folders_of_sockets(site):
    s = site(None, {"a": SELECT.format("")})
    text = s.conf.read_text()
    s.conf.write_text(text + 'socket_group = "no-such-group"\n')
    done = s.weird("-t", "--offline")
    assert done.returncode == 78 and "no-such-group" in said(done), said(done)
    s.conf.write_text(text.replace(str(s.control), f"{s.dir}/later/control.sock"))
    done = s.weird("-t", "--offline")
    assert done.returncode == 0 and f"no folder {s.dir}/later" in said(done), said(done)
    done = s.weird(timeout=20)
    assert done.returncode == 78 and f"there is no folder {s.dir}/later" in said(done), said(done)


def test_files_of_keys_are_named_with_their_key(site):
    s = site(None, {"a": SELECT.format("")})
    s.conf.write_text(s.conf.read_text() + 'auth { jwks = "none.json"  api_keys = "none.keys" }\n')
    done = s.weird("-t", "--offline")
    assert done.returncode == 78
    assert "none.json: auth.jwks: " in said(done) and "none.keys: auth.api_keys: " in said(done), said(done)


def test_folder_without_endpoints_is_said(site):
    s = site(None, {"a": SELECT.format("")})
    os.unlink(s.endpoints / "a.sql")
    done = s.weird("-t", "--offline")
    assert done.returncode == 0 and "no *.sql file" in said(done), said(done)


def test_file_without_c_is_asked_back(site):
    s = site(None, {"a": SELECT.format("")})
    done = s.weird("-t", s.conf)
    assert done.returncode == 64 and f"'{s.conf}'" in done.stderr and "-c" in done.stderr


@pytest.fixture
def small_role(pg):
    """A role that may have 20 connections."""
    pg.sql("CREATE ROLE small_role LOGIN CONNECTION LIMIT 20")
    pg.sql("GRANT SELECT ON users TO small_role")
    yield pg.conninfo_for(user="small_role")
    pg.sql("DROP OWNED BY small_role")
    pg.sql("DROP ROLE small_role")


@pytest.mark.parametrize("pool_max, code, words", [
    (14, 0, ["up to 17 connections (pool_max 14, weir-monitor 3) of 20"]),
    (15, 0, ["warning: ", "up to 18 ", "fewer than 3"]),
    (17, 0, ["warning: ", "up to 20 "]),
    (18, 78, ["up to 21 ", "lower pool_max"]),
])
def test_pool_is_held_against_what_the_server_has(small_role, site, pool_max, code, words):
    done = site(small_role, {"a": SELECT.format("")}, {"database": {"main": {"pool_max": pool_max}}}).weird("-t")
    assert done.returncode == code, said(done)
    assert ("warning" in said(done)) == ("warning: " in words)
    for word in words:
        assert word in said(done), said(done)


def test_pools_of_one_server_are_added_up(pg, site):
    most = int(pg.value("SHOW max_connections"))
    block = {"conninfo": pg.conninfo, "pool_min": 2, "pool_max": most // 2}
    done = site(pg.conninfo, {"a": SELECT.format(""), "b": "-- @route GET /b\n-- @database other\nSELECT id FROM users\n"},
                {"database": {"main": block, "other": block}}).weird("-t")
    assert done.returncode == 78 and "2 databases" in said(done), said(done)


def test_shared_memory_is_said(site):
    s = site(None, {"a": SELECT.format("")}, {"cache": {"memory": "20MiB"}})
    done = s.weird("-t", "--offline")
    assert "20.0 MiB for the cache" in said(done) and "warning" not in said(done), said(done)
    said_bytes = json.loads(s.weird("-T").stdout)["shared_memory_bytes"]
    assert 20 << 20 < said_bytes < 40 << 20
    s.write_conf({"cache": {"memory": "250GiB"}})
    assert "warning: shared memory: " in said(s.weird("-t", "--offline"))


def test_shared_memory_is_what_is_taken(weir):
    w = weir({"a": "-- @route GET /a\n-- @returns none\n"})
    told = json.loads(w.site.weird("-T").stdout)["shared_memory_bytes"]
    assert w.ctl("info", json=True).json["shared_memory_bytes"] == told


class Busy:
    """A machine on which each backend of a database gets 1 ms of every 30."""

    def __init__(self, db):
        self.postmaster, self.title, self.over = db.pg.proc.pid, f": weir {db.name} ".encode(), threading.Event()
        self.thread = threading.Thread(target=self.run)

    def backends(self):
        for pid in open(f"/proc/{self.postmaster}/task/{self.postmaster}/children").read().split():
            try:
                if self.title in open(f"/proc/{pid}/cmdline", "rb").read():
                    yield int(pid)
            except OSError:
                pass

    def tell(self, pids, sig):
        for pid in pids:
            try:
                os.kill(pid, sig)
            except ProcessLookupError:
                pass

    def run(self):
        while not self.over.is_set():
            pids = list(self.backends())
            self.tell(pids, signal.SIGSTOP)
            time.sleep(0.03)
            self.tell(pids, signal.SIGCONT)
            time.sleep(0.001)

    def __enter__(self):
        self.thread.start()

    def __exit__(self, *_):
        self.over.set()
        self.thread.join()


def test_a_busy_machine_is_no_database_that_is_away(db, site):
    """7.17: what sets a session up, and describes, is not under the guard of the express lane: weird -t finishes, and a
    worker starts with its database."""
    db.sql("CREATE TABLE users (id int, tags text[]); GRANT ALL ON users TO weir")
    s = site(db.conninfo, {"a": "-- @route GET /a\nSELECT * FROM users"},
             {"status": None, "database": {"main": {"express_guard": "10ms", "connect_timeout": "20s"}}})
    with Busy(db):
        done = s.weird("-t")
        assert done.returncode == 0 and "not reachable" not in said(done) and "timeout" not in said(done), said(done)
        w = LoneWorker(s)
        try:
            assert w.get("/a").json == []
            assert "timeout" not in w.log_text() and "away" not in w.log_text()
        finally:
            w.stop()


def test_a_check_that_was_not_finished_is_a_fault(db, site):
    """7.17: a database that is there, and says nothing of a statement in time, has not found it valid."""
    db.sql("""CREATE FUNCTION slow(int) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS 'BEGIN PERFORM pg_sleep(60); RETURN true; END';
        CREATE DOMAIN late AS int CHECK (slow(VALUE))""")
    done = site(db.conninfo, {"a": "-- @route GET /a\nSELECT '{1}'::late[] AS x"},
                {"database": {"main": {"connect_timeout": "1s"}}}).weird("-t")
    assert done.returncode == 78 and "not all could be checked" in said(done), said(done)
    assert "valid" not in done.stdout.splitlines()[-1:], said(done)
