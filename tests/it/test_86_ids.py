"""7.33: one id of a request in its answer, in the instance of a problem document, in its line of the access log, and in the
lines of the log that are about it."""

import json
import re
import subprocess

import pytest

from weirtest.base import TOP, wait_for
from weirtest.fcgi import PARAMS, STDIN, Connection, begin, pairs, record, stream
from weirtest.servers import FRONTS, STARTS_WORKER, Nginx

ENDPOINTS = {
    "one": "-- @route GET /api/one\n-- @returns value\nSELECT 1\n",
    "kept": "-- @route GET /api/kept\n-- @cache 60s\n-- @returns value\nSELECT 1\n",
    "none": "-- @route POST /api/none\n-- @returns none\nSELECT 1\n",
    "slow": "-- @route GET /api/slow\n-- @slow 1ms\n-- @returns value\nSELECT pg_sleep(0.02) IS NULL\n",
    "bad": "-- @route GET /api/bad\n-- @returns value\nSELECT 1 / (count(*) - 2) FROM generate_series(1, 2)\n",
    "whole": "-- @route GET /api/whole\n-- @returns row\n-- @include b = GET /api/broken\nSELECT 1 AS one\n",
    "broken": "-- @route GET /api/broken\n-- @returns value\nSELECT 2 / (count(*) - 2) FROM generate_series(1, 2)\n",
    "own": "-- @route GET /api/own\n-- @header X-Request-Id: mine\n-- @returns value\nSELECT 1\n",
}
OWN = re.compile(r"[0-9a-f]{16}-[0-9a-f]+")
TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = f"00-{TRACE}-b7ad6b7169203331-01"


@pytest.fixture(scope="module")
def w(module_weir, tmp_path_factory):
    folder = tmp_path_factory.mktemp("ids")
    folder.chmod(0o755)
    made = module_weir(ENDPOINTS, {"log": {"access": str(folder / "access")}})
    made.access = folder / "access"
    return made


def ids(answer):
    return [v for k, v in answer.headers if k.lower() == "x-request-id"]


def line_of(w, an_id):
    def found():
        return [r for r in map(json.loads, w.access.read_text().splitlines()) if r["request"] == an_id]
    lines = wait_for(found, 5, f"the access line of {an_id}")
    assert len(lines) == 1
    return lines[0]


@pytest.mark.parametrize("method,path,status", [("GET", "/api/one", 200), ("HEAD", "/api/one", 200), ("GET", "/api/kept", 200), ("GET", "/api/kept", 200),
                                                ("POST", "/api/none", 204), ("OPTIONS", "/api/one", 204), ("GET", "/api/nowhere", 404),
                                                ("PUT", "/api/one", 405), ("GET", "/api/one?x=1", 400), ("GET", "/api/bad", 500), ("GET", "/%", 404)])
def test_each_answer_has_one(w, method, path, status):
    seen = []
    for given in (None, "client-1:" + path[5:8].strip("?%") + method):
        answer = w.get(path, method, headers={"X-Request-Id": given} if given else {})
        assert answer.status == status and len(ids(answer)) == 1, answer
        assert ids(answer)[0] == given if given else OWN.fullmatch(ids(answer)[0])
        if status >= 400 and method != "HEAD":
            assert answer.json["instance"] == "urn:weir:request:" + ids(answer)[0]
        seen += ids(answer)
    assert seen[0] != seen[1]
    assert line_of(w, seen[0])["status"] == status


def test_hits_and_304(w):
    first = w.get("/api/kept")
    again = w.get("/api/kept", headers={"If-None-Match": first.header("ETag"), "X-Request-Id": "second"})
    third = wait_for(lambda: (a := w.get("/api/kept")) and "hit" in a.header("Cache-Status") and a, 5, "a hit")
    assert again.status == 304 and ids(again) == ["second"]
    assert ids(third) != ids(first) and OWN.fullmatch(ids(third)[0])


GOOD = ["a", "x" * 128, "7d1f0b5e-9a0b-4b53-8e6a-4e1f3c2d1a00", "Root=1-67891233-abcdef012345678912345678", "a.b_c~d:e/f+g=h@i", "0"]
BAD = ["", "x" * 129, "a b", "a,b", "a\tb", "<b>", '"', "a\u00e9", "a;b", "a\\b", "a%0a", "{x}", "\x1b[31m", "(a)", "a'b"]


@pytest.mark.parametrize("given", GOOD)
def test_a_well_formed_id_is_taken(w, given):
    answer = w.get("/api/nowhere", headers={"X-Request-Id": given})
    assert ids(answer) == [given] and answer.json["instance"] == f"urn:weir:request:{given}"


