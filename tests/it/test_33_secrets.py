"""7.29: what is said of a connection string never holds a password or a piece of one; keys that anybody can sign for are
refused; the access log is JSON whatever was asked for, and logs steer no terminal."""

import json
import struct
import subprocess

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from weirtest.base import Proc, built, wait_for
from weirtest.fcgi import request
from weirtest.hostile import DONE, READY, Hostile, message
from weirtest.jose import Key, b64
from weirtest.weir import SAN_ENV

ONE = {"one": "-- @route GET /one\n-- @returns value\nSELECT 1\n"}
# The password's pieces are Zq9x, Xw7y and @@@@@ whatever stands between.
FORMS = [
    "postgresql://weir:Zq9xXw7y@[::1", "postgresql://weir:Zq9xXw7y@[::1]x", "postgresql://weir:Zq9x@Xw7y@127.0.0.1:1/db",
    "postgresql://weir:Zq9x/Xw7y@127.0.0.1:1/db", "postgresql://weir:Zq9x:Xw7y@127.0.0.1:1", "postgresql://weir:Zq9x%zzXw7y@127.0.0.1:1/db",
    "postgresql://weir:Zq9x%40Xw7y@[::1", "postgresql://weir:Zq9xXw7y/db", "postgresql://weir:Zq9x#Xw7y@127.0.0.1:1/db",
    "postgresql://weir:Zq9x?Xw7y@127.0.0.1:1/db", "postgresql://weir:Zq9x Xw7y@127.0.0.1:1/db", "postgresql://weir:Zq9x'Xw7y@[::1",
    "postgresql://weir@127.0.0.1:1/db?password=Zq9xXw7y&x=y", "postgresql://weir@127.0.0.1:1/db?passwrd=Zq9xXw7y",
    "postgresql://weir@127.0.0.1:1/db?password=Zq9x=Xw7y", "postgresql://weir@127.0.0.1:1/db?password", "postgres://weir:Zq9xXw7y@[",
    "postgresql://weir@127.0.0.1:1/db?sslpassword=Zq9xXw7y&sslmode=disable", "postgresql://:Zq9xXw7y@", "postgresql://weir:Zq9xXw7y@127.0.0.1:x",
    "host=127.0.0.1 port=1 password=Zq9x Xw7y dbname=d", "host=127.0.0.1 password='Zq9x Xw7y dbname=d", "password=Zq9x'Xw7y' host=127.0.0.1 port=1",
    "password = Zq9x = Xw7y host=127.0.0.1", "password Zq9xXw7y", "Zq9xXw7y host=127.0.0.1", "host=127.0.0.1 Zq9x Xw7y",
    "pasword=Zq9xXw7y host=127.0.0.1", "host=127.0.0.1 port=1 password=Zq9xXw7y", "password=Zq9x Xw7y=1 host=127.0.0.1",
    "host=127.0.0.1 port=1 password='Zq9x\\'Xw7y' connect_timeout=x", "host=127.0.0.1 port=Zq9x password=Zq9x", "password=\\'Zq9x Xw7y",
    "host=127.0.0.1 port=1 sslmode=Zq9x password=Zq9x", "user=weir/Zq9xXw7y@127.0.0.1",
    # a password where libpq sees another value
    "postgresql://weir:Zq9xXw7y127.0.0.1/db", "postgresql://weir:Zq9xXw7y", "postgresql://weir:Zq9x@Xw7y@127.0.0.1,127.0.0.1:1/db",
    "postgresql://weir%3AZq9xXw7y@127.0.0.1:1/db", "postgresql://127.0.0.1:1/weir:Zq9xXw7y", "postgresql://weir@127.0.0.1:1/db?port=Zq9xXw7y",
    "postgresql://weir@127.0.0.1:1/db?options=-c%20x%3DZq9xXw7y", "postgresql:/weir:Zq9xXw7y@127.0.0.1", "postgresql://weir@:Zq9xXw7y@127.0.0.1:1",
    "postgresql://[::1]:Zq9xXw7y/db", "postgresql://127.0.0.1:1,weir:Zq9xXw7y@127.0.0.1:1/db",
    "host=weir:Zq9xXw7y@127.0.0.1", "host=127.0.0.1,weir:Zq9xXw7y@h port=1", "hostaddr=Zq9xXw7y!", "host=127.0.0.1 port=Zq9xXw7y", "port=1,Zq9xXw7y host=a,b",
    "user=weir:Zq9xXw7y host=127.0.0.1 port=1", "dbname=db:Zq9xXw7y host=127.0.0.1 port=1", "host=127.0.0.1 port=1 passwrd=Zq9xXw7y", "service=@Zq9xXw7y",
    "password = Zq9x  Xw7y = x", "PASSWORD=Zq9xXw7y host=127.0.0.1", "host=127.0.0.1 port=1 options='-c x=Zq9xXw7y'", "sslpassword=Zq9x' Xw7y'",
    "host=127.0.0.1 port=1 connect_timeout=Zq9xXw7y", "host=127.0.0.1 port=1 target_session_attrs=Zq9xXw7y", "host=@Zq9xXw7y", "host=/Zq9x:Xw7y",
]


