"""7.1: one value has one tag, however it is spelled: by parameters, locks and events, in both modes. The server is the
oracle: two spellings have one tag if and only if the type's own = calls them equal."""

import contextlib
import json
import os
import random
import re
import signal
import threading
import urllib.parse

import pytest

from weirtest.base import TOP, wait_for
from weirtest.fcgi import Connection
from weirtest.pg import Postgres
from weirtest.weir import LoneWorker, Site, Weird

EVENTS = TOP / "sql/weir/events.sql"
rng = random.Random(7)


def numbers():
    for whole in ("0", "1", "7", "10", "100", "42", "2147483647"):
        for sign in ("", "-", "+"):
            for zeros in ("", "0", "000"):
                for blank in ("", " ", "\t"):
                    yield blank + sign + zeros + whole + blank


def decimals():
    yield from list(numbers())[::7]
    for n in ("1.5", "1.50", "01.500", "15e-1", "1.5e0", "150E-2", "0.15e+1", ".5", "0.5", "5e-1", "5.", "5", "0.0", "-0.00", "1e3",
              "1000", "1000.000", "10e2", "-1.5", " 1.5 ", "1.05", "0.000015", "1.5e-5", "123456789012345678901234567890.10", "NaN",
              "nan", " NAN ", "Infinity", "inf", "-Infinity", "-inf", "+infinity", "123456789012345678901234567890.1", "1e20",
              "100000000000000000000"):
        yield n


def bools():
    for w in ("true", "false", "yes", "no", "on", "off", "1", "0"):
        for n in range(1, len(w) + 1):
            for form in (w[:n], w[:n].upper(), " " + w[:n].title() + " "):
                yield form


def uuids():
    for u in ("a0eebc999c0b4ef8bb6d6bb9bd380a11", "00000000000000000000000000000001"):
        dashed = "-".join((u[:8], u[8:12], u[12:16], u[16:20], u[20:]))
        fours = "-".join(u[i:i + 4] for i in range(0, 32, 4))
        for form in (u, dashed, fours, u[:8] + "-" + u[8:]):
            for outer in (form, form.upper(), "{" + form + "}"):
                yield outer
    yield "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a1"


def dates():
    for d in ("2026-01-02", "20260102", "2026-1-2", "02026-01-02", "2024-02-29", "2026-02-29", "0044-03-15 BC", "0044-3-15 bc",
              "2026-01-02 AD", "infinity", "-infinity", "Infinity", "2026-01-02 10:00", "2026-01-02T23:59:60", "10000-01-01",
              "0001-01-01", "0001-01-01 BC", "5874897-12-31", "2026-01-03", "1999-12-31", "2000-03-01", "4713-01-01 BC"):
        yield d


def stamps():
    for d in ("2026-01-02", "2026-01-03", "0044-03-15 BC", "2025-12-31"):
        day, _, era = d.partition(" ")
        for t in ("", " 00:00", "T00:00:00", " 24:00:00", " 10:00", " 10:00:00.000000", "T10:00:00.5", " 10:00:00.50", " 9:59:60",
                  " 23:59:59.9999999", " 10:00:00.0000004", " 10:00+02", "T08:00Z", " 10:00:00+02:00", "T10:00:00.5-05:30"):
            yield f"{day}{t}{' ' + era if era else ''}"
    yield from ("infinity", "-infinity")


def times():
    yield from ("10:00", "10:00:00", "10:00:00.0", "9:59:60", "24:00", "00:00", "00:00:00", "23:59:60", "10:00:00.5", "10:00:00.500",
                "10:00:00.0000004", " 10:00 ")


def texts():
    yield from ("a", "A", "a ", " a", "", "a b", "01", "1", "1.0", "true")


