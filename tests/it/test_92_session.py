"""What a statement leaves behind on a connection that the next request gets: transactions, settings, locks, and answers
that are none (issue 7: 2, 3, 16)."""

import json
import os
import time

import pytest

from weirtest.base import PATIENCE, wait_for
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
    if (kind, trick) == ("write", "none"):
        # its COMMIT waits for an answer, and what says nothing may be slow
        assert got.status == 504 and "outcome" not in got.json, got
        return
    assert got.status in (500, 503), got
    assert time.monotonic() - start < 1.9 * PATIENCE, "it is told at once and not at its deadline"
    if trick.startswith("left_"):
        assert got.status == 500 and "left its transaction open" in hostile.log_text()
    elif kind == "write" and trick == "rubbish":
        # the connection is gone before the COMMIT was sent
        assert got.json["code"] in ("db_down", "outcome_unknown"), got
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
    "VACUUM t": "run it by psql or vacuumdb", "CREATE INDEX CONCURRENTLY i ON t (a)": "without CONCURRENTLY",
    "REINDEX (VERBOSE, CONCURRENTLY) TABLE t": "without CONCURRENTLY", "CREATE DATABASE d": "CREATE DATABASE cannot run inside",
    "ALTER SYSTEM SET work_mem = '1MB'": "ALTER SYSTEM cannot run inside", "LOCK TABLE t": "FOR UPDATE",
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


# ---- what stays in a session ----