def is_told(text):
    return [piece for piece in ("Zq9x", "Xw7y") if piece in text]


@pytest.mark.parametrize("form", FORMS)
def test_conninfo_is_told_without_its_password(site, form):
    """`conninfo = "postgresql://weir:PW@[::1"` printed it."""
    s = site(form, ONE)
    for args in (("-t",), ("-t", "--offline"), ("-T",)):
        done = s.weird(*args)
        text = done.stdout + done.stderr
        assert done.stdout + done.stderr and not is_told(text), text


@pytest.mark.parametrize("form", FORMS[:3] + FORMS[20:24] + FORMS[26:30] + FORMS[35:36] + FORMS[46:47] + FORMS[-9:-8])
def test_nor_by_a_running_weird(site, form):
    s = site(form, ONE, {"cache": {"memory": 0}})
    proc = Proc([built("supervisor/weird"), "-c", s.conf], s.dir / "log", env=SAN_ENV)
    try:
        wait_for(lambda: not proc.alive() or "database main" in proc.log_text(), 10, "a word on the database")
        text = proc.log_text()
        if proc.alive():
            for words in (("database",), ("config",), ("-j", "database"), ("-j", "config"), ("check",), ("info",)):
                done = subprocess.run([built("supervisor/weirctl"), "-s", s.control, *words], capture_output=True, text=True, timeout=30)
                text += done.stdout + done.stderr
        assert not is_told(text), text
    finally:
        proc.stop()


@pytest.mark.parametrize("line", ["conninfo = postgresql://weir:Zq9xXw7y@[::1", "conninfo = host=h password=Zq9x Xw7y", 'conninfo = "Zq9xXw7y',
                                  "conninfo = 'password=Zq9x\x01Xw7y'", "coninfo = 'password=Zq9x Xw7y'", "conninfo = {'Zq9x', 'Xw7y'}",
                                  "conninfo 'Zq9xXw7y'", "conninfo = 'a' 'Zq9x Xw7y'", "conninfo = \"a\"Zq9xXw7y",
                                  "events_conninfo = {\"postgresql://weir:Zq9xXw7y@[::1\"}", "secret = Zq9xXw7y"])
def test_nor_by_the_reader_of_the_file(site, line):
    s = site(None, ONE)
    s.conf.write_text(s.conf.read_text().replace("database main {\n", "database main {\n  " + line + "\n"))
    done = s.weird("-t")
    assert not is_told(done.stdout + done.stderr), done.stdout + done.stderr


def test_what_is_wrong_is_still_said(site):
    for form, words in (("postgresql://weir:Zq9x@[::1", 'matching "]"'), ("pasword=Zq9x", 'invalid connection option "pasword"'),
                        ("host=weir:Zq9x@h", "neither a name, an address nor a path"), ("postgresql://weir:Zq9x127.0.0.1/db", '"@"'), ("port=Zq9x", "no number"),
                        ("host=127.0.0.1 port=1 password=Zq9x", "Connection refused"), ("host=127.0.0.1 pass word=1", "missing")):
        done = site(form, ONE).weird("-t")
        assert words in done.stdout + done.stderr, done.stdout + done.stderr


@pytest.mark.parametrize("name,value", [("PGHOST", "weir:Zq9xXw7y@h"), ("PGPORT", "Zq9xXw7y"), ("PGUSER", "weir:Zq9xXw7y"), ("PGDATABASE", "db:Zq9xXw7y"),
                                        ("PGSSLMODE", "Zq9xXw7y"), ("PGOPTIONS", "-c Zq9xXw7y"), ("PGSERVICE", "@Zq9xXw7y"), ("file", "host=weir:Zq9xXw7y@h"),
                                        ("file", "password=Zq9x\nuser=weir:Xw7y"), ("file", "Zq9xXw7y")])
