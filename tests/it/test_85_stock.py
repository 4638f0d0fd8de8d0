"""7.30, 7.45: our snippets in the main configuration that each distribution package ships."""

import os
import shutil
import tempfile
from pathlib import Path

import pytest

from weirtest.base import wait_for
from weirtest.fcgi import request
from weirtest.http import encode
from weirtest.servers import FRONTS
from weirtest.stock import STOCK, StockHAProxy
from weirtest.weir import Site, Weird

ENDPOINTS = {
    "book": "-- @route GET /api/books/{id}\n-- @param id range 1..100\n-- @returns row\n-- @cache 60s negative 10s\n"
            "SELECT id, repeat('x', 3000) AS text FROM generate_series(1, 7) id WHERE id = :id::int\n",
    "add": "-- @route POST /api/books\n-- @returns row\n-- @status 201\n-- @header Location: /api/books/{id}\n-- @header X-After: 1\n"
           "SELECT :id::int AS id\n",
    "moved": "-- @route POST /api/moved\n-- @returns row\n-- @status 202\n-- @header Location: https://elsewhere.example/{id}\nSELECT :id::int AS id\n",
    "none": "-- @route DELETE /api/books/{id}\n-- @returns none\nSELECT :id::int\n",
    "clash": "-- @route POST /api/clash\n-- @returns none\nDO $$ BEGIN RAISE EXCEPTION 'no' USING ERRCODE = 'P0001'; END $$\n",
    "mine": "-- @route GET /api/mine\n-- @auth user\n-- @returns value\nSELECT 1\n",
    "admin": "-- @route GET /api/admin\n-- @auth role admin\n-- @returns value\nSELECT 1\n",
    "text": "-- @route GET /api/text/{t}\n-- @returns value\nSELECT :t::text\n",
    "echo": "-- @route POST /api/echo\n-- @param doc from body\n-- @returns value\nSELECT length(:doc::text)\n",
}
JSON = {"Content-Type": "application/json"}
# method, path, headers, body, status
REQUESTS = [
    ("GET", "/api/books/1", {}, b"", 200), ("HEAD", "/api/books/1", {}, b"", 200), ("GET", "/api/books/8", {}, b"", 404),
    ("GET", "/api/books/0", {}, b"", 400), ("GET", "/api/books/x", {}, b"", 400), ("PUT", "/api/books/1", {}, b"", 405),
    ("OPTIONS", "/api/books/1", {}, b"", 204), ("GET", "/api/nowhere", {}, b"", 404), ("GET", "/api/mine", {}, b"", 401),
    ("GET", "/api/books/1", {"Accept": "text/csv"}, b"", 406), ("POST", "/api/books", JSON, b'{"id": 7}', 201),
    ("POST", "/api/books", JSON, b"{", 400), ("POST", "/api/books", {"Content-Type": "text/plain"}, b"7", 415),
    ("POST", "/api/moved", JSON, b'{"id": 7}', 202), ("DELETE", "/api/books/7", {}, b"", 204), ("POST", "/api/clash", JSON, b"{}", 422),
    ("POST", "/api/echo", JSON, b'"' + b"x" * 3_000_000 + b'"', 413), ("GET", "/api/text/a%2Fb%20%C3%A9%3F", {}, b"", 200),
    ("GET", "/api/books/1?id=2&zz=1", {}, b"", 400),
    *(("GET", f"/api/text/{t}", {}, b"", 200) for t in ("x~", "a.inc", "a.php", "a.fcgi", ".htaccess", "index.html", "a;b", "a+b", "~")),
]


@pytest.fixture(scope="module")
def chroot():
    """A folder below HAProxy's chroot, as its snippet's comment makes one."""
    base = Path("/var/lib/haproxy")
    if os.geteuid() != 0 or not base.is_dir():
        pytest.skip("chroot needs root")
    where = Path(tempfile.mkdtemp(prefix="weirtest-", dir=base))
    where.chmod(0o755)
    yield where
    shutil.rmtree(where)


@pytest.fixture(scope="module", params=sorted(STOCK))
def behind(request, _pg_session):
    site = Site(_pg_session.conninfo, ENDPOINTS, {"socket_mode": "0660", "socket_group": "www-data", "limits": {"body": "2MiB"}})
    site.dir.chmod(0o755)
    if os.geteuid() != 0:
        pytest.skip("the packages' configurations change users, which needs root")
    if request.param == "haproxy":
        where = request.getfixturevalue("chroot")
        site.listen, site.status = f"unix:{where}/weir.sock", f"unix:{where}/status.sock"
        site.write_conf({"listen": site.listen, "status": site.status, "socket_group": "haproxy"})
    w = Weird(site)
    server = STOCK[request.param](site)
    server.site, server.kind = site, request.param
    wait_for(lambda: server.get("/api/books/1").status == 200, 10, "the first answer")
    yield server
    server.close()
    w.stop()
    site.remove()