@pytest.mark.parametrize("given", BAD)
def test_another_one_is_replaced(w, given):
    answer = w.get("/api/nowhere", headers={"X-Request-Id": given})
    assert answer.status == 404 and OWN.fullmatch(ids(answer)[0]) and answer.json["instance"].endswith(ids(answer)[0])


def test_a_header_sent_twice_is_none(w):
    with Connection(w.listen) as c:
        params = [("REQUEST_METHOD", "GET"), ("REQUEST_URI", "/api/one"), ("HTTP_X_REQUEST_ID", "a"), ("HTTP_X_REQUEST_ID", "b")]
        c.send(begin() + stream(PARAMS, pairs(params)) + stream(STDIN, b""))
        assert OWN.fullmatch(ids(c.read_reply())[0])


def test_traceparent(w):
    answer = w.get("/api/one", headers={"traceparent": PARENT})
    assert ids(answer) == [TRACE]
    assert line_of(w, TRACE)["trace"] == TRACE
    answer = w.get("/api/one", headers={"traceparent": PARENT, "X-Request-Id": "both"})
    assert ids(answer) == ["both"] and line_of(w, "both")["trace"] == TRACE
    assert ids(w.get("/api/one", headers={"traceparent": f"cc-{TRACE}-b7ad6b7169203331-01-what-comes"})) == [TRACE]
    for bad in (PARENT[:-1], PARENT + "-x", PARENT.upper(), PARENT.replace("0af7", "0gf7"), "ff" + PARENT[2:], f"00-{'0' * 32}-b7ad6b7169203331-01",
                f"00-{TRACE}-{'0' * 16}-01", PARENT.replace("-", "_"), "", f"cc-{TRACE}-b7ad6b7169203331-01x", PARENT + ", " + PARENT):
        assert OWN.fullmatch(ids(w.get("/api/one", headers={"traceparent": bad}))[0]), bad


def says(w, line):
    """The log goes through weird: it comes a moment after the answer."""
    w.proc.wait_until(lambda: re.search(line, w.log_text()), 5, line)


def test_the_slow_line_and_the_error_line(weir):
    w = weir(ENDPOINTS)
    slow = ids(w.get("/api/slow"))[0]
    says(w, rf"warning: slow request {slow} endpoint=slow took=")
    bad = w.get("/api/bad", headers={"X-Request-Id": "it-failed"})
    assert bad.status == 500
    says(w, r"error: request it-failed GET /api/bad: 500 sql sqlstate=22012")
    # a part's trouble is its whole's
    w.get("/api/whole", headers={"X-Request-Id": "in-a-part"})
    says(w, r"request in-a-part .*sqlstate=22012")


def test_the_author_may_have_another(w):
    assert ids(w.get("/api/own", headers={"X-Request-Id": "client"})) == ["mine"]


def test_a_handler_may_too(weir, tmp_path):
    so = tmp_path / "h.so"
    (tmp_path / "h.c").write_text(r'''
#include <string.h>
#include "lib/weir.h"
static void handle(struct weir_request *r, void *state) {
    (void)state;
    if (strcmp(weir_param(r, "how"), "own") == 0) weir_add_header(r, "x-request-id", "handler's");
    weir_done(r);
}
const struct weir_module weir_module = {.api = WEIR_API, .handle = handle};
''')
    subprocess.run(["cc", "-shared", "-fPIC", f"-I{TOP}", "-o", so, tmp_path / "h.c"], check=True)
    w = weir({"h": f"-- @route GET /h/{{how}}\n-- @handler {so}\n"}, {"database": None})
    assert ids(w.get("/h/own")) == ["handler's"] and OWN.fullmatch(ids(w.get("/h/none"))[0])


def test_what_the_gate_refuses_has_one(w):
    with Connection(w.listen) as c:
        c.send(begin() + record(4, b"\x01\x00"))     # a name without its value's length
        c.send(record(4, b""))
        answer = c.read_reply()
    assert answer.status == 400 and answer.json["instance"] == "urn:weir:request:" + ids(answer)[0]


@pytest.mark.parametrize("kind", sorted(set(FRONTS) - STARTS_WORKER))
def test_through_each_server(w, front, kind):
    server = front(kind, w)
    assert ids(server.get("/api/one", headers={"X-Request-Id": "client-1"})) == ["client-1"]
    assert OWN.fullmatch(ids(server.get("/api/one"))[0])
    assert ids(server.get("/api/nowhere", headers={"traceparent": PARENT})) == [TRACE]


def test_nginx_may_give_its_own(w, front):
    """As the snippet's comment says: the client's does not count then, and nginx's access log has the same."""
    server = front(Nginx, w, extra=" fastcgi_param HTTP_X_REQUEST_ID $request_id;")
    answer = server.get("/api/one", headers={"X-Request-Id": "client-1"})
    assert re.fullmatch("[0-9a-f]{32}", ids(answer)[0])
