"""The sample behind every web server of conf/: reads, writes, large bodies, slow clients, clients that leave."""

import base64
import hashlib
import json
import os
import signal
import threading
import time

import psycopg2
import pytest

from weirtest.base import wait_for
from weirtest.http import encode
from weirtest.servers import FRONTS, STARTS_WORKER, Nginx
from weirtest.weir import Site

MORE = {
    "test/echo": "-- @route POST /api/test/echo\n-- @param doc from body\n-- @returns json\nSELECT :doc::json\n",
    "test/big": "-- @route GET /api/test/big/{kb}\n-- @returns value\nSELECT repeat('x', :kb::int * 1024) AS t\n",
    "test/sleep": "-- @route GET /api/test/sleep/{ms}\n-- @timeout 20s\n-- @returns value\n"
                  "SELECT pg_sleep(:ms::int / 1000.0) IS NOT NULL AS slept\n",
    "test/uri": "-- @route GET /api/test/text/{text}\n-- @returns value\nSELECT :text::text\n",
}
OPTIONS = {"limits": {"body": "8MiB"}, "workers": {"min": 2, "max": 2}}


@pytest.fixture(scope="module", params=sorted(FRONTS))
def behind(request, _pg_session, module_weir):
    """A web server before the studio (and a few endpoints for tests)."""
    site = Site(_pg_session.conninfo, "studio", {**OPTIONS, **({"status": None} if request.param in STARTS_WORKER
                                                              else {})})
    for path, text in MORE.items():
        site.write_endpoint(path, text)
    weird = None if request.param in STARTS_WORKER else module_weir(site=site)
    server = FRONTS[request.param](site)
    server.kind, server.weird = request.param, weird
    yield server
    server.close()
    site.remove()


def wait_up(behind):
    """Servers that start the worker themselves do so at the first request or a little later."""
    wait_for(lambda: behind.get("/api/ping").status == 204, 10, "the first answer")


def test_get(behind):
    wait_up(behind)
    answer = behind.get("/api/models?limit=3")
    assert answer.status == 200, (answer, behind.log_text())
    assert answer.header("Content-Type").startswith("application/json")
    assert len(answer.json) == 3
    one = behind.get("/api/models/1")
    assert one.json["id"] == 1
    assert behind.get("/api/ping").status == 204


def test_head(behind):
    wait_up(behind)
    get, head = behind.get("/api/models/1"), behind.get("/api/models/1", "HEAD")
    assert head.status == 200
    assert head.header("Content-Length") in (None, get.header("Content-Length"), str(len(get.body)))


def test_problem_documents_come_through(behind):
    wait_up(behind)
    assert behind.get("/api/models/abc").code == "bad_parameter"
    assert behind.get("/api/models/99999999").code == "no_row"
    assert behind.get("/api/nothing").code == "not_found"
    refused = behind.get("/api/models", "DELETE")
    assert refused.code == "method_not_allowed"
    assert "GET" in refused.header("Allow")
    assert behind.get("/api/me").code == "unauthenticated"


def test_raw_path(behind):
    wait_up(behind)
    assert behind.get("/api/test/text/a%20b%C3%A9").json == "a bé"
    assert behind.get("/api/test/text/a%2Fb").json == "a/b"


@pytest.mark.parametrize("size", [100, 20_000, 300_000, 4_000_000])
def test_bodies(behind, size):
    wait_up(behind)
    doc = {"t": "é" + "y" * size}
    answer = behind.get("/api/test/echo", "POST", json=doc)
    assert answer.status == 200, (answer.status, answer.body[:200], behind.log_text()[-2000:])
    assert answer.json == doc


def test_body_above_the_limit(behind):
    wait_up(behind)
    answer = behind.get("/api/test/echo", "POST", json={"t": "y" * (9 << 20)})
    # mod_fcgid sends the whole body before it reads anything, and gives 500 when the worker has hung up meanwhile.
    assert answer.status in ((413, 500) if behind.kind == "apache-fcgid" else (413,)), answer


@pytest.mark.parametrize("kb", [4, 64, 1024, 8192])
def test_big_answers(behind, kb):
    wait_up(behind)
    answer = behind.get(f"/api/test/big/{kb}")
    assert answer.status == 200, (answer.status, behind.log_text()[-2000:])
    assert hashlib.md5(answer.body.strip()).digest() == hashlib.md5(b'"' + b"x" * kb * 1024 + b'"').digest()


def test_slow_sender(behind):
    """A client that sends its body in pieces is answered, and others are not held up meanwhile."""
    wait_up(behind)
    body = json.dumps({"t": "z" * 50_000}).encode()
    with behind.raw() as slow:
        whole = encode("POST", "/api/test/echo", {"Content-Type": "application/json"}, body)
        sender = threading.Thread(target=slow.send_slowly, args=(whole, 20, 2.0))
        sender.start()
        longest = 0
        while sender.is_alive():
            began = time.monotonic()
            assert behind.get("/api/models/1").status == 200
            longest = max(longest, time.monotonic() - began)
        sender.join()
        answer = slow.read_response("POST")
    assert answer.status == 200
    assert answer.json == json.loads(body)
    if behind.kind != "apache-fcgid":       # one request at a time for each process, and it may start another
        assert longest < 1.0