# each as the body of a function's EXECUTE, or several
MISCHIEF = {
    "user": "SELECT set_config('request.user', 'mallory', false)",
    "claims": """SELECT set_config('request.jwt.claims', '{"sub":"mallory"}', false)""",
    "path": "SELECT set_config('search_path', 'elsewhere, public', false)",
    "set": "SET SESSION bytea_output = 'escape'",
    "zone": "SET TimeZone = 'Asia/Tokyo'",
    "dates": "SET DateStyle = 'German, DMY'",
    "timeout": "SET statement_timeout = '1h'",
    "readonly": "SET default_transaction_read_only = on",
    "role": "SET ROLE other",
    "authorization": "SET SESSION AUTHORIZATION other",
    "temp": "CREATE TEMP TABLE shadowed AS SELECT 666 AS id",
    "tempview": "CREATE TEMP VIEW shadowed AS SELECT 666 AS id",
    "lock": "SELECT pg_advisory_lock(4711)",
    "sharedlock": "SELECT pg_advisory_lock_shared(4712)",
    "listen": "LISTEN noise",
    "prepare": "PREPARE foreign_one AS SELECT 1",
    "ours": "PREPARE w9_9 AS SELECT 666 AS id",
    "cursor": "DECLARE held CURSOR WITH HOLD FOR SELECT 1",
    "sequence": "SELECT nextval('numbers')",
    "seed": "SELECT setseed(0.5)",
}
SCHEMA = """
CREATE ROLE other; GRANT other TO weirs; CREATE SCHEMA elsewhere; CREATE SEQUENCE numbers;
CREATE TABLE shadowed (id int); INSERT INTO shadowed VALUES (1); CREATE TABLE elsewhere.shadowed (id int);
CREATE TABLE note (owner text, body text); INSERT INTO note SELECT u, u || '''s' FROM unnest('{alice,bob,mallory}'::text[]) u;
ALTER TABLE note ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON note USING (owner = nullif(current_setting('request.user', true), ''));
GRANT ALL ON ALL TABLES IN SCHEMA public, elsewhere TO weirs, other; GRANT USAGE ON SCHEMA elsewhere TO weirs, other;
GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO weirs, other; GRANT CREATE ON SCHEMA public TO weirs;
CREATE FUNCTION mischief(what text) RETURNS text LANGUAGE plpgsql AS $$ BEGIN
""" + "\n".join(f"IF what = '{k}' THEN EXECUTE $x${v}$x$; END IF;" for k, v in MISCHIEF.items()) + """
  RETURN current_setting('default_transaction_read_only'); END $$;
-- the ways to a function that does not stand in the text; each of them makes the caller mallory
CREATE FUNCTION evil() RETURNS text LANGUAGE plpgsql STABLE AS $$ BEGIN PERFORM set_config('request.user', 'mallory', false); RETURN 'x'; END $$;
CREATE FUNCTION evil_sql() RETURNS text LANGUAGE sql IMMUTABLE AS $$ SELECT set_config('request.user', 'mallory', false) $$;
CREATE FUNCTION evil_of(text) RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN PERFORM evil(); RETURN $1; END $$;
CREATE FUNCTION evil_is(text) RETURNS bool LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN PERFORM evil(); RETURN true; END $$;
CREATE FUNCTION evil_same(text, text) RETURNS bool LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN PERFORM evil(); RETURN true; END $$;
CREATE FUNCTION evil_step(text, text) RETURNS text LANGUAGE plpgsql AS $$ BEGIN PERFORM evil(); RETURN $1; END $$;
CREATE FUNCTION evil_trigger() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM evil(); RETURN new; END $$;
CREATE FUNCTION evil_set() RETURNS SETOF int LANGUAGE plpgsql AS $$ BEGIN PERFORM evil(); RETURN NEXT 1; END $$;
CREATE AGGREGATE evil_sum(text) (SFUNC = evil_step, STYPE = text, INITCOND = '');
CREATE OPERATOR === (LEFTARG = text, RIGHTARG = text, FUNCTION = evil_same);
CREATE TYPE pair AS (a text);
CREATE FUNCTION evil_cast(pair) RETURNS int LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN PERFORM evil(); RETURN 1; END $$;
CREATE CAST (pair AS int) WITH FUNCTION evil_cast(pair) AS IMPLICIT;
CREATE DOMAIN checked AS text CHECK (evil_is(value));
CREATE VIEW a_view AS SELECT id, evil() AS e FROM shadowed;
CREATE VIEW on_view AS SELECT * FROM a_view;
CREATE VIEW builtin_view AS SELECT set_config('request.user', 'mallory', false) AS e;
CREATE MATERIALIZED VIEW fine_view AS SELECT id, evil() AS e FROM shadowed;
CREATE TABLE policed (id int); INSERT INTO policed VALUES (1); ALTER TABLE policed ENABLE ROW LEVEL SECURITY;
CREATE POLICY p ON policed USING (evil_is('x'));
CREATE TABLE policed2 (id int); INSERT INTO policed2 VALUES (1); ALTER TABLE policed2 ENABLE ROW LEVEL SECURITY;
CREATE POLICY p ON policed2 USING (set_config('request.user', 'mallory', false) IS NOT NULL);
CREATE TABLE person (name text); INSERT INTO person VALUES ('x');
CREATE FUNCTION nick(person) RETURNS text LANGUAGE sql AS $$ SELECT evil() $$;
CREATE TABLE pairs (p pair); INSERT INTO pairs VALUES (ROW('x'));
CREATE TABLE defaulted (a int, b text DEFAULT evil());
CREATE TABLE builtin_default (a int, b text DEFAULT set_config('request.user', 'mallory', false));
CREATE TABLE triggered (a int); CREATE TRIGGER t BEFORE INSERT ON triggered FOR EACH ROW EXECUTE FUNCTION evil_trigger();
CREATE TABLE parts (a int) PARTITION BY RANGE (a); CREATE TABLE part PARTITION OF parts FOR VALUES FROM (0) TO (1000);
CREATE TRIGGER t BEFORE INSERT ON part FOR EACH ROW EXECUTE FUNCTION evil_trigger();
CREATE TABLE ruled (a int); CREATE RULE r AS ON INSERT TO ruled DO ALSO SELECT evil();
CREATE TABLE constrained (a text CHECK (evil_is(a)));
CREATE TABLE indexed (a text); CREATE INDEX ON indexed (evil_of(a));
CREATE TABLE made (a text, b text GENERATED ALWAYS AS (evil_of(a)) STORED);
CREATE TABLE typed (a checked);
CREATE TABLE parent (a int PRIMARY KEY); INSERT INTO parent SELECT generate_series(0, 500);
CREATE TABLE child (a int REFERENCES parent ON DELETE CASCADE); INSERT INTO child SELECT generate_series(0, 500);
CREATE FUNCTION evil_gone() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM evil(); RETURN old; END $$;
CREATE TRIGGER t BEFORE DELETE ON child FOR EACH ROW EXECUTE FUNCTION evil_gone();
CREATE TABLE queries (q text); CREATE PROCEDURE evil_call() LANGUAGE plpgsql AS $$ BEGIN PERFORM evil(); END $$;
CREATE FUNCTION harmless(int) RETURNS text LANGUAGE sql AS $$ SELECT current_setting('default_transaction_read_only') $$;
GRANT ALL ON ALL TABLES IN SCHEMA public TO weirs; ALTER MATERIALIZED VIEW fine_view OWNER TO weirs;
"""
RO = "current_setting('default_transaction_read_only') AS ro"
READS = {
    "volatile": f"SELECT mischief('user') AS x, {RO}", "stable": f"SELECT evil() AS x, {RO}", "immutable": f"SELECT evil_sql() AS x, {RO}",
    "quoted": f"SELECT \"evil\"() AS x, {RO}", "qualified": f"SELECT public . evil /* c */ () AS x, {RO}", "escaped": f"SELECT U&\"\\0065vil\"() AS x, {RO}",
    "setof": f"SELECT {RO} FROM evil_set()", "aggregate": f"SELECT evil_sum(id::text) AS x, {RO} FROM shadowed",
    "window": f"SELECT evil_sum(id::text) OVER () AS x, {RO} FROM shadowed", "operator": f"SELECT 'a'::text === 'b' AS x, {RO}",
    "operator2": f"SELECT 'a'::text OPERATOR(public.===) 'b' AS x, {RO}", "cast": f"SELECT (p::int) AS x, {RO} FROM pairs",
    "implicit": f"SELECT 1 + p AS x, {RO} FROM pairs", "row": f"SELECT ROW('a')::pair::int AS x, {RO}", "domain": f"SELECT 'a'::checked AS x, {RO}",
    "parameter": f"SELECT :v::checked AS x, {RO}", "view": f"SELECT id, {RO} FROM a_view WHERE e IS NOT NULL", "onview": f"SELECT e AS x, {RO} FROM on_view",
    "builtin": f"SELECT e AS x, {RO} FROM builtin_view", "policy": f"SELECT id, {RO} FROM policed", "policy2": f"SELECT id, {RO} FROM policed2",
    "attribute": f"SELECT t.nick AS x, {RO} FROM person t", "attribute2": f"SELECT (person).nick AS x, {RO} FROM person",
    "xml": f"SELECT query_to_xml('SELECT evil()', true, false, '')::text AS x, {RO}", "xml2": f"SELECT table_to_xml('a_view', true, false, '')::text AS x, {RO}",
    "stat": f"SELECT (SELECT count(*) FROM ts_stat('SELECT evil()::tsvector')) AS x, {RO}", "in": f"SELECT domain_in('a', 'checked'::regtype, -1) AS x, {RO}",
    "populate": f"SELECT (json_populate_record(NULL::typed, '{{\"a\":\"x\"}}')).a::text AS x, {RO}",
    "lateral": f"SELECT l.x, {RO} FROM shadowed, LATERAL (SELECT evil() AS x) l", "cte": f"WITH a AS MATERIALIZED (SELECT evil() AS x) SELECT x, {RO} FROM a",
    "table": "TABLE a_view",
}
WRITES = {
    "default": "INSERT INTO defaulted (a) VALUES (1)", "default2": "INSERT INTO builtin_default (a) VALUES (1)",
    "trigger": "INSERT INTO triggered VALUES (1)", "parts": "INSERT INTO parts VALUES (1)", "rule": "INSERT INTO ruled VALUES (1)",
    "check": "INSERT INTO constrained VALUES ('a')", "index": "INSERT INTO indexed VALUES ('a')", "generated": "INSERT INTO made (a) VALUES ('a')",
    "typed": "INSERT INTO typed VALUES ('a')", "cascade": "DELETE FROM parent WHERE a = (SELECT max(a) FROM parent)", "call": "CALL evil_call()",
    "do": "DO $$ BEGIN PERFORM evil(); END $$", "refresh": "REFRESH MATERIALIZED VIEW fine_view", "returning": "INSERT INTO queries VALUES ('a') RETURNING evil()",
    "ddl": "CREATE TABLE IF NOT EXISTS new_one AS SELECT evil() AS x",
}
INNOCENT = """-- @route GET /innocent
-- @returns row
SELECT coalesce(current_setting('request.user', true), '') AS u, coalesce(current_setting('request.jwt.claims', true), '') AS c,
  current_setting('search_path') AS path, current_setting('role') AS role, session_user::text AS su, current_user::text AS cu,
  current_setting('bytea_output') AS bytea, current_setting('TimeZone') AS zone, current_setting('DateStyle') AS dates,
  (SELECT max(id) FROM shadowed) AS id, (SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()) AS locks,
  (SELECT count(*) FROM pg_listening_channels()) AS channels, (SELECT count(*) FROM pg_prepared_statements WHERE from_sql) AS prepared,
  (SELECT count(*) FROM pg_cursors WHERE is_holdable) AS cursors, (SELECT string_agg(owner, ',') FROM note) AS notes"""