TYPES = {"smallint": lambda: [n for n in numbers() if "2147483647" not in n], "int": numbers, "bigint": numbers, "numeric": decimals,
         "numeric(20,2)": lambda: [d for d in decimals() if not re.search("e-5|0000|nf|an|NAN", d)], "oid": lambda: [*numbers(), "4294967295", "4294967294", "-2147483648", "2147483648"],
         "boolean": bools, "uuid": uuids, "date": dates, "timestamp": stamps, "timestamptz": stamps, "time": times, "text": texts,
         "varchar": texts, "char(3)": texts, "name": lambda: [*texts(), "n" * 63, "n" * 64], "mood": lambda: ["sad", "ok", "Sad", "SAD"],
         "amount": decimals, "flag": bools}
SCHEMA = """CREATE TYPE mood AS ENUM ('sad', 'ok', 'SAD'); CREATE DOMAIN small AS numeric; CREATE DOMAIN amount AS small;
CREATE DOMAIN flag AS boolean;"""


# spellings that are not read here, as the manual says: an oid's zero in front is octal from PostgreSQL 16 on
ACCEPTED_BY_THE_SERVER_ALONE = {"oid": re.compile(r"\s*[-+]?0\d+\s*")}


def table(i):
    return f"t{i}"


@pytest.fixture(scope="module")
def spelled():
    """A database with a table of each type, watched, and a worker with an endpoint for each."""
    server = Postgres()
    server.start()
    server.create_database("test")
    server.dbname = "test"
    server.psql(file=EVENTS, dbname="test")
    server.sql(SCHEMA)
    endpoints = {}
    for i, t in enumerate(TYPES):
        server.sql(f"CREATE TABLE {table(i)} (k {t}); SELECT weir.watch('{table(i)}', 'all{i}', 'k{i}:{{k}}')")
        endpoints[f"t{i}"] = (f"-- @route GET /{i}\n-- @param v\n-- @returns value\n-- @cache 1h tags k{i}:{{v}}\n"
                              f"SELECT count(*) FROM {table(i)} WHERE k = :v")
    site = Site(server.conninfo_for("test", user="postgres"), endpoints)
    w = LoneWorker(site)
    yield server, w
    w.stop()
    site.remove()
    server.close()


def canonical(conn, i, value):
    conn.send_request(f"/{i}?v=" + urllib.parse.quote(value))
    reply = conn.read_reply()
    if reply.status != 200:
        assert reply.status == 400, (value, reply)
        return None
    groups = reply.header("cache-groups")
    assert groups, (value, reply)
    return groups.strip('"').split(":", 1)[1]


@pytest.mark.parametrize("i", range(len(TYPES)), ids=list(TYPES))
def test_one_tag_if_and_only_if_the_type_says_equal(spelled, i):
    """7.1: generated spellings of every type against the server's own =; and what a trigger tells of the stored value."""
    server, w = spelled
    kind = list(TYPES)[i]
    base = re.sub(r"\(.*", "", kind).replace("char", "bpchar") if kind == "char(3)" else re.sub(r"\(.*", "", kind)
    values = list(dict.fromkeys(TYPES[kind]()))
    with Connection(w.listen) as c:
        tags = {v: canonical(c, i, v) for v in values}
    known = {v: t for v, t in tags.items() if t is not None}
    assert len(known) > 2
    with contextlib.closing(server.connect("test")) as db:
        db.autocommit = True
        cur = db.cursor()
        cur.execute("SET TimeZone = 'UTC'")
        # what is refused is refused by the server, or is a spelling that the manual names
        for v in set(values) - set(known):
            try:
                cur.execute(f"SELECT %s::{base}", (v,))
            except Exception:
                continue
            assert (base == "timestamptz" and not re.search(r":\S*(Z|[+-]\d\d)", v)) or (
                base in ACCEPTED_BY_THE_SERVER_ALONE and ACCEPTED_BY_THE_SERVER_ALONE[base].fullmatch(v)), v
        cur.execute(f"SELECT x.i, y.i, x.v::{base} = y.v::{base} FROM unnest(%s::text[]) WITH ORDINALITY x(v, i), "
                    "unnest(%s::text[]) WITH ORDINALITY y(v, i) WHERE x.i < y.i", (list(known), list(known)))
        names, wrong = list(known), []
        for x, y, equal in cur.fetchall():
            a, b = names[x - 1], names[y - 1]
            if equal != (known[a] == known[b]):
                wrong.append((a, b, equal, known[a], known[b]))
        assert not wrong, wrong[:10]
        # the other way to the tag
        cur.execute("LISTEN weir_invalidate")
        for v in rng.sample(names, min(len(names), 25)):
            try:
                cur.execute(f"INSERT INTO {table(i)} VALUES (%s)", (v,))
            except Exception:
                continue        # too long for char(n)
            db.poll()
            heard = [t for n in db.notifies for t in json.loads(n.payload)["t"]]
            assert not [n for n in db.notifies if "all" in json.loads(n.payload)], (v, db.notifies)
            db.notifies.clear()
            assert f"k{i}:{known[v]}" in heard, (v, known[v], heard)


