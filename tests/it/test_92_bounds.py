"""Issue 7.14, 7.24, 7.25: what an array is, that its elements keep the bounds, and how range compares."""

import json
import random
from decimal import Decimal
from urllib.parse import quote

import psycopg2
import pytest

from weirtest.jose import Key, bearer, key_set
from weirtest.weir import LoneWorker, Site

TYPES = """
CREATE DOMAIN posint AS int CHECK (VALUE > 0);
CREATE DOMAIN posints AS posint[];
CREATE DOMAIN labels AS text[];
CREATE TYPE pair AS (a int, b text);
CREATE TYPE mood AS ENUM ('ok', 'sad');
"""

ECHO = "SELECT to_jsonb({}) AS v"


def echo(route, param, expression):
    return f"-- @route {route}\n-- @param {param}\n-- @returns value\n{ECHO.format(expression)}\n"


ARRAYS = {
    "ints": echo("GET /ints", "v range 1..100", ":v::int[]"),
    "words": echo("GET /words", "v choice red|green", ":v::text[]"),
    "texts": echo("GET /texts", "v minlen 2 maxlen 5", ":v::text[]"),
    "free": echo("GET /free", "v", ":v::text[]"),
    "days": echo("GET /days", "v range 2026-01-01..2026-12-31", ":v::date[]"),
    "domain": echo("GET /domain", "v range 1..100", ":v::posints"),
    "elements": echo("GET /elements", "v range 1..100", ":v::posint[]"),
    "labels": echo("GET /labels", "v maxlen 3", ":v::labels"),
    "def": echo("GET /def", "v default {} range 1..100", ":v::int[]"),
    "defs": echo("GET /defs", "v default {red,red} choice red|green", ":v::text[]"),
    "path": echo("GET /path/{v}", "v range 1..100", ":v::int[]"),
    "header": echo("GET /header", "v from header X-Ids range 1..100", ":v::int[]"),
    "cookie": echo("GET /cookie", "v from cookie ids range 1..100", ":v::int[]"),
    "body": echo("POST /body", "v range 1..100", ":v::int[]"),
    "bodies": echo("POST /bodies", "v", ":v::text[]"),
    "whole": echo("POST /whole", "v from body", ":v::int[]"),
    "json": echo("POST /json", "v", ":v::json[]"),
    "jsonb": echo("POST /jsonb", "v", ":v::jsonb[]"),
    "jsons": echo("GET /jsons", "v", ":v::jsonb[]"),
    "box": echo("POST /box", "v", ":v::box[]"),
    "boxes": echo("GET /boxes", "v", ":v::box[]"),
    "pairs": echo("POST /pairs", "v", ":v::pair[]"),
    "moods": echo("POST /moods", "v", ":v::mood[]"),
    "bytes": echo("POST /bytes", "v", ":v::bytea[]"),
    "nums": echo("POST /nums", "v", ":v::numeric[]"),
    "vector": echo("GET /vector", "v", ":v::int2vector"),
    "doc": echo("POST /doc", "v maxlen 5", ":v::jsonb"),
    "inner": "-- @route GET /inner\n-- @param ids range 1..100 default {}\n-- @param t default {} maxlen 4\n"
             "-- @returns value\nSELECT jsonb_build_array(:ids::int[], :t::text[])\n",
    "outer": "-- @route GET /outer\n-- @param ids default {}\n-- @param t optional\n-- @returns row\n"
             "-- @include got = GET /inner?ids={ids}&t={t}\nSELECT :ids::int[] AS ids\n",
    "empty": "-- @route GET /empty\n-- @param ids\n-- @param s optional\n-- @include got = GET /inner?ids={ids}&t={s}\n",
    "near": "-- @route GET /near\n-- @param n range 9..100\n-- @include got = GET /inner?ids={n}\n",
}


def worker_with(server, endpoints, options=None):
    name = "bounds"
    server.create_database(name)
    server.sql(TYPES, dbname=name)
    site = Site(server.conninfo_for(dbname=name), endpoints, options)
    return LoneWorker(site)


