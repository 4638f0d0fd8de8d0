"""What a FastCGI peer can send, above all the defects of libfcgi that the gate fences: each of
them by its number D1 to D13. Raw bytes, against a worker that must answer or close, and serve the next one."""

import os
import signal
import struct
import threading
import time

import pytest

from weirtest.base import rss_bytes, wait_for
from weirtest.fcgi import (ABORT, BEGIN, CANT_MPX_CONN, END, GET_VALUES, GET_VALUES_RESULT, KEEP_CONN, PARAMS, STDIN,
                           STDOUT, UNKNOWN, UNKNOWN_ROLE, Closed, Connection, begin, cgi_params, encode_request, pair,
                           pairs, record, stream)
from weirtest.http import encode
from weirtest.servers import HAProxy, Nginx

pytestmark = pytest.mark.san

ENDPOINTS = {
    "one": "-- @route GET /api/one\n-- @returns value\nSELECT 1 AS n\n",
    "id": "-- @route GET /api/id/{id}\n-- @returns value\nSELECT :id::int AS n\n",
    "echo": "-- @route POST /api/echo\n-- @param doc from body\n-- @returns json\nSELECT :doc::json\n",
    "evil": "-- @route GET /api/evil\n-- @returns value\nSELECT 'evil'::text AS n\n",
    "sleep": "-- @route GET /api/sleep/{ms}\n-- @timeout 20s\n-- @returns value\nSELECT pg_sleep(:ms::int / 1000.0) "
             "IS NOT NULL AS n\n",
    "me": "-- @route GET /api/me\n-- @auth user\n-- @param who from user\n-- @returns value\nSELECT :who::text\n",
}
JSON = {"Content-Type": "application/json"}
ONE = encode_request(cgi_params("/api/one"), keep=True)


@pytest.fixture(scope="module")
def w(module_weir):
    weird = module_weir(ENDPOINTS, {"limits": {"header_timeout": "1s", "body_timeout": "2s"},
                                    "workers": {"min": 1, "max": 1}})
    pids = weird.worker_pids()
    yield weird
    assert weird.worker_pids() == pids, "a worker died:\n" + weird.log_text()[-3000:]


@pytest.fixture(autouse=True)
def serves_afterwards(w):
    yield
    assert w.get("/api/one").json == 1


def connect(w, timeout=10):
    return Connection(w.listen, timeout)


def all_records(c):
    """Every record until the peer closes."""
    found = []
    try:
        while (r := c.read_record()) is not None:
            found.append(r)
    except (Closed, ConnectionError):
        pass
    return found


def test_d1_request_cut_at_every_byte_runs_nothing(w):
    """No prefix of a request is taken for one: a cut one would lose the parameters that say who asks."""
    before = sum(v for k, v in w.metrics().items() if k.startswith("weir_http_requests_total"))
    whole = encode_request(cgi_params("/api/me", REMOTE_USER="ann"))
    for n in range(len(whole)):
        with connect(w) as c:
            c.send(whole[:n])
            c.sock.shutdown(1)
            for kind, _, content in all_records(c):
                assert not (kind == STDOUT and content.startswith(b"Status: 200")), n
    after = sum(v for k, v in w.metrics().items() if k.startswith("weir_http_requests_total") and "2xx" in k)
    assert after <= before + 1


@pytest.mark.parametrize("keep", [True, False])
def test_d2_requests_inside_bodies_stay_bodies(w, front, keep):
    """A request hidden in a POST body, at the offsets where libfcgi's reader ended, behind nginx keep-alive."""
    server = front(Nginx, w, keep=keep)
    evil = encode_request(cgi_params("/api/evil"), keep=True)

    def evil_count():
        return sum(v for k, v in w.metrics().items() if k.startswith("weir_http_requests_total") and "evil" in k)
    assert evil_count() == 0
    for offset in range(7985, 8031, 3):
        body = b'"' + b"a" * offset + evil + b"b" * 300 + b'"'
        answer = server.get("/api/echo", "POST", headers=JSON, body=body)
        assert answer.status == 400     # control characters are no JSON
        # a refused path, whose body nobody wants, is the way it went wrong with libfcgi
        assert server.get("/api/nothing", "POST", headers=JSON, body=body).status == 404
        victim = server.get("/api/id/5")
        assert (victim.status, victim.json) == (200, 5)
    assert evil_count() == 0