ENDPOINTS = {
    "innocent": INNOCENT,
    "notes": "-- @route GET /notes\n-- @auth user\n-- @returns value\nSELECT string_agg(owner, ',') AS o FROM note",
    "open": "-- @route GET /open\n-- @returns value\nSELECT string_agg(owner, ',') AS o FROM note",
    "shadowed": "-- @route GET /shadowed\n-- @returns row\nSELECT max(id) AS id, current_setting('default_transaction_read_only') AS ro FROM shadowed",
    "plain": "-- @route GET /plain\n-- @returns value\nSELECT max(id) AS id FROM shadowed",
    "last": "-- @route GET /last\n-- @returns value\nSELECT lastval() AS l",
    "random": "-- @route GET /random\n-- @returns value\nSELECT random() AS r",
    "number": "-- @route POST /number\n-- @returns value\nINSERT INTO queries VALUES (nextval('numbers')::text) RETURNING q",
    "vouched": "-- @route GET /vouched\n-- @session clean\n-- @returns value\nSELECT harmless(1) AS ro",
    "unvouched": "-- @route GET /unvouched\n-- @returns value\nSELECT harmless(1) AS ro",
    "mischief": "-- @route POST /mischief\n-- @param what\n-- @returns none\nSELECT mischief(:what::text)",
    "peek": "-- @route GET /mischief\n-- @param what\n-- @returns value\nSELECT mischief(:what::text) AS x",
    **{f"r_{k}": f"-- @route GET /r/{k}\n{sql}" for k, sql in READS.items()},
    **{f"w_{k}": f"-- @route POST /w/{k}\n-- @returns none\n{sql}" for k, sql in WRITES.items()},
}


