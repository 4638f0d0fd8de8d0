"""7.29: what is said of a connection string never holds a password or a piece of one; keys that anybody can sign for are
refused; the access log is JSON whatever was asked for, and logs steer no terminal."""

import json
import subprocess

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from weirtest.base import Proc, built, wait_for
from weirtest.fcgi import request
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
]


def is_told(text):
    return [piece for piece in ("Zq9x", "Xw7y") if piece in text]


@pytest.mark.parametrize("form", FORMS)
def test_conninfo_is_told_without_its_password(site, form):
    """`conninfo = "postgresql://weir:PW@[::1"` printed it."""
    s = site(form, ONE)
    for args in (("-t",), ("-t", "--offline")):
        done = s.weird(*args)
        text = done.stdout + done.stderr
        assert done.stdout + done.stderr and not is_told(text), text


@pytest.mark.parametrize("form", FORMS[:3] + FORMS[20:24] + FORMS[26:30])
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
                        ("host=127.0.0.1 port=1 password=Zq9x", "Connection refused"), ("host=127.0.0.1 pass word=1", "missing")):
        done = site(form, ONE).weird("-t")
        assert words in done.stdout + done.stderr, done.stdout + done.stderr


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