REFUSED = ["jsonb", "json", "interval", "money", "inet", "cidr", "macaddr", "float8", "real", "timetz", "int[]", "int4range", "point",
           "bytea", "bit(3)", "citext", "pair", "xml", "regclass", '"char"', "ctext"]


def test_a_type_whose_equal_values_have_many_spellings_fills_no_tag(db):
    """7.1: refused when the file is loaded, with its line and what to do; and by weir.watch."""
    db.sql("CREATE EXTENSION citext; CREATE TYPE pair AS (a int, b int); CREATE DOMAIN ctext AS citext")
    db.pg.psql(file=EVENTS, dbname=db.name)
    site = Site(db.conninfo, {f"e{i}": f"-- @route GET /{i}\n-- @param v\n-- @cache 1h tags x{i}:{{v}}\nSELECT (:v::{t})::text AS v\n"
                              for i, t in enumerate(REFUSED)})
    out = check(site)
    for i, t in enumerate(REFUSED):
        assert re.search(rf"e{i}\.sql:3:.*tag x{i}:\{{v\}}: parameter v is (of type|an array of) .*tags are filled with", out), (t, out)
    site.remove()
    for i, t in enumerate(REFUSED):
        db.sql(f"CREATE TABLE r{i} (k {t})")
        with pytest.raises(Exception, match="many spellings"):
            db.sql(f"SELECT weir.watch('r{i}', 'r', 'r:{{k}}')")
    db.sql("CREATE COLLATION ci (provider = icu, locale = 'und-u-ks-level2', deterministic = false);"
           "CREATE TABLE ci (k text COLLATE ci)")
    with pytest.raises(Exception, match="nondeterministic"):
        db.sql("SELECT weir.watch('ci', 'r', 'r:{k}')")


ROUNDS = {"numeric(6,2)": "numeric", "numeric(6,0)": "numeric", "timestamp(0)": "timestamp", "timestamptz(3)": "timestamp",
          "time(0)": "time", "varchar(3)": "text"}
KEEPS = ["char(3)", "timestamp(6)", "timestamp", "numeric", "varchar", "int"]


def test_a_domain_with_a_scale_or_a_length_fills_no_tag(db):
    """7.1: 4.504 becomes 4.50 when it is read, after the tag was told: refused at load, as a domain over such a domain is, by a
    read's tag and by a write's, where the text casts and where a column is of it."""
    endpoints = {}
    for i, t in enumerate([*ROUNDS, *KEEPS]):
        db.sql(f"CREATE DOMAIN d{i} AS {t}; CREATE DOMAIN dd{i} AS d{i}; CREATE TABLE t{i} (k d{i})")
        endpoints[f"r{i}"] = f"-- @route GET /r{i}\n-- @param v\n-- @cache 1h tags x{i}:{{v}}\nSELECT 1 AS v WHERE :v::dd{i} IS NOT NULL"
        endpoints[f"w{i}"] = f"-- @route POST /r{i}\n-- @param v\n-- @returns none\n-- @invalidates x{i}:{{v}}\nINSERT INTO t{i} VALUES (:v)"
        endpoints[f"n{i}"] = f"-- @route GET /n{i}\n-- @param v\nSELECT :v::d{i} AS v"
    site = Site(db.conninfo, endpoints)
    out = check(site)
    site.remove()
    for i, (t, cast) in enumerate(ROUNDS.items()):
        for file, line in (("r", 3), ("w", 4)):
            assert re.search(rf"{file}{i}\.sql:{line}:.*tag x{i}:.*domain with a scale or a length.*as in :v::{cast}", out), (t, out)
    for i in range(len(ROUNDS), len(ROUNDS) + len(KEEPS)):
        assert f"r{i}.sql" not in out and f"w{i}.sql" not in out, out
    assert "/n" not in out, out