@pytest.fixture(scope="module")
def w(_pg_session):
    worker = worker_with(_pg_session, ARRAYS)
    yield worker
    worker.stop()
    _pg_session.sql("DROP DATABASE bounds WITH (FORCE)")


def expected(reply):
    """What the one fault of a 400 says, after its parameter was looked at."""
    assert reply.status == 400, reply
    faults = reply.json["errors"]
    assert [f["parameter"] for f in faults] == ["v"], faults
    return faults[0]["expected"]


def post(w, path, raw, **more):
    body = raw if isinstance(raw, bytes) else json.dumps(raw).encode()
    return w.get(path, method="POST", body=body, headers={"Content-Type": "application/json"}, **more)


RANGE = "a value from 1 to 100"


@pytest.mark.parametrize("reply", [
    lambda w: w.get("/ints?v={1000,2000}"),
    lambda w: w.get("/ints?v={1}"),
    lambda w: w.get("/ints?v={}"),
    lambda w: w.get("/ints?v=" + quote("[0:1]={1,2000}")),
    lambda w: w.get("/ints?v=1&v={1000}"),
    lambda w: w.get("/domain?v={1000}"),
    lambda w: w.get("/elements?v={1000}"),
    lambda w: w.get("/days?v={2025-01-01}"),
    lambda w: w.get("/path/" + quote("{1000,2000}")),
    lambda w: w.get("/header", headers={"X-Ids": "{1000,2000}"}),
    lambda w: w.get("/cookie", headers={"Cookie": "ids={1000}"}),
    lambda w: post(w, "/body", {"v": "{1000,2000}"}),
    lambda w: post(w, "/body", {"v": ["{1000}"]}),
    lambda w: w.get("/words?v={blue}"),
    lambda w: w.get("/words?v={red,green}"),
    lambda w: w.get("/texts?v={a,b}toolong"),
    lambda w: w.get("/labels?v={abcdef}"),
    lambda w: w.get("/words?v=red&v={blue}"),
], ids=str)
def test_a_literal_passes_no_bound(w, reply):
    """7.24: a string is one element, never an array literal, from every source."""
    assert expected(reply(w))


def test_bounds_hold_for_each_element(w):
    """7.24"""
    assert w.get("/ints?v=1&v=100").json == [1, 100]
    assert expected(w.get("/ints?v=1&v=101")) == RANGE
    assert expected(post(w, "/body", {"v": [1, 101]})) == RANGE
    assert expected(post(w, "/body", {"v": [[1], [101]]})) == RANGE
    assert expected(post(w, "/body", {"v": [1, None]})) == "elements that are not null"
    assert post(w, "/body", {"v": [1, 100]}).json == [1, 100]
    assert w.get("/domain?v=5").json == [5] and w.get("/elements?v=5&v=6").json == [5, 6]
    assert expected(w.get("/domain?v=101")) == RANGE and expected(w.get("/elements?v=101")) == RANGE
    assert w.get("/days?v=2026-06-15&v=20260616").json == ["2026-06-15", "2026-06-16"]
    assert expected(w.get("/days?v=2026-06-15&v=2027-01-01")) == "a value from 2026-01-01 to 2026-12-31"
    assert w.get("/path/7").json == [7] and expected(w.get("/path/101")) == RANGE
    assert w.get("/header", headers={"X-Ids": "7"}).json == [7]
    assert w.get("/cookie", headers={"Cookie": "ids=7"}).json == [7]
    assert w.get("/words?v=red&v=green&v=red").json == ["red", "green", "red"]
    assert expected(w.get("/words?v=red&v=blue")) == "one of red, green"
    assert expected(w.get("/texts?v=ab&v=c")) == "2 to 5 characters"
    assert w.get("/labels?v=abc&v=").json == ["abc", ""]