def test_slow_reader(behind):
    wait_up(behind)
    with behind.raw() as slow:
        slow.send(encode("GET", "/api/test/big/2048"))
        slow.read_slowly(64 * 1024, 4096, 1.0)
        assert behind.get("/api/models/1").status == 200
        answer = slow.read_response()
    assert len(answer.body.strip()) == 2048 * 1024 + 2


@pytest.mark.parametrize("how", ["close", "reset"])
def test_clients_that_leave(behind, how):
    """They leave in the head, in the body, while the query runs, and in the answer; all others are served."""
    wait_up(behind)
    body = json.dumps({"t": "z" * 100_000}).encode()
    post = encode("POST", "/api/test/echo", {"Content-Type": "application/json"}, body)
    for _ in range(3):
        for data in (b"GET /api/mod", post[:200], post[:60_000], encode("GET", "/api/test/sleep/300"),
                     encode("GET", "/api/test/big/4096")):
            c = behind.raw()
            c.send(data)
            getattr(c, how)()
            answer = behind.get("/api/models/1")
            assert answer.status == 200, (answer, behind.log_text()[-2000:])
            assert answer.json["id"] == 1


def test_many_at_once(behind):
    wait_up(behind)
    bad = []

    def client(n):
        for i in range(15):
            k = 1 + (n * 15 + i) % 30
            answer = behind.get(f"/api/models/{k}")
            if answer.status not in (200, 404) or answer.status == 200 and answer.json["id"] != k:
                bad.append((k, answer.status, answer.body[:100]))
    threads = [threading.Thread(target=client, args=(n,)) for n in range(8)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not bad, (bad[:5], behind.log_text()[-2000:])


def test_kept_alive_client_connection(behind):
    wait_up(behind)
    with behind.raw() as c:
        for i in range(1, 20):
            c.send(encode("GET", "/api/models/1", keep=True))
            assert c.read_response().json["id"] == 1


def test_status_paths(behind):
    if behind.weird is None:
        return      # no monitor without weird
    assert behind.get("/health").status == 200
    assert behind.get("/ready").status == 200
    assert "weir_http_requests_total" in behind.get("/metrics").body.decode()
    assert behind.get("/api/performance").json


# Users, with what the web server checked.

def test_write_as_a_user(pg, weir, front):
    w = weir("studio")
    user = pg.value("SELECT auth0_id FROM users WHERE credits > 50 ORDER BY id LIMIT 1")
    server = front(Nginx, w, users={user: "secret"})
    headers = {"Authorization": "Basic " + base64.b64encode(f"{user}:secret".encode()).decode()}
    before = pg.value("SELECT credits FROM users WHERE auth0_id = %s", (user,))
    answer = server.get("/api/images", "POST", headers=headers, json={"model_id": 1, "prompt": "a quiet harbour"})
    assert answer.status == 201, answer
    assert answer.header("Location") == f"/api/images/{answer.json['id']}"
    assert pg.value("SELECT credits FROM users WHERE auth0_id = %s", (user,)) < before
    assert server.get("/api/me").status == 401


# What the shipped nginx snippet promises.

def test_worker_death_is_invisible_to_get(weir, front):
    """The upstream lists one address twice: GET is tried again, POST is not."""
    site_options = {"workers": {"min": 2, "max": 2}}
    w = weir({**MORE, "n": "-- @route POST /api/n\n-- @timeout 20s\n-- @returns none\nSELECT pg_sleep(:s::float8)\n"},
             site_options)
    server = front(Nginx, w)
    answers = {}

    def ask(name, *args, **more):
        answers[name] = server.get(*args, **more)
    threads = [threading.Thread(target=ask, args=("get", "/api/test/sleep/1500")),
               threading.Thread(target=ask, args=("post", "/api/n", "POST"), kwargs={"json": {"s": 1.5}})]
    for t in threads:
        t.start()
    wait_for(lambda: sleeping(w) == 2, 5, "both requests to run")
    # stopped first: else the GET's second try can meet the worker that is killed a moment later
    for how in (signal.SIGSTOP, signal.SIGKILL):
        for pid in w.worker_pids():
            os.kill(pid, how)
    for t in threads:
        t.join()
    assert answers["get"].status == 200, answers
    assert answers["post"].status == 502, answers
    wait_for(lambda: server.get("/api/test/sleep/0").status == 200, 5, "service after the workers' death")


def sleeping(w):
    conn = psycopg2.connect(w.site.settings["database"]["main"]["conninfo"])
    try:
        with conn.cursor() as cur:
            cur.execute("SELECT count(*) FROM pg_stat_activity "
                        "WHERE wait_event = 'PgSleep' AND datname = current_database()")
            return cur.fetchone()[0]
    finally:
        conn.close()


def test_client_that_leaves_nginx_ends_its_query(weir, front, pg):
    w = weir(MORE)
    server = front(Nginx, w)
    c = server.raw()
    c.send(encode("GET", "/api/test/sleep/15000"))
    wait_for(lambda: sleeping(w) == 1, 5, "the query to run")
    c.close()
    wait_for(lambda: sleeping(w) == 0, 2, "the query to be cancelled")