INSERTED = {"numeric(10,2)": 1, "numeric": 0, "timestamp(0)": 1, "timestamptz(3)": 1, "time(0)": 1, "timestamp": 0, "int": 0}


def test_a_write_whose_column_rounds_what_its_tag_says_is_warned_of(db):
    """7.1: the row is 1.50, the tag 1.504: weird -t says so, of the parameter that fills the tag, and of no other."""
    endpoints = {}
    for i, t in enumerate(INSERTED):
        db.sql(f"CREATE TABLE t{i} (k {t}, price numeric(10,2), at timestamp(0)); GRANT ALL ON t{i} TO weir")
        body = "-- @param k\n-- @param p\n-- @returns none\n-- @invalidates x{0}:{{k}}\n"
        endpoints[f"i{i}"] = f"-- @route POST /i{i}\n" + body.format(i) + f"INSERT INTO t{i} (price, k) VALUES (:p, :k)"
        endpoints[f"u{i}"] = f"-- @route PATCH /i{i}\n" + body.format(i) + f"UPDATE t{i} SET price = :p WHERE k = :k"
    site = Site(db.conninfo, endpoints)
    out = check(site)
    site.remove()
    for i, (t, warned) in enumerate(INSERTED.items()):
        assert len(re.findall(rf"warning: \S*/i{i}\.sql:\d+: parameter k fills a tag .* rounds it", out)) == warned, (t, out)
        assert not re.search(rf"/u{i}\.sql:\d+: parameter", out), (t, out)
    assert "parameter p" not in out, out


def check(site):
    import subprocess
    from weirtest.base import BUILD
    done = subprocess.run([BUILD / "supervisor/weird", "-t", "-c", site.conf], capture_output=True, text=True, timeout=60)
    return done.stdout + done.stderr


def test_what_fills_one_tag_is_of_one_kind(db):
    """7.1: an integer here and a text there would tell 01 and 1 apart: refused at load, and so is a watched column of another
    kind; the user, a claim and a segment that no statement reads follow the others."""
    db.pg.psql(file=EVENTS, dbname=db.name)
    db.sql("CREATE TABLE c (id int PRIMARY KEY, t text); CREATE TABLE w (id uuid); SELECT weir.watch('w', 'ws', 'w:{id}')")
    site = Site(db.conninfo, {
        "a": "-- @route GET /c/{id}\n-- @cache 1h tags c:{id}\nSELECT * FROM c WHERE id = :id",
        "b": "-- @route PATCH /c/{key}\n-- @returns none\n-- @invalidates c:{key}\nUPDATE c SET t = t WHERE id::text = :key",
        "n": "-- @route PUT /c/{n}\n-- @returns none\n-- @invalidates c:{n}\nUPDATE c SET t = t WHERE id = :n::numeric",
        "o": "-- @route DELETE /c/all\n-- @auth user\n-- @returns none\n-- @invalidates c:{user} c:{claim.o}\nSELECT 1",
        "w": "-- @route GET /w/{id}\n-- @cache 1h tags w:{id}\nSELECT :id::int AS id"})
    out = check(site)
    assert re.search(r"b\.sql:3:.*tag c:\{key\}: \{key\} is text here and a number in a\.sql.*:key::int", out), out
    assert re.search(r"w\.sql:2:.*\{id\} is a number here and uuid in column id of the watched table w", out), out
    assert "n.sql" not in out and "o.sql" not in out, out
    site.remove()