def test_d3_get_values_with_one_name_a_hundred_times(w):
    with connect(w) as c:
        c.send(record(GET_VALUES, pairs([("FCGI_MAX_CONNS", "")] * 100), 0))
        kind, request_id, content = c.read_record()
        assert (kind, request_id) == (GET_VALUES_RESULT, 0)
        assert content.count(b"FCGI_MAX_CONNS") == 1
        c.send(ONE)
        assert c.read_reply().json == 1


def test_d4_get_values_is_answered_at_once(w):
    with connect(w, timeout=2) as c:
        c.send(record(GET_VALUES, pairs({"FCGI_MAX_CONNS": "", "FCGI_MAX_REQS": "", "FCGI_MPXS_CONNS": "",
                                         "FCGI_WHAT": ""}), 0))
        kind, _, content = c.read_record()
        assert kind == GET_VALUES_RESULT
        assert pair("FCGI_MPXS_CONNS", "0") in content
        assert b"FCGI_WHAT" not in content


def test_d4_behind_haproxy_with_get_values(w, front):
    server = front(HAProxy, w, get_values=True)
    for i in range(200):
        answer = server.get(f"/api/id/{i}")
        assert (answer.status, answer.json) == (200, i)


@pytest.mark.parametrize("sizes", [(0x7ffffffe, 0x7ffffffe), (0x7fffffff, 1), (0x40000000, 0x40000000), (5, 0x7fffffff)])
def test_d5_lengths_that_overflow(w, sizes):
    with connect(w) as c:
        c.send(begin() + record(PARAMS, struct.pack("!II", *(s | 0x80000000 for s in sizes)) + b"AAAA")
               + record(PARAMS) + record(STDIN))
        records = all_records(c)
        assert not [r for r in records if r[0] == STDOUT and r[2].startswith(b"Status: 2")]


def test_d6_announced_gigabyte_costs_nothing(w):
    [pid] = w.worker_pids()
    before = rss_bytes(pid)
    began = time.monotonic()
    with connect(w) as c:
        c.send(begin() + record(PARAMS, struct.pack("!II", 4 | 0x80000000, 0x3fffffff | 0x80000000)))
        all_records(c)
    assert time.monotonic() - began < 5
    assert rss_bytes(pid) < before + (64 << 20)


def test_d6_endless_parameters_are_cut(w):
    [pid] = w.worker_pids()
    before = rss_bytes(pid)
    with connect(w) as c:
        try:
            c.send(begin())
            for _ in range(200):
                c.send(record(PARAMS, pair("HTTP_X", "v" * 30000) * 2))
            assert all_records(c)
        except ConnectionError:
            pass
    assert rss_bytes(pid) < before + (64 << 20)


def test_d8_signals_do_not_drop_connections(w):
    """A storm of harmless signals at the worker while it serves."""
    [pid] = w.worker_pids()
    stop = threading.Event()

    def storm():
        while not stop.is_set():
            os.kill(pid, signal.SIGUSR1)
            os.kill(pid, signal.SIGPIPE)
            stop.wait(0.0005)
    thread = threading.Thread(target=storm)
    thread.start()
    try:
        for i in range(400):
            assert w.get(f"/api/id/{i}").json == i
    finally:
        stop.set()
        thread.join()


def test_d9_two_requests_in_one_send(w):
    with connect(w) as c:
        c.send(b"".join(encode_request(cgi_params(f"/api/id/{i}"), keep=True) for i in range(20)))
        assert [c.read_reply().json for _ in range(20)] == list(range(20))