def test_empty_arrays(w):
    """7.24: [] or an absent parameter with default {}."""
    assert post(w, "/body", {"v": []}).json == []
    assert w.get("/def").json == [] and w.get("/defs").json == ["red", "red"]
    assert expected(w.get("/def?v={}")) and expected(w.get("/def?v="))
    assert w.get("/free?v=").json == [""]


TEXTS = ["{", "{a", "}", "{}", "{a,b}", "NULL", "null", "", " ", " a ", "a,b", '"', '\\', 'a"b\\c', "'", "ž☃", "\t\n", "\\x41",
         "[1:1]={a}", "{{a}}", "%", "+", "é\u0301", "\U0001f600", "{a&b=c}"]


def test_elements_arrive_as_they_were_sent(w):
    """7.24: braces, quotes, backslashes, NULL the word, blanks and the empty string are texts like any other."""
    for text in TEXTS:
        assert w.get("/free?v=" + quote(text, safe="")).json == [text]
        assert w.get("/free?v=x&v=" + quote(text, safe="")).json == ["x", text]
        assert post(w, "/bodies", {"v": text}).json == [text]
    assert post(w, "/bodies", {"v": TEXTS}).json == TEXTS
    assert w.get("/free?v={a").json == ["{a"] and w.get("/free?v={a&v=b}").json == ["{a", "b}"]
    assert post(w, "/bodies", {"v": ["a", None, "NULL"]}).json == ["a", None, "NULL"]


def test_arrays_of_a_whole_reach_its_parts(w):
    """7.24: the literal that a part was given by its whole was the one thing that relied on it."""
    assert w.get("/outer?ids=1&ids=2").json == {"ids": [1, 2], "got": [[1, 2], [""]]}
    assert w.get("/outer").json == {"ids": [], "got": [[], [""]]}
    assert w.get("/outer?ids=101").status == 400
    assert w.get("/outer?ids=1&t={a}").json["got"] == [[1], ["{a}"]]
    assert w.get("/outer?ids=1&t=abcde").status == 400
    assert w.get("/empty?ids=3&ids=4&s={b}").json == {"got": [[3, 4], ["{b}"]]}
    assert w.get("/empty?ids={3,4}").status == 400
    assert w.get("/empty?ids=3&ids=400").status == 400
    # a number among numbers although no statement says so
    assert w.get("/near?n=10").json["got"][0] == [10]
    assert w.get("/near?n=101").json["errors"][0]["expected"] == "a value from 9 to 100"
    assert w.get("/near?n=x").status == 400


def test_whole_bodies(w):
    """7.24: the body itself is the array."""
    assert post(w, "/whole", [1, 2]).json == [1, 2]
    assert post(w, "/whole", b" [ ] ").json == []
    for bad in ({}, {"v": 1}, "{1,2}", "1", 1, None):
        assert expected(post(w, "/whole", bad)) == "an array", bad


def test_claims(_pg_session, w, module_weir):
    """7.24: a claim that is a string is one element, too."""
    key = Key("ES256", kid="k")
    site = Site(_pg_session.conninfo_for(dbname="bounds"), {
        "c": echo("GET /c", "v from claim ids range 1..100", ":v::int[]"),
        "t": echo("GET /t", "v from claim groups", ":v::text[]"),
        "j": echo("GET /j", "v from claim docs", ":v::jsonb[]")}, {"workers": {"min": 1, "max": 1}})
    (site.dir / "jwks.json").write_text(key_set(key))
    site.write_conf({"auth": {"jwks": "jwks.json", "audience": ["api"]}})
    weird = module_weir(site=site)

    def ask(path, **claims):
        return weird.get(path, headers=bearer(key.token({"aud": "api", "sub": "ann", **claims})))

    assert expected(ask("/c", ids="{1000,2000}")) and expected(ask("/c", ids=[1, 1000])) == RANGE
    assert ask("/c", ids=[1, 2]).json == [1, 2] and ask("/c", ids="7").json == [7]
    assert ask("/t", groups="{a,b}").json == ["{a,b}"] and ask("/t", groups=["{a", "b"]).json == ["{a", "b"]
    assert ask("/t", groups=[{"id": 1}, "x"]).json == ['{"id":1}', "x"] or \
        [json.loads(ask("/t", groups=[{"id": 1}, "x"]).json[0])] == [{"id": 1}]
    assert ask("/j", docs=["3", 3, {"a": []}]).json == ["3", 3, {"a": []}]
    weird.stop()