@pytest.fixture(scope="module", params=["express", "exclusive"])
def sessions(request):
    """A worker with one connection to each lane, as good as, or with the exclusive lane only."""
    from weirtest.pg import Postgres
    server = Postgres()
    server.start()
    server.create_database("test")
    server.dbname = "test"
    server.sql("CREATE ROLE weirs LOGIN")
    server.sql(SCHEMA)
    lanes = {"express": 1, "pool_max": 5} if request.param == "express" else {"express": 0, "pool_max": 3}
    w = LoneWorker(Site(server.conninfo_for("test", user="weirs"), ENDPOINTS, {
        "auth": {"user_param": "REMOTE_USER"}, "workers": {"min": 1, "max": 1}, "database": {"main": {"pool_min": 2, "query_timeout": "5s", **lanes}}}))
    w.server, w.lane = server, request.param
    yield w
    w.stop()
    server.close()


def clean(w, user=None):
    who = {"REMOTE_USER": user} if user else {}
    row = w.get("/innocent", **who).json
    assert row == {"u": "", "c": "", "path": '"$user", public', "role": "none", "su": "weirs", "cu": "weirs", "bytea": "hex", "zone": "UTC",
                   "dates": row["dates"], "id": 1, "locks": 0, "channels": 0, "prepared": 0, "cursors": 0, "notes": None}, row
    assert row["dates"].startswith("ISO")
    assert w.get("/notes", REMOTE_USER="alice").json == "alice"
    assert w.get("/open").json is None
    assert w.get("/plain").json == 1