def test_an_update_of_the_triggers(db):
    """7.1: events.sql again: tables that were watched before tell values in the new form; weird -t says that it is to be run."""
    db.pg.psql(file=EVENTS, dbname=db.name)
    db.sql("CREATE TABLE a (id numeric(10,2))")
    db.sql("SELECT weir.set_triggers('a', $q$'(''as''), (''a:'' || coalesce(r.id::text, ''''))', 'as', 'a:{id}'$q$, false)")
    site = Site(db.conninfo, {"a": "-- @route GET /a/{id}\n-- @cache 1h tags a:{id}\nSELECT * FROM a WHERE id = :id"})
    assert re.search(r"warning: database main: the triggers of (public\.)?a are of an earlier version", check(site))
    db.pg.psql(file=EVENTS, dbname=db.name)
    assert "earlier version" not in check(site)
    with contextlib.closing(db.connect()) as conn:
        conn.autocommit = True
        cur = conn.cursor()
        cur.execute("LISTEN weir_invalidate")
        cur.execute("INSERT INTO a VALUES (1.50)")
        conn.poll()
        assert [sorted(json.loads(n.payload)["t"]) for n in conn.notifies] == [["a:1.5", "as"]]
    site.remove()


ENDPOINTS = {
    "get": "-- @route GET /c/{id}\n-- @returns row\n-- @cache 1h tags c:{id}\nSELECT * FROM c WHERE id = :id",
    "patch": "-- @route PATCH /c/{id}\n-- @returns row\n-- @invalidates c:{id}\nUPDATE c SET v = v + 1 WHERE id = :id RETURNING v",
    "user": "-- @route DELETE /c/all\n-- @auth user\n-- @returns none\n-- @invalidates c:{user}\nUPDATE c SET v = v + 1",
}
KINDS = {"int": (["1", "01", "+1", "%201"], "2"), "numeric(10,2)": (["1.5", "1.50", "15e-1", "01.5"], "2"),
         "boolean": (["t", "1", "yes", "TRUE"], "f"), "char(4)": (["ab", "ab%20"], "cd"),
         "uuid": (["a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", "{A0EEBC999C0B4EF8BB6D6BB9BD380A11}"], "b0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"),
         "timestamptz": (["2026-01-01T10:00Z", "2026-01-01T12:00%2B02:00"], "2026-01-01T11:00Z"), "date": (["2026-01-02", "20260102"], "2026-01-03")}


@pytest.fixture(params=["notify", "slot"])
def mode(request, own_pg):
    if request.param == "slot":
        own_pg.sql("ALTER SYSTEM SET wal_level = 'logical'")
        own_pg.restart() if hasattr(own_pg, "restart") else (own_pg.stop(), own_pg.start())
    own_pg.psql(file=EVENTS, dbname="test")
    return request.param


def is_hit(reply):
    return reply.header("cache-status", "").startswith("weir; hit")