@pytest.mark.parametrize("kind", [0, 12, 13, 100, 255])
@pytest.mark.parametrize("size", [0, 7, 3000])
def test_d10_unknown_management_records(w, kind, size):
    with connect(w) as c:
        c.send(record(kind, b"x" * size, 0, padding=size % 8) + ONE)
        got, request_id, content = c.read_record()
        assert (got, request_id, content[0]) == (UNKNOWN, 0, kind)
        assert c.read_reply().json == 1


@pytest.mark.parametrize("when", ["after begin", "in params", "after params", "in body"])
def test_d11_abort_before_the_request_is_whole(w, when):
    post = cgi_params("/api/echo", "POST", JSON, CONTENT_LENGTH="100")
    sent = {"after begin": begin(True),
            "in params": begin(True) + record(PARAMS, pairs(post)[:30]),
            "after params": begin(True) + stream(PARAMS, pairs(post)),
            "in body": begin(True) + stream(PARAMS, pairs(post)) + record(STDIN, b"[1,")}[when]
    with connect(w, timeout=5) as c:
        c.send(sent + record(ABORT))
        records = all_records(c)
        assert not records or records[-1][0] == END


@pytest.mark.parametrize("how", ["with the request", "later"])
def test_d11_abort_while_it_runs(w, pg, how):
    """The query is cancelled, END_REQUEST is sent, and the connection serves on."""
    with connect(w, timeout=5) as c:
        request = encode_request(cgi_params("/api/sleep/10000"), keep=True)
        if how == "later":
            c.send(request)
            wait_for(lambda: sleeping(pg) == 1, 5, "the query to run")
            c.send(record(ABORT))
        else:
            c.send(request + record(ABORT))
        while c.read_record()[0] != END:
            pass
        wait_for(lambda: sleeping(pg) == 0, 2, "the query to be cancelled")
        c.send(ONE)
        assert c.read_reply().json == 1


def test_d11_abort_of_nothing_is_ignored(w):
    with connect(w) as c:
        for _ in range(2):
            c.send(record(ABORT) + ONE)
            assert c.read_reply().json == 1


def sleeping(pg):
    return pg.value("SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'", dbname="postgres")


def test_d12_multiplexing_is_refused(w):
    with connect(w) as c:
        c.send(begin(True, request_id=1) + begin(True, request_id=2))
        for kind, request_id, content in all_records(c):
            assert kind == END and content[4] == CANT_MPX_CONN


def test_d13_padding_behind_the_last_record(w):
    """The last header ends at byte 8192 of what is sent, its padding lies beyond."""
    for total in range(8185, 8200):
        head = begin(True) + stream(PARAMS, pairs(cgi_params("/api/echo", "POST", JSON)))
        room = total - len(head) - 8 - 8
        body = b'"' + b"a" * (room - 2) + b'"'
        with connect(w) as c:
            c.send(head + record(STDIN, body) + record(STDIN, b"", padding=8) + ONE)
            first = c.read_reply()
            assert first.status == 200, first
            assert c.read_reply().json == 1


# Beyond the table: shapes that are wrong or rare.

def test_one_byte_at_a_time(w):
    with connect(w) as c:
        for i in range(len(ONE)):
            c.send(ONE[i:i + 1])
        assert c.read_reply().json == 1


def test_every_split_in_two(w):
    with connect(w) as c:
        for i in range(1, len(ONE)):
            c.send(ONE[:i])
            c.send(ONE[i:])
            assert c.read_reply().json == 1


def test_params_and_body_in_one_byte_records_with_padding(w):
    body = b'{"a": [1, 2, 3]}'
    params = pairs(cgi_params("/api/echo", "POST", JSON, body))
    data = (begin(True) + stream(PARAMS, params, chunk=1, padding=255) + stream(STDIN, body, chunk=1, padding=7))
    with connect(w) as c:
        c.send(data + ONE)
        assert c.read_reply().json == {"a": [1, 2, 3]}
        assert c.read_reply().json == 1