def warm(w):
    """The innocents' own lane, where there is one."""
    if w.lane == "exclusive":
        return
    def express():
        for _ in range(40):
            for path, who in (("/innocent", {}), ("/open", {}), ("/plain", {}), ("/notes", {"REMOTE_USER": "bob"})):
                w.get(path, **who)
            if w.get("/shadowed").json["ro"] == "on":
                return True
        return False
    wait_for(express, 10, "the innocents to earn the express lane")


def test_nothing_of_one_request_reaches_the_next(sessions):
    """7.3: every kind of state that a function can leave behind, each through a GET and a POST, with innocents of all lanes
    in between."""
    w = sessions
    warm(w)
    clean(w)
    for what in MISCHIEF:
        for _ in range(2):
            got = post(w, "/mischief", {"what": what})
            assert got.status == 204 or what == "authorization", (what, got)
            clean(w)
            got = w.get(f"/mischief?what={what}")
            assert got.status != 200 or got.json in ("off", "on" if what == "readonly" else "off"), (what, got)
            clean(w)
    # what a sequence gave to one request is not told to another
    for _ in range(3):
        assert post(w, "/number").status == 200
        assert w.get("/last").status == 500
    # random() cannot be foreseen
    post(w, "/mischief", {"what": "seed"})
    first = {w.get("/random").json for _ in range(2)}
    post(w, "/mischief", {"what": "seed"})
    assert not first & {w.get("/random").json for _ in range(2)}
    assert not w.server.sql("SELECT 1 FROM pg_locks WHERE locktype = 'advisory'")


@pytest.mark.parametrize("way", [*READS, *WRITES])
def test_no_way_to_a_function_is_overlooked(sessions, way):
    """7.3: behind views, policies, operators, casts, defaults, triggers ...: the statement never shares a lane, and who comes
    next is nobody else."""
    w = sessions
    if way in READS and way not in WRITES:
        for _ in range(50):
            got = w.get(f"/r/{way}?v=x" if way == "parameter" else f"/r/{way}")
            assert got.status == 200 or way in ("stat", "in"), got
            if got.status == 200 and way != "table":
                assert [r["ro"] for r in got.json] == ["off"], "it came to the express lane"
            assert w.get("/open").json is None
    else:
        for _ in range(3):
            got = post(w, f"/w/{way}")
            assert got.status == 204, got
            assert w.get("/open").json is None
    clean(w)


def test_the_author_may_vouch(sessions):
    """7.3: @session clean gives a statement that calls functions the express lane; without it there is none."""
    w = sessions
    seen = {w.get("/unvouched").json for _ in range(60)}
    assert seen == {"off"}
    if w.lane == "express":
        wait_for(lambda: any(w.get("/vouched").json == "on" for _ in range(40)), 10, "the express lane for who is vouched for")