def test_every_spelling_meets_every_other(mode, own_pg):
    """7.1: GET by one spelling, a write by another: no stale hit, for each pair; psql's writes, by NOTIFY and by a slot."""
    endpoints = {}
    for i, (kind, (spellings, other)) in enumerate(KINDS.items()):
        own_pg.sql(f"CREATE TABLE c{i} (id {kind} PRIMARY KEY, v int DEFAULT 0); ALTER TABLE c{i} REPLICA IDENTITY FULL;"
                   f"SELECT weir.watch{'_slot' if mode == 'slot' else ''}('c{i}', 'cs{i}', 'c{i}:{{id}}')")
        own_pg.sql(f"INSERT INTO c{i} VALUES (%s)", (urllib.parse.unquote(spellings[0]),))
        for name, text in ENDPOINTS.items():
            endpoints[f"{name}{i}"] = text.replace("/c/", f"/c{i}/").replace("c:{", f"c{i}:{{").replace(" c ", f" c{i} ")
    site = Site(own_pg.conninfo_for("test", user="postgres"), endpoints,
                {"workers": {"min": 2, "max": 2}, "database": {"main": {"events": mode}},
                 "auth": {"user_param": "REMOTE_USER"}})
    w = Weird(site).wait_listening()
    try:
        wait_for(lambda: sum(v for k, v in w.metrics().items() if k.startswith("weir_cache_invalidation_listening")) == 1, 20,
                 "events to be heard")
        for i, (kind, (spellings, other)) in enumerate(KINDS.items()):
            v = 0
            for write in spellings:
                for s in spellings:
                    wait_for(lambda s=s: is_hit(w.get(f"/c{i}/{s}")), 10, "it to be cached")
                for method in ("PATCH", "DELETE"):  # by a parameter; by what no statement reads
                    reply = (w.get(f"/c{i}/{write}", method) if method == "PATCH" else
                             w.get(f"/c{i}/all", method, REMOTE_USER=urllib.parse.unquote(write)))
                    assert reply.status in (200, 204), (kind, write, reply)
                    v += 1
                    for s in spellings:
                        reply = w.get(f"/c{i}/{s}")
                        assert reply.json["v"] == v, (kind, method, write, s, reply)
            for s in spellings:
                wait_for(lambda s=s: is_hit(w.get(f"/c{i}/{s}")), 10, "it to be cached")
            own_pg.sql(f"UPDATE c{i} SET v = 100", dbname="test")
            for s in spellings:
                wait_for(lambda s=s: w.get(f"/c{i}/{s}").json["v"] == 100, 10, f"{kind}: {s} to be void by psql's write")
    finally:
        w.stop()
        site.remove()


def test_of_two_writers_with_if_match_one_wins(db):
    """7.1: one lock for one value: the same entity tag, two spellings, at once."""
    db.sql("CREATE TABLE c (id int PRIMARY KEY, v int); INSERT INTO c SELECT i, 0 FROM generate_series(1, 40) i")
    site = Site(db.conninfo, {k: v for k, v in ENDPOINTS.items() if k != "user"}, {"workers": {"min": 2, "max": 2}})
    w = Weird(site).wait_listening()
    try:
        for n in range(1, 41):
            etag = w.get(f"/c/{n}").header("etag")
            got = []

            def write(s):
                got.append(w.get(f"/c/{s}", "PATCH", headers=[("If-Match", etag)]).status)
            threads = [threading.Thread(target=write, args=(s,)) for s in (f"{n}", f"0{n}", f"%2B{n}", f"00{n}")]
            for t in threads:
                t.start()
            for t in threads:
                t.join()
            assert sorted(got) == [200, 412, 412, 412], (n, got)
    finally:
        w.stop()
        site.remove()


def test_words_that_depend_on_the_day(db):
    """7.1: now, today and their like are a 400 where answers are kept, and no default there."""
    kept = "-- @route GET /{t}\n-- @param v\n-- @returns value\n-- @cache 1h\nSELECT (:v::{t})::text"
    types = ["date", "timestamp", "timestamptz", "time", "daterange", "tstzrange", "date[]"]
    site = Site(db.conninfo, {**{f"e{i}": kept.replace("{t}", t, 1).replace("/date[]", "/dates").replace("{t}", t)
                                 for i, t in enumerate(types)},
                              "free": "-- @route GET /free\n-- @param v\n-- @returns value\nSELECT (:v::date)::text",
                              "text": "-- @route GET /text\n-- @param v\n-- @returns value\n-- @cache 1h\nSELECT :v::text"})
    w = LoneWorker(site)
    try:
        for t in types:
            path = "/dates" if t == "date[]" else f"/{t}"
            for word in ("now", "NOW", " now ") + (("today", "Tomorrow", "yesterday", "today 04:00") if t != "time" else ()):
                v = f"[{word},]" if "range" in t else word
                reply = w.get(f"{path}?v={urllib.parse.quote(v)}")
                assert reply.status == 400 and b"does not depend on when" in reply.body, (t, word, reply)
        assert w.get("/date?v=2026-01-01").status == 200 and w.get("/date?v=epoch").status == 200
        assert w.get("/free?v=today").status == 200 and w.get("/text?v=today").status == 200
    finally:
        w.stop()
        site.remove()
    site = Site(db.conninfo, {"d": "-- @route GET /d\n-- @param v default today\n-- @returns value\n-- @cache 1h\nSELECT :v::date"})
    out = check(site)
    assert re.search(r"d\.sql:2:.*default 'today' is another day tomorrow", out), out
    site.remove()