# ---- 7.14

DOCUMENTS = ["3", 3, "", "null", "a\"b", True, None, {"a": [1, "2"]}, [1, [2]], [], "{1,2}", 1.5, "é☃", {}]


def test_elements_of_json_arrays_stay_what_they_are(w):
    """7.14: ["3"] became [3]; a null element is NULL, as it is outside of an array."""
    for path in ("/json", "/jsonb"):
        assert post(w, path, {"v": ["3"]}).json == ["3"]
        assert post(w, path, {"v": DOCUMENTS}).json == DOCUMENTS
        assert post(w, path, {"v": "3"}).json == ["3"]
        assert post(w, path, {"v": [[1, 2], [3]]}).json == [[1, 2], [3]]
        assert post(w, path, {"v": []}).json == []
    # in a query string each is a document's text
    assert w.get("/jsons?v=3&v=" + quote('"3"') + "&v=" + quote('{"a":1}')).json == [3, "3", {"a": 1}]
    assert expected(w.get("/jsons?v=x")).startswith("a JSON document; line 1, column 1: ")


def test_bounds_hold_for_json_strings(w):
    """7.24's neighbour: a JSON string for jsonb was not held against minlen, maxlen and choice."""
    assert post(w, "/doc", {"v": "abc"}).json == "abc"
    assert expected(post(w, "/doc", {"v": "abcd"})) == "at most 5 characters"
    assert expected(post(w, "/doc", {"v": [1, 2, 3]})) == "at most 5 characters"


def test_inner_arrays_are_dimensions(w):
    """7.14: rectangular ones; their text is never an element."""
    for path, value in (("/nums", 1), ("/bodies", "a")):
        def of(doc):
            return json.loads(json.dumps(doc).replace("0", json.dumps(value)))
        for doc in ([[0, 0], [0, 0]], [[[0]], [[0]]], [[[[[[0]]]]]], [[0, None]]):
            assert post(w, path, {"v": of(doc)}).json == of(doc)
        for doc in ([[0], [0, 0]], [0, [0]], [[0], 0], [[]], [[], []], [[0], []], [[[0]], [0]], [[0], None], [None, [0]]):
            assert expected(post(w, path, {"v": of(doc)})) == "inner arrays of one depth and length", doc
        assert expected(post(w, path, {"v": of([[[[[[[0]]]]]]])})) == "at most 6 dimensions"
    for doc in ([{"a": 1}], [[{"a": 1}]], [{}]):
        assert expected(post(w, "/bodies", {"v": doc})) == \
            "elements that are strings, numbers or booleans; objects are for json"
    assert expected(post(w, "/bodies", {"v": {"a": 1}})) == "an array"