def test_it_is_said_why_an_endpoint_has_a_connection_to_itself(db, weir):
    """7.3: weirctl endpoints names the function, and no statement of the sample shares a lane less than it might."""
    db.sql("CREATE FUNCTION f(int) RETURNS int LANGUAGE sql AS 'SELECT $1'; CREATE VIEW v AS SELECT f(1) AS x; CREATE TABLE plain (a text, f int)")
    w = weir(conninfo=db.conninfo.replace("user=weir", "user=postgres"), endpoints={
        "calls": "-- @route GET /calls\nSELECT f(1) AS x", "reads": "-- @route GET /reads\nSELECT x FROM v",
        "column": "-- @route GET /column\nSELECT f, upper(a) AS u, count(*) OVER () AS n, now() AS t FROM plain WHERE a LIKE 'x%' ORDER BY f",
        "vouched": "-- @route GET /vouched\n-- @session clean\nSELECT f(1) AS x"})
    rows = {r["id"]: (r["lane"], r["lane_reason"]) for r in json.loads(w.weirctl("-j", "endpoints").stdout)["endpoints"]}
    assert rows["calls"] == ("exclusive (session)", "it calls public.f(integer)")
    assert rows["reads"] == ("exclusive (session)", "what it reaches calls public.f(integer)")
    assert rows["column"] == rows["vouched"] == ("exclusive (cold)", None)


def test_the_sample_keeps_its_lane(pg, weir):
    """7.3: of examples/studio only what calls its functions is in the exclusive lane for it."""
    w = weir()
    rows = json.loads(w.weirctl("-j", "endpoints").stdout)["endpoints"]
    assert [r["id"] for r in rows if r["lane"] == "exclusive (session)"] == []
    assert sum(r["lane"] == "exclusive (cold)" for r in rows) > 15


@pytest.mark.parametrize("how", ["view", "policy", "trigger"])
def test_ddl_that_brings_a_function_in_is_noticed(own_pg, how):
    """7.3: what was clean when it was described and is not any more leaves the lane, and whoever was on it is replaced."""
    own_pg.sql("CREATE ROLE weirs LOGIN; GRANT CREATE ON SCHEMA public TO weirs")
    own_pg.sql(SCHEMA + "CREATE VIEW later AS SELECT id FROM shadowed; CREATE TABLE guarded (id int); INSERT INTO guarded VALUES (1);"
               "CREATE TABLE told (id int); GRANT ALL ON later, guarded, told TO weirs")
    ddl = {"view": ("CREATE OR REPLACE VIEW later AS SELECT id FROM shadowed WHERE evil() IS NOT NULL", "CREATE OR REPLACE VIEW later AS SELECT id FROM shadowed"),
           "policy": ("ALTER TABLE guarded ENABLE ROW LEVEL SECURITY; CREATE POLICY p ON guarded USING (evil_is('x'))", "DROP POLICY p ON guarded; CREATE POLICY p ON guarded USING (true)"),
           "trigger": ("CREATE TRIGGER t BEFORE INSERT ON told FOR EACH ROW EXECUTE FUNCTION evil_trigger()", "DROP TRIGGER t ON told")}[how]
    w = LoneWorker(Site(own_pg.conninfo_for("test", user="weirs"), {
        "open": ENDPOINTS["open"], "told": "-- @route POST /told\n-- @returns none\nINSERT INTO told VALUES (1)",
        "plain": "-- @route GET /plain\n-- @returns value\nSELECT coalesce(current_setting('request.user', true), '') AS u",
        **{k: f"-- @route GET /{k}\n-- @returns row\nSELECT id, {RO} FROM {t}" for k, t in (("view", "later"), ("policy", "guarded"))}},
        {"workers": {"min": 1, "max": 1}, "database": {"main": {"pool_min": 2, "pool_max": 5}}}))

    def seen():
        return post(w, "/told").status if how == "trigger" else w.get(f"/{how}").json["ro"]

    def innocent():
        return [w.get("/open").json, w.get("/plain").json] == [None, ""]
    try:
        good = 204 if how == "trigger" else "on"
        wait_for(lambda: [seen() for _ in range(40)][-1] == good, 10, "the express lane")
        own_pg.sql(ddl[0])
        if how != "trigger":
            wait_for(lambda: [seen() for _ in range(5)][-1] == "off", 5, "the function to be noticed")
        else:
            # what it leaves is put back: the last statement of its connection is the reset's
            wait_for(lambda: seen() and own_pg.value("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'weir' AND "
                     "query LIKE '%%set_config(n, v, false)%%'", dbname="test"), 5, "the function to be noticed")
        for _ in range(30):
            seen()
            assert innocent()
        own_pg.sql(ddl[1])
        wait_for(lambda: [seen() for _ in range(40)][-1] == good, 15, "the express lane again")
    finally:
        w.stop()