AWAY = {
    "get": "-- @route GET /c/{id}\n-- @returns row\n-- @param id range 1..50\n-- @cache 1h tags c:{id}\nSELECT * FROM c WHERE id = :id",
    "list": "-- @route GET /l\n-- @param ids\n-- @cache 1h tags cs\nSELECT * FROM c WHERE id = ANY (:ids::int[])",
    "time": "-- @route GET /t/{at}\n-- @cache 1h tags t:{at}\nSELECT :at::timestamptz AS at",
    "whole": "-- @route GET /w/{id}\n-- @include c = GET /c/{id}\n-- @returns row\n-- @cache 1h tags w:{id}\nSELECT :id::int AS id",
    "patch": "-- @route PATCH /c/{id}\n-- @returns row\n-- @invalidates c:{id}\nUPDATE c SET v = v + 1 WHERE id = :id RETURNING v",
    "post": "-- @route POST /c/{id}\n-- @returns none\n-- @invalidates c:{id}\nUPDATE c SET v = v + 1 WHERE id = :id",
}


def test_a_worker_that_starts_while_the_database_is_away(own_pg):
    """7.1: nobody knows the types yet: 503 with Retry-After, never the client's fault, whatever the value is for; and when the
    database is back, what was spelled otherwise meets, with If-Match too."""
    own_pg.sql("CREATE TABLE c (id int PRIMARY KEY, v int); INSERT INTO c VALUES (1, 0), (2, 0); GRANT ALL ON c TO weir", dbname="test")
    site = Site(own_pg.conninfo_for("test"), AWAY)
    own_pg.stop("immediate")
    w = LoneWorker(site)
    try:
        for path, method, fields in (("/c/01", "GET", []), ("/c/2", "HEAD", []), ("/w/1", "GET", []), ("/c/1", "POST", []), ("/c/1", "PATCH", []),
                                     ("/c/1", "PATCH", [("If-Match", '"x"')]), ("/c/1", "PATCH", [("If-None-Match", "*")]),
                                     ("/l?ids=1&ids=2", "GET", []), ("/t/2026-01-02T10:00Z", "GET", []), ("/t/tomorrow", "GET", [])):
            reply = w.get(path, method, headers=fields)
            assert reply.status == 503 and reply.header("retry-after"), (path, method, fields, reply)
            assert method == "HEAD" or reply.code == "db_down", (path, method, fields, reply)
        own_pg.start()
        # the first requests that get through are those that were bound without types
        wait_for(lambda: w.get("/c/%2B1", "POST").status == 204, 10, "a write")
        assert w.get("/c/01").json["v"] == 1
        etag = w.get("/c/1").header("etag")
        assert w.get("/c/01", "PATCH", headers=[("If-Match", etag)]).status == 200
        assert w.get("/c/1", "PATCH", headers=[("If-Match", etag)]).status == 412
        assert w.get("/c/001").json["v"] == 2
        assert w.get("/t/tomorrow").status == 400 and w.get("/c/51").status == 400
    finally:
        w.stop()
        site.remove()


