"""Writes that Weir does not see: psql and others, told by the triggers of sql/weir/events.sql to weir-monitor."""

import json
import os
import re
import select
import signal
import threading
import time

import pytest

from weirtest.base import TOP, wait_for
from weirtest.pg import Postgres
from weirtest.weir import Site, Weird

SCHEMA = """
CREATE TABLE item (id int PRIMARY KEY, owner text NOT NULL DEFAULT 'ann', v int NOT NULL DEFAULT 0);
INSERT INTO item SELECT i, CASE WHEN i <= 10 THEN 'ann' ELSE 'bob' END FROM generate_series(1, 20) i;
CREATE TABLE note (id int PRIMARY KEY, item int REFERENCES item ON DELETE CASCADE, t text);
CREATE TABLE other (id int);
CREATE FUNCTION slowly() RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    PERFORM set_config('client_connection_check_interval', '0', true);  -- goes on although its client is gone
    PERFORM pg_sleep(3);
    RETURN true;
END $$;
"""

ENDPOINTS = {
    "items": "-- @route GET /items\n-- @returns value\n-- @cache 1h tags items\nSELECT sum(v) FROM item",
    "owner": "-- @route GET /owner/{owner}\n-- @returns value\n-- @cache 1h tags owner:{owner}:items\n"
             "SELECT coalesce(sum(v), 0) FROM item WHERE owner = :owner",
    "notes": "-- @route GET /notes\n-- @returns value\n-- @cache 1h tags notes\nSELECT count(*) FROM note",
    "untagged": "-- @route GET /untagged\n-- @returns value\n-- @cache 1h\nSELECT sum(v) FROM item",
    "add": "-- @route POST /add/{id}\n-- @returns none\n-- @timeout 20s\n-- @invalidates items owner:ann:items\n"
           "UPDATE item SET v = v + 1 WHERE id = :id::int AND slowly()",
}
FILE = "sql/weir/events.sql"


def install(db):
    db.pg.psql(file=TOP / FILE, dbname=db.name)
    db.sql(SCHEMA)
    db.sql("SELECT weir.watch('item', 'items', 'owner:{owner}:items'), weir.watch('note', 'notes')")


def figure(weird, name):
    return sum(v for k, v in weird.metrics().items() if re.match(rf"weir_cache_invalidation_{name}(\{{|$)", k))


def listening(weird):
    wait_for(lambda: figure(weird, "listening") == 1, 15, "weir-monitor to listen")


@pytest.fixture
def weird(db):
    install(db)
    site = Site(db.conninfo, ENDPOINTS, {"workers": {"min": 2, "max": 2}})
    running = Weird(site)
    listening(running)
    yield running
    running.stop()
    log = running.log_text()
    site.remove()
    assert not re.search(r"Sanitizer|runtime error|\[error\]", log), log


def is_hit(reply):
    return reply.header("cache-status", "").startswith("weir; hit")


def warm(weird, *paths):
    """Each is served from the cache, by both workers or whichever answers."""
    for path in paths:
        wait_for(lambda path=path: is_hit(weird.get(path)), 10, f"{path} to be cached")


def becomes(weird, path, value):
    wait_for(lambda: weird.get(path).json == value, 10, f"{path} to say {value}")


class Ear:
    """Hears the notifications themselves."""

    def __init__(self, db):
        self.conn = db.connect()
        self.conn.cursor().execute("LISTEN weir_invalidate")

    def heard(self):
        """What has been notified up to now: up to a mark of our own."""
        cur = self.conn.cursor()
        mark = f"mark {time.monotonic_ns()}"
        cur.execute("SELECT pg_notify('weir_invalidate', %s)", (mark,))
        found = []
        while mark not in found:
            self.conn.poll()
            while self.conn.notifies:
                found.append(self.conn.notifies.pop(0).payload)
            if mark not in found:
                select.select([self.conn], [], [], 5)
        return [json.loads(p) for p in found if not p.startswith("mark")]