def test_request_ids(w):
    with connect(w) as c:
        for request_id in (1, 2, 255, 256, 65535):
            c.send(encode_request(cgi_params("/api/one"), keep=True, request_id=request_id))
            reply = c.read_reply()
            assert (reply.json, reply.request_id) == (1, request_id)


@pytest.mark.parametrize("role", [0, 2, 3, 4, 65535])
def test_other_roles(w, role):
    with connect(w) as c:
        c.send(begin(role=role))
        kind, _, content = c.read_record()
        assert (kind, content[4]) == (END, UNKNOWN_ROLE)
        assert c.is_closed()


BROKEN = {
    "version 0": record(BEGIN, struct.pack("!HB5x", 1, 0), version=0),
    "version 2": record(BEGIN, struct.pack("!HB5x", 1, 0), version=2),
    "request without begin": stream(PARAMS, pairs(cgi_params("/api/one"))),
    "stdin first": record(STDIN, b"x"),
    "begin of 7 bytes": record(BEGIN, bytes(7)),
    "begin of 9 bytes": record(BEGIN, struct.pack("!HB6x", 1, 0)),
    "stdin before the end of params": begin() + record(PARAMS, pairs(cgi_params("/api/one"))) + record(STDIN),
    "params behind their end": begin() + stream(PARAMS, pairs(cgi_params("/api/echo", "POST"))) + record(PARAMS, b"x"),
    "management inside a request": begin() + record(GET_VALUES, b"", 0) + record(PARAMS, b""),
    "params of another id": begin() + record(PARAMS, pairs(cgi_params("/api/one")), 2),
    "http": b"GET /api/one HTTP/1.1\r\nHost: x\r\n\r\n",
    "tls": bytes.fromhex("16030100c8010000c40303") + bytes(200),
    "zeros": bytes(4096),
    "ones": b"\xff" * 4096,
}


@pytest.mark.parametrize("what", sorted(BROKEN))
def test_broken_framing_is_closed(w, what):
    with connect(w) as c:
        try:
            c.send(BROKEN[what])
        except ConnectionError:
            return
        for kind, _, content in all_records(c):
            assert not (kind == STDOUT and content.startswith(b"Status: 2")), what


BAD_PAIRS = {
    "empty name": [("", "x")],
    "= in a name": [("A=B", "x")],
    "NUL in a name": [("A\0B", "x")],
    "NUL in a value": [("HTTP_X", "a\0b")],
    "small letters": [("http_x", "a")],
    "doubled REMOTE_USER": [("REMOTE_USER", "ann"), ("REMOTE_USER", "eve")],
    "doubled Authorization": [("HTTP_AUTHORIZATION", "a"), ("HTTP_AUTHORIZATION", "b")],
    "doubled REQUEST_METHOD": [("REQUEST_METHOD", "GET")],
}


@pytest.mark.parametrize("what", sorted(BAD_PAIRS))
def test_bad_parameters_are_refused(w, what):
    with connect(w) as c:
        c.send(begin() + stream(PARAMS, pairs([*cgi_params("/api/one").items(), *BAD_PAIRS[what]])) + record(STDIN))
        try:
            reply = c.read_reply()
        except (Closed, ConnectionError):
            return
        assert reply.status == 400, reply


def test_length_beyond_what_remains(w):
    with connect(w) as c:
        c.send(begin() + stream(PARAMS, pairs(cgi_params("/api/one")) + b"\x05\x7fHTTP_") + record(STDIN))
        try:
            assert c.read_reply().status == 400
        except (Closed, ConnectionError):
            pass