def test_nor_where_it_comes_from_elsewhere(site, pg, name, value):
    """7.29: out of the environment, or a service file."""
    conninfo = {"file": "service=app", "PGHOST": "dbname=postgres", "PGUSER": pg.conninfo.replace("user=weir", ""),
                "PGDATABASE": pg.conninfo.replace("dbname=", "application_name=")}.get(name, pg.conninfo)
    s = site(conninfo, ONE)
    (s.dir / "services").write_text("[app]\n" + (value if name == "file" else "") + "\n")
    done = s.weird("-t", env={name: value, "PGSERVICEFILE": str(s.dir / "services")})
    text = done.stdout + done.stderr
    assert text and not is_told(text), text


@pytest.mark.parametrize("more", ["user='weir:Zq9xXw7y'", "dbname='db:Zq9xXw7y'", "options='-c work_mem=Zq9x\\\\ Xw7y'", "user='weir:" + "Zq9xXw7y" * 9 + "'"])
def test_nor_in_what_a_server_says(site, pg, more):
    """7.29: it answers, and quotes the name that is none."""
    done = site(f"{pg.conninfo} {more}", ONE).weird("-t")
    text = done.stdout + done.stderr
    assert "FATAL" in text and not is_told(text), text


# Keys.

P = 2**255 - 19
ORDER_8 = 0x05FC536D880238B13933C6D305ACDFD5F098EFF289F4C345B027B2C28F95E826


def okp(y):
    return {"kty": "OKP", "crv": "Ed25519", "kid": "weak", "x": b64(y.to_bytes(32, "little"))}


def rsa_key(n, e=65537):
    return {"kty": "RSA", "kid": "weak", "n": b64(n), "e": b64(e)}


def weak_keys():
    for y in (0, 1, P - 1, ORDER_8, P - ORDER_8, P, P + 1):
        yield "small order", okp(y)
        yield "small order", okp(y | 1 << 255)
    yield "not on the curve", okp(2)
    good = rsa.generate_private_key(65537, 2048).public_key().public_numbers().n
    small = rsa.generate_private_key(65537, 1024).public_key().public_numbers().n
    yield "1024 bits", rsa_key(small)
    yield "even", rsa_key(good - 1)
    yield "divisible by 3", rsa_key(good * 3)
    yield "e = 1", rsa_key(good, 1)
    yield "e = 2", rsa_key(good, 2)
    ec = Key("ES256", kid="weak").jwk
    yield "not on the curve", {**ec, "y": ec["x"]}
    yield "infinity", {**ec, "x": b64(bytes(32)), "y": b64(bytes(32))}
    yield "31 bytes", {"kty": "oct", "kid": "weak", "k": b64(b"x" * 31)}


WEAK = list(weak_keys())


@pytest.mark.parametrize("why,jwk", WEAK, ids=[f"{i}-{w}" for i, (w, _) in enumerate(WEAK)])
def test_weak_keys_are_refused(site, pg, why, jwk):
    """Small-order Ed25519 keys were taken: with y = 1, S = 0 and R = 1 sign every token."""
    s = site(pg.conninfo, ONE, {"auth": {"jwks": "jwks.json"}})
    (s.dir / "jwks.json").write_text(json.dumps({"keys": [Key("ES256", kid="good").jwk, jwk]}))
    done = s.weird("-t")
    text = done.stdout + done.stderr
    assert done.returncode == 78 and "weak" in text and "good" not in text, (why, text)


# Logs.

ODD = ["/api/\udcff\udcfe", "/a\u009b31m", "/a\u202eb", "/a\u2066", "/\x1b[31m", '/"\\', "/a\x7f", "/\u2028", "/\U000e0041", "/plain/\u00e9"]


def test_access_log_is_json_whatever_was_asked(weir, tmp_path):
    """`GET /api/\xff\xfe` made a line that is no JSON; C1 and bidi characters were raw."""
    tmp_path.chmod(0o755)
    w = weir(ONE, {"log": {"access": str(tmp_path / "access")}})
    before = len((tmp_path / "access").read_bytes().splitlines())
    for uri in ODD:
        assert request(w.listen, uri.encode("utf-8", "surrogateescape").decode("utf-8", "surrogateescape")).status in (400, 404)
    request(w.listen, "/one", REMOTE_USER="\u202eadmin", REMOTE_ADDR=b"\xff\x1b", REQUEST_METHOD="G\u009bT")
    lines = wait_for(lambda: (found := (tmp_path / "access").read_bytes().splitlines()[before:]) and len(found) > len(ODD) and found, 5,
                     "the lines")
    for uri, line in zip(ODD, lines):
        record = json.loads(line.decode())      # UTF-8, and JSON
        assert record["uri"] == uri.replace("\udcff", "\\xff").replace("\udcfe", "\\xfe"), line
    last = json.loads(lines[-1])
    assert (last["user"], last["remote"], last["method"]) == ("\u202eadmin", "\\xff\x1b", "G\u009bT")
    for line in lines:
        shown = line.decode()
        assert all(c == "\u00e9" or " " <= c <= "~" for c in shown), shown