@pytest.fixture
def ear(db):
    install(db)
    e = Ear(db)
    e.heard()
    yield e
    e.conn.close()


def tags(events):
    return sorted(t for e in events for t in e["t"])


# what the triggers say


def test_each_kind_of_statement_names_its_tags(db, ear):
    db.sql("INSERT INTO item VALUES (100, 'eve', 1)")
    assert tags(ear.heard()) == ["items", "owner:eve:items"]
    db.sql("UPDATE item SET owner = 'fay' WHERE id = 100")
    assert tags(ear.heard()) == ["items", "owner:eve:items", "owner:fay:items"]
    db.sql("UPDATE item SET v = v + 1 WHERE id > 5")
    assert tags(ear.heard()) == ["items", "owner:ann:items", "owner:bob:items", "owner:fay:items"]
    db.sql("DELETE FROM item WHERE id = 100")
    assert tags(ear.heard()) == ["items", "owner:fay:items"]
    db.sql("INSERT INTO item VALUES (1, 'gil') ON CONFLICT (id) DO UPDATE SET owner = excluded.owner")
    assert {"items", "owner:ann:items", "owner:gil:items"} <= set(tags(ear.heard()))
    db.sql("TRUNCATE item CASCADE")
    events = ear.heard()
    assert set(tags(events)) == {"items", "notes"}
    assert [e["all"] for e in events if e["t"] == ["items"]] == [True], "it cannot name the owners"


def test_what_changes_nothing_says_nothing(db, ear):
    db.sql("DELETE FROM item WHERE id = 12345")
    db.sql("UPDATE item SET v = 1 WHERE false")
    db.sql("INSERT INTO other VALUES (1)")
    db.sql("BEGIN; INSERT INTO item VALUES (300); ROLLBACK")
    db.sql("BEGIN; SAVEPOINT a; INSERT INTO item VALUES (300); ROLLBACK TO a; COMMIT")
    assert ear.heard() == []


def test_a_loop_of_rows_says_it_once_and_a_rolled_back_part_is_not_lost(db, ear):
    db.sql("DO $$ BEGIN FOR i IN 400..499 LOOP INSERT INTO item VALUES (i, 'hal'); END LOOP; END $$")
    events = ear.heard()
    assert tags(events) == ["items", "owner:hal:items"] and len(events) == 1
    db.sql("BEGIN; SAVEPOINT a; INSERT INTO item VALUES (500, 'ida'); ROLLBACK TO a;"
           "INSERT INTO item VALUES (501, 'ida'); COMMIT")
    assert tags(ear.heard()) == ["items", "owner:ida:items"]


def test_copy_and_cascades_are_seen(db, ear):
    db.pg.psql("COPY item (id, owner) FROM stdin;\n600\tjan\n601\tkim\n\\.\n", dbname=db.name)
    assert tags(ear.heard()) == ["items", "owner:jan:items", "owner:kim:items"]
    db.sql("INSERT INTO note VALUES (1, 600, 'x')")
    assert tags(ear.heard()) == ["notes"]
    db.sql("DELETE FROM item WHERE id = 600")
    assert "notes" in tags(ear.heard())


def test_any_value_is_a_tag_and_stays_one(db, ear):
    for evil in ['"', '\\"],"x":1', "'); DROP TABLE item; --", "{owner}", "grün ☃ 🐘", "a\nb\tc", "\x01\x1f", "%s",
                 "w" * 900]:
        db.sql("UPDATE item SET owner = 'ann' WHERE id = 1")
        ear.heard()
        db.sql("UPDATE item SET owner = %s WHERE id = 1", (evil,))
        assert set(tags(ear.heard())) == {"items", "owner:ann:items", f"owner:{evil}:items"}
    db.sql("UPDATE item SET owner = repeat('x', 10000) WHERE id = 1")
    events = ear.heard()
    assert [(e["t"], e.get("all")) for e in events] == [(["items"], True)]