def test_a_table_that_is_locked_while_a_worker_starts(db):
    """7.1: nobody could say the types: a 503 until somebody can, with several values, a tag and a condition, too."""
    db.sql("CREATE TABLE c (id int PRIMARY KEY, v int); INSERT INTO c VALUES (1, 0), (2, 0); GRANT ALL ON c TO weir")
    site = Site(db.conninfo, AWAY)
    with contextlib.closing(db.connect()) as conn:
        conn.autocommit = False
        conn.cursor().execute("LOCK TABLE c")
        w = LoneWorker(site)
        try:
            for path, method, fields in (("/l?ids=1&ids=2", "GET", []), ("/c/01", "GET", []), ("/c/01", "POST", []),
                                         ("/c/01", "PATCH", [("If-Match", '"x"')])):
                reply = w.get(path, method, headers=fields)
                assert reply.status == 503 and reply.header("retry-after"), (path, method, fields, reply)
            conn.rollback()
            wait_for(lambda: w.get("/l?ids=1&ids=2").status == 200, 10, "the table to be described")
            assert w.get("/c/01").status == 200
        finally:
            w.stop()
            site.remove()


# ---- types that are not known yet

UNTOLD = {
    "get": "-- @route GET /x\n-- @returns value\n-- @cache 1h per user tags c:{user}\nSELECT clock_timestamp()",
    "write": "-- @route POST /z\n-- @returns none\n-- @invalidates c:{user}\nNOTIFY nobody",
    "teller": "-- @route PATCH /c/{id}\n-- @database away\n-- @returns none\n-- @invalidates c:{id}\nUPDATE c SET n = 1 WHERE id = :id::int"}


def test_what_nobody_has_told_is_void_by_each_reading(pg):
    """7.1: while the database is away whose statement says that a tag's value is a number, 01 was another one than 1."""
    weird = Weird(Site(pg.conninfo, UNTOLD, {"workers": {"min": 1, "max": 1}, "database": {
        "main": {"events": "off"}, "away": {"conninfo": "host=127.0.0.1 port=1", "events": "off"}}}))

    def made(user):
        return weird.get("/x", REMOTE_USER=user).json
    try:
        for read, write in (("01", "1"), ("1", "01"), ("+1", "1.0"), ("TRUE", "true"), ("a b", "a b")):
            old = made(read)
            assert made(read) == old
            assert weird.get("/z", "POST", REMOTE_USER=write).status == 204
            assert made(read) != old, (read, write)
        old = made("7")
        weird.get("/z", "POST", REMOTE_USER="8")
        assert made("7") == old
    finally:
        weird.stop()


def test_groups_of_a_hit_before_the_statement_is_described(own_pg):
    """7.1: a worker that began while the database was away said the tag of a kept 404, and of a part, in the client's spelling."""
    own_pg.sql("CREATE TABLE c AS SELECT 1 AS id; GRANT ALL ON c TO PUBLIC")
    weird = Weird(Site(own_pg.conninfo, {
        "none": "-- @route GET /c/{id}\n-- @returns row\n-- @cache 1h public negative 1h tags c:{id}\nSELECT id FROM c WHERE id = :id::int",
        "whole": "-- @route GET /w/{id}\n-- @returns row\n-- @cache 1h public tags w\n-- @include c = GET /c/{id}\n"},
        {"workers": {"min": 1, "max": 1}, "database": {"main": {"events": "off"}}}))
    try:
        assert [weird.get(p).status for p in ("/c/02", "/c/01")] == [404, 200]
        own_pg.stop()
        old = weird.worker_pids()
        os.kill(old[0], signal.SIGKILL)
        wait_for(lambda: (now := weird.worker_pids()) and now != old, 20, "another worker")
        for path, status, group in (("/c/02", 404, '"c:2"'), ("/c/01", 200, '"c:1"'), ("/w/01", 200, '"c:1"')):
            answer = wait_for(lambda: (a := weird.get(path)).status == status and a, 20, path)
            assert group in answer.header("cache-groups"), answer
    finally:
        weird.stop()