@pytest.mark.parametrize("method,path,headers,body,status", REQUESTS, ids=[f"{r[4]}-{r[0]}-{i}" for i, r in enumerate(REQUESTS)])
def test_answers_come_through_as_they_are(behind, method, path, headers, body, status):
    """HAProxy made 302 of the README's 201."""
    direct = request(behind.site.listen, path, method, headers, body)
    answer = behind.get(path, method, headers=headers, body=body)
    assert (direct.status, answer.status) == (status, status), (answer, behind.log_text()[-2000:])
    for name in ("Location", "X-After", "Allow", "ETag", "WWW-Authenticate"):
        assert answer.header(name) == direct.header(name), (name, answer, direct)
    assert answer.header("Status") is None
    if method != "HEAD" and status not in (204, 304):
        if status >= 400:
            assert answer.code == direct.code
        else:
            assert answer.body == direct.body


def test_conditional_requests(behind):
    tag = behind.get("/api/books/2").header("ETag")
    for more in ({}, {"Accept-Encoding": "gzip, br"}):
        first = behind.get("/api/books/2", headers=more)
        assert first.status == 200
        answer = behind.get("/api/books/2", headers={"If-None-Match": first.header("ETag"), **more})
        assert (answer.status, answer.body) == (304, b""), (first, answer)
    assert behind.get("/api/books/2", headers={"If-None-Match": f'"x", {tag}'}).status == 304


def test_status_and_figures(behind):
    assert behind.get("/health").json["status"] == "ok"
    assert "weir_http_requests_total" in behind.get("/metrics").body.decode()
    strange = type(behind)(behind.site, stranger=True)
    try:
        wait_for(lambda: strange.get("/api/books/1").status == 200, 10, "the first answer")
        for path in ("/metrics", "/api/performance", "/health/metrics", "/metrics/"):
            answer = strange.get(path)
            assert answer.status in (403, 404) and b"weir_http" not in answer.body, (path, answer)
    finally:
        strange.close()


@pytest.mark.parametrize("kind", sorted(FRONTS))
def test_location_does_not_change_the_status(weir, front, kind, _pg_session, site):
    """… through every variant of the snippets."""
    s = site(_pg_session.conninfo, ENDPOINTS, {"status": None} if "fcgid" in kind or "binpath" in kind else {})
    s.dir.chmod(0o755)
    if s.status:
        weir(site=s)
    server = front(kind, s)
    wait_for(lambda: server.get("/api/books/1").status == 200, 15, "the first answer")
    answer = server.get("/api/books", "POST", headers=JSON, body=b'{"id": 7}')
    assert (answer.status, answer.header("Location"), answer.json) == (201, "/api/books/7", {"id": 7})
    assert server.get("/api/moved", "POST", headers=JSON, body=b'{"id": 7}').status == 202


def chunked(server, n):
    with server.raw(20) as c:
        c.send(b"POST /api/echo HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n")
        body = b'"' + b"x" * (n - 2) + b'"'
        try:
            for i in range(0, n, 4096):
                c.send(b"%x\r\n%s\r\n" % (len(body[i:i + 4096]), body[i:i + 4096]))
            c.send(b"0\r\n\r\n")
        except OSError:
            pass        # refused already
        return c.read_response()


def test_the_buffer_of_haproxy(_pg_session, chroot):
    """7.45: what the snippet's comment says of long targets and chunked bodies, and of the knob."""
    site = Site(_pg_session.conninfo, ENDPOINTS, {"socket_mode": "0660", "socket_group": "haproxy", "listen": f"unix:{chroot}/2.sock",
                                                  "status": f"unix:{chroot}/2s.sock"})
    w = Weird(site)
    server = tuned = None
    try:
        server, tuned = StockHAProxy(site), StockHAProxy(site, tune=True)
        long = "/api/books/1?zz=" + "x" * 9000
        for s in (server, tuned):
            wait_for(lambda s=s: s.get("/api/books/1").status == 200, 10, "the first answer")
            assert s.get("/api/books/1?zz=" + "x" * 7000).code == "bad_parameter"
            assert chunked(s, 14000).json == 14000
            assert s.get("/api/echo", "POST", headers=JSON, body=b'"' + b"x" * 500_000 + b'"').json == 500_002
        assert (server.get(long).status, chunked(server, 20000).status) == (500, 400)
        assert tuned.get(long).code == "uri_too_long" and chunked(tuned, 60000).json == 60000
    finally:
        for s in (server, tuned):
            if s:
                s.close()
        w.stop()
        site.remove()