def test_many_tags_are_split_and_very_many_become_one(db, ear):
    db.sql("INSERT INTO item SELECT i, 'an owner with a long name ' || i FROM generate_series(1001, 1900) i")
    events = ear.heard()
    assert len(events) > 3 and len(tags(events)) == 901 and len({e["x"] for e in events}) == 1
    db.sql("INSERT INTO item SELECT i, 'o' || i FROM generate_series(3001, 6000) i")
    events = ear.heard()
    assert [(e["t"], e.get("all")) for e in events] == [(["items"], True)]


def test_the_transaction_is_named(db, ear):
    conn = db.connect()
    conn.autocommit = False
    cur = conn.cursor()
    cur.execute("UPDATE item SET v = 7 WHERE id = 1")
    cur.execute("SELECT pg_current_xact_id()::text")
    xid = int(cur.fetchone()[0])
    assert ear.heard() == [], "not before it commits"
    conn.commit()
    assert [e["x"] for e in ear.heard()] == [xid]
    conn.close()


def test_partitions_and_the_roles_that_write(db, ear):
    db.sql("CREATE TABLE p (id int, o text) PARTITION BY RANGE (id);"
           "CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (10);"
           "CREATE TABLE p2 PARTITION OF p FOR VALUES FROM (10) TO (20);"
           "SELECT weir.watch('p', 'p', 'p:{o}')")
    ear.heard()
    db.sql("INSERT INTO p VALUES (1, 'a'), (11, 'b')")
    assert tags(ear.heard()) == ["p", "p:a", "p:b"]
    db.sql("INSERT INTO p2 VALUES (12, 'c')")
    assert tags(ear.heard()) == ["p", "p:c"], "a partition that is named itself"
    db.sql("UPDATE p SET id = 15 WHERE id = 1")
    assert set(tags(ear.heard())) == {"p", "p:a"}, "a row that moves"
    conn = db.connect("weir")
    conn.cursor().execute("INSERT INTO p VALUES (2, 'd')")
    conn.close()
    assert tags(ear.heard()) == ["p", "p:d"]
    db.sql("SET session_replication_role = replica; INSERT INTO p VALUES (3, 'e')")
    assert tags(ear.heard()) == ["p", "p:e"]


def test_a_column_that_is_renamed_costs_the_cache_and_not_the_write(db, ear):
    db.sql("ALTER TABLE item RENAME COLUMN owner TO whose")
    event, = ear.heard()
    assert event["all"] and event["watch"], "DDL"
    db.sql("UPDATE item SET v = 5 WHERE id = 1")
    event, = ear.heard()
    assert event["all"] and "owner" in event["why"]
    assert db.sql("SELECT missing_columns FROM weir.watched WHERE \"table\" = 'item'::regclass") == [(["owner"],)]
    db.sql("SELECT weir.watch('item', 'items', 'owner:{whose}:items')")
    ear.heard()
    db.sql("UPDATE item SET v = 6 WHERE id = 1")
    assert tags(ear.heard()) == ["items", "owner:ann:items"]


@pytest.mark.parametrize("call, text", [
    ("weir.watch('item', 'owner:{owner}')", "has no {column}"),
    ("weir.watch('item', 'items', 'x:{nobody}')", "no column nobody"),
    ("weir.watch('item', 'items', 'x''y')", "bad tag"),
    ("weir.watch('item', 'items', 'x:{owner')", "bad tag"),
    ("weir.watch('item', 'items', 'x:{{owner}}')", "bad tag"),
    ("weir.watch('weir.watched', 'items')", "not a table"),
    ("weir.invalidate('')", "1 to 1000 bytes"),
])
def test_what_cannot_be_watched_is_refused(db, ear, call, text):
    with pytest.raises(Exception, match=text):
        db.sql("SELECT " + call)
    assert ear.heard() == []


