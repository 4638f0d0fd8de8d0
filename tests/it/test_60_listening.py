"""7.9, 7.12, 7.34, 7.38: does weir-monitor really hear? Sessions that look alive and are not, a pooler in the way, reloads,
partitions and DDL, and what other roles notify."""

import os
import re
import signal

import pytest

from test_60_events import (ENDPOINTS, FILE, SCHEMA, Ear, becomes, ear, figure, install, is_hit, listening,  # noqa: F401
                            slot_db, slot_weir, tags, warm, weird)
from weirtest.base import TOP, wait_for
from weirtest.between import PgBouncer, Relay
from weirtest.pg import Postgres
from weirtest.weir import Site, Weird

ONE = "-- @route GET /{0}\n-- @database {0}\n-- @returns value\n-- @cache 1h tags items\nSELECT sum(v) FROM item"


def gauge(weird, db):
    return weird.metrics()[f'weir_cache_invalidation_listening{{database="{db}"}}']


def gaps(weird, db):
    return weird.metrics().get(f'weir_cache_invalidation_gaps_total{{database="{db}"}}', 0)


@pytest.fixture
def start():
    """Factory: start(conninfo or {block: settings}, endpoints, options)."""
    running = []

    def make(databases, endpoints=ENDPOINTS, **options):
        if isinstance(databases, str):
            databases = {"main": {"conninfo": databases}}
        running.append(Weird(Site(None, endpoints, {"database": databases, **options})))
        return running[-1]
    yield make
    for w in running:
        w.stop()
        assert not re.search(r"Sanitizer|runtime error", w.log_text()), w.log_text()
        w.site.remove()


# 9, 12: sessions that look alive


def test_a_session_that_hears_nothing_is_noticed(slot_db, start):
    """7.9, 7.12: a backend that hangs, a link that acknowledges and drops, a walsender that hangs: the nonce does not come
    through. Until it does `listening` is 0; then there was a gap, and what was written meanwhile is seen."""
    db = slot_db
    db.sql("SELECT weir.unwatch('item'), weir.watch('item', 'items'), weir.unwatch('note'), weir.watch_slot('note', 'notes')")
    relay = Relay(db.port)
    way = f"host=127.0.0.1 port={relay.port} dbname=test user=weir"
    w = start({"main": {"conninfo": db.conninfo}, "far": {"conninfo": db.conninfo, "events_conninfo": way},
               "slot": {"conninfo": db.conninfo, "events": "slot", "events_slot": "weir_9"}},
              {"a": ONE.format("main"), "b": ONE.format("far"),
               "c": "-- @route GET /slot\n-- @database slot\n-- @returns value\n-- @cache 1h tags notes\nSELECT count(*) FROM note"})
    names = ("main", "far", "slot")
    try:
        wait_for(lambda: all(gauge(w, n) for n in names), 15, "all to be heard")
        warm(w, "/main", "/far", "/slot")
        listeners = [p for p, in db.sql("SELECT pid FROM pg_stat_activity WHERE application_name = 'weir-monitor' "
                                        "AND (backend_type = 'walsender' OR query LIKE '%%weir_insert%%')")]
        assert len(listeners) == 4, "three by LISTEN, one by the slot"
        for pid in listeners:
            os.kill(pid, signal.SIGSTOP)
        relay.pause()
        db.sql("UPDATE item SET v = 1 WHERE id = 1; INSERT INTO note VALUES (1, NULL, '')")
        # each by a clock of its own, and main's next session hears again at once: the three need not be unheard together,
        # and of main the gap may be all that is left to be seen
        heard, before = set(names), {n: gaps(w, n) for n in names}

        def all_were_unheard():
            heard.difference_update([n for n in heard if not gauge(w, n) or gaps(w, n) > before[n]])
            return not heard
        wait_for(all_were_unheard, 20, "each to be unheard")
        relay.resume()
        becomes(w, "/main", 1)
        becomes(w, "/far", 1)
        for pid in listeners:
            os.kill(pid, signal.SIGCONT)
        becomes(w, "/slot", 1)
        wait_for(lambda: all(gauge(w, n) for n in names), 15, "all to be heard again")
        assert "does not come through it" in w.log_text()
    finally:
        relay.close()