def test_types_of_elements(w):
    """7.14: box has another delimiter; composites are strings of PostgreSQL's form, enums and bytea are strings."""
    boxes = ["(1,1),(0,0)", "(3,3),(2,2)"]
    assert post(w, "/box", {"v": boxes}).json == boxes
    assert post(w, "/box", {"v": [boxes, boxes]}).json == [boxes, boxes]
    assert w.get("/boxes?v=" + "&v=".join(quote(b) for b in boxes)).json == boxes
    assert w.get("/boxes?v=" + quote(";".join(boxes))).status == 400
    assert post(w, "/pairs", {"v": ["(1,x)", '(2,"a,b")', "(,)"]}).json == \
        [{"a": 1, "b": "x"}, {"a": 2, "b": "a,b"}, {"a": None, "b": None}]
    assert "objects are for json" in expected(post(w, "/pairs", {"v": [{"a": 1, "b": "x"}]}))
    assert post(w, "/moods", {"v": ["ok", "sad"]}).json == ["ok", "sad"] and post(w, "/moods", {"v": ["no"]}).status == 400
    assert post(w, "/bytes", {"v": ["\\x41", ""]}).json == ["\\x41", "\\x"]
    assert post(w, "/nums", b'{"v":[12345678901234567890.123456789,"1e3",true]}').status == 400
    assert post(w, "/nums", b'{"v":[12345678901234567890.123456789,"1e3"]}').body == b"[12345678901234567890.123456789, 1000]"
    # has elements and no braces
    assert w.get("/vector?v=" + quote("1 2 3")).json in ([1, 2, 3], "1 2 3")


# ---- 7.25

def literal(text):
    return "'" + text.replace("'", "''") + "'"


def refusal(site, range_, type_, more=""):
    site.write_endpoint("a", f"-- @route GET /a\n-- @param v range {range_} {more}\n-- @returns value\nSELECT :v::{type_}\n")
    done = site.weird("-t")
    text = done.stdout + done.stderr
    if done.returncode:
        assert done.returncode == 78 and "a.sql:2" in text and "parameter v" in text, text
    return text if done.returncode else None


@pytest.fixture(scope="module")
def checked(_pg_session, w):
    site = Site(_pg_session.conninfo_for(dbname="bounds"), {})
    yield site
    site.remove()


@pytest.mark.parametrize("type_", ["text", "varchar", "char(3)", "money", "interval", "timetz", "uuid", "boolean", "bytea", "jsonb",
                                   "inet", "mood", "pair", "int4range", "text[]", "interval[]", "labels", '"char"'])
def test_range_of_what_has_no_plain_order_is_refused(checked, type_):
    """7.25: at load, with the type's name and what there is instead."""
    said = refusal(checked, "1..2", type_)
    assert said and "range does not compare values of type" in said and "Compare in the SQL" in said, said


@pytest.mark.parametrize("range_, type_, words", [
    ("1..many", "int", "'many'"),
    ("nan..", "float8", "'nan'"),
    ("..NaN", "numeric", "'NaN'"),
    ("1..infinity", "int", "'infinity'"),
    ("-1..5", "oid", "'-1'"),
    ("2026-01-01..2026-02-30", "date", "'2026-02-30'"),
    ("today..", "date", "'today'"),
    ("01.02.2026..", "date", "YYYY-MM-DD"),
    ("2026-01-01..", "timestamptz", "with its offset"),
    ("2026-01-01T00:00:00..", "timestamptz", "with its offset"),
    ("1..1e400", "float8", "'1e400'"),
    ("9007199254740993..9007199254740992", "bigint", "larger than its end"),
    ("1.00000000000000000000000000000000002..1.00000000000000000000000000000000001", "numeric", "larger than its end"),
    ("2026-12-31..2026-01-01", "date", "larger than its end"),
    ("0001-01-01..0001-01-01T00:00:00", "posint[]", "'0001-01-01'"),
    ("2026-01-01T00:30:00+02:00..2026-01-01T00:00:00Z", "timestamptz", None),
    ("2026-01-01T00:00:00Z..2026-01-01T00:30:00+02:00", "timestamptz", "larger than its end"),
    ("10:00..09:00:00", "time", "larger than its end"),
    ("0.5..99999999999999999999", "int", None),
    ("2026-01-01..2026-12-31", "date", None),
    ("-infinity..infinity", "timestamp", None),
])
def test_bounds_are_checked_at_load_by_the_servers_type(checked, range_, type_, words):
    """7.25"""
    said = refusal(checked, range_, type_)
    assert (said is None) == (words is None), said
    assert words is None or words in said, said