def test_installing_again_keeps_what_is_watched(db, ear):
    db.pg.psql(file=TOP / FILE, dbname=db.name)
    assert sorted(r[0] for r in db.sql('SELECT "table"::text FROM weir.watched')) == ["item", "note"]
    db.sql("SELECT weir.unwatch('note')")
    assert [e.get("all") for e in ear.heard()] == [True]
    db.sql("INSERT INTO note VALUES (9, NULL, '')")
    assert ear.heard() == []
    db.sql("SELECT weir.invalidate('a', 'b')")
    assert tags(ear.heard()) == ["a", "b"]


# what weir-monitor makes of it


def test_a_write_by_psql_is_seen_in_the_next_answers(db, weird):
    warm(weird, "/items", "/owner/ann", "/owner/bob", "/notes", "/untagged")
    db.pg.psql("UPDATE item SET v = 5 WHERE id = 1", dbname=db.name)
    becomes(weird, "/items", 5)
    becomes(weird, "/owner/ann", 5)
    assert is_hit(weird.get("/owner/bob")) and is_hit(weird.get("/notes")), "nothing of theirs was written"
    assert weird.get("/untagged").json == 0, "without a tag its time alone counts"
    db.pg.psql("UPDATE item SET owner = 'bob' WHERE id = 1", dbname=db.name)
    becomes(weird, "/owner/bob", 5)
    becomes(weird, "/owner/ann", 0)
    assert figure(weird, "events_total") == 2 and figure(weird, "tags_total") == 5
    assert figure(weird, "bad_total") == 0
    lags = figure(weird, "lag_seconds_count")
    assert lags >= 1 and weird.metrics()["weir_cache_invalidation_lag_seconds_bucket{database=\"main\",le=\"1.0\"}"] == lags


def test_a_truncate_makes_everything_under_tags_void(db, weird):
    warm(weird, "/items", "/owner/ann", "/notes", "/untagged")
    db.sql("UPDATE item SET v = 1")
    becomes(weird, "/owner/ann", 10)
    warm(weird, "/owner/ann")
    db.sql("TRUNCATE item CASCADE")
    becomes(weird, "/owner/ann", 0)
    becomes(weird, "/items", None)
    assert is_hit(weird.get("/untagged"))
    assert figure(weird, "all_total") == 1


def test_invalidate_by_hand(db, weird):
    warm(weird, "/items", "/notes")
    db.sql("SELECT weir.invalidate('items')")
    wait_for(lambda: figure(weird, "events_total") == 1, 5, "the event")
    assert not is_hit(weird.get("/items")) and is_hit(weird.get("/notes"))