def test_through_a_pooler_events_go_around_it(own_pg, start):
    """7.12: transaction pooling in conninfo, events_conninfo past it."""
    own_pg.psql(file=TOP / FILE)
    own_pg.psql(SCHEMA)
    own_pg.sql("SELECT weir.watch('item', 'items', 'owner:{owner}:items'), weir.watch('note', 'notes')")
    bouncer = PgBouncer(own_pg).start()
    try:
        w = start({"main": {"conninfo": bouncer.conninfo("test"), "pooler": "transaction",
                            "events_conninfo": own_pg.conninfo}})
        listening(w)
        assert "through a pooler no events are heard" not in w.log_text()
        warm(w, "/items", "/owner/ann")
        own_pg.sql("UPDATE item SET v = 4 WHERE id = 1")
        becomes(w, "/items", 4)
        becomes(w, "/owner/ann", 4)
        assert figure(w, "gaps_total") == 0
    finally:
        bouncer.close()


def test_a_pooler_without_a_way_around_it_is_warned_of(own_pg, start):
    """7.12: by -t and at the start, with the line; `yes` means transaction."""
    bouncer = PgBouncer(own_pg).start()
    try:
        w = start({"main": {"conninfo": bouncer.conninfo("test"), "pooler": True}}, {"a": "-- @route GET /a\nSELECT 1 AS a"})
        warned = r"weir\.conf:\d+:\d+: database main: through a pooler no events are heard"
        done = w.site.weird("-t")
        assert done.returncode == 0 and re.search("warning: .*" + warned, done.stdout), done
        assert re.search(warned, w.log_text())
        assert gauge(w, "main") == 0
        for silent in ({"events": "off"}, {"events_conninfo": own_pg.conninfo}, {"pooler": "no"}):
            site = Site(None, {"a": "-- @route GET /a\nSELECT 1 AS a"},
                        {"database": {"main": {"conninfo": own_pg.conninfo, "pooler": "yes", **silent}}})
            done = site.weird("-t")
            assert done.returncode == 0 and "no events" not in done.stdout, (silent, done)
            site.remove()
    finally:
        bouncer.close()


def test_a_way_that_leads_elsewhere_is_not_believed(db, start):
    """7.12: events_conninfo of another database hears nothing of this one: listening stays 0. One of no server at all is
    said by -t."""
    install(db)
    db.pg.create_database(db.name + "x")
    try:
        w = start({"main": {"conninfo": db.conninfo, "events_conninfo": db.pg.conninfo_for(db.name + "x")}})
        w.proc.wait_until(lambda: "does not come through it" in w.log_text(), 15, "the nonce to be missed")
        assert gauge(w, "main") == 0
        w.site.settings["database"]["main"]["events_conninfo"] = "host=/nowhere dbname=x"
        w.site.write_conf()
        done = w.site.weird("-t")
        assert done.returncode == 0 and "no events are heard through events_conninfo 1" in done.stdout, done
        w.site.settings["database"]["main"]["events_conninfo"] = "hots=/nowhere"
        w.site.write_conf()
        done = w.site.weird("-t")
        assert done.returncode == 78 and "events_conninfo 1: " in done.stdout + done.stderr, done
    finally:
        db.pg.sql(f'DROP DATABASE "{db.name}x" WITH (FORCE)', dbname="postgres")


# 34: a reload is no gap


def test_a_reload_keeps_what_is_cached_and_what_is_heard(db, weird):
    """7.34: whatever is edited, as long as the database block is the same."""
    warm(weird, "/items", "/owner/ann")
    monitor = weird.monitor_pid()
    weird.site.write_endpoint("more", "-- @route GET /more\nSELECT 1 AS a")
    for _ in range(3):
        assert weird.reload().severity == 6
    assert weird.get("/more").status == 200
    assert is_hit(weird.get("/items")) and is_hit(weird.get("/owner/ann"))
    assert weird.monitor_pid() == monitor and figure(weird, "gaps_total") == 0
    db.sql("UPDATE item SET v = 7 WHERE id = 1")
    becomes(weird, "/items", 7)
    assert weird.get("/health", **{}) is not None