@pytest.mark.parametrize("type_, more, words", [
    ("date", "default 2025-12-31", "'2025-12-31'"),
    ("date[]", "default {2026-05-01,2025-12-31}", "an element of default"),
    ("date[]", "default {2026-05-01}", None),
    ("date[]", "default {}", None),
    ("date", "default today", None),
])
def test_defaults_keep_the_bounds(checked, type_, more, words):
    """7.25"""
    said = refusal(checked, "2026-01-01..2026-12-31", type_, more)
    assert (said is None) == (words is None), said
    assert words is None or words in said, said


def test_text_defaults_with_braces_keep_choice_and_length(checked):
    checked.write_endpoint("a", "-- @route GET /a\n-- @param v default {} choice a|b\n-- @returns value\nSELECT :v::text\n")
    assert "'{}'" in checked.weird("-t").stdout


# Every type with an order: bounds, and texts around them in the spellings of a client. The server decides.
def numbers(rnd):
    digits = "".join(rnd.choice("0123456789") for _ in range(rnd.choice([1, 2, 3, 9, 20, 40])))
    if rnd.random() < .6:
        at = rnd.randrange(len(digits) + 1)
        digits = digits[:at] + "." + digits[at:]
    return rnd.choice(["", "", "-", "+"]) + digits + rnd.choice(["", "", "", f"e{rnd.randint(-30, 30)}", f"E+{rnd.randint(0, 9)}"])


def near_number(bound, rnd):
    step = Decimal(rnd.choice(["0", "1", "0.1", "1e-20", "1e-38"])) * rnd.choice([1, -1])
    return rnd.choice(["{}", "{:f}", "+{}", "00{}", " {} "]).format((Decimal(bound) if bound else Decimal(0)) + step)


def dates(rnd):
    y = rnd.choice([1, 44, 1969, 1970, 1999, 2000, 2024, 2025, 2026, 2027, 9999, 12026])
    m, d = rnd.choice([1, 2, 6, 12, 13, 0]), rnd.choice([0, 1, 15, 28, 29, 30, 31, 32])
    form = rnd.choice(["{:04}-{:02}-{:02}", "{:04}-{}-{}", "{:04}{:02}{:02}"])
    if y > 9999:
        form = "{:04}-{:02}-{:02}"
    return form.format(y, m, d) + rnd.choice(["", "", "", " BC", " AD", "BC"])


def times(rnd):
    h, m, s = rnd.choice([0, 9, 10, 23, 24, 25]), rnd.choice([0, 30, 59, 60]), rnd.choice([0, 1, 59, 60, 61])
    form = rnd.choice(["{:02}:{:02}:{:02}", "{}:{:02}:{:02}", "{:02}:{:02}"])
    fraction = rnd.choice(["", "", ".5", ".000001", ".0000004", ".0000005", ".0000006", ".9999995", ".999999"])
    return form.format(h, m, s) + (fraction if form.count("{") == 3 else "")


OFFSETS = ["Z", "z", "+00", "+02", "-08", "+0530", "+05:30", "-03:30:15", "+15:59", "+16", " +02", "+2"]


def moments(rnd):
    day = dates(rnd)
    era = day[-3:] if day.endswith((" BC", " AD")) else ""
    day = day.removesuffix(era).removesuffix("BC")
    return day + rnd.choice(["T", " ", "  "]) + times(rnd) + rnd.choice(["", "", *OFFSETS]) + era


def spelled(kind):
    return lambda bound, rnd: rnd.choice([bound, bound, kind(rnd)])