def test_a_burst_is_taken_whole(db, weird):
    warm(weird, "/items", "/owner/ann")
    conns = [db.connect() for _ in range(4)]

    def write(conn, n):
        for i in range(250):
            conn.cursor().execute("UPDATE item SET v = v + 1 WHERE id = %s", (n + 1,))
    threads = [threading.Thread(target=write, args=(c, n)) for n, c in enumerate(conns)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    for c in conns:
        c.close()
    wait_for(lambda: figure(weird, "events_total") == 1000, 20, "1000 events")
    assert weird.get("/items").json == 1000 and weird.get("/owner/ann").json == 1000
    assert figure(weird, "tags_total") == 2000 and figure(weird, "gaps_total") == 0
    # a burst in one transaction, too
    db.sql("SELECT weir.invalidate('t' || i) FROM generate_series(1, 1000) i")
    wait_for(lambda: figure(weird, "events_total") == 2000, 20, "1000 more")
    assert db.value("SELECT pg_notification_queue_usage()") == 0


BAD = ["", "x", "[]", "{}", '{"t":1}', '{"t":[1]}', '{"x":-1,"t":[]}', '{"x":1e3,"t":["items"]}', '{"t":["items"]',
       '{"x":"1","t":["items"]}', "{" * 200, '{"t":' + "[" * 100 + "]" * 100 + "}", '{"x":99999999999999999999999,"t":[]}',
       '{"t":["\\ud800"]}']


def test_what_is_no_event_does_nothing_and_is_counted(db, weird):
    warm(weird, "/items", "/notes")
    for text in BAD:
        db.sql("SELECT pg_notify('weir_invalidate', %s)", (text,))
    wait_for(lambda: figure(weird, "events_total") + figure(weird, "bad_total") == len(BAD), 5, "all of them")
    assert figure(weird, "bad_total") == len(BAD) - 1, "{} says nothing, and nothing wrong"
    assert is_hit(weird.get("/items")) and is_hit(weird.get("/notes"))
    assert "is not understood" in weird.log_text()
    db.sql("""SELECT pg_notify('weir_invalidate', '{"x":18446744073709551615,"t":["items"],"new":{"a":[1]}}')""")
    wait_for(lambda: not is_hit(weird.get("/items")), 5, "a later version's event to count")
    warm(weird, "/items")


def test_after_a_gap_what_was_cached_before_is_distrusted(db, weird):
    warm(weird, "/items", "/owner/ann", "/untagged")
    # killed, and a write goes unheard: the trigger is silenced in place of a race with the reconnect
    db.sql("SET session_replication_role = replica; ALTER TABLE item DISABLE TRIGGER weir_update;"
           "UPDATE item SET v = 3 WHERE id = 1; ALTER TABLE item ENABLE ALWAYS TRIGGER weir_update")
    assert is_hit(weird.get("/items")), "nobody told"
    assert db.value("SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE usename = 'weir' "
                    "AND datname = current_database()") >= 3
    wait_for(lambda: figure(weird, "gaps_total") == 1, 10, "the gap to be counted")
    listening(weird)
    becomes(weird, "/items", 3)
    becomes(weird, "/owner/ann", 3)
    assert weird.get("/untagged").json == 0, "lives by its time"
    assert "events are not heard any more" in weird.log_text()
    warm(weird, "/items")
    db.sql("UPDATE item SET v = 4 WHERE id = 1")
    becomes(weird, "/items", 4)


def test_the_server_restarts(db, weird):
    warm(weird, "/items")
    db.pg.restart("fast")
    wait_for(lambda: figure(weird, "gaps_total") >= 1, 15, "the gap to be counted")
    listening(weird)
    db.sql("UPDATE item SET v = 9 WHERE id = 1")
    becomes(weird, "/items", 9)


def test_weir_monitor_dies(db, weird):
    warm(weird, "/items")
    old = weird.monitor_pid()
    os.kill(old, signal.SIGKILL)
    wait_for(lambda: weird.monitor_pid() not in (None, old), 10, "another weir-monitor")
    wait_for(lambda: figure(weird, "gaps_total") == 1, 10, "the gap to be counted")
    db.sql("UPDATE item SET v = 2 WHERE id = 2")
    becomes(weird, "/items", 2)


def test_a_killed_workers_write_keeps_its_tag_out_until_its_backend_is_gone(db, weird):
    warm(weird, "/items")
    threading.Thread(target=lambda: _quietly(weird.get, "/add/1", "POST"), daemon=True).start()
    backend = wait_for(lambda: db.sql("SELECT pid FROM pg_stat_activity WHERE datname = current_database() "
                                      "AND query LIKE '%slowly()%' AND pid <> pg_backend_pid()"), 10, "the write to run")[0][0]
    for pid in weird.worker_pids():
        os.kill(pid, signal.SIGKILL)
    wait_for(lambda: "had writes open" in weird.log_text(), 10, "weird to notice")
    looks = 0
    wait_for(lambda: len(weird.workers("ready")) == 2, 10, "other workers")
    while db.value("SELECT count(*) FROM pg_stat_activity WHERE pid = %s", (backend,)):
        hit = is_hit(weird.get("/items"))
        if db.value("SELECT count(*) FROM pg_stat_activity WHERE pid = %s", (backend,)):
            looks += 1
            assert not hit, "it may commit still"
    assert looks
    t = time.monotonic()
    wait_for(lambda: is_hit(weird.get("/items")), 10, "the tag to be served again")
    assert time.monotonic() - t < 4
    assert weird.get("/items").json == 1, "it did commit"
    assert "served again" in weird.log_text()


def _quietly(call, *args):
    try:
        call(*args)
    except Exception:
        pass


# events = slot


@pytest.fixture
def slot_db():
    server = Postgres({"wal_level": "logical", "max_slot_wal_keep_size": "64MB"})
    try:
        server.start()
        server.create_database("test")
        server.dbname = "test"
        server.psql(file=TOP / FILE)
        server.psql(SCHEMA)
        server.sql("ALTER ROLE weir REPLICATION")
        server.sql("ALTER TABLE item REPLICA IDENTITY FULL")
        server.sql("SELECT weir.watch_slot('item', 'items', 'owner:{owner}:items'), weir.watch_slot('note', 'notes')")
        yield server
    finally:
        server.close()


@pytest.fixture
def slot_weir(slot_db):
    site = Site(slot_db.conninfo, ENDPOINTS, {"database": {"main": {"events": "slot", "events_slot": "weir_1"}}})
    running = Weird(site)
    listening(running)
    yield running
    running.stop()
    log = running.log_text()
    site.remove()
    assert not re.search(r"Sanitizer|runtime error|\[error\]", log), log


def test_a_slot_tells_what_triggers_would(slot_db, slot_weir):
    db, weir = slot_db, slot_weir
    assert db.sql("SELECT \"table\"::text, events FROM weir.watched ORDER BY 1") == [("item", "slot"), ("note", "slot")]
    warm(weir, "/items", "/owner/ann", "/owner/bob", "/notes", "/untagged")
    db.sql("UPDATE item SET v = 5 WHERE id = 1")
    becomes(weir, "/items", 5)
    becomes(weir, "/owner/ann", 5)
    assert is_hit(weir.get("/owner/bob")) and is_hit(weir.get("/notes"))
    db.sql("UPDATE item SET owner = 'bob' WHERE id = 1")
    becomes(weir, "/owner/bob", 5)
    becomes(weir, "/owner/ann", 0)
    db.sql("DELETE FROM item WHERE id = 1")
    becomes(weir, "/owner/bob", 0)
    db.sql("BEGIN; INSERT INTO note VALUES (1, NULL, ''); ROLLBACK")
    db.psql("COPY note (id) FROM stdin;\n7\n8\n\\.\n")
    becomes(weir, "/notes", 2)
    warm(weir, "/items", "/owner/ann", "/notes")
    db.sql("SELECT weir.invalidate('notes')")
    wait_for(lambda: not is_hit(weir.get("/notes")), 5, "invalidate by hand")
    db.sql("TRUNCATE item CASCADE")
    becomes(weir, "/items", None)
    becomes(weir, "/owner/ann", 0)
    assert is_hit(weir.get("/untagged"))
    assert figure(weir, "gaps_total") == 0 and figure(weir, "bad_total") == 0


def test_a_slot_tells_later_what_was_missed(slot_db, slot_weir):
    db, weir = slot_db, slot_weir
    warm(weir, "/items", "/notes")
    old = db.value("SELECT pg_terminate_backend(active_pid), active_pid FROM pg_replication_slots")
    assert old
    db.sql("UPDATE item SET v = 1")
    becomes(weir, "/items", 20)
    assert is_hit(weir.get("/notes")), "the floor did not rise"
    assert figure(weir, "gaps_total") == 0
    db.restart("fast")
    db.sql("UPDATE item SET v = 2")
    becomes(weir, "/items", 40)
    assert is_hit(weir.get("/notes"))


def test_a_slot_that_is_gone_is_made_again_and_counts_as_a_gap(slot_db, slot_weir):
    db, weir = slot_db, slot_weir
    warm(weir, "/items", "/notes")
    db.sql("DO $$ BEGIN LOOP BEGIN PERFORM pg_terminate_backend(active_pid) FROM pg_replication_slots;"
           "PERFORM pg_drop_replication_slot('weir_1'); EXIT; EXCEPTION WHEN object_in_use THEN END; END LOOP; END $$")
    wait_for(lambda: figure(weir, "gaps_total") == 1, 10, "the gap")
    assert not is_hit(weir.get("/items"))
    listening(weir)
    db.sql("UPDATE item SET v = 3")
    becomes(weir, "/items", 60)


def test_the_server_can_throw_its_log_away_and_a_big_transaction_is_taken(slot_db, slot_weir):
    db, weir = slot_db, slot_weir
    warm(weir, "/items", "/owner/ann")
    db.sql("INSERT INTO item SELECT i, 'o' || i, 1 FROM generate_series(100, 100000) i")
    becomes(weir, "/items", 99901)
    end = db.value("SELECT pg_current_wal_lsn()")
    wait_for(lambda: db.value("SELECT confirmed_flush_lsn >= %s::pg_lsn FROM pg_replication_slots", (end,)), 10,
             "the slot to be confirmed")
    assert figure(weir, "all_total") == 1, "more tags than are kept apart"


def test_what_is_watched_may_change_while_a_slot_is_read(slot_db, slot_weir):
    db, weir = slot_db, slot_weir
    db.sql("SELECT weir.unwatch('note')")
    db.sql("SELECT weir.watch_slot('note', 'x', 'notes')")
    warm(weir, "/notes")
    db.sql("INSERT INTO note VALUES (1)")
    becomes(weir, "/notes", 1)
    db.sql("ALTER TABLE item RENAME COLUMN owner TO whose")
    warm(weir, "/items")
    db.sql("UPDATE item SET v = 4 WHERE id = 1")
    becomes(weir, "/items", 4)
    wait_for(lambda: figure(weir, "all_total") >= 1, 5, "everything to be distrusted")


def test_a_transaction_that_is_told_before_it_is_visible_is_bumped_again(slot_db, slot_weir):
    """COMMIT that waits for a standby: in the log, told by the slot, and not to be seen by anybody yet."""
    db, weir = slot_db, slot_weir
    warm(weir, "/items")
    conn = db.connect()
    db.sql("ALTER SYSTEM SET synchronous_standby_names = 'nobody'")
    db.sql("SELECT pg_reload_conf()")
    wait_for(lambda: db.value("SHOW synchronous_standby_names") == "nobody", 5, "the setting")
    writer = threading.Thread(target=lambda: _quietly(conn.cursor().execute, "UPDATE item SET v = 6 WHERE id = 1"))
    writer.start()
    wait_for(lambda: figure(weir, "events_total") == 1, 10, "the event, of what nobody can see")
    assert db.value("SELECT sum(v) FROM item") == 0
    warm(weir, "/items")        # the old rows, after the event
    assert weir.get("/items").json == 0
    db.sql("ALTER SYSTEM RESET synchronous_standby_names")
    db.sql("SELECT pg_reload_conf()")
    writer.join(20)
    assert db.value("SELECT sum(v) FROM item") == 6
    becomes(weir, "/items", 6)
    conn.close()


def test_a_table_without_identity_is_refused_for_the_slot(slot_db):
    db = slot_db
    with pytest.raises(Exception, match="replica identity of public.other has not any column"):
        db.sql("SELECT weir.watch_slot('other', 'others')")
    with pytest.raises(Exception, match="has not item"):
        db.sql("SELECT weir.watch_slot('note', 'notes', 'item:{item}:notes')")
    assert db.sql("SELECT tags FROM weir.watched WHERE \"table\" = 'note'::regclass") == [(["notes"],)]