def test_a_reload_of_the_database_block_opens_its_sessions_again(db, weird):
    """7.34: another conninfo, or events off: the old sessions go, and what was cached may have missed something."""
    warm(weird, "/items")
    monitor = weird.monitor_pid()
    weird.site.write_conf({"database": {"main": {"conninfo": db.conninfo + " application_name=second"}}})
    assert weird.reload().severity == 6
    assert weird.monitor_pid() == monitor
    wait_for(lambda: figure(weird, "gaps_total") == 1, 10, "the gap")
    listening(weird)
    warm(weird, "/items")
    db.sql("UPDATE item SET v = 8 WHERE id = 1")
    becomes(weird, "/items", 8)
    weird.site.write_conf({"database": {"main": {"events": "off"}}})
    assert weird.reload().severity == 6
    wait_for(lambda: figure(weird, "listening") == 0, 10, "nobody to listen")
    wait_for(lambda: not db.sql("SELECT 1 FROM pg_stat_activity WHERE query LIKE '%%weir_insert%%' "
                                "AND application_name = 'weir-monitor' AND datname = current_database()"), 10, "the session to end")
    weird.site.write_conf({"database": {"main": {"events": "notify"}}})
    assert weird.reload().severity == 6
    listening(weird)


def test_a_monitor_that_dies_is_a_gap_and_a_reload_is_none(db, start):
    """7.34: also where sql/weir/events.sql was never there: a reload voids nothing; what follows a lost session may be
    another server's."""
    db.sql(SCHEMA)
    w = start(db.conninfo)
    listening(w)
    warm(w, "/items")
    w.site.write_endpoint("more", "-- @route GET /more\nSELECT 1 AS a")
    assert w.reload().severity == 6 and is_hit(w.get("/items"))
    os.kill(w.monitor_pid(), signal.SIGKILL)
    wait_for(lambda: figure(w, "gaps_total") == 1, 10, "the gap")
    listening(w)
    warm(w, "/items")
    db.pg.psql(file=TOP / FILE, dbname=db.name)
    db.sql("SELECT weir.watch('item', 'items')")
    wait_for(lambda: not is_hit(w.get("/items")), 10, "what is watched now to be distrusted once")


# 9: partitions, DDL, prepared transactions

PARTED = """CREATE TABLE part (id int, owner text, v int, PRIMARY KEY (id)) PARTITION BY RANGE (id);
CREATE TABLE part_1 PARTITION OF part FOR VALUES FROM (0) TO (100);"""
PART_ENDPOINTS = {
    "all": "-- @route GET /parts\n-- @returns value\n-- @cache 1h tags parts\nSELECT count(*) FROM part",
    "owner": "-- @route GET /parts/{owner}\n-- @returns value\n-- @cache 1h tags part:{owner}\n"
             "SELECT count(*) FROM part WHERE owner = :owner",
}


def test_a_partition_made_later_is_heard_by_the_slot(slot_db, start):
    """7.9: through its table and by its own name; a row that changes hands under a smaller identity is not lost."""
    db = slot_db
    db.psql(PARTED)
    db.sql("ALTER TABLE part REPLICA IDENTITY FULL; ALTER TABLE part_1 REPLICA IDENTITY FULL")
    db.sql("SELECT weir.watch_slot('part', 'parts', 'part:{owner}')")
    w = start({"main": {"conninfo": db.conninfo, "events": "slot", "events_slot": "weir_p"}}, PART_ENDPOINTS)
    listening(w)
    warm(w, "/parts", "/parts/ann", "/parts/bob")
    db.sql("CREATE TABLE part_2 PARTITION OF part FOR VALUES FROM (100) TO (200)")
    db.sql("INSERT INTO part VALUES (101, 'ann')")
    becomes(w, "/parts", 1)
    becomes(w, "/parts/ann", 1)
    db.sql("INSERT INTO part_2 VALUES (102, 'bob')")
    becomes(w, "/parts/bob", 1)
    warm(w, "/parts/ann", "/parts/bob")
    db.sql("UPDATE part SET owner = 'bob' WHERE id = 101")      # part_2 has its primary key as identity, and no more
    becomes(w, "/parts/bob", 2)
    becomes(w, "/parts/ann", 0)
    db.sql("DELETE FROM part_2 WHERE id = 101")
    becomes(w, "/parts/bob", 1)


def test_what_a_slot_cannot_tell_of_partitions_is_refused(slot_db):
    """7.9"""
    db = slot_db
    db.psql(PARTED + "CREATE TABLE bare (id int, owner text) PARTITION BY RANGE (id);"
            "CREATE TABLE bare_1 PARTITION OF bare FOR VALUES FROM (0) TO (9);"
            "ALTER TABLE bare REPLICA IDENTITY FULL; ALTER TABLE bare_1 REPLICA IDENTITY FULL")
    with pytest.raises(Exception, match="needs a primary key"):
        db.sql("SELECT weir.watch_slot('bare', 'bares')")
    with pytest.raises(Exception, match="has not owner"):
        db.sql("SELECT weir.watch_slot('part', 'parts', 'part:{owner}')")
    db.sql("SELECT weir.watch_slot('part', 'parts')")
    with pytest.raises(Exception, match="is a partition of is watched"):
        db.sql("SELECT weir.watch_slot('part_1', 'parts')")


