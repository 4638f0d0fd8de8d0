"""What each web server sends through the snippets of conf/, seen by a responder that echoes it. Weir itself is not
needed: this is about the snippets."""

import base64
import hashlib
import shutil
from pathlib import Path

import pytest

from weirtest import servers
from weirtest.base import TOP, temp_dir
from weirtest.echo import Echo
from weirtest.servers import FRONTS, Apache, Backend, HAProxy, Nginx

SCRIPT = Path(__file__).parent / "weirtest" / "echo.py"


@pytest.fixture(params=sorted(FRONTS))
def echo_front(request, front):
    where = temp_dir("echo")
    echo = Echo(where / "s")
    yield front(request.param, Backend(f"unix:{where}/s", conf="/dev/null", worker=SCRIPT))
    echo.close()
    shutil.rmtree(where)


def test_request_arrives_as_it_was_sent(echo_front):
    answer = echo_front.get("/api/a%2Fb/%C3%A9?q=1&r=a%20b+c", headers={
        "X-Thing": "t", "Authorization": "Bearer abc", "Proxy": "http://evil"})
    assert answer.status == 200, (answer, echo_front.log_text())
    params = answer.json["params"]
    assert params["REQUEST_METHOD"] == "GET"
    assert params["REQUEST_URI"] == "/api/a%2Fb/%C3%A9?q=1&r=a%20b+c"
    assert params["QUERY_STRING"] == "q=1&r=a%20b+c"
    assert params["HTTP_X_THING"] == "t"
    assert params["HTTP_AUTHORIZATION"] == "Bearer abc"
    assert params["REMOTE_ADDR"] == "127.0.0.1"
    assert not params.get("REMOTE_USER")
    assert answer.json["doubled"] == []


@pytest.mark.parametrize("size", [0, 10, 200_000, 3_000_000])
def test_bodies_arrive_whole(echo_front, size):
    body = (b"0123456789abcdef" * (size // 16 + 1))[:size]
    answer = echo_front.get("/api/x", "POST", headers={"Content-Type": "application/json"}, body=body)
    assert answer.status == 200, (answer, echo_front.log_text())
    assert answer.json["md5"] == hashlib.md5(body).hexdigest()
    params = answer.json["params"]
    assert params["REQUEST_METHOD"] == "POST"
    assert params["CONTENT_TYPE"] == "application/json"
    assert int(params.get("CONTENT_LENGTH") or 0) == size


def test_password_that_nobody_checked_is_no_user(echo_front):
    answer = echo_front.get("/api/x", headers={"Authorization": "Basic " + base64.b64encode(b"root:x").decode()})
    assert answer.status == 200
    assert not answer.json["params"].get("REMOTE_USER")


@pytest.mark.parametrize("server", [Nginx, Apache, HAProxy])
def test_checked_user_is_told(front, server):
    where = temp_dir("echo")
    echo = Echo(where / "s")
    try:
        behind = front(server, Backend(f"unix:{where}/s"), users={"ann": "secret"})
        good = behind.get("/api/x", headers={"Authorization": "Basic " + base64.b64encode(b"ann:secret").decode()})
        assert good.status == 200, behind.log_text()
        assert good.json["params"]["REMOTE_USER"] == "ann"
        assert behind.get("/api/x").status == 401
        bad = behind.get("/api/x", headers={"Authorization": "Basic " + base64.b64encode(b"ann:no").decode()})
        assert bad.status == 401
    finally:
        echo.close()
        shutil.rmtree(where)


KEEPS = {"nginx", "nginx-unbuffered", "apache-proxy", "haproxy", "haproxy-get-values"}


def test_connections_are_kept_where_the_server_can(echo_front, request):
    kept = request.node.callspec.params["echo_front"] in KEEPS
    assert echo_front.get("/api/x").json["keep"] == kept


def test_status_paths_go_to_the_status_socket(front):
    """The status locations of each server, and not the workers'."""
    where = temp_dir("echo")
    status, workers = Echo(where / "status"), Echo(where / "workers")
    try:
        for kind in sorted(set(FRONTS) - servers.STARTS_WORKER):
            workers_path, behind = where / "nothing", None
            behind = front(kind, Backend(f"unix:{workers_path}", f"unix:{where}/status"))
            for path in ("/health", "/ready", "/metrics", "/api/performance"):
                answer = behind.get(path)
                assert answer.status == 200, (kind, path, answer, behind.log_text())
                assert answer.json["params"]["REQUEST_URI"] == path
            assert behind.get("/api/x").status in (502, 503), kind
    finally:
        status.close()
        workers.close()
        shutil.rmtree(where)


def test_snippets_name_only_documented_paths():
    """The paths that the harness substitutes are all that the snippets hold."""
    known = {"/run/weir", "/run/weir/weir.sock", "/run/weir/status.sock", "/etc/weir/weir.conf", "/usr/sbin/weir-worker",
             "/run/lighttpd/weir.sock", "/etc/nginx/weir.htpasswd",
             "/etc/tmpfiles.d/weir-haproxy.conf", "/etc/systemd/system/weir.service.d/haproxy.conf",
             "/var/lib/haproxy", "/var/lib/haproxy/weir", "/var/lib/haproxy/weir/weir.sock", "/var/lib/haproxy/weir/status.sock"}
    import re
    for file in sorted((TOP / "conf").glob("[nalh]*/*")):
        if file.parent.name in ("logrotate",):
            continue
        for path in re.findall(r"(?<![\w@.])/(?:run|etc|usr|var)/[\w./-]+", file.read_text()):
            assert path.rstrip("/") in known, f"{file}: {path}"