ORDERED = {
    "int": (numbers, near_number, [("1", "100"), ("-5", "5"), ("0.5", "1e3"), ("-99999999999", None)]),
    "bigint": (numbers, near_number, [("9007199254740992", "9007199254740993"), (None, "9223372036854775807")]),
    "numeric": (numbers, near_number, [("0.1", "100.00000000000000000000000000000000000001"), ("-1e-30", "1E+20"), ("-inf", "0")]),
    "float8": (numbers, near_number, [("0.1", "9007199254740992"), ("-1e-30", "Infinity")]),
    "float4": (numbers, near_number, [("0.1", "16777216")]),
    "oid": (numbers, near_number, [("1", "100"), ("4294967295", None)]),
    "date": (dates, spelled(dates), [("2026-01-01", "2026-12-31"), ("0044-03-15BC", "1970-01-01"), ("20240229", "infinity")]),
    "time": (times, spelled(times), [("09:00", "10:00:00.000001"), ("23:59:59.999999", "24:00:00")]),
    "timestamp": (moments, spelled(moments), [("2024-02-29T09:00:00", "2026-06-15T24:00:00"), ("0044-03-15T00:00:00BC", "1970-01-01")]),
    "timestamptz": (moments, spelled(moments), [("2024-02-29T09:00:00Z", "2026-06-15T10:00:00+02:00"), ("-infinity", "2000-01-01T00:00-08")]),
}
WORDS = ["NaN", "nan", "Infinity", "-infinity", "inf", "", " ", "1 2", "0x1F", "now", "today", "epoch", "2026-06-15 BC", "20260615",
         "2026-06-15", "2026-06-15T10:00:00", "15.06.2026", "Jun 15 2026", "2026-166", "26-06-15", "10:00 PM", "T10:00"]


def verdict(cur, type_, text, low, high):
    """Does the server say that text lies between the bounds? None: it does not read it."""
    whole = type_ in ("int", "bigint", "oid")       # their bounds may be any numbers
    value = f"{literal(text)}::{type_}" + "::text::numeric" * whole
    bounds = [f"{value} {op} {literal(x)}::{'numeric' if whole else type_}" for op, x in ((">=", low), ("<=", high)) if x]
    try:
        cur.execute("SELECT " + " AND ".join(bounds))
        return cur.fetchone()[0]
    except psycopg2.DataError:
        return None


@pytest.mark.parametrize("type_", ORDERED)
def test_range_agrees_with_the_servers_own_order(_pg_session, w, type_):
    """7.25: what is admitted lies between the bounds by the server's <=, and what it could read and is refused does not, or is
    of a spelling that the manual leaves out."""
    rnd = random.Random("7.25 " + type_)
    any_, near, bounds = ORDERED[type_]
    lone = LoneWorker(Site(_pg_session.conninfo_for(dbname="bounds"), {
        f"r{i}": echo(f"GET /r{i}", f"v range {low or ''}..{high or ''}", f":v::{type_}")
        for i, (low, high) in enumerate(bounds)}))
    conn = _pg_session.connect(dbname="bounds")
    cur = conn.cursor()
    admitted = refused = 0
    for i, (low, high) in enumerate(bounds):
        edges = [x for x in (low, high) if x and not (near is near_number and "inf" in x.lower())]
        texts = WORDS + [near(x, rnd) for x in edges for _ in range(40)] + [any_(rnd) for _ in range(120)]
        for text in dict.fromkeys(texts):
            status = lone.get(f"/r{i}?v=" + quote(text, safe="")).status
            is_within = verdict(cur, type_, text, low, high)
            if status == 200:
                assert is_within, (type_, low, text, high)
                admitted += 1
            else:
                assert status == 400 and (not is_within or is_left_out(type_, text)), (type_, low, text, high, status)
                refused += 1
    conn.close()
    lone.stop()
    assert admitted > 10 and refused > 40, (admitted, refused)


def is_left_out(type_, text):
    """Spellings that the manual says are refused where a range stands."""
    t = text.strip()
    if type_ in ("date", "timestamp", "timestamptz"):
        return t in ("now", "today", "epoch", "15.06.2026", "Jun 15 2026", "2026-166", "26-06-15") or \
            (type_ == "timestamptz" and not t.removesuffix(" BC").removesuffix(" AD").lower().endswith("infinity")
             and not has_offset(t))
    if type_ == "time":
        return t in ("now", "10:00 PM", "T10:00", "2026-06-15T10:00:00")
    return t.lower() in ("nan", "0x1f") or (type_ == "oid" and t.startswith("-"))


