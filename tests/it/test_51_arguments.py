"""7.26: arguments of weirctl travel as arguments, whatever they hold; so do tags to memcached and the other hosts."""

import socket
import subprocess
from urllib.parse import quote

import pytest

from test_65_memcached import host, nodes      # noqa: F401, fixtures
from test_65_memcached import SECRET
from weirtest.base import built, wait_for
from weirtest.weir import Site

KEPT = {"kept": "-- @route GET /kept\n-- @param t\n-- @returns value\n-- @cache 1h tags k:{t}\nSELECT :t::text\n"}
VALUES = ["x;stop fast", ";", "a b", " a", "a ", "\t", "a\nb", "a\r\nping", '"', '\\"', "\\x3b", "json", "width=80", "soft", "-j", "--json", "--",
          "$(x) `y` 'z'", "é", "\u202e\u009b31m", "\U0001f600", "%", "x" * 998, "\n" * 998, "é" * 499, '";stop fast;"']


def path(value):
    return "/kept?t=" + quote(value, safe="")


def state(w, value):
    return w.get(path(value)).header("Cache-Status")


def keep(w, value):
    """Wait until it is kept: who meets a busy shard keeps nothing."""
    wait_for(lambda: "hit" in state(w, value), 5, f"{value!r} to be kept")


def test_every_tag_can_be_purged(weir):
    """`weirctl cache purge tag 'x;stop fast'` stopped weird."""
    w = weir(KEPT)
    for value in VALUES:
        answer = w.get(path(value))
        assert (answer.status, answer.json) == (200, value)
        keep(w, value)
        done = w.weirctl("cache", "purge", "tag", "--", "k:" + value)
        assert done.returncode == 0, (value, done)
        assert "hit" not in state(w, value), value
    assert w.proc.alive() and w.ctl("ping").ok
    assert len([line for line in w.log_text().splitlines() if "cache: purged tag" in line]) == len(VALUES)


def test_words_that_are_options_elsewhere_are_tags(weir):
    w = weir({"kept": KEPT["kept"].replace("k:{t}", "{t}")})
    for value in ("json", "width=80", "soft", "x;stop fast", "tag", "all"):
        keep(w, value)
        assert w.weirctl("cache", "purge", "tag", value).returncode == 0
        assert "hit" not in state(w, value), value


def test_what_is_no_tag_is_refused(weir):
    w = weir(KEPT)
    for bad, why in (("", "0 bytes"), ("x" * 1001, "1001 bytes"), (b"\xff\xfe", "UTF-8")):
        done = subprocess.run([built("supervisor/weirctl"), "-s", w.control, "cache", "purge", "tag", bad], capture_output=True)
        assert done.returncode == 1 and why in done.stderr.decode(), done
    assert w.weirctl("cache;stop").returncode == 64
    assert w.weirctl("cache", "keys", "x;stop fast").returncode == 1
    assert w.weirctl("workers;stop fast").returncode == 64
    assert w.weirctl("cache", *["x"] * 20).returncode == 64
    assert w.weirctl("workers", "json").stdout.startswith("{")
    assert w.weirctl("ping").stdout == "pong\n"
    # what an answer repeats of an argument steers no terminal
    said = w.weirctl("cache", "keys", "\x1b[31m\u009b\u202e")
    assert "\\x1b[31m\\xc2\\x9b\\xe2\\x80\\xae" in said.stderr, said


def test_lines_of_the_standard_input(weir):
    """';' separates what was typed; what is quoted is an argument, here and on the socket."""
    w = weir(KEPT)
    for value in ("x;stop fast", "a b", 'a"b'):
        keep(w, value)
        typed = '"k:' + value.replace('"', '\\"') + '"'
        done = w.weirctl(input=f"ping; cache purge tag {typed}; version\nping\n")
        assert done.returncode == 0 and done.stdout.splitlines()[0] == "pong", done
        assert done.stdout.splitlines()[1] == "purged" and len(done.stdout.splitlines()) == 4, done
        assert "hit" not in state(w, value)
    done = w.weirctl(input='ping\ncache purge tag "x; stop fast\n')
    assert done.returncode == 64 and done.stdout == "pong\n"
    with socket.socket(socket.AF_UNIX) as s:
        s.connect(str(w.control))
        s.sendall(b'ping; cache purge tag "x; stop fast\nping\n')
        said = b""
        while said.count(b"\n\n") < 3:
            piece = s.recv(65536)
            assert piece, said
            said += piece
    assert said.startswith(b"6 pong\n\n3 usage: ") and said.endswith(b"\n6 pong\n\n")
    assert w.proc.alive()


@pytest.mark.parametrize("value", ["x;stop fast", "a b", "a\nb", '"', "x" * 998, "\n" * 998, "é" * 499],
                         ids=["semicolon", "blank", "newline", "quote", "long", "newlines", "accents"])
def test_a_purge_reaches_the_other_hosts(host, db, nodes, value):     # noqa: F811
    """The order's text in shared memory had 255 bytes."""
    endpoints = {"kept": KEPT["kept"].replace(":t::text", "clock_timestamp()::text || left(:t::text, 0)")}
    options = {"workers": {"min": 1, "max": 1}, "cache": {"servers": [nodes[0].server], "secret": SECRET}}
    a, b = (host(Site(db.conninfo, endpoints, options)) for _ in range(2))
    old = {}
    for w in (a, b):
        wait_for(lambda w=w: "hit" in (state(w, value) or ""), 5, "it to be kept")
        old[w] = w.get(path(value)).json
    assert a.weirctl("cache", "purge", "tag", "k:" + value).returncode == 0
    assert a.get(path(value)).json > old[a]
    wait_for(lambda: a.ctl("cache", json=True).json["l2"]["purges_waiting"] == 0, 5, "the database to be told")
    wait_for(lambda: b.get(path(value)).json > old[b], 5, "the other host to hear of it")