def test_too_many_parameters(w):
    with connect(w) as c:
        c.send(begin() + stream(PARAMS, pairs({**cgi_params("/api/one"), **{f"HTTP_X{i}": "v" for i in range(400)}}))
               + record(STDIN))
        try:
            assert c.read_reply().status == 431
        except (Closed, ConnectionError):
            pass


def test_doubled_headers_are_joined(w):
    with connect(w) as c:
        c.send(begin() + stream(PARAMS, pairs([*cgi_params("/api/one").items(), ("HTTP_X", "a"), ("HTTP_X", "b")]))
               + record(STDIN))
        assert c.read_reply().json == 1


def test_long_form_of_short_lengths(w):
    with connect(w) as c:
        params = b"".join(pair(k, v, long=True) for k, v in cgi_params("/api/one").items())
        c.send(begin() + stream(PARAMS, params) + record(STDIN))
        assert c.read_reply().json == 1


def test_silent_peers_are_cut_and_hold_nobody_up(w):
    """Half a header, half a parameter list, half a body: each ends by its deadline; others are served meanwhile."""
    post = begin() + stream(PARAMS, pairs(cgi_params("/api/echo", "POST", JSON, CONTENT_LENGTH="100")))
    silent = [connect(w, 10) for _ in range(60)]
    try:
        for i, c in enumerate(silent):
            c.send((ONE[:5], ONE[:60], post + record(STDIN, b"[1"))[i % 3])
        began = time.monotonic()
        assert w.get("/api/one").json == 1
        assert time.monotonic() - began < 1
        for c in silent:
            all_records(c)      # returns when the peer has closed
    finally:
        for c in silent:
            c.close()


def test_idle_connections_cost_little(w):
    """A parked connection has no buffer: 1,500 of them, and the worker still answers at once."""
    [pid] = w.worker_pids()
    parked = []
    try:
        before = rss_bytes(pid)
        for _ in range(1500):
            parked.append(connect(w))
            parked[-1].send(ONE)
            assert parked[-1].read_reply().json == 1
        assert rss_bytes(pid) < before + 1500 * 4096 * (8 if "-san" in os.environ.get("WEIR_BUILDDIR", "") else 1)
        began = time.monotonic()
        assert w.get("/api/one").json == 1
        assert time.monotonic() - began < 0.5
        for c in parked[::100]:
            c.send(ONE)
            assert c.read_reply().json == 1
    finally:
        for c in parked:
            c.close()


def test_reader_that_stops_reading(w):
    """Requests without end from a peer that reads no answer: no more are read, and no one waits for it."""
    with connect(w) as c:
        c.sock.setblocking(False)
        try:
            for _ in range(20000):
                c.sock.send(ONE)
        except BlockingIOError:
            pass
        for i in range(50):
            assert w.get(f"/api/id/{i}").json == i


def test_peer_that_leaves_at_any_point(w):
    whole = encode_request(cgi_params("/api/echo", "POST", JSON, b'{"a": 1}'), b'{"a": 1}', keep=True)
    for n in range(0, len(whole), 7):
        c = connect(w)
        c.send(whole[:n])
        c.close()
    for _ in range(20):
        c = connect(w)
        c.send(encode_request(cgi_params("/api/sleep/3000"), keep=True))
        c.close()
    wait_for(lambda: w.get("/api/one").json == 1, 2)


def test_d7_stops_in_every_connection_state(weir):
    """SIGTERM with connections idle, half sent, running, half read: it ends in time and without spinning."""
    own = weir(ENDPOINTS, {"workers": {"min": 1, "max": 1, "stop_timeout": "3s", "drain_timeout": "2s"}})
    states = [ONE, ONE[:5], ONE[:60], encode_request(cgi_params("/api/sleep/500"), keep=True), b""]
    connections = []
    for data in states:
        c = connect(own)
        c.send(data)
        connections.append(c)
    assert connections[0].read_reply().json == 1
    began = time.monotonic()
    assert own.stop() == 0
    assert time.monotonic() - began < 8
    for c in connections:
        c.close()