def test_error_log_steers_no_terminal(weir):
    w = weir({"bad": "-- @route GET /bad/{t}\n-- @returns value\nSELECT pg_catalog.current_setting('weir.' || :t::text)\n"})
    for t in ("%C2%9B31m", "%E2%80%AEx", "%1B[2J"):
        w.get(f"/bad/{t}", REMOTE_USER="\u202e\u009b")
    assert all(c == "\n" or " " <= c <= "~" for c in w.log_text()), w.log_text()


# Answers.

def is_json(answer):
    return json.loads(answer.body.decode()) is not None


@pytest.fixture
def ascii_db(pg):
    name = "ascii_db"
    pg.sql(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)", dbname="postgres")
    pg.sql(f"CREATE DATABASE {name} TEMPLATE template0 ENCODING 'SQL_ASCII' LC_COLLATE 'C' LC_CTYPE 'C'", dbname="postgres")
    pg.sql("CREATE TABLE t (id int, v text); INSERT INTO t VALUES (1, 'plain'), (2, convert_from('\\xe9'::bytea, 'SQL_ASCII')),"
           " (3, convert_from('\\xc3a9'::bytea, 'SQL_ASCII')), (4, repeat('x', 5000) || convert_from('\\xff'::bytea, 'SQL_ASCII'))", dbname=name)
    pg.sql("GRANT ALL ON t TO PUBLIC", dbname=name)
    yield name
    pg.sql(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)", dbname="postgres")


def test_bytes_of_a_sql_ascii_database(weir, pg, ascii_db):
    """They went out unchecked."""
    w = weir({"row": "-- @route GET /t/{id}\n-- @returns row\nSELECT id, v FROM t WHERE id = :id::int\n",
              "rows": "-- @route GET /t\n-- @cache 60s\nSELECT id, v FROM t ORDER BY id\n",
              "value": "-- @route GET /v/{id}\n-- @returns value\nSELECT v FROM t WHERE id = :id::int\n",
              "json": "-- @route GET /j/{id}\n-- @returns value\nSELECT json_build_array(v) FROM t WHERE id = :id::int\n",
              "array": "-- @route GET /a/{id}\n-- @returns row\nSELECT ARRAY[v] AS a FROM t WHERE id = :id::int\n",
              "whole": "-- @route GET /w/{id}\n-- @returns row\n-- @include t = GET /t/{id}\nSELECT 1 AS one\n"},
             conninfo=pg.conninfo_for(ascii_db))
    for path in ("t", "v", "j", "a", "w"):
        for i, status in ((1, 200), (2, 500), (3, 200), (4, 500)):
            answer = w.get(f"/{path}/{i}")
            assert is_json(answer), answer
            # PostgreSQL itself looks, and says 22021; where it does not, Weir does
            assert answer.status == status or status == 500 and answer.code == "bad_parameter", (path, i, answer)
    for _ in range(2):
        assert w.get("/t").status == 500 and is_json(w.get("/t"))


def row(*values):
    return message("D", struct.pack("!H", len(values)) + b"".join(struct.pack("!I", len(v)) + v for v in values))


BAD = {"latin": b"\xe9", "cut": b"abc\xe2\x82", "surrogate": b"\xed\xa0\x80", "overlong": b"\xc0\x80", "late": b"x" * 100_000 + b"\xff"}


def test_bytes_of_a_hostile_server(lone_worker):
    """… of one that says it is UTF-8, and in what it says of an error."""
    tricks = {name: (row(value) + DONE, READY) for name, value in BAD.items()}
    tricks["raise"] = (message("E", b"SERROR\0VERROR\0CP0001\0Mno\xff\xc2\x9bway\0\0"), READY)
    tricks["fail"] = (message("E", b"SERROR\0VERROR\0CXX000\0Mno\xff\xc2\x9bway\0\0"), READY)
    server = Hostile(tricks)
    try:
        endpoints = {t: f"-- @route GET /{t}\n-- @returns value\nSELECT '{t}' AS x" for t in (*tricks, "good")}
        endpoints["write"] = "-- @route POST /write\n-- @returns value\nINSERT INTO t VALUES ('latin') RETURNING x"
        w = lone_worker(endpoints, conninfo=server.conninfo)
        for name in tricks:
            answer = w.get(f"/{name}")
            assert answer.status >= 400 and is_json(answer), (name, answer)
        assert "not UTF-8" in w.log_text()
        # a write without an answer is rolled back, and that is what is told
        answer = w.get("/write", "POST", headers={"Content-Type": "application/json"}, body=b"{}")
        assert answer.status == 500 and is_json(answer), answer
        assert w.get("/raise").status == 422 and "no" in w.get("/raise").json["detail"]
        assert w.get("/good").json == "ok"
        assert all(c == "\n" or " " <= c <= "~" for c in w.log_text())
    finally:
        server.close()