def has_offset(t):
    t = t.removesuffix(" BC").removesuffix(" AD")
    return any(t.endswith(o) for o in OFFSETS) and ":" in t


def test_dates_of_the_issue(_pg_session, w):
    """7.25: the two that were printed."""
    assert w.get("/days?v=20260615").json == ["2026-06-15"]
    assert expected(w.get("/days?v=" + quote("2026-06-15 BC"))) == "a value from 2026-01-01 to 2026-12-31"
    assert expected(w.get("/days?v=15.06.2026")) == "a date as YYYY-MM-DD from 2026-01-01 to 2026-12-31"


# ---- 7.38, 7.29: limits of documents and bodies, each with an error that says so

def test_an_array_of_too_many_elements(w):
    """7.38"""
    assert post(w, "/bodies", {"v": ["x"] * 10000}).json == ["x"] * 10000
    assert expected(post(w, "/bodies", {"v": ["x"] * 10001})) == "an array of at most 10000 elements"
    assert len(post(w, "/bodies", {"v": [["x"] * 100] * 100}).json) == 100
    assert expected(post(w, "/bodies", {"v": [["x"] * 100] * 101})) == "at most 10000 elements"
    assert expected(post(w, "/jsonb", {"v": [[]] * 10001})) == "an array of at most 10000 elements"
    assert "256" in w.get("/free?" + "v=x&" * 257).json["detail"]


def test_documents_of_too_many_levels(w):
    """7.38: 64 in all, those of the body's object and of an array's brackets counted."""
    deep = b"[" * 63 + b"]" * 63
    assert post(w, "/jsonb", b'{"v":' + deep + b"}").status == 200
    got = post(w, "/jsonb", b'{"v":[' + deep + b"]}")
    assert got.status == 400 and got.json["code"] == "bad_json" and "nested deeper than 64" in got.json["detail"]
    assert w.get("/jsons?v=" + (b"[" + deep + b"]").decode()).status == 200
    assert "nested deeper than 64" in expected(w.get("/jsons?v=[[" + deep.decode() + "]]"))


def test_members_that_stand_twice(w):
    """7.38: at any depth, in any spelling, in a body and in a parameter."""
    for doc in (b'{"v":1,"v":2}', b'{"v":[{"a":{"b":1,"b":1}}]}', b'{"v":[{"a":1,"\\u0061":1}]}'):
        got = post(w, "/jsonb", doc)
        assert got.status == 400 and got.json["code"] == "bad_json" and "duplicate object key" in got.json["detail"], doc
    assert "duplicate object key" in expected(w.get("/jsons?v=" + quote('{"a":1,"a":1}')))


def test_charset_and_coding_of_a_body(w):
    """7.38: charset=utf8 is another name. 7.29: a compressed body was a 400 that spoke of JSON."""
    def say(kind, **headers):
        return w.get("/bodies", method="POST", body=b'{"v":["x"]}',
                     headers={"Content-Type": kind, **{k.replace("_", "-"): v for k, v in headers.items()}})

    for kind in ("application/json; charset=utf8", "application/json;charset=latin1", "application/json; charset=\"utf8\""):
        got = say(kind)
        assert got.status == 415 and "charset=utf-8" in got.json["detail"], kind
    assert "Content-Type: application/json" in say("text/plain; charset=utf8").json["detail"]
    assert say("application/json; charset=UTF-8").status == 200
    for coding in ("gzip", "br", "identity, gzip", "x-foo"):
        got = say("application/json", Content_Encoding=coding)
        assert got.status == 415 and got.header("accept-encoding") == "identity", coding
        assert got.json["detail"] == "Send the body without Content-Encoding."
    assert say("application/json", Content_Encoding="identity").status == 200
    assert say("text/plain").header("accept-encoding") is None