# ---- what is only parsed ----

# a constant of these runs the function when the statement is parsed, be it called or not
PARSED = """
CREATE SCHEMA evil; CREATE SCHEMA lk;
CREATE TABLE books (title text); INSERT INTO books VALUES ('good');
CREATE TABLE evil.books (title int); INSERT INTO evil.books VALUES (666);
CREATE FUNCTION public.chk2(i int) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN
  PERFORM set_config('search_path', 'evil', false), pg_advisory_lock(pg_backend_pid()); RETURN i > 0; END $$;
CREATE DOMAIN lk.dm2 AS int CHECK (public.chk2(VALUE));
CREATE TYPE lk.pair AS (a lk.dm2, b int);
CREATE TYPE lk.span AS RANGE (subtype = lk.dm2);
CREATE TABLE lk.t (d lk.dm2[]); GRANT ALL ON lk.t TO weir;
GRANT USAGE ON SCHEMA evil, lk TO weir; GRANT ALL ON books, evil.books TO weir;
"""
PARSING = {
    "array": "SELECT '{1}'::lk.dm2[] AS d", "composite": "SELECT '(1,2)'::lk.pair AS d", "domain": "SELECT '1'::lk.dm2 AS d",
    "range": "SELECT '[1,2]'::lk.span AS d", "nested": """SELECT '{"(1,2)"}'::lk.pair[] AS d""", "column": "SELECT d FROM lk.t WHERE d = '{1}'",
    "refused": "SELECT '{0}'::lk.dm2[] AS d",
}


@pytest.mark.parametrize("way", PARSING)
@pytest.mark.parametrize("is_called", [False, True], ids=["loaded", "called"])
def test_what_is_parsed_reaches_nobody_else(db, way, is_called):
    """7.3: Weir's own Parse, when it describes and when it looks again, runs functions of constants: what they leave is not
    in the next one's description, nor on anybody's connection, in either lane."""
    db.sql(PARSED)
    w = LoneWorker(Site(db.conninfo, {
        "a_lk": f"-- @route GET /lk\n{PARSING[way]}",
        "z_bt": f"-- @route GET /bt\n-- @returns row\nSELECT title, {RO} FROM books ORDER BY 1 LIMIT 1",
        "z_in": "-- @route POST /in\n-- @returns none\nINSERT INTO books VALUES ('more')"},
        {"workers": {"min": 1, "max": 1}, "database": {"main": {"pool_min": 2, "pool_max": 5}}}))
    seen = []

    def look():
        got = w.get("/bt")
        assert got.status == 200 and got.json["title"] == "good", got
        seen.append(got.json["ro"])
        assert post(w, "/in").status == 204
        if is_called:
            assert w.get("/lk").status == (500 if way == "refused" else 200)
    try:
        # a look at what is in use comes once a second
        end = time.monotonic() + (2.2 if is_called else 0)
        wait_for(lambda: [look() for _ in range(20)] and "on" in seen and time.monotonic() > end, 10, "the express lane")
        # a description anew, over a connection in use
        db.sql("ALTER TABLE books ALTER title TYPE varchar; ALTER TABLE evil.books ADD x int")
        for _ in range(30):
            look()
        assert db.sql("SELECT count(*) FROM evil.books")[0][0] == 1
        wait_for(lambda: not db.sql("SELECT 1 FROM pg_locks JOIN pg_database d ON d.oid = database "
                                    "WHERE locktype = 'advisory' AND datname = current_database()"), 3, "the locks to go")
    finally:
        w.stop()