INT4, INT8, FLOAT8, NUMERIC, BOOL, DATE, TIME, TIMESTAMPTZ, UUID, OID, JSON, JSONB = 23, 20, 701, 1700, 16, 1082, 1083, 1184, 2950, 26, 114, 3802
CLOSES = b'},"a":1,"b":{"c":"d"'
ODD_VALUES = [
    (INT4, CLOSES), (INT4, b""), (INT4, b"1,2"), (INT4, b"007"), (INT4, b"1.5"), (INT8, b"-"), (INT8, b"1]"), (FLOAT8, b"nan"), (FLOAT8, b"Infinitypool"),
    (FLOAT8, CLOSES), (FLOAT8, b'N"},{"'), (NUMERIC, b"1e"), (NUMERIC, b".5"), (NUMERIC, b"-Inf"), (BOOL, b"x"), (BOOL, b""), (BOOL, b"true"),
    (DATE, b'2020-01-01","a":"'), (DATE, b"a\nb"), (TIME, b'"'), (TIMESTAMPTZ, b'2020-01-01 "},{"a":"+00'), (TIMESTAMPTZ, b"\\"), (UUID, b'","a":"'),
    (OID, b'"'), (JSON, CLOSES), (JSON, b""), (JSON, b'"a","b":2'), (JSON, b"[1}"), (JSON, b"tru"), (JSONB, b"1,2"), (JSONB, b'{"a":1}}'), (JSONB, b'"'),
    (JSONB, b"[" + b"1," * 1_500_000 + b"1],2"), (JSONB, b'"' + b"x" * 3_000_000),
]
GOOD_VALUES = [
    (INT4, b"-12", -12), (FLOAT8, b"NaN", "NaN"), (FLOAT8, b"-Infinity", "-Infinity"), (FLOAT8, b"1e-05", 1e-05), (NUMERIC, b"0.50", 0.5), (BOOL, b"f", False),
    (TIMESTAMPTZ, b"2020-01-01 00:00:00+00", "2020-01-01T00:00:00+00:00"), (TIMESTAMPTZ, b"infinity", "infinity"), (JSON, b' {"a": [1, "}"]} ', {"a": [1, "}"]}),
    (JSONB, b"[" + b"1," * 1_500_000 + b"1]", [1] * 1_500_001),
]


def test_values_that_are_not_of_their_type(lone_worker):
    """7.29: an int4 of `},"a":1` went out as it came, and so did NaN's kin, booleans, dates and JSON."""
    odd = {f"odd{i}": v for i, v in enumerate(ODD_VALUES)}
    good = {f"good{i}": v for i, v in enumerate(GOOD_VALUES)}
    server = Hostile({name: (row(v[1]) + DONE, READY) for name, v in (odd | good).items()}, {name: v[0] for name, v in (odd | good).items()})
    try:
        returns = ("value", "row", "rows")
        w = lone_worker({f"{t}-{r}": f"-- @route GET /{t}/{r}\n-- @returns {r}\nSELECT '{t}' AS x" for t in odd | good for r in returns},
                        conninfo=server.conninfo)
        for name in odd:
            for r in returns:
                answer = w.get(f"/{name}/{r}")
                assert answer.status == 500 and answer.code == "sql" and is_json(answer), (odd[name], r, answer.status, answer.body[:200])
        for name, (_, _, want) in good.items():
            assert [w.get(f"/{name}/{r}").json for r in returns] == [want, {"x": want}, [{"x": want}]], good[name][:2]
        assert "none of its column's type" in w.log_text()
    finally:
        server.close()


def test_a_write_with_such_a_value_is_rolled_back(lone_worker):
    """7.29: it is looked at before its COMMIT."""
    server = Hostile({"odd": (row(CLOSES) + DONE, READY)}, {"odd": INT4})
    try:
        w = lone_worker({"write": "-- @route POST /write\n-- @returns row\nINSERT INTO t VALUES ('odd') RETURNING x"}, conninfo=server.conninfo)
        answer = w.get("/write", "POST", headers={"Content-Type": "application/json"}, body=b"{}")
        assert answer.status == 500 and is_json(answer), answer
    finally:
        server.close()