def test_ddl_is_heard(db, ear):
    """7.9: what is cached of a watched table may be of its past; other tables' DDL says nothing."""
    db.sql("CREATE TABLE item_new (LIKE item INCLUDING ALL); ALTER TABLE item_new ADD extra int; CREATE INDEX ON item (v)")
    assert ear.heard() == []
    for ddl in ("ALTER TABLE item ADD more int", "ALTER TABLE item ALTER v TYPE bigint", "ALTER TABLE item RENAME v TO w",
                "BEGIN; ALTER TABLE note RENAME TO note_old; ALTER TABLE other RENAME TO note; COMMIT", "DROP TABLE note_old"):
        db.sql(ddl)
        heard = ear.heard()
        assert heard and all(e["all"] and e["watch"] for e in heard), (ddl, heard)
    db.psql(PARTED, dbname=db.name) if hasattr(db, "psql") else db.sql(PARTED)
    db.sql("SELECT weir.watch('part', 'parts', 'part:{owner}')")
    ear.heard()
    db.sql("CREATE TABLE part_2 PARTITION OF part FOR VALUES FROM (100) TO (200)")
    assert ear.heard() == [], "an empty partition changes nothing"
    db.sql("INSERT INTO part_2 VALUES (101, 'ann')")
    assert tags(ear.heard()) == ["part:ann", "parts"], "and is watched by its own name"
    db.sql("CREATE TABLE part_3 (LIKE part INCLUDING ALL); ALTER TABLE part ATTACH PARTITION part_3 FOR VALUES FROM (200) TO (300)")
    assert all(e["all"] for e in ear.heard())
    db.sql("INSERT INTO part_3 VALUES (201, 'bob')")
    assert tags(ear.heard()) == ["part:bob", "parts"]
    db.sql("ALTER TABLE part DETACH PARTITION part_1")
    assert [e["all"] for e in ear.heard()] == [True]
    db.sql("DROP SCHEMA weir CASCADE")
    db.sql("ALTER TABLE item ADD last int")


def test_whoever_may_not_make_event_triggers_is_told(db):
    """7.9: the file installs all the same."""
    db.sql("GRANT CREATE ON DATABASE \"%s\" TO weir" % db.name)
    conn = db.connect("weir")
    conn.cursor().execute((TOP / FILE).read_text())
    assert any("event triggers need a superuser" in n for n in conn.notices), conn.notices
    conn.cursor().execute("CREATE TABLE mine (id int PRIMARY KEY); SELECT weir.watch('mine', 'mine')")
    conn.close()


def test_watch_says_that_nothing_can_be_prepared(start):
    """7.9: PREPARE TRANSACTION after NOTIFY is refused by PostgreSQL."""
    server = Postgres({"max_prepared_transactions": "5"})
    try:
        server.start()
        server.create_database("test")
        server.dbname = "test"
        server.psql(file=TOP / FILE)
        server.psql(SCHEMA)
        conn = server.connect()
        conn.cursor().execute("SELECT weir.watch('item', 'items')")
        assert any("cannot be prepared" in n and "weir.watch_slot" in n for n in conn.notices), conn.notices
        conn.cursor().execute("BEGIN; UPDATE item SET v = 1")
        with pytest.raises(Exception, match="cannot PREPARE"):
            conn.cursor().execute("PREPARE TRANSACTION 'x'")
        conn.close()
    finally:
        server.close()


# 38


def test_the_lag_is_not_what_anybody_notifies(db, weird):
    """7.38: any role may NOTIFY, and say when it did."""
    warm(weird, "/items")
    for clock in (1, 10**15):
        db.sql("SELECT pg_notify('weir_invalidate', %s)", (f'{{"x":1,"c":{clock},"t":["items"]}}',))
    wait_for(lambda: figure(weird, "events_total") == 2, 5, "both")
    assert not is_hit(weird.get("/items"))
    assert figure(weird, "lag_seconds_sum") < 10
