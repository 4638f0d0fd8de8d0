"""Whose paths are whose: rules that the snippets make for /metrics and /api/performance hold for every spelling of them,
behind every web server."""

import pytest

from weirtest.base import wait_for
from weirtest.fcgi import request
from weirtest.http import encode
from weirtest.servers import STARTS_WORKER, Apache, HAProxy, Lighttpd, Nginx
from weirtest.weir import Site

ONE = {"one": "-- @route GET /api/one\n-- @returns value\nSELECT 1\n"}
KINDS = {
    "nginx": (Nginx, {}), "apache-proxy": (Apache, {}), "apache-fcgid": (Apache, {"module": "fcgid"}),
    "lighttpd": (Lighttpd, {}), "lighttpd-binpath": (Lighttpd, {"how": "binpath"}), "haproxy": (HAProxy, {}),
}
OPEN = ["/health", "/ready", "/healthz", "/api/one", "/api", "/api/x", "/"]
SECRET = ["/metrics", "/api/performance"]


def spellings():
    """Targets by which one of SECRET might be reached past a rule for it."""
    for secret in SECRET:
        name = secret[1:]
        yield from (secret, secret + "?x", secret + "?", secret + "/", secret + "//", secret + ";x", secret + "/x", secret + "#x",
                    secret + "%20", secret + "%00", secret + ".", secret + "/.", secret + "%2f", secret + "%3f", secret + "%23",
                    secret + "\\", "/" + secret, "//" + secret, "/." + secret, "/x/.." + secret, "/%2e" + secret, "/x/%2e%2e" + secret,
                    "/%2f" + name, "/%5c" + name, "/\\" + name, secret.upper(), secret.title(), secret.replace("m", "%6d", 1),
                    secret.replace("e", "%65", 1), secret.replace("e", "%2565", 1), secret.replace("api/", "api//"),
                    secret.replace("api/", "api%2f"), secret.replace("api/", "api/./"), secret.replace("api/", "api/x/../"),
                    f"http://localhost{secret}", f"HTTP://localhost{secret}?x", f"x://y{secret}", f"http:{secret}", f"x:/{secret}",
                    f"://h{secret}", f"http://localhost?{secret}", f"http://localhost#{secret}", name, f"?{secret}", f"#{secret}", f"*{secret}",
                    f"/x://h{secret}", f"{secret}://h/health", f"http://localhost{secret}://h/health")
        for where in OPEN:
            for between in ("", "#", "?", ";", "%23", "%3f", "%00", "%20", "/.", "/..", "/x/../..", "/%2e%2e", "//", "\\", "\t"):
                yield where + between + secret


def leaks(answer):
    text = answer.body.decode(errors="replace")
    return "weir_http_requests_total" in text or '"generated_at"' in text


@pytest.mark.parametrize("kind", KINDS)
def test_figures_are_denied_in_every_spelling(kind, _pg_session, front, weir, site):
    """7.23: `GET /health#/metrics` (nginx), `/health/metrics` (Apache), `/healthz/metrics` (lighttpd) told strangers all
    of /metrics; started alone nothing was denied at all."""
    server, variant = KINDS[kind]
    alone = kind in STARTS_WORKER
    s = site(_pg_session.conninfo, ONE, {"status": None} if alone else {})
    s.dir.chmod(0o755)
    if not alone:
        weir(site=s)
    local, strange = front(server, s, **variant), front(server, s, stranger=True, **variant)
    for f in (local, strange):
        wait_for(lambda f=f: f.get("/api/one").status == 200, 15, "the first answer")
    for path in SECRET:
        if path == "/api/performance" or not alone:
            assert leaks(local.get(path)), (path, local.get(path))      # this host may
            assert strange.get(path).status == 403, path
    if not alone:
        wait_for(lambda: strange.get("/ready").status == 200, 10, "the database to be known")
        assert strange.get("/health").status == strange.get("/ready").status == 200
    for target in spellings():
        with strange.raw() as c:
            c.send(encode("GET", target))
            try:
                answer = c.read_response()
            except (ConnectionError, AssertionError, ValueError):
                continue        # HTTP/0.9, or no answer at all
            assert not leaks(answer), (target, answer)


def test_status_socket_knows_four_paths(weir):
    """7.23: the status socket took whatever ended with a name of its own, and read the target in its own way."""
    w = weir(ONE)
    wait_for(lambda: request(w.status, "/ready").status == 200, 10, "the database to be known")
    for path in ("/health", "/ready", "/metrics", "/api/performance", "/metrics?x=/health", "http://h/metrics"):
        assert request(w.status, path).status == 200, path
    for path in ("/x/metrics", "/metrics/", "//metrics", "/%6detrics", "/metrics;x", "http://h?/metrics", "metrics", "/METRICS",
                 "/health/metrics", "x:/metrics", "/", "*"):
        assert request(w.status, path).status == 404, path
    for path in ("/health#/metrics", "/metrics#", "#/metrics", "http://h#/metrics", "/health?#/metrics"):
        assert request(w.status, path).status == 400, path
        assert request(w.listen, path).status == 400, path


def test_path_without_request_uri(weir):
    """7.23: SCRIPT_NAME and PATH_INFO are decoded by the web server: what is a '?' there is the path's."""
    w = weir(ONE)

    def ask(script, info=""):
        return request(w.status, "", REQUEST_URI=None, SCRIPT_NAME=script, PATH_INFO=info).status
    assert ask("/health") == ask("/api", "/performance") == 200
    assert ask("/metrics?x") == ask("/health", "/metrics") == ask("/x", "/metrics") == 404
    assert ask("/metrics#x") == ask("/health", "#/metrics") == 400


def test_lone_worker_tells_its_figures_to_this_host(lone_worker):
    """7.23: started alone there is no status socket, so a web server's rule for /api/ alone would let anybody in."""
    w = lone_worker(ONE)

    def ask(address):
        return request(w.listen, "/api/performance", REMOTE_ADDR=address).status
    assert ask("127.0.0.1") == ask("::1") == ask("::ffff:127.0.0.1") == 200
    assert ask("192.0.2.1") == ask("") == ask("::ffff:192.0.2.1") == ask("1270.0.0.1") == 404


def test_prefix_alone_is_no_file(_pg_session, front, site):
    """7.23: with mod_fcgid `GET /api` was answered with the program's own bytes."""
    s = site(_pg_session.conninfo, ONE, {"status": None})
    s.dir.chmod(0o755)
    server = front(Apache, s, module="fcgid")
    wait_for(lambda: server.get("/api/one").status == 200, 15, "the first answer")
    assert server.get("/api").status == server.get("/api?x").status == 404
